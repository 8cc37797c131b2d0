"""Carries what a stored record says to those who should know it.

Order is the contract (ARCHITECTURE.md): events of a record, then its answers, all on
the connection that writes the ledger, before the next record. Decides nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import structlog

from dispatcher import metrics
from dispatcher.engine.batch import Entry
from dispatcher.engine.engine import feed_entry
from dispatcher.engine.transitions import DRIVER
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

log = structlog.get_logger()

_user_subject = lru_cache(maxsize=16384)(subjects.user)
_trip_subject = lru_cache(maxsize=16384)(subjects.trip)
"""A trip's and its people's come several times each, here alone. Tokens are of 64
characters at most, so both take 17 MB at most."""


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
        send, region = self._bus.send, self._region
        feed: list[FeedEntry] = []
        for event, payload in zip(events, encoded, strict=True):
            if type(event) is TripEvent and event.restored:
                continue
            if feed and not (type(event) is TripEvent and len(event.audience) == 1):
                sent = self._feed(feed) and sent
                feed = []
            try:
                sent = _TELLS[type(event)](send, region, event, payload) and sent
            except subjects.SubjectError as error:
                # Ids are checked before anything is decided: a foreign record's.
                log.error("event names no subject", seq=event.seq, error=str(error))  # noqa: TRY400
                continue
            entry = feed_entry(event)
            if entry is not None:
                feed.append(entry)
        return (not feed or self._feed(feed)) and sent

    def _feed(self, feed: list[FeedEntry]) -> bool:
        subject = subjects.drivers(self._region)
        whole = encode(feed)
        if len(whole) <= MESSAGE_BYTES_MAX:
            return self._bus.send(subject, whole)
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


Send = Callable[[str, bytes], bool]
"""A subject, and what goes to it."""


def _trip(send: Send, region: str, event: TripEvent, payload: bytes) -> bool:
    trip = event.trip
    sent = True
    for user in event.audience:
        is_rider = user == trip.rider.id
        to_them = payload if is_rider else event_as(DRIVER, event, payload)
        sent = send(_user_subject(region, user), to_them) and sent
    return send(_trip_subject(region, trip.id), payload) and sent


def _driver(
    send: Send,
    region: str,
    event: DriverEvent | OfferEvent | OfferEndedEvent,
    payload: bytes,
) -> bool:
    return send(_user_subject(region, event.driver), payload)


def _matching(send: Send, region: str, event: MatchingEvent, payload: bytes) -> bool:
    return send(_trip_subject(region, event.trip.id), payload)


def _message(send: Send, region: str, event: MessageEvent, payload: bytes) -> bool:
    return send(subjects.room(region, event.message.room), payload)


def _member(send: Send, region: str, event: MemberEvent, payload: bytes) -> bool:
    return send(subjects.room(region, event.room), payload)


_HANDLERS: ByKind[Callable[[Send, str, Any, bytes], bool]] = ByKind(
    trip=_trip,
    driver=_driver,
    offer=_driver,
    offer_ended=_driver,
    matching=_matching,
    message=_message,
    member=_member,
)
_TELLS = by_fact(_HANDLERS)
