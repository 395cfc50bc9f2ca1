"""What databases have in common as outputs: a schema with the relational tables, filled window by window.

    conversations, participants, sessions ...    the relational tables
    conversations_flat, and the view `flat`      the flat row of each conversation
    flat_from_tables                             the same as a view over the relational tables
    kpi_queue_half_hour, kpi_agent_day ...       views with the key figures
    windows                                      which windows are complete, and whether they are proven
    names                                        the names of the ids
    everycall_export                             the query, and the manifest of the finished export
    everycall_windows                            what was loaded: a checksum, and the number of rows of each table

A window is replaced in one transaction, together with its line in `windows`: its rows go by their `ownerTime`, and so
do those that its conversations had in other windows. So a reader never sees half a window, and a publication that was
interrupted continues with the windows that the database does not have yet. Needs pyarrow.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from everycall.api.query import Interval
from everycall.errors import OutputError
from everycall.instants import EPOCH, MILLISECOND
from everycall.manifest import Entry, Header, Manifest, Written, check_same, plain
from everycall.sinks.database_schema import (
    DERIVED,
    EXPORT,
    FLAT,
    FLAT_VIEW,
    REPLACED,
    STATES,
    VIEWS,
    Database,
    State,
    columns_in,
    counts_in,
    create,
    derived_views,
    header_in,
    in_lots,
    instant_literal,
    manifest_in,
    name_in,
    not_views,
    put_state,
    put_value,
    statements,
    states_in,
    value_in,
    within,
)
from everycall.sinks.flat_form import FlatForm
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.interface import Damaged, Finished, Form, Loaded
from everycall.sinks.names_form import Name, NamesForm
from everycall.sinks.table_destination import (
    LOOKED_UP_AT,
    TableDestination,
    names_table,
    queue_tables,
    windows_table,
)
from everycall.sinks.tables_form import TablesForm
from everycall.tables.relational import (
    CONVERSATIONS,
    NAMES,
    QUEUE_MEDIA,
    QUEUES,
    SCHEMA_VERSION,
    TABLES,
    WINDOWS,
    Column,
    Table,
)
from everycall.tables.sql import literal, quoted


class DatabaseDestination(TableDestination, ABC):
    """The part of a database destination that does not depend on the database."""

    def __init__(
        self, name: str, format_: str, forms: tuple[TablesForm, NamesForm, FlatForm], *, is_fresh: bool
    ) -> None:
        """Describe a destination; `is_fresh`: whether it may replace the export of another query."""
        tables, names, flat = forms
        super().__init__(name, format_, tables, names)
        self.forms = (tables, names, flat)
        self.tables, self.flat, self.is_fresh = tables, flat, is_fresh

    def header(self, header: Header) -> Header:
        """The header of this destination. It has flat rows, too, whose values have types and no style."""
        columns = tuple(column.name for column in self.flat.columns)
        return msgspec.structs.replace(super().header(header), columns=columns, local_times="", defuse_formulas=False)

    @abstractmethod
    def opened(self) -> AbstractContextManager[Database]:
        """Open the database, and close it in the end. What is not committed is undone.

        Raises:
            OutputFailed: it cannot be opened, or a statement fails.
        """

    def check_header(self, database: Database, header: Header) -> None:
        """Refuse a schema with another export, or with tables of another program.

        Raises:
            OutputRefused: with the difference.
        """
        found = header_in(database, self.name)
        if found is not None:
            check_same(found, self.header(header), self.name)

    def found(self) -> Manifest | None:
        """The manifest in the database; None if there is none, or if it cannot be read."""
        try:
            with self.opened() as database:
                return manifest_in(database, self.name)
        except (OutputError, msgspec.MsgspecError):
            return None

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether each window is the one of the manifest, and each table has as many rows of it as were loaded."""
        with self.opened() as database:
            states = states_in(database) if EXPORT in columns_in(database) else {}
            return [_is_intact(database, entry, states.get(entry.window)) for entry in manifest.windows]

    def changed(self, manifest: Manifest) -> tuple[str, ...]:  # noqa: ARG002 - there are no files to name
        """Nothing: there are no files."""
        return ()

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds in the table of conversations."""
        with self.opened() as database:
            select = f'SELECT "conversationId" FROM {name_in(database, CONVERSATIONS.name)} WHERE '
            for window in windows:
                yield window, [row[0] for row in database.query(select + within(window))]

    def take_over(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> dict[str, Written]:
        """Let a window count as loaded: its rows stay where they are."""
        written = super().take_over(manifest, number, path)
        return {**written, self.flat.name: self.flat.writer(path(self.flat)).close()}

    def put(self, database: Database, finished: Finished) -> Manifest:
        """Make the schema hold exactly this export, and return its manifest."""
        self.check_windows(finished)
        return _Publication(self, database, finished, self.manifest(finished)).run()

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:  # noqa: ARG002 - the table says it
        """The conversations in the table of conversations."""
        with self.opened() as database:
            time = _comparable(next(column for column in CONVERSATIONS.columns if column.name == "ownerTime"))
            rows = [
                row
                for condition in _conditions(wanted)
                for row in database.query(
                    f'SELECT "conversationId", {time} FROM {name_in(database, CONVERSATIONS.name)} WHERE {condition}'
                )
            ]
        return [Owned(id_, EPOCH + time_ms * MILLISECOND) for id_, time_ms in rows]

    def delete(self, database: Database, wanted: Wanted, found: Sequence[Owned], manifest: Manifest) -> None:
        """Delete the rows of conversations, and write the manifest, all in one transaction."""
        for name in REPLACED:
            for condition in _conditions(wanted):
                database.execute(f"DELETE FROM {name_in(database, name)} WHERE {condition}")
        for window, state in states_in(database).items():
            if any(window.start <= one.at < window.end for one in found):
                put_state(database, window, State("", counts_in(database, window), state.replaced))
        database.execute(f"DELETE FROM {name_in(database, WINDOWS.name)}")
        database.append(WINDOWS.name, windows_table(manifest, self.organization_id).to_reader())
        put_value(database, "manifest", msgspec.json.encode(manifest))
        database.commit()

    def check_windows(self, finished: Finished) -> None:
        """Check that the files of the windows are as they were written.

        Raises:
            Damaged: some are not, and their windows have to be read again.
        """
        super().check_windows(finished)
        own = [loaded for loaded in finished.windows if not loaded.is_taken_over]
        damaged = [one.window for one in own if not self.flat.is_intact(one.path(self.flat), one.written(self.flat))]
        if damaged:
            raise Damaged(damaged)


def _is_intact(database: Database, entry: Entry, state: State | None) -> bool:
    is_same = state is not None and state.sha256.startswith(entry.sha256)
    return is_same and state is not None and state.rows == counts_in(database, entry.window)


# --- publishing


@dataclass(slots=True)
class _Publication:
    """One export on its way into a database."""

    destination: DatabaseDestination
    database: Database
    finished: Finished
    manifest: Manifest
    _states: dict[Interval, State] = field(default_factory=dict)

    def run(self) -> Manifest:
        """Publish, and return the manifest."""
        self._prepare()
        self._states = states_in(self.database)
        for loaded in self.finished.windows:
            if self._has(loaded):
                continue
            if loaded.is_taken_over:  # its rows were changed since they were verified
                raise Damaged([loaded.window])
            if (state := self._longer(loaded)) is not None:
                self._note(loaded.window, state)
                self.database.commit()
            else:
                self._replace(loaded)
        self._finish()
        return self.manifest

    # The schema

    def _prepare(self) -> None:
        """Create what is missing, and mark the export as incomplete."""
        before, now = header_in(self.database, self.destination.name), self.manifest.query
        if before is not None and before.differences(now):
            if not self.destination.is_fresh:
                check_same(before, now, self.destination.name)
            self._clear(before)
        for statement in statements(self.database, self.destination.flat.columns):
            self.database.execute(statement)
        self._set_value("header", msgspec.json.encode(now))
        self._set_value("manifest", b"")
        self._replace_views()
        self.database.commit()

    def _replace_views(self) -> None:
        """Create the views over the tables, unless they are there as this version makes them.

        A table of the same name, which somebody has made from a view, stays.
        """
        database = self.database
        wanted = list(derived_views(database.dialect, database.prefix))
        taken, there = not_views(database), columns_in(database)
        version = hashlib.sha256(repr(wanted).encode()).hexdigest()
        if value_in(database, VIEWS) == version and {view.name for view in wanted} <= there.keys() | taken:
            return
        for view in wanted:
            if view.name not in taken:
                create(database, view)
        self._set_value(VIEWS, version.encode())

    def _clear(self, before: Header) -> None:
        """Remove an export that `--fresh` replaces: its rows, and tables that have other columns now."""
        execute, found = self.database.execute, columns_in(self.database)
        execute(f"DROP VIEW IF EXISTS {name_in(self.database, FLAT_VIEW)}")
        execute(f"DROP TABLE IF EXISTS {name_in(self.database, FLAT)}")
        verb = "DELETE FROM" if before.schema_version == SCHEMA_VERSION else "DROP TABLE"
        if verb == "DROP TABLE":
            for name in (set(DERIVED) & found.keys()) - not_views(self.database):
                execute(f"DROP VIEW {name_in(self.database, name)}")
        for name in {*(table.name for table in TABLES), STATES} & found.keys():
            execute(f"{verb} {name_in(self.database, name)}")

    def _set_value(self, name: str, value: bytes) -> None:
        put_value(self.database, name, value)

    # The windows

    def _has(self, loaded: Loaded) -> bool:
        """Whether the database has the window as it is now."""
        state = self._states.get(loaded.window)
        if (
            self.destination.is_fresh
            or state is None
            or not (loaded.is_taken_over or self._sha256(loaded) == state.sha256)
        ):
            return False
        return state.rows == counts_in(self.database, loaded.window)

    def _longer(self, loaded: Loaded) -> State | None:
        """The state of the window where the database has its rows, but as those of a window that ended earlier."""
        window = loaded.window
        states = {
            one: state for one, state in self._states.items() if one.start < window.end and one.end > window.start
        }
        full = [state for state in states.values() if any(state.rows.values())]
        fits = all(window.start <= one.start and one.end <= window.end for one in states)
        if self.destination.is_fresh or not fits or len(full) != 1 or full[0].sha256 != self._sha256(loaded):
            return None
        return full[0] if full[0].rows == counts_in(self.database, window) else None

    def _sha256(self, loaded: Loaded) -> str:
        return "".join(loaded.written(form).sha256 for form in (self.destination.tables, self.destination.flat))

    def _replace(self, loaded: Loaded) -> None:
        """Replace a window in one transaction, or some of its conversations."""
        for name in REPLACED:
            for condition in _replaced_by(loaded):
                self._delete(name, condition)
        rows = {name: self._append(name, batches) for name, batches in self._batches(loaded)}
        if loaded.replaces is not None:
            rows = counts_in(self.database, loaded.window)
        self._remove_moved(loaded.window)
        self._note(loaded.window, State(self._sha256(loaded), rows, self.database.take_replaced()))
        self.database.commit()

    def _batches(self, loaded: Loaded) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
        """The rows of each table."""
        tables, flat = self.destination.tables, self.destination.flat
        for name in REPLACED[:-1]:
            files = [file for _, file in tables.files(loaded.path(tables), name)]
            yield name, (batch for file in files for batch in pq.ParquetFile(file).iter_batches())
        yield FLAT, pq.ParquetFile(loaded.path(flat)).iter_batches()

    def _append(self, table: str, batches: Iterator[pa.RecordBatch]) -> int:
        """Append rows, and return how many."""
        first = next(batches, None)
        if first is None:
            return 0
        rows = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal rows
            for batch in (first, *batches):
                rows += batch.num_rows
                yield batch

        self.database.append(table, pa.RecordBatchReader.from_batches(first.schema, counted()))
        return rows

    def _remove_moved(self, window: Interval) -> None:
        """Remove the rows that the window's conversations have elsewhere: another window owned them before."""
        conversations = name_in(self.database, "conversations")
        moved = self.database.query(
            f'SELECT DISTINCT old."conversationId" FROM {conversations} old JOIN {conversations} new '
            f'ON old."conversationId" = new."conversationId" '
            f"WHERE {within(window, 'new')} AND NOT ({within(window, 'old')})"
        )
        for ids in in_lots(sorted(literal(row[0]) for row in moved)):
            for name in REPLACED:
                self._delete(name, f'"conversationId" IN ({ids}) AND NOT ({within(window)})')

    def _note(self, window: Interval, state: State) -> None:
        """Record the window, in place of all that overlap it."""
        start, end = instant_literal(window.start), instant_literal(window.end)
        self._delete(WINDOWS.name, f'"windowStart" < {end} AND "windowEnd" > {start}')
        self._forget([one for one in self._states if one.start < window.end and one.end > window.start])
        line = self._windows().filter(pc.field("windowStart") == pa.scalar(window.start))
        self.database.append(WINDOWS.name, line.to_reader())
        put_state(self.database, window, state)
        self._states[window] = state

    def _forget(self, windows: Sequence[Interval]) -> None:
        """Remove the states of these windows."""
        for intervals in in_lots([literal(str(one)) for one in windows]):
            self._delete(STATES, f'"interval" IN ({intervals})')
        for window in windows:
            del self._states[window]

    def _windows(self) -> pa.Table:
        return windows_table(self.manifest, self.destination.organization_id)

    def _delete(self, table: str, condition: str) -> None:
        self.database.execute(f"DELETE FROM {name_in(self.database, table)} WHERE {condition}")

    # The end

    def _finish(self) -> None:
        """Remove what is not of this export, and write the names and the manifest, all in one transaction."""
        self._remove_others()
        self._replace_names()
        self.manifest = msgspec.structs.replace(self.manifest, oddities=self._oddities())
        whole = {**plain(self.manifest), "windows": list(self.finished.entries(self.manifest.windows))}
        self._set_value("manifest", msgspec.json.encode(whole))
        self.database.commit()

    def _remove_others(self) -> None:
        """Remove the rows of windows that the export does not have."""
        windows = {loaded.window: None for loaded in self.finished.windows}
        among = " OR ".join(within(window) for window in joined(list(windows))) or "false"
        for name in REPLACED:
            self._delete(name, f"NOT ({among})")
        self._forget([one for one in self._states if one not in windows])
        self._delete(WINDOWS.name, "true")
        self.database.append(WINDOWS.name, self._windows().to_reader())

    def _replace_names(self) -> None:
        """Write the names of all windows; those of windows that a repair has taken over are in the table.

        Rows that differ in the time of the look-up only are not written again.
        """
        names: list[Name] = self.destination.newest_names(self.finished)
        is_whole = not any(loaded.is_partial for loaded in self.finished.windows)
        org = self.destination.organization_id
        self._merge(NAMES, names_table(names, org), ("kind", "id"), is_whole)
        for name, rows in queue_tables(names, org).items():
            self._merge({QUEUES.name: QUEUES, QUEUE_MEDIA.name: QUEUE_MEDIA}[name], rows, ("queueId",), is_whole)

    def _merge(self, table: Table, rows: pa.Table, key: Sequence[str], is_whole: bool) -> None:
        """Put rows in place of those with the same key; where they are all that there are, the others go."""
        columns = [column for column in table.columns if column.name != LOOKED_UP_AT]
        name = name_in(self.database, table.name)
        found = self.database.query(f"SELECT {', '.join(map(_comparable, columns))} FROM {name}")
        before = _by_key(columns, found, key)
        now = _by_key(columns, zip(*(_values(rows, column) for column in columns), strict=True), key)
        changed = {one for one in now if now[one] != before.get(one)}
        stale = sorted(one for one in before if one in changed or (is_whole and one not in now))
        for some in in_lots([f"({', '.join(map(literal, one))})" for one in stale]):
            self._delete(table.name, f"({', '.join(map(quoted, key))}) IN ({some})")
        if changed:
            wanted = [one in changed for one in zip(*(rows.column(column).to_pylist() for column in key), strict=True)]
            self.database.append(table.name, rows.filter(pa.array(wanted)).to_reader())

    def _oddities(self) -> dict[str, int]:
        """Those of the windows, and the characters that the database could not take."""
        counts = dict(self.manifest.oddities)
        for state in self._states.values():
            for column, count in state.replaced.items():
                counts[f"{REPLACED_CHARACTER}: {column}"] = counts.get(f"{REPLACED_CHARACTER}: {column}", 0) + count
        return counts


