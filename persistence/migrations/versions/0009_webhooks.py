"""Webhooks and what is delivered to them. Expands only: the version before knows of
none. Indexes are made after it (persistence/indexing.py).
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_table(
        "webhook_cursors",
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", name="pk_webhook_cursors"),
    )
    op.create_table(
        "webhook_replays",
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("until_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "ledger", name="pk_webhook_replays"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("trip_id", sa.String(64), nullable=True),
        sa.Column("line", sa.String(80), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("frees_ms", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "webhook_id", "ledger", "seq", name="pk_webhook_deliveries"
        ),
    )
    op.create_table(
        "webhook_lines",
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("line", sa.String(80), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("leased_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "line", name="pk_webhook_lines"),
    )


def downgrade() -> None:
    for table in (
        "webhook_lines",
        "webhook_deliveries",
        "webhook_replays",
        "webhook_cursors",
        "webhooks",
    ):
        op.drop_table(table)
