import gzip
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from clocks import NOON, StillClock
from everycall import (
    Client,
    Credentials,
    Filters,
    Interval,
    OutputFailed,
    OutputRefused,
    PermissionMissing,
    Query,
    QueryError,
    QueryRefused,
    export,
)
from everycall.api.exchange import Response
from everycall.connection import Connection
from everycall.executor import SerialExecutor, ThreadExecutor
from everycall.exporting import NOTICES_MAX, RESUMES
from everycall.filesystem import File, SystemFilesystem
from everycall.progress import Event, Noticed, PageRead, Started, WindowClosed
from everycall.sandbox import QUERY, server
from everycall.sandbox.answers import Request
from everycall.sandbox.oauth import Client as SandboxClient
from inprocess import (
    HEADER,
    MONDAY,
    WEEK,
    Org,
    assert_proven,
    assert_whole,
    client_of,
    exported_rows,
    manifest_of,
    org,
    read_csv,
)
from thin import Thin

THREE_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-26T00:00:00.000Z"
"""Three windows of seven days."""

SECOND_WEEK = "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"

FINISHED = ["conversations.csv", "conversations.csv.manifest.json"]
UNFINISHED = ["conversations.csv.everycall"]


def flat(count: int, **settings: Any) -> Org:
    """An org with so many conversations on every UTC day."""
    return org(conversations_per_day=count, flat=True, **settings)


def on_disk(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir())


def interrupting(number: int) -> Callable[[Request], None]:
    """Ctrl-C when the request of that number is sent."""
    left = iter(range(1, 10_000))

    def interrupt(_: Request) -> None:
        if next(left) == number:
            raise KeyboardInterrupt

    return interrupt


def interrupting_at(interval: str) -> Callable[[Request], None]:
    """Ctrl-C when that window is asked for."""

    def interrupt(request: Request) -> None:
        if f'"interval":"{interval}"'.encode() in request.body:
            raise KeyboardInterrupt

    return interrupt


# What comes out


def test_rows_are_ordered_by_window_then_start_then_id(output: Path) -> None:
    where = flat(20)
    where.export(output, THREE_WEEKS)
    rows = read_csv(output)

    assert [(row["startTime"], row["conversationId"]) for row in rows] == sorted(
        (row["startTime"], row["conversationId"]) for row in rows
    )
    assert output.read_text().startswith(HEADER)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(SerialExecutor, 1), (SerialExecutor, 7), (SerialExecutor, 40), (ThreadExecutor, 1), (ThreadExecutor, 16)],
)
def test_the_executor_does_not_change_the_bytes(
    output: Path, kind: type[SerialExecutor] | type[ThreadExecutor], size: int
) -> None:
    """However many requests are under way at once, the output is the same."""
    where = flat(60, rate_limit=100_000)
    summary = where.export(output, WEEK, executor=kind(size), page_size=30)

    assert output.read_bytes() == undisturbed(60, WEEK)
    assert_proven(where, summary, output, WEEK)


@cache
def undisturbed(count: int, interval: str) -> bytes:
    """The rows of the same export by one who asks one question at a time, and whom nothing happens to."""
    stream = BytesIO()
    flat(count).export(stream, interval)
    return stream.getvalue()


def test_the_same_export_twice_makes_the_same_bytes(output: Path) -> None:
    where = flat(50)
    where.export(output)
    first = output.read_bytes()
    summary = where.export(output)

    assert output.read_bytes() == first
    assert summary.resumed_windows == 0
    assert_proven(where, summary, output)


def test_settled_and_provisional_data_are_in_different_windows(output: Path) -> None:
    """The border is the midnight four days ago."""
    where = flat(20)
    interval = "2026-02-24T00:00:00.000Z/2026-03-02T00:00:00.000Z"
    summary = where.export(output, interval)

    assert [entry.provisional for entry in summary.entries] == [False, True]
    assert manifest_of(output)["provisionalFrom"] == "2026-02-26T00:00:00.000Z"
    assert manifest_of(output)["provisionalRows"] == 80
    assert_proven(where, summary, output, interval)


