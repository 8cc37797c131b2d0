"""What endpoints were sent is held against the ledger: PROTOCOL.md section 8."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook

from cabrank.trial.oracle.delivered import Delivered, Post, Tally
from schemas.events import Event
from schemas.rooms import of_trip
from schemas.webhooks import message_id
from tests.support.records import (
    LEDGER,
    event,
    matching,
    message,
    offer,
    offer_ended,
    online,
    trip,
)
from webhooks.happening import happened

SECRET = "whsec_" + "c2VjcmV0IG9mIHR3ZW50eS1mb3VyIGJ5dGVz"
OTHER = "whsec_" + "YW5vdGhlciBvZiB0d2VudHktZm91ciBieXRlcw=="
WAY = [event(trip(1, move)) for move in range(4)]
MINUTE_MS = 60_000


def numbered(*events: Event) -> list[Event]:
    return [replace(one, seq=4096 * n) for n, one in enumerate(events, 1)]


def post(
    of: Event, *, late_ms: int = 50, secret: str = SECRET, **changes: object
) -> Post:
    """As the service sends it, `late_ms` after it happened."""
    said = happened(of, ["*"], {"d1": "driver1"})
    assert said is not None
    at_ms = said.at_ms + late_ms
    id_ = message_id(LEDGER, said.seq)
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    signature = Webhook(secret).sign(id_, at, said.body)
    made = Post(id_, str(at_ms // 1000), signature, said.body, at_ms, 204)
    return replace(made, **changes)


def judged(
    events: list[Event], posts: list[Post], *patterns: str
) -> tuple[Tally, list[str]]:
    told: list[str] = []
    delivered = Delivered(lambda _, text: told.append(text))
    for one in events:
        delivered.fact(LEDGER, one)
    wanted = list(patterns or ("*",))
    owed = delivered.wanted(wanted)
    return delivered.judge("e", SECRET, wanted, posts, owed), told


def test_all_that_was_wanted_and_came_once_or_more_is_good() -> None:
    events = numbered(*WAY)
    posts = [post(one) for one in events]
    failed = replace(posts[0], status=500)
    tally, told = judged(events, [failed, posts[0], *posts])
    assert told == []
    assert tally == Tally(wanted=4, taken=4, again=1, refused=1)


def test_each_kind_of_event_is_known_as_the_service_sends_it() -> None:
    there = trip(1)
    events = numbered(
        event(there),
        matching(there, "nearest"),
        offer(there, "d1"),
        offer_ended(there, "d1", "declined"),
        online("d1"),
        online("d1", online=False),
        online("d1", tags=("pets",), why="operator"),
        message(of_trip(there.id), 1),
        message("lounge", 1),
    )
    sent = [one for one in events if happened(one, ["*"], {}) is not None]
    assert len(sent) == 7
    assert judged(events, [post(one) for one in sent]) == (Tally(7, 7), [])


@pytest.mark.parametrize("lost", range(4))
def test_one_that_is_lost_is_told(lost: int) -> None:
    events = numbered(*WAY)
    posts = [post(one) for one in events]
    del posts[lost]
    _, (told,) = judged(events, posts)
    assert told.startswith(f"e was never sent {events[lost].type} ")  # type: ignore[union-attr]


def test_what_was_answered_by_500_alone_is_lost() -> None:
    events = numbered(*WAY)
    posts = [post(one) for one in events]
    _, (told,) = judged(events, [*posts[:3], replace(posts[3], status=500)])
    assert told.startswith("e was never sent trip.completed")


def test_a_later_one_of_a_trip_may_come_first_after_five_minutes_only() -> None:
    first, second = numbered(*WAY[:2])
    late = 5 * MINUTE_MS + 2_000
    _, (told,) = judged([first, second], [post(second), post(first, late_ms=9_000)])
    assert told.startswith(f"e was sent 4096 of {trip(1).id} after a later one")
    posts = [post(second, late_ms=late), post(first, late_ms=late + 5_000)]
    assert judged([first, second], posts)[1] == []


def test_trips_drivers_and_rooms_wait_for_nobody_else() -> None:
    events = numbered(
        event(trip(1)), event(trip(2)), online("d1"), message("a", 1), message("a", 2)
    )
    assert judged(events, [post(one) for one in reversed(events)])[1] == []


def test_what_was_asked_for_by_others_is_not_to_come() -> None:
    events = numbered(WAY[0], online("d1"))
    posts = [post(one) for one in events]
    _, (told,) = judged(events, posts, "trip.*")
    assert "a driver.online that it never asked for" in told


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda p: replace(p, id="msg_x_1"), "no event of the ledger"),
        (lambda p: replace(p, id="nonsense"), "no event of the ledger"),
        (lambda p: replace(p, signature="v1,AAAA"), "a wrong signature"),
        (lambda p: replace(p, body=p.body.replace("A", "Z")), "says another thing"),
        (lambda p: replace(p, body=p.body.replace("requested", "expired")), "as a"),
        (lambda p: replace(p, at_ms=p.at_ms + 6 * MINUTE_MS), "with the time"),
    ],
)
def test_one_that_is_not_what_happened_is_told(
    spoil: Callable[[Post], Post], why: str
) -> None:
    events = numbered(WAY[0])
    _, told = judged(events, [spoil(post(events[0]))])
    assert any(why in one for one in told), told


def test_another_secret_s_signature_is_wrong_and_one_of_two_is_enough() -> None:
    (one,) = numbered(WAY[0])
    good, foreign = post(one), post(one, secret=OTHER)
    _, (told,) = judged([one], [foreign])
    assert "a wrong signature" in told
    both = replace(good, signature=f"{foreign.signature} {good.signature}")
    assert judged([one], [both])[1] == []


def test_how_long_an_event_was_on_its_way_is_of_its_first_delivery() -> None:
    first, second = numbered(*WAY[:2])
    delivered = Delivered(lambda *_: None)
    for one in (first, second):
        delivered.fact(LEDGER, one)
    failed = replace(post(second, late_ms=20), status=500)
    posts = [post(first, late_ms=1_500), failed, post(second), post(first)]
    at_ms = first.at_ms
    assert delivered.waits(posts) == [(at_ms, 1_500), (at_ms + 1_000, 50)]
