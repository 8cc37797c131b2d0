"""What counts as one address, and how many connections it may have."""

import pytest

from gateway.address import place
from gateway.limits import Limits
from gateway.sockets.quota import Quota
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
    quota = Quota(Limits(connections_per_address_max=1))
    assert quota.enter("a") is None
    refused = quota.enter("a")
    assert refused is not None
    assert refused.code is Code.RATE_LIMITED
    assert quota.enter("b") is None
    quota.leave("a")
    assert quota.enter("a") is None


def test_a_user_s_limit_is_apart_from_an_address_s() -> None:
    quota = Quota(Limits(connections_per_user_max=2, connections_per_address_max=9))
    assert quota.enter_as("u") is None
    assert quota.enter_as("u") is None
    refused = quota.enter_as("u")
    assert refused is not None
    assert "2 connections of one user" in refused.message
    quota.leave_as("u")
    assert quota.enter_as("u") is None