def _comparable(column: Column) -> str:
    """An expression for a column whose values can be compared with `_values`, whatever the time zone is."""
    name = quoted(column.name)
    return f"CAST(round(EXTRACT(EPOCH FROM {name}) * 1000) AS bigint)" if column.type == "instant" else name


def _values(rows: pa.Table, column: Column) -> list[Any]:
    """The values of a column, instants in milliseconds since 1970."""
    values = rows.column(column.name)
    found: list[Any] = (values.cast(pa.int64()) if column.type == "instant" else values).to_pylist()
    return found


def _by_key(
    columns: Sequence[Column], rows: Iterable[tuple[Any, ...]], key: Sequence[str]
) -> dict[tuple[str, ...], list[tuple[Any, ...]]]:
    """The rows of each key, sorted."""
    at = [[column.name for column in columns].index(name) for name in key]
    found: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(tuple(row[position] for position in at), []).append(row)
    return {one: sorted(of_it, key=repr) for one, of_it in found.items()}


REPLACED_CHARACTER = "NUL character, replaced"
"""How the manifest counts characters that a database cannot take."""


def joined(windows: Sequence[Interval]) -> list[Interval]:
    """Windows, in the order of time, with adjacent ones joined."""
    found: list[Interval] = []
    for window in windows:
        if found and found[-1].end == window.start:
            found[-1] = Interval(found[-1].start, window.end)
        else:
            found.append(window)
    return found


def _conditions(wanted: Wanted) -> Iterator[str]:
    """Conditions of which a row fulfils at most one."""
    before = "" if wanted.before is None else f'"ownerTime" < {instant_literal(wanted.before)}'
    if before:
        yield before
    for ids in in_lots(sorted(map(literal, wanted.ids))):
        yield f'"conversationId" IN ({ids})' + (f" AND NOT ({before})" if before else "")


def _replaced_by(loaded: Loaded) -> Iterator[str]:
    """Conditions for the rows that a window replaces."""
    if loaded.replaces is None:
        yield within(loaded.window)
        return
    for ids in in_lots([literal(one) for one in sorted(loaded.replaces)]):
        yield f'{within(loaded.window)} AND "conversationId" IN ({ids})'
