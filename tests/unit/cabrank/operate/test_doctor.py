import resource
from typing import Any

import pytest
from msgspec.structs import replace

from cabrank.operate import doctor
from cabrank.operate.doctor import Level
from persistence.deliveries.condition import Condition, Conditions


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("2.15.1", Level.OK),
        ("2.12.0", Level.OK),
        ("3.0.0-beta", Level.OK),
        ("2.9.25", Level.FAIL),
        ("1.99", Level.FAIL),
        ("", Level.FAIL),
        ("newest", Level.FAIL),
    ],
)
def test_a_server_older_than_2_12_fails(text: str, level: Level) -> None:
    assert doctor.version(text, "nats://here").level is level


@pytest.mark.parametrize(
    ("offset_s", "level", "says"),
    [
        (0.01, Level.OK, "0.010 s ahead of"),
        (-1.0, Level.OK, "1.000 s behind"),
        (1.5, Level.WARN, "NTP"),
        (-30.0, Level.WARN, "NTP"),
        (31.0, Level.FAIL, "NTP"),
    ],
)
def test_a_clock_that_is_off_warns_then_fails(
    offset_s: float, level: Level, says: str
) -> None:
    finding = doctor.clock(offset_s)
    assert finding.level is level
    assert says in finding.text


def test_few_open_files_warn() -> None:
    assert doctor.files(1024).level is Level.WARN
    assert "ulimit -n 65536" in doctor.files(1024).text
    assert doctor.files(65_536).level is Level.OK
    assert doctor.files(resource.RLIM_INFINITY).level is Level.OK


def test_a_finding_is_one_line() -> None:
    assert str(doctor.files(65_536)) == "ok    files       65536 open files allowed"


NOW_S = 1_795_255_200.0
GOOD = Condition("h1", "https://ops.example/secret-path", active=True, ended=None)


def hooks(*hooks: Condition, read_s: float | None = NOW_S) -> list[tuple[Level, str]]:
    until_ms = None if read_s is None else round(read_s * 1000)
    found = doctor.webhooks(Conditions(list(hooks), until_ms), NOW_S)
    assert {one.what for one in found} == {"webhooks"}
    return [(one.level, one.text) for one in found]


def ago_ms(seconds: float) -> int:
    return round((NOW_S - seconds) * 1000)


@pytest.mark.parametrize(
    ("there", "read_s"),
    [
        ([], None),
        ([], 0),
        ([GOOD], NOW_S - 20),
        ([GOOD], None),
        ([replace(GOOD, active=False)], 0),
        (
            [replace(GOOD, waiting=3, oldest_ms=ago_ms(60), error="it answered 500")],
            1e10,
        ),
    ],
)
def test_webhooks_that_do_well_are_a_line(
    there: list[Condition], read_s: float | None
) -> None:
    ((level, text),) = hooks(*there, read_s=read_s)
    assert level is Level.OK
    waiting = sum(one.waiting for one in there)
    assert text.endswith(f"endpoints are delivered to, {waiting} deliveries wait")


@pytest.mark.parametrize("read_s", [0, NOW_S - 31])
def test_endpoints_that_nobody_delivers_to_fail(read_s: float) -> None:
    ((level, text),) = hooks(GOOD, replace(GOOD, id="h2"), read_s=read_s)
    assert (level, text.partition(":")[0]) == (
        Level.FAIL,
        "nobody delivers to 2 endpoints",
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"active": False, "ended": "it answered 410 Gone"},
            "is ended: it answered 410",
        ),
        (
            {"waiting": 3, "oldest_ms": ago_ms(720), "error": "it answered 500"},
            "has 3 deliveries waiting, the oldest of 12 min ago (it answered 500)",
        ),
        (
            {"waiting": 1, "oldest_ms": ago_ms(7_300), "active": False},
            "the oldest of 2 h ago, and it is switched off",
        ),
        ({"dead": 7}, "has 7 dead ones among the newest 1000"),
        (
            {"waiting": 1, "oldest_ms": ago_ms(301), "dead": 1},
            "the oldest of 5 min ago and has 1 dead",
        ),
    ],
)
def test_an_endpoint_in_trouble_is_named_without_its_path(
    changes: dict[str, Any], says: str
) -> None:
    ((level, text),) = hooks(GOOD, replace(GOOD, id="h2", **changes))[:2]
    assert level is Level.WARN
    assert text.startswith("h2 (ops.example) ")
    assert says in text
    assert "secret-path" not in text
