"""Opens a finished export for reading with SQL.

    Parquet, Delta, CSV of the tables, DuckDB    read through a DuckDB in memory, with a view for each table
    JSON lines, also by day                      loaded into a DuckDB file first, which goes away at the end
    PostgreSQL                                   asked itself, in a transaction that writes nothing

Each table has its declared columns and types, also where an earlier version of everycall wrote fewer of them. All
instants are UTC. A list of CSV is split at each `|`, also at one that was in its texts. Needs duckdb and pyarrow.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from everycall.api.interval import Interval
from everycall.converting import ConvertOptions, convert
from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import SystemFilesystem
from everycall.load.unpacking import PIECE_BYTES
from everycall.manifest import Header, Manifest, Output, Verdict, check_interval, check_version
from everycall.progress import Event, Noticed
from everycall.sinks import postgresql_address
from everycall.sinks.day_folder import NAMES_FILE
from everycall.sinks.extras import extra
from everycall.sinks.files import FOLDER_SUFFIX, MANIFEST_SUFFIX, NAMES_SUFFIX
from everycall.sinks.places import LocalPlace, Place
from everycall.sinks.targets import CSV_FOLDER, JSONL_DAYS, POSTGRESQL, Target, target_of
from everycall.tables.relational import TABLES, Column, Table
from everycall.tables.sql import TYPES, Dialect, literal, quoted
from everycall.version import VERSION

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ATTACHED = "export"
"""What the DuckDB in memory calls an attached file."""

WITH_TABLES = "Export to a folder (-o OUT.parquet) or a database (-o OUT.duckdb), or to an archive (-o OUT.jsonl.zst)."

UNFINISHED = "An unfinished export resumes when its command is run again."


@dataclass(frozen=True, slots=True)
class Window:
    """What an export says of one of its windows."""

    interval: Interval
    verdict: Verdict | Literal["unread"]
    """`unread` where `--max-pages` left it unread; `unknown` where nobody has counted."""
    reason: str
    """Why it is unproven; empty if it is proven."""
    conversations: int
    """That belong to it, and are in the tables."""
    hits: int
    """The API's last count, which includes conversations that belong to other windows."""
    counted_at: str
    """When that was; empty if nobody has counted."""
    is_provisional: bool
    """Whether the vendor could still change its data when it was read."""


