"""`cabrank doctor` against a real nats-server and a real database."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from cabrank.stack import ports
from persistence import database, revisions
from persistence.delivery_models import (
    WebhookCursorRow,
    WebhookDeliveryRow,
    WebhookRow,
)
from persistence.identity import keyfiles
from runtime import bus as buses
from runtime.ledger import open_ledger
from tests.contract.cabrank.commands import run
from tests.support import nats
from tests.support.filled import nobodys


@pytest.fixture
def system(tmp_path: Path, nats_server: nats.NatsServer) -> dict[str, str]:
    """Settings of a system where all is well."""
    url = f"sqlite:///{tmp_path}/cabrank.db"
    revisions.migrate(url)
    signing, verify = tmp_path / "signing.pem", tmp_path / "jwks.json"
    keyfiles.ensure(str(signing), str(verify))
    return {
        "CABRANK_NATS_URL": nats_server.url,
        "CABRANK_DATABASE_URL": url,
        "CABRANK_SIGNING_KEY_FILE": str(signing),
        "CABRANK_VERIFY_KEYS_FILE": str(verify),
    }


def doctor(
    cwd: Path, *arguments: str, **environ: str
) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit status, and what → (level, text); of several on one thing the last."""
    done = run("doctor", *arguments, cwd=cwd, **environ)
    assert done.stderr == ""
    lines = (line.split(maxsplit=2) for line in done.stdout.splitlines())
    return done.returncode, {what: (level, text) for level, what, text in lines}


def test_where_all_is_well_it_says_so(tmp_path: Path, system: dict[str, str]) -> None:
    status, found = doctor(tmp_path, **system)
    assert status == 0
    for what in ("nats", "jetstream", "clock", "database", "keys"):
        assert found[what][0] == "ok", found
    assert found["nats"][1].startswith("2.15.1 at nats://127.0.0.1:")


def test_what_a_server_does_not_tell_is_a_warning(
    tmp_path: Path, system: dict[str, str]
) -> None:
    status, found = doctor(tmp_path, "--nats-monitor", "http://127.0.0.1:9", **system)
    assert status == 0
    assert found["durability"][0] == "warn"
    assert "sync_interval: always" in found["durability"][1]


def test_it_leaves_no_stream_behind(
    tmp_path: Path, system: dict[str, str], nats_server: nats.NatsServer
) -> None:
    doctor(tmp_path, **system)
    store = Path(nats_server.config.parent / "store" / "jetstream")
    assert not list(store.glob("*/streams/*"))


def test_a_server_that_nobody_started_fails(
    tmp_path: Path, system: dict[str, str], nats_server: nats.NatsServer
) -> None:
    nats_server.stop()
    status, found = doctor(tmp_path, **system)
    assert status == 1
    assert found["nats"][0] == "FAIL"
    assert "nobody answers at nats://127.0.0.1:" in found["nats"][1]
    assert found["database"][0] == "ok"


def test_a_password_in_the_url_is_not_shown(
    tmp_path: Path, system: dict[str, str]
) -> None:
    url = system["CABRANK_NATS_URL"].replace("//", "//me:secret@")
    _, found = doctor(tmp_path, **{**system, "CABRANK_NATS_URL": url})
    assert found["nats"][0] == "ok"
    assert "secret" not in str(found)


def test_a_server_without_jetstream_fails(
    tmp_path: Path, system: dict[str, str], nats_server: nats.NatsServer
) -> None:
    nats_server.stop()
    nats_server.config.write_text(f"host: 127.0.0.1\nport: {nats_server.port}\n")
    nats_server.start()
    status, found = doctor(tmp_path, **system)
    assert status == 1
    assert found["jetstream"][0] == "FAIL"


@pytest.fixture(params=["always", '"2m"'])
def monitored(
    request: pytest.FixtureRequest, nats_server: nats.NatsServer
) -> Iterator[tuple[str, str]]:
    """How often the server syncs, and its monitoring URL."""
    port = ports.free()
    nats_server.stop()
    text = nats_server.config.read_text().replace("always", request.param)
    nats_server.config.write_text(f'{text}http: "127.0.0.1:{port}"\n')
    nats_server.start()
    yield request.param, f"http://127.0.0.1:{port}"
    nats_server.stop()


def test_a_server_that_does_not_sync_every_write_fails(
    tmp_path: Path, system: dict[str, str], monitored: tuple[str, str]
) -> None:
    sync, url = monitored
    status, found = doctor(tmp_path, "--nats-monitor", url, **system)
    level, text = found["durability"]
    if sync == "always":
        assert (status, level) == (0, "ok")
    else:
        assert (status, level) == (1, "FAIL")
        assert "syncs only every 120 s" in text
        assert "sync_interval: always" in text


def test_the_monitor_of_another_server_proves_nothing(
    tmp_path: Path, system: dict[str, str]
) -> None:
    port = ports.free()
    folder = tmp_path / "other"
    folder.mkdir()
    with nats.running(folder) as other:
        other.stop()
        other.config.write_text(f'{other.config.read_text()}http: "127.0.0.1:{port}"\n')
        other.start()
        url = f"http://127.0.0.1:{port}"
        _, found = doctor(tmp_path, "--nats-monitor", url, **system)
    level, text = found["durability"]
    assert level == "warn"
    assert "name it with --nats-monitor or CABRANK_NATS_MONITORING_URLS" in text


