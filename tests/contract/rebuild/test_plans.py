"""How each query finds its rows, on a filled database of each kind: by an index, but
for those named here. A query that no test here has asked fails it too.
"""

import ast
import base64
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from greenlet import getcurrent
from nats.js.api import AckPolicy
from sqlalchemy import Engine, event, text, update

from cabrank.operate import rebuild
from cabrank.operate.verify import verify
from cabrank.trial.bench import filling
from persistence import database
from persistence.accounts import Accounts
from persistence.checks import walk
from persistence.erasure import eraser
from persistence.history import retention
from persistence.history.history import History
from persistence.history.past import past
from persistence.identity import (
    audit_log_reader,
    cleanup,
    keyfiles,
    person_names,
    service_keys,
    usernames,
    users,
)
from persistence.identity.audit_log_reader import Wanted
from persistence.identity.keyfiles import Signer
from persistence.identity.tokens import RefreshToken
from persistence.models import UserRow
from persistence.projected.observations import Seen as Observed
from persistence.projected.observer import Projector
from persistence.projected.projection import Unreadable, read_record
from persistence.projected.store import Store
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import codec, streams, subjects
from schemas.accounts import (
    Erasure,
    ExplainTrip,
    FindBacklog,
    FindLags,
    FindMade,
    FindNames,
    FindTrip,
    GetTripRow,
    ListMessages,
    ListTrack,
    ListTripEvents,
    ListTrips,
    Meet,
    Result,
    Tokens,
)
from schemas.observations import Crumb, Round
from schemas.service_accounts import PREFIX, End, Scope, hash_of, id_of
from schemas.trips import Role, Status, User
from tests.contract.rebuild.conftest import Kept
from tests.contract.rebuild.crowds import TRIPS, crowd, dispatched
from tests.contract.rebuild.hooks import hooked, the_webhooks
from tests.contract.rebuild.plans import SMALL, looked_through, reason
from tests.support import records as made
from tests.support.exported import exported
from tests.support.nats import NatsServer
from tests.support.running import service

ROOT = Path(rebuild.__file__).parents[2]
ASKED = ("execute", "scalar", "scalars", "stream_scalars", "exec_driver_sql")
"""What asks a database."""

LOCKS = {
    ("persistence/erased.py", "keep_out"),
    ("persistence/history/retention.py", "_is_alone"),
}
"""They ask PostgreSQL for locks, and nobody for rows."""

NO_QUERY = {
    "persistence/database.py": "settings of a connection",
    "persistence/revisions.py": "revisions",
    "persistence/indexing.py": "makes what plans need",
    "persistence/main.py": "SELECT 1",
    "persistence/stamp.py": "the number in a file's head, and what tables there are",
    "cabrank/trial/chaos/database.py": "breaks things",
    "cabrank/trial/bench/filling.py": "fills",
}
"""Files whose statements read no table of rows."""


class Seen:
    """Every statement of this process, and who sent it."""

    def __init__(self) -> None:
        self.statements: dict[str, Any] = {}
        """SQL → the first parameters it had."""
        self.functions: set[tuple[str, str]] = set()

    def executing(
        self, _c: Any, _cursor: Any, sql: str, values: Any, _x: Any, many: bool
    ) -> None:
        sql = re.sub(r"\s+", " ", sql).strip()
        if re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql):
            self.statements.setdefault(sql, values[0] if many else values)
        self.functions.update(callers())


def callers() -> Iterator[tuple[str, str]]:
    """(file, function) of ours on the stack, through SQLAlchemy's greenlets."""
    frame, greenlet = sys._getframe(), getcurrent()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT):
            yield str(path.relative_to(ROOT)), frame.f_code.co_name
        frame = frame.f_back
        while frame is None and greenlet.parent is not None:
            greenlet = greenlet.parent
            frame = greenlet.gr_frame


def askers() -> set[tuple[str, str]]:
    """(file, function) of all that ask a database."""
    found = set()
    for path in [
        *(ROOT / "persistence").rglob("*.py"),
        *(ROOT / "cabrank").rglob("*.py"),
    ]:
        name = str(path.relative_to(ROOT))
        if name in NO_QUERY or "migrations" in name:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ASKED
                and "connection" in ast.unparse(node.func.value)
                for node in ast.walk(function)
            ):
                found.add((name, function.name))
    return found - LOCKS


@pytest.fixture
def seen() -> Iterator[Seen]:
    seen = Seen()
    event.listen(Engine, "before_cursor_execute", seen.executing)
    yield seen
    event.remove(Engine, "before_cursor_execute", seen.executing)


