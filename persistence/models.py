"""The tables, the same on SQLite and PostgreSQL; migrations/ makes them.

Instants are whole milliseconds since 1970 (`_ms`). `trips`, `trip_events`,
`dispatch_events`, `rooms` and `messages` are projected from the ledger, `matches` and
`track` from what leaders saw besides: they have no foreign keys, so that rows may come
in any order, from any worker, and twice. Must not hold behaviour.
"""

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from persistence import person_names

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names of their own, so that a migration can speak of them."""

ID_CHARS = 64
"""Users, trips, sessions, ledgers: UUIDs, with room for a subject token's 64."""
ROOM_CHARS = 64
"""Of a room's name, PROTOCOL.md section 2."""
TRACE_CHARS = 55
"""Of a W3C traceparent, version 00 (schemas/traceparent.py)."""
LEDGER_CHARS = 80
"""A ledger's id; in `dead_letters` it may be a stream's name, `LEDGER_` + 64."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


def _having(column: str, *names: str) -> Index:
    """An index of the few rows in which that column is set."""
    where = text(f"{column} IS NOT NULL")
    return Index(None, *names, sqlite_where=where, postgresql_where=where)


class UserRow(person_names.Named, Base):
    __tablename__ = "users"
    __table_args__ = person_names.indexes()

    id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    username_key: Mapped[str | None] = mapped_column(Text, index=True, unique=True)
    """What names are compared by, or `!` and the id of who is found by the exact name
    alone (persistence/identity/usernames.py); None: of a version that had no keys."""
    password_hash: Mapped[str | None] = mapped_column(Text)
    """argon2's encoded form; None: this user can't log in with a password."""
    first_name: Mapped[str] = mapped_column(String(150))
    last_name: Mapped[str] = mapped_column(String(150))
    role: Mapped[str] = mapped_column(String(16))
    region: Mapped[str] = mapped_column(String(64))
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class RefreshTokenRow(Base):
    """One session that can be refreshed; no row, no session."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "current_hash", unique=True),
        Index(None, "previous_hash"),
        # What is past its time (identity/cleanup.py).
        Index(None, "expires_at_ms"),
    )

    session_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    current_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the token that is good now, hex."""
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    """The same of the one before; None until the first rotation."""
    rotated_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    expires_at_ms: Mapped[int] = mapped_column(BigInteger)


class ServiceKeyRow(Base):
    """A service account's key that was not ended; see schemas/service_accounts.py."""

    __tablename__ = "service_keys"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    """Half of its hash: found by the key, and no secret."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    key_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256, hex."""
    scopes: Mapped[str] = mapped_column(Text)
    """With spaces between them; empty: all."""
    made_at_ms: Mapped[int] = mapped_column(BigInteger)
    expires_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    """None: never."""


class TripRow(Base):
    """A trip as its newest event left it."""

    __tablename__ = "trips"
    __table_args__ = (
        # Keyset paging, newest first: all trips, a rider's, a driver's.
        Index(None, "created_at_ms", "id"),
        Index(None, "rider_id", "created_at_ms", "id"),
        Index(None, "driver_id", "created_at_ms", "id"),
        # The same of one status: a driver of years has tens of thousands. Whatever
        # wants the few trips of all regions that have not ended takes the first.
        Index(None, "status", "created_at_ms", "id"),
        Index(None, "rider_id", "status", "created_at_ms", "id"),
        Index(None, "driver_id", "status", "created_at_ms", "id"),
        _having("reference", "reference", "created_at_ms", "id"),
    )

    id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    region: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(BigInteger)
    rider_id: Mapped[str] = mapped_column(String(ID_CHARS))
    driver_id: Mapped[str | None] = mapped_column(String(ID_CHARS))
    pick_up_address: Mapped[str] = mapped_column(String(255))
    drop_off_address: Mapped[str] = mapped_column(String(255))
    pick_up_lat: Mapped[float | None]
    pick_up_lon: Mapped[float | None]
    drop_off_lat: Mapped[float | None]
    drop_off_lon: Mapped[float | None]
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    updated_at_ms: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(String(64))
    """What whoever asked for the trip calls it."""
    seq: Mapped[int] = mapped_column(BigInteger)
    """Of the newest event."""
    data: Mapped[str] = mapped_column(Text)
    """The whole `Trip` as JSON, as its rider sees it (schemas/seen.py)."""


