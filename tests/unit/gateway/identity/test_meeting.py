"""Having rows made of an outside issuer's users: who waits for whom, what is kept."""

import asyncio
import contextlib
import gc
import tracemalloc
from typing import Any

import pytest

from gateway.errors import InvalidToken
from gateway.identity import oidc_keys
from gateway.identity.oidc_keys import Issuer
from schemas.accounts import Meet, Result
from schemas.refusals import Code, Refusal
from schemas.trips import Role, User
from tests.sizes.largest import KEY_BYTES
from tests.unit.gateway.identity.test_oidc import outside, read

WIDE = "\N{GRINNING FACE}"
"""Python takes four bytes for each character beside it."""


class Persistence:
    def __init__(self, *cannot: str) -> None:
        self.cannot = cannot
        self.made: list[str] = []

    async def ask(self, _: str, meet: Meet) -> Result:
        await asyncio.sleep(0)
        if meet.user.id in self.cannot:
            return Result(refused=Refusal(Code.UNAVAILABLE, "its row can't be made"))
        self.made.append(meet.user.id)
        return Result()


def someone(number: int, name: str = "Ann") -> Meet:
    user = User(f"{number:036}", name, name, name, Role.RIDER)
    return Meet(user, "main", "https://login.example", f"{number:036}")


async def meets(persistence: Persistence, *people: Meet) -> Issuer:
    asker: Any = persistence
    issuer = Issuer(outside(), asker)
    for one in people:
        issuer._met(one)
    task = asyncio.create_task(issuer.meet())
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return issuer


async def test_one_whose_row_cannot_be_made_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oidc_keys, "RETRY_S", (0.0, 0.0))
    people = [someone(number) for number in range(3)]
    persistence = Persistence(people[0].user.id)
    await meets(persistence, *people)
    assert persistence.made == [one.user.id for one in people[1:]]


def test_a_subject_that_no_database_holds_is_refused() -> None:
    with pytest.raises(InvalidToken):
        read(sub="a\x00b")


async def test_who_was_met_takes_no_more_with_the_longest_names() -> None:
    count = 1_000
    persistence = Persistence()
    issuer = await meets(persistence)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            issuer._met(someone(number, WIDE + f"{number:0149}"))
        task = asyncio.create_task(issuer.meet())
        while issuer._waiting:
            await asyncio.sleep(0)
        task.cancel()
        persistence.made.clear()
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept / count < KEY_BYTES
