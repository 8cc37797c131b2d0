"""Why these drivers, as history answers it: from the ledger's rows and leaders' rounds,
on real databases, over a real MATCHES.
"""

from typing import Any

import pytest
from sqlalchemy import insert

from persistence.history import retention
from persistence.models import UserRow
from persistence.projected.messages import PAGE_BYTES_MAX
from schemas import codec
from schemas.accounts import ExplainTrip
from schemas.explanations import Explanation
from schemas.matching import Judged, Verdict
from schemas.observations import Other, Round, mark_of
from schemas.refusals import Code
from schemas.times import rfc3339
from tests.contract.persistence.telling import OPEN, STARTED, Told, opened
from tests.support.records import (
    T0_MS,
    event,
    matching,
    offer,
    offer_ended,
    online,
    trip,
)


def a_round(seq: int, number: int = 1, **changes: Any) -> Round:
    fields: dict[str, Any] = {
        "seq": seq,
        "before_seq": seq,
        "trip": OPEN.id,
        "rider": "r1",
        "round": number,
        "at_ms": T0_MS + number * 1000,
        "considered": 3,
        "excluded": {"busy": 1},
        "ranked": [Judged("ann", Verdict.CHOSEN, 150, 800, 140, 3)],
        "others": [Other("bob", "farther", 420, 3100, 400, 2)],
        "unlisted": "too_far",
    }
    return Round(**{**fields, **changes})


async def test_an_offer_is_told_with_what_it_rests_on_and_how_it_ended(
    told: Told,
) -> None:
    told.happened(opened())
    told.happened(offer(OPEN, "ann"))
    told.happened(offer_ended(OPEN, "ann", "declined"))
    told.happened(offer(OPEN, "bob", 2))
    why = await told.why()
    assert (why.trip, why.policy, why.reason) == (OPEN.id, "nearest", None)
    first, second = why.offers
    assert (first.offer, first.driver.id, first.round) == ("o1", "ann", 1)
    assert (first.end, first.ended_at) == ("declined", rfc3339(T0_MS + 1500))
    assert (first.at, first.expires_at) == (
        rfc3339(T0_MS + 1000),
        rfc3339(T0_MS + 16_000),
    )
    figures = (first.pick_up_distance_m, first.pick_up_eta_s, first.cost_s)
    assert (*figures, first.position_age_s) == (800, 150, 140, 3)
    assert (second.end, second.ended_at) == (None, None)


async def test_the_accepted_offer_stays_accepted_and_a_late_accept_makes_it_so(
    told: Told,
) -> None:
    told.happened(opened(), offer(OPEN, "d1"))
    told.happened(offer_ended(OPEN, "d1", "expired"))
    told.happened(event(STARTED, offer="o1"))
    assert [one.end for one in (await told.why()).offers] == ["accepted"]
    back = trip(1, 0, version=3, pick_up=OPEN.pick_up)
    released = event(back, 0, type="trip.released", by="d1", matching="nearest")
    told.happened(released)
    assert [one.end for one in (await told.why()).offers] == ["accepted"]


@pytest.mark.parametrize(
    "how", ["setting", "no_pick_up", "no_positions", "offers_max", "too_long"]
)
async def test_why_all_were_told_is_told(told: Told, how: Any) -> None:
    told.happened(opened("nearest"))
    assert (await told.why()).policy == "nearest"
    told.happened(matching(OPEN, how))
    why = await told.why()
    assert (why.policy, why.reason) == ("broadcast", how)


async def test_a_trip_of_before_was_told_to_all(told: Told) -> None:
    told.happened(event(OPEN))
    why = await told.why()
    assert (why.policy, why.reason, why.offers, why.rounds) == (
        *("broadcast", None),
        *([], []),
    )


async def test_a_round_is_told_with_names(told: Told) -> None:
    told.happened(opened())
    seq = told.happened(offer(OPEN, "ann"))
    await told.saw(a_round(seq))
    (seen,) = (await told.why()).rounds
    assert (seen.round, seen.considered, seen.excluded) == (1, 3, {"busy": 1})
    (ranked,) = seen.ranked
    assert (ranked.driver.id, ranked.verdict) == ("ann", Verdict.CHOSEN)
    assert (ranked.pick_up_distance_m, ranked.pick_up_eta_s) == (800, 150)


async def test_a_round_that_comes_twice_is_told_once(told: Told) -> None:
    told.happened(opened())
    seq = told.happened(offer(OPEN, "ann"))
    await told.saw(a_round(seq))
    await told.saw(a_round(seq))
    assert len((await told.why()).rounds) == 1


