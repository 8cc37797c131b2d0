"""What history answers about events that a test says happened."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

from persistence import database
from persistence.history.history import History
from persistence.history.past import past
from persistence.projected.store import Store
from runtime.bus import Bus
from schemas import codec, subjects
from schemas.accounts import Result
from schemas.refusals import Code


class Past:
    """History on a database, asked over NATS."""

    def __init__(self, bus: Bus, url: str) -> None:
        self.bus = bus
        self.store = Store(database.plain_engine(url))
        self.engine = database.engine(url)
        self.service = History(past(url), bus)
        self.n = 0

    async def ask(self, operation: str, question: Any) -> Result:
        subject = subjects.history(operation)
        answer = await self.bus.request(subject, codec.encode(question), 30)
        return codec.decode(answer.data, Result)

    async def refusal(self, operation: str, question: Any) -> Code:
        result = await self.ask(operation, question)
        assert result.refused is not None
        return result.refused.code

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[Self]:
        self.service.start()
        try:
            yield self
        finally:
            await self.service.stop()
            await self.engine.dispose()
            self.store.close()
