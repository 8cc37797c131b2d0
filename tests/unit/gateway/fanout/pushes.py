"""What a leader sends a user: a trip's events, and the answer to a sync."""

from typing import Any

from schemas.commands import LiveOffer, SyncData
from schemas.events import OfferEndedEvent, OfferPush, TripPush
from schemas.matching import Evidence
from tests.contract.gateway_ws.scripted_leader import raw, trip

STATUS = {1: "REQUESTED", 2: "STARTED", 3: "ARRIVED", 4: "IN_PROGRESS", 5: "COMPLETED"}


def push(seq: int, version: int, number: int = 1, kind: str = "trip.x") -> TripPush:
    return TripPush(seq, kind, raw(trip(number, version, STATUS[version])))


def state(seq: int, *trips: dict[str, Any], **more: Any) -> SyncData:
    given_ = {"recovered": False, "events": [], "online": True, "feed": 0, **more}
    return SyncData(seq=seq, trips=raw(list(trips)), open_trips=raw([]), **given_)


def offered(seq: int, offer: str, number: int = 1) -> OfferPush:
    where = Evidence(800, 150, 150, 1)
    return OfferPush(seq, offer, raw(trip(number)), 1, 1_000, where)


def live(seq: int, offer: str, number: int = 1) -> LiveOffer:
    return LiveOffer(seq, offer, raw(trip(number)), 1, 1_000, 900, 800, 150)


def ended(seq: int, offer: str, why: Any, number: int = 1) -> OfferEndedEvent:
    return OfferEndedEvent(seq, 0, offer, "u1", trip(number)["id"], why)
