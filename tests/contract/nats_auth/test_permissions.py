"""Every service tries every subject against a real nats-server. The tables say what
should be, in words of their own: not what schemas/permissions.py says.
"""

import re
from typing import Any

import nats
import pytest

from cabrank.stack import nats_auth
from schemas import permissions, streams, subjects
from schemas.permissions import Service
from tests.contract.nats_auth.conftest import Connect, Locked
from tests.support.waiting import until

API = "$JS.API"
INITIALS = {
    Service.GATEWAY: "g",
    Service.DISPATCHER: "d",
    Service.PERSISTENCE: "p",
    Service.WEBHOOKS: "w",
    Service.OPERATOR: "o",
    Service.OBSERVER: "s",
}
NOBODY = ""

WRITERS = {
    "cmd.main": "g",
    "loc.main": "g",
    "presence.main": "g",
    "notice.main.u": "g",
    "notice.heard-gateway1.1": "g",
    "accounts.log_in": "go",
    "history.trips": "go",
    "history.names": "gow",
    "webhooks.add": "go",
    "deliveries.store": "w",
    "operations.erase": "o",
    "ledger.main": "d",
    "matches.main": "d",
    "reply.gateway1.main": "d",
    "user.main.u": "d",
    "trip.main.t": "d",
    "drivers.main": "d",
    "room.main.lobby": "d",
    "leader.main": "d",
    "ping.main": "do",
    "handover.main": "d",
    "dispatchers": "d",
    "result.asker.1": "p",
    "delivered.asker.1": "p",
    "revoked.u": "po",
    "erased.u": "p",
    "_INBOX_gateway.x": NOBODY,
    "_INBOX_dispatcher.x": "d",
    "_INBOX_persistence.x": NOBODY,
    "_INBOX_operator.x": NOBODY,
    "_INBOX.x": NOBODY,
    "cmd": NOBODY,
    "cmd.main.more": NOBODY,
    "anything": NOBODY,
    "$SYS.REQ.SERVER.PING": NOBODY,
    f"{API}.INFO": "os",
    f"{API}.STREAM.NAMES": "dpows",
    f"{API}.STREAM.LIST": "os",
    f"{API}.STREAM.INFO.LEDGER_main": "dpows",
    f"{API}.STREAM.CREATE.LEDGER_main": "do",
    f"{API}.STREAM.UPDATE.LEDGER_main": "do",
    f"{API}.STREAM.PURGE.LEDGER_main": "do",
    f"{API}.STREAM.DELETE.LEDGER_main": "o",
    f"{API}.STREAM.SNAPSHOT.LEDGER_main": "o",
    f"{API}.STREAM.MSG.GET.LEDGER_main": "do",
    f"{API}.STREAM.MSG.DELETE.LEDGER_main": "o",
    f"{API}.DIRECT.GET.LEDGER_main": "dows",
    f"{API}.DIRECT.GET.LEDGER_main.ledger.main": "dos",
    f"{API}.CONSUMER.INFO.LEDGER_main.persistence": "dpos",
    f"{API}.CONSUMER.CREATE.LEDGER_main": "o",
    f"{API}.CONSUMER.CREATE.LEDGER_main.mine": "os",
    f"{API}.CONSUMER.CREATE.LEDGER_main.mine.ledger.main": "os",
    f"{API}.CONSUMER.DURABLE.CREATE.LEDGER_main.persistence": "po",
    f"{API}.CONSUMER.DURABLE.CREATE.LEDGER_main.mine": "os",
    f"{API}.CONSUMER.MSG.NEXT.LEDGER_main.persistence": "po",
    f"{API}.CONSUMER.MSG.NEXT.LEDGER_main.mine": "os",
    f"{API}.CONSUMER.DELETE.LEDGER_main.persistence": "o",
    f"{API}.CONSUMER.DELETE.LEDGER_main.mine": "os",
    f"{API}.CONSUMER.CREATE.LEDGER_main.persistence": "po",
    f"{API}.CONSUMER.CREATE.LEDGER_main.persistence.ledger.main": "o",
    f"{API}.CONSUMER.CREATE.MATCHES.mine": "o",
    f"{API}.CONSUMER.CREATE.REVOCATIONS.mine": "o",
    f"{API}.CONSUMER.CREATE.ERASURES.mine.erased.u": "o",
    f"{API}.CONSUMER.MSG.NEXT.ERASURES.mine": "o",
    f"{API}.CONSUMER.CREATE.OBJ_SNAPSHOTS.mine": "do",
    "$JS.ACK.LEDGER_main.persistence.1.1.1.1.1": "po",
    "$JS.ACK.LEDGER_main.mine.1.1.1.1.1": "os",
    f"{API}.STREAM.INFO.REVOCATIONS": "gpo",
    f"{API}.CONSUMER.CREATE.REVOCATIONS": "go",
    f"{API}.STREAM.CREATE.REVOCATIONS": "po",
    f"{API}.STREAM.UPDATE.REVOCATIONS": "po",
    f"{API}.STREAM.PURGE.REVOCATIONS": "o",
    f"{API}.STREAM.DELETE.REVOCATIONS": "o",
    f"{API}.STREAM.MSG.GET.REVOCATIONS": "o",
    f"{API}.DIRECT.GET.REVOCATIONS": "o",
    f"{API}.STREAM.INFO.ERASURES": "po",
    f"{API}.CONSUMER.CREATE.ERASURES": "o",
    f"{API}.STREAM.CREATE.ERASURES": "po",
    f"{API}.STREAM.UPDATE.ERASURES": "po",
    f"{API}.STREAM.PURGE.ERASURES": "o",
    f"{API}.STREAM.DELETE.ERASURES": "o",
    f"{API}.STREAM.MSG.GET.ERASURES": "o",
    f"{API}.DIRECT.GET.ERASURES.erased.u": "po",
    f"{API}.STREAM.CREATE.MATCHES": "dpo",
    f"{API}.STREAM.UPDATE.MATCHES": "dpo",
    f"{API}.STREAM.DELETE.MATCHES": "o",
    f"{API}.DIRECT.GET.MATCHES": "do",
    f"{API}.CONSUMER.DURABLE.CREATE.MATCHES.persistence": "po",
    f"{API}.CONSUMER.MSG.NEXT.MATCHES.persistence": "po",
    "$JS.ACK.MATCHES.persistence.1.1.1.1.1": "po",
    f"{API}.STREAM.INFO.OBJ_SNAPSHOTS": "dpo",
    f"{API}.STREAM.CREATE.OBJ_SNAPSHOTS": "do",
    f"{API}.CONSUMER.CREATE.OBJ_SNAPSHOTS.x": "do",
    f"{API}.STREAM.CREATE.MINE": "do",
    "$O.SNAPSHOTS.C.x": "d",
    "$O.SNAPSHOTS.M.x": "d",
    "$KV.any.key": NOBODY,
}
"""subject → initials of those who may publish to it."""

