"""Alembic's entry: run the scripts on the connection that was handed over."""

from alembic import context
from sqlalchemy.engine import Connection

from indexer.settings import Settings
from indexer.store.sessions import Database
from indexer.store.tables import Base


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:  # the `alembic` command, run by a developer
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    with Database(settings.database_url).write() as opened:
        migrate(opened)
