import errno
import hashlib
import os
import random
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from everycall import Interval, OutputFailed, OutputRefused
from everycall.acquire.part import Found, Part, PartWriter
from everycall.acquire.windows import without
from everycall.filesystem import File, Filesystem, SystemFilesystem
from everycall.ledger import Ledger
from everycall.lock import Lock
from everycall.manifest import Entry, Header, Manifest, Output, WindowLoaded, WindowRead, Written
from everycall.sinks.csv import CsvSink
from everycall.sinks.files import FileDestination
from everycall.sinks.forms import FormMaker
from everycall.store import Describe, window_name
from everycall.stream import Stream
from everycall.tables.flat import Column
from simulation.disk import Crash, SimDisk

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TABLE = [Column("a", "text", "", (), lambda _: None)]
SINK = CsvSink(TABLE)
INTERVAL = "2026-01-05T00:00:00.000Z/2026-01-15T00:00:00.000Z"
HEADER = Header(
    everycall="1", source="org", client_id="c", interval=INTERVAL, begun_at="", asked={"last": "7d"}, filters={},
    match="start", format="csv", columns=("a",),
)  # fmt: skip
OUT = Path("/out/conversations.csv")
"""On a disk that forgets."""


def other(**changes: Any) -> Header:
    return msgspec.structs.replace(HEADER, **changes)


def day(number: int) -> Interval:
    return Interval(MONDAY + timedelta(days=number), MONDAY + timedelta(days=number + 1))


def id_of(window: Interval) -> bytes:
    return window.start.day.to_bytes(16, "big")


def read_line(window: Interval, part: Part | None = None, **changes: Any) -> WindowRead:
    """A window of one conversation."""
    line = WindowRead(
        interval=str(window), route="query", verdict="proven", hits_before=1, hits_after=1, unique_ids=1, owned=1,
        carried_in=0, open=0, re_reads=0, provisional=False, counted_at="", part_sha256=part.checksum if part else "",
    )  # fmt: skip
    return msgspec.structs.replace(line, **changes)


