"""What the peers stand on: a virtual environment, Redis, PostgreSQL, the servers.

Each in a directory of its own, on free ports, stopped with the block. `run/<name>.pid`
tells cabrank.trial.bench.cpu whose CPU to read.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
CACHE = HERE.parents[1] / ".venv" / "peers"
"""What else is fetched, until `make clean`."""
START_MAX_S = 30


class InfraError(Exception):
    """Something is not installed, or did not start."""


def virtual_environment() -> Path:
    """`bin` of the peers' own; made anew when requirements.txt has changed."""
    stamp = VENV / "requirements.txt"
    wanted = (HERE / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)  # noqa: S603
        pip = [VENV / "bin/python", "-m", "pip", "--quiet", "install", "-r"]
        subprocess.run([*pip, HERE / "requirements.txt"], check=True)  # noqa: S603
        stamp.write_text(wanted)
    return VENV / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(ready: Any, what: str) -> None:
    ends_at = time.monotonic() + START_MAX_S
    while not ready():
        if time.monotonic() > ends_at:
            raise InfraError(f"{what} did not start within {START_MAX_S} s.")
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def process(name: str, directory: Path, command: Any, **more: Any) -> Iterator[int]:
    """Run `command` as `name`; yields its pid. Its output goes to `<name>.log`."""
    run = directory / "run"
    run.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.log").open("ab") as log:
        started = subprocess.Popen(  # noqa: S603
            [str(word) for word in command], stdout=log, stderr=log, **more
        )
    pid_file = run / f"{name}.pid"
    pid_file.write_text(str(started.pid))
    try:
        yield started.pid
    finally:
        pid_file.unlink()
        started.send_signal(signal.SIGINT)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def run(command: Any, environment: dict[str, str]) -> None:
    """Run to the end. Raises: InfraError with what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603
        words,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InfraError(f"{' '.join(words)}: {done.stderr[-500:]}")


@contextlib.contextmanager
def redis(directory: Path) -> Iterator[Path]:
    """A redis-server that keeps nothing; yields its Unix socket."""
    program = shutil.which("redis-server")
    if program is None:
        raise InfraError("redis-server is missing (apt-get install redis-server).")
    path = directory / "redis.sock"
    options = ("--port", 0, "--unixsocket", path, "--save", "", "--appendonly", "no")
    with process("redis", directory, [program, *options]):
        until(path.exists, "redis-server")
        yield path


@contextlib.contextmanager
def postgresql(directory: Path) -> Iterator[int]:
    """A PostgreSQL with the defaults of its makers, fsync included; yields its port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise InfraError("PostgreSQL is missing (apt-get install postgresql).")
    binaries = found[-1].parent
    home = directory / "postgres"
    home.mkdir()
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(home, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        who["cwd"] = home
    data = home / "data"
    make = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust"]
    subprocess.run(make, check=True, capture_output=True, **who)  # noqa: S603
    port = free_port()
    options = ("-D", data, "-p", port, "-k", home, "-c", "listen_addresses=127.0.0.1")
    serve = [binaries / "postgres", *options]
    with process("postgres", directory, serve, **who):
        until(lambda: listens(port), "PostgreSQL")
        yield port


@contextlib.contextmanager
def backends_named(directory: Path) -> Iterator[None]:
    """PostgreSQL works in children that come with connections: have each told by a pid
    file, so that their CPU counts.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            _name_backends(directory)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _name_backends(directory: Path) -> None:
    run = directory / "run"
    parent = (run / "postgres.pid").read_text()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[1] == parent:
                pid = stat.parent.name
                (run / f"postgres-{pid}.pid").write_text(pid)


@contextlib.contextmanager
def server(directory: Path, command: Any, environment: dict[str, str]) -> Iterator[str]:
    """A peer's server, as `gateway-1`; `PORT` in `command` is filled in, and
    in its environment. Its base.
    """
    port = free_port()
    words = [str(port) if word == "PORT" else word for word in command]
    told = {**os.environ, "PORT": str(port), **environment}
    with serving(directory, words, port, cwd=HERE, env=told) as base:
        yield base


@contextlib.contextmanager
def serving(directory: Path, command: Any, port: int, **more: Any) -> Iterator[str]:
    """The same where `command` knows its port already."""
    with process("gateway-1", directory, command, **more):
        until(lambda: listens(port), str(command[0]))
        yield f"http://127.0.0.1:{port}"
