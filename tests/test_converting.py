"""Converting: an archive of JSON lines -> what an export of the same conversations would write."""

import errno
import gzip
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall import Interval
from everycall.converting import Converted, ConvertEnvironment, ConvertOptions, convert
from everycall.errors import OutputFailed, OutputRefused, SettingsError
from everycall.executor import SerialExecutor
from everycall.filesystem import SystemFilesystem
from everycall.load.archive import ArchiveTask
from everycall.progress import Noticed
from everycall.sandbox.recording import load
from inprocess import WEEK, manifest_of, org, read_csv

NOW = datetime(2026, 2, 1, tzinfo=UTC)


class Notes:
    """Keeps the notes of a conversion."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def report(self, event: object) -> None:
        if isinstance(event, Noticed):
            self.messages.append(event.message)


def converted(archive: Path | BytesIO, output: Any, notes: Notes | None = None, **settings: Any) -> Converted:
    """Convert in this process, one window after the other."""
    environment = ConvertEnvironment(executor=SerialExecutor(), now=lambda: NOW)
    options = ConvertOptions(
        **{name: settings.pop(name) for name in ("fresh", "workers", "organization_id") if name in settings}
    )
    return convert(archive, output, options=options, progress=notes, environment=environment, **settings)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of an org in all formats of archives, with names, and as CSV by both views."""
    folder = tmp_path_factory.mktemp("exports")
    where = org(conversations_per_day=60)
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "default.csv"):
        where.export(folder / name, WEEK)
    where.export(folder / "extended.csv", WEEK, view="extended")
    return folder


@pytest.fixture
def archive(exports: Path, tmp_path: Path) -> Path:
    """The archive of the week alone in a folder: no manifest, but names."""
    names = "a.jsonl", "a.jsonl.names.jsonl"
    for name in names:
        shutil.copy(exports / name, tmp_path / name)
    return tmp_path / names[0]


def conversation(number: int, **fields: Any) -> bytes:
    start = f"2026-01-05T08:00:{number % 60:02}.000Z"
    whole = {"conversationId": f"00000000-0000-4000-8000-{number:012}", "conversationStart": start, **fields}
    return msgspec.json.encode(whole)


def lines(*found: bytes) -> BytesIO:
    return BytesIO(b"".join(line + b"\n" for line in found))


def ids(output: Path) -> list[int]:
    return [int(row["conversationId"][-12:]) for row in read_csv(output)]


# With the manifest


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("view", ["default", "extended"])
def test_rows_of_an_archive_are_those_of_an_export(exports: Path, tmp_path: Path, name: str, view: str) -> None:
    done = converted(exports / name, tmp_path / "out.csv", view=view)

    assert (tmp_path / "out.csv").read_bytes() == (exports / f"{view}.csv").read_bytes()
    assert (done.verdict, done.is_complete, done.rows) == ("proven", True, len(read_csv(exports / "default.csv")))


def test_several_outputs_come_from_one_reading_and_archives_keep_their_bytes(exports: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "out.csv", tmp_path / "out.jsonl", tmp_path / "out.jsonl.zst"]
    converted(exports / "a.jsonl.gz", outputs)

    wanted = ["default.csv", "a.jsonl", "a.jsonl.zst"]
    assert [each.read_bytes() for each in outputs] == [(exports / name).read_bytes() for name in wanted]


def test_the_manifest_has_the_windows_and_the_proof_of_the_archive(exports: Path, tmp_path: Path) -> None:
    converted(exports / "a.jsonl.zst", tmp_path / "out.csv")
    found, wanted = manifest_of(tmp_path / "out.csv"), manifest_of(exports / "a.jsonl.zst")
    proof = ("interval", "verdict", "hitsAfter", "uniqueIds", "countedAt", "openConversations")

    assert [[window[name] for name in proof] for window in found["windows"]] == [
        [window[name] for name in proof] for window in wanted["windows"]
    ]
    own = {name: found["query"][name] for name in ("format", "columns", "organizationId")}
    assert found["query"] == {**wanted["query"], **own}
    assert found["provenAsOf"] == wanted["provenAsOf"]


def test_an_archive_that_was_not_proven_makes_an_output_that_is_not(tmp_path: Path) -> None:
    org(conversations_per_day=60).export(tmp_path / "a.jsonl", WEEK, max_pages=2)
    done = converted(tmp_path / "a.jsonl", tmp_path / "out.csv")

    assert (done.verdict, done.is_complete) == ("unproven", False)
    assert manifest_of(tmp_path / "out.csv")["unread"] == manifest_of(tmp_path / "a.jsonl")["unread"]