def loaded_line(window: Interval, data: bytes, **changes: Any) -> WindowLoaded:
    written = Written(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    line = WindowLoaded(interval=str(window), rows=1, written={"csv": written})
    return msgspec.structs.replace(line, **changes)


def write(filesystem: Filesystem, path: Path, data: bytes) -> None:
    with filesystem.open(path, "wb") as file:
        file.write(data)
        filesystem.sync(file)


def read(store: Ledger | Stream, window: Interval, filesystem: Filesystem | None = None, **changes: Any) -> None:
    """The window is read: its part, its ids, and its line."""
    writer = PartWriter(store.path(window, ".part"), filesystem or SystemFilesystem())
    body = b'{"conversations":[{}],"totalHits":1}'
    writer.add(1, body, [Found(id_of(window), 1, has_end=True, position=0, place="owned")], is_zipped=False)
    part = writer.seal((1,))
    store.write_ids(window, id_of(window))
    store.commit_read(read_line(window, part, **changes))


def load(
    store: Ledger | Stream, window: Interval, data: bytes, filesystem: Filesystem | None = None, **changes: Any
) -> None:
    """The window is loaded: its rows, and its line."""
    write(filesystem or SystemFilesystem(), store.path(window, ".rows"), data)
    store.commit_loaded(loaded_line(window, data, **changes))


def done(store: Ledger | Stream, number: int, data: bytes, filesystem: Filesystem | None = None) -> None:
    """The window of that day is read and loaded, with these rows."""
    read(store, day(number), filesystem)
    load(store, day(number), data, filesystem)


_ledgers: dict[Path, Ledger] = {}


def destination(output: Path, filesystem: Filesystem | None = None, name: str = "csv") -> FileDestination:
    """A file of that output."""
    filesystem = filesystem or SystemFilesystem()
    return FileDestination(output, FormMaker(tuple(TABLE), filesystem).file(name), filesystem)


def ledger_of(output: Path, header: Header, **options: Any) -> Ledger:
    """A ledger of one CSV file."""
    return Ledger([destination(output, options.get("filesystem"))], header, **options)


def ledger(output: Path, header: Header = HEADER, **options: Any) -> Ledger:
    """The ledger of that output. The one before it was of a process that is gone, and so is its lock."""
    gone(output)
    _ledgers[output] = ledger_of(output, header, **options)
    return _ledgers[output]


def gone(output: Path) -> None:
    if output in _ledgers:
        _ledgers.pop(output)._lock.release()


def described(store: Ledger | Stream) -> Describe:
    """The manifest of what is done; the other days were left unread."""

    def manifest(header: Header, form: str, size_bytes: int, sha256: str) -> Manifest:
        entries = [Entry.of(store.read[interval], loaded, form) for interval, loaded in sorted(store.loaded.items())]
        unread = without(store.header.window, [entry.window for entry in entries])
        output = Output(format="csv", size_bytes=size_bytes, sha256=sha256)
        return Manifest.of(header, entries, unread=unread, not_kept=(), started_at="", finished_at="", output=output)

    return manifest


def finish(store: Ledger | Stream) -> Manifest:
    return store.finish(described(store))


def folder_of(output: Path) -> Path:
    return output.with_name(output.name + ".everycall")


def manifest_of(output: Path) -> Path:
    return output.with_name(output.name + ".manifest.json")


def names(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir())


def days_read(store: Ledger) -> list[Interval]:
    return [line.window for line in store.read.values()]


def days_loaded(store: Ledger) -> list[Interval]:
    return [Interval.read(interval) for interval in store.loaded]


FINISHED = ["conversations.csv", "conversations.csv.manifest.json"]


# One process at a time


@pytest.mark.parametrize("is_first_fresh", [False, True])
def test_a_second_process_is_refused_while_the_first_is_at_work(output: Path, is_first_fresh: bool) -> None:
    first = ledger_of(output, HEADER, fresh=is_first_fresh)

    for fresh in (False, True):
        with pytest.raises(OutputRefused, match=f"being written by process {os.getpid()}"):
            ledger_of(output, HEADER, fresh=fresh)
    first.abandon()
    ledger_of(output, HEADER).abandon()


class Stopping(SystemFilesystem):
    """Ends the process, as it were, before it removes a folder or one file more than it may."""

    left = 1 << 30

    def unlink(self, path: Path) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().unlink(path)

    def remove_folder(self, path: Path) -> None:  # noqa: ARG002
        raise KeyboardInterrupt


class StoppedBefore(SystemFilesystem):
    """Ends the process, as it were, before a file takes the place of this one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def replace(self, source: Path, target: Path) -> None:
        if target == self._path:
            raise KeyboardInterrupt
        super().replace(source, target)


@pytest.mark.parametrize("files", [1, 2])
def test_a_finished_export_killed_during_its_cleanup_is_not_resumed(output: Path, files: int) -> None:
    stopping = Stopping()
    first = ledger(output, filesystem=stopping)
    done(first, 0, b"a\n")
    stopping.left = files
    with pytest.raises(KeyboardInterrupt):
        finish(first)

    assert output.read_bytes() == b"a\na\n"
    assert days_read(ledger(output)) == []


class FinishedMeanwhile(SystemFilesystem):
    """Another process finishes an export of another query just before the lock is free."""

    def lock(self, path: Path, what: str) -> Lock:
        output = Path(what)
        elsewhere = output.with_name("elsewhere.csv")
        finish(ledger_of(elsewhere, other(asked={})))
        elsewhere.replace(output)
        manifest_of(elsewhere).replace(manifest_of(output))
        return super().lock(path, what)


def test_an_export_that_another_process_finished_meanwhile_is_not_overwritten(output: Path) -> None:
    with pytest.raises(OutputRefused, match="contains another export"):
        ledger_of(output, HEADER, filesystem=FinishedMeanwhile())

    assert output.read_bytes() == b"a\n"
    assert names(output) == FINISHED


class Full(SystemFilesystem):
    """Has no room for any file."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:  # noqa: ARG002
        raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_full_disk_is_reported_as_full_and_nothing_is_left_on_it(output: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        ledger_of(output, HEADER, filesystem=Full())

    assert names(output) == []


def test_an_interrupted_fresh_start_resumes_nothing_of_the_old_export(output: Path) -> None:
    """The process dies while `fresh` removes the files of the old export."""
    first = ledger(output)
    for number in range(5):
        done(first, number, b"a\n")
    gone(output)
    stopping = Stopping()
    stopping.left = 1
    with pytest.raises(KeyboardInterrupt):
        ledger_of(output, HEADER, fresh=True, filesystem=stopping)

    assert days_read(ledger(output)) == []


@pytest.mark.parametrize("number", range(6))
def test_an_interrupted_fresh_start_leaves_a_ledger(output: Path, number: int) -> None:
    """Without one, the next run would refuse an output that is half published."""
    done(ledger(output), 0, b"a\n")
    gone(output)
    stopping = Stopping()
    stopping.left = number
    with suppress(KeyboardInterrupt):
        ledger_of(output, HEADER, fresh=True, filesystem=stopping)

    assert output.with_name(f"{output.name}.everycall").joinpath("ledger.jsonl").exists()


def test_a_fresh_start_over_a_half_published_output_that_ends_at_once_leaves_a_ledger(output: Path) -> None:
    done(ledger(output), 0, b"a\n")
    gone(output)
    output.write_bytes(b"half")
    ledger(output, fresh=True).abandon()

    assert days_read(ledger(output)) == []


# To the end


def test_windows_are_put_together_in_their_order(output: Path) -> None:
    store = ledger(output)
    for number, data in ((2, b"c\n"), (0, b"a\n"), (1, b"b\n")):
        done(store, number, data)
    finish(store)

    assert output.read_bytes() == b"a\na\nb\nc\n"


def test_a_finished_export_leaves_only_the_output_and_its_manifest(output: Path) -> None:
    store = ledger(output)
    done(store, 0, b"a\n")
    found = finish(store)

    assert names(output) == FINISHED
    assert msgspec.json.decode(manifest_of(output).read_bytes(), type=Manifest) == found
    assert found.output.sha256 == hashlib.sha256(output.read_bytes()).hexdigest()
    assert found.output.size_bytes == 4


def test_open_conversations_are_listed_only_in_the_manifest_file(output: Path) -> None:
    store = ledger(output)
    read(store, day(0), open=1, open_conversations=("c1",))
    load(store, day(0), b"a\n")
    done(store, 1, b"b\n")
    found = finish(store)

    written = msgspec.json.decode(manifest_of(output).read_bytes())
    assert [entry.open_conversations for entry in found.windows] == [(), ()]
    assert [window.get("openConversations") for window in written["windows"]] == [["c1"], []]


def test_open_conversations_are_kept_when_other_windows_are_forgotten_and_on_resume(output: Path) -> None:
    store = ledger(output)
    read(store, day(0), open=1, open_conversations=("c1",))
    load(store, day(0), b"a\n")
    done(store, 1, b"b\n")
    store.forget([day(1)])
    again = ledger(output)
    finish(again)

    assert [line.open_conversations for line in again.read.values()] == [()]
    assert msgspec.json.decode(manifest_of(output).read_bytes())["windows"][0]["openConversations"] == ["c1"]


def test_there_is_no_output_until_the_export_is_finished(output: Path) -> None:
    """A file that looks finished would be taken for one."""
    done(ledger(output), 0, b"a\n")

    assert names(output) == ["conversations.csv.everycall"]


def test_a_loaded_window_s_part_is_removed_and_its_ids_are_kept(output: Path) -> None:
    store = ledger(output)
    read(store, day(0))
    assert store.path(day(0), ".part").exists()
    load(store, day(0), b"a\n")

    assert not store.path(day(0), ".part").exists()
    assert store.ids(day(0)) == id_of(day(0))


def test_an_earlier_output_stands_until_the_new_one_is_whole(output: Path) -> None:
    first = ledger(output)
    done(first, 0, b"old\n")
    finish(first)
    second = ledger(output)
    done(second, 0, b"new\n")
    assert output.read_bytes() == b"a\nold\n"

    finish(second)

    assert output.read_bytes() == b"a\nnew\n"


def test_rows_that_were_changed_on_disk_never_reach_the_output(output: Path) -> None:
    store = ledger(output)
    done(store, 0, b"abc\n")
    store.path(day(0), ".rows").write_bytes(b"abd\n")

    with pytest.raises(OutputFailed, match="have changed since"):
        finish(store)
    assert not output.exists()


def test_windows_whose_rows_have_changed_are_read_again_and_no_others(output: Path) -> None:
    store = ledger(output)
    for number in range(4):
        done(store, number, b"abc\n")
    for number in (0, 2):
        store.path(day(number), ".rows").write_bytes(b"abd\n")
    with pytest.raises(OutputFailed, match="and those of 1 more"):
        finish(store)

    assert days_read(ledger(output)) == [day(1), day(3)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_files_are_readable_by_their_owner_only_and_a_replaced_file_keeps_its_mode(output: Path) -> None:
    def modes() -> list[int]:
        return [stat.S_IMODE(path.stat().st_mode) for path in (output, manifest_of(output))]

    store = ledger(output)
    done(store, 0, b"a\n")
    files = [*folder_of(output).iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    finish(store)
    assert modes() == [0o600, 0o600]

    output.chmod(0o640)
    finish(ledger(output))

    assert modes() == [0o640, 0o600]


# Resuming


def test_a_resumed_export_knows_the_windows_that_were_done(output: Path) -> None:
    done(ledger(output), 0, b"a\n")
    again = ledger(output)

    assert [line.interval for line in again.read.values()] == [str(day(0))]
    assert list(again.loaded.values()) == [loaded_line(day(0), b"a\n")]


def test_a_window_that_was_read_and_not_loaded_is_resumed_with_its_part(output: Path) -> None:
    read(ledger(output), day(0))
    again = ledger(output)

    assert (days_read(again), days_loaded(again)) == ([day(0)], [])
    checksum = again.read[str(day(0))].part_sha256
    assert Part.open(again.path(day(0), ".part"), SystemFilesystem(), checksum).pages == 1


def test_a_new_ledger_has_no_windows(output: Path) -> None:
    assert not ledger(output).read


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_ledger_line_cut_short_is_ignored(output: Path, cut: int) -> None:
    store = ledger(output)
    done(store, 0, b"a\n")
    done(store, 1, b"b\n")
    path = folder_of(output) / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])

    again = ledger(output)
    assert days_read(again) == [day(0)]
    done(again, 1, b"b\n")

    assert days_loaded(ledger(output)) == [day(0), day(1)]


def test_a_ledger_line_of_a_read_window_cut_short_is_ignored(output: Path) -> None:
    read(ledger(output), day(0))
    path = folder_of(output) / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-1])

    assert days_read(ledger(output)) == []