class TripEventRow(Base):
    """The audit: each event once. (record, index) = divmod(seq, 4096)."""

    __tablename__ = "trip_events"
    __table_args__ = (
        Index(None, "trip_id", "version"),
        # What a user did, for `user export` and `user erase`.
        Index(None, "by"),
        # What their idempotency keys made: the few events that have one.
        _having("key", "by", "key"),
    )

    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    trip_id: Mapped[str] = mapped_column(String(ID_CHARS))
    type: Mapped[str] = mapped_column(String(32))
    version: Mapped[int] = mapped_column(BigInteger)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column(String(ID_CHARS))
    """The user who did it; empty: it was due."""
    reason: Mapped[str | None] = mapped_column(Text)
    data: Mapped[str] = mapped_column(Text)
    """The whole `Trip` as JSON, as it was then."""
    key: Mapped[str | None] = mapped_column(Text)
    """The idempotency key of who did it."""
    traceparent: Mapped[str | None] = mapped_column(String(TRACE_CHARS))
    """Of the command that caused it; None: it had none."""


class DispatchEventRow(Base):
    """What the ledger tells of how drivers were found, a row an event that says
    something of it: offers and their ends, whom trips were told to, what drivers were
    at (persistence/projected/dispatch.py). No event changes another's row.
    """

    __tablename__ = "dispatch_events"
    __table_args__ = (
        Index(None, "trip_id", "seq"),
        # What a driver was last before an instant, of one kind; and all they did.
        Index(None, "driver_id", "what", "ledger", "seq"),
    )

    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    what: Mapped[str] = mapped_column(String(16))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    trip_id: Mapped[str | None] = mapped_column(String(ID_CHARS))
    driver_id: Mapped[str | None] = mapped_column(String(ID_CHARS))
    offer_id: Mapped[str | None] = mapped_column(String(ID_CHARS))
    data: Mapped[str | None] = mapped_column(Text)
    """JSON, by `what`; an offer's has what it rests on, the driver's place too."""


class MatchRow(Base):
    """What a leader saw of one trip in one round of its matching; kept for
    CABRANK_MATCHES_KEPT_S.
    """

    __tablename__ = "matches"
    __table_args__ = (Index(None, "trip_id", "seq"), Index(None, "at_ms"))

    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Of the offer that came of it, or that took a driver from the trip."""
    trip_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[str] = mapped_column(Text)
    """The whole `Round` (schemas/observations.py) as JSON."""


class TrackRow(Base):
    """Where the driver of an active trip was: a crumb each 5 s or 50 m."""

    __tablename__ = "track"
    __table_args__ = (Index(None, "driver_id"),)

    trip_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    at_ms: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False
    )
    driver_id: Mapped[str] = mapped_column(String(ID_CHARS))
    lat: Mapped[float]
    lon: Mapped[float]


class RoomRow(Base):
    """A room that had a message, as far as one ledger tells: one ledger is the rule, a
    second one means that the first was lost, and the numbers may begin anew.
    """

    __tablename__ = "rooms"

    region: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(ROOM_CHARS), primary_key=True)
    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    first_n: Mapped[int] = mapped_column(BigInteger)
    """Lowest number of a message."""
    last_n: Mapped[int] = mapped_column(BigInteger)
    """Highest number of a message."""
    last_at_ms: Mapped[int] = mapped_column(BigInteger)
    """When the last message was sent."""
    trip_id: Mapped[str | None] = mapped_column(String(ID_CHARS))
    """Of a trip's own room."""


