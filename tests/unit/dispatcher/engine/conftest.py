"""What is asked of every leader that a test of this folder had."""

from collections.abc import Iterator

import pytest

from dispatcher.engine.engine import Engine
from tests.unit.dispatcher.engine.town import Town, frozen
from tests.unit.dispatcher.engine.world import restart


@pytest.fixture(autouse=True)
def same_everywhere() -> Iterator[None]:
    """Whatever a test did: who followed the ledger, and who began with a snapshot, hold
    what the leader holds.
    """
    Town.built.clear()
    yield
    for town in Town.built:
        stamp_ms = max(town.engine.stamp_ms, town.standby.stamp_ms)
        expected = frozen(town.engine, stamp_ms)
        assert frozen(town.standby, stamp_ms) == expected
        restarted = restart(town.payload, town.records, town.limits)
        assert frozen(restarted, stamp_ms) == expected
        again = Engine.restore(expected, town.limits)
        assert again.snapshot() == expected
