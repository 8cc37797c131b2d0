"""One life of a link to NATS, and what is subscribed on it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.net import Link


class Subscription:
    def __init__(
        self, link: "Link", subject: str, callback: Callable[..., None]
    ) -> None:
        self.link = link
        self.subject = subject
        self.callback: Callable[..., None] | None = callback

    def cancel(self) -> None:
        self.callback = None
        self.link.forget(self)


class Connection:
    """One life of a link; the server's side of it is `subscriptions`."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.subscriptions: list[Subscription] = []
        self.up_s = self.down_s = 0.0
        self.up_until_s = float("inf")
        self.is_cut = False
        self.is_deaf = False
