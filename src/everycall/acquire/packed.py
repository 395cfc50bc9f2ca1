"""Sorts and deduplicates records of a fixed size, packed in bytes, in little memory. Pure.

A window can have a hundred thousand conversations. As Python objects, their index entries take three times the memory
of their bytes. These functions therefore divide them into lots, and make objects of one lot at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from struct import Struct

LOTS = 256

ONE_LOT_BYTES = 1 << 20
"""Records of so many bytes, of thirty thousand conversations, are not divided: that would take most of the time."""


def records(data: bytes | bytearray, size: int) -> Iterator[bytes]:
    """The records, in their order. `data` has to be a whole number of them."""
    return map(itemgetter(0), _record(size).iter_unpack(data))


@cache
def _record(size: int) -> Struct:
    return Struct(f"{size}s")


def _in_lots(data: bytes | bytearray, size: int, lot_of: Callable[[bytes], int]) -> Sequence[bytes | bytearray]:
    if len(data) <= ONE_LOT_BYTES:
        return [data]
    lots = [bytearray() for _ in range(LOTS)]
    for record in records(data, size):
        lots[lot_of(record)] += record
    return lots


def sort_by_start(data: bytes, size: int) -> bytes:
    """Sort the records. Each begins with a number of eight bytes, which decides its lot."""
    if len(data) <= ONE_LOT_BYTES:
        return b"".join(sorted(records(data, size)))
    least = int.from_bytes(min(records(data, size))[:8])  # bytes sort as the numbers at their beginning do
    span = int.from_bytes(max(records(data, size))[:8]) - least + 1
    lots = _in_lots(data, size, lambda record: (int.from_bytes(record[:8]) - least) * LOTS // span)
    return b"".join(b"".join(sorted(records(lot, size))) for lot in lots)


def sort_ids(data: bytes, size: int) -> bytes:
    """Sort the records. Their first byte, which is as good as random, decides their lot."""
    lots = _in_lots(data, size, lambda record: record[0])
    return b"".join(b"".join(sorted(records(lot, size))) for lot in lots)


def last_of_each(data: bytes | bytearray, size: int, key: slice) -> bytes:
    """Keep the last record of each key, in no order. The first byte of the key has to be as good as random."""
    lots = _in_lots(data, size, lambda record: record[key.start])
    return b"".join(b"".join({record[key]: record for record in records(lot, size)}.values()) for lot in lots)


def count_distinct(data: bytes | bytearray, size: int) -> int:
    """How many different records there are. Their first byte has to be as good as random."""
    lots = _in_lots(data, size, lambda record: record[0])
    return sum(len(set(records(lot, size))) for lot in lots)
