"""A spreadsheet for people: times on the clocks of a zone, durations, a frozen and filtered header, no formulas.

It is made when it is published, from the flat rows of the windows. The first sheet has the rows; the second one says
what was exported, and whether it is proven; rows that do not fit into a sheet go on in further ones. The bytes depend
on the export alone: they do not contain when it was made.

Limits. Source: Microsoft, Excel specifications and limits: 1,048,576 rows, 32,767 characters in a cell. Dates begin in
1900, and numbers have 15 digits. What does not fit is cut or written as text, and counted in the second sheet.
"""

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from everycall import instants
from everycall.api.query import Interval
from everycall.filesystem import File, Filesystem
from everycall.manifest import Header, Manifest
from everycall.sinks.extras import extra
from everycall.sinks.files import FileDestination, sha256_of
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Damaged, Finished, Loaded
from everycall.sinks.window_files import BUFFER_BYTES
from everycall.tables.flat import Column, Type

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

ROWS_MAX = 1_048_575
"""Rows of a sheet below its header."""

TEXT_MAX = 32_767
"""Characters of a cell. A spreadsheet counts those outside the basic plane twice."""

WHOLE_MAX = 10**15

FIRST_YEAR = 1900

SHEET, ABOUT = "conversations", "about"

CREATED = datetime(1980, 1, 1, tzinfo=UTC)
"""In place of the time of making."""

TIME_FORMAT, DURATION_FORMAT = "yyyy-mm-dd hh:mm:ss", "[h]:mm:ss"

WIDTHS: Mapping[Type, int] = {"instant": 19, "seconds": 10, "integer": 9, "real": 9, "boolean": 9}
TEXT_WIDTH, ID_WIDTH = 24, 37

ZIP64_FROM_BYTES = 1 << 29
"""Of rows as CSV: the parts of the file may be larger than four gigabytes then, which needs an extension of zip."""

Cut: TypeAlias = Counter[str]
"""How many cells were cut or written as text, by the reason."""


class XlsxDestination(FileDestination):
    """One workbook."""

    def __init__(self, path: Path, maker: FormMaker, *, rows_max: int = ROWS_MAX) -> None:
        """Make a workbook at `path`, of the flat rows that `maker` has forms for.

        Raises:
            SettingsError: xlsxwriter is not installed.
        """
        with extra("xlsx"):
            import xlsxwriter  # noqa: PLC0415 - only for such outputs

        super().__init__(path, maker.plain_rows(), maker.filesystem)
        self.format = "xlsx"
        self._library, self._rows_max = xlsxwriter, rows_max
        self._columns, self._zone = maker.columns, maker.style.timezone
        self._tz = maker.style.zone

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse an existing file that belongs to another query or another zone, or was changed."""
        super().check_content(self._header(header), is_repair=is_repair)

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether the file is unchanged: it has one checksum, so windows cannot be distinguished."""
        is_there = self._filesystem.exists(self._at)
        is_intact = is_there and sha256_of(self._at, self._filesystem) == manifest.output.sha256
        return [is_intact] * len(manifest.windows)

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:  # noqa: ARG002
        """None: a workbook is made as a whole, so none of its windows is taken over."""
        return iter(())

    def _header(self, header: Header) -> Header:
        """The header of the workbook, whose times are always local, and which needs no apostrophes."""
        zone = "" if self._zone == "UTC" else self._zone
        return msgspec.structs.replace(header, local_times=zone, defuse_formulas=False)

    def _described(self, finished: Finished, size_bytes: int, sha256: str) -> Manifest:
        found = super()._described(finished, size_bytes, sha256)
        return msgspec.structs.replace(found, query=self._header(found.query))

    def _put_together(self, whole: Path, finished: Finished) -> tuple[int, str]:
        self._check_intact(finished.windows)
        with self._filesystem.open(whole, "wb") as file:
            self._write(file, finished)
            self._filesystem.sync(file)
        return self._filesystem.size(whole) or 0, sha256_of(whole, self._filesystem)

    def _check_intact(self, windows: Sequence[Loaded]) -> None:
        damaged = [
            loaded.window
            for loaded in windows
            if sha256_of(loaded.path(self._sink), self._filesystem) != loaded.written(self._sink).sha256
        ]
        if damaged:
            raise Damaged(damaged)

    def _write(self, file: File, finished: Finished) -> None:
        size = sum(loaded.written(self._sink).size_bytes for loaded in finished.windows)
        book = self._library.Workbook(file, {"constant_memory": True})
        if size > ZIP64_FROM_BYTES:
            book.use_zip64()
        book.set_properties({"title": "Conversations", "comments": "Made by everycall", "created": CREATED})
        bold = book.add_format({"bold": True, "bottom": 1})
        cells = _Cells(
            self._columns,
            self._tz,
            book.add_format({"num_format": TIME_FORMAT}),
            book.add_format({"num_format": DURATION_FORMAT}),
        )
        sheets = _Sheets(book.add_worksheet, self._columns, bold, self._rows_max)
        sheets.begin()
        about = book.add_worksheet(ABOUT)
        for row in self._rows(finished.windows):
            sheets.add(row, cells)
        sheets.end()
        manifest = self._described(finished, 0, "")
        _write_about(about, _about(manifest, self._zone, cells.cut, sheets.count), bold)
        book.close()

    def _rows(self, windows: Sequence[Loaded]) -> Iterator[Sequence[str]]:
        """The rows of all windows, as they are in their files."""
        csv.field_size_limit(sys.maxsize)  # a note may be longer than the default allows
        for loaded in windows:
            yield from csv.reader(_lines(loaded.path(self._sink), self._filesystem))


