"""What a room, a shift and who follows a trip need of the client they belong to."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from cabrank_client.buffer import Subscription
from cabrank_client.commands import Command
from cabrank_client.link import Link
from cabrank_client.shapes import Event, Fix, Offer, User

T = TypeVar("T")


class Session(Protocol):
    @property
    def user(self) -> User: ...

    @property
    def offers(self) -> list[Offer]: ...

    @property
    def link(self) -> Link | None:
        """The connection there is."""
        ...

    async def ask(self, command: Command[T]) -> T:
        """Over whichever connections it takes, where the command repeats."""
        ...

    async def ask_and_tell(self, command: Command[T]) -> tuple[T, Link]:
        """As `ask`; and over which connection the answer came."""
        ...

    async def ask_over(self, link: Link, command: Command[T]) -> T:
        """Over that connection alone, once. Raises: Unavailable: it was lost."""
        ...

    async def moved(self, fix: Fix) -> bool: ...

    def subscribe(self, wants: Callable[[Event], bool]) -> Subscription: ...