HEARERS = {
    "cmd.main": "do",
    "loc.main": "do",
    "presence.main": "do",
    "notice.main.*": "g",
    "notice.heard-gateway1.1": "g",
    "accounts.log_in": "p",
    "history.trips": "p",
    "webhooks.add": "p",
    "deliveries.store": "p",
    "operations.erase": "p",
    "ledger.main": "w",
    "ledger.>": "w",
    "matches.main": NOBODY,
    "reply.gateway1.*": "g",
    "user.main.u": "go",
    "trip.main.t": "os",
    "drivers.main": "go",
    "room.main.lobby": "go",
    "leader.main": "gdo",
    "ping.main": "d",
    "handover.main": "d",
    "dispatchers": "do",
    "result.asker.*": "go",
    "delivered.asker.*": "w",
    "revoked.*": "o",
    "erased.*": NOBODY,
    "_INBOX_gateway.>": "g",
    "_INBOX_dispatcher.>": "d",
    "_INBOX_persistence.>": "p",
    "_INBOX_operator.>": "o",
    "_INBOX_webhooks.>": "w",
    "_INBOX_observer.>": "s",
    "trip.>": "s",
    "_INBOX.>": NOBODY,
    ">": NOBODY,
    "*.main": NOBODY,
    "$JS.>": NOBODY,
    "$SYS.>": NOBODY,
    "$O.SNAPSHOTS.>": NOBODY,
    "user.>": NOBODY,
}

