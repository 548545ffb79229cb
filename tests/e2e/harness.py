"""The one harness of the end-to-end tests: the real programs on private sockets and databases.

Itexd starts the service and waits for its READY=1, Client speaks the protocol packet by packet (and can
speak it wrongly), ctl runs itexctl. Nothing here sleeps: every wait is for a datagram, a descriptor or a
process.

ITEXD_BUILD names the build directory. Everything lives in one directory of its own, open to other users.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import re
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ITEXD_BUILD", SOURCE / "build"))
ITEXD = BUILD / "daemon" / "itexd"
ITEXCTL = BUILD / "client" / "itexctl" / "itexctl"
RULES = SOURCE / "db" / "rules"
SIMZE = BUILD / "tests" / "simze" / "libsimze.so"
SIMZE_LOADER = SIMZE.parent / "loader"
SIMZE_SHOW = BUILD / "tests" / "simze" / "simze-show"
MAX_PACKET = 65536
SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
MAJOR, MINOR = 1, 2
NOBODY = 65534
# What an instrumented build reads, handed on to programs whose environment is otherwise their own.
INSTRUMENTED = {name: os.environ[name] for name in ("ASAN_OPTIONS", "TSAN_OPTIONS") if name in os.environ}
# meson names the folders of our libraries, a loader and a driver among them that stand in for the system's
os.environ.pop("LD_LIBRARY_PATH", None)
# The Python package as itexctl finds it in the source tree, and a folder for what it keeps of scripts.
PACKAGE = Path(os.environ.get("ITEXD_PYTHON_DIR", SOURCE / "client" / "python" / "src"))
KEPT = tempfile.TemporaryDirectory(prefix="itexd-kept-")
SLOW = float(os.environ.get("ITEXD_TEST_SLOWNESS", "1"))  # sanitizer and loaded builds raise it
TIMEOUT = 20 * SLOW


def client_library():
    """What an interpreter needs to load the build's libitexclient: a sanitizer's runtime comes first."""
    library = BUILD / "client" / "libitexclient.so.1"
    needed = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    runtime = re.search(r"lib[at]san\S* => (\S+)", needed)
    environment = {**INSTRUMENTED, "LD_LIBRARY_PATH": str(library.parent)}
    if runtime:
        environment["LD_PRELOAD"] = runtime[1]
        # the interpreter itself leaks
        environment["ASAN_OPTIONS"] = f"{INSTRUMENTED.get('ASAN_OPTIONS', '')}:detect_leaks=0".lstrip(":")
    return environment


def with_client_library(*command):
    """An interpreter's command with what client_library() says: for it alone, and for no shell before it."""
    return [
        "/usr/bin/env",
        *(f"{name}={value}" for name, value in client_library().items()),
        *map(str, command),
    ]


