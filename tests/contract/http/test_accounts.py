import httpx
import jwt
import msgspec
import pytest

from gateway.identity.device import NAME as DEVICE
from schemas.accounts import Tokens
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.http.conftest import (
    OPERATOR,
    RIDER,
    Site,
    bearer,
    data,
    problem,
    refusal,
)

TOKENS = Tokens(User(RIDER, "ada", "Ada", "", Role.RIDER), "a", "r", 900)
AS_JSON = {
    "user": {
        "id": RIDER,
        "username": "ada",
        "first_name": "Ada",
        "last_name": "",
        "role": "rider",
    },
    "access": "a",
    "refresh": "r",
    "expires_in": 900,
}
HERE = {"address": "127.0.0.1"}
SIGN_UP = {"username": "ada", "password": "correct horse", "role": "rider"}
NOBODY = "0192f0c4-0000-7000-8000-0000000000ff"


async def test_sign_up_answers_201_with_user_and_tokens(site: Site) -> None:
    site.answers("accounts.sign_up", data(TOKENS))
    response = await site.client.post("/api/users", json=SIGN_UP)
    assert response.status_code == 201
    assert response.json() == AS_JSON
    assert response.headers["cache-control"] == "no-store"
    assert site.persistence.asked == [
        (
            "accounts.sign_up",
            {
                **SIGN_UP,
                "first_name": "",
                "last_name": "",
                "address": "127.0.0.1",
                "device": site.client.cookies[DEVICE],
            },
        )
    ]


async def test_a_taken_username_is_409(site: Site) -> None:
    taken = refusal(Code.INVALID_DATA, "username: 'ada' is taken", 409)
    site.answers("accounts.sign_up", taken)
    response = await site.client.post("/api/users", json=SIGN_UP)
    assert problem(response, 409, "invalid_data") == "username: 'ada' is taken"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("username", "a" * 151),
        ("username", "a b"),
        ("username", "ada\n"),
        ("username", 5),
        ("username", None),
        ("password", "1234567"),
        ("password", "x" * 129),
        ("password", "12345678\0"),
        ("role", "operator"),
        ("role", "Rider"),
        ("first_name", "x" * 151),
        ("first_name", "a\0b"),
        ("first_name", "a\x1bb"),
        ("first_name", "a\u202eb"),
        ("last_name", "a\x85b"),
        ("last_name", "\u2066a"),
        ("last_name", "x" * 151),
    ],
)
async def test_sign_up_data_that_does_not_fit_is_422_naming_the_field(
    site: Site, field: str, value: object
) -> None:
    response = await site.client.post("/api/users", json={**SIGN_UP, field: value})
    assert problem(response, 422, "invalid_data").startswith(f"{field}: ")
    assert site.persistence.asked == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({**SIGN_UP, "password": "short"}, "password: must have at least 8 characters"),
        ({**SIGN_UP, "username": 5}, "username: must be text, not a whole number"),
        (
            {name: SIGN_UP[name] for name in SIGN_UP if name != "role"},
            "role is missing",
        ),
    ],
)
async def test_what_does_not_fit_is_told_in_words_for_people(
    site: Site, body: dict[str, object], told: str
) -> None:
    response = await site.client.post("/api/users", json=body)
    assert problem(response, 422, "invalid_data") == told


@pytest.mark.parametrize("field", ["username", "password", "role"])
async def test_sign_up_without_a_field_is_422(site: Site, field: str) -> None:
    body = {name: value for name, value in SIGN_UP.items() if name != field}
    response = await site.client.post("/api/users", json=body)
    assert field in problem(response, 422, "invalid_data")


@pytest.mark.parametrize(
    "username", ["a", "Zoë.van-der+x@example_1", "é" * 150, "用户"]
)
async def test_usernames_may_have_letters_of_any_script(
    site: Site, username: str
) -> None:
    site.answers("accounts.sign_up", data(TOKENS))
    body = {**SIGN_UP, "username": username, "password": "x" * 128}
    response = await site.client.post("/api/users", json=body)
    assert response.status_code == 201
    assert site.persistence.asked[0][1]["username"] == username