def test_columns_can_be_chosen(output: Path) -> None:
    flat(3).export(output, columns=["duration", "conversationId"])

    assert output.read_text().startswith("duration,conversationId\n")


def test_an_unknown_column_is_refused_before_anything_is_asked(output: Path) -> None:
    where = flat(3)
    with pytest.raises(QueryError, match="no column 'durration'"):
        where.export(output, columns=["durration"])

    assert list(where.sandbox.requests) == []
    assert on_disk(output) == []


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_page_size_changes_nothing(output: Path, size: int) -> None:
    where = flat(20)
    summary = where.export(output, page_size=size)

    assert max(served.body["paging"]["pageSize"] for served in where.queries) == size
    assert_proven(where, summary, output)


def test_adjacent_exports_add_up(output: Path) -> None:
    where = flat(200)
    halves = ["2026-01-05T00:00:00.000Z/2026-01-05T12:00:00.000Z", "2026-01-05T12:00:00.000Z/2026-01-06T00:00:00.000Z"]
    found = []
    for number, half in enumerate(halves):
        path = output.with_name(f"{number}.csv")
        assert_proven(where, where.export(path, half), path, half)
        found += exported_rows(path)

    assert sorted(found) == where.truth()


def test_match_activity_includes_conversations_that_started_earlier(output: Path) -> None:
    where = flat(200)
    afternoon = "2026-01-05T12:00:00.000Z/2026-01-06T00:00:00.000Z"
    summary = where.export(output, query=Query(Interval.read(afternoon), match="activity"))
    ids = {one["conversationId"] for one in where.sandbox.store.matching(afternoon)}

    assert {row["conversationId"] for row in read_csv(output)} == ids
    assert len(ids) > len(where.truth(afternoon))
    assert summary.rows == len(ids)
    assert_whole(summary, output)


def test_rows_have_names_instead_of_ids(output: Path) -> None:
    where = flat(200)
    where.export(output)
    world = where.sandbox.store.world
    queues = {one["name"] for one in world.entities("queues")}
    users = {one["name"] for one in world.entities("users")}
    rows = read_csv(output)

    assert {row["queueName"] for row in rows} - {""} <= queues
    assert {row["agentName"] for row in rows} - {""} <= users
    assert len({row["agentName"] for row in rows}) > 10


def test_no_secret_and_no_token_is_in_anything_that_is_written(output: Path) -> None:
    where = flat(20)
    where.export(output)
    manifest = output.with_name(FINISHED[1]).read_text()
    token = where.client._token
    assert token is not None

    assert where.sandbox.client_secret not in manifest
    assert token.access_token not in manifest


class Echoing:
    """A connection that writes a text into each page, where fields, values and headers stand."""

    def __init__(self, inner: Connection, text: str) -> None:
        self._inner, self._text = inner, text

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        answer = self._inner.send(method, url, headers, body)
        if not url.endswith(QUERY):
            return answer
        page = msgspec.json.decode(gzip.decompress(answer.body) if answer.body[:1] == b"\x1f" else answer.body)
        for one in page.get("conversations", [])[:1]:
            one |= {self._text: 1, "conversationEnd": self._text}
        found = {"inin-correlation-id": self._text}
        return Response(answer.status, found, msgspec.json.encode(page))

    def close(self) -> None:
        """See `Connection.close`."""


def test_a_secret_that_a_page_echoes_is_neither_in_the_manifest_nor_in_what_is_reported(output: Path) -> None:
    where = flat(20)
    secret, reported = where.sandbox.client_secret, Listening()
    connection = Echoing(where.connection, f"you sent {secret}")
    client = Client(where.client.credentials, connection=connection, clock=where.clock)
    replace(where, client=client).export(output, progress=reported)
    manifest = output.with_name(FINISHED[1]).read_text()

    assert "you sent (secret)" in manifest
    assert "you sent (secret)" in str(reported.events)
    assert secret not in manifest + str(reported.events)


