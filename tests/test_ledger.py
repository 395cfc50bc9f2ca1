import errno
import hashlib
import os
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from everycall import Interval, OutputFailed, OutputRefused
from everycall.filesystem import File, SystemFilesystem
from everycall.ledger import Entry, Ledger, Stream, part_name, pretty
from everycall.lock import Lock
from everycall.sinks.csv import CsvSink
from everycall.tables.flat import Column
from everycall.verification import _take_over
from simulation.disk import Crash, SimDisk

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TABLE = [Column("a", "text", "", (), lambda _: None)]
SINK = CsvSink(TABLE)
INTERVAL = "2026-01-05T00:00:00.000Z/2026-01-15T00:00:00.000Z"
HEADER: Mapping[str, Any] = {"interval": INTERVAL, "asked": {"last": "7d"}, "filters": {}}


def day(number: int) -> Interval:
    return Interval(MONDAY + timedelta(days=number), MONDAY + timedelta(days=number + 1))


def entry(window: Interval, data: bytes) -> Entry:
    return Entry(
        interval=str(window), route="query", verdict="proven", hits_before=1, hits_after=1, unique_ids=1, rows=1,
        carried_in=0, open=0, re_reads=0, provisional=False, counted_at="", size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip


_books: dict[Path, Ledger] = {}


def ledger(output: Path, header: Mapping[str, Any] = HEADER, *, fresh: bool = False) -> Ledger:
    """A book on that output. The one before it was of a process that is gone, and so is what it held."""
    if output in _books:
        _books.pop(output)._lock.release()
    _books[output] = Ledger(output, SINK, header, fresh=fresh)
    return _books[output]


@pytest.mark.parametrize("is_first_fresh", [False, True])
def test_a_second_process_is_refused_while_the_first_is_at_work(output: Path, is_first_fresh: bool) -> None:
    first = Ledger(output, SINK, HEADER, fresh=is_first_fresh)

    for fresh in (False, True):
        with pytest.raises(OutputRefused, match=f"being written by process {os.getpid()}"):
            Ledger(output, SINK, HEADER, fresh=fresh)
    first.abandon()
    Ledger(output, SINK, HEADER).abandon()


def done(book: Ledger | Stream, number: int, data: bytes) -> None:
    """The window of that day is finished, with these rows."""
    book.part_path(day(number)).write_bytes(data)
    book.commit(entry(day(number), data))


def described(size_bytes: int, sha256: str) -> Mapping[str, Any]:
    return {"query": HEADER, "sizeBytes": size_bytes, "sha256": sha256}


def folder_of(output: Path) -> Path:
    return output.with_name(output.name + ".everycall")


def names(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir())


class Stopping(SystemFilesystem):
    """Ends the process, as it were, before it removes a folder or the second file."""

    def __init__(self, files: int = 1) -> None:
        self._left = files

    def unlink(self, path: Path) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        super().unlink(path)

    def remove_folder(self, path: Path) -> None:  # noqa: ARG002
        raise KeyboardInterrupt


def test_a_finished_export_that_is_killed_while_it_tidies_up_is_not_gone_on_with(output: Path) -> None:
    book = Ledger(output, SINK, HEADER, filesystem=Stopping())
    done(book, 0, b"a\n")
    with pytest.raises(KeyboardInterrupt):
        book.finish(described)
    book._lock.release()

    assert output.read_bytes() == b"a\na\n"
    assert ledger(output).entries == []


class FinishedMeanwhile(SystemFilesystem):
    """Another process finishes an export of other words just before the lock is free."""

    def lock(self, path: Path, what: Path) -> Lock:
        what.write_bytes(b"rows of the other\n")
        what.with_name(what.name + ".manifest.json").write_bytes(pretty({"query": {**HEADER, "asked": {}}}))
        return super().lock(path, what)


def test_what_another_process_has_finished_while_this_one_began_is_not_overwritten(output: Path) -> None:
    with pytest.raises(OutputRefused, match="holds another export"):
        Ledger(output, SINK, HEADER, filesystem=FinishedMeanwhile())

    assert output.read_bytes() == b"rows of the other\n"
    assert names(output) == ["conversations.csv", "conversations.csv.manifest.json"]


class Full(SystemFilesystem):
    """Has no room for any file."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:  # noqa: ARG002
        raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_disk_that_is_full_is_none_that_cannot_be_written_and_nothing_is_left_on_it(output: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        Ledger(output, SINK, HEADER, filesystem=Full())

    assert names(output) == []


def test_what_was_to_be_forgotten_is_not_gone_on_with_where_that_was_cut_short(output: Path) -> None:
    book = ledger(output)
    for number in range(5):
        done(book, number, b"a\n")
    _books.pop(output)._lock.release()
    with pytest.raises(KeyboardInterrupt):
        Ledger(output, SINK, HEADER, fresh=True, filesystem=Stopping())

    assert ledger(output).entries == []


# To the end


def test_parts_are_put_together_in_the_order_of_their_windows(output: Path) -> None:
    book = ledger(output)
    for number, data in ((2, b"c\n"), (0, b"a\n"), (1, b"b\n")):
        done(book, number, data)
    book.finish(described)

    assert output.read_bytes() == b"a\na\nb\nc\n"


def test_the_output_and_its_manifest_are_all_that_is_left(output: Path) -> None:
    book = ledger(output)
    done(book, 0, b"a\n")
    book.finish(described)

    manifest = msgspec.json.decode(output.with_name("conversations.csv.manifest.json").read_bytes())
    assert names(output) == ["conversations.csv", "conversations.csv.manifest.json"]
    assert manifest["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert manifest["sizeBytes"] == 4


def test_until_then_there_is_no_output(output: Path) -> None:
    book = ledger(output)
    done(book, 0, b"a\n")

    assert names(output) == ["conversations.csv.everycall"]


def test_an_earlier_output_stands_until_the_new_one_is_whole(output: Path) -> None:
    first = ledger(output)
    done(first, 0, b"old\n")
    first.finish(described)
    second = ledger(output)
    done(second, 0, b"new\n")
    assert output.read_bytes() == b"a\nold\n"

    second.finish(described)

    assert output.read_bytes() == b"a\nnew\n"


def test_a_part_that_changed_since_it_was_sealed_is_not_put_out(output: Path) -> None:
    book = ledger(output)
    done(book, 0, b"abc\n")
    book.part_path(day(0)).write_bytes(b"abd\n")

    with pytest.raises(OutputFailed, match="has changed since"):
        book.finish(described)
    assert not output.exists()


def test_parts_that_changed_since_they_were_sealed_are_read_again_and_no_others(output: Path) -> None:
    book = ledger(output)
    for number in range(4):
        done(book, number, b"abc\n")
    for number in (0, 2):
        book.part_path(day(number)).write_bytes(b"abd\n")
    with pytest.raises(OutputFailed, match="and 1 more"):
        book.finish(described)

    assert [one.window for one in ledger(output).entries] == [day(1), day(3)]


# Going on


def test_what_was_done_is_known_again(output: Path) -> None:
    done(ledger(output), 0, b"a\n")
    again = ledger(output)

    assert again.entries
    assert again.entries == [entry(day(0), b"a\n")]


def test_a_beginning_resumes_nothing(output: Path) -> None:
    assert not ledger(output).entries


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_line_cut_short_is_a_window_that_was_not_done(output: Path, cut: int) -> None:
    book = ledger(output)
    done(book, 0, b"a\n")
    done(book, 1, b"b\n")
    path = folder_of(output) / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])

    again = ledger(output)
    assert [one.window for one in again.entries] == [day(0)]
    done(again, 1, b"b\n")

    assert [one.window for one in ledger(output).entries] == [day(0), day(1)]


@pytest.mark.parametrize("left", [b"", b"a", b"a\nb\n", None])
def test_a_part_of_the_wrong_size_is_read_again(output: Path, left: bytes | None) -> None:
    book = ledger(output)
    done(book, 0, b"a\n")
    part = book.part_path(day(0))
    part.unlink() if left is None else part.write_bytes(left)

    assert ledger(output).entries == []


def test_a_window_that_is_not_proven_is_read_again(output: Path) -> None:
    book = ledger(output)
    book.part_path(day(0)).write_bytes(b"a\n")
    book.commit(msgspec.structs.replace(entry(day(0), b"a\n"), verdict="unproven"))

    assert ledger(output).entries == []


@pytest.mark.parametrize(
    "other",
    [day(0), Interval(day(0).start, day(1).end), Interval(day(0).start - timedelta(days=9), day(0).start), day(10)],
)
def test_a_window_that_was_put_into_the_ledger_twice_or_from_elsewhere_is_left_out(
    output: Path, other: Interval
) -> None:
    book = ledger(output)
    done(book, 0, b"a\n")
    book.part_path(other).write_bytes(b"a\n")
    book.commit(entry(other, b"a\n"))

    assert [one.window for one in ledger(output).entries] == [day(0)]


def test_what_is_still_there_beside_a_part_that_was_lost_is_known_again_and_again(output: Path) -> None:
    book = ledger(output)
    for number in range(2):
        done(book, number, b"a\n")
    book.part_path(day(0)).unlink()

    assert ledger(output).entries == [entry(day(1), b"a\n")]
    assert ledger(output).entries == [entry(day(1), b"a\n")]


def test_a_window_that_was_read_again_is_in_the_output_once(output: Path) -> None:
    """Its first part was lost, and the run that read it again was killed as well."""
    book = ledger(output)
    done(book, 0, b"a\n")
    book.part_path(day(0)).unlink()
    done(ledger(output), 0, b"a\n")

    third = ledger(output)
    assert [one.window for one in third.entries] == [day(0)]
    third.finish(described)

    assert output.read_bytes() == b"a\na\n"


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense", b"", b"123", b"{}", b'{"interval": "a/b", "asked": {}}', b'{"interval": "2026", "asked": {}}',
        msgspec.json.encode(entry(day(0), b"a\n")), msgspec.json.encode(HEADER) + b"\n{}",
    ],
)  # fmt: skip
def test_a_ledger_that_cannot_be_read_is_refused_with_a_way_out(output: Path, line: bytes) -> None:
    done(ledger(output), 0, b"a\n")
    (folder_of(output) / "ledger.jsonl").write_bytes(line + b"\n")

    with pytest.raises(OutputRefused, match="cannot be read") as refused:
        ledger(output)
    assert "--fresh" in refused.value.hint


def test_an_empty_ledger_is_refused_with_a_way_out(output: Path) -> None:
    ledger(output)
    (folder_of(output) / "ledger.jsonl").write_bytes(b"")

    with pytest.raises(OutputRefused, match="cannot be read"):
        ledger(output)


def test_others_are_kept_out_until_the_folder_is_gone(output: Path) -> None:
    """Or it would be taken away from under somebody who has just begun."""
    refused: list[str] = []

    class Watched(SystemFilesystem):
        def remove_folder(self, path: Path) -> None:
            with pytest.raises(OutputRefused) as second:
                Ledger(output, SINK, HEADER, fresh=True)
            refused.append(str(second.value))
            super().remove_folder(path)

    Ledger(output, SINK, HEADER, filesystem=Watched()).finish(described)

    assert len(refused) == 1


def test_an_export_that_has_ended_keeps_no_handle(output: Path) -> None:
    with (output.parent / "a").open("wb") as file:
        free = file.fileno()
    for end in (Ledger.abandon, lambda book: book.finish(described)):
        end(Ledger(output, SINK, HEADER))

    with (output.parent / "a").open("wb") as file:
        assert file.fileno() == free


def test_a_kill_between_output_and_manifest_is_mended_by_the_next_run(output: Path) -> None:
    done(ledger(output), 0, b"a\n")
    output.write_bytes(b"a\na\n")
    ledger(output).finish(described)

    assert names(output) == ["conversations.csv", "conversations.csv.manifest.json"]
    assert output.read_bytes() == b"a\na\n"


def test_fresh_forgets_what_was_done(output: Path) -> None:
    done(ledger(output), 0, b"a\n")

    assert ledger(output, fresh=True).entries == []
    assert ledger(output).entries == []


@pytest.mark.parametrize("seed", range(10))
def test_a_window_that_is_done_outlives_a_power_cut(seed: int) -> None:
    output = Path("/out/conversations.csv")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [output.parent])
    book = Ledger(output, SINK, HEADER, filesystem=filesystem)
    with filesystem.open(book.part_path(day(0)), "wb") as part:
        part.write(b"a\n")
        filesystem.sync(part)
    book.commit(entry(day(0), b"a\n"))
    filesystem.power_cut()

    assert Ledger(output, SINK, HEADER, filesystem=filesystem).entries == [entry(day(0), b"a\n")]


class Fuse:
    """Lets so many effects on a disk through; then the power goes."""

    left = float("inf")

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


def cut_off(seed: int, end: Callable[[Ledger], None], effects: int) -> SimDisk:
    """What is left where the power goes so many effects after one window was sealed, and `end` begun."""
    fuse, output = Fuse(), Path("/out/conversations.csv")
    filesystem = SimDisk(random.Random(seed), fuse, [output.parent])
    book = Ledger(output, CsvSink(TABLE, filesystem), HEADER, filesystem=filesystem)
    with filesystem.open(book.part_path(day(0)), "wb") as part:
        part.write(b"a\n")
        filesystem.sync(part)
    with suppress(Crash):
        fuse.left = effects
        end(book)
    filesystem.power_cut()
    return filesystem


@pytest.mark.parametrize("effects", range(6))
@pytest.mark.parametrize("seed", range(5))
def test_a_line_in_the_ledger_has_its_part_whenever_the_power_goes(seed: int, effects: int) -> None:
    filesystem = cut_off(seed, lambda book: book.commit(entry(day(0), b"a\n")), effects)

    folder = Path("/out/conversations.csv.everycall")
    lines = filesystem.content(folder / "ledger.jsonl") or b""
    assert lines.count(b"\n") < 2 or filesystem.content(folder / part_name(day(0))) == b"a\n"


@pytest.mark.parametrize("effects", range(4, 24))
@pytest.mark.parametrize("seed", range(10))
def test_an_output_is_whole_and_its_manifest_is_not_lost_whenever_the_power_goes(seed: int, effects: int) -> None:
    def end(book: Ledger) -> None:
        book.commit(entry(day(0), b"a\n"))
        book.finish(described)

    filesystem = cut_off(seed, end, effects)

    output = Path("/out/conversations.csv")
    manifests = (output.with_name(f"{output.name}.manifest.json"), folder_of(output) / "manifest")
    whole = pretty(described(4, hashlib.sha256(b"a\na\n").hexdigest()))
    assert filesystem.content(output) in (None, b"a\na\n")
    assert filesystem.content(output) is None or whole in map(filesystem.content, manifests)


@pytest.mark.parametrize("seed", range(10))
def test_a_window_that_a_repair_has_taken_over_outlives_a_power_cut(seed: int) -> None:
    output = Path("/out/conversations.csv")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [output.parent])
    with filesystem.open(output, "wb") as file:
        file.write(b"a\nabc\n")
        filesystem.sync(file)
    book = Ledger(output, SINK, HEADER, fresh=True, filesystem=filesystem)
    _take_over(output, 2, entry(day(0), b"abc\n"), book, filesystem)
    filesystem.power_cut()

    assert filesystem.content(book.part_path(day(0))) == b"abc\n"


def crashing(after: int) -> SimDisk:
    """A disk whose machine loses its power before it has done that many things."""
    left = iter([None] * after)

    def effect(what: str) -> None:
        if next(left, what) is not None:
            raise Crash

    return SimDisk(random.Random(after), effect, [Path("/out")])


@pytest.mark.parametrize("end", [SimDisk.killed, SimDisk.power_cut])
@pytest.mark.parametrize("after", range(40))
def test_an_output_never_stands_without_its_manifest(after: int, end: Callable[[SimDisk], None]) -> None:
    output, filesystem = Path("/out/conversations.csv"), crashing(after)
    with suppress(Crash):
        book = Ledger(output, CsvSink(TABLE, filesystem), HEADER, filesystem=filesystem)
        with filesystem.open(book.part_path(day(0)), "wb") as part:
            part.write(b"a\n")
            filesystem.sync(part)
        book.commit(entry(day(0), b"a\n"))
        book.finish(described)
    end(filesystem)

    assert filesystem.content(output) is None or filesystem.content(output.with_name("conversations.csv.manifest.json"))


# What is refused


def test_another_query_s_unfinished_export_is_refused_with_the_difference(output: Path) -> None:
    done(ledger(output), 0, b"a\n")

    with pytest.raises(OutputRefused, match=r'asked: \{"last":"7d"\} there, \{"last":"8d"\} now'):
        ledger(output, {**HEADER, "asked": {"last": "8d"}})


def test_a_command_that_is_refused_holds_nothing(output: Path) -> None:
    done(ledger(output), 0, b"a\n")
    _books.pop(output)._lock.release()
    with pytest.raises(OutputRefused, match="another export"):
        Ledger(output, SINK, {**HEADER, "filters": {"queueId": ["q"]}})

    Ledger(output, SINK, HEADER).abandon()


def test_another_query_s_finished_export_is_refused_too(output: Path) -> None:
    ledger(output).finish(described)

    with pytest.raises(OutputRefused, match="filters: nothing there"):
        ledger(output, {**HEADER, "filters": {"segmentFilters": [{}]}})
    assert output.read_bytes() == b"a\n"


def test_a_word_that_is_not_said_any_more_makes_another_query(output: Path) -> None:
    done(ledger(output, {**HEADER, "match": "activity"}), 0, b"a\n")

    with pytest.raises(OutputRefused, match='match: "activity" there, nothing now'):
        ledger(output)


def test_the_same_words_are_the_same_query_whatever_the_interval_has_become(output: Path) -> None:
    done(ledger(output), 0, b"a\n")

    assert ledger(output, {**HEADER, "interval": str(day(3))}).header["interval"] == INTERVAL


def test_a_tuple_is_the_same_query_as_the_list_that_it_is_written_as(output: Path) -> None:
    words = {**HEADER, "asked": {"queue": ("Sales", "Billing")}}
    done(ledger(output, words), 0, b"a\n")

    assert ledger(output, words).entries


@pytest.mark.parametrize("manifest", [None, b"", b"[]", b'{"query":3}', b'{"name":"somebody else"}'])
def test_a_foreign_file_is_not_touched(output: Path, manifest: bytes | None) -> None:
    output.write_bytes(b"precious")
    if manifest is not None:
        output.with_name("conversations.csv.manifest.json").write_bytes(manifest)

    with pytest.raises(OutputRefused, match="is no export of everycall"):
        ledger(output)
    assert output.read_bytes() == b"precious"
    assert not folder_of(output).exists()


def test_fresh_replaces_a_foreign_file_at_the_end_and_not_before(output: Path) -> None:
    output.write_bytes(b"precious")
    book = ledger(output, fresh=True)
    assert output.read_bytes() == b"precious"

    book.finish(described)

    assert output.read_bytes() == b"a\n"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="nowhere does not exist"):
        ledger(tmp_path / "nowhere" / "a.csv")


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="is a folder"):
        ledger(tmp_path)


def test_a_file_where_the_folder_should_be_is_refused(output: Path) -> None:
    folder_of(output).write_bytes(b"")

    with pytest.raises(OutputRefused, match="cannot be written"):
        ledger(output)


# Leaving


def test_an_export_that_did_nothing_leaves_nothing(output: Path) -> None:
    ledger(output).abandon()

    assert names(output) == []


def test_an_export_that_did_something_leaves_it(output: Path) -> None:
    book = ledger(output)
    done(book, 0, b"a\n")
    book.abandon()

    assert ledger(output).entries


# Streams


def stream(output: BytesIO) -> Stream:
    return Stream(output, SINK, Interval(day(0).start, day(4).end))


def test_a_stream_gets_windows_in_order_as_soon_as_it_can() -> None:
    output = BytesIO()
    book = stream(output)
    seen = []
    for number, data in ((1, b"b\n"), (0, b"a\n"), (3, b"d\n"), (2, b"c\n")):
        done(book, number, data)
        seen.append(output.getvalue().decode().split())

    assert seen == [["a"], ["a", "a", "b"], ["a", "a", "b"], ["a", "a", "b", "c", "d"]]
    book.abandon()


def test_a_stream_with_a_buffer_gives_out_what_is_done(output: Path) -> None:
    with output.open("wb") as buffered:
        book = Stream(buffered, SINK, Interval(day(0).start, day(4).end))
        done(book, 0, b"b\n")

        assert output.read_bytes() == b"a\nb\n"
        book.abandon()


def test_windows_behind_one_that_was_left_unread_come_at_the_end() -> None:
    output = BytesIO()
    book = stream(output)
    done(book, 3, b"d\n")
    done(book, 1, b"b\n")
    book.finish(described)

    assert output.getvalue() == b"a\nb\nd\n"


def test_a_stream_is_told_its_length_and_checksum() -> None:
    told: list[tuple[int, str]] = []
    output = BytesIO()
    book = stream(output)
    done(book, 0, b"a\n")

    def manifest(size_bytes: int, sha256: str) -> Mapping[str, Any]:
        told.append((size_bytes, sha256))
        return {}

    book.finish(manifest)

    assert told == [(4, hashlib.sha256(b"a\na\n").hexdigest())]


@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_a_stream_leaves_no_temporary_folder(end: str) -> None:
    book = stream(BytesIO())
    folder = book.part_path(day(0)).parent
    done(book, 2, b"c\n")
    book.finish(described) if end == "finish" else book.abandon()

    assert not folder.exists()


def test_a_stream_that_takes_in_less_than_it_is_given_gets_the_rest() -> None:
    """A pipe without a buffer may take a part of what is written."""

    class Narrow(BytesIO):
        def write(self, data: Any, /) -> int:
            return super().write(bytes(data)[:3])

    output = Narrow()
    book = stream(output)
    done(book, 0, b"abcdefgh\n")
    book.finish(described)

    assert output.getvalue() == b"a\nabcdefgh\n"


def test_parts_are_named_so_that_they_sort_as_the_windows_do() -> None:
    windows = [day(number) for number in range(40)]

    assert sorted(map(part_name, windows)) == [part_name(window) for window in windows]
    assert all(set(part_name(window)) <= set("0123456789TZ_.part") for window in windows)
