"""A pair of the bench against a made-up server that answers frame by frame."""

import json
from typing import Any

from cabrank.trial.bench.pair import DRIVER, EVENTS, RIDER, STEPS, Pair
from schemas.trips import Role, User

ANN = User("rider-id", "ann", "Ann", "Lee", Role.RIDER)
TRIP = {"id": "t1", "rider": {"id": "rider-id"}}


class Desk:
    """What the pair sent, and the frames that answer it."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self.ended: list[str] = []
        self.troubles: list[str] = []
        self.pair = Pair(
            ANN,
            lambda side, message: self.sent.append((side, json.loads(message))),
            lambda _, trip: self.ended.append(trip),
            self.troubles.append,
        )

    def reply(self, now_s: float = 0) -> None:
        side, frame = self.sent[-1]
        self.read(side, {"type": "reply", "ref": frame["ref"], "data": TRIP}, now_s)

    def read(self, side: int, frame: dict[str, Any], now_s: float = 0) -> None:
        self.pair.read(side, json.dumps(frame).encode(), now_s)

    def event(self, side: int, step: int, trip: dict[str, Any] = TRIP) -> None:
        self.read(side, {"type": EVENTS[step], "seq": step, "data": trip})

    def kinds(self) -> list[str]:
        return [frame["type"] for _, frame in self.sent]


def drive(desk: Desk, step: int) -> None:
    desk.event(RIDER, step)
    desk.event(DRIVER, step)
    desk.reply()


def begun() -> Desk:
    desk = Desk()
    desk.pair.start(0)
    desk.reply()
    desk.event(RIDER, 0)
    desk.event(DRIVER, 0)
    return desk


def test_whole_trip_is_four_commands_in_order() -> None:
    desk = begun()
    for step in (1, 2, 3):
        drive(desk, step)
    assert desk.kinds() == list(STEPS)
    assert [side for side, _ in desk.sent] == [RIDER, DRIVER, DRIVER, DRIVER]
    assert desk.ended == ["t1"]
    assert desk.pair.idle
    assert desk.troubles == []


def test_driver_accepts_as_soon_as_the_feed_shows_the_trip() -> None:
    desk = Desk()
    desk.pair.start(0)
    desk.event(DRIVER, 0)
    assert desk.kinds() == ["trip.request", "trip.accept"]
    assert desk.sent[-1][1]["data"] == {"id": "t1"}


def test_next_step_waits_for_the_event_on_both_sides() -> None:
    desk = begun()
    desk.event(DRIVER, 1)
    desk.reply()
    assert desk.kinds()[-1] == "trip.accept"
    desk.event(RIDER, 1)
    assert desk.kinds()[-1] == "trip.begin"


def test_next_step_waits_for_the_answer() -> None:
    desk = begun()
    desk.event(RIDER, 1)
    desk.event(DRIVER, 1)
    assert desk.kinds()[-1] == "trip.accept"


def test_event_that_comes_twice_is_trouble() -> None:
    desk = begun()
    desk.event(RIDER, 1)
    desk.event(RIDER, 1)
    assert len(desk.troubles) == 1


def test_event_of_another_trip_is_trouble() -> None:
    desk = begun()
    desk.event(RIDER, 1, {"id": "t2"})
    assert len(desk.troubles) == 1
    assert not desk.pair.idle


def test_refusal_is_trouble_and_ends_no_trip() -> None:
    desk = begun()
    data = {"code": "driver_busy", "message": "busy", "retryable": False}
    desk.read(DRIVER, {"type": "refused", "ref": "5", "data": data})
    assert desk.troubles == ["driver_busy: busy"]
    assert desk.ended == []


def test_latency_runs_from_command_to_answer() -> None:
    desk = Desk()
    desk.pair.start(10.0)
    desk.reply(10.25)
    assert desk.pair.latencies[0] == [0.25]


def test_requests_of_other_riders_go_unread() -> None:
    desk = Desk()
    foreign = {"type": "trip.requested", "seq": 1, "data": {"rider": {"id": "x"}}}
    assert not desk.pair.concerns_driver(json.dumps(foreign).encode())
    own = {"type": "trip.requested", "seq": 1, "data": TRIP}
    assert desk.pair.concerns_driver(json.dumps(own).encode())