def test_a_ledger_that_should_be_kept_three_times_fails(
    tmp_path: Path, system: dict[str, str], nats_server: nats.NatsServer
) -> None:
    asyncio.run(make_ledger(nats_server.url))
    assert doctor(tmp_path, **system)[1]["copies"][0] == "ok"
    status, found = doctor(tmp_path, **system, CABRANK_REPLICAS="3")
    assert status == 1
    assert found["copies"][0] == "FAIL"
    assert "kept 1 times, CABRANK_REPLICAS asks for 3" in found["copies"][1]


@pytest.mark.parametrize(("bytes_max", "level"), [(60_000, "warn"), (2**26, "ok")])
def test_a_ledger_that_may_not_grow_is_told(
    tmp_path: Path,
    system: dict[str, str],
    nats_server: nats.NatsServer,
    bytes_max: int,
    level: str,
) -> None:
    asyncio.run(make_ledger(nats_server.url, bytes_max))
    assert doctor(tmp_path, **system)[1]["room"][0] == level


async def make_ledger(url: str, bytes_max: int = -1) -> None:
    bus = await buses.connect(url, "test")
    await open_ledger(bus.jetstream(), "main", bytes_max=bytes_max, replicas=1)
    await bus.close()


def test_a_database_that_is_behind_fails(
    tmp_path: Path, system: dict[str, str]
) -> None:
    revisions.migrate(system["CABRANK_DATABASE_URL"], "base")
    status, found = doctor(tmp_path, **system)
    assert status == 1
    assert found["database"][0] == "FAIL"
    assert "cabrank migrate" in found["database"][1]


def test_a_database_that_is_away_fails(tmp_path: Path, system: dict[str, str]) -> None:
    url = f"postgresql://nobody@127.0.0.1:{ports.free()}/none"
    status, found = doctor(tmp_path, **{**system, "CABRANK_DATABASE_URL": url})
    assert status == 1
    assert found["database"][0] == "FAIL"
    assert "can't be reached" in found["database"][1]


def test_missing_keys_fail_and_open_ones_warn(
    tmp_path: Path, system: dict[str, str]
) -> None:
    signing = Path(system["CABRANK_SIGNING_KEY_FILE"])
    signing.chmod(0o644)
    said = run("doctor", cwd=tmp_path, **system).stdout
    assert f"others may read {signing}" in said
    signing.unlink()
    done = run("doctor", cwd=tmp_path, **system)
    assert done.returncode == 1
    assert f"{signing} can't be read" in done.stdout


def test_ulimit_is_looked_at(tmp_path: Path, system: dict[str, str]) -> None:
    command = "ulimit -n 1024; exec cabrank doctor"
    path = Path(nats.SERVER).parent
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**system, "PATH": f"{path}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "warn  files       1024 open files allowed" in done.stdout


def test_a_database_without_an_index_is_warned_of(
    tmp_path: Path, system: dict[str, str]
) -> None:
    engine = database.plain_engine(system["CABRANK_DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_trip_events_by"))
    engine.dispose()
    _, found = doctor(tmp_path, **system)
    assert found["database"][0] == "warn"
    assert "without ix_trip_events_by: run `cabrank migrate`" in found["database"][1]


def test_endpoints_in_trouble_are_told(tmp_path: Path, system: dict[str, str]) -> None:
    """A worker that is alive, endpoints that fail; then no worker."""
    assert doctor(tmp_path, **system)[1]["webhooks"][0] == "ok"
    hook = {"url": "https://ops.example/x", "by": "o", "events": "[]", "since": "{}"}
    hook |= {"old_until_ms": 1}
    failing = nobodys(WebhookRow, id="h1", active=True, ended=None, **hook)
    ended = nobodys(WebhookRow, id="h2", active=False, ended="410 Gone", **hook)
    sent = [
        nobodys(WebhookDeliveryRow, webhook_id="h1", ledger="l", seq=n, size=1)
        | {"status": status, "at_ms": 1, "error": "it answered 500"}
        for n, status in enumerate(["waiting", "waiting", "dead", "taken"])
    ]
    cursor = {"region": "main", "ledger": "l", "seq": 1, "reader": "w"}
    cursor |= {"until_ms": 2**52}
    engine = database.plain_engine(system["CABRANK_DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(insert(WebhookRow), [failing, ended])
        connection.execute(insert(WebhookDeliveryRow), sent)
        connection.execute(insert(WebhookCursorRow), cursor)
    done = run("doctor", cwd=tmp_path, **system)
    assert done.returncode == 0, done.stdout
    assert "h1 (ops.example) has 2 deliveries waiting, the oldest of" in done.stdout
    assert "has 1 dead ones among the newest 1000" in done.stdout
    assert "h2 (ops.example) is ended: 410 Gone" in done.stdout
    with engine.begin() as connection:
        connection.execute(text("UPDATE webhook_cursors SET until_ms = 0"))
    engine.dispose()
    done = run("doctor", cwd=tmp_path, **system)
    assert done.returncode == 1
    assert "FAIL  webhooks    nobody delivers to 1 endpoints" in done.stdout
