"""When a lead tells who watches, and what it does while nobody does."""

from typing import Any, cast

import pytest

from dispatcher.engine.figures import Flow
from dispatcher.region.watching import AT_ONCE_MS, ROUND_MS, Watching
from runtime.bus import Bus
from schemas.codec import decode
from schemas.commands import RequestTrip
from schemas.rooms import PRESENCE_SILENCE_MS, Presence
from schemas.watching import Glimpse
from tests.unit.dispatcher.engine.town import Town
from tests.unit.dispatcher.engine.world import RITA


class Wire:
    """What was sent."""

    def __init__(self) -> None:
        self.sent: list[Glimpse] = []
        self.subjects: set[str] = set()

    def send(self, subject: str, payload: bytes) -> bool:
        self.subjects.add(subject)
        self.sent.append(decode(payload, Glimpse))
        return True

    def new(self) -> list[Glimpse]:
        sent, self.sent = self.sent, []
        return sent


class Post:
    """A lead with a clock of its own; ten ticks a second."""

    def __init__(self) -> None:
        self.town = Town()
        self.wire = Wire()
        bus = cast("Bus", self.wire)
        self.watching = Watching(bus, "main", 7, self.town.batcher, Flow())
        self.now_ms = 1_000_000

    def says(self, what: Any) -> None:
        self.watching.hear(Presence("g1", watch=what), self.now_ms)

    def tick(self, count: int = 1, stored: int | None = None) -> list[Glimpse]:
        for _ in range(count):
            self.now_ms += 100
            last = self.town.batcher.n - 1 if stored is None else stored
            self.watching.tick(self.now_ms, self.town.now_ms, last)
        return self.wire.new()


@pytest.fixture
def post() -> Post:
    return Post()


def test_nothing_is_looked_at_or_told_while_nobody_watches(post: Post) -> None:
    post.town.driver("dan", 100)
    post.says("")
    assert post.tick(30) == []
    assert post.watching._picture is None


def test_who_begins_to_watch_is_told_all_at_once_then_what_changes(post: Post) -> None:
    dan = post.town.driver("dan", 100)
    post.says("whole")
    (whole,) = post.tick()
    assert (whole.epoch, whole.n, whole.begins, whole.ends) == (7, 1, True, True)
    assert whole.whole
    assert [row.id for row in whole.drivers] == [dan.id]
    assert whole.figures is not None
    assert post.wire.subjects == {"user.main.watched"}
    (nothing,) = post.tick(ROUND_MS // 100)
    assert (nothing.n, nothing.whole, nothing.drivers) == (2, False, [])
    post.town.at(dan, 200)
    post.says("on")
    (moved,) = post.tick(ROUND_MS // 100)
    assert [row.id for row in moved.drivers] == [dan.id]


def test_however_many_ask_for_all_they_are_told_together(post: Post) -> None:
    post.says("whole")
    post.tick()
    told = []
    for _ in range(20):
        post.says("whole")
        told += post.tick()
    assert all(one.whole for one in told)
    assert len(told) == 20 * 100 // AT_ONCE_MS
    assert [one.n for one in told] == list(range(2, 12))


def test_a_lease_runs_out_and_the_next_one_begins_with_all(post: Post) -> None:
    post.town.driver("dan", 100)
    post.says("whole")
    post.tick()
    post.tick(PRESENCE_SILENCE_MS // 100 + 1)
    assert post.tick(30) == []
    assert post.watching._picture is None
    post.says("on")
    (again,) = post.tick()
    assert again.whole
    assert len(again.drivers) == 1


def test_nothing_is_told_before_the_record_it_follows_from_is_stored(
    post: Post,
) -> None:
    town = post.town
    post.says("whole")
    post.tick()
    stored = town.batcher.n - 1
    command = town.envelope(RITA)
    request = RequestTrip(pick_up_address="A", drop_off_address="B", **command)
    assert town.batcher.take("reply.g.main", request, town.now_ms)
    assert post.tick(15, stored=stored) == []
    town.flush()
    (told, *_) = post.tick()
    assert len(told.trips) == 1
