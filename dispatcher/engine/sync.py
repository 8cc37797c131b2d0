"""What a session that comes back, or a gateway that saw a gap, must know."""

from dispatcher.engine.feed import feed_entry
from dispatcher.engine.ring import Kept, Ring
from dispatcher.engine.state import State
from schemas.budget import as_list
from schemas.codec import Raw, decoder, encode
from schemas.commands import FeedData, LiveOffer, SyncData
from schemas.events import DriverWhy, MatchingEvent, OfferEvent, TripEvent
from schemas.seen import event_json_as, trip_as
from schemas.trips import Role, User

_NONE = Raw(b"[]")
_NOT_ASKED = Raw(b"null")
_fed = decoder(TripEvent | MatchingEvent)
"""All kinds that are on the feed."""


def sync_user(
    state: State, ring: Ring, user: User, since: int | None, *, open_trips: bool
) -> SyncData:
    """A user's state at the head, and their events after seq `since` where the ring
    still holds every one; a `since` past the head is of another ledger.
    """
    missed = None
    if since is not None and since <= state.head_seq:
        missed = ring.missed(user.id, since)
    drives = user.role is Role.DRIVER
    shown = state.open_trips() if open_trips else _NOT_ASKED
    trips = [trip_as(user.role, trip) for trip in state.trips_of(user.id)]
    return SyncData(
        seq=state.head_seq,
        feed=state.feed,
        trips=Raw(encode(trips)) if trips else _NONE,
        open_trips=shown if drives else _NONE,
        recovered=missed is not None,
        events=[
            Raw(event_json_as(user.role, kept.encoded))
            for kept in missed or ()
            if not kept.is_aside
        ],
        online=drives and user.id not in state.offline,
        offers=_offers(state, user.id) if drives else None,
        ended=_ended(missed) if drives and missed is not None else None,
        why=_why(state, user.id),
    )


def _ended(missed: list[Kept]) -> Raw:
    ends = [kept.encoded for kept in missed if kept.is_aside]
    return Raw(as_list(ends)) if ends else _NONE


def _why(state: State, driver: str) -> DriverWhy:
    """A driver is online, or isn't."""
    duty = state.offers.duties.get(driver)
    return "missed_offers" if duty is not None and duty.paused else "self"


def _offers(state: State, driver: str) -> Raw:
    live = state.offers.of_driver(driver)
    return _NONE if live is None else Raw(encode([_live(state, live)]))


def _live(state: State, live: OfferEvent) -> LiveOffer:
    return LiveOffer(
        live.seq,
        live.offer,
        Raw(encode(live.trip)),
        live.round,
        live.expires_ms,
        max(0, live.expires_ms - state.stamp_ms),
        live.evidence.pick_up_distance_m,
        live.evidence.pick_up_eta_s,
    )


def sync_feed(state: State, ring: Ring, since: int, *, open_trips: bool) -> FeedData:
    """The feed after number `since`, all of it or nothing; with `open_trips`, what is
    open besides.
    """
    missed = ring.missed_feed(since) if since <= state.feed else None
    events = (_fed.decode(kept.encoded) for kept in missed or ())
    entries = [entry for event in events if (entry := feed_entry(event)) is not None]
    complete = missed is not None
    if not open_trips:
        return FeedData(state.feed, entries, complete)
    shown, whole = state.all_open_trips()
    return FeedData(state.feed, entries, complete, shown, whole)
