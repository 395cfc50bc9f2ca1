import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from everycall.acquire.part import (
    PAGES_HELD,
    REWRITTEN_PAGE,
    DamagedPart,
    Found,
    Kept,
    Part,
    PartWriter,
    Place,
    raw_conversations,
)
from everycall.filesystem import Filesystem, SystemFilesystem
from simulation.disk import SimDisk

DISK = SystemFilesystem()

One = tuple[int | None, int, str]
"""A conversation: its start in ms, its id as a number, and a text that says which version it is."""


def id_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


def body_of(page: Iterable[One]) -> bytes:
    return msgspec.json.encode({"conversations": [{"text": text} for _, _, text in page], "totalHits": 3})


def all_owned(_: int | None) -> Place:
    return "owned"


def add(
    writer: PartWriter,
    page: list[One],
    reading_pass: int = 1,
    *,
    is_zipped: bool = True,
    place: Callable[[int | None], Place] = all_owned,
) -> None:
    """A page of these conversations, in this order."""
    found = [
        Found(id_of(number), start, has_end="open" not in text, position=at, place=place(start))
        for at, (start, number, text) in enumerate(page)
    ]
    body = body_of(page)
    content = isal_zlib.compress(body, level=1, wbits=31) if is_zipped else body
    writer.add(reading_pass, content, found, is_zipped=is_zipped)


def sealed(
    folder: Path,
    *pages: list[One],
    passes: Iterable[int] | None = None,
    kept: tuple[int, ...] = (1,),
    place: Callable[[int | None], Place] = all_owned,
    filesystem: Filesystem = DISK,
) -> Part:
    """A part of these pages; all are of the first pass unless `passes` says of which each is."""
    writer = PartWriter(folder / "a.part", filesystem)
    for page, reading_pass in zip(pages, passes or [1] * len(pages), strict=True):
        add(writer, page, reading_pass, place=place)
    return writer.seal(kept)


def texts(part: Part, is_wanted: Callable[[bytes, Place], bool] = lambda _, __: True) -> list[str]:
    """The conversations of a part, in its order."""
    return [
        msgspec.json.decode(raw_conversations(piece.body)[position])["text"]
        for piece in part.slices(is_wanted)
        for position in piece.positions
    ]


def opened(part: Part) -> Part:
    return Part.open(part.path, DISK, part.checksum)


# What is in it


def test_conversations_come_back_by_start_and_then_by_id(tmp_path: Path) -> None:
    part = sealed(tmp_path, [(2, 1, "2-1"), (1, 9, "1-9")], [(1, 2, "1-2"), (1_767_600_000_000, 3, "late")])

    assert texts(part) == texts(opened(part)) == ["1-2", "1-9", "2-1", "late"]


def test_the_newest_version_of_a_conversation_is_kept(tmp_path: Path) -> None:
    part = sealed(tmp_path, [(1, 7, "old")], [(1, 7, "new")], passes=(1, 2), kept=(1, 2))

    assert texts(part) == ["new"]


def test_a_conversation_that_comes_twice_on_a_page_is_kept_once(tmp_path: Path) -> None:
    part = sealed(tmp_path, [(1, 7, "first"), (2, 8, "other"), (1, 7, "second")])

    assert texts(part) == ["second", "other"]


def test_a_conversation_whose_start_changed_is_kept_once(tmp_path: Path) -> None:
    part = sealed(tmp_path, [(5, 7, "old"), (3, 8, "other")], [(1, 7, "new")], passes=(1, 2), kept=(1, 2))

    assert texts(part) == ["new", "other"]


def test_the_conversations_of_a_pass_that_was_given_up_are_left_out(tmp_path: Path) -> None:
    part = sealed(tmp_path, [(1, 7, "kept")], [(1, 7, "given up"), (2, 8, "given up")], passes=(1, 2))

    assert texts(part) == ["kept"]


def test_a_conversation_without_a_readable_start_sorts_first(tmp_path: Path) -> None:
    part = sealed(tmp_path, [(5, 1, "later"), (None, 3, "unread"), (-3, 2, "before 1970")])

    assert texts(part) == ["before 1970", "unread", "later"]
    assert [one.start_ms for one in part.conversations()] == [0, None, 5]


def test_each_conversation_has_its_place_and_whether_it_has_ended(tmp_path: Path) -> None:
    places: dict[int | None, Place] = {1: "owned", 2: "left", None: "foreign"}
    part = sealed(tmp_path, [(1, 1, "open"), (2, 2, "ended"), (None, 3, "ended")], place=places.__getitem__)

    assert list(part.conversations()) == [
        Kept(id_of(3), None, "foreign", has_end=True),
        Kept(id_of(1), 1, "owned", has_end=False),
        Kept(id_of(2), 2, "left", has_end=True),
    ]
    assert texts(part, lambda _, place: place == "owned") == ["open"]
    assert texts(part, lambda id_, _: id_ != id_of(1)) == ["ended", "ended"]


