import json

import pytest

from cabrank.errors import UsageError
from cabrank.operate.address import base_url
from cabrank.trial.load import frames


@pytest.mark.parametrize(
    "text",
    ["", "foo", "ftp://host", "http://", "http://h:x", "http://h:99999", "ws://h"],
)
def test_what_is_no_base_url_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="is not a URL such as") as caught:
        base_url(text)
    assert "\n" not in str(caught.value)


def test_base_url_loses_its_trailing_slash() -> None:
    assert base_url("https://example.org:8443/") == "https://example.org:8443"


def test_socket_url_carries_since_and_keeps_tls() -> None:
    assert frames.socket_url("http://h:1") == "ws://h:1/ws"
    assert frames.socket_url("https://h", 7) == "wss://h/ws?since=7"


def test_since_zero_is_a_cursor_too() -> None:
    assert frames.socket_url("http://h:1", 0) == "ws://h:1/ws?since=0"


def test_frame_is_read_whatever_the_order_of_its_fields() -> None:
    frame = frames.read_frame(b'{"data":{"id":"x"},"seq":4096,"type":"trip.taken"}')
    assert (frame.type, frame.seq, frame.ref) == ("trip.taken", 4096, None)
    assert frames.read_trip_ref(frame.data).id == "x"


def test_command_is_a_frame_of_the_protocol() -> None:
    made = json.loads(frames.command("trip.accept", "r1", {"id": "x"}))
    assert made == {"type": "trip.accept", "ref": "r1", "data": {"id": "x"}}
