"""CSV files of the tables: one file for each table.

    OUT/conversations.csv, OUT/sessions.csv, ..., OUT/names.csv, OUT/windows.csv

Instants are UTC ISO 8601 with milliseconds, booleans `true` and `false`, lists are joined by `|`, and an empty cell is
nothing at all, as in the flat CSV. Texts are quoted and can have line breaks. Rows are in the order of the windows.

All windows are in the same files: a repair takes the rows of windows that still hold from the present ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from everycall.api.query import Interval
from everycall.arrow.schemas import schema
from everycall.instants import text
from everycall.manifest import Manifest, WrittenFile
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.in_place import Staged
from everycall.sinks.interface import Finished, Loaded
from everycall.sinks.names_form import Name
from everycall.sinks.places import STAGED
from everycall.sinks.table_destination import NAMES, WINDOWS, matches, owned, with_known_times, with_others
from everycall.sinks.table_folder import Prepared, TableFolder
from everycall.sinks.tables_form import HashedOutput, opened, path_of
from everycall.tables.relational import OF_CONVERSATIONS, TABLES

_SUFFIX = ".csv"

_OURS = frozenset(table.name + _SUFFIX for table in TABLES)

BLOCK_BYTES = 8 << 20
"""Of a present file that is read at once: more than any row has."""


class CsvFolder(TableFolder):
    """A folder of CSV files."""

    def is_ours(self, path: str) -> bool:
        """Whether it is the file of a table."""
        return path in _OURS

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether each window is unchanged: all or none, except that the table of windows belongs to the last one."""
        self.check_sums(manifest)
        changed = self.changed(manifest)
        intact = [not changed or changed == [WINDOWS + _SUFFIX]] * len(manifest.windows)
        return [*intact[:-1], not changed] if intact else intact

    def prepare(self, finished: Finished, named: Finished, before: Manifest | None, scratch: Path) -> Prepared:  # noqa: ARG002
        """Write every file anew."""
        tables = [self._written(one.name, self._rows(one.name, finished), scratch) for one in OF_CONVERSATIONS]
        is_partial = any(loaded.is_partial for loaded in named.windows)
        names = self.names(named, self._names_before() if is_partial else ())
        others = {NAMES: as_text(names), **self._queues(named, is_partial=is_partial)}
        tables += [
            self._written(name, [with_known_times(rows, self._present_table(name))], scratch)
            for name, rows in others.items()
        ]
        windows = as_text(self.windows(self.manifest(finished)))
        return Prepared(tables, [self._written(WINDOWS, [windows], scratch)])

    def conversations(self, windows: Sequence[Interval]) -> Iterator[pa.Table]:  # noqa: ARG002 - all in one file
        """The rows of the file."""
        return self._texts("conversations")

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:  # noqa: ARG002 - the file says it
        """The conversations in the file of `conversations`."""
        pieces = self._texts("conversations")
        return [one for piece in pieces for one in owned(piece.filter(matches(piece, wanted)))]

    def prepare_without(
        self,
        wanted: Wanted,
        found: Sequence[Owned],  # noqa: ARG002 - all of them are in the same file
        manifest: Manifest,
        scratch: Path,
    ) -> Prepared:
        """Write every file of conversations anew."""

        def kept(table: str) -> Iterator[pa.Table]:
            return (piece.filter(pc.invert(matches(piece, wanted))) for piece in self._texts(table))

        ours = {one.name + _SUFFIX for one in OF_CONVERSATIONS} | {WINDOWS + _SUFFIX}
        tables = [self._written(one.name, kept(one.name), scratch) for one in OF_CONVERSATIONS]
        windows = self._written(WINDOWS, [as_text(self.windows(manifest))], scratch)
        return Prepared(tables, [windows], [file for file in manifest.files if file.path not in ours])

    def _written(self, table: str, pieces: Iterable[pa.Table], scratch: Path) -> Staged:
        staged, rows = scratch / f"{STAGED}.tables.{table}{_SUFFIX}", 0
        with self._filesystem.open(staged, "wb") as file:
            output = HashedOutput(file)
            with csv.CSVWriter(output, as_text(schema(table).empty_table()).schema, write_options=_OPTIONS) as writer:
                for piece in pieces:
                    writer.write_table(piece)
                    rows += piece.num_rows
            self._filesystem.sync(file)
        described = WrittenFile(
            path=table + _SUFFIX, rows=rows, size_bytes=output.size_bytes, sha256=output.digest.hexdigest()
        )
        return Staged(staged, described)

    def _rows(self, table: str, finished: Finished) -> Iterator[pa.Table]:
        """Yield the rows of a table as texts, in the order of the windows."""
        for loaded in finished.windows:
            if loaded.is_partial:
                gone = pa.array(sorted(loaded.replaces or ()), pa.string())
                for rows in self._present(table, loaded.window):
                    yield rows.filter(pc.invert(pc.is_in(rows.column("conversationId"), gone)))
            if not loaded.is_taken_over:
                yield from self._loaded(table, loaded)

    def _loaded(self, table: str, loaded: Loaded) -> Iterator[pa.Table]:
        stem = loaded.path(self._tables)
        for described in self._tables.contents(stem):
            if described.table == table:
                with self._filesystem.open(path_of(stem, described), "rb") as file:
                    for batch in opened(file, described.size_bytes).iter_batches():
                        yield as_text(pa.Table.from_batches([batch]))

    def _present(self, table: str, window: Interval) -> Iterator[pa.Table]:
        """The rows of a window in the present file; texts of instants sort as the instants do."""
        for piece in self._texts(table):
            times = piece.column("ownerTime")
            is_in = pc.and_(pc.greater_equal(times, text(window.start)), pc.less(times, text(window.end)))
            yield piece.filter(is_in)

    def _texts(self, table: str) -> Iterator[pa.Table]:
        if table + _SUFFIX not in self.place.files():
            return
        wanted = as_text(schema(table).empty_table()).schema
        with self.place.open(table + _SUFFIX) as file:
            reader = csv.open_csv(
                file,
                read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types={field.name: field.type for field in wanted}, strings_can_be_null=True,
                    quoted_strings_can_be_null=False, null_values=[""],
                ),
            )  # fmt: skip
            for batch in reader:
                yield pa.Table.from_batches([batch]).select(wanted.names).cast(wanted)

    def _queues(self, finished: Finished, *, is_partial: bool) -> dict[str, pa.Table]:
        """The tables of queues as texts; queues of windows that a repair has taken over are in the present files."""
        fresh = {name: as_text(rows) for name, rows in self.queues(finished).items()}
        if not is_partial:
            return fresh
        before = {name: list(self._texts(name)) for name in fresh}
        return {
            name: with_others(rows, pa.concat_tables(before[name])) if before[name] else rows
            for name, rows in fresh.items()
        }

    def _present_table(self, name: str) -> pa.Table | None:
        """One of the tables of names, as it is now."""
        pieces = list(self._texts(name))
        return pa.concat_tables(pieces) if pieces else None

    def _names_before(self) -> Sequence[Name]:
        rows = [row for piece in self._texts(NAMES) for row in piece.to_pylist()]
        return [
            Name(row["kind"], row["id"], row["name"], row["divisionId"], row["state"], row["lookedUpAt"])
            for row in rows
        ]


_OPTIONS = csv.WriteOptions(quoting_style="needed")


def as_text(table: pa.Table) -> pa.Table:
    """Instants, lists and booleans as texts; numbers stay numbers."""
    arrays = [_as_text(column.combine_chunks()) for column in table.columns]
    return pa.Table.from_arrays(arrays, names=table.column_names)


def _as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(column.cast(pa.timestamp("ms")), format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_list(kind):
        values = pc.fill_null(column.values.cast(pa.string()), "")
        return pc.binary_join(pa.ListArray.from_arrays(column.offsets, values, mask=column.is_null()), "|")
    return column.cast(pa.string()) if pa.types.is_boolean(kind) else column
