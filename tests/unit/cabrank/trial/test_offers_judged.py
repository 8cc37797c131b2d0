"""A ledger of offers that keeps PROTOCOL.md section 7 is let pass; with any of its
facts changed, it isn't.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from cabrank.trial.oracle.asking import Asking, Greeting
from cabrank.trial.oracle.hunts import Rules
from cabrank.trial.oracle.offers import Offers
from cabrank.trial.oracle.sequential import Call
from schemas.events import (
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.ledger import Record
from schemas.matching import Evidence
from schemas.trips import OpenTrip, Person, Position, Role, Status, Trip

RULES = Rules(offers_max=2, broadcast_after_ms=60_000, missed_offers_max=1)
RIDER, DORA, DAN = (Person(name, name, "F", "L") for name in ("rita", "dora", "dan"))
NEAR = Evidence(1_000, 187, 187, 0)
S = Status
AT = "2026-11-21T10:00:00.000Z"


def trip(version: int, status: Status, driver: Person | None = None) -> Trip:
    there = Position(1, 2)
    return Trip(
        "t", "main", status, version, "A", "B", there, None, RIDER, driver, AT, AT
    )


def moved(at_ms: int, kind: Any, to: Trip, **more: Any) -> TripEvent:
    return TripEvent(0, kind, at_ms, to.participants(), to, **more)


def stands(at_ms: int, driver: Person, **more: Any) -> DriverEvent:
    return DriverEvent(0, at_ms, driver.id, **({"online": True, "offers": True} | more))


def offer(at_ms: int, number: int, driver: Person) -> OfferEvent:
    shown = OpenTrip.of(trip(1, S.REQUESTED))
    until_ms = at_ms + RULES.offer_ttl_ms
    return OfferEvent(0, at_ms, f"o{number}", driver.id, shown, number, until_ms, NEAR)


def over(at_ms: int, number: int, driver: Person, why: Any) -> OfferEndedEvent:
    return OfferEndedEvent(0, at_ms, f"o{number}", driver.id, "t", why)


OPENED = moved(0, "trip.requested", trip(1, S.REQUESTED), matching="nearest")
BEGUN: list[Event] = [stands(0, DORA), stands(0, DAN), OPENED, offer(0, 1, DORA)]
TOLD = MatchingEvent(
    0, 15_000, OpenTrip.of(trip(1, S.REQUESTED)), "offers_max", 1, (RIDER.id,)
)
ACCEPTED = moved(
    5_000, "trip.started", trip(2, S.STARTED, DORA), offer="o1", by=DORA.id
)
STORIES: dict[str, list[Event]] = {
    "accepted": [*BEGUN, ACCEPTED],
    "declined, then the next": [
        *(*BEGUN, over(4_000, 1, DORA, "declined"), offer(4_000, 2, DAN)),
    ],
    "missed, paused, late, and back": [
        *(*BEGUN, over(15_000, 1, DORA, "expired")),
        stands(15_000, DORA, online=False, why="missed_offers"),
        offer(15_000, 2, DAN),
        moved(16_000, "trip.started", trip(2, S.STARTED, DORA), offer="o1", by="dora"),
        *(over(16_000, 2, DAN, "taken"), stands(16_000, DORA)),
    ],
    "cancelled": [
        *(*BEGUN, moved(3_000, "trip.cancelled", trip(2, S.CANCELLED))),
        over(3_000, 1, DORA, "cancelled"),
    ],
    "offline": [
        *(*BEGUN, stands(3_000, DORA, online=False), over(3_000, 1, DORA, "withdrawn")),
        offer(3_000, 2, DAN),
    ],
    "all are told": [
        *(*BEGUN, over(4_000, 1, DORA, "declined"), offer(4_000, 2, DAN)),
        *(over(14_000, 2, DAN, "declined"), TOLD),
        moved(16_000, "trip.started", trip(2, S.STARTED, DORA), by="dora", feed=2),
    ],
    "released": [
        *(*BEGUN, ACCEPTED),
        moved(
            6_000,
            "trip.released",
            trip(3, S.REQUESTED),
            by="dora",
            matching="nearest",
        ),
        offer(6_000, 2, DAN),
    ],
    "assigned": [
        *(*BEGUN, moved(2_000, "trip.started", trip(2, S.STARTED, DAN), by="olga")),
        over(2_000, 1, DORA, "taken"),
    ],
}


def broken(events: list[Event], rules: Rules = RULES) -> set[str]:
    """Rules that a ledger of two records breaks, the first one the epoch's."""
    found: set[str] = set()
    offers = Offers(rules, lambda rule, _: found.add(rule))
    last_ms = max(event.at_ms for event in events)
    offers.take(1, 1, 0, ())
    offers.take(2, 1, last_ms, [replace(e, seq=8192 + n) for n, e in enumerate(events)])
    return found


@pytest.mark.parametrize("name", STORIES)
def test_what_keeps_the_contract_is_let_pass(name: str) -> None:
    assert broken(STORIES[name]) == set()


