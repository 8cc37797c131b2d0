"""The ops port beside those who are silent, slow or many (runtime/ops.py)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from runtime import ops

HOST = "127.0.0.1"


@pytest.fixture
def port() -> Iterator[int]:
    health = ops.Health()
    health.readiness = lambda: None
    with ops.listen(HOST, 0, health) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


def get(port: int, path: str) -> httpx.Response:
    url = f"http://{HOST}:{port}{path}"
    return httpx.get(url, timeout=30, trust_env=False)


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=30)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nX: "])
def test_probes_are_answered_beside_connections_that_say_nothing(
    port: int, said: bytes
) -> None:
    with ExitStack() as held:
        for _ in range(3 * ops.CONNECTIONS_MAX):
            held.enter_context(connect(port)).sendall(said)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert get(port, path).status_code == 200


def test_one_connection_too_many_ends_the_oldest(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops._Handler, "timeout", None)
    with ExitStack() as held:
        first = held.enter_context(connect(port))
        for _ in range(ops.CONNECTIONS_MAX):
            held.enter_context(connect(port))
        assert first.recv(1) == b""


def test_who_says_nothing_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ops._Handler.timeout == ops.SILENT_S
    monkeypatch.setattr(ops._Handler, "timeout", 0.2)
    with connect(port) as silent:
        assert silent.recv(1) == b""


@pytest.mark.parametrize("host", ["::1", "localhost", "127.0.0.1", "::", "0.0.0.0"])
def test_any_address_of_this_machine_will_do(host: str) -> None:
    with ops.listen(host, 0, ops.Health()) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            with socket.create_connection(server.server_address[:2], timeout=30) as one:
                one.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert one.recv(20).startswith(b"HTTP/1.0 200 ")
        finally:
            server.shutdown()
            serving.join()
