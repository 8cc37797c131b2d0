"""Clients by the hundred, for `cabrank simulate` and `cabrank bench`.

Speaks the public protocol only (docs/PROTOCOL.md): whatever these clients see, any
client sees. Must not import a service.
"""

from cabrank.errors import UsageError


class LoadError(UsageError):
    """Root of this package: users can't be made, or the system can't be reached. The
    message is one plain sentence; exit status 2, for 1 says that an invariant broke.
    """
