"""A region's past and what its leader saw, told to persistence as it is told."""

from typing import Any

from sqlalchemy import select

from persistence import database
from persistence.projected.projection import read_record
from schemas import codec, streams, subjects
from schemas.accounts import ExplainTrip
from schemas.events import Event, seq_of
from schemas.explanations import DriverRound, Explanation
from schemas.observations import VERSION, Crumb, Observations, Round
from schemas.trips import Position, Trip
from tests.contract.persistence.past import Past
from tests.support import waiting
from tests.support.records import (
    LEDGER,
    T0_MS,
    event,
    record,
    trip,
)

OPEN = trip(1, pick_up=Position(59.91, 10.75))
STARTED = trip(1, 1, pick_up=Position(59.91, 10.75))


class Told(Past):
    """A region's past, and what its leader saw."""

    def happened(self, *facts: Event) -> int:
        """One record; the seq of its first event."""
        self.n += 1
        payload = record(self.n, *facts)
        rows, bad = read_record("LEDGER_main", self.n, payload)
        assert not bad
        self.store.write(rows, [], T0_MS)
        return seq_of(self.n, 0)

    async def saw(self, *rounds: Round, crumbs: tuple[Crumb, ...] = ()) -> None:
        """Return when all is in the database."""
        made = Observations(VERSION, LEDGER, list(rounds), list(crumbs))
        await self.publish(codec.encode(made))

    async def publish(self, payload: bytes) -> None:
        js = self.bus.jetstream()
        await waiting.until_is(self._is_there, bool)
        sent = await js.publish(subjects.matches("main"), payload)

        async def is_taken() -> bool:
            info = await js.consumer_info(streams.MATCHES, streams.WRITER_DURABLE)
            assert info.ack_floor is not None
            return info.ack_floor.stream_seq >= sent.seq

        await waiting.until_is(is_taken, bool)

    async def _is_there(self) -> bool:
        try:
            await self.bus.jetstream().consumer_info(
                streams.MATCHES, streams.WRITER_DURABLE
            )
        except Exception:  # noqa: BLE001 - not yet
            return False
        return True

    async def why(self, driver: str | None = None) -> Explanation:
        result = await self.ask("matching", ExplainTrip(OPEN.id, driver, "main"))
        assert result.data is not None, result.refused
        return codec.decode(result.data, Explanation)

    async def of(self, driver: str) -> list[DriverRound]:
        told = (await self.why(driver)).driver
        assert told is not None
        assert told.id == driver
        return told.rounds

    async def verdicts(self, driver: str) -> list[str]:
        return [one.verdict for one in await self.of(driver)]

    async def rows(self, table: Any) -> list[Any]:
        async with database.reading(self.engine) as connection:
            return list((await connection.execute(select(table.__table__))).all())


def opened(how: Any = "nearest", at: Trip = OPEN) -> Event:
    return event(at, 0, matching=how)
