"""Whether an SQLite database is as this code wants it, by one number in its head.

A start that finds nothing to do need not import SQLAlchemy and Alembic for that, which
is 1.8 s of CPU. The number (`PRAGMA user_version`, which travels with the file) is of
what the code wants and of what the file has, so that neither can change alone: a
restored backup, an index that somebody dropped and an upgrade all miss it. Standard
library alone; must not change a database.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WANTED = ("models.py", "delivery_models.py")
"""Which name tables and indexes."""
VERSIONS = HERE / "migrations" / "versions"
POSITIVE = 0x7FFF_FFFF
"""SQLite keeps 32 bits, signed."""

Ask = Callable[[str], Iterable[Any]]
"""A question in SQL → rows."""


def head() -> str:
    """The newest revision that this code has; its file's name begins with it."""
    return max(path.name for path in VERSIONS.glob("*.py")).partition("_")[0]


def of(ask: Ask) -> int:
    """The number of a database that is at a revision, and of this code. Never 0, which
    is what a file has that was never given any.
    """
    has = [name for (name,) in ask("SELECT version_num FROM alembic_version")]
    indexes = ask("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name")
    has += [name for (name,) in indexes]
    number = zlib.crc32("\n".join((head(), *has)).encode())
    for name in WANTED:
        number = zlib.crc32((HERE / name).read_bytes(), number)
    return number & POSITIVE or 1


def is_current(path: Path) -> bool:
    """Whether the database at `path` was brought to what this code wants, and is so
    still. False also where that can't be told.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0)) as connection:
            ((found,),) = connection.execute("PRAGMA user_version")
            return bool(found == of(connection.execute))
    except (sqlite3.Error, OSError):
        return False
