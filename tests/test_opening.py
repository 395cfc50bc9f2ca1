"""Finished exports, opened for reading with SQL."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Thread

import duckdb
import pytest
from deltalake import DeltaTable

from everycall import OutputFailed, OutputRefused, SettingsError
from everycall.analysis.opening import OpenTables, open_tables, scratch
from everycall.converting import convert
from everycall.tables.relational import TABLES
from inprocess import MONDAY, org

CSV_TABLES = "csv:{}/"
"""The output that is CSV of the tables."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one export as each format of files, and the same as flat rows."""
    folder = tmp_path_factory.mktemp("exported")
    outputs = [str(folder / f"calls.{ending}") for ending in ("parquet", "delta", "duckdb", "jsonl", "jsonl.gz", "csv")]
    folders = [CSV_TABLES.format(folder / "tables"), f"jsonl-days:{folder / 'days'}"]
    org(conversations_per_day=40, flat=True).export([*outputs, *folders])
    return folder


FILES = (
    "calls.parquet",
    "calls.delta",
    "calls.duckdb",
    "calls.jsonl",
    "calls.jsonl.gz",
    "csv:tables/",
    "jsonl-days:days",
)


@contextmanager
def opened(exported: Path, name: str) -> Iterator[OpenTables]:
    scheme, colon, path = name.rpartition(":")
    with open_tables(f"{scheme}{colon}{exported}/{path}") as tables:
        yield tables


def test_every_format_has_the_same_rows(exported: Path, postgres: str) -> None:
    org(conversations_per_day=40, flat=True).export(postgres)
    seen = {}
    for name in FILES:
        with opened(exported, name) as tables:
            seen[name] = rows_of(tables)
    with open_tables(postgres) as tables:
        seen["postgresql"] = rows_of(tables)

    assert len(seen["calls.parquet"]["conversations"]) == 40
    for name, rows in seen.items():
        assert rows == seen["calls.parquet"], name


def rows_of(tables: OpenTables) -> dict[str, list[dict[str, object]]]:
    """Some rows of some tables, with lists, booleans, numbers and instants among them."""
    queries = {
        "conversations": """SELECT "conversationId", "conversationStart", "conversationEnd", "originatingDirection",
            "mediaStatsMinConversationMos" FROM conversations ORDER BY 1""",
        "sessions": """SELECT "conversationId", "participantOrdinal", "sessionOrdinal", "mediaType", "recording",
            "waitingInteractionCounts", "requestedRoutings" FROM sessions ORDER BY 1, 2, 3""",
        "segments": """SELECT "conversationId", "segmentStart", "wrapUpNote", "sipResponseCodes", "conference"
            FROM segments ORDER BY "conversationId", "participantOrdinal", "sessionOrdinal", "segmentOrdinal" """,
        "queue_media": """SELECT "queueId", "mediaType", "serviceLevelPercentage" FROM queue_media ORDER BY 1, 2""",
    }
    return {name: tables.query(sql).to_pylist() for name, sql in queries.items()}


@pytest.mark.parametrize("name", FILES)
def test_all_tables_are_there_and_the_export_says_what_it_is(exported: Path, name: str) -> None:
    with opened(exported, name) as tables:
        assert {table.name for table in TABLES} <= tables.names
        assert str(tables.interval) == MONDAY
        assert tables.about.filters == {}
        assert [(one.verdict, one.conversations) for one in tables.windows()] == [("proven", 40)]


def test_parameters_are_numbered(exported: Path) -> None:
    with opened(exported, "calls.parquet") as tables:
        found = tables.query('SELECT count(*) AS "n" FROM metrics WHERE "name" = $1 OR "name" = $2', ["tTalk", "nFlow"])

        assert found.to_pylist()[0]["n"] > 0


def test_an_earlier_version_without_a_table_and_a_column_is_readable(exported: Path, tmp_path: Path) -> None:
    output = tmp_path / "calls.duckdb"
    org(conversations_per_day=5, flat=True).export(output)
    with duckdb.connect(str(output)) as connection:
        connection.execute("DROP TABLE queue_media")
        connection.execute('ALTER TABLE sessions DROP COLUMN "mediaType"')

    with open_tables(output) as tables:
        assert tables.query("SELECT * FROM queue_media").num_rows == 0
        assert tables.query('SELECT DISTINCT "mediaType" FROM sessions').to_pylist() == [{"mediaType": None}]
        assert "queue_media" not in tables.names


