"""Gateways of the last release beside a leader of today: by the release's own code,
nothing that comes of offers is a gap to them.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from dispatcher.commit.publisher import Publisher
from runtime.bus import Bus
from schemas.codec import encode
from schemas.events import OfferEndedEvent
from schemas.trips import Role, User
from tests.contract.dispatcher.older_gateway import PROGRAM
from tests.data import keep_code
from tests.unit.dispatcher.engine.town import Town, told
from tests.unit.dispatcher.engine.world import RITA, user

ROAN, CYD = user(Role.RIDER, "roan"), user(Role.DRIVER, "cyd")
WHOLE = ["trip.started", "trip.in_progress", "trip.completed"]


class Heard:
    """All that a `Publisher` asks of its bus."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def send(self, subject: str, payload: bytes) -> bool:
        self.messages.append((subject, payload.decode()))
        return True


def lived() -> tuple[Town, list[User]]:
    """Offers that end in each way, between trips that all are told of."""
    town = Town(offers_max=2, missed_offers_max=2)
    ann, bob = town.driver("ann", 300), town.driver("bob", 900)
    first = town.request(RITA, None)
    town.accept(CYD, first)
    for verb in ("begin", "complete"):
        town.move(verb, CYD, first)
    declined = town.request()
    town.decline(ann, declined)
    town.wait(17)  # bob says nothing
    town.move("cancel", RITA, declined)
    released = town.request()
    town.accept(ann, released)
    town.move("release", ann, released)
    town.offline(bob)  # that is withdrawn
    town.online(bob)
    town.wait(20)  # and bob silent again, so that all are told
    town.accept(CYD, released)
    cancelled = town.request(ROAN)
    town.move("cancel", ROAN, cancelled)
    taken = town.request(ROAN)
    town.assign(taken, user(Role.DRIVER, "dov"))
    for trip, driver in ((released, CYD), (taken, user(Role.DRIVER, "dov"))):
        for verb in ("begin", "complete"):
            town.move(verb, driver, trip)
    last = town.request(RITA, None)
    town.accept(CYD, last)
    return town, [ann, bob, CYD, user(Role.DRIVER, "dov"), RITA, ROAN]


def published(town: Town) -> list[tuple[str, str]]:
    bus = Heard()
    publisher = Publisher(cast("Bus", bus), "main")
    for record in town.records:
        assert publisher.events(record.events, [encode(e) for e in record.events])
    return bus.messages


@pytest.fixture
def program(tmp_path: Path) -> str:
    keep_code.unpack(tmp_path)
    return PROGRAM.format(folder=str(tmp_path))


def taken_by(program: str, users: list[User], messages: Any) -> dict[str, Any]:
    people = [(one.id, one.role.value) for one in users]
    lines = "\n".join(map(json.dumps, [people, *messages]))
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    taken: dict[str, Any] = json.loads(done.stdout)
    return taken


def test_a_gateway_of_the_last_release_takes_nothing_of_offers_for_a_gap(
    program: str,
) -> None:
    town, users = lived()
    ends = {one.why for one in town.events if isinstance(one, OfferEndedEvent)}
    wanted = {"declined", "expired", "withdrawn", "cancelled", "taken"}
    assert ends == wanted, told(town.events)
    messages = published(town)
    taken = taken_by(program, users, messages)
    assert taken["gaps"] == []
    assert taken["unread"] > len(ends)
    heard = taken["heard"]
    assert heard[CYD.id] == [*WHOLE, *WHOLE, "trip.started"]
    assert heard[ROAN.id].count("trip.requested") == 2
    assert heard["drivers"].count("trip.requested") == 4, heard["drivers"]
    # That it would have seen one: a message of the feed, or of a trip, is left out.
    for lost in ("drivers.main", f"user.main.{CYD.id}"):
        left = [*messages]
        left.remove(next(one for one in messages if one[0] == lost))
        assert taken_by(program, users, left)["gaps"]
