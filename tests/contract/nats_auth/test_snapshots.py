"""Snapshots where each service may do the least: kept, read and replaced as the
dispatcher, whose permissions decide whether a purged ledger can ever be led again.
"""

from dispatcher.engine.engine import Engine, Limits
from dispatcher.region.snapshots import SnapshotStore
from runtime.ledger import open_ledger
from schemas.permissions import Service
from tests.contract.dispatcher.test_fence import Pen
from tests.contract.nats_auth.conftest import Connect
from tests.support.snapshots import save, written

LIMITS = Limits(request_ttl_ms=1)
RECORDS = 3


async def test_a_dispatcher_may_do_all_that_its_snapshots_need(
    connect: Connect,
) -> None:
    bus = await connect(Service.DISPATCHER)
    forbidden: list[str] = []
    bus.on_forbidden = forbidden.append
    js = bus.jetstream()
    ledger = await open_ledger(js, "main", bytes_max=-1, replicas=1)
    pen = Pen(bus, js, ledger)
    for n in range(1, RECORDS + 1):
        await pen.write(n)
    pen.fence.close()
    store = SnapshotStore(js, ledger, 1)
    await store.ensure()
    assert await store.load(LIMITS) is None
    for n in range(1, RECORDS + 1):  # the third takes the place of the first
        await save(store, written(Engine("main", LIMITS), ledger, n))
    assert [head.n for head in await store.heads()] == [3, 2]
    loaded = await store.load(LIMITS)
    assert loaded is not None
    assert loaded[0].n == RECORDS
    assert forbidden == []