def test_a_delta_table_with_rows_taken_out_is_readable(exported: Path, tmp_path: Path) -> None:
    copy = copied(exported, tmp_path, "calls.delta")
    DeltaTable(copy / "metrics").delete("name = 'tHandle'")

    with opened(tmp_path, "calls.delta") as tables:
        found = tables.query("SELECT DISTINCT name FROM metrics WHERE name >= 'tAcw' AND name <= 'tIvr'")
    assert "tHandle" not in found.column(0).to_pylist()
    assert "tAcw" in found.column(0).to_pylist()


def test_an_archive_without_a_manifest_has_the_verdict_unknown(exported: Path, tmp_path: Path) -> None:
    archive = tmp_path / "copy.jsonl"
    archive.write_bytes((exported / "calls.jsonl").read_bytes() + b"no conversation\n")
    with open_tables(archive) as tables:
        assert {one.verdict for one in tables.windows()} == {"unknown"}
        assert "1 lines of" in tables.notices[-1]


def test_the_scratch_folder_of_an_archive_goes_away_while_a_thread_still_writes_in_it() -> None:
    def write(folder: Path) -> None:
        for number in count():
            try:
                (folder / str(number)).write_bytes(b"x")
            except OSError:  # the folder is gone
                return

    with scratch() as folder:
        (folder / "calls.duckdb.everycall").mkdir()
        writer = Thread(target=write, args=(folder / "calls.duckdb.everycall",), daemon=True)
        writer.start()
    writer.join(timeout=60)

    assert not folder.exists()


# Refused


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="does not exist") as raised, open_tables(tmp_path / "none.parquet"):
        pass
    assert raised.value.hint == "Name a finished export."


def test_an_unfinished_export_says_how_to_finish_it(tmp_path: Path) -> None:
    (tmp_path / "calls.parquet.everycall").mkdir()
    with pytest.raises(OutputRefused, match="is not finished") as raised, open_tables(tmp_path / "calls.parquet"):
        pass
    assert "run again" in raised.value.hint


def test_flat_rows_have_no_tables(exported: Path) -> None:
    with pytest.raises(OutputRefused, match=r"calls\.csv is a csv file of flat rows") as raised:
        opened(exported, "calls.csv").__enter__()
    assert "-o OUT.parquet" in raised.value.hint


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs.parquet" / "conversations").mkdir(parents=True)
    with pytest.raises(OutputRefused, match="has no manifest"), open_tables(tmp_path / "theirs.parquet"):
        pass


def test_a_folder_without_an_ending_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputRefused, match="mine has no manifest"), open_tables(tmp_path / "mine"):
        pass


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(OutputRefused, match="is a folder"), open_tables(name):
        pass


@pytest.mark.parametrize("name", ["calls.parquet", "calls.delta", "csv:tables/"])
def test_a_folder_that_lost_a_table_is_not_read_as_if_it_were_whole(exported: Path, tmp_path: Path, name: str) -> None:
    copy = copied(exported, tmp_path, name.removeprefix("csv:"))
    lost = next(path for path in copy.iterdir() if path.name.startswith("metrics"))
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()

    with pytest.raises(OutputFailed, match="is not as it was exported: metrics"), opened(tmp_path, name):
        pass


def test_a_file_of_another_export_among_the_tables_is_refused(exported: Path, tmp_path: Path) -> None:
    copy = copied(exported, tmp_path, "calls.parquet")
    day = next((copy / "metrics").iterdir())
    shutil.copy(day, day.with_name("copy.parquet"))

    with pytest.raises(OutputFailed, match=r"metrics/copy\.parquet"), opened(tmp_path, "calls.parquet"):
        pass


