"""The form of tables: a window as Parquet files, one for each table and day."""

import gc
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elements import of_every_kind
from everycall.arrow.schemas import schema
from everycall.filesystem import SystemFilesystem
from everycall.sinks.interface import Batch
from everycall.sinks.tables_form import ParquetFile, TableFile, TablesForm
from everycall.tables.mentioned import mentioned
from everycall.tables.relational import OF_CONVERSATIONS
from tables_in import DAY, ORGANIZATION, batch, conversation, evenly, written

FORM = TablesForm(ORGANIZATION)


def read(path: Path, table: str) -> list[dict[str, object]]:
    return [row for _, file in FORM.files(path, table) for row in pq.read_table(file).to_pylist()]


def test_each_table_has_a_file_for_each_day(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"

    written(path, [batch(evenly(10, DAY, DAY + timedelta(days=2)))])

    assert [day for day, _ in FORM.files(path, "sessions")] == [date(2026, 1, 5), date(2026, 1, 6)]
    assert [len(pq.read_table(file)) for _, file in FORM.files(path, "segments")] == [10, 10]
    assert (tmp_path / "w.tables.conversations.2026-01-05.parquet").exists()


def test_all_rows_arrive_in_order_with_the_org_and_the_owner_time(tmp_path: Path) -> None:
    path, conversations = tmp_path / "w.tables", evenly(5, DAY, DAY + timedelta(hours=1))

    written(path, [batch(conversations[:3]), batch(conversations[3:])])

    rows = read(path, "metrics")
    assert [row["conversationId"] for row in rows] == [one["conversationId"] for one in conversations]
    assert [row["value"] for row in rows] == [0, 1000, 2000, 3000, 4000]
    assert {row["organizationId"] for row in rows} == {ORGANIZATION}
    assert rows[1]["ownerTime"] == DAY + timedelta(minutes=12)


def test_a_table_without_rows_has_no_file(tmp_path: Path) -> None:
    written(tmp_path / "w.tables", [batch([conversation(1, DAY)])])

    assert FORM.files(tmp_path / "w.tables", "surveys") == []
    assert FORM.files(tmp_path / "w.tables", "sessions")


def test_a_window_without_conversations_is_complete_without_files(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"

    done = written(path, [])

    assert done.size_bytes == 0
    assert FORM.is_complete(path, done)
    assert FORM.contents(path) == []


def test_a_stray_that_comes_after_other_days_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Its owner time is the start of the window."""
    path = tmp_path / "w.tables"
    later = DAY + timedelta(days=1)

    conversations = [conversation(1, DAY), conversation(2, later), conversation(3, later + timedelta(days=9))]
    written(path, [batch(conversations[:2]), batch(conversations[2:], [DAY])])

    assert [(str(day), len(pq.read_table(file))) for day, file in FORM.files(path, "conversations")] == [
        ("2026-01-05", 1), ("2026-01-05", 1), ("2026-01-06", 1)
    ]  # fmt: skip


def test_a_file_that_is_missing_or_cut_makes_the_window_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"
    done = written(path, [batch([conversation(1, DAY)])])
    assert FORM.is_complete(path, done)
    file = FORM.files(path, "metrics")[0][1]

    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert not FORM.is_complete(path, done)
    file.write_bytes(content)
    assert FORM.is_complete(path, done)
    file.unlink()
    assert not FORM.is_complete(path, done)


def test_a_window_whose_index_is_missing_or_another_one_is_incomplete(tmp_path: Path) -> None:
    path, other = tmp_path / "w.tables", tmp_path / "x.tables"
    done = written(path, [batch([conversation(1, DAY)])])
    written(other, [batch([conversation(2, DAY)])])

    path.write_bytes(other.read_bytes())
    assert not FORM.is_complete(path, done)
    path.unlink()
    assert not FORM.is_complete(path, done)


def test_a_changed_byte_is_noticed_before_a_window_is_published(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"
    done = written(path, [batch([conversation(1, DAY)])])
    assert FORM.is_intact(path, done)

    file = FORM.files(path, "metrics")[0][1]
    content = bytearray(file.read_bytes())
    content[50] ^= 1
    file.write_bytes(content)

    assert FORM.is_complete(path, done)
    assert not FORM.is_intact(path, done)


def test_the_same_conversations_make_the_same_bytes(tmp_path: Path) -> None:
    conversations = evenly(20, DAY, DAY + timedelta(days=2))

    first, second = (written(tmp_path / name, [batch(conversations)]) for name in ("a.tables", "b.tables"))

    assert first == second


def test_each_batch_is_a_row_group(tmp_path: Path) -> None:
    path, conversations = tmp_path / "w.tables", evenly(10, DAY, DAY + timedelta(hours=1))

    written(path, [batch(conversations[:4]), batch(conversations[4:8]), batch(conversations[8:])])

    groups = pq.ParquetFile(FORM.files(path, "segments")[0][1]).metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [8, 8, 4]


def test_readers_find_the_declared_columns(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"
    written(path, [batch(evenly(10, DAY, DAY + timedelta(hours=1)))])

    for name in ("conversations", "participants", "sessions", "segments", "metrics"):
        assert pq.read_schema(FORM.files(path, name)[0][1]).equals(schema(name))


def test_a_file_has_only_the_ids_of_its_own_day(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"
    written(path, [batch(evenly(20, DAY, DAY + timedelta(days=2)))])

    for _, file in FORM.files(path, "sessions"):
        rows = pq.ParquetFile(file, read_dictionary=["conversationId"]).read(["conversationId"])
        assert len(rows["conversationId"].chunk(0).dictionary) == 10


def test_a_table_of_few_rows_has_only_the_ids_that_it_mentions(tmp_path: Path) -> None:
    conversations = evenly(20, DAY, DAY + timedelta(hours=1))
    conversations[7]["evaluations"] = [{"evaluationId": "e"}]
    written(tmp_path / "w.tables", [batch(conversations)])

    ((_, file),) = FORM.files(tmp_path / "w.tables", "evaluations")
    ids = pq.ParquetFile(file, read_dictionary=["conversationId"]).read(["conversationId"])["conversationId"]
    assert ids.chunk(0).dictionary.to_pylist() == [conversations[7]["conversationId"]]


def test_a_window_that_is_written_again_leaves_a_second_name_of_its_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "w.tables"
    written(path, [batch(evenly(2, DAY, DAY + timedelta(hours=1)))])
    ((_, file),) = FORM.files(path, "sessions")
    SystemFilesystem().link(file, tmp_path / "published.parquet")
    written(path, [batch([])])
    written(path, [batch(evenly(5, DAY, DAY + timedelta(hours=1)))])

    assert [len(pq.read_table(one)) for one in (tmp_path / "published.parquet", file)] == [2, 5]


def segment_columns(path: Path) -> dict[str, Any]:
    """The columns of the first row group of segments, of ten conversations."""
    written(path, [batch(evenly(10, DAY, DAY + timedelta(hours=1)))], few_values=5)
    group = pq.ParquetFile(FORM.files(path, "segments")[0][1]).metadata.row_group(0)
    return {column.path_in_schema: column for column in map(group.column, range(group.num_columns))}


def test_only_values_that_repeat_have_a_dictionary(tmp_path: Path) -> None:
    columns = segment_columns(tmp_path / "w.tables")

    assert columns["queueId"].has_dictionary_page
    assert columns["conversationId"].has_dictionary_page
    assert columns["segmentOrdinal"].has_dictionary_page
    assert not columns["segmentStart"].has_dictionary_page
    assert columns["queueId"].compression == "ZSTD"


def test_row_groups_say_between_which_times_and_conversations_they_are(tmp_path: Path) -> None:
    columns = segment_columns(tmp_path / "w.tables")

    assert columns["ownerTime"].statistics.has_min_max
    assert columns["conversationId"].statistics.has_min_max
    assert columns["queueId"].statistics is None


def test_a_window_that_is_discarded_leaves_no_file_and_no_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = FORM.writer(tmp_path / "w.tables")
    writer.write(batch(evenly(4, DAY, DAY + timedelta(days=2))))
    writer.write(batch([conversation(9, DAY + timedelta(days=3))]))

    writer.discard()
    del writer
    gc.collect()  # Arrow complains of what it could not write once its files are forgotten

    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_file_that_is_discarded_is_not_written_to_when_arrows_writer_is_collected(tmp_path: Path) -> None:
    """Otherwise an interrupted command printed an error of its own for each open file."""
    described = TableFile("conversations", "", "", 0, 0, "")
    file = ParquetFile(described, tmp_path / "a.parquet", SystemFilesystem(), few_values=10)
    file.write(pa.table({"conversationId": ["a"]}))
    file.discard()
    del file
    gc.collect()  # an error there fails this test

    assert list(tmp_path.iterdir()) == []


def test_every_table_of_conversations_can_be_written(tmp_path: Path) -> None:
    """The tables that the declaration has are those that the form writes."""
    path = tmp_path / "w.tables"

    written(path, [batch(evenly(3, DAY, DAY + timedelta(hours=1)))])

    names = {file.table for file in FORM.contents(path)}
    assert names == {"conversations", "participants", "sessions", "segments", "metrics", "conversation_divisions"}
    assert names <= {table.name for table in OF_CONVERSATIONS}


def test_values_that_do_not_fit_are_reported_once(tmp_path: Path) -> None:
    """The window reports them; so does the next one that the same form writes."""
    odd = conversation(1, DAY)
    odd["conferenceStart"] = "no instant"
    odd["originatingDirection"] = 12
    form = TablesForm(ORGANIZATION)

    for name in ("a.tables", "b.tables"):
        writer = form.writer(tmp_path / name)
        writer.write(batch([odd]))
        writer.close()
        assert [oddity.path for oddity in writer.take_oddities()] == ["conferenceStart", "originatingDirection"]
        assert writer.take_oddities() == []


def test_a_window_says_which_ids_with_names_it_mentions(tmp_path: Path) -> None:
    records = [json.dumps(one).encode() for one in of_every_kind()]
    writer = FORM.writer(tmp_path / "w.tables")

    writer.write(Batch(records=records, owner_times_ms=[0] * len(records)))
    writer.close()

    assert set(writer.mentioned) == {pair for record in records for pair in mentioned(record)}
    assert {kind for kind, _ in writer.mentioned} == {"users", "queues", "wrapupcodes", "divisions"}
