"""CSV according to RFC 4180, in UTF-8, with a header line and a single line feed at the end of each line.

Instants are UTC ISO 8601 with milliseconds, seconds have three decimals, booleans are `true` and `false`, several
texts are joined by `|`, and an empty cell is nothing at all. A note with line breaks is quoted, so a row can span
lines: read it with a CSV reader.
"""

import csv
import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from everycall import instants
from everycall.filesystem import File, Filesystem, SystemFilesystem
from everycall.sinks.interface import Placed, Writable, Written
from everycall.tables.flat import Column, Row, Type

BUFFER_BYTES = 1 << 20


def _instant(value: datetime) -> str:
    return instants.text(value)


_TEXTS: Mapping[Type, Callable[[Any], str]] = {
    "instant": _instant,
    "seconds": "{:.3f}".format,
    "boolean": lambda value: "true" if value else "false",
    "texts": "|".join,
}
"""Formats values of the types that the csv module would write differently."""


class CsvSink:
    """One CSV file."""

    format = "csv"

    def __init__(self, table: Sequence[Column], filesystem: Filesystem | None = None) -> None:
        """Write rows with these columns, by default to the disk of this machine."""
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._header = [column.name for column in table]
        self._texts = [(index, _TEXTS[column.type]) for index, column in enumerate(table) if column.type in _TEXTS]

    def writer(self, path: Path) -> "CsvWriter":
        """Begin to write a window to a new file at `path`."""
        return CsvWriter(self, path, self._filesystem)

    def head(self) -> bytes:
        """The header line."""
        return _lines([self._header])

    def lines(self, rows: Sequence[Row]) -> bytes:
        """One line per row."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, text in self._texts if columns else ():
            columns[index] = [None if value is None else text(value) for value in columns[index]]
        return _lines(list(zip(*columns, strict=True)))

    def append(self, path: Path, output: Writable) -> None:
        """Append a window's file to the output, through one buffer."""
        with self._filesystem.open(path, "rb") as rows:
            shutil.copyfileobj(rows, output, BUFFER_BYTES)

    def intact(self, output: File, length: int, windows: Sequence[Placed]) -> Iterator[bool]:
        """Whether each window's bytes are unchanged and have the right number of rows."""
        is_whole = output.read(len(self.head())) == self.head()
        for window, at in zip(windows, self._offsets(windows), strict=False):
            is_there = window.size_bytes <= max(0, length - at)
            is_followed = window is windows[-1] and at + window.size_bytes < length
            yield is_whole and is_there and not is_followed and _is_intact(output, at, window)

    def extract(self, output: File, windows: Sequence[Placed], number: int, path: Path) -> None:
        """Copy one window's rows from the output to a file at `path`, durably."""
        at = list(self._offsets(windows))[number]
        with self._filesystem.open(path, "wb") as rows:
            for piece in _pieces(output, at, windows[number].size_bytes):
                rows.write(piece)
            self._filesystem.sync(rows)

    def _offsets(self, windows: Sequence[Placed]) -> Iterator[int]:
        """The offsets of the windows' rows in the output."""
        return accumulate((window.size_bytes for window in windows), initial=len(self.head()))


class CsvWriter:
    """Writes one window's rows as CSV."""

    def __init__(self, sink: CsvSink, path: Path, filesystem: Filesystem) -> None:
        """Open a new file at `path`."""
        self._sink, self._path, self._filesystem = sink, path, filesystem
        self._file: File = filesystem.open(path, "wb")
        self._rows = self._size_bytes = 0
        self._digest = hashlib.sha256()

    def write(self, rows: Sequence[Row]) -> None:
        """Append some rows."""
        lines = self._sink.lines(rows)
        self._file.write(lines)
        self._digest.update(lines)
        self._rows += len(rows)
        self._size_bytes += len(lines)

    def close(self) -> Written:
        """Make the rows durable."""
        self._filesystem.sync(self._file)
        self._file.close()
        return Written(self._rows, self._size_bytes, self._digest.hexdigest())

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # closing writes the buffer, which fails again if the disk is full
            self._file.close()
        self._filesystem.unlink(self._path)


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


def _is_intact(output: File, at: int, window: Placed) -> bool:
    digest, rows, is_quoted = hashlib.sha256(), 0, False
    for piece in _pieces(output, at, window.size_bytes):
        digest.update(piece)
        for number, part in enumerate(piece.split(b'"')):  # a line feed in quotes does not end a row
            is_quoted ^= number > 0
            rows += 0 if is_quoted else part.count(b"\n")
    return digest.hexdigest() == window.sha256 and rows == window.rows


def _pieces(file: File, at: int, size_bytes: int) -> Iterator[bytes]:
    if size_bytes:
        file.seek(at)
    while size_bytes and (piece := file.read(min(size_bytes, BUFFER_BYTES))):
        size_bytes -= len(piece)
        yield piece