@pytest.mark.parametrize("left", [b"", b"a", b"a\nb\n", None])
@pytest.mark.parametrize("suffix", [".rows", ".ids"])
def test_a_window_whose_rows_or_ids_are_lost_is_read_again(output: Path, suffix: str, left: bytes | None) -> None:
    """Its part is gone by then."""
    store = ledger(output)
    done(store, 0, b"a\n")
    put(store.path(day(0), suffix), left)

    assert days_read(ledger(output)) == []


def put(path: Path, data: bytes | None) -> None:
    """Somebody has written that to the file, or removed it."""
    path.unlink() if data is None else path.write_bytes(data)


@pytest.mark.parametrize("left", [b"", b"everypt2", None])
@pytest.mark.parametrize("suffix", [".part", ".ids"])
def test_a_window_whose_part_or_ids_are_lost_before_it_is_loaded_is_read_again(
    output: Path, suffix: str, left: bytes | None
) -> None:
    store = ledger(output)
    read(store, day(0))
    put(store.path(day(0), suffix), left)

    assert days_read(ledger(output)) == []


def test_a_window_whose_part_has_another_checksum_is_read_again(output: Path) -> None:
    store = ledger(output)
    for number in range(2):
        read(store, day(number))
    store.path(day(1), ".part").replace(store.path(day(0), ".part"))

    assert days_read(ledger(output)) == []


