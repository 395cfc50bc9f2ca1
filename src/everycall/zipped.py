"""Unzips answers within bounds. Pure.

A page of conversations has 900 kB, or 120 kB zipped. A body that unzips to more than `UNZIPPED_MAX` is not an answer of
the API: its size is counted piece by piece, and it is refused without ever being held in memory.
"""

from collections.abc import Iterator
from contextlib import suppress

from isal import isal_zlib
from isal.igzip_lib import IsalError

UNZIPPED_MAX = 256 << 20
"""Ours: far above any answer of the API, which refuses pages larger than about ten megabytes."""

RATIO_MAX = 1032
"""The highest ratio that deflate can reach. Source: zlib, technical details."""

ONE_PIECE_BYTES = 4 << 20
"""A gzip whose trailer has at most this size is unzipped in one piece, which is three times as fast."""

FED_BYTES, PIECE_BYTES = 1 << 18, 1 << 20


class Damaged(ValueError):
    """The body cannot be unzipped: it is cut short, not a gzip, or too large. `str(damaged)` has the reason."""


def unzipped(content: bytes, *, limit: int = UNZIPPED_MAX) -> bytes:
    """Unzip a gzip, which may have several members.

    Raises:
        Damaged: it is cut short, not a gzip, or larger than `limit` bytes when unzipped.
    """
    size = int.from_bytes(content[-4:], "little")
    if len(content) > 4 and size <= min(limit, ONE_PIECE_BYTES):
        unzip = isal_zlib.decompressobj(wbits=31)
        with suppress(IsalError):  # type: ignore[arg-type]  # its stub calls the class an instance
            body: bytes = unzip.decompress(content, size + 1)
            if unzip.eof and not unzip.unused_data and len(body) == size:
                return body
    if len(content) * RATIO_MAX > limit:
        for _ in pieces(content, limit=limit):  # counted without keeping it: a zip bomb ends here
            pass
    return b"".join(pieces(content, limit=limit))


def pieces(content: bytes, *, limit: int = UNZIPPED_MAX) -> Iterator[bytes]:
    """Unzip a gzip in pieces of at most a megabyte.

    Raises:
        Damaged: as `unzipped`, when the damage is reached.
    """
    left = memoryview(content)
    size = 0
    while left:
        unzip = isal_zlib.decompressobj(wbits=31)
        while not unzip.eof:
            fed = left[:FED_BYTES]
            try:
                piece = unzip.decompress(fed, PIECE_BYTES)
            except IsalError as error:  # type: ignore[misc]  # its stub calls the class an instance
                raise Damaged(f"the answer's gzip is damaged ({error})") from error
            left = left[len(fed) - len(unzip.unconsumed_tail) - len(unzip.unused_data) :]
            size += len(piece)
            if size > limit:
                raise Damaged(f"the answer is larger than {limit >> 20} MB once it is unzipped")
            if piece:
                yield piece
            elif not left and not unzip.eof:
                raise Damaged("the answer's gzip is cut short")
