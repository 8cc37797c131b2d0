"""What can go wrong in the dispatcher's shell.

DispatcherError
├── LedgerGapError     records that are needed are gone: never lead
├── LedgerGoneError    another ledger has taken its place: begin anew
└── SnapshotError      a snapshot that can't be used: replay without it
"""


class DispatcherError(Exception):
    """Root of this package's exceptions."""


class LedgerGapError(DispatcherError):
    """The ledger begins after what the newest snapshot needs. A person must decide."""


class LedgerGoneError(DispatcherError):
    """The stream is another ledger's now. What this process holds is of the one before;
    it ends, and its successor reads the new one.
    """


class SnapshotError(DispatcherError):
    """A snapshot that is torn, of another ledger or of another version."""