async def test_log_in_answers_200_with_tokens(site: Site) -> None:
    site.answers("accounts.log_in", data(TOKENS))
    body = {"username": "ada", "password": "correct horse"}
    response = await site.client.post("/api/tokens", json=body)
    assert (response.status_code, response.json()) == (200, AS_JSON)
    assert response.headers["cache-control"] == "no-store"


async def test_a_device_gets_a_cookie_and_is_known_by_it_from_then_on(
    site: Site,
) -> None:
    site.answers("accounts.sign_up", data(TOKENS))
    site.answers("accounts.log_in", data(TOKENS))
    first = await site.client.post("/api/users", json=SIGN_UP)
    cookie = first.headers["set-cookie"]
    device = site.client.cookies[DEVICE]
    for part in (f"{DEVICE}={device}", "HttpOnly", "Path=/", "SameSite=strict"):
        assert part.lower() in cookie.lower()
    assert "Max-Age=7776000" in cookie
    assert len(device) == 22
    body = {"username": "ada", "password": "correct horse"}
    again = await site.client.post("/api/tokens", json=body)
    assert f"{DEVICE}={device};" in again.headers["set-cookie"]
    assert [said["device"] for _, said in site.persistence.asked] == [device, device]


@pytest.mark.parametrize(
    "said", ["", "short", "x" * 65, "é" * 30, "a b" * 10, ";" * 25]
)
async def test_a_cookie_that_is_none_of_ours_is_replaced(site: Site, said: str) -> None:
    site.answers("accounts.log_in", data(TOKENS))
    body = {"username": "ada", "password": "correct horse"}
    headers = [(b"cookie", f"{DEVICE}={said}; other=1".encode())]
    response = await site.client.post("/api/tokens", json=body, headers=headers)
    assert response.status_code == 200
    (device,) = [asked["device"] for _, asked in site.persistence.asked]
    assert f"{DEVICE}={device};" in response.headers["set-cookie"]
    assert device != said
    assert len(device) == 22


async def test_who_is_refused_gets_no_cookie(site: Site) -> None:
    site.answers("accounts.log_in", refusal(Code.BAD_CREDENTIALS, "no such pair"))
    body = {"username": "ada", "password": "wrong horse"}
    response = await site.client.post("/api/tokens", json=body)
    assert "set-cookie" not in response.headers


async def test_a_wrong_password_is_401_bad_credentials(site: Site) -> None:
    site.answers("accounts.log_in", refusal(Code.BAD_CREDENTIALS, "no such pair"))
    body = {"username": "ada", "password": "wrong horse"}
    response = await site.client.post("/api/tokens", json=body)
    problem(response, 401, "bad_credentials")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_refresh_answers_200_with_the_next_tokens(site: Site) -> None:
    site.answers("accounts.refresh", data(TOKENS))
    response = await site.client.post("/api/tokens/refresh", json={"refresh": "old"})
    assert (response.status_code, response.json()) == (200, AS_JSON)
    assert site.persistence.asked == [("accounts.refresh", {"refresh": "old"})]


async def test_a_spent_refresh_token_is_401(site: Site) -> None:
    site.answers("accounts.refresh", refusal(Code.NOT_AUTHENTICATED, "it is spent"))
    response = await site.client.post("/api/tokens/refresh", json={"refresh": "old"})
    problem(response, 401, "not_authenticated")


async def test_log_out_ends_the_session_of_the_token(site: Site) -> None:
    site.answers("accounts.log_out", data(None))
    response = await site.client.delete("/api/tokens", headers=site.rider)
    assert (response.status_code, response.content) == (204, b"")
    assert site.persistence.asked == [
        ("accounts.log_out", {"user": RIDER, "session": "5e55"} | HERE)
    ]


async def test_me_is_the_user_of_the_token(site: Site) -> None:
    response = await site.client.get("/api/me", headers=site.rider)
    assert response.status_code == 200
    assert response.json() == {
        "id": RIDER,
        "username": "ada",
        "first_name": "Ada",
        "last_name": "L",
        "role": "rider",
    }


