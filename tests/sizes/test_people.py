"""What one user is told at its largest, on a whole system: notices, and the history of
a room that the leader holds no more.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cabrank.trial.load.lifted import LIFTED
from gateway.problems import BODY_BYTES_MAX
from schemas.rooms import HISTORY_MAX
from tests.sizes.conftest import size
from tests.support.client import welcomed
from tests.support.stack import Stack, running

LONGEST = "\x01" * 4_000
HISTORY_BYTES = 256 * 1024
ROOMS, MESSAGES = size(1, 7), size(14, HISTORY_MAX)
"""Of the full size: 18 MB, more than the leader holds."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path / "data", settings=LIFTED) as stack:
        yield stack


def body(length: int) -> bytes:
    """A notice of so many bytes."""
    empty = len(json.dumps({"data": {"text": ""}}))
    return json.dumps({"data": {"text": "x" * (length - empty)}}).encode()


async def test_the_largest_notice_is_heard_whole_by_all_of_a_users_sessions(
    stack: Stack,
) -> None:
    sessions, notices = size(3, 100), size(4, 16)
    (rider,) = stack.people("rider", 1)
    (operator,) = stack.people("operator", 1)
    clients = [(await welcomed(stack.url, rider.access))[0] for _ in range(sessions)]
    headers = {
        "Authorization": f"Bearer {operator.access}",
        "Content-Type": "application/json",
    }
    path = f"/api/users/{rider.id}/notices?count=true"
    async with httpx.AsyncClient(
        base_url=stack.url, headers=headers, trust_env=False, timeout=30
    ) as http:
        for _ in range(notices):
            told = await http.post(path, content=body(BODY_BYTES_MAX))
            assert (told.status_code, told.json()) == (202, {"sessions": sessions})
        over = await http.post(path, content=body(BODY_BYTES_MAX + 1))
        assert over.status_code == 413
    whole = json.loads(body(BODY_BYTES_MAX))["data"]
    for client in clients:
        for _ in range(notices):
            assert (await client.expect("notice"))["data"] == whole
        await client.close()


async def test_a_rooms_longest_messages_come_back_as_many_as_an_answer_holds(
    stack: Stack,
) -> None:
    speaker, listener = stack.people("rider", 2)
    said, _ = await welcomed(stack.url, speaker.access)
    for number in range(ROOMS):
        room = f"{number:064}"
        await said.do("chat.join", {"room": room})
        for first in range(0, MESSAGES, 10):
            some = range(first, min(first + 10, MESSAGES))
            words = {"room": room, "text": LONGEST}
            await asyncio.gather(*(said.do("chat.send", words) for _ in some))
        await said.do("chat.leave", {"room": room})
    late, _ = await welcomed(stack.url, listener.access)
    for number in range(ROOMS):  # the first is history's to tell, by now
        joined = await late.do("chat.join", {"room": f"{number:064}", "since": 0})
        seqs = [message["seq"] for message in joined["history"]]
        assert seqs == list(range(MESSAGES - len(seqs) + 1, MESSAGES + 1))
        assert len(json.dumps(joined["history"])) <= HISTORY_BYTES + 100 * MESSAGES
        assert 8 <= len(seqs) < MESSAGES
        assert not joined["recovered"]
    await said.close()
    await late.close()
