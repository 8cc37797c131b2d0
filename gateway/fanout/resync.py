"""What was lost between the leader and this gateway, asked for again.

One way for users, feeds and rooms: a few hundred questions at once, again after a pause
where no leader answers; whoever can't be helped is closed with 4003 and comes back.
gateway/fanout/questions.py says what is asked and what an answer means.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from gateway import metrics
from gateway.clock import Clock
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.room import Room
from gateway.leader.link import Link
from gateway.limits import Limits
from schemas.closes import Close
from schemas.commands import Answer, AnyCommand, SyncData
from schemas.events import FeedEntry


class Head(Struct, frozen=True):
    """What every command of the gateway's own begins with."""

    id: str
    deadline_ms: int


class Question(Protocol):
    why: str
    """For counting."""
    region: Region

    @property
    def about(self) -> object:
        """What it is a question about."""

    def command(self, head: Head) -> AnyCommand | None:
        """None: nobody wants to know any more."""

    def told(self, answer: Answer) -> "Iterable[Effect] | None":
        """What to do, in order; None: ask again."""


class Ask(Struct, frozen=True):
    """`at_once`: past the bound; all drivers wait for it, and a region has one."""

    question: Question
    at_once: bool = False


class CloseAll(Struct, frozen=True):
    """What they missed can't be told: they shall come back (4003)."""

    seats: Sequence[Seat]


class Synced(Struct, frozen=True):
    """A user's state, as the leader has it."""

    listener: Listener
    data: SyncData


class Fed(Struct, frozen=True):
    """Entries of the feed that may be delivered: when the tick ends, or `at_once`."""

    region: Region
    entries: list[FeedEntry]
    at_once: bool = False


class Opened(Struct, frozen=True):
    """It is known which trips are open, or that its leader doesn't tell."""

    region: Region


class Settled(Struct, frozen=True):
    """A question about a room is over."""

    region: Region
    room: Room


class Removed(Struct, frozen=True):
    """That session may not hear that room."""

    seat: Seat
    room: Room


Effect = Ask | CloseAll | Synced | Fed | Opened | Settled | Removed


class Resync:
    """`do`: carries effects out, but for the first two."""

    def __init__(
        self,
        link: Link,
        ids: Iterator[str],
        limits: Limits,
        now: Clock,
        do: Callable[[Effect], None],
    ) -> None:
        self._courier = link
        self._ids = ids
        self._limits = limits
        self._now = now
        self._do = do
        self.before: Callable[[], None] = lambda: None
        """Called before an answer is read: what rooms have ready goes first, in case
        it ends a wait that keeps that in order."""
        self._waiting: deque[Question] = deque()
        self._under_way = 0
        self._retry: list[tuple[float, Ask]] = []
        self._about: Counter[object] = Counter()

    def is_asked(self, about: object) -> bool:
        """Whether a question about that is on its way, or will be."""
        return self._about[about] > 0

    def carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if type(effect) is Ask:
                self._about[effect.question.about] += 1
                self._ask(effect)
            elif type(effect) is CloseAll:
                for seat in effect.seats:
                    seat.connection.close(Close.RESYNC)
            else:
                self._do(effect)

    def head(self) -> Head:
        return Head(next(self._ids), self._now().deadline_ms(self._limits.command_s))

    def _ask(self, ask: Ask) -> None:
        if ask.at_once:
            self._send(ask)
        else:
            self._waiting.append(ask.question)
            self._send_on()

    def _send_on(self) -> None:
        while self._waiting and self._under_way < self._limits.resync_inflight_max:
            self._send(Ask(self._waiting.popleft()))

    def _send(self, ask: Ask) -> None:
        question, bounded = ask.question, not ask.at_once
        command = question.command(self.head())
        if command is None:
            self._over(question)
            return
        self._under_way += bounded
        metrics.SYNCS.labels(question.why).inc()

        def answered(answer: Answer) -> None:
            self._under_way -= bounded
            self._over(question)  # before `told`, which may ask another one
            self.before()
            effects = question.told(answer)
            if effects is None:
                self._later(ask)
            else:
                self.carry_out(effects)
            self._send_on()

        now_s = self._now().mono_s
        name = question.region.name
        if self._courier.submit(name, command, None, answered, now_s) is not None:
            self._under_way -= bounded
            self._over(question)
            self._later(ask)

    def _over(self, question: Question) -> None:
        self._about[question.about] -= 1
        if not self._about[question.about]:
            del self._about[question.about]

    def _later(self, ask: Ask) -> None:
        self._about[ask.question.about] += 1
        at_s = self._now().mono_s + self._limits.resync_retry_s
        self._retry.append((at_s, ask))

    def tick(self, now_s: float) -> None:
        due = [ask for at_s, ask in self._retry if at_s <= now_s]
        if due:
            self._retry = [entry for entry in self._retry if entry[0] > now_s]
            for ask in due:
                self._ask(ask)
