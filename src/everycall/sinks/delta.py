"""Delta tables, by delta-rs: one for each table, in a folder of its own.

    OUT/conversations, OUT/sessions, ..., OUT/names, OUT/windows
    OUT.manifest.json

A window replaces the rows whose `ownerTime` is in it, and the rows of its own conversations elsewhere; each table in
one commit. The rows of the windows that are about to change leave the table of windows first, and come back last, so
that a reader who joins it never sees half a window. Rows outside the export go. Publishing again does the same.

Old versions stay readable until somebody calls `vacuum`, which everycall does only for `forget --vacuum`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

import msgspec
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, Schema, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from everycall.acquire.windows import without
from everycall.api.query import Interval
from everycall.arrow.schemas import schema
from everycall.errors import OutputFailed
from everycall.filesystem import Filesystem
from everycall.instants import text
from everycall.manifest import Entry, Manifest, WrittenFile
from everycall.printable import without_queries
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.in_place import InPlace
from everycall.sinks.interface import Finished, Loaded
from everycall.sinks.names_form import Name, NamesForm
from everycall.sinks.places import Place
from everycall.sinks.table_destination import NAMES, WINDOWS, TableDestination, names_in, owned, with_known_times
from everycall.sinks.tables_form import ZSTD_LEVEL, TablesForm, opened, path_of
from everycall.tables.relational import OF_CONVERSATIONS, TABLES, table

CONVERSATIONS = "conversations"

IDS_AT_A_TIME = 1000
"""Ids in one condition."""


class DeltaFolder(TableDestination, InPlace):
    """A folder of Delta tables."""

    def __init__(
        self, place: Place, format_: str, tables: TablesForm, names: NamesForm, filesystem: Filesystem
    ) -> None:
        """Write to this place."""
        TableDestination.__init__(self, place.name, format_, tables, names)
        InPlace.__init__(self, place, filesystem)

    def others(self) -> list[str]:
        """Names that no table has."""
        ours = {one.name for one in TABLES}
        return [name for name in self.place.names() if name not in ours]

    def changed(self, manifest: Manifest) -> list[str]:
        """The tables that are missing, or have another number of rows than in the manifest."""
        with _failures(self.name):
            return [file.path for file in manifest.files if self._rows(file.path) != file.rows]

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether the tables have the conversations of each window, by their number.

        Where another table has more or fewer rows than it had, all windows count as damaged.
        """
        self.check_sums(manifest)
        if any(name != CONVERSATIONS for name in self.changed(manifest)):
            return [False] * len(manifest.windows)
        with _failures(self.name):
            found = self._found(CONVERSATIONS)
            return [found is not None and _rows(found, _in(one.window)) == one.rows for one in manifest.windows]

    def _rows(self, name: str) -> int | None:
        found = self._found(name)
        return None if found is None else _rows(found)

    # Publishing

    def publish(self, finished: Finished) -> Manifest:
        """Replace the windows, table by table, and commit the table of windows last."""
        self.check_windows(finished)
        manifest = self.manifest(finished)
        windows = self.windows(manifest)
        with _failures(self.name):
            self.place.make()
            tables = {one.name: self._created(one.name) for one in OF_CONVERSATIONS}
            as_there = self.as_there(finished, self.found(), self._is_there)
            fresh = [loaded for loaded in as_there.windows if not loaded.is_taken_over]
            if len(fresh) < len(finished.windows):
                self._remove_moved(tables, fresh)
            if fresh:
                self._whole(WINDOWS, _without(windows, [loaded.window for loaded in fresh]))
            for loaded in fresh:
                for name, its_table in tables.items():
                    self._replace(its_table, name, loaded)
            self._remove_others(tables, finished)
            is_partial = any(loaded.is_partial for loaded in finished.windows)
            queues = self.queues(finished, self._before if is_partial else None)
            names = self.names(finished, self._names_before() if is_partial else ())
            for name, rows in {NAMES: names, **queues}.items():
                self._whole(name, with_known_times(rows, self._before(name)))
            self._whole(WINDOWS, windows)
            files = [
                WrittenFile(path=one.name, rows=rows, size_bytes=0, sha256="")
                for one in TABLES
                if (rows := self._rows(one.name)) is not None
            ]
        self.place.sync()
        manifest = self.manifest(finished, files)
        self.put_manifest(manifest, finished, self.place.scratch(finished.folder))
        return manifest

    def _is_there(self, before: Manifest, entry: Entry) -> bool:  # noqa: ARG002 - the tables say it
        """Whether the conversations of a window are there, and its line in the table of windows.

        That line goes before any row of the window changes, so where it is there, no publication was interrupted.
        """
        windows, conversations = self._found(WINDOWS), self._found(CONVERSATIONS)
        if windows is None or conversations is None:
            return False
        is_recorded = _rows(windows, f"windowStart = '{text(entry.window.start)}'") == 1
        return is_recorded and _rows(conversations, _in(entry.window)) == entry.rows

    def _replace(self, delta: DeltaTable, name: str, loaded: Loaded) -> None:
        """Replace the rows of one window in one table."""
        write_deltalake(
            delta,
            pa.RecordBatchReader.from_batches(schema(name), self._batches(name, loaded)),
            mode="overwrite",
            predicate=_replaced_by(loaded),
            schema_mode="merge",
            writer_properties=_PROPERTIES,
        )

    def _batches(self, name: str, loaded: Loaded) -> Iterator[pa.RecordBatch]:
        stem = loaded.path(self._tables)
        for described in self._tables.contents(stem):
            if described.table != name:
                continue
            with self._filesystem.open(path_of(stem, described), "rb") as file:
                for batch in opened(file, described.size_bytes).iter_batches():
                    yield batch.cast(schema(name))

    def _remove_others(self, tables: Mapping[str, DeltaTable], finished: Finished) -> None:
        """Remove rows that belong to no window of the export."""
        whole = finished.header.window
        others = [f"ownerTime < '{text(whole.start)}'", f"ownerTime >= '{text(whole.end)}'"]
        others += [f"({_in(gap)})" for gap in without(whole, [loaded.window for loaded in finished.windows])]
        condition = " OR ".join(others)
        for delta in tables.values():
            if _rows(delta, condition):
                delta.delete(condition)

    def _remove_moved(self, tables: Mapping[str, DeltaTable], fresh: Sequence[Loaded]) -> None:
        """Remove the rows of conversations that are read again, and that another window had."""
        elsewhere = " AND ".join(f"NOT ({_in(loaded.window)})" for loaded in fresh) or "true"
        for ids in _chunks(self._ids(fresh)):
            condition = f"conversationId IN ({', '.join(map(_quoted, ids))}) AND {elsewhere}"
            if _rows(tables[CONVERSATIONS], condition):
                for delta in tables.values():
                    delta.delete(condition)

    def _ids(self, fresh: Sequence[Loaded]) -> list[str]:
        batches = (batch for loaded in fresh for batch in self._batches(CONVERSATIONS, loaded))
        return [id_ for batch in batches for id_ in batch.column("conversationId").to_pylist()]

    def _whole(self, name: str, rows: pa.Table) -> None:
        """Replace a table, unless it has these rows."""
        delta = self._created(name)
        if not _has_same(_query(delta, "select * from t"), rows):
            write_deltalake(delta, rows, mode="overwrite", schema_mode="merge", writer_properties=_PROPERTIES)

    def _names_before(self) -> list[Name]:
        found = self._before(NAMES)
        return [] if found is None else names_in(found)

    def _before(self, name: str) -> pa.Table | None:
        """A table as it is now."""
        found = self._found(name)
        return None if found is None else _query(found, "select * from t")

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds in the table of conversations."""
        with _failures(self.name):
            delta = self._found(CONVERSATIONS)
            if delta is None:
                return
            for window in windows:
                found = _query(delta, f'select "conversationId" from t where {_in(window)}')  # noqa: S608
                yield window, found.column("conversationId").to_pylist()

    # Forgetting

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:  # noqa: ARG002 - the table says it
        """The conversations in the table of conversations."""
        with _failures(self.name):
            delta = self._found(CONVERSATIONS)
            if delta is None:
                return []
            sql = 'select "conversationId", "ownerTime" from t where '
            return [one for condition in _conditions(wanted) for one in owned(_query(delta, sql + condition))]

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:  # noqa: ARG002
        """Delete their rows, table by table, the conversations last; see `forgetting.Forgets`.

        Old versions of the tables still have them until `vacuum`.
        """
        with _failures(self.name):
            tables = {one.name: self._created(one.name) for one in OF_CONVERSATIONS}
            files = [self._without(file, tables, wanted) for file in manifest.files]
            manifest = msgspec.structs.replace(manifest, files=tuple(files))
            scratch = self.place.scratch(folder)
            self.replace_manifest(manifest, manifest.windows, scratch)
            self._whole(WINDOWS, self.windows(manifest))
            for name in sorted(tables, key=lambda name: name == CONVERSATIONS):
                for condition in _conditions(wanted):
                    if _rows(tables[name], condition):
                        tables[name].delete(condition)
        self.place.sync()
        self.place.clear(scratch, folder)
        return manifest

    def _without(self, file: WrittenFile, tables: Mapping[str, DeltaTable], wanted: Wanted) -> WrittenFile:
        """The table as the manifest has it, without the rows that are to go."""
        if file.path not in tables:
            return file
        delta = tables[file.path]
        gone = sum(_rows(delta, condition) for condition in _conditions(wanted))
        return msgspec.structs.replace(file, rows=_rows(delta) - gone)

    def vacuum(self) -> None:
        """Delete the files of old versions: nobody can read these any more, nor what was taken out of them."""
        with _failures(self.name):
            for one in TABLES:
                if (delta := self._found(one.name)) is not None:
                    delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)

    # Tables

    def _uri(self, name: str) -> str:
        return self.place.uri(name)

    def _created(self, name: str) -> DeltaTable:
        """A table; a new one is empty."""
        declared = table(name)
        return DeltaTable.create(
            self._uri(name), Schema.from_arrow(schema(name)), mode="ignore", name=name, description=declared.grain
        )

    def _found(self, name: str) -> DeltaTable | None:
        uri = self._uri(name)
        return DeltaTable(uri) if DeltaTable.is_deltatable(uri) else None


_PROPERTIES = WriterProperties(compression="ZSTD", compression_level=ZSTD_LEVEL)


def _in(window: Interval) -> str:
    """The condition for rows of a window."""
    return f"ownerTime >= '{text(window.start)}' AND ownerTime < '{text(window.end)}'"


def _replaced_by(loaded: Loaded) -> str:
    """The condition for the rows that a window replaces."""
    if loaded.replaces is None:
        return _in(loaded.window)
    return f"{_in(loaded.window)} AND conversationId IN ({', '.join(map(_quoted, sorted(loaded.replaces)))})"


def _has_same(before: pa.Table, rows: pa.Table) -> bool:
    """Whether both tables have the same rows, in whatever order."""
    if set(before.column_names) != set(rows.column_names):
        return False
    ours, theirs = (one.select(rows.column_names).cast(rows.schema).to_pylist() for one in (before, rows))
    return sorted(ours, key=repr) == sorted(theirs, key=repr)


def _conditions(wanted: Wanted) -> Iterator[str]:
    """Conditions of which a row fulfils at most one."""
    before = "" if wanted.before is None else f"ownerTime < '{text(wanted.before)}'"
    if before:
        yield before
    for ids in _chunks(sorted(wanted.ids)):
        condition = f"conversationId IN ({', '.join(map(_quoted, ids))})"
        yield f"{condition} AND NOT ({before})" if before else condition


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[at : at + IDS_AT_A_TIME] for at in range(0, len(ids), IDS_AT_A_TIME))


def _without(windows: pa.Table, removed: Iterable[Interval]) -> pa.Table:
    """The table of windows without these."""
    starts = {window.start for window in removed}
    return windows.filter(pa.array([start not in starts for start in windows.column("windowStart").to_pylist()]))


def _rows(delta: DeltaTable, condition: str = "true") -> int:
    """How many rows fulfil a condition."""
    found = _query(delta, f"select count(*) as n from t where {condition}")  # noqa: S608 - its texts are quoted
    return int(found.column("n")[0].as_py())


def _query(delta: DeltaTable, sql: str) -> pa.Table:
    """What a query finds in the table, which it calls `t`."""
    return pa.table(QueryBuilder().register("t", delta).execute(sql).read_all())


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

REASON_MAX = 300


@contextmanager
def _failures(name: str) -> Iterator[None]:
    """Report what delta-rs reports, without the rows that it may show."""
    try:
        yield
    except (DeltaError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of this machine's disk
        reason = " ".join(without_queries(_COLOURS.sub("", str(error).partition("Preview of")[0])).split())
        raise OutputFailed(
            f"{name}: {shorten(reason, REASON_MAX, placeholder=' ...').rstrip(' :.')}.",
            hint="Correct that, and run the same command: it goes on from here.",
        ) from error
