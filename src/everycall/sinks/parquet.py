"""Parquet: a folder for each table, with one file for each UTC day of `ownerTime`.

    OUT/conversations/2026-01-05.parquet
    OUT/surveys/empty.parquet              a table without any row
    OUT/names/names.parquet
    OUT/windows/windows.parquet

A day's file is replaced as a whole. Where one window touches the day, it is the file that was written when the window
was loaded; otherwise those of its windows are merged. A repair takes the rows of windows that still hold from the
present file. Readers find a day by the statistics of `ownerTime`, or by the name of the file.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from everycall.api.query import Interval
from everycall.arrow.schemas import schema
from everycall.filesystem import File
from everycall.instants import since_epoch_ms, start_of_day
from everycall.manifest import Entry, Manifest, WrittenFile
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.in_place import Staged
from everycall.sinks.interface import Finished, Loaded
from everycall.sinks.names_form import Name
from everycall.sinks.places import STAGED, sha256_in
from everycall.sinks.table_destination import (
    NAMES,
    QUEUE_MEDIA,
    QUEUES,
    WINDOWS,
    has_any_of,
    matches,
    names_in,
    owned,
    with_known_times,
)
from everycall.sinks.table_folder import Prepared, TableFolder
from everycall.sinks.tables_form import ParquetFile, TableFile, between, opened, path_of
from everycall.tables.relational import OF_CONVERSATIONS, TABLES

_NAMES_OF_TABLES = frozenset(table.name for table in TABLES)

_OURS = re.compile(r"(?P<table>[a-z_]+)/(?P<day>\d{4}-\d\d-\d\d|empty|names|queues|queue_media|windows)\.parquet")

_WHOLE = (NAMES, QUEUES, QUEUE_MEDIA, WINDOWS)
"""Tables that are in one file of their own name."""

_EMPTY = "empty"


_NOT_DAYS = ("", _EMPTY, *_WHOLE)
"""Names of files that are none of a day."""

MERGED_BYTES = 64 << 20
"""Of rows in memory, which are put together from row groups of several files to one of a new file."""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one table and day."""

    open: Callable[[], File]
    size_bytes: int
    window: Interval | None = None
    """Only the rows with an `ownerTime` in it; None for all of them."""
    without: frozenset[str] = frozenset()
    """The conversations whose rows are left out."""
    new: "tuple[Source, ...]" = ()
    """Rows that go between its own, in order of start and id."""
    path: Path | None = None
    """The file of a window that it is; None if it is a present one."""
    file: TableFile | None = None


