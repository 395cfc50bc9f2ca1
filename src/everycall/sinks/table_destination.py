"""What destinations with tables have in common: Parquet, Delta, CSV in a folder, databases.

They take windows in the form of `tables_form`, and names in that of `names_form`. Beside the tables of conversations
they have `windows`, whose rows say what is exported and proven, `names`, `queues` and `queue_media`. A destination puts
`windows` in place last, so that a reader who joins it never sees half a window.

Each destination holds the export of one query, of one org, by one version of the tables: `TableDestination.check_same`
refuses another one, and shows the difference.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from everycall.api.query import Interval
from everycall.arrow.schemas import table_of
from everycall.errors import OutputRefused
from everycall.instants import text
from everycall.manifest import (
    Entry,
    Header,
    Manifest,
    Written,
    WrittenFile,
    check_interval,
    check_same,
    plain,
)
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.interface import Damaged, Finished, Form, Loaded
from everycall.sinks.names_form import Name, NamesForm, names_of, newest
from everycall.sinks.tables_form import TablesForm
from everycall.tables import relational
from everycall.tables.reference import KINDS, queue_rows, window_row
from everycall.tables.relational import SCHEMA_VERSION
from everycall.tables.rows import Cell, Row

WINDOWS, NAMES, QUEUES, QUEUE_MEDIA = "windows", "names", "queues", "queue_media"
"""The names of the tables that are not made from conversations."""

QUEUE = KINDS["queues"]
"""The kind of names that are queues."""

CHECKED_AT_ONCE = 2
"""Windows whose files are compared with their checksums at the same time, which needs no lock of the interpreter."""

UNREAD = "unread"
"""The verdict, in the table of windows, of those that `--max-pages` left unread."""


class TableDestination:
    """The part of a destination that does not depend on the place."""

    def __init__(self, name: str, format_: str, tables: TablesForm, names: NamesForm) -> None:
        """Describe a destination.

        Args:
            name: as messages show it: a path, or a URL without password.
            format_: the kind of output.
            tables: the form of its tables, which knows the org.
            names: the form of the names.
        """
        self.name, self.format = name, format_
        self.forms: Sequence[Form] = (tables, names)
        self._tables, self._names = tables, names

    @property
    def organization_id(self) -> str:
        """The id of the org, which every row has."""
        return self._tables.organization_id

    def header(self, header: Header) -> Header:
        """The header of this destination, with what only tables have."""
        return msgspec.structs.replace(
            header, organization_id=self.organization_id, schema_version=SCHEMA_VERSION, format=self.format, columns=()
        )

    def check_same(self, before: Manifest, now: Header) -> None:
        """Refuse to replace the export of another query, org or version of the tables.

        Args:
            before: the manifest that the destination has.
            now: the header of this export, as `check_content` gets it.

        Raises:
            OutputRefused: with the differences.
        """
        check_interval(before.query, Path(self.name))
        check_same(before.query, self.header(now), self.name)

    def check_sums(self, manifest: Manifest) -> None:
        """Refuse a manifest whose files have another number of conversations than its windows.

        Raises:
            OutputRefused: it was edited.
        """
        rows = sum(file.rows for file in manifest.files if file.path.startswith("conversations"))
        if rows != manifest.rows:
            raise OutputRefused(
                f"The manifest of {self.name} contradicts itself: its files have {rows:,} conversations, its windows "
                f"{manifest.rows:,}.",
                hint="It was edited: export again with --fresh.",
            )

    def check_windows(self, finished: Finished) -> None:
        """Check that the files of the windows are as they were written; call it before anything is replaced.

        Raises:
            Damaged: some are not, and their windows have to be read again.
        """

        def is_intact(loaded: Loaded) -> bool:
            return self._tables.is_intact(loaded.path(self._tables), loaded.written(self._tables))

        own = [loaded for loaded in finished.windows if not loaded.is_taken_over]
        with ThreadPoolExecutor(CHECKED_AT_ONCE) as threads:
            are_intact = threads.map(is_intact, own)
            damaged = [loaded.window for loaded, whole in zip(own, are_intact, strict=True) if not whole]
        if damaged:
            raise Damaged(damaged)

    def manifest(self, finished: Finished, files: Sequence[WrittenFile] = ()) -> Manifest:
        """The manifest of the destination."""
        found = finished.manifest(self._tables.name, sum(file.size_bytes for file in files), "")
        return msgspec.structs.replace(found, query=self.header(found.query), files=tuple(files))

    def take_over(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> dict[str, Written]:
        """Let a window count as loaded: its rows stay where they are."""
        entry = manifest.windows[number]
        written = Written(size_bytes=entry.size_bytes, sha256=entry.sha256)
        return {
            **self._tables.take_over(path(self._tables), written), **self._names.take_over(path(self._names))
        }  # fmt: skip

    def set_aside(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> bool:  # noqa: ARG002
        """Nothing to do: rows are replaced where they are."""
        return True

    def as_there(
        self, finished: Finished, before: Manifest | None, is_there: Callable[[Manifest, Entry], bool]
    ) -> Finished:
        """The export, of which windows that the destination has already, to the byte, count as taken over.

        Args:
            finished: the windows.
            before: the manifest of the destination.
            is_there: whether the rows of a window of that manifest are in the destination as they were written.
        """
        if before is None:
            return finished

        def has(loaded: Loaded) -> bool:
            entry = same_window(loaded, loaded.written(self._tables), before.windows)
            return entry is not None and is_there(before, entry)

        return replace(
            finished,
            windows=[
                replace(one, is_taken_over=True) if not one.is_taken_over and has(one) else one
                for one in finished.windows
            ],
        )

    def windows(self, manifest: Manifest) -> pa.Table:
        """The table of windows, in the order of time."""
        return windows_table(manifest, self.organization_id)

    def names(self, finished: Finished, before: Iterable[Name] = ()) -> pa.Table:
        """The table of names: each id once, with the name that was looked up last.

        Args:
            finished: the windows.
            before: the names that the destination has; those of windows that a repair has taken over are only there.
        """
        return names_table(self.newest_names(finished, before), self.organization_id)

    def queues(self, finished: Finished, before: Callable[[str], pa.Table | None] | None = None) -> dict[str, pa.Table]:
        """The tables of queues, by name.

        Args:
            finished: the windows.
            before: for a repair, gives a table as the destination has it: queues of windows that the repair has taken
                over are only there. None where it has no such table.
        """
        tables = queue_tables(self.newest_names(finished), self.organization_id)
        known = {name: before(name) for name in tables} if before else {}
        return {
            name: table if known.get(name) is None else with_others(table, known[name])
            for name, table in tables.items()
        }

    def newest_names(self, finished: Finished, before: Iterable[Name] = ()) -> list[Name]:
        """The same names as values."""
        return newest([*before, *names_of(finished, self._names)])


def same_window(loaded: Loaded, written: Written, before: Sequence[Entry]) -> Entry | None:
    """The window before it that has the very same rows; None if there is none.

    It may have ended earlier: then nothing has started since.

    Args:
        loaded: a window that was read now.
        written: its files of tables.
        before: the windows of the destination.
    """
    window = loaded.window
    overlapping = [one for one in before if one.window.start < window.end and window.start < one.window.end]
    full = [one for one in overlapping if one.rows]
    fits = all(window.start <= one.window.start and one.window.end <= window.end for one in overlapping)
    is_same = len(full) == 1 and (full[0].rows, full[0].sha256) == (loaded.rows, written.sha256)
    return full[0] if fits and is_same else None


def has_any_of(wanted: Wanted, day: str) -> bool:
    """Whether a UTC day, such as `2026-01-05`, can have conversations that are wanted."""
    return bool(wanted.ids) or (wanted.before is not None and day < f"{wanted.before:%Y-%m-%d}")


def matches(rows: pa.Table, wanted: Wanted) -> pa.Array:
    """For each row whether its conversation is wanted; instants may be texts."""
    found = pc.is_in(rows.column("conversationId"), pa.array(sorted(wanted.ids), pa.string()))
    if wanted.before is None:
        return found
    times = rows.column("ownerTime")
    return pc.or_(found, pc.less(times, _comparable(wanted.before, times.type)))


def owned(rows: pa.Table) -> list[Owned]:
    """The conversations in such rows; instants may be texts."""
    return [
        Owned(row["conversationId"], at if isinstance(at := row["ownerTime"], datetime) else datetime.fromisoformat(at))
        for row in rows.select(["conversationId", "ownerTime"]).to_pylist()
    ]


def ids_by_window(rows: pa.Table, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
    """The conversationIds in such rows, each with its window; instants may be texts."""
    times, ids = rows.column("ownerTime"), rows.column("conversationId")
    earliest, latest = (_instant_of(one) for one in pc.min_max(times).as_py().values())
    if earliest is None or latest is None:
        return
    for window in windows:
        if latest < window.start or window.end <= earliest:
            continue
        first, last = (_comparable(instant, times.type) for instant in (window.start, window.end))
        found = ids.filter(pc.and_(pc.greater_equal(times, first), pc.less(times, last)))
        if len(found):
            yield window, found.to_pylist()


def _instant_of(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _comparable(instant: datetime, kind: pa.DataType) -> Any:
    """An instant as a column of this type has it."""
    return text(instant) if pa.types.is_string(kind) else pa.scalar(instant, kind)


LOOKED_UP_AT = "lookedUpAt"


def with_known_times(table: pa.Table, before: pa.Table | None) -> pa.Table:
    """A table of names or queues, where a row that differs in the time of the look-up only is the one before.

    So the table changes only where a name has changed.
    """
    if before is None or set(before.column_names) != set(table.column_names):
        return table
    known = {_without_time(row): row[LOOKED_UP_AT] for row in before.to_pylist()}
    rows = [{**row, LOOKED_UP_AT: known.get(_without_time(row), row[LOOKED_UP_AT])} for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, table.schema)


def _without_time(row: dict[str, object]) -> tuple[tuple[str, object], ...]:
    return tuple(sorted((name, value) for name, value in row.items() if name != LOOKED_UP_AT))


# --- the tables that are not made from conversations


def windows_table(manifest: Manifest, organization_id: str) -> pa.Table:
    """The table of windows, in the order of time; those that were not read have the verdict `unread`."""
    read = [(entry.window.start, window_row(organization_id, plain(entry))) for entry in manifest.windows]
    unread = [_unread(Interval.read(interval), organization_id) for interval in manifest.unread]
    return table_of(WINDOWS, [row for _, row in sorted([*read, *unread])])


def _unread(window: Interval, organization_id: str) -> tuple[datetime, Row]:
    known: dict[str, Cell] = {
        "organizationId": organization_id, "windowStart": window.start, "windowEnd": window.end, "verdict": UNREAD
    }  # fmt: skip
    return window.start, tuple(known.get(column.name) for column in relational.table(WINDOWS).columns)


def names_table(names: Iterable[Name], organization_id: str) -> pa.Table:
    """The table of names."""
    return table_of(NAMES, [_name_row(name, organization_id) for name in names])


def _name_row(name: Name, organization_id: str) -> Row:
    looked_up_at = _instant(name.looked_up_at)
    return (organization_id, name.kind, name.id, name.name, name.division_id, name.state, looked_up_at)


def queue_tables(names: Iterable[Name], organization_id: str) -> dict[str, pa.Table]:
    """The tables of queues and of their settings for each medium; of names that are queues."""
    rows: dict[str, list[Row]] = {QUEUES: [], QUEUE_MEDIA: []}
    for name in names:
        if name.kind == QUEUE:
            settings = {} if name.settings is msgspec.UNSET else name.settings
            queue = {**settings, "id": name.id, "name": name.name, "division": {"id": name.division_id}}
            for table, its_rows in queue_rows(organization_id, [queue], _instant(name.looked_up_at)).items():
                rows[table] += its_rows
    return {table: table_of(table, its_rows) for table, its_rows in rows.items()}


def with_others(table: pa.Table, before: pa.Table) -> pa.Table:
    """A table of `queue_tables`, and the rows before it of queues that it has not."""
    known = set(table["queueId"].to_pylist())
    others = [row for row in before.to_pylist() if row["queueId"] not in known]
    return pa.concat_tables([table, pa.Table.from_pylist(others, table.schema)])


def _instant(looked_up_at: str | None) -> datetime | None:
    return datetime.fromisoformat(looked_up_at) if looked_up_at else None


def names_in(table: pa.Table) -> list[Name]:
    """The names in such a table."""
    return [
        Name(
            row["kind"],
            row["id"],
            row["name"],
            row["divisionId"],
            row["state"],
            text(row["lookedUpAt"]) if row["lookedUpAt"] is not None else None,
        )
        for row in table.to_pylist()
    ]
