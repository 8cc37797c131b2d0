"""What one process said at one moment, and what happened between two. Pure."""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


class Sample(Struct, frozen=True):
    """`values`: series name → labels → value, as in Prometheus's text format."""

    at_s: float
    """Monotonic."""
    values: dict[str, dict[Labels, float]]

    def of(self, name: str, **where: str) -> float:
        """The sum of a metric's series that have these labels; 0: there is none."""
        wanted = frozenset(where.items())
        series = self.values.get(name, {})
        return sum(value for labels, value in series.items() if wanted <= labels)

    def has(self, name: str, **where: str) -> bool:
        wanted = frozenset(where.items())
        return any(wanted <= labels for labels in self.values.get(name, {}))

    def label(self, name: str, label: str) -> set[str]:
        """The values that a label of a metric has."""
        found = (dict(labels).get(label) for labels in self.values.get(name, {}))
        return {value for value in found if value is not None}

    def by(self, name: str, label: str, **where: str) -> dict[str, float]:
        """Sums of a metric by the values of a label."""
        return {
            value: self.of(name, **{label: value}, **where)
            for value in sorted(self.label(name, label))
        }


def parse(text: str, at_s: float) -> Sample:
    """Read Prometheus's text format.

    Raises:
        ValueError: it is something else.
    """
    values: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = frozenset(one.labels.items())
            values.setdefault(one.name, {})[labels] = one.value
    return Sample(at_s, values)


class Window(Struct, frozen=True):
    """One process between two samples; `before` None: it was not asked before, or is
    another process now (its counters fell).
    """

    now: Sample
    before: Sample | None

    @property
    def seconds(self) -> float:
        return 0.0 if self.before is None else self.now.at_s - self.before.at_s

    def increase(self, name: str, **where: str) -> float:
        """What a counter grew by; 0 where nothing is known."""
        if self.before is None:
            return 0.0
        return max(0.0, self.now.of(name, **where) - self.before.of(name, **where))

    def buckets(self, name: str, **where: str) -> dict[float, float]:
        """A histogram's growth: upper bound → observations up to it."""
        bounds = self.now.label(f"{name}_bucket", "le")
        return {
            float(le): self.increase(f"{name}_bucket", le=le, **where) for le in bounds
        }


def window(now: Sample, before: Sample | None) -> Window:
    """Two samples of one address as a window, unless a restart lies between."""
    started = "process_start_time_seconds"
    if before is not None and before.of(started) != now.of(started):
        before = None
    return Window(now, before)


def rate(windows: Iterable[Window], name: str, **where: str) -> float:
    """Increases a second, of all processes together."""
    return sum(
        one.increase(name, **where) / one.seconds for one in windows if one.seconds
    )


def quantile(windows: Iterable[Window], q: float, name: str, **where: str) -> float:
    """A quantile of a histogram over all processes, interpolated within its bucket as
    Prometheus does; NaN where nothing was observed.
    """
    merged: dict[float, float] = {}
    for one in windows:
        for bound, count in one.buckets(name, **where).items():
            merged[bound] = merged.get(bound, 0.0) + count
    return interpolate(merged, q)


def interpolate(buckets: Mapping[float, float], q: float) -> float:
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return math.nan
    rank = q * total
    lower = below = 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= rank:
            if math.isinf(bound):
                return lower
            inside = count - below
            share = (rank - below) / inside if inside else 1.0
            return lower + (bound - lower) * share
        lower, below = bound, count
    return lower
