import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from everycall.executor import Executor, SerialExecutor, ThreadExecutor

EXECUTORS = pytest.mark.parametrize("make", [SerialExecutor, ThreadExecutor])


def ignored(_: object) -> None:
    """Takes a result that nobody needs."""


def run_all(executor: Executor) -> None:
    while executor.outstanding:
        executor.run_next()


@EXECUTORS
def test_every_result_is_taken_once(make: Callable[[int], Executor]) -> None:
    executor, results = make(3), list[int]()
    for number in range(20):
        executor.submit(partial(pow, number, 2), results.append)
    run_all(executor)

    assert sorted(results) == [number * number for number in range(20)]
    executor.close()


@EXECUTORS
def test_outstanding_are_the_jobs_whose_results_were_not_taken(make: Callable[[int], Executor]) -> None:
    executor = make(2)
    counts = []
    for _ in range(3):
        executor.submit(int, ignored)
        counts.append(executor.outstanding)
    for _ in range(3):
        executor.run_next()
        counts.append(executor.outstanding)

    assert counts == [1, 2, 3, 2, 1, 0]
    executor.close()


@EXECUTORS
def test_what_a_job_raises_is_raised_where_its_result_is_taken(make: Callable[[int], Executor]) -> None:
    executor, results = make(1), list[str]()
    executor.submit(lambda: 1 // 0, ignored)
    executor.submit(lambda: "fine", results.append)

    with pytest.raises(ZeroDivisionError):
        executor.run_next()
    executor.run_next()

    assert results == ["fine"]
    executor.close()


@EXECUTORS
def test_results_are_taken_by_the_thread_that_asks_for_them(make: Callable[[int], Executor]) -> None:
    executor, threads = make(3), set[threading.Thread]()
    for _ in range(5):
        executor.submit(int, lambda _: threads.add(threading.current_thread()))
    run_all(executor)

    assert threads == {threading.current_thread()}
    executor.close()


@EXECUTORS
def test_taking_a_result_may_submit_the_next_job(make: Callable[[int], Executor]) -> None:
    executor, results = make(1), list[int]()

    def take(number: int) -> None:
        results.append(number)
        if number < 5:
            executor.submit(lambda: number + 1, take)

    executor.submit(int, take)
    run_all(executor)

    assert results == [0, 1, 2, 3, 4, 5]
    executor.close()


def test_the_serial_executor_does_a_job_when_its_result_is_asked_for() -> None:
    done: list[int] = []
    executor = SerialExecutor(7)
    executor.submit(lambda: done.append(1), ignored)
    executor.submit(lambda: done.append(2), ignored)
    assert done == []

    executor.run_next()

    assert done == [1]


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=20)
    executor, results = ThreadExecutor(4), list[int]()
    for _ in range(4):
        executor.submit(together.wait, results.append)
    run_all(executor)

    assert sorted(results) == [0, 1, 2, 3]
    executor.close()


def test_there_are_never_more_threads_than_the_executor_s_size() -> None:
    executor, threads = ThreadExecutor(2), list[int]()
    for _ in range(10):
        executor.submit(threading.get_ident, threads.append)
    run_all(executor)

    assert 1 <= len(set(threads)) <= 2
    executor.close()


def test_threads_do_not_keep_the_process_alive() -> None:
    executor, threads = ThreadExecutor(1), list[threading.Thread]()
    executor.submit(threading.current_thread, threads.append)
    executor.run_next()

    assert threads[0].daemon
    executor.close()


class FewThreads(ThreadExecutor):
    """The system allows no more than so many threads."""

    def __init__(self, size: int, allowed: int) -> None:
        super().__init__(size)
        self._allowed = allowed

    def _new_thread(self) -> threading.Thread:
        return super()._new_thread() if len(self._threads) < self._allowed else Refused()


class Refused(threading.Thread):
    """A thread that the system does not start."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_an_executor_with_fewer_threads_than_its_size_does_all_jobs() -> None:
    executor, results = FewThreads(40, allowed=2), list[int]()
    for number in range(20):
        executor.submit(partial(pow, number, 2), results.append)
    run_all(executor)

    assert executor.size == 2
    assert sorted(results) == [number * number for number in range(20)]
    executor.close()


def test_an_executor_that_can_start_no_thread_is_an_error() -> None:
    executor = FewThreads(40, allowed=0)

    with pytest.raises(RuntimeError, match="can't start"):
        executor.submit(int, ignored)


class Window:
    """Something large."""


def test_an_idle_thread_keeps_nothing_of_its_last_job() -> None:
    executor, window, is_gone = ThreadExecutor(1), Window(), threading.Event()
    weakref.finalize(window, is_gone.set)
    executor.submit(partial(id, window), lambda _: None)
    del window
    executor.run_next()

    assert is_gone.wait(timeout=10)
    executor.close()


def test_a_closed_executor_begins_no_more_jobs() -> None:
    """The first job is under way while the executor is closed; the others are waiting for it."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []
    executor, threads = ThreadExecutor(1), list[threading.Thread]()

    def first() -> threading.Thread:
        begun.set()
        assert go_on.wait(20)
        return threading.current_thread()

    executor.submit(first, threads.append)
    for number in range(5):
        executor.submit(partial(done.append, number), ignored)
    assert begun.wait(20)
    executor.close()
    go_on.set()
    executor.run_next()
    threads[0].join(20)

    assert done == []


def test_threads_that_wait_for_a_job_end_when_the_executor_is_closed() -> None:
    executor, threads = ThreadExecutor(2), list[threading.Thread]()
    executor.submit(threading.current_thread, threads.append)
    executor.run_next()
    executor.close()
    threads[0].join(20)

    assert not threads[0].is_alive()


def test_the_serial_executor_forgets_its_jobs_when_it_is_closed() -> None:
    done: list[Any] = []
    executor = SerialExecutor()
    executor.submit(int, done.append)
    executor.close()

    assert (executor.outstanding, done) == (0, [])
