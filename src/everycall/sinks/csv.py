"""CSV as RFC 4180 has it, in UTF-8, with a header line and lines that end in a single line feed.

Instants are UTC ISO 8601 with milliseconds, seconds have three decimals, booleans are `true` and `false`, several
texts are joined by `|`, and an empty cell is nothing at all. A note with line breaks is quoted, so a row can span
lines: read it with a CSV reader.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from everycall import instants
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.sinks import lines
from everycall.sinks.interface import Writable
from everycall.sinks.lines import LinePart
from everycall.tables.flat import Column, Row, Type


def _instant(value: datetime) -> str:
    return instants.text(value)


_CELLS: Mapping[Type, Callable[[Any], str]] = {
    "text": str,
    "instant": _instant,
    "seconds": "{:.3f}".format,
    "integer": str,
    "real": str,
    "boolean": lambda value: "true" if value else "false",
    "texts": "|".join,
}


class CsvSink:
    """One CSV file."""

    kind = "csv"

    def __init__(self, table: Sequence[Column], filesystem: Filesystem | None = None) -> None:
        """Rows with these columns; on the machine's disk unless told otherwise."""
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._header = [column.name for column in table]
        self._cells = [_CELLS[column.type] for column in table]

    def part(self, path: Path) -> LinePart:
        """See `Sink.part`."""
        return LinePart(path, self.lines, self._filesystem)

    def head(self) -> bytes:
        """The header line."""
        return _line(csv.writer(buffer := io.StringIO()), buffer, self._header)

    def lines(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """One line per row."""
        writer = csv.writer(buffer := io.StringIO())
        for row in rows:
            texts = ["" if value is None else cell(value) for cell, value in zip(self._cells, row, strict=True)]
            yield _line(writer, buffer, texts)

    def append(self, part: Path, output: Writable) -> None:
        """See `Sink.append`."""
        lines.append(part, output, self._filesystem)


def _line(writer: Any, buffer: io.StringIO, texts: Sequence[str]) -> bytes:
    r"""One line. The writer ends it by \r\n, since it quotes only those line breaks that it ends lines by itself."""
    writer.writerow(texts)
    line = buffer.getvalue().removesuffix("\r\n").encode() + b"\n"
    buffer.seek(0)
    buffer.truncate()
    return line
