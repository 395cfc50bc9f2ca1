"""Parquet as an output: a folder for each table, one file for each day."""

import errno
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from everycall.errors import OutputRefused
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.sinks.interface import Damaged
from everycall.sinks.parquet import ParquetFolder
from everycall.sinks.places import LocalPlace
from everycall.tables.relational import TABLES
from publishing import Export, header, hours
from simulation.disk import Crash, SimDisk
from tables_in import DAY, conversation, evenly

FIRST, SECOND, THIRD = hours(0, 12), hours(12, 24), hours(24, 36)


def destination(export: Export, path: Path) -> ParquetFolder:
    place = LocalPlace(path, export.filesystem)
    return ParquetFolder(place, "parquet", export.tables, export.names, export.filesystem)


def export_in(folder: Path, filesystem: Filesystem | None = None) -> Export:
    ledger = folder / "out.parquet.everycall"
    (filesystem or SystemFilesystem()).make_folder(ledger)
    return Export(ledger, filesystem or SystemFilesystem())


def three_windows(export: Export) -> Export:
    """Two of the first day with five conversations each, one of the second with three."""
    export.load(FIRST, evenly(5, FIRST.start, FIRST.end))
    export.load(SECOND, [conversation(number + 5, DAY + timedelta(hours=13 + number)) for number in range(5)])
    return export.load(THIRD, [conversation(number + 10, DAY + timedelta(hours=25 + number)) for number in range(3)])


def ids(path: Path, table: str = "conversations") -> list[int]:
    """The numbers of the conversations in a table, in the order of the days' files."""
    found = [pq.read_table(file) for file in sorted((path / table).glob("*.parquet"))]
    return [int(id_[-12:]) for one in found for id_ in one.column("conversationId").to_pylist()]


def published(tmp_path: Path) -> tuple[Export, Path]:
    export, path = three_windows(export_in(tmp_path)), tmp_path / "out.parquet"
    destination(export, path).publish(export.finished())
    return export, path


def test_each_table_has_one_file_for_each_day(tmp_path: Path) -> None:
    _, path = published(tmp_path)

    assert sorted(file.name for file in (path / "sessions").iterdir()) == ["2026-01-05.parquet", "2026-01-06.parquet"]
    assert ids(path) == list(range(13))
    assert ids(path, "metrics") == list(range(13))
    assert len(ids(path, "segments")) == 26


def test_a_table_without_rows_can_be_read_nevertheless(tmp_path: Path) -> None:
    _, path = published(tmp_path)

    assert {folder.name for folder in path.iterdir()} == {one.name for one in TABLES}
    assert len(pd.read_parquet(path / "surveys")) == 0


def test_a_day_of_one_window_is_the_file_that_was_loaded(tmp_path: Path) -> None:
    export, path = published(tmp_path)

    loaded = export.tables.files(export.windows[2].path(export.tables), "segments")[0][1]
    assert (path / "segments" / "2026-01-06.parquet").read_bytes() == loaded.read_bytes()


def test_the_rows_of_a_day_of_one_window_are_on_the_disk_once(tmp_path: Path) -> None:
    _, path = published(tmp_path)

    files = {file.name: file.stat().st_nlink for file in (path / "segments").iterdir()}
    assert files == {"2026-01-05.parquet": 1, "2026-01-06.parquet": 2}  # the second name goes with the ledger


