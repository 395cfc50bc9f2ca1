"""Delta tables as an output."""

from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from everycall.errors import OutputFailed, OutputRefused
from everycall.sinks.delta import DeltaFolder
from everycall.sinks.interface import Damaged, Loaded
from everycall.sinks.places import LocalPlace
from everycall.tables.relational import TABLES
from publishing import Export, header, hours
from tables_in import DAY, conversation, evenly

FIRST, SECOND, THIRD = hours(0, 12), hours(12, 24), hours(24, 36)


def destination(export: Export, path: Path) -> DeltaFolder:
    return DeltaFolder(LocalPlace(path, export.filesystem), "delta", export.tables, export.names, export.filesystem)


def export_in(folder: Path) -> Export:
    (folder / "out.delta.everycall").mkdir(exist_ok=True)
    return Export(folder / "out.delta.everycall")


def three_windows(export: Export) -> Export:
    """Five conversations, five more in the second half of the day, three on the next one."""
    export.load(FIRST, evenly(5, FIRST.start, FIRST.end))
    export.load(SECOND, [conversation(number + 5, DAY + timedelta(hours=13 + number)) for number in range(5)])
    return export.load(THIRD, [conversation(number + 10, DAY + timedelta(hours=25 + number)) for number in range(3)])


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DeltaTable(path / table).to_pyarrow_table().to_pylist()
    return found


def ids(path: Path, table: str = "conversations") -> list[int]:
    """The numbers of the conversations in a table, sorted."""
    return sorted(int(row["conversationId"][-12:]) for row in rows(path, table))


def content(path: Path) -> dict[str, list[str]]:
    """The rows of all tables."""
    return {table.name: sorted(map(str, rows(path, table.name))) for table in path.iterdir()}


def published(tmp_path: Path) -> tuple[Export, Path]:
    export, path = three_windows(export_in(tmp_path)), tmp_path / "out.delta"
    destination(export, path).publish(export.finished())
    return export, path


def test_all_rows_of_all_tables_arrive(tmp_path: Path) -> None:
    _, path = published(tmp_path)

    assert {folder.name for folder in path.iterdir()} == {one.name for one in TABLES}
    assert ids(path) == ids(path, "metrics") == list(range(13))
    assert [row["owned"] for row in rows(path, "windows")] == [5, 5, 3]
    assert [row["name"] for row in rows(path, "names")] == ["Ann"]
    assert rows(path, "surveys") == []


def test_polars_reads_it(tmp_path: Path) -> None:
    _, path = published(tmp_path)

    assert pl.read_delta(str(path / "metrics"))["value"].sum() == sum(1000 * number for number in range(13))


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    export, path = published(tmp_path)
    before = content(path)

    destination(export, path).publish(export.finished())

    assert content(path) == before


def test_half_a_day_is_replaced_and_the_other_half_stays(tmp_path: Path) -> None:
    _, path = published(tmp_path)
    repair = export_in(tmp_path).take_over(FIRST, 5).load(SECOND, [conversation(99, SECOND.start)]).take_over(THIRD, 3)

    destination(repair, path).publish(repair.finished())

    assert ids(path) == ids(path, "metrics") == [0, 1, 2, 3, 4, 10, 11, 12, 99]
    assert [row["owned"] for row in rows(path, "windows")] == [5, 1, 3]
    assert len(rows(path, "names")) == 1


def test_a_conversation_that_moved_to_another_window_is_there_once(tmp_path: Path) -> None:
    """The window that had it is taken over; the API says now that the conversation began elsewhere."""
    _, path = published(tmp_path)
    repair = export_in(tmp_path).take_over(FIRST, 5).load(SECOND, [conversation(3, SECOND.start)]).take_over(THIRD, 3)

    destination(repair, path).publish(repair.finished())

    assert ids(path) == ids(path, "metrics") == [0, 1, 2, 3, 4, 10, 11, 12]
    (moved,) = [row for row in rows(path, "conversations") if row["conversationId"].endswith("03")]
    assert moved["ownerTime"] == SECOND.start


