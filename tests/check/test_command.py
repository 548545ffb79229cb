"""The analyser as a program: how it is started, what it prints, what it must never do."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile

import analyser
import tap

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
CHECK = str(analyser.PACKAGE / "itexclient" / "check")
SCRIPT = (
    "import tensorflow as tf\nm = tf.keras.Sequential([tf.keras.layers.Dense(1)])\nm.compile(loss='mse')\n"
)


class Folder:
    """A folder with files, and the analyser started in it."""

    def __init__(self, **files):
        self.temporary = tempfile.TemporaryDirectory(prefix="itexd-command-")
        self.path = self.temporary.name
        for name, text in files.items():
            self.write(name.replace("__", "/").replace("_py", ".py"), text)

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    def run(self, *arguments, start=(CHECK,), path="", environment=None, **more):
        search = os.pathsep.join(part for part in (path, analyser.site("newest")) if part)
        variables = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": search, **(environment or {})}
        command = [PYTHON, "-B", *start, *arguments]
        return subprocess.run(command, cwd=self.path, env=variables, capture_output=True, check=False, **more)

    def json(self, *arguments, **more):
        done = self.run("--json", *arguments, **more)
        if done.returncode or done.stderr:
            raise AssertionError(f"status {done.returncode}: {done.stderr.decode()}")
        return json.loads(done.stdout)


def started_both_ways():
    """As a folder and as a module it is the same."""
    folder = Folder(train_py=SCRIPT)
    first = folder.json("train.py")
    second = folder.json("train.py", start=("-m", "itexclient.check"), path=str(analyser.PACKAGE))
    del first["hook"], second["hook"]
    return tap.differences([("the answer", second, first), ("keras", first["facts"]["keras"]["value"], "3")])


def keys():
    """The keys of the answer, always all of them."""
    answer = Folder(
        train_py="import os\nos.environ['X'] = '1'\n" + SCRIPT + "tf.test.is_gpu_available()\n"
    ).json("train.py")
    pairs = [
        ("keys", list(answer), ["format", "python", "files", "scripts", "facts", "installation",
        "environment",
                                "environment_unknown", "findings", "depends", "hook"]),
        ("format", answer["format"], 1),
        ("python", answer["python"], ".".join(map(str, sys.version_info[:3]))),
        ("a fact", list(answer["facts"]["jit"]), ["value", "file", "line", "column", "why"]),
        ("a variable", list(answer["environment"][0]),
         ["name", "value", "unset", "unconditional", "before_import", "file", "line", "column"]),
        ("a finding", list(answer["findings"][0]), ["file", "line", "column", "rule", "severity", "message",
        "fix", "edits"]),
        ("installation", answer["installation"], {"tensorflow": "2.16.2", "itex": "2.16.0.0", "setuptools": "68.2.2",
                                                  "keras_installed": "3", "tf_keras_installed": "false", "lib_flavour": "xpu"}),
        ("hook", answer["hook"], False),
    ]  # fmt: skip
    return tap.differences(pairs)


def nothing_is_run():
    """No statement of the script or of its modules is executed, and no library is imported."""
    touch = "open('touched', 'w').close()\nimport tensorflow, keras\nraise SystemExit(9)\n"
    folder = Folder(train_py="import beside\n" + touch, beside_py=touch, sitecustomize_py="")
    done = folder.run("--json", "train.py", path=folder.path)
    wrong = ["something was run"] if "touched" in os.listdir(folder.path) else []
    return wrong + tap.differences([("status", done.returncode, 0)])


def modules_named_like_ours():
    """Files beside the script that have the names of Python's or of the analyser's own modules."""
    names = ["random", "json", "ast", "types", "token", "tokenize", "argparse", "files", "world", "values", "rules", "answer",
             "threading", "re", "itexclient", "command", "edits", "text", "abc", "enum"]  # fmt: skip
    files = {f"{name}_py": "print('imported', __name__)\n" for name in names}  # which would spoil the JSON
    folder = Folder(train_py="import random, json, types\n" + SCRIPT, **files)
    wrong = []
    for start in ((CHECK,), ("-m", "itexclient.check")):
        # Python itself looks into PYTHONPATH before the analyser is there, so that -m is tried from a folder
        # without them.
        elsewhere = Folder() if start[0] == "-m" else folder
        search = str(analyser.PACKAGE) if start[0] == "-m" else ""
        answer = elsewhere.json(os.path.join(folder.path, "train.py"), start=start, path=search)
        parsed = {os.path.basename(file["path"]) for file in answer["files"]}
        wrong += tap.differences(
            [(f"followed by {start[0]}", parsed, {"train.py", "random.py", "json.py", "types.py"})]
        )
    return wrong


def files_are_hashed():
    """files: what was read, with SHA-256, followed modules too."""
    folder = Folder(train_py="import net\nimport missing_one\n" + SCRIPT, net_py="import os\n")
    files = {file["path"]: file["sha256"] for file in folder.json("train.py")["files"]}
    expected = {}
    for name in ("train.py", "net.py"):
        with open(os.path.join(folder.path, name), "rb") as file:
            expected[name] = hashlib.sha256(file.read()).hexdigest()
    return tap.differences([("files", files, expected)])


def several_files():
    """Facts in which two scripts agree, and each one's own."""
    folder = Folder(a_py=SCRIPT, b_py=SCRIPT.replace("loss='mse'", "jit_compile=False"))
    answer = folder.json("a.py", "b.py")
    own = {script["path"]: script["facts"]["jit"]["value"] for script in answer["scripts"]}
    return tap.differences(
        [
            ("own", own, {"a.py": "auto", "b.py": "off"}),
            ("common", "jit" in answer["facts"], False),
            ("keras", answer["facts"]["keras"]["value"], "3"),
        ]
    )


