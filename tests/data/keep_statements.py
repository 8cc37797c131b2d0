"""Makes `statements-<revision>.json` beside it: `python -m tests.data.keep_statements`.

All that persistence writes, as the databases' drivers get it, is kept, so that a later
revision can be shown to serve a version that knows nothing of it. To be run after each
change of what is written; tests/contract/persistence/test_upgrades.py fails until it
was. So what is kept for a revision is what the last version on it wrote.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database, revisions
from persistence.erasure import erasure
from persistence.history import retention
from persistence.identity import (
    cleanup,
    devices,
    oidc_users,
    person_names,
    sessions,
    throttle,
    usernames,
)
from persistence.identity.tokens import Forge
from persistence.identity.users import row_of
from persistence.models import UserRow
from persistence.projected.observations import Seen
from persistence.projected.observer import Projector
from persistence.projected.projection import Unreadable, read_record
from persistence.projected.store import Store
from schemas.accounts import Meet
from schemas.matching import Judged, Verdict
from schemas.observations import Crumb, Round
from schemas.trips import Role, User
from tests.support import postgres
from tests.support import records as made

FORGE = Forge(b"k" * 32)
NOW_MS = made.T0_MS
TTL_S = 30 * 86_400.0
OUTSIDE = "00000000-0000-5000-8000-000000000001"
BYTES = "bytes"
"""Stands for a value that JSON has no type for: `{"bytes": text}`."""


def path_of(revision: str) -> Path:
    return Path(__file__).with_name(f"statements-{revision}.json")


def listening(engine: Engine, kept: list[dict[str, Any]]) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def executed(_c: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if not sql.startswith(("SELECT", "PRAGMA", "BEGIN")):
            kept.append({"sql": sql, "values": values})


async def accounts(engine: AsyncEngine) -> None:
    keyless = dict.fromkeys(("username_key", "name_key", "surname_key"))
    for name in ("anna", "bert"):
        user = User(f"id-{name}", name, name.title(), "Löw", Role.RIDER)
        async with engine.begin() as connection:
            row = row_of(user, "main", "$argon2id$…", NOW_MS)
            await connection.execute(insert(UserRow), row | keyless)
            token = await sessions.begin(connection, FORGE, user.id, NOW_MS, TTL_S)
        await sessions.refresh(engine, FORGE, token, NOW_MS + 5, TTL_S)
        async with engine.begin() as connection:
            other = await sessions.begin(connection, FORGE, user.id, NOW_MS, TTL_S)
        await sessions.end(engine, other.session)
    await sessions.end_all(engine, "id-bert")
    await usernames.give_all(engine)
    await person_names.give_all(engine)
    async with engine.begin() as connection:
        marked = devices.marks("id-anna", "192.0.2.1", "cookie")
        await devices.remember(connection, "id-anna", marked, NOW_MS)


async def visits(engine: AsyncEngine) -> None:
    """Who comes from outside, and who tries too often; then what is past its time."""
    for name in ("Cleo", "Klio"):
        user = User(OUTSIDE, "cleo", name, "Löw", Role.DRIVER)
        who = Meet(user, "main", "https://issuer.example", "subject")
        async with engine.begin() as connection:
            await oidc_users.meet(connection, who, NOW_MS)
    door = throttle.Throttle(engine)
    wanted = throttle.buckets("anna", "192.0.2.1")
    while await door.take(wanted, NOW_MS) is None:
        pass
    async with engine.begin() as connection:
        await throttle.give_back(connection, wanted)
    await cleanup.sweep(engine, NOW_MS, TTL_S)


async def people(engine: AsyncEngine) -> None:
    await accounts(engine)
    await visits(engine)
    await engine.dispose()


def projected(store: Store) -> None:
    for move in range(4):
        payload = made.record(
            move + 1,
            made.event(made.trip(2, move)),
            made.event(made.trip(1, move)),
            made.message("hall", move + 1),
            made.joined("hall", "r1"),
        )
        rows, _ = read_record("LEDGER_main", move + 1, payload)
        store.write(rows, [Unreadable(made.LEDGER, move, b"{}", "bad")], NOW_MS)


def observed(engine: Engine) -> None:
    """What a leader saw of two trips, of one by somebody who is erased."""
    rounds = [
        Round(
            *(1, 1, made.trip(n).id, f"r{n}", 1, NOW_MS + n, 1, {}),
            [Judged("r1", Verdict.CHOSEN, 1, 1, 1, 1)],
        )
        for n in (1, 2, 3)
    ]
    crumbs = [Crumb(made.trip(n).id, f"r{n}", "d1", 1.5, 1.5, NOW_MS) for n in (1, 2)]
    Projector(engine).write(Seen([("l", one) for one in rounds], crumbs))


async def dropped(engine: AsyncEngine) -> None:
    """A trip that isn't the last, and what was written before a room's last message."""
    await retention.drop(engine, NOW_MS + 3_500, 0)
    await retention.drop_matches(engine, NOW_MS + 3)
    await engine.dispose()


def erased(engine: Engine) -> None:
    """Who has an account, who rode, and who wrote."""
    for user in ("id-bert", "r1", "u1"):
        with engine.begin() as connection:
            erasure.mark(connection, user, NOW_MS)
        erasure.scrub(engine, user)


def keep(url: str) -> list[dict[str, Any]]:
    revisions.migrate(url)
    kept: list[dict[str, Any]] = []
    asking = database.engine(url)
    listening(asking.sync_engine, kept)
    asyncio.run(people(asking))
    writing = database.plain_engine(url)
    listening(writing, kept)
    store = Store(writing)
    projected(store)
    observed(writing)
    asyncio.run(dropped(asking))
    erased(writing)
    store.close()
    return kept


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, postgres.running() as cluster:
        kept = {
            "sqlite": keep(f"sqlite:///{folder}/kept.db"),
            "postgresql": keep(cluster.url(cluster.create_database())),
        }
    text = json.dumps(kept, indent=1, ensure_ascii=False, default=_bytes)
    path_of(revisions.head()).write_text(text + "\n")


def _bytes(value: Any) -> dict[str, str]:
    """memoryview, or psycopg's Binary around the bytes."""
    return {BYTES: bytes(getattr(value, "obj", value)).decode()}


if __name__ == "__main__":
    main()
