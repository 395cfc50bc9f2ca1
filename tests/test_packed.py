"""Packed records, few and many: sorted, and the last one of each key."""

import random

import pytest

from everycall.acquire.packed import ONE_LOT_BYTES, count_distinct, last_of_each, records, sort_by_start, sort_ids

SIZE = 33
COUNTS = [0, 1, 1000, ONE_LOT_BYTES // SIZE + 1000]


def made(count: int) -> list[bytes]:
    rng = random.Random(count)
    return [rng.randrange(10_000).to_bytes(8) + rng.randbytes(SIZE - 8) for _ in range(count)]


@pytest.mark.parametrize("count", COUNTS)
def test_records_are_sorted_by_their_start(count: int) -> None:
    assert sort_by_start(b"".join(made(count)), SIZE) == b"".join(sorted(made(count)))


@pytest.mark.parametrize("count", COUNTS)
def test_ids_are_sorted(count: int) -> None:
    ids = [record[8:24] for record in made(2 * count)]

    assert sort_ids(b"".join(ids), 16) == b"".join(sorted(ids))


@pytest.mark.parametrize("count", COUNTS)
def test_of_records_with_the_same_key_the_last_one_is_kept(count: int) -> None:
    first = made(count)
    later = [b"newest.." + record[8:] for record in first[::3]]
    expected = {record[8:24]: record for record in [*first, *later]}

    kept = last_of_each(b"".join([*first, *later]), SIZE, slice(8, 24))

    assert sorted(records(kept, SIZE)) == sorted(expected.values())


@pytest.mark.parametrize("count", COUNTS)
def test_records_that_come_again_are_counted_once(count: int) -> None:
    ids = [record[8:24] for record in made(2 * count)]

    assert count_distinct(b"".join([*ids, *ids[::3]]), 16) == len(ids)
