"""The package's exceptions.

PersistenceError
└── DatabaseError: a database that can't be used as it is
"""


class PersistenceError(Exception):
    """Root of this package; the message is one plain sentence."""


class DatabaseError(PersistenceError):
    """A database URL that can't be used, or a database at the wrong revision."""
