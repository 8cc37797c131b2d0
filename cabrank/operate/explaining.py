"""Why these drivers, in plain words: of what `GET /api/trips/{id}/matching` answers.
Pure.
"""

from schemas.explanations import (
    NOT_RECORDED,
    Driver,
    DriverRound,
    Explanation,
    Figures,
    OfferMade,
    RoundSeen,
)
from schemas.matching import Verdict
from schemas.times import from_rfc3339

_TOLD = {
    "setting": "offers are off in its region (CABRANK_MATCHING)",
    "no_pick_up": "it has no pick-up place",
    "no_positions": "of no driver who wants offers was it known where they were",
    "offers_max": "as many drivers as may be had been asked in vain",
    "too_long": "it had been without a driver for too long",
}
_ENDS = {
    "accepted": "accepted",
    "declined": "declined",
    "expired": "didn't answer",
    "taken": "lost it to another driver",
    "cancelled": "had it taken back, since the trip ended",
    "withdrawn": "had it taken back, being offline or busy",
}
_WHY = {
    Verdict.OFFLINE: "was offline",
    Verdict.BUSY: "was on a trip",
    Verdict.OFFER_PENDING: "was being asked for another trip",
    Verdict.RELEASED: "had given this trip back",
    Verdict.DECLINED: "had declined it",
    Verdict.MISSED: "had let its offer run out",
    Verdict.NO_OFFERS: "had not asked for offers",
    Verdict.POSITION_MISSING: "was nowhere known",
    Verdict.POSITION_STALE: "had not told for too long where they were",
    Verdict.NEEDS: "lacked what the trip needs",
    Verdict.TOO_FAR: "was too far away",
}
"""What is said of a driver, whatever else is known of them."""
_COUNTED = {
    Verdict.OFFLINE: "offline",
    Verdict.BUSY: "on a trip",
    Verdict.OFFER_PENDING: "being asked for another trip",
    Verdict.RELEASED: "gave it back",
    Verdict.DECLINED: "declined it",
    Verdict.MISSED: "let its offer run out",
    Verdict.NO_OFFERS: "want no offers",
    Verdict.POSITION_MISSING: "nowhere known",
    Verdict.POSITION_STALE: "not heard of lately",
    Verdict.NEEDS: "lack what it needs",
    Verdict.TOO_FAR: "too far away",
}
_KM = 1000
_MIN = 60
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


def lines(told: Explanation, driver: str | None = None) -> list[str]:
    """`driver`: how the one is called whom `told.driver` is about."""
    said = [_policy(told)]
    said += [_offer(offer, n) for n, offer in enumerate(told.offers)]
    if told.driver is not None:
        name = driver or told.driver.id
        said += [_of_driver(name, one, told) for one in told.driver.rounds]
        if not told.driver.rounds:
            said.append(f"There was no round in which {name} could have been chosen.")
        return said
    return said + [text for one in told.rounds for text in _round(one)]


def name_of(driver: Driver) -> str:
    return driver.username or driver.id


def _policy(told: Explanation) -> str:
    if told.policy == "nearest":
        return f"Trip {told.trip} is offered to one driver at a time."
    why = _TOLD.get(told.reason or "", told.reason)
    because = f", since {why}" if why else ""
    return f"Trip {told.trip} was told to all drivers{because}."


def _offer(offer: OfferMade, n: int) -> str:
    who = name_of(offer.driver)
    place = where(offer)
    first = _ORDINALS[n] if n < len(_ORDINALS) else f"as number {n + 1}"
    asked = f"{who}{f', {place},' if place else ''} was asked {first}"
    if offer.end is None or offer.ended_at is None:
        return f"{asked} and has not answered yet."
    after_s = _seconds(offer.at, offer.ended_at)
    return f"{asked} and {_ENDS.get(offer.end, offer.end)} after {after_s} s."


def _round(seen: RoundSeen) -> list[str]:
    left_out = ", ".join(
        f"{count} {_COUNTED.get(Verdict(why), why)}"
        for why, count in seen.excluded.items()
    )
    text = f"Round {seen.round}, {seen.at}: {seen.considered} drivers known"
    said = [f"{text}{f'; left out: {left_out}' if left_out else ''}."]
    for one in seen.ranked:
        why = _of_ranked(one.verdict, one.trip)
        place = where(one) or "nowhere told"
        said.append(f"  {name_of(one.driver)}, {place}: {why}.")
    return said


def _of_ranked(verdict: Verdict, trip: str | None) -> str:
    if verdict is Verdict.CHOSEN:
        return "asked"
    if verdict is Verdict.LOST_TO:
        return f"went to trip {trip}"
    return "not the best choice"


def _of_driver(name: str, one: DriverRound, told: Explanation) -> str:
    when = f"Round {one.round}, {one.at}: {name}"
    place = where(one)
    if one.verdict == NOT_RECORDED:
        return f"{when}: what was of them then is not recorded."
    if one.verdict == Verdict.CHOSEN:
        return f"{when} was chosen{f', {place}' if place else ''}."
    if one.verdict == Verdict.LOST_TO:
        return f"{when} was {place or 'near'}, and went to trip {one.trip}."
    if one.verdict == Verdict.FARTHER:
        better = _chosen(one, told)
        than = f"; {better} was the better choice" if better else ""
        return f"{when} was {place or 'farther away'}{than}."
    why = _WHY.get(Verdict(one.verdict), one.verdict)
    return f"{when} {why}{f': {place}' if place else ''}."


def _chosen(one: DriverRound, told: Explanation) -> str:
    """Who was asked in that round, and from where."""
    for offer in told.offers:
        if (offer.round, offer.at) == (one.round, one.at):
            place = where(offer)
            return name_of(offer.driver) + (f", {place}," if place else "")
    return ""


def where(figures: Figures) -> str:
    """`3.1 km away (7 min)`; empty: not known any more."""
    distance_m, eta_s = figures.pick_up_distance_m, figures.pick_up_eta_s
    if distance_m is None or eta_s is None:
        return ""
    far = f"{distance_m} m" if distance_m < _KM else f"{distance_m / _KM:.1f} km"
    long = f"{eta_s} s" if eta_s < _MIN else f"{round(eta_s / _MIN)} min"
    return f"{far} away ({long})"


def _seconds(start: str, end: str) -> int:
    return max(0, round((from_rfc3339(end) - from_rfc3339(start)) / 1000))
