"""Offers carry the trace context of what caused them: PROTOCOL.md section 2."""

from dispatcher.engine.feed import feed_entry
from schemas.commands import AnyCommand, DeclineTrip, GoOffline, RequestTrip
from schemas.events import Event, MatchingEvent, OfferEndedEvent, OfferEvent
from schemas.trips import Position, Trip, User
from tests.unit.dispatcher.engine.town import Town
from tests.unit.dispatcher.engine.world import DORA, RITA, VERBS

FIRST, SECOND = (f"00-{n:032x}-{n:016x}-01" for n in (1, 2))


def do(town: Town, command: AnyCommand, trace: str) -> list[Event]:
    """What comes of a command that brought a trace."""
    known = len(town.events)
    assert town.batcher.take("reply.g.main", command, town.now_ms, trace)
    town.flush()
    return town.events[known:]


def request(town: Town, trace: str, by: User = RITA) -> Trip:
    where = {"pick_up_address": "A", "drop_off_address": "B"}
    here = Position(0.0, 0.0)
    command = RequestTrip(**where, pick_up=here, **town.envelope(by))
    (first, *_) = do(town, command, trace)
    found: Trip = first.trip  # type: ignore[union-attr, assignment]
    return found


def of(events: list[Event], kind: type[Event]) -> list[str]:
    return [event.traceparent for event in events if type(event) is kind]


def drivers(town: Town) -> None:
    for number, name in enumerate(("dora", "dan", "eve"), 1):
        town.driver(name, number * 500)


def test_the_first_offer_is_of_the_request_s_trace() -> None:
    town = Town()
    drivers(town)
    request(town, FIRST)
    assert of(town.events, OfferEvent) == [FIRST]


def test_a_decline_s_end_and_the_next_offer_are_of_the_decline_s_trace() -> None:
    town = Town()
    drivers(town)
    trip = request(town, FIRST)
    events = do(town, DeclineTrip(trip=trip.id, **town.envelope(DORA)), SECOND)
    assert of(events, OfferEndedEvent) == [SECOND]
    assert of(events, OfferEvent) == [SECOND]


def test_where_what_ended_an_offer_had_no_trace_the_trip_s_own_goes_on() -> None:
    town = Town(offer_ttl_ms=5_000)
    drivers(town)
    trip = request(town, FIRST)
    events = do(town, DeclineTrip(trip=trip.id, **town.envelope(DORA)), "")
    assert of(events, OfferEndedEvent) == [""]
    assert of(events, OfferEvent) == [FIRST]
    events = town.wait(6)  # it runs out by itself
    assert of(events, OfferEndedEvent) == [FIRST]
    assert of(events, OfferEvent) == [FIRST]


def test_an_end_that_follows_from_a_move_is_of_its_trace() -> None:
    town = Town()
    drivers(town)
    trip = request(town, FIRST)
    command = VERBS["cancel"](trip=trip.id, **town.envelope(RITA))
    assert of(do(town, command, SECOND), OfferEndedEvent) == [SECOND]
    request(town, FIRST)
    events = do(town, GoOffline(**town.envelope(DORA)), SECOND)
    assert of(events, OfferEndedEvent) == [SECOND]
    assert of(events, OfferEvent) == [SECOND]


def test_a_trip_that_all_are_told_of_is_of_its_request_s_trace() -> None:
    town = Town(offers_max=1, offer_ttl_ms=5_000)
    drivers(town)
    request(town, FIRST)
    (told,) = [e for e in town.wait(6) if isinstance(e, MatchingEvent)]
    entry = feed_entry(told)
    assert entry is not None
    assert entry.traceparent == FIRST


def test_the_next_leader_knows_the_trace_too() -> None:
    town = Town(offer_ttl_ms=5_000)
    drivers(town)
    request(town, FIRST)
    town.take_over()
    events = town.wait(9)
    assert of(events, OfferEndedEvent)[0] == FIRST
    assert of(events, OfferEvent)[0] == FIRST


def test_without_any_trace_there_is_none() -> None:
    town = Town()
    drivers(town)
    request(town, "")
    assert of(town.events, OfferEvent) == [""]
