"""A region's all-drivers feed, entry by entry: repeats dropped, gaps seen.

Pure. `n` is dense, so a hole shows at once; then what comes is held until `SyncFeed`
has filled it. Must not know who the drivers are.
"""

from gateway import framing
from schemas.commands import FeedData
from schemas.events import FeedEntry


class Feed:
    """Starts out unknown (`held` is a list), until a driver's sync says where it is."""

    __slots__ = ("asking", "held", "known", "n")

    def __init__(self) -> None:
        self.n = 0
        self.known = False
        """Whether `n` has been learned."""
        self.held: list[FeedEntry] | None = []
        self.asking = False
        """A `SyncFeed` is on its way."""

    @property
    def has_gap(self) -> bool:
        return self.held is not None and self.known

    @property
    def must_ask(self) -> bool:
        """Whether there is a gap that nobody has asked about yet."""
        return self.has_gap and not self.asking

    def receive(self, entries: list[FeedEntry]) -> list[FeedEntry]:
        """Those to deliver, in order."""
        if self.held is not None:
            self.held.extend(entries)
            return []
        ready = []
        for index, entry in enumerate(entries):
            if entry.n <= self.n:
                continue
            if entry.n != self.n + 1:
                self.held = entries[index:]
                break
            self.n = entry.n
            ready.append(entry)
        return ready

    def start(self, n: int) -> list[FeedEntry]:
        """A driver's sync was at number `n`; what was held before that is contained."""
        if self.known:
            return []
        return self._go_on(n)

    def announced(self, n: int) -> None:
        """The leader is at `n`, and published all up to it before it said so."""
        if self.held is None and n > self.n:
            self.held = []

    def hold(self) -> None:
        """NATS was away: something may be lost."""
        if self.held is None:
            self.held = []

    def settle(self, data: FeedData) -> list[FeedEntry]:
        """Complete `FeedData` since `n`: those to deliver."""
        self.asking = False
        filled = [entry for entry in data.entries if entry.n > self.n]
        return filled + self._go_on(max(data.n, self.n))

    def _go_on(self, n: int) -> list[FeedEntry]:
        self.n = n
        self.known = True
        held, self.held = self.held or [], None
        return self.receive(held)


def frame(entry: FeedEntry) -> bytes:
    return framing.event(entry.type, entry.seq, entry.data, entry.traceparent)
