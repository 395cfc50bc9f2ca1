"""The schemas of the relational tables in SQL, for DuckDB and PostgreSQL. Pure.

Names are the API's, in camelCase, and are always quoted.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from everycall.tables.relational import Column, Table, Type

Dialect: TypeAlias = Literal["duckdb", "postgresql"]

TYPES: Mapping[Type, str] = {
    "text": "text",
    "instant": "timestamptz",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "texts": "text[]",
    "integers": "bigint[]",
}
"""Both dialects know these names. DuckDB calls them VARCHAR, TIMESTAMP WITH TIME ZONE, DOUBLE and VARCHAR[]."""

INDEXED = ("conversationId", "ownerTime")
"""Columns with an index in PostgreSQL: to join by, and to replace a window by."""


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def sql(table: Table, dialect: Dialect, schema: str = "") -> Iterator[str]:
    """The statements that create a table with its comments and indexes, where they do not exist yet.

    There are no primary keys: they double the cost of loading in both databases, and a window is replaced as a whole.
    DuckDB gets no indexes either, since it skips blocks by their smallest and largest values.

    Args:
        table: the table.
        dialect: the database.
        schema: the schema in the database; empty for the current one.
    """
    name = _name(table, schema)
    columns = ",\n".join(f"    {_definition(column)}" for column in table.columns)
    yield f"CREATE TABLE IF NOT EXISTS {name} (\n{columns}\n)"
    yield f"COMMENT ON TABLE {name} IS {literal(_about(table))}"
    for column in table.columns:
        yield from _comment(name, column)
    if dialect == "postgresql":
        for column_name in INDEXED:
            if any(column.name == column_name for column in table.columns):
                index = quoted(f"{table.name}_{column_name}")
                yield f"CREATE INDEX IF NOT EXISTS {index} ON {name} ({quoted(column_name)})"


def add_column(table: Table, column: Column, schema: str = "") -> Iterator[str]:
    """The statements that add a column, with its comment, to a table that an earlier version created."""
    name = _name(table, schema)
    yield f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {quoted(column.name)} {TYPES[column.type]}"
    yield from _comment(name, column)


def _name(table: Table, schema: str) -> str:
    return f"{quoted(schema)}.{quoted(table.name)}" if schema else quoted(table.name)


def _definition(column: Column) -> str:
    return f"{quoted(column.name)} {TYPES[column.type]}{' NOT NULL' if column.is_required else ''}"


def _about(table: Table) -> str:
    return f"One row: {table.grain}. Key: {', '.join(table.key)}."


def _comment(table_name: str, column: Column) -> Iterator[str]:
    text = " ".join(filter(None, (column.doc, f"Unit: {column.unit}." if column.unit else "", column.caveats)))
    if text:
        yield f"COMMENT ON COLUMN {table_name}.{quoted(column.name)} IS {literal(text)}"
