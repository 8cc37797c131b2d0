"""Why these drivers, from what the ledger told and leaders saw. Pure.

Who was offline, busy, or had passed the trip is the ledger's to tell, for any driver at
any time; where they were, a round's record (schemas/observations.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict, replace

from persistence.projected.dispatch import OPENS, TOLD, Duty, Ended, How, Offered
from schemas import codec
from schemas.events import MATCHED
from schemas.explanations import (
    NOT_RECORDED,
    Driver,
    DriverRound,
    DriverSeen,
    Explanation,
    Figures,
    OfferMade,
    Ranked,
    RoundSeen,
)
from schemas.matching import Judged, Verdict
from schemas.observations import MARK_CHARS, Other, Round, mark_of
from schemas.times import rfc3339


class Fact(Protocol):
    """A row of `dispatch_events`."""

    ledger: str
    seq: int
    what: str
    at_ms: int
    trip_id: str | None
    driver_id: str | None
    offer_id: str | None
    data: str | None


class About(Struct, frozen=True):
    """What is known of one trip."""

    trip: str
    facts: Sequence[Any]
    """Its `Fact`s, the oldest first."""
    rounds: Sequence[tuple[str, Round]]
    """(ledger, round), the oldest first."""
    names: Mapping[str, str]
    """User → username."""


# ---- of the trip -----------------------------------------------------------------


def explain(about: About, driver: DriverSeen | None) -> Explanation:
    policy, reason = _policy(about.facts)
    offers = [_offer(about, fact, offer) for fact, offer in _offers(about.facts)]
    rounds = [_round(about, seen) for _, seen in about.rounds]
    return Explanation(about.trip, policy, reason, offers, rounds, driver)


def within(told: Explanation, bytes_max: int) -> bytes:
    """As JSON; where that is too much, without the oldest rounds, then without the
    oldest offers: names may be long.
    """
    made = codec.encode(told)
    while len(made) > bytes_max and (told.rounds or told.offers):
        if told.rounds:
            told = replace(told, rounds=told.rounds[len(told.rounds) // 2 + 1 :])
        else:
            told = replace(told, offers=told.offers[len(told.offers) // 2 + 1 :])
        made = codec.encode(told)
    return made


def people(facts: Iterable[Fact], rounds: Iterable[Round]) -> set[str]:
    """Whose names `explain` wants."""
    found = {one.driver_id for one in facts if one.what == "offer" and one.driver_id}
    return found | {one.driver for seen in rounds for one in seen.ranked}


def _policy(facts: Sequence[Fact]) -> tuple[str, str | None]:
    """How a driver is, or was at last, found for it."""
    for fact in reversed(facts):
        if fact.what in TOLD and fact.data is not None:
            how = codec.decode(fact.data.encode(), How).matching
            if how in MATCHED:
                return "nearest", None
            return "broadcast", how or None
    return "broadcast", None


def _offers(facts: Iterable[Fact]) -> list[tuple[Fact, Offered]]:
    return [
        (fact, codec.decode((fact.data or "").encode(), Offered))
        for fact in facts
        if fact.what == "offer"
    ]


def _ends(facts: Iterable[Fact]) -> dict[str, tuple[str, Fact]]:
    """Offer → how it ended and by what; the last word counts: an accept may come after
    an expiry.
    """
    ends: dict[str, tuple[str, Fact]] = {}
    for fact in facts:
        if fact.offer_id is None:
            continue
        if fact.what == "busy":
            ends[fact.offer_id] = ("accepted", fact)
        elif fact.what == "offer_ended" and fact.data is not None:
            why = codec.decode(fact.data.encode(), Ended).why
            ends[fact.offer_id] = (why, fact)
    return ends


def _offer(about: About, fact: Fact, offer: Offered) -> OfferMade:
    why, ended = _ends(about.facts).get(fact.offer_id or "", (None, None))
    rests_on = {} if offer.evidence is None else asdict(offer.evidence)
    figures = {name: rests_on[name] for name in Figures.__struct_fields__ if rests_on}
    return OfferMade(
        offer=fact.offer_id or "",
        driver=_driver(about, fact.driver_id or ""),
        round=offer.round,
        at=rfc3339(fact.at_ms),
        expires_at=rfc3339(offer.expires_ms),
        ended_at=None if ended is None else rfc3339(ended.at_ms),
        end=why,
        **figures,
    )


def _round(about: About, seen: Round) -> RoundSeen:
    ranked = [
        Ranked(**asdict(one) | {"driver": _driver(about, one.driver)})
        for one in seen.ranked
    ]
    at = rfc3339(seen.at_ms)
    return RoundSeen(seen.round, at, seen.considered, seen.excluded, ranked)


def _driver(about: About, user: str) -> Driver:
    return Driver(user, about.names.get(user, ""))


# ---- of one driver -----------------------------------------------------------------


def explain_driver(about: About, driver: str, facts: Sequence[Fact]) -> DriverSeen:
    """What was of them in each round, those of which nothing was recorded too. `facts`:
    theirs, the oldest first, in as far as they matter.
    """
    seen = {(ledger, one.seq): one for ledger, one in about.rounds}
    offers = _offers(about.facts)
    told = [
        (one.at_ms, one.seq, _of_round(about, driver, facts, ledger, one))
        for ledger, one in about.rounds
    ]
    told += [
        (fact.at_ms, fact.seq, _unrecorded(driver, fact, offer))
        for fact, offer in offers
        if (fact.ledger, fact.seq) not in seen
    ]
    return DriverSeen(driver, [one for *_, one in sorted(told, key=lambda t: t[:2])])


def _unrecorded(driver: str, fact: Fact, offer: Offered) -> DriverRound:
    chosen = fact.driver_id == driver
    return DriverRound(
        round=offer.round,
        at=rfc3339(fact.at_ms),
        verdict=Verdict.CHOSEN.value if chosen else NOT_RECORDED,
    )


def _of_round(
    about: About, driver: str, facts: Sequence[Fact], ledger: str, seen: Round
) -> DriverRound:
    known = _Known(about, driver, facts, ledger, seen.before_seq)
    figures: dict[str, Any] = {}
    verdict: str | None = known.verdict()
    if verdict is None:
        judged = _judged(driver, seen)
        if judged is not None:
            figures = asdict(judged)
            del figures["driver"]
            verdict = figures.pop("verdict")
        else:
            verdict = _unlisted(driver, seen)
    return DriverRound(
        round=seen.round, at=rfc3339(seen.at_ms), verdict=str(verdict), **figures
    )


def _judged(driver: str, seen: Round) -> Judged | Other | None:
    listed: list[Judged | Other] = [*seen.ranked, *seen.others]
    return next((one for one in listed if one.driver == driver), None)


def _unlisted(driver: str, seen: Round) -> str:
    mark = mark_of(driver)
    for verdict, marks in seen.marks.items():
        if mark in (marks[at : at + MARK_CHARS] for at in _starts(marks)):
            return verdict
    return seen.unlisted or NOT_RECORDED


def _starts(marks: str) -> range:
    return range(0, len(marks), MARK_CHARS)


class _Known:
    """What the ledger had of a driver and a trip before an instant."""

    def __init__(
        self,
        about: About,
        driver: str,
        facts: Iterable[Fact],
        ledger: str,
        before_seq: int,
    ) -> None:
        def before(fact: Fact) -> bool:
            return fact.ledger == ledger and fact.seq < before_seq

        self._theirs = [one for one in facts if before(one)]
        self._trips = [one for one in about.facts if before(one)]
        self._driver = driver
        self._trip = about.trip
        said = self._last("duty")
        self.duty = Duty(online=True)
        if said is not None and said.data is not None:
            self.duty = codec.decode(said.data.encode(), Duty)

    def verdict(self) -> Verdict | None:
        """The first that holds; None: they were free, but for their position."""
        if not self.duty.online:
            return Verdict.OFFLINE
        drove = self._last("busy", "idle", "released")
        if drove is not None and drove.what == "busy":
            return Verdict.BUSY
        if self._is_offered():
            return Verdict.OFFER_PENDING
        passed = self._passed()
        if passed is not None:
            return passed
        return None if self.duty.offers else Verdict.NO_OFFERS

    def _last(self, *whats: str) -> Fact | None:
        return next((one for one in reversed(self._theirs) if one.what in whats), None)

    def _is_offered(self) -> bool:
        offer = self._last("offer")
        return offer is not None and offer.offer_id not in _ends(self._theirs)

    def _passed(self) -> Verdict | None:
        """Why they were asked no more."""
        facts = self._trips
        if any(f.what == "released" and f.driver_id == self._driver for f in facts):
            return Verdict.RELEASED
        opened = max((f.seq for f in facts if f.what in OPENS), default=0)
        mine = [f for f in facts if f.seq > opened and f.driver_id == self._driver]
        for why, _ in reversed(_ends(mine).values()):
            if why in _PASSED:
                return _PASSED[why]
        return None


_PASSED = {"declined": Verdict.DECLINED, "expired": Verdict.MISSED}
