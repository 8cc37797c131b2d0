"""`cabrank migrate`: the database's schema to the newest revision."""

import sys

from sqlalchemy.exc import SQLAlchemyError

from cabrank.errors import UnreachableError, UsageError
from persistence import database, revisions
from runtime import environment, settings


def _told(what: str) -> None:
    """At once: an index may take an hour."""
    print(what, file=sys.stderr, flush=True)


def run() -> None:
    """Migrate the database of CABRANK_DATABASE_URL.

    Raises:
        SettingsError, UsageError: the URL can't be used.
        UnreachableError: the database can't be reached or refuses.
    """
    url = environment.load().database_url
    try:
        revisions.migrate(url, tell=_told)
    except database.DatabaseError as error:
        name = settings.variable("database_url")
        raise UsageError(f"{name} can't be used: {error}.") from None
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UnreachableError(f"The database can't be migrated: {why}.") from None
    except OSError as error:
        raise UsageError(
            f"The database's folder can't be made: {error.strerror}."
        ) from None
