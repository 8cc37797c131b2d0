"""The small pure parts: framing, rates, the timer wheel, positions, origins."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from gateway import framing
from gateway.clock import Now
from gateway.leader.commands import command_ids
from gateway.leader.positions import GATHERED, Positions
from gateway.session.abuse import Window
from gateway.sockets import handshake
from gateway.sockets.timers import Wheel
from runtime.rate import TokenBucket
from schemas import codec
from schemas.budget import MESSAGE_BYTES_MAX
from schemas.commands import Fix
from schemas.refusals import Code, Refusal


def parsed(frame: bytes) -> Frame:
    """Read one unmasked frame back with websockets' parser."""
    reader = StreamReader()
    reader.feed_data(frame)
    reader.feed_eof()
    parser = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as stop:
        next(parser)
    return stop.value.value  # type: ignore[no-any-return]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_a_text_frame_of_any_length_is_read_back(length: int) -> None:
    frame = parsed(framing.text(b"x" * length))
    assert (frame.fin, frame.opcode, bytes(frame.data)) == (True, 1, b"x" * length)


def test_the_shortest_header_is_used() -> None:
    assert framing.text(b"ab") == b"\x81\x02ab"
    assert framing.text(b"x" * 126)[:4] == b"\x81\x7e" + struct.pack("!H", 126)
    assert len(framing.text(b"x" * 65536)) == 65536 + 10


def test_a_ping_is_an_empty_control_frame() -> None:
    assert parsed(framing.PING).opcode == 9


@settings(max_examples=100, deadline=None)
@given(st.none() | st.text(max_size=64), st.text(max_size=50))
def test_any_ref_and_message_make_valid_json(ref: str | None, message: str) -> None:
    refused = framing.refused(ref, Refusal(Code.UNAVAILABLE, message))
    said = codec.decode(bytes(parsed(refused).data), dict)
    data = {"code": "unavailable", "message": message, "retryable": True}
    assert said == {"type": "refused", "ref": ref, "data": data}
    reply = bytes(parsed(framing.reply(ref, b'{"a":1}')).data)
    assert codec.decode(reply, dict) == {"type": "reply", "ref": ref, "data": {"a": 1}}


def test_event_frames_carry_their_data_as_it_is() -> None:
    event = bytes(parsed(framing.event("trip.started", 4097, b'{"b":  1}')).data)
    assert event == b'{"type":"trip.started","seq":4097,"data":{"b":  1}}'
    push = bytes(parsed(framing.push("driver.moved", b"{}")).data)
    assert push == b'{"type":"driver.moved","data":{}}'


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(10, 3, now_s=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1) for _ in range(2)] == [True, False]
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]


def test_refused_frames_do_not_use_up_what_comes_next() -> None:
    bucket = TokenBucket(10, 1, now_s=0)
    assert bucket.take(0)
    assert not any(bucket.take(at / 100) for at in range(10))
    assert bucket.take(0.11)


def test_a_window_forgets_what_is_older() -> None:
    window = Window(2, 10)
    assert [window.exceeded(at) for at in (0, 1, 10, 10.5, 12)] == [
        False,
        False,
        False,
        True,
        True,
    ]


class Entry:
    def __init__(self) -> None:
        self.due_slot = 0
        self.called: list[float] = []

    def on_timer(self, now_s: float) -> None:
        self.called.append(now_s)


def test_the_wheel_calls_each_entry_once_and_never_early() -> None:
    wheel = Wheel(100, slot_s=1)
    one, two = Entry(), Entry()
    wheel.schedule(one, 102.5)
    wheel.schedule(two, 105)
    for now_s in (101, 102, 102.9, 103, 104, 105, 106, 107):
        wheel.turn(now_s)
    assert one.called == [103]
    assert two.called == [106]


def test_rescheduling_moves_an_entry_and_cancelling_forgets_it() -> None:
    wheel = Wheel(0, slot_s=1)
    moved, gone = Entry(), Entry()
    wheel.schedule(moved, 10)
    wheel.schedule(moved, 2)
    wheel.schedule(gone, 2)
    wheel.cancel(gone)
    wheel.turn(50)
    assert moved.called == [50]
    assert gone.called == []