def test_workers_make_the_same_bytes(exports: Path, tmp_path: Path) -> None:
    convert(exports / "a.jsonl.zst", tmp_path / "out.csv", options=ConvertOptions(workers=2))

    assert (tmp_path / "out.csv").read_bytes() == (exports / "default.csv").read_bytes()


@pytest.mark.parametrize("workers", [0, 2])
def test_pieces_of_windows_make_the_same_bytes_and_the_same_counts(exports: Path, tmp_path: Path, workers: int) -> None:
    convert(exports / "a.jsonl", tmp_path / "whole.csv")
    in_pieces = ConvertEnvironment(piece_bytes=20_000)
    outputs = [tmp_path / "out.csv", tmp_path / "out.jsonl"]
    convert(exports / "a.jsonl", outputs, options=ConvertOptions(workers=workers), environment=in_pieces)

    assert [output.read_bytes() for output in outputs] == [
        (exports / name).read_bytes() for name in ("default.csv", "a.jsonl")
    ]
    counts = ("rows", "sha256", "sizeBytes", "outlasting", "oddities", "namesUnavailable")
    found, wanted = (manifest_of(tmp_path / f"{name}.csv")["windows"] for name in ("out", "whole"))
    assert [[window[name] for name in counts] for window in found] == [
        [window[name] for name in counts] for window in wanted
    ]


@pytest.mark.parametrize("piece_bytes", [1, 100, 20_000, 1 << 30])
def test_pieces_have_all_bytes_of_a_window_and_end_with_lines(exports: Path, piece_bytes: int) -> None:
    archive, filesystem = exports / "a.jsonl", SystemFilesystem()
    text = archive.read_bytes()
    begin = text.index(b"\n") + 1
    window = Interval.read(WEEK)
    task = ArchiveTask(
        window, archive, "", frozenset(), frozenset(), Path("a"), offset=begin, size_bytes=len(text) - begin
    )
    pieces = task.in_pieces(filesystem, piece_bytes)

    assert b"".join(text[one.offset : one.offset + one.size_bytes] for one in pieces) == text[begin:]
    assert all(text[one.offset + one.size_bytes - 1] == ord("\n") for one in pieces)
    assert all(one.size_bytes > piece_bytes for one in pieces[:-1])


START = '"conversationStart":"2026-01-05T08:00:00.123Z"'


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ('{"conversationEnd":"2026-01-06T00:00:00.000Z","conversationId":"x",%s,"divisionIds":[]}', True),
        ('{"conversationId":"x",%s}', True),
        ('{%s,"conversationId":"x"}', True),
        (' {"conversationId": "x", %s}', True),
        ('{"divisionIds":[],"participants":[{"conversationStart":"x"}],%s,"conversationId":"x"}', True),
        ('{"externalTag":"\\"","conversationId":"x",%s}', True),
        ('{"attributes":{"a":"\\ud83d"},"conversationId":"x",%s}', True),
        ('{"participants":[{%s}],"conversationId":"x"}', False),
        ('{"conversationId":"x","conversationStart":"tomorrow"}', False),
        ('{"conversationId":"x","conversationStart":null}', False),
        ('{"conversationId":"x","conversationStart":5}', False),
        ('{"conversationId":"x"}', False),
    ],
)
def test_the_start_of_a_line_is_found_wherever_it_stands(tmp_path: Path, line: str, start: bool) -> None:
    lines = [one.replace("%s", START).encode() for one in ('{"conversationId":"y",%s}', line)]
    archive = tmp_path / "a.jsonl"
    archive.write_bytes(b"".join(one + b"\n" for one in lines))
    size, checksum = archive.stat().st_size, sha256(archive.read_bytes()).hexdigest()
    task = ArchiveTask(Interval.read(WEEK), archive, checksum, frozenset(), frozenset(), Path("a"), size_bytes=size)
    (piece,) = task.open(SystemFilesystem()).slices()

    assert list(piece.starts_ms) == [1_767_600_000_123, 1_767_600_000_123 if start else None]
    assert list(piece.records()) == lines


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_an_archive_that_was_changed_is_read_without_its_manifest(exports: Path, tmp_path: Path, name: str) -> None:
    data = bytearray((exports / name).read_bytes())
    if name == "a.jsonl":  # still JSON, and of the same length
        at = data.index(b'"conversationStart":"2026-01-06') + len('"conversationStart":"2026-01-06T')
        data[at : at + 2] = b"23" if data[at : at + 2] != b"23" else b"22"
    else:
        data = data[:-100]
    (tmp_path / name).write_bytes(data)
    shutil.copy(exports / f"{name}.manifest.json", tmp_path)
    notes = Notes()
    done = converted(tmp_path / name, tmp_path / "out.csv", notes)

    assert (done.verdict, done.fits_manifest, done.is_complete) == ("unknown", False, False)
    assert "was changed" in notes.messages[0]
    assert done.rows > 200


