"""A region's all-drivers feed, entry by entry: repeats dropped, gaps seen.

Pure. `n` is dense, so a hole shows at once; then what comes is held until `SyncFeed`
has filled it. Must not know who the drivers are.
"""

from gateway import framing
from gateway.fanout.sync import HOLED, IN_STEP, UNKNOWN, Seen, after
from schemas.commands import FeedData
from schemas.events import FeedEntry


class Feed:
    """Starts out unknown, until a driver's sync says where it is."""

    __slots__ = ("_held", "n", "sync")

    def __init__(self) -> None:
        self.n = 0
        self.sync = UNKNOWN
        self._held: list[FeedEntry] = []

    @property
    def has_gap(self) -> bool:
        return self.sync is HOLED

    def receive(self, entries: list[FeedEntry]) -> list[FeedEntry]:
        """Those to deliver, in order."""
        if self.sync is not IN_STEP:
            self._held.extend(entries)
            return []
        ready = []
        for index, entry in enumerate(entries):
            if entry.n <= self.n:
                continue
            if entry.n != self.n + 1:
                self.lose()
                self._held = entries[index:]
                break
            self.n = entry.n
            ready.append(entry)
        return ready

    def start(self, n: int) -> list[FeedEntry]:
        """A driver's sync was at number `n`; what was held before that is contained."""
        if self.sync is not UNKNOWN:
            return []
        return self._go_on(n)

    def announced(self, n: int) -> None:
        """The leader is at `n`, and published all up to it before it said so."""
        if n > self.n:
            self.lose()

    def lose(self) -> None:
        """Something is lost, or may be."""
        self.sync = after(self.sync, Seen.LOST)

    def settle(self, data: FeedData) -> list[FeedEntry]:
        """Complete `FeedData` since `n`: those to deliver."""
        filled = [entry for entry in data.entries if entry.n > self.n]
        return filled + self._go_on(max(data.n, self.n))

    def _go_on(self, n: int) -> list[FeedEntry]:
        self.n = n
        self.sync = after(self.sync, Seen.TOLD)
        held, self._held = self._held, []
        return self.receive(held)


def frame(entry: FeedEntry) -> bytes:
    return framing.event(entry.type, entry.seq, entry.data, entry.traceparent)