def test_a_repeat_of_another_interval_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    """The same query a day later: what is no longer in its interval goes, as it does from a file."""
    published(tmp_path)
    path = tmp_path / "out.delta"
    later = export_in(tmp_path).load(THIRD, [conversation(20, THIRD.start)])

    destination(later, path).check_content(header(later.interval, format="delta"), is_repair=False)
    destination(later, path).publish(later.finished())

    assert ids(path) == ids(path, "segments")[::2] == [20]
    assert len(rows(path, "windows")) == 1


class Stops(DeltaFolder):
    """Stops before it replaces a window in a table, after so many."""

    left = 0

    def _replace(self, delta: DeltaTable, name: str, loaded: Loaded) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        super()._replace(delta, name, loaded)


def stops(export: Export, path: Path) -> Stops:
    return Stops(LocalPlace(path, export.filesystem), "delta", export.tables, export.names, export.filesystem)


def test_while_a_window_is_replaced_the_table_of_windows_does_not_have_it(tmp_path: Path) -> None:
    _, path = published(tmp_path)
    repair = export_in(tmp_path).take_over(FIRST, 5).load(SECOND, [conversation(99, SECOND.start)]).take_over(THIRD, 3)
    interrupted = stops(repair, path)
    interrupted.left = 5

    with pytest.raises(KeyboardInterrupt):
        interrupted.publish(repair.finished())

    assert [row["windowStart"] for row in rows(path, "windows")] == [FIRST.start, THIRD.start]


@pytest.mark.slow
def test_interrupted_at_any_table_publishing_again_ends_with_the_same_rows(tmp_path: Path) -> None:
    _, wanted = published(tmp_path)
    for commits in count(step=7):
        folder = tmp_path / str(commits)
        folder.mkdir()
        export, path = three_windows(export_in(folder)), folder / "out.delta"
        interrupted = stops(export, path)
        interrupted.left = commits
        try:
            interrupted.publish(export.finished())
        except KeyboardInterrupt:
            destination(export, path).publish(export.finished())
        else:
            assert commits > 20
            return
        assert content(path) == content(wanted)


def test_another_query_is_refused_with_the_difference(tmp_path: Path) -> None:
    export, path = published(tmp_path)

    with pytest.raises(OutputRefused, match=r'filters: nothing there, \{"queueId":\["q"\]\} now'):
        destination(export, path).check_content(header(export.interval, filters={"queueId": ["q"]}), is_repair=False)


def test_tables_that_somebody_changed_are_refused(tmp_path: Path) -> None:
    export, path = published(tmp_path)
    DeltaTable(path / "metrics").delete("value = 0")

    with pytest.raises(OutputRefused, match="changed after it was exported: metrics"):
        destination(export, path).check_content(header(export.interval), is_repair=False)


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.delta" / "sales").mkdir(parents=True)

    with pytest.raises(OutputRefused, match="did not export, such as sales"):
        destination(export_in(tmp_path), tmp_path / "out.delta").check_place()


def test_a_column_that_a_table_lacks_is_added(tmp_path: Path) -> None:
    """As for a table of an earlier version, before the API had the field."""
    export, path = three_windows(export_in(tmp_path)), tmp_path / "out.delta"
    loaded = export.tables.files(export.windows[0].path(export.tables), "metrics")[0][1]
    path.mkdir()
    write_deltalake(path / "metrics", pq.read_table(loaded).drop_columns(["value"]))

    destination(export, path).publish(export.finished())

    assert sum(row["value"] for row in rows(path, "metrics")) == sum(1000 * number for number in range(13))


def test_what_delta_reports_is_shown_without_rows(tmp_path: Path) -> None:
    """Its own message for a row outside the window shows the row."""
    export, path = export_in(tmp_path), tmp_path / "out.delta"
    export.load(FIRST, [conversation(1, DAY + timedelta(days=9))])

    with pytest.raises(OutputFailed) as failed:
        destination(export, path).publish(export.finished())

    assert "00000000" not in str(failed.value)
    assert "1 rows failed validation check" in str(failed.value)


def test_nothing_is_replaced_where_a_window_is_damaged(tmp_path: Path) -> None:
    export, path = published(tmp_path)
    file = export.tables.files(export.windows[1].path(export.tables), "metrics")[0][1]
    file.write_bytes(file.read_bytes()[::-1])

    with pytest.raises(Damaged):
        destination(export, path).publish(export.finished())

    assert ids(path) == list(range(13))
