"""When nothing follows from a command, as the batcher sees it without a closer look."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.engine.dues import Dues, What
from tests.unit.dispatcher.engine.town import Town


@given(st.lists(st.integers(0, 5), max_size=6), st.sets(st.integers(0, 5)))
def test_what_surely_begins_later_is_never_due(
    times: list[int], over: set[int]
) -> None:
    dues = Dues()
    for number, at_ms in enumerate(times):
        dues.put(at_ms, What.EXPIRE_TRIP, str(number), lambda _: True)
    for now_ms in range(6):
        if dues.begin_after(now_ms):
            next_ms = dues.next_ms(lambda due: due.at_ms not in over)
            assert next_ms is None or next_ms > now_ms


def test_a_region_is_calm_until_a_trip_wants_a_driver() -> None:
    town = Town()
    ann = town.driver("ann")
    assert town.engine.is_calm()
    town.offline(ann)
    assert town.engine.is_calm()
    town.online(ann, offers=True)
    town.at(ann, 100)
    trip = town.request()
    assert town.live(ann)
    assert town.decline(ann, trip).refused is None
    assert not town.engine.is_calm()
