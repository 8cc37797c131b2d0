"""Rooms and their messages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("first_n", sa.BigInteger(), nullable=False),
        sa.Column("last_n", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("trip_id", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("region", "name", "ledger", name="pk_rooms"),
    )
    op.create_table(
        "messages",
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("room", sa.String(64), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("sender_id", sa.String(64), nullable=False),
        sa.Column("sender_username", sa.String(150), nullable=False),
        sa.Column("sender_first_name", sa.String(150), nullable=False),
        sa.Column("sender_last_name", sa.String(150), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("ledger", "seq", name="pk_messages"),
    )
    op.create_index(
        "ix_messages_region_room_ledger_n",
        "messages",
        ["region", "room", "ledger", "n"],
    )


def downgrade() -> None:
    op.drop_table("messages")
    op.drop_table("rooms")
