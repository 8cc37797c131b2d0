"""How far rows and webhooks are behind a ledger, as history tells it."""

from collections.abc import AsyncIterator

import pytest
from nats.js.api import AckPolicy
from sqlalchemy import insert, update

from persistence.delivery_models import WebhookCursorRow, WebhookRow
from runtime.bus import Bus
from schemas import codec, streams
from schemas.accounts import FindLags, Lag
from schemas.events import seq_of
from tests.contract.persistence.conftest import Working
from tests.contract.persistence.past import Past
from tests.support.filled import nobodys
from tests.support.records import Ledger, event, trip
from tests.support.waiting import until_is


@pytest.fixture
async def past(bus: Bus, database_url: str) -> AsyncIterator[Past]:
    async with Past(bus, database_url).answering() as past:
        yield past


async def lags(past: Past, *regions: str) -> dict[str, Lag]:
    result = await past.ask("lags", FindLags(list(regions)))
    assert result.data is not None, result.refused
    return codec.decode(result.data, dict[str, Lag])


async def test_records_that_rows_don_t_have_yet_are_counted_until_they_do(
    past: Past, ledger: Ledger, working: Working, database_url: str
) -> None:
    await ledger.js.add_consumer(
        ledger.stream.name,
        durable_name=streams.WRITER_DURABLE,
        ack_policy=AckPolicy.EXPLICIT,
    )
    for number in (1, 2, 3):
        await ledger.append(event(trip(number)))
    last = (await ledger.js.stream_info(ledger.stream.name)).state.last_seq
    assert last >= 3
    told = await lags(past, "main", "nowhere", "\0")
    assert told["main"] == Lag(last, None)
    assert told["nowhere"] == told["\0"] == Lag(None, None)
    async with working(database_url):

        async def unwritten() -> int | None:
            return (await lags(past, "main"))["main"].unwritten

        await until_is(unwritten, lambda count: count == 0, 20)


async def test_webhooks_are_behind_only_where_there_is_one(
    past: Past, ledger: Ledger
) -> None:
    await ledger.append(event(trip(1)))
    last = (await ledger.js.stream_info(ledger.stream.name)).state.last_seq
    cursor = {"region": "main", "ledger": "l", "seq": seq_of(last - 1, 0)}
    hook = nobodys(WebhookRow, id="h", by="o", events="[]", active=True)
    async with past.engine.begin() as connection:
        more = {"reader": "w", "until_ms": 1}
        await connection.execute(insert(WebhookCursorRow), cursor | more)
    assert (await lags(past, "main"))["main"].unsent is None
    async with past.engine.begin() as connection:
        await connection.execute(insert(WebhookRow), hook)
    assert (await lags(past, "main"))["main"].unsent == 1
    async with past.engine.begin() as connection:
        await connection.execute(update(WebhookRow).values(active=False))
    assert (await lags(past, "main"))["main"].unsent is None
