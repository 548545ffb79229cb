"""--fix: what is rewritten, byte for byte, and that the finding is gone after it.

Each case is bytes before and after. The file that was written is analysed and fixed again: nothing changes
any more.
"""

import os
import subprocess
import sys
import tempfile

import analyser

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
CHECK = str(analyser.PACKAGE / "itexclient" / "check")


class Case:
    def __init__(
        self, name, before, after, site="newest", file="train.py", environment=None, rule=None, others=None
    ):
        self.name, self.file, self.site, self.rule = name, file, site, rule
        self.before, self.after = as_bytes(before), as_bytes(after)
        self.environment = environment or {}
        self.others = others or {}


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def unchanged(name, text, **more):
    return Case(name, text, text, **more)


_NEEDS_JIT_OFF = {"ITEX_DISABLE_XLA": "1"}
_MODEL = "import tensorflow as tf\nm = tf.keras.Sequential([tf.keras.layers.Dense(1)])\n"
_LEGACY = "import os\nos.environ['TF_USE_LEGACY_KERAS'] = '1'\nimport tensorflow as tf\n"


def jit(name, call, fixed):
    return Case(name, _MODEL + call, _MODEL + fixed, environment=_NEEDS_JIT_OFF, rule="jit-without-xla")


def first(name, before, after, **more):
    return Case(name, before, after, rule="import-order", **more)


def legacy(name, before, after, **more):
    return Case(name, _LEGACY + before, _LEGACY + after, site="newest-legacy", rule="legacy-mismatch", **more)


