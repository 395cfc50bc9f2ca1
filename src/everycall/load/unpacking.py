"""Reads JSON lines in pieces, plain, gzipped or compressed by zstd, in little memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

from isal import isal_zlib
from isal.igzip_lib import IsalError

Compression: TypeAlias = Literal["", "gz", "zst"]

PIECE_BYTES = 1 << 18
"""Of what is read, and of the blocks of lines: they stay in the processor's cache. A megabyte took a third more CPU."""

FED_BYTES = 1 << 16
"""Compressed bytes that are unpacked at a time: even a file made to unpack to very much stays small in memory."""

LINE_MAX = 256 << 20
"""Ours: far above the largest conversation, which is smaller than an answer of ten megabytes."""

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst"}

BOM = b"\xef\xbb\xbf"


class LineTooLong(ValueError):
    """A line is longer than `LINE_MAX`, so the file has no JSON lines."""


def compression_of(beginning: bytes) -> Compression:
    """How a file with these first bytes is compressed."""
    return next((kind for magic, kind in _MAGIC.items() if beginning.startswith(magic)), "")


class Unpacked:
    """The unpacked bytes of a file; iterate over it once. `damage` says afterwards why they end too early."""

    def __init__(self, packed: Iterable[bytes], compression: Compression) -> None:
        """Unpack these bytes, which come in pieces."""
        self.damage = ""
        self._packed, self._compression = packed, compression

    def __iter__(self) -> Iterator[bytes]:
        """Yield what can be unpacked; damage ends it."""
        if not self._compression:
            yield from self._packed
            return
        make = _gzip if self._compression == "gz" else _zstd
        try:
            yield from _streams(self._packed, make)
        except _Ends as ends:
            self.damage = str(ends)


class _Ends(Exception):
    """The compressed data ends too early, or is damaged."""


class _Stream:
    """One gzip member or one zstd frame."""

    def __init__(self, unpack: Callable[[bytes], bytes], rest: Callable[[], bytes], is_over: Callable[[], bool]):
        self.unpack, self.rest, self.is_over = unpack, rest, is_over


def _gzip() -> _Stream:
    stream = isal_zlib.decompressobj(wbits=31)
    return _Stream(stream.decompress, lambda: stream.unused_data, lambda: stream.eof)


def _zstd() -> _Stream:
    import zstandard  # noqa: PLC0415 - only for such files

    stream = zstandard.ZstdDecompressor().decompressobj()

    def unpack(data: bytes) -> bytes:
        try:
            return stream.decompress(data)
        except zstandard.ZstdError as error:
            raise _Ends(f"its zstd data is damaged: {error}") from error

    return _Stream(unpack, lambda: stream.unused_data, lambda: stream.eof)


def _streams(packed: Iterable[bytes], make: Callable[[], _Stream]) -> Iterator[bytes]:
    """Unpack one stream after the other, as all readers of these formats do."""
    stream = None
    for piece in packed:
        for at in range(0, len(piece), FED_BYTES):
            fed = piece[at : at + FED_BYTES]
            while fed:
                stream = stream or make()
                try:
                    data = stream.unpack(fed)
                except IsalError as error:  # type: ignore[misc]  # its stub calls the class an instance
                    raise _Ends(f"its gzip data is damaged: {error}") from error
                if data:
                    yield data
                fed = stream.rest() if stream.is_over() else b""
                stream = None if stream.is_over() else stream
    if stream is not None:
        raise _Ends("its compressed data is cut short")


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces to blocks of whole lines, of `PIECE_BYTES` or more; a last line without a line feed comes by itself.

    Raises:
        LineTooLong: one line has more than `LINE_MAX` bytes.
    """
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        end = piece.rfind(b"\n") + 1 if size + len(piece) >= PIECE_BYTES else 0
        if end:
            yield b"".join((*held, piece[:end]))
            held, size = [], 0
        held.append(piece[end:])
        size += len(piece) - end
        if size > LINE_MAX:
            raise LineTooLong(f"a line is longer than {LINE_MAX >> 20} MB")
    rest = b"".join(held)
    end = rest.rfind(b"\n") + 1
    yield from (block for block in (rest[:end], rest[end:]) if block)
