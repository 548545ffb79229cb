"""Broken scripts: whatever is done to a snippet, the analyser answers, and the answer is JSON.

A mistake of the analyser's own is the finding analyser-failure; here it is a failure of the test, with the
text that made it. The mutations are the same in every run; another first argument makes others.
"""

import json
import os
import random
import sys
import tempfile

import analyser
import snippets
from itexclient.check import analysis, answer
from itexclient.check.fix import Fixer

MUTATIONS = 15
_WORDS = [
    b"import keras\n", b"(", b")", b"[", b"{", b":", b"\\\n", b"\x0c", b"\t", b"'''", b'"""', b"lambda: ",
    b"await x\n", b"yield\n",
    b"del os.environ\n", b"global m\n", b"nonlocal x\n", b"async def f(): pass\n", b"class A(A): pass\n",
    b"f'{x!r:>{y}}'\n",
    b"from . import *\n", b"from .. import x\n", b"import a.b.c as d\n",
    b"from __future__ import annotations\n", b"match x:\n case [a, *b]: pass\n",
    b"while True: pass\n", b"try:\n raise\nexcept* E: pass\n", b"x = *a, *b\n", b"x[1:2, ...] = 3\n",
    b"print >>f, x\n", b"\xff", b"\x00", b"\xc3",
    b"super().__init__(**k)\n", b"m.compile(*a, **k)\n", b"os.environ[x] = y = z\n",
    b"with a as (b, c), d: pass\n", b"for x.y in z: pass\n",
    b"@f(1)\ndef g(a, /, b, *c, d=1, **e): return g(g)\n", b"[x for y in z if (x := y)]\n",
    b"x if y else z\n", b"type X = int\n",
    b"def h[T](x: T) -> T: return x\n", b"setattr(m, n, v)\n", b"exec(x)\n", b"keras = tf = os = None\n",
    b"%env A=1\n", b"!ls\n", b"x?\n", b"0777\n",
]  # fmt: skip


def mutated(data, chance):
    """The data with one to three things done to it."""
    for _ in range(chance.randint(1, 3)):
        size = len(data)
        place, other = sorted((chance.randint(0, size), chance.randint(0, size)))
        kind = chance.randrange(8)
        if kind == 0:
            data = data[:place]
        elif kind == 1:
            data = data[:place] + data[place + chance.randint(1, 8) :]
        elif kind in (2, 3):
            data = data[:place] + chance.choice(_WORDS) + data[place:]
        elif kind == 4:
            lines = data.splitlines(keepends=True) or [b""]
            line = chance.randrange(len(lines))
            data = b"".join([*lines[:line], chance.choice(_WORDS), *lines[line:]])
        elif kind == 5:
            lines = data.splitlines(keepends=True)
            chance.shuffle(lines)
            data = b"".join(lines)
        elif kind == 6:
            data = data[:place] + data[other:] + data[place:other]
        else:
            data = data + b"\n" + data[place:other] * chance.randint(1, 3)
    return data


def deep():
    """Texts that are nested as no person nests them."""
    yield "brackets", b"x = " + b"(" * 5000 + b")" * 5000
    yield "operators", b"x = 1" + b" + 1" * 30000
    yield "attributes", b"import tensorflow\nx = tensorflow" + b".a" * 30000
    yield "calls", b"x = f" + b"()" * 20000
    yield "elif", b"if a: pass\n" + b"elif a: pass\n" * 8000
    yield "strings", b"x = " + b"'a' " * 50000
    yield "blocks", b"".join(b" " * n + b"if a:\n" for n in range(95)) + b" " * 95 + b"pass"
    yield "loops", b"".join(b" " * n + b"for i in a:\n" for n in range(18)) + b" " * 18 + b"x = i"
    yield (
        "functions",
        b"def f0(): pass\n"
        + b"".join(b"def f%d():\n f%d()\n f%d()\n" % (n + 1, n, n) for n in range(60))
        + b"f60()\n",
    )
    yield (
        "lists",
        b"x = []\nfor i in range(3): x.append(x)\nimport tensorflow as tf\n"
        b"tf.keras.Sequential(x).compile()\n",
    )
    yield "classes", b"class A: pass\n" + b"".join(b"class A(A): pass\n" for _ in range(500)) + b"A().x()\n"
    yield "long line", b"x = [" + b"1, " * 300000 + b"]\n"
    yield "many names", b"".join(b"x%d = %d\n" % (n, n) for n in range(30000))


def answer_to(folder, name, data, options):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    before = os.getcwd()
    os.chdir(folder)
    try:
        scripts = [analysis.analyse(analysis.Target("file", name), options)]
        fixer = Fixer(scripts)
        made = answer.answer(scripts, options, fixer.edits_of)
        json.loads(json.dumps(made))
        answer.text(made)
        fixer.changed(lambda script, overrides: analysis.analyse(script.target, options, overrides))
        return [one["message"] for one in made["findings"] if one["rule"] == "analyser-failure"]
    finally:
        os.chdir(before)


def group(number, name, wrong):
    print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    for what, data in wrong[:3]:
        print(f"#   {what}")
        print(f"#   {data[:3000]!r}")
    return bool(wrong)


def main():
    chance = random.Random(sys.argv[1] if len(sys.argv) > 1 else "1")
    chosen = [one for one in snippets.all_snippets() if one.path.is_file()]
    failed = 0
    print("1..3")
    with tempfile.TemporaryDirectory(prefix="itexd-fuzz-") as folder:
        options = analysis.Options(path=[analyser.site("newest-legacy")], at_hand={"ITEX_DISABLE_XLA": "1"})
        for number, suffix in enumerate((".py", ".ipynb"), 1):
            wrong = []
            for snippet in [one for one in chosen if one.path.suffix == suffix]:
                for _ in range(MUTATIONS * (4 if suffix == ".ipynb" else 1)):
                    data = mutated(snippet.path.read_bytes(), chance)
                    wrong += [
                        (message, data) for message in answer_to(folder, "script" + suffix, data, options)
                    ]
            failed += group(number, f"mutations of *{suffix}", wrong)
        wrong = []
        for name, data in deep():
            wrong += [
                (f"{name}: {message}", data) for message in answer_to(folder, "script.py", data, options)
            ]
        failed += group(3, "nested and large", wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