_VIOLATION = re.compile(r'for (publish|subscription) to "([^"]+)"', re.IGNORECASE)


@pytest.fixture
def refused() -> dict[str, list[str]]:
    """What the server refused: "publish" and "subscription" → subjects."""
    return {"publish": [], "subscription": []}


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_can_do_what_it_must_and_nothing_else(
    locked: Locked, service: Service, refused: dict[str, list[str]]
) -> None:
    async def erred(error: Exception) -> None:
        found = _VIOLATION.search(str(error))
        assert found is not None, error
        refused[found[1].lower()].append(found[2])

    login = locked.login(service)
    connection = await nats.connect(
        locked.url,
        nkeys_seed=login.seed_file,
        error_cb=erred,
        allow_reconnect=False,
    )
    for subject in WRITERS:
        await connection.publish(subject, b"")
    for subject in HEARERS:
        await connection.subscribe(subject)
    await connection.flush()
    initial = INITIALS[service]
    forbidden = [s.lower() for s, who in WRITERS.items() if initial not in who]
    unheard = [s.lower() for s, who in HEARERS.items() if initial not in who]

    def seen(kind: str) -> list[str]:
        return sorted(subject.lower() for subject in refused[kind])

    await until(
        lambda: len(refused["publish"]) >= len(forbidden), "the refusals", limit_s=30
    )
    await connection.flush()
    assert seen("publish") == sorted(forbidden)
    assert seen("subscription") == sorted(unheard)
    await connection.close()


async def test_a_stranger_and_an_unknown_key_are_not_let_in(
    locked: Locked, tmp_path: Any
) -> None:
    elsewhere = tmp_path / "elsewhere"
    nats_auth.run(elsewhere, [], [])
    unknown = str(nats_auth.seed_file(elsewhere, Service.DISPATCHER))
    for options in ({}, {"nkeys_seed": unknown}, {"user": "root", "password": ""}):
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
            await nats.connect(locked.url, allow_reconnect=False, **options)


async def test_only_the_dispatcher_s_record_is_in_the_ledger(
    connect: Connect, locked: Locked
) -> None:
    dispatcher = await connect(Service.DISPATCHER)
    js = dispatcher.jetstream()
    spec = streams.ledger("main")
    await js.add_stream(name=spec.name, subjects=list(spec.subjects))
    for service in Service:
        bus = await connect(service)
        assert bus.send(subjects.ledger("main"), service.encode())
        await bus.flush()
    held = await js.get_last_msg(spec.name, subjects.ledger("main"))
    assert (held.seq, held.data) == (1, b"dispatcher")


def test_every_subject_is_in_both_tables() -> None:
    patterns = [
        getattr(subjects, name) for name in dir(subjects) if name.startswith("ALL_")
    ]
    for pattern in patterns:
        shape = re.compile(re.escape(pattern).replace(r"\*", r"[^.>]+"))
        assert any(shape.fullmatch(s) for s in WRITERS), pattern
        assert any(shape.fullmatch(s) for s in HEARERS), pattern


def test_all_that_a_service_may_is_in_the_tables() -> None:
    """A permission that nobody meant to give would be in none of the rows."""
    for service, allowed in permissions.PERMISSIONS.items():
        initial = INITIALS[service]
        for pattern in allowed.publish:
            assert any(
                initial in who and _matches(pattern, subject)
                for subject, who in WRITERS.items()
            ) or pattern.startswith(("$JS.FC", "$JS.SNAPSHOT", f"{API}.CONSUMER")), (
                service,
                pattern,
            )


def _matches(pattern: str, subject: str) -> bool:
    shape = re.escape(pattern).replace(r"\*", "[^.]+").replace("\\>", ">")
    shape = shape.removesuffix(">") + ".+" if shape.endswith(">") else shape
    return re.fullmatch(shape, subject) is not None
