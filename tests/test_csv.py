import csv
import hashlib
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everycall import Interval
from everycall.filesystem import SystemFilesystem
from everycall.instants import text
from everycall.manifest import Written
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Batch, Placed
from everycall.sinks.window_files import BUFFER_BYTES
from everycall.tables.flat import VIEWS, Column, Type, Value
from simulation.disk import SimDisk

TEXTS = st.text()


def column(kind: Type, name: str = "c") -> Column:
    return Column(name, kind, "", (), lambda _: None)


def cell(kind: Type, value: Value) -> str:
    """The line of a row with that cell and a second one, less the second one."""
    return CsvSink([column(kind), column("text")]).lines([(value, "x")]).decode().removesuffix(",x\n")


@given(st.lists(st.none() | st.datetimes(timezones=st.timezones() | st.just(UTC)), max_size=9))
def test_instants_of_a_column_are_written_as_one_by_one(values: list[datetime | None]) -> None:
    values = [value for value in values if value is None or 1 < value.year < 9999]
    lines = CsvSink([column("instant"), column("text")]).lines([(value, "x") for value in values])

    assert lines.decode().splitlines() == [f"{'' if value is None else text(value)},x" for value in values]


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
def test_a_csv_reader_gets_any_text_back_unchanged(rows: list[tuple[str, str, str]]) -> None:
    sink = CsvSink([column("text", name) for name in "abc"])
    data = (sink.head() + sink.lines(rows)).decode()

    assert list(csv.reader(StringIO(data, newline=""))) == [["a", "b", "c"], *map(list, rows)]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_an_empty_cell_in_a_table_of_one_column_is_not_an_empty_line(texts: list[str]) -> None:
    """Readers of CSV skip empty lines, so the cell is quoted."""
    sink = CsvSink([column("text")])
    data = sink.lines([(text,) for text in texts]).decode()

    assert list(csv.reader(StringIO(data, newline=""))) == [[text] for text in texts]


@given(st.lists(TEXTS, max_size=8), st.integers(1, 8))
def test_the_size_of_a_batch_does_not_change_the_lines(texts: list[str], size: int) -> None:
    """A carriage return in one of them makes another way to write all of them."""
    sink = CsvSink([column("text")])
    pieces = [sink.lines([(text,) for text in texts[at : at + size]]) for at in range(0, len(texts), size)]

    assert b"".join(pieces) == sink.lines([(text,) for text in texts])


def test_writing_does_not_change_the_rows() -> None:
    row = (datetime(2026, 1, 5, tzinfo=UTC), ["a", "b"])
    CsvSink([column("instant"), column("texts")]).lines([row])  # type: ignore[list-item]

    assert row == (datetime(2026, 1, 5, tzinfo=UTC), ["a", "b"])


def test_every_type_of_a_column_can_be_written() -> None:
    for table in VIEWS.values():
        assert CsvSink(table).lines([(None,) * len(table)]) == b"," * (len(table) - 1) + b"\n"


# A window's file

SINK = CsvSink([column("text"), column("text")])


def written(path: Path, *batches: list[tuple[str, str]]) -> Written:
    writer = SINK.writer(path)
    for rows in batches:
        writer.write(Batch(rows))
    return writer.close()


def test_a_written_window_has_its_length_and_checksum(tmp_path: Path) -> None:
    found = written(tmp_path / "a.rows", [("ä", "1"), ("two\nlines", "2")], [], [("b", "3")])
    data = 'ä,1\n"two\nlines",2\nb,3\n'.encode()

    assert (tmp_path / "a.rows").read_bytes() == data
    assert found == Written(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_a_window_without_rows_can_be_written(tmp_path: Path) -> None:
    assert written(tmp_path / "a.rows") == Written(size_bytes=0, sha256=hashlib.sha256(b"").hexdigest())
    assert (tmp_path / "a.rows").read_bytes() == b""


def test_a_window_that_is_written_again_replaces_the_first(tmp_path: Path) -> None:
    written(tmp_path / "a.rows", [("longer than the second", "1")])
    written(tmp_path / "a.rows", [("b", "2")])

    assert (tmp_path / "a.rows").read_bytes() == b"b,2\n"


def test_a_window_that_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    writer = SINK.writer(tmp_path / "a.rows")
    writer.write(Batch([("a", "b")]))
    writer.discard()
    writer.discard()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_closed_window_survives_a_power_cut(seed: int) -> None:
    """Its name is the ledger's business."""
    path = Path("/out/a.rows")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [path.parent])
    writer = CsvSink([column("text")], filesystem).writer(path)
    writer.write(Batch([("here",)]))
    writer.close()
    filesystem.sync_folder(path.parent)
    filesystem.power_cut()

    assert filesystem.content(path) == b"here\n"


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Batch
from everycall.tables.flat import Column

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
writer = CsvSink([Column("a", "text", "", (), lambda _: None)]).writer(Path(sys.argv[1]) / "a.rows")
try:
    writer.write(Batch([("x" * 50000,)]))
    writer.close()