def test_pages_that_hold_only_foreign_conversations_are_counted(tmp_path: Path) -> None:
    part = sealed(
        tmp_path, [(1, 1, ""), (9, 2, "")], [(9, 3, ""), (9, 4, "")], [],
        place=lambda start: "owned" if start == 1 else "foreign",
    )  # fmt: skip

    assert part.has_foreign_page()


@pytest.mark.parametrize("pages", [[], [[]], [[], []]])
def test_a_part_can_be_empty(tmp_path: Path, pages: list[list[One]]) -> None:
    part = sealed(tmp_path, *pages)

    assert (texts(opened(part)), list(part.conversations()), part.pages) == ([], [], len(pages))


def test_pages_may_be_zipped_or_plain(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "a.part", DISK)
    add(writer, [(1, 1, "plain")], is_zipped=False)
    add(writer, [(2, 2, "zipped")])
    part = writer.seal((1,))

    assert body_of([(1, 1, "plain")]) in part.path.read_bytes()
    assert texts(opened(part)) == ["plain", "zipped"]


def test_half_a_character_on_a_page_is_replaced(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "a.part", DISK)
    body = rb'{"conversations":[{"text":"cut here: \ud83d"}]}'
    writer.add(1, body, [Found(id_of(1), 1, has_end=True, position=0, place="owned")], is_zipped=False)

    assert texts(writer.seal((1,))) == ["cut here: �"]


# Order on disk


def test_pages_that_come_in_order_stay_as_they_came(tmp_path: Path) -> None:
    pages: list[list[One]] = [[(at * 3 + i, at * 3 + i, f"{at}-{i}") for i in range(3)] for at in range(10)]
    part = sealed(tmp_path, *pages)

    assert part.pages == 10
    assert [piece.page for piece in part.slices(lambda _, __: True)] == list(range(10))


def shuffled(count: int, on_page: int, first_start: int = 0) -> list[list[One]]:
    """Pages of conversations in no order."""
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    return [
        [(number + first_start, number, f"{number}") for number in numbers[at : at + on_page]]
        for at in range(0, count, on_page)
    ]


def test_pages_in_disorder_are_written_again_in_order(tmp_path: Path) -> None:
    part = sealed(tmp_path, *shuffled(1050, 25))

    assert texts(opened(part)) == [str(number) for number in range(1050)]
    assert part.pages == -(-1050 // REWRITTEN_PAGE) < 1050 // 25
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]


def test_a_reordered_part_keeps_starts_places_and_ends(tmp_path: Path) -> None:
    pages = shuffled(300, 5, first_start=1)
    pages[0].append((None, 1000, "open"))
    part = sealed(tmp_path, *pages, place=lambda start: "foreign" if start is None else "owned")

    first, second, *_ = part.conversations()
    assert first == Kept(id_of(1000), None, "foreign", has_end=False)
    assert second == Kept(id_of(0), 1, "owned", has_end=True)
    assert texts(part) == ["open", *map(str, range(300))]


def test_a_part_is_read_back_with_few_pages_in_memory(tmp_path: Path) -> None:
    """Neighbouring pages overlap, and each is still opened once."""

    class Counting(SystemFilesystem):
        reads = 0

        def open(self, path: Path, mode: Any) -> Any:
            file = super().open(path, mode)
            return Seeking(file, self) if mode == "rb" else file

    class Seeking:
        def __init__(self, file: Any, counting: Counting) -> None:
            self._file, self._counting = file, counting

        def seek(self, offset: int) -> int:
            self._counting.reads += 1
            return int(self._file.seek(offset))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> "Seeking":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

    filesystem = Counting()
    pages: list[list[One]] = [[(at + i * PAGES_HELD // 2, at * 10 + i, "") for i in range(2)] for at in range(40)]
    part = sealed(tmp_path, *pages, filesystem=filesystem)
    filesystem.reads = 0

    assert len(texts(part)) == 80
    assert filesystem.reads == 40


PAGES = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=6)), max_size=15
)


@given(PAGES, st.sets(st.integers(1, 4)))
@settings(max_examples=100)
def test_conversations_of_any_pages_and_passes_come_once_sorted_and_newest(
    came: list[tuple[int, list[tuple[int, int]]]], kept: set[int]
) -> None:
    """A page is its pass and its conversations (start, id); a text says when it came."""
    count = iter(range(1000))
    pages = [(reading, [(start, one, f"{start}-{one}-{next(count)}") for start, one in page]) for reading, page in came]
    newest = {one[1]: one for reading, page in pages if reading in kept for one in page}
    with TemporaryDirectory() as folder:
        writer = PartWriter(Path(folder) / "a.part", DISK)
        for reading, page in pages:
            add(writer, list(page), reading)
        part = writer.seal(tuple(kept))

        assert texts(opened(part)) == [text for _, _, text in sorted(newest.values())]


