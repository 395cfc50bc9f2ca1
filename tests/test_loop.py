"""The loop that reads windows: what is asked, in which order, and how much at once."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from clocks import NOON
from everycall import Client, Interval, Query
from everycall.acquire.details_query import DetailsQuery, DetailsReading
from everycall.acquire.loop import Loop
from everycall.acquire.route import OPEN_MAX, FoundPage, TooSlow
from everycall.acquire.windows import without
from everycall.api.details_query import PageHead
from everycall.api.exchange import Exchange, Request, Response
from everycall.api.query import Filters
from everycall.errors import TimedOut
from everycall.executor import Executor, SerialExecutor
from everycall.instants import text
from everycall.progress import Event, PageRead
from everycall.sandbox import QUERY
from everycall.sandbox.answers import Request as Arrived
from inprocess import MONDAY, WEEK, Org, assert_proven, org
from thin import Thin

T = TypeVar("T")

THREE_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-26T00:00:00.000Z"
WEEKS = [
    "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z",
    "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z",
    "2026-01-19T00:00:00.000Z/2026-01-26T00:00:00.000Z",
]


def flat(count: int, **settings: Any) -> Org:
    """An org with so many conversations on every UTC day."""
    return org(conversations_per_day=count, flat=True, **settings)


class Read:
    """Windows read by a loop, and what it gave back."""

    def __init__(
        self, where: Org, *intervals: str, executor: Executor | None = None, route: DetailsQuery | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        self.pages: list[str] = []
        """The window of each page that counts."""
        self.ended: list[DetailsReading] = []
        route = route or DetailsQuery(Query(Interval.read(THREE_WEEKS)))
        windows = [Interval.read(interval) for interval in intervals]
        self.loop = Loop(
            where.client, route, executor or SerialExecutor(), windows, on_page=self._page, on_end=self.ended.append,
            **options,
        )  # fmt: skip
        while self.loop.step():
            pass

    def _page(self, reading: DetailsReading, _: FoundPage) -> None:
        self.pages.append(str(reading.window))


# Asked for


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_pages_of_the_earliest_window_are_asked_first(output: Path, size: int) -> None:
    where = flat(40)
    where.export(output, THREE_WEEKS, executor=SerialExecutor(size))
    later_pages = [window for window, number in where.pages if number > 1]

    assert later_pages == sorted(later_pages)
    assert len(set(later_pages)) == 3


def test_a_window_is_asked_page_by_page_then_past_its_end_then_counted(output: Path) -> None:
    where = flat(250)
    where.export(output)
    sizes = [(served.body["paging"]["pageNumber"], served.body["paging"]["pageSize"]) for served in where.queries]

    assert sizes == [(1, 100), (2, 100), (3, 100), (4, 100), (1, 1)]


def test_every_question_is_ordered_and_carries_the_filters(output: Path) -> None:
    where = flat(50)
    filters = Filters.of(media_types=["voice"])
    where.export(output, query=Query(Interval.read(MONDAY), filters))

    assert {frozenset(served.body) for served in where.queries} == {
        frozenset({"interval", "order", "orderBy", "segmentFilters", "paging"})
    }
    assert all(served.body["segmentFilters"] == filters.lists["segmentFilters"] for served in where.queries)


class Counting(SerialExecutor):
    """Keeps how many jobs were out whenever a result was asked for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.under_way: list[int] = []

    def run_next(self) -> None:
        self.under_way.append(self.outstanding)
        super().run_next()


@pytest.mark.parametrize("size", [2, 5, 40])
def test_no_more_is_under_way_than_the_executor_takes(size: int) -> None:
    executor = Counting(size)
    Read(flat(200), *WEEKS, executor=executor)

    assert 1 < max(executor.under_way) <= size


def test_a_few_windows_are_under_way_at_once_and_no_more(output: Path) -> None:
    """Fourteen windows whose first page has to come before there is anything else to ask."""
    executor, where = Counting(40), flat(3)
    interval = "2025-11-03T00:00:00.000Z/2026-02-09T00:00:00.000Z"
    summary = where.export(output, interval, executor=executor, columns=["conversationId", "startTime", "endTime"])

    assert executor.under_way[0] == OPEN_MAX
    assert len(summary.entries) == 14
    assert_proven(where, summary, output, interval)


def test_each_window_ends_with_its_verdict_and_its_pages() -> None:
    found = Read(flat(30), *WEEKS, executor=SerialExecutor(4))

    assert sorted(str(reading.window) for reading in found.ended) == WEEKS
    assert all(reading.verdict is not None and reading.verdict.unique_ids == 210 for reading in found.ended)
    assert {week: found.pages.count(week) for week in WEEKS} == dict.fromkeys(WEEKS, 3)
    assert found.loop.is_done


def test_windows_that_are_added_are_read_before_those_that_were_not_begun() -> None:
    where = flat(5)
    found = Read(where)
    found.loop.add(map(Interval.read, WEEKS[1:]))
    found.loop.add([Interval.read(WEEKS[0])])
    while found.loop.step():
        pass

    assert [window for window, number in where.pages if number == 1] == WEEKS


def test_a_window_is_counted_as_of_when_its_last_count_was_asked_for(output: Path) -> None:
    """Not as of its answer, and not as of the end of the export: what arrives meanwhile may be missing."""
    where = flat(8)
    where.sandbox.faults.on(1, "total_hits", path=QUERY)  # so that it is read twice
    sent: list[str] = []

    def travel(request: Arrived) -> None:
        sent.extend([text(where.clock.utc())] if request.path == QUERY else [])
        where.clock.advance(1)

    where.connection.before = travel
    (entry,) = where.export(output).entries

    assert (entry.verdict, entry.re_reads) == ("proven", 1)
    assert entry.counted_at == sent[-1]


