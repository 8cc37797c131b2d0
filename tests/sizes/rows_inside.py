"""Rows of docs/LIMITS.md: a region's leader and standbys, and persistence; and the
limits that are no sizes.
"""

from tests.sizes.constants import value_of as at
from tests.sizes.largest import HEAD_BYTES, KEY_BYTES, PERSON_BYTES, ROOM_CHARS
from tests.sizes.rows import Row, held

_ENGINE = "dispatcher.limits:"
DISPATCHER = (
    Row(
        "commands that wait for a decision, and refusals of one record",
        ("dispatcher.lead:QUEUE_MAX", "dispatcher.batch:REFUSED_MAX"),
        at("runtime.bus:PENDING_BYTES_MAX"),
        "region",
        "`overloaded`",
    ),
    Row(
        "trip and message keys of one user in memory: 256 and 4,096",
        (
            f"{_ENGINE}Limits.keys_per_user_max",
            f"{_ENGINE}Limits.message_keys_per_user_max",
        ),
        held(f"{_ENGINE}Limits.keys_per_user_max", KEY_BYTES)
        + held(f"{_ENGINE}Limits.message_keys_per_user_max", KEY_BYTES),
        "user",
        "the user's own oldest are looked up in history",
    ),
    Row(
        "trip and message keys of all users in memory, of 24 h",
        (f"{_ENGINE}Limits.keys_bytes_max",),
        at(f"{_ENGINE}Limits.keys_bytes_max"),
        "region",
        "the oldest are looked up in history",
    ),
    Row(
        "commands known as counted, of 10 s",
        (f"{_ENGINE}COUNTED_MAX",),
        2 * held(f"{_ENGINE}COUNTED_MAX", 150),
        "region",
        "a retry counts again",
    ),
    Row(
        "the ring: 15 min, 200,000 events, and in bytes",
        (f"{_ENGINE}Limits.ring_events_max", f"{_ENGINE}Limits.ring_bytes_max"),
        at(f"{_ENGINE}Limits.ring_bytes_max"),
        "region",
        "`recovered` false",
    ),
    Row(
        "events in one answer to who comes back",
        (f"{_ENGINE}MISSED_BYTES_MAX",),
        at(f"{_ENGINE}MISSED_BYTES_MAX"),
        "answer",
        "the whole state, `recovered` false",
    ),
    Row(
        "open trips told to a gateway: 1,000, and in bytes",
        (f"{_ENGINE}ALL_OPEN_TRIPS_MAX", f"{_ENGINE}OPEN_BYTES_MAX"),
        at(f"{_ENGINE}OPEN_BYTES_MAX"),
        "answer",
        "the newest",
    ),
    Row(
        "answers that no event can give again, of 60 s",
        (f"{_ENGINE}ANSWERS_MAX",),
        held(f"{_ENGINE}ANSWERS_MAX", 300),
        "region",
        "decided anew",
    ),
    Row(
        "room events by command, of 60 s",
        (f"{_ENGINE}SAID_BYTES_MAX",),
        at(f"{_ENGINE}SAID_BYTES_MAX"),
        "region",
        "looked up by key",
    ),
    Row(
        "messages of all rooms: 50,000, and in bytes",
        (f"{_ENGINE}Limits.messages_max", f"{_ENGINE}BACKLOGS_BYTES_MAX"),
        at(f"{_ENGINE}BACKLOGS_BYTES_MAX"),
        "region",
        "asked of history",
    ),
    Row(
        "last numbers of open rooms and of trips' rooms",
        (f"{_ENGINE}Limits.heads_max", f"{_ENGINE}Limits.trip_heads_max"),
        held(f"{_ENGINE}Limits.heads_max", HEAD_BYTES)
        + held(f"{_ENGINE}Limits.trip_heads_max", HEAD_BYTES),
        "region",
        "idle rooms' are asked of history",
    ),
    Row(
        "who came and went of late, of 60 s: all rooms, and one in an answer",
        (f"{_ENGINE}MOVES_BYTES_MAX", f"{_ENGINE}MOVED_BYTES_MAX"),
        at(f"{_ENGINE}MOVES_BYTES_MAX"),
        "region",
        "who missed more joins again",
    ),
    Row(
        "members of a room",
        (f"{_ENGINE}MEMBERS_MAX",),
        held(f"{_ENGINE}MEMBERS_MAX", PERSON_BYTES),
        "room",
        "`overloaded`",
    ),
    Row(
        "rooms of a session",
        (f"{_ENGINE}ROOMS_PER_SESSION_MAX",),
        held(f"{_ENGINE}ROOMS_PER_SESSION_MAX", ROOM_CHARS + HEAD_BYTES),
        "session",
        "`overloaded`",
    ),
    Row(
        "records that a standby reads at once, and between two pauses",
        ("dispatcher.follower:BATCH_BYTES_MAX", "dispatcher.follower:PACE_BYTES"),
        at("dispatcher.follower:BATCH_BYTES_MAX"),
        "region",
        "the next batch",
    ),
)

