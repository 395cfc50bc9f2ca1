import threading
from collections.abc import Callable
from functools import partial

import pytest

from everycall.crew import Alone, Crew, Threads

CREWS = pytest.mark.parametrize("make", [Alone, Threads])


@CREWS
def test_every_result_comes_once(make: Callable[[int], Crew]) -> None:
    crew = make(3)
    for number in range(20):
        crew.submit(partial(pow, number, 2))

    assert sorted(crew.next() for _ in range(20)) == [number * number for number in range(20)]
    crew.close()


@CREWS
def test_what_a_job_raises_is_raised_where_its_result_is_taken(make: Callable[[int], Crew]) -> None:
    crew = make(1)
    crew.submit(lambda: 1 // 0)
    crew.submit(lambda: "fine")

    with pytest.raises(ZeroDivisionError):
        crew.next()
    assert crew.next() == "fine"
    crew.close()


def test_alone_does_a_job_when_its_result_is_asked_for() -> None:
    done: list[int] = []
    crew = Alone(7)
    crew.submit(lambda: done.append(1))
    crew.submit(lambda: done.append(2))
    assert done == []

    crew.next()

    assert done == [1]


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=20)
    crew = Threads(4)
    for _ in range(4):
        crew.submit(together.wait)

    assert sorted(crew.next() for _ in range(4)) == [0, 1, 2, 3]
    crew.close()


def test_there_are_never_more_threads_than_the_crew_s_size() -> None:
    crew = Threads(2)
    for _ in range(10):
        crew.submit(threading.get_ident)

    assert 1 <= len({crew.next() for _ in range(10)}) <= 2
    crew.close()


def test_threads_do_not_keep_the_process_alive() -> None:
    crew = Threads(1)
    crew.submit(threading.current_thread)

    assert crew.next().daemon
    crew.close()


def test_a_closed_crew_begins_no_more_jobs() -> None:
    """The first job is under way while the crew is closed; the others are waiting for it."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []
    crew = Threads(1)

    def first() -> threading.Thread:
        begun.set()
        assert go_on.wait(20)
        return threading.current_thread()

    crew.submit(first)
    for number in range(5):
        crew.submit(partial(done.append, number))
    assert begun.wait(20)
    crew.close()
    go_on.set()
    crew.next().join(20)

    assert done == []


def test_alone_forgets_its_jobs_when_it_is_closed() -> None:
    crew = Alone()
    crew.submit(lambda: 1)
    crew.close()

    with pytest.raises(IndexError):
        crew.next()
