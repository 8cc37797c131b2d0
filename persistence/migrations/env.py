"""Alembic's environment. Run by `persistence.revisions.migrate`, which gives the
connection and owns the transaction; by itself it connects to nothing.
"""

from alembic import context

import persistence.delivery_models  # noqa: F401 - tables too
from persistence.models import Base

connection = context.config.attributes["connection"]
if connection is None:
    message = "migrations run through `cabrank migrate`, not by alembic's own command"
    raise RuntimeError(message)
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