class OpenTables:
    """The tables of an export."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        manifest: Manifest,
        names: frozenset[str],
        run: "Callable[[str, Sequence[object]], pa.Table]",
        notices: Sequence[str] = (),
    ) -> None:
        """Describe open tables; `run` runs a query."""
        self.name = name
        """The destination as messages show it: a path, or an address without its password."""
        self.dialect: Dialect = dialect
        """Of the SQL that `query` takes."""
        self.manifest = manifest
        self.names = names
        """The tables and views that the destination itself has."""
        self.notices = tuple(notices)
        """What was wrong with an archive: lines that are no conversations, for example."""
        self._run = run

    @property
    def about(self) -> Header:
        """What the export says of itself: org, interval, filters, redaction, time zone of local times."""
        return self.manifest.query

    @property
    def interval(self) -> Interval:
        """The interval that was exported."""
        return Interval.read(self.manifest.interval)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pa.Table":
        """The rows of a query; its names need no schema, and its parameters are `$1`, `$2` ... in both dialects.

        Cast sums to bigint or double precision: PostgreSQL's numeric has no type in Arrow, and comes as text.

        Raises:
            OutputFailed: the database refuses it, or the destination cannot be read.
        """
        return self._run(sql, parameters)

    def windows(self) -> list[Window]:
        """The windows of the export in the order of time, those that were not read among them."""
        found = [
            Window(
                entry.window, entry.verdict, entry.reason, entry.owned, entry.hits_after, entry.counted_at,
                entry.provisional,
            )
            for entry in self.manifest.windows
        ]  # fmt: skip
        unread = [Window(Interval.read(one), "unread", "", 0, 0, "", False) for one in self.manifest.unread]
        return sorted([*found, *unread], key=lambda window: window.interval.start)


@contextmanager
def open_tables(output: str | Path) -> Iterator[OpenTables]:
    """Open a destination, and close it in the end.

    Args:
        output: as `-o` takes it: a Parquet or Delta folder, a folder of CSV files, a DuckDB file, an archive of JSON
            lines (also zipped, or a folder of such by day), the URL of a folder in an object store, or the address of a
            PostgreSQL database.

    Raises:
        OutputRefused: there is no finished export, or it has no tables; the hint says what to do.
        SettingsError: the ending belongs to no format, or what reading needs is not installed.
        OutputFailed: a database cannot be reached, or another program keeps the file locked.
    """
    target = target_of(output)
    with ExitStack() as stack:
        yield _opened(target, stack)


def _opened(target: Target, stack: ExitStack) -> OpenTables:
    if target.format == POSTGRESQL:
        return stack.enter_context(_postgresql(target))
    place = _place(target)
    manifest = _manifest_beside(place)
    format_ = manifest.query.format if manifest is not None else target.format
    if manifest is None and _is_folder(place):
        raise _no_manifest(place)
    if format_.startswith(("csv", "xlsx")) and format_ != CSV_FOLDER:
        raise OutputRefused(f"{place.name} is a {format_} file of flat rows, without the tables.", hint=WITH_TABLES)
    if format_ == JSONL_DAYS and manifest is not None:
        return _archive_of_days(place, manifest, stack)
    if format_.startswith("jsonl"):
        return _archive(place, stack)
    if format_ == "duckdb":
        return _duckdb_file(place, stack)
    if manifest is None:
        raise _no_manifest(place)
    _check_files(place, manifest)
    connection = stack.enter_context(_in_memory())
    present = _register(connection, place, format_)
    return OpenTables(place.name, "duckdb", manifest, present, _runner(connection, place.name))


def _is_folder(place: Place) -> bool:
    return place.path is not None and place.path.is_dir()


def _no_manifest(place: Place) -> OutputRefused:
    return OutputRefused(f"{place.name} has no manifest, so it is not a finished export of everycall.", hint=UNFINISHED)


def _check_files(place: Place, manifest: Manifest) -> None:
    """Refuse a folder whose files are not those of its manifest: the figures of the rest would look proven.

    Sizes are compared, not checksums, which `verify` does.

    Raises:
        OutputFailed: a file or a Delta table is missing, has another size, or is not in the manifest.
    """
    there: dict[str, int] = place.files()
    if manifest.query.format == "delta":
        logs = {path.partition("/")[0] for path in there}
        wrong = [file.path for file in manifest.files if file.path not in logs]
    else:
        sizes = {file.path: file.size_bytes for file in manifest.files}
        wrong = sorted(path for path in {*there, *sizes} if there.get(path) != sizes.get(path))
    if wrong:
        more = f" and {len(wrong) - 1:,} others" if len(wrong) > 1 else ""
        raise OutputFailed(
            f"{place.name} is not as it was exported: {wrong[0]}{more} is missing, changed or of another export.",
            hint="If another command is writing it, wait until that ends. Otherwise everycall verify --repair "
            "restores it.",
        )


# --- where it is


def _place(target: Target) -> Place:
    """Where the files are.

    Raises:
        OutputRefused: there is nothing.
    """
    path = target.path
    if path is None:
        with extra("parquet"):
            from everycall.sinks.remote import RemotePlace  # noqa: PLC0415 - needs pyarrow

        place: Place = RemotePlace(target.place, SystemFilesystem())
        place.check()
        return place
    if not path.exists():
        folder = path.with_name(path.name + FOLDER_SUFFIX) if path.name else path
        unfinished = f" The export to it is not finished: {folder} is there." if folder.exists() else ""
        raise OutputRefused(
            f"{path} does not exist.{unfinished}", hint=UNFINISHED if unfinished else "Name a finished export."
        )
    if path.name in ("", ".."):
        raise OutputRefused(f"{path} is a folder.", hint="Name a finished export, such as calls.parquet.")
    return LocalPlace(path, SystemFilesystem())


def _manifest_beside(place: Place) -> Manifest | None:
    """The manifest beside files; None if there is none.

    Raises:
        OutputRefused: it cannot be read.
    """
    body = place.manifest()
    return None if body is None else _decoded(body, place.name)


def _decoded(body: bytes, name: str) -> Manifest:
    try:
        check_version(body, f"{name} was exported")
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutputRefused(
            f"{name}{MANIFEST_SUFFIX} is not a manifest of everycall {VERSION}: {str(error).rstrip('.')}.",
            hint="Export again with --fresh.",
        ) from error
    check_interval(manifest.query, Path(name))
    return manifest


# --- through DuckDB


@contextmanager
def _in_memory() -> "Iterator[duckdb.DuckDBPyConnection]":
    """A DuckDB in memory."""
    with extra("duckdb"):
        import duckdb  # noqa: PLC0415 - only for reading
        import pyarrow as pa  # noqa: F401, PLC0415
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _runner(connection: "duckdb.DuckDBPyConnection", name: str) -> "Callable[[str, Sequence[object]], pa.Table]":
    import duckdb  # noqa: PLC0415 - only for reading

    def run(sql: str, parameters: Sequence[object]) -> "pa.Table":
        try:
            return connection.sql(sql, params=list(parameters)).to_arrow_table()
        except (duckdb.Error, OSError) as error:
            raise _unreadable(error, name) from error

    return run


def _unreadable(error: Exception, name: str) -> OutputFailed:
    """The error for the user."""
    reason = " ".join(str(error).partition("\n")[0].split()).rstrip(".")
    if "Conflicting lock" in reason or "being used by another process" in reason:
        return OutputFailed(
            f"Another program has {name} open for writing.", hint="Close it there, and run the same command again."
        )
    return OutputFailed(f"{name} cannot be read: {reason}.", hint="Repair it with everycall verify --repair.")


def _duckdb_file(place: Place, stack: ExitStack) -> OpenTables:
    """Attach the file to a DuckDB in memory, whose views read it."""
    if place.path is None:
        raise OutputRefused(f"{place.name} is not on this machine.", hint="Copy it, and name the copy.")
    connection = stack.enter_context(_in_memory())
    import duckdb  # noqa: PLC0415 - only for reading

    try:
        connection.execute(f"ATTACH {literal(str(place.path))} AS {ATTACHED} (READ_ONLY)")
    except duckdb.Error as error:
        if "not a valid DuckDB database file" in str(error):
            raise OutputRefused(f"{place.name} is no DuckDB file.", hint=WITH_TABLES) from error
        raise _unreadable(error, place.name) from error
    return _attached(connection, place.name)


def _attached(connection: "duckdb.DuckDBPyConnection", name: str, notices: Sequence[str] = ()) -> OpenTables:
    import duckdb  # noqa: PLC0415 - only for reading

    try:
        return _with_views(connection, name, notices)
    except duckdb.Error as error:
        raise _unreadable(error, name) from error


def _with_views(connection: "duckdb.DuckDBPyConnection", name: str, notices: Sequence[str]) -> OpenTables:
    found = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = $1 AND schema_name = 'main'",
        [ATTACHED],
    ).fetchall()
    columns: dict[str, set[str]] = {}
    for table, column in found:
        columns.setdefault(table, set()).add(column)
    manifest = _manifest_inside(connection, name) if "everycall_export" in columns else None
    if manifest is None:
        raise OutputRefused(f"{name} has no finished export of everycall.", hint=UNFINISHED)
    for table in TABLES:
        if table.name in columns:
            _view(connection, table, f"{ATTACHED}.main.{quoted(table.name)}", columns[table.name])
        else:
            _no_rows(connection, table)
    return OpenTables(name, "duckdb", manifest, frozenset(columns), _runner(connection, name), notices)


def _manifest_inside(connection: "duckdb.DuckDBPyConnection", name: str) -> Manifest | None:
    sql = f"SELECT value FROM {ATTACHED}.main.everycall_export WHERE name = 'manifest'"
    row = connection.execute(sql).fetchone()
    return _decoded(row[0].encode(), name) if row and row[0] else None


def _register(connection: "duckdb.DuckDBPyConnection", place: Place, format_: str) -> frozenset[str]:
    """Make a view of each table of a folder, and return the names of those that are there."""
    sources = _SOURCES[format_](place)
    for table in TABLES:
        if table.name in sources:
            source, name = sources[table.name], f"{table.name} of {format_}"
            if format_ == "delta" and place.path is not None and source.files:
                _register_files(connection, name, [f"{place.uri(table.name)}/{file}" for file in source.files])
            else:
                connection.register(name, source)
            _view(connection, table, quoted(name), set(source.schema.names), format_)
        else:
            _no_rows(connection, table)
    return frozenset(sources)


def _register_files(connection: "duckdb.DuckDBPyConnection", name: str, files: Sequence[str]) -> None:
    """Make a view of Parquet files that DuckDB reads itself.

    delta-rs stores what it rewrites as string views, which Arrow cannot compare with strings.
    """
    connection.read_parquet(list(files), union_by_name=True).create_view(name)


def _view(
    connection: "duckdb.DuckDBPyConnection", table: Table, source: str, present: set[str], format_: str = ""
) -> None:
    """Create a view with the declared columns of a table; a column that the source lacks is null."""
    read = _of_text if format_ == CSV_FOLDER else _as_it_is
    cells = (read(one) if one.name in present else f"CAST(NULL AS {TYPES[one.type]})" for one in table.columns)
    columns = ", ".join(f"{cell} AS {quoted(one.name)}" for cell, one in zip(cells, table.columns, strict=True))
    connection.execute(f"CREATE VIEW {quoted(table.name)} AS SELECT {columns} FROM {source}")


def _no_rows(connection: "duckdb.DuckDBPyConnection", table: Table) -> None:
    """Create an empty view in place of a table that the destination lacks."""
    columns = ", ".join(f"CAST(NULL AS {TYPES[one.type]}) AS {quoted(one.name)}" for one in table.columns)
    connection.execute(f"CREATE VIEW {quoted(table.name)} AS SELECT {columns} WHERE false")


def _as_it_is(column: Column) -> str:
    return quoted(column.name)


def _of_text(column: Column) -> str:
    """A column of a CSV file, which has lists joined by `|`."""
    if column.type in ("texts", "integers"):
        return f"CAST(string_split({quoted(column.name)}, '|') AS {TYPES[column.type]})"
    return f"CAST({quoted(column.name)} AS {TYPES[column.type]})"


# --- folders


def _arrow(place: Place) -> tuple[Any, str]:
    """The filesystem of pyarrow that has the place, and the place's path in it."""
    from pyarrow import fs  # noqa: PLC0415 - only for reading

    from everycall.sinks.remote import RemotePlace  # noqa: PLC0415

    if isinstance(place, RemotePlace):
        return place.arrow()
    return fs.LocalFileSystem(), place.uri("").rstrip("/")