def test_progress_is_reported_along_the_interval(output: Path) -> None:
    events: list[Event] = []

    class Listening:
        def report(self, event: Event) -> None:
            events.append(event)

    flat(30).export(output, THREE_WEEKS, progress=Listening(), executor=SerialExecutor(3))
    covered = [event.covered for event in events if isinstance(event, PageRead)]

    assert events[0] == Started(Interval.read(THREE_WEEKS), timedelta(), 0)
    assert covered == sorted(covered)
    assert covered[-1] <= timedelta(days=21)
    assert [event.rows for event in events if isinstance(event, WindowClosed)] == [210, 210, 210]


# Where it goes


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    where = flat(3)
    with pytest.raises(OutputRefused, match="does not exist"):
        where.export(tmp_path / "nowhere" / "a.csv")

    assert list(where.sandbox.requests) == []


def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    """To root every folder is writable, except those that the kernel makes up."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    where = flat(3)
    with pytest.raises(OutputRefused, match=r"not writable|cannot be written"):
        where.export((folder if os.geteuid() else Path("/proc/self")) / "a.csv")

    assert list(where.sandbox.requests) == []


def test_an_output_that_is_a_folder(tmp_path: Path) -> None:
    where = flat(3)
    with pytest.raises(OutputRefused, match="is a folder"):
        where.export(tmp_path)

    assert list(where.sandbox.requests) == []


def test_a_file_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises((OutputRefused, OutputFailed), match="File name too long"):
        flat(3).export(tmp_path / ("a" * 300))


def test_a_foreign_file_is_left_alone(output: Path) -> None:
    output.write_text("precious")
    where = flat(3)
    with pytest.raises(OutputRefused, match="everycall did not export it"):
        where.export(output)

    assert output.read_text() == "precious"
    assert list(where.sandbox.requests) == []
    assert on_disk(output) == ["conversations.csv"]


def test_another_query_s_export_is_left_alone(output: Path) -> None:
    where = flat(30)
    where.export(output)
    before = output.read_bytes()
    voice = Query(Interval.read(MONDAY), Filters.of(media_types=["voice"]))

    with pytest.raises(OutputRefused, match="filters: nothing there"):
        where.export(output, query=voice)
    assert output.read_bytes() == before
    assert where.export(output, query=voice, fresh=True).verdict == "proven"


def test_another_org_s_export_is_left_alone(output: Path) -> None:
    where = flat(3)
    where.export(output)

    with pytest.raises(OutputRefused, match="source"):
        where.export(output, source="another org")


def test_another_client_s_export_is_left_alone(output: Path) -> None:
    """It may belong to another org at the same address, or see other divisions."""
    where = flat(3, clients=[SandboxClient("one", "secret"), SandboxClient("two", "secret")])
    where.export(output)

    where.client = client_of(where.sandbox, where.clock, where.connection, client_id="two")
    with pytest.raises(OutputRefused, match='clientId: "one" there, "two" now'):
        where.export(output)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from inprocess import org
from thin import Thin
from everycall import OutputFailed

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
where = org(world=Thin(900, days=21))
try:
    where.export(Path(sys.argv[1]), sys.argv[2])
except OutputFailed as failed:
    print(failed, failed.hint)
"""


