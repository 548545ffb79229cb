"""Every snippet's facts, environment and findings; precision and recall per fact and per rule.

A fact that is said and wrong is a bug, so precision is 1 or the test fails; recall must not fall below what
is agreed.
"""

import sys

import analyser
import snippets

RECALL_OF_FACTS = 0.97
RECALL_OF_RULES = 0.97


class Score:
    """right: said and true; wrong: said and not true; missed: true and not said."""

    def __init__(self):
        self.right = self.wrong = self.missed = 0

    def precision(self):
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    def recall(self):
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    def add(self, other):
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed


def count(scores, name, right=0, wrong=0, missed=0):
    score = scores.setdefault(name, Score())
    score.right += right
    score.wrong += wrong
    score.missed += missed


def compare_facts(snippet, answer, scores):
    """What is wrong with the facts, for a person."""
    said = {name: fact["value"] for name, fact in answer["facts"].items()}
    problems = []
    for name in sorted(set(said) | set(snippet.facts)):
        truth, value = snippet.facts.get(name), said.get(name)
        if value == truth:
            count(scores, name, right=1)
        elif value is None:
            count(scores, name, missed=1)
            problems.append(f"fact {name}: not found, it is {truth}")
        else:
            count(scores, name, wrong=1)
            problems.append(f"fact {name}: said {value}, it is {truth or 'unknown'}")
    return problems


def compare_findings(snippet, answer, scores):
    found, expected = snippets.found_findings(snippet, answer), snippet.findings
    for one in found | expected:
        count(scores, one[0], one in found and one in expected, one not in expected, one not in found)
    problems = [f"finding: said {one}" for one in sorted(found - expected, key=str)]
    return problems + [f"finding: missed {one}" for one in sorted(expected - found, key=str)]


def compare_environment(snippet, answer, scores):
    found, expected = snippets.found_environment(snippet, answer), snippet.environment
    for one in found | expected:
        count(scores, "environment", one in found and one in expected, one not in expected, one not in found)
    problems = [f"environment: said {one}" for one in sorted(found - expected, key=str)]
    return problems + [f"environment: missed {one}" for one in sorted(expected - found, key=str)]


def compare_files(snippet, answer):
    parsed = all(file["parsed"] for file in answer["files"])
    expected = snippet.expected.get("parsed", True)
    return [] if parsed == expected else [f"parsed is {parsed}, it should be {expected}: {answer['files']}"]


def print_scores(title, scores):
    print(f"# {title:<26} right wrong missed precision recall")
    total = Score()
    for name in sorted(scores):
        one = scores[name]
        total.add(one)
        print(
            f"#   {name:<24} {one.right:5d} {one.wrong:5d} {one.missed:6d} {one.precision():9.3f} "
            f"{one.recall():6.3f}"
        )
    print(
        f"#   {'all':<24} {total.right:5d} {total.wrong:5d} {total.missed:6d} {total.precision():9.3f} "
        f"{total.recall():6.3f}"
    )
    return total


def main():
    chosen = snippets.all_snippets()
    if len(sys.argv) > 1:
        chosen = [one for one in chosen if any(one.name.startswith(name) for name in sys.argv[1:])]
    facts, rules, environment = {}, {}, {}
    failed = 0
    print(f"1..{len(chosen) + 4}")
    for number, snippet in enumerate(chosen, 1):
        answer = analyser.analyse(snippet.folder(), snippet.arguments(), snippet.site, snippet.at_hand)
        problems = compare_facts(snippet, answer, facts) + compare_environment(snippet, answer, environment)
        problems += compare_findings(snippet, answer, rules) + compare_files(snippet, answer)
        failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {snippet.name}: {snippet.expected['about']}")
        for problem in problems:
            print(f"#   {problem}")
    totals = [
        print_scores("facts", facts),
        print_scores("rules", rules),
        print_scores("environment", environment),
    ]
    checks = [
        (totals[0].precision() == 1.0, "no fact is wrong"),
        (totals[0].recall() >= RECALL_OF_FACTS, f"recall of facts is at least {RECALL_OF_FACTS}"),
        (totals[1].precision() == 1.0 and totals[1].recall() >= RECALL_OF_RULES, "findings are right"),
        (totals[2].precision() == 1.0, "no variable is wrong"),
    ]
    for number, (good, name) in enumerate(checks, len(chosen) + 1):
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
