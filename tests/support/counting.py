"""How many rows a database has."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database


async def count(engine: AsyncEngine, table: Any) -> int:
    async with database.reading(engine) as connection:
        asked = select(func.count()).select_from(table.__table__)
        return (await connection.execute(asked)).scalar_one()


class Counting:
    """Counts a database's rows, over a connection of its own."""

    def __init__(self, url: str) -> None:
        self.engine = database.engine(url)

    async def rows(self, table: Any) -> int:
        return await count(self.engine, table)

    async def column(self, column: Any) -> list[Any]:
        async with database.reading(self.engine) as connection:
            return list((await connection.execute(select(column))).scalars())
