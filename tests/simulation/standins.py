"""What stands in for things outside the processes that are simulated: who is who, what
history knows, chance, and a process that writes snapshots.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from dispatcher.engine import lined
from dispatcher.engine.engine import Engine
from dispatcher.region import snapshots
from runtime.ledger import Ledger
from schemas.accounts import (
    FindBacklog,
    FindMade,
    FindTrip,
    FindUser,
    Result,
    Whereabouts,
)
from schemas.codec import Raw, encode
from schemas.refusals import Code, Refusal

if TYPE_CHECKING:
    from tests.simulation.world import World


class Questions:
    """Stands for runtime/questions.py: asks the simulated database."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def ask(
        self, _: str, question: FindTrip | FindBacklog | FindMade | FindUser
    ) -> Result:
        await asyncio.sleep(0.001)
        if isinstance(question, FindUser):
            return self._who(question.user)
        floor = self._world.server.stream.consumer.floor
        return self._world.database.find(question, floor)

    def _who(self, user: str) -> Result:
        for client in self._world.clients:
            if client.id == user:
                found = Whereabouts(user, "main", client.user())
                return Result(data=Raw(encode(found)))
        return Result(refused=Refusal(Code.INVALID_DATA, "there is no such user"))


class Anybody:
    """Stands for gateway/identity/tokens.py: every token is good."""

    def is_revoked(self, _: object) -> bool:
        return False

    def verify(self, _: str, __: float) -> Any:
        raise NotImplementedError


class Secrets:
    """Stands for the module `secrets`: ids that replay alike."""

    def __init__(self, used: int = 0) -> None:
        self._count = used

    def token_hex(self, size: int) -> str:
        self._count += 1
        return f"{self._count:0{2 * size}x}"


class Written:
    """`Frozen` without a process of its own, of which there is no simulating."""

    def __init__(self, engine: Engine, ledger: Ledger, n: int) -> None:
        self.head = snapshots.head_of(engine, ledger, n)
        self._payload = b"".join(lined.write(snapshots.of(engine, ledger, n)))

    async def parts(self) -> AsyncIterator[bytes]:
        yield self._payload

    def close(self) -> None: ...
