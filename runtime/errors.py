"""What can go wrong with a ledger.

LedgerError
├── LedgerGapError     records that are needed are gone: never lead
│   └── PurgedError    those to be read next are: a snapshot may have them
├── LedgerGoneError    another ledger has taken its place: begin anew
└── RecordError        a record of it that can't be read: stand aside
"""


class LedgerError(Exception):
    """Root of these."""


class LedgerGapError(LedgerError):
    """The ledger begins after what the newest snapshot needs. A person must decide."""


class PurgedError(LedgerGapError):
    """Who reads fell behind what is kept: begin anew, from a snapshot."""


class LedgerGoneError(LedgerError):
    """The stream is another ledger's now. What this process holds is of the one before;
    it ends, and its successor reads the new one.
    """


class RecordError(LedgerError):
    """A record that a leader of this ledger wrote, and that this program can't read:
    what was acknowledged is in it, so who goes on without it must not lead.
    """
