"""The first tables: people, trips, their events, and what could not become rows."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("username", sa.String(150), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("first_name", sa.String(150), nullable=False),
        sa.Column("last_name", sa.String(150), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("current_hash", sa.String(64), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=True),
        sa.Column("rotated_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="fk_refresh_tokens_user_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_refresh_tokens_user_id", "refresh_tokens", ["user_id"])
    op.create_index(
        "ix_refresh_tokens_current_hash",
        "refresh_tokens",
        ["current_hash"],
        unique=True,
    )
    op.create_index(
        "ix_refresh_tokens_previous_hash", "refresh_tokens", ["previous_hash"]
    )
    _create_projected()


def _create_projected() -> None:
    op.create_table(
        "trips",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rider_id", sa.String(64), nullable=False),
        sa.Column("driver_id", sa.String(64), nullable=True),
        sa.Column("pick_up_address", sa.String(255), nullable=False),
        sa.Column("drop_off_address", sa.String(255), nullable=False),
        sa.Column("pick_up_lat", sa.Double(), nullable=True),
        sa.Column("pick_up_lon", sa.Double(), nullable=True),
        sa.Column("drop_off_lat", sa.Double(), nullable=True),
        sa.Column("drop_off_lon", sa.Double(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trips"),
    )
    for columns in (
        ["created_at_ms", "id"],
        ["rider_id", "created_at_ms", "id"],
        ["driver_id", "created_at_ms", "id"],
    ):
        op.create_index("ix_trips_" + "_".join(columns), "trips", columns)
    op.create_table(
        "trip_events",
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trip_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "seq", name="pk_trip_events"),
    )
    op.create_index(
        "ix_trip_events_trip_id_version", "trip_events", ["trip_id", "version"]
    )
    op.create_table(
        "dead_letters",
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "seq", name="pk_dead_letters"),
    )


def downgrade() -> None:
    for table in ("dead_letters", "trip_events", "trips", "refresh_tokens", "users"):
        op.drop_table(table)