def _protocol():
    """The protocol's messages, generated afresh from proto/itexd.proto."""
    with tempfile.TemporaryDirectory(prefix="itexd-pb-") as out:
        subprocess.run(
            ["protoc", f"-I{SOURCE / 'proto'}", f"--python_out={out}", str(SOURCE / "proto" / "itexd.proto")],
            check=True,
        )
        spec = importlib.util.spec_from_file_location("itexd_pb2", Path(out) / "itexd_pb2.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


pb = _protocol()
Code = pb.Error


SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")


class ServiceGone(AssertionError):
    """The service closed the connection, or ended."""


class Refused(AssertionError):
    """The service answered with an error; code and text are its own."""

    def __init__(self, error):
        super().__init__(f"{pb.Error.Code.Name(error.code)}: {error.text}")
        self.code = error.code
        self.text = error.text


def variables(env):
    return [pb.Variable(name=name, value=value) for name, value in env.items()]


def facts(declared, origin="declared"):
    return [pb.Fact(**{"name": name, "value": value, "from": origin}) for name, value in declared.items()]


def resolve_message(env=None, declared=None, request_id=None, **fields):
    """A Resolve: env and declared facts as dictionaries, a fresh request id unless one is given."""
    return pb.Resolve(
        request_id=secrets.token_bytes(16) if request_id is None else request_id,
        env=variables(env or {}),
        facts=facts(declared or {}),
        **fields,
    )


@contextlib.contextmanager
def effective_user(uid, gid=None, groups=()):
    """Who the enclosed connect() is: SO_PEERCRED has the effective ids of the moment of connecting."""
    if uid is None:
        yield
        return
    own_groups = os.getgroups()
    os.setgroups(list(groups))
    os.setegid(uid if gid is None else gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(own_groups)


class Client:
    """One connection. call() waits for the reply of its own request; events met on the way are kept."""

    def __init__(self, path, hello=True, uid=None, groups=(), timeout=TIMEOUT):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self.sock.settimeout(timeout)
        self.events = []
        self.replies = {}
        self.last_id = 0
        try:
            with effective_user(uid, groups=groups):
                self.sock.connect(str(path))
            if hello:
                self.hello = self.ok("hello", name="e2e", major=MAJOR, minor=MINOR, minimum_major=MAJOR)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send_raw(self, data, fds=()):
        if fds:
            socket.send_fds(self.sock, [data], list(fds))
        else:
            self.sock.send(data)

    def send(self, body, message=None, fds=(), **fields):
        """Sends one request and returns its id; message, or the body's fields."""
        self.last_id += 1
        request = pb.Request(id=self.last_id)
        field = getattr(request, body)
        field.SetInParent()
        field.MergeFrom(type(field)(**fields) if message is None else message)
        self.send_raw(request.SerializeToString(), fds)
        return self.last_id

    def receive(self):
        """The next packet, whatever it is; ServiceGone at the end of file."""
        try:
            data = self.sock.recv(MAX_PACKET + 1)
        except ConnectionResetError as error:
            raise ServiceGone("the service reset the connection") from error
        if not data:
            raise ServiceGone("the service closed the connection")
        assert len(data) <= MAX_PACKET
        packet = pb.ServerPacket()
        packet.ParseFromString(data)
        assert packet.WhichOneof("kind"), f"a packet that is neither reply nor event: {data[:64]!r}"
        return packet

    def reply(self, request=None):
        """The reply to this request, or the next one; replies to others are kept until asked for."""
        if request is None and self.replies:
            return self.replies.pop(next(iter(self.replies)))
        while request not in self.replies:
            packet = self.receive()
            if packet.WhichOneof("kind") == "event":
                self.events.append(packet.event)
                continue
            if request is None:
                return packet.reply
            self.replies[packet.reply.id] = packet.reply
        return self.replies.pop(request)

    def call(self, body, message=None, fds=(), **fields):
        return self.reply(self.send(body, message, fds, **fields))

    def ok(self, body, message=None, fds=(), **fields):
        """The reply's own message; Refused where it is an error."""
        reply = self.call(body, message, fds, **fields)
        kind = reply.WhichOneof("body")
        if kind == "error":
            raise Refused(reply.error)
        return getattr(reply, kind)

    def error(self, body, message=None, fds=(), **fields):
        reply = self.call(body, message, fds, **fields)
        assert reply.WhichOneof("body") == "error", f"expected an error, got: {reply}"
        return reply.error

    def resolve(self, env=None, declared=None, request_id=None, **fields):
        return self.ok("resolve", resolve_message(env, declared, request_id, **fields))

    def ended(self):
        """Waits until the service has closed this connection."""
        with contextlib.suppress(ServiceGone):
            while True:
                self.receive()
        return True


def memfd(data, seal=True):
    """A memfd as a client sends it; the caller closes it."""
    fd = os.memfd_create("itexd-test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data) if data else None
    os.lseek(fd, 0, os.SEEK_SET)
    if seal:
        fcntl.fcntl(
            fd,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL,
        )
    return fd


def rule_files(files):
    return pb.RuleFiles(
        files=[pb.RuleFiles.File(name=n, text=t) for n, t in files.items()]
    ).SerializeToString()


class Notify:
    """The service manager's side of sd_notify."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)

    def close(self):
        self.sock.close()

    def drain(self):
        """Forgets what an earlier process said."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.sock.recv(65536, socket.MSG_DONTWAIT)

    def wait(self, wanted, process=None, timeout=TIMEOUT):
        """The lines of the first datagram that has the line `wanted`; None where the process ended first."""
        deadline = time.monotonic() + timeout
        pidfd = os.pidfd_open(process.pid) if process else -1
        try:
            poller = select.poll()
            poller.register(self.sock, select.POLLIN)
            if pidfd >= 0:
                poller.register(pidfd, select.POLLIN)
            while True:
                left = deadline - time.monotonic()
                ready = dict(poller.poll(max(0, left * 1000)))
                if self.sock.fileno() in ready:
                    lines = self.sock.recv(65536).decode().split("\n")
                    if wanted in lines:
                        return lines
                elif ready:
                    return None
                elif left <= 0:
                    raise AssertionError(f"no {wanted} within {timeout} s")
        finally:
            if pidfd >= 0:
                os.close(pidfd)


class Simulated:
    """A simulated node of GPUs: the control file of tests/simze, which its README.md explains.

    The keywords are statements of what the node is: Simulated(directory, cards=4, default="flat", old=True).
    change() adds statements, only() replaces what was added before, reset() takes it all back; each at once.
    """

    def __init__(self, directory, cards=2, tiles=2, **more):
        self.path = Path(directory) / "simulated-gpus"
        self.base = [
            word if value is True else f"{word} {value}"
            for word, value in {"cards": cards, "tiles": tiles, **more}.items()
            if value is not False
        ]
        self.added = []
        self._write()

    def change(self, *statements):
        self.added += statements
        if any(statement.startswith("lost") for statement in statements):
            # a card that is lost anew has not been reset
            Path(f"{self.path}.reset").unlink(missing_ok=True)
        self._write()

    def only(self, *statements):
        self.added = []
        self.change(*statements)

    def reset(self):
        self.only()

    def _write(self):
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_text("".join(f"{statement}\n" for statement in self.base + self.added))
        beside.chmod(0o644)
        beside.rename(self.path)

    @property
    def env(self):
        """For a program that loads the driver itself."""
        return {"ZE_ENABLE_ALT_DRIVERS": str(SIMZE), "SIMZE_CONTROL": str(self.path)}

    def worker_environment(self, **more):
        """The variables of the device worker, as --worker-environment has them."""
        given = {**INSTRUMENTED, "SIMZE_CONTROL": self.path, **more}
        return " ".join(f"{name}={value}" for name, value in given.items())

    def arguments(self, **more):
        return [
            f"--simulated-driver={SIMZE}",
            f"--worker-environment={self.worker_environment(**more)}",
        ]


class Itexd:
    """The service, with a directory, a socket, a database and a configuration of its own.

    devices: None for a service that manages none; a Simulated; "auto" where the test gives arguments.
    capabilities: with user, those that the service is given ("fowner", "sys_ptrace"), as by its unit.
    """

    started: list[Itexd] = []  # of the running test, for its failure report

    def __init__(
        self, directory=None, config=None, env=None, arguments=(), user=None, devices=None, capabilities=()
    ):
        self.own_directory = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="itexd-e2e-", dir="/tmp"))
        self.directory.mkdir(exist_ok=True)
        self.directory.chmod(0o755)
        self.socket = self.directory / "itexd.sock"
        self.database = self.directory / "db" / "itexd.db"
        self.database.parent.mkdir(exist_ok=True)
        self.config_path = self.directory / "itexd.yaml"
        self.log_path = self.directory / "log"
        self.config = {"socket": str(self.socket), "database": str(self.database), "rules": str(RULES)}
        self.config.update(config or {})
        self.env = env or {}
        self.runtime_directory = self.directory / "run"
        self.arguments = [*self._device_arguments(devices), *arguments]
        self.user = user
        self.capabilities = capabilities
        self.process = None
        self.notify = Notify(self.directory / "notify")
        if user is not None:
            os.chown(self.directory, user, user)
            os.chown(self.database.parent, user, user)
        Itexd.started.append(self)

    def _device_arguments(self, devices):
        if devices is None:
            return ["--devices=off"]
        private = f"--runtime-directory={self.runtime_directory}"
        return [private] if devices == "auto" else [private, *devices.arguments()]

    # ---- Running ----------------------------------------------------------------------------------

    def write_config(self, text=None):
        self.config_path.write_text(text if text is not None else yaml.safe_dump(self.config))

    def spawn(self, wrapper=()):
        """Starts the process without waiting for anything."""
        self.notify.drain()
        environment = {
            **INSTRUMENTED,
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "NOTIFY_SOCKET": self.notify.path,
            **self.env,
        }
        user = self.user
        if self.capabilities:
            wrapper, user = [*self._with_capabilities(), *wrapper], None
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, str(ITEXD), "--config", str(self.config_path), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.directory,
                user=user,
                group=user,
                extra_groups=[] if user is not None else None,
            )
        return self

    def _with_capabilities(self):
        sets = ",".join(["-all", *(f"+{name}" for name in self.capabilities)])
        return [
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={self.user}",
            "--clear-groups",
            f"--inh-caps={sets}",
            f"--ambient-caps={sets}",
            f"--bounding-set={sets}",
        ]

    def start(self):
        if not self.config_path.exists():
            self.write_config()
        self.spawn()
        if self.notify.wait("READY=1", self.process) is None:
            raise AssertionError(f"itexd ended with {self.process.wait()} before it was ready:\n{self.log}")
        return self

    def start_expecting_failure(self):
        """Starts a configuration that must not come up; returns the exit status."""
        if not self.config_path.exists():
            self.write_config()
        self.spawn()
        if self.notify.wait("READY=1", self.process) is not None:
            raise AssertionError("itexd came up")
        return self.process.wait(TIMEOUT)

    def stop(self):
        """SIGTERM, and the exit status."""
        return self.signal(signal.SIGTERM)

    def kill(self):
        return self.signal(signal.SIGKILL)

    def signal(self, number):
        if self.process is None:
            return None
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        status = self.process.wait(TIMEOUT)
        self.process = None
        return status

    def restart(self, config=None):
        self.stop()
        if config is not None:
            self.config.update(config)
            self.write_config()
        return self.start()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def cleanup(self):
        """Ends it gently, which lets a sanitizer say what leaked, and fails on whatever one has said."""
        try:
            if self.process is not None:
                self.process.terminate()
                try:
                    self.process.wait(TIMEOUT)
                finally:
                    self.process.kill()
                    self.process.wait()
                    self.process = None
            reports = [line for line in self.log.splitlines() if SANITIZER_REPORT.search(line)]
            assert not reports, "\n".join(reports) + "\n" + self.log[-20000:]
        finally:
            self.notify.close()
            if self.own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    # ---- Asking -----------------------------------------------------------------------------------

    def client(self, **options):
        return Client(self.socket, **options)

    def ctl(self, *arguments, **options):
        return ctl(*arguments, socket_path=self.socket, **options)

    def status(self):
        with self.client() as client:
            return client.ok("status")

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # ---- The database, looked at from outside -------------------------------------------------------

    def rows(self, query, *parameters):
        """Reads the database while the service runs or after it; a missing schema is the caller's failure."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            return db.execute(query, parameters).fetchall()

    def integrity(self):
        return self.rows("PRAGMA integrity_check")[0][0]

    def assert_serves(self):
        """Alive, serves a new client, and its database is whole."""
        assert self.alive(), f"itexd is gone:\n{self.log}"
        with self.client() as client:
            decision = client.resolve(declared={"keras": "0"})
            assert decision.outcome.mode == "npd"
            assert decision.recorded
        assert self.integrity() == "ok"


def ctl(*arguments, socket_path=None, env=None, user=None, binary=False, timeout=TIMEOUT, **options):
    """Runs the real itexctl in an environment of its own and returns the CompletedProcess."""
    environment = {
        **INSTRUMENTED,
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "ITEXD_PYTHON_DIR": str(PACKAGE),
        "ITEXD_VERSIONS": str(SOURCE / "db" / "versions.yaml"),
        "XDG_CACHE_HOME": KEPT.name,
        **(env or {}),
    }
    if socket_path is not None:
        environment.setdefault("ITEXD_SOCKET", str(socket_path))
    if user is not None:
        options.update(user=user, group=user, extra_groups=[])
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    result = subprocess.run(
        [str(ITEXCTL), *map(str, arguments)], env=environment, text=not binary, timeout=timeout, **options
    )
    if user is not None and result.stderr and not binary:
        # a coverage build complains that the other user may not write its data
        result.stderr = re.sub(r"^profiling:.*\n", "", result.stderr, flags=re.MULTILINE)
    return result


def start_time(pid):
    """Field 22 of /proc/PID/stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def peer_credentials(sock):
    return struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))


def installed(library):
    """Where the system's own is; None where there is none."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    places = [line.split(" => ")[1] for line in known.splitlines() if line.strip().startswith(f"{library} ")]
    return places[0] if places else None


def is_instrumented(program):
    """Built with a sanitizer, beside which neither valgrind nor Intel's driver can be."""
    symbols = subprocess.run(["nm", "-D", str(program)], capture_output=True, text=True, check=True).stdout
    return bool(re.search(r"__(asan|tsan|msan)_init", symbols))


if not ITEXD.exists():
    sys.stderr.write(f"{ITEXD} does not exist: build first, or set ITEXD_BUILD\n")
