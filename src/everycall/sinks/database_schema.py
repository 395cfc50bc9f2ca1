"""The schema of a database that an export fills: what is in it, and the statements that create it.

`database.py` says which tables and views there are. Needs pyarrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from everycall.api.query import Interval
from everycall.errors import OutputRefused
from everycall.instants import text
from everycall.manifest import Header, Manifest, decoded
from everycall.tables import flat_sql, sql
from everycall.tables.columns import EXTENDED
from everycall.tables.columns import Column as FlatColumn
from everycall.tables.columns import Type as FlatType
from everycall.tables.kpi_sql import kpi_views
from everycall.tables.kpis import GRAINS
from everycall.tables.relational import (
    OF_CONVERSATIONS,
    TABLES,
    Column,
    Table,
    Type,
)
from everycall.tables.sql import literal, quoted

FLAT, FLAT_VIEW = "conversations_flat", "flat"
EXPORT, STATES = "everycall_export", "everycall_windows"

REPLACED = (*(table.name for table in OF_CONVERSATIONS), FLAT)
"""The tables whose rows belong to a window."""

DERIVED = (flat_sql.VIEW, *(grain.view for grain in GRAINS))
"""The views over the relational tables."""

VIEWS = "views"
"""What the table `EXPORT` calls the checksum of their statements."""

IDS_AT_ONCE = 1000
"""Ids in one statement."""

FLAT_TYPES: Mapping[FlatType, Type] = {
    "text": "text",
    "instant": "instant",
    "seconds": "number",
    "integer": "integer",
    "real": "number",
    "boolean": "boolean",
    "texts": "texts",
}
"""What the relational tables call the types of flat columns."""


class Database(Protocol):
    """An open connection. A transaction begins with the first statement after `commit`."""

    dialect: sql.Dialect
    schema: str
    """The schema of the tables."""
    prefix: str
    """The schema as statements name it; empty where it goes without saying."""

    def execute(self, statement: str) -> None:
        """Run a statement."""
        ...

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        ...

    def append(self, table: str, batches: pa.RecordBatchReader) -> None:
        """Append rows to a table, columns by their names."""
        ...

    def take_replaced(self) -> dict[str, int]:
        """How many characters that it cannot take were replaced since the last call, by table and column."""
        ...

    def commit(self) -> None:
        """Make what was done since the last commit visible to others, and durable."""
        ...


class State(msgspec.Struct, frozen=True, rename="camel"):
    """What a database has of a window."""

    sha256: str
    """The checksums of the window's tables and of its flat rows on disk when it was loaded, one behind the other."""
    rows: dict[str, int]
    """How many rows each table got."""
    replaced: dict[str, int] = {}
    """Characters that the database could not take, by table and column."""


# --- what a schema has


def columns_in(database: Database) -> dict[str, set[str]]:
    """The names of the columns of each table and view in the schema."""
    found: dict[str, set[str]] = {}
    for table, column in database.query(
        "SELECT table_name, column_name FROM information_schema.columns "
        f"WHERE table_schema = {literal(database.schema)} AND table_catalog = current_database()"
    ):
        found.setdefault(table, set()).add(column)
    return found


def header_in(database: Database, name: str) -> Header | None:
    """The query whose export the schema has; None if there is no export in it.

    Args:
        database: the connection.
        name: of the destination, for the message.

    Raises:
        OutputRefused: another program made tables of these names.
    """
    found = columns_in(database)
    if EXPORT in found:
        value = value_in(database, "header")
        return msgspec.json.decode(value, type=Header) if value else None
    taken = sorted({*(table.name for table in TABLES), FLAT, FLAT_VIEW, STATES, *DERIVED} & found.keys())
    if taken:
        tables = ", ".join(taken)
        raise OutputRefused(
            f"{name} has tables or views in its schema {database.schema} that everycall did not create: {tables}.",
            hint="Choose another schema or another database.",
        )
    return None


def manifest_in(database: Database, name: str) -> Manifest | None:
    """The manifest of the export in the schema; None if there is none, or if it is not complete."""
    value = value_in(database, "manifest") if EXPORT in columns_in(database) else None
    return decoded(value.encode(), name) if value else None


def states_in(database: Database) -> dict[Interval, State]:
    """What the schema has of each window."""
    rows = database.query(f'SELECT "interval", "state" FROM {name_in(database, STATES)}')
    return {Interval.read(interval): msgspec.json.decode(state, type=State) for interval, state in rows}


def counts_in(database: Database, window: Interval) -> dict[str, int]:
    """How many rows each table has of a window."""
    counts = ", ".join(f"(SELECT count(*) FROM {name_in(database, one)} WHERE {within(window)})" for one in REPLACED)
    return dict(zip(REPLACED, database.query(f"SELECT {counts}")[0], strict=True))


def name_in(database: Database, table: str) -> str:
    """The name of a table in statements."""
    return f"{quoted(database.prefix)}.{quoted(table)}" if database.prefix else quoted(table)


