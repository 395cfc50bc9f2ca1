"""Relational tables on disk: a window as Parquet files, one for each table and UTC day of `ownerTime`.

    WINDOW.tables                                      the index: a JSON line for each of the files
    WINDOW.tables.conversations.2026-01-05.parquet
    WINDOW.tables.sessions.2026-01-05.parquet

A table without rows on a day has no file. A day has several files (`...2026-01-05.1.parquet`) if the conversations do
not come in the order of their days, which only strays do. The index is written last, so a window without one is not
complete. Everything that takes tables (Parquet, Delta, databases) reads these files.

Needs pyarrow.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from everycall.api.names import Kind
from everycall.api.oddities import Oddity
from everycall.arrow.filled import ArrowTables
from everycall.arrow.schemas import REPEATED
from everycall.filesystem import File, Filesystem, SystemFilesystem
from everycall.manifest import Written
from everycall.sinks.interface import Batch, Wanted
from everycall.sinks.window_files import BUFFER_BYTES
from everycall.tables.mentioned import IN_TABLES

FEW_VALUES_OF = 20_000
"""The first rows of a file, by which it is decided which columns have few values."""

DICTIONARY_BYTES = 4 << 20
"""The most that a dictionary has; the sessions of five thousand conversations take one."""

ZSTD_LEVEL = 1
"""Higher ones cost twice the time for 3 % of the size."""

DAY_MS = 86_400_000

WRITTEN_BYTES = 1 << 18
"""That Arrow gathers before it calls Python."""


FEW_VALUES = 500
"""A column of texts or integers with at most so many values among those rows is written with a dictionary."""


class TableFile(msgspec.Struct, frozen=True, rename="camel"):
    """One file of a window."""

    table: str
    day: str
    """The UTC day of the `ownerTime` of all its rows: `2026-01-05`."""
    suffix: str
    """What follows the path of the window: `.conversations.2026-01-05.parquet`."""
    rows: int
    size_bytes: int
    sha256: str


class TablesForm:
    """Files of tables."""

    name = "tables"
    suffix = ".tables"
    wants: Wanted = "records"

    def __init__(
        self, organization_id: str, filesystem: Filesystem | None = None, few_values: int = FEW_VALUES
    ) -> None:
        """Write tables of this org, by default to the disk of this machine."""
        self.organization_id = organization_id
        """That of every row."""
        self._filesystem: Filesystem = filesystem or SystemFilesystem()
        self._few_values = few_values

    def writer(self, path: Path) -> "TablesWriter":
        """Begin to write a window to new files whose names begin as `path` does."""
        return TablesWriter(path, ArrowTables(self.organization_id), self._filesystem, self._few_values)

    def is_complete(self, path: Path, written: Written) -> bool:
        """Whether the index is unchanged, and each file has its full size."""
        try:
            index = self._filesystem.read(path)
        except OSError:
            return False
        if index == _taken_over(written):
            return True
        return hashlib.sha256(index).hexdigest() == written.sha256 and all(
            self._filesystem.size(path_of(path, file)) == file.size_bytes for file in _decoded(index)
        )

    def take_over(self, path: Path, written: Written) -> dict[str, Written]:
        """Let a window count as complete whose rows are in the destination; what is on disk, by form."""
        with self._filesystem.open(path, "wb") as file:
            file.write(_taken_over(written))
            self._filesystem.sync(file)
        return {self.name: written}

    def contents(self, path: Path) -> list[TableFile]:
        """The files of a window that is complete, in the order of their days.

        Raises:
            OSError: there is no index, for example.
        """
        return _decoded(self._filesystem.read(path))

    def files(self, path: Path, table: str) -> list[tuple[date, Path]]:
        """The files of one table, with their days and in that order; a day can have several."""
        found = [file for file in self.contents(path) if file.table == table]
        return [(date.fromisoformat(file.day), path_of(path, file)) for file in found]

    def is_intact(self, path: Path, written: Written) -> bool:
        """Whether every byte is as it was written."""
        return self.is_complete(path, written) and all(
            _sha256(self._filesystem, path_of(path, file)) == file.sha256 for file in self.contents(path)
        )


def path_of(path: Path, file: TableFile) -> Path:
    """The path of a file of the window at `path`."""
    return path.with_name(path.name + file.suffix)


def _taken_over(written: Written) -> bytes:
    """The index of a window whose rows are in the destination."""
    return b'{"takenOver":"%s"}\n' % written.sha256.encode()


def _decoded(index: bytes) -> list[TableFile]:
    return msgspec.json.Decoder(TableFile).decode_lines(index)


def _sha256(filesystem: Filesystem, path: Path) -> str:
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while piece := file.read(BUFFER_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _mentioned(tables: dict[str, pa.Table]) -> dict[tuple[Kind, str], None]:
    return {
        (kind, id_): None
        for table, column, kind in IN_TABLES
        for id_ in tables[table][column].unique().to_pylist()
        if id_
    }


class TablesWriter:
    """Writes one window. A batch is a row group; if it has conversations of several days, one of each.

    It has no threads: those that make tables wait for the interpreter's lock more often than they gain. Windows are
    loaded at the same time by other processes.
    """

    def __init__(self, path: Path, maker: ArrowTables, filesystem: Filesystem, few_values: int) -> None:
        """Write files whose names begin as `path` does."""
        self._path, self._maker, self._filesystem, self._few_values = path, maker, filesystem, few_values
        self.mentioned: dict[tuple[Kind, str], None] = {}
        self._day = 0
        self._open: dict[str, ParquetFile] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        """How many files a table has of a day."""
        self._done: list[TableFile] = []

    def write(self, batch: Batch) -> None:
        """Append the rows of some conversations."""
        at = 0
        for day, times_ms in groupby(batch.owner_times_ms, lambda time_ms: time_ms // DAY_MS):
            its_times_ms = list(times_ms)
            tables = self._maker.tables(batch.records[at : at + len(its_times_ms)], its_times_ms)
            at += len(its_times_ms)
            self.mentioned.update(_mentioned(tables))
            self._write(day, tables)

    def _write(self, day: int, tables: dict[str, pa.Table]) -> None:
        if day != self._day:
            self._end_day()
            self._day = day
        while tables:
            name, table = tables.popitem()
            if not table.num_rows:
                continue
            if name not in self._open:
                self._open[name] = self._new_file(name)
            self._open[name].write(table)

    def _new_file(self, table: str) -> "ParquetFile":
        day = str(date.fromordinal(EPOCH_ORDINAL + self._day))
        number = self._numbers.get((table, day), 0)
        self._numbers[table, day] = number + 1
        suffix = f".{table}.{day}.{number}.parquet" if number else f".{table}.{day}.parquet"
        file = TableFile(table, day, suffix, 0, 0, "")
        return ParquetFile(file, path_of(self._path, file), self._filesystem, self._few_values)

    def _end_day(self) -> None:
        while self._open:
            self._done.append(self._open.pop(min(self._open)).close())

    def take_oddities(self) -> list[Oddity]:
        """The values that did not fit since the last call. Unknown fields are looked for elsewhere, on a sample."""
        return [oddity for oddity in self._maker.take_oddities() if oddity.kind != "unknown field"]

    def close(self) -> Written:
        """Make the window durable."""
        self._end_day()
        files = sorted(self._done, key=lambda file: (file.day, file.table, file.suffix))
        index = msgspec.json.Encoder().encode_lines(files)
        with self._filesystem.open(self._path, "wb") as file:
            file.write(index)
            self._filesystem.sync(file)
        size_bytes = sum(file.size_bytes for file in files)
        return Written(size_bytes=size_bytes, sha256=hashlib.sha256(index).hexdigest())

    def discard(self) -> None:
        """Remove the files."""
        for file in self._open.values():
            file.discard()
        for done in self._done:
            self._filesystem.unlink(path_of(self._path, done))
        self._filesystem.unlink(self._path)


EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def between(table: pa.Table, start_ms: int, end_ms: int) -> pa.Table:
    """The rows whose `ownerTime` is in [start, end), in milliseconds since 1970."""
    times = table.column("ownerTime").cast(pa.int64())
    return table.filter(pc.and_(pc.greater_equal(times, start_ms), pc.less(times, end_ms)))


class ParquetFile:
    """Writes one Parquet file durably, and counts and hashes its bytes. It begins with its first rows."""

    def __init__(self, file: TableFile, path: Path, filesystem: Filesystem, few_values: int = FEW_VALUES) -> None:
        """Open a new file at `path`; one that is there may have a second name, and keeps its rows under that."""
        filesystem.unlink(path)
        self._described, self._path, self._filesystem, self._few_values = file, path, filesystem, few_values
        self._output = HashedOutput(filesystem.open(path, "wb"))
        self._buffered = pa.BufferedOutputStream(pa.PythonFile(self._output, mode="w"), WRITTEN_BYTES)
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        """Write a row group."""
        if self._writer is None:
            self._writer = parquet_writer(self._buffered, table, self._few_values)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._rows += table.num_rows

    def close(self) -> TableFile:
        """Make the file durable, and describe it."""
        if self._writer is not None:
            self._writer.close()
        self._buffered.flush()
        self._filesystem.sync(self._output.file)
        self._output.file.close()
        return msgspec.structs.replace(
            self._described,
            rows=self._rows,
            size_bytes=self._output.size_bytes,
            sha256=self._output.digest.hexdigest(),
        )

    def discard(self) -> None:
        """Remove the file."""
        self._output.is_discarded = True  # Arrow's writer writes its end when it is collected
        with suppress(OSError):  # closing writes the buffer, which fails again if the disk is full
            self._output.file.close()
        self._filesystem.unlink(self._path)


class HashedOutput(io.RawIOBase):
    """What Arrow writes to: counts and hashes the bytes. It is never closed by Arrow, since they have to be synced."""

    def __init__(self, file: File) -> None:
        """Write to this file."""
        self.file = file
        self.digest = hashlib.sha256()
        self.size_bytes = 0
        self.is_discarded = False
        """Whether what is written goes nowhere."""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Write all of it."""
        if self.is_discarded:
            return len(data)
        self.file.write(data)
        self.digest.update(data)
        self.size_bytes += len(data)
        return len(data)

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size_bytes


