"""Who is who: the four ways to say it, and the tokens that are none."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import Sockets, Town, bearer
from tests.support.client import connect
from tests.support.stack import Person, Stack


def _encoded(part: dict[str, Any]) -> str:
    raw = base64.urlsafe_b64encode(json.dumps(part).encode())
    return raw.rstrip(b"=").decode()


def bad_tokens(good: str) -> dict[str, str]:
    """Tokens that claim what a good one claims."""
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    head, body, signature = good.split(".")
    stranger = Ed25519PrivateKey.generate()
    operator = claims | {"role": "operator"}
    flipped = ("B" if signature[5] == "A" else "A").join((signature[:5], signature[6:]))
    return {
        "other key": jwt.encode(claims, stranger, "EdDSA", headers={"kid": "x"}),
        "same kid": jwt.encode(
            claims, stranger, "EdDSA", headers={"kid": header["kid"]}
        ),
        "alg none": f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "alg none, kid": f"{_encoded(header | {'alg': 'none'})}.{body}.{signature}",
        "symmetric": jwt.encode(
            claims, "s" * 32, "HS256", headers={"kid": header["kid"]}
        ),
        "other role": f"{head}.{_encoded(operator)}.{signature}",
        "tampered": f"{head}.{body}.{flipped}",
        "cut": good[:-10],
        "garbage": "garbage",
        "empty parts": "..",
    }


KINDS = list(
    bad_tokens(
        jwt.encode({}, Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": "k"})
    )
)


async def status_of(base: str, token: str | None, **options: Any) -> int:
    """HTTP status of a refused handshake."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(base, token, **options)
    body = json.loads(caught.value.response.body or b"{}")
    assert body.get("status") == caught.value.response.status_code
    return caught.value.response.status_code


@pytest.mark.parametrize("kind", KINDS)
async def test_bad_token_is_401_at_the_handshake(kind: str, town: Town) -> None:
    token = bad_tokens(town.operator.access)[kind]
    assert await status_of(town.url, token) == 401
    assert await status_of(town.url, None, path=f"/ws?token={token}") == 401


@pytest.mark.parametrize("kind", KINDS)
async def test_bad_token_is_refused_as_log_in(
    kind: str, town: Town, sockets: Sockets
) -> None:
    client = await sockets.raw(None)
    token = bad_tokens(town.operator.access)[kind]
    code = await client.refusal("session.login", {"token": token})
    assert code == "not_authenticated"


@pytest.mark.parametrize("kind", KINDS)
async def test_bad_token_is_401_over_http(
    kind: str, town: Town, web: httpx.AsyncClient
) -> None:
    token = bad_tokens(town.operator.access)[kind]
    answer = await web.get("/api/me", headers=bearer(token))
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"


async def test_token_in_the_query(town: Town, sockets: Sockets) -> None:
    rider = town.rider()
    client = await sockets.raw(None, path=f"/ws/?token={rider.access}")
    assert (await client.expect("welcome"))["data"]["user"] == rider.user


async def test_token_as_subprotocol(town: Town, sockets: Sockets) -> None:
    rider = town.rider()
    client = await sockets.raw(
        None, subprotocols=["cabrank.v1", f"bearer.{rider.access}"]
    )
    assert client.socket.subprotocol == "cabrank.v1"
    assert (await client.expect("welcome"))["data"]["user"] == rider.user


async def test_token_in_the_first_frame(town: Town, sockets: Sockets) -> None:
    rider = town.rider()
    client = await sockets.raw(None)
    await client.send({"type": "session.login", "data": {"token": rider.access}})
    assert (await client.expect("welcome"))["data"]["user"] == rider.user


async def test_username_and_password_in_the_first_frame(
    sockets: Sockets, web: httpx.AsyncClient
) -> None:
    name = f"frame-{time.time_ns()}"
    body = {"username": name, "password": "correct horse"}
    made = await web.post("/api/users", json=body | {"role": "driver"})
    client = await sockets.raw(None, path="/driver/")
    wrong = body | {"password": "wrong horse"}
    assert await client.refusal("session.login", wrong) == "bad_credentials"
    await client.send({"type": "session.login", "ref": "l", "data": body})
    welcome = await client.expect("welcome")
    assert welcome["data"]["user"] == made.json()["user"]


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/taxi", "/taxi/"])
async def test_paths_for_all_roles(path: str, town: Town, sockets: Sockets) -> None:
    for person in (town.rider(), town.driver(), town.operator):
        await sockets.open(person, path=path)


