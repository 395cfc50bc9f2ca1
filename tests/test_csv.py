import csv
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Key
from everycall.tables.flat import VIEWS, Column, Type, Value

TEXTS = st.text()


def column(kind: Type, name: str = "c") -> Column:
    return Column(name, kind, "", (), lambda _: None)


def cell(kind: Type, value: Value) -> str:
    """The line of a row with that cell and a second one, less the second one."""
    (line,) = CsvSink([column(kind), column("text")]).lines([(value, "x")])
    return line.decode().removesuffix(",x\n")


def test_the_header_names_the_columns_in_their_order() -> None:
    assert CsvSink(VIEWS["default"]).head() == (
        b"conversationId,channel,startTime,endTime,duration,queueName,agentName,disposition\n"
    )


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("text", "Müller & Söhne 😀", "Müller & Söhne 😀"),
        ("text", 'say "so", please', '"say ""so"", please"'),
        ("text", "two\nlines", '"two\nlines"'),
        ("instant", datetime(2026, 1, 5, 8, 0, 0, 7000, UTC), "2026-01-05T08:00:00.007Z"),
        ("instant", datetime(2026, 1, 5, 8, tzinfo=timezone(timedelta(hours=1))), "2026-01-05T07:00:00.000Z"),
        ("seconds", 300.0, "300.000"),
        ("seconds", 0.007, "0.007"),
        ("seconds", 5_169_510.497, "5169510.497"),
        ("integer", 3, "3"),
        ("real", 4.123456789012345, "4.123456789012345"),
        ("boolean", True, "true"),
        ("boolean", False, "false"),
        ("texts", ("a", "b"), "a|b"),
        ("texts", (), ""),
        ("text", None, ""),
        ("instant", None, ""),
        ("seconds", None, ""),
        ("boolean", None, ""),
    ],
)
def test_a_cell_is_written_by_its_type(kind: Type, value: Value, written: str) -> None:
    assert cell(kind, value) == written


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5))
@example([("a\rb", "\r", "\r\n")])
@example([('"', ",", "\n")])
def test_whatever_a_text_holds_a_reader_gets_it_back(rows: list[tuple[str, str, str]]) -> None:
    sink = CsvSink([column("text", name) for name in "abc"])
    data = b"".join([sink.head(), *sink.lines(rows)]).decode()

    assert list(csv.reader(StringIO(data, newline=""))) == [["a", "b", "c"], *map(list, rows)]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_table_of_one_column_has_no_line_that_looks_like_none(texts: list[str]) -> None:
    sink = CsvSink([column("text")])
    data = b"".join(sink.lines((text,) for text in texts)).decode()

    assert list(csv.reader(StringIO(data, newline=""))) == [[text] for text in texts]


def test_a_part_is_what_stands_in_the_output(tmp_path: Path) -> None:
    sink = CsvSink([column("text"), column("text")])
    part = sink.part(tmp_path / "a.part")
    part.add(1, [(Key(1, bytes(16)), ("one", "two"))])
    part.seal((1,))
    output = BytesIO()
    sink.append(tmp_path / "a.part", output)

    assert output.getvalue() == b"one,two\n"


def test_every_column_s_type_has_a_way_to_be_written() -> None:
    for table in VIEWS.values():
        (line,) = CsvSink(table).lines([(None,) * len(table)])
        assert line == b"," * (len(table) - 1) + b"\n"
