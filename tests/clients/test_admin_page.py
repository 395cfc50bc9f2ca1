"""The sandbox's page in a real browser."""

import html
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from browsing import HEIGHT, WIDTH, browse

from everycall.sandbox import Sandbox, server

TUESDAY = "2026-03-03T16:20:11Z"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with server(conversations_per_day=800, now=lambda: 1_772_554_811.0) as sandbox:
        httpx2.post(sandbox.url, data={"do": "A 429 storm"})
        httpx2.get(sandbox.url + "/api/v2/users")
        yield sandbox


def test_the_page_holds_what_the_sandbox_knows_and_its_script_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    page = browse(sandbox.url + "/?recent=2", tmp_path, "--dump-dom")
    today = sandbox.store.conversations("2026-03-03T00:00:00Z/2026-03-04T00:00:00Z")

    assert 'data-script="ready"' in page
    assert f"<dt>conversations on 2026-03-03</dt><dd>{len(today)}</dd>" in page
    assert html.escape(sandbox.store.world.organization()["name"], quote=False) in page
    assert "429 on requests 1 to 5 to details queries" in page
    assert "/api/v2/users" in page
    shown = re.search(r'"conversationId": "([0-9a-f-]{36})"', page)
    assert shown is not None
    assert sandbox.store.world.locate(shown[1], sandbox.store.now_ms) is not None


def test_the_page_is_drawn(sandbox: Sandbox, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(sandbox.url + "/", tmp_path, f"--screenshot={picture}")

    width, height, colours = read_png(picture.read_bytes())

    assert (width, height) == (WIDTH, HEIGHT)
    assert len(colours) > 100
    bars = colours[(0x1F, 0x5F, 0xBF)]
    assert bars > 2_000
    assert colours.most_common(1)[0][1] < 0.8 * WIDTH * HEIGHT


def read_png(data: bytes) -> tuple[int, int, Counter[tuple[int, ...]]]:
    """(width, height, how often each colour occurs) of a picture with 8 bits a channel and no interlacing."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, interlaced) == (8, 0)
    size = {2: 3, 6: 4}[kind]
    lines = zlib.decompress(b"".join(chunks(data, b"IDAT")))
    colours: Counter[tuple[int, ...]] = Counter()
    above = bytearray(width * size)
    for y in range(height):
        start = y * (width * size + 1)
        line = unfiltered(lines[start], bytearray(lines[start + 1 : start + 1 + width * size]), above, size)
        colours.update(zip(line[0::size], line[1::size], line[2::size], strict=True))
        above = line
    return width, height, colours


def chunks(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """The contents of a PNG's chunks of a kind."""
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == wanted:
            yield data[at + 8 : at + 8 + length]
        at += length + 12


def unfiltered(how: int, line: bytearray, above: bytearray, size: int) -> bytearray:
    """A line of a PNG without its filter; PNG specification, section 9."""
    if how == 2:
        return bytearray((here + up) & 255 for here, up in zip(line, above, strict=True))
    for at in range(len(line) if how else 0):
        left, corner = (line[at - size], above[at - size]) if at >= size else (0, 0)
        up = above[at]
        guess = left if how == 1 else (left + up) // 2 if how == 3 else nearest(left, up, corner)
        line[at] = (line[at] + guess) & 255
    return line


def nearest(left: int, up: int, corner: int) -> int:
    """The neighbour that is nearest to left + up - corner."""
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    return left if by_left <= by_up and by_left <= by_corner else up if by_up <= by_corner else corner
