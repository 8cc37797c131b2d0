"""What is to be true of offers when a schedule is over; the rules themselves are
cabrank/trial/oracle/offers.py's.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cabrank.trial.oracle.asking import Asking
from cabrank.trial.oracle.hunts import Hunt, Rules, is_exhausted
from cabrank.trial.oracle.offers import Offers, Violate
from schemas.codec import decode
from schemas.events import Event, OfferEvent
from schemas.ledger import Record
from tests.simulation.loop import WALL_S
from tests.simulation.places import metres
from tests.simulation.plan import Offering, Plan

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.world import World

SOON_S = 1.5
"""What is due is done so soon, where there is a leader: it ticks ten times a second,
and its disk and clocks are off by less."""
ROUNDED_M = 12.0
"""How far a place that is rounded for the ledger may be from where it was."""
LONG_S = 5.0
"""Nobody waits for what is due later."""


class Offered:
    """Follows the ledger as it grows."""

    def __init__(self, world: "World", violate: Violate) -> None:
        self._asking = Asking(_rules(world.plan), violate)
        self._records: list[Record] = []

    @property
    def facts(self) -> Offers:
        return self._asking.offers

    def follow(self, world: "World") -> None:
        """What is new."""
        stream = world.server.stream
        for n in range(len(self._records), len(stream.records)):
            record = decode(stream.records[n], Record)
            self._records.append(record)
            self._asking.take(record, stream.stored_s[n])

    def events(self) -> Iterator[Event]:
        """All that the ledger holds."""
        for record in self._records:
            yield from record.events

    # ---- while the world comes to rest ---------------------------------------------

    def unfinished(self, world: "World") -> list[str]:
        """What is yet to happen, or never will, as sentences."""
        if world.plan.offering is None:
            return []
        return [
            *self._overdue(world),
            *self._hanging(world),
            *self._views(world),
        ]

    def _overdue(self, world: "World") -> Iterator[str]:
        """Offers that should have ended, and trips of which all should be told."""
        rules, facts, now_s = self.facts.rules, self.facts, world.loop.time()
        ttl_s = rules.offer_ttl_ms / 1000
        for trip, hunt in facts.hunts.items():
            live = hunt.live
            if live is not None:
                made_s = max(self._stored_s(live), self._led_s())
                if ttl_s < LONG_S or now_s > made_s + ttl_s + SOON_S:
                    yield f"offers end: {live.offer} of {trip} to {live.driver}"
            elif hunt.is_matched and self._is_over(world, hunt):
                yield f"told by rule: of {trip} all should have been"

    def _is_over(self, world: "World", hunt: Hunt) -> bool:
        return is_exhausted(
            self.facts.rules, hunt, _wall_ms(world) - round(SOON_S * 1000)
        )

    def _hanging(self, world: "World") -> Iterator[str]:
        """Trips for which there is somebody, who isn't asked."""
        facts, now_ms = self.facts, _wall_ms(world)
        for trip, hunt in facts.hunts.items():
            if not hunt.is_matched or hunt.live is not None:
                continue
            if is_exhausted(facts.rules, hunt, now_ms):
                continue
            free = [one.id for one in world.clients if self._is_free(one, hunt)]
            if free:
                yield f"somebody is asked: {trip}, while {free} are free"

    def _is_free(self, client: "Client", hunt: Hunt) -> bool:
        driving = client.driving
        if driving is None or not (driving.is_sound and client.welcomed):
            return False
        duty = self.facts.duty(client.id)
        is_there = duty.online and duty.offers and client.id not in hunt.passed
        return is_there and duty.trip is None and duty.live is None

    def _views(self, world: "World") -> Iterator[str]:
        """What drivers think is offered to them and isn't, and the reverse."""
        for client in world.clients:
            driving = client.driving
            if driving is None:
                continue
            live = self.facts.live_of(client.id)
            true = set() if live is None else {live.offer}
            if set(driving.live) != true:
                yield f"offers: {client.id} thinks {set(driving.live)}, not {true}"
            online = self.facts.duty(client.id).online
            if driving.online is not online:
                yield f"offers: {client.id} thinks it is online: {driving.online}"

    def _stored_s(self, event: OfferEvent) -> float:
        return self._asking.stored_s(event.seq)

    def _led_s(self) -> float:
        return self._asking.stored_s(self.facts.led_seq)

    # ---- the end -------------------------------------------------------------------

    def judge(self, world: "World") -> list[str]:
        self.follow(world)
        watch = world.watch
        self._asking.judge(watch.history.calls)
        self._asking.judge_greetings(watch.greetings)
        return [*self.unfinished(world), *self._heard(world), *self._placed(world)]

    def _placed(self, world: "World") -> Iterator[str]:
        """Whoever is asked is where they said, and as far from the pick-up as told."""
        ways = {one.id: one.driving for one in world.clients if one.driving is not None}
        for made in self.facts.made.values():
            at, to = made.evidence.position, made.trip.pick_up
            driving, told_m = ways.get(made.driver), made.evidence.pick_up_distance_m
            if at is None or to is None or driving is None:
                yield f"positions: {made} rests on none"
            elif (at.lat, at.lon) not in driving.places:
                yield f"positions: {made.driver} never said they are at {at}"
            elif abs(metres(at, to) - told_m) > ROUNDED_M:
                yield f"positions: {at} to {to} is {metres(at, to):.0f} m, not {told_m}"

    def _heard(self, world: "World") -> Iterator[str]:
        """Drivers hear of what is theirs alone, and as it is."""
        facts, rule = self.facts, "drivers hear what is theirs"
        for (driver, offer), shown in world.watch.offered.items():
            made = facts.made.get(offer)
            if made is None or (made.driver, made.trip) != (driver, shown.trip):
                yield f"{rule}: {driver} was offered {offer}, made: {made}"
            elif not 0 <= shown.expires_in_ms <= facts.rules.offer_ttl_ms:
                yield f"{rule}: {offer} lives {shown.expires_in_ms} ms"
        for driver, seq, ended in world.watch.said_over:
            made = facts.made.get(ended.offer)
            how = facts.ended.get(ended.offer, ("", 0))[0]
            if made is None or made.driver != driver or made.trip.id != ended.id:
                yield f"{rule}: {driver} was told that {ended.offer} is over"
            elif ended.why != how and (seq is not None or not how):
                yield f"{rule}: {ended.offer} is {how or 'live'}, not {ended.why}"


def _wall_ms(world: "World") -> int:
    return round((WALL_S + world.loop.time()) * 1000)


def _rules(plan: Plan) -> Rules:
    offering = plan.offering or Offering()
    return Rules(
        offer_ttl_ms=offering.offer_ttl_ms,
        offers_max=offering.offers_max,
        broadcast_after_ms=offering.broadcast_after_ms,
        missed_offers_max=offering.missed_offers_max,
        position_max_age_ms=offering.position_max_age_ms,
        request_ttl_ms=plan.request_ttl_ms,
        late_ms=offering.late_ms,
        events_max=plan.events_per_record_max,
    )
