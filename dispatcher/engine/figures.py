"""The figures operators see (PROTOCOL.md section 7). Pure."""

from collections import Counter, OrderedDict

from msgspec import Struct, field

from dispatcher.engine.drivers import counts
from dispatcher.engine.engine import Engine
from schemas.trips import Status
from schemas.watching import Figures

STEP_MS = 10_000
STEPS = 90
"""15 minutes: PROTOCOL.md section 7."""
MINUTE_STEPS = 6
WAIT_S_MAX = 3_600
"""A longer wait counts as so long: a bound of what a step holds."""


class _Step(Struct):
    made: int = 0
    accepted: int = 0
    ended: int = 0
    """Accepted or not."""
    waits: Counter[int] = field(default_factory=Counter)
    """Seconds from a trip's opening to its driver."""


class Flow:
    """What came of offers and waits in the last 15 minutes, by steps of 10 s."""

    def __init__(self) -> None:
        self._steps: OrderedDict[int, _Step] = OrderedDict()

    def made(self, at_ms: int) -> None:
        self._step(at_ms).made += 1

    def ended(self, at_ms: int, *, accepted: bool) -> None:
        step = self._step(at_ms)
        step.ended += 1
        step.accepted += accepted

    def waited(self, at_ms: int, wait_ms: int) -> None:
        seconds = (wait_ms + 500) // 1000
        self._step(at_ms).waits[min(max(seconds, 0), WAIT_S_MAX)] += 1

    def _step(self, at_ms: int) -> _Step:
        number = at_ms // STEP_MS
        step = self._steps.get(number)
        if step is None:
            step = self._steps[number] = _Step()
            while len(self._steps) > STEPS:
                self._steps.popitem(last=False)
        return step

    def offers_per_min(self, now_ms: int) -> int:
        return sum(step.made for step in self._since(now_ms, MINUTE_STEPS))

    def accepted_share(self, now_ms: int) -> float | None:
        steps = self._since(now_ms, STEPS)
        ended = sum(step.ended for step in steps)
        accepted = sum(step.accepted for step in steps)
        return round(accepted / ended, 3) if ended else None

    def waits_s(self, now_ms: int, *shares: float) -> list[int | None]:
        """By nearest rank: so long, or less, such a share of them waited."""
        waits: Counter[int] = Counter()
        for step in self._since(now_ms, STEPS):
            waits.update(step.waits)
        return [_rank(waits, share) for share in shares]

    def _since(self, now_ms: int, steps: int) -> list[_Step]:
        first = now_ms // STEP_MS - steps + 1
        return [step for number, step in self._steps.items() if number >= first]


def _rank(waits: Counter[int], share: float) -> int | None:
    left = share * waits.total()
    for seconds, count in sorted(waits.items()):
        left -= count
        if left <= 0:
            return seconds
    return None


def figures(engine: Engine, flow: Flow, now_ms: int) -> Figures:
    """`now_ms` is a stamp."""
    state, drivers = engine.regional.state, counts(engine.regional)
    trips = {status.value: count for status, count in engine.trips.items()}
    opened_ms = now_ms
    for trip in state.open:
        opened_ms = state.trips[trip].at_ms
        break
    p50_s, p95_s = flow.waits_s(now_ms, 0.5, 0.95)
    matching = len(state.untold)
    return Figures(
        free=drivers["free"],
        offered=drivers["offered"],
        busy=drivers["busy"],
        stale=drivers["stale"],
        requested=len(state.open),
        matching=matching,
        broadcast=len(state.open) - matching,
        started=trips[Status.STARTED],
        arrived=trips[Status.ARRIVED],
        in_progress=trips[Status.IN_PROGRESS],
        scheduled=trips.get("SCHEDULED", 0),
        oldest_unmatched_s=max(0, now_ms - opened_ms) // 1000,
        offers_per_min=flow.offers_per_min(now_ms),
        accepted_share=flow.accepted_share(now_ms),
        wait_p50_s=p50_s,
        wait_p95_s=p95_s,
    )
