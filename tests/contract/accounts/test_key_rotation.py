"""A signing key takes over from another, and nobody is logged out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.identity import keyfile
from gateway.identity.tokens import Identity, InvalidToken
from persistence.accounts import Accounts
from persistence.identity import keyfiles
from persistence.identity.keyring import KeyRing
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas.accounts import RefreshTokens, Tokens
from schemas.codec import decode
from schemas.refusals import Code
from tests.contract.accounts.conftest import START_MS, Client
from tests.support.waiting import until


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "LOOK_S", 0.01)
    monkeypatch.setattr(keyfiles, "LOOK_S", 0.01)


@pytest.fixture
async def gate(
    _quick: None, settings: Settings, identity: Identity, service: Service
) -> Identity:
    """A gateway's, following the file as the process does."""
    path = settings.verify_keys_file
    service.spawn("keys", keyfile.follow_keys(path, identity))
    return identity


def rotate(settings: Settings, now_ms: int, lead_s: float = 0) -> str:
    files = settings.signing_key_file, settings.verify_keys_file
    return keyfiles.rotate(*files, now_ms, lead_s).signer.kid


def retire(settings: Settings, kid: str) -> None:
    files = settings.signing_key_file, settings.verify_keys_file
    assert keyfiles.retire(*files, lambda _: {kid}) == {kid}


def kids_of(gate: Identity) -> set[str]:
    return {jwk["kid"] for jwk in gate.jwks()}


def ring_of(client: Client) -> set[str]:
    return {key.signer.kid for key in client.accounts._keys.ring.keys}


async def test_tokens_of_the_old_key_and_of_the_new_one_are_good(
    gate: Identity, client: Client, settings: Settings
) -> None:
    (old,) = kids_of(gate)
    before = await client.sign_up("anna")
    new = rotate(settings, START_MS)
    await until(lambda: kids_of(gate) == ring_of(client) == {old, new})
    after = await client.tokens("log_in", username="anna", password="correct horse")
    refreshed = await client.tokens("refresh", refresh=before.refresh)
    for tokens in (before, after, refreshed):
        assert gate.verify(tokens.access, client.clock.now_s).user() == before.user


async def test_a_key_is_trusted_before_it_signs(
    gate: Identity, client: Client, settings: Settings
) -> None:
    (old,) = kids_of(gate)
    new = rotate(settings, START_MS, lead_s=60)
    await until(lambda: kids_of(gate) == ring_of(client) == {old, new})
    ring = client.accounts._keys.ring
    assert ring.signer(START_MS + 59_999).kid == old
    assert ring.signer(START_MS + 60_000).kid == new


async def test_a_session_outlives_the_key_it_began_with(
    gate: Identity, client: Client, settings: Settings
) -> None:
    (old,) = kids_of(gate)
    first = await client.sign_up("anna")
    new = rotate(settings, START_MS)
    await until(lambda: new in ring_of(client))
    second = await client.tokens("refresh", refresh=first.refresh)
    again = await client.tokens("refresh", refresh=first.refresh)
    assert again.refresh == second.refresh
    retire(settings, old)
    await until(lambda: ring_of(client) == kids_of(gate) == {new})
    third = await client.tokens("refresh", refresh=second.refresh)
    assert gate.verify(third.access, client.clock.now_s)
    with pytest.raises(InvalidToken):
        gate.verify(first.access, client.clock.now_s)
    unread = await client.refusal("refresh", refresh=first.refresh)
    assert unread == (Code.NOT_AUTHENTICATED, None)


@pytest.fixture
async def behind(
    engine: AsyncEngine, bus: Bus, settings: Settings, client: Client
) -> AsyncIterator[Accounts]:
    """A worker that goes on with the keys it started with; asked past NATS."""
    made = Accounts(engine, bus, settings, clock_ms=client.clock)
    yield made
    await asyncio.wait_for(made.stop(), 10)


@pytest.mark.usefixtures("_quick")
async def test_a_worker_that_has_not_read_the_new_key_tells_no_second_successor(
    client: Client, behind: Accounts, settings: Settings
) -> None:
    first = await client.sign_up("anna")
    new = rotate(settings, START_MS)
    await until(lambda: new in ring_of(client))
    second = await client.tokens("refresh", refresh=first.refresh)
    with pytest.raises(Exception, match="not here yet"):
        await behind.refresh(RefreshTokens(first.refresh))
    # Which is answered `unavailable`. What it can't read makes it look at the file.
    result = await behind.refresh(RefreshTokens(second.refresh))
    assert result.refused is None
    assert result.data is not None
    assert decode(result.data, Tokens).user == first.user
    third = await client.tokens("refresh", refresh=second.refresh)
    assert third.refresh == decode(result.data, Tokens).refresh


async def test_a_file_that_cant_be_used_changes_nothing(
    gate: Identity, client: Client, settings: Settings
) -> None:
    trusted, signing = kids_of(gate), ring_of(client)
    Path(settings.verify_keys_file).write_text("{half a set")
    Path(settings.signing_key_file).write_text("no key")
    await until(lambda: client.accounts._keys._seen == client.accounts._keys._stamp())
    made = await client.sign_up("anna")
    assert gate.verify(made.access, client.clock.now_s)
    assert (kids_of(gate), ring_of(client)) == (trusted, signing)
    ring = client.accounts._keys.ring
    Path(settings.signing_key_file).write_text(ring.pem())
    Path(settings.verify_keys_file).unlink()
    keyfiles.ensure(settings.signing_key_file, settings.verify_keys_file)
    new = rotate(settings, START_MS)
    await until(lambda: kids_of(gate) == ring_of(client) == signing | {new})


def test_a_ring_reads_back_as_it_was_written(settings: Settings) -> None:
    for lead_s in (0, 60, 600):
        rotate(settings, START_MS, lead_s)
    ring = KeyRing.load(settings.signing_key_file)
    assert [key.signs_from_ms for key in ring.keys] == [
        *(START_MS + 600_000, START_MS + 60_000, START_MS, 0)
    ]
    again = KeyRing.of_pem(ring.pem(), "x")
    assert [k.signer.kid for k in again.keys] == [k.signer.kid for k in ring.keys]
    assert ring.superseded_ms(ring.keys[0].signer.kid) is None
    assert ring.superseded_ms(ring.keys[-1].signer.kid) == START_MS
