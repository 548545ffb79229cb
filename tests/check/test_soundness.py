"""What the analyser is certain of is so in every run: generated programs are analysed and then really run.

The answer is unknown, or it is right. How often it is known at all is printed, and must not fall to nothing.

    test_soundness.py [FIRST SEED] [PROGRAMS]
"""

import random
import sys
import tempfile
from pathlib import Path

import analyser
import programs
import recording

PROGRAMS, RUNS, GROUP = 1500, 12, 250


def contradictions(text, answer, seed):
    """What the answer says and a run does not do; and whether any run got as far as TensorFlow."""
    found, told = [], False
    for number in range(RUNS):
        chance = random.Random(f"{seed} {number}")
        run = recording.Run().execute(text, chance.random)
        if run.failed is not None or run.at_import is None:
            continue
        told = True
        for name, fact in answer["facts"].items():
            wrong = run.contradicts(name, fact["value"])
            if wrong:
                found.append(wrong)
        for one in answer["environment"]:
            if (
                one["unconditional"]
                and one["before_import"]
                and run.at_import.get(one["name"]) != one["value"]
            ):
                is_now = run.at_import.get(one["name"])
                found.append(
                    f"{one['name']}={one['value']} for certain (line {one['line']}), this run had {is_now}"
                )
    return sorted(set(found)), told


def check(seed, folder, counts):
    """None, or what is wrong with the program of this seed."""
    text = programs.Program(seed).text()
    compile(text, "program", "exec")
    path = Path(folder) / "program.py"
    path.write_text(text)
    answer = analyser.analyse(folder, ["program.py"])
    if any(one["rule"] == "analyser-failure" for one in answer["findings"]):
        return text, [one["message"] for one in answer["findings"]]
    found, told = contradictions(text, answer, seed)
    if told:
        counts["programs"] = counts.get("programs", 0) + 1
        for name in answer["facts"]:
            counts[name] = counts.get(name, 0) + 1
        counts["environment"] = counts.get("environment", 0) + any(
            one["unconditional"] and one["before_import"] for one in answer["environment"]
        )
    return (text, found) if found else None


def main():
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else PROGRAMS
    groups = range(first, first + wanted, GROUP)
    print(f"1..{len(groups) + 1}")
    failed, counts = 0, {}
    with tempfile.TemporaryDirectory(prefix="itexd-check-") as folder:
        for number, start in enumerate(groups, 1):
            wrong = []
            for seed in range(start, min(start + GROUP, first + wanted)):
                result = check(seed, folder, counts)
                if result is not None:
                    wrong.append((seed, *result))
            failed += bool(wrong)
            print(f"{'not ok' if wrong else 'ok'} {number} - programs from seed {start}")
            for seed, text, found in wrong[:3]:
                print(f"# seed {seed}: {'; '.join(found)}")
                for line, content in enumerate(text.splitlines(), 1):
                    print(f"#   {line:3d} {content}")
            if wrong:
                print(f"# {len(wrong)} programs with wrong answers: {[seed for seed, _, _ in wrong]}")
    known = {name: count / max(counts.get("programs", 1), 1) for name, count in counts.items()}
    useful = known.get("import_order", 0) > 0.5 and known.get("environment", 0) > 0.1
    failed += not useful
    print(f"{'ok' if useful else 'not ok'} {len(groups) + 1} - the answer is not always unknown")
    print(f"# of {counts.get('programs', 0)} programs that run, how many have a certain answer:")
    for name in sorted(known):
        print(f"#   {name:<20} {known[name]:.2f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