@pytest.mark.parametrize("workers", [0, 2])
def test_lines_that_are_no_json_are_named_even_if_the_manifest_has_their_checksum(
    exports: Path, tmp_path: Path, workers: int
) -> None:
    manifest = manifest_of(exports / "a.jsonl")
    text = (exports / "a.jsonl").read_bytes().replace(b'"participants":[', b'"participants":[,', 1)
    manifest["output"]["sizeBytes"] += 1
    manifest["windows"][0]["sizeBytes"] += 1
    first = text[: manifest["windows"][0]["sizeBytes"]]
    manifest["windows"][0]["sha256"] = sha256(first).hexdigest()
    (tmp_path / "a.jsonl").write_bytes(text)
    (tmp_path / "a.jsonl.manifest.json").write_bytes(msgspec.json.encode(manifest))
    notes = Notes()
    done = converted(tmp_path / "a.jsonl", tmp_path / "out.csv", notes, workers=workers)

    assert "a.jsonl has lines that are not JSON. It is read without its manifest" in notes.messages[0]
    assert (done.verdict, [bad.number for bad in done.bad]) == ("unknown", [1])


@pytest.mark.parametrize("workers", [0, 2])
def test_pieces_that_are_no_json_any_more_are_damage_like_any_other(
    exports: Path, tmp_path: Path, workers: int
) -> None:
    lines = (exports / "a.jsonl").read_bytes().splitlines(keepends=True)
    for number in range(5, len(lines), 100):
        lines[number] = b"?" * (len(lines[number]) - 1) + b"\n"
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    shutil.copy(exports / "a.jsonl.manifest.json", tmp_path)
    environment, options = ConvertEnvironment(piece_bytes=20_000), ConvertOptions(workers=workers)
    done = convert(tmp_path / "a.jsonl", tmp_path / "out.csv", options=options, environment=environment)

    assert (done.verdict, done.fits_manifest, done.is_complete) == ("unknown", False, False)
    assert (done.rows, done.bad_count) == (len(lines) - len(lines[5::100]), len(lines[5::100]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.jsonl", "a.jsonl.manifest.json", "out.csv", "out.csv.manifest.json",
    ]  # fmt: skip


# Tables


def tables_of(folder: Path) -> dict[str, Any]:
    """Every table in a folder of Parquet: its rows as texts, sorted."""
    return {
        table.name: sorted(str(row) for path in table.rglob("*.parquet") for row in pq.read_table(path).to_pylist())
        for table in folder.iterdir()
        if table.is_dir()
    }


def test_tables_of_an_archive_are_those_of_an_export(tmp_path: Path) -> None:
    where = org(conversations_per_day=40)
    where.export([tmp_path / "a.jsonl.zst", tmp_path / "exported.parquet"], WEEK)
    organization_id = manifest_of(tmp_path / "exported.parquet")["query"]["organizationId"]
    converted(tmp_path / "a.jsonl.zst", tmp_path / "out.parquet", organization_id=organization_id)

    found, wanted = tables_of(tmp_path / "out.parquet"), tables_of(tmp_path / "exported.parquet")
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in wanted.items()}
    assert found == wanted
    assert len(found["conversations"]) > 100


# Without a manifest


@settings(max_examples=20)
@given(seed=st.randoms(use_true_random=False), stale=st.integers(0, 50))
def test_lines_in_any_order_with_older_versions_before_make_the_rows_of_an_export(
    exports: Path, seed: Any, stale: int
) -> None:
    found = (exports / "a.jsonl").read_bytes().splitlines()
    seed.shuffle(found)
    older = [msgspec.json.encode({**msgspec.json.decode(line), "participants": []}) for line in found[:stale]]
    output = BytesIO()
    folder = exports / "named.jsonl"
    folder.write_bytes(b"\n".join([*older, *found]))
    shutil.copy(exports / "a.jsonl.names.jsonl", exports / "named.jsonl.names.jsonl")
    done = converted(folder, output)

    assert output.getvalue() == (exports / "default.csv").read_bytes()
    assert (done.repeated, done.verdict, done.is_complete) == (stale, "unknown", True)