def test_a_window_whose_rows_are_lost_is_loaded_again_from_a_part_that_is_still_there(output: Path) -> None:
    """The kill came between the line and the removal of the part."""
    store = ledger(output)
    read(store, day(0))
    part = store.path(day(0), ".part").read_bytes()
    load(store, day(0), b"a\n")
    store.path(day(0), ".part").write_bytes(part)
    store.path(day(0), ".rows").unlink()
    again = ledger(output)

    assert (days_read(again), days_loaded(again)) == ([day(0)], [])


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_window_that_is_not_proven_is_read_again(output: Path, is_loaded: bool) -> None:
    store = ledger(output)
    read(store, day(0), verdict="unproven")
    if is_loaded:
        load(store, day(0), b"a\n")

    assert days_read(ledger(output)) == []


@pytest.mark.parametrize(
    "another",
    [day(0), Interval(day(0).start, day(1).end), Interval(day(0).start - timedelta(days=9), day(0).start), day(10)],
)
def test_a_window_that_was_put_into_the_ledger_twice_or_from_elsewhere_is_left_out(
    output: Path, another: Interval
) -> None:
    store = ledger(output)
    done(store, 0, b"a\n")
    read(store, another)
    load(store, another, b"a\n")

    assert days_loaded(ledger(output)) == [day(0)]


