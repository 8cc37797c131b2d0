"""Rows of docs/LIMITS.md: what clients send, a gateway, and what goes over NATS.

Each names what can grow, its constants, its largest size in bytes (computed from them),
who shares that budget, and what happens beyond it.
"""

from typing import NamedTuple

from schemas.codec import encode
from tests.sizes.constants import value_of as at
from tests.sizes.largest import (
    HEAD_BYTES,
    ITEM_BYTES,
    KEY_BYTES,
    MESSAGE_BYTES,
    OPEN_TRIP_BYTES,
    PERSON_BYTES,
    TRIP_BYTES,
    WIDEST,
)


class Row(NamedTuple):
    what: str
    constants: tuple[str, ...]
    """As `tests.sizes.constants` names them."""
    size: int
    """Bytes at its largest."""
    whose: str
    """Who shares the budget."""
    beyond: str


def held(name: str, each: int) -> int:
    """Bytes of as many items as the constant allows."""
    return at(name) * each


CONTRACT = (
    Row(
        "a frame from a client",
        ("schemas.frames:FRAME_BYTES_MAX",),
        at("schemas.frames:FRAME_BYTES_MAX"),
        "frame",
        "closed with 1009",
    ),
    Row(
        "a person: names of 150 characters",
        ("schemas.names:CHARS_MAX", "persistence.identity.oidc_users:NAME_CHARS_MAX"),
        PERSON_BYTES,
        "user",
        "`invalid_data`; a token with more is refused",
    ),
    Row(
        "a trip: two addresses of 255 characters, a note of 500, two people",
        (),
        TRIP_BYTES,
        "trip",
        "`invalid_data`",
    ),
    Row(
        "a message: 4,000 characters",
        ("schemas.rooms:TEXT_CHARS_MAX",),
        MESSAGE_BYTES,
        "message",
        "`invalid_data`",
    ),
    Row(
        "`ref`",
        ("schemas.frames:REF_CHARS_MAX",),
        len(encode(WIDEST * at("schemas.frames:REF_CHARS_MAX"))),
        "frame",
        "`bad_frame`",
    ),
    Row(
        "`welcome.open_trips`: 100, and in bytes",
        ("schemas.frames:OPEN_TRIPS_MAX", "schemas.frames:OPEN_TRIPS_BYTES_MAX"),
        at("schemas.frames:OPEN_TRIPS_BYTES_MAX"),
        "session",
        "the oldest are left out",
    ),
    Row(
        "members in the answer to a join: 500, and in bytes",
        ("schemas.rooms:MEMBERS_SHOWN_MAX", "schemas.rooms:MEMBERS_SHOWN_BYTES_MAX"),
        at("schemas.rooms:MEMBERS_SHOWN_BYTES_MAX"),
        "answer",
        "`members_total` says how many there are",
    ),
    Row(
        "history in the answer to a join: 100 messages, and in bytes",
        ("schemas.rooms:HISTORY_MAX", "dispatcher.engine.limits:HISTORY_BYTES_MAX"),
        at("dispatcher.engine.limits:HISTORY_BYTES_MAX"),
        "answer",
        "the latest; `recovered` false where `since` was before them",
    ),
    Row(
        "an HTTP body",
        ("gateway.problems:BODY_BYTES_MAX",),
        at("gateway.problems:BODY_BYTES_MAX"),
        "request",
        "413",
    ),
    Row(
        "an HTTP head, the handshake's too; its lines as objects count as much again",
        (
            "gateway.sockets.incoming:HEAD_BYTES_MAX",
            "gateway.sockets.incoming:HEADER_LINES_MAX",
            "gateway.sockets.incoming:HEADER_LINE_BYTES",
        ),
        at("gateway.sockets.incoming:HEAD_BYTES_MAX"),
        "request",
        "414 or 431",
    ),
    Row(
        "an access token",
        ("gateway.identity.tokens:TOKEN_CHARS_MAX",),
        at("gateway.identity.tokens:TOKEN_CHARS_MAX"),
        "session",
        "`not_authenticated`",
    ),
    Row(
        "a page of a list over HTTP: 100 items, and in bytes",
        ("schemas.accounts:PAGE_MAX", "persistence.projected.messages:PAGE_BYTES_MAX"),
        at("persistence.projected.messages:PAGE_BYTES_MAX"),
        "answer",
        "the page is shorter; an empty one is the end",
    ),
)

