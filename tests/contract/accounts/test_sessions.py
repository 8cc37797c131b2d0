import asyncio

import pytest
from nats.js.api import DeliverPolicy
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.identity.tokens import Identity
from persistence.identity.tokens import GRACE_MS, Forge
from persistence.models import RefreshTokenRow
from runtime.bus import Bus
from schemas.accounts import Revocation, Tokens
from schemas.codec import decode
from schemas.refusals import Code
from tests.contract.accounts.conftest import START_MS, Client

ENDED = (Code.NOT_AUTHENTICATED, None)


async def revocations(bus: Bus) -> list[Revocation]:
    """All that the stream holds; it is made by the first."""
    js = bus.jetstream()
    held = (await js.stream_info("REVOCATIONS")).state.messages
    found = await js.subscribe("revoked.*", deliver_policy=DeliverPolicy.ALL)
    return [decode((await found.next_msg(5)).data, Revocation) for _ in range(held)]


async def count_sessions(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        count = select(func.count()).select_from(RefreshTokenRow)
        return int((await connection.execute(count)).scalar_one())


@pytest.fixture
async def signed_up(client: Client) -> Tokens:
    return await client.sign_up()


def session_of(tokens: Tokens, identity: Identity) -> str:
    return identity.verify(tokens.access, tokens.expires_in + START_MS / 1000 - 1).sid


async def test_each_refresh_gives_new_tokens_of_the_same_session(
    client: Client, identity: Identity, signed_up: Tokens
) -> None:
    tokens, seen = signed_up, {signed_up.refresh}
    for _ in range(4):
        client.clock.now_ms += 60_000
        tokens = await client.tokens("refresh", refresh=tokens.refresh)
        said = identity.verify(tokens.access, client.clock.now_s)
        assert said.sid == session_of(signed_up, identity)
        assert said.user() == signed_up.user
        assert round(said.iat * 1000) == client.clock.now_ms
        seen.add(tokens.refresh)
    assert len(seen) == 5


async def test_who_lost_the_answer_is_given_it_again_for_30_s(
    client: Client, identity: Identity, signed_up: Tokens
) -> None:
    first = await client.tokens("refresh", refresh=signed_up.refresh)
    client.clock.now_ms += GRACE_MS
    again = await client.tokens("refresh", refresh=signed_up.refresh)
    assert again.refresh == first.refresh
    assert identity.verify(again.access, client.clock.now_s)
    assert await client.tokens("refresh", refresh=again.refresh)


async def test_a_token_used_again_after_its_grace_ends_the_session(
    client: Client, identity: Identity, signed_up: Tokens, engine: AsyncEngine
) -> None:
    current = await client.tokens("refresh", refresh=signed_up.refresh)
    client.clock.now_ms += GRACE_MS + 1
    assert await client.refusal("refresh", refresh=signed_up.refresh) == ENDED
    assert await client.refusal("refresh", refresh=current.refresh) == ENDED
    assert await count_sessions(engine) == 0
    session = session_of(signed_up, identity)
    assert await revocations(client.bus) == [
        Revocation(signed_up.user.id, session, client.clock.now_ms)
    ]


async def test_a_token_from_long_before_ends_the_session_even_within_the_grace(
    client: Client, signed_up: Tokens
) -> None:
    tokens = signed_up
    for _ in range(3):
        tokens = await client.tokens("refresh", refresh=tokens.refresh)
    assert await client.refusal("refresh", refresh=signed_up.refresh) == ENDED
    assert await client.refusal("refresh", refresh=tokens.refresh) == ENDED
    assert len(await revocations(client.bus)) == 1


async def test_reuse_leaves_the_users_other_sessions_alone(
    client: Client, signed_up: Tokens
) -> None:
    other = await client.tokens("log_in", username="anna", password="correct horse")
    await client.tokens("refresh", refresh=signed_up.refresh)
    client.clock.now_ms += GRACE_MS + 1
    await client.refusal("refresh", refresh=signed_up.refresh)
    assert await client.tokens("refresh", refresh=other.refresh)


async def test_refreshes_at_once_with_one_token_get_the_same_successor(
    client: Client, signed_up: Tokens
) -> None:
    asked = (client.tokens("refresh", refresh=signed_up.refresh) for _ in range(8))
    successors = {tokens.refresh for tokens in await asyncio.gather(*asked)}
    assert len(successors) == 1
    assert await client.tokens("refresh", refresh=successors.pop())


async def test_an_unused_session_expires_and_each_use_prolongs_it(
    client: Client, signed_up: Tokens, engine: AsyncEngine
) -> None:
    ttl_ms = 30 * 86_400_000
    client.clock.now_ms += ttl_ms - 1
    tokens = await client.tokens("refresh", refresh=signed_up.refresh)
    client.clock.now_ms += ttl_ms - 1
    tokens = await client.tokens("refresh", refresh=tokens.refresh)
    client.clock.now_ms += ttl_ms
    assert await client.refusal("refresh", refresh=tokens.refresh) == ENDED
    assert await count_sessions(engine) == 0


async def test_the_expired_sessions_of_a_user_go_at_the_next_log_in(
    client: Client, signed_up: Tokens, engine: AsyncEngine
) -> None:
    client.clock.now_ms += 31 * 86_400_000
    await client.tokens(
        "log_in", username=signed_up.user.username, password="correct horse"
    )
    assert await count_sessions(engine) == 1


async def test_a_token_nobody_was_given_is_refused(
    client: Client, identity: Identity, signed_up: Tokens, engine: AsyncEngine
) -> None:
    session = session_of(signed_up, identity)
    forged = Forge(b"guess" * 8).first(session, b"x" * 32).text
    changed = signed_up.refresh[:-3] + "AAA"
    for text in ("", "x", forged, changed, "\x00" * 86, signed_up.access):
        assert await client.refusal("refresh", refresh=text) == ENDED
    assert await count_sessions(engine) == 1


async def test_log_out_ends_this_session_and_no_other(
    client: Client, identity: Identity, signed_up: Tokens
) -> None:
    other = await client.tokens("log_in", username="anna", password="correct horse")
    session = session_of(signed_up, identity)
    for _ in range(2):
        result = await client.ask("log_out", user=signed_up.user.id, session=session)
        assert result.refused is None
    assert await client.refusal("refresh", refresh=signed_up.refresh) == ENDED
    assert await client.tokens("refresh", refresh=other.refresh)
    expected = Revocation(signed_up.user.id, session, client.clock.now_ms)
    assert await revocations(client.bus) == [expected, expected]


async def test_revoke_ends_all_sessions_of_one_user(
    client: Client, identity: Identity, signed_up: Tokens, engine: AsyncEngine
) -> None:
    other = await client.tokens("log_in", username="anna", password="correct horse")
    stranger = await client.sign_up("bert")
    client.clock.now_ms += 5
    result = await client.ask("revoke", user=signed_up.user.id, by="operator")
    assert result.refused is None
    for tokens in (signed_up, other):
        assert await client.refusal("refresh", refresh=tokens.refresh) == ENDED
    assert await client.tokens("refresh", refresh=stranger.refresh)
    assert await count_sessions(engine) == 1
    [revocation] = await revocations(client.bus)
    assert revocation == Revocation(signed_up.user.id, None, client.clock.now_ms)
    identity.revoke(revocation)
    client.clock.now_ms += 1
    back = await client.tokens("log_in", username="anna", password="correct horse")
    assert identity.verify(back.access, client.clock.now_s)


async def test_revoke_covers_tokens_of_a_worker_whose_clock_is_ahead(
    client: Client, identity: Identity, signed_up: Tokens
) -> None:
    client.clock.now_ms += 5_000
    ahead = await client.tokens("refresh", refresh=signed_up.refresh)
    client.clock.now_ms -= 4_000
    await client.ask("revoke", user=signed_up.user.id, by="operator")
    [revocation] = await revocations(client.bus)
    identity.revoke(revocation)
    assert identity.is_revoked(
        Identity.load(client.accounts._settings.verify_keys_file).verify(
            ahead.access, client.clock.now_s
        )
    )


@pytest.mark.parametrize("user", ["nobody", "", "*", "a.b", ">", "\x00"])
async def test_revoking_an_unknown_user_is_refused_with_404(
    client: Client, user: str
) -> None:
    refused = await client.refusal("revoke", user=user, by="operator")
    assert refused == (Code.INVALID_DATA, 404)


async def test_a_request_of_another_shape_is_refused(client: Client) -> None:
    for operation in ("sign_up", "log_in", "refresh", "log_out", "revoke"):
        assert await client.refusal(operation, x=1) == (Code.INVALID_DATA, None)
    for user, session in (("u", "*"), (">", "s"), ("", "")):
        refused = await client.refusal("log_out", user=user, session=session)
        assert refused == (Code.INVALID_DATA, None)
