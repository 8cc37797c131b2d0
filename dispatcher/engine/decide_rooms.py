"""Commands about rooms into facts or refusals. Changes neither state nor presence.

An open room's members come and go by command. A trip's room is its rider's and
driver's as long as the trip says so, with no event of their own; operators may join it
as they may any room.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from msgspec import Struct

from dispatcher.engine.limits import (
    HISTORY_BYTES_MAX,
    MEMBERS_MAX,
    ROOMS_PER_SESSION_MAX,
)
from dispatcher.engine.lookups import ask_for_key, find_trip
from dispatcher.engine.outcomes import Decided, Outcome, takes_part
from dispatcher.engine.regional import Regional
from dispatcher.engine.settling import is_full, is_member, members
from dispatcher.engine.state import Held, State
from schemas.allowances import share_of
from schemas.codec import Raw, encode
from schemas.commands import (
    Command,
    EndSession,
    JoinRoom,
    LeaveRoom,
    Lookup,
    RoomCommand,
    SendMessage,
)
from schemas.events import Event
from schemas.ids import made_id
from schemas.refusals import Code, Refusal
from schemas.rooms import (
    HISTORY_MAX,
    MEMBERS_SHOWN_BYTES_MAX,
    MEMBERS_SHOWN_MAX,
    JoinedOut,
    MemberEvent,
    MessageData,
    MessageEvent,
    RepairedOut,
    canonical,
    trip_of,
)
from schemas.subjects import SubjectError
from schemas.times import from_rfc3339
from schemas.trips import TERMINAL, Person, Role, Trip, User


def decide(region: Regional, command: Command, seq: int) -> Outcome:
    """What comes of a command about rooms; its events are numbered from `seq`."""
    return HANDLERS[type(command)](region, command, seq)


# ---- joining and leaving -----------------------------------------------------


def _join(region: Regional, command: JoinRoom, seq: int) -> Outcome:
    place = _enter(region, command)
    if not isinstance(place, _Place):
        return place
    state, presence, by = region.state, region.presence, command.by
    room = place.name
    recalled = _recall(state, place, command, seq)
    if isinstance(recalled, Lookup):
        return recalled
    attends = (
        bool(command.session)
        and not place.takes_part(by)
        and presence.may_join(command.id, command.session)
    )
    here = state.rooms.members.get(room, {})
    events: tuple[MemberEvent, ...] = ()
    joiner = by.id if attends else ""
    people = [*place.participants(), *members(region, room, joiner)]
    if attends:
        crowded = _crowded(region, command, room)
        if crowded is not None:
            return crowded
        if by.id not in here:
            if is_full(region, room):
                return Refusal(
                    Code.OVERLOADED, f"the room has {MEMBERS_MAX} members, no more"
                )
            me = by.person()
            people.append(me)
            events = (MemberEvent(seq, state.stamp_ms, room, me, True, command.id),)
    history, recovered = recalled
    said = (room, _shown(people), len(people), history, recovered)
    if command.moved_since is None:
        return Decided(events, JoinedOut(*said), attends)
    moved = region.ring.moved(room, command.moved_since)
    told = None if moved is None else [Raw(event) for event in moved]
    return Decided(events, RepairedOut(*said, told), attends)


def _leave(_: Regional, command: LeaveRoom, __: int) -> Outcome:
    """That its user is a member no more, `settling` finds out and makes events of."""
    room = _name(command)
    if isinstance(room, Refusal):
        return room
    return Decided((), {"room": room}, attends=True)


def _end(_: Regional, __: EndSession, ___: int) -> Outcome:
    """The same, of all its rooms: with long names more events than a record holds."""
    return Decided((), {}, attends=True)


def _shown(people: Iterable[Person]) -> list[Raw]:
    """The first of them, in number and bytes as one answer may hold."""
    shown: list[Raw] = []
    room_bytes = MEMBERS_SHOWN_BYTES_MAX
    for person in islice(people, MEMBERS_SHOWN_MAX):
        encoded = encode(person)
        room_bytes -= len(encoded) + 1
        if room_bytes < 0:
            break
        shown.append(Raw(encoded))
    return shown


def _crowded(region: Regional, command: JoinRoom, room: str) -> Refusal | None:
    """Why the session may take no place in a further room; None: it may."""
    presence, by = region.presence, command.by
    rooms = presence.rooms_of(command.session)
    if room in rooms:
        return None
    if len(rooms) >= ROOMS_PER_SESSION_MAX:
        text = f"a session may be in {ROOMS_PER_SESSION_MAX} rooms"
        return Refusal(Code.OVERLOADED, text)
    most = region.limits.users.seats_max * share_of(by)
    if most and presence.seats_of(by.id) >= most:
        text = f"over {most} places in rooms of one user"
        return Refusal(Code.OVERLOADED, text)
    return None


# ---- saying something --------------------------------------------------------


def _send(region: Regional, command: SendMessage, seq: int) -> Outcome:
    state, by = region.state, command.by
    if command.key is not None:
        before = _keyed(state, command, command.key)
        if before is not None:
            return before
    place = _enter(region, command)
    if not isinstance(place, _Place):
        return place
    room = place.name
    if not (command.outside or place.takes_part(by) or is_member(region, room, by.id)):
        return Refusal(Code.ROOM_FORBIDDEN, f"join room {room} before you write to it")
    ended_ms = place.ended_ms()
    ttl_ms = region.limits.trip_room_ttl_ms
    if ended_ms is not None and ended_ms + ttl_ms <= state.stamp_ms:
        return Refusal(
            Code.ROOM_FORBIDDEN,
            f"room {room} is closed since {ttl_ms // 1000} s after the trip's end",
        )
    head = _head(state, place, command)
    if head is None:
        return _look_up(state, place, seq)
    message = MessageData(
        room=room,
        seq=head + 1,
        id=made_id(state.stamp_ms, command.id, seq),
        sender=by.person(),
        text=command.text,
        at=state.stamp_text(),
    )
    event = MessageEvent(seq, state.stamp_ms, message, command.id, command.key)
    return Decided((event,), message)


def _keyed(state: State, command: SendMessage, key: str) -> Outcome | None:
    """What comes of a key that was used before; None: it wasn't."""
    rooms, known = state.rooms, state.rooms.keys.made(command.by.id, key)
    if known is None:
        if command.made is not None:
            return Decided((), command.made)
        return ask_for_key(state, rooms.keys, command)
    at_ms, (room, n) = known
    message = rooms.said(room, n)
    if message is not None:
        return Decided((), Raw(message))
    found = [command.made, *(command.backlog or ())]
    for one in found:
        if one is not None and (one.room, one.seq) == (room, n):
            return Decided((), one)
    if command.sought or command.backlog is not None:
        text = f"message {n} of room {room}, which the key made, can't be found"
        return Refusal(Code.UNAVAILABLE, text)
    seq = state.seq_by(at_ms)
    if command.sought is None:
        return Lookup("", seq, room, asked_seq=seq + 1)
    return Lookup("", seq, key=True, since_ms=at_ms - 1)


