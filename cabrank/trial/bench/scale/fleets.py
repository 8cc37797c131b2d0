"""Drivers and riders in as many processes as open files ask for, as one fleet."""

import contextlib
import random
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from cabrank.trial.bench import worker
from cabrank.trial.bench.fleet_orders import Enlist, FleetOrder, Lived
from cabrank.trial.bench.worker import Worker
from cabrank.trial.load.figures import percentile
from schemas.codec import decode, encode

FLEET = ("-m", "cabrank.trial.bench.fleet")
EACH_MAX = 7_500
"""Drivers of a process, where it may have as many open files."""
SPARE_FILES = 600
"""Riders' connections, and all that is none."""


class Fleets:
    """Each process has its share of the people, and goes to one of the gateways."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(len(workers))

    def enlist(
        self, bases: Sequence[str], drivers: list[str], riders: list[str]
    ) -> Lived:
        """Mixed, so that each process has drivers and riders of all regions."""
        count = len(self._workers)
        mixed = random.Random(1)  # noqa: S311 (no secret)
        mixed.shuffle(drivers)
        mixed.shuffle(riders)
        return self._all(
            [
                Enlist(bases[n % len(bases)], drivers[n::count], riders[n::count])
                for n in range(count)
            ]
        )

    def do(self, order: FleetOrder) -> Lived:
        return self._all([order] * len(self._workers))

    def share(self, per_s: float) -> float:
        """Of a rate for all, each process's."""
        return per_s / len(self._workers)

    def _all(self, orders: list[FleetOrder]) -> Lived:
        """Raises: LoadError: a process died."""

        def one(at: int) -> Lived:
            return decode(self._workers[at].tell(encode(orders[at])), Lived)

        return together(list(self._threads.map(one, range(len(self._workers)))))


def together(parts: list[Lived]) -> Lived:
    """As one. Whose rider it is and who hears of it may be in different processes: the
    clock is the machine's.
    """
    troubles: Counter[str] = Counter()
    asked: dict[str, float] = {}
    heard: dict[str, float] = {}
    for part in parts:
        troubles.update(part.troubles)
        asked |= part.asked_s
        for trip, at_s in part.heard_s.items():
            heard[trip] = min(at_s, heard.get(trip, at_s))
    return Lived(
        seconds=max(part.seconds for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        requests=sum(part.requests for part in parts),
        completed=sum(part.completed for part in parts),
        positions=sum(part.positions for part in parts),
        waits_s=[heard[trip] - at_s for trip, at_s in asked.items() if trip in heard],
        lost=sum(part.lost for part in parts),
        troubles=dict(troubles),
        asked_s=asked,
        heard_s=heard,
    )


def latencies_ms(lived: Lived) -> tuple[float, float]:
    """p50, p99."""
    p50, p99 = (1000 * (percentile(lived.waits_s, s) or 0.0) for s in (0.5, 0.99))
    return p50, p99


@contextlib.contextmanager
def running(drivers: int, gateways: int) -> Iterator[Fleets]:
    """At least a process a gateway, and so many that open files suffice."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    each = max(1, min(EACH_MAX, files - SPARE_FILES))
    count = max(gateways, -(-drivers // each))
    with contextlib.ExitStack() as stack:
        yield Fleets(
            [stack.enter_context(worker.running(*FLEET)) for _ in range(count)]
        )
