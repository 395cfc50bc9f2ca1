"""Cells of the flat table for a few lines of conversation, with names for the ids in them.

Each cell is worked out from the narrow record of its one column, and has to be the same from the full record and from
the same conversation with its lists in other orders.
"""

from random import Random
from typing import Any

import msgspec

from building import Tree, shuffled, tree
from everycall.api.names import Entity, Found, Kind, Names
from everycall.api.records import Conversation
from everycall.tables.flat import Facts, FlatTable, Value, flat_table, row

KNOWN: dict[Kind, dict[str, str]] = {
    "queues": {"q1": "Sales", "q2": "Care"},
    "users": {"u1": "Ann", "u2": "Ben", "u3": "Sue"},
    "wrapupcodes": {"w1": "Sold", "w2": "Called back"},
    "divisions": {"d1": "Home"},
}


def names() -> Names:
    """The names above, and nothing else."""
    found = Names()
    for kind, entities in KNOWN.items():
        found.learn(Found(kind, tuple(Entity(each, name) for each, name in entities.items())))
    return found


def narrow_row(table: FlatTable, whole: Tree, known: Names) -> tuple[Value, ...]:
    """The row of a conversation that came in a page of its own."""
    [record] = table.page(msgspec.json.encode({"conversations": [whole], "totalHits": 1}))
    return table.row(table.facts(record), known)


def full_row(table: FlatTable, whole: Tree, known: Names) -> tuple[Value, ...]:
    """The row out of the full record."""
    return row(Facts.of(msgspec.convert(whole, Conversation)), known, table.columns)


def cell_of(column: str, whole: Tree, known: Names | None = None) -> Value:
    """One cell."""
    table, known = flat_table(only=[column]), known or names()
    found = narrow_row(table, whole, known)
    assert full_row(table, whole, known) == found
    for seed in range(4):
        assert narrow_row(table, shuffled(whole, Random(seed)), known) == found
    return found[0]


def cell(column: str, *participants: Tree, **fields: Any) -> Value:
    """One cell of a conversation as `building.tree` makes it."""
    return cell_of(column, tree(*participants, **fields))


def cells(columns: str, *participants: Tree, **fields: Any) -> tuple[Value, ...]:
    """Several cells of one conversation."""
    return tuple(cell(column, *participants, **fields) for column in columns.split())