def what_cannot_be_read():
    """A file that is not there, a folder, a pipe's name, a file without permission: a finding and status 0."""
    folder = Folder(app__main_py="", secret_py=SCRIPT)
    os.makedirs(os.path.join(folder.path, "empty"))
    os.chmod(os.path.join(folder.path, "secret.py"), 0)
    wrong = []
    for name in ("missing.py", "empty", "no/such/folder/x.py", "x\ny.py", ""):
        answer = folder.json(name)
        wrong += tap.differences([(name, [one["rule"] for one in answer["findings"]], ["not-python"])])
    answer = folder.json("secret.py")
    rules = [one["rule"] for one in answer["findings"]]
    return wrong + tap.differences([("secret.py", rules, [] if os.geteuid() == 0 else ["not-python"])])


def modules_and_code():
    """-m and -c; a folder with __main__.py."""
    folder = Folder(jobs____main___py="from .net import f\nf()\n", jobs____init___py="", jobs__net_py="def f():\n    import keras\n",
                    plain_py=SCRIPT)  # fmt: skip
    folder.write("app/__main__.py", "import net\n")
    folder.write("app/net.py", SCRIPT)
    folder.write("jobs/__main__.py", "from .net import f\nf()\n")
    folder.write("jobs/__init__.py", "")
    pairs = []
    for arguments, order in (
        (("-m", "jobs"), "keras-first"),
        (("-m", "plain"), "tensorflow-first"),
        (("-c", "import keras, sys; sys.exit()"), "keras-first"),
        (("app",), "tensorflow-first"),
    ):
        facts = folder.json(*arguments)["facts"]
        pairs.append((arguments, facts.get("import_order", {}).get("value"), order))
    rules = [one["rule"] for one in folder.json("-m", "no.such.module")["findings"]]
    return tap.differences([*pairs, ("-m no.such.module", rules, ["not-python"])])


def usage():
    """No file is status 2; --write without --fix too; help is 0."""
    folder = Folder(train_py=SCRIPT)
    pairs = [((), 2), (("--write", "train.py"), 2), (("--bind", "core", "train.py"), 2), (("--help",), 0)]
    return tap.differences(
        (arguments, folder.run(*arguments).returncode, status) for arguments, status in pairs
    )


def odd_terminals():
    """No encoding of the output, and none of a file's name, makes it fail."""
    folder = Folder(train_py="# für\nimport keras  # ☃\nx = '☃'\n")
    name = b"\xff\xe4.py"
    with open(os.path.join(os.fsencode(folder.path), name), "wb") as file:
        file.write(b"import keras\n")
    wrong = []
    for arguments in (
        ("train.py",),
        ("--json", "train.py"),
        ("--fix", "train.py"),
        (os.fsdecode(name),),
        ("--fix", os.fsdecode(name)),
    ):
        for language in ("C", "C.UTF-8"):
            environment = {
                "LC_ALL": language,
                "PYTHONCOERCECLOCALE": "0",
                "PYTHONUTF8": "0",
                "PYTHONIOENCODING": "ascii",
            }
            done = folder.run(*arguments, environment=environment)
            wrong += tap.differences([(f"{arguments} {language}", (done.returncode, done.stderr), (0, b""))])
    return wrong