def test_windows_beside_a_lost_one_are_resumed_every_time(output: Path) -> None:
    """The first resume must not drop the finished window from the ledger."""
    store = ledger(output)
    for number in range(2):
        done(store, number, b"a\n")
    store.path(day(0), ".rows").unlink()

    for _ in range(2):
        assert days_loaded(ledger(output)) == [day(1)]


def test_a_window_whose_rows_are_not_as_many_as_it_owns_is_read_again(output: Path) -> None:
    store = ledger(output)
    read(store, day(0))
    load(store, day(0), b"row\r\n", rows=7)

    assert ledger(output).loaded == {}


def test_a_window_that_was_read_again_is_in_the_output_once(output: Path) -> None:
    """Its first rows were lost, and the run that read it again was killed as well."""
    store = ledger(output)
    done(store, 0, b"a\n")
    store.path(day(0), ".rows").unlink()
    done(ledger(output), 0, b"a\n")

    third = ledger(output)
    assert days_loaded(third) == [day(0)]
    finish(third)

    assert output.read_bytes() == b"a\na\n"


def test_a_forgotten_window_is_not_done_in_this_run_or_the_next(output: Path) -> None:
    store = ledger(output)
    for number in range(3):
        done(store, number, b"a\n")
    store.forget([day(1)])
    assert days_read(store) == days_loaded(store) == [day(0), day(2)]

    again = ledger(output)
    assert days_read(again) == days_loaded(again) == [day(0), day(2)]


# What a repair has taken over


def taken_over(output: Path) -> None:
    """A repair has taken a window over: there are rows, and neither a part nor ids."""
    store = ledger(output)
    store.commit_read(read_line(day(0)))
    load(store, day(0), b"a\n", taken_over=True)


def test_a_repair_resumes_what_one_before_it_has_taken_over(output: Path) -> None:
    taken_over(output)
    store = ledger(output, is_repair=True)

    assert days_loaded(store) == [day(0)]
    assert store.ids(day(0)) is None


def test_an_export_reads_again_what_a_repair_has_taken_over(output: Path) -> None:
    taken_over(output)

    assert days_read(ledger(output)) == []


# A ledger that cannot be read


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense", b"", b"123", b'{"formatVersion": 3}', b'{"formatVersion": 3, "interval": "a/b", "asked": {}}',
        msgspec.json.encode(HEADER).replace(INTERVAL.encode(), b"2026"), msgspec.json.encode(HEADER) + b"\n{}",
        msgspec.json.encode(HEADER)
        + b"\n"
        + msgspec.json.encode(read_line(day(0))).replace(b'"hitsAfter":1', b'"hitsAfter":7'),
        msgspec.json.encode(HEADER) + b'\n{"line":"read\xe4"}',
    ],
)  # fmt: skip
def test_an_unreadable_ledger_is_refused_with_the_next_step(output: Path, line: bytes) -> None:
    done(ledger(output), 0, b"a\n")
    (folder_of(output) / "ledger.jsonl").write_bytes(line + b"\n")

    with pytest.raises(OutputRefused, match="cannot be read") as refused:
        ledger(output)
    assert "--fresh" in refused.value.hint


def test_an_empty_ledger_is_refused_with_the_next_step(output: Path) -> None:
    ledger(output)
    (folder_of(output) / "ledger.jsonl").write_bytes(b"")

    with pytest.raises(OutputRefused, match="cannot be read"):
        ledger(output)


@pytest.mark.parametrize(
    ("line", "version"), [(b'{"everycall": "0.0.9"}', 1), (b'{"everycall": "0.9", "formatVersion": 4}', 4)]
)
def test_a_ledger_of_another_version_is_refused_with_what_to_do(output: Path, line: bytes, version: int) -> None:
    ledger(output)
    (folder_of(output) / "ledger.jsonl").write_bytes(line + b"\n")

    with pytest.raises(OutputRefused, match=rf"another version of everycall \(0.*, format {version}\)") as refused:
        ledger(output)
    assert refused.value.hint == "Use that version, choose another output with -o, or start over with --fresh."
    assert days_read(ledger(output, fresh=True)) == []


# The end of a process


def test_the_lock_is_held_until_the_folder_is_removed(output: Path) -> None:
    """Or it would be taken away from under somebody who has just begun."""
    refused: list[str] = []

    class Watched(SystemFilesystem):
        def unlink(self, path: Path) -> None:
            if path.name == "ledger.jsonl":
                with pytest.raises(OutputRefused) as second:
                    ledger_of(output, HEADER, fresh=True)
                refused.append(str(second.value))
            super().unlink(path)

    finish(ledger_of(output, HEADER, filesystem=Watched()))

    assert refused
    assert names(output) == FINISHED


