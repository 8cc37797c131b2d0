"""What commands were answered: as the events they made tell, or as it was kept."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Union

from dispatcher.engine.limits import ANSWERS_KEPT_BYTES_MAX, ANSWERS_MAX
from dispatcher.engine.ring import Ring
from dispatcher.engine.transitions import MOVES
from schemas.codec import Raw, decoder, encode
from schemas.commands import (
    Answer,
    Command,
    DeclineTrip,
    DutyData,
    GoOffline,
    GoOnline,
    RescheduleTrip,
    TagDriver,
    TagsData,
)
from schemas.events import DriverPush, OfferEndedPush, TripPush
from schemas.kinds import ByKind, by_push, pushes
from schemas.rooms import MemberPush, MessagePush
from schemas.seen import trip_json_as
from schemas.trips import Role

CHANGES = frozenset[type[Command]](
    (DeclineTrip, RescheduleTrip, GoOnline, GoOffline, TagDriver, *MOVES)
)
"""What changed nothing may change something later: a message that comes twice must not
be done the second time. Others have a key, or only ask."""

_push = decoder(Union[tuple(pushes())])  # noqa: UP007 - of as many as there are


class Given:
    """Answers by command: `ring` has the events of those that made one."""

    __slots__ = ("_bytes", "_kept", "_ring")

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._kept: OrderedDict[str, tuple[int, Answer]] = OrderedDict()
        """Command → (stamp, answer), of commands that made no event."""
        self._bytes = 0
        """Of what these answers say."""

    def keep(self, answer: Answer, stamp_ms: int) -> None:
        if answer.lookup is not None or self._ring.made(answer.id) is not None:
            return
        if answer.id in self._kept:
            self._drop(answer.id)
        self._kept[answer.id] = (stamp_ms, answer)
        self._bytes += _size(answer)
        while len(self._kept) > ANSWERS_MAX or self._bytes > ANSWERS_KEPT_BYTES_MAX:
            self._drop(next(iter(self._kept)))

    def _drop(self, command_id: str) -> None:
        _, answer = self._kept.pop(command_id)
        self._bytes -= _size(answer)

    def of(self, command_id: str, role: Role) -> Answer | None:
        encoded = self._ring.made(command_id)
        if encoded is None:
            kept = self._kept.get(command_id)
            return None if kept is None else kept[1]
        data = of_made(encoded, role)
        return None if data is None else Answer(command_id, 1, data=data)

    def forget(self, until_ms: int) -> None:
        while self._kept:
            command_id, (stamp_ms, _) = next(iter(self._kept.items()))
            if stamp_ms > until_ms:
                break
            self._drop(command_id)


def _size(answer: Answer) -> int:
    return 0 if answer.data is None else memoryview(answer.data).nbytes


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
