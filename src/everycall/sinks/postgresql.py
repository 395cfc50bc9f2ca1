"""PostgreSQL databases as outputs.

The tables are in the schema `everycall`, unless the connection names another one by its search_path:

    postgresql://db.example.com/warehouse?options=-csearch_path%3Dreporting

The manifest is in the table `everycall_export`. Rows go as Arrow batches through COPY. Passwords come from PGPASSWORD,
`~/.pgpass` or a service file, as libpq finds them. Needs adbc-driver-postgresql and pyarrow.

Messages show the SQLSTATE of an error, the table and the column. PostgreSQL's own messages are shown only where they
cannot contain a cell: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from everycall.errors import OutputFailed
from everycall.manifest import Header, Manifest
from everycall.printable import printable
from everycall.sinks.database import DatabaseDestination
from everycall.sinks.database_schema import manifest_in
from everycall.sinks.flat_form import FlatForm
from everycall.sinks.forgetting import Owned, Wanted
from everycall.sinks.interface import Finished
from everycall.sinks.names_form import NamesForm
from everycall.sinks.postgresql_address import Address
from everycall.sinks.tables_form import TablesForm
from everycall.tables.sql import Dialect, literal, quoted

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

SCHEMA = "everycall"
"""The schema of the tables, unless the connection names another one."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""In place of a NUL character, which PostgreSQL has no text for."""

