"""Forms with one file for each window. A finished file is a head and those files, in the order of time.

A compressed file has a gzip member or zstd frames for its head and for each window, which all readers of those formats
take for one stream. So a window can be checked, and taken over by a repair, without the others.
"""

import hashlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Literal, Protocol

from isal import isal_zlib

from everycall.api.interval import Interval
from everycall.api.names import Kind
from everycall.api.oddities import Oddity
from everycall.filesystem import File, Filesystem, SystemFilesystem, Writable
from everycall.manifest import Written
from everycall.sinks.interface import Batch, Placed

BUFFER_BYTES = 1 << 20

Compression = Literal["", "gz", "zst"]

GZIP_LEVEL = 2
"""Of isal: half of zlib's ratio of time to size, at its fastest that still compresses well."""


class Compressor(Protocol):
    """Compresses one stream, piece by piece."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some bytes, and return those that are ready."""
        ...

    def flush(self) -> bytes:
        """Return the rest."""
        ...


class _Plain:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def compressor(compression: Compression) -> Compressor:
    """A new stream of that kind. The bytes depend only on the data: there is no time in them."""
    if not compression:
        return _Plain()
    if compression == "gz":
        stream: Compressor = isal_zlib.compressobj(GZIP_LEVEL, wbits=31)
        return stream
    from everycall.sinks.zstd import ZstdFrames  # noqa: PLC0415 - only for such outputs

    return ZstdFrames()


def compressed(data: bytes, compression: Compression) -> bytes:
    """The data as one stream of its own; nothing of nothing."""
    stream = compressor(compression)
    return stream.compress(data) + stream.flush() if data else b""


