"""Rows of docs/LIMITS.md: what is kept for, and sent to, other people's endpoints."""

from tests.sizes.constants import value_of as at
from tests.sizes.largest import NAME_BYTES
from tests.sizes.rows import Row, held

WEBHOOKS = (
    Row(
        "a webhook: its URL, 32 patterns of 64 characters, a description",
        (
            "schemas.webhooks:URL_CHARS_MAX",
            "schemas.webhooks:PATTERNS_MAX",
            "schemas.webhooks:DESCRIPTION_CHARS_MAX",
        ),
        at("schemas.webhooks:URL_CHARS_MAX")
        + 64 * at("schemas.webhooks:PATTERNS_MAX")
        + 6 * at("schemas.webhooks:DESCRIPTION_CHARS_MAX"),
        "webhook",
        "`invalid_data`",
    ),
    Row(
        "webhooks, of one operator and of all: what waits for them in the database",
        (
            "schemas.webhooks:WEBHOOKS_MAX",
            "schemas.webhooks:WEBHOOKS_OF_OPERATOR_MAX",
        ),
        held("schemas.webhooks:WEBHOOKS_MAX", at("schemas.webhooks:WAITING_BYTES_MAX")),
        "system",
        "409 `invalid_data`",
    ),
    Row(
        "deliveries that wait for one endpoint",
        ("schemas.webhooks:WAITING_MAX", "schemas.webhooks:WAITING_BYTES_MAX"),
        at("schemas.webhooks:WAITING_BYTES_MAX"),
        "webhook",
        "dead at once, told in the list, replayed when asked for",
    ),
    Row(
        "deliveries that are listed, without their bodies; 7 days",
        ("persistence.deliveries.sweep:KEPT_MAX", "schemas.webhooks:ERROR_CHARS_MAX"),
        held("persistence.deliveries.sweep:KEPT_MAX", 512),
        "webhook",
        "the oldest go",
    ),
    Row(
        "events stored, or deliveries claimed, in one message",
        (
            "schemas.webhooks:STORE_BYTES_MAX",
            "schemas.webhooks:STORE_EVENTS_MAX",
            "persistence.deliveries.turns:CHAIN_MAX",
            "persistence.deliveries.turns:LINES_MAX",
        ),
        at("schemas.webhooks:STORE_BYTES_MAX"),
        "message",
        "the next message",
    ),
    Row(
        "what is in flight to one endpoint, of one worker: 32 lines, bodies of 16 KiB",
        ("webhooks.sending:IN_FLIGHT_MAX", "webhooks.post:BODY_BYTES_MAX"),
        held("webhooks.sending:IN_FLIGHT_MAX", at("webhooks.post:BODY_BYTES_MAX")),
        "webhook",
        "it waits its turn; a longer body costs its endpoint the connection",
    ),
    Row(
        "drivers' names that a worker keeps, for a minute",
        ("webhooks.names:KEPT_MAX",),
        held("webhooks.names:KEPT_MAX", NAME_BYTES),
        "worker",
        "asked for again",
    ),
)

NO_SIZE = {
    "persistence.deliveries.endpoints:SECRET_BYTES": "a secret's",
    "persistence.deliveries.intake:REPLAYS_SHOWN_MAX": "at once; the others follow",
    "persistence.deliveries.service:CONCURRENCY_MAX": "questions at once",
    "persistence.delivery_models:LINE_CHARS": "a column",
    "schemas.outside:NAME_CHARS_MAX": "a host's name in a bounded URL",
    "schemas.outside:PORT_MAX": "a number's range",
    "webhooks.desk:NAMES_MAX": "ids of one question",
    "webhooks.reading:REPLAY_WAITING_MAX": "below what may wait",
    "webhooks.sending:HELD_MAX": "lines claimed ahead; each claim is cut by bytes",
    "webhooks.reading:READ_RECORDS_MAX": "records at once; cut by the follower's bytes",
    "webhooks.sending:SETTLE_MAX": "outcomes of one message, of 300 bytes each",
}
"""As in rows_inside.py."""