class MessageRow(Base):
    """Each message once."""

    __tablename__ = "messages"
    __table_args__ = (
        # Keyset paging by the room's own numbers. Not unique: what the leader numbered
        # is kept as it is.
        Index(None, "region", "room", "ledger", "n"),
        # What a user wrote, and under which key.
        Index(None, "sender_id", "key"),
    )

    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The event's, in its region."""
    region: Mapped[str] = mapped_column(String(64))
    room: Mapped[str] = mapped_column(String(ROOM_CHARS))
    n: Mapped[int] = mapped_column(BigInteger)
    """The message's number in its room, from 1; `seq` to clients."""
    id: Mapped[str] = mapped_column(String(ID_CHARS))
    sender_id: Mapped[str] = mapped_column(String(ID_CHARS))
    sender_username: Mapped[str] = mapped_column(String(150))
    sender_first_name: Mapped[str] = mapped_column(String(150))
    sender_last_name: Mapped[str] = mapped_column(String(150))
    text: Mapped[str] = mapped_column(Text)
    sent_at_ms: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str | None] = mapped_column(Text)
    """The sender's idempotency key."""
    traceparent: Mapped[str | None] = mapped_column(String(TRACE_CHARS))
    """Of the command that caused it; None: it had none."""


class DeadLetterRow(Base):
    """A record or an event that can't become a row."""

    __tablename__ = "dead_letters"

    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    """The ledger's id; the stream's name where the record is unreadable."""
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The event's; the first its record could have where that is unreadable."""
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    """The event, or the unreadable record, byte for byte."""
    error: Mapped[str] = mapped_column(Text)
    at_ms: Mapped[int] = mapped_column(BigInteger)


class DroppedRow(Base):
    """What of the past was let go of (persistence/history/retention.py): no row,
    nothing.
    """

    __tablename__ = "dropped_history"

    what: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The table."""
    before_ms: Mapped[int] = mapped_column(BigInteger)
    """Rows from before that may be gone."""


class AuditRow(Base):
    """Who did what to whom, whence, and what came of it. Never a secret, and no name
    that somebody typed: it may be a password in the wrong field.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "at_ms"),
        Index(None, "actor", "at_ms"),
        Index(None, "subject", "at_ms"),
    )

    id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    """A UUIDv4: rows of one millisecond have no order. A UUIDv5 of its event where a
    ledger's record made it, which may come again."""
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(ID_CHARS))
    """A user's id; `command line`; empty: unknown, or nobody."""
    action: Mapped[str] = mapped_column(String(32))
    """Of `persistence.audit_log.ACTIONS`."""
    subject: Mapped[str] = mapped_column(String(ID_CHARS))
    """Whom or what it was done to: an id; empty: nobody that is known."""
    outcome: Mapped[str] = mapped_column(String(32))
    """`ok`, or a refusal's code."""
    address: Mapped[str] = mapped_column(String(64))
    """Whence, as far as the gateway knew; empty: from the command line."""
    detail: Mapped[str] = mapped_column(Text)


class ThrottleRow(Base):
    """A bucket of log-ins or sign-ups, not full yet; see
    persistence/identity/throttle.py.
    """

    __tablename__ = "log_in_throttle"
    __table_args__ = (Index(None, "full_at_ms"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256, hex, of what is throttled; names that somebody typed are not kept."""
    full_at_ms: Mapped[int] = mapped_column(BigInteger)
    """When all attempts will be free again; the row goes then."""
    told: Mapped[bool]
    """Whether the audit log has the refusal that came last."""


class DeviceRow(Base):
    """Something that a user logged in with; see persistence/identity/devices.py."""

    __tablename__ = "devices"
    __table_args__ = (
        Index(None, "user_id", "seen_at_ms"),
        Index(None, "seen_at_ms"),
    )

    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256, hex, of the user and a cookie or an address."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    seen_at_ms: Mapped[int] = mapped_column(BigInteger)
    """Its last log-in."""


class OutsideUserRow(Base):
    """A user who came with an outside issuer's token."""

    __tablename__ = "outside_users"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    """The issuer's `sub`."""
    first_seen_ms: Mapped[int] = mapped_column(BigInteger)


class ErasedUserRow(Base):
    """A user whose data is not to come back; see persistence/erasure/erasure.py."""

    __tablename__ = "erased_users"

    user_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[bool]
    """Whether all that was written before is scrubbed as well."""
