"""While a ledger is full, nobody can lead; this one tells who asks so."""

from collections import deque

from dispatcher.commit.publisher import Publisher
from dispatcher.engine.batch import REFUSED_MAX, Entry
from dispatcher.region import inbox
from runtime.bus import Bus, is_no_responders
from schemas import subjects
from schemas.commands import Answer
from schemas.refusals import Code, Refusal

FULL = Refusal(Code.OVERLOADED, "the ledger is full")
MAYBE = Refusal(
    Code.UNAVAILABLE,
    "the ledger is full, and whether the command was stored is unknown",
)


Denied = deque[Answer]
"""What was told `overloaded` here while nothing could be stored: a message that comes
twice must not be done after all, by whoever leads next in this process (lead.py). The
latest `REFUSED_MAX`."""


def nothing() -> Denied:
    return deque(maxlen=REFUSED_MAX)


def refused(answer: Answer, refusal: Refusal) -> Answer:
    return Answer(answer.id, answer.attempt, refused=refusal)


class Refuser:
    """Refuses every command of the region from now on, until `close`: those that
    `collect` finds once a try to write, begun afterwards, has met a full ledger again
    (`refuse`). That verdict is the fence's: nobody else has led since the ledger
    filled, so nobody has decided them, and whoever leads later never gets this attempt.
    Of a later attempt the outcome is unknown, and told so at once: a gateway that met
    "no responders" tries nothing else until somebody answers.

    A leader that hangs leads still, as long as nobody could write an epoch record: it
    may find the command in its socket and, when room is back, a place for it in the
    ledger. So the outcome is known only if pings before and after the command met "no
    responders".
    """

    def __init__(self, bus: Bus, region: str, denied: Denied) -> None:
        self._denied = denied
        self._bus = bus
        self._region = region
        self._publisher = Publisher(bus, region)
        self._new: list[Entry] = []
        self._collected: list[Entry] = []
        self._asked = self._told = 0
        """Number of the last ping, and of the last that was answered."""
        self._alone = False
        """The last answer was "no responders"."""
        self._inbox = bus.new_inbox()
        self._subscriptions = [
            bus.subscribe_raw(f"{self._inbox}.*", self._on_pong),
            bus.subscribe_raw(subjects.commands(region), self._on_commands),
        ]

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.cancel()

    def collect(self) -> None:
        if self._told != self._asked:
            self._is_led()  # by one that is connected, and silent
        self._collected, self._new = self._new, []
        self._asked += 1
        reply = f"{self._inbox}.{self._asked}"
        self._bus.send(subjects.ping(self._region), b"", reply)

    def refuse(self) -> None:
        ready, waiting = self._collected, []
        if self._told != self._asked:
            waiting = [one for one in ready if one.answer.refused is FULL]
            ready = [one for one in ready if one.answer.refused is not FULL]
        self._denied += [one.answer for one in ready if one.answer.refused is FULL]
        self._publisher.answers(0, ready)
        self._collected, self._new = [], waiting + self._new

    def _is_led(self) -> None:
        self._alone = False
        for one in self._collected + self._new:
            one.answer = refused(one.answer, MAYBE)

    def _on_pong(self, subject: bytes, _: bytes, _p: bytes, headers: bytes) -> None:
        if not subject.endswith(b".%d" % self._asked):
            return
        self._told = self._asked
        if is_no_responders(headers):
            self._alone = True
        else:
            self._is_led()

    def _on_commands(self, _: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        subject, commands = inbox.read(self._region, reply, payload)
        for command in commands:
            if len(self._new) < REFUSED_MAX:
                is_known = self._alone and command.attempt == 1
                refusal = FULL if is_known else MAYBE
                answer = Answer(command.id, command.attempt, refused=refusal)
                self._new.append(Entry(subject, answer, fresh=True))
