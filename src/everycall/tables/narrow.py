"""Narrow records, which have only the fields that some columns read, and are decoded faster than full ones. Pure.

A path names a field of the records: `participants.sessions.segments.segment_start`. A path that ends at a list of
records (`participants.sessions.metrics`) keeps the list as JSON, for rules that seldom need it.
"""

from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, TypeAlias, cast, get_args, get_origin

import msgspec

from everycall.api.records import Conversation

Record: TypeAlias = Conversation
"""A conversation with only some fields: those of the paths that its type was made for, and `ALWAYS`.

It is typed as the full record, so that a rule reads both. Reading a missing field raises AttributeError."""

ALWAYS = (
    "conversation_id",
    "conversation_start",
    "conversation_end",
    "participants.purpose",
    "participants.sessions.segments.segment_start",
    "participants.sessions.segments.segment_end",
)
"""The fields that every row needs: for its id, its window, and whether it outlasts its handling."""


def record_type(paths: Iterable[str], always: Iterable[str] = ALWAYS) -> type[Record]:
    """The type of the records with these paths and those of `always`.

    Raises:
        AttributeError: a path is not a field of the records.
    """
    return _record_type(frozenset((*always, *paths)))


@cache
def _record_type(paths: frozenset[str]) -> type[Record]:
    return cast("type[Record]", _narrowed(Conversation, paths))


def _narrowed(full: type[msgspec.Struct], paths: Iterable[str]) -> type[msgspec.Struct]:
    """A struct with the fields of `full` with which the paths begin; the rests of the paths narrow their types."""
    below: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        below.setdefault(name, []).extend([rest] if rest else [])
    fields = {field.name: field for field in msgspec.structs.fields(full)}
    missing = below.keys() - fields.keys()
    if missing:
        raise AttributeError(f"{full.__name__} has no field {', '.join(sorted(missing))}")
    made = [_field(fields[name], rest) for name, rest in below.items()]
    # Required fields come first, as in any class.
    made.sort(key=len)
    return msgspec.defstruct(f"Narrow{full.__name__}", made, rename="camel", frozen=True, gc=False)


def _field(field: msgspec.structs.FieldInfo, below: list[str]) -> Any:
    if not below and _holds_records(field.type):
        return field.name, msgspec.Raw, msgspec.Raw()
    kind = _kind(field.type, below)
    if field.required:
        return field.name, kind
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, kind, msgspec.field(default_factory=field.default_factory)
    return field.name, kind, field.default


def _holds_records(kind: Any) -> bool:
    return any(isinstance(one, type) and issubclass(one, msgspec.Struct) for one in get_args(kind))


def _kind(kind: Any, below: list[str]) -> Any:
    """The type of a field with narrow structs instead of full ones: `tuple[Segment, ...]`, `Flow | None`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _narrowed(kind, below)
    inner = get_args(kind)
    if not inner or get_origin(kind) in (Annotated, dict):
        return kind
    made = [_kind(one, below) for one in inner]
    return tuple.__class_getitem__((made[0], ...)) if get_origin(kind) is tuple else reduce(or_, made)