def test_an_entry_cancelled_by_another_in_the_same_turn_is_not_called() -> None:
    wheel = Wheel(0, slot_s=1)
    first, second = Entry(), Entry()

    def cancel_the_other(entry: Entry, other: Entry) -> None:
        def on_timer(now_s: float) -> None:
            entry.called.append(now_s)
            wheel.cancel(other)

        entry.on_timer = on_timer  # type: ignore[method-assign]

    cancel_the_other(first, second)
    cancel_the_other(second, first)
    wheel.schedule(first, 1)
    wheel.schedule(second, 1)
    wheel.turn(5)
    assert len(first.called) + len(second.called) == 1


def test_what_is_overdue_is_called_with_the_next_turn() -> None:
    wheel = Wheel(100, slot_s=1)
    entry = Entry()
    wheel.schedule(entry, 5)
    wheel.turn(101)
    assert entry.called == [101]


def test_positions_of_a_tick_are_the_latest_in_bounded_messages() -> None:
    sent: list[tuple[str, list[Fix]]] = []

    def send(region: str, payload: bytes) -> bool:
        assert len(payload) <= MESSAGE_BYTES_MAX
        sent.append((region, codec.decode(payload, list[Fix])))
        return True

    positions = Positions(send, lambda: Now(0.0, 0))
    for driver in ("a", "b", "c", "a"):
        fix = Fix(driver, float(len(sent)), 0.0, None, None, driver * 200_000)
        positions.add("main", fix)
    positions.flush()
    positions.flush()
    assert [(region, len(fixes)) for region, fixes in sent] == [
        ("main", 2),
        ("main", 1),
    ]


class Waiting:
    def __init__(self, positions: Positions, number: int) -> None:
        self.positions, self.number = positions, number

    def read_late(self, now: Now) -> None:
        assert now.wall_ms == 0
        self.positions.add("main", Fix(f"{self.number}", 0.0, 0.0, None, None, ""))


def test_positions_are_read_together_and_before_they_are_sent() -> None:
    sent: list[Fix] = []

    def send(_: str, payload: bytes) -> bool:
        sent.extend(codec.decode(payload, list[Fix]))
        return True

    positions = Positions(send, lambda: Now(0.0, 0))
    for number in range(GATHERED + 1):
        assert bool(positions._latest) is (number == GATHERED)
        positions.gather(Waiting(positions, number))
    assert len(positions._latest["main"]) == GATHERED
    positions.flush()
    assert [fix.driver for fix in sent] == [f"{n}" for n in range(GATHERED + 1)]


def test_command_ids_are_32_hex_digits_and_differ() -> None:
    ids = command_ids("0123456789abcdef")
    made = {next(ids) for _ in range(100)}
    assert len(made) == 100
    assert all(len(i) == 32 and int(i, 16) for i in made)


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("http://example.com", "example.com", True),
        ("https://EXAMPLE.com", "example.com", True),
        ("http://example.com:80", "example.com", True),
        ("http://example.com", "example.com:80", True),
        ("http://example.com:8000", "example.com:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://app.example/", "other.example", True),
        ("http://app.example", "other.example", False),
        ("http://example.com:8001", "example.com:8000", False),
        ("http://example.com.evil.example", "example.com", False),
        ("http://example.com@evil.example", "example.com", False),
        ("file://", "example.com", False),
        ("null", "example.com", False),
        ("", "example.com", False),
    ],
)
def test_an_origin_is_this_host_s_or_a_listed_one(
    origin: str, host: str, ours: bool
) -> None:
    headers = {"origin": [origin], "host": [host]}
    verdict = handshake.judge(
        "/ws",
        lambda name: headers.get(name, []),
        ["https://app.example"],
        lambda _: pytest.fail("there is no token"),
    )
    assert isinstance(verdict, handshake.Accepted) is ours


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=50),
    st.dictionaries(
        st.sampled_from(["origin", "authorization", "sec-websocket-protocol", "host"]),
        st.lists(st.text(max_size=30), max_size=2),
    ),
)
def test_no_request_makes_the_judge_raise(
    target: str, headers: dict[str, list[str]]
) -> None:
    def verify(_: str) -> handshake.Claims:
        raise handshake.InvalidToken("no")

    handshake.judge("/ws?" + target, lambda name: headers.get(name, []), [], verify)
