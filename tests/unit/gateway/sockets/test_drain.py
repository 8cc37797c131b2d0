"""Sending clients away: all of them, those with an answer under way last."""

import asyncio

from gateway.sockets.drain import send_away
from schemas.closes import Close
from tests.support.waiting import until


class Session:
    def __init__(self, gone: list["Session"], pending: int = 0) -> None:
        self.pending = pending
        self._gone = gone

    def close(self, code: Close) -> None:
        assert code is Close.DRAINING
        self._gone.append(self)


async def test_everybody_is_closed_once_in_several_steps() -> None:
    gone: list[Session] = []
    sessions = [Session(gone) for _ in range(200)]
    sending = asyncio.create_task(send_away(sessions, 5))
    await until(lambda: 0 < len(gone) < 200, "a part of them")
    await sending
    assert gone == sessions


async def test_who_waits_for_an_answer_is_closed_when_it_has_come() -> None:
    gone: list[Session] = []
    busy, idle = Session(gone, pending=1), Session(gone)
    sending = asyncio.create_task(send_away([busy, idle], 5))
    await until(lambda: gone == [idle], "the idle one's end")
    assert not sending.done()
    busy.pending = 0
    await sending
    assert gone == [idle, busy]


async def test_at_the_end_of_the_window_all_are_closed() -> None:
    gone: list[Session] = []
    await send_away([Session(gone, pending=1)], 0)
    assert len(gone) == 1


async def test_nobody_there_takes_no_time() -> None:
    await asyncio.wait_for(send_away([], 8), 1)
