import socket
from collections.abc import Iterator

import pytest

from cabrank.errors import UsageError
from cabrank.stack import ports


@pytest.fixture
def taken() -> Iterator[int]:
    port = ports.free(count=2) + 1  # the one before it is free
    with socket.create_server(("127.0.0.1", port)):
        yield port


def test_a_free_port_lies_below_the_ephemeral_ones() -> None:
    assert ports.OWN_FIRST <= ports.free() <= ports.OWN_LAST


def test_a_port_that_somebody_listens_on_is_not_free(taken: int) -> None:
    assert not ports.is_free("127.0.0.1", taken)


def test_a_port_is_free_again_after_its_connections_closed(taken: int) -> None:
    port = ports.free()
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # leaves TIME_WAIT on the server's side
        client.close()
    assert ports.is_free("127.0.0.1", port)


def test_a_port_in_use_is_named_in_the_refusal(taken: int) -> None:
    with pytest.raises(UsageError, match=f"Port {taken} on 127.0.0.1 is in use"):
        ports.listening("127.0.0.1", taken, 1)


def test_the_second_gateways_port_counts_too(taken: int) -> None:
    with pytest.raises(UsageError, match=f"Port {taken} "):
        ports.listening("127.0.0.1", taken - 1, 2)


def test_gateways_beyond_the_last_port_are_refused() -> None:
    with pytest.raises(UsageError, match="beyond 65535"):
        ports.listening("127.0.0.1", 65535, 2)


def test_port_0_finds_as_many_ports_in_a_row_as_are_asked_for() -> None:
    first = ports.listening("127.0.0.1", 0, 3)
    assert all(ports.is_free("127.0.0.1", first + k) for k in range(3))


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        ports.listening("192.0.2.1", 0, 1)


@pytest.mark.parametrize(
    ("host", "reached", "url"),
    [
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "127.0.0.1", "http://0.0.0.0:8000"),
        ("::", "::1", "http://[::]:8000"),
    ],
)
def test_hosts_are_reached_and_shown(host: str, reached: str, url: str) -> None:
    assert ports.connectable(host) == reached
    assert ports.url(host, 8000) == url
