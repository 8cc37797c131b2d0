"""`cabrank keys list|rotate|retire`: the keys that sign access tokens.

Works on the key files alone, so that it can be done whatever else is away; running
services read them again by themselves.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cabrank.errors import CabrankError, UsageError, sentence
from cabrank.operate import target
from persistence import audit_log
from persistence.audit_log import COMMAND_LINE, Entry
from persistence.identity import keyfiles
from persistence.identity.keyfiles import KeyFileError
from persistence.identity.keyring import KeyRing
from runtime import environment
from schemas.claims import LOAD_TEST_TTL_S
from schemas.times import rfc3339

LEAD_S = 120.0
"""Until a new key signs: services look once a second, others may keep
/.well-known/jwks.json for 60 s, Kubernetes updates a mounted secret within about 60 s.
"""


@dataclass(frozen=True)
class Line:
    kid: str
    state: str

    def __str__(self) -> str:
        return f"{self.kid}  {self.state}"


def listing(data_dir: Path | None) -> list[Line]:
    """The keys, the latest first, and what each is for.

    Raises:
        UsageError: there is no key file, or it can't be used.
    """
    found = target.key_files(data_dir)
    try:
        ring = KeyRing.load(found.signing_key)
    except KeyFileError as error:
        raise UsageError(sentence(error)) from None
    now_ms = _now_ms()
    return [
        Line(key.signer.kid, _state(ring, key.signer.kid, now_ms)) for key in ring.keys
    ]


def rotate(data_dir: Path | None, lead_s: float | None) -> str:
    """Make a key that takes over after `lead_s` (None: `LEAD_S`); a sentence on it.

    Raises:
        UsageError: the key files can't be used.
    """
    found = target.key_files(data_dir)
    lead_s = LEAD_S if lead_s is None else lead_s
    try:
        made = keyfiles.rotate(found.signing_key, found.verify_keys, _now_ms(), lead_s)
    except KeyFileError as error:
        raise UsageError(sentence(error)) from None
    _note(found, Entry("keys_rotate", COMMAND_LINE, made.signer.kid))
    return f"{made.signer.kid} signs from {rfc3339(made.signs_from_ms)} on"


def retire(data_dir: Path | None, kid: str | None, *, force: bool) -> list[str]:
    """Take away that key, or (None) all that no good token needs; their kids.

    `force`: also one that tokens are still good by, for a key that others may have;
    what it signed is refused from now on.

    Raises:
        UsageError: there is no such key, it signs, or it is still needed.
    """
    found = target.key_files(data_dir)
    now_ms = _now_ms()

    def wanted(ring: KeyRing) -> set[str]:
        current = ring.signer(now_ms).kid
        kids = [key.signer.kid for key in ring.keys]
        if kid is None:
            return {one for one in kids if _spare_ms(ring, one, now_ms) == 0}
        if kid not in kids:
            raise UsageError(f"There is no key {kid!r}: see `cabrank keys list`.")
        if kid == current:
            raise UsageError(f"The key {kid} signs: run `cabrank keys rotate` first.")
        left = _spare_ms(ring, kid, now_ms)
        if left != 0 and not force:
            until = "it is to sign" if left is None else _days(left)
            raise UsageError(
                f"The key {kid} is still needed ({until}); with --force it goes at "
                "once, and with it every session that was refreshed with it last."
            )
        return {kid}

    try:
        gone = sorted(keyfiles.retire(found.signing_key, found.verify_keys, wanted))
    except KeyFileError as error:
        raise UsageError(sentence(error)) from None
    for one in gone:
        detail = "forced" if force else ""
        _note(found, Entry("keys_retire", COMMAND_LINE, one, detail=detail))
    return gone


def _note(found: target.Target, entry: Entry) -> None:
    """In the audit log; a database that is away keeps nobody from changing keys."""
    if not found.database_url:
        print("Not in the audit log: CABRANK_DATABASE_URL is not set.", file=sys.stderr)
        return

    async def write() -> None:
        async with target.engine(found.database_url) as engine:
            await audit_log.note(engine, entry)

    try:
        asyncio.run(write())
    except CabrankError as error:
        print(f"Not in the audit log: {error}", file=sys.stderr)


def _state(ring: KeyRing, kid: str, now_ms: int) -> str:
    if kid == ring.signer(now_ms).kid:
        return "signs"
    left = _spare_ms(ring, kid, now_ms)
    if left is None:
        (from_ms,) = (k.signs_from_ms for k in ring.keys if k.signer.kid == kid)
        return f"signs from {rfc3339(from_ms)} on"
    return f"verifies, {_days(left)}" if left else "may be retired"


def _spare_ms(ring: KeyRing, kid: str, now_ms: int) -> int | None:
    """How long tokens of the key may still be good; None: it signs, or is to sign."""
    superseded_ms = ring.superseded_ms(kid)
    if superseded_ms is None or superseded_ms > now_ms:
        return None
    values = environment.load()
    longest_s = max(values.access_ttl_s, values.refresh_ttl_s, LOAD_TEST_TTL_S)
    return max(0, superseded_ms + round(longest_s * 1000) - now_ms)


def _days(left_ms: int) -> str:
    return f"for {left_ms / 86_400_000:.1f} days more"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
