"""Clients: they come, ask for what makes sense to them and for what doesn't, lose their
connection, come back. They tell the watch all they did and saw.
"""

from typing import TYPE_CHECKING

from cabrank.trial.load import frames
from cabrank.trial.oracle.booked import Welcomed
from cabrank.trial.oracle.history import Call
from schemas.claims import Claims
from schemas.trips import TERMINAL, Position, Role, Status, Trip, User
from tests.simulation.booking import Booking
from tests.simulation.cable import Cable
from tests.simulation.driving import Asks, Driving
from tests.simulation.places import place
from tests.simulation.talk import Talk

if TYPE_CHECKING:
    from tests.simulation.world import Machine, World

LONG = "\x01" * 150
"""As a name may be, and six bytes each in JSON."""
SESSIONS = 1_000
"""More than a client has, and more keys than it uses, in a life of the world."""
THINK_S = 0.12
"""The longest pause between two calls of a client."""
NEXT = {
    Status.STARTED: ("trip.arrive", "trip.arrive", "trip.begin", "trip.release"),
    Status.ARRIVED: ("trip.begin", "trip.begin", "trip.begin", "trip.release"),
    Status.IN_PROGRESS: ("trip.complete", "trip.complete"),
}
ANYTHING = (
    *("trip.arrive", "trip.begin", "trip.complete", "trip.release"),
    *("trip.cancel", "trip.get", "trip.accept", "trip.decline"),
)