def makes_room(events: Iterable[Event]) -> bool:
    """Whether a room comes to be: with its first message, if it is no trip's."""
    return any(
        type(event) is MessageEvent
        and event.message.seq == 1
        and trip_of(event.message.room) is None
        for event in events
    )


# ---- where it is, and what was said there ------------------------------------


class _Place(Struct, frozen=True, gc=False):
    """A room that the command's user may enter; `held` is its trip, if it has one."""

    name: str
    held: Held | None

    def takes_part(self, by: User) -> bool:
        """Whether the user is its member by the trip, whatever their sessions do."""
        if self.held is None or by.role is Role.OPERATOR:
            return False
        return takes_part(by, self.held.trip)

    def participants(self) -> list[Person]:
        if self.held is None:
            return []
        trip = self.held.trip
        return [trip.rider] if trip.driver is None else [trip.rider, trip.driver]

    def ended_ms(self) -> int | None:
        """When its trip ended."""
        if self.held is None or self.held.trip.status not in TERMINAL:
            return None
        return self.held.at_ms or _instant_ms(self.held.trip.updated)

    def since_ms(self) -> int | None:
        """When its trip began; None for an open room."""
        return None if self.held is None else _instant_ms(self.held.trip.created)


def _instant_ms(text: str) -> int:
    try:
        return from_rfc3339(text)
    except ValueError:
        return 0  # an archived trip is as history says; ours are always readable


