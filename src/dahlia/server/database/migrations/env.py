"""Run by Alembic: applies the migrations on the connection that `dahlia.server.database.schema` gives."""

from __future__ import annotations

from alembic import context

from dahlia.server.database.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection,
    target_metadata=METADATA,
    render_as_batch=connection.dialect.name == "sqlite",
    user_module_prefix="types.",
    transactional_ddl=True,  # of SQLite too, as its transactions are begun by us
)
with context.begin_transaction():
    context.run_migrations()
