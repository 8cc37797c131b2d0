"""How load clients sign up where one address may only sign up so many."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cabrank.trial.load.users import SIGN_UP_ATTEMPTS, sign_up
from cabrank.trial.load.web import Web
from schemas.accounts import Tokens
from schemas.codec import encode
from schemas.trips import Role, User

ANN = User("rider", "ann", "Ann", "Lee", Role.RIDER)
REFUSALS = 2 * SIGN_UP_ATTEMPTS


class Site(BaseHTTPRequestHandler):
    """Refuses `REFUSALS` sign-ups, then takes each."""

    refusals = REFUSALS

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        refused = Site.refusals > 0
        Site.refusals -= refused
        self.send_response(429 if refused else 201)
        body = b"{}" if refused else encode(Tokens(ANN, "access", "refresh", 900))
        if refused:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


async def test_who_must_wait_to_sign_up_waits_and_says_so_once(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    web = Web(url)
    made = await sign_up(web, Role.RIDER, 3, lambda: None)
    web.close()
    assert [account.access for account in made] == ["access"] * 3
    assert capsys.readouterr().err.count("CABRANK_SIGN_UPS_PER_ADDRESS_MAX") == 1
