"""Rows of the relational tables from a record, in plain Python. Pure.

    makers = RowMaker("the organization's id")
    makers.rows(conversation, owner_time)  ->  {"conversations": [(...)], "participants": [(...), (...)], ...}

It is generated from the declaration in `relational`. `everycall.arrow` fills the same tables many times faster, and
takes this way for conversations that do not fit.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec

from everycall.api.records import Conversation
from everycall.instants import floor_ms
from everycall.tables.relational import ELEMENT, OF_CONVERSATIONS, Column, Table

Cell: TypeAlias = str | int | float | bool | datetime | tuple[str | int | None, ...] | None
"""A value: instants are aware datetimes in UTC, cut to milliseconds; lists are tuples, None where they are empty."""

Row: TypeAlias = tuple[Cell, ...]
"""The values in the order of the table's columns."""

_Get: TypeAlias = Callable[[Any], Any]
_Element: TypeAlias = tuple[tuple[int, ...], Any, Any]
"""A record of a table: its ordinals, the record above it, and itself."""


class RowMaker:
    """Makes the rows of all tables of conversations."""

    def __init__(self, organization_id: str) -> None:
        """Rows of this org."""
        self._organization_id = organization_id

    def rows(self, conversation: Conversation, owner_time: datetime) -> dict[str, list[Row]]:
        """The rows of one conversation, by table; each table in the order of the record's lists.

        Args:
            conversation: the whole record.
            owner_time: by which it belongs to its window; see `relational`.
        """
        common = (self._organization_id, conversation.conversation_id, floor_ms(owner_time))
        return {
            plan.table: [
                (*common, *ordinals, *[get(above) for get in plan.from_above], *plan.cells(record))
                for ordinals, above, record in _elements(conversation, plan.steps)
            ]
            for plan in _plans()
        }


class _Attribute(NamedTuple):
    name: str
    value: str


def _elements(conversation: Conversation, steps: Sequence[_Get]) -> Iterable[_Element]:
    """Each record of a table."""
    found: Iterable[_Element] = [((), None, conversation)]
    for children in steps:
        found = _below(found, children)
    return found


def _below(found: Iterable[_Element], children: _Get) -> Iterator[_Element]:
    for ordinals, _, record in found:
        below = children(record)
        if isinstance(below, dict):  # attributes, which their names identify
            yield from ((ordinals, record, _Attribute(*item)) for item in below.items())
        else:
            yield from (((*ordinals, at), record, child) for at, child in enumerate(below or ()))


# --- what the declaration says, as functions

_ABOVE = "../"


class _Plan(NamedTuple):
    """How to make the rows of a table."""

    table: str
    steps: tuple[_Get, ...]
    """From the conversation down to the table's records."""
    from_above: tuple[_Get, ...]
    """The columns that stand in the record above."""
    raw: Callable[[Any], tuple[Any, ...]]
    """The field of each other column: one call, since most of them are the cell already."""
    changes: tuple[tuple[int, _Get], ...]
    """The positions of the other cells, and what makes them from the field."""

    def cells(self, record: Any) -> list[Any]:
        """The columns of a record."""
        cells = list(self.raw(record))
        for at, change in self.changes:
            value = cells[at]
            if value is not None:
                cells[at] = change(value)
        return cells


@cache
def _plans() -> tuple[_Plan, ...]:
    return tuple(map(_plan, OF_CONVERSATIONS))


def _plan(table: Table) -> _Plan:
    own = [column for column in table.read if not column.path.startswith(_ABOVE)]
    above = [_chain(column.path.removeprefix(_ABOVE)) for column in table.read if column.path.startswith(_ABOVE)]
    changes = ((at, _change(column)) for at, column in enumerate(own))
    return _Plan(
        table.name,
        tuple(map(_chain, table.path)),
        tuple(above),
        _fields(own),
        tuple((at, change) for at, change in changes if change is not None),
    )


def _fields(columns: Sequence[Column]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that reads the first field on the path of each column."""
    if columns[0].path == ELEMENT:
        return lambda element: (element,)
    return attrgetter(*(_snake(re.split(r"\.|\[", column.path)[0]) for column in columns))


def _change(column: Column) -> _Get | None:
    """What makes the cell from that field, unless it is the cell already."""
    if "[]." in column.path:
        return _items(column.path.partition("[].")[2])
    _, _, below = column.path.partition(".")
    if below:
        return _chain(below)
    changes: Mapping[str, _Get] = {"instant": floor_ms, "number": float, "texts": _list, "integers": _list}
    return changes.get(column.type)


def _chain(path: str) -> _Get:
    """A function that follows `flow.outcomes` down a record; None if a record on the way is absent."""
    first, _, rest = path.partition(".")
    get = attrgetter(_snake(first))
    if not rest:
        return get
    below = _chain(rest)

    def follow(record: Any) -> Any:
        inner = get(record)
        return None if inner is None else below(inner)

    return follow


def _items(field: str) -> _Get:
    """A function that gathers one field of a list of records."""
    get = _chain(field)
    return lambda records: tuple(map(get, records)) or None


def _list(values: Any) -> Any:
    return values or None


@cache
def _snake(name: str) -> str:
    """The field of the records with this name in the API."""
    return _names()[name]


@cache
def _names() -> dict[str, str]:
    """The API's names of all fields of all records, and the fields' own."""
    found: dict[str, str] = {}
    pending: list[Any] = [msgspec.inspect.type_info(Conversation)]
    while pending:
        kind = pending.pop()
        match kind:
            case msgspec.inspect.StructType(fields=fields):
                found |= {field.encode_name: field.name for field in fields}
                pending += [field.type for field in fields]
            case msgspec.inspect.UnionType(types=types):
                pending += types
            case msgspec.inspect.VarTupleType(item_type=item):
                pending.append(item)
    return found