@pytest.mark.parametrize(("quota_bytes", "windows_done"), [(700, 0), (2_000, 0), (20_000, 0), (50_000, 3)])
def test_a_full_disk_keeps_what_was_done(output: Path, quota_bytes: int, windows_done: int) -> None:
    """No file may grow beyond the quota: too little for the ledger, a part, the rows of a window, or the output."""
    command = [sys.executable, "-c", FULL_DISK, str(output), THREE_WEEKS, str(quota_bytes), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "the same command: it resumes from here" in done.stdout
    assert not output.exists()

    where = org(world=Thin(900, days=21))
    summary = where.export(output, THREE_WEEKS)
    assert summary.resumed_windows == windows_done
    assert on_disk(output) == FINISHED
    assert_proven(where, summary, output, THREE_WEEKS)


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_stream_onto_a_full_disk_is_an_error(buffering: int) -> None:
    stream = Path("/dev/full").open("wb", buffering)  # noqa: SIM115
    with pytest.raises(OutputFailed, match="The disk is full"):
        flat(3).export(stream)  # type: ignore[arg-type]
    with suppress(OSError):  # what is left in its buffer still has nowhere to go
        stream.close()


# Going on


def fetched(where: Org) -> list[str]:
    """The windows that were asked for, each once, in order."""
    return list(dict.fromkeys(window for window, _ in where.pages))


def noted(output: Path, kind: str) -> list[str]:
    """The windows that the ledger of an unfinished export calls read, or loaded."""
    path = output.parent / UNFINISHED[0] / "ledger.jsonl"
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()[1:]] if path.exists() else []
    return [line["interval"] for line in lines if line["line"] == kind]


@pytest.mark.parametrize("number", range(1, 19))
def test_an_export_interrupted_at_any_request_resumes_to_the_same_bytes(output: Path, number: int) -> None:
    where = flat(15)
    where.connection.before = interrupting(number)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, THREE_WEEKS)
    assert not output.exists()
    read, loaded = noted(output, "read"), noted(output, "loaded")

    again = flat(15)
    summary = again.export(output, THREE_WEEKS)

    assert output.read_bytes() == undisturbed(15, THREE_WEEKS)
    assert len(fetched(again)) == 3 - len(read)
    assert summary.resumed_windows == len(loaded)
    assert on_disk(output) == FINISHED
    assert_proven(again, summary, output, THREE_WEEKS)


class InterruptedOnceWritten(SystemFilesystem):
    """Ctrl-C comes when so many lines of windows are on disk for good in the ledger."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._last = lines
        self._opened: dict[int, Path] = {}
        self._lines = 0

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        file = super().open(path, mode)
        self._opened[id(file)] = path
        return file

    def sync(self, file: File) -> None:
        super().sync(file)
        self._lines += self._opened[id(file)].name == "ledger.jsonl"
        if self._lines == self._last:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("lines", "read", "loaded"), [(1, 1, 0), (2, 1, 1), (3, 2, 1), (4, 2, 2)])
def test_a_window_committed_just_before_an_interrupt_is_not_read_again(
    output: Path, lines: int, read: int, loaded: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        flat(15).export(output, THREE_WEEKS, filesystem=InterruptedOnceWritten(lines))

    again = flat(15)
    summary = again.export(output, THREE_WEEKS)

    assert (summary.resumed_windows, len(fetched(again))) == (loaded, 3 - read)
    assert output.read_bytes() == undisturbed(15, THREE_WEEKS)


def test_an_interrupt_before_any_window_is_done_leaves_no_files(output: Path) -> None:
    where = flat(15)
    where.connection.before = interrupting(3)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, THREE_WEEKS)

    assert on_disk(output) == []


def stopped(output: Path, **options: Any) -> None:
    """An export of three weeks that ended when the first was done."""
    where = flat(15)
    where.connection.before = interrupting_at(SECOND_WEEK)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, THREE_WEEKS, **options)


def test_a_resumed_export_reports_the_oddities_and_missing_names_of_the_first_run(output: Path) -> None:
    where = flat(15)
    where.sandbox.faults.on(None, "403", path="/routing/wrapupcodes")
    where.sandbox.faults.on(None, "new_field", path=QUERY)
    where.connection.before = interrupting_at(SECOND_WEEK)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, THREE_WEEKS)
    manifest = flat(15).export(output, THREE_WEEKS).manifest

    assert list(manifest["namesUnavailable"]) == ["wrapupcodes"]
    assert manifest["oddityExamples"]
    assert [bool(entry["namesUnavailable"]) for entry in manifest["windows"]] == [True, False, False]


class Listening:
    """Keeps what it is exported_rows."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notices(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noticed)]