_GATEWAY = "gateway.limits:Limits."
GATEWAY = (
    Row(
        "what came from one socket and waits for its turn",
        (
            "gateway.sockets.intake:READ_BYTES_MAX",
            "gateway.sockets.intake:HELD_BYTES_MAX",
            "gateway.sockets.intake:CLOSING_BYTES_MAX",
            "gateway.sockets.intake:DISCARDED_BYTES_MAX",
        ),
        at("gateway.sockets.intake:HELD_BYTES_MAX"),
        "connection",
        "nothing more is read; what is delivered all the same ends it",
    ),
    Row(
        "frames before the log-in: 100, and in bytes",
        (f"{_GATEWAY}stranger_frames_max", f"{_GATEWAY}stranger_bytes_max"),
        at(f"{_GATEWAY}stranger_bytes_max"),
        "connection",
        "closed with 4501",
    ),
    Row(
        "frames while a password is checked: 64, and in bytes",
        (f"{_GATEWAY}early_frames_max", f"{_GATEWAY}early_bytes_max"),
        at(f"{_GATEWAY}early_bytes_max"),
        "connection",
        "`rate_limited`",
    ),
    Row(
        "what waits to be written to one socket",
        (f"{_GATEWAY}output_bytes_max", "gateway.sockets.writer:BURST_BYTES"),
        at(f"{_GATEWAY}output_bytes_max"),
        "connection",
        "closed with 4001",
    ),
    Row(
        "commands that wait for their answers: 256 a connection, 20,000 a region, "
        "50,000 in all, and in bytes",
        (
            f"{_GATEWAY}pending_per_connection_max",
            f"{_GATEWAY}pending_per_region_max",
            f"{_GATEWAY}pending_max",
            f"{_GATEWAY}pending_bytes_max",
        ),
        at(f"{_GATEWAY}pending_bytes_max"),
        "gateway",
        "`rate_limited` (256); else `overloaded`",
    ),
    Row(
        "frames kept while a sync is on its way: 10,000, and in bytes; those of a feed "
        "or a room are the same for all",
        (f"{_GATEWAY}held_max", "gateway.fanout.region:HELD_BYTES_MAX"),
        2 * at("gateway.fanout.region:HELD_BYTES_MAX"),
        "session",
        "closed with 4003",
    ),
    Row(
        "what comes to a room while a join of it, or a question about it, is on its "
        "way: 10,000, and in bytes",
        ("gateway.fanout.room:HELD_BYTES_MAX",),
        2 * at("gateway.fanout.room:HELD_BYTES_MAX"),
        "room",
        "who waits for it is closed with 4003",
    ),
    Row(
        "HTTP requests yet to arrive or to be answered, and answers not taken",
        (
            f"{_GATEWAY}http_bytes_max",
            f"{_GATEWAY}http_bytes_per_address_max",
            f"{_GATEWAY}http_under_way_per_user_max",
            f"{_GATEWAY}http_under_way_per_address_max",
        ),
        at(f"{_GATEWAY}http_bytes_max"),
        "gateway; of one address 16 MiB and 64 requests, of one user 8",
        "429",
    ),
    Row(
        "a part of the file that maps are drawn on, of the answers not taken",
        ("gateway.http.ground:PART_BYTES_MAX",),
        at("gateway.http.ground:PART_BYTES_MAX"),
        "request",
        "the part's beginning; where no range is asked for, 422",
    ),
    Row(
        "a refused body that is still being sent",
        ("gateway.sockets.lingering:LINGER_BYTES_MAX",),
        at("gateway.problems:BODY_BYTES_MAX"),
        "connection",
        "read and thrown away, up to 16 MiB; then cut off",
    ),
    Row(
        "open trips of a region, as its feed tells them, and its latest entries",
        (
            "gateway.fanout.open_trips:KEPT_MAX",
            "gateway.fanout.open_trips:BACK_MAX",
            "gateway.fanout.open_trips:BACK_BYTES_MAX",
        ),
        held("gateway.fanout.open_trips:KEPT_MAX", OPEN_TRIP_BYTES + ITEM_BYTES)
        + 2 * at("gateway.fanout.open_trips:BACK_BYTES_MAX"),
        "region and gateway",
        "the oldest are forgotten; the leader is asked again",
    ),
    Row(
        "what operators watch of a region, as its leader tells it; each session is "
        "sent it in pieces of 512 KiB, 8 watches' answers at most wait",
        (
            "schemas.watching:PIECE_BYTES_MAX",
            "schemas.watching:_ENVELOPE_BYTES",
            "gateway.fanout.watching:BACKLOG_BYTES_MAX",
            "gateway.fanout.watching:ASKED_MAX",
        ),
        at("dispatcher.engine.limits:POSITIONS_BYTES_MAX")
        + held(f"{_GATEWAY}pending_per_region_max", TRIP_BYTES),
        "region and gateway; only while one watches",
        "the leader holds no more drivers; trips are what it holds",
    ),
    Row(
        "tokens that were verified",
        (
            "gateway.identity.tokens:CACHE_TOKENS_MAX",
            "gateway.identity.tokens:HEADS_MAX",
        ),
        held(
            "gateway.identity.tokens:CACHE_TOKENS_MAX",
            at("gateway.identity.tokens:TOKEN_CHARS_MAX"),
        ),
        "gateway",
        "the oldest are verified again",
    ),
    Row(
        "service accounts' keys that were checked a moment ago",
        ("gateway.identity.service_keys:KEYS_MAX",),
        held("gateway.identity.service_keys:KEYS_MAX", PERSON_BYTES + HEAD_BYTES),
        "gateway",
        "the oldest are checked again",
    ),
    Row(
        "an outside issuer's answer: 100 keys, and in bytes",
        (
            "gateway.identity.oidc_keys:ANSWER_BYTES_MAX",
            "gateway.identity.jwks:KEYS_MAX",
            "gateway.identity.jwks:_SAME_KID_MAX",
        ),
        at("gateway.identity.oidc_keys:ANSWER_BYTES_MAX"),
        "gateway",
        "the keys of before stay",
    ),
    Row(
        "an outside issuer's users met, and those who wait to be written down",
        (
            "gateway.identity.oidc_keys:MET_MAX",
            "gateway.identity.oidc_keys:WAITING_MAX",
        ),
        held("gateway.identity.oidc_keys:MET_MAX", KEY_BYTES)
        + held("gateway.identity.oidc_keys:WAITING_MAX", PERSON_BYTES),
        "gateway",
        "told to persistence again",
    ),
    Row(
        "users whose allowances are counted",
        ("schemas.allowances:USERS_MAX",),
        2 * held("schemas.allowances:USERS_MAX", HEAD_BYTES),
        "process",
        "a new turn begins: the oldest start anew",
    ),
    Row(
        "questions to persistence on their way: 10,000, each of a request",
        ("runtime.questions:PENDING_MAX",),
        at(f"{_GATEWAY}http_bytes_max"),
        "gateway",
        "`overloaded`",
    ),
)

