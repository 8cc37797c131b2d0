"""What a fault cost, from what the probes and the clients noted. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from cabrank.trial.load.figures import median, percentile
from cabrank.trial.oracle.linear import NEVER
from cabrank.trial.oracle.sequential import Call

LATENCY_WINDOW_S = 60.0
"""Of peace before a fault, at most, that its latencies are compared with."""
LATENCY_MIN_S = 10.0
"""A percentile of less than that says nothing."""


class Measured(Struct):
    """Seconds; `at_s` since the run began. None: not within the time allowed."""

    fault: str
    target: str
    at_s: float
    held_s: float
    """From its beginning until nothing stood in the way any more."""
    answered_s: float | None
    """From there until a command that was asked later was answered."""
    whole_s: float | None
    """From there until every client that had lost its connection was welcomed again,
    and commands were answered over every gateway."""
    longest_s: float | None = None
    """That a command waited for its answer, of all that were asked over the gateways
    that live, from its beginning until every process was ready again."""
    behind: int | None = None
    """Records that the database did not have when it was back."""
    caught_up_s: float | None = None
    """From there until it had them."""
    p99_ratio: float | None = None
    """Latency of commands during it, as a multiple of that before it."""
    trips_per_s: float | None = None
    """Trips that were requested, and answered, during it."""
    delivered_s: float | None = None
    """That an event was on its way to its endpoint at most, of all from its beginning
    to that of the next."""


class Row(Struct):
    """All faults of a kind."""

    fault: str
    count: int
    answered_p50_s: float | None
    answered_max_s: float | None
    whole_p50_s: float | None
    whole_max_s: float | None
    longest_max_s: float | None
    delivered_max_s: float | None = None


def by_kind(measured: Sequence[Measured]) -> list[Row]:
    rows = []
    for fault in sorted({each.fault for each in measured}):
        of = [each for each in measured if each.fault == fault]
        answered = [each.answered_s for each in of if each.answered_s is not None]
        whole = [each.whole_s for each in of if each.whole_s is not None]
        longest = [each.longest_s for each in of if each.longest_s is not None]
        sent = [each.delivered_s for each in of if each.delivered_s is not None]
        rows.append(
            Row(
                fault,
                len(of),
                median(answered),
                max(answered, default=None),
                median(whole),
                max(whole, default=None),
                max(longest, default=None),
                max(sent, default=None),
            )
        )
    return rows


def p99_between(calls: Sequence[Call], start_s: float, end_s: float) -> float | None:
    """Seconds; of the calls from `start_s` to `end_s` that were answered."""
    took = [c.end - c.start for c in _answered(calls, start_s, end_s)]
    return percentile(took, 0.99)


def trips_per_s(calls: Sequence[Call], start_s: float, end_s: float) -> float:
    requested = [
        call
        for call in _answered(calls, start_s, end_s)
        if call.kind == "trip.request" and call.answer is not None
    ]
    return len(requested) / (end_s - start_s)


def _answered(calls: Sequence[Call], start_s: float, end_s: float) -> list[Call]:
    return [c for c in calls if start_s <= c.start < end_s and c.end != NEVER]
