"""Loading in worker processes: the same rows, whatever becomes of a worker."""

import os
import signal
import subprocess
import sys
import time
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


IN_A_NEW_PROCESS = """
import multiprocessing, os, signal, sys
from contextlib import suppress
from pathlib import Path
from everycall.load.workers import Work, Workers, can_be_copied

def open_files(pid):
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has just been closed
            found.append(os.readlink(path))
    return found

held = open(sys.argv[1], "w")
assert can_be_copied()
workers = Workers(Work(("conversationId",), ("csv",), 0o600), 2)
workers.start()
first, second = multiprocessing.active_children()
while any(held.name in open_files(one.pid) for one in (first, second)):  # each closes it when it starts
    pass
print(first.pid, second.pid, flush=True)
if sys.argv[2] == "close":
    workers.close()
    print(multiprocessing.active_children())
else:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def in_a_new_process(folder: Path, how: str) -> tuple[list[int], str]:
    """The ids of two workers of a process that has no threads, and what it printed when they had ended."""
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, str(folder / "held"), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    pids, _, rest = done.stdout.partition("\n")
    assert pids, done.stderr
    return [int(pid) for pid in pids.split()], rest


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, workers are no copies")
def test_copies_hold_no_files_of_the_main_process_and_end_when_they_are_closed(tmp_path: Path) -> None:
    _, rest = in_a_new_process(tmp_path, "close")

    assert rest == "[]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, workers are no copies")
def test_copies_end_with_the_main_process_even_if_it_is_killed(tmp_path: Path) -> None:
    pids, _ = in_a_new_process(tmp_path, "kill")

    give_up_at = time.monotonic() + 30
    while any(map(is_running, pids)) and time.monotonic() < give_up_at:  # the system ends them meanwhile
        pass
    assert not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    """Whether a process is there, and has not ended yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


DEFAULTS = """
from everycall.cli.options import Rows
from everycall.cli.outputs import workers
from everycall.load.workers import worth_it
print(worth_it(), workers(Rows(output=["a.csv"])), workers(Rows(output=["a.csv"], workers=0)))
"""


@pytest.mark.skipif(sys.platform != "linux" or os.cpu_count() == 1, reason="there, no workers are worth it")
def test_an_export_has_two_workers_by_default() -> None:
    done = subprocess.run([sys.executable, "-c", DEFAULTS], capture_output=True, text=True, check=True)

    assert done.stdout == "2 2 0\n"