class Client:
    """One user with one session at a time."""

    def __init__(self, world: "World", name: str, role: Role) -> None:
        self.id = name
        self.role = role
        self._world = world
        self._loop = world.loop
        self._rng = world.rng(name)
        self._cable: Cable | None = None
        self.session = ""
        self.sessions = world.lives * SESSIONS
        self._refs = 0
        self._keys = world.lives * SESSIONS
        self.welcomed = False
        self.recovering_to = -1
        self._since: int | None = None
        self.calls: dict[str, Call] = {}
        self.trips: dict[str, Trip] = {}
        self.talk = Talk(self, world, world.rng(f"{name} talks"))
        self.driving: Driving | None = None
        if world.plan.offering is not None and role is Role.DRIVER:
            self.driving = Driving(self, world, world.rng(f"{name} drives"))
        self.booking: Booking | None = None
        if world.plan.booking is not None:
            self.booking = Booking(world, role, world.rng(f"{name} books"))
        self.open: dict[str, int] = {}
        """Trips up for grabs → when it was learned, for who is online."""

    def start(self) -> None:
        self._loop.call_soon(self._connect)
        self._loop.call_later(0.1 + self._rng.random() * 0.3, self._think)
        if self.driving is not None:
            self.driving.start()

    @property
    def is_idle(self) -> bool:
        return self.welcomed and not self.calls and self.talk.is_idle

    # ---- connection ------------------------------------------------------------

    def _connect(self) -> None:
        gateways = self._world.gateways
        if not gateways:
            self._loop.call_later(0.1, self._connect)
            return
        self.sessions += 1
        self.session = f"{self.id}/{self.sessions}"
        rng = self._world.rng(self.session)
        self._cable = Cable(self, self._rng.choice(gateways), rng)
        name = self._name()
        claims = Claims(
            self.id, self.id, name, name, self.role, "main", self.session, 0, 1e12
        )
        self._cable.open(claims, self._since)

    def _name(self) -> str:
        return LONG if self._world.plan.long_names else "N"

    def user(self) -> User:
        """As accounts know it."""
        return User(self.id, self.id, self._name(), self._name(), self.role)

    def lose(self) -> None:
        if self._cable is not None:
            self._cable.cut()

    def gateway_died(self, machine: "Machine") -> None:
        if self._cable is not None and self._cable.machine is machine:
            self._cable.cut()

    def lost(self, cable: Cable) -> None:
        if cable is not self._cable:
            return
        self._cable = None
        self.welcomed = False
        for call in self.calls.values():
            self._world.watch.history.unknown(call)
        self.calls.clear()
        self.talk.lost()
        self._loop.call_later(0.01 + self._rng.random() * 0.3, self._connect)

    # ---- frames in -------------------------------------------------------------

    def receive(self, cable: Cable, data: bytes) -> None:
        self._world.watch.note(f"{self._loop.time()} {self.id} ".encode() + data)
        at = 0
        while at < len(data) and not cable.is_cut:
            first, size, at = data[at], data[at + 1], at + 2
            if size == 126:
                size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            elif size == 127:
                size, at = int.from_bytes(data[at : at + 8], "big"), at + 8
            payload, at = data[at : at + size], at + size
            if first == 0x81:
                self._take(frames.read_frame(payload))
            elif first == 0x88:
                cable.cut()

    def _take(self, frame: frames.Frame) -> None:
        checker = self._world.watch.checker
        driving = self.driving
        if self.talk.takes(frame) or (driving is not None and driving.takes(frame)):
            self._since = max(frame.seq or 0, self._since or 0) or None
        elif frame.type in {"reply", "refused"}:
            self._answered(frame)
        elif frame.type == "welcome":
            self._welcome(frames.read_welcome(frame.data))
        elif frame.type == "trip.snapshot":
            trip = frames.read_trip(frame.data)
            checker.snapshot(self.session, trip)
            self._saw(trip)
        elif frame.type == "driver.moved":
            self._moved(frames.read_moved(frame.data).trip)
        elif frame.seq is not None and frame.type != "driver.state":
            self._since = max(frame.seq, self._since or 0)
            self._event(frame, frame.seq)

    def _welcome(self, welcome: frames.Welcome) -> None:
        self.welcomed = True
        self._world.watch.checker.welcome(
            self.id,
            self.session,
            welcome.seq,
            welcome.trips,
            recovered=welcome.recovered,
            drives=self.role is Role.DRIVER,
        )
        if self.role is Role.RIDER:
            trips = {trip.id: trip.version for trip in welcome.trips}
            greeted = Welcomed(self.id, welcome.seq, trips)
            self._world.watch.booked.welcomes.append(greeted)
        if not welcome.recovered:
            self._since = welcome.seq
        self.trips = {}
        for trip in welcome.trips:
            self._saw(trip)
        self.open = {trip.id: trip.version for trip in welcome.open_trips}
        self.talk.welcomed()
        if self.driving is not None:
            self.driving.welcomed(welcome)

    def _moved(self, trip: str) -> None:
        """Where the driver of a trip is: of one that is the rider's, and driven."""
        known = self.trips.get(trip)
        if self.role is not Role.RIDER or known is None:
            self._world.watch.strange(f"{self.id}: hears of {trip}'s driver")
        elif known.driver is None or known.status in TERMINAL:
            text = f"{self.id}: hears where the driver of a {known.status} trip is"
            self._world.watch.strange(text)

    def _event(self, frame: frames.Frame, seq: int) -> None:
        checker = self._world.watch.checker
        trip_id = frames.read_trip_ref(frame.data).id
        if frame.type == "trip.taken":
            self.open.pop(trip_id, None)
            checker.feed(self.session, seq, frame.type, trip_id)
        elif not frames.is_participant_frame(frame.data):
            self.open[trip_id] = seq
            checker.feed(self.session, seq, frame.type, trip_id)
        else:
            trip = frames.read_trip(frame.data)
            checker.event(self.session, seq, frame.type, trip)
            self._saw(trip)
            if self.role is Role.DRIVER and frame.type == "trip.started":
                self.open.pop(trip_id, None)
                if self.driving is not None:
                    self.driving.started(trip_id)

    def _saw(self, trip: Trip) -> None:
        watch = self._world.watch
        watch.history.saw(trip, self._loop.time())
        known = self.trips.get(trip.id)
        if known is None or known.version < trip.version:
            self.trips[trip.id] = trip
            if self.role is not Role.OPERATOR and self.id not in trip.participants():
                self.talk.removed(trip)
        watch.seen[trip.id] = None

    def _answered(self, frame: frames.Frame) -> None:
        call = self.calls.pop(frame.ref or "", None)
        if call is None:
            self._world.watch.strange(f"{self.id}: an answer to {frame.ref}")
            return
        history = self._world.watch.history
        now_s = self._loop.time()
        if frame.type == "refused":
            history.refused(call, frames.read_refused(frame.data).code, now_s)
        elif call.kind == "trip.decline":
            history.declined(call, frames.read_open_trip(frame.data), now_s)
        elif call.kind in {"driver.online", "driver.offline"}:
            history.unknown(call)
            if self.driving is not None:
                self.driving.answered(frames.read_online(frame.data))
        else:
            trip = frames.read_trip(frame.data)
            history.answered(call, trip, now_s)
            if call.kind != "trip.get":
                self._world.watch.checker.answer(self.id, call.kind, trip)
            watch = self._world.watch
            watch.seen[trip.id] = None

    # ---- what they do ----------------------------------------------------------

    def _think(self) -> None:
        world = self._world
        if world.acting and world.calls_left and self.welcomed and len(self.calls) < 2:
            if self._rng.random() < world.plan.talks:
                world.calls_left -= 1
                self.talk.act(self._mine())
                what = None
            else:
                what = self._choose()
            if what is not None:
                world.calls_left -= 1
                kind, trip, more = what
                self._ask(kind, trip, more)
        if world.acting:
            self._loop.call_later(self._rng.random() * THINK_S, self._think)

    def _mine(self) -> Trip | None:
        for trip in self.trips.values():
            is_rider = self.role is Role.RIDER
            driver = trip.driver is not None and trip.driver.id == self.id
            ended = trip.status in {"COMPLETED", "CANCELLED", "EXPIRED"}
            waits = trip.status is Status.SCHEDULED
            if not (ended or waits) and (is_rider or driver):
                return trip
        return None

    def _choose(self) -> Asks | None:
        rng, mine = self._rng, self._mine()
        if self.booking is not None:
            asks = self.booking.choose(self.trips)
            if asks is not None:
                return asks
        if rng.random() < 0.12 and self._world.watch.seen:
            return rng.choice(ANYTHING), rng.choice(list(self._world.watch.seen)), {}
        if self.role is Role.RIDER:
            if mine is None or rng.random() < 0.1:
                return "trip.request", None, {}
            return ("trip.cancel", mine.id, {}) if rng.random() < 0.15 else None
        if self.role is Role.OPERATOR:
            return self._order()
        if mine is not None and mine.status in NEXT:
            return rng.choice(NEXT[mine.status]), mine.id, {}
        if self.driving is not None:
            asks = self.driving.choose()
            if asks is not None:
                return asks
        if rng.random() < 0.05:
            return rng.choice(("driver.online", "driver.offline")), None, {}
        if not self.open:
            return None
        kind = "trip.decline" if rng.random() < 0.1 else "trip.accept"
        return kind, rng.choice(list(self.open)), {}

    def _order(self) -> Asks | None:
        """What an operator does."""
        rng, world = self._rng, self._world
        if not world.watch.seen or rng.random() < 0.7:
            return None
        more: dict[str, object] = {}
        if world.plan.offering is not None and rng.random() < 0.4:
            drivers = [one.id for one in world.clients if one.role is Role.DRIVER]
            kind, more["driver"] = "trip.assign", rng.choice([*drivers, "nobody"])
        else:
            kind = rng.choice(("trip.cancel", "trip.complete"))
        return kind, rng.choice(list(world.watch.seen)), more

    def _ask(self, kind: str, trip: str | None, more: dict[str, object]) -> None:
        self._refs += 1
        if kind == "driver.offline":
            self._world.watch.checker.rests(self.id)
        data: dict[str, object] = {}
        key = None
        if kind == "trip.request":
            places = self._places()
            data = {"pick_up_address": "A", "drop_off_address": "B", **places, **more}
            if self._rng.random() < 0.5:
                self._keys += self._rng.random() < 0.8
                key = data["idempotency_key"] = f"k{self._keys}"
        elif trip is not None:
            data = {"id": trip, **more}
        else:
            data = more
        ref = f"{self.session}/{self._refs}"
        call = Call(self.id, self.role, kind, trip, key, self._loop.time())
        call.offer = _text(more.get("offer"))
        call.driver = _text(more.get("driver"))
        call.says = {
            name: Position(**value) if isinstance(value, dict) else value
            for name, value in more.items()
        }
        self.calls[ref] = call
        self._world.watch.history.add(call)
        self.send(frames.command(kind, ref, data))

    def _places(self) -> dict[str, object]:
        """Where a rider is, and wants to go, where trips are matched."""
        offering, rng = self._world.plan.offering, self._rng
        if offering is None:
            return {}
        data: dict[str, object] = {}
        for name, share in (("pick_up", 0.85), ("drop_off", 0.5)):
            if rng.random() < share:
                lat, lon = place(rng, offering.area)
                data[name] = {"lat": lat, "lon": lon}
        return data

    def send(self, payload: bytes) -> None:
        if self._cable is not None:
            self._cable.send(payload)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
