"""Every bound and period of the WebSocket edge, as one value that tests may shrink.

Pure. Must not read settings: nothing here is an operator's business.
"""

from msgspec import Struct

from schemas.allowances import UserLimits
from schemas.budget import MESSAGE_BYTES_MAX


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds, bytes and counts; where no source is named, PROTOCOL.md section 2."""

    login_s: float = 10
    welcome_s: float = 10
    ping_s: float = 25
    pong_s: float = 10
    close_s: float = 5
    """How long a peer has to answer our close frame before the socket is cut."""
    command_s: float = 10
    """schemas.commands.COMMAND_DEADLINE_MS."""
    resend_s: float = 1
    no_leader_min_s: float = 0.05
    """First pause after "no responders"; it doubles up to `no_leader_max_s`."""
    no_leader_max_s: float = 0.25
    lookup_retry_s: float = 0.1
    """Persistence lags by moments: so long until history is asked again."""
    frames_per_s: float = 1000
    frames_burst: float = 2000
    frames_again: float = 100
    """Who sent too many isn't read until so many are allowed again."""
    stranger_frames_max: int = 100
    """Messages and control frames before the log-in."""
    stranger_bytes_max: int = 256 * 1024
    """Of messages before the log-in; frames' heads beside them."""
    bad_frames_max: int = 100
    bad_frames_s: float = 10
    output_bytes_max: int = 1024 * 1024
    """What may wait for one connection before 4001."""
    pending_per_connection_max: int = 256
    pending_while_busy: int = 16
    """Commands of a connection on their way while their leader is busy: it is read on
    with an answer. With 4, bursts in rooms came in so many batches that a gateway
    delivered 8 % less for its CPU, and a flood cost others as much (2026-11-30)."""
    busy_at: int = 64
    """Commands on their way to a leader: some 5 ms of its work."""
    busy_s: float = 1
    """A leader that answered nothing for so long isn't busy but away."""
    pending_per_region_max: int = 20_000
    pending_max: int = 50_000
    pending_bytes_max: int = 64 * 1024 * 1024
    """Of all commands that wait for their answers: they are kept to be sent again."""
    early_frames_max: int = 64
    """Frames kept while persistence checks a password."""
    early_bytes_max: int = 64 * 1024
    held_max: int = 10_000
    """Frames or pushes kept while a sync is on its way; past it the session resyncs."""
    resync_inflight_max: int = 500
    """Sync questions on their way at once after NATS came back."""
    resync_retry_s: float = 1
    locations_s: float = 0.05
    presence_s: float = 1
    """schemas.rooms.PRESENCE_INTERVAL_S."""
    presence_bytes_max: int = MESSAGE_BYTES_MAX
    """Of all that a leader of 0.1 is told of who is where; of more, each session joins
    again."""
    trip_room_s: float = 310
    """How long sessions stay in the room of a trip that ended: until nobody may write
    there (CABRANK_TRIP_ROOM_TTL_S), and a little."""
    trip_rooms_max: int = 8
    """Of one user, ended trips' included: so many subscriptions a busy driver has."""
    connections_per_user_max: int = 100
    """CABRANK_CONNECTIONS_PER_USER_MAX."""
    connections_per_address_max: int = 20_000
    """CABRANK_CONNECTIONS_PER_ADDRESS_MAX: this machine's descriptors (issue 4)."""
    users: UserLimits = UserLimits()
    """CABRANK_USER_…: of one user's frames and requests on this gateway."""
    http_head_s: float = 10
    http_body_s: float = 10
    http_keep_s: float = 5
    """How long a connection may be idle between two requests (uvicorn's default)."""
    http_take_s: float = 10
    """An answer of which nothing more was taken for so long ends the connection."""
    http_linger_s: float = 2
    """After a last answer, until what still comes is no longer read: closing at once
    could make the kernel answer with a reset, which would overtake it."""
    http_bytes_per_address_max: int = 16 * 1024 * 1024
    """128 requests of 64 KiB of head and as much body: of all that come from one
    address and have yet to arrive or to be answered, and of answers not yet taken."""
    http_bytes_max: int = 48 * 1024 * 1024
    """The same, of all addresses together."""
    http_under_way_per_user_max: int = 8
    """Each asks persistence, which answers some 100 a second a worker; others' wait
    behind so many at most."""
    http_under_way_per_address_max: int = 64
    """Of those without a log-in; behind a proxy that is not trusted, everybody's."""
    asked_per_address_max: int = 8
    """Passwords by frame, and keys, of which persistence is asked at once; it answers
    some 200 a second, however wrong. Others' questions wait behind so many."""
    asking_per_address_max: int = 1024
    """With those that wait, as many as wait for a worker."""
    asking_s: float = 5
    """Who waited longer is told so: a client is about to give up."""
