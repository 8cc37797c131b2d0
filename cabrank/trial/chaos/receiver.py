"""Somebody else's endpoint, a process of its own, which may be killed and hung: writes
down each POST, and only then answers it. SIGUSR1: with 500 from now on; SIGUSR2: with
204 again. Ends with whoever started it.

`python -m cabrank.trial.chaos.receiver LOG PORT` (0: a free one) prints its port.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TAKEN, FAILED = 204, 500


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, log: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.status = TAKEN
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, line: dict[str, Any]) -> None:
        """In one write(2): whoever is killed has written all of it or nothing."""
        os.write(self._log, json.dumps(line).encode() + b"\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.server.status
        note = {
            name: self.headers.get(f"webhook-{name}", "")
            for name in ("id", "timestamp", "signature")
        }
        note["body"] = body.decode()
        self.server.note(note | {"at_ms": time.time_ns() // 10**6, "status": status})
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main(log: str, port: int) -> None:
    server = Server(log, port)

    def say(sign: int, _: Any) -> None:
        server.status = FAILED if sign == signal.SIGUSR1 else TAKEN

    for sign in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(sign, say)
    # Ctrl-C is for whoever started it, who needs it to the end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
