"""What usernames are compared by, and which devices logged in before. Expands only: the
version before writes no key, and its users are given one later
(persistence/identity/usernames.py). Indexes are made after it
(persistence/indexing.py).
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("username_key", sa.Text(), nullable=True))
    op.create_table(
        "devices",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_devices"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_devices_user_id", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("devices")
    for index in ("ix_users_username_key", "ix_users_role_username_key"):
        op.drop_index(index, "users", if_exists=True)
    op.drop_column("users", "username_key")
