"""What counts as one address, and how many connections it may have."""

import pytest

from gateway.address import place
from gateway.limits import Limits
from gateway.sockets.quota import Crowd
from schemas.refusals import Code


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a name", "a name"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, counted: str) -> None:
    assert place(address) == counted


def test_who_leaves_makes_room_at_the_address() -> None:
    crowd = Crowd(Limits(connections_per_address_max=1))
    assert crowd.enter("a") is None
    refused = crowd.enter("a")
    assert refused is not None
    assert refused.code is Code.RATE_LIMITED
    assert crowd.enter("b") is None
    crowd.leave("a")
    assert crowd.enter("a") is None


def test_a_user_s_limit_is_apart_from_an_address_s() -> None:
    crowd = Crowd(Limits(connections_per_user_max=2, connections_per_address_max=9))
    assert crowd.enter_as("u") is None
    assert crowd.enter_as("u") is None
    refused = crowd.enter_as("u")
    assert refused is not None
    assert "2 connections of one user" in refused.message
    crowd.leave_as("u")
    assert crowd.enter_as("u") is None
