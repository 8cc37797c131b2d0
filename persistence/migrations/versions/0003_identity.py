"""Who did what, who tries too often, who came from outside, and who was erased.

Expands only: the version before writes on as it did.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    for columns in (["at_ms"], ["actor", "at_ms"], ["subject", "at_ms"]):
        op.create_index("ix_audit_log_" + "_".join(columns), "audit_log", columns)
    op.create_table(
        "log_in_throttle",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("full_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_log_in_throttle"),
    )
    op.create_index("ix_log_in_throttle_full_at_ms", "log_in_throttle", ["full_at_ms"])
    op.create_table(
        "outside_users",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_outside_users"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="fk_outside_users_user_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "erased_users",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_erased_users"),
    )


def downgrade() -> None:
    for table in ("erased_users", "outside_users", "log_in_throttle", "audit_log"):
        op.drop_table(table)
