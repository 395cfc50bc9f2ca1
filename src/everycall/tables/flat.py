"""The flat table: one row per conversation. Pure.

    page of the API -> Record -> Facts -> a row, values in the order of the columns

`FlatTable` decodes only the fields of a page that its columns read (`narrow`), extracts the facts of each conversation
by the rules of `journey`, and makes rows from them once the names are known.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, TypeAlias

import msgspec

from everycall.api.names import Kind, Names
from everycall.api.oddities import Oddity
from everycall.api.records import Conversation, conversation_of
from everycall.errors import QueryError
from everycall.tables.attributes import PREFIX, attribute_column, attribute_of
from everycall.tables.columns import DEFAULT, EXTENDED, VIEWS, Column, Type, Value
from everycall.tables.journey import Journey
from everycall.tables.legs import first_segment_start
from everycall.tables.narrow import Record, record_type
from everycall.tables.outcome import outlasts_handling

__all__ = [
    "DEFAULT", "EXTENDED", "VIEWS", "Column", "Facts", "FlatTable", "Record", "Row", "Type", "Value", "columns",
    "flat_table", "ids", "row",
]  # fmt: skip

Row: TypeAlias = tuple[Value, ...]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """The values that some columns need of a conversation, small enough to keep until the names are known."""

    conversation_id: str
    began: datetime | None
    """The instant that decides to which window it belongs: its start, or else its first segment's."""
    start: datetime | None
    end: datetime | None
    outlasts: bool
    """Whether it ended more than a day after the last agent was done."""
    table: tuple[Column, ...]
    """The columns of the cells."""
    cells: tuple[Any, ...]
    """The fact of each column."""

    @classmethod
    def of(cls, conversation: Conversation, table: tuple[Column, ...] = EXTENDED) -> "Facts":
        """The facts of one conversation. A narrow record only has the fields of the columns it was made for."""
        journey = Journey(conversation)
        return cls(
            conversation.conversation_id,
            journey.start or first_segment_start(conversation),
            journey.start,
            journey.end,
            outlasts_handling(journey),
            table,
            tuple([column.fact(journey) for column in table]),
        )

    def __repr__(self) -> str:
        """Show the facts without the columns."""
        return f"Facts({self.conversation_id}, {self.start} to {self.end}, {self.outlasts}, {self.cells})"

    def cells_of(self, table: Sequence[Column]) -> Sequence[Any]:
        """The facts of these columns, which have to be among its own."""
        if table is self.table:
            return self.cells
        known = dict(zip((column.name for column in self.table), self.cells, strict=True))
        return [known[column.name] for column in table]


