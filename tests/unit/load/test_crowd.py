"""The crowd's tally and the floor's frames: figures that are wrong here are wrong in
every table.
"""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from cabrank.bench import floor
from cabrank.bench.crowd import MARK_CHARS, Tally, request_mark


def frame(mark: str) -> bytes:
    data = {"trip": 1, "pick_up_address": f"{mark} Main Street"}
    head = {"type": "trip.requested", "seq": 4, "data": data}
    return json.dumps(head, separators=(",", ":")).encode()


def test_latency_is_the_last_drivers() -> None:
    tally = Tally()
    tally.asked("000007", 3, 10.0)
    for at_s in (10.1, 10.2, 10.5):
        tally.got(frame("000007"), lambda at_s=at_s: at_s)  # type: ignore[misc]
    assert tally.latencies_s == [0.5]
    assert tally.frame_bytes == len(frame("000007"))


def test_request_that_a_driver_missed_has_no_latency() -> None:
    tally = Tally()
    tally.asked("000001", 2, 0.0)
    tally.asked("000002", 2, 0.0)
    tally.got(frame("000001"), lambda: 1.0)
    tally.got(frame("000002"), lambda: 2.0)
    tally.got(frame("000002"), lambda: 3.0)
    assert tally.latencies_s == [3.0]
    assert tally.received == 3


def test_frame_that_comes_twice_makes_no_second_latency() -> None:
    tally = Tally()
    tally.asked("000001", 1, 0.0)
    for _ in range(2):
        tally.got(frame("000001"), lambda: 1.0)
    assert tally.latencies_s == [1.0]
    assert tally.received == 2


def test_target_is_called_once_when_it_is_reached() -> None:
    tally = Tally()
    called: list[int] = []
    tally.target, tally.on_target = 2, lambda: called.append(tally.received)
    for _ in range(3):
        tally.got(frame("000001"), lambda: 0.0)
    assert called == [2]


@given(st.integers(min_value=0, max_value=10**12))
@settings(max_examples=50)
def test_marks_have_one_length(number: int) -> None:
    assert len(request_mark(number)) == MARK_CHARS


def test_floor_writes_the_frames_a_gateway_would() -> None:
    data = floor.prebuilt(3, 390)
    assert len(data) == 3 * (390 + 4)
    assert data.startswith(b"\x81\x7e" + (390).to_bytes(2, "big"))
    tally = Tally()
    tally.got(data[4:394], lambda: 0.0)
    assert tally.received == 1


def test_short_frame_has_a_short_head() -> None:
    assert floor.frame(b"hi") == b"\x81\x02hi"


def test_upgrade_is_accepted_as_the_rfc_has_it() -> None:
    # RFC 6455 section 1.3
    head = b"GET /ws HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in floor.accept(
        head
    )
