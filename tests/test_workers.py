"""Loading in worker processes: the same rows, whatever becomes of a worker."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from everycall import Client, Credentials, Interval, OutputFailed, Query, export
from everycall.acquire.part import DamagedPart
from everycall.api.names import Entity, Found, Kind, Unavailable
from everycall.filesystem import SystemFilesystem
from everycall.load.load import Task, load
from everycall.load.names import NameSource
from everycall.load.workers import Work, Workers
from everycall.sandbox import server
from everycall.setup import Options
from everycall.sinks.csv import CsvSink
from everycall.tables.flat import flat_table
from test_acquisition import call
from test_load import WINDOW, part_of

COLUMNS = ("conversationId", "agentName")
WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"


def named(kind: Kind, ids: Sequence[str]) -> Found:
    return Found(kind, tuple(Entity(id_, f"Agent {int(id_[-12:])}") for id_ in ids))


def task_of(folder: Path, **changes: str) -> Task:
    """A part of three calls, and where its rows go."""
    part = part_of(folder, [call(number) for number in range(3)])
    checksum = changes.get("checksum", part.checksum)
    return Task(WINDOW, part.path, checksum, frozenset(), frozenset(), folder / "a")


@contextmanager
def workers(count: int = 1, columns: Sequence[str] = COLUMNS) -> Iterator[Workers]:
    found = Workers(Work(tuple(columns), ("csv",), 0o600), count)
    try:
        yield found
    finally:
        found.close()


def test_a_worker_writes_the_rows_that_this_process_would_write(tmp_path: Path) -> None:
    task, table = task_of(tmp_path), flat_table(only=COLUMNS)
    part = part_of(tmp_path, [call(number) for number in range(3)])
    sink = CsvSink(table.columns, SystemFilesystem())
    load(part, task, table, [sink], NameSource(named))
    here = task.path(sink).read_bytes()
    with workers() as found:
        loaded = found.load(task, NameSource(named))

    assert task.path(sink).read_bytes() == here
    assert (loaded.rows, loaded.names_unavailable) == (3, {})
    assert b"Agent 2" in here


def test_workers_that_are_started_before_they_are_needed_do_the_same(tmp_path: Path) -> None:
    with workers(2) as found:
        found.start()
        rows = [found.load(task_of(tmp_path), NameSource(named)).rows for _ in range(3)]

    assert rows == [3, 3, 3]


def test_names_that_are_not_available_are_not_asked_for_again_by_the_next_window(tmp_path: Path) -> None:
    asked: list[Kind] = []

    def forbidden(kind: Kind, _: Sequence[str]) -> Unavailable:
        asked.append(kind)
        return Unavailable(kind, "403")

    names = NameSource(forbidden)
    with workers() as found:
        reasons = [found.load(task_of(tmp_path), names).names_unavailable for _ in range(2)]

    assert (reasons, asked) == ([{"users": "403"}, {"users": "403"}], ["users"])


def test_a_worker_that_dies_is_replaced_and_its_part_is_loaded(tmp_path: Path) -> None:
    def kill_first(kind: Kind, ids: Sequence[str]) -> Found:
        """The worker waits for names at this moment."""
        if not killed:
            killed.append(child_of(os.getpid()))
            os.kill(killed[0], signal.SIGKILL)
        return named(kind, ids)

    killed: list[int] = []
    with workers() as found:
        loaded = found.load(task_of(tmp_path), NameSource(kill_first))

    assert (len(killed), loaded.rows) == (1, 3)


def child_of(process: int) -> int:
    """The youngest process that this one has started."""
    tasks = Path(f"/proc/{process}/task")
    children = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    return max(children, key=lambda pid: (started_at(pid), pid))


def started_at(pid: int) -> int:
    """In clock ticks since the machine started. The numbers of processes start over on a busy machine."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_where_workers_die_again_and_again_the_export_fails_with_the_next_step(tmp_path: Path) -> None:
    """These cannot even begin: they have no such column."""
    with (
        workers(columns=["no such column"]) as found,
        pytest.raises(OutputFailed, match="worker processes died") as error,
    ):
        found.load(task_of(tmp_path), NameSource(named))

    assert "--workers 0" in error.value.hint


def test_a_damaged_part_is_reported_and_the_worker_goes_on(tmp_path: Path) -> None:
    with workers() as found:
        with pytest.raises(DamagedPart):
            found.load(task_of(tmp_path, checksum="0" * 64), NameSource(named))

        assert found.load(task_of(tmp_path), NameSource(named)).rows == 3


def test_an_export_writes_the_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    outputs = []
    with server(conversations_per_day=60) as sandbox:
        for count in (0, 2):
            output = tmp_path / f"{count}.csv"
            credentials = Credentials(sandbox.client_id, sandbox.client_secret, sandbox.url)
            with Client(credentials) as client:
                summary = export(client, Query(Interval.read(WEEK)), output, options=Options(workers=count))
            assert summary.verdict == "proven"
            outputs.append(output.read_bytes())

    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") > 100
