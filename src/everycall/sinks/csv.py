"""CSV according to RFC 4180, in UTF-8, with a header line and a single line feed at the end of each line.

Instants are UTC ISO 8601 with milliseconds, seconds have three decimals, booleans are `true` and `false`, several
texts are joined by `|`, and an empty cell is nothing at all. A note with line breaks is quoted, so a row can span
lines: read it with a CSV reader.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from everycall import instants
from everycall.filesystem import File, Filesystem
from everycall.sinks.interface import Batch, Placed, Wanted
from everycall.sinks.window_files import Compression, WindowFiles, compressed, pieces
from everycall.tables.flat import Column, Row, Type


def _instant(value: datetime) -> str:
    return instants.text(value)


_TEXTS: Mapping[Type, Callable[[Any], str]] = {
    "instant": _instant,
    "seconds": "{:.3f}".format,
    "boolean": lambda value: "true" if value else "false",
    "texts": "|".join,
}
"""Formats values of the types that the csv module would write differently."""


class CsvSink(WindowFiles):
    """CSV files."""

    wants: Wanted = "rows"

    def __init__(
        self, table: Sequence[Column], filesystem: Filesystem | None = None, compression: Compression = ""
    ) -> None:
        """Write rows with these columns, by default to the disk of this machine."""
        super().__init__(compression, filesystem)
        self.name = self.format = f"csv.{compression}" if compression else "csv"
        self.suffix = f".rows.{compression}" if compression else ".rows"
        self._header = [column.name for column in table]
        self._texts = [(index, _TEXTS[column.type]) for index, column in enumerate(table) if column.type in _TEXTS]

    def data(self, batch: Batch) -> bytes:
        """One line per row."""
        return self.lines(batch.rows)

    def head(self) -> bytes:
        """The header line."""
        return compressed(_lines([self._header]), self._compression)

    def lines(self, rows: Sequence[Row]) -> bytes:
        """One line per row."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, text in self._texts if columns else ():
            columns[index] = [None if value is None else text(value) for value in columns[index]]
        return _lines(list(zip(*columns, strict=True)))

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
