"""The ledger record: one group commit of one region's leader."""

from msgspec import Raw, Struct

from schemas import codec
from schemas.events import Event

RECORD_VERSION = 3
"""The newest format. A record says the oldest that reads all of it: 3 where it has a
trip with a note, a reference, needs or a time of its own, 2 where it has offers, or
drivers or trips that have to do with them, else 1."""
RECORD_BYTES_MAX = 512 * 1024
"""Half the server's default `max_payload`; what doesn't fit goes into the next."""
EVENTS_BYTES_MAX = RECORD_BYTES_MAX - 1024
"""The head of a record takes some 200 bytes."""


class RecordHead(Struct, frozen=True):
    """As much of a record as tells whose it is. A record of any version begins so: an
    older program must see that it is one, and can't read it.
    """

    v: int
    """The record's format."""
    ledger: str
    """The ledger's id, part of the database's keys."""
    epoch: int
    """Sequence of the writer's epoch record; equal to `n` in that record itself."""
    n: int
    """This record's own ledger sequence, as the fence demands it."""
    writer: str
    """The writing process's instance id: tells a lost acknowledgement's fate."""


class Record(RecordHead, frozen=True):
    at_ms: int
    """Stamp: max(last record's stamp, the leader's wall clock)."""
    events: list[Event]


class RecordOut(RecordHead, frozen=True):
    """The same as it is written: the events are already encoded."""

    at_ms: int
    events: list[Raw]


class Writer(Struct, frozen=True):
    """What all records of one lead have in common."""

    ledger: str
    epoch: int
    instance: str

    def record(
        self, n: int, stamp_ms: int, encoded: list[bytes], record_format: int = 1
    ) -> bytes:
        """Record `n`, of events that are encoded already; `record_format`: the greatest
        of theirs (schemas/kinds.py).
        """
        events = [Raw(event) for event in encoded]
        return codec.encode(
            RecordOut(
                record_format,
                self.ledger,
                self.epoch,
                n,
                self.instance,
                stamp_ms,
                events,
            )
        )


def head_of(payload: bytes) -> RecordHead | None:
    """Whose record it is; None: it is not a record."""
    try:
        return codec.decode(payload, RecordHead)
    except codec.CodecError:
        return None
