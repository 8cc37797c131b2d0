"""The process as `cabrank persistence` runs it: killed, stopped, misconfigured."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from persistence import database
from persistence.identity import keyfiles
from persistence.main import Pulse
from persistence.models import TripEventRow, TripRow
from runtime.bus import Bus
from schemas import codec, subjects
from schemas.accounts import GetTripRow, LogIn, Result
from schemas.refusals import Code
from schemas.trips import Role
from tests.contract.persistence.test_writer import append_trips, settled
from tests.support.counting import Counting
from tests.support.nats import NatsServer, free_port
from tests.support.records import Ledger
from tests.support.waiting import until, until_true

CODE = """
import sys
from persistence.main import run
from runtime.environment import load
sys.exit(run(load()))
"""

Process = subprocess.Popen[bytes]
Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, nats_server: NatsServer) -> Iterator[Start]:
    started: list[Process] = []
    signing, verifying = tmp_path / "signing.pem", tmp_path / "jwks.json"
    keyfiles.ensure(str(signing), str(verifying))

    def start(url: str, **settings: object) -> Process:
        environment = {
            **os.environ,
            "CABRANK_NATS_URL": nats_server.url,
            "CABRANK_DATABASE_URL": url,
            "CABRANK_SIGNING_KEY_FILE": str(signing),
            **{f"CABRANK_{name.upper()}": str(v) for name, v in settings.items()},
        }
        process = subprocess.Popen(
            [sys.executable, "-c", CODE], env=environment, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


async def test_killed_again_and_again_it_writes_each_event_once(
    database_url: str, ledger: Ledger, counting: Counting, start: Start
) -> None:
    for round_ in range(3):
        process = start(database_url)
        await append_trips(ledger, round_ * 50, 50)
        at_least = round_ * 200 + 50

        async def reached(rows: int = at_least) -> bool:
            return await counting.rows(TripEventRow) >= rows

        await until_true(reached, "some of the rows", 20)
        process.kill()
        process.wait()
    start(database_url)
    await settled(ledger)
    assert await counting.rows(TripEventRow) == 600
    assert await counting.column(TripRow.version) == [4] * 150


async def test_sigterm_ends_it_with_status_0_and_all_acknowledged(
    database_url: str, ledger: Ledger, counting: Counting, start: Start
) -> None:
    process = start(database_url)
    await append_trips(ledger, 0, 30)

    async def some() -> bool:
        return await counting.rows(TripEventRow) > 0

    await until_true(some, "the first rows", 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    info = await ledger.js.consumer_info(ledger.stream.name, "persistence")
    assert info.delivered is not None
    written = await counting.rows(TripEventRow)
    assert await ledger.floor() == written


def test_an_unmigrated_database_is_refused_in_one_line(
    blank_database_url: str, start: Start
) -> None:
    process = start(blank_database_url)
    assert process.wait(20) == 1
    assert process.stderr is not None
    lines = process.stderr.read().decode().splitlines()
    assert len(lines) == 1
    assert "cabrank migrate" in lines[0]


async def answers(port: int, path: str, wanted: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as one:
            return bool(one.status == wanted)
    except urllib.error.HTTPError as error:
        return error.code == wanted
    except OSError:
        return False


async def test_it_says_when_it_is_ready(
    sqlite_url: str, nats_server: NatsServer, start: Start
) -> None:
    port = free_port()
    start(sqlite_url, ops_port=port)
    await until_true(lambda: answers(port, "/readyz", 200), "readiness", 30)
    nats_server.kill()
    await until_true(lambda: answers(port, "/readyz", 503), "the truth about NATS", 30)


async def test_a_file_of_ours_is_not_asked_whether_it_answers(sqlite_url: str) -> None:
    engine = database.engine(sqlite_url)
    pulse = Pulse(engine)
    await pulse.watch()  # ends at once
    assert pulse.silence_s() < 0
    await engine.dispose()


async def test_who_waits_for_the_database_and_nats_is_alive_but_not_ready(
    start: Start,
) -> None:
    """Or Kubernetes would end it again and again while it waits."""
    port = free_port()
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    start(url, ops_port=port, nats_url=f"nats://127.0.0.1:{free_port()}")
    await until_true(lambda: answers(port, "/healthz", 200), "a sign of life", 30)
    assert await answers(port, "/readyz", 503)


async def test_a_log_in_never_waits_behind_who_reads_the_past(
    postgres_url: str, nats_server: NatsServer, bus: Bus, start: Start
) -> None:
    """Here reads wait for a table, and hold all the connections that they may have."""
    port = free_port()
    start(postgres_url, ops_port=port)
    await until_true(lambda: answers(port, "/readyz", 200), "readiness", 30)
    answered: list[bytes] = []
    bus.subscribe_raw("read.*", lambda *message: answered.append(bytes(message[2])))
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("LOCK TABLE trips IN ACCESS EXCLUSIVE MODE")
        question = codec.encode(GetTripRow("r1", Role.RIDER, "trip"))
        for number in range(64):
            bus.send(subjects.history("trip"), question, f"read.{number}")
        await bus.flush()
        log_in = codec.encode(LogIn("nobody", "wrong password", "192.0.2.1"))
        answer = await bus.request(subjects.accounts("log_in"), log_in, 30)
        result = codec.decode(answer.data, Result)
        assert result.refused is not None
        assert result.refused.code is Code.BAD_CREDENTIALS
        assert answered == []
    await until(lambda: len(answered) == 64, "the reads' answers", 30)


async def test_it_lets_go_of_what_is_older_than_the_days_it_was_told(
    database_url: str, ledger: Ledger, counting: Counting, start: Start
) -> None:
    """What the tests' records tell happened on 2026-11-21."""
    await append_trips(ledger, 0, 3)
    port = free_port()
    start(database_url, ops_port=port, history_kept_days=0.5)
    await settled(ledger)
    start(database_url, history_kept_days=0.5)

    async def gone() -> bool:
        return await counting.rows(TripEventRow) == 4  # of the ledger's last trip

    await until_true(gone, "room", 30)
    assert await counting.rows(TripRow) == 3