async def test_an_operator_revokes_a_user(site: Site) -> None:
    site.answers("accounts.revoke", data(None))
    path = f"/api/users/{RIDER.upper()}/revoke"
    response = await site.client.post(path, headers=site.operator)
    assert (response.status_code, response.content) == (204, b"")
    assert site.persistence.asked == [
        ("accounts.revoke", {"user": RIDER, "by": OPERATOR} | HERE)
    ]


@pytest.mark.parametrize("role", [Role.RIDER, Role.DRIVER])
async def test_only_operators_revoke(site: Site, role: Role) -> None:
    headers = bearer(site.tokens.issue(role=role))
    response = await site.client.post(f"/api/users/{RIDER}/revoke", headers=headers)
    problem(response, 403, "wrong_role")
    route = {"route": "POST /api/users/{user_id}/revoke", "subject": RIDER}
    told = {"user": RIDER} | route | HERE
    assert site.persistence.asked == [("accounts.denied", told)]


async def test_what_was_typed_in_place_of_an_id_is_not_written_down(site: Site) -> None:
    await site.client.post("/api/users/hunter2/revoke", headers=site.rider)
    ((_, told),) = site.persistence.asked
    assert "hunter2" not in str(told)


async def test_who_is_refused_hears_it_also_where_nobody_writes_it_down(
    site: Site,
) -> None:
    site.persistence.answers["accounts.denied"] = lambda _: None
    path = f"/api/users/{RIDER}/revoke"
    response = await site.client.post(path, headers=site.rider)
    problem(response, 403, "wrong_role")


async def test_revoking_an_unknown_user_is_404(site: Site) -> None:
    site.answers("accounts.revoke", refusal(Code.INVALID_DATA, "no such user", 404))
    path = f"/api/users/{NOBODY}/revoke"
    response = await site.client.post(path, headers=site.operator)
    problem(response, 404, "invalid_data")


@pytest.mark.parametrize("user", ["5", "*", "a.b", "x" * 3000, "%00", NOBODY + "0"])
async def test_revoking_what_is_no_id_is_404_and_not_asked(
    site: Site, user: str
) -> None:
    path = f"/api/users/{user}/revoke"
    response = await site.client.post(path, headers=site.operator)
    problem(response, 404, "invalid_data")
    assert site.persistence.asked == []


async def test_an_answer_is_passed_on_as_it_came(site: Site) -> None:
    site.answers("accounts.log_in", data({"later": "field"}))
    body = {"username": "ada", "password": "correct horse"}
    response: httpx.Response = await site.client.post("/api/tokens", json=body)
    assert response.json() == {"later": "field"}


async def test_the_public_keys_are_a_jwk_set_that_verifies(site: Site) -> None:
    response = await site.client.get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=60"
    (jwk,) = response.json()["keys"]
    assert jwk.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    key = jwt.PyJWK(jwk)
    claims = jwt.decode(site.tokens.issue(), key, ["EdDSA"], issuer="cabrank")
    assert claims["sub"] == RIDER


async def test_nobody_says_themselves_whence_they_come(site: Site) -> None:
    site.answers("accounts.log_in", data(TOKENS))
    body = {"username": "ada", "password": "correct horse"}
    await site.client.post(
        "/api/tokens",
        json={**body, "address": "192.0.2.9"},
        headers={"X-Forwarded-For": "192.0.2.9"},
    )
    device = {"device": site.client.cookies[DEVICE]}
    assert site.persistence.asked == [("accounts.log_in", body | HERE | device)]


async def test_who_failed_too_often_is_told_when_to_come_back(site: Site) -> None:
    refused = refusal(Code.RATE_LIMITED, "too many log-ins failed")
    site.answers("accounts.log_in", msgspec.structs.replace(refused, retry_after_s=30))
    body = {"username": "ada", "password": "correct horse"}
    response = await site.client.post("/api/tokens", json=body)
    problem(response, 429, "rate_limited")
    assert response.headers["retry-after"] == "30"
