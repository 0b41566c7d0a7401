"""The migrations make exactly the tables that the mappings describe, on both databases, and unmake them."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from indexer.store import collections, schema
from indexer.store.tables import Base
from indexer.store.token_states import waiting
from tests.contracts.stored import current, document, new_collection, put, remove

pytest_plugins = ["tests.contracts.databases"]

SCRIPTS = Path(__file__).parent.parent / "migrations"

# What people search, sort and page by: in the order of code points, whatever language a server speaks.
LATER = (
    "token_states",
    "rankers",
    "calibrations",
    "collection_encoders",
    "mixes",
    "expansions",
    "judgement_sets",
    "judged_questions",
    "judgements",
    "evaluation_runs",
    "evaluated_questions",
)
"""Tables that later scripts made."""
LATER_COLUMNS = ("tasks.options", "tasks.report")
COMPARED = {
    ("collections", "name"),
    ("document_fields", "name"),
    ("document_fields", "text_prefix"),
    ("document_fields", "text_value"),
    *(("documents", name) for name in ("key", "title", "source", "origin", "media_type", "language")),
}


def config_for(connection):
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


def tables_in(database):
    with database.read() as connection:
        return set(sa.inspect(connection).get_table_names()) - {"alembic_version", "sqlite_sequence"}


def test_up_and_down_and_up_again(empty_url, open_url):
    database = open_url(empty_url)
    revisions = [script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()][::-1]
    for _ in range(2):
        for revision in revisions:
            with database.write() as connection:
                schema.run_migrations(connection, revision)
        assert tables_in(database) == set(Base.metadata.tables)
        for revision in [*revisions[-2::-1], "base"]:
            with database.write() as connection:
                command.downgrade(config_for(connection), revision)
        assert tables_in(database) == set()


def everything_in(database):
    """Return all rows of all tables and columns that were there from the first."""
    queries = {
        name: sa.select(*(column for column in table.columns if str(column) not in LATER_COLUMNS))
        for name, table in Base.metadata.tables.items()
        if name not in LATER
    }
    with database.read() as connection:
        return {name: sorted(map(repr, connection.execute(query))) for name, query in queries.items()}


def test_a_database_of_the_first_tables_keeps_every_row(empty_url, open_url):
    database = open_url(empty_url)
    with database.write() as connection:
        schema.run_migrations(connection)
    notes = new_collection(database)
    put(database, notes, document("a", "one", "two", metadata={"year": 2024}), document("b"))
    remove(database, notes, "b")
    with database.write() as connection:
        collections.move_pointer(connection, notes, 7)
        command.downgrade(config_for(connection), "0001")
    before = everything_in(database)
    assert [len(before[name]) for name in ("documents", "passages", "embeddings")] == [1, 2, 2]
    with database.write() as connection:
        schema.run_migrations(connection)
    assert everything_in(database) == before
    with database.read() as connection:
        assert waiting(connection, current(database), "1-toy") == 2
    assert current(database).active_generation_id == 7


def test_the_scripts_make_what_the_mappings_say(database):
    with database.read() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_program_knows_its_scripts():
    scripts = ScriptDirectory(str(SCRIPTS))
    assert schema.HEAD == scripts.get_current_head()
    assert {script.revision for script in scripts.walk_revisions()} == schema._KNOWN


def test_deleting_a_row_takes_what_hangs_on_it(database):
    """Foreign keys of both databases say the same, which Alembic does not compare on SQLite."""
    with database.read() as connection:
        inspector = sa.inspect(connection)
        for name, table in Base.metadata.tables.items():
            described = {key.column.table.name: key.ondelete for key in table.foreign_keys}
            found = {
                key["referred_table"]: key["options"].get("ondelete")
                for key in inspector.get_foreign_keys(name)
            }
            assert found == described, name


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_no_table_on_sqlite_uses_an_id_again(database):
    with database.read() as connection:
        made = dict(
            connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
        )
    with_ids = [name for name, table in Base.metadata.tables.items() if "id" in table.columns]
    assert len(with_ids) > 5
    assert [name for name in with_ids if "AUTOINCREMENT" not in made[name]] == []


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_text_is_compared_by_code_point_on_postgresql(database):
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE collation_name = 'C'"
        )
        assert {tuple(row) for row in rows} >= COMPARED
