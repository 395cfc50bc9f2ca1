"""The flat row in SQL against the flat row of the CSV file, in DuckDB and PostgreSQL."""

import re
from itertools import islice
from pathlib import Path
from random import Random

import duckdb
import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi

from building import Tree, agent, conversation, customer, queue, session, side, tree
from everycall.errors import QueryError
from everycall.tables.columns import DEFAULT, EXTENDED
from everycall.tables.flat import Row, columns
from everycall.tables.flat_sql import CELLS, STEPS, flat_query, flat_view
from everycall.tables.relational import TABLES
from everycall.tables.sql import sql
from flat_by_sql import (
    InDuckDB,
    Odd,
    differences,
    encoded,
    every_kind,
    mixed,
    odd_conversations,
    rows_by_duckdb,
    tables_of,
)  # fmt: skip

SCHEMA = "My Calls"


def by_postgresql(raws: list[bytes], url: str) -> list[Row]:
    """The rows of the view in a PostgreSQL database."""
    with dbapi.connect(url) as database, database.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{SCHEMA}"')
        cursor.execute("SET jit = off")
        for statement in (one for table in TABLES for one in sql(table, "postgresql", SCHEMA)):
            cursor.execute(statement)
        for name, table in tables_of(raws).items():
            cursor.adbc_ingest(name, table, mode="append", db_schema_name=SCHEMA)
        cursor.execute(flat_view(SCHEMA))
        cursor.execute(f'SELECT * FROM "{SCHEMA}".flat_from_tables')
        return [tuple(row.values()) for row in cursor.fetch_arrow_table().to_pylist()]


def cells(one: Tree, *names: str) -> Row:
    """Some cells of one conversation by SQL."""
    [row] = rows_by_duckdb(encoded([one]), columns(only=names))
    return row


# The same rows


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_rows_of_sql_are_those_of_the_csv_file_cell_by_cell(seed: int) -> None:
    for raws in mixed(2500, seed):
        assert differences(raws, rows_by_duckdb(raws)) == []


def test_of_every_kind_of_conversation_and_of_the_samples_the_rows_are_the_same() -> None:
    raws = encoded(every_kind(Random(1)))

    assert differences(raws, rows_by_duckdb(raws)) == []


@pytest.mark.slow
def test_postgresql_has_the_same_rows(postgres: str) -> None:
    rng = Random(2)
    raws = encoded([*every_kind(rng), *islice(odd_conversations(rng), 1000)])

    assert differences(raws, by_postgresql(raws, postgres)) == []


def test_the_default_row_alone_is_the_same() -> None:
    [raws] = mixed(500, seed=3, odd=0.5)

    assert differences(raws, rows_by_duckdb(raws, DEFAULT), DEFAULT) == []


def test_a_difference_is_found() -> None:
    raws = encoded([tree(customer(), conversationId="a"), tree(customer(), conversationId="b")])
    [first, second] = rows_by_duckdb(raws, DEFAULT)

    assert differences(raws, [second, (*first[:1], "chat", *first[2:])], DEFAULT) == [("a", "channel", "voice", "chat")]


def test_odd_conversations_fill_every_column() -> None:
    odd = Odd(Random(4))
    rows = rows_by_duckdb(encoded(odd.conversation() for _ in range(500)))

    for at, column in enumerate(EXTENDED):
        assert len({str(row[at]) for row in rows}) > 1, column.name


def test_no_conversations_are_no_rows() -> None:
    assert rows_by_duckdb([]) == []


# The view


def test_a_conversation_without_anybody_has_a_row() -> None:
    assert cells(tree(), "conversationId", "agentName", "transfers", "abandoned") == ("c", None, 0, False)


def test_without_names_a_cell_has_the_id() -> None:
    whole = tree(customer(), queue("gone", "08:01:00"), agent("nobody", "08:02:00", wrap_up="unknown"))

    assert cells(whole, "queueName", "agentName", "disposition") == ("gone", "nobody", "unknown")


def test_the_view_reads_parquet_files_too(tmp_path: Path) -> None:
    [raws] = mixed(300, seed=5)
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        for name, table in tables_of(raws).items():
            pq.write_table(table, tmp_path / f"{name}.parquet")
            database.execute(f"CREATE VIEW {name} AS FROM read_parquet('{tmp_path / name}.parquet')")
        database.execute(flat_view())

        assert differences(raws, database.sql("FROM flat_from_tables").fetchall()) == []


def test_columns_come_as_they_were_chosen() -> None:
    with duckdb.connect() as database:
        for statement in (one for table in TABLES for one in sql(table, "duckdb")):
            database.execute(statement)
        database.execute(flat_view(name="mine", columns=columns(only=["agentName", "conversationId", "channel"])))

        assert database.sql("SELECT * FROM mine").columns == ["agentName", "conversationId", "channel"]


def test_a_view_reads_only_what_its_columns_need() -> None:
    assert flat_query(columns=columns(only=["conversationId", "startTime"])) == (
        'SELECT\n    c."conversationId" AS "conversationId",\n    c."conversationStart" AS "startTime"\n'
        'FROM "conversations" c'
    )


def test_a_participant_attribute_is_no_column_of_the_view() -> None:
    with pytest.raises(QueryError, match="attribute:Reason"):
        flat_view(columns=columns(only=["conversationId", "attribute:Reason"]))


def test_the_view_can_be_created_again() -> None:
    database = InDuckDB(tables_of([])).connection
    with database:
        for _ in range(2):
            database.execute(flat_view())


def test_every_column_of_the_extended_view_has_its_expression() -> None:
    assert list(CELLS) == [column.name for column in EXTENDED]


def test_a_query_reads_only_queries_before_it_and_each_is_needed() -> None:
    names = [step.name for step in STEPS]
    text = flat_query()

    for at, step in enumerate(STEPS):
        read = re.findall(r"\b(?:FROM|JOIN) (\w+)", step.query)
        assert not set(read) & set(names[at:])
        assert f"{step.name} AS (" in text


# What the tables do not have


def test_a_flow_without_any_field_is_no_flow_in_the_tables() -> None:
    """The row of the CSV file has no flow: that of the leg that began first, which has no name."""
    named = session(*customer()["sessions"][0]["segments"], flow={"flowName": "Menu"})
    earlier = {"mediaType": "voice", "flow": {}, "segments": [{"segmentStart": "2026-01-05T07:00:00Z"}]}
    whole = tree(side("ivr", named, earlier))

    assert conversation(side("ivr", named, earlier)).participants[0].sessions[1].flow is not None
    assert cells(whole, "flowName") == ("Menu",)
    assert differences(encoded([whole]), rows_by_duckdb(encoded([whole]))) == [("c", "flowName", "", "Menu")]
