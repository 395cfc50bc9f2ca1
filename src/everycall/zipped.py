"""Unzips what came over the wire, piece by piece and within bounds. Pure.

A page of conversations is 900 kB, or 120 kB zipped. What unzips to more than `UNZIPPED_MAX` is no answer of the API:
it is refused after counting, without ever being held in memory.
"""

from collections.abc import Iterator
from contextlib import suppress

from isal import isal_zlib
from isal.igzip_lib import IsalError

UNZIPPED_MAX = 256 << 20
"""Ours: no answer of the API comes near it. The API refuses to give a page of more than some ten megabytes."""

RATIO_MAX = 1032
"""What unzips to more than so many times its size is no deflate. Source: zlib, technical details, on its maximum."""

ONE_PIECE_BYTES = 4 << 20
"""What says at its end that it holds no more than this is unzipped in one piece, which is three times as fast."""

FED_BYTES, PIECE_BYTES = 1 << 18, 1 << 20


class Damaged(ValueError):
    """The gzip cannot be unzipped: it is cut short, it is no gzip, or it holds too much. `str(damaged)` says which."""


def unzipped(content: bytes, *, limit: int = UNZIPPED_MAX) -> bytes:
    """What a gzip holds; a server may send several members, one after the other.

    Raises:
        Damaged: it is cut short or no gzip, or it holds more than `limit` bytes.
    """
    size = int.from_bytes(content[-4:], "little")
    if len(content) > 4 and size <= min(limit, ONE_PIECE_BYTES):
        unzip = isal_zlib.decompressobj(wbits=31)
        with suppress(IsalError):  # type: ignore[arg-type]  # its stub calls the class an instance
            body: bytes = unzip.decompress(content, size + 1)
            if unzip.eof and not unzip.unused_data and len(body) == size:
                return body
    if len(content) * RATIO_MAX > limit:
        for _ in pieces(content, limit=limit):  # counted first, and let go: a bomb ends here
            pass
    return b"".join(pieces(content, limit=limit))


def pieces(content: bytes, *, limit: int = UNZIPPED_MAX) -> Iterator[bytes]:
    """What a gzip holds, in pieces of at most a megabyte.

    Raises:
        Damaged: as `unzipped`, once the place is reached.
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
