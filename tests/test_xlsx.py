"""Spreadsheets: what people see in them, and what the tools that they use make of them."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from everycall import OutputRefused
from everycall.api.interval import Interval
from everycall.filesystem import SystemFilesystem
from everycall.ledger import Ledger
from everycall.manifest import Entry, Header, Manifest, Output, WindowLoaded, WindowRead
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Batch
from everycall.sinks.style import Style
from everycall.sinks.xlsx import TEXT_MAX, XlsxDestination
from everycall.store import Store
from everycall.tables.flat import Column, Row, columns
from everycall.verification import repair, verify
from inprocess import WEEK, manifest_of, org, read_csv
from needing import needs

BERLIN = Style(timezone="Europe/Berlin")
NOW = "2026-01-07T00:00:00.000Z"
MONDAY = Interval.read("2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z")


def column(name: str, type_: Any) -> Column:
    return Column(name, type_, "", (), lambda _: None)


TABLE = tuple(column(type_, type_) for type_ in ("text", "instant", "seconds", "integer", "real", "boolean", "texts"))


def made(path: Path, *rows: Row, table: Sequence[Column] = TABLE, rows_max: int = 1000) -> Any:
    """The workbook of these rows, all of one window."""
    maker = FormMaker(tuple(table), SystemFilesystem(), style=BERLIN)
    destination = XlsxDestination(path, maker, rows_max=rows_max)
    header = Header(
        everycall="1", source="api.example.com", client_id="c", interval=str(MONDAY), begun_at=NOW,
        asked={"last": "1d"}, filters={}, match="start", format="xlsx", columns=tuple(each.name for each in table),
    )  # fmt: skip
    ledger = Ledger([destination], header)
    read = WindowRead(
        interval=str(MONDAY), route="query", verdict="proven", hits_before=len(rows), hits_after=len(rows),
        unique_ids=len(rows), owned=len(rows), carried_in=0, open=0, re_reads=0, provisional=True,
        counted_at=NOW,
    )  # fmt: skip
    (form,) = destination.forms
    writer = form.writer(ledger.path(MONDAY, form.suffix))
    writer.write(Batch(rows))
    ledger.commit_read(read)
    ledger.commit_loaded(WindowLoaded(interval=str(MONDAY), rows=len(rows), written={form.name: writer.close()}))
    ledger.finish(lambda header, name, size, sha: described(ledger, header, name, size, sha))
    return openpyxl.load_workbook(path)


def described(store: Store, header: Header, form: str, size_bytes: int, sha256: str) -> Manifest:
    entries = [Entry.of(store.read[interval], loaded, form) for interval, loaded in store.loaded.items()]
    output = Output(format=header.format, size_bytes=size_bytes, sha256=sha256)
    return Manifest.of(
        header, entries, unread=(), not_kept=(), started_at="", finished_at="", output=output
    )  # fmt: skip


def about(book: Any) -> dict[str, str]:
    return dict(book["about"].iter_rows(values_only=True))


def row(**values: Any) -> Row:
    return tuple(values.get(each.name) for each in TABLE)


def test_values_have_the_types_of_their_columns(tmp_path: Path) -> None:
    start = datetime(2026, 1, 5, 8, tzinfo=UTC)
    whole = row(text="00123", instant=start, seconds=90.5, integer=3, real=4.25, boolean=True, texts=("a", "b"))
    (found,) = made(tmp_path / "a.xlsx", whole)["conversations"].iter_rows(min_row=2, values_only=True)

    assert found == ("00123", datetime(2026, 1, 5, 9), timedelta(seconds=90.5), 3, 4.25, True, "a|b")


def test_durations_of_more_than_a_day_are_shown_in_hours(tmp_path: Path) -> None:
    sheet = made(tmp_path / "a.xlsx", row(seconds=100_000.0))["conversations"]

    assert sheet["C2"].number_format == "[h]:mm:ss"
    assert sheet["C2"].value == timedelta(seconds=100_000)


def test_empty_values_are_empty_cells(tmp_path: Path) -> None:
    (found,) = made(tmp_path / "a.xlsx", row(text="x"))["conversations"].iter_rows(min_row=2, values_only=True)

    assert found == ("x", *[None] * 6)


@pytest.mark.parametrize(
    "text", ["=1+1", "+12025550123", "-5", "@SUM(A1)", "12345678901234567890", "{=1}", "http://a.b"]
)
def test_no_text_becomes_a_formula_a_number_or_a_link(tmp_path: Path, text: str) -> None:
    cell = made(tmp_path / "a.xlsx", row(text=text))["conversations"]["A2"]

    assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


def test_the_header_is_frozen_and_filtered(tmp_path: Path) -> None:
    sheet = made(tmp_path / "a.xlsx", row(text="a"), row(text="b"))["conversations"]

    assert [cell.value for cell in sheet[1]] == [each.name for each in TABLE]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:G3")


def test_rows_that_do_not_fit_go_on_in_further_sheets(tmp_path: Path) -> None:
    book = made(tmp_path / "a.xlsx", *(row(text=str(number)) for number in range(5)), rows_max=2)

    assert book.sheetnames == ["conversations", "about", "conversations 2", "conversations 3"]
    assert [book[name].auto_filter.ref for name in book.sheetnames if name != "about"] == ["A1:G3", "A1:G3", "A1:G2"]
    cells = [cell.value for name in book.sheetnames if name != "about" for cell in book[name]["A"][1:]]
    assert cells == ["0", "1", "2", "3", "4"]
    assert about(book)["conversations"] == "5, in 3 sheets"


def test_what_no_cell_can_hold_is_cut_or_written_as_text_and_counted(tmp_path: Path) -> None:
    old, emoji = datetime(1899, 12, 31, 22, 59, tzinfo=UTC), "\N{GRINNING FACE}"
    book = made(
        tmp_path / "a.xlsx",
        row(text="x" * (TEXT_MAX + 1), instant=old, seconds=-1.0, integer=10**16),
        row(text=emoji * TEXT_MAX),
        row(text="x" * TEXT_MAX, instant=datetime(1900, 1, 1, tzinfo=UTC)),
    )  # fmt: skip
    first, second, third = book["conversations"].iter_rows(min_row=2, values_only=True)

    assert first[:4] == ("x" * TEXT_MAX, "1899-12-31T22:59:00.000Z", "-1.000", str(10**16))
    assert second[0] == emoji * (TEXT_MAX // 2)
    assert third[:2] == ("x" * TEXT_MAX, datetime(1900, 1, 1, 1))
    counts = [text for name, text in book["about"].iter_rows(values_only=True) if name == "cells that did not fit"]
    assert counts == [
        "1 negative durations as text, in seconds",
        "1 numbers with more than 15 digits as text",
        "2 texts cut to 32,767 characters",
        "1 times before 1900 as text",
    ]


def test_control_characters_and_quoted_lines_survive(tmp_path: Path) -> None:
    text = 'a "quoted"\nnote, with\ttabs, \x07 and _x0041_'
    cell = made(tmp_path / "a.xlsx", row(text=text))["conversations"]["A2"]

    assert openpyxl.utils.escape.unescape(cell.value) == text


def test_the_second_sheet_tells_what_was_exported_and_whether_it_is_proven(tmp_path: Path) -> None:
    found = about(made(tmp_path / "a.xlsx", row(text="a")))

    assert found["exported from"] == "api.example.com"
    assert found["interval (UTC)"] == str(MONDAY)
    assert found["verdict"].startswith("proven: no conversation is missing")
    assert found["as of"] == "2026-01-07T00:00:00.000Z"
    assert found["provisional"].startswith("1 conversations since 2026-01-05T00:00:00.000Z")
    assert found["times"] == "on the clocks of Europe/Berlin; durations in hours, minutes and seconds"


# Whole exports


def test_the_rows_of_an_export_are_those_of_the_csv(tmp_path: Path) -> None:
    where = org(conversations_per_day=60)
    outputs = [tmp_path / "out.csv", tmp_path / "out.xlsx"]
    where.export(outputs, WEEK, view="extended", style=Style("local", "America/New_York", True))
    sheet = openpyxl.load_workbook(outputs[1])["conversations"]
    wanted = read_csv(outputs[0])

    assert len(wanted) == sheet.max_row - 1 > 200
    for cells, texts in zip(sheet.iter_rows(min_row=2, values_only=True), wanted, strict=True):
        for value, each in zip(cells, columns("extended"), strict=True):
            assert as_in_csv(value, each.type) == without_style(texts[each.name], each.type), each.name


def as_in_csv(value: Any, type_: str) -> Any:
    if value is None:
        return ""
    if type_ == "instant":
        return value.replace(microsecond=round(value.microsecond, -3) % 1_000_000)
    if type_ == "real":  # a spreadsheet keeps 16 digits
        return round(value, 10)
    return round(value.total_seconds(), 3) if type_ == "seconds" else value


def without_style(text: str, type_: str) -> Any:
    if not text:
        return ""
    if type_ == "instant":
        return datetime.fromisoformat(text).replace(tzinfo=None)
    if type_ == "boolean":
        return text == "true"
    return round(float(text), 10) if type_ in ("seconds", "integer", "real") else text.removeprefix("'")


def test_the_same_export_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        org(conversations_per_day=20).export(tmp_path / name, WEEK)

    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_another_zone_at_the_same_place_is_refused(tmp_path: Path) -> None:
    where = org(conversations_per_day=20)
    where.export(tmp_path / "a.xlsx", WEEK, style=BERLIN)

    with pytest.raises(OutputRefused, match='localTimes: "Europe/Berlin" there, nothing now'):
        where.export(tmp_path / "a.xlsx", WEEK)
    assert manifest_of(tmp_path / "a.xlsx")["query"]["localTimes"] == "Europe/Berlin"


def test_a_spreadsheet_is_verified_as_a_whole_and_cannot_be_repaired(tmp_path: Path) -> None:
    where = org(conversations_per_day=20)
    where.export(tmp_path / "a.xlsx", WEEK)
    assert verify(where.client, tmp_path / "a.xlsx").holds

    with (tmp_path / "a.xlsx").open("ab") as file:
        file.write(b"x")
    found = verify(where.client, tmp_path / "a.xlsx")
    assert {finding.state for finding in found.findings} == {"damaged"}
    with pytest.raises(OutputRefused, match="only be made as a whole"):
        repair(where.client, found)


def test_without_the_library_the_error_names_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['xlsxwriter'] = None; import everycall.cli; everycall.cli.main()"
    command = [sys.executable, "-c", code, "convert", "-", "-o", str(tmp_path / "a.xlsx")]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "pip install 'everycall[xlsx]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_libreoffice_shows_dates_as_dates_and_durations_as_durations(tmp_path: Path) -> None:
    soffice = needs(shutil.which("soffice"), "LibreOffice Calc")
    start = datetime(2026, 7, 5, 8, tzinfo=UTC)
    made(tmp_path / "a.xlsx", row(text="=1+1", instant=start, seconds=100_000.0, texts=("a", "b")))
    as_shown = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    command = [
        soffice,
        home,
        "--headless",
        "--convert-to",
        as_shown,
        "--outdir",
        str(tmp_path),
        str(tmp_path / "a.xlsx"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        _, found = csv.reader(file)

    assert found == ["=1+1", "2026-07-05 10:00:00", "27:46:40", "", "", "", "a|b"]
