"""Compressing by zstd: the same bytes for the same data, in frames of whole lines."""

import random

import pytest
import zstandard

from everycall.sinks.window_files import decompressed
from everycall.sinks.zstd import FRAME_BYTES, ZstdFrames


def compressed(*pieces: bytes) -> bytes:
    stream = ZstdFrames()
    return b"".join([*map(stream.compress, pieces), stream.flush()])


def frames(data: bytes) -> list[bytes]:
    """What each frame holds."""
    found: list[bytes] = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        found.append(frame.decompress(data))
        data = frame.unused_data
    return found


def lines(size: int, seed: int = 1) -> bytes:
    """Lines of all lengths, of at least so many bytes together."""
    rng = random.Random(seed)
    found = bytearray()
    while len(found) < size:
        found += bytes(rng.choices(b"abc", k=rng.randrange(20_000))) + b"\n"
    return bytes(found)


@pytest.mark.parametrize("size", [1, FRAME_BYTES - 1, FRAME_BYTES, 7 * FRAME_BYTES])
def test_what_is_compressed_can_be_read(size: int) -> None:
    data = lines(size)

    assert b"".join(frames(compressed(data))) == data


def test_a_window_of_several_frames_is_read_piece_by_piece() -> None:
    data = lines(5 * FRAME_BYTES)
    packed = compressed(data)

    assert b"".join(decompressed((packed[at : at + 999] for at in range(0, len(packed), 999)), "zst")) == data


def test_nothing_takes_no_bytes() -> None:
    assert compressed() == compressed(b"") == b""


@pytest.mark.parametrize("seed", range(3))
def test_the_bytes_do_not_depend_on_the_pieces(seed: int) -> None:
    data, rng = lines(5 * FRAME_BYTES), random.Random(seed)
    ends = sorted(rng.sample(range(len(data)), 9))
    pieces = [data[at:end] for at, end in zip([0, *ends], [*ends, len(data)], strict=True)]

    assert compressed(*pieces) == compressed(data)


def test_every_frame_ends_with_a_line() -> None:
    found = frames(compressed(lines(5 * FRAME_BYTES)))

    assert len(found) > 4
    assert all(frame.endswith(b"\n") for frame in found)
    assert all(FRAME_BYTES <= len(frame) < FRAME_BYTES + 20_001 for frame in found[:-1])


def test_a_line_longer_than_a_frame_is_one_frame() -> None:
    long = b"a" * (3 * FRAME_BYTES) + b"\n"

    assert frames(compressed(long[:FRAME_BYTES], long[FRAME_BYTES:], b"next\n")) == [long, b"next\n"]
