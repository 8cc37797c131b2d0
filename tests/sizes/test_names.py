"""Usernames take four bytes a letter, and what holds them is counted so (issue 12)."""

import tracemalloc
from typing import Any, cast
from uuid import UUID

from schemas import names
from schemas.codec import decode, encode
from tests.sizes.largest import LETTER, NAME_BYTES, NAME_CHARS
from webhooks.names import Names

COUNT = 2_000


class Desk:
    """Persistence's answer, as it comes over NATS."""

    async def names(self, users: list[str]) -> dict[str, str]:
        said = dict.fromkeys(users, LETTER * NAME_CHARS)
        return decode(encode(said), dict[str, str])


def test_the_widest_username_is_one() -> None:
    assert names.shown(LETTER * NAME_CHARS) == LETTER * NAME_CHARS
    assert len(encode(LETTER)) == 4 + len(encode(""))


async def test_drivers_names_take_what_their_row_says() -> None:
    kept = Names(cast("Any", Desk()))
    users = [str(UUID(int=n)) for n in range(COUNT)]
    tracemalloc.start()
    try:
        for first in range(0, COUNT, 100):
            await kept.of(decode(encode(users[first : first + 100]), list[str]))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < COUNT * NAME_BYTES
