"""Temporary."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from everycall.api.names import Kind, Names
from everycall.api.oddities import Oddity
from everycall.api.records import Conversation, conversation_of
from everycall.tables import flat
from everycall.tables.flat import Column, Row
from everycall.tables.flat import Facts as Old


class _P(msgspec.Struct):
    conversations: list[Conversation] = []


class Facts:
    outlasts = False

    def __init__(self, old: Old) -> None:
        self.old = old


class FlatTable:
    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._d = msgspec.json.Decoder(_P)

    def page(self, body: bytes) -> list[Any]:
        return self._d.decode(body).conversations

    def one(self, body: bytes) -> tuple[Any, list[Oddity]]:
        return conversation_of(body)

    def facts(self, record: Any) -> Facts:
        return Facts(Old.of(record))

    def ids(self, facts: Facts) -> Iterable[tuple[Kind, str]]:
        return flat.ids(facts.old, self.columns)

    def row(self, facts: Facts, names: Names) -> Row:
        return flat.row(facts.old, names, self.columns)


def flat_table(view: str = "default", only: Sequence[str] = ()) -> FlatTable:
    return FlatTable(flat.columns(view, only))
