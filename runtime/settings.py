"""Settings: a value that each process reads at its start (environment.py)."""

import ipaddress
from typing import Annotated, Literal

from msgspec import Meta

from runtime import lists
from runtime.match_settings import MatchSettings, Policy, policies

PREFIX = "CABRANK_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CENTURY_S = 100 * 365 * 86400
"""What is for ever: JetStream's ages (64-bit nanoseconds) end at 292 years."""
CONNECTIONS_MAX = 1024 * 1024
"""Linux's own limit of a process's descriptors (fs.nr_open)."""
Seconds = Annotated[float, Meta(gt=0, le=CENTURY_S)]


class SettingsError(ValueError):
    """A setting that can't be used; the message is one plain sentence naming it."""


class Settings(MatchSettings, frozen=True, kw_only=True):
    """One field a setting: `request_ttl_s` is `CABRANK_REQUEST_TTL_S`."""

    nats_url: Annotated[str, Meta(description="NATS servers, comma-separated")] = (
        "nats://127.0.0.1:4222"
    )
    database_url: Annotated[
        str, Meta(description="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    ] = "sqlite:///.cabrank/cabrank.db"
    host: Annotated[str, Meta(description="address the gateway listens on")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(ge=0, le=65535, description="port the gateway listens on")
    ] = 8000
    listen_fds: Annotated[
        str,
        Meta(
            pattern="^([0-9]+(,[0-9]+)*)?$",
            description="open listening sockets that the gateway inherits, as "
            "descriptors with commas between, instead of host and port (set by "
            "`cabrank up`)",
        ),
    ] = ""
    ops_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="port of /healthz, /readyz and /metrics; 0: none. A gateway "
            "has the first two on its own port as well, /metrics only where this is 0, "
            "and only for this machine",
        ),
    ] = 0
    connections_per_user_max: Annotated[
        int,
        Meta(
            ge=1,
            le=CONNECTIONS_MAX,
            description="WebSockets of one user on one gateway, and HTTP connections",
        ),
    ] = 1_000
    connections_per_address_max: Annotated[
        int,
        Meta(
            ge=1,
            le=CONNECTIONS_MAX,
            description="WebSockets from one address on one gateway, and HTTP "
            "connections (behind a proxy all come from the proxy's)",
        ),
    ] = 20_000
    sign_ups_per_address_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="sign-ups from one address at once, and again in each hour; "
            "any number from loopback (CABRANK_TRUSTED_PROXIES must name a proxy)",
        ),
    ] = 1_000
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=8,
            description="seconds over which a stopping gateway sends its clients away",
        ),
    ] = 5
    region: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]{1,64}$", description="region that new users are of"
        ),
    ] = "main"
    regions: Annotated[
        str,
        Meta(
            description="regions this dispatcher may be given, comma-separated; those "
            "that several may be given are spread over them"
        ),
    ] = "main"
    origins: Annotated[
        str,
        Meta(
            description="further origins whose pages may open a WebSocket and call the "
            "HTTP API (CORS), comma-separated, such as https://app.example or "
            "capacitor://localhost"
        ),
    ] = ""
    map_style_url: Annotated[
        str,
        Meta(
            description="what the pages' maps are drawn on: a MapLibre style, or a "
            "PMTiles file (.pmtiles), such as https://tiles.example/city.pmtiles, or "
            "/srv/city.pmtiles on this machine; all that a style names must be of its "
            "origin; empty: the city's streets that the pages bring (gateway)"
        ),
    ] = ""
    access_ttl_s: Annotated[
        Seconds, Meta(description="seconds an access token lives")
    ] = 900
    refresh_ttl_s: Annotated[
        Seconds, Meta(description="seconds an unused refresh token lives")
    ] = 30 * 86400
    audit_ttl_s: Annotated[
        Seconds,
        Meta(description="seconds the audit log keeps who did what (persistence)"),
    ] = 400 * 86400
    history_kept_days: Annotated[
        float,
        Meta(
            ge=0,
            le=CENTURY_S / 86400,
            description="days that trips' events and rooms' messages are kept "
            "(persistence); 0: for ever",
        ),
    ] = 0
    trusted_proxies: Annotated[
        str,
        Meta(
            description="addresses and networks (CIDR) of proxies before the gateways, "
            "comma-separated, whose X-Forwarded-For tells the client's address"
        ),
    ] = ""
    oidc_issuer: Annotated[
        str,
        Meta(
            description="OpenID Connect issuer whose tokens gateways take besides "
            "those of cabrank, such as https://login.example; empty: none"
        ),
    ] = ""
    oidc_audience: Annotated[
        str,
        Meta(description="what those tokens must be for (aud), comma-separated"),
    ] = ""
    oidc_role_claim: Annotated[
        str,
        Meta(
            pattern=r"^\S{1,200}$",
            description="their claim that has the role, or a list of roles",
        ),
    ] = "role"
    oidc_roles: Annotated[
        str,
        Meta(
            description="what the issuer calls the roles, as THEIRS=OURS, "
            "comma-separated, such as dispatch-desk=operator"
        ),
    ] = ""
    oidc_default_role: Annotated[
        Literal["rider", "driver", "none"],
        Meta(description="role of who has none in that claim; none: refused"),
    ] = "rider"
    oidc_region_claim: Annotated[
        str,
        Meta(
            pattern=r"^\S{1,200}$",
            description="their claim that has the region; CABRANK_REGION without it",
        ),
    ] = "region"
    oidc_username_prefix: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9@.+_-]{1,50}$",
            description="what stands before the names of the issuer's users",
        ),
    ] = "sso."
    request_ttl_s: Annotated[
        Seconds, Meta(description="seconds a trip stays REQUESTED before it expires")
    ] = 300
    booking_lead_s: Annotated[
        float,
        Meta(
            ge=0,
            le=7 * 86400,
            description="seconds before its pick_up_at that a SCHEDULED trip becomes "
            "REQUESTED by itself",
        ),
    ] = 900
    trip_room_ttl_s: Annotated[
        Seconds,
        Meta(description="seconds a trip's room may be written to after its end"),
    ] = 300
    offer_ttl_s: Annotated[
        Seconds, Meta(description="seconds a driver has to take an offer (nearest)")
    ] = 15
    matching: Annotated[
        str,
        Meta(
            description="how drivers learn of a trip: nearest (offered to one at a "
            "time) or broadcast (to all), then a region's own, such as "
            "nearest,oslo=broadcast"
        ),
    ] = "nearest"
    offers_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="drivers who are offered a trip, one after another, before all "
            "are told",
        ),
    ] = 8
    broadcast_after_s: Annotated[
        float,
        Meta(
            ge=0,
            le=CENTURY_S,
            description="seconds without a driver before all are told; 0: never",
        ),
    ] = 120
    missed_offers_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="offers in a row that a driver may let expire before they go "
            "offline",
        ),
    ] = 3
    signing_key_file: Annotated[
        str,
        Meta(
            description="PEM file of the Ed25519 private key that signs access tokens "
            "(persistence)"
        ),
    ] = ".cabrank/keys/signing.pem"
    verify_keys_file: Annotated[
        str,
        Meta(description="JWK Set (RFC 7517) of the public keys that gateways trust"),
    ] = ".cabrank/keys/jwks.json"
    ledger_bytes_max: Annotated[
        int,
        Meta(
            ge=-1,
            le=2**63 - 1,
            description="bytes a region's ledger may take on disk, -1 for no limit",
        ),
    ] = -1
    ledger_kept_s: Annotated[
        Seconds,
        Meta(
            description="seconds a record stays in the ledger for `cabrank rebuild`; "
            "longer while persistence, a leader that starts, or (7 days at most) "
            "webhooks need it"
        ),
    ] = 7 * 86400
    matches_kept_s: Annotated[
        Seconds,
        Meta(
            description="seconds for which it can be told of every driver why a trip "
            "went to another (`cabrank explain`)"
        ),
    ] = 7 * 86400
    webhooks_private: Annotated[
        Literal[0, 1],
        Meta(
            description="1: webhooks may be sent to loopback, private and link-local "
            "addresses"
        ),
    ] = 0
    nats_nkey_seed_file: Annotated[
        str,
        Meta(description="this service's seed, as `cabrank nats-auth` makes it"),
    ] = ""
    nats_credentials_file: Annotated[
        str,
        Meta(description="a NATS credentials file (JWT and seed) instead of a seed"),
    ] = ""
    nats_tls_ca: Annotated[
        str,
        Meta(
            description="PEM file of the authority that signs the NATS servers' "
            "certificates; with it a server that offers no TLS is refused (with tls:// "
            "in the URL, too, by the system's authorities)"
        ),
    ] = ""
    nats_tls_cert: Annotated[
        str,
        Meta(description="PEM file of the certificate to show to NATS servers"),
    ] = ""
    nats_tls_key: Annotated[
        str, Meta(description="PEM file of that certificate's private key")
    ] = ""
    replicas: Annotated[
        Literal[1, 3, 5], Meta(description="copies of each stream in a NATS cluster")
    ] = 1
    otel_endpoint: Annotated[
        str,
        Meta(
            description="OpenTelemetry collector that takes spans by OTLP over HTTP, "
            "such as http://collector:4318; empty: tracing is off, unless "
            "OTEL_EXPORTER_OTLP_ENDPOINT is set",
        ),
    ] = ""
    otel_ratio: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="share of commands without a traceparent for which a gateway "
            "begins a trace",
        ),
    ] = 0.01
    otel_from_clients_per_s: Annotated[
        float,
        Meta(
            ge=0,
            le=1_000_000,
            description="traces a second that clients may have recorded on one gateway "
            "by a sampled traceparent, ten seconds' worth at once",
        ),
    ] = 10
    nats_monitoring_urls: Annotated[
        str,
        Meta(
            description="monitoring endpoints of the NATS servers that hold the "
            "ledger, such as http://HOST:8222, comma-separated: a dispatcher is not "
            "ready unless each of them syncs every write",
        ),
    ] = ""
    metrics_urls: Annotated[
        str, Meta(description="http://HOST:PORT, comma-separated, for `cabrank top`")
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="least severe level that is logged"),
    ] = "info"

    def region_list(self) -> list[str]:
        return lists.listed(self.regions)

    def monitoring_urls(self) -> list[str]:
        return lists.listed(self.nats_monitoring_urls)

    def origin_list(self) -> list[str]:
        """As browsers say them: in lower case, without the port that goes without
        saying.
        """
        return [lists.origin(o) for o in lists.listed(self.origins)]

    def oidc_role_map(self) -> dict[str, str]:
        """Theirs → ours. Raises: ValueError: a part has no `=`."""
        parts = [part.strip() for part in self.oidc_roles.split(",") if part.strip()]
        pairs = (part.rsplit("=", 1) for part in parts)
        return {theirs.strip(): ours.strip() for theirs, ours in pairs}

    def policy_of(self, region: str) -> Policy:
        """How drivers learn of a region's trips."""
        found = policies(self.matching)
        return found.get(region, found[""])

    def proxies(self) -> list[Network]:
        """Raises: SettingsError: one is no address or network."""
        found: list[Network] = []
        for part in (part.strip() for part in self.trusted_proxies.split(",")):
            try:
                if part:
                    found.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                name = variable("trusted_proxies")
                msg = f"{name} has {part!r}, which is no address or network."
                raise SettingsError(msg) from None
        return found


def variable(field: str) -> str:
    """`request_ttl_s` → `CABRANK_REQUEST_TTL_S`."""
    return PREFIX + field.upper()
