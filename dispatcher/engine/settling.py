"""Who is where by their sessions, against who is a member by the ledger: where the two
differ, members come and go.

So leave all who leave: by a command, with their session, or with a lost gateway. Whose
turn hasn't come (dispatcher/engine/churn.py) waits in `presence.later`, and is no
member for anybody who asks.
"""

from itertools import islice

from dispatcher.engine.limits import DUE_MAX, MEMBERS_MAX
from dispatcher.engine.presence import Seat
from dispatcher.engine.regional import Regional
from schemas.rooms import MemberEvent, trip_of
from schemas.trips import Person


def comes_or_goes(region: Regional, seat: Seat) -> bool | None:
    """Whether that user must join (True) or leave the room; None: neither."""
    presence, rooms = region.presence, region.state.rooms
    room, user = seat
    member = rooms.has(room, user)
    if not presence.is_here(seat):
        return False if member and not presence.is_doubtful(seat) else None
    if member or trip_of(room) is not None or is_full(region, room):
        return None
    return True


def is_member(region: Regional, room: str, user: str) -> bool:
    """Whether they have joined, and not left meanwhile."""
    if not region.state.rooms.has(room, user):
        return False
    return comes_or_goes(region, (room, user)) is not False


def members(region: Regional, room: str, but: str = "") -> list[Person]:
    """Of a room, the first to join first, without those who are to leave, `but` one."""
    here = region.state.rooms.members.get(room)
    if not here:
        return []
    leaving = region.presence.leaving(room)
    leaving.discard(but)
    if not leaving:
        return list(here.values())
    return [person for person in here.values() if person.id not in leaving]


def is_full(region: Regional, room: str) -> bool:
    count = len(region.state.rooms.members.get(room, ()))
    return count >= MEMBERS_MAX and len(members(region, room)) >= MEMBERS_MAX


def sift(region: Regional, now_ms: int) -> bool:
    """Find who comes and goes of those of whom anything changed; whether anybody does
    whose turn it is.
    """
    presence = region.presence
    presence.recall(now_ms)
    changed, presence.changed = presence.changed, {}
    for seat, user in changed.items():
        joined = comes_or_goes(region, seat)
        if joined:
            presence.ready[seat] = user
        elif joined is False and seat not in presence.ready:
            count = len(region.state.rooms.members[seat[0]])
            presence.leave_later(seat, user, count, now_ms)
    return bool(presence.ready)


def settle(region: Regional, seq: int) -> tuple[MemberEvent, ...]:
    """The events of those whose turn it is, at most 1,000, numbered from `seq`."""
    presence, stamp_ms = region.presence, region.state.stamp_ms
    moved: list[MemberEvent] = []
    for seat, user in list(islice(presence.ready.items(), DUE_MAX)):
        joined = comes_or_goes(region, seat)
        if joined is None:
            del presence.ready[seat]  # back, or gone, meanwhile
            continue
        room = seat[0]
        moved.append(MemberEvent(seq + len(moved), stamp_ms, room, user, joined))
    return tuple(moved)