def _lines(path: Path, filesystem: Filesystem) -> Iterator[str]:
    rest = b""
    with filesystem.open(path, "rb") as file:
        while piece := file.read(BUFFER_BYTES):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode() + "\n"
    if rest:
        yield rest.decode()


class _Sheets:
    """The sheets with rows, one after the other."""

    def __init__(
        self, add: Callable[[str], "Worksheet"], columns: Sequence[Column], bold: "Format", rows_max: int
    ) -> None:
        self.count = 0
        self._add, self._columns, self._bold, self._rows_max = add, columns, bold, rows_max
        self._row = 0

    def begin(self) -> None:
        """Begin a sheet with its header."""
        self.count += 1
        self._sheet = self._add(SHEET if self.count == 1 else f"{SHEET} {self.count}")
        self._row = 0
        self._sheet.freeze_panes(1, 0)
        for at, column in enumerate(self._columns):
            width = WIDTHS.get(column.type, ID_WIDTH if column.name.endswith("Id") else TEXT_WIDTH)
            self._sheet.set_column(at, at, width)
            self._sheet.write_string(0, at, column.name, self._bold)

    def add(self, row: Sequence[str], cells: "_Cells") -> None:
        """Append a row."""
        if self._row == self._rows_max:
            self.end()
            self.begin()
        self._row += 1
        cells.write(self._sheet, self._row, row)

    def end(self) -> None:
        """Complete the sheet."""
        self._sheet.autofilter(0, 0, self._row, len(self._columns) - 1)


