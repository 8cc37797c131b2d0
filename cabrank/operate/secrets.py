"""`cabrank secrets`: what the containers of compose.yaml must know and nobody else may,
made once. What is there stays, so that each may be replaced by one of your own.

DIR/signing/signing.pem            the key that signs access tokens
DIR/verify/jwks.json               its public half
DIR/database_url                   the services' role in PostgreSQL, with its password
DIR/postgres_password              of PostgreSQL's superuser
DIR/grafana_password               of Grafana's user admin
DIR/nats/                          as `cabrank nats-auth` makes it
DIR/proxy.pem                      the proxy's certificate and key: signed by itself
DIR/ca.pem nats.pem postgres.pem   TLS inside: whom the services trust, and the
                                   certificates and keys of the two it has signed
"""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cabrank.errors import UsageError, sentence
from cabrank.stack import certificates, nats_auth
from persistence.errors import PersistenceError
from persistence.identity import keyfiles

READABLE = 0o444
"""Containers read them as users that don't own them; DIR is its owner's alone."""
FOLDER = 0o700
GROUP = 10001
"""Of the containers (Dockerfile), which read the keys; the operator's changes them."""
KEYS = 0o770
KEY_MODES = {"signing.pem": 0o640, "jwks.json": 0o644}
PRIVATE = 0o600
KEY_FILES = {"signing": "signing.pem", "verify": "jwks.json"}
"""By their folders, each of which is mounted as a whole: so a new key is seen."""
PASSWORD_BYTES = 24
"""192 bits, in characters that need no quoting in a URL."""
DATABASE_URL = (
    "postgresql://cabrank:{password}@postgres/cabrank"
    "?sslmode=verify-full&sslrootcert=/run/secrets/ca.pem"
)
NATS_NAMES = ["nats", "nats-2", "nats-3"]
POSTGRES_NAMES = ["postgres"]
"""Users, hosts, databases and paths are compose.yaml's."""


def run(directory: Path, names: list[str]) -> list[str]:
    """Make what is missing; one line about each.

    `names`: of the host, for the proxy's certificate: DNS names or addresses.

    Raises:
        UsageError: a name is none, or something can't be read or written there.
    """
    for name in names:
        if not certificates.is_host(name):
            raise UsageError(
                f"{name!r} is no name of a host: letters, digits, '-' and '.', others "
                "as xn--…; or an address."
            )
    try:
        directory.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        directory.chmod(FOLDER)
        told = [
            *_signing_keys(directory),
            _once(directory / "postgres_password", _password),
            _once(directory / "database_url", _database_url),
            _once(directory / "proxy.pem", lambda: certificates.self_signed(names)),
        ]
        told += _inside(directory)
        told += [_once(directory / "grafana_password", _password)]
        nats_auth.run(directory / "nats", [], [])
        told += [str(directory / "nats")]
        for path in directory.rglob("*"):
            if path.relative_to(directory).parts[0] in KEY_FILES:
                told += filter(None, [_give(path)])
            else:
                path.chmod(FOLDER if path.is_dir() else READABLE)
    except PersistenceError as error:
        raise UsageError(sentence(error)) from None
    except OSError as error:
        where = error.filename or directory
        raise UsageError(f"{where} can't be written: {error.strerror}.") from None
    return told


def _signing_keys(directory: Path) -> list[str]:
    signing, jwks = (directory / folder / name for folder, name in KEY_FILES.items())
    for path in (signing, jwks):
        path.parent.mkdir(mode=FOLDER, exist_ok=True)
        before = directory / path.name  # where they were until folders were mounted
        if before.exists() and not path.exists():
            before.rename(path)
    is_new = not signing.exists()
    keyfiles.ensure(signing, jwks)
    return [_line(signing, is_new=is_new), str(jwks)]


def _database_url() -> bytes:
    return DATABASE_URL.format(password=_password().decode()).encode()


def _give(path: Path) -> str:
    """A key's file or folder to the containers' group, if it isn't theirs already (it
    is once keys were rotated in a container); a line where we may not.
    """
    wanted = KEYS if path.is_dir() else KEY_MODES.get(path.name, PRIVATE)
    try:
        if path.stat().st_gid != GROUP:
            os.chown(path, -1, GROUP)
        if stat.S_IMODE(path.stat().st_mode) != wanted:
            path.chmod(wanted)
    except PermissionError:
        return (
            f"{path} is not the containers' to read: docker compose run --rm secrets, "
            f"or, as root, chgrp {GROUP} and chmod {wanted:o}"
        )
    return ""


def _inside(directory: Path) -> list[str]:
    """Made together, so that the authority's key is needed once, and kept nowhere."""
    authority, nats, postgres = files = [
        directory / name for name in ("ca.pem", "nats.pem", "postgres.pem")
    ]
    there = [path for path in files if path.exists()]
    if there and there != files:
        missing = next(path for path in files if path not in there)
        raise UsageError(
            f"{missing} is missing and can't be made alone: remove "
            f"{' and '.join(map(str, there))} to have all three made anew."
        )
    made = certificates.Authority("cabrank")
    return [
        _once(nats, lambda: made.issue(NATS_NAMES, is_client=True)),
        _once(postgres, lambda: made.issue(POSTGRES_NAMES)),
        _once(authority, lambda: made.pem),
    ]


def _password() -> bytes:
    return secrets.token_urlsafe(PASSWORD_BYTES).encode()


def _once(path: Path, make: Callable[[], bytes]) -> str:
    is_new = not path.exists()
    if is_new:
        fresh = path.with_name(path.name + ".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(make())
        fresh.replace(path)
    return _line(path, is_new=is_new)


def _line(path: Path, *, is_new: bool) -> str:
    return f"{path}{' (new)' if is_new else ''}"
