"""Paths, identity in its four ways, origins: what a handshake is answered with."""

import json
from base64 import urlsafe_b64encode
from http import HTTPStatus

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from schemas import accounts, subjects
from schemas.accounts import Revocation
from schemas.codec import decode, encode
from schemas.refusals import Code, Refusal
from schemas.trips import Role
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, World
from tests.contract.gateway_ws.scripted_leader import raw
from tests.support.tokens import Tokens


async def rejected(
    world: World, token: str | None, status: int, code: str, **options: object
) -> dict[str, str]:
    """Check that a handshake is refused so; returns the headers, lower-cased."""
    with pytest.raises(InvalidStatus) as caught:
        await world.anyone(token, **options)
    response = caught.value.response
    problem = json.loads(response.body)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    return {name.lower(): value for name, value in response.headers.raw_items()}


async def test_every_path_of_a_rider_welcomes_them(world: World) -> None:
    await world.start()
    for path in ["/ws", "/ws/", "/taxi", "/taxi/", "/rider", "/rider/"]:
        _, welcome = await world.user(world.tokens.issue(), path=path)
        assert welcome["user"]["id"] == RIDER


async def test_other_paths_are_404(world: World) -> None:
    await world.start()
    for path in ["/", "/wss", "/ws//", "/ws/chat", "/api/me"]:
        await rejected(world, world.tokens.issue(), 404, "unknown_type", path=path)


async def test_another_roles_path_is_403(world: World) -> None:
    await world.start()
    await rejected(world, world.tokens.issue(), 403, "wrong_role", path="/driver/")
    driver = world.tokens.issue(DRIVER, Role.DRIVER)
    await rejected(world, driver, 403, "wrong_role", path="/rider")
    _, welcome = await world.user(driver, path="/driver")
    assert welcome["user"]["role"] == "driver"


async def test_a_wrong_token_is_401(world: World) -> None:
    await world.start()
    expired = world.tokens.issue(ttl_s=-1)
    for token in ("garbage", "", Tokens().issue(), expired):
        headers = await rejected(world, token, 401, "not_authenticated")
        assert headers["www-authenticate"] == "Bearer"
        assert token == "" or token not in str(headers)


async def test_a_token_whose_header_cant_be_told_again_is_401_too(
    world: World,
) -> None:
    await world.start()
    header = rb'{"alg":"EdDSA","typ":"JWT","crit":["\ud800"]}'
    token = f"{urlsafe_b64encode(header).decode()}.e30.eA"
    await rejected(world, token, 401, "not_authenticated")
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as web:
        asked = {"Authorization": f"Bearer {token}"}
        assert (await web.get("/api/me", headers=asked)).status_code == 401
    client = await world.anyone(None)
    frame = await client.ask("session.login", {"token": token})
    assert frame["data"]["code"] == "not_authenticated"
    _, welcome = await world.user(world.tokens.issue())
    assert welcome["user"]["id"] == RIDER


async def test_a_revoked_token_is_401(world: World) -> None:
    await world.start()
    assert world.gateway is not None
    world.gateway.revoked(Revocation(RIDER, "5e55", 0))
    await rejected(world, world.tokens.issue(), 401, "not_authenticated")
    await world.user(world.tokens.issue(session="0ther"))


async def test_a_token_in_the_query_identifies(world: World) -> None:
    await world.start()
    path = f"/ws/?token={world.tokens.issue()}"
    client = await world.anyone(None, path=path)
    await client.expect("welcome")


async def test_a_token_as_subprotocol_identifies_and_is_not_echoed(
    world: World,
) -> None:
    await world.start()
    offered = ["cabrank.v1", f"bearer.{world.tokens.issue()}"]
    client = await world.anyone(None, subprotocols=offered)
    await client.expect("welcome")
    assert client.socket.subprotocol == "cabrank.v1"


async def test_a_token_as_first_frame_identifies(world: World) -> None:
    await world.start()
    client = await world.anyone(None)
    data = {"token": world.tokens.issue(), "since": 33}
    await client.send({"type": "session.login", "data": data})
    await client.expect("welcome")
    assert world.leader.commands[0].since == 33  # type: ignore[union-attr]


async def accounts_answer(
    world: World, result: accounts.Result
) -> list[accounts.LogIn]:
    """In persistence's place; returns the list of what will be asked."""
    asked: list[accounts.LogIn] = []

    def log_in(_: bytes, reply: bytes, payload: bytes, _headers: bytes) -> None:
        asked.append(decode(payload, accounts.LogIn))
        world.bus.send(reply.decode(), encode(result))

    world.bus.subscribe_raw(subjects.accounts("log_in"), log_in, "accounts")
    await world.bus.flush()
    return asked


