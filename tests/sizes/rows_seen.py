"""Rows of docs/LIMITS.md: what is told of how drivers are found, and where they go."""

from tests.sizes.constants import value_of as at
from tests.sizes.rows import Row, held

OBSERVED = (
    Row(
        "a round of the matching that is told: 8 drivers, 128 more, 1,000 marks",
        (
            "schemas.observations:ROUND_BYTES_MAX",
            "schemas.observations:OTHERS_MAX",
            "schemas.observations:MARKS_MAX",
        ),
        at("schemas.observations:ROUND_BYTES_MAX"),
        "trip and round",
        "of drivers who aren't listed it can't be told",
    ),
    Row(
        "rounds that a decision makes, for trips that lost a driver too",
        ("dispatcher.engine.rounds:LOST_MAX", "dispatcher.engine.rounds:LOOKS_MAX"),
        held(
            "dispatcher.engine.rounds:LOST_MAX",
            at("schemas.observations:ROUND_BYTES_MAX"),
        ),
        "region",
        "of further trips none is told",
    ),
    Row(
        "where drivers of active trips are, held until it is told: a tick",
        ("dispatcher.commit.observing:HELD_BYTES_MAX",),
        at("dispatcher.commit.observing:HELD_BYTES_MAX"),
        "region",
        "let go of, and counted",
    ),
    Row(
        "when and where each trip's last was",
        ("dispatcher.engine.crumbs:LAST_MAX",),
        held("dispatcher.engine.crumbs:LAST_MAX", 512),
        "region",
        "one more is told",
    ),
    Row(
        "what is told of rounds and places in one message",
        (
            "schemas.observations:OBSERVATIONS_BYTES_MAX",
            "dispatcher.commit.observing:_PART_BYTES_MAX",
        ),
        at("schemas.observations:OBSERVATIONS_BYTES_MAX"),
        "message",
        "the next message",
    ),
    Row(
        "the same on its way to the database, in NATS",
        ("schemas.observations:MATCHES_BYTES_MAX",),
        at("schemas.observations:MATCHES_BYTES_MAX"),
        "all regions",
        "the oldest goes",
    ),
    Row(
        "the same in a worker's hands, and of one transaction",
        (
            "persistence.projected.observer:BACKLOG_BYTES_MAX",
            "persistence.projected.observer:BATCH_BYTES_MAX",
        ),
        at("persistence.projected.observer:BACKLOG_BYTES_MAX"),
        "worker",
        "no more is asked for",
    ),
    Row(
        "why these drivers, of one trip; and a piece of where it went",
        (
            "persistence.history.matches:ROUNDS_MAX",
            "persistence.history.matches:FACTS_MAX",
            "persistence.history.matches:THEIRS_MAX",
            "persistence.history.matches:CRUMBS_MAX",
        ),
        at("persistence.projected.messages:PAGE_BYTES_MAX"),
        "answer",
        "the newest rounds and offers; the next piece",
    ),
)