def text_output():
    """Like a compiler's: file:line:column."""
    done = Folder(train_py="import keras\n").run("train.py")
    first = done.stdout.decode().splitlines()[0]
    good = first.startswith("train.py:1:1: error: ") and first.endswith("[import-order]")
    return [] if good else [first]


def installed_hook():
    """hook: the package with its .pth is in the interpreter."""
    folder = Folder(train_py=SCRIPT)
    site = os.path.join(folder.path, "other", "site-packages")
    folder.write("other/site-packages/itexclient/__init__.py", "")
    without = folder.json("train.py", path=site)["hook"]
    folder.write("other/site-packages/itexclient.pth", "\n")
    return tap.differences(
        [("without .pth", without, False), ("with it", folder.json("train.py", path=site)["hook"], True)]
    )


def too_complex():
    """What is nested beyond all sense is said to be so, and nothing is known of it."""
    folder = Folder(deep_py="import tensorflow as tf\nx = 1" + " + 1" * 200_000 + "\n")
    answer = folder.json("deep.py")
    rules = [one["rule"] for one in answer["findings"]]
    return tap.differences([("findings", rules, ["too-complex"]), ("facts", answer["facts"], {})])


def written_files():
    """--fix --write keeps the file's mode, writes through a link, and does not write what has changed
    meanwhile.
    """
    folder = Folder(train_py="import keras\n")
    path = os.path.join(folder.path, "train.py")
    os.chmod(path, 0o640)
    os.symlink("train.py", os.path.join(folder.path, "link.py"))
    done = folder.run("--fix", "--write", "link.py")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return tap.differences(
        [
            ("status", done.returncode, 0),
            ("text", text, "import tensorflow\nimport keras\n"),
            ("mode", stat.S_IMODE(os.stat(path).st_mode), 0o640),
            ("link", os.path.islink(os.path.join(folder.path, "link.py")), True),
            ("files", sorted(os.listdir(folder.path)), ["link.py", "train.py"]),
        ]
    )


def depends():
    """depends: the variables at hand that the answer hangs on."""
    folder = Folder(
        train_py="import os\nos.environ['TF_XLA_FLAGS'] = os.environ.get('TF_XLA_FLAGS', '') + ' --tf_xla_auto_jit=1'\n"
        + SCRIPT
    )
    answer = folder.json("train.py", environment={"TF_XLA_FLAGS": "--tf_xla_clustering_debug"})
    found = answer["depends"]["environment"]
    return tap.differences(
        [
            ("TF_XLA_FLAGS", found.get("TF_XLA_FLAGS"), "--tf_xla_clustering_debug"),
            ("TF_USE_LEGACY_KERAS", found.get("TF_USE_LEGACY_KERAS", "is not there"), None),
            ("HOME", "HOME" in found, False),
            ("value", answer["environment"][0]["value"], "--tf_xla_clustering_debug --tf_xla_auto_jit=1"),
        ]
    )


def many_times_the_same():
    """The same answer, whatever the order of hashes."""
    folder = Folder(
        train_py="import random\nfrom tensorflow import keras\nx = random.choice([1, 2])\n" + SCRIPT
    )
    answers = {
        folder.run("--json", "train.py", environment={"PYTHONHASHSEED": str(seed)}).stdout
        for seed in range(4)
    }
    return tap.differences([("answers", len(answers), 1)])


CASES = [
    ("as a folder and as a module", started_both_ways),
    ("the keys of the answer", keys),
    ("nothing is run", nothing_is_run),
    ("modules beside the script named like others", modules_named_like_ours),
    ("files and hashes", files_are_hashed),
    ("several files", several_files),
    ("what cannot be read", what_cannot_be_read),
    ("-m, -c and folders", modules_and_code),
    ("usage", usage),
    ("odd terminals", odd_terminals),
    ("text", text_output),
    ("the hook", installed_hook),
    ("too complex", too_complex),
    ("files that are written", written_files),
    ("what the answer hangs on", depends),
    ("the same answer", many_times_the_same),
]

if __name__ == "__main__":
    sys.exit(tap.run(CASES))
