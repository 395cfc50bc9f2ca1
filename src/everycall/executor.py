"""Runs several jobs at once, and hands over their results one at a time.

The main thread submits jobs, each with a callback for its result; worker threads do them. The main thread then calls
`run_next`, which runs the callbacks in the order in which the jobs end. Callbacks therefore need no locks.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

T = TypeVar("T")

Job = Callable[[], Callable[[], None]]
"""Does the work, and returns the callback with its result, for the main thread to call."""


class Executor(Protocol):
    """Runs jobs, in any order."""

    size: int
    """How many jobs run at once."""

    @property
    def outstanding(self) -> int:
        """Jobs whose callbacks have not run yet."""
        ...

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Submit a job; `run_next` calls `then` with its result."""
        ...

    def run_next(self) -> None:
        """Wait for the next result and run its callback. Raises what the job raised. Requires outstanding jobs."""
        ...

    def close(self) -> None:
        """Accept no more jobs; results without a callback run so far are lost."""
        ...


def _job(work: Callable[[], T], then: Callable[[T], None]) -> Job:
    def job() -> Callable[[], None]:
        return partial(then, work())

    return job


def _raise(error: BaseException) -> None:
    raise error


class ThreadExecutor:
    """Runs jobs in daemon threads, so that an interrupted export ends at once."""

    def __init__(self, size: int) -> None:
        """Threads start as they are needed, at most `size`."""
        self.size = size
        self.outstanding = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._results: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Submit a job to the next free thread."""
        self.outstanding += 1
        if len(self._threads) < min(self.size, self.outstanding):
            self._start_thread()
        self._jobs.put(_job(work, then))

    def _start_thread(self) -> None:
        """Start one more thread. If the system allows no more, the running ones do all the work."""
        thread = self._new_thread()
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            self.size = len(self._threads)
            return
        self._threads.append(thread)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._work, name=f"everycall-{len(self._threads)}", daemon=True)

    def run_next(self) -> None:
        """Wait for the next result and run its callback."""
        callback = self._wait()
        self.outstanding -= 1
        callback()

    def _wait(self) -> Callable[[], None]:
        """Wait for the next callback, a second at a time: a signal just before a wait begins does not interrupt it."""
        while True:
            try:
                return self._results.get(timeout=1.0)
            except Empty:
                continue

    def close(self) -> None:
        """End the threads. Jobs that are running are finished first."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                self._results.put(job())
            except BaseException as error:  # noqa: BLE001 - `run_next` raises it again
                self._results.put(partial(_raise, error))
            del job  # an idle thread would keep what the job refers to: a window that was read long ago


class SerialExecutor:
    """Runs each job when `run_next` asks for its result: the same steps in the same order, every time."""

    size: int

    def __init__(self, size: int = 1) -> None:
        """Accept `size` jobs at once, though they run one after the other."""
        self.size = size
        self._jobs: deque[Job] = deque()

    @property
    def outstanding(self) -> int:
        """Jobs that have not run yet."""
        return len(self._jobs)

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Keep the job until `run_next`."""
        self._jobs.append(_job(work, then))

    def run_next(self) -> None:
        """Run the oldest job and its callback."""
        self._jobs.popleft()()()

    def close(self) -> None:
        """Drop the jobs that have not run."""
        self._jobs.clear()