class WithoutLinks(SystemFilesystem):
    """A disk such as a USB stick's, where a file has one name."""

    def link(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise OSError(errno.EPERM, "Operation not permitted", str(source), None, str(target))


def test_a_disk_where_a_file_has_one_name_gets_a_copy(tmp_path: Path) -> None:
    for name in ("linked", "copied"):
        (tmp_path / name).mkdir()
    _, linked = published(tmp_path / "linked")
    export, path = three_windows(export_in(tmp_path / "copied", WithoutLinks())), tmp_path / "copied" / "out.parquet"
    destination(export, path).publish(export.finished())

    assert ids(path) == ids(linked)
    assert (path / "segments" / "2026-01-06.parquet").stat().st_nlink == 1


def test_two_outputs_of_one_export_have_files_of_their_own(tmp_path: Path) -> None:
    export = three_windows(export_in(tmp_path))
    for name in ("first.parquet", "second.parquet"):
        destination(export, tmp_path / name).publish(export.finished())

    first, second = (tmp_path / f"{name}.parquet" / "segments" / "2026-01-06.parquet" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert not first.samefile(second)


def test_the_windows_and_the_names_are_tables_too(tmp_path: Path) -> None:
    _, path = published(tmp_path)

    windows = pq.read_table(path / "windows").to_pylist()
    assert [(row["windowStart"], row["owned"], row["verdict"]) for row in windows] == [
        (FIRST.start, 5, "proven"), (SECOND.start, 5, "proven"), (THIRD.start, 3, "proven")
    ]  # fmt: skip
    (name,) = pq.read_table(path / "names").to_pylist()
    assert (name["name"], name["lookedUpAt"]) == ("Ann", THIRD.end)


def test_the_manifest_has_the_org_and_the_checksum_of_each_file(tmp_path: Path) -> None:
    export, path = published(tmp_path)

    found = destination(export, path).found()
    assert found is not None
    assert found.query.organization_id == export.organization_id
    assert found.query.schema_version == 1
    assert {file.path for file in found.files} == {one.relative_to(path).as_posix() for one in path.rglob("*.parquet")}
    assert destination(export, path).changed(found) == []


def test_duckdb_pandas_polars_and_arrow_read_it(tmp_path: Path) -> None:
    _, path = published(tmp_path)
    total = sum(1000 * number for number in range(13))

    query = f"select sum(value) from read_parquet('{path}/metrics/*.parquet')"
    assert duckdb.connect().execute(query).fetchone() == (total,)
    assert pd.read_parquet(path / "metrics")["value"].sum() == total
    assert pl.read_parquet(path / "metrics" / "*.parquet")["value"].sum() == total
    assert pl.scan_parquet(path / "metrics" / "*.parquet").collect().schema["ownerTime"] == pl.Datetime("ms", "UTC")
    whole = ds.dataset(path / "metrics")
    assert sum(whole.to_table().column("value").to_pylist()) == total


def test_a_repeat_replaces_what_is_there(tmp_path: Path) -> None:
    """Also where a day has gone, and a table has rows no longer."""
    published(tmp_path)
    path = tmp_path / "out.parquet"
    again = export_in(tmp_path).load(FIRST, [conversation(7, DAY)]).load(SECOND, []).load(THIRD, [])

    destination(again, path).check_content(header(again.interval), is_repair=False)
    destination(again, path).publish(again.finished())

    assert ids(path) == [7]
    assert [file.name for file in (path / "sessions").iterdir()] == ["2026-01-05.parquet"]
    assert len(pq.read_table(path / "windows")) == 3


def test_half_a_day_is_replaced_and_the_other_half_stays(tmp_path: Path) -> None:
    """As a repair does: windows that hold are taken over from the output."""
    _, path = published(tmp_path)
    untouched = (path / "segments" / "2026-01-06.parquet").stat().st_mtime_ns
    repair = export_in(tmp_path).take_over(FIRST, 5).load(SECOND, [conversation(99, SECOND.start)]).take_over(THIRD, 3)

    destination(repair, path).publish(repair.finished())
    destination(repair, path).publish(repair.finished())  # again, as after a kill

    assert ids(path) == [0, 1, 2, 3, 4, 99, 10, 11, 12]
    assert ids(path, "metrics") == [0, 1, 2, 3, 4, 99, 10, 11, 12]
    assert (path / "segments" / "2026-01-06.parquet").stat().st_mtime_ns == untouched
    found = destination(repair, path).found()
    assert found is not None
    assert destination(repair, path).changed(found) == []
    assert len(pq.read_table(path / "names")) == 1


def test_another_query_is_refused_with_the_difference(tmp_path: Path) -> None:
    export, path = published(tmp_path)

    with pytest.raises(OutputRefused, match=r'filters: nothing there, \{"queueId":\["q"\]\} now'):
        destination(export, path).check_content(header(export.interval, filters={"queueId": ["q"]}), is_repair=False)


def test_another_org_is_refused_with_the_difference(tmp_path: Path) -> None:
    export, path = published(tmp_path)
    export.organization_id = "another"

    with pytest.raises(OutputRefused, match=r'organizationId: "0000.*" there, "another" now'):
        destination(export, path).check_content(header(export.interval), is_repair=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path / "metrics" / "2026-01-05.parquet").unlink(),
        lambda path: (path / "metrics" / "2026-01-05.parquet").write_bytes(b"PAR1"),
        lambda path: (path / "metrics" / "2026-02-05.parquet").write_bytes(b"PAR1"),
    ],
    ids=["missing", "changed", "added"],
)
def test_a_folder_that_was_changed_is_refused(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    export, path = published(tmp_path)
    change(path)

    with pytest.raises(OutputRefused, match=r"changed after it was exported: metrics/2026"):
        destination(export, path).check_content(header(export.interval), is_repair=False)


def test_a_folder_with_other_files_is_refused_even_if_everything_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.parquet" / "photos").mkdir(parents=True)
    (tmp_path / "out.parquet" / "photos" / "a.jpg").touch()

    with pytest.raises(OutputRefused, match=r"files that everycall did not export, such as photos/a.jpg"):
        destination(export_in(tmp_path), tmp_path / "out.parquet").check_place()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").touch()

    with pytest.raises(OutputRefused, match="is a file, and this output is a folder"):
        destination(export_in(tmp_path), tmp_path / "out.parquet").check_place()


def test_nothing_is_replaced_where_a_window_is_damaged(tmp_path: Path) -> None:
    export, path = published(tmp_path)
    before = ids(path)
    file = export.tables.files(export.windows[1].path(export.tables), "metrics")[0][1]
    file.write_bytes(file.read_bytes()[::-1])

    with pytest.raises(Damaged) as damaged:
        destination(export, path).publish(export.finished())

    assert damaged.value.windows == [SECOND]
    assert ids(path) == before


# Kills and power cuts

OUT = Path("/out/out.parquet")


class Fuse:
    """Lets so many effects on a disk through; then the process or the power is gone."""

    left = float("inf")

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


def loaded() -> tuple[Export, SimDisk, Fuse]:
    """Three windows, durably on a disk."""
    fuse = Fuse()
    filesystem = SimDisk(random.Random(1), fuse, [OUT.parent])
    export = three_windows(export_in(OUT.parent, filesystem))
    filesystem.sync_folder(export.folder)
    filesystem.sync_folder(OUT.parent)
    return export, filesystem, fuse


def replacing() -> tuple[Export, SimDisk, Fuse]:
    """Three windows of which most is gone, to be put in place of others, which are published."""
    export, filesystem, fuse = loaded()
    publish(export)
    other = Export(export.folder, filesystem).load(FIRST, [conversation(7, DAY)]).load(SECOND, []).load(THIRD, [])
    filesystem.sync_folder(export.folder)
    return other, filesystem, fuse


def publish(export: Export) -> None:
    destination(export, OUT).publish(export.finished())


def content(filesystem: SimDisk) -> dict[str, bytes]:
    """Every file of the output, and its manifest."""
    files = filesystem.names.files.items()
    return {name: inode.data for name, inode in files if not name.startswith(f"{OUT}.everycall/")}


def tables(filesystem: SimDisk) -> dict[str, bytes]:
    return {name: data for name, data in content(filesystem).items() if name.endswith(".parquet")}


def crashes(begin: Callable[[], tuple[Export, SimDisk, Fuse]]) -> Iterator[tuple[Export, SimDisk]]:
    """The same publishing again and again, each time ended a bit later: after three more effects on the disk."""
    whole = begin()
    for effects in count(step=3):
        export, filesystem, fuse = deepcopy(whole)
        fuse.left = effects
        try:
            publish(export)
        except Crash:
            fuse.left = float("inf")
            yield export, filesystem
        else:
            assert effects > 60
            return


@pytest.mark.slow
@pytest.mark.parametrize("begin", [loaded, replacing])
@pytest.mark.parametrize("end", [SimDisk.killed, SimDisk.power_cut])
def test_after_a_crash_at_any_moment_publishing_again_ends_with_the_same_bytes(
    begin: Callable[[], tuple[Export, SimDisk, Fuse]], end: Callable[[SimDisk], None]
) -> None:
    undisturbed, wanted, _ = begin()
    publish(undisturbed)

    for export, filesystem in crashes(begin):
        end(filesystem)
        publish(export)
        assert content(filesystem) == content(wanted)


def test_a_reader_sees_whole_days_only_and_the_table_of_windows_last() -> None:
    """While other rows replace an export: whatever a crash leaves, each file is the old or the new one."""
    export, filesystem, _ = replacing()
    old = tables(filesystem)
    publish(export)
    new = tables(filesystem)

    for _, left in crashes(replacing):
        found = tables(left)
        assert all(data in (old.get(name), new.get(name)) for name, data in found.items())
        has_new_windows = found[f"{OUT}/windows/windows.parquet"] == new[f"{OUT}/windows/windows.parquet"]
        assert not has_new_windows or found == new
