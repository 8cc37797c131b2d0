"""/healthz, /readyz and /metrics of a process that has no HTTP port of its own."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from runtime.settings import SettingsError, variable

Readiness = Callable[[], str | None]
"""None: ready; else what is missing, in a few words. Called from another thread."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def serve(host: str, port: int, readiness: Readiness) -> WSGIServer:
    """Serve in a daemon thread until the process ends; port 0 takes a free one.

    Raises:
        SettingsError: the port is taken, or the host is no address of this machine.
    """
    metrics = make_wsgi_app()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return cast("Iterable[bytes]", metrics(environ, start_response))
        status, body = "404 Not Found", "no such path"
        if path == "/healthz":
            status, body = "200 OK", "ok"
        elif path == "/readyz":
            missing = readiness()
            status = "200 OK" if missing is None else "503 Service Unavailable"
            body = missing or "ready"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [body.encode() + b"\n"]

    try:
        server = make_server(host, port, app, handler_class=_Quiet)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        where = f"{host[:80]}:{port}"
        msg = f"{variable('ops_port')} is wrong: can't listen on {where}: {why}."
        raise SettingsError(msg) from None
    threading.Thread(target=server.serve_forever, name="ops", daemon=True).start()
    return server
