"""Which URLs may be sent to: an address of one's own network is found however it is
written.
"""

import ipaddress

import pytest

from schemas import outside
from schemas.outside import UrlError, fault, target

OWN = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0x7f.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "00.0.0.0",
    "0x",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "169.254.169.254",
    "0xa9fea9fe",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[ff02::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
]
OUTSIDE = [
    "8.8.8.8",
    "134744072",
    "0x08080808",
    "1.1",
    "172.32.0.1",
    "100.128.0.1",
    "[2606:4700::1111]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::808:808]",
    "[2002:808:808::1]",
]


@pytest.mark.parametrize("host", OWN)
def test_an_address_of_ones_own_is_found_however_it_is_written(host: str) -> None:
    found = target(f"http://{host}:8080/x")
    assert found.address is not None
    assert fault(found.address) is not None


@pytest.mark.parametrize("host", OUTSIDE)
def test_an_address_of_the_internet_is_good(host: str) -> None:
    found = target(f"https://{host}/")
    assert found.address is not None
    assert fault(found.address) is None


WRONG = [
    "",
    "hook",
    "ftp://a.example/",
    "file:///etc/passwd",
    "//a.example/",
    "http:/a.example/",
    "http:///x",
    "http://",
    "http://user@a.example/",
    "http://user:word@a.example/",
    "http://127.0.0.1@a.example/",
    "http://a.example\\@127.0.0.1/",
    "http://a.example#@127.0.0.1/",
    "http://a.example/#x",
    "http://a.example /",
    "http://a.example/\n",
    "http://a.example/\tx",
    "http://a.example:0/",
    "http://a.example:65536/",
    "http://a.example:x/",
    "http://a..example/",
    "http://-a.example/",
    "http://a.example%2f@b/",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://a.example/ä",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::ffff:127.0.0.1%25lo]/",
    "http://[1.2.3.4]/",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://0x1ffffffff/",
    "http://08.1.1.1/",
    "http://a.0x7f/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 130 + "example/",
]


@pytest.mark.parametrize("url", WRONG)
def test_what_two_readers_could_read_differently_is_no_url(url: str) -> None:
    with pytest.raises(UrlError):
        target(url)


def test_a_url_is_read_as_the_request_needs_it() -> None:
    assert target("HTTP://Hook.Example:8080/a/b?c=d&e=%20") == (
        *("http", "hook.example", None, 8080, "hook.example:8080"),
        "/a/b?c=d&e=%20",
    )
    assert target("https://xn--bcher-kva.example")[-2:] == (
        "xn--bcher-kva.example",
        "/",
    )
    assert target("https://a.example:443/").host == "a.example"
    v6 = target("http://[2606:4700::1111]?x")
    assert (v6.address, v6.path) == (ipaddress.ip_address("2606:4700::1111"), "/?x")
    assert target("https://a_b.example./").name == "a_b.example."


def test_every_refusal_says_what_it_is_about() -> None:
    for text, word in (
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("10.0.0.1", "private"),
        ("::ffff:10.0.0.1", "10.0.0.1, which is a private"),
        ("::", "of one's own"),
    ):
        assert word in str(outside.fault(ipaddress.ip_address(text)))
