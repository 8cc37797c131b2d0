"""Fetches an outside issuer's keys, and has persistence meet its users.

OpenID Connect Discovery 1.0 section 4: the issuer's configuration tells where its keys
are. What was fetched stays good until something better comes: an issuer that is away
logs nobody out. Must not decide which token is good (gateway/identity/oidc.py). Is
imported where there is an issuer only, since httpx takes 0.1 s and 4 MB.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import structlog

from gateway.identity.oidc import Outside
from runtime.questions import Questions
from schemas import subjects
from schemas.accounts import Meet
from schemas.codec import encode

log = structlog.get_logger()

CONFIGURATION = "/.well-known/openid-configuration"
FETCH_S = 300.0
"""Issuers tell of a key hours before they sign with it."""
PAUSE_S = 10.0
"""Between fetches, however many tokens name keys that nobody has."""
RETRY_S = (1.0, 60.0)
"""First and longest pause while there is no key at all; doubles in between."""
TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 512 * 1024
MET_MAX = 100_000
"""Users whose row is known to be there; 300 bytes each, whatever their names."""
WAITING_MAX = 10_000
"""Users whose row is still to be made."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class IssuerError(Exception):
    """The issuer gave what can't be used; the message says what."""


class Issuer:
    """One per gateway. `run` it as a task, and `meet` as another."""

    def __init__(self, outside: Outside, asker: Questions) -> None:
        self._outside = outside
        outside.unknown = self._unknown
        outside.met = self._met
        self._asker = asker
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()
        """Not set: a fetch is under way."""
        self._last_s = -PAUSE_S
        self._has_keys = False
        self._met_users: OrderedDict[str, bytes] = OrderedDict()
        """What they were told as, in short: names are of any size."""
        self._waiting: OrderedDict[str, Meet] = OrderedDict()
        self._some = asyncio.Event()

    # ---- keys ----------------------------------------------------------------

    async def renewed(self) -> None:
        """Return once the keys were fetched again, or that can't be done just now."""
        if self._fetched.is_set():
            if time.monotonic() - self._last_s < PAUSE_S:
                return
            self._unknown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * TIMEOUT_S):
                await self._fetched.wait()

    def _unknown(self) -> None:
        if not self._wanted.is_set():
            self._wanted.set()
            if time.monotonic() - self._last_s >= PAUSE_S:
                self._fetched.clear()  # a fetch begins at once

    async def run(self) -> None:
        """Fetch now, then and again, and soon when a token names an unknown key."""
        pause_s, longest_s = RETRY_S
        host = urlsplit(self._outside.rules.issuer).hostname
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S,
            trust_env=host not in LOOPBACK,
            headers={"Accept-Encoding": "identity"},
        ) as client:
            while True:
                self._last_s = time.monotonic()
                self._wanted.clear()
                self._fetched.clear()
                try:
                    async with asyncio.timeout(2 * TIMEOUT_S):  # drips too
                        await self._fetch(client)
                    pause_s = RETRY_S[0]
                except Exception as error:  # noqa: BLE001 - whatever an outsider answers
                    log.warning("the issuer's keys stay", error=repr(error)[:300])
                    pause_s = min(longest_s, pause_s * 2)
                self._fetched.set()
                # Not wait_for: in Python 3.11 it loses a cancellation that comes in
                # the moment in which somebody wants the keys.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FETCH_S if self._has_keys else pause_s):
                        await self._wanted.wait()
                if self._wanted.is_set():
                    await asyncio.sleep(self._last_s + PAUSE_S - time.monotonic())

    async def _fetch(self, client: httpx.AsyncClient) -> None:
        issuer = self._outside.rules.issuer
        told = _json(await _get(client, issuer.rstrip("/") + CONFIGURATION))
        if told.get("issuer") != issuer:
            raise IssuerError(f"it calls itself {str(told.get('issuer'))[:200]!r}")
        where = told.get("jwks_uri")
        if not isinstance(where, str) or not is_safe(where):
            raise IssuerError(f"its jwks_uri is {str(where)[:200]!r}")
        kids = self._outside.trust(await _get(client, where))
        self._has_keys = True
        log.info("the issuer's keys are here", issuer=issuer, kids=kids)

    # ---- users ---------------------------------------------------------------

    def _met(self, meet: Meet) -> None:
        if self._met_users.get(meet.user.id) == _short(meet):
            return
        self._waiting[meet.user.id] = meet
        if len(self._waiting) > WAITING_MAX:
            self._waiting.popitem(last=False)
        self._some.set()

    async def meet(self) -> None:
        """Have a row made of each user, for ever; nobody's request waits for it."""
        while True:
            await self._some.wait()
            while self._waiting:
                user, meet = next(iter(self._waiting.items()))
                result = await self._asker.ask(subjects.accounts("meet"), meet)
                if result.refused is not None and result.refused.retryable:
                    if user in self._waiting:
                        self._waiting.move_to_end(user)  # it may be about them alone
                    await asyncio.sleep(RETRY_S[0])
                    continue
                if self._waiting.get(user) == meet:
                    del self._waiting[user]
                # Who was refused is asked about again, with their next token.
                if result.refused is None:
                    self._met_users[user] = _short(meet)
                    if len(self._met_users) > MET_MAX:
                        self._met_users.popitem(last=False)
            self._some.clear()


def _short(meet: Meet) -> bytes:
    return blake2b(encode(meet), digest_size=16).digest()


def is_safe(url: str) -> bool:
    """Whether keys from there are the issuer's: over TLS, or from this machine."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return bool(parts.host) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.host in LOOPBACK)
    )


async def _get(client: httpx.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise IssuerError(f"{url} answered {response.status_code}")
        body = b""
        # As it comes: a packed answer may be a thousand times as large.
        async for part in response.aiter_raw():
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                raise IssuerError(f"{url} answered over {ANSWER_BYTES_MAX} bytes")
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IssuerError(f"its configuration is no JSON object: {error}") from error
