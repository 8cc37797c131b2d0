"""What RFC 9112 wants of a head, and where a target goes."""

import pytest

from gateway import requesthead
from gateway.requesthead import Head, Header

HOST: Header = (b"host", b"x")


def read(
    *headers: Header, target: bytes = b"/", method: str = "GET", version: str = "1.1"
) -> Head | str:
    return requesthead.read(method, target, version, list(headers))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HOST, HOST],
        [HOST, (b"host", b"y")],
        [(b"host", b"a b")],
        [(b"host", b"a/b")],
        [(b"host", b"a:b")],
        [(b"host", b"a,b\x80")],
        [(b"host", b"u@x")],
        [(b"host", b"[::1")],
    ],
)
def test_a_request_has_one_good_host(headers: list[Header]) -> None:
    assert isinstance(read(*headers), str)


@pytest.mark.parametrize(
    "host", [b"x", b"x:80", b"", b"[::1]:8000", b"127.0.0.1:1", b"a-b.example", b"a:"]
)
def test_hosts_that_are_fine(host: bytes) -> None:
    head = read((b"host", host))
    assert isinstance(head, Head)
    assert head.host == host


def test_http_1_0_needs_no_host_but_takes_no_two() -> None:
    assert isinstance(read(version="1.0"), Head)
    assert isinstance(read(HOST, HOST, version="1.0"), str)


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2", "3.0", "0.0"])
def test_other_versions_are_not_spoken(version: str) -> None:
    assert isinstance(read(HOST, version=version), str)


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"/a?b=c", b"/a?b=c", b"x"),
        (b"http://y:81/a?b", b"/a?b", b"y:81"),
        (b"HTTPS://y/a", b"/a", b"y"),
        (b"ws://y/ws", b"/ws", b"y"),
        (b"http://y", b"/", b"y"),
        (b"http://y?a", b"/?a", b"y"),
        (b"*", b"*", b"x"),
    ],
)
def test_of_an_absolute_target_its_own_host_counts(
    target: bytes, path: bytes, host: bytes
) -> None:
    head = read(HOST, target=target)
    assert isinstance(head, Head)
    assert (head.target, head.host) == (path, host)


@pytest.mark.parametrize(
    "target", [b"http:///a", b"ftp://y/a", b"a", b"http://u@y/a", b"x:1", b"/a#b"]
)
def test_what_is_no_target_is_told(target: bytes) -> None:
    assert isinstance(read(HOST, target=target), str)


def test_connect_is_for_proxies() -> None:
    assert isinstance(read(HOST, method="CONNECT", target=b"x:1"), str)


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"x"])
def test_a_body_comes_in_chunks_or_with_its_length(coding: bytes) -> None:
    assert isinstance(read(HOST, (b"transfer-encoding", coding)), str)


def test_a_body_s_length_is_told() -> None:
    chunked = read(HOST, (b"transfer-encoding", b"Chunked"))
    sized = read(HOST, (b"content-length", b"5"))
    none = read(HOST)
    assert [head.body_bytes for head in (chunked, sized, none)] == [None, 5, 0]  # type: ignore[union-attr]
    old = read((b"transfer-encoding", b"chunked"), version="1.0")
    assert isinstance(old, str)  # RFC 9112 section 6.1: faulty framing


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([(b"connection", b"Upgrade"), (b"upgrade", b"websocket")], True),
        ([(b"connection", b"keep-alive, UPGRADE"), (b"upgrade", b"WebSocket")], True),
        (
            [
                (b"connection", b"Upgrade"),
                (b"connection", b"keep-alive"),
                (b"upgrade", b"websocket"),
            ],
            True,
        ),
        (
            [
                (b"connection", b"keep-alive"),
                (b"upgrade", b"websocket"),
                (b"connection", b"Upgrade"),
            ],
            True,
        ),
        ([(b"connection", b"upgrade"), (b"upgrade", b"h2c")], False),
        ([(b"connection", b"upgrade"), (b"upgrade", b"h2c, websocket")], True),
        ([(b"connection", b"keep-alive"), (b"upgrade", b"websocket")], False),
        ([(b"upgrade", b"websocket")], False),
        ([(b"connection", b"upgrade")], False),
    ],
)
def test_an_upgrade_is_one_on_however_many_lines(
    headers: list[Header], *, wanted: bool
) -> None:
    head = read(HOST, *headers)
    assert isinstance(head, Head)
    assert head.wants_websocket is wanted


def test_an_upgrade_over_http_1_0_is_refused() -> None:
    headers = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    assert isinstance(read(*headers, version="1.0"), str)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/api/me", "/api/me"),
        (b"/%61pi/%6De", "/api/me"),
        (b"/api%2fme", "/api%2Fme"),
        (b"/api%2Fme", "/api%2Fme"),
        (b"/a%252fb", "/a%2fb"),
        (b"/%7Eann/a%2Eb", "/~ann/a.b"),
        (b"/%C3%A9", "/é"),
        (b"/%ff", "/\ufffd"),
        (b"/%", "/%"),
        (b"/%zz%6", "/%zz%6"),
    ],
)
def test_a_path_is_decoded_but_for_what_would_separate(raw: bytes, path: str) -> None:
    assert requesthead.path(raw) == path


def test_an_offer_is_taken_out_of_a_head_and_nothing_else() -> None:
    headers = [
        HOST,
        (b"connection", b"Upgrade, HTTP2-Settings, close"),
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"AAMAAABkAAQCAAAAAAIAAAAA"),
        (b"content-length", b"2"),
    ]
    assert requesthead.without_upgrade("POST", b"/a", "1.1", headers) == (
        b"POST /a HTTP/1.1\r\nhost: x\r\nconnection:  close\r\n"
        b"http2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\ncontent-length: 2\r\n\r\n"
    )
