"""Key rings in files: made, rotated, retired, and followed while they change.

The private halves are in one PEM file, its owner's to read and its group's where that
may already (services that run as another user); the public ones in a JWK Set (RFC 7517)
for the gateways. Each file is replaced in one step; who changes them holds a lock on
their directory.
"""

import asyncio
import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from persistence.identity.keyring import (
    KeyFileError,
    KeyRing,
    RingKey,
    Signer,
    thumbprint,
)
from runtime.resting import together_s
from schemas.codec import CodecError, decode, encode

__all__ = ["KeyFileError", "KeyRing", "LiveRing", "Signer", "ensure", "thumbprint"]

log = structlog.get_logger()

PRIVATE = 0o600
PUBLIC = 0o644
LOOK_S = 1.0
"""How often a worker looks for a changed ring: far below any lead of a new key."""


def ensure(signing_path: str | Path, jwks_path: str | Path) -> None:
    """Make the key file and its JWK Set where they are missing.

    A set that lacks a key of the ring is given it and keeps its others. Idempotent; two
    processes at once end with one key.

    Raises:
        KeyFileError: a file that is there can't be used, or can't be written.
    """
    signing, jwks = Path(signing_path), Path(jwks_path)
    with _changing(signing, jwks):
        if not signing.exists():
            ring = KeyRing([RingKey(Signer(Ed25519PrivateKey.generate()), 0)])
            _replace(signing, ring.pem().encode(), PRIVATE)
        _publish(KeyRing.load(signing), jwks)


def rotate(
    signing_path: str | Path, jwks_path: str | Path, now_ms: int, lead_s: float
) -> RingKey:
    """Add a key that begins to sign after `lead_s`, by when all must know it.

    Raises:
        KeyFileError: a file is missing, can't be used or written.
    """
    signing, jwks = Path(signing_path), Path(jwks_path)
    signer = Signer(Ed25519PrivateKey.generate())
    made = RingKey(signer, now_ms + round(lead_s * 1000))
    with _changing(signing, jwks):
        ring = KeyRing([*KeyRing.load(signing).keys, made])
        # First the half that is trusted, then the half that signs.
        _publish(ring, jwks)
        _replace(signing, ring.pem().encode(), PRIVATE)
    return made


def retire(
    signing_path: str | Path,
    jwks_path: str | Path,
    wanted: Callable[[KeyRing], set[str]],
) -> set[str]:
    """Take the keys with the kids that `wanted` chooses out of both files; returns
    these. At least one key must stay.

    Raises:
        KeyFileError: a file is missing, can't be used or written.
    """
    signing, jwks = Path(signing_path), Path(jwks_path)
    with _changing(signing, jwks):
        ring = KeyRing.load(signing)
        kids = wanted(ring)
        if kids:
            ring = KeyRing(key for key in ring.keys if key.signer.kid not in kids)
            _replace(signing, ring.pem().encode(), PRIVATE)
            _publish(ring, jwks, without=kids)
    return kids


class LiveRing:
    """The ring of a file, read again when the file changed.

    Raises, when made: KeyFileError: there is none, or it can't be used.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._seen = self._stamp()
        self.ring = KeyRing.load(path)

    def reload(self) -> bool:
        """Whether there was something new. A file that can't be used is let pass: what
        was known goes on.
        """
        seen = self._stamp()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.ring = KeyRing.load(self._path)
        except KeyFileError as error:
            log.error("the keys stay as they were", error=str(error))  # noqa: TRY400
            return False
        log.info("keys read again", kids=[key.signer.kid for key in self.ring.keys])
        return True

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(together_s(LOOK_S))
            self.reload()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def _changing(signing: Path, jwks: Path) -> Iterator[None]:
    try:
        for folder in (signing.parent, jwks.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(signing.parent, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)
    except OSError as error:
        msg = f"the key files {signing} and {jwks} can't be made: {error.strerror}"
        raise KeyFileError(msg) from error


def _publish(ring: KeyRing, path: Path, without: Collection[str] = ()) -> None:
    """Write the set, if it changes: the ring's keys first, then those that somebody
    else put there, but none of `without`.
    """
    there: list[dict[str, Any]] = []
    if path.exists():
        try:
            there = decode(path.read_bytes(), dict[str, list[dict[str, Any]]])["keys"]
        except (CodecError, KeyError) as error:
            msg = f"the key set {path} is not a JWK Set"
            raise KeyFileError(msg) from error
    own: list[dict[str, Any]] = [dict(key.signer.jwk) for key in ring.keys]
    kids = {jwk["kid"] for jwk in own}
    others = [jwk for jwk in there if jwk.get("kid") not in kids.union(without)]
    if kids <= {jwk.get("kid") for jwk in there} and len(own + others) == len(there):
        return
    text = msgspec.json.format(encode({"keys": own + others}), indent=2) + b"\n"
    _replace(path, text, PUBLIC)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """The file, whole and on disk, in place of the one that was there, whose group may
    read it if it could.
    """
    there = path.stat() if path.exists() else None
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if there is not None and there.st_mode & ~mode & stat.S_IRGRP:
            os.chown(made, -1, there.st_gid)
            mode |= stat.S_IRGRP
        made.chmod(mode)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
