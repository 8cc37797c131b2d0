"""One user's client: stays connected, asks until it is answered, shows all it sees.

Carries PROTOCOL.md section 2's duties of a client: `since`, backoff with jitter, the
same idempotency key again. Decides nothing; agents.py does.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from cabrank.trial.load import frames
from cabrank.trial.load.asked import Asked
from cabrank.trial.load.link import Link, LinkError, connect
from cabrank.trial.load.users import Account
from cabrank.trial.load.visits import Visits
from cabrank.trial.load.watch import Watch
from cabrank.trial.oracle.history import Call
from cabrank.trial.oracle.sequential import LOOKS, MOVES
from schemas.closes import Close
from schemas.rooms import of_trip
from schemas.trips import TERMINAL, OpenTrip, Role, Trip

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 20.0
ANSWER_TIMEOUT_S = 15
"""Beyond the 10 s after which a gateway itself answers `unavailable`."""
WELCOME_TIMEOUT_S = 12
"""Beyond the 10 s after which a gateway closes with 1013."""
RETRY_S = (0.1, 1.0)
"""Between two attempts of a refused but retryable command, drawn at random."""
CLOSING_S = 0.01
"""Until a connection that is on its way out is noticed to be gone."""
RECORDED = frozenset({"trip.request", *LOOKS, *MOVES})
"""Commands whose answers the history explains."""
CLOSE_NAMES = {code.value: code.name.lower() for code in Close}
TRIP_EVENTS = frozenset(
    {
        "trip.requested",
        "trip.started",
        "trip.arrived",
        "trip.in_progress",
        "trip.completed",
        "trip.cancelled",
        "trip.expired",
        "trip.released",
    }
)


def _nothing(_: frames.Frame) -> None:
    pass


class Outcome(Struct):
    """`trip` of a reply about one; `refused`: the code; both None: another reply."""

    trip: Trip | None = None
    refused: str | None = None


Then = Callable[[frames.Frame], None]
"""Gets a reply as it is read, before any frame that follows it."""


class Client:
    """`trips`: the user's active ones; `open`: a driver's list of the unclaimed, of
    `riders` only (None: of everybody), so that a run leaves others' trips alone.
    """

    def __init__(
        self,
        account: Account,
        bases: list[str],
        watch: Watch,
        rng: random.Random,
        riders: frozenset[str] | None = None,
    ) -> None:
        self.account = account
        self.trips: dict[str, Trip] = {}
        self.open: dict[str, OpenTrip] = {}
        self.changed = asyncio.Event()
        self.asked = Asked(account.user.id, watch, self.changed)
        self._id = account.user.id
        self._driver = account.user.role is Role.DRIVER
        self._bases = bases
        self._next_base = rng.randrange(len(bases))
        self._watch = watch
        self._riders = riders
        self._rng = rng
        self._link: Link | None = None
        self._since: int | None = None
        self._session = ""
        self._welcomed = asyncio.Event()
        self._waiting: dict[str, tuple[asyncio.Future[frames.Frame | None], Then]] = {}
        self.visits = Visits(self._id, self.ask, watch.conversations)
        self._refs = 0
        self._versions: dict[str, int] = {}
        self._closed: asyncio.Future[int] | None = None
        self._stopping = False
        self._dropped = False
        """The connection ended, or is about to, by our own doing."""
        self.lost_s: float | None = None
        """Since when it has been without a connection, but not by its own doing."""

    @property
    def connected(self) -> bool:
        return self._welcomed.is_set()

    # ---- connection ----------------------------------------------------------

    async def stay(self) -> None:
        """Be connected until `stop`; comes back after each loss, with `since`."""
        failures = 0
        while not self._stopping:
            if await self._one_connection():
                failures = 0
                pause = self._rng.uniform(0, BACKOFF_FIRST_S)
            else:
                failures += 1
                self._watch.figures.connect_failures += 1
                ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**failures)
                pause = self._rng.uniform(BACKOFF_FIRST_S, ceiling)
            self._next_base += 1
            if not (self._dropped or self._stopping) and self.lost_s is None:
                self.lost_s = time.monotonic()
            self._dropped = False
            if not self._stopping:
                self._watch.figures.reconnects += 1
                await asyncio.sleep(pause)

    async def _one_connection(self) -> bool:
        """Whether there was a welcome."""
        closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        base = self._bases[self._next_base % len(self._bases)]
        try:
            link = await connect(
                base,
                self.account.access,
                self._since,
                lambda message: self._read(message, closed),
                lambda code: _settle(closed, code),
            )
        except LinkError:
            return False
        self._link, self._closed = link, closed
        self._dropped = False
        if self._stopping:
            link.close()
        try:
            welcomed = await self._welcomed_before(closed)
            if not (welcomed or closed.done()):
                return False
            code = await closed
            name = "own" if self._dropped else CLOSE_NAMES.get(code, str(code))
            self._watch.figures.closes[name] += 1
            return welcomed
        finally:
            link.abort()
            self._link = self._closed = None
            self._welcomed.clear()
            self._give_up_waiting()

    async def _welcomed_before(self, closed: asyncio.Future[int]) -> bool:
        """Wait for the welcome, the close, or the time limit."""
        welcome = asyncio.create_task(self._welcomed.wait())
        either: set[asyncio.Future[Any]] = {welcome, closed}
        try:
            await asyncio.wait(
                either,
                timeout=WELCOME_TIMEOUT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            welcome.cancel()
        return self.connected

    def _give_up_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_result(None)

    def drop(self, *, politely: bool) -> None:
        """Lose the connection on purpose; `stay` brings it back."""
        if self._link is None:
            return
        self._dropped = True
        if politely:
            self._link.close()
        else:
            self._link.abort()

    def stop(self) -> None:
        self._stopping = True
        self.drop(politely=True)

    # ---- commands ------------------------------------------------------------

    def tell(self, kind: str, data: dict[str, object]) -> None:
        """Send what has no answer."""
        if self._link is not None and self.connected:
            self._link.send(frames.command(kind, "", data))

    async def ask(
        self, kind: str, data: dict[str, object], then: Then = _nothing
    ) -> Outcome:
        """Send a command, and again until its outcome is known."""
        if kind == "driver.offline":
            self._watch.checker.rests(self._id)
        while True:
            await self._welcomed.wait()
            call = self._call(kind, data)
            frame = await self._attempt(call, data, then)
            if frame is None:
                continue
            if frame.type == "refused":
                refused = frames.read_refused(frame.data)
                self._watch.history.refused(call, refused.code, time.monotonic())
                self._watch.figures.refusals[refused.code.value] += 1
                if refused.code.is_retryable:
                    self._watch.figures.retries += 1
                    await asyncio.sleep(self._rng.uniform(*RETRY_S))
                    continue
                return Outcome(refused=refused.code.value)
            if kind == "trip.decline":
                left = frames.read_open_trip(frame.data)
                self._watch.history.declined(call, left, time.monotonic())
            if not kind.startswith("trip.") or kind == "trip.decline":
                return Outcome()
            trip = frames.read_trip(frame.data)
            self._watch.checker.answer(self._id, kind, trip)
            self._watch.history.answered(call, trip, time.monotonic())
            self._take(trip)
            return Outcome(trip=trip)

    def _call(self, kind: str, data: dict[str, object]) -> Call:
        """One attempt, as the history knows it: it may happen even unanswered."""
        trip, key, offer = (
            str(data[name]) if name in data else None
            for name in ("id", "idempotency_key", "offer")
        )
        role = self.account.user.role
        return Call(self._id, role, kind, trip, key, time.monotonic(), offer=offer)

    async def _attempt(
        self, call: Call, data: dict[str, object], then: Then
    ) -> frames.Frame | None:
        """None: the connection went, or nothing came in time."""
        link = self._link
        if link is None or not link.open:
            await asyncio.sleep(CLOSING_S)
            return None
        self._refs += 1
        ref = str(self._refs)
        future: asyncio.Future[frames.Frame | None]
        future = asyncio.get_running_loop().create_future()
        self._waiting[ref] = (future, then)
        if call.kind in RECORDED:
            self._watch.history.add(call)
        call.start = started = time.monotonic()
        link.send(frames.command(call.kind, ref, data))
        try:
            frame = await asyncio.wait_for(future, ANSWER_TIMEOUT_S)
        except TimeoutError:
            self._waiting.pop(ref, None)
            link.abort()
            return None
        if frame is None:
            self._watch.figures.retries += 1
        else:
            self._watch.figures.answered(call.kind, time.monotonic() - started)
        return frame

    # ---- frames --------------------------------------------------------------

    def _read(self, message: bytes, closed: asyncio.Future[int]) -> None:
        if self._closed is not closed and self._closed is not None:
            return
        frame = frames.read_frame(message)
        if frame.type in {"reply", "refused"}:
            future, then = self._waiting.pop(frame.ref or "", (None, _nothing))
            if future is not None and not future.done():
                if frame.type == "reply":
                    then(frame)
                future.set_result(frame)
        elif frame.type == "welcome":
            self._welcome(frames.read_welcome(frame.data))
        elif frame.type == "trip.snapshot":
            trip = frames.read_trip(frame.data)
            self._watch.checker.snapshot(self._session, trip)
            self._take(trip)
        elif self.asked.takes(self._session, frame):
            self._since = max(frame.seq or 0, self._since or 0)
        elif frame.type == "chat.message":
            self._since = max(frame.seq or 0, self._since or 0)
            self._watch.conversations.heard(self._id, frames.read_message(frame.data))
        elif frame.seq is not None:
            self._since = max(frame.seq, self._since or 0)
            self._event(frame, frame.seq)

    def _welcome(self, welcome: frames.Welcome) -> None:
        self._session = welcome.session
        self._watch.figures.welcomes += 1
        self._watch.checker.welcome(
            self._id,
            welcome.session,
            welcome.seq,
            welcome.trips,
            recovered=welcome.recovered,
            drives=self._driver,
        )
        if not welcome.recovered:
            self._since = welcome.seq
        for trip in welcome.trips:
            self._watch.history.saw(trip, time.monotonic())
        self.trips = {trip.id: trip for trip in welcome.trips}
        self.open = {
            trip.id: trip for trip in welcome.open_trips if self.is_of_run(trip)
        }
        if self.lost_s is not None:
            self._watch.figures.outages.append((self.lost_s, time.monotonic()))
            self.lost_s = None
        self.visits.welcomed()
        self.asked.welcomed(welcome)
        self._welcomed.set()
        self.changed.set()

    def _event(self, frame: frames.Frame, seq: int) -> None:
        checker = self._watch.checker
        if frame.type == "trip.taken":
            trip_id = frames.read_trip_ref(frame.data).id
            checker.feed(self._session, seq, frame.type, trip_id)
            self.open.pop(trip_id, None)
        elif frame.type not in TRIP_EVENTS:
            return
        elif self._driver and frame.type == "trip.requested":
            offered = frames.read_open_trip(frame.data)
            checker.feed(self._session, seq, frame.type, offered.id)
            if self.is_of_run(offered):
                self.open[offered.id] = offered
                self.changed.set()
        else:
            trip = frames.read_trip(frame.data)
            checker.event(self._session, seq, frame.type, trip)
            if frame.type == "trip.started":
                self.asked.started(trip.id)
            self._take(trip)

    def is_of_run(self, trip: OpenTrip) -> bool:
        return self._riders is None or trip.rider.id in self._riders

    def _take(self, trip: Trip) -> None:
        """Keep the newest sight of an active trip."""
        self._watch.history.saw(trip, time.monotonic())
        if trip.version < self._versions.get(trip.id, 0):
            return
        self._versions[trip.id] = trip.version
        mine = self._id in trip.participants()
        if not mine:
            self.visits.removed(of_trip(trip.id))
        if trip.status in TERMINAL or not mine:
            self.trips.pop(trip.id, None)
        else:
            self.trips[trip.id] = trip
        self.open.pop(trip.id, None)
        self.changed.set()


def _settle(closed: asyncio.Future[int], code: int) -> None:
    """A cancelled future stays so: the run is over."""
    if not closed.done():
        closed.set_result(code)


async def wait_for_change(client: Client, limit_s: float) -> None:
    """Return when something changed for this client, or after `limit_s`."""
    try:
        await asyncio.wait_for(client.changed.wait(), limit_s)
    except TimeoutError:
        return
    finally:
        client.changed.clear()
