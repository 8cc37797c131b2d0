"""What `cabrank user export` prints."""

import json
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.erasure.export import export
from persistence.identity.users import find_id


async def exported(engine: AsyncEngine, name: str) -> Any:
    """None: there is no user of that id or username."""
    user = await find_id(engine, name)
    if user is None:
        return None
    written: list[bytes] = []
    await export(engine, user, written.append)
    text = b"".join(written)
    assert text == msgspec.json.format(text, indent=2) + b"\n"
    return json.loads(text)