def parquet_writer(output: Any, first: pa.Table, few_values: int) -> pq.ParquetWriter:
    """A writer of the files that everycall makes.

    Args:
        output: a path, or a file.
        first: the first rows, which decide in which columns values repeat often enough for a dictionary.
        few_values: how many values such a column has at most.
    """
    dictionaries = list(_repeating(first.slice(0, FEW_VALUES_OF), few_values))
    return pq.ParquetWriter(
        output,
        first.schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=cast("Any", dictionaries),
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        write_statistics=cast("Any", list(_in_order(first.schema))),
        store_schema=False,  # or readers would find the dictionaries of Arrow
    )


def _repeating(table: pa.Table, few_values: int) -> Iterator[str]:
    """The columns of texts and integers with few values or with one for many rows, as Parquet names them."""
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_dictionary(field.type):
            yield field.name
        elif pa.types.is_string(field.type) or pa.types.is_int64(field.type):
            if field.name in REPEATED or pc.count_distinct(column).as_py() <= few_values:
                yield field.name
        elif pa.types.is_list(field.type) and pa.types.is_string(field.type.value_type):
            yield f"{field.name}.list.element"


def _in_order(schema: pa.Schema) -> Iterator[str]:
    """The columns for which each row group says its least and its largest value.

    Of texts nobody can use those, except to find a conversation; comparing all texts took a seventh of the writing.
    """
    for field in schema:
        is_text = pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
        if field.name == "conversationId" or not (is_text or pa.types.is_list(field.type)):
            yield field.name


class _Input(io.RawIOBase):
    """What Arrow reads from."""

    def __init__(self, file: File, size_bytes: int) -> None:
        self._file, self._size_bytes, self._at = file, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(-1 if size is None else size)
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def size(self) -> int:
        return self._size_bytes


def opened(file: File, size_bytes: int) -> pq.ParquetFile:
    """An open file of that size as Parquet."""
    return pq.ParquetFile(pa.PythonFile(_Input(file, size_bytes), mode="r"))