def test_a_finished_export_leaves_no_open_file(output: Path) -> None:
    with (output.parent / "a").open("wb") as file:
        free = file.fileno()
    for end in (Ledger.abandon, finish):
        end(ledger_of(output, HEADER))

    with (output.parent / "a").open("wb") as file:
        assert file.fileno() == free


def test_fresh_forgets_what_was_done(output: Path) -> None:
    done(ledger(output), 0, b"a\n")

    assert days_read(ledger(output, fresh=True)) == []
    assert days_read(ledger(output)) == []


# Power cuts


def on_disk(filesystem: SimDisk) -> Ledger:
    return ledger_of(OUT, HEADER, filesystem=filesystem)


@pytest.mark.parametrize("seed", range(10))
def test_read_and_loaded_windows_survive_a_power_cut(seed: int) -> None:
    filesystem = SimDisk(random.Random(seed), lambda _: None, [OUT.parent])
    store = on_disk(filesystem)
    done(store, 0, b"a\n", filesystem)
    read(store, day(1), filesystem)
    filesystem.power_cut()
    again = on_disk(filesystem)

    assert (days_read(again), days_loaded(again)) == ([day(0), day(1)], [day(0)])


class Fuse:
    """Lets so many effects on a disk through; then the power goes."""

    left = float("inf")

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


def cut_off(seed: int, effects: int, end: Callable[[Ledger, SimDisk], None]) -> SimDisk:
    """What is left where the power goes so many effects after `end` began."""
    fuse = Fuse()
    filesystem = SimDisk(random.Random(seed), fuse, [OUT.parent])
    store = on_disk(filesystem)
    with suppress(Crash):
        fuse.left = effects
        end(store, filesystem)
    fuse.left = float("inf")
    filesystem.power_cut()
    return filesystem


@pytest.mark.parametrize("effects", range(22))
@pytest.mark.parametrize("seed", range(5))
def test_after_any_power_cut_the_files_of_every_ledger_line_are_there(seed: int, effects: int) -> None:
    filesystem = cut_off(seed, effects, lambda store, filesystem: done(store, 0, b"a\n", filesystem))

    folder = folder_of(OUT)
    lines = filesystem.content(folder / "ledger.jsonl") or b""
    has_part = filesystem.content(folder / f"{window_name(day(0))}.part") is not None
    if lines.count(b"\n") >= 2:
        assert filesystem.content(folder / f"{window_name(day(0))}.ids") == id_of(day(0))
    if lines.count(b"\n") == 2:
        assert has_part
        assert days_read(on_disk(filesystem)) == [day(0)]
    if lines.count(b"\n") == 3:
        assert filesystem.content(folder / f"{window_name(day(0))}.rows") == b"a\n"
        assert days_loaded(on_disk(filesystem)) == [day(0)]


def to_the_end(store: Ledger, filesystem: SimDisk) -> None:
    done(store, 0, b"a\n", filesystem)
    finish(store)


@pytest.mark.parametrize("effects", range(15, 50))
@pytest.mark.parametrize("seed", range(5))
def test_after_any_power_cut_an_output_is_complete_and_has_its_manifest(seed: int, effects: int) -> None:
    filesystem = cut_off(seed, effects, to_the_end)

    whole = b"a\na\n"
    assert filesystem.content(OUT) in (None, whole)
    if filesystem.content(OUT) == whole:
        manifest = msgspec.json.decode(filesystem.content(manifest_of(OUT)) or b"", type=Manifest)
        assert manifest.output.sha256 == hashlib.sha256(whole).hexdigest()


def crashing(after: int) -> SimDisk:
    """A disk whose machine loses its power before it has done that many things."""
    left = iter([None] * after)

    def effect(what: str) -> None:
        if next(left, what) is not None:
            raise Crash

    return SimDisk(random.Random(after), effect, [OUT.parent])


@pytest.mark.parametrize("end", [SimDisk.killed, SimDisk.power_cut])
@pytest.mark.parametrize("after", range(60))
def test_an_output_never_exists_without_its_manifest(after: int, end: Callable[[SimDisk], None]) -> None:
    filesystem = crashing(after)
    with suppress(Crash):
        to_the_end(on_disk(filesystem), filesystem)
    end(filesystem)

    assert filesystem.content(OUT) is None or filesystem.content(manifest_of(OUT))


# What is refused


