"""What a command was answered, as the event it made tells."""

from collections.abc import Callable
from typing import Any, Union

from schemas.codec import Raw, decoder, encode
from schemas.commands import OnlineData, TagsData
from schemas.events import DriverPush, OfferEndedPush, TripPush
from schemas.kinds import ByKind, by_push, pushes
from schemas.rooms import MemberPush, MessagePush

_push = decoder(Union[tuple(pushes())])  # noqa: UP007 - of as many as there are


def of_made(encoded: bytes) -> Raw | None:
    """The answer's `data`, of the encoded event; None: it is decided again."""
    push = _push.decode(encoded)
    return _ANSWERS[type(push)](push)


def _trip(push: TripPush) -> Raw:
    return push.trip


def _driver(push: DriverPush) -> Raw:
    if push.why == "operator":
        return Raw(encode(TagsData(push.driver, push.tags)))
    return Raw(encode(OnlineData(push.online, push.offers)))


def _offer_ended(_: OfferEndedPush) -> None:
    """A decline, which is answered with the trip as it is now."""


def _never(_: object) -> None:
    """No command makes it."""


def _message(push: MessagePush) -> Raw:
    return push.message


def _member(push: MemberPush) -> Raw | None:
    """A join is answered as of now, and joins nobody twice."""
    return None if push.joined else Raw(encode({"room": push.room}))


_HANDLERS: ByKind[Callable[[Any], Raw | None]] = ByKind(
    trip=_trip,
    driver=_driver,
    offer=_never,
    offer_ended=_offer_ended,
    matching=_never,
    message=_message,
    member=_member,
)
_ANSWERS = by_push(_HANDLERS)