def test_a_resumed_export_reports_what_was_done_before(output: Path) -> None:
    stopped(output)
    listening = Listening()
    summary = flat(15).export(output, THREE_WEEKS, progress=listening)

    assert listening.events[0] == Started(Interval.read(THREE_WEEKS), timedelta(days=7), 105)
    assert summary.resumed_windows == 1
    assert summary.rows == 315


def test_a_relative_interval_resumes_with_the_interval_of_the_first_run(output: Path) -> None:
    """`--last 7d` given a day later still means the seven days of the first run."""
    stopped(output, asked={"weeks": "the last three"})
    later = flat(15, clock=StillClock(NOON + timedelta(hours=3)))
    moved = "2026-01-05T03:00:00.000Z/2026-01-26T03:00:00.000Z"
    listening = Listening()
    summary = later.export(output, moved, asked={"weeks": "the last three"}, progress=listening)

    manifest = manifest_of(output)
    assert listening.events[1] == Noticed(RESUMES.format(THREE_WEEKS))
    assert str(summary.interval) == manifest["interval"] == manifest["query"]["interval"] == THREE_WEEKS
    assert_proven(later, summary, output, THREE_WEEKS)


def test_with_match_activity_a_resumed_export_keeps_the_first_interval(output: Path) -> None:
    moved = "2026-01-20T00:00:00.000Z/2026-02-10T00:00:00.000Z"
    first, second = (Query(Interval.read(words), match="activity") for words in (THREE_WEEKS, moved))
    undisturbed = flat(15).export(BytesIO(), query=first)
    stopped(output, query=first, asked={"weeks": "the last three"})
    later = flat(15, clock=StillClock(NOON + timedelta(days=15)))
    summary = later.export(output, query=second, asked={"weeks": "the last three"})

    assert (summary.verdict, summary.rows) == ("proven", undisturbed.rows)


def test_a_window_whose_part_was_lost_is_read_again(output: Path) -> None:
    stopped(output)
    for part in (output.parent / UNFINISHED[0]).glob("*.rows"):
        part.write_bytes(part.read_bytes()[:-10])
    where = flat(15)
    summary = where.export(output, THREE_WEEKS)

    assert summary.resumed_windows == 0
    assert_proven(where, summary, output, THREE_WEEKS)


class Failing(SystemFilesystem):
    """Changes a byte of a part as soon as the ledger calls its window read, so many times."""

    def __init__(self, output: Path, times: int) -> None:
        super().__init__()
        self._output, self._left = output, times

    def sync(self, file: File) -> None:
        super().sync(file)
        parts = list((self._output.parent / UNFINISHED[0]).glob("*.part"))
        if Path(file.name).name == "ledger.jsonl" and parts and self._left:  # type: ignore[attr-defined]
            self._left -= 1
            damage(parts[0])


def test_a_part_that_was_damaged_before_it_was_loaded_is_read_again(output: Path) -> None:
    where, listening = flat(15), Listening()
    summary = where.export(output, THREE_WEEKS, filesystem=Failing(output, 1), progress=listening)

    first_pages = [window for window, number in where.pages if number == 1]
    assert (len(first_pages), len(fetched(where))) == (4, 3)
    assert "has changed since it was written; the window is read again" in listening.notices[0]
    assert_proven(where, summary, output, THREE_WEEKS)


def test_a_disk_that_damages_every_part_ends_the_export(output: Path) -> None:
    where = flat(15)
    with pytest.raises(OutputFailed, match="for the second time"):
        where.export(output, filesystem=Failing(output, 1000))


def damage(part: Path) -> None:
    """Another byte in the middle of the first page."""
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)


def test_fresh_reads_every_window_again(output: Path) -> None:
    stopped(output)
    where = flat(15)
    summary = where.export(output, THREE_WEEKS, fresh=True)

    assert summary.resumed_windows == 0
    assert len(fetched(where)) == 3
    assert_proven(where, summary, output, THREE_WEEKS)


def test_a_query_that_is_refused_half_way_keeps_what_was_done(output: Path) -> None:
    where = flat(15)
    where.sandbox.faults.on(6, "400", path=QUERY)
    with pytest.raises(QueryRefused):
        where.export(output, THREE_WEEKS)

    assert on_disk(output) == UNFINISHED


