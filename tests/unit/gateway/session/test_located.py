"""A position read in one go says what it says otherwise, or is left to be received."""

import json

import pytest
from msgspec.structs import replace

from gateway.session import located
from schemas.claims import SERVICE_ISSUER, Service
from schemas.commands import Fix
from schemas.trips import Role
from tests.unit.gateway.session.sessions import KNOWN, NOW, frame, session

KIND = "driver.location"
HERE = {"lat": 1, "lon": -2.5}
GOOD = [
    frame(KIND, HERE),
    frame(KIND, HERE, ref=None),
    frame(KIND, {**HERE, "heading": 90, "speed": 8.5, "more": [{}]}),
    frame(KIND, {**HERE, "at": "2026-11-21t11:00:00.25+01:00"}),
    b'{"type":"driver.location","data":{"lat":3,"lon":4},"traceparent":{"any":1}}',
    b'{"data":{"lat":0,"lon":0},"data":{"lat":3,"lon":4},"type":"driver.location"}',
]
LEFT = [
    frame(KIND, {**HERE, "lat": 91}),
    frame(KIND, {**HERE, "at": "today"}),
    frame(KIND, {**HERE, "note": "\0"}),
    frame(KIND, {**HERE, "note": "\\"}),
    frame(KIND, HERE, ref="x" * 65),
    frame(KIND),
    frame("driver.online", HERE),
    b'{"type":"driver.location","data":{"lat":3,"lon":4,"note":"\xc3\xa9"}}',
    b'{"type":"driver.location","data":{"lat":3,"lon":4,"note":"\xff"}}',
    b'{"type":"driver.location","data":{"lat":3,"lon":4,"note":' + b"[" * 5_000,
    b'{"type":"driver.location"',
]


@pytest.mark.parametrize("payload", GOOD)
def test_a_good_one_is_what_it_is_otherwise(payload: bytes) -> None:
    fix = session(Role.DRIVER).position(payload, NOW)
    assert isinstance(fix, Fix)
    assert [fix] == session(Role.DRIVER).receive(payload, NOW)


@pytest.mark.parametrize("payload", LEFT)
def test_what_is_wrong_or_not_so_simple_is_left_and_counts_nothing(
    payload: bytes,
) -> None:
    made = session(Role.DRIVER, frames_burst=1)
    assert made.position(payload, NOW) is None
    assert made.position(GOOD[0], NOW) is not None


def test_only_drivers_say_where_they_are_and_nobody_once_it_is_over() -> None:
    made = session(Role.DRIVER)
    made.over()
    for one in (session(Role.RIDER), session(None), made):
        assert one.position(GOOD[0], NOW) is None


def test_what_a_key_may_is_asked_elsewhere() -> None:
    service = Service("key", ())
    claims = replace(KNOWN["driver"], iss=SERVICE_ISSUER, service=service)
    assert located.read(GOOD[0], claims, NOW.wall_ms) is None


def test_each_counts_to_the_rate_and_what_is_over_is_left_to_be_refused() -> None:
    made = session(Role.DRIVER, frames_burst=2)
    assert made.position(GOOD[0], NOW) is not None
    assert made.position(GOOD[0], NOW) is not None
    assert made.position(GOOD[0], NOW) is None
    refused, _ = made.receive(GOOD[0], NOW)
    assert json.loads(refused.frame[refused.frame.index(b"{") :])["type"] == "refused"  # type: ignore[union-attr]


def test_how_one_begins() -> None:
    assert located.may_be(GOOD[0])
    assert located.may_be(GOOD[4])
    assert not located.may_be(frame("driver.online"))