def put_state(database: Database, window: Interval, state: State) -> None:
    """Record what the schema has of a window."""
    database.execute(f'DELETE FROM {name_in(database, STATES)} WHERE "interval" = {literal(str(window))}')
    row = {"interval": [str(window)], "state": [msgspec.json.encode(state).decode()]}
    database.append(STATES, pa.table(row).to_reader())


def put_value(database: Database, name: str, value: bytes) -> None:
    """Record the header or the manifest of the export; nothing removes it."""
    database.execute(f'DELETE FROM {name_in(database, EXPORT)} WHERE "name" = {literal(name)}')
    if value:
        database.append(EXPORT, pa.table({"name": [name], "value": [value.decode()]}).to_reader())


def value_in(database: Database, name: str) -> str | None:
    """What the schema keeps under a name: the `header` or the `manifest`; None if there is none."""
    rows = database.query(f'SELECT "value" FROM {name_in(database, EXPORT)} WHERE "name" = {literal(name)}')
    return rows[0][0] if rows else None


# --- the schema


def statements(database: Database, flat: Sequence[FlatColumn]) -> Iterator[str]:
    """The statements that create what is missing in the schema: tables, columns, comments, indexes, the view."""
    found = columns_in(database)
    if database.schema not in {row[0] for row in database.query("SELECT schema_name FROM information_schema.schemata")}:
        yield f"CREATE SCHEMA {quoted(database.schema)}"
    for table in (*TABLES, flat_table(flat)):
        if table.name not in found:
            yield from sql.sql(table, database.dialect, database.prefix)
        else:
            for column in table.columns:
                if column.name not in found[table.name]:
                    yield from sql.add_column(table, column, database.prefix)
    if FLAT_VIEW not in found:
        columns = ", ".join(quoted(column.name) for column in flat)
        view = name_in(database, FLAT_VIEW)
        yield f"CREATE VIEW {view} AS SELECT {columns} FROM {name_in(database, FLAT)}"
        yield f"COMMENT ON VIEW {view} IS 'One row per conversation, with the columns of the CSV file.'"
    for name, columns in ((EXPORT, '"name" text, "value" text'), (STATES, '"interval" text, "state" text')):
        if name not in found:
            yield f"CREATE TABLE {name_in(database, name)} ({columns})"
            yield f"COMMENT ON TABLE {name_in(database, name)} IS 'What everycall keeps to continue and to verify.'"


@dataclass(frozen=True, slots=True)
class View:
    """A view over the relational tables."""

    name: str
    columns: tuple[str, ...]
    statement: str
    """Creates it, or replaces one with the same columns, or the first ones of them."""
    about: str


def derived_views(dialect: sql.Dialect, prefix: str) -> Iterator[View]:
    """The views over the relational tables."""
    columns = tuple(column.name for column in EXTENDED)
    about = "The flat row of each conversation, out of the relational tables."
    yield View(flat_sql.VIEW, columns, flat_sql.flat_view(prefix), about)
    for grain, statement in kpi_views(dialect, prefix):
        yield View(grain.view, tuple(column.name for column in grain.columns), statement, grain.doc)


def create(database: Database, view: View) -> None:
    """Create a view, or replace one. Rights on it and views that read it stay, unless its columns are others now."""
    before = database.query(
        f"SELECT column_name FROM information_schema.columns WHERE table_name = {literal(view.name)} "
        f"AND table_schema = {literal(database.schema)} AND table_catalog = current_database() "
        "ORDER BY ordinal_position"
    )
    if tuple(row[0] for row in before) != view.columns[: len(before)]:
        database.execute(f"DROP VIEW {name_in(database, view.name)}")
    database.execute(view.statement)
    database.execute(f"COMMENT ON VIEW {name_in(database, view.name)} IS {literal(view.about)}")


def not_views(database: Database) -> set[str]:
    """The names of tables, materialized views and others in the schema that are not plain views."""
    if database.dialect == "duckdb":
        return {row[0] for row in database.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'")}
    rows = database.query(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        f"WHERE nspname = {literal(database.schema)} AND relkind <> 'v'"
    )
    return {row[0] for row in rows}


def flat_table(flat: Sequence[FlatColumn]) -> Table:
    """The table of flat rows."""
    common = {"ownerTime": Column("ownerTime", "instant"), "conversationId": Column("conversationId", "text")}
    chosen = {
        column.name: Column(column.name, FLAT_TYPES[column.type], doc=column.doc, caveats=column.caveats)
        for column in flat
    }
    return Table(FLAT, "a conversation, as in the CSV file", ("conversationId",), tuple({**common, **chosen}.values()))


# --- conditions


def within(window: Interval, table: str = "") -> str:
    """The condition that a row belongs to a window."""
    column = f'{table}."ownerTime"' if table else '"ownerTime"'
    return f"({column} >= {instant_literal(window.start)} AND {column} < {instant_literal(window.end)})"


def instant_literal(instant: datetime) -> str:
    """An instant in a statement."""
    return f"TIMESTAMPTZ {literal(text(instant))}"


def in_lots(texts: Sequence[str]) -> Iterator[str]:
    """Yield lists of literals for statements."""
    for start in range(0, len(texts), IDS_AT_ONCE):
        yield ", ".join(texts[start : start + IDS_AT_ONCE])
