"""What people are found by whose first or last name somebody types: columns of `users`,
and all indexes by which operators look for people. Must not hold behaviour
(persistence/identity/person_names.py).
"""

from sqlalchemy import Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

KEY = Text().with_variant(Text(collation="C"), "postgresql")
"""By bytes, whatever a database's language sorts by: for names that begin alike."""
_BYTEWISE = {"username_key": "text_pattern_ops"}
"""The same of a column that has no such collation."""
KEYLESS = "name_key IS NULL"


class Named:
    """Keys are None of a row that a version without them wrote."""

    name_key: Mapped[str | None] = mapped_column(KEY)
    """Of first and last name."""
    surname_key: Mapped[str | None] = mapped_column(KEY)
    """The other way round."""


def indexes() -> tuple[Index, ...]:
    return (
        Index(None, "role", "username_key", postgresql_ops=_BYTEWISE),
        Index(None, "role", "name_key"),
        Index(None, "role", "surname_key"),
        # Those that have yet to be given keys: after an upgrade, all; then none.
        Index(
            None,
            "id",
            sqlite_where=text(KEYLESS),
            postgresql_where=text(KEYLESS),
        ),
    )
