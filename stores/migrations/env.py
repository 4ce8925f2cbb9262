"""Alembic's entry: runs the revisions on the connection, and inside the transaction, that `upgrade` hands over."""

from alembic import context

from stores.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # The caller's transaction holds all revisions and the version number; nothing here may commit a part of it.
    transactional_ddl=False,
)
context.run_migrations()
