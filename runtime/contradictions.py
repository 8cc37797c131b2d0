"""What one setting's type can't say: lists, addresses, and settings that only make
sense together. Pure: opens no file and asks no network.
"""

import re
from typing import get_args
from urllib.parse import SplitResult, urlsplit

from runtime.lists import listed
from runtime.match_settings import Policy, policies
from runtime.settings import Settings
from schemas import subjects

Complaint = tuple[str, str]
"""(field, what is wrong with it): `CABRANK_<FIELD> <what>.` is a sentence."""

_ORIGIN = re.compile(
    r"(?!(?:file|data|javascript|blob|about):)[a-z][a-z0-9+.\-]*://"
    r"(?:\[[0-9a-f:.]+\]|[a-z0-9._\-]+)(?::[0-9]+)?"
)
"""Of the web, and of apps: capacitor, ionic, tauri, chrome-extension and such. The
schemes left out send the origin "null"."""
_STYLE = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)(?::[0-9]{1,5})?/[!-~]{0,2000}"
)
"""Its origin becomes a part of a policy: no user, and nothing that could end it."""
_TILES = re.compile(r"(?:(?!://)[^\0]){1,4096}\.pmtiles")
"""A path on this machine."""
_NATS_SCHEMES = frozenset({"nats", "tls"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ROLES = ("rider", "driver", "operator")
_DATABASES = ("sqlite", "postgresql", "postgres")


def first(settings: Settings) -> Complaint | None:
    """What is wrong first, in the order of the fields; None: nothing is."""
    return (
        _nats_url(settings)
        or _database_url(settings)
        or _regions(settings)
        or _origins(settings)
        or _style(settings)
        or _web_addresses(settings)
        or _lives(settings)
        or _matching(settings)
        or _window(settings)
        or _nats_identity(settings)
        or _oidc(settings)
        or _oidc_roles(settings)
    )


def _nats_url(settings: Settings) -> Complaint | None:
    # The URL itself is not told: it may hold a password.
    for number, url in enumerate(settings.nats_url.split(","), 1):
        if not _is_server(url):
            shape = "of the form nats://HOST:PORT (or tls://)"
            return "nats_url", f"is wrong: its server {number} is not {shape}"
    return None


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        has_port = parts.port != 0
    except ValueError:
        return False
    is_clean = url.isprintable() and " " not in url
    return (
        parts.scheme in _NATS_SCHEMES and bool(parts.hostname) and has_port & is_clean
    )


def _database_url(settings: Settings) -> Complaint | None:
    scheme, separator, _ = settings.database_url.partition("://")
    if not separator:
        why = "is no database URL: sqlite:///PATH or postgresql://…"
        return "database_url", why
    if scheme.partition("+")[0] not in _DATABASES:
        why = f"is wrong: {scheme[:40]!r} is neither 'sqlite' nor 'postgresql'"
        return "database_url", why
    return None


def _regions(settings: Settings) -> Complaint | None:
    names = settings.region_list()
    if not names:
        return "regions", f"is {settings.regions!r}: it names no region"
    for name in names:
        if not subjects.is_token(name):
            limit = "a region is 1 to 64 letters, digits, '_' or '-'"
            return "regions", f"has {name[:80]!r}: {limit}"
    if len(set(names)) < len(names):
        return "regions", f"is {settings.regions!r}: it names a region twice"
    return None


def _style(settings: Settings) -> Complaint | None:
    # The URL itself is not told: it may hold a password.
    url = settings.map_style_url
    if not url or _TILES.fullmatch(url) or (_STYLE.fullmatch(url) and _has_port(url)):
        return None
    forms = "https://HOST/PATH, and no file that ends in .pmtiles"
    return "map_style_url", f"is no address of the form {forms}"


def _origins(settings: Settings) -> Complaint | None:
    for origin in settings.origin_list():
        if not _ORIGIN.fullmatch(origin) or not _has_port(origin):
            shape = "an origin is https://HOST, or an app's SCHEME://HOST"
            return "origins", f"has {origin[:80]!r}: {shape}"
    return None


def _has_port(origin: str) -> bool:
    try:
        return urlsplit(origin).port != 0
    except ValueError:
        return False


def _web_addresses(settings: Settings) -> Complaint | None:
    # Untold as well: they may hold passwords.
    if settings.otel_endpoint and _web(settings.otel_endpoint) is None:
        return "otel_endpoint", "is not of the form http://HOST:PORT"
    for field, urls, port in (
        ("nats_monitoring_urls", settings.monitoring_urls(), 8222),
        ("metrics_urls", listed(settings.metrics_urls), 9000),
    ):
        for number, url in enumerate(urls, 1):
            if _web(url) is None:
                shape = f"of the form http://HOST:{port}"
                return field, f"is wrong: its address {number} is not {shape}"
    return None


def _web(url: str) -> SplitResult | None:
    """Its parts; None: no HTTP address."""
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return None
    is_clean = url.isprintable() and " " not in url
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return parts if is_web and has_port and is_clean else None


def _lives(settings: Settings) -> Complaint | None:
    if settings.refresh_ttl_s < settings.access_ttl_s:
        shorter = "is shorter than CABRANK_ACCESS_TTL_S: nobody could ever refresh"
        return "refresh_ttl_s", shorter
    return None


def _matching(settings: Settings) -> Complaint | None:
    parts = listed(settings.matching)
    names = [part.rpartition("=")[0].strip() for part in parts]
    for name, policy in policies(settings.matching).items():
        if policy not in get_args(Policy):
            why = f"{policy[:40]!r} is not nearest or broadcast"
            return "matching", f"is {settings.matching[:80]!r}: {why}"
        if name and name not in settings.region_list():
            return "matching", f"has {name[:80]!r}, no region of CABRANK_REGIONS"
    if len(set(names)) < len(names):
        return "matching", f"is {settings.matching[:80]!r}: it says one thing twice"
    return None


def _window(settings: Settings) -> Complaint | None:
    for field, what in (
        ("offer_ttl_s", "which an offer lives"),
        ("request_ttl_s", "which a trip waits"),
        ("broadcast_after_s", "after which all are told"),
    ):
        most_s = getattr(settings, field)
        if field == "broadcast_after_s" and not most_s:
            continue  # never
        if settings.match_window_s > most_s:
            name = f"CABRANK_{field.upper()}"
            return "match_window_s", f"is longer than {name}, {what}"
    return None


def _nats_identity(settings: Settings) -> Complaint | None:
    if settings.nats_nkey_seed_file and settings.nats_credentials_file:
        both = "and CABRANK_NATS_CREDENTIALS_FILE are both set; unset one of them"
        return "nats_nkey_seed_file", both
    if settings.nats_tls_cert and not settings.nats_tls_key:
        return "nats_tls_cert", "is set, but not CABRANK_NATS_TLS_KEY; set both"
    if settings.nats_tls_key and not settings.nats_tls_cert:
        return "nats_tls_key", "is set, but not CABRANK_NATS_TLS_CERT; set both"
    return None


def _oidc_roles(settings: Settings) -> Complaint | None:
    try:
        roles = settings.oidc_role_map()
    except ValueError:
        return "oidc_roles", f"is {settings.oidc_roles[:200]!r}: it is THEIRS=OURS,…"
    for ours in roles.values():
        if ours not in _ROLES:
            known = ", ".join(_ROLES)
            return "oidc_roles", f"has {ours[:80]!r}, which is none of {known}"
    return None


def _oidc(settings: Settings) -> Complaint | None:
    issuer = settings.oidc_issuer
    if not issuer:
        for field in ("oidc_audience", "oidc_roles"):
            if getattr(settings, field):
                return field, "is set, but not CABRANK_OIDC_ISSUER; set both"
        return None
    parts = _web(issuer)
    is_safe = parts and (parts.scheme == "https" or parts.hostname in _LOOPBACK)
    if parts is None or not is_safe or parts.query or parts.fragment:
        return "oidc_issuer", f"is {issuer[:200]!r}: an issuer is https://HOST/PATH"
    if not settings.oidc_audience.strip(", "):
        return "oidc_issuer", "is set, but not CABRANK_OIDC_AUDIENCE; set both"
    return None
