"""Parts for outputs in which a row is a line of text: rows in any order in, sorted and unique lines out."""

import hashlib
import mmap
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from everycall.sinks.interface import Key, Sealed, Writable
from everycall.tables import Row

_ENTRY = struct.Struct(">Q16sIQI")
"""One row in the index: start, id, pass, offset, length. Big-endian, so that bytes sort as the numbers do."""

BUFFER_BYTES = 1 << 20


class LinePart:
    """Rows are appended to a spool file as they come, with an index of some 40 bytes a row in memory."""

    def __init__(self, path: Path, lines: Callable[[Iterable[Row]], Iterator[bytes]]) -> None:
        """A part that will be at `path`; `lines` turns each row into one."""
        self._path = path
        self._lines = lines
        self._spool_path = path.with_suffix(".spool")
        self._spool: BinaryIO = self._spool_path.open("wb")
        self._index = bytearray()
        self._offset = 0

    def add(self, reading_pass: int, rows: Iterable[tuple[Key, Row]]) -> None:
        """See `Part.add`."""
        keyed = list(rows)
        for (key, _), line in zip(keyed, self._lines(row for _, row in keyed), strict=True):
            self._spool.write(line)
            self._index += _ENTRY.pack(max(0, key.start_ms), key.id, reading_pass, self._offset, len(line))
            self._offset += len(line)
        self._spool.flush()

    def seal(self, kept_passes: tuple[int, ...]) -> Sealed:
        """See `Part.seal`."""
        self._spool.close()
        rows, digest, size = 0, hashlib.sha256(), 0
        with self._spool_path.open("rb") as spool, self._path.open("wb") as output:
            spooled = mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) if self._offset else b""
            for offset, length in self._newest(set(kept_passes)):
                line = spooled[offset : offset + length]
                output.write(line)
                digest.update(line)
                rows, size = rows + 1, size + length
            if isinstance(spooled, mmap.mmap):
                spooled.close()
            output.flush()
            os.fsync(output.fileno())
        self._spool_path.unlink()
        self._index.clear()
        return Sealed(rows, size, digest.hexdigest())

    def _newest(self, kept_passes: set[int]) -> Iterator[tuple[int, int]]:
        """Where the newest line of each conversation stands, in order of start and id.

        Newest is what was written last: the conversation's start may differ between two versions of it.
        """
        size = _ENTRY.size
        entries = [bytes(self._index[at : at + size]) for at in range(0, len(self._index), size)]
        newest: dict[bytes, bytes] = {}
        for entry in entries:
            if _ENTRY.unpack(entry)[2] in kept_passes:
                newest[entry[8:24]] = entry
        for entry in sorted(newest.values()):
            _, _, _, offset, length = _ENTRY.unpack(entry)
            yield offset, length

    def discard(self) -> None:
        """See `Part.discard`."""
        with suppress(OSError):  # closing writes what is left, and fails again where the disk is full
            self._spool.close()
        self._spool_path.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


def append(part: Path, output: Writable) -> None:
    """Copy a part to the end of the output through one buffer."""
    with part.open("rb") as sealed:
        shutil.copyfileobj(sealed, output, BUFFER_BYTES)
