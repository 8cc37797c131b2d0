"""Bytes from whomever never raise, and bad ones drop only themselves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.region import inbox
from schemas.codec import encode
from schemas.commands import GoOnline, RequestTrip
from schemas.trips import Role, User

REPLY = b"reply.g.main"
DORA = User("dora", "dora", "Dora", "D", Role.DRIVER)


def online(number: int, by: User = DORA) -> GoOnline:
    return GoOnline(id=str(number), deadline_ms=0, by=by)


def test_commands_come_in_their_order() -> None:
    sent = [online(1), online(2)]
    assert inbox.read("main", REPLY, encode(sent)) == ("reply.g.main", sent)


def test_a_bad_command_drops_only_itself() -> None:
    good = encode(online(1))
    for bad in (b"1", b"null", b'{"do":"fly"}', b'{"do":"online","id":1}'):
        payload = b"[" + bad + b"," + good + b"]"
        assert inbox.read("main", REPLY, payload)[1] == [online(1)]


def test_a_user_id_that_is_no_token_drops_only_its_command() -> None:
    for name in ("", "a.b", ">", "*", "a b", "x" * 65, "ü"):
        stranger = User(name, "x", "", "", Role.DRIVER)
        payload = encode([online(1, stranger), online(2)])
        assert inbox.read("main", REPLY, payload)[1] == [online(2)]


def test_answers_go_to_reply_subjects_of_gateways_only() -> None:
    payload = encode([online(1)])
    for reply in (
        b"", b"reply", b"reply.g", b"reply.g.main.x", b"reply.*.main", b"reply.g.>",
        b"cmd.main", b"user.main.rita", b"reply.g.ma in", b"reply.\xff.main",
        b"xreply.g.main",
    ):  # fmt: skip
        assert inbox.read("main", reply, payload) == ("", [])


def test_nesting_too_deep_is_dropped() -> None:
    deep = b'[{"do":"online","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    assert inbox.read("main", REPLY, deep)[1] == []


def test_positions_and_presence_that_cannot_be_read_are_dropped() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for bad in (b"", b"null", b"{}", b'[{"lat":1}]', deep):
        assert inbox.read_fixes("main", bad) == []
        assert inbox.read_presence("main", bad) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=40))
def test_random_bytes_never_raise(payload: bytes, reply: bytes) -> None:
    inbox.read("main", REPLY, payload)
    inbox.read("main", reply, payload)
    inbox.read_fixes("main", payload)
    inbox.read_presence("main", payload)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_command_cut_anywhere_never_raises(data: st.DataObject) -> None:
    whole = encode(
        [
            RequestTrip(
                id="1",
                deadline_ms=1,
                by=DORA,
                pick_up_address="ä",
                drop_off_address="B",
            )
        ]
    )
    cut = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.binary(max_size=3))
    inbox.read("main", REPLY, whole[:cut] + put + whole[cut + len(put) :])
