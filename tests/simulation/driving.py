"""What a driver does who asked for offers: says where they are, and is asked.

Each has a way of their own to say it; most answer what they are asked, some too late,
twice, or by what others were asked.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Literal

from cabrank.trial.load import frames
from cabrank.trial.oracle.asking import Greeting
from schemas.matching import PLACE_DECIMALS
from schemas.refusals import Code
from schemas.times import rfc3339
from tests.simulation.loop import WALL_S
from tests.simulation.places import place

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.world import World

Way = Literal["near", "stale", "missing", "future", "past", "jumps", "far", "floods"]
WAYS: tuple[Way, ...] = Way.__args__  # type: ignore[attr-defined]
WEIGHTS = [12, 1, 1, 1, 1, 2, 1, 1]
FIX_S = 0.3
"""The longest pause between two fixes."""
DAY_S = 86_400
BAD: tuple[dict[str, object], ...] = (
    {"lat": 90.01, "lon": 0},
    {"lat": 0, "lon": -180.01},
    {"lat": 0, "lon": 0, "speed": 151},
    {"lat": 0, "lon": 0, "heading": 361},
    {"lat": 0, "lon": 0, "at": "yesterday"},
)
Asks = tuple[str, str | None, dict[str, object]]
"""(command, trip, what else it says)"""


class Driving:
    """`live`: offers, as far as the driver was told → their trips."""

    def __init__(self, client: "Client", world: "World", rng: Random) -> None:
        self._client = client
        self._world = world
        self._rng = rng
        self._way: Way = rng.choices(WAYS, WEIGHTS)[0]
        self._fixes = 0
        self._refs = 0
        self.places: set[tuple[float, float]] = set()
        """All where they ever said that they are, as history has them."""
        self.online = True
        self.wants = False
        self.live: dict[str, str] = {}
        self._over: list[tuple[str, str]] = []
        self._bad: set[str] = set()

    def start(self) -> None:
        self._world.loop.call_later(self._rng.random() * FIX_S, self._move)

    @property
    def is_sound(self) -> bool:
        """They say often enough where they are, and that is near every pick-up."""
        return self._way in {"near", "future", "past", "floods"} and self._fixes > 0

    # ---- where they are ----------------------------------------------------------

    def _move(self) -> None:
        """Also when nobody acts any more: cars don't stop for that."""
        if self._client.welcomed:
            for _ in range(100 if self._is_mad() else 1):
                self._say_where()
        self._world.loop.call_later(self._rng.random() * FIX_S, self._move)

    def _is_mad(self) -> bool:
        return self._way == "floods" and self._rng.random() < 0.1

    def _say_where(self) -> None:
        rng, way = self._rng, self._way
        if way == "missing" or (way == "stale" and self._fixes):
            return
        self._fixes += 1
        offering = self._world.plan.offering
        lat, lon = place(rng, "city" if offering is None else offering.area)
        if way == "far" or (way == "jumps" and rng.random() < 0.3):
            lat, lon = rng.choice(((0.0, 0.0), (lat * 0.8, lon), (-lat, -lon)))
        data: dict[str, object] = {"lat": lat, "lon": lon}
        if way in {"future", "past"} and rng.random() < 0.5:
            off_s = DAY_S if way == "future" else -rng.random() * DAY_S
            now_s = WALL_S + self._world.loop.time()
            data["at"] = rfc3339(round((now_s + off_s) * 1000))
        ref = None
        if rng.random() < 0.05:
            self._refs += 1
            ref, data = f"fix/{self._client.session}/{self._refs}", rng.choice(BAD)
            self._bad.add(ref)
        else:
            self.places.add((round(lat, PLACE_DECIMALS), round(lon, PLACE_DECIMALS)))
        self._client.send(frames.command("driver.location", ref or "", data))

    # ---- frames in -----------------------------------------------------------------

    def takes(self, frame: frames.Frame) -> bool:
        """Whether it was for this."""
        if frame.type == "refused" and frame.ref in self._bad:
            self._bad.discard(frame.ref)
            code = frames.read_refused(frame.data).code
            if code is not Code.INVALID_DATA:
                self._world.watch.strange(f"a bad fix is refused with {code}")
            return True
        take = _TAKES.get(frame.type)
        if take is not None:
            if frame.seq is not None:
                checker = self._world.watch.checker
                checker.offer(self._client.session, frame.seq, frame.type)
            take(self, frame)
        return take is not None

    def welcomed(self, welcome: frames.Welcome) -> None:
        self._bad.clear()
        self.online = bool(welcome.online)
        self.live = {one.offer: one.trip.id for one in welcome.offers}
        told = [trip.id for trip in welcome.open_trips]
        greeting = Greeting(
            self._client.id, welcome.seq, welcome.online, list(self.live), told
        )
        self._world.watch.greetings.append(greeting)

    def _offered(self, frame: frames.Frame) -> None:
        offered = frames.read_offered(frame.data)
        self.live[offered.offer] = offered.trip.id
        self._world.watch.offered[self._client.id, offered.offer] = offered

    def _offer_ended(self, frame: frames.Frame) -> None:
        ended = frames.read_offer_ended(frame.data)
        self._ends(ended.offer, ended.id)
        said = self._world.watch.said_over
        said.append((self._client.id, frame.seq, ended))

    def _state(self, frame: frames.Frame) -> None:
        self.online = frames.read_driver_state(frame.data).online

    def started(self, trip: str) -> None:
        """Theirs, or somebody's who had an offer: it is over by that."""
        for offer in [offer for offer, of in self.live.items() if of == trip]:
            self._ends(offer, trip)

    def _ends(self, offer: str, trip: str) -> None:
        self.live.pop(offer, None)
        self._over = [*self._over[-3:], (offer, trip)]

    def answered(self, online: frames.Online) -> None:
        self.wants = online.offers

    # ---- what they do ----------------------------------------------------------------

    def choose(self) -> Asks | None:
        """Mostly an answer to what they are asked."""
        rng, chance = self._rng, self._rng.random()
        if not (self.online and self.wants):
            if chance < 0.6:
                return "driver.online", None, {"offers": True}
        elif chance < 0.04:
            return rng.choice(_STANDS)
        if self.live and chance < 0.7:
            offer, trip = next(iter(self.live.items()))
            return self._answer(offer, trip, chance)
        if self._over and chance > 0.85:
            return self._answer(*rng.choice(self._over), rng.random() * 0.7)
        others = self._world.watch.offered
        if others and chance > 0.8:
            _, theirs = rng.choice(list(others))
            trip = rng.choice([one.trip.id for one in others.values()])
            return "trip.accept", trip, {"offer": theirs}
        return None

    def _answer(self, offer: str, trip: str, chance: float) -> Asks:
        kind = "trip.decline" if chance < 0.15 else "trip.accept"
        return kind, trip, {"offer": offer} if self._rng.random() < 0.5 else {}


_STANDS: tuple[Asks, ...] = (
    ("driver.offline", None, {}),
    ("driver.online", None, {}),
    ("driver.online", None, {"offers": False}),
)
_TAKES: dict[str, Callable[[Driving, frames.Frame], None]] = {
    "trip.offered": Driving._offered,
    "trip.offer_ended": Driving._offer_ended,
    "driver.state": Driving._state,
}
