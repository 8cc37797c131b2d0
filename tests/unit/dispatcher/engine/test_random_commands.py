"""Whatever a command's fields hold, `decide` gives an outcome and changes nothing."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.engine.engine import Decided, Lookup, Refused
from schemas.codec import decode, encode
from schemas.commands import (
    AnyCommand,
    EndSession,
    GoOffline,
    GoOnline,
    JoinRoom,
    LeaveRoom,
    RequestTrip,
    SendMessage,
    SyncFeed,
    SyncUser,
)
from schemas.rooms import MessageData
from schemas.trips import Person, Position, Role, Status, Trip, User
from tests.unit.dispatcher.engine.world import DAN, DORA, RITA, RON, VERBS, World

WORLD = World()
HELD = [
    WORLD.driving("accept", "begin", "complete").id,
    WORLD.driving("accept").id,
    WORLD.request(RON, key="k").id,
]
WORLD.join(RITA, "lobby")
WORLD.said(RITA, "lobby", key="k")
ROOMS = ["lobby", "nobodys", *(f"trip_{trip}" for trip in HELD)]
FROZEN = WORLD.engine.snapshot()

text = st.text(max_size=20)
ids = st.one_of(
    text, st.sampled_from([*HELD, RITA.id, RON.id, DORA.id, DAN.id, "k", "archived"])
)
numbers = st.integers(-(2**63), 2**63 - 1)
positions = st.builds(Position, st.floats(-90, 90), st.floats(-180, 180))
persons = st.builds(Person, ids, text, text, text)
users = st.builds(User, ids, text, text, text, st.sampled_from(Role))
archived_trips = st.builds(
    Trip,
    id=ids,
    region=text,
    status=st.sampled_from(Status),
    version=numbers,
    pick_up_address=text,
    drop_off_address=text,
    pick_up=st.none() | positions,
    drop_off=st.none() | positions,
    rider=persons,
    driver=st.none() | persons,
    created=text,
    updated=text,
)
envelope: dict[str, Any] = {
    "id": ids,
    "attempt": numbers,
    "deadline_ms": numbers,
    "by": users,
}
about_trips = st.one_of(
    [
        st.builds(verb, trip=ids, archived=st.none() | archived_trips, **envelope)
        for verb in VERBS.values()
    ]
)
requests = st.builds(
    RequestTrip,
    pick_up_address=text,
    drop_off_address=text,
    pick_up=st.none() | positions,
    key=st.none() | ids,
    archived=st.none() | archived_trips,
    **envelope,
)
others = st.one_of(
    st.builds(GoOnline, **envelope),
    st.builds(GoOffline, **envelope),
    st.builds(SyncUser, since=st.none() | numbers, **envelope),
    st.builds(SyncFeed, since=numbers, **envelope),
)

backlogs = st.lists(
    st.builds(MessageData, st.sampled_from(ROOMS), numbers, text, persons, text, text),
    max_size=3,
).map(tuple)
in_rooms: dict[str, Any] = {
    "room": text | st.sampled_from(ROOMS),
    "session": text | st.just(f"s-{RITA.id}"),
    "gateway": text,
    "archived": st.none() | archived_trips,
    "backlog": st.none() | backlogs,
    **envelope,
}
about_rooms = st.one_of(
    st.builds(JoinRoom, since=st.none() | numbers, **in_rooms),
    st.builds(LeaveRoom, **in_rooms),
    st.builds(
        SendMessage,
        text=text,
        key=st.none() | ids,
        outside=st.booleans(),
        **in_rooms,
    ),
    st.builds(EndSession, session=in_rooms["session"], gateway=text, **envelope),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(about_trips, about_rooms, requests, others))
def test_any_command_gets_an_outcome_that_can_be_encoded(command: AnyCommand) -> None:
    outcome = WORLD.engine.decide(command, 10**12)

    assert isinstance(outcome, Decided | Refused | Lookup)
    encode(outcome.data if isinstance(outcome, Decided) else outcome)
    assert WORLD.engine.snapshot() == FROZEN
    if isinstance(outcome, Decided):
        assert all(event.seq == 10**12 for event in outcome.events)


@settings(max_examples=100, deadline=None)
@given(about_trips, st.sampled_from([RITA, RON, DORA, DAN]), st.sampled_from(HELD))
def test_events_are_applied_as_they_were_decided(
    command: AnyCommand, by: User, trip: str
) -> None:
    world = World()
    world.engine = type(WORLD.engine).restore(FROZEN, WORLD.engine._limits)
    command = msgspec.structs.replace(command, by=by, trip=trip)
    outcome = world.engine.decide(command, world.engine.head_seq + 1)
    if isinstance(outcome, Decided):
        for event in outcome.events:
            encoded = encode(event)
            assert decode(encoded, type(event)) == event
            world.engine.apply(event, encoded)
            assert world.engine.head_seq == event.seq
