"""DuckDB files as outputs.

    OUT.duckdb                  the tables, in the schema `main`
    OUT.duckdb.manifest.json    appears when the file is complete

The file is changed in place, a window in one transaction, so that it keeps what its owner added to it. DuckDB makes a
transaction durable or undoes it when the file is opened again; so a process that is killed leaves a valid file, without
a manifest, and the next run goes on. While it is written, no other process can open it: it never shows half an export.

Needs duckdb and pyarrow.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import Filesystem
from everycall.manifest import Entry, Header, Manifest, pretty_pieces
from everycall.sinks.database import DatabaseDestination
from everycall.sinks.files import MANIFEST_SUFFIX, check_place, scratch
from everycall.sinks.flat_form import FlatForm
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.interface import Finished
from everycall.sinks.names_form import NamesForm
from everycall.sinks.tables_form import TablesForm
from everycall.tables.sql import Dialect, quoted

if TYPE_CHECKING:
    import duckdb

MADE, NEW = "manifest.new", "output"
"""Names in the folder of the ledger, which removes them: an empty file that DuckDB made, and a copy of it."""


class DuckDBConnection:
    """An open file."""

    dialect: Dialect = "duckdb"
    schema = "main"
    prefix = ""
    """`main` would be ambiguous in a file `main.duckdb`."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Use this connection."""
        self._connection = connection
        self._is_begun = False

    def execute(self, statement: str) -> None:
        """Run a statement."""
        self._begin()
        self._connection.execute(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        self._begin()
        return self._connection.execute(statement).fetchall()

    def append(self, table: str, batches: pa.RecordBatchReader) -> None:
        """Append rows to a table, columns by their names."""
        self._begin()
        self._connection.register("everycall_batches", batches)
        try:
            self._connection.execute(f"INSERT INTO {quoted(table)} BY NAME SELECT * FROM everycall_batches")
        finally:
            self._connection.unregister("everycall_batches")

    def take_replaced(self) -> dict[str, int]:
        """Nothing: DuckDB takes every character."""
        return {}

    def commit(self) -> None:
        """Make what was done since the last commit durable."""
        if self._is_begun:
            self._connection.commit()
            self._is_begun = False

    def close(self) -> None:
        """Undo what is not committed, and close the file."""
        if self._is_begun:
            with suppress(self.errors):
                self._connection.rollback()
        self._connection.close()

    def complete(self) -> None:
        """Move the log of transactions into the file."""
        self._connection.execute("CHECKPOINT")

    @property
    def errors(self) -> type[Exception]:
        """What it raises."""
        import duckdb  # noqa: PLC0415 - only for such outputs

        return duckdb.Error

    def _begin(self) -> None:
        if not self._is_begun:
            self._connection.begin()
            self._is_begun = True


class DuckDBDestination(DatabaseDestination):
    """A DuckDB file."""

    def __init__(
        self,
        path: Path,
        forms: tuple[TablesForm, NamesForm, FlatForm],
        filesystem: Filesystem,
        *,
        is_fresh: bool = False,
    ) -> None:
        """Publish to the file at `path`."""
        super().__init__(str(path), "duckdb", forms, is_fresh=is_fresh)
        self.path: Path = path
        self._filesystem = filesystem
        self._manifest = path.with_name(path.name + MANIFEST_SUFFIX)

    def check_place(self) -> None:
        """Refuse a folder that does not exist or is not writable, and a name that a folder has."""
        check_place((self.path, self._manifest), self._filesystem)

    def opened(self) -> AbstractContextManager[DuckDBConnection]:
        """Open the file."""
        return opened(self.path)

    def check_content(self, header: Header, *, is_repair: bool) -> None:  # noqa: ARG002 - a repair changes nothing
        """Refuse a file that another program has open, that is no DuckDB file, or that has another export."""
        if self._filesystem.exists(self.path):
            try:
                with self.opened() as database:
                    self.check_header(database, header)
            except OutputFailed as error:
                raise OutputRefused(str(error), hint=error.hint) from error

    def found(self) -> Manifest | None:
        """The manifest in the file; None if there is none, or if it cannot be read."""
        return super().found() if self._filesystem.exists(self.path) else None

    def intact(self, manifest: Manifest) -> list[bool]:
        """Whether each window is the one of the manifest, and each table has as many rows of it as were loaded."""
        if not self._filesystem.exists(self.path):  # or DuckDB would create it
            return [False for _ in manifest.windows]
        return super().intact(manifest)

    def publish(self, finished: Finished) -> Manifest:
        """Replace the windows that are not in the file yet, and write the manifest."""
        folder = scratch(finished.folder, self.path, self._filesystem)
        self._create(folder)
        self._filesystem.unlink(self._manifest)  # until it is complete, the file is not what it says
        self._filesystem.sync_folder(self.path.parent)
        with self.opened() as database:
            manifest = self.put(database, finished)
            database.complete()
        self._write_manifest(manifest, finished.entries(manifest.windows), folder / "manifest")
        if folder != finished.folder:
            self._filesystem.remove_folder(folder)
        return manifest

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:
        """Take conversations out, in one transaction; see `forgetting.Forgets`."""
        self._filesystem.unlink(self._manifest)
        self._filesystem.sync_folder(self.path.parent)
        with self.opened() as database:
            self.delete(database, wanted, found, manifest)
            database.complete()
        self._write_manifest(manifest, manifest.windows, folder / "manifest")
        return manifest

    def _create(self, folder: Path) -> None:
        """Create the file, unless it exists; `--fresh` also replaces one that is no DuckDB file."""
        if self._filesystem.exists(self.path) and not (self.is_fresh and not _is_database(self.path)):
            return
        made, new = folder / MADE, folder / NEW
        self._filesystem.unlink(made)
        with opened(made):
            pass
        with self._filesystem.open(new, "wb") as file:  # with the permissions of our files, which DuckDB does not know
            file.write(self._filesystem.read(made))
            self._filesystem.sync(file)
        self._filesystem.unlink(made)
        self._filesystem.replace(new, self.path)
        self._filesystem.sync_folder(self.path.parent)

    def _write_manifest(self, manifest: Manifest, entries: Iterable[Entry], described: Path) -> None:
        with self._filesystem.open(described, "wb") as file:
            for piece in pretty_pieces(manifest, entries):
                file.write(piece)
            self._filesystem.sync(file)
        self._filesystem.replace(described, self._manifest)
        self._filesystem.sync_folder(self.path.parent)


@contextmanager
def opened(path: Path) -> Iterator[DuckDBConnection]:
    """Open a DuckDB file, and close it in the end. What is not committed is undone.

    Raises:
        OutputFailed: it is no DuckDB file, another program has it open, or it cannot be written.
    """
    import duckdb  # noqa: PLC0415 - only for such outputs

    try:
        connection = DuckDBConnection(duckdb.connect(str(path)))
    except duckdb.Error as error:
        raise _failed(error, path) from None
    try:
        yield connection
    except duckdb.Error as error:
        raise _failed(error, path) from None  # the message of the error has data in it
    finally:
        with suppress(duckdb.Error):
            connection.close()


def _failed(error: Exception, path: Path) -> OutputFailed:
    """The error for the user. DuckDB's messages may contain rows, except where they are about the file."""
    message = str(error)
    kind, _, rest = message.partition(": ")
    if "Conflicting lock" in message or "being used by another process" in message:
        return OutputFailed(
            f"Another program has {path} open, and DuckDB lets only one program in while a file is written.",
            hint="Close it there, and run the same command again: it resumes from here.",
        )
    if "not a valid DuckDB database file" in message:
        return OutputFailed(
            f"{path} exists and is no DuckDB file.", hint="Choose another output, or use --fresh to replace it."
        )
    if kind in ("IO Error", "Out of Memory Error"):
        return OutputFailed(
            f"DuckDB cannot write {path}: {rest.partition(chr(10))[0]}",
            hint="Correct that, and run the same command: it resumes from here.",
        )
    return OutputFailed(
        f"DuckDB refused to write {path} ({kind}).",
        hint="Undo what was changed in its tables, or choose another output with -o.",
    )


def _is_database(path: Path) -> bool:
    try:
        with opened(path):
            return True
    except OutputFailed as error:
        return "no DuckDB file" not in str(error)
