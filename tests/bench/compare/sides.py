"""One of the two that are compared: a revision, its running system and its people."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from cabrank.trial.bench import system
from cabrank.trial.bench.orders import Member
from cabrank.trial.bench.subject import Subject
from cabrank.trial.load.users import Account, from_data_dir
from schemas.trips import Role
from tests.bench.compare.revisions import Revision


class Side:
    """`base` is the one that it is compared with, else what is now."""

    def __init__(self, revision: Revision, folder: Path, *, base: bool) -> None:
        self.revision = revision
        self.base = base
        self.job = ""
        self._data_dir = folder / ("base" if base else "now")
        self._subject: Subject | None = None
        self._people: dict[tuple[str, Role, int], list[Account]] = {}

    @property
    def subject(self) -> Subject:
        """The system that runs; in `running` only."""
        assert self._subject is not None
        return self._subject

    @contextlib.contextmanager
    def system(self, where: Path) -> Iterator[str]:
        """One of this revision's own programs in `where`; yields its base URL."""
        with system.running(where, None, program=self.revision.cabrank) as url:
            yield url

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The side's own system, in the same directory each time."""
        with (
            self.system(self._data_dir) as url,
            self.beside(url, self._data_dir),
        ):
            yield

    @contextlib.contextmanager
    def beside(self, base: str, data_dir: Path) -> Iterator[None]:
        """A system that runs already."""
        self._data_dir = data_dir
        self._subject = Subject(base, data_dir, self._tokens)
        yield
        self._subject = None

    def forget(self) -> None:
        """The job's people: what went wrong has left them amid something."""
        self._people = {k: v for k, v in self._people.items() if k[0] != self.job}

    def _tokens(self, role: Role, count: int) -> list[str]:
        return [one.access for one in self._accounts(role, count)]

    def members(self, role: Role, count: int) -> list[Member]:
        made = self._accounts(role, count)
        return [Member(account.user, account.access) for account in made]

    def _accounts(self, role: Role, count: int) -> list[Account]:
        """The same people for the same job in every round: tokens live 24 h, and
        making them takes longer than some of the jobs.
        """
        key = self.job, role, count
        if key not in self._people:
            cabrank = self.revision.cabrank
            making = from_data_dir(self._data_dir, role, count, cabrank)
            self._people[key] = asyncio.run(making)
        return self._people[key]
