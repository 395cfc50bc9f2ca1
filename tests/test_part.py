import hashlib
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.filesystem import SystemFilesystem
from everycall.sinks import lines
from everycall.sinks.interface import Key, Sealed
from everycall.sinks.lines import LinePart
from everycall.tables.flat import Row
from simulation.disk import SimDisk


def told(rows: Iterable[Row]) -> Iterator[bytes]:
    """One line per row: its only value."""
    return (f"{row[0]}\n".encode() for row in rows)


def key(start_ms: int, number: int) -> Key:
    return Key(start_ms, number.to_bytes(16, "big"))


def part(folder: Path) -> LinePart:
    return LinePart(folder / "a.part", told, SystemFilesystem())


def lines_of(folder: Path) -> list[str]:
    return (folder / "a.part").read_text().splitlines()


def test_rows_come_out_by_start_and_then_by_id(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(2, 1), ("2-1",)), (key(1, 9), ("1-9",))])
    one.add(1, [(key(1, 2), ("1-2",)), (key(1_767_600_000_000, 3), ("late",))])
    one.seal((1,))

    assert lines_of(tmp_path) == ["1-2", "1-9", "2-1", "late"]


def test_the_newest_version_of_a_conversation_is_kept(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(1, 7), ("old",))])
    one.add(2, [(key(1, 7), ("new",))])
    one.seal((1, 2))

    assert lines_of(tmp_path) == ["new"]


def test_a_conversation_whose_start_changed_is_kept_once(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(5, 7), ("old",)), (key(3, 8), ("other",))])
    one.add(2, [(key(1, 7), ("new",))])
    one.seal((1, 2))

    assert lines_of(tmp_path) == ["new", "other"]


def test_the_rows_of_a_pass_that_was_given_up_are_left_out(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(1, 7), ("kept",))])
    one.add(2, [(key(1, 7), ("given up",)), (key(2, 8), ("given up",))])
    one.seal((1,))

    assert lines_of(tmp_path) == ["kept"]


def test_what_is_sealed_is_told_by_length_and_checksum(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(1, 1), ("ä",)), (key(2, 2), ("b",))])
    sealed = one.seal((1,))
    data = (tmp_path / "a.part").read_bytes()

    assert sealed == Sealed(2, len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("seed", range(10))
def test_what_is_sealed_outlives_a_power_cut(seed: int) -> None:
    """Its name is the ledger's business."""
    folder = Path("/out")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [folder])
    one = LinePart(folder / "a.part", told, filesystem)
    one.add(1, [(key(1, 1), ("here",))])
    one.seal((1,))
    filesystem.sync_folder(folder)
    filesystem.power_cut()

    assert filesystem.content(folder / "a.part") == b"here\n"


def test_a_part_of_no_rows_is_an_empty_file(tmp_path: Path) -> None:
    sealed = part(tmp_path).seal((1,))

    assert sealed == Sealed(0, 0, hashlib.sha256(b"").hexdigest())
    assert (tmp_path / "a.part").read_bytes() == b""


def test_a_page_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(1, 1), ("here",))])

    assert (tmp_path / "a.spool").read_bytes() == b"here\n"
    one.discard()


def test_a_sealed_part_is_alone(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(1, 1), ("a",))])
    one.seal((1,))

    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]


def test_a_discarded_part_leaves_nothing(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(1, 1), ("a",))])
    (tmp_path / "a.part").write_bytes(b"as far as there was room")
    one.discard()
    one.discard()

    assert list(tmp_path.iterdir()) == []


def test_a_start_that_nobody_could_read_sorts_first(tmp_path: Path) -> None:
    one = part(tmp_path)
    one.add(1, [(key(5, 1), ("later",)), (key(-3, 2), ("before 1970",)), (key(0, 1 << 100), ("unread",))])
    one.seal((1,))

    assert lines_of(tmp_path) == ["before 1970", "unread", "later"]


ROWS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5), st.integers(0, 8)), max_size=40)


@given(ROWS, st.sets(st.integers(1, 4)), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_whatever_order_and_passes_rows_come_sorted_once_and_newest(
    came: list[tuple[int, int, int]], kept: set[int], page: int
) -> None:
    """A row is (pass, start, id); its text says when it came."""
    texts = [
        (reading, key(start, number), f"{start}-{number}-{at}") for at, (reading, start, number) in enumerate(came)
    ]
    newest = {one.id: (one.start_ms, one.id, text) for reading, one, text in texts if reading in kept}
    with TemporaryDirectory() as folder:
        one = part(Path(folder))
        for at in range(0, len(texts), page):
            for reading, where, text in texts[at : at + page]:
                one.add(reading, [(where, (text,))])
        sealed = one.seal(tuple(kept))

        assert lines_of(Path(folder)) == [text for _, _, text in sorted(newest.values())]
        assert sealed.rows == len(newest)


def test_parts_are_put_together_through_a_buffer(tmp_path: Path) -> None:
    (tmp_path / "b.part").write_bytes(b"x" * (3 * lines.BUFFER_BYTES + 5))
    pieces: list[int] = []

    class Counting(BytesIO):
        def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
            pieces.append(len(data))
            return super().write(data)

    output = Counting()
    lines.append(tmp_path / "b.part", output, SystemFilesystem())

    assert len(output.getvalue()) == 3 * lines.BUFFER_BYTES + 5
    assert max(pieces) <= lines.BUFFER_BYTES


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from everycall.filesystem import SystemFilesystem
from everycall.sinks.interface import Key
from everycall.sinks.lines import LinePart

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
part = LinePart(Path(sys.argv[1]) / "a.part", lambda rows: (row[0] for row in rows), SystemFilesystem())
try:
    part.add(1, [(Key(1, bytes(16)), (b"x" * 5000,))])
except OSError:
    part.discard()
    print("discarded")
"""


def test_a_part_on_a_full_disk_can_still_be_discarded(tmp_path: Path) -> None:
    """What was not written yet must not be written once more by the close, which would fail again."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("discarded\n", 0), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 1000])
def test_the_index_takes_forty_bytes_a_row(tmp_path: Path, count: int) -> None:
    one = part(tmp_path)
    one.add(1, [(key(number, number), ("a row of some length",)) for number in range(count)])

    assert len(one._index) == 40 * count
    one.discard()
