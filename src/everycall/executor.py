"""Several jobs at once, their results one at a time.

The line has one thread that decides and many that wait for answers. The decider hands out jobs and takes results in
the order in which they come; so nothing that it holds needs a lock.
"""

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Protocol

Job = Callable[[], Any]


class Executor(Protocol):
    """Does jobs, in whatever order it likes."""

    size: int
    """How many jobs to hand out at once."""

    def submit(self, job: Job) -> None:
        """Hand out a job; its result comes out of `next` some time."""
        ...

    def next(self) -> Any:
        """The next result. Raises what the job raised. Only to be called while jobs are out."""
        ...

    def close(self) -> None:
        """No more jobs; results that nobody took are lost."""
        ...


class ThreadExecutor:
    """An executor of threads. They never keep the process alive: an interrupted export ends at once."""

    def __init__(self, size: int) -> None:
        """ThreadExecutor start as they are needed, at most `size`."""
        self.size = size
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._out = 0
        self._closed = False

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        self._out += 1
        if len(self._threads) < min(self.size, self._out):
            thread = threading.Thread(target=self._work, name=f"everycall-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def next(self) -> Any:
        """See `Executor.next`."""
        result, error = self._wait()
        self._out -= 1
        if error is not None:
            raise error
        return result

    def _wait(self) -> tuple[Any, BaseException | None]:
        """The next result. Waits by the second: a signal that comes just before a wait begins does not end it."""
        while True:
            try:
                return self._results.get(timeout=1.0)
            except Empty:
                continue

    def close(self) -> None:
        """See `Executor.close`. Jobs under way go on to their end."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                self._results.put((job(), None))
            except BaseException as error:  # noqa: BLE001 - it is raised again where the result is taken
                self._results.put((None, error))


class SerialExecutor:
    """An executor that does each job when its result is asked for: the same steps in the same order, every time."""

    size: int

    def __init__(self, size: int = 1) -> None:
        """`size` jobs may be out at once, though they are done one after the other."""
        self.size = size
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        self._jobs.append(job)

    def next(self) -> Any:
        """See `Executor.next`."""
        return self._jobs.popleft()()

    def close(self) -> None:
        """See `Executor.close`."""
        self._jobs.clear()
