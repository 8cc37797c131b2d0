"""Who a service is to NATS, and how it knows the server: nkey or credentials, TLS.

Reads the files that the settings name; connects to nothing (bus.py does).
"""

import ssl
from pathlib import Path
from typing import Any

from msgspec import Struct

from runtime.settings import Settings, SettingsError, variable
from schemas.permissions import Service, inbox_prefix

_TLS_SCHEMES = ("tls://", "wss://")


class Login(Struct, frozen=True):
    """What `bus.connect` shows the server, and asks of it."""

    service: Service
    seed_file: str = ""
    """Read at every connect, so that a rotated seed needs no restart."""
    credentials_file: str = ""
    tls: ssl.SSLContext | None = None
    """With it, a server that offers no TLS is refused."""

    @property
    def inbox_prefix(self) -> str:
        return inbox_prefix(self.service)

    def options(self) -> dict[str, Any]:
        """As nats-py takes it."""
        return {
            "inbox_prefix": self.inbox_prefix,
            "nkeys_seed": self.seed_file or None,
            "user_credentials": self.credentials_file or None,
            "tls": self.tls,
        }


def seed_file(directory: Path, service: Service) -> Path:
    """Where `cabrank nats-auth` keeps a service's seed."""
    return directory / f"{service}.nk"


def read(settings: Settings, service: Service) -> Login:
    """Raises: SettingsError: a file is missing, unreadable or not what it should be."""
    if settings.nats_nkey_seed_file:
        public_key("nats_nkey_seed_file", settings.nats_nkey_seed_file)
    if settings.nats_credentials_file:
        _credentials(settings.nats_credentials_file)
    return Login(
        service,
        settings.nats_nkey_seed_file,
        settings.nats_credentials_file,
        _tls(settings),
    )


def public_key(field: str, path: str) -> str:
    """The public nkey (`U…`) of the seed in a file that setting `field` names.

    Raises:
        SettingsError: there is none, or it is no user's seed.
    """
    import nkeys  # noqa: PLC0415 - libsodium, for those alone who have a seed

    text = _text(field, path)
    try:
        pair = nkeys.from_seed(bytearray(text.strip().encode()))
        key: str = pair.public_key.decode()
    except (nkeys.NkeysError, ValueError, IndexError):
        key = ""
    if not key.startswith("U"):
        why = "not the seed of an nkey user (SU…)"
        raise SettingsError(f"{variable(field)} is {path!r}: {why}.")
    return key


def _credentials(path: str) -> None:
    text = _text("nats_credentials_file", path)
    if "NATS USER JWT" not in text or "USER NKEY SEED" not in text:
        name = variable("nats_credentials_file")
        why = "it holds no user JWT and seed"
        raise SettingsError(f"{name} is {path!r}: {why}.")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    by_url = any(u.startswith(_TLS_SCHEMES) for u in settings.nats_url.split(","))
    if not (by_url or settings.nats_tls_ca or settings.nats_tls_cert):
        return None
    for field in ("nats_tls_ca", "nats_tls_cert", "nats_tls_key"):
        if path := getattr(settings, field):
            _text(field, path)
    field = "nats_tls_ca"
    try:
        context = ssl.create_default_context(cafile=settings.nats_tls_ca or None)
        if settings.nats_tls_cert:
            field = "nats_tls_cert"
            # An encrypted key would ask for its pass phrase on the terminal.
            context.load_cert_chain(
                settings.nats_tls_cert, settings.nats_tls_key, password=str
            )
    except (ssl.SSLError, ValueError):
        what = "certificate" if field == "nats_tls_ca" else "certificate with this key"
        path = getattr(settings, field)
        why = f"not a PEM {what}"
        raise SettingsError(f"{variable(field)} is {path!r}: {why}.") from None
    return context


def _text(field: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        why = error.strerror or str(error)
    except ValueError:
        why = "not a text file"
    raise SettingsError(f"{variable(field)} is {path!r}: {why}.")
