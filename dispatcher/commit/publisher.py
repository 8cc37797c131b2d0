"""Carries what a stored record says to those who should know it.

Order is the contract (ARCHITECTURE.md): events of a record, then its answers, all on
the connection that writes the ledger, before the next record. Decides nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from dispatcher import metrics
from dispatcher.engine.batch import Entry
from dispatcher.engine.engine import feed_entry
from runtime.bus import Bus
from schemas import subjects
from schemas.budget import MESSAGE_BYTES_MAX, as_list, in_messages
from schemas.codec import encode
from schemas.commands import Announcement, Answer, Answers
from schemas.events import (
    DriverEvent,
    Event,
    FeedEntry,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.kinds import ByKind, by_fact
from schemas.ledger import Writer
from schemas.members import Standbys
from schemas.rooms import MemberEvent, MessageEvent
from schemas.seen import event_as
from schemas.trips import Role

log = structlog.get_logger()


class Publisher:
    """All methods: False where the connection took not all of it."""

    def __init__(self, bus: Bus, region: str) -> None:
        self._bus = bus
        self._region = region

    def events(self, events: Sequence[Event], encoded: Sequence[bytes]) -> bool:
        """Each to its subjects, by `seq`; feed entries gather while only riders are
        concerned. A driver gets two subjects, so in any other order one of them might
        be a read, or a leader's death, behind the other, and `seq` would fall.
        """
        sent = True
        feed: list[FeedEntry] = []
        for event, payload in zip(events, encoded, strict=True):
            if type(event) is TripEvent and event.restored:
                continue
            if feed and not (type(event) is TripEvent and len(event.audience) == 1):
                sent = self._feed(feed) and sent
                feed = []
            try:
                sent = self._event(event, payload) and sent
            except subjects.SubjectError as error:
                # Ids are checked before anything is decided: a foreign record's.
                log.error("event names no subject", seq=event.seq, error=str(error))  # noqa: TRY400
                continue
            entry = feed_entry(event)
            if entry is not None:
                feed.append(entry)
        return self._feed(feed) and sent

    def _event(self, event: Event, payload: bytes) -> bool:
        sent = True
        for subject, told in _TELLS[type(event)](self._region, event, payload):
            sent = self._bus.send(subject, told) and sent
        return sent

    def _feed(self, feed: list[FeedEntry]) -> bool:
        subject = subjects.drivers(self._region)
        whole = encode(feed) if feed else b""
        if len(whole) <= MESSAGE_BYTES_MAX:
            return not feed or self._bus.send(subject, whole)
        sent = True
        for part in in_messages(map(encode, feed)):
            sent = self._bus.send(subject, as_list(part)) and sent
        return sent

    def answers(self, epoch: int, entries: Sequence[Entry]) -> bool:
        sent = True
        grouped: dict[str, list[Answer]] = {}
        for entry in entries:
            grouped.setdefault(entry.reply, []).append(entry.answer)
        for reply, group in grouped.items():
            for payload, count in _in_messages(epoch, group):
                if not self._bus.send(reply, payload):
                    sent = False
                    lost = metrics.dropped.labels(self._region, "undeliverable")
                    lost.inc(count)
        return sent

    def announce(
        self, writer: Writer, said: tuple[int, int], standbys: Standbys
    ) -> bool:
        """`said`: the last seq, and the feed's."""
        who = (self._region, writer.epoch, writer.instance)
        there, ready, behind = standbys
        announcement = Announcement(*who, *said, True, there, ready, behind)
        return self._bus.send(subjects.leader(self._region), encode(announcement))


def _in_messages(epoch: int, group: list[Answer]) -> Iterator[tuple[bytes, int]]:
    """`Answers` messages, and how many each has: nearly always one, encoded whole."""
    whole = encode(Answers(epoch, group))
    if len(whole) <= MESSAGE_BYTES_MAX:
        yield whole, len(group)
        return
    for part in in_messages(map(encode, group)):
        yield b'{"epoch":%d,"answers":%b}' % (epoch, as_list(part)), len(part)


# ---- who is told, and what -------------------------------------


Told = list[tuple[str, bytes]]
"""Subjects, and what goes to each."""


def _trip(region: str, event: TripEvent, payload: bytes) -> Told:
    trip = event.trip
    told = []
    for user in event.audience:
        is_rider = user == trip.rider.id
        to_them = payload if is_rider else event_as(Role.DRIVER, event, payload)
        told.append((subjects.user(region, user), to_them))
    told.append((subjects.trip(region, trip.id), payload))
    return told


def _driver(
    region: str, event: DriverEvent | OfferEvent | OfferEndedEvent, payload: bytes
) -> Told:
    return [(subjects.user(region, event.driver), payload)]


def _matching(region: str, event: MatchingEvent, payload: bytes) -> Told:
    return [(subjects.trip(region, event.trip.id), payload)]


def _message(region: str, event: MessageEvent, payload: bytes) -> Told:
    return [(subjects.room(region, event.message.room), payload)]


def _member(region: str, event: MemberEvent, payload: bytes) -> Told:
    return [(subjects.room(region, event.room), payload)]


_HANDLERS: ByKind[Callable[[str, Any, bytes], Told]] = ByKind(
    trip=_trip,
    driver=_driver,
    offer=_driver,
    offer_ended=_driver,
    matching=_matching,
    message=_message,
    member=_member,
)
_TELLS = by_fact(_HANDLERS)
