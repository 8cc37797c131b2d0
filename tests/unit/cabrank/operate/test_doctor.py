import resource

import pytest

from cabrank.operate import doctor
from cabrank.operate.doctor import Level


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