def test_a_damaged_log_of_a_delta_table_is_an_error(exported: Path, tmp_path: Path) -> None:
    copy = copied(exported, tmp_path, "calls.delta")
    next((copy / "metrics" / "_delta_log").glob("*.json")).write_text("{")

    with pytest.raises(OutputFailed, match="cannot be read"), opened(tmp_path, "calls.delta"):
        pass


def test_a_damaged_database_is_an_error(exported: Path, tmp_path: Path) -> None:
    damaged = bytearray((exported / "calls.duckdb").read_bytes())
    damaged[3 * 4096 :] = bytes(len(damaged) - 3 * 4096)
    (tmp_path / "calls.duckdb").write_bytes(damaged)

    with pytest.raises(OutputFailed, match="cannot be read"), open_tables(tmp_path / "calls.duckdb"):
        pass


def copied(exported: Path, folder: Path, name: str) -> Path:
    """A copy of a folder of tables, with its manifest."""
    source, copy = exported / name, folder / name
    shutil.copytree(source, copy)
    manifest = source.name + ".manifest.json"
    shutil.copy(source.with_name(manifest), folder / manifest)
    return copy


def test_databases_of_somebody_else_are_refused(tmp_path: Path, postgres: str) -> None:
    theirs, text = tmp_path / "theirs.duckdb", tmp_path / "text.duckdb"
    with duckdb.connect(str(theirs)) as connection:
        connection.execute("CREATE TABLE conversations (id int)")
    text.write_text("no database")

    for output, message in (
        (theirs, "has no finished export"),
        (text, "is no DuckDB file"),
        (postgres, "has no finished export of everycall in its schema everycall"),
    ):
        with pytest.raises(OutputRefused, match=message), open_tables(output):
            pass


def test_a_file_that_another_program_has_open_for_writing_says_so(tmp_path: Path) -> None:
    output = tmp_path / "calls.duckdb"
    program = f"import duckdb; held = duckdb.connect({str(output)!r}); print('open', flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(OutputFailed, match=r"Another program has .*calls\.duckdb open"), open_tables(output):
            pass
        other.communicate(b"\n")


def test_a_text_with_anything_in_it_is_the_same_from_csv(tmp_path: Path) -> None:
    texts = ["a\nb", "a\r\nb", '"q"', "x,y", "", " ", "NULL", "\\N", "\u2028"]
    archive, output = tmp_path / "calls.jsonl", f"csv:{tmp_path}/tables/"
    archive.write_text("".join(json.dumps(tagged(number, one)) + "\n" for number, one in enumerate(texts)))
    convert(archive, output)

    with open_tables(output) as tables:
        found = tables.query('SELECT "externalTag" FROM conversations ORDER BY "conversationId"')
        assert found.column("externalTag").to_pylist() == texts


def tagged(number: int, tag: str) -> dict[str, str]:
    start = "2026-01-05T09:00:00.000Z"
    return {
        "conversationId": f"{number:08}-0000-4000-8000-000000000000",
        "conversationStart": start,
        "externalTag": tag,
    }


def test_a_manifest_that_cannot_be_read_is_refused(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "calls.parquet").mkdir()
    (tmp_path / "calls.parquet.manifest.json").write_text("{}")
    with pytest.raises(OutputRefused, match="is not a manifest"), open_tables(tmp_path / "calls.parquet"):
        pass


def test_a_query_that_is_refused_is_an_error_with_the_reason(exported: Path, postgres: str) -> None:
    org(conversations_per_day=2, flat=True).export(postgres)
    for output in (str(exported / "calls.parquet"), postgres):
        with open_tables(output) as tables:
            with pytest.raises(OutputFailed, match="nowhere"):
                tables.query("SELECT * FROM nowhere")
            assert tables.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_postgresql_is_opened_for_reading_only(postgres: str) -> None:
    org(conversations_per_day=2, flat=True).export(postgres)
    with open_tables(postgres) as tables, pytest.raises(OutputFailed, match="read-only"):
        tables.query("DELETE FROM conversations")


def test_an_ending_without_a_format_is_refused() -> None:
    with pytest.raises(SettingsError, match="belongs to no format"), open_tables("calls.txtx"):
        pass
