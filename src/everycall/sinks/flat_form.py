"""Flat rows on disk for databases: a window as one Parquet file with typed columns, and with its `ownerTime`s.

A database replaces the rows of a window by `ownerTime` and `conversationId`, which the chosen columns may lack: the
file has them in any case. Needs pyarrow.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from everycall.api.names import Kind
from everycall.api.oddities import Oddity
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.manifest import Written
from everycall.sinks.files import sha256_of
from everycall.sinks.interface import Batch, Wanted
from everycall.sinks.tables_form import ParquetFile, TableFile
from everycall.tables.columns import Column, Type

TYPES: dict[Type, pa.DataType] = {
    "text": pa.string(),
    "instant": pa.timestamp("ms", "UTC"),
    "seconds": pa.float64(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "texts": pa.list_(pa.string()),
}

ROWS_OF_GROUP = 5_000
"""Rows after which a row group ends."""

OWNER_TIME, CONVERSATION_ID = "ownerTime", "conversationId"


class _Identified(msgspec.Struct):
    conversationId: str  # noqa: N815 - the API's name


class FlatForm:
    """Files of flat rows. It has to be used together with a form that wants records."""

    name = "flat"
    suffix = ".flat.parquet"
    wants: Wanted = "rows"

    def __init__(self, columns: Sequence[Column], filesystem: Filesystem | None = None) -> None:
        """Write rows with these columns, by default to the disk of this machine."""
        self.columns = tuple(columns)
        self.schema = schema(columns)
        self._filesystem: Filesystem = filesystem or SystemFilesystem()

    def writer(self, path: Path) -> "FlatWriter":
        """Begin to write a window to a new file at `path`."""
        return FlatWriter(self, path, self._filesystem)

    def is_complete(self, path: Path, written: Written) -> bool:
        """Whether the file has its full size."""
        return self._filesystem.size(path) == written.size_bytes

    def is_intact(self, path: Path, written: Written) -> bool:
        """Whether every byte is as it was written."""
        try:
            return sha256_of(path, self._filesystem) == written.sha256
        except OSError:
            return False

    def table(self, batch: Batch) -> pa.Table:
        """The rows of a batch.

        Raises:
            ValueError: there is not one record for each row.
        """
        times = pa.array(batch.owner_times_ms, pa.int64()).cast(TYPES["instant"])
        ids = [msgspec.json.decode(record, type=_Identified).conversationId for record in batch.records]
        columns = list(zip(*batch.rows, strict=True)) or [()] * len(self.columns)
        arrays: dict[str, Any] = {OWNER_TIME: times, CONVERSATION_ID: ids}
        arrays |= dict(zip((column.name for column in self.columns), columns, strict=True))
        if len(ids) != len(batch.rows):
            raise ValueError(f"{len(ids)} conversations have {len(batch.rows)} rows")
        return pa.Table.from_arrays([pa.array(arrays[one.name], one.type) for one in self.schema], schema=self.schema)


def schema(columns: Sequence[Column]) -> pa.Schema:
    """`ownerTime`, then `conversationId` unless it is among the columns, then the columns."""
    fields = {OWNER_TIME: TYPES["instant"], CONVERSATION_ID: pa.string()}
    return pa.schema({**fields, **{column.name: TYPES[column.type] for column in columns}})


class FlatWriter:
    """Writes one window."""

    def __init__(self, form: FlatForm, path: Path, filesystem: Filesystem) -> None:
        """Open a new file at `path`."""
        self._form, self._path, self._filesystem = form, path, filesystem
        self._file = ParquetFile(TableFile("", "", "", 0, 0, ""), path, filesystem)
        self._pending: list[pa.Table] = []
        self._rows = 0

    @property
    def mentioned(self) -> tuple[tuple[Kind, str], ...]:
        """None: conversations are not looked at."""
        return ()

    def write(self, batch: Batch) -> None:
        """Append some conversations."""
        self._pending.append(self._form.table(batch))
        self._rows += len(batch.rows)
        if self._rows >= ROWS_OF_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._file.write(pa.concat_tables(self._pending or [self._form.schema.empty_table()]))
        self._pending, self._rows = [], 0

    def take_oddities(self) -> tuple[Oddity, ...]:
        """None: values are not looked at."""
        return ()

    def close(self) -> Written:
        """Make the window durable."""
        self._flush()  # also where there are no rows: a Parquet file has a schema
        done = self._file.close()
        return Written(size_bytes=done.size_bytes, sha256=done.sha256)

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._file.discard()