def _name(command: RoomCommand) -> str | Refusal:
    try:
        return canonical(command.room)
    except SubjectError as error:
        return Refusal(Code.INVALID_DATA, str(error))


def _enter(region: Regional, command: RoomCommand) -> _Place | Refusal | Lookup:
    room = _name(command)
    if isinstance(room, Refusal):
        return room
    trip = trip_of(room)
    if trip is None:
        return _Place(room, None)
    held = find_trip(region.state, region.ring, trip, command.archived)
    if held is None:
        # Its messages are likely needed too: both at once.
        rooms = region.state.rooms
        needs = command.backlog is None and not rooms.backlog(room)
        seq = max(region.ring.gone_seq, rooms.written_seq() if needs else 0)
        asked_seq = rooms.written_seq() + 1 if needs else 0
        return Lookup(trip, seq, room if needs else "", asked_seq=asked_seq)
    if not takes_part(command.by, held.trip):
        return _not_yours(held.trip)
    return _Place(room, held)


def _not_yours(trip: Trip) -> Refusal:
    return Refusal(Code.ROOM_FORBIDDEN, f"the room of trip {trip.id} is not yours")


def _head(state: State, place: _Place, command: RoomCommand) -> int | None:
    """The room's last number; None: only history knows, and hasn't been asked, or was
    before something was said and forgotten again that may be of this room.
    """
    rooms = state.rooms
    head = rooms.head(place.name, place.since_ms())
    if head is not None or command.backlog is None:
        return head
    if 0 < command.sought_seq <= rooms.written_seq():
        return None
    return max((m.seq for m in command.backlog if m.room == place.name), default=0)


def _look_up(state: State, place: _Place, seq: int) -> Lookup:
    """The question what was said there, asked before event `seq`. Of a room whose head
    is held, memory may forget what history needn't have been asked for.
    """
    rooms = state.rooms
    written_seq = rooms.written_seq()
    is_held = rooms.head(place.name, place.since_ms()) is not None
    asked_seq = written_seq + 1 if is_held else seq
    return Lookup("", written_seq, place.name, asked_seq=asked_seq)


def _recall(
    state: State, place: _Place, command: JoinRoom, seq: int
) -> tuple[list[Raw], bool] | Lookup:
    """(history, recovered) of a join."""
    rooms, since = state.rooms, command.since
    head = _head(state, place, command)
    if head is None:
        return _look_up(state, place, seq)
    covers = since is not None and 0 <= since <= head and head - since <= HISTORY_MAX
    wanted = head - since if covers and since is not None else min(head, HISTORY_MAX)
    held = rooms.backlog(place.name)
    found: list[bytes] = list(islice(reversed(held), wanted))
    if len(found) < wanted:
        if command.backlog is None:
            return _look_up(state, place, seq)
        below = head - len(held)
        older = {m.seq: m for m in command.backlog if m.room == place.name}
        while len(found) < wanted and below in older:
            found.append(encode(older[below]))
            below -= 1
    room_bytes = HISTORY_BYTES_MAX
    history: list[Raw] = []
    for message in found:
        room_bytes -= len(message)
        if room_bytes < 0:
            break
        history.append(Raw(message))
    history.reverse()
    return history, covers and len(history) == wanted


HANDLERS: dict[type[Command], Callable[[Regional, Any, int], Outcome]] = {
    JoinRoom: _join,
    LeaveRoom: _leave,
    SendMessage: _send,
    EndSession: _end,
}