async def ask(bus: Bus, subject: str, question: Any) -> Result:
    payload = codec.encode(question)
    return codec.decode((await bus.request(subject, payload, 30)).data, Result)


async def the_past(bus: Bus, url: str) -> None:
    """All that gateways ask history."""
    history = History(past(url), bus)
    history.start()
    trip = filling.trip_id(50)
    driver = filling.driver(50, TRIPS).id
    for user, role in (
        ("o", Role.OPERATOR),
        (driver, Role.DRIVER),
        ("rider-0", Role.RIDER),
    ):
        for status in (None, Status.REQUESTED, Status.COMPLETED):
            for before in (None, trip):
                question = ListTrips(user, role, status, 50, before)
                await ask(bus, subjects.history("trips"), question)
    for whose in ({"rider": "rider-0"}, {"driver": driver}, {"reference": "order 1"}):
        for status, before in ((None, None), (Status.COMPLETED, None), (None, trip)):
            question = ListTrips("o", Role.OPERATOR, status, 50, before, **whose)
            await ask(bus, subjects.history("trips"), question)
    room = f"trip_{trip}"
    for operation, question in (
        ("trip", GetTripRow("o", Role.OPERATOR, trip)),
        ("trip_events", ListTripEvents("o", Role.OPERATOR, trip)),
        ("matching", ExplainTrip(trip, driver)),
        ("names", FindNames([driver])),
        ("lags", FindLags(["main", "oslo"])),
        ("track", ListTrack("o", Role.OPERATOR, trip)),
        ("find", FindTrip("main", trip, 0)),
        ("messages", ListMessages("o", Role.OPERATOR, "main", "hall")),
        ("messages", ListMessages("o", Role.OPERATOR, "main", room, before=2)),
        ("backlog", FindBacklog("main", "hall", 0)),
        ("made", FindMade("main", "rider-0", "key-1", "request", 0, 0)),
        ("made", FindMade("main", "rider-0", "key-6", "send", 0, 0)),
    ):
        result = await ask(bus, subjects.history(operation), question)
        assert result.refused is None, (operation, result)
    await history.stop()


