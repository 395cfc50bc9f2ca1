"""The declared fields of a conversation as a tree, and as the types that JSON is read with."""

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

import pyarrow as pa

from everycall.arrow.schemas import TYPES
from everycall.tables.relational import ELEMENT, OF_CONVERSATIONS, Column, Table, Type

Path: TypeAlias = tuple[str, ...]
"""The names from the conversation down: ("participants", "sessions", "flow", "flowId")."""

MARKER = "everycall"
"""The field that takes the place of attributes."""

JSON_TYPES: dict[Type, pa.DataType] = {**TYPES, "instant": pa.string()}
"""Instants are read as text, so that one without a zone is noticed."""

Tree: TypeAlias = dict[str, Any]
"""Fields by name: an Arrow type, or another tree. The name of a list of records ends in []."""


@cache
def declared() -> Tree:
    """All declared fields."""
    tree: Tree = {}
    for table in OF_CONVERSATIONS:
        for column in table.read:
            if not column.path.startswith("../") and column.path != ELEMENT:
                _insert(tree, _steps(table, column), _leaf(table, column))
    return {"conversationId": pa.string(), **tree}


def _steps(table: Table, column: Column) -> list[str]:
    lists = "".join(f"{step}[]." for step in table.path)
    if table.name == "participant_attributes":
        return ["participants[]", "attributes", MARKER]
    return (lists + column.path).split(".")


def _leaf(table: Table, column: Column) -> pa.DataType:
    if table.name == "participant_attributes":
        return pa.int64()
    kind = JSON_TYPES[column.type]
    return kind.value_type if "[]." in column.path else kind


def _insert(tree: Tree, steps: list[str], leaf: pa.DataType) -> None:
    for step in steps[:-1]:
        tree = tree.setdefault(step, {})
    tree[steps[-1]] = leaf


def fields_of(tree: Tree, present: set[Path] | None, above: Path = ()) -> list[pa.Field]:
    """The fields of a tree; those among `present`, or all. A record that is present has at least one field."""
    fields = []
    for name, below in tree.items():
        plain = name.removesuffix("[]")
        path = (*above, plain)
        if present is not None and path not in present:
            continue
        kind = below
        if isinstance(below, dict):
            inner = fields_of(below, present, path) or fields_of(below, None, path)[:1]
            kind = pa.list_(pa.struct(inner)) if name != plain else pa.struct(inner)
        fields.append(pa.field(plain, kind))
    return fields


def paths(kind: pa.DataType, above: Path = ()) -> Iterator[Path]:
    """The names of all fields in a type."""
    if pa.types.is_list(kind):
        yield from paths(kind.value_type, above)
    elif pa.types.is_struct(kind):
        for inner in kind:
            yield (*above, inner.name)
            yield from paths(inner.type, (*above, inner.name))
