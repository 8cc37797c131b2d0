"""What commands were answered: as the events they made tell, or as it was kept."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Union

from dispatcher.engine.limits import ANSWERS_MAX
from dispatcher.engine.ring import Ring
from schemas.codec import Raw, decoder, encode
from schemas.commands import Answer, DutyData, TagsData
from schemas.events import DriverPush, OfferEndedPush, TripPush
from schemas.kinds import ByKind, by_push, pushes
from schemas.rooms import MemberPush, MessagePush
from schemas.seen import trip_json_as
from schemas.trips import Role

_push = decoder(Union[tuple(pushes())])  # noqa: UP007 - of as many as there are


class Given:
    """Answers by command: `ring` has the events of those that made one."""

    __slots__ = ("_kept", "_ring")

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._kept: OrderedDict[str, tuple[int, Answer]] = OrderedDict()
        """Command → (stamp, answer), of commands that made no event."""

    def keep(self, answer: Answer, stamp_ms: int) -> None:
        if answer.lookup is None and self._ring.made(answer.id) is None:
            self._kept[answer.id] = (stamp_ms, answer)
            self._kept.move_to_end(answer.id)
            if len(self._kept) > ANSWERS_MAX:
                self._kept.popitem(last=False)

    def of(self, command_id: str, role: Role) -> Answer | None:
        encoded = self._ring.made(command_id)
        if encoded is None:
            kept = self._kept.get(command_id)
            return None if kept is None else kept[1]
        data = of_made(encoded, role)
        return None if data is None else Answer(command_id, 1, data=data)

    def forget(self, until_ms: int) -> None:
        while self._kept and next(iter(self._kept.values()))[0] <= until_ms:
            self._kept.popitem(last=False)


def of_made(encoded: bytes, role: Role) -> Raw | None:
    """The answer's `data` for somebody of that role, of the encoded event; None: it is
    decided again.
    """
    push = _push.decode(encoded)
    return _ANSWERS[type(push)](push, role)


def _trip(push: TripPush, role: Role) -> Raw:
    return Raw(trip_json_as(role, push.trip))


def _driver(push: DriverPush, _: Role) -> Raw:
    if push.why == "operator":
        return Raw(encode(TagsData(push.driver, push.tags)))
    return Raw(encode(DutyData(push.online, push.offers)))


def _offer_ended(_: OfferEndedPush, __: Role) -> None:
    """A decline, which is answered with the trip as it is now."""


def _never(_: object, __: Role) -> None:
    """No command makes it."""


def _message(push: MessagePush, _: Role) -> Raw:
    return push.message


def _member(push: MemberPush, _: Role) -> Raw | None:
    """A join is answered as of now, and joins nobody twice."""
    return None if push.joined else Raw(encode({"room": push.room}))


_HANDLERS: ByKind[Callable[[Any, Role], Raw | None]] = ByKind(
    trip=_trip,
    driver=_driver,
    offer=_never,
    offer_ended=_offer_ended,
    matching=_never,
    message=_message,
    member=_member,
)
_ANSWERS = by_push(_HANDLERS)