# Split


def test_a_window_that_holds_too_much_is_split_by_days(output: Path) -> None:
    where = flat(40)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=70_000)
    summary = where.export(output, WEEK, route="query")

    assert [entry.window.length for entry in summary.entries] == [timedelta(days=1)] * 7
    assert_proven(where, summary, output, WEEK)


def test_the_pieces_of_a_window_are_asked_in_the_order_of_time(output: Path) -> None:
    """A stream's rows come out in that order, and would wait for the first piece."""
    where = flat(4)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=70_000)
    where.export(output, WEEK, route="query")
    whole, *pieces = [window for window, number in where.pages if number == 1]

    assert (whole, len(pieces)) == (WEEK, 7)
    assert pieces == sorted(pieces)


def test_pages_that_were_too_large_are_too_large_for_the_next_window_as_well(output: Path) -> None:
    where = flat(8)
    where.sandbox.faults.on(None, "too_large", path=QUERY, page_size=50)
    summary = where.export(output, THREE_WEEKS)
    sizes = [served.body["paging"]["pageSize"] for served in where.queries]

    assert sizes.count(100) == 1
    assert_proven(where, summary, output, THREE_WEEKS)


class Impatient(Client):
    """Gives up on each question about more than two days."""

    def play(self, exchange: Exchange[T]) -> T:
        request = next(exchange)
        if request.json and Interval.read(request.json["interval"]).length > timedelta(days=2):
            raise TimedOut("no answer in time")
        return super().play(begun(request, exchange))


def begun(request: Request, exchange: Exchange[T]) -> Exchange[T]:
    """The exchange whose first request was taken already."""
    try:
        while True:
            request = exchange.send((yield request))
    except StopIteration as found:
        return cast("T", found.value)


def test_a_window_that_the_service_is_too_slow_for_is_halved_and_the_size_remembered() -> None:
    where = flat(8)
    client = where.client
    where.client = Impatient(client.credentials, connection=where.connection, clock=where.clock, rng=random.Random(1))
    found = Read(where, *WEEKS)
    read = sorted((one.window for one in found.ended if one.verdict), key=lambda window: window.start)

    assert without(Interval.read(THREE_WEEKS), read) == []
    assert max(window.length for window in read) <= timedelta(days=2)
    assert sum(one.verdict.unique_ids for one in found.ended if one.verdict and one.verdict.proven) == 8 * 21
    too_long = [one.window for one in found.ended if one.instead]
    assert all(window.start < Interval.read(WEEKS[1]).start for window in too_long)


def test_what_was_under_way_when_a_window_was_halved_counts_no_more() -> None:
    """Its halves are asked instead, so its pages would come twice."""
    reading = DetailsQuery(Query(Interval.read(MONDAY)), page_size=1).read(Interval.read(MONDAY))
    body = b'{"conversations":[{"conversationId":"%d","conversationStart":"2026-01-05T08:00:00.000Z"}],"totalHits":3}'

    def page(number: int) -> Response:
        return Response(200, content=body % number, decoded=PageHead.decode(body % number))

    first = reading.next_ask()
    assert first
    assert reading.take(first, page(1), NOON)
    second, third = reading.next_ask(), reading.next_ask()
    assert second
    assert third
    reading.take(second, TooSlow("no answer in time"), NOON)

    assert reading.take(third, page(3), NOON) is None
    assert len(reading.instead or ()) == 2


def test_a_second_for_which_the_service_is_too_slow_is_unproven() -> None:
    reading = DetailsQuery(Query(Interval.read(THREE_WEEKS))).read(
        Interval.read("2026-01-05T00:00:00.000Z/2026-01-05T00:00:01.000Z")
    )
    ask = reading.next_ask()
    assert ask is not None
    reading.take(ask, TooSlow("no answer in time"), NOON)

    assert reading.verdict is not None
    assert (reading.verdict.proven, reading.verdict.reason) == (False, "no answer in time")


# Stopped


def test_a_loop_that_may_ask_for_so_many_pages_asks_for_no_more_and_still_counts() -> None:
    where = flat(40)
    found = Read(where, *WEEKS, max_pages=4)

    assert len(where.pages) == 4
    assert [str(reading.window) for reading in found.ended] == WEEKS[:1]
    assert not found.loop.is_done
    assert found.loop.stop("enough") == list(map(Interval.read, WEEKS[1:]))


def test_a_window_that_is_stopped_is_given_back_unproven_with_the_reason() -> None:
    found = Read(flat(40), *WEEKS, max_pages=2)
    unread = found.loop.stop("enough")
    (reading,) = found.ended

    assert reading.verdict is not None
    assert (reading.verdict.proven, reading.verdict.unique_ids, reading.verdict.reason) == (False, 200, "enough")
    assert unread == list(map(Interval.read, WEEKS[1:]))
    assert found.loop.is_done


# Progress


class Listening:
    """Keeps what is reported to it."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)


def test_covered_time_never_decreases_or_exceeds_the_interval(output: Path) -> None:
    where = flat(130)
    where.sandbox.faults.on(4, "short_page", path=QUERY)
    listening = Listening()
    where.export(output, WEEK, progress=listening, executor=SerialExecutor(5))
    covered = [event.covered for event in listening.events if isinstance(event, PageRead)]

    assert covered == sorted(covered)
    assert covered[-1] <= timedelta(days=7)


def test_covered_is_the_share_of_the_pages_of_windows_under_way() -> None:
    where = org(world=Thin(1000, days=7))
    found = Read(where, WEEK, max_pages=5)

    assert found.loop.covered == timedelta(days=7) / 2
