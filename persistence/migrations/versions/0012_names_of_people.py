"""What people are found by whose first or last name somebody types. Expands only: the
version before writes no such key, and its users are given theirs later
(persistence/identity/person_names.py). Indexes are made after it
(persistence/indexing.py).
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEXES = ("ix_users_role_name_key", "ix_users_role_surname_key", "ix_users_id")


def upgrade() -> None:
    for name in ("name_key", "surname_key"):
        key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
        op.add_column("users", sa.Column(name, key, nullable=True))


def downgrade() -> None:
    for index in INDEXES:
        op.drop_index(index, "users", if_exists=True)
    for name in ("surname_key", "name_key"):
        op.drop_column("users", name)
