"""What whoever asked for a trip calls it. Expands only: the version before neither
reads nor writes the column, and leaves records with such trips to the new one's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trips", sa.Column("reference", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_index("ix_trips_reference_created_at_ms_id", "trips", if_exists=True)
    op.drop_column("trips", "reference")
