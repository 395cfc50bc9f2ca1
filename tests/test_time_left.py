"""The time left: it counts down while waiting, and does not climb while nothing goes wrong."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import StillClock
from everycall import Counts
from everycall.cli.progress import time_left
from everycall.cli.time_left import Left, TimeLeft
from everycall.progress import Event, PageRead, Started
from everycall.sandbox import Faults
from inprocess import Org, org

LIMIT = Counts(allowed=300, latency_s=0.5, in_flight=50, room=300, ends_s=60)

WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"


def begun() -> TimeLeft:
    left = TimeLeft()
    assert left.estimate(0.0, 0.0, Counts(allowed=300)) is None
    return left


@pytest.mark.parametrize(
    ("share", "answered", "room", "ends_s", "expected"),
    [
        (0.01, 100, 300, 60.0, None),  # too little of the interval
        (0.5, 4, 300, 60.0, None),  # too few answers
        (0.5, 100, 300, 60.0, 105 * 0.01 + 0.5),  # the limit has room for all
        (0.5, 100, 0, 42.0, 42 + 105 * 0.01 + 0.5),  # all of them wait for the next window
        (0.5, 100, 40, 42.0, 42 + 65 * 0.01 + 0.5),
        (0.1, 100, 0, 42.0, 42 + 3 * 60 + 5 * 0.01 + 0.5),  # 905 requests fill three windows
    ],
)
def test_the_estimate_is_made_of_requests_windows_and_latency(
    share: float, answered: int, room: float, ends_s: float, expected: float | None
) -> None:
    counts = replace(LIMIT, requests=answered + 50, room=room, ends_s=ends_s)
    found = begun().estimate(30.0, share, counts)

    assert (found.seconds if found else None) == (pytest.approx(expected) if expected else None)


def test_it_counts_down_while_waiting_for_the_limit() -> None:
    left = begun()
    waiting = replace(LIMIT, requests=300, in_flight=0, room=0)
    shown = [left.estimate(10.0 + second, 0.5, replace(waiting, ends_s=50.0 - second)) for second in range(40)]
    seconds = [one.seconds for one in shown if one]

    assert len(seconds) == 40
    assert all(before > after for before, after in pairwise(seconds))
    assert seconds[0] - seconds[-1] == pytest.approx(39, abs=1)


@given(st.lists(st.tuples(st.floats(0.1, 30.0), st.floats(0.01, 1.0), st.integers(1, 400)), min_size=2, max_size=40))
def test_it_never_grows_by_more_than_a_fifth(steps: list[tuple[float, float, int]]) -> None:
    """Whatever pages bring, as long as nothing goes wrong."""
    left, now, share, requests = begun(), 0.0, 0.0, 0
    least = float("inf")
    for passed, part, more in steps:
        now, share, requests = now + passed, share + part * (1 - share), requests + more
        found = left.estimate(now, share, replace(LIMIT, requests=requests + 50))
        if found:
            assert found.seconds <= max(least, 1.0) * 1.2 + 1e-6
            least = min(least, found.seconds)


def test_an_estimate_that_would_grow_is_said_to_be_a_lower_bound() -> None:
    left = begun()
    first = left.estimate(10.0, 0.5, replace(LIMIT, requests=150))
    for second in range(60):
        later = left.estimate(11.0 + second, 0.5, replace(LIMIT, requests=3000 + 50))

    assert first
    assert later
    assert later.is_at_least
    assert time_left(later).startswith("over ")


def test_after_a_failure_the_estimate_may_grow() -> None:
    left = begun()
    left.estimate(10.0, 0.5, replace(LIMIT, requests=150))
    found = left.estimate(11.0, 0.5, replace(LIMIT, requests=150, room=0, ends_s=180, rejected=1))

    assert found
    assert found.seconds > 180
    assert not found.is_at_least


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.2, "1 s left"), (42.4, "42 s left"), (200, "3 min left"), (5400, "1 h 30 min left")],
)
def test_it_is_shown_in_few_letters(seconds: float, expected: str) -> None:
    assert time_left(Left(seconds, is_at_least=False)) == expected


class Watching:
    """Keeps what is shown at each page and in each second of waiting, and when."""

    def __init__(self, where: Org) -> None:
        self._where = where
        self._left = TimeLeft()
        self._share = 0.0
        self.shown: list[tuple[float, Left]] = []
        where.clock.on_wait = self._look

    def report(self, event: Event) -> None:
        if isinstance(event, Started):
            self._length = event.interval.length
        if isinstance(event, PageRead):
            self._share = event.covered / self._length
        self._look()

    def _look(self) -> None:
        now = self._where.clock.monotonic()
        found = self._left.estimate(now, self._share, self._where.client.counts())
        if found:
            self.shown.append((now, found))


def watched(output: Path, faults: Faults | None = None) -> tuple[list[tuple[float, Left]], float]:
    """What is shown during an export that waits for the limit several times, and when it ends."""
    where = org(StillClock(), conversations_per_day=1500, rate_limit=30, latency_s=0.4, faults=faults)
    watching = Watching(where)
    where.export(output, WEEK, progress=watching, route="query")
    return watching.shown, where.clock.monotonic()


def test_the_estimate_of_a_limited_export_holds(output: Path) -> None:
    shown, ended = watched(output)
    least = float("inf")

    assert ended > 180
    assert len(shown) > 50
    for _, left in shown:
        assert left.seconds <= max(least, 1.0) * 1.2
        least = min(least, left.seconds)
    for now, left in shown:
        if now < ended - 30:
            assert left.seconds == pytest.approx(ended - now, rel=0.35, abs=15)
