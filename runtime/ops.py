"""/healthz, /readyz and /metrics of a process that has no HTTP port of its own."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app

from runtime.settings import Settings, SettingsError, variable

Readiness = Callable[[], str | None]
"""None: ready; else what is missing, in a few words. Called from another thread."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Health:
    """What /readyz tells; whoever has started puts a better `readiness` here."""

    def __init__(self) -> None:
        self.readiness: Readiness = lambda: "it is starting"


def serve(settings: Settings) -> Health:
    """Serve on `ops_port`, if there is one, in a daemon thread until the process ends.
    To be called before anything is waited for: who waits is alive.

    Raises:
        SettingsError: the port is taken, or the host is no address of this machine.
    """
    health = Health()
    if not settings.ops_port:
        return health
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

    try:
        server = make_server(
            settings.host, settings.ops_port, app, handler_class=_Quiet
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        where = f"{settings.host[:80]}:{settings.ops_port}"
        msg = f"{variable('ops_port')} is wrong: can't listen on {where}: {why}."
        raise SettingsError(msg) from None
    threading.Thread(target=server.serve_forever, name="ops", daemon=True).start()
    return health
