"""Records of one size, one after the other in bytes: sorted and thinned out in little memory. Pure.

A window may hold a hundred thousand conversations. As Python objects, their index entries take three times the memory
of their bytes; so what has to look at all of them does it in lots, and only one lot is objects at a time.
"""

from collections.abc import Callable, Iterator

LOTS = 256


def records(data: bytes | bytearray, size: int) -> Iterator[bytes]:
    """The records, in their order."""
    with memoryview(data) as view:
        for at in range(0, len(data), size):
            yield bytes(view[at : at + size])


def _in_lots(data: bytes | bytearray, size: int, lot_of: Callable[[bytes], int]) -> list[bytearray]:
    lots = [bytearray() for _ in range(LOTS)]
    for record in records(data, size):
        lots[lot_of(record)] += record
    return lots


def sort_by_start(data: bytes, size: int) -> bytes:
    """The records sorted; each begins with a number of eight bytes, by which they are put into lots."""
    if not data:
        return b""
    starts = [int.from_bytes(data[at : at + 8]) for at in range(0, len(data), size)]
    least, span = min(starts), max(starts) - min(starts) + 1
    lots = _in_lots(data, size, lambda record: (int.from_bytes(record[:8]) - least) * LOTS // span)
    return b"".join(b"".join(sorted(records(lot, size))) for lot in lots)


def sort_ids(data: bytes, size: int) -> bytes:
    """The records sorted; their first byte is as good as random, and puts them into lots."""
    lots = _in_lots(data, size, lambda record: record[0])
    return b"".join(b"".join(sorted(records(lot, size))) for lot in lots)


def last_of_each(data: bytes | bytearray, size: int, key: slice) -> bytes:
    """The records, in no order, of which no later one has the same key, whose first byte is as good as random."""
    lots = _in_lots(data, size, lambda record: record[key.start])
    return b"".join(b"".join({record[key]: record for record in records(lot, size)}.values()) for lot in lots)
