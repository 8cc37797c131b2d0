"""Rooms at their largest: the longest names, as many places as a session may have, and
as many members as a room. Nobody's size is anybody else's end.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.engine.limits import MEMBERS_MAX, ROOMS_PER_SESSION_MAX
from gateway.fanout.router import SILENCE_S
from schemas.rooms import MEMBERS_SHOWN_MAX, PRESENCE_SILENCE_MS
from tests.sizes.conftest import size
from tests.sizes.whole import CYRILLIC, SIX_BYTES, Whole, join, running
from tests.support.nats import NatsServer
from tests.support.waiting import until


@pytest.fixture
async def whole(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Whole]:
    async with running(nats_server, tmp_path) as made:
        yield made


async def test_a_rider_with_the_longest_names_in_all_rooms_hangs_up(
    whole: Whole,
) -> None:
    """It once ended the gateway, and every one that came after it."""
    sessions = [await whole.person("long", SIX_BYTES) for _ in range(size(2, 4))]
    for number, session in enumerate(sessions):
        rooms = (f"r{number}-{n:060}" for n in range(ROOMS_PER_SESSION_MAX))
        await join(session, rooms)
    witness = await whole.person("witness")
    last = f"r0-{ROOMS_PER_SESSION_MAX - 1:060}"
    await join(witness, [f"r0-{0:060}", last])
    await sessions[0].vanish()
    await witness.expect("chat.left", lambda f: f["data"]["room"] == last)
    assert len(witness.seen("chat.left")) == 2
    await whole.change_leader()
    answer = await sessions[1].do("chat.send", {"room": f"r1-{0:060}", "text": "on"})
    assert answer["seq"] == 1
    whole.lives()


async def test_after_a_take_over_everybody_is_where_they_were(whole: Whole) -> None:
    """Of so many places a leader is told in parts."""
    people = await whole.people(size(4, 40), CYRILLIC)
    rooms = [f"room-{number:059}" for number in range(ROOMS_PER_SESSION_MAX)]
    for person in people:
        await join(person, rooms)
    witness = await whole.person("witness")
    await join(witness, rooms[:3])
    await whole.change_leader()
    gone_s = PRESENCE_SILENCE_MS / 1000 + 1
    ends = whole.announced[-1].epoch
    beats = len(whole.announced)
    await until(
        lambda: len(whole.announced) > beats + gone_s, "the end of the grace", 30
    )
    assert whole.announced[-1].epoch == ends
    for room in (rooms[0], rooms[-1]):
        data = await witness.do("chat.join", {"room": room})
        assert data["members_total"] == len(people) + (room != rooms[-1] or 1)
    assert not witness.seen("chat.left")
    whole.lives()


async def test_a_full_room_of_long_names_is_joined_and_heard_over_a_gap(
    whole: Whole,
) -> None:
    count = size(420, MEMBERS_MAX - 6)
    await whole.crowd(count, CYRILLIC, "lobby")
    people = await whole.people(5, CYRILLIC, "p")
    for person in people:
        await join(person, ["lobby"])
    late = await whole.person("late", CYRILLIC)
    [data] = await join(late, ["lobby"])
    assert data["members_total"] == count + 6
    assert data["members"][0]["id"] == "u0"
    assert len(data["members"]) <= MEMBERS_SHOWN_MAX
    async with whole.silent_leader(SILENCE_S + 1):
        pass
    await late.do("chat.send", {"room": "lobby", "text": "heard"})
    for person in (people[0], people[-1], late):
        await person.expect("chat.message")
    whole.lives()


async def test_a_room_of_which_all_are_here_is_repaired_once(whole: Whole) -> None:
    """Each of 2,000 once asked for itself, and who was gone by then for the next."""
    people = await whole.people(size(60, 500))
    for person in people:
        await join(person, ["lobby"])
    async with whole.silent_leader(SILENCE_S + 1):
        for person in people[: len(people) // 2]:
            await person.vanish()
    await people[-1].do("chat.send", {"room": "lobby", "text": "heard"})
    for person in people[-5:]:
        await person.expect("chat.message")
    whole.lives()


async def test_who_is_in_as_many_rooms_as_allowed_hears_them_after_a_silence(
    whole: Whole,
) -> None:
    """255 worked."""
    person = await whole.person("busy")
    rooms = [f"room-{number}" for number in range(ROOMS_PER_SESSION_MAX)]
    await join(person, rooms)
    async with whole.silent_leader(SILENCE_S + 1):
        pass
    other = await whole.person("other")
    for room in (rooms[0], rooms[-1]):
        await join(other, [room])
        await other.do("chat.send", {"room": room, "text": room})
        await person.expect("chat.message", lambda f: f["data"]["text"] == room)  # noqa: B023
        [data] = await join(person, [room])
        assert data["members_total"] == 2
