import ipaddress

import pytest

from gateway.address import address
from runtime.environment import load
from runtime.settings import SettingsError

TRUSTED = load({"CABRANK_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7,fd00::/8"}).proxies()


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["1.1.1.1", "198.51.100.1, 192.0.2.7"], "198.51.100.1"),
        ("10.1.2.3", ["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        ("10.1.2.3", ["198.51.100.1, nonsense"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_a_trusted_proxy_is_believed_and_nobody_else(
    peer: str, forwarded: list[str], found: str
) -> None:
    assert address(peer, forwarded, TRUSTED) == found


def test_without_trusted_proxies_the_peer_is_who_it_is() -> None:
    assert address("10.1.2.3", ["198.51.100.1"], []) == "10.1.2.3"


def test_a_proxy_that_is_no_network_is_named() -> None:
    assert ipaddress.ip_network("192.0.2.7") in TRUSTED
    with pytest.raises(
        SettingsError, match=r"CABRANK_TRUSTED_PROXIES has '10.0.0.0/33'"
    ):
        load({"CABRANK_TRUSTED_PROXIES": "::1,10.0.0.0/33"})
