"""What a session that comes back, or a gateway that saw a gap, must know."""

from dispatcher.feed import feed_entry
from dispatcher.ring import Ring
from dispatcher.state import State
from schemas.codec import Raw, decode, encode
from schemas.commands import FeedData, SyncData
from schemas.events import TripEvent
from schemas.trips import Role, User

_NONE = Raw(b"[]")


def sync_user(state: State, ring: Ring, user: User, since: int | None) -> SyncData:
    """A user's state at the head, and their events after seq `since` where the ring
    still holds every one; a `since` past the head is of another ledger.
    """
    missed = None
    if since is not None and since <= state.head_seq:
        missed = ring.missed(user.id, since)
    drives = user.role is Role.DRIVER
    active = state.trips_of(user.id)
    return SyncData(
        seq=state.head_seq,
        feed=state.feed,
        trips=Raw(encode(active)) if active else _NONE,
        open_trips=state.open_trips() if drives else _NONE,
        recovered=missed is not None,
        events=[Raw(kept.encoded) for kept in missed or ()],
        online=drives and user.id not in state.offline,
    )


def sync_feed(state: State, ring: Ring, since: int) -> FeedData:
    """The feed after number `since`, all of it or nothing."""
    missed = ring.missed_feed(since) if since <= state.feed else None
    events = (decode(kept.encoded, TripEvent) for kept in missed or ())
    entries = [entry for event in events if (entry := feed_entry(event)) is not None]
    return FeedData(state.feed, entries, complete=missed is not None)
