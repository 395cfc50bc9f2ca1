import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.zipped import PIECE_BYTES, UNZIPPED_MAX, Damaged, pieces, unzipped

MEGABYTE = 1 << 20


@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_data_in_any_number_of_gzip_members_is_unzipped(members: list[bytes]) -> None:
    assert unzipped(b"".join(map(gzip.compress, members))) == b"".join(members)


def test_pieces_are_small_and_add_up_to_the_whole() -> None:
    plain = bytes(range(256)) * 20_000
    found = list(pieces(gzip.compress(plain)))

    assert b"".join(found) == plain
    assert max(map(len, found)) <= PIECE_BYTES


@pytest.mark.parametrize("at", [0, 5, 9, 10, 11, 300, -1, -8, -9])
def test_a_gzip_that_is_cut_short_is_damaged(at: int) -> None:
    zipped = gzip.compress(b"everycall" + bytes(range(256)) * 9)
    with pytest.raises(Damaged, match="cut short"):
        unzipped(gzip.compress(b"first") + zipped[:at] if at else gzip.compress(b"first")[:1])


@pytest.mark.parametrize(
    "content", [b"plain text", gzip.compress(b"x", mtime=0) + b"\0", gzip.compress(b"x", mtime=0) + b"{}"]
)
def test_bytes_that_are_not_gzip_are_damaged(content: bytes) -> None:
    with pytest.raises(Damaged):
        unzipped(content)


def test_data_of_exactly_the_maximum_size_is_unzipped() -> None:
    plain = b"x" * 3 * MEGABYTE

    assert unzipped(gzip.compress(plain), limit=len(plain)) == plain
    with pytest.raises(Damaged, match="larger than 2 MB"):
        unzipped(gzip.compress(plain), limit=2 * MEGABYTE)


def test_a_zip_bomb_is_refused_without_being_unzipped_into_memory() -> None:
    zipped = gzip.compress(b"0" * 16 * MEGABYTE) * (UNZIPPED_MAX // (16 * MEGABYTE) + 1)
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match="larger than 256 MB"):
            unzipped(zipped)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * MEGABYTE
