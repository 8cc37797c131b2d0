"""A ledger as the dispatcher makes it, written by the test, and its projection."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy

from cabrank.operate import rebuild
from persistence import database
from runtime.bus import Bus
from runtime.ledger import open_ledger
from schemas.events import Event
from schemas.trips import Trip
from tests.support.nats import NatsServer
from tests.support.records import (
    Ledger,
    event,
    joined,
    message,
    offer,
    offer_ended,
    online,
    trip,
)


class Kept(Ledger):
    """With the id and the direct reads that a real one has."""

    async def create(self) -> "Kept":
        made = await open_ledger(self.js, self.region, bytes_max=-1, replicas=1)
        self.id = made.id
        return self

    async def live(self, count: int) -> None:
        """`count` whole trips, and all that rooms bring."""
        for number in range(count):
            for move in range(4):
                await self.append(*_moved(trip(number, move), f"d{number}", move))
            await self.append(joined("hall", f"r{number}"))
            await self.append(message("hall", number + 1), message("bar", number + 1))
            await self.append()


def _moved(at: Trip, driver: str, move: int) -> list[Event]:
    """A move, and what comes with it: the second to be offered the trip takes it."""
    how: Any = {0: {"matching": "nearest"}, 1: {"offer": "o2"}}.get(move, {})
    made: list[Event] = [event(at, **how), online(driver, offers=True)]
    if move == 0:
        made += [offer(at, "d9"), offer_ended(at, "d9", "declined")]
        made += [offer(at, driver, 2)]
    return made


class Rows:
    """Statements on the database under test."""

    def __init__(self, url: str) -> None:
        self.engine = database.plain_engine(url)

    def run(self, statement: str, **values: Any) -> int:
        with self.engine.begin() as connection:
            return connection.execute(sqlalchemy.text(statement), values).rowcount

    def all(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of what is projected."""
        with self.engine.connect() as connection:
            return {
                table: sorted(
                    (
                        tuple(row)
                        for row in connection.execute(
                            sqlalchemy.text(f"SELECT * FROM {table}")
                        )
                    ),
                    key=repr,
                )
                for table in (
                    *("trip_events", "trips", "messages", "rooms"),
                    "dispatch_events",
                )
            }


@pytest.fixture
async def ledger(bus: Bus) -> Kept:
    return await Kept(bus).create()


@pytest.fixture
def settled(
    nats_server: NatsServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands' settings name this server and this database."""
    monkeypatch.setenv("CABRANK_NATS_URL", nats_server.url)
    monkeypatch.setenv("CABRANK_DATABASE_URL", database_url)


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    made = Rows(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
async def projected(settled: None, ledger: Kept) -> Kept:
    """Three trips and their talk, in the ledger and in the database."""
    await ledger.live(3)
    await rebuild.rebuild(None)
    return ledger
