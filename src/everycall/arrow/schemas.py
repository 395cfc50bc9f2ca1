"""The schemas of the relational tables, for Arrow."""

from collections.abc import Iterable, Sequence
from functools import cache

import pyarrow as pa

from everycall.tables import relational
from everycall.tables.relational import Type
from everycall.tables.rows import Row

TYPES: dict[Type, pa.DataType] = {
    "text": pa.string(),
    "instant": pa.timestamp("ms", "UTC"),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "texts": pa.list_(pa.string()),
    "integers": pa.list_(pa.int64()),
}

REPEATED = frozenset({"organizationId", "conversationId", "participantId", "sessionId"})
"""Ids that come again in many rows, which stand together."""


@cache
def schema(table: str) -> pa.Schema:
    """The schema of a table, its columns in the declared order. All fields can be null, as Arrow's readers expect.

    Raises:
        QueryError: there is no such table.
    """
    return pa.schema([(column.name, TYPES[column.type]) for column in relational.table(table).columns])


@cache
def filled_schema(table: str) -> pa.Schema:
    """The schema of a table as it is filled: ids that repeat are dictionaries, in a quarter of the memory."""
    repeated = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([one.with_type(repeated) if one.name in REPEATED else one for one in schema(table)])


def table_of(name: str, rows: Iterable[Row]) -> pa.Table:
    """The rows of a table, values in the order of its columns, as `tables.rows` makes them.

    Raises:
        ValueError: a row has not one value for each column.
    """
    its_schema = schema(name)
    columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(its_schema)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, its_schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=its_schema)