def _parquet(place: Place) -> dict[str, Any]:
    """The tables of a Parquet folder as datasets."""
    from pyarrow import dataset  # noqa: PLC0415 - only for reading

    from everycall.arrow.schemas import schema  # noqa: PLC0415

    names = {table.name for table in TABLES}
    files: dict[str, list[str]] = {}
    for path in sorted(place.files()):
        table, separator, file = path.partition("/")
        if separator and table in names and file.endswith(".parquet"):
            files.setdefault(table, []).append(path)
    filesystem, base = _arrow(place)
    return {
        table: dataset.dataset(
            [f"{base}/{path}" for path in paths], schema=schema(table), format="parquet", filesystem=filesystem
        )
        for table, paths in files.items()
    }


def _delta(place: Place) -> dict[str, Any]:
    """The tables of a folder of Delta tables as datasets."""
    with extra("delta"):
        from deltalake import DeltaTable  # noqa: PLC0415 - only for reading
        from deltalake.exceptions import DeltaError  # noqa: PLC0415

    found = set(place.names())
    try:
        return {
            table.name: DeltaTable(place.uri(table.name)).to_pyarrow_dataset()
            for table in TABLES
            if table.name in found
        }
    except DeltaError as error:
        raise _unreadable(error, place.name) from error


def _csv(place: Place) -> dict[str, Any]:
    """The tables of a folder of CSV files as datasets of texts and numbers."""
    from pyarrow import csv, dataset  # noqa: PLC0415 - only for reading

    from everycall.arrow.schemas import schema  # noqa: PLC0415
    from everycall.sinks.csv_folder import BLOCK_BYTES, as_text  # noqa: PLC0415

    filesystem, base = _arrow(place)
    found: dict[str, Any] = {}
    for table in TABLES:
        if f"{table.name}.csv" not in place.files():
            continue
        texts = as_text(schema(table.name).empty_table()).schema
        options = csv.ConvertOptions(
            column_types=texts, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        )
        scan = dataset.CsvFragmentScanOptions(options, csv.ReadOptions(block_size=BLOCK_BYTES))
        parse = csv.ParseOptions(newlines_in_values=True)
        format_ = dataset.CsvFileFormat(parse, default_fragment_scan_options=scan)
        path = f"{base}/{table.name}.csv"
        found[table.name] = dataset.dataset([path], schema=texts, format=format_, filesystem=filesystem)
    return found


