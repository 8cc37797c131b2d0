import pytest

from cabrank.operate.explaining import lines
from schemas.explanations import (
    Driver,
    DriverRound,
    DriverSeen,
    Explanation,
    OfferMade,
    Ranked,
    RoundSeen,
)
from schemas.matching import Verdict
from schemas.times import rfc3339

NOON_MS = 1_795_255_200_000
ANN, BOB = Driver("id-ann", "ann"), Driver("id-bob", "bob")


def offer(
    driver: Driver, at_s: float, end: str | None, after_s: float = 0, round_: int = 1
) -> OfferMade:
    at_ms = NOON_MS + round(at_s * 1000)
    return OfferMade(
        offer="o",
        driver=driver,
        round=round_,
        at=rfc3339(at_ms),
        expires_at=rfc3339(at_ms + 15_000),
        ended_at=None if end is None else rfc3339(at_ms + round(after_s * 1000)),
        end=end,
        pick_up_distance_m=800,
        pick_up_eta_s=150,
    )


def explanation(*offers: OfferMade, **more: object) -> Explanation:
    fields = {"policy": "nearest", "reason": None, "rounds": [], "driver": None}
    return Explanation(trip="t", offers=list(offers), **{**fields, **more})  # type: ignore[arg-type]


def of_bob(verdict: str, **more: object) -> list[str]:
    at = rfc3339(NOON_MS)
    one = DriverRound(round=1, at=at, verdict=verdict, **more)  # type: ignore[arg-type]
    told = explanation(offer(ANN, 0, "declined", 4), driver=DriverSeen("id-bob", [one]))
    return lines(told, "bob")


def test_who_was_asked_first_and_what_they_did_is_told() -> None:
    said = lines(
        explanation(offer(ANN, 0, "declined", 4), offer(BOB, 4, "accepted", 2))
    )
    assert said == [
        "Trip t is offered to one driver at a time.",
        "ann, 800 m away (2 min), was asked first and declined after 4 s.",
        "bob, 800 m away (2 min), was asked second and accepted after 2 s.",
    ]


def test_a_live_offer_and_the_tenth_are_told() -> None:
    said = lines(explanation(*[offer(ANN, n, None, round_=n) for n in range(1, 11)]))
    assert said[1].endswith("was asked first and has not answered yet.")
    assert "was asked as number 10" in said[-1]


def test_why_it_was_not_another_is_told_with_who_it_was() -> None:
    said = of_bob("farther", pick_up_distance_m=3100, pick_up_eta_s=420)
    assert said[-1] == (
        f"Round 1, {rfc3339(NOON_MS)}: bob was 3.1 km away (7 min); "
        "ann, 800 m away (2 min), was the better choice."
    )


@pytest.mark.parametrize("verdict", [*Verdict, "not_recorded"])
def test_every_verdict_has_words_with_a_place_and_without(verdict: str) -> None:
    for more in ({}, {"pick_up_distance_m": 40, "pick_up_eta_s": 9}):
        (*_, text) = of_bob(verdict, trip="t9", **more)
        assert text.startswith(f"Round 1, {rfc3339(NOON_MS)}: ")
        assert text.endswith(".")
        assert "bob" in text or verdict == "not_recorded"
        assert "None" not in text
        assert "_" not in text


@pytest.mark.parametrize(
    "reason", ["setting", "no_pick_up", "no_positions", "offers_max", "too_long", None]
)
def test_why_all_were_told_is_told(reason: str | None) -> None:
    (text,) = lines(explanation(policy="broadcast", reason=reason))
    assert text.startswith("Trip t was told to all drivers")
    assert ("since" in text) == (reason is not None)


def test_a_round_tells_who_was_left_out_and_the_cheapest() -> None:
    ranked = [
        Ranked(
            driver=ANN, verdict=Verdict.CHOSEN, pick_up_distance_m=1, pick_up_eta_s=1
        ),
        Ranked(driver=BOB, verdict=Verdict.LOST_TO, trip="t9"),
    ]
    seen = RoundSeen(1, rfc3339(NOON_MS), 9, {"busy": 3, "too_far": 4}, ranked)
    said = lines(explanation(rounds=[seen]))
    assert said[1:] == [
        (
            f"Round 1, {rfc3339(NOON_MS)}: 9 drivers known; left out: 3 on a trip, "
            "4 too far away."
        ),
        "  ann, 1 m away (1 s): asked.",
        "  bob, nowhere told: went to trip t9.",
    ]


def test_no_round_at_all_is_told() -> None:
    told = explanation(driver=DriverSeen("id-bob", []))
    assert lines(told, "bob")[-1] == (
        "There was no round in which bob could have been chosen."
    )
