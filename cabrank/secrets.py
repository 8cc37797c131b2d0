"""`cabrank secrets`: what the containers of compose.yaml must know and nobody else may,
made once. What is there stays, so that each may be replaced by one of your own.

DIR/signing.pem jwks.json          the key that signs access tokens, its public half
DIR/postgres_password database_url PostgreSQL's superuser, and who connects as it
DIR/grafana_password               of Grafana's user admin
DIR/nats/                          as `cabrank nats-auth` makes it
DIR/proxy.pem                      the proxy's certificate and key: signed by itself
"""

import datetime as dt
import ipaddress
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cabrank import nats_auth
from cabrank.errors import UsageError, sentence
from persistence import keys
from persistence.errors import PersistenceError

READABLE = 0o444
"""Containers read them as users that don't own them; DIR is its owner's alone."""
FOLDER = 0o700
PASSWORD_BYTES = 24
"""192 bits, in characters that need no quoting in a URL."""
CERTIFICATE_LIFE = dt.timedelta(days=397)
"""The longest that browsers take (CA/Browser Forum ballot SC-31 of 2020)."""
DATABASE_URL = "postgresql://cabrank:{password}@postgres/cabrank"
"""User, host and database are compose.yaml's."""


def run(directory: Path, names: list[str]) -> list[str]:
    """Make what is missing; one line about each.

    `names`: of the host, for the proxy's certificate: DNS names or addresses.

    Raises:
        UsageError: something can't be read or written there.
    """
    try:
        directory.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        directory.chmod(FOLDER)
        told = [*_signing_keys(directory), *_database(directory)]
        told += [_once(directory / "proxy.pem", lambda: certificate(names))]
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


def certificate(names: list[str]) -> bytes:
    """A certificate signed by its own key, and the key: PEM, as HAProxy wants them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(
            x509.SubjectAlternativeName([_name(name) for name in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return built.public_bytes(serialization.Encoding.PEM) + secret


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
