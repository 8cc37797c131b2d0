"""The gateway process: starts, serves, drains. Nothing else decides here."""

import asyncio
import errno
import socket
from collections.abc import Sequence

import structlog

from gateway import bootstrap
from gateway.bootstrap import Gateway
from gateway.errors import IdentityError
from gateway.http.ground import Ground, GroundError, is_file
from gateway.identity.tokens import Identity
from gateway.limits import Limits
from gateway.sockets import drain, webserver
from runtime import bus as nats
from runtime import lifecycle, tracing
from runtime import log as logs
from runtime.lifecycle import Service
from runtime.settings import Settings, SettingsError, variable

log = structlog.get_logger()

LAST_ANSWERS_S = 2.0
"""A drain waits so long for commands under way before it closes the sessions."""

TRIP_ROOM_SLACK_S = 10
"""The leader's clock decides when a trip's room closes; ours starts a little later."""
LAST_REQUESTS_S = 1.0
"""A kept-alive HTTP connection that is idle for longer is closed by a drain."""
LAST_LEAVES_S = 0.5
"""For the leader to hear that the sessions have left their rooms; one that doesn't
finds out by this gateway's silence.
"""


class Running:
    """A started gateway; calling it drains it."""

    def __init__(
        self,
        gateway: Gateway,
        server: webserver.WebServer,
        bus: nats.Bus,
        drain_s: float,
    ) -> None:
        self.gateway = gateway
        self._server = server
        self._bus = bus
        self._drain_s = drain_s

    async def __call__(self) -> None:
        """Accept no more, let commands under way be answered, send clients away."""
        self.gateway.sockets.draining = True
        self._server.refuse_new()
        http_s = min(self._drain_s, LAST_REQUESTS_S)
        await asyncio.gather(
            drain.send_away(self.gateway.sockets.connections, self._drain_s),
            self._server.settle(http_s),
        )
        await self.gateway.settle(LAST_ANSWERS_S)
        await self._server.stop()
        await self.gateway.settle(LAST_LEAVES_S)
        await self._bus.close()


def run(settings: Settings) -> int:
    """Serve until SIGTERM; the process's exit status.

    Raises:
        SettingsError: the keys, the map, the address or the ports can't be used.
    """
    logs.configure("gateway", settings.log_level)
    tracing.configure("gateway", settings)
    try:
        identity = Identity.load(settings.verify_keys_file, settings.access_ttl_s)
        if is_file(settings.map_style_url):
            Ground(settings.map_style_url)
        listeners = _listeners(settings)
    except GroundError as error:
        name, path = variable("map_style_url"), settings.map_style_url
        raise SettingsError(f"{name} is {path[:200]!r}: {error}.") from None
    except IdentityError as error:
        msg = f"{variable('verify_keys_file')} can't be used: {error}."
        raise SettingsError(msg) from None
    except SettingsError:
        raise
    except (OSError, ValueError, OverflowError) as error:
        where = settings.listen_fds or f"{settings.host}:{settings.port}"
        if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
            # Others than a port in use never pass.
            field = "listen_fds" if settings.listen_fds else "host"
            why = getattr(error, "strerror", None) or str(error)
            msg = f"{variable(field)} is wrong: can't listen on {where[:80]}: {why}."
            raise SettingsError(msg) from None
        log.error("can't listen", address=where, error=error.strerror)  # noqa: TRY400
        return 1

    async def begin(service: Service) -> Running:
        limits = Limits(
            trip_room_s=settings.trip_room_ttl_s + TRIP_ROOM_SLACK_S,
            connections_per_user_max=settings.connections_per_user_max,
            connections_per_address_max=settings.connections_per_address_max,
            users=settings.user_limits(),
        )
        return await start(service, settings, identity, listeners, limits)

    try:
        return lifecycle.run("gateway", begin)
    finally:
        for listener in listeners:
            listener.close()


def _listeners(settings: Settings) -> list[socket.socket]:
    if settings.ops_port and settings.ops_port == settings.port:
        both = f"{variable('port')} and {variable('ops_port')}"
        raise SettingsError(f"{both} are both {settings.port}; choose two ports.")
    if settings.listen_fds:
        return webserver.inherited(settings.listen_fds)
    return [webserver.bind(settings.host, settings.port)]


async def start(
    service: Service,
    settings: Settings,
    identity: Identity,
    listeners: Sequence[socket.socket],
    limits: Limits,
) -> Running:
    """`bootstrap.start`, as `lifecycle.run` has it."""
    started = await bootstrap.start(service, settings, identity, listeners, limits)
    return Running(*started, settings.drain_s)
