"""Alembic runs this file to apply the steps on the connection that `migration.py` hands over."""

from alembic import context

from learning_loop_node.loop_server.storage.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
)

with context.begin_transaction():
    context.run_migrations()