NATS = (
    Row(
        "one message; a list is cut at half of it",
        ("schemas.budget:PAYLOAD_BYTES_MAX", "schemas.budget:MESSAGE_BYTES_MAX"),
        at("schemas.budget:PAYLOAD_BYTES_MAX"),
        "message",
        "refused by `Bus.send`, and logged; the connection lives",
    ),
    Row(
        "what waits for NATS",
        ("runtime.bus:PENDING_BYTES_MAX",),
        at("runtime.bus:PENDING_BYTES_MAX"),
        "process",
        "`overloaded` or `unavailable`",
    ),
    Row(
        "a part of a gateway's presence; all of it for a leader of 0.1",
        ("gateway.fanout.presence:PART_BYTES_MAX", f"{_GATEWAY}presence_bytes_max"),
        at(f"{_GATEWAY}presence_bytes_max"),
        "gateway",
        "the next part; for a leader of 0.1 each session joins again",
    ),
    Row(
        "a record of the ledger: 4,096 events, and in bytes",
        (
            "schemas.events:EVENTS_PER_RECORD_MAX",
            "schemas.ledger:RECORD_BYTES_MAX",
            "schemas.ledger:EVENTS_BYTES_MAX",
            "dispatcher.engine.batch:EXPIRY_BYTES_MAX",
        ),
        at("schemas.ledger:RECORD_BYTES_MAX"),
        "region",
        "the next record",
    ),
    Row(
        "an answer, and the answers of one record",
        (
            "dispatcher.engine.batch:ANSWER_BYTES_MAX",
            "dispatcher.engine.batch:ANSWERS_BYTES_MAX",
        ),
        at("dispatcher.engine.batch:ANSWERS_BYTES_MAX"),
        "region",
        "`unavailable` (one answer); the next record",
    ),
    Row(
        "a chunk of a snapshot",
        ("dispatcher.region.objects:CHUNK_BYTES",),
        at("dispatcher.region.objects:CHUNK_BYTES"),
        "snapshot",
        "the next chunk",
    ),
)
