"""/healthz, /readyz and /metrics on a port of their own, for probes and scrapes.

Whoever reaches the port may be silent, slow or many: nobody waits for them. Must not
ask anything of the event loop: a process that only waits is alive.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from runtime.settings import Settings, SettingsError, variable

SILENT_S = 5
"""Until a connection that neither says nor takes anything is closed; probes give up
earlier (Kubernetes: after 1 s, deploy/image/healthy: 2 s)."""
CONNECTIONS_MAX = 16
"""A scrape or two, probes, a `cabrank top`. A head may hold 6 MiB (http.client: 100
headers of 64 KiB), and the smallest container has some 250 MiB to spare."""
WAITING_MAX = 128
"""To be accepted, which takes no time: the kernel's queue, as somaxconn was of old."""

Readiness = Callable[[], str | None]
"""None: ready; else what is missing, in a few words. Called from other threads."""


class Health:
    """What /readyz tells; whoever has started puts a better `readiness` here."""

    def __init__(self) -> None:
        self.readiness: Readiness = lambda: "it is starting"


class _Handler(WSGIRequestHandler):
    timeout = SILENT_S

    def log_message(self, *_: Any) -> None:
        pass


class OpsServer(ThreadingMixIn, WSGIServer):
    """A thread for each connection. One too many ends the oldest: a probe has its
    answer within milliseconds, and who stays longer is in its way.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = WAITING_MAX

    def __init__(self, address: tuple[str, int], *given: Any) -> None:
        self.address_family = socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0][0]
        self._guard = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        """Oldest first."""
        super().__init__(address, *given)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            if len(self._open) >= CONNECTIONS_MAX:
                oldest = next(iter(self._open))
                del self._open[oldest]
                _end(oldest)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """It was too slow, went away, or was ended: nothing that we could do."""


def _end(connection: socket.socket) -> None:
    """Its thread, which closes it, finds the end."""
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)


def listen(host: str, port: int, health: Health) -> OpsServer:
    """Raises: OSError, ValueError: the port is taken, or the host is not ours."""
    metrics = make_wsgi_app()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return cast("Iterable[bytes]", metrics(environ, start_response))
        status, body = "404 Not Found", "no such path"
        if path == "/healthz":
            status, body = "200 OK", "ok"
        elif path == "/readyz":
            missing = health.readiness()
            status = "200 OK" if missing is None else "503 Service Unavailable"
            body = missing or "ready"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [body.encode() + b"\n"]

    return make_server(host, port, app, OpsServer, _Handler)


def serve(settings: Settings) -> Health:
    """Serve on `ops_port`, if there is one, in a daemon thread until the process ends.
    To be called before anything is waited for: who waits is alive.

    Raises:
        SettingsError: the port is taken, or the host is no address of this machine.
    """
    health = Health()
    if not settings.ops_port:
        return health
    try:
        server = listen(settings.host, settings.ops_port, health)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        where = f"{settings.host[:80]}:{settings.ops_port}"
        msg = f"{variable('ops_port')} is wrong: can't listen on {where}: {why}."
        raise SettingsError(msg) from None
    # It ends with the process: nothing to look for every half second.
    serving = {"poll_interval": 3600.0}
    threading.Thread(
        target=server.serve_forever, kwargs=serving, name="ops", daemon=True
    ).start()
    return health
