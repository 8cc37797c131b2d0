"""Holes of a feed, of a user and of a room, filled by one message of answers."""

import itertools
from typing import Any

import pytest

from schemas.commands import Announcement, FeedData, JoinRoom, SyncFeed, SyncUser
from tests.contract.gateway_ws.scripted_leader import encoded_event, entry, trip
from tests.unit.gateway.fanout.one_driver import Driver, joined
from tests.unit.gateway.fanout.pushes import push, state
from tests.unit.gateway.fanout.seats import member, message

FEED = (SyncFeed, FeedData(1, [entry(1, 102, trip(2))], True), 106)
ROOM = (JoinRoom, joined(2, 3, member("u9", 103, joined=True)), 106)
EVENTS = [
    encoded_event(104, "trip.started", trip(1, 2, "STARTED")),
    encoded_event(105, "trip.arrived", trip(1, 3, "ARRIVED")),
]
MINE = state(106, trip(1, 3, "ARRIVED"), recovered=True, feed=1, events=EVENTS)
OWN = (SyncUser, MINE, 106)


def loses(driver: Driver, kinds: set[type]) -> None:
    if JoinRoom in kinds:
        driver.hears("room.main.lobby", message(3, 106))
    if SyncUser in kinds:
        driver.hears("user.main.d1", push(105, 3))
    if SyncFeed in kinds:
        driver.hears("leader.main", Announcement("main", 1, "i", 106, 1))


ORDERS = [
    order
    for size in (2, 3)
    for order in itertools.permutations([FEED, ROOM, OWN], size)
]


@pytest.mark.parametrize(
    "order", ORDERS, ids=lambda o: "-".join(kind.__name__ for kind, *_ in o)
)
def test_seq_only_grows_whichever_is_answered_first(order: Any) -> None:
    driver = Driver()
    loses(driver, {kind for kind, *_ in order})
    assert driver.out == b""
    driver.answers(*order)
    driver.router.flush()
    came = driver.seqs()
    assert came == sorted(set(came))
    assert (b"chat.joined" in driver.out) == (ROOM in order)
    assert (b"trip.requested" in driver.out) == (FEED in order)
    assert (b"trip.arrived" in driver.out) == (OWN in order)