def test_another_query_s_unfinished_export_is_refused_with_the_difference(output: Path) -> None:
    done(ledger(output), 0, b"a\n")

    with pytest.raises(OutputRefused, match=r'asked: \{"last":"7d"\} there, \{"last":"8d"\} now'):
        ledger(output, other(asked={"last": "8d"}))


def test_a_refused_command_holds_no_lock(output: Path) -> None:
    done(ledger(output), 0, b"a\n")
    gone(output)
    with pytest.raises(OutputRefused, match="another export"):
        ledger_of(output, other(filters={"queueId": ["q"]}))

    ledger_of(output, HEADER).abandon()


def test_another_query_s_finished_export_is_refused_too(output: Path) -> None:
    finish(ledger(output))

    with pytest.raises(OutputRefused, match="filters: nothing there"):
        ledger(output, other(filters={"segmentFilters": [{}]}))
    assert output.read_bytes() == b"a\n"


def test_another_match_makes_another_query(output: Path) -> None:
    done(ledger(output, other(match="activity")), 0, b"a\n")

    with pytest.raises(OutputRefused, match='match: "activity" there, "start" now'):
        ledger(output)


def test_the_same_relative_interval_is_the_same_query_at_any_time(output: Path) -> None:
    done(ledger(output), 0, b"a\n")

    assert ledger(output, other(interval=str(day(3)), begun_at="later")).header == HEADER


def test_a_tuple_is_the_same_query_as_the_list_that_it_is_written_as(output: Path) -> None:
    header = other(asked={"queue": ("Sales", "Billing")})
    done(ledger(output, header), 0, b"a\n")

    assert ledger(output, header).read


@pytest.mark.parametrize("manifest", [None, b"", b"[]", b'{"query":3}', b'{"name":"somebody else"}'])
def test_a_foreign_file_is_not_touched(output: Path, manifest: bytes | None) -> None:
    output.write_bytes(b"precious")
    if manifest is not None:
        manifest_of(output).write_bytes(manifest)

    with pytest.raises(OutputRefused, match="everycall did not export it"):
        ledger(output)
    assert output.read_bytes() == b"precious"
    assert not folder_of(output).exists()


def test_fresh_replaces_a_foreign_file_at_the_end_and_not_before(output: Path) -> None:
    output.write_bytes(b"precious")
    store = ledger(output, fresh=True)
    assert output.read_bytes() == b"precious"

    finish(store)

    assert output.read_bytes() == b"a\n"


def test_an_output_that_was_edited_by_hand_is_refused_without_fresh(output: Path) -> None:
    finish(ledger(output))
    output.write_bytes(b"a\nedited\n")

    with pytest.raises(OutputRefused, match="was changed after it was exported") as refused:
        ledger(output)
    assert "--fresh" in refused.value.hint
    assert output.read_bytes() == b"a\nedited\n"
    finish(ledger(output, fresh=True))
    assert output.read_bytes() == b"a\n"


def test_a_repair_begins_although_the_output_was_changed(output: Path) -> None:
    finish(ledger(output))
    output.write_bytes(b"damaged")

    assert ledger(output, is_repair=True).read == {}


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="nowhere does not exist"):
        ledger(tmp_path / "nowhere" / "a.csv")


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="is a folder"):
        ledger(tmp_path)


def test_a_manifest_that_is_a_folder_is_refused(output: Path) -> None:
    manifest_of(output).mkdir()

    with pytest.raises(OutputRefused, match=r"manifest\.json is a folder"):
        ledger(output)


