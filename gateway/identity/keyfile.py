"""Follows the file of the keys that are trusted, so that a new key needs no restart.

Looks at the file's stamp; an outage of the file, or one that can't be used, changes
nothing. Must not decide what a key is good for (gateway/identity/tokens.py).
"""

import asyncio
from pathlib import Path

import structlog

from gateway.identity.tokens import Identity, IdentityError
from runtime.resting import together_s

log = structlog.get_logger()

LOOK_S = 1.0
"""Far below the lead of a new key (`cabrank keys rotate`)."""


async def follow_keys(path: str, identity: Identity) -> None:
    """Give `identity` the key set at `path` each time it changes, for ever."""
    file = Path(path)
    seen = None
    while True:
        stamp = _stamp(file)
        if stamp is not None and stamp != seen:
            seen = stamp
            _read(file, identity)
        await asyncio.sleep(together_s(LOOK_S))


def _read(file: Path, identity: Identity) -> None:
    try:
        identity.trust(file.read_bytes())
    except (IdentityError, OSError) as error:
        log.error("the keys stay as they were", path=str(file), error=str(error))  # noqa: TRY400
    else:
        kids = [jwk["kid"] for jwk in identity.jwks()]
        log.info("keys read", path=str(file), kids=kids)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
