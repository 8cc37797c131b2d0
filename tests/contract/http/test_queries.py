"""What may stand in a query: the same for all routes that take one."""

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from litestar._parsers import parse_query_string
from msgspec import Raw

from gateway.http.app import _described
from gateway.http.queries import FIELDS_MAX, _wanted, as_uri
from schemas.commands import Answer
from schemas.webhooks import message_id
from tests.contract.http.conftest import (
    RIDER,
    TRIP,
    Site,
    bearer,
    data,
    problem,
)

MESSAGE = message_id("1edaf3", 7)


class Asked(NamedTuple):
    """A route's parameter: what it takes, and what it doesn't."""

    route: str
    name: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


LIMIT = (("1", "100"), ("0", "101", "-1", "007", "1_0", "0x1", "1" * 5000))
NO_NUMBER = (
    *("", "x", "1e1", "1.0", "%2B5", "+5", "5+", "%205", "5%20", "5%00", "null"),
    *("%D9%A3", "%EF%BC%95", "%FF", "true", "[5]", "5,6", "1e999"),
)
NUMBER = (LIMIT[0], (*LIMIT[1], *NO_NUMBER))
NO_ID = (
    *("", "x", "null", f"{RIDER}0", RIDER[:-1], f"{RIDER}%00", f"{RIDER}%0A"),
    *(f"+{RIDER}", RIDER.replace("0192", "%D9%A0192"), "%FF", "a" * 5000),
)
ID = ((RIDER, RIDER.upper()), NO_ID)
NO_MESSAGE = ("", "x", RIDER, "msg_a_", "msg__5", "msg_a_%D9%A3", "msg_a_5%00")
NO_PLACE = ("", "1", "1,2,3", "%D9%A3,1", "1,2%00", "91,0", "%FF", "nan,0", "1" * 5000)
STATUS = (("REQUESTED", "EXPIRED"), ("", "started", "LOST", "STARTED%00", "%FF"))
ALL = (
    *[
        Asked(route, "limit", *NUMBER)
        for route in (
            "/api/trips",
            "/api/drivers",
            "/api/users",
            f"/api/webhooks/{RIDER}/deliveries",
            "/api/rooms/lobby/messages",
        )
    ],
    Asked("/api/trips", "status", *STATUS),
    *[Asked("/api/trips", name, *ID) for name in ("before", "rider", "driver")],
    Asked("/api/trips", "reference", ("a", "", "%C3%A9+1"), ("%00", "%FF", "x" * 65)),
    Asked(f"/api/trips/{TRIP}/matching", "driver", *ID),
    Asked("/api/drivers", "near", ("59.91,10.75", "-90,+180", "1e1,0"), NO_PLACE),
    Asked("/api/users", "name", ("", "ad", "%C3%A9"), ("%00", "%FF", "x" * 151)),
    Asked("/api/users", "role", ("rider",), ("", "boss", "Rider", "%FF")),
    Asked(
        f"/api/webhooks/{RIDER}/deliveries",
        "before",
        (MESSAGE,),
        (*NO_MESSAGE, "%FF", "msg_a_" + "9" * 5000),
    ),
    Asked(
        "/api/rooms/lobby/messages",
        "before",
        ("0", str(2**63 - 1)),
        (str(2**63), "-1", *NO_NUMBER),
    ),
    Asked(
        f"/api/users/{RIDER}/notices",
        "count",
        ("true", "false", "1", "0"),
        ("", "yes", "TRUE", "2", "+1", "%D9%A1", "%FF"),
    ),
)


def declared() -> Iterator[tuple[str, str]]:
    """(template, parameter) of all routes there are."""
    for router in _described(with_metrics=True):
        for route in router.routes:
            for handler in getattr(route, "route_handlers", ()):
                for name in _wanted(handler):
                    yield route.path, name


def template(path: str) -> str:
    for name, value in (
        ("/api/trips/{trip_id:str}", f"/api/trips/{TRIP}"),
        ("/api/users/{user_id:str}", f"/api/users/{RIDER}"),
        ("/api/webhooks/{webhook:str}", f"/api/webhooks/{RIDER}"),
        ("/api/rooms/{room:str}", "/api/rooms/lobby"),
    ):
        path = path.replace(value, name)
    return path


