import json

import pytest

from cabrank.errors import UnreachableError, UsageError
from cabrank.operate import verify as verifying
from cabrank.operate.rebuild import rebuild
from cabrank.operate.verify import Report, verify
from persistence import database
from persistence.checks import completeness
from persistence.checks.completeness import Kept as Range
from schemas.ledger import RECORD_VERSION
from tests.contract.rebuild.conftest import Kept, Rows
from tests.support.records import event, message, online, record, trip


async def compared() -> Report:
    (report,) = await verify(None, wait=False)
    return report


async def told() -> list[str]:
    return [
        f"{one.kind} {one.where} {one.what}" for one in (await compared()).differences
    ]


@pytest.mark.usefixtures("projected")
async def test_what_persistence_wrote_is_equal() -> None:
    report = await compared()
    assert report.different == 0
    assert report.counts.trip_events == 12
    assert report.counts.messages == 6
    assert report.counts.records == 21


@pytest.mark.usefixtures("projected")
@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM trip_events WHERE seq = 4096", "missing trip_events seq 4096"),
        ("DELETE FROM messages WHERE n = 1 AND room = 'bar'", "missing messages"),
        ("UPDATE trip_events SET by = 'x' WHERE version = 1", "different trip_events"),
        ("UPDATE trip_events SET data = '{}' WHERE version = 4", ": data"),
        ("UPDATE messages SET text = 'x' WHERE n = 2", ": text"),
        ("DELETE FROM trips WHERE rider_id = 'r1'", "missing trips"),
        ("UPDATE trips SET status = 'STARTED'", ": status"),
        ("UPDATE trips SET version = 3", "stale trips"),
        ("UPDATE trips SET version = 9", "different trips"),
        ("UPDATE rooms SET last_n = 2 WHERE name = 'bar'", "different rooms bar"),
        ("DELETE FROM rooms WHERE name = 'hall'", "missing rooms hall"),
        ("DELETE FROM dispatch_events WHERE what = 'offer'", "missing dispatch_events"),
        ("DELETE FROM dispatch_events WHERE what = 'duty'", "missing dispatch_events"),
        ("UPDATE dispatch_events SET data = '{}' WHERE what = 'offer_ended'", ": data"),
        ("UPDATE dispatch_events SET driver_id = 'x'", ": driver_id"),
    ],
)
async def test_every_altered_row_is_told(rows: Rows, statement: str, says: str) -> None:
    if rows.engine.dialect.name == "postgresql":
        statement = statement.replace(" by =", ' "by" =')
    assert rows.run(statement) > 0
    differences = await told()
    assert any(says in one for one in differences), differences


async def test_what_a_version_without_the_table_left_out_is_not_missed(
    rows: Rows, ledger: Kept, settled: None
) -> None:
    """Told to all, and by drivers who asked for nothing: its workers wrote no row."""
    await ledger.append(event(trip(1)), online("d1"))
    await ledger.append(event(trip(1, 1)))
    await rebuild(None)
    assert rows.run("DELETE FROM dispatch_events") == 2
    assert (await compared()).different == 0


async def test_rows_the_ledger_does_not_have_are_extra(
    projected: Kept, rows: Rows
) -> None:
    rows.run("UPDATE trip_events SET seq = seq + 1 WHERE seq = 4096")
    rows.run("UPDATE messages SET seq = seq + 100 WHERE n = 1 AND room = 'hall'")
    rows.run("UPDATE trips SET id = 'ghost' WHERE rider_id = 'r0'")
    differences = await told()
    assert f"extra trip_events seq 4097 of ledger {projected.id}" in differences
    assert any("extra messages" in one for one in differences)
    assert any("extra trips trip ghost" in one for one in differences)


@pytest.mark.usefixtures("projected")
async def test_rows_beyond_the_ledgers_end_are_extra(rows: Rows) -> None:
    rows.run("UPDATE trip_events SET seq = 4096000 WHERE seq = 4096")
    differences = await told()
    assert "extra ledger rows up to record 1000, LEDGER_main ends at 21" in differences


async def test_rows_of_a_ledger_before_are_not_compared(
    projected: Kept, rows: Rows
) -> None:
    rows.run("UPDATE trip_events SET ledger = 'old'")
    rows.run("UPDATE messages SET ledger = 'old'")
    rows.run("UPDATE rooms SET ledger = 'old'")
    report = await compared()
    assert {one.kind for one in report.differences} == {"missing"}
    assert report.different == 18
    assert projected.n == 21


async def test_what_was_purged_is_not_compared(projected: Kept, rows: Rows) -> None:
    await projected.js.purge_stream(projected.stream.name, seq=9)
    report = await compared()
    assert (report.first, report.different) == (9, 0)
    rows.run("UPDATE trip_events SET data = 'x' WHERE seq < 9 * 4096")
    assert (await compared()).different == 0


RECORDS_2_TO_8 = "seq BETWEEN 2 * 4096 AND 9 * 4096 - 1"
"""Of trip 0 versions 2 to 4, of trip 1 version 1; the first message of each room."""


