"""While a ledger is full, nobody can lead; this one tells who asks so."""

from dispatcher import inbox
from dispatcher.batch import REFUSED_MAX, Entry
from dispatcher.publisher import Publisher
from runtime.bus import Bus
from schemas import subjects
from schemas.commands import Answer
from schemas.refusals import Code, Refusal

FULL = Refusal(Code.OVERLOADED, "the ledger is full")
MAYBE_BEFORE = Refusal(
    Code.UNAVAILABLE,
    "the ledger is full, and an earlier attempt may have been stored before it was",
)


class Refuser:
    """Refuses every command of the region from now on, until `close`: those that
    `collect` finds once a try to write, begun afterwards, has met a full ledger again
    (`refuse`). That verdict is the fence's: nobody else has led since the ledger
    filled, so nobody has decided them, and whoever leads later never gets this attempt.
    Of a later attempt the outcome is unknown, and told so at once: a gateway that met
    "no responders" tries nothing else until somebody answers.
    """

    def __init__(self, bus: Bus, region: str) -> None:
        self._region = region
        self._publisher = Publisher(bus, region)
        self._new: list[Entry] = []
        self._collected: list[Entry] = []
        self._subscription = bus.subscribe_raw(
            subjects.commands(region), self._on_commands
        )

    def close(self) -> None:
        self._subscription.cancel()

    def collect(self) -> None:
        self._collected, self._new = self._new, []

    def refuse(self) -> None:
        self._publisher.answers(0, self._collected)
        self._collected = []

    def _on_commands(self, _: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        subject, commands = inbox.read(self._region, reply, payload)
        for command in commands:
            if len(self._new) < REFUSED_MAX:
                refusal = FULL if command.attempt == 1 else MAYBE_BEFORE
                answer = Answer(command.id, command.attempt, refused=refusal)
                self._new.append(Entry(subject, answer, fresh=True))