def decompressed(data: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the content of one stream, piece by piece."""
    if not compression:
        yield from data
    elif compression == "gz":
        yield from map(isal_zlib.decompressobj(wbits=31).decompress, data)
    else:
        import zstandard  # noqa: PLC0415 - only for such outputs

        yield from map(zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress, data)


class WindowFiles(ABC):
    """A form with one file for each window: what CSV and JSON lines have in common."""

    def __init__(self, compression: Compression, filesystem: Filesystem | None) -> None:
        """Write such files, by default to the disk of this machine."""
        self._compression: Compression = compression
        self._filesystem: Filesystem = filesystem or SystemFilesystem()

    @abstractmethod
    def data(self, batch: Batch) -> Iterable[bytes]:
        """The batch as bytes of the file, before they are compressed, in pieces that are written one by one."""

    def head(self) -> bytes:
        """The bytes before the first window."""
        return b""

    def writer(self, path: Path) -> "WindowFileWriter":
        """Begin to write a window to a new file at `path`."""
        return WindowFileWriter(self.data, path, self._filesystem, compressor(self._compression))

    def is_complete(self, path: Path, written: Written) -> bool:
        """Whether the file has its full size."""
        return self._filesystem.size(path) == written.size_bytes

    def append(self, path: Path, output: Writable) -> None:
        """Append a window's file to the output, through one buffer."""
        with self._filesystem.open(path, "rb") as file:
            shutil.copyfileobj(file, output, BUFFER_BYTES)

    def join(self, pieces: Sequence[Path], path: Path) -> Written:
        """Put the files of a window's pieces together, in this order, and remove them."""
        size_bytes, digest = 0, hashlib.sha256()
        with self._filesystem.open(path, "wb") as whole:
            for piece in pieces:
                with self._filesystem.open(piece, "rb") as file:
                    while data := file.read(BUFFER_BYTES):
                        whole.write(data)
                        digest.update(data)
                        size_bytes += len(data)
                self._filesystem.unlink(piece)
            self._filesystem.sync(whole)
        return Written(size_bytes=size_bytes, sha256=digest.hexdigest())

    @property
    def is_compressed(self) -> bool:
        """Whether its files are compressed; where its pieces begin changes the bytes then."""
        return bool(self._compression)

    def intact(self, output: File, length: int, windows: Sequence[Placed]) -> Iterator[bool]:
        """Whether the bytes of each window are unchanged."""
        is_whole = output.read(len(self.head())) == self.head()
        for window, at in zip(windows, self._offsets(windows), strict=False):
            is_there = window.size_bytes <= max(0, length - at)
            is_followed = window is windows[-1] and at + window.size_bytes < length
            yield is_whole and is_there and not is_followed and self._is_intact(output, at, window)

    def extract(self, output: File, windows: Sequence[Placed], number: int, path: Path) -> None:
        """Copy one window from the output to a file at `path`, durably."""
        at = list(self._offsets(windows))[number]
        with self._filesystem.open(path, "wb") as file:
            for piece in pieces(output, at, windows[number].size_bytes):
                file.write(piece)
            self._filesystem.sync(file)

    def ids(
        self, output: File, windows: Sequence[Placed], wanted: Collection[Interval]
    ) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds of windows in the output; a row that cannot be read has none."""
        for window, at in zip(windows, self._offsets(windows), strict=False):
            if window.window in wanted:
                data = decompressed(pieces(output, at, window.size_bytes), self._compression)
                found = map(self._id_or_none, self.whole_rows(data))
                yield window.window, [one for one in found if one is not None]

    def _id_or_none(self, row: bytes) -> str | None:
        try:
            return self.id_of(row)
        except ValueError:
            return None

    def whole_rows(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield rows with their line feed."""
        rest = b""
        for piece in pieces:
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            yield from (line + b"\n" for line in lines)

    @abstractmethod
    def id_of(self, row: bytes) -> str | None:
        """The conversationId of a row; None if the output has no such column."""

    def _offsets(self, windows: Sequence[Placed]) -> Iterator[int]:
        """The offsets of the windows in the output."""
        return accumulate((window.size_bytes for window in windows), initial=len(self.head()))

    def _is_intact(self, output: File, at: int, window: Placed) -> bool:
        digest = hashlib.sha256()
        for piece in pieces(output, at, window.size_bytes):
            digest.update(piece)
        return digest.hexdigest() == window.sha256


class WindowFileWriter:
    """Writes one window's file."""

    def __init__(
        self, data: Callable[[Batch], Iterable[bytes]], path: Path, filesystem: Filesystem, stream: Compressor
    ) -> None:
        """Open a new file at `path`; `data` makes the bytes of a batch, in pieces, before they are compressed."""
        self._data, self._path, self._filesystem, self._stream = data, path, filesystem, stream
        self._file: File = filesystem.open(path, "wb")
        self._size_bytes = 0
        self._has_data = False
        self._digest = hashlib.sha256()

    @property
    def mentioned(self) -> tuple[tuple[Kind, str], ...]:
        """None: conversations are not looked at."""
        return ()

    def write(self, batch: Batch) -> None:
        """Append some conversations."""
        for data in filter(None, self._data(batch)):
            self._has_data = True
            self._append(self._stream.compress(data))

    def take_oddities(self) -> tuple[Oddity, ...]:
        """None: values are not looked at."""
        return ()

    def close(self) -> Written:
        """Make the window durable."""
        if self._has_data:
            self._append(self._stream.flush())
        self._filesystem.sync(self._file)
        self._file.close()
        return Written(size_bytes=self._size_bytes, sha256=self._digest.hexdigest())

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._size_bytes += len(data)

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # closing writes the buffer, which fails again if the disk is full
            self._file.close()
        self._filesystem.unlink(self._path)


def pieces(file: File, at: int, size_bytes: int, *, piece_bytes: int = BUFFER_BYTES) -> Iterator[bytes]:
    """Yield those bytes of a file, in little memory."""
    if size_bytes:
        file.seek(at)
    while size_bytes and (piece := file.read(min(size_bytes, piece_bytes))):
        size_bytes -= len(piece)
        yield piece
