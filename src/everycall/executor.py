"""Several jobs at once, their results one at a time.

One thread decides, and many wait for answers. The deciding thread submits jobs, each with the function that takes its
result, and calls `run_next`, which runs those functions in the order in which the jobs end. So nothing that the
deciding thread holds needs a lock.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

T = TypeVar("T")

Job = Callable[[], Callable[[], None]]
"""Does the work, and returns what the deciding thread has to call with the result."""


class Executor(Protocol):
    """Does jobs, in whatever order it likes."""

    size: int
    """How many jobs to submit at once."""

    @property
    def outstanding(self) -> int:
        """Jobs whose results were not taken yet."""
        ...

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Hand out a job; `run_next` calls `then` with its result."""
        ...

    def run_next(self) -> None:
        """Wait for the next result and take it. Raises what the job raised. Only to be called while jobs are out."""
        ...

    def close(self) -> None:
        """No more jobs; results that nobody took are lost."""
        ...


def _job(work: Callable[[], T], then: Callable[[T], None]) -> Job:
    def job() -> Callable[[], None]:
        return partial(then, work())

    return job


def _raise(error: BaseException) -> None:
    raise error


class ThreadExecutor:
    """An executor of threads. They never keep the process alive: an interrupted export ends at once."""

    def __init__(self, size: int) -> None:
        """Threads start as they are needed, at most `size`."""
        self.size = size
        self.outstanding = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._results: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Hand out a job to the next thread that is free."""
        self.outstanding += 1
        if len(self._threads) < min(self.size, self.outstanding):
            self._start_thread()
        self._jobs.put(_job(work, then))

    def _start_thread(self) -> None:
        """One thread more. Where the system allows no more of them, those that run do all the work."""
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
        """Wait for the next result and take it."""
        take = self._wait()
        self.outstanding -= 1
        take()

    def _wait(self) -> Callable[[], None]:
        """The next result. Waits by the second: a signal that comes just before a wait begins does not end it."""
        while True:
            try:
                return self._results.get(timeout=1.0)
            except Empty:
                continue

    def close(self) -> None:
        """Let the threads go. Jobs under way go on to their end."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                self._results.put(job())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the result is taken
                self._results.put(partial(_raise, error))


class SerialExecutor:
    """An executor that does each job when its result is asked for: the same steps in the same order, every time."""

    size: int

    def __init__(self, size: int = 1) -> None:
        """`size` jobs may be out at once, though they are done one after the other."""
        self.size = size
        self._jobs: deque[Job] = deque()

    @property
    def outstanding(self) -> int:
        """Jobs that were not done yet."""
        return len(self._jobs)

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Keep the job until its result is asked for."""
        self._jobs.append(_job(work, then))

    def run_next(self) -> None:
        """Do the oldest job and take its result."""
        self._jobs.popleft()()()

    def close(self) -> None:
        """Forget the jobs that were not done."""
        self._jobs.clear()
