"""The crowd's tally and the floor's frames: figures that are wrong here are wrong in
every table.
"""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert

from cabrank.trial.bench import floor
from cabrank.trial.bench.tally import MARK_CHARS, Tally, request_mark
from cabrank.trial.bench.tasks import Done, together


def frame(mark: str) -> bytes:
    data = {"trip": 1, "pick_up_address": f"{mark} Main Street"}
    head = {"type": "trip.requested", "seq": 4, "data": data}
    return json.dumps(head, separators=(",", ":")).encode()


def test_request_is_over_with_its_last_driver() -> None:
    tally = Tally()
    tally.expect(3)
    for at_s in (10.1, 10.2, 10.5):
        tally.got(frame("000007"), lambda at_s=at_s: at_s)  # type: ignore[misc]
    assert tally.last_s == {"000007": 10.5}
    assert tally.frame_bytes == len(frame("000007"))


def test_request_that_a_driver_missed_is_never_over() -> None:
    tally = Tally()
    tally.expect(2)
    tally.got(frame("000001"), lambda: 1.0)
    tally.got(frame("000002"), lambda: 2.0)
    tally.got(frame("000002"), lambda: 3.0)
    assert tally.last_s == {"000002": 3.0}
    assert tally.received == 3


def test_frame_that_comes_twice_ends_nothing_again() -> None:
    tally = Tally()
    tally.expect(1)
    for at_s in (1.0, 2.0):
        tally.got(frame("000001"), lambda at_s=at_s: at_s)  # type: ignore[misc]
    assert tally.last_s == {"000001": 1.0}
    assert tally.received == 2


def part(**fields: object) -> Done:
    return convert({"seconds": 1.0, "cpu_s": 0.5, "open": 2, **fields}, Done)


def test_latency_is_that_of_the_last_driver_in_any_process() -> None:
    asker = part(asked_s={"1": 10.0, "2": 11.0}, last_s={"1": 10.5, "2": 11.1})
    done = together([asker, part(last_s={"1": 10.25, "2": 11.5})])
    assert sorted(done.latencies_s) == [0.5, 0.5]
    assert (done.open, done.cpu_s, done.seconds) == (4, 1.0, 1.0)


def test_request_that_one_process_missed_has_no_latency() -> None:
    done = together(
        [part(asked_s={"1": 10.0}, last_s={"1": 10.5}), part(lost=1, expected=3)]
    )
    assert done.latencies_s == []
    assert (done.lost, done.expected) == (1, 3)


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
    data = floor.prebuilt(3, 390, 7)
    assert len(data) == 3 * (390 + 4)
    assert data.startswith(b"\x81\x7e" + (390).to_bytes(2, "big"))
    tally = Tally()
    tally.expect(1)
    tally.got(data[4:394], lambda: 0.25)
    assert tally.last_s == {request_mark(7): 0.25}


def masked(length: int) -> bytes:
    head = bytearray(floor.frame(b"x" * length)[: -length or None])
    head[1] |= 0x80
    return bytes(head) + b"mask" + b"x" * length


@given(st.lists(st.integers(min_value=0, max_value=400), max_size=5))
def test_floor_tells_requests_apart_that_come_together(lengths: list[int]) -> None:
    data = b"".join(masked(length) for length in lengths)
    assert floor.frames(data) == len(lengths)


def test_short_frame_has_a_short_head() -> None:
    assert floor.frame(b"hi") == b"\x81\x02hi"


def test_upgrade_is_accepted_as_the_rfc_has_it() -> None:
    # RFC 6455 section 1.3
    head = b"GET /ws HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in floor.accept(
        head
    )