def test_no_parameter_of_any_route_is_left_out_here() -> None:
    here = {(template(one.route), one.name) for one in ALL}
    assert set(declared()) == here


@pytest.fixture
async def asking(site: Site) -> Site:
    """All that routes with a query ask answers."""
    await site.persistence.listen("webhooks.*")
    for subject in (
        *("history.trips", "history.messages", "history.matching", "accounts.users"),
        *("webhooks.deliveries", "history.names"),
    ):
        site.answers(subject, data([]))
    site.answers("accounts.whereabouts", data({"id": RIDER, "region": "main"}))
    site.desk.answer = Answer("c", 1, data=Raw(b"[]"))
    return site


async def ask(
    site: Site, route: str, query: str, who: dict[str, str]
) -> httpx.Response:
    url = f"{route}?{query}"
    if route.endswith("notices"):
        return await site.client.post(url, headers=who, json={"data": {}})
    return await site.client.get(url, headers=who)


async def test_what_fits_is_taken(asking: Site) -> None:
    others = []
    for route, name, good, _ in ALL:
        for value in good:
            query = f"unknown=1&{name}={value}&unknown=2&&=&%FF=1"
            answer = await ask(asking, route, query, asking.operator)
            if answer.status_code not in {200, 202}:
                others.append((route, name, value, answer.text))
    assert others == []


async def test_what_doesn_t_fit_is_422_naming_the_parameter(asking: Site) -> None:
    for route, name, good, bad in ALL:
        spelt = f"%{ord(name[0]):x}{name[1:]}"
        queries = [f"{name}={value}" for value in bad]
        queries += [f"{name}={good[0]}&{other}={good[0]}" for other in (name, spelt)]
        for query in queries:
            answer = await ask(asking, route, query, asking.operator)
            assert answer.status_code == 422, (route, query[:80], answer.text)
            assert problem(answer, 422, "invalid_data").startswith(f"{name}: ")
    assert asking.persistence.asked == []
    assert asking.desk.commands == []


async def test_what_doesn_t_fit_is_said_after_who_is_unknown_and_before_who_may_not(
    asking: Site,
) -> None:
    rider = bearer(asking.tokens.issue())
    for route, name, _, bad in ALL:
        answer = await ask(asking, route, f"{name}={bad[0]}", rider)
        problem(answer, 422, "invalid_data")
        answer = await ask(asking, route, f"{name}={bad[0]}", {})
        problem(answer, 401, "not_authenticated")


async def test_so_many_fields_may_a_query_have(asking: Site) -> None:
    most = "a&" * (FIELDS_MAX - 1)
    answer = await ask(asking, "/api/trips", f"{most}limit=1", asking.operator)
    assert answer.status_code == 200
    answer = await ask(asking, "/api/trips", f"{most}&limit=1", asking.operator)
    assert problem(answer, 422, "invalid_data").startswith("the query: ")
    # Where nothing is asked in a query nothing of it is read.
    answer = await ask(asking, "/api/me", most * 100, asking.operator)
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["a=%s", "%s", "a=1&%s=1", "limit=1&a=%s"])
async def test_the_framework_keeps_nothing_of_what_routes_don_t_take(
    query: str, asking: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the last 1,024 queries it has read, and what it made of them."""
    read: list[bytes] = []

    def noted(raw: bytes) -> tuple[tuple[str, str], ...]:
        read.append(raw)
        return parse_query_string(raw)

    monkeypatch.setattr("litestar._kwargs.extractors.parse_query_string", noted)
    text = query % ("x" * 50_000)
    answer = await ask(asking, "/api/trips", text, asking.operator)
    assert answer.status_code == 200
    assert read == [b"limit=1" if "limit" in query else b""]


def test_octets_that_come_bare_are_utf_8() -> None:
    """As a shell's `curl …?name=é` sends them."""
    assert as_uri("name=é&a=b%20c".encode()) == b"name=%C3%A9&a=b%20c"