class ParquetFolder(TableFolder):
    """A folder of Parquet files."""

    def is_ours(self, path: str) -> bool:
        """Whether it is the file of a table and a day."""
        found = _OURS.fullmatch(path)
        return found is not None and found["table"] in _NAMES_OF_TABLES

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether the files of each window's days are unchanged.

        A changed file of names makes all windows damaged, since a repair takes names from it; anything else that
        belongs to no window makes the last one damaged.
        """
        self.check_sums(manifest)
        intact = [True] * len(manifest.windows)
        for path in self.changed(manifest):
            found = _OURS.fullmatch(path)
            day = found["day"] if found is not None else ""
            touched = [day in (NAMES, *_days(entry.window)) for entry in manifest.windows]
            if not any(touched) and touched:
                touched[-1] = True
            intact = [is_intact and not is_touched for is_intact, is_touched in zip(intact, touched, strict=True)]
        return intact

    def is_there(self, before: Manifest, entry: Entry) -> bool:
        """Whether the files of its days are as they were written, and there are no others of these days."""
        days, there = _days(entry.window), self.place.files()
        wanted = {file.path: file.sha256 for file in before.files if _day_of(file.path) in days}
        found = {path: sha256_in(self.place, path) for path in there if _day_of(path) in days}
        return wanted == found

    def prepare(self, finished: Finished, named: Finished, before: Manifest | None, scratch: Path) -> Prepared:
        """Prepare the files of the days that some window touches which is not taken over."""
        days = frozenset(day for loaded in finished.windows if not loaded.is_taken_over for day in _days(loaded.window))
        others = frozenset(day for loaded in finished.windows for day in _days(loaded.window)) - days
        kept = [] if before is None else [file for file in before.files if _day_of(file.path) in others]
        tables = [
            self._day(table, day, sources, scratch)
            for (table, day), sources in sorted(self._sources(finished, days).items())
        ]
        tables = [one for one in tables if one.described.rows]
        has_rows = {_table_of(file) for file in (*kept, *(one.described for one in tables))}
        for table in OF_CONVERSATIONS:
            if table.name not in has_rows:
                tables.append(self._whole(table.name, _EMPTY, schema(table.name).empty_table(), scratch))
        is_partial = any(loaded.is_partial for loaded in named.windows)
        names = self.names(named, self._names_before() if is_partial else ())
        queues = self.queues(named, self._before if is_partial else None)
        tables += [
            self._whole(name, name, with_known_times(rows, self._before(name)), scratch)
            for name, rows in {NAMES: names, **queues}.items()
        ]
        windows = self.windows(self.manifest(finished))
        return Prepared(tables, [self._whole(WINDOWS, WINDOWS, windows, scratch)], kept)

    def _sources(self, finished: Finished, days: frozenset[str]) -> dict[tuple[str, str], list[Source]]:
        """Where the rows of each table and day are, in the order of the windows."""
        present = self.place.files()
        found: dict[tuple[str, str], list[Source]] = {}
        for loaded in finished.windows:
            for table, day, source in self._of_window(loaded, present):
                if day in days:
                    found.setdefault((table, day), []).append(source)
        return found

    def _of_window(self, loaded: Loaded, present: dict[str, int]) -> Iterator[tuple[str, str, Source]]:
        new: dict[tuple[str, str], list[Source]] = {}
        if not loaded.is_taken_over:
            stem = loaded.path(self._tables)
            for file in self._tables.contents(stem):
                where = path_of(stem, file)
                opens = partial(self._filesystem.open, where, "rb")
                new.setdefault((file.table, file.day), []).append(Source(opens, file.size_bytes, path=where, file=file))
        if loaded.is_partial:
            for day in _days(loaded.window):
                for table in OF_CONVERSATIONS:
                    path = f"{table.name}/{day}.parquet"
                    if path in present:
                        its_new = tuple(new.pop((table.name, day), ()))
                        opens, gone = partial(self.place.open, path), loaded.replaces or frozenset()
                        yield table.name, day, Source(opens, present[path], loaded.window, gone, its_new)
        for (name, day), sources in new.items():
            for source in sources:
                yield name, day, source

    def _day(self, table: str, day: str, sources: Sequence[Source], scratch: Path) -> Staged:
        name, path = f"{STAGED}.tables.{table}.{day}.parquet", f"{table}/{day}.parquet"
        if len(sources) == 1 and sources[0].path is not None and sources[0].file is not None:
            file = sources[0].file
            return Staged(self.place.stage(sources[0].path, name, scratch), _described(path, file))
        return self._merged(table, _pieces(table, sources), scratch / name, path)

    def conversations(self, windows: Sequence[Interval]) -> Iterator[pa.Table]:
        """The rows of the days of these windows."""
        there = self.place.files()
        for day in dict.fromkeys(day for window in windows for day in _days(window)):
            path = f"conversations/{day}.parquet"
            if path in there:
                with self.place.open(path) as file:
                    yield opened(file, there[path]).read(["conversationId", "ownerTime"])

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:  # noqa: ARG002 - the files say it
        """The conversations in the files of `conversations`."""
        found: list[Owned] = []
        for path, size_bytes in sorted(self.place.files().items()):
            day = _day_of(path)
            if _table_of_path(path) == "conversations" and day not in _NOT_DAYS and has_any_of(wanted, day):
                with self.place.open(path) as file:
                    rows = opened(file, size_bytes).read(["conversationId", "ownerTime"])
                found += owned(rows.filter(matches(rows, wanted)))
        return found

    def prepare_without(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, scratch: Path) -> Prepared:
        """Prepare the files of the days of these conversations."""
        days = {f"{one.at:%Y-%m-%d}" for one in found}
        tables = []
        for path, size_bytes in sorted(self.place.files().items()):
            if _day_of(path) in days:
                table, day = _table_of_path(path), _day_of(path)
                pieces = _pieces(table, [Source(partial(self.place.open, path), size_bytes)])
                kept = (piece.filter(pc.invert(matches(piece, wanted))) for piece in pieces)
                staged = scratch / f"{STAGED}.tables.{table}.{day}.parquet"
                tables.append(self._merged(table, (one for one in kept if one.num_rows), staged, path))
        tables = [one for one in tables if one.described.rows]
        others = [file for file in manifest.files if _day_of(file.path) not in {*days, _EMPTY, WINDOWS}]
        has_rows = {_table_of(file) for file in (*others, *(one.described for one in tables))}
        tables += [
            self._whole(table.name, _EMPTY, schema(table.name).empty_table(), scratch)
            for table in OF_CONVERSATIONS
            if table.name not in has_rows
        ]
        return Prepared(tables, [self._whole(WINDOWS, WINDOWS, self.windows(manifest), scratch)], others)

    def _merged(self, table: str, pieces: Iterable[pa.Table], staged: Path, path: str) -> Staged:
        output = ParquetFile(TableFile(table, "", "", 0, 0, ""), staged, self._filesystem)
        pending: list[pa.Table] = []
        for piece in pieces:
            pending.append(piece)
            if sum(one.nbytes for one in pending) >= MERGED_BYTES:
                output.write(pa.concat_tables(pending))
                pending = []
        if pending:
            output.write(pa.concat_tables(pending))
        return Staged(staged, _described(path, output.close()))

    def _whole(self, table: str, name: str, rows: pa.Table, scratch: Path) -> Staged:
        staged = scratch / f"{STAGED}.tables.{table}.{name}.parquet"
        output = ParquetFile(TableFile(table, "", "", 0, 0, ""), staged, self._filesystem)
        output.write(rows)
        return Staged(staged, _described(f"{table}/{name}.parquet", output.close()))

    def _names_before(self) -> list[Name]:
        found = self._before(NAMES)
        return [] if found is None else names_in(found)

    def _before(self, table: str) -> pa.Table | None:
        """One of those tables, as it is now."""
        path = f"{table}/{table}.parquet"
        size_bytes = self.place.files().get(path)
        if size_bytes is None:
            return None
        with self.place.open(path) as file:
            return opened(file, size_bytes).read()


def _days(window: Interval) -> list[str]:
    """The UTC days that a window touches: `2026-01-05`."""
    first, days = start_of_day(window.start), []
    while first < window.end:
        days.append(f"{first:%Y-%m-%d}")
        first += timedelta(days=1)
    return days


def _day_of(path: str) -> str:
    """The day in the name of a file; empty where it has another name."""
    found = _OURS.fullmatch(path)
    return found["day"] if found is not None else ""


def _table_of(file: WrittenFile) -> str:
    return _table_of_path(file.path)


def _table_of_path(path: str) -> str:
    return path.partition("/")[0]


def _described(path: str, file: TableFile) -> WrittenFile:
    return WrittenFile(path=path, rows=file.rows, size_bytes=file.size_bytes, sha256=file.sha256)


def _pieces(table: str, sources: Sequence[Source]) -> Iterator[pa.Table]:
    """Yield the rows of the sources, a row group at a time, in the declared schema."""
    for source in sources:
        new = list(_pieces(table, source.new))
        yield from _merged_in(pa.concat_tables(new), _own(table, source)) if new else _own(table, source)


def _own(table: str, source: Source) -> Iterator[pa.Table]:
    with source.open() as file:
        parquet = opened(file, source.size_bytes)
        for number in range(parquet.num_row_groups):
            rows = _fitted(parquet.read_row_group(number), table)
            if source.window is not None:
                rows = between(rows, since_epoch_ms(source.window.start), since_epoch_ms(source.window.end))
            if source.without:
                gone = pa.array(sorted(source.without), pa.string())
                rows = rows.filter(pc.invert(pc.is_in(rows.column("conversationId"), gone)))
            if rows.num_rows:
                yield rows


def _merged_in(new: pa.Table, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the pieces with the new rows between theirs; the rows of a conversation stay in their order."""
    for piece in pieces:
        is_due = pc.less_equal(new.column("ownerTime"), pc.max(piece.column("ownerTime")))
        rows = pa.concat_tables([piece, new.filter(is_due)])
        order = [("ownerTime", "ascending"), ("conversationId", "ascending")]
        yield rows.take(pc.sort_indices(rows, sort_keys=order))
        new = new.filter(pc.invert(is_due))
    if new.num_rows:
        yield new


def _fitted(rows: pa.Table, table: str) -> pa.Table:
    """In the declared schema: a column that was added later is null."""
    wanted = schema(table)
    arrays = [
        rows.column(field.name).cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)
