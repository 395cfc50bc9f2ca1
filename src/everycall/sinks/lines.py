"""Parts for outputs in which a row is a line of text: rows in any order in, sorted and unique lines out."""

import hashlib
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from everycall.filesystem import File, Filesystem
from everycall.sinks.interface import Key, Sealed, Writable
from everycall.tables.flat import Row

_ENTRY = struct.Struct(">16sQQII")
"""One row in the index: id, offset, start, length, pass. Big-endian, so that bytes sort as the numbers do."""

BUFFER_BYTES = 1 << 20


class LinePart:
    """Rows are appended to a spool file as they come, with an index of some 40 bytes a row in memory."""

    def __init__(self, path: Path, lines: Callable[[Iterable[Row]], Iterator[bytes]], filesystem: Filesystem) -> None:
        """A part that will be at `path` on that disk; `lines` turns each row into one."""
        self._path = path
        self._lines = lines
        self._filesystem = filesystem
        self._spool_path = path.with_suffix(".spool")
        self._spool: File = filesystem.open(self._spool_path, "wb")
        self._index = bytearray()
        self._offset = 0

    def add(self, reading_pass: int, rows: Iterable[tuple[Key, Row]]) -> None:
        """See `Part.add`."""
        keyed = list(rows)
        for (key, _), line in zip(keyed, self._lines(row for _, row in keyed), strict=True):
            self._spool.write(line)
            self._index += _ENTRY.pack(key.id, self._offset, max(0, key.start_ms), len(line), reading_pass)
            self._offset += len(line)
        self._spool.flush()

    def seal(self, kept_passes: tuple[int, ...]) -> Sealed:
        """See `Part.seal`."""
        self._spool.close()
        rows, digest, size = 0, hashlib.sha256(), 0
        with self._filesystem.open(self._spool_path, "rb") as spool, self._filesystem.open(self._path, "wb") as output:
            for offset, length in self._newest(set(kept_passes)):
                spool.seek(offset)
                line = spool.read(length)
                output.write(line)
                digest.update(line)
                rows, size = rows + 1, size + length
            self._filesystem.sync(output)
        self._filesystem.unlink(self._spool_path)
        self._index.clear()
        return Sealed(rows, size, digest.hexdigest())

    def _newest(self, kept_passes: set[int]) -> Iterator[tuple[int, int]]:
        """Where the newest line of each conversation stands, in order of start and id.

        Newest is what was written last: the conversation's start may differ between two versions of it.
        """
        entries = [entry for entry in self._entries() if _ENTRY.unpack(entry)[4] in kept_passes]
        entries.sort()  # by id, and the last written last
        newest = [one for one, after in zip_longest(entries, entries[1:]) if after is None or one[:16] != after[:16]]
        entries.clear()
        newest.sort(key=_start_and_id)
        for entry in newest:
            _, offset, _, length, _ = _ENTRY.unpack(entry)
            yield offset, length

    def _entries(self) -> Iterator[bytes]:
        for at in range(0, len(self._index), _ENTRY.size):
            yield bytes(self._index[at : at + _ENTRY.size])

    def discard(self) -> None:
        """See `Part.discard`."""
        with suppress(OSError):  # closing writes what is left, and fails again where the disk is full
            self._spool.close()
        self._filesystem.unlink(self._spool_path)
        self._filesystem.unlink(self._path)


def _start_and_id(entry: bytes) -> bytes:
    return entry[24:32] + entry[:16]


def append(part: Path, output: Writable, filesystem: Filesystem) -> None:
    """Copy a part to the end of the output through one buffer."""
    with filesystem.open(part, "rb") as sealed:
        shutil.copyfileobj(sealed, output, BUFFER_BYTES)
