"""When the client comes back, and with what."""

import jwt
import pytest
from cabrank_client import policy
from cabrank_client.errors import Closed, InvalidData
from cabrank_client.policy import Loss, Return, backoff_s

KEY = "k" * 32


def loss(code: int, held_s: float = 0.0, token: str = "t") -> Loss:
    return Loss(code, "why", token, held_s)


def test_the_wait_grows_to_its_ceiling_and_is_anywhere_below() -> None:
    assert [backoff_s(n, 0.0) for n in range(9)] == [0.5] * 9
    ceilings = [backoff_s(n, 1.0) for n in range(8)]
    assert ceilings == [1, 2, 4, 8, 16, 20, 20, 20]
    assert backoff_s(10**6, 1.0) == 20


@pytest.mark.parametrize("code", [4500, 4501, 4503, 4999])
def test_codes_of_4500_to_4999_end_it(code: int) -> None:
    with pytest.raises(Closed) as closed:
        Return().lost(loss(code), 0.0, 0.0)
    assert (closed.value.code, closed.value.reason) == (code, "why")


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 1013, 4001, 4003, 4499])
def test_every_other_code_comes_back(code: int) -> None:
    assert Return().lost(loss(code), 0.0, 0.0) == 0.5


def test_a_connection_that_held_begins_the_waits_anew() -> None:
    back = Return()
    waits = [back.lost(loss(1006), 0.0, 1.0) for _ in range(3)]
    assert [*waits, back.lost(loss(1006, held_s=10.0), 0.0, 1.0)] == [1, 2, 4, 1]


def test_a_token_that_has_ended_is_replaced_at_once_but_not_again_and_again() -> None:
    back = Return()
    assert back.lost(loss(4502), 100.0, 1.0) == 0.0
    assert back.rejected == "t"
    assert back.unless_renewed is not None
    back.welcomed()
    assert (back.rejected, back.unless_renewed) == (None, None)
    with pytest.raises(Closed):
        back.lost(loss(4502), 129.0, 1.0)
    assert back.lost(loss(4502), 130.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("cursor", "recovered", "then"),
    [(None, False, 7), (9, False, 7), (3, True, 3), (None, True, 7)],
)
def test_the_cursor_after_a_welcome(
    cursor: int | None, recovered: bool, then: int
) -> None:
    welcome = {"seq": 7, "recovered": recovered}
    assert policy.cursor_of_welcome(cursor, welcome) == then


def test_the_cursor_grows_with_events_but_not_with_those_of_rooms() -> None:
    assert policy.cursor_of_event(None, "trip.started", 4) == 4
    assert policy.cursor_of_event(9, "trip.started", 4) == 9
    assert policy.cursor_of_event(2, "chat.message", 4) == 2
    assert policy.cursor_of_event(2, "driver.moved", None) == 2


@pytest.mark.parametrize(
    ("given", "socket", "web"),
    [
        ("http://h:1", "ws://h:1/ws", "http://h:1"),
        ("https://h/", "wss://h/ws", "https://h"),
        ("wss://h/taxi/", "wss://h/taxi/", "https://h"),
        ("HTTP://h/rider/?a=b#c", "ws://h/rider/?a=b", "http://h"),
    ],
)
def test_one_address_serves_the_socket_and_the_api(
    given: str, socket: str, web: str
) -> None:
    assert (policy.socket_url(given), policy.http_url(given)) == (socket, web)


def test_a_token_is_renewed_a_minute_before_its_end_or_half_way() -> None:
    def of(**claims: object) -> str:
        return jwt.encode(claims, KEY)

    assert policy.renew_in_s(of(exp=1000, iat=0), 0.0) == 940
    assert policy.renew_in_s(of(exp=1000), 980.0) == 10
    assert policy.renew_in_s(of(exp=1000), 1001.0) is None
    # This machine's clock is an hour slow: the token's own life counts.
    assert policy.renew_in_s(of(exp=10_000, iat=9_700), 6_400.0) == 240
    for odd in ("", "cbk_abc", "a.b.c", "a.W10.c", of(exp="soon"), of(sub="me")):
        assert policy.renew_in_s(odd, 0.0) is None


def test_a_room_is_named_as_the_server_names_it() -> None:
    assert policy.room_name("Lobby-1") == "Lobby-1"
    assert policy.room_name("trip_0A") == "trip_0a"
    for wrong in ("", "a b", "a.b", "x" * 65, "é", "a/../b"):
        with pytest.raises(InvalidData):
            policy.room_name(wrong)


def test_what_json_has_not_is_told_and_not_sent() -> None:
    for odd in (float("nan"), "\ud800"):
        with pytest.raises(InvalidData):
            policy.frame("driver.location", {"lat": odd})
    assert (
        policy.frame("a", {"b": "é"}, "r")
        == '{"type": "a", "data": {"b": "é"}, "ref": "r"}'
    )
