"""What memory holds of a trip or a key, and what else is to be looked up. Pure."""

from typing import Any

from dispatcher.engine.idempotency import Keys
from dispatcher.engine.ring import Ring
from dispatcher.engine.state import Held, State
from dispatcher.engine.transitions import ENDED_BY
from schemas.commands import Lookup, RequestTrip, SendMessage
from schemas.trips import Trip


def find_trip(
    state: State, ring: Ring, trip: str, archived: Trip | None
) -> Held | None:
    """The trip as the leader holds it, else as history gave it."""
    held = state.trips.get(trip) or ring.ended(trip)
    if held is None and archived is not None and archived.id == trip:
        return Held(archived, ENDED_BY.get(archived.status, ""), None, 0)
    return held


def ask_for_key(
    state: State, keys: Keys[Any], command: RequestTrip | SendMessage
) -> Lookup | None:
    """The question what a key made that isn't held; None: nothing, or nobody can ask
    (then it counts as new, as with gateways from before there was the question).
    Asked again of what was made, and forgotten, since history was asked.
    """
    since_ms = state.keys_since_ms()
    at_ms = keys.doubt(command.by.id, since_ms)
    if command.sought is None or not at_ms:
        return None
    if command.sought and not 0 < command.sought_ms <= at_ms:
        return None
    seq, now_ms = state.seq_by(at_ms), state.stamp_ms
    return Lookup("", seq, key=True, since_ms=since_ms, asked_ms=now_ms)


def look_up(ring: Ring, trip: str) -> Lookup:
    """All that the leader may have forgotten has no greater seq than this."""
    return Lookup(trip, ring.gone_seq)
