"""A conversation from its rows: `rows`, the other way round. Pure.

    rows of every table, by the names of the columns  ->  the conversation as plain values, by the API's names

What the tables do not keep is not restored: fractions of a millisecond, lists and objects that are empty, and fields
that the records do not know. In a folder of CSV files, an empty text is nothing, and a text with `|` in a list becomes
two. Everything else comes back as it was.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from everycall.instants import text
from everycall.tables.relational import OF_CONVERSATIONS, Column, Table

Tree: TypeAlias = dict[str, Any]

TableRows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of one conversation by table; each row by column. Instants are datetimes in UTC."""

_ABOVE = "../"

_READ = tuple(table for table in OF_CONVERSATIONS if table.name != "conversation_divisions")
"""The tables that a conversation is restored from; divisions are also a list in `conversations`."""


def tables_read() -> Iterator[str]:
    """Yield the names of the tables that are needed."""
    yield from (table.name for table in _READ)


def restored(rows: TableRows) -> Tree | None:
    """The conversation as the API would send it; None if there is no row of it."""
    whole: Tree | None = None
    for table in _READ:
        for row in _in_order(table, rows.get(table.name, ())):
            if not table.path:
                whole = _record(table, row)
                whole["conversationId"] = row["conversationId"]
            elif whole is not None:
                _add(whole, table, row)
    return whole


def _in_order(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows by their positions in the API's lists."""
    ordinals = [column.name for column in table.ordinals]
    return sorted(rows, key=lambda row: [row[name] for name in ordinals])


def _add(whole: Tree, table: Table, row: Mapping[str, Any]) -> None:
    """Add the record of a row below the records that its ordinals name; nothing if those are missing."""
    ordinals = [row[column.name] for column in table.ordinals]
    record = whole
    for step, at in zip(table.path, ordinals, strict=False):
        if step == table.path[-1]:
            break
        children = record.get(step, [])
        if at >= len(children):
            return
        record = children[at]
    if table.path[-1] == "attributes":
        record.setdefault("attributes", {})[row["name"]] = row["value"]
        return
    *objects, last = table.path[-1].split(".")
    for name in objects:  # flow.outcomes
        record = record.setdefault(name, {})
    record.setdefault(last, []).append(_record(table, row))


def _record(table: Table, row: Mapping[str, Any]) -> Tree:
    """The record of a row, without its children."""
    record: Tree = {}
    for column in table.read:
        value = row[column.name]
        if value is not None and not column.path.startswith(_ABOVE):
            _put(record, column, _plain(column, value))
    return record


def _put(record: Tree, column: Column, value: Any) -> None:
    """Put a value where its column reads it: `flow.flowId`, or `scoredAgents[].agentScore` for a list."""
    path, is_list, field = column.path.partition("[].")
    *objects, last = path.split(".")
    for name in objects:
        record = record.setdefault(name, {})
    if not is_list:
        record[last] = value
        return
    items = record.setdefault(last, [])
    items.extend({} for _ in range(len(value) - len(items)))
    for item, one in zip(items, value, strict=False):
        if one is not None:
            item[field] = one


def _plain(column: Column, value: Any) -> Any:
    """A cell as JSON has it."""
    if isinstance(value, datetime):
        return text(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
    if column.type == "number" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