def test_a_file_where_the_folder_should_be_is_refused(output: Path) -> None:
    folder_of(output).write_bytes(b"")

    with pytest.raises(OutputRefused, match="cannot be written"):
        ledger(output)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_a_link_is_refused_and_not_followed(output: Path, tmp_path: Path, fresh: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ledger.jsonl").write_bytes(b"somebody else's")
    folder_of(output).symlink_to(elsewhere)

    with pytest.raises(OutputRefused, match="is a link"):
        ledger(output, fresh=fresh)
    assert [path.name for path in elsewhere.iterdir()] == ["ledger.jsonl"]
    assert (elsewhere / "ledger.jsonl").read_bytes() == b"somebody else's"


# Leaving


def test_an_abandoned_export_without_windows_leaves_no_files(output: Path) -> None:
    ledger(output).abandon()

    assert names(output) == []


def test_an_abandoned_export_with_windows_leaves_them(output: Path) -> None:
    store = ledger(output)
    read(store, day(0))
    store.abandon()

    assert ledger(output).read


def test_an_export_stopped_between_manifest_and_output_resumes_after_a_run_that_finished_no_window(
    output: Path,
) -> None:
    done(first := ledger(output), 0, b"a\n")
    finish(first)
    second = ledger(output, filesystem=StoppedBefore(output))
    read(second, day(0), verdict="unproven")
    load(second, day(0), b"b\n")
    with pytest.raises(KeyboardInterrupt):
        finish(second)  # the manifest is that of the second export, and the output that of the first
    ledger(output).abandon()

    assert not ledger(output).read  # rather than refused


@pytest.mark.parametrize("fresh", [False, True])
def test_foreign_files_in_the_folder_are_left_alone(output: Path, fresh: bool) -> None:
    done(ledger(output), 0, b"a\n")
    foreign = folder_of(output) / "notes.txt"
    foreign.write_bytes(b"precious")
    finish(ledger(output, fresh=fresh))

    assert [path.name for path in folder_of(output).iterdir()] == ["notes.txt"]
    assert foreign.read_bytes() == b"precious"
    assert ledger(output).read == {}


# Streams


def stream(output: Any) -> Stream:
    return Stream(output, SINK, other(interval=str(Interval(day(0).start, day(4).end))))


def test_a_stream_gets_windows_in_order_as_soon_as_possible() -> None:
    output = BytesIO()
    store = stream(output)
    seen = []
    for number, data in ((1, b"b\n"), (0, b"a\n"), (3, b"d\n"), (2, b"c\n")):
        done(store, number, data)
        seen.append(output.getvalue().decode().split())

    assert seen == [["a"], ["a", "a", "b"], ["a", "a", "b"], ["a", "a", "b", "c", "d"]]
    store.abandon()


def test_a_stream_is_flushed_after_each_window(output: Path) -> None:
    """A buffered stream must not hold back the rows of a finished window."""
    with output.open("wb") as buffered:
        store = stream(buffered)
        done(store, 0, b"b\n")

        assert output.read_bytes() == b"a\nb\n"
        store.abandon()


def test_a_stream_gets_windows_after_an_unread_one_at_the_end() -> None:
    output = BytesIO()
    store = stream(output)
    done(store, 3, b"d\n")
    done(store, 1, b"b\n")
    finish(store)

    assert output.getvalue() == b"a\nb\nd\n"


def test_the_manifest_of_a_stream_has_its_length_and_checksum() -> None:
    store = stream(BytesIO())
    done(store, 0, b"a\n")
    found = finish(store)

    assert (found.output.size_bytes, found.output.sha256) == (4, hashlib.sha256(b"a\na\n").hexdigest())


def test_a_stream_keeps_ids_to_its_end_and_neither_parts_nor_rows() -> None:
    store = stream(BytesIO())
    done(store, 0, b"a\n")

    assert store.ids(day(0)) == id_of(day(0))
    assert [path.suffix for path in store.path(day(0), ".ids").parent.iterdir()] == [".ids"]
    store.abandon()


def test_a_window_that_a_stream_has_sent_cannot_be_forgotten() -> None:
    store = stream(BytesIO())
    done(store, 0, b"a\n")
    read(store, day(1))
    store.forget([day(1)])

    assert list(store.read) == [str(day(0))]
    with pytest.raises(ValueError, match="already written"):
        store.forget([day(0)])
    store.abandon()


@pytest.mark.parametrize("end", [finish, Stream.abandon])
def test_a_stream_leaves_no_temporary_folder(end: Callable[[Stream], object]) -> None:
    store = stream(BytesIO())
    folder = store.path(day(0), ".part").parent
    done(store, 2, b"c\n")
    end(store)

    assert not folder.exists()


def test_a_stream_that_writes_only_part_of_the_data_gets_the_rest() -> None:
    """A pipe without a buffer may take a part of what is written."""

    class Narrow(BytesIO):
        def write(self, data: Any, /) -> int:
            return super().write(bytes(data)[:3])

    output = Narrow()
    store = stream(output)
    done(store, 0, b"abcdefgh\n")
    finish(store)

    assert output.getvalue() == b"a\nabcdefgh\n"


def test_files_are_named_so_that_they_sort_as_the_windows_do() -> None:
    windows = [day(number) for number in range(40)]

    assert sorted(map(window_name, windows)) == [window_name(window) for window in windows]
    assert all(set(window_name(window)) <= set("0123456789TZ_") for window in windows)
