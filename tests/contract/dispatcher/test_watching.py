"""What a real leader tells gateways where operators watch, and its successor."""

from runtime.bus import Bus
from schemas import codec, subjects
from schemas.rooms import Presence
from schemas.watching import Glimpse
from tests.contract.dispatcher.conftest import Start
from tests.contract.dispatcher.desk import Gateway, request
from tests.support.waiting import until_true


class Ear:
    """A gateway where somebody watches."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[Glimpse] = []
        bus.subscribe_raw(subjects.watched("main"), self._hear)

    def _hear(self, _: bytes, __: bytes, payload: bytes, ___: bytes) -> None:
        self.heard.append(codec.decode(payload, Glimpse))

    def say(self) -> None:
        news = Presence("ear", watch="on")
        self.bus.send(subjects.presence("main"), codec.encode(news))

    async def whole(self, epoch: int) -> list[Glimpse]:
        """All of that leader's first round."""

        async def told() -> list[Glimpse]:
            self.say()
            rounds = [one for one in self.heard if one.epoch == epoch]
            return rounds if any(one.ends for one in rounds) else []

        await until_true(told, f"a round of {epoch}")
        return await told()


async def test_who_takes_over_tells_all_and_silence_is_kept_where_nobody_watches(
    gateway: Gateway, start: Start, bus: Bus
) -> None:
    one, other = start(), start()
    placed = await gateway.settled(2)
    leader = one if placed.instance == one.instance else other
    trip = await gateway.trip(request())
    ear = Ear(bus)
    await bus.flush()
    assert ear.heard == []
    first = await ear.whole(placed.epoch)
    assert (first[0].n, first[0].begins, first[0].whole) == (1, True, True)
    assert [codec.decode(one, dict)["id"] for one in first[0].trips] == [trip.id]
    leader.kill()
    taken = await gateway.leader(after=placed.epoch)
    again = await ear.whole(taken.epoch)
    assert (again[0].n, again[0].whole) == (1, True)
    assert [codec.decode(one, dict)["id"] for one in again[0].trips] == [trip.id]
