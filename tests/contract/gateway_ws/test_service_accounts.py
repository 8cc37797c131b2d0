"""Service accounts' keys at a socket: asked about at the handshake and by frame, held
by their scopes, and closed when they end.
"""

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from schemas import codec, commands, subjects
from schemas.accounts import Result, Revocation
from schemas.refusals import Code, Refusal
from schemas.service_accounts import PREFIX, CheckKey, KeyHolder, Scope, hash_of, id_of
from schemas.trips import Role, User
from tests.contract.gateway_ws.conftest import World
from tests.contract.gateway_ws.scripted_leader import raw, trip
from tests.support.waiting import until

KEY = PREFIX + "k" * 43
KID = id_of(hash_of(KEY))
BILLING = User("0192f0c4-0000-7000-8000-000000000009", "billing", "", "", Role.OPERATOR)
TRIP = trip(1)["id"]
REVOKED = 4503


class Keys:
    """What persistence says of keys."""

    def __init__(self, world: World) -> None:
        self._bus = world.bus
        self.asked: list[CheckKey] = []
        self.known: dict[str, tuple[Scope, ...]] = {KEY: ()}
        self.refusal = Refusal(Code.NOT_AUTHENTICATED, "the key is none of ours")

    async def listen(self) -> None:
        subject = subjects.accounts("check_key")
        self._bus.subscribe_raw(subject, self._answer, "accounts")
        await self._bus.flush()

    def _answer(self, _s: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        question = codec.decode(payload, CheckKey)
        self.asked.append(question)
        scopes = self.known.get(question.key)
        if scopes is None:
            result = Result(refused=self.refusal)
        else:
            kid = id_of(hash_of(question.key))
            result = Result(data=raw(KeyHolder(BILLING, "main", kid, scopes, 1, None)))
        self._bus.send(reply.decode(), codec.encode(result))


@pytest.fixture
async def keys(world: World) -> Keys:
    made = Keys(world)
    await made.listen()
    await world.start()
    return made


async def turned_away(world: World, **options: Any) -> tuple[int, str]:
    """Status and code of a handshake with the key."""
    with pytest.raises(InvalidStatus) as caught:
        await world.anyone(KEY, **options)
    response = caught.value.response
    return response.status_code, json.loads(response.body)["code"]


async def test_a_key_opens_a_socket_by_every_way_a_token_does(
    world: World, keys: Keys
) -> None:
    client, welcome = await world.user(KEY)
    assert (welcome["user"]["username"], welcome["session"]) == ("billing", KID)
    await client.do("trip.get", {"id": TRIP})
    by_query = await world.anyone(None, path=f"/ws?token={KEY}")
    await by_query.do("trip.get", {"id": TRIP})
    by_protocol = await world.anyone(None, subprotocols=["cabrank.v1", f"bearer.{KEY}"])
    await by_protocol.do("trip.get", {"id": TRIP})
    assert [one.address for one in keys.asked] == ["127.0.0.1"]


async def test_a_key_logs_in_by_frame(world: World, keys: Keys) -> None:
    client = await world.anyone(None)
    await client.send({"type": "session.login", "data": {"token": KEY}})
    await client.send({"type": "trip.get", "ref": "early", "data": {"id": TRIP}})
    welcome = await client.expect("welcome")
    assert welcome["data"]["user"]["username"] == "billing"
    assert (await client.answer("early"))["type"] == "reply"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.NOT_AUTHENTICATED, 401),
        (Code.RATE_LIMITED, 429),
        (Code.UNAVAILABLE, 503),
    ],
)
async def test_a_key_that_is_refused_opens_nothing(
    world: World, keys: Keys, code: Code, status: int
) -> None:
    keys.known.clear()
    keys.refusal = Refusal(code, "no")
    assert await turned_away(world) == (status, code.value)
    client = await world.anyone(None)
    refused = await client.ask("session.login", {"token": KEY})
    assert refused["data"]["code"] == code.value


@pytest.mark.parametrize("session", [KID, None])
async def test_a_key_that_ends_closes_its_sockets_at_once(
    world: World, keys: Keys, session: str | None
) -> None:
    sockets = [(await world.user(KEY))[0] for _ in range(2)]
    revocation = codec.encode(Revocation(BILLING.id, session, 10))
    await world.bus.jetstream().publish(subjects.revoked(BILLING.id), revocation)
    for socket in sockets:
        assert await socket.closed() == REVOKED
    keys.known.clear()
    late = await world.anyone(None)
    refused = await late.ask("session.login", {"token": KEY})
    assert refused["data"]["code"] == "not_authenticated"


async def test_scopes_hold_at_a_socket(world: World, keys: Keys) -> None:
    keys.known[KEY] = (Scope.READ,)
    client, _ = await world.user(KEY)
    await client.do("trip.get", {"id": TRIP})
    await client.do("chat.join", {"room": "hall"})
    for kind, data in (
        ("trip.cancel", {"id": TRIP}),
        ("chat.send", {"room": "hall", "text": "hi"}),
    ):
        refused = await client.ask(kind, data)
        assert refused["data"]["code"] == "wrong_role"
    assert world.leader.asked(commands.CancelTrip) == []


async def test_a_room_s_path_needs_the_scope_of_rooms(world: World, keys: Keys) -> None:
    keys.known[KEY] = (Scope.TRIPS,)
    for room in ("hall", f"trip_{TRIP}"):
        path = f"/ws/chat/{room}/"
        assert await turned_away(world, path=path) == (403, "wrong_role")
    keys.known[KEY] = (Scope.ROOMS,)
    gateway: Any = world.gateway
    gateway._identity.service_keys._known.clear()
    client, _ = await world.user(KEY, path="/ws/chat/hall/")
    await until(lambda: client.seen("reply"))