async def test_a_password_as_first_frame_identifies_and_later_frames_wait(
    world: World,
) -> None:
    await world.start()
    token = world.tokens.issue()
    tokens = {
        "user": {
            "id": RIDER,
            "username": "ada",
            "first_name": "",
            "last_name": "",
            "role": "rider",
        },
        "access": token,
        "refresh": "r",
        "expires_in": 900,
    }
    asked = await accounts_answer(world, accounts.Result(data=raw(tokens)))
    client = await world.anyone(None)
    login = {"username": "ada", "password": "secret-secret"}
    await client.send({"type": "session.login", "ref": "1", "data": login})
    await client.send({"type": "trip.get", "ref": "2", "data": {"id": RIDER}})
    assert (await client.answer("2"))["type"] == "reply"
    assert client.frames[0]["type"] == "welcome"
    assert [question.username for question in asked] == ["ada"]


@pytest.mark.parametrize(
    ("cookie", "device"),
    [
        (f"theme=dark; cabrank_device={'d' * 22}", "d" * 22),
        (f"cabrank_device={'d' * 65}", ""),
        (None, ""),
    ],
)
async def test_a_device_is_known_by_the_handshakes_cookie_where_it_logs_in_by_frame(
    world: World, cookie: str | None, device: str
) -> None:
    await world.start()
    refusal = Refusal(Code.BAD_CREDENTIALS, "wrong username or password")
    asked = await accounts_answer(world, accounts.Result(refused=refusal))
    headers = None if cookie is None else {"Cookie": cookie}
    client = await world.anyone(None, headers=headers)
    login = {"username": "ada", "password": "wrong-wrong"}
    assert await client.refusal("session.login", login) == "bad_credentials"
    assert [question.device for question in asked] == [device]


async def test_a_wrong_password_is_refused_and_may_be_tried_again(
    world: World,
) -> None:
    await world.start()
    refusal = Refusal(Code.BAD_CREDENTIALS, "wrong username or password")
    await accounts_answer(world, accounts.Result(refused=refusal))
    client = await world.anyone(None)
    login = {"username": "ada", "password": "wrong-wrong"}
    assert await client.refusal("session.login", login) == "bad_credentials"
    assert await client.refusal("trip.get", {"id": RIDER}) == "not_authenticated"
    await client.send(
        {"type": "session.login", "data": {"token": world.tokens.issue()}}
    )
    await client.expect("welcome")


async def test_no_accounts_service_makes_a_log_in_unavailable(world: World) -> None:
    await world.start()
    client = await world.anyone(None)
    login = {"username": "ada", "password": "secret-secret"}
    assert await client.refusal("session.login", login) == "unavailable"


async def test_another_roles_path_refuses_the_first_frame(world: World) -> None:
    await world.start()
    client = await world.anyone(None, path="/driver/")
    login = {"token": world.tokens.issue()}
    assert await client.refusal("session.login", login) == "wrong_role"


async def test_a_bad_token_by_frame_is_not_authenticated(world: World) -> None:
    await world.start()
    client = await world.anyone(None)
    assert await client.refusal("session.login", {"token": "x"}) == "not_authenticated"
    expired = {"token": world.tokens.issue(ttl_s=-1)}
    assert await client.refusal("session.login", expired) == "not_authenticated"
    assert await client.refusal("session.login", {}) == "invalid_data"


async def test_no_log_in_in_time_closes_with_4501(world: World) -> None:
    await world.start(login_s=0.3)
    client = await world.anyone(None)
    assert await client.closed() == 4501


async def test_foreign_origins_are_403_and_ours_are_fine(world: World) -> None:
    await world.start()
    token = world.tokens.issue()
    host = world.url.removeprefix("http://")
    for origin in (
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "x",
        "http://[",
    ):
        await rejected(world, token, 403, "not_authenticated", origin=origin)
    for origin in (f"http://{host}", f"https://{host}", "https://app.example"):
        await world.user(token, origin=origin)


async def test_an_upgrade_that_breaks_rfc_6455_is_a_problem_too(world: World) -> None:
    await world.start()

    headers = {"Connection": "upgrade", "Upgrade": "websocket"}
    async with httpx.AsyncClient() as http:
        answer = await http.get(world.url + "/ws", headers=headers)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.json()["code"] == "bad_frame"