# On disk


def test_a_page_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "a.part", DISK)
    add(writer, [(1, 1, "here")], is_zipped=False)

    assert (tmp_path / "a.part").read_bytes() == body_of([(1, 1, "here")])
    writer.discard()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("in_order", [True, False])
def test_a_sealed_part_survives_a_power_cut(seed: int, in_order: bool) -> None:
    """Its name is the ledger's business."""
    folder = Path("/out")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [folder])
    pages: list[list[One]] = [[(number, number, f"{number}")] for number in range(30)] if in_order else shuffled(300, 5)
    part = sealed(folder, *pages, filesystem=filesystem)
    filesystem.sync_folder(folder)
    filesystem.power_cut()

    again = Part.open(part.path, filesystem, part.checksum)
    assert texts(again) == [str(number) for number in range(30 if in_order else 300)]


@pytest.mark.parametrize("seed", range(10))
def test_an_unsealed_part_is_no_part_after_a_power_cut(seed: int) -> None:
    folder = Path("/out")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [folder])
    writer = PartWriter(folder / "a.part", filesystem)
    add(writer, [(1, 1, "here")])
    filesystem.sync_folder(folder)
    filesystem.power_cut()

    with pytest.raises(DamagedPart, match="is not complete"):
        Part.open(folder / "a.part", filesystem)


def test_a_discarded_part_leaves_nothing(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "a.part", DISK)
    add(writer, [(1, 1, "a")])
    (tmp_path / "a.unzipped").write_bytes(b"as far as there was room")
    writer.discard()
    writer.discard()

    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from everycall.filesystem import SystemFilesystem
from everycall.acquire.part import PartWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
writer = PartWriter(Path(sys.argv[1]) / "a.part", SystemFilesystem())
try:
    writer.add(1, b"x" * 5000, [], is_zipped=False)
except OSError:
    writer.discard()
    print("discarded")
"""


def test_a_part_on_a_full_disk_can_still_be_discarded(tmp_path: Path) -> None:
    """What was not written yet must not be written once more by the close, which would fail again."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("discarded\n", 0), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 1000])
def test_the_index_takes_33_bytes_a_conversation_and_version(tmp_path: Path, count: int) -> None:
    writer = PartWriter(tmp_path / "a.part", DISK)
    for _ in range(2):
        add(writer, [(number, number, "some text") for number in range(count)])

    assert len(writer._entries) == 2 * 33 * count
    writer.discard()


# Damage


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Two pages, five conversations."""
    return sealed(tmp_path, [(1, 1, "a"), (2, 2, "b"), (3, 3, "c")], [(4, 4, "d"), (5, 5, "e")])


def flip(part: Part, at: int) -> None:
    data = bytearray(part.path.read_bytes())
    data[at] ^= 1
    part.path.write_bytes(data)


def test_the_checksum_is_the_same_once_it_is_opened_and_another_for_other_conversations(tmp_path: Path) -> None:
    one = sealed(tmp_path, [(1, 1, "a")])
    again = Part.open(one.path, DISK)
    other = sealed(tmp_path, [(1, 1, "b")])

    assert again.checksum == one.checksum != other.checksum


@pytest.mark.parametrize("cut", [1, 24, 40, 10_000])
def test_a_truncated_part_is_damaged(part: Part, cut: int) -> None:
    part.path.write_bytes(part.path.read_bytes()[:-cut])

    with pytest.raises(DamagedPart, match="is not complete"):
        opened(part)


def test_a_part_from_which_a_page_was_cut_has_another_length(part: Part) -> None:
    part.path.write_bytes(part.path.read_bytes()[20:])

    with pytest.raises(DamagedPart, match="a length that does not match"):
        opened(part)


def test_a_byte_of_a_page_that_changed_is_found_when_the_page_is_read(part: Part) -> None:
    flip(part, 20)

    with pytest.raises(DamagedPart, match=r"page 0 of .* has changed"):
        texts(opened(part))


def test_a_change_of_any_byte_of_a_part_is_found(part: Part) -> None:
    sound = part.path.read_bytes()
    for at in range(len(sound)):
        flip(part, at)
        with pytest.raises(DamagedPart):
            texts(opened(part))
        part.path.write_bytes(sound)
    assert texts(opened(part)) == ["a", "b", "c", "d", "e"]


def test_opening_a_missing_part_raises_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Part.open(tmp_path / "a.part", DISK)
