"""`cabrank explain`: why a trip was offered to these drivers, and not to another.

Over the public HTTP API, as an operator (cabrank/operate/say.py).
"""

import asyncio
import uuid
from pathlib import Path

from cabrank.errors import UnreachableError, UsageError
from cabrank.operate import explaining, target
from cabrank.operate.say import Door
from persistence.identity.users import find_id
from schemas.codec import CodecError, decode
from schemas.explanations import Explanation


def explain(
    trip: str, driver: str | None, data_dir: Path | None, url: str | None
) -> list[str]:
    """Plain sentences.

    Raises:
        UsageError: there is no such trip or driver, or it was refused.
        UnreachableError: nobody answered.
    """
    door = Door(data_dir, url)
    path = f"/api/trips/{_uuid(trip, 'trip')}/matching"
    told = _read(door.get(path))
    if driver is None:
        return explaining.lines(told)
    user = _known(told, driver) or _looked_up(driver, data_dir)
    return explaining.lines(_read(door.get(f"{path}?driver={user}")), driver)


def _uuid(text: str, what: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise UsageError(f"No {what}'s id looks like {text[:64]!r}.") from None


def _known(told: Explanation, name: str) -> str | None:
    """The id of who was offered the trip, or ranked, by that name or id."""
    drivers = [offer.driver for offer in told.offers]
    drivers += [one.driver for seen in told.rounds for one in seen.ranked]
    found = (one.id for one in drivers if name in (one.id, one.username))
    return next(found, None)


def _looked_up(name: str, data_dir: Path | None) -> str:
    """An id needs no database."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        user = asyncio.run(_find(name, data_dir))
    if user is None:
        raise UsageError(f"There is no user {name[:150]!r}.")
    return user


async def _find(name: str, data_dir: Path | None) -> str | None:
    async with target.engine(target.find(data_dir).database_url) as engine:
        return await find_id(engine, name)


def _read(answer: bytes) -> Explanation:
    try:
        return decode(answer, Explanation)
    except CodecError as error:
        raise UnreachableError(f"What answers is no cabrank: {error}.") from None
