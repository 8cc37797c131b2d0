"""What dispatchers tell each other: who is there, and who is to lead next."""

from typing import NamedTuple

from msgspec import Struct


class Member(Struct, frozen=True, omit_defaults=True):
    """A dispatcher's heartbeat on `dispatchers`: every second, and at once when
    something in it changes. With a reply subject it asks all others for theirs.
    """

    id: str
    """The process's instance id."""
    serves: tuple[str, ...]
    """Regions it may be given (CABRANK_REGIONS)."""
    ready: tuple[str, ...] = ()
    """Regions that it leads, or whose ledger it has followed to the end."""
    leaving: bool = False
    """It is about to end, and is to be given nothing any more."""
    behind: dict[str, int] = {}
    """By region that it follows and doesn't lead: ledger records that it had yet to
    apply when it looked last."""


class Standbys(NamedTuple):
    """Of a region, as its leader tells gateways (`Announcement`)."""

    there: int = 0
    """Other dispatchers that are there and may be given the region."""
    ready: int = 0
    behind: int | None = None


NONE = Standbys()


class HandOver(Struct, frozen=True):
    """A leader's last word on `handover.<region>`, after its last record."""

    to: str
    """Instance id of the dispatcher that is to take over."""
