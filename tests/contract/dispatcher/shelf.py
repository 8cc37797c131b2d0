"""Snapshots of a ledger that has been written, and a region that starts from them."""

from dispatcher.engine.engine import Engine, Limits
from dispatcher.region import snapshotter
from dispatcher.region.region import Region
from dispatcher.region.snapshots import SnapshotStore
from dispatcher.region.standby import Standby
from runtime.bus import Bus
from runtime.follower import Follower
from runtime.lifecycle import Service
from runtime.settings import Settings
from tests.contract.dispatcher.desk import Book
from tests.support.snapshots import save, written

LIMITS = Limits(request_ttl_ms=300_000)


class Shelf:
    """The snapshots of a region whose ledger has been written."""

    def __init__(self, bus: Bus, book: Book) -> None:
        self.bus = bus
        self.book = book
        self.store: SnapshotStore

    async def open(self) -> "Shelf":
        ledger = await self.book.ledger()
        self.store = SnapshotStore(self.book.js, ledger, 1)
        await self.store.ensure()
        self.follower = Follower(self.bus, ledger)
        return self

    async def replayed(self, last: int) -> Engine:
        """What a replay of the ledger's beginning makes."""
        engine = Engine("main", LIMITS)
        async for _, record in self.follower.records(1, last):
            assert record is not None
            engine.apply_record(record)
        return engine

    async def save(self, n: int) -> None:
        ledger = await self.book.ledger()
        await save(self.store, written(await self.replayed(n), ledger, n))

    async def rebuilt(self) -> Region:
        """A region as a start makes it, before it stands by."""
        region = await self.region()
        await region._rebuild()
        return region

    async def region(self) -> Region:
        """The same before its start."""
        region = Region(
            Service("test"), self.bus, self.book.js,
            name="main", settings=Settings(), instance="test",
        )  # fmt: skip
        region._ledger = await self.book.ledger()
        region._store = self.store
        region._snapshotter = snapshotter.Snapshotter(region._store, "main")
        region._standby = Standby(
            self.book.js, region._ledger, self.store, self.follower, region._limits()
        )
        return region
