"""Databases to export to, and a look into them; and windows to publish without an export."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from adbc_driver_postgresql import dbapi

from everycall.api.names import Names
from everycall.api.query import Interval
from everycall.filesystem import SystemFilesystem
from everycall.instants import text
from everycall.manifest import Entry, Header, Manifest, Output, WindowRead, Written
from everycall.sinks.database_schema import REPLACED, STATES
from everycall.sinks.duckdb import DuckDBDestination
from everycall.sinks.flat_form import FlatForm
from everycall.sinks.interface import Batch, Finished, Form, Loaded
from everycall.sinks.names_form import NamesForm
from everycall.sinks.postgresql import PostgresDestination
from everycall.sinks.postgresql_address import parse
from everycall.sinks.tables_form import TablesForm
from everycall.tables.flat import flat_table
from tables_in import ORGANIZATION, batch

TABLES = (*REPLACED, "windows", "names", STATES)
"""All whose content depends on nothing but the export; `windows` has the time of the count."""


@dataclass
class Place:
    """A database."""

    kind: str
    """duckdb or postgresql."""
    output: str
    """As `-o` takes it."""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query; names need no schema."""
        if self.kind == "duckdb":
            with duckdb.connect(self.output, read_only=True) as connection:
                return connection.execute(statement).fetchall()
        with dbapi.connect(self.output) as connection, connection.cursor() as cursor:
            cursor.execute("SET search_path = everycall")
            cursor.execute(statement)
            return list(cursor.fetchall())

    def execute(self, statement: str) -> None:
        """Change something."""
        if self.kind == "duckdb":
            with duckdb.connect(self.output) as connection:
                connection.execute(statement)
            return
        with dbapi.connect(self.output) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET search_path = everycall")
                cursor.execute(statement)
            connection.commit()

    def content(self, tables: Iterable[str] = TABLES) -> dict[str, list[str]]:
        """All rows of these tables, in an order of their own."""
        return {name: sorted(map(repr, self.query(f'SELECT * FROM "{name}"'))) for name in tables}

    def destination(self, *, is_fresh: bool = False) -> DuckDBDestination | PostgresDestination:
        """As an output."""
        forms = forms_of_databases()
        if self.kind == "duckdb":
            return DuckDBDestination(Path(self.output), forms, SystemFilesystem(), is_fresh=is_fresh)
        return PostgresDestination(parse(self.output), forms, is_fresh=is_fresh)


def forms_of_databases() -> tuple[TablesForm, NamesForm, FlatForm]:
    return TablesForm(ORGANIZATION), NamesForm(), FlatForm(flat_table().columns)


@dataclass
class Windows:
    """Windows of one export, loaded into a folder, ready to be published."""

    folder: Path
    whole: Interval
    asked: str = "1d"
    loaded: dict[Interval, Loaded] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()

    def load(self, window: Interval, conversations: Sequence[dict[str, Any]]) -> None:
        """Write a window in the forms of databases, in place of what was there."""
        stem = self.folder / str(window).replace("/", "_").replace(":", "")
        paths: Callable[[Form], Path] = lambda form: stem.with_name(stem.name + form.suffix)  # noqa: E731
        written = {form.name: _written(form, paths(form), batch_of(conversations)) for form in forms_of_databases()}
        self.loaded[window] = Loaded(
            read_of(window, len(conversations)), len(conversations), paths, lambda form: written[form.name], False
        )

    def finished(self) -> Finished:
        """As a destination takes them."""
        windows = [self.loaded[window] for window in sorted(self.loaded, key=lambda window: window.start)]
        header = header_of(self.whole, self.asked)
        return Finished(header, windows, self.folder, partial(manifest_of, header, windows), iter)


def batch_of(conversations: Sequence[dict[str, Any]]) -> Batch:
    """The conversations as records and as flat rows."""
    found, table = batch(conversations), flat_table()
    records = [table.one(record)[0] for record in found.records]
    rows = [table.row(table.facts(record), Names()) for record in records if record is not None]
    return Batch(rows, found.records, found.owner_times_ms, (), Names())


def _written(form: Form, path: Path, conversations: Batch) -> Written:
    writer = form.writer(path)
    writer.write(conversations)
    return writer.close()


def read_of(window: Interval, count: int) -> WindowRead:
    return WindowRead(
        interval=str(window), route="query", verdict="proven", hits_before=count, hits_after=count, unique_ids=count,
        owned=count, carried_in=0, open=0, re_reads=0, provisional=False, counted_at=text(window.end),
    )  # fmt: skip


def header_of(interval: Interval, asked: str) -> Header:
    return Header(
        everycall="1", source="sandbox", client_id="client", interval=str(interval), begun_at=text(interval.end),
        asked={"last": asked}, filters={}, match="start", format="csv", columns=("conversationId",),
    )  # fmt: skip


def manifest_of(header: Header, windows: Sequence[Loaded], form: str, size_bytes: int, sha256: str) -> Manifest:
    entries = [Entry(**msgspec.structs.asdict(one.read), rows=one.rows, size_bytes=0, sha256="") for one in windows]
    at, output = text(header.window.end), Output(format=header.format, size_bytes=size_bytes, sha256=sha256)
    return Manifest.of(header, entries, unread=[], not_kept=[], started_at=at, finished_at=at, output=output)