CASES = [
    # ---- The order of imports -----------------------------------------------------------------------
    first("keras first", "import keras\nimport tensorflow as tf\n", "import tensorflow\nimport keras\nimport tensorflow as tf\n"),
    first("from keras, with comments", "# top\nfrom keras import layers  # here\n", "# top\nimport tensorflow\nfrom keras import layers  # here\n"),
    first("CRLF without a last line end", b"import os\r\nimport keras", b"import os\r\nimport tensorflow\r\nimport keras"),
    first("a byte order mark", b"\xef\xbb\xbfimport keras\n", b"\xef\xbb\xbfimport tensorflow\nimport keras\n"),
    first("Latin-1", "# -*- coding: latin-1 -*-\nx = 'größer'; import keras\n".encode("latin-1"),
          "# -*- coding: latin-1 -*-\nx = 'größer'; import tensorflow; import keras\n".encode("latin-1")),
    first("a tab", "if True:\n\tfrom keras.models import (\n\t\tSequential,\n\t)\n",
          "if True:\n\timport tensorflow\n\tfrom keras.models import (\n\t\tSequential,\n\t)\n"),
    first("in a function", "def build():\n    import keras\n    return keras.Sequential()\n\n\nbuild()\n",
          "def build():\n    import tensorflow\n    import keras\n    return keras.Sequential()\n\n\n"
          "build()\n"),
    first("on one line", "try: import keras\nexcept ImportError: pass\n", "try: import tensorflow; import keras\nexcept ImportError: pass\n"),
    first("several on one line", "import os, keras, sys\n", "import tensorflow\nimport os, keras, sys\n"),
    first("after __future__ and a docstring", '"""Doc."""\nfrom __future__ import annotations\nimport keras\n',
          '"""Doc."""\nfrom __future__ import annotations\nimport tensorflow\nimport keras\n'),
    first("a form feed and old Mac line ends", b"import os\r\x0cimport keras\r", b"import os\r\x0cimport tensorflow\r\x0cimport keras\r"),
    first("in a module beside the script", "import net\nimport tensorflow as tf\n", "import net\nimport tensorflow as tf\n",
          others={"net.py": ("import keras\n", "import tensorflow\nimport keras\n")}),
    unchanged("the name tensorflow is another thing", "tensorflow = 3\nimport keras\nprint(tensorflow)\n"),
    unchanged("import by name", "import importlib\nk = importlib.import_module('keras')\n"),
    unchanged("behind a continued line", "import os; \\\nimport keras\n"),
    # ---- tf_keras -----------------------------------------------------------------------------------
    legacy("import keras", "import keras\nkeras.Sequential()\n", "import tf_keras as keras\nkeras.Sequential()\n"),
    legacy("import keras as k, os", "import os, keras as k, sys\n", "import os, tf_keras as k, sys\n"),
    legacy("import keras.layers", "import keras.layers\nkeras.layers.Dense(1)\n",
           "import tf_keras.layers, tf_keras as keras\nkeras.layers.Dense(1)\n"),
    legacy("import keras.layers as L", "import keras.layers as L  # keras\n", "import tf_keras.layers as L  # keras\n"),
    legacy("from keras in brackets", "from keras.layers import (Dense,  # keras\n    Flatten)\n",
           "from tf_keras.layers import (Dense,  # keras\n    Flatten)\n"),
    legacy("from keras with blanks", "from   keras . models  import  Sequential as S\n", "from   tf_keras . models  import  Sequential as S\n"),
    Case("what Keras 2 has not", _LEGACY + "import keras\nfrom keras import ops\n", _LEGACY + "import keras\nfrom keras import ops\n",
         site="newest-legacy"),
    Case("one import that cannot be rewritten", _LEGACY + "import keras\nimport keras.src.layers as l\n",
         _LEGACY + "import keras\nimport keras.src.layers as l\n", site="newest-legacy"),
    unchanged("tf_keras is not installed", _LEGACY + "import keras\n"),
    # ---- jit_compile --------------------------------------------------------------------------------
    jit("nothing is given", "m.compile()\n", "m.compile(jit_compile=False)\n"),
    jit("one argument", "m.compile('adam')\n", "m.compile('adam', jit_compile=False)\n"),
    jit("True", "m.compile(loss='mse', jit_compile=True)\n", "m.compile(loss='mse', jit_compile=False)\n"),
    jit("auto, with blanks", "m.compile(loss='mse', jit_compile = \"auto\" )", "m.compile(loss='mse', jit_compile = False )"),
    jit("a bracket around the last argument", "m.compile('adam', loss=('mse'))\n", "m.compile('adam', loss=('mse'), jit_compile=False)\n"),
    jit("a trailing comma and comments", "m.compile(\n    optimizer='adam',  # )\n    loss='mse',  # ,\n)  # end\n",
        "m.compile(\n    optimizer='adam',  # )\n    loss='mse', jit_compile=False,  # ,\n)  # end\n"),
    jit("many lines without a trailing comma", "m.compile(optimizer='adam',\n          loss='mse'\n          )\n",
        "m.compile(optimizer='adam',\n          loss='mse', jit_compile=False\n          )\n"),
    jit("a string with brackets", "m.compile(loss='mse', metrics=[')', \"(\"])\n", "m.compile(loss='mse', metrics=[')', \"(\"], jit_compile=False)\n"),
    jit("a lambda and an unpacked list", "m.compile(loss=lambda a, b: (a, b))\n", "m.compile(loss=lambda a, b: (a, b), jit_compile=False)\n"),
    jit("characters of more than one byte", "x = 'ü'; m.compile(loss='ü€😀', jit_compile=True); y = 'é'\n",
        "x = 'ü'; m.compile(loss='ü€😀', jit_compile=False); y = 'é'\n"),
    jit("the attribute", "m.compile(loss='mse')\nm.jit_compile = True  # on\n", "m.compile(loss='mse')\nm.jit_compile = False  # on\n"),
    jit("in the eighth place", "m.compile('adam', 'mse', None, None, None, False, 1, True)\n",
        "m.compile('adam', 'mse', None, None, None, False, 1, False)\n"),
    unchanged("options that are not seen", _MODEL + "o = {'loss': 'mse', 'jit_compile': True}\nm.compile(**o)\n", environment=_NEEDS_JIT_OFF),
    unchanged("a computed value", _MODEL + "on = True\nm.compile('adam', jit_compile=on)\n", environment=_NEEDS_JIT_OFF),
    Case("Keras 2", _MODEL + "m.compile(\r\n\tloss='mse',\r\n\tjit_compile=True)", _MODEL + "m.compile(\r\n\tloss='mse',\r\n\tjit_compile=False)",
         site="wheel", rule="keras3-3"),
    unchanged("auto_jit=2: jit_compile=False alone would end with status 0", _MODEL + "m.compile('adam')\n",
              environment={"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}),
    Case("auto_jit=1", _MODEL + "m.compile('adam')\n", _MODEL + "m.compile('adam', jit_compile=False)\n",
         environment={"TF_XLA_FLAGS": "--tf_xla_auto_jit=1"}, rule="keras-auto-jit"),
    unchanged("nothing to do", _MODEL + "m.compile('adam')\n"),
    unchanged("a syntax error", "import keras\nprint 'x'\n"),
    # ---- Notebooks ----------------------------------------------------------------------------------
    first("a notebook", '{\n "cells": [\n  {"cell_type": "code",   "source": [\n    "import keras\\n",\n    "x = \\"\\u00e4\\""\n  ]}\n ], "nbformat": 4}',
          '{\n "cells": [\n  {"cell_type": "code",   "source": [\n    "import tensorflow\\n",\n    "import keras\\n",\n    "x = \\"\\u00e4\\""\n  ]}\n ], "nbformat": 4}',
          file="train.ipynb"),
    first("a notebook whose cells are strings", '{"cells": [{"cell_type": "code", "source": "%matplotlib inline\\nimport keras\\n"}], "metadata": {}}\r\n',
          '{"cells": [{"cell_type": "code", "source": "%matplotlib inline\\nimport tensorflow\\nimport keras\\n"}], "metadata": {}}\r\n',
          file="train.ipynb"),
    Case("jit in a notebook, escapes before it",
         '{"cells": [{"source": ["import tensorflow as tf\\n", "m = tf.keras.Sequential([])\\n", "s = \\"\\ud83d\\ude00\\t\\"; m.compile(loss=\\"mse\\", jit_compile=True)\\n"], "cell_type": "code"}]}',
         '{"cells": [{"source": ["import tensorflow as tf\\n", "m = tf.keras.Sequential([])\\n", "s = \\"\\ud83d\\ude00\\t\\"; m.compile(loss=\\"mse\\", jit_compile=False)\\n"], "cell_type": "code"}]}',
         file="train.ipynb", environment=_NEEDS_JIT_OFF, rule="jit-without-xla"),
    unchanged("a magic moved the text", '{"cells": [{"cell_type": "code", "source": ["%time import keras\\n"]}]}', file="train.ipynb"),
]  # fmt: skip


def run(case, folder, *arguments):
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": analyser.site(case.site),
        **case.environment,
    }
    command = [PYTHON, "-B", CHECK, *arguments, case.file]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


def check(case):
    """What is wrong, for a person."""
    with tempfile.TemporaryDirectory(prefix="itexd-fix-") as folder:
        paths = {case.file: (case.before, case.after)}
        paths.update({name: tuple(map(as_bytes, pair)) for name, pair in case.others.items()})
        for name, (before, _) in paths.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(before)
        shown = run(case, folder, "--fix")
        wrong = (
            []
            if read(folder, paths) == {name: pair[0] for name, pair in paths.items()}
            else ["--fix alone wrote"]
        )
        written = run(case, folder, "--fix", "--write")
        if written.stdout != shown.stdout or written.returncode or written.stderr:
            wrong.append(f"--write: status {written.returncode}, {written.stderr.decode()}")
        for name, data in read(folder, paths).items():
            if data != paths[name][1]:
                wrong.append(f"{name} is {data!r}, it should be {paths[name][1]!r}")
        changed = any(before != after for before, after in paths.values())
        if changed != bool(shown.stdout):
            wrong.append(f"the diff is {shown.stdout.decode(errors='replace')!r}")
        again = run(case, folder, "--fix", "--write")
        if again.stdout:
            wrong.append(f"fixing again: {again.stdout.decode(errors='replace')!r}")
        text = run(case, folder).stdout.decode(errors="replace")
        if case.rule and f"[{case.rule}]" in text:
            wrong.append(f"{case.rule} is still there: {text}")
        return wrong + patch_agrees(shown.stdout, paths)


def patch_agrees(diff, paths):
    """patch(1) makes the same of the diff."""
    if not diff:
        return []
    with tempfile.TemporaryDirectory(prefix="itexd-fix-") as folder:
        for name, (before, _) in paths.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(before)
        if any(b"\r" in before or not is_utf8(before) for before, _ in paths.values()):
            return []  # patch has rules of its own for line ends; the diff is UTF-8 whatever the file is
        done = subprocess.run(
            ["patch", "-p1", "-s"], cwd=folder, input=diff, capture_output=True, check=False
        )
        made = read(folder, paths)
        good = done.returncode == 0 and made == {name: pair[1] for name, pair in paths.items()}
        return [] if good else [f"patch: {done.stdout.decode()} {made}"]


def is_utf8(data):
    try:
        return not data.startswith(b"\xef\xbb\xbf") and data.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False


def read(folder, names):
    found = {}
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def main():
    chosen = [case for case in CASES if len(sys.argv) < 2 or sys.argv[1] in case.name]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, case in enumerate(chosen, 1):
        wrong = check(case)
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {case.name}")
        for line in wrong:
            print(f"#   {line}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