async def test_paths_of_one_role_refuse_another(town: Town, sockets: Sockets) -> None:
    rider, driver = town.rider(), town.driver()
    await sockets.open(rider, path="/rider/")
    await sockets.open(driver, path="/driver")
    assert await status_of(town.url, rider.access, path="/driver/") == 403
    assert await status_of(town.url, driver.access, path="/rider") == 403
    by_frame = await sockets.raw(None, path="/rider/")
    code = await by_frame.refusal("session.login", {"token": driver.access})
    assert code == "wrong_role"


async def test_unknown_path_is_404(town: Town) -> None:
    assert await status_of(town.url, town.operator.access, path="/nowhere") == 404


async def test_foreign_origin_is_403_and_ours_is_not(
    town: Town, sockets: Sockets
) -> None:
    token = town.operator.access
    foreign = {"Origin": "https://evil.example"}
    assert await status_of(town.url, token, headers=foreign) == 403
    await sockets.open(town.operator, headers={"Origin": town.url})


async def test_origin_of_the_settings_is_taken(short_lived: Stack) -> None:
    operator = short_lived.people("operator", 1)[0]
    client = await connect(
        short_lived.url, operator.access, headers={"Origin": "https://app.example"}
    )
    async with client:
        await client.expect("welcome")


async def signed_up(base: str) -> tuple[Person, dict[str, Any]]:
    """A rider whose tokens live as short as the stack says."""
    body = {"username": f"brief-{time.time_ns()}", "password": "correct horse"}
    async with httpx.AsyncClient(base_url=base, trust_env=False) as web:
        answer = await web.post("/api/users", json=body | {"role": "rider"})
    tokens = answer.json()
    return Person(tokens["user"], tokens["access"]), tokens


async def test_session_closes_with_4502_when_its_token_expires(
    short_lived: Stack,
) -> None:
    person, tokens = await signed_up(short_lived.url)
    assert tokens["expires_in"] == 3
    client = await connect(short_lived.url, person.access)
    async with client:
        await client.expect("welcome")
        assert await client.closed() == 4502
    assert await status_of(short_lived.url, person.access) == 401
    async with httpx.AsyncClient(base_url=short_lived.url, trust_env=False) as web:
        answer = await web.get("/api/me", headers=bearer(person))
    assert answer.status_code == 401


async def test_refreshed_session_outlives_its_first_token(short_lived: Stack) -> None:
    person, tokens = await signed_up(short_lived.url)
    client = await connect(short_lived.url, person.access)
    async with (
        client,
        httpx.AsyncClient(base_url=short_lived.url, trust_env=False) as web,
    ):
        await client.expect("welcome")
        assert await client.refusal("session.refresh", {"token": "bad"}) == (
            "not_authenticated"
        )
        # Nine halves of a second in which it isn't closed: longer than a token lives.
        for _ in range(9):
            with pytest.raises(TimeoutError):
                await client.closed(0.5)
            answer = await web.post(
                "/api/tokens/refresh", json={"refresh": tokens["refresh"]}
            )
            tokens = answer.json()
            await client.do("session.refresh", {"token": tokens["access"]})
        await client.quiet()


async def test_session_of_another_user_cannot_be_taken_over_by_refresh(
    town: Town, sockets: Sockets
) -> None:
    client = await sockets.open(town.rider())
    code = await client.refusal("session.refresh", {"token": town.rider().access})
    assert code == "not_authenticated"


async def test_log_out_closes_the_sessions_of_that_log_in_with_4503(
    short_lived: Stack,
) -> None:
    person, tokens = await signed_up(short_lived.url)
    client = await connect(short_lived.url, person.access)
    async with (
        client,
        httpx.AsyncClient(base_url=short_lived.url, trust_env=False) as web,
    ):
        await client.expect("welcome")
        answer = await web.delete("/api/tokens", headers=bearer(person))
        assert answer.status_code == 204
        assert await client.closed() == 4503
        again = await web.post(
            "/api/tokens/refresh", json={"refresh": tokens["refresh"]}
        )
        assert again.status_code == 401


async def test_revoked_users_sessions_close_with_4503(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    person = town.rider()
    first, second = await sockets.open(person), await sockets.open(person)
    other = await sockets.open(town.rider())
    path = f"/api/users/{person.id}/revoke"
    denied = await web.post(path, headers=bearer(town.rider()))
    assert (denied.status_code, denied.json()["code"]) == (403, "wrong_role")
    done = await web.post(path, headers=bearer(town.operator))
    assert done.status_code == 204
    assert await first.closed() == 4503
    assert await second.closed() == 4503
    assert await status_of(town.url, person.access) == 401
    await other.quiet()
