"""Rows of the relational tables from a record, in plain Python. Pure.

    makers = RowMaker("the organization's id")
    makers.rows(conversation, owner_time)  ->  {"conversations": [(...)], "participants": [(...), (...)], ...}

It is generated from the declaration in `relational`. `everycall.arrow` fills the same tables many times faster, and
takes this way for conversations that do not fit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from everycall.api.records import Conversation
from everycall.instants import floor_ms
from everycall.tables.relational import ELEMENT, OF_CONVERSATIONS, Column

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
            name: [
                (*common, *ordinals, *[get(above) for get in from_above], *[get(record) for get in from_record])
                for ordinals, above, record in _elements(conversation, steps)
            ]
            for name, steps, from_above, from_record in _plan()
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


@cache
def _plan() -> tuple[tuple[str, tuple[_Get, ...], tuple[_Get, ...], tuple[_Get, ...]], ...]:
    """For each table: its name, how to get to its records, and how to read the columns from above and from there."""
    return tuple(
        (
            table.name,
            tuple(map(_chain, table.path)),
            tuple(_chain(one.path.removeprefix(_ABOVE)) for one in table.read if one.path.startswith(_ABOVE)),
            tuple(_getter(one) for one in table.read if not one.path.startswith(_ABOVE)),
        )
        for table in OF_CONVERSATIONS
    )


def _getter(column: Column) -> _Get:
    """A function that reads a column from its record."""
    if column.path == ELEMENT:
        return _itself
    if "[]." in column.path:
        return _items(*column.path.split("[]."))
    get = _chain(column.path)
    wraps: Mapping[str, Callable[[_Get], _Get]] = {
        "instant": _instant, "number": _number, "texts": _list, "integers": _list,
    }  # fmt: skip
    wrap = wraps.get(column.type)
    return wrap(get) if wrap else get


def _itself(value: Any) -> Any:
    return value


def _chain(path: str) -> _Get:
    """A function that follows `flow.flowId` down a record; None where a record on the way is absent."""
    first, _, rest = path.partition(".")
    name = _snake(first)
    if not rest:
        return lambda record: getattr(record, name)
    below = _chain(rest)

    def get(record: Any) -> Any:
        inner = getattr(record, name)
        return None if inner is None else below(inner)

    return get


def _items(path: str, field: str) -> _Get:
    """A function that gathers one field of a list of records."""
    get, item = _chain(path), _chain(field)
    return lambda record: tuple(item(one) for one in get(record)) or None


def _instant(get: _Get) -> _Get:
    def cut(record: Any) -> datetime | None:
        value = get(record)
        return None if value is None else floor_ms(value)

    return cut


def _number(get: _Get) -> _Get:
    def real(record: Any) -> float | None:
        value = get(record)
        return None if value is None else float(value)

    return real


def _list(get: _Get) -> _Get:
    return lambda record: get(record) or None


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
