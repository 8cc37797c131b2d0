"""Which database errors are the event's fault and which are the database's. Pure."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

NOT_THE_DATABASE = (TypeError, ValueError, OverflowError)
"""Raised by a driver that can't send a value, such as an integer over 64 bits."""


def is_poison(error: Exception) -> bool:
    """Whether the same rows will fail again, on a database in perfect health.

    Everything else is tried again for ever: locks, deadlocks, a full disk, a lost
    connection, a read-only or missing table. Doubt is on the side of trying again: a
    dead letter is an event that history lacks.
    """
    if isinstance(error, DBAPIError):
        # Class 22 and 23 of PostgreSQL; SQLITE_TOOBIG, _MISMATCH and _CONSTRAINT.
        return (
            isinstance(error, DataError | IntegrityError)
            and not error.connection_invalidated
        )
    return isinstance(error, NOT_THE_DATABASE)


def kind(error: Exception) -> str:
    """The error's name as its driver gives it, for logs and metrics."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return type(cause).__name__
