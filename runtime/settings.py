"""Settings: environment variables `CABRANK_*`, read at start, passed as a value."""

import ipaddress
import os
from collections.abc import Mapping
from typing import Annotated, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct

PREFIX = "CABRANK_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(ValueError):
    """A setting that can't be used; the message is one plain sentence naming it."""


class Settings(Struct, frozen=True, kw_only=True):
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
            description="port of /healthz, /readyz and /metrics of the dispatcher and "
            "of persistence; 0: none (a gateway has them on its own port as well)",
        ),
    ] = 0
    connections_per_user_max: Annotated[
        int, Meta(ge=1, description="WebSockets of one user on one gateway")
    ] = 1_000
    connections_per_address_max: Annotated[
        int,
        Meta(
            ge=1,
            description="WebSockets from one address on one gateway (behind a proxy "
            "all come from the proxy's)",
        ),
    ] = 20_000
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
        str, Meta(description="regions this dispatcher serves, comma-separated")
    ] = "main"
    origins: Annotated[
        str,
        Meta(
            description="further origins whose pages may open a WebSocket, "
            "comma-separated, such as https://app.example"
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
    trusted_proxies: Annotated[
        str,
        Meta(
            description="addresses and networks (CIDR) of proxies before the gateways, "
            "comma-separated, whose X-Forwarded-For tells the client's address"
        ),
    ] = ""
    request_ttl_s: Annotated[
        Seconds, Meta(description="seconds a trip stays REQUESTED before it expires")
    ] = 300
    trip_room_ttl_s: Annotated[
        Seconds,
        Meta(description="seconds a trip's room may be written to after its end"),
    ] = 300
    offer_ttl_s: Annotated[
        Seconds, Meta(description="seconds a driver has to take an offer (nearest)")
    ] = 15
    matching: Annotated[
        Literal["broadcast"],
        Meta(description="how drivers learn of a trip: broadcast (to all)"),
    ] = "broadcast"
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
            description="bytes a region's ledger may take on disk, -1 for no limit",
        ),
    ] = -1
    replicas: Annotated[
        Literal[1, 3, 5], Meta(description="copies of each stream in a NATS cluster")
    ] = 1
    otel_endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s]+)?$",
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
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="least severe level that is logged"),
    ] = "info"

    def region_list(self) -> list[str]:
        return [name.strip() for name in self.regions.split(",") if name.strip()]

    def origin_list(self) -> list[str]:
        return [o.strip().rstrip("/") for o in self.origins.split(",") if o.strip()]

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


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (None: the process's own environment).

    Raises:
        SettingsError: a value that doesn't fit; `CABRANK_*` names that are no setting
            are let pass, since other versions may share the environment.
    """
    environ = os.environ if environ is None else environ
    hints = get_type_hints(Settings, include_extras=True)
    values = {}
    for field in Settings.__struct_fields__:
        text = environ.get(variable(field))
        if text is None:
            continue
        try:
            values[field] = msgspec.convert(text, hints[field], strict=False)
        except msgspec.ValidationError as error:
            why = str(error).replace("`", "")
            msg = f"{variable(field)} is {text!r}: {why}."
            raise SettingsError(msg) from None
    made = Settings(**values)
    made.proxies()
    return made


def describe() -> list[tuple[str, str, str]]:
    """All settings as (variable, default, meaning)."""
    rows = []
    defaults = Settings()
    for field in msgspec.structs.fields(Settings):
        meaning = ""
        for kind in (field.type, getattr(field.type, "type", None)):
            info = msgspec.inspect.type_info(kind) if kind is not None else None
            extra = getattr(info, "extra_json_schema", None) or {}
            meaning = extra.get("description", meaning)
        default = str(getattr(defaults, field.name))
        rows.append((variable(field.name), default, meaning))
    return rows
