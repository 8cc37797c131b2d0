"""What of the past was let go of; and indexes, which are made after this revision, one
by one, beside writers (persistence/indexing.py). Expands only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = (
    ("refresh_tokens", "expires_at_ms"),
    ("trips", "status_created_at_ms_id"),
    ("trips", "rider_id_status_created_at_ms_id"),
    ("trips", "driver_id_status_created_at_ms_id"),
    ("trip_events", "by"),
    ("messages", "sender_id_key"),
)


def upgrade() -> None:
    op.create_table(
        "dropped_history",
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("before_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("what", name="pk_dropped_history"),
    )


def downgrade() -> None:
    for table, columns in INDEXES:
        op.drop_index(f"ix_{table}_{columns}", table, if_exists=True)
    op.drop_table("dropped_history")