PERSISTENCE = (
    Row(
        "devices that a user logged in with: a hash and two instants",
        ("persistence.devices:PER_USER_MAX",),
        held("persistence.devices:PER_USER_MAX", 200),
        "user",
        "the oldest is forgotten",
    ),
    Row(
        "records in hand, of one transaction, and of one sweep",
        (
            "persistence.writer:BACKLOG_BYTES_MAX",
            "persistence.writer:BATCH_BYTES_MAX",
            "persistence.pull:SWEEP_RECORDS_MAX",
            "persistence.pull:SWEEP_BYTES_MAX",
            "persistence.pull:ACK_PENDING_MAX",
        ),
        at("persistence.writer:BACKLOG_BYTES_MAX")
        + at("persistence.pull:SWEEP_BYTES_MAX"),
        "worker",
        "no more are asked for",
    ),
    Row(
        "questions at once, and those that wait",
        (
            "persistence.history:CONCURRENCY_MAX",
            "persistence.accounts:CONCURRENCY_MAX",
            "persistence.passwords:WAITING_MAX",
            "persistence.responder:WAITING_MAX",
        ),
        held(
            "persistence.responder:WAITING_MAX",
            at("gateway.http.problems:BODY_BYTES_MAX"),
        ),
        "worker",
        "`overloaded`",
    ),
    Row(
        "what history hands to a leader",
        ("persistence.rooms:BACKLOG_BYTES_MAX",),
        at("persistence.rooms:BACKLOG_BYTES_MAX"),
        "command",
        "the latest messages",
    ),
    Row(
        "why a record was not understood",
        ("persistence.store:ERROR_CHARS_MAX",),
        4 * at("persistence.store:ERROR_CHARS_MAX"),
        "record",
        "cut",
    ),
)

NO_SIZE = {
    "dispatcher.frozen:PIPE_BYTES": "the kernel's pipe to who saves a snapshot",
    "dispatcher.frozen:READ_BYTES": "read at once from that pipe",
    "dispatcher.keys:KEY_BYTES": "what a key counts in its budget",
    "dispatcher.lined:LINE_BYTES": "how a snapshot is parted",
    "dispatcher.lined:_ITEMS_MAX": "how a snapshot is parted",
    "gateway.admission:A_TICK_MAX": "a count; requests are bounded in bytes",
    "gateway.holding:SURPLUS_MAX": "a count; connections that are being refused",
    "persistence.history:EVENTS_MAX": "rows of one question; answers are cut by bytes",
    "schemas.frames:SPEED_MAX": "metres per second",
    "schemas.names:MARKS_MAX": "a rule for names, which are bounded",
    "dispatcher.limits:DUE_MAX": "expiries of one call; bounded by the record",
    "dispatcher.ring:_LIST_MAX": "where a list becomes an index",
    "gateway.edge:LOOKUPS_MAX": "questions at once; each waits with its command",
    "gateway.http.requests:DEPTH_MAX": "how deep JSON may be; the body is bounded",
    "gateway.http.rooms:SEQ_MAX": "a number's range",
    "gateway.http.rooms:USER_CHARS_MAX": "a name in a path; the head is bounded",
    "gateway.incoming:_LINES_MAX": "lines of a head, in bytes bounded with it",
    "gateway.limits:Limits.bad_frames_max": "a count",
    "gateway.limits:Limits.connections_per_address_max": "a setting; sockets",
    "gateway.limits:Limits.connections_per_user_max": "a setting; sockets",
    "gateway.limits:Limits.resync_inflight_max": "questions at once; no bodies",
    "gateway.limits:Limits.trip_rooms_max": "subscriptions of one user",
    "gateway.requests:SINCE_MAX": "a number's range",
    "gateway.rfc6455:_LENGTH_BYTES_MAX": "a frame's head",
    "gateway.wire:_BYTE_LENGTH_MAX": "RFC 6455's lengths",
    "gateway.wire:_SHORT_LENGTH_MAX": "RFC 6455's lengths",
    "persistence.audit:IDS_MAX": "ids of one query",
    "persistence.audit:LISTED_MAX": "lines of a report",
    "persistence.database:POOL_MAX": "connections",
    "persistence.database:PORT_MAX": "a number's range",
    "persistence.density:HOLES_MAX": "lines of a report",
    "persistence.erasure:IDS_MAX": "ids of one query",
    "persistence.log_book:_ADDRESS_CHARS": "a column; addresses are shorter",
    "persistence.models:ID_CHARS": "a column",
    "persistence.models:LEDGER_CHARS": "a column",
    "persistence.models:ROOM_CHARS": "a column",
    "persistence.models:TRACE_CHARS": "a column",
    "persistence.password_rules:COMMON_MAX": "lines of a list that is read once",
    "persistence.tokens:TOKEN_BYTES": "a refresh token's parts, always so long",
    "persistence.tokens:TOKEN_CHARS": "a refresh token's parts, always so long",
    "persistence.tokens:_BODY_BYTES": "a refresh token's parts, always so long",
    "persistence.tokens:_SESSION_BYTES": "a refresh token's parts, always so long",
    "persistence.tokens:_TAG_BYTES": "a refresh token's parts, always so long",
    "persistence.visitors:MARK_CHARS": "a part of a name",
    "runtime.ops:CONNECTIONS_MAX": "connections of the ops port",
    "runtime.ops:WAITING_MAX": "connections of the ops port",
    "runtime.otel:QUEUE_MAX": "spans; the SDK's default bounds each",
    "runtime.settings:CONNECTIONS_MAX": "a setting's range",
    "runtime.settings:SECRET_BYTES_MAX": "an operator's own file",
}
"""Limits by name that bound no memory or message of their own, and why."""