WITHOUT_CELLS = ("08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
"""Classes of SQLSTATE whose messages name tables, users and limits, and never the values of a row."""

LOST = ("08", "57P", "25P03", "25P04")
"""Classes of SQLSTATE that end a connection, and those of its time limits."""

LOCK_NOT_AVAILABLE = "55P03"

LOCK_WAIT_S = 15.0
"""Ours: so long a run waits for another one that writes to the schema. The session of a run that was killed lives on
until the server is done with its statement."""

HINTS: Mapping[str, str] = {
    "42501": "Grant the user that permission (GRANT CREATE ON DATABASE or ON SCHEMA ... TO ...)",
    "25006": "Name a server that can be written",
    "25P03": "Give the user a longer idle_in_transaction_session_timeout",
    "25P04": "Give the user a longer transaction_timeout",
    "2BP01": "Remove the views that depend on these tables",
    "53100": "Make room on the server",
    "53300": "Wait until there are fewer connections",
    "40001": "Wait until the other program is done",
    "40P01": "Wait until the other program is done",
    "55P03": "Wait until the other program is done",
    "57014": "Give the user a longer statement_timeout (ALTER ROLE ... SET statement_timeout = ...)",
    "57P01": "Wait until the server is up again",
    "57P02": "Wait until the server is up again",
    "57P03": "Wait until the server is up",
}
"""The next step, by SQLSTATE."""

OTHER_HINT = "Undo what was changed in the tables, or choose another schema or database"

LOST_HINT = "Check that the server is up"

RESUMES = "and run the same command: it resumes from here."


class PostgresConnection:
    """An open connection."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: "Connection") -> None:
        """Use this connection."""
        self._connection = connection
        self._replaced: Counter[str] = Counter()
        self.execute("SET standard_conforming_strings = on")  # as literals are written
        self.schema = self.prefix = self._schema()

    def _schema(self) -> str:
        """The first schema of a search_path that the connection itself sets."""
        found = self.query("SELECT setting FROM pg_settings WHERE name = 'search_path' AND source = 'client'")
        first = found[0][0].partition(",")[0].strip() if found else SCHEMA
        if first in ("$user", '"$user"'):
            return str(self.query("SELECT current_user")[0][0])
        return first[1:-1].replace('""', '"') if first.startswith('"') else first

    def lock(self, wait_s: float = 0) -> bool:
        """Whether no other process publishes to the schema, or ends within this time; only before other statements.

        The lock ends with the connection.
        """
        from adbc_driver_manager import Error  # noqa: PLC0415 - only for such outputs

        key = f"hashtext('everycall'), hashtext({literal(self.schema)})"
        if self.query(f"SELECT pg_try_advisory_lock({key})")[0][0]:
            return True
        if not wait_s:
            return False
        self.execute(f"SET lock_timeout = {round(wait_s * 1000)}")
        try:
            self.query(f"SELECT pg_advisory_lock({key})")
        except Error as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            self._connection.rollback()
            return False
        self.execute("RESET lock_timeout")
        return True

    def execute(self, statement: str) -> None:
        """Run a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        from adbc_driver_manager import AdbcStatusCode, OperationalError  # noqa: PLC0415 - only for such outputs

        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            try:
                return list(cursor.fetchall())
            except (pa.ArrowException, OSError) as error:  # the driver has no error for where the result broke off
                raise OperationalError(str(error), status_code=AdbcStatusCode.IO) from error

    def prepare_reading(self) -> None:
        """See one state of the database from now on, change nothing, and find tables without their schema."""
        self.execute(f"SET search_path = {quoted(self.schema)}")
        self.execute("SET TimeZone = 'UTC'")
        self.execute("SET jit = off")  # PostgreSQL would take seconds to translate the long queries of views
        self.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self.commit()

    def fetch(self, name: str, statement: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The rows of a query as an Arrow table.

        Args:
            name: of the database, for the message.
            statement: the query, with `$1`, `$2` ... in place of its parameters.
            parameters: their values.

        Raises:
            OutputFailed: the database refuses it.
        """
        from adbc_driver_manager import Error  # noqa: PLC0415 - only for such outputs

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, tuple(parameters) or None)
                return cursor.fetch_arrow_table()
        except Error as error:
            self._connection.rollback()
            raise _refused(error, name) from None  # its text has data in it

    def append(self, table: str, batches: pa.RecordBatchReader) -> None:
        """Append rows to a table, columns by their names."""
        cleaned = (self._without_nul(table, batch) for batch in batches)
        reader = pa.RecordBatchReader.from_batches(batches.schema, cleaned)
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name=self.schema)

    def take_replaced(self) -> dict[str, int]:
        """How many NUL characters were replaced since the last call, by table and column."""
        taken, self._replaced = dict(self._replaced), Counter()
        return taken

    def commit(self) -> None:
        """Make what was done since the last commit visible to others, and durable."""
        self._connection.commit()

    def close(self) -> None:
        """Undo what is not committed, and end the connection."""
        self._connection.close()

    def _without_nul(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = []
        for field, column in zip(batch.schema, batch.columns, strict=True):
            cleaned, count = without_nul(column)
            if count:
                self._replaced[f"{table}.{field.name}"] += count
            columns.append(cleaned)
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def without_nul(column: pa.Array) -> tuple[pa.Array, int]:
    """A column with U+FFFD in place of each NUL character, and how many there were."""
    if pa.types.is_list(column.type):
        values, count = without_nul(column.values)
        if not count:
            return column, 0
        return pa.ListArray.from_arrays(column.offsets, values, type=column.type, mask=column.is_null()), count
    if not pa.types.is_string(column.type) or b"\0" not in bytes(column.buffers()[2] or b""):
        return column, 0
    count = pc.sum(pc.count_substring(column, "\0")).as_py() or 0
    return (pc.replace_substring(column, "\0", REPLACEMENT), count) if count else (column, 0)


class PostgresDestination(DatabaseDestination):
    """A schema of a PostgreSQL database."""

    path = None

    def __init__(
        self,
        address: Address,
        forms: tuple[TablesForm, NamesForm, FlatForm],
        *,
        is_fresh: bool = False,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> None:
        """Publish to the database at this address; wait so long for another run that publishes to it."""
        super().__init__(address.name, "postgresql", forms, is_fresh=is_fresh)
        self._address, self._lock_wait_s = address, lock_wait_s

    def check_place(self) -> None:
        """Check that the server takes the connection.

        Raises:
            OutputFailed: it does not; the hint says what to do.
        """
        with self.opened():
            pass

    def opened(self) -> AbstractContextManager[PostgresConnection]:
        """Connect to the database."""
        return opened(self._address)

    def check_content(self, header: Header, *, is_repair: bool) -> None:  # noqa: ARG002 - a repair changes nothing
        """Refuse a schema with another export, or with tables of another program."""
        with self.opened() as database:
            self.check_header(database, header)

    def publish(self, finished: Finished) -> Manifest:
        """Replace the windows that are not in the database yet."""
        with self._locked() as database:
            return self.put(database, finished)

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:  # noqa: ARG002
        """Take conversations out, in one transaction; see `forgetting.Forgets`."""
        with self._locked() as database:
            self.delete(database, wanted, found, manifest)
        return manifest

    @contextmanager
    def _locked(self) -> Iterator[PostgresConnection]:
        with self.opened() as database:
            if not database.lock(self._lock_wait_s):
                raise OutputFailed(
                    f"Another export is just being written to the schema {database.schema} of {self.name}.",
                    hint=f"Wait until it is done, {RESUMES}",
                )
            yield database


def manifest_at(address: Address) -> Manifest | None:
    """The manifest of the export in a database; None if there is none, or if it is not complete.

    Raises:
        OutputRefused: another version of everycall wrote it.
        OutputFailed: the server is away, for example.
    """
    with opened(address) as database:
        return manifest_in(database, address.name)


@contextmanager
def opened(address: Address) -> Iterator[PostgresConnection]:
    """Connect to a database, and end the connection. What is not committed is undone.

    Raises:
        OutputFailed: the server is away, refuses the login or a statement, or the connection is lost.
    """
    from adbc_driver_manager import Error  # noqa: PLC0415 - only for such outputs
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415

    try:
        connection = dbapi.connect(address.connection)
    except Error as error:
        raise _unreachable(error, address) from None
    try:
        yield PostgresConnection(connection)
    except Error as error:
        raise _failed(error, address) from None  # its text has data in it
    finally:
        with suppress(Error, RuntimeError):  # a lost connection may leave cursors that cannot be closed
            connection.close()


def _unreachable(error: Exception, address: Address) -> OutputFailed:
    """Libpq's message about the connection; it contains no password."""
    reason = str(error).partition("[libpq] ")[2].partition("Failed to connect: ")[2] or str(error)
    if "password" in reason:
        hint = "Set PGPASSWORD, or put the password into ~/.pgpass or a service file"
    else:
        hint = "Check the address, and that the server is up and lets this user in"
    lines = " ".join(line.strip() for line in reason.splitlines())
    return OutputFailed(f"{address.name} cannot be reached: {lines.rstrip('.')}.", hint=f"{hint}, {RESUMES}")


def _failed(error: Any, address: Address) -> OutputFailed:
    """The error of a statement: its SQLSTATE, table and column, and its message where no cell can be in it."""
    details = {_text(key).removeprefix("PG_DIAG_"): _text(value) for key, value in error.details or ()}
    state = error.sqlstate or details.get("SQLSTATE", "")
    if not state:
        return OutputFailed(f"The connection to {address.name} was lost.", hint=f"{LOST_HINT}, {RESUMES}")
    shown = ", ".join([f"SQLSTATE {state}", *_where(details)])
    reason = details.get("MESSAGE_PRIMARY", "") if state.startswith(WITHOUT_CELLS) else ""
    is_lost = state.startswith(LOST)
    what = f"The connection to {address.name} was lost" if is_lost else f"{address.name} takes no rows"
    hint = HINTS.get(state, LOST_HINT if is_lost else OTHER_HINT)
    return OutputFailed(f"{what}{f': {printable(reason)}' if reason else ''} ({shown}).", hint=f"{hint}, {RESUMES}")


def _refused(error: Any, name: str) -> OutputFailed:
    """The error of a query: its SQLSTATE, and its message where no cell can be in it."""
    details = {_text(key).removeprefix("PG_DIAG_"): _text(value) for key, value in error.details or ()}
    state = error.sqlstate or details.get("SQLSTATE", "")
    reason = details.get("MESSAGE_PRIMARY", "") if state.startswith(WITHOUT_CELLS) else ""
    shown = f" (SQLSTATE {state})" if state else ""
    return OutputFailed(
        f"{name} cannot be read{f': {printable(reason)}' if reason else ''}{shown}.",
        hint="Check that the server is up, and that this user may read the tables.",
    )


def _where(details: Mapping[str, str]) -> Iterator[str]:
    """The table, column and constraint of an error."""
    # Of a cell that does not fit, only the context names the column; the cell may stand behind it.
    copied = re.match(r"COPY (?P<TABLE_NAME>\w+), line \d+, column (?P<COLUMN_NAME>\w+)", details.get("CONTEXT", ""))
    known = {**(copied.groupdict() if copied else {}), **details}
    for noun, key in (("table", "TABLE_NAME"), ("column", "COLUMN_NAME"), ("constraint", "CONSTRAINT_NAME")):
        if known.get(key):
            yield f"{noun} {printable(known[key])}"


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
