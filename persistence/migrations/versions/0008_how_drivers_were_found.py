"""How drivers were found for trips, and where they drove. Expands only: the version
before writes none of it, and of what it projected there are no rows until a rebuild.
Indexes are made after it (persistence/indexing.py).
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dispatch_events",
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("trip_id", sa.String(64), nullable=True),
        sa.Column("driver_id", sa.String(64), nullable=True),
        sa.Column("offer_id", sa.String(64), nullable=True),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("ledger", "seq", name="pk_dispatch_events"),
    )
    op.create_table(
        "matches",
        sa.Column("ledger", sa.String(80), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trip_id", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "seq", "trip_id", name="pk_matches"),
    )
    op.create_table(
        "track",
        sa.Column("trip_id", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("driver_id", sa.String(64), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("trip_id", "at_ms", name="pk_track"),
    )


def downgrade() -> None:
    for table in ("track", "matches", "dispatch_events"):
        op.drop_table(table)