async def the_people(bus: Bus, settings: Settings) -> None:
    """All that gateways ask accounts."""
    engine = database.engine(settings.database_url)
    now_ms = [time.time_ns() // 1_000_000]
    accounts = Accounts(engine, bus, settings, clock_ms=lambda: now_ms[0])
    async with service() as running:
        await accounts.start(running)

        async def does(operation: str, **question: Any) -> Result:
            return await ask(bus, subjects.accounts(operation), question)

        who = {"username": "anna", "password": "correct horse", "address": "192.0.2.1"}
        signed = await does("sign_up", role="rider", device="d1", **who)
        anna = codec.decode(signed.data or b"", Tokens)
        for _ in range(2):
            await does("log_in", device="d1", **who)
        for _ in range(12):  # until it is `rate_limited`
            await does("log_in", **who | {"password": "wrong horse"})
        await does("refresh", refresh=anna.refresh)
        await does("refresh", refresh=anna.refresh)
        now_ms[0] += 3_600_000
        await does("refresh", refresh=anna.refresh)  # used again: it is ended
        raw = base64.urlsafe_b64decode(anna.refresh + "==")
        session = RefreshToken(raw).session
        user = anna.user.id
        await does("log_out", user=user, session=session)
        await does("whereabouts", user="anna", notice_by="o")
        for asked in ({}, {"role": "operator"}, {"name": "driver-1"}, {"name": user}):
            await does("users", **asked)
        await does("users", name="rider-1", role="rider")
        await does("users", name="Löwe", limit=100)
        await does("user", user=user)
        await does("denied", user=user, route="GET /x")
        outside = User(
            "00000000-0000-5000-8000-000000000001", "cleo", "C", "", Role.RIDER
        )
        for name in ("anna", "klio"):  # taken; then known
            met = Meet(User(outside.id, name, "C", "", Role.RIDER), "main", "i", "s")
            await ask(bus, subjects.accounts("meet"), met)
        made = await service_keys.add_account(engine, "desk", "main", [Scope.READ], 9)
        key = await service_keys.add_key(engine, "desk", [], None)
        for operation in ("check_key", "exchange"):
            await does(operation, key=key, address="192.0.2.1")
            await does(operation, key=PREFIX + "x" * 43, address="192.0.2.1")
        assert len(await service_keys.listed(engine, "desk")) == 2
        assert len(await service_keys.listed(engine, None)) > 2
        for who in (id_of(hash_of(key)), made[0].id, "desk"):
            ended = await ask(bus, subjects.operations("end"), End(who, "o"))
            assert ended.refused is None
        await does("revoke", user=user, by="o")
        erase = {"user": user, "by": "o"}
        erased = await ask(bus, subjects.operations("erase"), erase)
        assert erased.refused is None
        await accounts.stop()
    await engine.dispose()


async def the_commands(url: str, signer: Signer) -> None:
    """What the command line asks beside them."""
    engine = database.engine(url, database.PATIENT)
    await users.add_user(engine, "olga", "correct horse", Role.OPERATOR, "main")
    async for _ in users.make_tokens(engine, signer, Role.RIDER, 2, "load", "main"):
        pass
    for name in ("rider-0", "olga", "nobody"):
        await exported(engine, name)
    for wanted in (Wanted(), Wanted(user="o"), Wanted(action="log_in", since_ms=1)):
        await audit_log_reader.read(engine, wanted)
    keyless = update(UserRow).where(UserRow.id.in_(("rider-2", "rider-3")))
    async with engine.begin() as connection:
        await connection.execute(keyless.values(username_key=None, name_key=None))
    await usernames.give_all(engine)
    await person_names.give_all(engine)
    await cleanup.sweep(engine, time.time_ns() // 1_000_000, 1.0)
    await retention.drop(engine, filling.T0_MS + 600 * filling.EVERY_MS, 0)
    await retention.drop_matches(engine, filling.T0_MS + 600 * filling.EVERY_MS)
    await engine.dispose()


def the_rows(url: str) -> None:
    """What the writer writes, and erasing scrubs."""
    store = Store(database.plain_engine(url))
    rows, _ = read_record(
        "LEDGER_main",
        9,
        made.record(9, made.event(made.trip(1)), made.message("hall", 9)),
    )
    store.write(rows, [Unreadable(made.LEDGER, 1, b'{"id":"rider-1"}', "bad")], 1)
    store.close()
    writing = database.plain_engine(url)
    Projector(writing).write(
        Observed(
            [("l", Round(1, 1, "t", "rider-9", 1, 1, 1, {}, []))],
            [Crumb("t", "rider-9", "driver-9", 1.0, 1.0, 1)],
        )
    )
    writing.dispose()
    eraser.bring_to(url, [Erasure("rider-1", 1), Erasure("driver-1", 1)])


async def everything(bus: Bus, ledger: Kept, settings: Settings) -> None:
    url = settings.database_url
    name, durable = ledger.stream.name, streams.WRITER_DURABLE
    await ledger.js.add_consumer(
        name, durable_name=durable, ack_policy=AckPolicy.EXPLICIT
    )
    await the_past(bus, url)
    await the_people(bus, settings)
    await the_webhooks(bus, settings)
    await the_commands(url, Signer.load(settings.signing_key_file))
    the_rows(url)
    await ledger.js.purge_stream(ledger.stream.name, seq=9)
    await verify(None, wait=False)
    await rebuild.rebuild(None)
    await ledger.js.delete_stream(ledger.stream.name)
    await rebuild.begin_anew(None)
    await ledger.js.delete_stream(ledger.stream.name)
    await ledger.create()
    await rebuild.begin_anew(None)


@pytest.fixture
def settings(tmp_path: Path, nats_server: NatsServer, database_url: str) -> Settings:
    pem, jwks = str(tmp_path / "signing.pem"), str(tmp_path / "jwks.json")
    keyfiles.ensure(pem, jwks)
    return Settings(
        nats_url=nats_server.url,
        database_url=database_url,
        signing_key_file=pem,
        verify_keys_file=jwks,
    )


@pytest.mark.timeout(300)
async def test_every_query_finds_its_rows_by_an_index(
    bus: Bus,
    projected: Kept,
    settings: Settings,
    seen: Seen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = database.plain_engine(settings.database_url)
    filling.fill(engine, TRIPS)
    crowd(engine)
    dispatched(engine)
    hooked(engine)
    monkeypatch.setattr(walk, "PIECE", TRIPS // 10)
    seen.statements.clear()
    await everything(bus, projected, settings)
    unasked = askers() - seen.functions
    assert not unasked, "asked by no test here: have `everything` ask it"
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        if connection.dialect.name == "sqlite":
            # It knows then that a table is small here, and reads all of it.
            connection.execute(text("DELETE FROM sqlite_stat1"))
            connection.execute(text("ANALYZE sqlite_schema"))
        connection.commit()
        asked = dict(seen.statements)
        assert len(asked) > 60
        found = {
            (table, sql)
            for sql, values in asked.items()
            for table in looked_through(connection, sql, values)
            if table not in SMALL and reason(table, sql) is None
        }
    engine.dispose()
    assert not found, "\n".join(f"{table}: {sql}" for table, sql in sorted(found))
