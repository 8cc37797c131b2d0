"""Which key a trip was requested with. Expands only: the version before neither reads
nor writes the column; keys that it projected are looked up in vain.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trip_events", sa.Column("key", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_index("ix_trip_events_by_key", "trip_events", if_exists=True)
    op.drop_column("trip_events", "key")
