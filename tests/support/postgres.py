"""A real PostgreSQL: one cluster a test session, one database a test."""

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.nats import free_port

MISSING = (
    "PostgreSQL's server binaries (initdb, postgres) are neither on PATH nor in "
    "/usr/lib/postgresql/*/bin: install them (Debian: apt-get install postgresql-15)"
)


def _binaries() -> Path | None:
    """The directory of initdb and postgres, newest version first."""
    on_path = shutil.which("initdb")
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: float(path.parent.name),
        reverse=True,
    )
    found = [Path(on_path).resolve().parent] if on_path else []
    for directory in [*versions, *found]:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    return None


class Cluster:
    """Restartable on its port. It won't run as root, so then it is user `postgres`'s.
    No fsync: a test's database needs not outlive the machine.
    """

    def __init__(self, directory: Path, buffers_mb: int = 32) -> None:
        """What `directory` holds already goes on; it is the server's own from now."""
        binaries = _binaries()
        if binaries is None:
            pytest.fail(MISSING, pytrace=False)
        self._binaries = binaries
        self._data = directory / "data"
        self._log = directory / "log"
        self._buffers_mb = buffers_mb
        self._numbers = itertools.count(1)
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(directory, user.pw_uid, user.pw_gid)
            self._who = {
                "user": user.pw_uid,
                "group": user.pw_gid,
                "extra_groups": [],
                "cwd": directory,
            }
        self.port = free_port()
        if not self._data.exists():
            self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N")
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *map(str, arguments)],
            **self._who,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
            f"-c unix_socket_directories= -c synchronous_commit=off "
            f"-c max_connections=50 -c shared_buffers={self._buffers_mb}MB"
        )
        self._run(
            "pg_ctl",
            *("-D", self._data, "-l", self._log, "-w", "-t", "30", "-o", options),
            "start",
        )

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends connections and stops; `immediate` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "30", "-m", mode, "stop")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """A new database; its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def has_database(self, name: str) -> bool:
        with psycopg.connect(self.url("postgres")) as connection:
            asked = "SELECT 1 FROM pg_database WHERE datname = %s"
            return connection.execute(asked, (name,)).fetchone() is not None

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="cabrank-pg-") as directory:
        cluster = Cluster(Path(directory))
        cluster.start()
        try:
            yield cluster
        finally:
            with contextlib.suppress(RuntimeError):
                cluster.stop("immediate")
