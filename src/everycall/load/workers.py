"""Loads parts in worker processes. That is faster where the API's rate limit is not the bottleneck.

A worker receives tasks through a pipe and answers with the result of each. In between it asks for names, which only
the main process can look up. If a worker dies, nothing is lost: its part is loaded again by another worker.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from everycall import memory
from everycall.api.names import Entity, Found, Kind, Unavailable
from everycall.errors import OutputFailed
from everycall.filesystem import FleetingFilesystem, SystemFilesystem
from everycall.load.load import Loaded, Loader, Task
from everycall.load.names import NameSource
from everycall.privacy import Redaction, Redactor
from everycall.sinks.forms import FormMaker, forms_of
from everycall.sinks.style import PLAIN, Style
from everycall.tables.flat import flat_table

COPIES_MAX = 2
"""Ours: what one process reads from the API, two can load."""

TRIES_MAX = 2
"""How often a part is tried if workers die while they load it."""


@dataclass(frozen=True, slots=True)
class _AskNames:
    """A worker's request for names."""

    kind: Kind
    ids: tuple[str, ...]


_Answer: TypeAlias = Loaded | Exception | _AskNames


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to make the tables and forms of the main process."""

    columns: tuple[str, ...]
    forms: tuple[str, ...]
    file_mode: int
    organization_id: str = ""
    """Only if a form has tables."""
    style: Style = PLAIN
    redaction: Redaction | None = None
    is_durable: bool = True
    """Whether files have to survive a power cut."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worth_it() -> int:
    """How many workers speed an export up; none on one core, or where they would have to be spawned."""
    return min(cores(), COPIES_MAX) if can_be_copied() and cores() > 1 else 0


class Workers:
    """Loads parts in worker processes. Threads may call it at the same time."""

    def __init__(self, work: Work, count: int) -> None:
        """Use at most `count` processes, which start when they are first needed."""
        self.at_once = count
        self._work = work
        self._free: SimpleQueue[_Worker | None] = SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    def start(self) -> None:
        """Start all processes now, if they can be copies of this one: later it has threads, and cannot be copied."""
        for _ in range(self.at_once if can_be_copied() else 0):
            self._free.put(self._free.get() or _Worker(self._work))

    def load(self, task: Task, names: NameSource) -> Loaded:
        """Load a part in a free worker.

        Raises:
            OutputFailed: workers died while they loaded it.
            DamagedPart, OSError: as `load.load`.
        """
        for _ in range(TRIES_MAX):
            worker = self._free.get() or _Worker(self._work)
            try:
                answer = worker.load(task, names)
            except (EOFError, OSError):
                exit_code = worker.end()
                self._free.put(None)
                continue
            except BaseException:
                worker.end()
                self._free.put(None)
                raise
            self._free.put(worker)
            if isinstance(answer, Exception):
                raise answer
            return answer
        raise OutputFailed(
            f"Two worker processes died while they loaded the same window (exit code {exit_code}).",
            hint="The machine may be out of memory: run the same command with --workers 0; it resumes from here.",
        )

    def close(self) -> None:
        """End the free processes. A busy one ends once its part is loaded, since its pipe is closed then."""
        while not self._free.empty():
            worker = self._free.get()
            if worker is not None:
                worker.end()


class _Worker:
    """One process, and this end of its pipe."""

    def __init__(self, work: Work) -> None:
        is_copy = can_be_copied()
        context: Any = multiprocessing.get_context("fork" if is_copy else "spawn")
        self._pipe, worker_pipe = context.Pipe()
        target = serve_as_copy if is_copy else serve
        self._process: BaseProcess = context.Process(target=target, args=(worker_pipe, work), daemon=True)
        self._process.start()
        worker_pipe.close()

    def load(self, task: Task, names: NameSource) -> Loaded | Exception:
        """Send a task and return its result. Look up the names that the worker asks for meanwhile."""
        self._pipe.send(task)
        while True:
            answer: _Answer = self._pipe.recv()
            if not isinstance(answer, _AskNames):
                return answer
            self._pipe.send(_known(names, answer))

    def end(self) -> int | None:
        """End the process and return its exit code."""
        self._pipe.close()
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        return self._process.exitcode


def _known(names: NameSource, asked: _AskNames) -> Found | Unavailable:
    """The names of these ids in the form of a look-up's result."""
    known = names.prepare((asked.kind, id_) for id_ in asked.ids)
    reason = known.unavailable.get(asked.kind, "")
    found = [known.entity(asked.kind, id_) or Entity(id_) for id_ in asked.ids]
    if not reason:
        return Found(asked.kind, tuple(found))
    named = tuple(entity for entity in found if entity.name)
    return Found(asked.kind, named, reason) if named else Unavailable(asked.kind, reason)


def can_be_copied() -> bool:
    """Whether this process has one thread only: a copy of several would inherit the locks that the others hold.

    A copy starts in some milliseconds, since it has imported everything already.
    """
    try:
        return sys.platform == "linux" and len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def serve_as_copy(pipe: Connection, work: Work) -> None:
    """Run a worker that is a copy of the main process, without its files, locks, pipes and handlers of signals.

    It ends with the main process at once: it would go on to write to a file that the next run of the command writes.
    """
    _end_with_parent()
    for number in (int(path.name) for path in list(Path("/proc/self/fd").iterdir())):
        if number > 2 and number != pipe.fileno():
            with suppress(OSError):
                os.close(number)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:  # as by nohup
            signal.signal(signum, signal.SIG_DFL)
    serve(pipe, work)


_PR_SET_PDEATHSIG = 1
"""Source: prctl(2) of Linux."""


def _end_with_parent() -> None:
    """Let the system kill this process when the main one ends, in whatever way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:  # it has ended meanwhile
        os._exit(1)


def serve(pipe: Connection, work: Work) -> None:
    """Run a worker: load each task that arrives, until the pipe is closed.

    A worker that fails ends without a traceback, which would reach the terminal: the main process notices its end.
    """
    memory.keep_flat()
    memory.collect_rarely()
    memory.without_pandas()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main process ends the workers
    try:
        _serve(pipe, work)
    except (EOFError, OSError):  # the main process has ended
        return
    except Exception:  # noqa: BLE001
        sys.exit(1)


def _serve(pipe: Connection, work: Work) -> None:
    def ask(kind: Kind, ids: Sequence[str]) -> Found | Unavailable:
        pipe.send(_AskNames(kind, tuple(ids)))
        found: Found | Unavailable = pipe.recv()
        return found

    filesystem = (SystemFilesystem if work.is_durable else FleetingFilesystem)(work.file_mode)
    table = flat_table(only=work.columns)
    maker = FormMaker(table.columns, filesystem, lambda: work.organization_id, work.style)
    redactor = Redactor(work.redaction) if work.redaction else None
    loader = Loader(table, forms_of(work.forms, maker), filesystem, redactor)
    names = NameSource(ask, lists_kinds=False)
    while True:
        pipe.send(_outcome(loader, pipe.recv(), names))


def _outcome(loader: Loader, task: Task, names: NameSource) -> Any:
    try:
        return loader.load(task, names)
    except Exception as error:  # noqa: BLE001 - the main process raises it again
        return error