async def test_of_every_driver_it_is_told_why_it_was_not_them(told: Told) -> None:
    asked = {"offers": True}
    told.happened(
        *[online(who, **asked) for who in ("ann", "bob", "cy", "dee", "eve", "gus")],
        *[online(who, **asked) for who in ("old", "new", "rel", "lim")],
    )
    told.happened(online("off", online=False, offers=True))
    told.happened(event(trip(2), 0), event(trip(2, 1), 1, offer=""))
    told.happened(opened(), offer(trip(3), "cy", offer="x"))
    told.happened(
        *(offer(OPEN, "dee"), offer_ended(OPEN, "dee", "declined")),
        *(offer(OPEN, "eve", 2), offer_ended(OPEN, "eve", "expired", 2)),
    )
    seq = told.happened(offer(OPEN, "ann", 3))
    gone_s = Other("gus", "lost_to", 100, 500, 90, 1, trip(4).id)
    marks = {"position_stale": mark_of("x") + mark_of("old")}
    marks["position_missing"] = mark_of("new")
    far = Other("bob", "farther", 420, 3100, 400, 2)
    await told.saw(a_round(seq, 3, others=[far, gone_s], marks=marks))
    says = {
        "off": "offline",
        "d2": "busy",
        "cy": "offer_pending",
        "dee": "declined",
        "eve": "missed",
        "nobody": "no_offers",
        "new": "position_missing",
        "old": "position_stale",
        "lim": "too_far",
        "gus": "lost_to",
        "bob": "farther",
        "ann": "chosen",
    }
    for driver, verdict in says.items():
        assert (await told.of(driver))[-1].verdict == verdict, driver
    (*_, bob) = await told.of("bob")
    assert (bob.round, bob.at) == (3, rfc3339(T0_MS + 3000))
    assert (bob.pick_up_distance_m, bob.pick_up_eta_s) == (3100, 420)
    assert (bob.cost_s, bob.position_age_s) == (400, 2)
    (*_, gus) = await told.of("gus")
    assert gus.trip == trip(4).id


async def test_a_released_trip_is_begun_afresh_but_for_the_releaser(
    told: Told,
) -> None:
    told.happened(*[online(who, offers=True) for who in ("d1", "ann", "dee")])
    told.happened(opened(), offer(OPEN, "dee"), offer_ended(OPEN, "dee", "declined"))
    told.happened(offer(OPEN, "d1", 2), event(STARTED, offer="o2"))
    back = trip(1, 0, version=3, pick_up=OPEN.pick_up)
    told.happened(event(back, 0, type="trip.released", by="d1", matching="nearest"))
    seq = told.happened(offer(OPEN, "ann", 3))
    await told.saw(a_round(seq, 3))
    assert (await told.verdicts("d1"))[-1] == "released"
    assert (await told.verdicts("dee"))[-1] == "too_far"


async def test_what_happened_after_a_round_changes_nothing_about_it(
    told: Told,
) -> None:
    told.happened(online("bob", offers=True), online("ann", offers=True), opened())
    seq = told.happened(offer(OPEN, "ann"))
    await told.saw(a_round(seq))
    told.happened(online("bob", online=False, offers=True))
    told.happened(offer_ended(OPEN, "ann", "declined"))
    assert await told.verdicts("bob") == ["farther"]
    assert await told.verdicts("ann") == ["chosen"]


async def test_who_lacks_what_the_trip_needs_is_told_by_their_mark(told: Told) -> None:
    told.happened(online("lim", offers=True), online("van", offers=True, tags=("van",)))
    told.happened(opened())
    seq = told.happened(offer(OPEN, "ann"))
    await told.saw(a_round(seq, marks={"needs": mark_of("lim")}))
    assert await told.verdicts("lim") == ["needs"]
    assert await told.verdicts("van") == ["too_far"]


async def test_where_it_can_not_be_told_that_is_told(told: Told) -> None:
    told.happened(online("lim", offers=True), opened())
    seq = told.happened(offer(OPEN, "ann"))
    await told.saw(a_round(seq, unlisted=""))
    assert await told.verdicts("lim") == ["not_recorded"]


async def test_a_round_that_is_too_old_is_not_recorded(told: Told) -> None:
    told.happened(online("bob", offers=True), opened())
    seq = told.happened(offer(OPEN, "ann"))
    await told.saw(a_round(seq))
    assert await told.verdicts("bob") == ["farther"]
    assert await retention.drop_matches(told.engine, T0_MS + 1001) == 1
    assert await told.verdicts("bob") == ["not_recorded"]
    assert await told.verdicts("ann") == ["chosen"]
    assert (await told.why()).rounds == []


async def test_rounds_that_are_not_too_old_stay(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    told.happened(opened())
    await told.saw(*(a_round(4096 + n, n) for n in range(9)))
    assert await retention.drop_matches(told.engine, T0_MS + 6_000) == 6
    assert [one.round for one in (await told.why()).rounds] == [6, 7, 8]


async def test_an_explanation_of_long_names_fits_a_message(told: Told) -> None:
    """Two hundred rounds of eight drivers, and hundreds of offers, all with names of
    150 characters of four bytes: the newest are told.
    """
    told.happened(opened())
    who = [f"{n:036}" for n in range(250)]
    people = [
        {
            "id": one,
            "username": f"{n:06}" + "\N{GRINNING FACE}" * 144,
            "first_name": "",
            "last_name": "",
            "role": "driver",
            "region": "main",
            "created_at_ms": 1,
        }
        for n, one in enumerate(who)
    ]
    async with told.engine.begin() as connection:
        await connection.execute(insert(UserRow), people)
    told.happened(*(offer(OPEN, who[n], n + 1) for n in range(250)))
    ranked = [Judged(one, Verdict.FARTHER, 1, 1, 1, 1) for one in who[:8]]
    for start in range(0, 250, 50):
        ns = range(start, start + 50)
        await told.saw(*(a_round(4096 + n, n, ranked=ranked) for n in ns))
    result = await told.ask("matching", ExplainTrip(OPEN.id, who[0], "main"))
    assert result.data is not None, result.refused
    assert len(result.data) <= PAGE_BYTES_MAX
    why = codec.decode(result.data, Explanation)
    assert why.rounds[-1].round == 249
    assert why.offers[-1].round == 250


async def test_an_unknown_trip_is_not_found(told: Told) -> None:
    for name in ("nothing", "\0"):
        question = ExplainTrip(name)
        assert await told.refusal("matching", question) is Code.TRIP_NOT_FOUND
