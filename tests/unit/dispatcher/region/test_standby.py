"""What a standby held is freed before it starts anew."""

from dispatcher.region.standby import _let_go
from tests.support.largest import LARGE, filled
from tests.unit.dispatcher.engine.world import World


async def test_nothing_of_an_engine_is_left_once_it_is_let_go() -> None:
    engine = filled(LARGE.times(0.001), first_seq=1, stamp_ms=1)
    empty = World().engine
    assert len(engine.snapshot()) > 100_000
    await _let_go(engine)
    assert len(engine.snapshot()) < len(empty.snapshot()) + 100


async def test_its_ring_is_freed_with_it() -> None:
    world = World()
    world.driving("accept")
    await _let_go(world.engine)
    assert world.engine._ring.made(world.events[0].command) is None
    assert not world.engine._ring._all