def test_an_export_is_proven_as_of_its_earliest_count(output: Path) -> None:
    where = flat(8)
    where.connection.before = lambda _: where.clock.advance(1)
    where.export(output, THREE_WEEKS)
    counted = [window["countedAt"] for window in manifest_of(output)["windows"]]

    assert manifest_of(output)["provenAsOf"] == min(counted) < max(counted)


@pytest.mark.parametrize("kind", ["", "403"])
def test_the_executor_is_closed_however_an_export_ends(output: Path, kind: str) -> None:
    closed: list[bool] = []

    class Watched(SerialExecutor):
        def close(self) -> None:
            closed.append(True)

    where = flat(8)
    if kind:
        where.sandbox.faults.on(None, kind, path=QUERY)
    with suppress(PermissionMissing):
        where.export(output, executor=Watched())

    assert closed


def test_an_unproven_window_is_exported_and_called_unproven(output: Path) -> None:
    where = flat(15)
    where.sandbox.faults.on(lambda request: b"2026-01-12T00:00:00.000Z/" in request.body, "total_hits", path=QUERY)
    summary = where.export(output, THREE_WEEKS)

    assert [entry.verdict for entry in summary.entries] == ["proven", "unproven", "proven"]
    assert summary.verdict == "unproven"
    assert exported_rows(output) == where.truth(THREE_WEEKS)
    assert_whole(summary, output)


def test_windows_before_the_retention_are_never_called_proven(output: Path) -> None:
    where, reported = flat(15), Listening()
    kept_from = Interval.read(THREE_WEEKS).start + timedelta(days=8)
    summary = where.export(output, THREE_WEEKS, kept_from=kept_from, progress=reported)
    first, second, _ = (entry.interval for entry in summary.entries)

    assert summary.verdict == "unproven"
    assert manifest_of(output)["notKept"] == [first, second]
    assert [entry.verdict for entry in summary.entries] == ["proven"] * 3
    assert [event.proven for event in reported.events if isinstance(event, WindowClosed)] == [False, False, True]
    assert_whole(summary, output)


@pytest.mark.parametrize(("options", "mode"), [({}, 0o600), ({"file_mode": 0o640}, 0o640)])
def test_new_files_are_the_owner_s_alone_unless_another_mode_is_chosen(
    output: Path, options: dict[str, Any], mode: int
) -> None:
    flat(3).export(output, **options)

    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(output.parent.iterdir())] == [mode] * 2


def test_a_file_that_is_replaced_keeps_its_mode(output: Path) -> None:
    flat(3).export(output)
    output.chmod(0o644)
    flat(3).export(output)

    manifest = output.with_name(FINISHED[1])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (output, manifest)] == [0o644, 0o600]


# A safety stop


def test_a_safety_stop_lists_the_windows_that_it_left(output: Path) -> None:
    where = flat(40)
    summary = where.export(output, THREE_WEEKS, max_pages=5)

    assert summary.verdict == "unproven"
    assert [str(window) for window in summary.unread] == manifest_of(output)["unread"]
    assert manifest_of(output)["unread"] == ["2026-01-19T00:00:00.000Z/2026-01-26T00:00:00.000Z"]
    assert [entry.verdict for entry in summary.entries] == ["proven", "unproven"]
    assert "--max-pages" in summary.unproven[0].reason
    assert len(where.pages) == 5
    assert summary.rows == 280 + 100
    assert_whole(summary, output)


def test_a_safety_stop_that_is_not_reached_changes_nothing(output: Path) -> None:
    where = flat(40)
    summary = where.export(output, max_pages=2)

    assert summary.unread == ()
    assert_proven(where, summary, output)


def test_a_safety_stop_of_no_pages_leaves_everything(output: Path) -> None:
    summary = flat(40).export(output, max_pages=0)

    assert (summary.verdict, summary.rows, len(summary.unread)) == ("unproven", 0, 1)
    assert output.read_text() == HEADER


