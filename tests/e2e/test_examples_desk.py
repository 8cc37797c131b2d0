"""examples/phone_desk: each row of a file is booked, once."""

import asyncio
import csv
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cabrank_client import Client, HttpClient, NotAuthenticated, Trip

from tests.e2e.conftest import Town
from tests.support.applications import CLIENT, EXAMPLES, LIMIT_S
from tests.support.waiting import until_is


def booked(town: Town, key: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": CLIENT}
    if key:
        environment["CABRANK_KEY"] = key
    program = EXAMPLES / "phone_desk" / "book.py"
    return subprocess.run(
        [sys.executable, str(program), "--url", town.url, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


NAMES = ("reference", "rider", "pick_up_address", "drop_off_address")


def written(path: Path, *rows: tuple[str, ...], names: tuple[str, ...] = NAMES) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([names, *rows])
    return path


async def test_the_desk_books_a_file_once_however_often_it_is_run(
    town: Town, tmp_path: Path
) -> None:
    operator = town.operator
    ann, bob, eve = (town.rider().id for _ in range(3))
    path = written(
        tmp_path / "monday.csv",
        ("A1", ann, "Ørsted Plads 1", "Zoo"),
        ("A2", "nobody", "Quay", "Zoo"),
        ("A3", bob, "Quay", ""),
        ("A1", eve, "Quay", "Zoo"),
        ("A4", ann, "Quay", "Zoo"),
        ("A5", bob, "x" * 256, "Zoo"),
        ("A6", eve, "Quay", "Zoo"),
    )
    first = await asyncio.to_thread(booked, town, operator.access, path)
    assert first.returncode == 1
    lines = first.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["A1", "A6"], first.stderr
    told = [line.split(": ", 2) for line in first.stderr.splitlines()]
    assert [(where.rpartition(":")[2], row) for where, row, _ in told] == [
        *(("3", "A2"), ("4", "A3"), ("5", "A1"), ("6", "A4"), ("7", "A5")),
    ]
    assert "rider" in told[0][2]
    assert "Traceback" not in first.stderr
    again = await asyncio.to_thread(booked, town, operator.access, path)
    assert again.stdout == first.stdout
    with HttpClient(town.url, token=operator.access) as desk:
        trips = [desk.get_trip(line.split()[1]) for line in lines]
    assert [trip["rider"]["id"] for trip in trips] == [ann, eve]
    assert trips[0]["pick_up_address"] == "Ørsted Plads 1"


async def test_a_row_is_booked_as_it_is_written_or_not_at_all(
    town: Town, tmp_path: Path
) -> None:
    """What spreadsheets and people do to a file: an address with a comma and no quotes
    would have been booked in part.
    """
    ann, bob = town.rider().id, town.rider().id
    path = tmp_path / "odd.csv"
    lines = (
        *("", " reference,rider , pick_up_address,drop_off_address", "", ",,,"),
        f"Ø 1,{ann},Quay,Zoo",
        f"D2,{bob},12 Main Street, Oslo,Zoo",
        f"D3,{bob},Quay",
        f'D4,"{bob}","Quay, 3","Zoo"',
    )
    path.write_bytes("\r\n".join((*lines, ",,,", "")).encode())
    done = await asyncio.to_thread(booked, town, town.operator.access, path)
    assert done.returncode == 1
    told = [line.removeprefix(f"{path}:") for line in done.stderr.splitlines()]
    assert told == [
        "6: D2: it has more cells than there are columns",
        "7: D3: drop_off_address: nothing is there",
    ]
    first, last = done.stdout.splitlines()
    assert (first.startswith("Ø 1 "), last.startswith("D4 ")) == (True, True)
    with HttpClient(town.url, token=town.operator.access) as desk:
        trip = desk.get_trip(last.split()[1])
        assert trip["pick_up_address"] == "Quay, 3"
        again = desk.request_trip("Quay", "Zoo", rider=ann, idempotency_key="Ø 1")
        assert again["id"] == first.split()[2]


async def test_the_desk_books_ahead_and_finds_what_was_booked_by_its_reference(
    town: Town, tmp_path: Path
) -> None:
    rider = town.rider().id
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    naive = ahead.partition("+")[0]
    path = written(
        tmp_path / "ahead.csv",
        ("C1", rider, "Quay", "Zoo", ahead, "Two bags"),
        ("C2", rider, "Quay", "Zoo", naive, ""),
        ("C3", rider, "Quay", "Zoo", "2020-01-01T00:00:00Z", ""),
        names=(*NAMES, "pick_up_at", "note"),
    )
    done = await asyncio.to_thread(booked, town, town.operator.access, path)
    assert [line.split()[::2] for line in done.stdout.splitlines()] == [
        ["C1", "SCHEDULED"]
    ]
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["C2", "C3"]
    async with Client(town.url, token=town.operator.access) as desk:

        async def found() -> list[Trip]:
            return await desk.http.trips(reference="C1", rider=rider)

        (trip,) = await until_is(found, bool)
        assert trip["id"] == done.stdout.split()[1]
        assert (trip["reference"], trip["note"]) == ("C1", "Two bags")
        moved = await desk.reschedule_trip(trip["id"], note=None, pick_up_address="Dam")
        assert (moved["note"], moved["pick_up_address"]) == (None, "Dam")
        assert moved["pick_up_at"] == trip["pick_up_at"]
        assert (await desk.cancel_trip(trip["id"]))["status"] == "CANCELLED"
    # A day later the key is forgotten; the reference isn't.
    again = await asyncio.to_thread(booked, town, town.operator.access, path)
    assert again.stdout.split() == ["C1", trip["id"], "CANCELLED"]


def test_the_desk_says_what_is_wrong_before_it_books_anything(
    town: Town, tmp_path: Path
) -> None:
    operator = town.operator
    good = written(tmp_path / "good.csv", ("B1", operator.id, "Quay", "Zoo"))
    assert booked(town, "", good).returncode == 2
    late = written(tmp_path / "late.csv", *[(f"B{n}", operator.id) for n in range(999)])
    late.write_bytes(late.read_bytes() + b"\xff\n")
    semicolons = tmp_path / "semicolons.csv"
    semicolons.write_bytes(good.read_bytes().replace(b",", b";"))
    twice = written(tmp_path / "twice.csv", names=(*NAMES, "rider"))
    huge = written(tmp_path / "huge.csv", ("B1", operator.id, "x" * 140_000, "Zoo"))
    halves = written(tmp_path / "halves.csv", ("B1",), names=("reference",))
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    for path, said in (
        (halves, "no column rider"),
        (semicolons, "'reference;rider"),
        (twice, "has twice rider"),
        (late, "can't be read"),
        (huge, "can't be read"),
        (tmp_path / "odd.csv", "can't be read"),
        (tmp_path / "none.csv", "can't be read"),
    ):
        done = booked(town, operator.access, path)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    done = booked(town, "no.good.key", good)
    assert done.returncode == 1
    assert "Run it again" in done.stderr
    shown = EXAMPLES / "phone_desk" / "monday.csv"
    done = booked(town, operator.access, shown)
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        *("A-1001", "A-1002"),
    ]
    with (
        HttpClient(town.url, token="no.good.key") as desk,
        pytest.raises(NotAuthenticated),
    ):
        desk.me()
