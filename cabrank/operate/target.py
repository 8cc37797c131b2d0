"""Which database and keys a command beside a running system works on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cabrank.errors import UnreachableError, UsageError
from cabrank.stack.datadir import DEFAULT, DataDir
from persistence import database, revisions
from runtime import environment, nats_login
from runtime.nats_login import Login, seed_file
from runtime.settings import Settings
from schemas.permissions import Service


@dataclass(frozen=True)
class Target:
    database_url: str
    signing_key: Path
    verify_keys: Path
    nats_url: str
    directory: DataDir | None
    """None: told by settings alone."""

    def nats_login(self, service: Service = Service.OPERATOR) -> Login:
        """Who to be on NATS.

        Raises:
            SettingsError: the settings name a file that can't be used.
        """
        if self.directory is None:
            return nats_login.read(environment.load(), service)
        seed = seed_file(self.directory.nats_auth, service)
        return Login(service, str(seed) if seed.exists() else "")


def by_settings(values: Settings) -> Target:
    """What the environment names."""
    return Target(
        values.database_url,
        Path(values.signing_key_file),
        Path(values.verify_keys_file),
        values.nats_url,
        None,
    )


def find(data_dir: Path | None) -> Target:
    """A data directory's; without one, CABRANK_DATABASE_URL's, else `.cabrank`'s.

    Raises:
        UsageError: nothing was ever started there, it is another user's, or a setting
            is wrong.
    """
    values = environment.load()
    if data_dir is None and environment.is_set("database_url"):
        return by_settings(values)
    directory = DataDir(data_dir or DEFAULT)
    if not directory.exists():
        raise UsageError(
            f"Nothing was started in {directory.root} yet: run `cabrank up` on it "
            "first, name another with --data-dir, or set CABRANK_DATABASE_URL."
        )
    directory.close_to_others()
    last = directory.recall()
    return Target(
        last.database_url or directory.embedded_database_url,
        directory.signing_key,
        directory.verify_keys,
        last.nats_url,
        directory,
    )


def url(data_dir: Path | None) -> str:
    """Where the `up` of a data directory (None: `.cabrank`) was told to listen last.

    Raises:
        UsageError: nothing was ever started there.
    """
    directory = data_dir or DEFAULT
    found = DataDir(directory).recall().url
    if not found:
        raise UsageError(
            f"Nothing was started in {directory} yet: run `cabrank up` on it first, "
            "name another with --data-dir, or a gateway with --url."
        )
    return found


def key_files(data_dir: Path | None) -> Target:
    """As `find`, for what works on the key files alone: settings that name these are
    enough, and `database_url` is empty where none is set.

    Raises:
        UsageError: as `find`.
    """
    is_named = environment.is_set("signing_key_file")
    if data_dir is None and is_named and not environment.is_set("database_url"):
        return replace(by_settings(environment.load()), database_url="")
    return find(data_dir)


@asynccontextmanager
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The database, known to be at the revision this code was written for, for work
    that takes as long as it takes.

    Raises:
        UsageError: the URL can't be used, or the revision is another.
        UnreachableError: it can't be reached, or refuses what is done with it.
    """
    try:
        database.check(url)
        made = database.engine(url, database.PATIENT)
    except database.DatabaseError as error:
        raise UsageError(f"The database can't be used: {error}.") from None
    try:
        revision = await revisions.current(made)
        if revision != revisions.head():
            raise UsageError(
                f"The database is at revision {revision or 'none'}, not at "
                f"{revisions.head()}: run `cabrank migrate` on it first."
            )
        yield made
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UnreachableError(f"The database can't be reached: {why}.") from None
    finally:
        await made.dispose()
