"""The tables of webhooks, the same on SQLite and PostgreSQL; what is delivered, and how
far it is. Apart from models.py, which is of people and trips. Must not hold behaviour.
"""

from sqlalchemy import BigInteger, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from persistence.models import ID_CHARS, LEDGER_CHARS, Base

LINE_CHARS = 80
"""`driver:` or `room:` and 64 characters, or a trip's id."""
_WAITING = text("status = 'waiting'")


class WebhookRow(Base):
    """An endpoint of somebody's."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[str] = mapped_column(Text)
    """A JSON list of patterns."""
    description: Mapped[str | None] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(ID_CHARS))
    """The operator who made it."""
    active: Mapped[bool]
    ended: Mapped[str | None] = mapped_column(Text)
    """Why its endpoint ended it."""
    secret: Mapped[str] = mapped_column(Text)
    """As it is: an HMAC can't be made from a hash."""
    old_secret: Mapped[str | None] = mapped_column(Text)
    """Signs until `old_until_ms`; after spaces those before it, each with `@` and until
    when in ms."""
    old_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    since: Mapped[str] = mapped_column(Text)
    """JSON: ledger's id → the last event from before it was made, or made active."""
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    updated_at_ms: Mapped[int] = mapped_column(BigInteger)


class WebhookCursorRow(Base):
    """How far a region's ledger is taken in, and who reads it."""

    __tablename__ = "webhook_cursors"

    region: Mapped[str] = mapped_column(String(64), primary_key=True)
    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS))
    seq: Mapped[int] = mapped_column(BigInteger)
    """The last event of which there are deliveries. It moves in the transaction that
    makes them, from where it was: so each is made once, in order."""
    reader: Mapped[str] = mapped_column(String(ID_CHARS))
    """The worker that reads, until `until_ms`."""
    until_ms: Mapped[int] = mapped_column(BigInteger)


class WebhookReplayRow(Base):
    """A part of a ledger that is to be delivered again."""

    __tablename__ = "webhook_replays"

    webhook_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    region: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int] = mapped_column(BigInteger)
    """The last that is."""
    until_seq: Mapped[int] = mapped_column(BigInteger)


class WebhookDeliveryRow(Base):
    """One event for one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        # Whose turn it is within a line, and how much waits.
        Index(
            None,
            "webhook_id",
            "line",
            "seq",
            "size",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        # Newest first; and what is past its time.
        Index(None, "webhook_id", "at_ms", "seq"),
    )

    webhook_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    ledger: Mapped[str] = mapped_column(String(LEDGER_CHARS), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The event's."""
    type: Mapped[str] = mapped_column(String(32))
    trip_id: Mapped[str | None] = mapped_column(String(ID_CHARS))
    line: Mapped[str] = mapped_column(String(LINE_CHARS))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    """When it happened."""
    status: Mapped[str] = mapped_column(String(16))
    """`waiting`, `taken` or `dead`."""
    attempts: Mapped[int] = mapped_column(Integer)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    """Of the next try."""
    frees_ms: Mapped[int] = mapped_column(BigInteger)
    """From when on it holds back no later one; `NEVER` until it fails."""
    error: Mapped[str | None] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    """Bytes of the body."""
    body: Mapped[str | None] = mapped_column(Text)
    """None once it doesn't wait any more."""


class WebhookLineRow(Base):
    """Deliveries of one webhook that are to stay in order, while some wait. Who has
    claimed it tries them, and nobody else does.
    """

    __tablename__ = "webhook_lines"
    __table_args__ = (Index(None, "webhook_id", "due_ms"),)

    webhook_id: Mapped[str] = mapped_column(String(ID_CHARS), primary_key=True)
    line: Mapped[str] = mapped_column(String(LINE_CHARS), primary_key=True)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    """When to look at it again."""
    leased_ms: Mapped[int] = mapped_column(BigInteger)
    """Until when it is claimed; 0: it isn't."""


NEVER = 2**62
"""Of `frees_ms`."""