_SOURCES: dict[str, Callable[[Place], dict[str, Any]]] = {"parquet": _parquet, "delta": _delta, CSV_FOLDER: _csv}


# --- an archive


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes away in the end, also while threads of an interrupted conversion still write in it."""
    folder = Path(mkdtemp(prefix="everycall-"))
    try:
        yield folder
    finally:
        for _ in range(REMOVALS_MAX):  # a file that comes meanwhile keeps its folder
            rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


REMOVALS_MAX = 1000


class _Notices:
    """Collects what a conversion reports."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def report(self, event: Event) -> None:
        """Keep the message of a note."""
        if isinstance(event, Noticed):
            self.messages.append(event.message)


def _archive(place: Place, stack: ExitStack) -> OpenTables:
    """Load an archive into a DuckDB file that goes away in the end."""
    if place.path is None:
        raise OutputRefused(f"{place.name} is not on this machine.", hint="Copy it, and name the copy.")
    return _converted(place.path, place.name, stack)


def _archive_of_days(place: Place, manifest: Manifest, stack: ExitStack) -> OpenTables:
    """Put the files of a folder's days together as one archive, and load that.

    The windows of the days are in the order of time, as those of an archive are.
    """
    _check_files(place, manifest)
    folder = stack.enter_context(scratch())
    archive, digest, size_bytes = folder / "days.jsonl", sha256(), 0
    with archive.open("wb") as output:
        for day in sorted(file.path for file in manifest.files if file.path != NAMES_FILE):
            with place.open(day) as file:
                while piece := file.read(PIECE_BYTES):
                    output.write(piece)
                    digest.update(piece)
                    size_bytes += len(piece)
    if NAMES_FILE in place.files():
        with place.open(NAMES_FILE) as file:
            archive.with_name(archive.name + NAMES_SUFFIX).write_bytes(file.read())
    described = msgspec.structs.replace(
        manifest,
        query=msgspec.structs.replace(manifest.query, format="jsonl"),
        output=Output(format="jsonl", size_bytes=size_bytes, sha256=digest.hexdigest()),
        files=(),
    )
    archive.with_name(archive.name + MANIFEST_SUFFIX).write_bytes(msgspec.json.encode(described))
    return _converted(archive, place.name, stack)