class _Cells:
    """Writes the cells of a row by the types of their columns."""

    def __init__(self, columns: Sequence[Column], zone: tzinfo, time: "Format", duration: "Format") -> None:
        self.cut: Cut = Counter()
        self._zone, self._time, self._duration = zone, time, duration
        writers: Mapping[Type, Callable[[Worksheet, int, int, str], None]] = {
            "instant": self._write_instant,
            "seconds": self._write_seconds,
            "integer": self._write_number,
            "real": self._write_number,
            "boolean": self._write_boolean,
        }
        self._writers = [writers.get(column.type, self._write_text) for column in columns]

    def write(self, sheet: "Worksheet", row: int, values: Sequence[str]) -> None:
        """Write a row; an empty value leaves its cell empty."""
        for at, (value, write) in enumerate(zip(values, self._writers, strict=True)):
            if value:
                write(sheet, row, at, value)

    def _write_text(self, sheet: "Worksheet", row: int, at: int, value: str) -> None:
        text = _fitting(value)
        self.cut["texts cut to 32,767 characters"] += text is not value
        sheet.write_string(row, at, text)

    def _write_instant(self, sheet: "Worksheet", row: int, at: int, value: str) -> None:
        local = instants.local(datetime.fromisoformat(value), self._zone).replace(tzinfo=None)
        if local.year < FIRST_YEAR:
            self._as_text(sheet, row, at, value, "times before 1900 as text")
        else:
            sheet.write_number(row, at, _serial(local), self._time)

    def _write_seconds(self, sheet: "Worksheet", row: int, at: int, value: str) -> None:
        seconds = float(value)
        if seconds < 0:  # shown as ####
            self._as_text(sheet, row, at, value, "negative durations as text, in seconds")
        else:
            sheet.write_number(row, at, seconds / 86_400, self._duration)

    def _write_number(self, sheet: "Worksheet", row: int, at: int, value: str) -> None:
        if abs(float(value)) >= WHOLE_MAX:
            self._as_text(sheet, row, at, value, "numbers with more than 15 digits as text")
        else:
            sheet.write_number(row, at, float(value))

    def _write_boolean(self, sheet: "Worksheet", row: int, at: int, value: str) -> None:
        sheet.write_boolean(row, at, value == "true")

    def _as_text(self, sheet: "Worksheet", row: int, at: int, value: str, reason: str) -> None:
        self.cut[reason] += 1
        sheet.write_string(row, at, value)


def _fitting(value: str) -> str:
    """The beginning of a text that fits into a cell."""
    if len(value) * 2 <= TEXT_MAX or len(value.encode("utf-16-le")) <= 2 * TEXT_MAX:
        return value
    return value.encode("utf-16-le")[: 2 * TEXT_MAX].decode("utf-16-le", "ignore")


_ORIGIN = datetime(1899, 12, 31)
_NO_LEAP_DAY = datetime(1900, 3, 1)


def _serial(local: datetime) -> float:
    """The number of a day and time in a spreadsheet, which takes 1900 for a leap year."""
    return (local - _ORIGIN) / timedelta(days=1) + (local >= _NO_LEAP_DAY)


# The second sheet


def _about(manifest: Manifest, zone: str, cut: Cut, sheets: int) -> Iterator[tuple[str, str]]:
    """What was exported, as names and texts."""
    query = manifest.query
    yield "exported from", query.source
    yield "interval (UTC)", manifest.interval
    yield "asked", msgspec.json.encode(query.asked).decode()
    yield "filters", msgspec.json.encode(query.filters).decode() if query.filters else "none"
    yield "conversations", f"{manifest.rows:,}{f', in {sheets} sheets' if sheets > 1 else ''}"
    yield "times", f"on the clocks of {zone}; durations in hours, minutes and seconds"
    yield "verdict", _VERDICTS[manifest.verdict]
    yield "as of", manifest.proven_as_of or ""
    for name, windows in (
        ("not proven", manifest.unproven), ("not read", manifest.unread), ("not kept by the org", manifest.not_kept)
    ):  # fmt: skip
        yield from ((name, window) for window in windows)
    if manifest.provisional_from is not None:
        rows = f"{manifest.provisional_rows:,} conversations since {manifest.provisional_from}"
        yield "provisional", f"{rows}: wrap-ups and the nightly rebuild may still change them"
    yield "without an end yet", f"{manifest.open:,}"
    for kind, reason in sorted(manifest.names_unavailable.items()):
        yield f"names of {kind}", f"ids instead: {reason}"
    for reason, count in sorted(cut.items()):
        if count:
            yield "cells that did not fit", f"{count:,} {reason}"
    yield "made by", f"everycall {query.everycall}"


_VERDICTS = {
    "proven": "proven: no conversation is missing, and none is there twice",
    "unproven": "NOT PROVEN: conversations may be missing in the windows named below",
    "unknown": "unknown: made from an archive without a manifest, nobody has counted",
}


def _write_about(sheet: "Worksheet", lines: Iterator[tuple[str, str]], bold: Any) -> None:
    sheet.set_column(0, 0, TEXT_WIDTH)
    sheet.set_column(1, 1, 100)
    for row, (name, text) in enumerate(lines):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, _fitting(text))
