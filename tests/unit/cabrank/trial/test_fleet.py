"""A driver of `bench offers`' fleet, between two trips."""

import json

from cabrank.trial.bench.fleet import Driver, Fleet
from cabrank.trial.load.link import Link, connect
from schemas.codec import encode

AT = "2026-11-30T03:00:00.000Z"
OPEN = {
    "region": "main",
    "status": "REQUESTED",
    "version": 1,
    "driver": None,
    "pick_up_address": "A",
    "drop_off_address": "B",
    "pick_up": None,
    "drop_off": None,
    "created": AT,
    "updated": AT,
    "rider": {"id": "ann", "first_name": "Ann"},
}
OFFERED = {
    "round": 1,
    "expires_at": AT,
    "expires_in_ms": 15_000,
    "pick_up_distance_m": 33,
    "pick_up_eta_s": 5,
}


class Heard(Link):
    """What a driver sends."""

    def __init__(self) -> None:
        super().__init__(lambda _: None, lambda _: None)
        self.sent: list[tuple[str, str]] = []

    def send(self, message: bytes) -> None:
        frame = json.loads(message)
        self.sent.append((frame["type"], frame["data"]["id"]))


def reply(ref: str, trip: str) -> bytes:
    return encode({"type": "reply", "ref": ref, "data": {"id": trip}})


def offered(trip: str) -> bytes:
    data = {**OFFERED, "offer": f"offer of {trip}", "trip": {**OPEN, "id": trip}}
    return encode({"type": "trip.offered", "seq": 1, "data": data})


def test_trip_offered_before_the_last_one_s_answer_is_driven_to_its_end() -> None:
    driver = Driver(Fleet(connect))
    driver.link = link = Heard()
    driver.read(offered("a"))
    driver.read(reply("accept", "a"))
    driver.read(reply("begin", "a"))
    driver.read(offered("b"))
    driver.read(reply("complete", "a"))
    driver.read(reply("accept", "b"))
    driver.read(reply("begin", "b"))
    assert link.sent == [
        ("trip.accept", "a"),
        ("trip.begin", "a"),
        ("trip.complete", "a"),
        ("trip.accept", "b"),
        ("trip.begin", "b"),
        ("trip.complete", "b"),
    ]
    assert driver.trip == "b"
    driver.read(reply("complete", "b"))
    assert driver.trip == ""
