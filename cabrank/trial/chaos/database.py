"""The database that is taken away and given back: a PostgreSQL of chaos's own, or the
embedded SQLite file.
"""

import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import psycopg

from cabrank.stack import ports
from cabrank.trial.load import LoadError

ACCOUNT = "postgres"
"""PostgreSQL won't run as root; then it runs as Debian's user for it."""
START_MAX_S = 30
LOCK_MAX_S = 10.0
"""Until the file's writer, whose transactions take milliseconds, lets go of it."""


class Database(Protocol):
    name: str
    url: str
    folder: Path
    """Where it lies; full when that is."""

    def away(self) -> None:
        """From now on nobody can write."""

    def back(self) -> None:
        """Everybody can again, whatever it was that kept them from it."""

    def run(self, statement: str) -> None:
        """In a transaction of its own."""

    def close(self) -> None: ...


class Sqlite:
    """Another process that holds the write lock keeps every writer away."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "cabrank.db"
        self.url = f"sqlite:///{quote(str(self._file))}"
        self._held: sqlite3.Connection | None = None

    def away(self) -> None:
        held = sqlite3.connect(
            self._file, LOCK_MAX_S, isolation_level=None, check_same_thread=False
        )
        held.execute("BEGIN IMMEDIATE")
        self._held = held

    def back(self) -> None:
        if self._held is not None:
            self._held.rollback()
            self._held.close()
            self._held = None

    def run(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self._file, LOCK_MAX_S)) as connection:
            connection.execute(statement)
            connection.commit()

    close = back


def programs() -> Path | None:
    """The directory of initdb, pg_ctl and postgres, newest version first."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: float(path.parent.name),
        reverse=True,
    )
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    for folder in [*versions, *found]:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return folder
    return None


def has_account() -> bool:
    """Whether there is somebody whom PostgreSQL may run as."""
    if os.geteuid() != 0:
        return True
    with contextlib.suppress(KeyError):
        pwd.getpwnam(ACCOUNT)
        return True
    return False


class Postgres:
    """With its default durability: fsync and synchronous_commit on."""

    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None, "asked before"
        self.folder = folder
        self._programs = found
        self._data = folder / "data"
        self._port = ports.free()
        self.url = f"postgresql://{ACCOUNT}@127.0.0.1:{self._port}/postgres"
        self._who: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            user = pwd.getpwnam(ACCOUNT)
            os.chown(folder, user.pw_uid, user.pw_gid)
            ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            self._who |= ids
        self._program("initdb", "-D", self._data, "-U", ACCOUNT, "-A", "trust", "-N")
        self.back()

    def _program(self, program: str, *arguments: object) -> None:
        done = subprocess.run(  # noqa: S603 (found above)
            [str(self._programs / program), *map(str, arguments)],
            **self._who,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()[-1:]
            raise LoadError(f"{program} failed: {''.join(said)}")

    def _is_running(self) -> bool:
        with contextlib.suppress(LoadError):
            self._program("pg_ctl", "-D", self._data, "status")
            return True
        return False

    def away(self) -> None:
        """As a crash would."""
        self._program("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def back(self) -> None:
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories= -c shared_buffers=32MB -c max_connections=50"
        )
        log = ("-l", self._data.parent / "log", "-w", "-t", START_MAX_S)
        ends_at = time.monotonic() + START_MAX_S
        while not self._is_running():
            try:
                self._program("pg_ctl", "-D", self._data, *log, "-o", options, "start")
            except LoadError:  # a disk that was full a moment ago
                if time.monotonic() > ends_at:
                    raise

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def close(self) -> None:
        if self._is_running():
            self.away()
