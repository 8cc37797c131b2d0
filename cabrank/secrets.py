"""`cabrank secrets`: what the containers of compose.yaml must know and nobody else may,
made once. What is there stays, so that each may be replaced by one of your own.

DIR/signing.pem jwks.json          the key that signs access tokens, its public half
DIR/postgres_password database_url PostgreSQL's superuser, and who connects as it
DIR/grafana_password               of Grafana's user admin
DIR/nats/                          as `cabrank nats-auth` makes it
DIR/proxy.pem                      the proxy's certificate and key: signed by itself
DIR/ca.pem nats.pem postgres.pem   TLS inside: whom the services trust, and the
                                   certificates and keys of the two it has signed
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from cabrank import certificates, nats_auth
from cabrank.errors import UsageError, sentence
from persistence import keys
from persistence.errors import PersistenceError

READABLE = 0o444
"""Containers read them as users that don't own them; DIR is its owner's alone."""
FOLDER = 0o700
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
        told = [*_signing_keys(directory), *_database(directory)]
        told += [
            _once(directory / "proxy.pem", lambda: certificates.self_signed(names))
        ]
        told += _inside(directory)
        told += [_once(directory / "grafana_password", _password)]
        nats_auth.run(directory / "nats", [], [])
        told += [str(directory / "nats")]
        for path in directory.rglob("*"):
            path.chmod(FOLDER if path.is_dir() else READABLE)
    except PersistenceError as error:
        raise UsageError(sentence(error)) from None
    except OSError as error:
        where = error.filename or directory
        raise UsageError(f"{where} can't be written: {error.strerror}.") from None
    return told


def _signing_keys(directory: Path) -> list[str]:
    signing, jwks = directory / "signing.pem", directory / "jwks.json"
    is_new = not signing.exists()
    keys.ensure(signing, jwks)
    return [_line(signing, is_new=is_new), str(jwks)]


def _database(directory: Path) -> list[str]:
    """One password in two files; who has set one by hand has the other made of it."""
    password = directory / "postgres_password"
    told = [_once(password, _password)]
    text = password.read_text().strip()
    url = DATABASE_URL.format(password=text)
    return [*told, _once(directory / "database_url", url.encode)]


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