def test_a_safety_stop_before_anything_came_leaves_the_window_unread(output: Path) -> None:
    where = flat(40)
    where.sandbox.faults.on(1, "too_large", path=QUERY, page_size=20)
    summary = where.export(output, max_pages=1)

    assert (summary.verdict, summary.rows) == ("unproven", 0)
    assert summary.unread == (Interval.read(MONDAY),)


@pytest.mark.parametrize("size", [1, 4, 40])
def test_a_safety_stop_counts_the_pages_of_all_threads(output: Path, size: int) -> None:
    """Many requests under way must not exceed the maximum of pages."""
    where = flat(100)
    summary = where.export(output, THREE_WEEKS, max_pages=9, executor=SerialExecutor(size))

    assert len(where.pages) == 9
    assert summary.verdict == "unproven"
    assert_whole(summary, output)


def test_a_window_stopped_between_two_readings_has_the_counts_of_the_first(output: Path) -> None:
    """The second reading has not brought a count yet."""
    where = flat(8)
    where.sandbox.faults.on(None, "total_hits", path=QUERY)
    (entry,) = where.export(output, max_pages=2).entries

    assert (entry.hits_before, entry.hits_after, entry.re_reads) == (11, 11, 0)


# Streams


def test_a_stream_gets_the_rows_and_nothing_else(output: Path) -> None:
    where = flat(30)
    where.export(output, THREE_WEEKS)
    stream = BytesIO()
    summary = where.export(stream, THREE_WEEKS, executor=SerialExecutor(9))

    assert stream.getvalue() == output.read_bytes()
    assert summary.output is None
    assert summary.manifest["output"]["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert summary.verdict == "proven"


@pytest.mark.parametrize("whole_writes", [0, 1, 2])
def test_a_stream_whose_reader_went_away_ends_the_export(whole_writes: int) -> None:
    class Closed(BytesIO):
        left = whole_writes

        def write(self, data: Any, /) -> int:
            self.left -= 1
            if self.left < 0:
                raise BrokenPipeError(32, "Broken pipe")
            return len(data)

    with pytest.raises(OutputFailed, match="ended before the export"):
        flat(3).export(Closed(), THREE_WEEKS)


# Through a port, with threads


@pytest.mark.parametrize("kinds", [(), ("reset", "cut", "503", "html", "cut_gzip")], ids=["calm", "rough"])
def test_an_export_over_http_with_threads_is_complete(output: Path, kinds: tuple[str, ...]) -> None:
    with server(conversations_per_day=300, flat=True, now=NOON.timestamp, rate_limit=100_000) as sandbox:
        for number, kind in enumerate(kinds):
            sandbox.faults.on(number + 3, kind)
        credentials = Credentials(sandbox.client_id, sandbox.client_secret, sandbox.url)
        with Client(credentials) as client:
            summary = export(client, Query(Interval.read(WEEK)), output)
        where = Org(sandbox, StillClock(), None, client)  # type: ignore[arg-type]

        assert_proven(where, summary, output, WEEK)
        assert summary.rows == 2100


def test_an_oddity_is_reported_once(output: Path) -> None:
    """Three windows have the same unknown field, in conversations and in sessions."""
    where, listening = flat(2), Listening()
    where.sandbox.faults.on(None, "new_field", path=QUERY)
    where.export(output, THREE_WEEKS, progress=listening)

    assert len(listening.notices) == 2


def _holds(words: bytes, request: Request) -> bool:
    return words in request.body


def test_of_many_oddities_only_the_first_are_reported(output: Path) -> None:
    """Each of three windows has eight fields of its own, in conversations and in sessions."""
    where, listening = flat(2), Listening()
    for number in range(24):
        start = f'"interval":"2026-01-{5 + number // 8 * 7:02}'.encode()
        asks = partial(_holds, start)
        where.sandbox.faults.on(asks, "new_field", path=QUERY, name=f"field{number}")
    where.export(output, THREE_WEEKS, progress=listening)

    assert len(listening.notices) == NOTICES_MAX
