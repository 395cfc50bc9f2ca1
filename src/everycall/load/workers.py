"""Loading in other processes, beside the acquiring: it pays where the API is not the limit.

A worker gets tasks through a pipe and answers with what came of each. In between it asks for names, which only this
process can look up. A worker that dies has left nothing: its part is still there, and is loaded again by another one.
"""

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, TypeAlias

from everycall.api.names import Entity, Found, Kind, Unavailable
from everycall.errors import OutputFailed
from everycall.filesystem import SystemFilesystem
from everycall.load.load import Loaded, Loader, Task
from everycall.load.names import NameSource
from everycall.sinks.csv import CsvSink
from everycall.tables.flat import flat_table

TRIES_MAX = 2
"""How often a part is given to a worker that dies over it."""


@dataclass(frozen=True, slots=True)
class _AskNames:
    """What a worker asks this process for."""

    kind: Kind
    ids: tuple[str, ...]


_Answer: TypeAlias = Loaded | Exception | _AskNames


class Workers:
    """Loads parts in processes; see `load.Loader`. Threads may call it at the same time."""

    def __init__(self, columns: Sequence[str], file_mode: int, count: int) -> None:
        """Processes start when they are first needed, at most `count`, and load into CSV files."""
        self.at_once = count
        self._arguments = tuple(columns), file_mode
        self._free: SimpleQueue[_Worker | None] = SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    def load(self, task: Task, names: NameSource) -> Loaded:
        """Load a part in a worker that is free.

        Raises:
            OutputFailed: workers die over it.
            DamagedPart, OSError: as `load.load`.
        """
        for _ in range(TRIES_MAX):
            worker = self._free.get() or _Worker(*self._arguments)
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
            f"A worker process died twice over the same window (exit code {exit_code}).",
            hint="The machine may be out of memory: run the same command with --workers 0; it resumes from here.",
        )

    def close(self) -> None:
        """End the processes that are free; the others end when their part is loaded and nobody takes it."""
        while not self._free.empty():
            worker = self._free.get()
            if worker is not None:
                worker.end()


class _Worker:
    """One process, and this end of its pipe."""

    def __init__(self, columns: Sequence[str], file_mode: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads and their locks
        self._pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=serve, args=(theirs, columns, file_mode), daemon=True)
        self._process.start()
        theirs.close()

    def load(self, task: Task, names: NameSource) -> Loaded | Exception:
        """What came of the task; names that the worker asks for meanwhile are looked up here."""
        self._pipe.send(task)
        while True:
            answer: _Answer = self._pipe.recv()
            if not isinstance(answer, _AskNames):
                return answer
            self._pipe.send(_known(names, answer))

    def end(self) -> int | None:
        """End the process; its exit code."""
        self._pipe.close()
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        return self._process.exitcode


def _known(names: NameSource, asked: _AskNames) -> Found | Unavailable:
    """The names of these ids, as a look-up would have found them."""
    known = names.prepare((asked.kind, id_) for id_ in asked.ids)
    reason = known.unavailable.get(asked.kind, "")
    found = [Entity(id_, known.name(asked.kind, id_)) for id_ in asked.ids]
    if not reason:
        return Found(asked.kind, tuple(found))
    named = tuple(entity for entity in found if entity.name)
    return Found(asked.kind, named, reason) if named else Unavailable(asked.kind, reason)


def serve(pipe: Connection, columns: Sequence[str], file_mode: int) -> None:
    """The work of a worker: loads what it is given until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others

    def ask(kind: Kind, ids: Sequence[str]) -> Found | Unavailable:
        pipe.send(_AskNames(kind, tuple(ids)))
        found: Found | Unavailable = pipe.recv()
        return found

    filesystem = SystemFilesystem(file_mode)
    table = flat_table(only=columns)
    loader = Loader(table, CsvSink(table.columns, filesystem), filesystem)
    names = NameSource(ask, lists_kinds=False)
    with suppress(EOFError, OSError):  # the other end is gone
        while True:
            pipe.send(_outcome(loader, pipe.recv(), names))


def _outcome(loader: Loader, task: Task, names: NameSource) -> Any:
    try:
        return loader.load(task, names)
    except Exception as error:  # noqa: BLE001 - it is raised again in the other process
        return error