def test_windows_of_an_archive_without_a_manifest_are_whole_days(archive: Path) -> None:
    converted(archive, archive.with_name("out.csv"))
    manifest = manifest_of(archive.with_name("out.csv"))

    assert (manifest["verdict"], manifest["interval"]) == ("unknown", WEEK)
    assert [(window["verdict"], window["countedAt"]) for window in manifest["windows"]] == [("unknown", "")]
    assert "no manifest" in manifest["windows"][0]["reason"]


def test_many_conversations_make_several_windows(tmp_path: Path) -> None:
    days = ("2026-01-05", "2026-01-06", "2026-01-09")
    found = [
        conversation(number, conversationStart=f"{day}T08:00:00.000Z")
        for day_number, day in enumerate(days)
        for number in range(day_number * 10_000, day_number * 10_000 + 6_000)
    ]
    converted(lines(*reversed(found)), tmp_path / "out.csv")
    windows = [
        (one["interval"][:10], one["interval"][25:35], one["rows"])
        for one in manifest_of(tmp_path / "out.csv")["windows"]
    ]

    assert windows == [
        ("2026-01-05", "2026-01-06", 6000), ("2026-01-06", "2026-01-09", 6000), ("2026-01-09", "2026-01-10", 6000),
    ]  # fmt: skip
    assert ids(tmp_path / "out.csv") == sorted(ids(tmp_path / "out.csv"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"conversationId": "00', "cut"),
        (b"[1, 2]", "no conversationId"),
        (b'{"conversations": []}', "no conversationId"),
        (b'{"conversationId": 1.5e400}', "no"),
        (conversation(7) + b"," + conversation(8), "not JSON"),
        (b'{"conversationId": "x\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_conversation_is_named_and_the_others_are_written(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    done = converted(lines(conversation(1), bad, conversation(2)), tmp_path / "out.csv")

    assert [(line.number, reason in line.reason) for line in done.bad] == [(2, True)]
    assert (ids(tmp_path / "out.csv"), done.bad_count, done.is_complete) == ([1, 2], 1, False)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_archive_that_is_cut_short_gives_its_whole_lines(tmp_path: Path, pack: Any) -> None:
    whole = b"".join(conversation(number, note=f"{number * 7919}") + b"\n" for number in range(500))
    packed = pack(whole[:20_000]) + pack(whole[20_000:])[:-50]
    done = converted(BytesIO(packed), tmp_path / "out.csv")
    found = ids(tmp_path / "out.csv")

    assert (done.bad_count, "cut short" in done.bad[0].reason) == (1, True)
    assert done.bad[0].number == len(found) + 1
    assert len(found) >= 100


def test_damaged_data_in_the_middle_ends_the_archive_there(tmp_path: Path) -> None:
    packed = bytearray(zstandard.compress(b"".join(conversation(number) + b"\n" for number in range(10))))
    done = converted(BytesIO(bytes(packed) + b"\x28\xb5\x2f\xfd" + b"\xff" * 100), tmp_path / "out.csv")

    assert (done.rows, done.bad_count) == (10, 1)
    assert "damaged" in done.bad[0].reason


def test_empty_lines_a_missing_line_feed_and_a_byte_order_mark_are_no_fault(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + conversation(1) + b"\r\n\n  \n" + conversation(2)
    done = converted(BytesIO(text), tmp_path / "out.csv")

    assert (ids(tmp_path / "out.csv"), done.is_complete) == ([1, 2], True)


def test_conversations_without_a_start_come_first(tmp_path: Path) -> None:
    done = converted(lines(conversation(2), conversation(1, conversationStart=None)), tmp_path / "out.csv")

    assert (ids(tmp_path / "out.csv"), done.rows) == ([1, 2], 2)
    assert manifest_of(tmp_path / "out.csv")["interval"].startswith("2026-01-05T")


def test_an_empty_archive_makes_an_empty_output(tmp_path: Path) -> None:
    done = converted(BytesIO(), tmp_path / "out.csv")

    assert (done.rows, ids(tmp_path / "out.csv")) == (0, [])
    assert done.interval is None
    assert not manifest_of(tmp_path / "out.csv")["interval"].startswith("1970")


# Names


def test_without_names_the_rows_have_ids_and_a_note_says_so(archive: Path) -> None:
    archive.with_name("a.jsonl.names.jsonl").unlink()
    notes = Notes()
    converted(archive, archive.with_name("out.csv"), notes)

    assert any("a.jsonl.names.jsonl" in message and "users" in message for message in notes.messages)
    assert "users" in manifest_of(archive.with_name("out.csv"))["namesUnavailable"]


def test_names_that_cannot_be_read_are_an_error(archive: Path) -> None:
    archive.with_name("a.jsonl.names.jsonl").write_text("{")

    with pytest.raises(SettingsError, match="cannot be read"):
        converted(archive, archive.with_name("out.csv"))


# Places


def test_an_archive_cannot_be_its_own_output(archive: Path) -> None:
    with pytest.raises(OutputRefused, match="is the archive itself"):
        converted(archive, [archive.with_name("out.csv"), archive])


def test_another_export_at_the_output_is_refused(exports: Path, tmp_path: Path, archive: Path) -> None:
    converted(exports / "a.jsonl", tmp_path / "out.csv")

    with pytest.raises(OutputRefused, match="contains another export"):
        converted(archive, tmp_path / "out.csv")
    assert converted(archive, tmp_path / "out.csv", fresh=True).verdict == "unknown"


def test_the_same_conversion_can_be_repeated(exports: Path, tmp_path: Path) -> None:
    for _ in range(2):
        converted(exports / "a.jsonl", tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_bytes() == (exports / "default.csv").read_bytes()


def test_an_unfinished_export_at_the_output_is_refused(exports: Path, tmp_path: Path) -> None:
    where = org(conversations_per_day=60)
    where.connection.before = FailsAfter(9)
    with pytest.raises(Exception, match="gone"):
        where.export(tmp_path / "out.csv", WEEK)
    header = manifest_of(exports / "a.jsonl")["query"]
    ledger = tmp_path / "out.csv.everycall" / "ledger.jsonl"
    first, *rest = ledger.read_bytes().splitlines(keepends=True)
    before = msgspec.json.decode(first)
    ledger.write_bytes(
        msgspec.json.encode({**header, "format": "csv", "columns": before["columns"]}) + b"\n" + b"".join(rest)
    )

    with pytest.raises(OutputRefused, match="unfinished export"):
        converted(exports / "a.jsonl", tmp_path / "out.csv")


class FailsAfter:
    """Lets some requests through, and no more."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self, _: object) -> None:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("gone")


class FullDisk(SystemFilesystem):
    """A disk without room for rows."""

    def open(self, path: Path, mode: Any) -> Any:
        if path.suffix == ".rows":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return super().open(path, mode)


def test_a_conversion_that_fails_leaves_nothing(archive: Path) -> None:
    folder = archive.with_name("out")
    folder.mkdir()
    environment = ConvertEnvironment(executor=SerialExecutor(), filesystem=FullDisk())

    with pytest.raises(OutputFailed, match="The disk is full"):
        convert(archive, folder / "out.csv", environment=environment)
    assert list(folder.iterdir()) == []


class DiesAfter(SystemFilesystem):
    """Changes files so often, and then never again: as if the process was killed there."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.EIO, "killed")

    def open(self, path: Path, mode: Any) -> Any:
        if mode != "rb":
            self._count()
        return super().open(path, mode)

    def replace(self, source: Path, target: Path) -> None:
        self._count()
        super().replace(source, target)

    def unlink(self, path: Path) -> None:
        self._count()
        super().unlink(path)


@pytest.mark.parametrize("name", ["a.jsonl.zst", "named.jsonl"])
@pytest.mark.parametrize("output", ["out.csv", "out.xlsx"])
def test_killed_at_any_change_of_a_file_the_same_conversion_ends_as_an_undisturbed_one(
    exports: Path, tmp_path: Path, name: str, output: str
) -> None:
    shutil.copy(exports / "a.jsonl", exports / "named.jsonl")
    undisturbed = tmp_path / "undisturbed" / output
    undisturbed.parent.mkdir()
    converted(exports / name, undisturbed)
    wanted = undisturbed.read_bytes()
    for count in (*range(0, 16, 3), 20):
        place = tmp_path / str(count) / output
        place.parent.mkdir()
        environment = ConvertEnvironment(executor=SerialExecutor(), now=lambda: NOW, filesystem=DiesAfter(count))
        with suppress(OutputFailed, OutputRefused):
            convert(exports / name, place, environment=environment)
        converted(exports / name, place)

        assert place.read_bytes() == wanted
        assert not place.with_name(f"{output}.everycall").exists()


# The sandbox plays archives back


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_an_export_from_a_sandbox_with_the_archive_has_the_same_rows(exports: Path, tmp_path: Path, name: str) -> None:
    org(world=load(exports / name)).export(tmp_path / "again.csv", WEEK)

    assert (tmp_path / "again.csv").read_bytes() == (exports / "default.csv").read_bytes()