def _converted(archive: Path, name: str, stack: ExitStack) -> OpenTables:
    """Load an archive into a DuckDB file that goes away in the end; `name` is for messages."""
    connection = stack.enter_context(_in_memory())
    folder = stack.enter_context(scratch())
    stack.callback(connection.close)  # before the folder goes
    notices, file = _Notices(), folder / "archive.duckdb"
    converted = convert(archive, file, options=ConvertOptions(), progress=notices)
    if converted.bad_count:
        notices.messages.append(f"{converted.bad_count:,} lines of {name} are no conversations.")
    connection.execute(f"ATTACH {literal(str(file))} AS {ATTACHED} (READ_ONLY)")
    return _attached(connection, name, notices.messages)


# --- PostgreSQL


@contextmanager
def _postgresql(target: Target) -> Iterator[OpenTables]:
    """Ask the database itself."""
    with extra("postgres"):
        import adbc_driver_postgresql  # noqa: F401, PLC0415 - only for such outputs

        from everycall.sinks import postgresql  # noqa: PLC0415 - needs pyarrow
        from everycall.sinks.database_schema import EXPORT, columns_in, value_in  # noqa: PLC0415

    address = postgresql_address.parse(target.place)
    with postgresql.opened(address) as database:
        database.prepare_reading()
        present = frozenset(columns_in(database))
        body = value_in(database, "manifest") if EXPORT in present else None
        if not body:
            raise OutputRefused(
                f"{address.name} has no finished export of everycall in its schema {database.schema}.", hint=UNFINISHED
            )
        manifest = _decoded(body.encode(), address.name)
        yield OpenTables(address.name, "postgresql", manifest, present, partial(database.fetch, address.name))
