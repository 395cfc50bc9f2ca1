"""CSV according to RFC 4180, in UTF-8, with a header line and a single line feed at the end of each line.

Instants are ISO 8601 with milliseconds, in UTC unless the style says otherwise. Seconds have three decimals, booleans
are `true` and `false`, several texts are joined by `|`, and an empty cell is nothing at all. A note with line breaks is
quoted, so a row can span lines: read it with a CSV reader.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from everycall import instants
from everycall.filesystem import File, Filesystem
from everycall.sinks.interface import Batch, Placed, Wanted
from everycall.sinks.style import PLAIN, Style
from everycall.sinks.window_files import Compression, WindowFiles, compressed, pieces
from everycall.tables.flat import Column, Row, Type

ID = "conversationId"
"""The column with the id of the conversation."""

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula. Source: OWASP, CSV Injection."""


_ENCODED = msgspec.json.Decoder(list[str | None])


def _instants(values: Sequence[datetime | None]) -> list[str | None]:
    """As `instants.text` formats them, but all by two calls: formatted one by one they took a sixth of an export."""
    encoded = _ENCODED.decode(msgspec.json.encode(values))
    return [text and _cut(text, value) for text, value in zip(encoded, values, strict=True)]


def _cut(text: str, value: datetime | None) -> str | None:
    """The text with three decimals in place of six or none; another way for instants that are not in UTC."""
    if len(text) == 27:  # 2026-01-05T00:00:00.123000Z
        return text[:23] + "Z"
    if len(text) == 20:
        return text[:19] + ".000Z"
    return None if value is None else instants.text(value)


def _local(zone: tzinfo) -> Callable[[datetime], str]:
    return lambda value: instants.local(value, zone).isoformat(timespec="milliseconds")


def defused(value: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{value}" if value.startswith(FORMULA_SIGNS) else value


Formatting = Callable[[Sequence[Any]], Sequence[str | None]]
"""Formats the values of one column."""


def _each(text: Callable[[Any], str]) -> Formatting:
    """Format the values of a column that are there one by one."""
    return lambda values: [None if value is None else text(value) for value in values]


_TEXTS: Mapping[Type, Formatting] = {
    "instant": _instants,
    "seconds": _each("{:.3f}".format),
    "boolean": _each(lambda value: "true" if value else "false"),
    "texts": _each("|".join),
}
"""Formats columns of the types that the csv module would write differently."""


def _texts_of(style: Style) -> Mapping[Type, Formatting]:
    """The functions that format columns in this style."""
    texts = dict(_TEXTS)
    if style.times == "local":
        texts["instant"] = _each(_local(style.zone))
    if style.defuse_formulas:
        texts["text"] = _each(defused)
        texts["texts"] = _each(lambda value: defused("|".join(value)))
    return texts


class CsvSink(WindowFiles):
    """CSV files."""

    wants: Wanted = "rows"

    def __init__(
        self,
        table: Sequence[Column],
        filesystem: Filesystem | None = None,
        compression: Compression = "",
        style: Style = PLAIN,
    ) -> None:
        """Write rows with these columns, by default to the disk of this machine."""
        super().__init__(compression, filesystem)
        self.name = self.format = f"csv.{compression}" if compression else "csv"
        self.suffix = f".rows.{compression}" if compression else ".rows"
        self._header = [column.name for column in table]
        self._id_at = self._header.index(ID) if ID in self._header else None
        texts = _texts_of(style)
        self._texts = [(index, texts[column.type]) for index, column in enumerate(table) if column.type in texts]

    def data(self, batch: Batch) -> Sequence[bytes]:
        """One line per row."""
        return (self.lines(batch.rows),)

    def head(self) -> bytes:
        """The header line."""
        return compressed(_lines([self._header]), self._compression)

    def lines(self, rows: Sequence[Row]) -> bytes:
        """One line per row."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, texts in self._texts if columns else ():
            columns[index] = texts(columns[index])
        return _lines(list(zip(*columns, strict=True)))

    def whole_rows(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield rows with their line feed; a line feed in quotes does not end a row."""
        row = b""
        for line in super().whole_rows(pieces):
            row += line
            if not row.count(b'"') % 2:
                yield row
                row = b""

    def id_of(self, row: bytes) -> str | None:
        """The conversationId; None if there is no such column."""
        if self._id_at is None:
            return None
        if self._id_at == 0 and not row.startswith(b'"'):
            return row.partition(b",")[0].rstrip(b"\n").decode()
        cells = next(csv.reader(io.StringIO(row.decode(), newline="")), [])
        if len(cells) != len(self._header):
            raise ValueError("it has another number of cells")
        return cells[self._id_at]

    def _is_intact(self, output: File, at: int, window: Placed) -> bool:
        """Whether bytes and number of rows are unchanged."""
        if self._compression:
            return super()._is_intact(output, at, window)
        digest, rows, is_quoted = hashlib.sha256(), 0, False
        for piece in pieces(output, at, window.size_bytes):
            digest.update(piece)
            for number, part in enumerate(piece.split(b'"')):  # a line feed in quotes does not end a row
                is_quoted ^= number > 0
                rows += 0 if is_quoted else part.count(b"\n")
        return digest.hexdigest() == window.sha256 and rows == window.rows


class PlainRows(CsvSink):
    """The same rows in the default style, for outputs that are made from them."""

    def __init__(self, table: Sequence[Column], filesystem: Filesystem | None = None) -> None:
        """Write rows with these columns, by default to the disk of this machine."""
        super().__init__(table, filesystem)
        self.name, self.suffix = "rows", ".plain"


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    r"""The rows as lines. The csv module quotes a carriage return only where it ends lines by one itself."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    text = buffer.getvalue()
    return (text if "\r" not in text else "".join(map(_line, rows))).encode()


def _line(row: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(row)
    return buffer.getvalue().removesuffix("\r\n") + "\n"
