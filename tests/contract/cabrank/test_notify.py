"""What `cabrank notify` says of who heard, by what a gateway answers it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.contract.cabrank.commands import Shell, assert_refused


class Gateway:
    """Takes every request with 202 and `answer`."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked: list[str] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                gateway.asked.append(self.path)
                self.send_response(202)
                self.send_header("Content-Length", str(len(gateway.answer)))
                self.end_headers()
                self.wfile.write(gateway.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def gateway(shell: Shell) -> Iterator[Gateway]:
    shell.set(CABRANK_TOKEN="x")
    made = Gateway()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"sessions":0}', "Sent; no session heard it.\n"),
        (b'{"sessions":1}', "Heard by 1 session.\n"),
        (b'{"sessions":12}', "Heard by 12 sessions.\n"),
        (
            b"",  # a gateway of 0.1
            "Sent; this gateway is of a release that doesn't say who heard it.\n",
        ),
    ],
)
def test_how_many_sessions_heard_is_told(
    shell: Shell, gateway: Gateway, answer: bytes, said: str
) -> None:
    gateway.answer = answer
    assert shell.said("notify", "ann", "{}", "--url", gateway.url) == said
    assert gateway.asked == ["/api/users/ann/notices?count=true"]


@pytest.mark.parametrize("command", [("notify", "ann", "{}"), ("say", "rank", "hello")])
def test_an_answer_that_is_not_cabranks_is_told_in_a_sentence(
    shell: Shell, gateway: Gateway, command: tuple[str, ...]
) -> None:
    gateway.answer = b"<html>"
    done = shell.run(*command, "--url", gateway.url)
    assert_refused(done, saying="no cabrank")