def change(name: str, index: int, **fields: Any) -> list[Event]:
    events = list(STORIES[name])
    events[index] = replace(events[index], **fields)
    return events


def without(name: str, index: int) -> list[Event]:
    events = list(STORIES[name])
    del events[index]
    return events


def after(name: str, *more: Event) -> list[Event]:
    return [*STORIES[name], *more]


WRONG: list[tuple[str, Callable[[], list[Event]]]] = [
    (
        "one live offer of a trip",
        lambda: after("accepted", *BEGUN[3:], offer(0, 2, DAN)),
    ),
    ("no offer outlives its trip", lambda: after("accepted", offer(6_000, 2, DAN))),
    ("no offer to who isn't free", lambda: change("accepted", 0, online=False)),
    ("no offer to who isn't free", lambda: change("accepted", 0, offers=False)),
    ("no offer to who isn't free", lambda: after("accepted", *second(DORA))),
    ("one live offer of a driver", lambda: after("all are told", *second(DAN, DAN))),
    ("nobody is asked again", lambda: change("released", 6, driver=DORA.id)),
    (
        "nobody is asked again",
        lambda: change("declined, then the next", 5, driver=DORA.id),
    ),
    ("only who is asked accepts", lambda: change("accepted", 4, offer="o9")),
    (
        "only who is asked accepts",
        lambda: change("missed, paused, late, and back", 7, at_ms=17_001),
    ),
    ("what follows, follows", lambda: without("cancelled", 5)),
    ("what follows, follows", lambda: without("offline", 5)),
    ("what follows, follows", lambda: without("assigned", 5)),
    ("what follows, follows", lambda: without("missed, paused, late, and back", 9)),
    (
        "what follows, follows",
        lambda: [*BEGUN, over(15_000, 1, DORA, "expired"), offer(15_000, 2, DAN)],
    ),
    ("an offer ends once", lambda: change("cancelled", 5, why="taken")),
    ("an offer ends once", lambda: after("accepted", over(6_000, 1, DORA, "taken"))),
    ("an offer ends once", lambda: after("accepted", over(6_000, 7, DORA, "taken"))),
    ("offers live as told", lambda: change("accepted", 3, expires_ms=15_001)),
    (
        "offers live as told",
        lambda: change("missed, paused, late, and back", 4, at_ms=14_999),
    ),
    ("rounds are counted", lambda: change("declined, then the next", 5, round=3)),
    (
        "who misses too many goes offline",
        lambda: after(
            "accepted", stands(9_000, DAN, online=False, why="missed_offers")
        ),
    ),
    ("told by rule", lambda: change("accepted", 2, feed=1)),
    ("told by rule", lambda: change("accepted", 4, feed=1)),
    ("told by rule", lambda: change("all are told", 8, feed=0)),
    ("told by rule", lambda: change("all are told", 7, exclude=())),
    ("told by rule", lambda: change("all are told", 7, matching="too_long")),
    ("told by rule", lambda: without("all are told", 6)),
    ("told by rule", lambda: change("declined, then the next", 5, at_ms=60_000)),
    ("the feed is dense", lambda: change("all are told", 8, feed=3)),
    ("matched by rule", lambda: STORIES["accepted"][2:]),
    ("requests expire", lambda: expired(299_999)),
    ("the cap binds", lambda: change("accepted", 3, evidence=far(481))),
    ("positions are fresh", lambda: change("accepted", 3, evidence=old(61))),
]


def second(*drivers: Person) -> list[Event]:
    """Another trip at the same time, offered to these."""
    events: list[Event] = []
    for number, driver in enumerate(drivers, 5):
        other = replace(trip(1, S.REQUESTED), id=f"t{number}")
        events.append(moved(17_000, "trip.requested", other, matching="nearest"))
        made = offer(17_000, 1, driver)
        events.append(replace(made, offer=f"o{number}", trip=OpenTrip.of(other)))
    return events


def expired(at_ms: int) -> list[Event]:
    gone = moved(at_ms, "trip.expired", trip(2, S.EXPIRED))
    return [*BEGUN, over(1_000, 1, DORA, "declined"), gone]


def far(eta_s: int) -> Evidence:
    return replace(NEAR, pick_up_eta_s=eta_s)


def old(age_s: int) -> Evidence:
    return replace(NEAR, position_age_s=age_s)


@pytest.mark.parametrize(("rule", "events"), WRONG)
def test_what_breaks_a_rule_is_seen(
    rule: str, events: Callable[[], list[Event]]
) -> None:
    assert rule in broken(events())


def test_a_new_leader_gives_live_offers_two_seconds() -> None:
    found: list[str] = []
    offers = Offers(RULES, lambda rule, _: found.append(rule))
    offers.take(1, 1, 0, [replace(e, seq=4096 + n) for n, e in enumerate(BEGUN)])
    offers.take(2, 2, 14_500, ())
    ended = over(16_499, 1, DORA, "expired")
    paused = stands(16_499, DORA, online=False, why="missed_offers")
    offers.take(3, 2, 16_499, [replace(ended, seq=12_288), replace(paused, seq=12_289)])
    assert found == ["offers live as told"]


