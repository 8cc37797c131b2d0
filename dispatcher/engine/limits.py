"""How much, and how long, the engine remembers. All times are of the stamp."""

from typing import Literal

from msgspec import Struct

from schemas.allowances import UserLimits

Policy = Literal["nearest", "broadcast"]
RELAXED_MS = 45_000
"""PROTOCOL.md section 7: who has waited so long is served from twice as far."""


class Matching(Struct, frozen=True):
    """PROTOCOL.md section 7; see `CABRANK_MATCHING` and those it names."""

    policy: Policy = "nearest"
    offer_ttl_ms: int = 15_000
    offers_max: int = 8
    broadcast_after_ms: int = 120_000
    """0: never."""
    missed_offers_max: int = 3
    position_max_age_ms: int = 60_000
    idle_credit: float = 0.2
    pick_up_max_s: float = 480
    window_ms: int = 0
    detour: float = 1.3
    speed_kmh: float = 25
    relaxed_ms: int = RELAXED_MS


LATE_MS = 2_000
"""The same: an accept may be so late. A new leader gives live offers as
long at least."""
WAIT_MS = 5_000
"""The same: how long a new leader waits for positions."""


class Limits(Struct, frozen=True):
    """Set once for an engine's life. What each comes to in memory: docs/LIMITS.md."""

    request_ttl_ms: int
    """How long a trip stays REQUESTED after its `updated`."""
    booking_lead_ms: int = 900_000
    """How long before its `pick_up_at` a SCHEDULED trip opens."""
    ring_ms: int = 900_000
    ring_events_max: int = 200_000
    ring_bytes_max: int = 256 * 1024 * 1024
    """Events of 1.3 KB each, twice what a trip's usually has; of the longest words
    there are (12 KB) 20,000 fit."""
    remember_ms: int = 60_000
    """How long a command's answer is kept: several times its 10 s deadline."""
    key_ms: int = 86_400_000
    """PROTOCOL.md section 2: an idempotency key holds for 24 h."""
    trip_room_ttl_ms: int = 300_000
    """How long a trip's room may still be written to after the trip's end."""
    messages_max: int = 50_000
    """Messages held over all rooms: typically 16 MiB, their other limit."""
    trip_heads_max: int = 200_000
    """Trip rooms whose last number is held: more than TTLs and rides of 500 trips/s
    take; of those forgotten, history knows it."""
    heads_max: int = 200_000
    """The same of open rooms: some 0.2 KB each."""
    keys_per_user_max: int = 256
    """PROTOCOL.md section 2: of a user's own trip keys, more are history's to know."""
    message_keys_per_user_max: int = 4_096
    """The same of message keys."""
    keys_bytes_max: int = 64 * 1024 * 1024
    """Of trip keys, and again of message keys: 130,000 each."""
    offline_max: int = 100_000
    """Drivers known to be offline, 0.2 KB each: five times as many as a region's
    connections (docs/OPERATING.md)."""
    duties_max: int = 50_000
    """Drivers who asked for offers, or have tags: twice the 25,000 of DISPATCH.md's
    goal, some 1 KB each."""
    matching: Matching = Matching()
    users: UserLimits = UserLimits()
    """How much one user may ask for."""


BOOKINGS_MAX = 20
"""PROTOCOL.md section 1: SCHEDULED trips of a rider."""
COUNTED_MAX = 100_000
"""Commands known as counted, of two generations 0.15 KB each: of 10 s, their deadline,
at 10,000 a second; retries of more would count again."""
ANSWERS_MAX = 50_000
"""Answers kept that no event can give again, some 0.3 KB each beside what they say."""
ANSWERS_KEPT_BYTES_MAX = 16 * 1024**2
"""Of what they say: the trips of moves that changed nothing."""
DUE_MAX = 1_000
"""Expiries in one call: a record holds at most 4,096 events."""
MISSED_BYTES_MAX = 384 * 1024
"""Events in one answer to `SyncUser` or `SyncFeed`: with the open trips it stays below
what an answer may have. Who missed more gets the whole state instead, as after too long
an absence."""
ALL_OPEN_TRIPS_MAX = 1_000
"""Open trips told to a gateway that begins to listen to the drivers' feed, ten times as
many as a welcome shows: as long as 100 of them are open it needn't ask again."""
OPEN_BYTES_MAX = 512 * 1024
"""Their size in that answer: twice what a welcome shows."""
POSITIONS_BYTES_MAX = 64 * 1024 * 1024
"""Drivers' positions, 1 KiB each: two and a half times the 25,000 drivers of
DISPATCH.md's goal. Beyond it who was unheard for longest is forgotten."""

# ---- rooms -------------------------------------------------------------------

BACKLOGS_BYTES_MAX = 16 * 1024 * 1024
"""Messages held over all rooms, so that a snapshot with them stays below 64 MiB."""
SAID_BYTES_MAX = 64 * 1024 * 1024
"""Room events kept by command for `remember_ms`: 3,000 messages/s of 350 bytes."""
MOVES_BYTES_MAX = 16 * 1024 * 1024
"""Who came and went of late, over all rooms, kept as long as commands' answers."""
MOVED_BYTES_MAX = 128 * 1024
"""The same of one room, in one answer: some 500. Who missed more comes back."""
HISTORY_BYTES_MAX = 256 * 1024
"""History in one answer: a quarter of what a gateway buffers for a connection."""
MEMBERS_MAX = 2_000
"""Members of a room: each join is answered with all of them, some 130 bytes each."""
ROOMS_PER_SESSION_MAX = 256
"""Rooms a session may be in: when it ends, all its leaving is one decision."""