async def test_a_hole_in_what_was_purged_is_told(projected: Kept, rows: Rows) -> None:
    await projected.js.purge_stream(projected.stream.name, seq=9)
    for table in ("trip_events", "messages"):
        rows.run(f"DELETE FROM {table} WHERE {RECORDS_2_TO_8}")
    rows.run("UPDATE rooms SET first_n = 2")
    assert set(await told()) == {
        f"missing trip_events trip {trip(0).id}: 3 of versions 1-4, before record 9",
        f"missing trip_events trip {trip(1).id}: 1 of versions 1-1, before record 9",
        "missing messages room bar: 1 of messages 1-1, before record 9",
        "missing messages room hall: 1 of messages 1-1, before record 9",
    }
    # What the ledger still has is told once, row by row, and nothing about the rest.
    rows.run("DELETE FROM trip_events WHERE seq >= 9 * 4096")
    rows.run("DELETE FROM messages WHERE seq >= 9 * 4096")
    said = [one for one in await told() if " before record " in one]
    assert len(said) == 2
    assert (await compared()).different == 2 + 7 + 4


async def test_a_trip_that_went_on_after_the_lost_ledger_is_dense_over_both(
    projected: Kept, rows: Rows
) -> None:
    await projected.js.purge_stream(projected.stream.name, seq=9)
    rows.run("UPDATE trip_events SET ledger = 'old' WHERE seq < 9 * 4096")
    rows.run("UPDATE messages SET ledger = 'old' WHERE seq < 9 * 4096")
    rows.run("UPDATE rooms SET first_n = 2")
    assert (await compared()).different == 0
    rows.run("DELETE FROM trip_events WHERE ledger = 'old' AND version = 2")
    assert len(await told()) == 1


async def test_what_comes_while_it_is_compared_makes_no_hole(
    projected: Kept, rows: Rows, database_url: str
) -> None:
    """Of two workers the one with the later record may be first."""
    await projected.js.purge_stream(projected.stream.name, seq=9)
    engine = database.plain_engine(database_url)
    rows.run("UPDATE trips SET version = 9, seq = 99 * 4096 WHERE rider_id = 'r0'")
    rows.run(
        "UPDATE trip_events SET version = 9, seq = 99 * 4096 "
        "WHERE version = 4 AND seq < 9 * 4096"
    )
    kept = Range("main", projected.id, 9, 21)
    with engine.connect() as connection:
        assert completeness.holes(connection, kept) == []
    engine.dispose()


async def test_a_hole_in_the_ledger_is_told(projected: Kept) -> None:
    await projected.js.delete_msg(projected.stream.name, 3)
    differences = await told()
    assert "missing ledger record 3 of LEDGER_main" in differences
    assert any("extra trip_events" in one for one in differences)


async def test_a_ledger_of_many_chunks_is_compared_to_its_end(
    projected: Kept, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cabrank.operate.ledgers.BATCH_RECORDS", 4)
    assert (await compared()).different == 0
    rows.run("DELETE FROM trip_events WHERE version = 4")
    assert (await compared()).different == 3
    rows.run("UPDATE trips SET version = 9, seq = 2 WHERE rider_id = 'r0'")
    assert (await compared()).different == 4
    assert projected.n == 21


async def test_an_event_among_the_dead_letters_differs(
    projected: Kept, settled: None
) -> None:
    bad = json.loads(record(projected.n + 1, event(trip(7)), ledger=projected.id))
    bad["events"][0]["kind"] = "unheard of"
    await projected.append_raw(json.dumps(bad).encode())
    assert any("missing dead_letters" in one for one in await told())
    await rebuild(None)
    assert [one.split()[0:2] for one in await told()] == [["dead", "letter"]]


async def test_a_record_of_a_newer_version_is_not_judged(projected: Kept) -> None:
    newer = json.loads(record(projected.n + 1, event(trip(7)), ledger=projected.id))
    newer["v"] = RECORD_VERSION + 1
    await projected.append_raw(json.dumps(newer).encode())
    with pytest.raises(UsageError, match="newer than this program"):
        await verify(None, wait=False)


async def test_an_empty_ledger_equals_an_empty_database(
    settled: None, ledger: Kept
) -> None:
    report = await compared()
    assert (report.different, report.counts.records) == (0, 0)
    assert ledger.n == 0


async def test_persistence_that_lags_is_waited_for_and_then_named(
    projected: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "WAIT_MAX_S", 0.3)
    await projected.js.pull_subscribe(
        projected.stream.subjects[0], "persistence", stream=projected.stream.name
    )
    with pytest.raises(UnreachableError, match="has record 0 of 21"):
        await verify(None, wait=True)
    assert (await compared()).different == 0


@pytest.mark.usefixtures("settled")
async def test_a_server_without_a_ledger_is_no_verdict() -> None:
    with pytest.raises(UsageError, match="no ledger"):
        await verify(None, wait=False)


@pytest.mark.usefixtures("projected")
async def test_only_the_first_twenty_differences_are_kept(rows: Rows) -> None:
    rows.run("DELETE FROM trip_events")
    rows.run("DELETE FROM messages")
    rows.run("DELETE FROM trips")
    report = await compared()
    assert report.different == 21
    assert len(report.differences) == 20


async def test_messages_of_a_live_ledger_may_run_ahead(
    projected: Kept, rows: Rows
) -> None:
    """What comes after the last record compared is not extra."""
    await projected.append(message("hall", 4))
    await rebuild(None)
    assert (await compared()).different == 0
    assert rows.run("DELETE FROM messages WHERE n = 4") == 1
    assert (await compared()).different == 2  # the message, and the room's last
