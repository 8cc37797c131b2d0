"""What endpoints were sent, held against the ledger: PROTOCOL.md section 8. Each event
that is wanted was taken at least once, whole and rightly signed, a trip's in order, and
nothing else was sent.

Pure; knows the contract only: what the service makes of an event is not used, so that a
mistake there shows here. Instants are ms since 1970.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from standardwebhooks import Webhook

from schemas.codec import decode, encode
from schemas.events import (
    DriverEvent,
    Event,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.rooms import MessageEvent, trip_of
from schemas.times import rfc3339
from schemas.webhooks import is_wanted, place_of

HOLD_MS = 300_000
"""So long a delivery that fails holds back its trip's later ones."""
CLOCK_MS = 300_000
"""So far a `webhook-timestamp` may be off, for whoever verifies (Standard Webhooks)."""
RULE = "webhooks"

Place = tuple[str, int]
"""Ledger and `seq`."""


class Post(Struct, frozen=True):
    """As an endpoint had it, and what it answered. `at_ms`: when it was there."""

    id: str
    timestamp: str
    signature: str
    body: str
    at_ms: int
    status: int

    @property
    def place(self) -> Place | None:
        """Of the event that it is of; None: of none."""
        return place_of(self.id)

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004


class Fact(Struct, frozen=True):
    """An event as it is to be sent. `data`: a digest, without the names of drivers,
    which the ledger doesn't hold.
    """

    type: str
    trip: str | None
    at_ms: int
    data: bytes


class Tally(Struct):
    """`again`: taken once more. `refused`: tried in vain, as far as one heard of it."""

    wanted: int = 0
    taken: int = 0
    again: int = 0
    refused: int = 0


def _said(event: Event) -> tuple[str, str | None, Any] | None:
    """Type, trip and data; None: nobody is sent it."""
    if isinstance(event, TripEvent) and not event.restored:
        return event.type, event.trip.id, event.trip
    if isinstance(event, OfferEvent):
        evidence = event.evidence
        made = {
            "driver": {"id": event.driver},
            "trip": event.trip,
            "offer": event.offer,
            "round": event.round,
            "expires_at": rfc3339(event.expires_ms),
            "expires_in_ms": event.expires_ms - event.at_ms,
            "pick_up_distance_m": evidence.pick_up_distance_m,
            "pick_up_eta_s": evidence.pick_up_eta_s,
        }
        return "offer.made", event.trip.id, made
    if isinstance(event, OfferEndedEvent):
        ended = {"driver": {"id": event.driver}, "id": event.trip}
        ended |= {"offer": event.offer, "why": event.why}
        return "offer.ended", event.trip, ended
    if isinstance(event, DriverEvent) and event.why != "operator":
        type_ = "driver.online" if event.online else "driver.offline"
        state = {"driver": {"id": event.driver}, "online": event.online}
        return type_, None, state | {"offers": event.offers, "why": event.why}
    if isinstance(event, MessageEvent):
        return "chat.message", trip_of(event.message.room), event.message
    return None


def _digest(type_: str, data: Any) -> bytes:
    """Of JSON as decoded, whatever the order of its fields."""
    if type_.startswith(("offer.", "driver.")) and isinstance(data, dict):
        driver = data.get("driver")
        if isinstance(driver, dict):
            data = data | {"driver": {"id": driver.get("id")}}
    text = json.dumps(data, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class Delivered:
    """Feed it every event of the ledger, then `judge` each endpoint."""

    def __init__(self, violate: Callable[[str, str], None]) -> None:
        self._violate = violate
        self.facts: dict[Place, Fact] = {}

    def fact(self, ledger: str, event: Event) -> None:
        said = _said(event)
        if said is not None:
            type_, trip, data = said
            digest = _digest(type_, decode(encode(data), Any))
            self.facts[ledger, event.seq] = Fact(type_, trip, event.at_ms, digest)

    def wanted(self, patterns: Iterable[str]) -> set[Place]:
        patterns = list(patterns)
        return {
            place
            for place, fact in self.facts.items()
            if is_wanted(fact.type, patterns)
        }

    def judge(
        self,
        name: str,
        secret: str,
        patterns: Sequence[str],
        posts: Sequence[Post],
        wanted: set[Place],
    ) -> Tally:
        """`posts` as they came; `wanted`: what must be among them by now."""
        first: dict[Place, tuple[int, int]] = {}
        tally = Tally(wanted=len(wanted))
        signer = Webhook(secret)
        for rank, post in enumerate(posts):
            place = post.place
            if not self._is_right(name, signer, patterns, post) or place is None:
                continue
            if not post.is_taken:
                tally.refused += 1
            elif place in first:
                tally.again += 1
            else:
                first[place] = (rank, post.at_ms)
        tally.taken = len(first)
        for place in sorted(wanted - first.keys()):
            fact = self.facts[place]
            self._violate(
                RULE, f"{name} was never sent {fact.type} {place[1]} of {fact.trip}"
            )
        self._in_order(name, first)
        return tally

    def _is_right(
        self, name: str, signer: Webhook, patterns: Sequence[str], post: Post
    ) -> bool:
        """That it may have been sent; what it is of is known to the ledger."""
        what = f"{name} was sent {post.id}"
        place = post.place
        fact = None if place is None else self.facts.get(place)
        if fact is None:
            self._violate(RULE, f"{what}, which is no event of the ledger")
            return False
        if not is_wanted(fact.type, patterns):
            self._violate(RULE, f"{what}, a {fact.type} that it never asked for")
        body = decode(post.body.encode(), dict[str, Any])
        type_ = str(body.get("type"))
        if (type_, body.get("timestamp")) != (fact.type, rfc3339(fact.at_ms)):
            self._violate(RULE, f"{what} as a {type_} of {body.get('timestamp')}")
        if _digest(type_, body.get("data")) != fact.data:
            self._violate(RULE, f"{what}, which says another thing: {post.body[:500]}")
        sent_s = int(post.timestamp) if post.timestamp.isdecimal() else 0
        at = datetime.fromtimestamp(sent_s, UTC)
        signed = signer.sign(post.id, at, post.body)
        if signed not in post.signature.split(" "):
            self._violate(RULE, f"{what} with a wrong signature: {post.signature}")
        if abs(sent_s * 1000 - post.at_ms) > CLOCK_MS:
            self._violate(RULE, f"{what} with the time {post.timestamp}")
        return True

    def _in_order(self, name: str, first: dict[Place, tuple[int, int]]) -> None:
        """Each event of a trip was there before those that came after it, unless it had
        failed for so long that they went on.
        """
        lines: defaultdict[str, list[Place]] = defaultdict(list)
        for place in sorted(first):
            trip = self.facts[place].trip
            if trip is not None:
                lines[trip].append(place)
        for trip, places in lines.items():
            soonest = (len(first) + (1 << 40), 0)
            for place in reversed(places):
                rank, _ = first[place]
                late_ms = soonest[1] - self.facts[place].at_ms
                if soonest[0] < rank and late_ms < HOLD_MS:
                    self._violate(
                        RULE, f"{name} was sent {place[1]} of {trip} after a later one"
                    )
                soonest = min(soonest, first[place])

    def waits(self, posts: Iterable[Post]) -> list[tuple[int, int]]:
        """Of each event that was taken: when it happened, and how long it was on its
        way; the oldest first.
        """
        first: dict[Place, int] = {}
        for post in posts:
            if post.is_taken and post.place in self.facts:
                first.setdefault(post.place, post.at_ms)
        return sorted(
            (self.facts[place].at_ms, at_ms - self.facts[place].at_ms)
            for place, at_ms in first.items()
        )
