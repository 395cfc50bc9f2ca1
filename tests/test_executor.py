import threading
from collections.abc import Callable
from functools import partial

import pytest

from everycall.executor import Executor, SerialExecutor, ThreadExecutor

CREWS = pytest.mark.parametrize("make", [SerialExecutor, ThreadExecutor])


@CREWS
def test_every_result_comes_once(make: Callable[[int], Executor]) -> None:
    executor = make(3)
    for number in range(20):
        executor.submit(partial(pow, number, 2))

    assert sorted(executor.next() for _ in range(20)) == [number * number for number in range(20)]
    executor.close()


@CREWS
def test_what_a_job_raises_is_raised_where_its_result_is_taken(make: Callable[[int], Executor]) -> None:
    executor = make(1)
    executor.submit(lambda: 1 // 0)
    executor.submit(lambda: "fine")

    with pytest.raises(ZeroDivisionError):
        executor.next()
    assert executor.next() == "fine"
    executor.close()


def test_alone_does_a_job_when_its_result_is_asked_for() -> None:
    done: list[int] = []
    executor = SerialExecutor(7)
    executor.submit(lambda: done.append(1))
    executor.submit(lambda: done.append(2))
    assert done == []

    executor.next()

    assert done == [1]


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=20)
    executor = ThreadExecutor(4)
    for _ in range(4):
        executor.submit(together.wait)

    assert sorted(executor.next() for _ in range(4)) == [0, 1, 2, 3]
    executor.close()


def test_there_are_never_more_threads_than_the_crew_s_size() -> None:
    executor = ThreadExecutor(2)
    for _ in range(10):
        executor.submit(threading.get_ident)

    assert 1 <= len({executor.next() for _ in range(10)}) <= 2
    executor.close()


def test_threads_do_not_keep_the_process_alive() -> None:
    executor = ThreadExecutor(1)
    executor.submit(threading.current_thread)

    assert executor.next().daemon
    executor.close()


def test_a_closed_crew_begins_no_more_jobs() -> None:
    """The first job is under way while the executor is closed; the others are waiting for it."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []
    executor = ThreadExecutor(1)

    def first() -> threading.Thread:
        begun.set()
        assert go_on.wait(20)
        return threading.current_thread()

    executor.submit(first)
    for number in range(5):
        executor.submit(partial(done.append, number))
    assert begun.wait(20)
    executor.close()
    go_on.set()
    executor.next().join(20)

    assert done == []


def test_alone_forgets_its_jobs_when_it_is_closed() -> None:
    executor = SerialExecutor()
    executor.submit(lambda: 1)
    executor.close()

    with pytest.raises(IndexError):
        executor.next()
