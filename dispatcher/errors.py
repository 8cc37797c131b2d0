"""What can go wrong in the dispatcher's shell; of its ledger: runtime/errors.py.

DispatcherError
└── SnapshotError      a snapshot that can't be used: replay without it
"""


class DispatcherError(Exception):
    """Root of this package's exceptions."""


class SnapshotError(DispatcherError):
    """A snapshot that is torn, of another ledger or of another version."""