except OSError:
    writer.discard()
    print("discarded")
"""


def test_a_window_on_a_full_disk_can_still_be_discarded(tmp_path: Path) -> None:
    """What was not written yet must not be written once more by the close, which would fail again."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("discarded\n", 0), done.stderr
    assert list(tmp_path.iterdir()) == []


# The output


def test_the_file_of_a_window_is_appended_to_the_output_unchanged(tmp_path: Path) -> None:
    written(tmp_path / "a.rows", [("one", "two")])
    output = BytesIO()
    SINK.append(tmp_path / "a.rows", output)

    assert output.getvalue() == b"one,two\n"


def test_windows_are_put_together_through_a_buffer(tmp_path: Path) -> None:
    (tmp_path / "a.rows").write_bytes(b"x" * (3 * BUFFER_BYTES + 5))
    pieces: list[int] = []

    class Counting(BytesIO):
        def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
            pieces.append(len(data))
            return super().write(data)

    output = Counting()
    SINK.append(tmp_path / "a.rows", output)

    assert len(output.getvalue()) == 3 * BUFFER_BYTES + 5
    assert max(pieces) <= BUFFER_BYTES


DAYS = [[("a", "1"), ("two\nlines", "2")], [], [("c\r", '"')]]
"""The rows of three windows, the second of which has none."""


def output_of(folder: Path) -> tuple[Path, list[Placed]]:
    """An output of three windows, and where they stand in it."""
    path, placed = folder / "out.csv", []
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    with path.open("wb") as output:
        output.write(SINK.head())
        for number, rows in enumerate(DAYS):
            found = written(folder / "a.rows", rows)
            SINK.append(folder / "a.rows", output)
            window = Interval(midnight + timedelta(days=number), midnight + timedelta(days=number + 1))
            placed.append(Placed(window, len(rows), found.size_bytes, found.sha256))
    return path, placed


def intact(path: Path, placed: list[Placed]) -> list[bool]:
    with SystemFilesystem().open(path, "rb") as file:
        return list(SINK.intact(file, path.stat().st_size, placed))


def test_an_unchanged_output_is_intact(tmp_path: Path) -> None:
    assert intact(*output_of(tmp_path)) == [True, True, True]


@pytest.mark.parametrize(("at", "expected"), [(0, [False] * 3), (5, [False, True, True]), (-2, [True, True, False])])
def test_a_changed_byte_damages_its_window_and_in_the_header_all_windows(
    tmp_path: Path, at: int, expected: list[bool]
) -> None:
    path, placed = output_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)

    assert intact(path, placed) == expected


@pytest.mark.parametrize(("cut", "expected"), [(1, [True, True, False]), (12, [False, True, False])])
def test_a_cut_damages_the_windows_after_it(tmp_path: Path, cut: int, expected: list[bool]) -> None:
    """A window without rows has nothing to lose."""
    path, placed = output_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])

    assert intact(path, placed) == expected


def test_bytes_added_at_the_end_damage_the_last_window(tmp_path: Path) -> None:
    path, placed = output_of(tmp_path)
    with path.open("ab") as output:
        output.write(b"d,4\n")

    assert intact(path, placed) == [True, True, False]


def test_a_wrong_number_of_rows_is_found(tmp_path: Path) -> None:
    path, (first, *others) = output_of(tmp_path)
    edited = replace(first, rows=3)  # a line feed in quotes ends no row

    assert intact(path, [edited, *others]) == [False, True, True]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_window_s_rows_can_be_copied_out_of_the_output(tmp_path: Path, number: int) -> None:
    path, placed = output_of(tmp_path)
    with SystemFilesystem().open(path, "rb") as file:
        SINK.extract(file, placed, number, tmp_path / "copy.rows")

    assert (tmp_path / "copy.rows").read_bytes() == SINK.lines(DAYS[number])
