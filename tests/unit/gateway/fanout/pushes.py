"""What a leader sends a user: a trip's events, and the answer to a sync."""

from typing import Any

from schemas.commands import SyncData
from schemas.events import TripPush
from tests.contract.gateway_ws.leader import raw, trip

STATUS = {1: "REQUESTED", 2: "STARTED", 3: "ARRIVED", 4: "IN_PROGRESS", 5: "COMPLETED"}


def push(seq: int, version: int, number: int = 1, kind: str = "trip.x") -> TripPush:
    return TripPush(seq, kind, raw(trip(number, version, STATUS[version])))


def state(seq: int, *trips: dict[str, Any], **more: Any) -> SyncData:
    given_ = {"recovered": False, "events": [], "online": True, "feed": 0, **more}
    return SyncData(seq=seq, trips=raw(list(trips)), open_trips=raw([]), **given_)
