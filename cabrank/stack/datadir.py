"""A data directory: what lies where in it, who holds it, and what `up` remembers.

lock            held (flock) by `up` and every child of it
stack.json      the ports and the database of the last start
cabrank.db      the embedded database
keys/           signing.pem, jwks.json
nats.conf nats/ the embedded nats-server and its JetStream store; of several servers
                nats-1.conf nats-1/ and so on
nats-auth/      what each service is to it (`cabrank nats-auth`)
new-ledger      a lost ledger is being replaced
logs/<name>.log run/<name>.pid
run/<name>.json where its /metrics is, for Prometheus's file_sd
"""

import contextlib
import fcntl
import json
import os
import pwd
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from cabrank.errors import UsageError
from cabrank.stack.embedded import LOOPBACK
from schemas.streams import LEDGER_PREFIX

DIED_WAIT_S = 5.0
"""How long the children of an `up` that was killed may take to die as well."""
RETRY_S = 0.02
DEFAULT = Path(".cabrank")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Remembered:
    """What a second start, and commands beside a running `up`, go by."""

    nats_port: int = 0
    database_url: str = ""
    """Empty: the embedded one."""
    url: str = ""
    nats_servers: int = 1
    nats_hosts: list[str] = field(default_factory=list)
    """Empty: all on this machine's loopback."""

    @property
    def nats_url(self) -> str:
        return nats_url(self.nats_port, self.nats_servers, self.nats_hosts)

    def nats_host(self, number: int) -> str:
        """Of the `number`-th server, from 1."""
        return self.nats_hosts[number - 1] if self.nats_hosts else LOOPBACK


def nats_url(first_port: int, servers: int, hosts: Sequence[str] = ()) -> str:
    """Where clients reach the embedded servers: URLs with commas between. `hosts`:
    none, or one each.
    """
    each = enumerate(hosts or [LOOPBACK] * servers, first_port)
    return ",".join(f"nats://{host}:{port}" for port, host in each)


def nats_names(servers: int) -> list[str]:
    """What the embedded servers are called."""
    if servers == 1:
        return ["nats"]
    return [f"nats-{k}" for k in range(1, servers + 1)]


class DataDir:
    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.lock_file = self.root / "lock"
        self.state_file = self.root / "stack.json"
        self.database = self.root / "cabrank.db"
        self.signing_key = self.root / "keys" / "signing.pem"
        self.verify_keys = self.root / "keys" / "jwks.json"
        self.nats_auth = self.root / "nats-auth"
        self.new_ledger = self.root / "new-ledger"
        """There while a ledger is begun in place of a lost one, and not whole yet."""
        self.logs = self.root / "logs"
        self.run = self.root / "run"

    @property
    def embedded_database_url(self) -> str:
        # In a URL `?` would end the path, and `%2F` be a slash.
        return f"sqlite:///{quote(str(self.database))}"

    def make(self) -> None:
        """Make it and what is in it, for this user alone (0700).

        Raises:
            UsageError: that can't be done there.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.close_to_others()
            for folder in (self.logs, self.run):
                folder.mkdir(mode=0o700, exist_ok=True)
            self.signing_key.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The data directory {self.root} can't be made: {error.strerror}."
            ) from None

    def close_to_others(self) -> None:
        """See that nobody else can read it, who would read hashes, keys and tokens;
        tells of it where somebody could.

        Raises:
            UsageError: it isn't this user's to close, or isn't a directory of its own.
        """
        found = self.root.stat()
        if found.st_uid != os.geteuid():
            owner, me = _name(found.st_uid), _name(os.geteuid())
            raise UsageError(
                f"The data directory {self.root} belongs to {owner}, not to {me}: run "
                f"this as {owner}, or choose another with --data-dir."
            )
        if not found.st_mode & OTHERS:
            return
        if found.st_mode & stat.S_ISVTX or self.root in {Path("/"), Path.home()}:
            raise UsageError(
                f"The data directory {self.root} holds what is others' too: choose one "
                "of its own with --data-dir."
            )
        self.root.chmod(0o700)
        was = f"was open to others ({stat.S_IMODE(found.st_mode):04o})"
        text = f"The data directory {self.root} {was}: it is 0700 now."
        print(text, file=sys.stderr)

    def exists(self) -> bool:
        return self.state_file.is_file()

    def nats_conf(self, name: str) -> Path:
        return self.root / f"{name}.conf"

    def nats_store(self, name: str) -> Path:
        return self.root / name

    def has_ledger(self) -> bool:
        """Whether a JetStream store has any region's (nats-server 2.15's layout)."""
        return any(self.root.glob(f"nats*/jetstream/*/streams/{LEDGER_PREFIX}*"))

    def lock(self) -> int:
        """Take the directory; free again when the descriptor, and every copy of it
        that a child was given, is closed.

        Raises:
            UsageError: somebody else has it.
        """
        try:
            held = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(
                f"The data directory {self.root} can't be written: {error.strerror}."
            ) from None
        deadline = time.monotonic() + DIED_WAIT_S
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = self._owner(held)
                if _is_alive(owner) or time.monotonic() > deadline:
                    os.close(held)
                    raise UsageError(
                        f"The data directory {self.root} is in use by process {owner}; "
                        "stop that one first or choose another with --data-dir."
                    ) from None
                time.sleep(RETRY_S)
            else:
                os.ftruncate(held, 0)
                os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
                return held

    def owner(self) -> int:
        """The pid of the `up` that runs on it; 0: none."""
        with contextlib.suppress(OSError):
            held = os.open(self.lock_file, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return self._owner(held)
            finally:
                os.close(held)
        return 0

    @staticmethod
    def _owner(held: int) -> int:
        """The pid that who took the lock has written; 0 until then."""
        with contextlib.suppress(ValueError, OSError):
            return int(os.pread(held, 32, 0))
        return 0

    def recall(self) -> Remembered:
        """What the last start remembered; empty where there was none, or what it wrote
        can't be read. What a newer version remembers besides is passed over.
        """
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=Remembered)
        except (OSError, msgspec.DecodeError, UnicodeError):
            return Remembered()

    def remember(self, state: Remembered) -> None:
        write(self.state_file, json.dumps(asdict(state), indent=1) + "\n")

    def pid_file(self, name: str) -> Path:
        return self.run / f"{name}.pid"

    def scrape_file(self, name: str) -> Path:
        """Where its /metrics is, as Prometheus's file_sd reads it."""
        return self.run / f"{name}.json"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def forget_pids(self) -> None:
        """Remove the pid files; only who holds the lock may."""
        for stale in (*self.run.glob("*.pid"), *self.run.glob("*.json")):
            stale.unlink(missing_ok=True)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step; readable by its owner alone unless told otherwise."""
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:  # noqa: PTH123 — Path.open can't set the mode
        os.fchmod(out.fileno(), mode)  # whatever the umask
        out.write(text)
    fresh.replace(path)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
