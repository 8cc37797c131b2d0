"""What can go wrong in the dispatcher's shell.

DispatcherError
├── LedgerGapError     records that are needed are gone: never lead
├── LedgerGoneError    another ledger has taken its place: begin anew
├── RecordError        a record of the ledger that can't be read: stand aside
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


class RecordError(DispatcherError):
    """A record that a leader of this ledger wrote, and that this program can't read:
    what was acknowledged is in it, so who goes on without it must not lead.
    """


class SnapshotError(DispatcherError):
    """A snapshot that is torn, of another ledger or of another version."""
