"""While a ledger is full, nobody can lead; this one tells who asks so."""

from dispatcher import inbox
from dispatcher.batch import Entry
from dispatcher.publisher import Publisher
from runtime.bus import Bus
from schemas import subjects
from schemas.commands import Answer
from schemas.refusals import Code, Refusal

FULL = Refusal(Code.OVERLOADED, "the ledger is full")


class Refuser:
    """Refuses every command of the region from now on, until `close`. Nothing of them
    is stored, whoever leads, so it needs no fence. A later attempt gets no answer: an
    earlier one may have been stored before the ledger was full.
    """

    def __init__(self, bus: Bus, region: str) -> None:
        self._region = region
        self._publisher = Publisher(bus, region)
        self._subscription = bus.subscribe_raw(
            subjects.commands(region), self._on_commands
        )

    def close(self) -> None:
        self._subscription.cancel()

    def _on_commands(self, _: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        subject, commands = inbox.read(self._region, reply, payload)
        entries = [
            Entry(subject, Answer(c.id, c.attempt, refused=FULL), fresh=True)
            for c in commands
            if c.attempt == 1
        ]
        self._publisher.answers(0, entries)