@dataclass(frozen=True, slots=True)
class FlatTable:
    """Some columns, and the functions that fill them from the API's JSON."""

    columns: tuple[Column, ...]
    _pages: "msgspec.json.Decoder[Any]"
    _record: type[Record]
    _shown: tuple[tuple[int, Callable[[Any, Names], Value]], ...]
    """The positions of the columns whose cells need names, with the functions that make the cells."""
    _named: tuple[tuple[int, Callable[[Any], Iterable[tuple[Kind, str | None]]]], ...]
    """The positions of the columns that need names, with the functions that return the ids."""

    @classmethod
    def of(cls, chosen: tuple[Column, ...]) -> "FlatTable":
        """The table of these columns."""
        record = record_type(path for column in chosen for path in column.reads)
        answer = msgspec.defstruct("Answer", [("conversations", list[record], [])])  # type: ignore[valid-type]
        return cls(
            chosen,
            msgspec.json.Decoder(answer),
            record,
            tuple((at, column.shown) for at, column in enumerate(chosen) if column.shown),
            tuple((at, column.names) for at, column in enumerate(chosen) if column.names),
        )

    @property
    def attributes(self) -> tuple[str, ...]:
        """The participant attributes that it has columns for; only jobs bring them."""
        return tuple(name for name in map(attribute_of, self.columns) if name is not None)

    def page(self, body: bytes) -> list[Record]:
        """Decode the conversations of one answer, `{"conversations": [...], ...}`, in its order.

        Raises:
            msgspec.DecodeError: a field that the columns read does not fit. Use `one` for each conversation then.
        """
        try:
            found: list[Record] = self._pages.decode(body).conversations
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"a text is not UTF-8: {error}") from error
        return found

    def one(self, body: bytes | msgspec.Raw) -> tuple[Record | None, list[Oddity]]:
        """Read one conversation leniently, and report what did not fit the full records and is left out.

        None instead of a record if there is no readable id.
        """
        whole, oddities = conversation_of(body)
        if whole is None:
            return None, oddities
        return msgspec.json.decode(msgspec.json.encode(whole), type=self._record), oddities

    def facts(self, record: Record) -> Facts:
        """Extract the values of a conversation that its row needs."""
        return Facts.of(record, self.columns)

    def ids(self, *batch: Facts) -> list[tuple[Kind, str]]:
        """The ids whose names the columns need for these conversations. Each column has each of its ids once."""
        return [
            (kind, one)
            for at, names in self._named
            for cell in dict.fromkeys([facts.cells[at] for facts in batch])
            for kind, one in names(cell)
            if one
        ]

    def rows(self, batch: Sequence[Facts], names: Names) -> list[Row]:
        """The values of these conversations, in the order of the columns.

        They are made column by column: few queues, users and codes make the cells of many rows.
        """
        columns: list[Sequence[Any]] = list(zip(*[facts.cells for facts in batch], strict=True))
        for at, shown in self._shown if columns else ():
            cells = {cell: shown(cell, names) for cell in set(columns[at])}
            columns[at] = [cells[cell] for cell in columns[at]]
        return list(zip(*columns, strict=True))

    def row(self, facts: Facts, names: Names) -> Row:
        """The values of one conversation."""
        return self.rows([facts], names)[0]


def flat_table(view: str = "default", only: Sequence[str] = ()) -> FlatTable:
    """The table of a view; or of the columns named in `only`, of any view, in that order.

    Raises:
        QueryError: the view or a column does not exist; the hint lists similar ones.
    """
    return FlatTable.of(columns(view, only))


def columns(view: str = "default", only: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of a view; or those named in `only`, of any view, in that order, `attribute:NAME` among them.

    Raises:
        QueryError: the view or a column does not exist; the hint lists similar ones.
    """
    if view not in VIEWS:
        raise QueryError(f"There is no view '{view}'.", hint=f"The views are {' and '.join(VIEWS)}.")
    if not only:
        return VIEWS[view]
    known = {column.name: column for column in EXTENDED}
    folded = {name.lower(): name for name in known}
    for name in only:
        if name.lower() not in folded and not (name.startswith(PREFIX) and name != PREFIX):
            near = [folded[one] for one in get_close_matches(name.lower(), folded, n=3)]
            hint = f"Similar columns: {', '.join(near)}." if near else f"The columns are {', '.join(known)}."
            raise QueryError(f"There is no column '{name}'.", hint=hint)
    chosen = dict.fromkeys(name if name.startswith(PREFIX) else folded[name.lower()] for name in only)
    return tuple(known.get(name) or attribute_column(name[len(PREFIX) :]) for name in chosen)


def ids(facts: Facts, table: Sequence[Column]) -> Iterator[tuple[Kind, str]]:
    """The ids whose names these columns need for this conversation."""
    for column, fact in zip(table, facts.cells_of(table), strict=True):
        if column.names:
            for kind, entity_id in column.names(fact):
                if entity_id:
                    yield kind, entity_id


def row(facts: Facts, names: Names, table: Iterable[Column]) -> Row:
    """The values of these columns, in their order."""
    table = table if isinstance(table, tuple) else tuple(table)
    return tuple(
        [
            column.shown(fact, names) if column.shown else fact
            for column, fact in zip(table, facts.cells_of(table), strict=True)
        ]
    )
