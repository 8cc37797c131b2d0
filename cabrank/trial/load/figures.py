"""What a run of load clients measured. Pure: numbers in, summaries out."""

from collections import Counter

from msgspec import Struct, field


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that `share` (0-1) of `values` do not exceed (nearest rank);
    None of nothing.
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-round(share * 1_000_000) * len(ordered) // 1_000_000))
    return ordered[min(rank, len(ordered)) - 1]


def median(values: list[float]) -> float | None:
    return percentile(values, 0.5)


class Figures(Struct):
    """Seconds, and counts."""

    latencies: dict[str, list[float]] = {}
    """By command: from writing it to reading its answer."""
    waits: list[float] = []
    """From a rider's request to seeing it STARTED."""
    refusals: Counter[str] = field(default_factory=Counter)
    welcomes: int = 0
    reconnects: int = 0
    connect_failures: int = 0
    closes: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    outages: list[tuple[float, float]] = []
    """Connections that were lost or refused, but not by the client's own doing: when,
    and when the client was welcomed again (monotonic)."""

    def answered(self, command: str, seconds: float) -> None:
        self.latencies.setdefault(command, []).append(seconds)

    def all_latencies(self) -> list[float]:
        return [value for values in self.latencies.values() for value in values]