# ---- answers and welcomes ------------------------------------------------------------


def asked(*calls: Call, greetings: tuple[Greeting, ...] = ()) -> set[str]:
    """Of "missed, paused, late, and back", a record for each of its first facts."""
    found: set[str] = set()
    asking = Asking(RULES, lambda rule, _: found.add(rule))
    story = STORIES["missed, paused, late, and back"]
    parts = [BEGUN, story[4:7], story[7:]]
    asking.take(Record(2, "ledger", 1, 1, "w", 0, []), 0.0)
    for n, part in enumerate(parts, 2):
        events = [replace(event, seq=n * 4096 + i) for i, event in enumerate(part)]
        at_ms = max(event.at_ms for event in events)
        asking.take(Record(2, "ledger", 1, n, "w", at_ms, events), float(n))
    asking.judge(calls)
    asking.judge_greetings(greetings)
    return found


def call(kind: str, who: Person, start: float, code: str | None, **more: Any) -> Call:
    made = Call(who.id, Role.DRIVER, kind, "t", None, start, start + 0.5, **more)
    if code is None:
        made.answer = OpenTrip.of(trip(1, S.REQUESTED))
    else:
        made.code = code
    return made


ANSWERS: list[tuple[tuple[str, Person, float, str | None], str | None, bool]] = [
    (("trip.accept", DAN, 2.1, "trip_not_open"), None, True),
    (("trip.accept", DAN, 2.1, "offer_expired"), None, False),
    (("trip.accept", DORA, 2.1, "offer_expired"), None, False),
    (("trip.accept", DORA, 2.1, "offer_expired"), "o1", False),
    (("trip.accept", DORA, 2.1, "offer_expired"), "o9", True),
    (("trip.accept", DORA, 2.1, "trip_not_open"), "o9", False),
    (("trip.accept", DORA, 3.1, "offer_expired"), None, False),
    (("trip.accept", DAN, 3.1, "offer_expired"), None, False),
    (("trip.accept", DORA, 2.9, "trip_not_open"), None, False),
    (("trip.decline", DAN, 2.1, "wrong_status"), None, True),
    (("trip.decline", DAN, 2.1, None), None, False),
    (("trip.decline", DORA, 2.1, None), "o1", True),
    (("trip.decline", DORA, 3.1, None), "o1", True),
    (("trip.decline", DORA, 3.1, "wrong_status"), "o1", False),
    (("trip.decline", DORA, 3.1, None), "o2", False),
    (("trip.decline", DAN, 2.9, None), "o2", True),
]


@pytest.mark.parametrize(("said", "offer", "fits"), ANSWERS)
def test_an_answer_must_fit_some_moment_between_command_and_answer(
    said: tuple[str, Person, float, str | None], offer: str | None, fits: bool
) -> None:
    assert (asked(call(*said, offer=offer)) == set()) is fits


def test_who_accepted_late_and_gave_it_back_has_no_offer_to_be_late_for() -> None:
    found: set[str] = set()
    asking = Asking(RULES, lambda rule, _: found.add(rule))
    back = moved(
        16_500, "trip.released", trip(3, S.REQUESTED), by="dora", matching="nearest"
    )
    facts = [*STORIES["missed, paused, late, and back"], back]
    events = [replace(event, seq=4096 + n) for n, event in enumerate(facts)]
    asking.take(Record(2, "ledger", 0, 1, "w", 16_500, events), 1.0)
    asking.judge([call("trip.accept", DORA, 1.1, "trip_not_open")])
    assert found == set()
    asking.judge([call("trip.accept", DORA, 1.1, "offer_expired")])
    assert found == {"offers are met as told"}


@pytest.mark.parametrize(
    ("user", "seq", "online", "offers", "fits"),
    [
        (DORA, 2 * 4096 + 3, True, ["o1"], True),
        (DORA, 2 * 4096 + 2, True, ["o1"], False),
        (DORA, 2 * 4096 + 2, True, [], True),
        (DORA, 3 * 4096, True, [], True),
        (DORA, 3 * 4096 + 1, False, [], True),
        (DORA, 3 * 4096 + 1, True, [], False),
        (DAN, 3 * 4096 + 2, True, ["o2"], True),
        (DAN, 3 * 4096 + 2, True, ["o1"], False),
        (DAN, 4 * 4096 + 9, True, [], True),
    ],
)
def test_a_welcome_must_be_the_state_at_its_seq(
    user: Person, seq: int, online: bool, offers: list[str], fits: bool
) -> None:
    greeting = Greeting(user.id, seq, online, offers, [])
    assert (asked(greetings=(greeting,)) == set()) is fits
