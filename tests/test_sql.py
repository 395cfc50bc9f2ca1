"""The schemas in SQL, run in DuckDB, which understands both dialects as far as the schemas go."""

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest

from everycall.arrow.filled import schema
from everycall.tables.relational import TABLES, Column, Table
from everycall.tables.sql import Dialect, add_column, literal, sql

DIALECTS: tuple[Dialect, ...] = ("duckdb", "postgresql")


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def created(database: duckdb.DuckDBPyConnection, one: Table, dialect: Dialect = "duckdb") -> None:
    for statement in sql(one, dialect):
        database.execute(statement)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.name)
def test_a_table_has_the_declared_columns(one: Table, dialect: Dialect, database: duckdb.DuckDBPyConnection) -> None:
    created(database, one, dialect)

    columns = database.execute(f"DESCRIBE {one.name}").fetchall()
    assert [column[0] for column in columns] == [column.name for column in one.columns]


@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.name)
def test_a_table_takes_arrow_tables_as_they_are(one: Table, database: duckdb.DuckDBPyConnection) -> None:
    created(database, one)
    empty = schema(one.name).empty_table()
    database.register("incoming", empty)

    database.execute(f"INSERT INTO {one.name} SELECT * FROM incoming")
    assert database.sql(f"SELECT * FROM {one.name}").columns == empty.schema.names


@pytest.mark.parametrize("dialect", DIALECTS)
def test_creating_a_table_twice_changes_nothing(dialect: Dialect, database: duckdb.DuckDBPyConnection) -> None:
    for _ in range(2):
        created(database, TABLES[0], dialect)


def test_comments_say_what_is_declared(database: duckdb.DuckDBPyConnection) -> None:
    for one in TABLES:
        created(database, one)

    comments = dict(
        database.execute("SELECT table_name || '.' || column_name, comment FROM duckdb_columns()").fetchall()
    )
    assert comments["media_endpoint_stats.maxLatencyMs"] == "The longest delay. Unit: ms."
    assert comments["segments.wrapUpCode"].endswith("A wrapup segment may lack it, and it can arrive days later.")


def test_postgresql_has_indexes_to_join_and_to_replace_by() -> None:
    text = "\n".join(sql(TABLES[1], "postgresql"))

    assert 'ON "participants" ("conversationId")' in text
    assert 'ON "participants" ("ownerTime")' in text


def test_a_table_can_stand_in_a_schema(database: duckdb.DuckDBPyConnection) -> None:
    database.execute('CREATE SCHEMA "My Data"')
    for statement in sql(TABLES[0], "duckdb", schema="My Data"):
        database.execute(statement)

    assert database.execute('SELECT count(*) FROM "My Data".conversations').fetchall() == [(0,)]


def test_a_new_column_is_added_to_a_table_that_has_rows(database: duckdb.DuckDBPyConnection) -> None:
    table = replace(TABLES[0], columns=TABLES[0].columns[:3])
    created(database, table)
    database.execute("INSERT INTO conversations VALUES ('o', 'c', '2026-01-05T08:00:00Z')")
    for _ in range(2):
        for statement in add_column(TABLES[0], Column("newThing", "texts", doc="What's new.")):
            database.execute(statement)

    assert database.execute('SELECT "newThing" FROM conversations').fetchall() == [(None,)]


def test_a_quote_in_a_comment_is_doubled() -> None:
    assert literal("the queue's name") == "'the queue''s name'"
