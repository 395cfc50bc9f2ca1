"""What the routes read is equal, each as of the instant that it knows of: attributes aside, which jobs alone bring."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import NOON, StillClock
from everycall import Interval, Query
from everycall.acquire.auto import AutoRoute
from everycall.acquire.details_job import DetailsJobs
from everycall.acquire.details_query import DetailsQuery
from everycall.acquire.loop import Loop
from everycall.acquire.route import FoundPage, Reads, WindowReading
from everycall.api.jobs import Usable
from everycall.executor import SerialExecutor
from everycall.sandbox import Switches
from everycall.sandbox.recorded import without_attributes
from everycall.setup import Environment
from inprocess import Org, manifest_of, org, read_csv

PER_DAY = 40

PAGE_SIZE = 2
"""Of the query, so that `auto` finds it dearer than jobs, few as the conversations are."""

EAGER = Environment(auto=partial(AutoRoute, are_worth_it=lambda *_: True))
"""`auto` takes jobs where they take fewer requests, however soon the query would be done."""

Conversations = dict[str, dict[str, Any]]


def days_before(instant: datetime, days: int) -> Interval:
    """Whole UTC days, the last of which is over by then."""
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return Interval(midnight - timedelta(days=days), midnight)


def at(instant: datetime, seed: int, lag_s: float = 0.0) -> Org:
    """The org of a seed at an instant."""
    return org(
        StillClock(instant), seed=seed, conversations_per_day=PER_DAY, switches=Switches(data_lake_lag_s=lag_s)
    )  # fmt: skip


def lake_of(where: Org) -> datetime:
    """Until when the data of its last job was complete."""
    *_, last = where.sandbox.jobs._jobs.values()
    return datetime.fromtimestamp(last.available_ms / 1000, UTC)


def read(where: Org, route: Reads[WindowReading], window: Interval) -> Conversations:
    """The conversations that a route reads in a window until it is proven, as they came."""
    found: Conversations = {}

    def keep(_reading: WindowReading, page: FoundPage) -> None:
        body = gzip.decompress(page.content) if page.is_zipped else page.content
        found.update({one["conversationId"]: one for one in json.loads(body)["conversations"]})

    def end(reading: WindowReading) -> None:
        assert reading.instead or (reading.verdict is not None and reading.verdict.proven)

    loop = Loop(where.client, route, SerialExecutor(), [window], on_page=keep, on_end=end)
    while loop.step():
        pass
    return found


def by_jobs(query: Query, complete_until: datetime) -> DetailsJobs:
    return DetailsJobs(query, complete_until=complete_until)


def by_auto(query: Query, _complete_until: datetime) -> AutoRoute:
    def made(usable: Usable) -> DetailsJobs:
        until = usable.complete_until
        return DetailsJobs(query, complete_until=until, falls_back=True, query_page_size=PAGE_SIZE)

    by_query = DetailsQuery(query, page_size=PAGE_SIZE)
    return AutoRoute(by_query, made, allowed=lambda: 300.0, notice=lambda _: None, are_worth_it=lambda *_: True)


moments = st.tuples(st.integers(1, 10_000), st.sampled_from([0, 3, 10, 48]), st.integers(0, 23), st.integers(1, 3))
"""A seed, the lag of the jobs' data in hours, the hour of the day, and how many days are read."""


@given(moments, st.sampled_from([by_jobs, by_auto]))
@settings(max_examples=25)
def test_what_a_job_reads_is_what_the_query_read_when_the_data_was_taken(
    moment: tuple[int, int, int, int], route: Callable[[Query, datetime], Reads[WindowReading]]
) -> None:
    seed, lag_h, hour, days = moment
    now = NOON + timedelta(hours=hour)
    query = Query(days_before(now - timedelta(hours=lag_h), days))
    later = at(now, seed, lag_h * 3600.0)
    found = read(later, route(query, now - timedelta(hours=lag_h)), query.interval)
    then = at(lake_of(later), seed)

    assert {one: without_attributes(found[one]) for one in found} == read(then, DetailsQuery(query), query.interval)


@given(moments)
@settings(max_examples=10)
def test_rows_are_equal_by_every_route(tmp_path_factory: Any, moment: tuple[int, int, int, int]) -> None:
    """Those of a job are those that the query gave when the job's data was taken; those after the seam are of now."""
    folder: Path = tmp_path_factory.mktemp("routes")
    seed, lag_h, hour, days = moment
    now = NOON + timedelta(hours=hour)
    jobs, auto = (at(now, seed, lag_h * 3600.0) for _ in range(2))
    complete = days_before(now - timedelta(hours=lag_h), days)
    until_now = str(Interval(complete.start, now - timedelta(minutes=2)))
    jobs.export(folder / "jobs.csv", str(complete), view="extended", route="jobs")
    auto.export(folder / "auto.csv", until_now, view="extended", page_size=PAGE_SIZE, environment=EAGER)
    at(lake_of(jobs), seed).export(folder / "then.csv", str(complete), view="extended", route="query")
    at(now, seed).export(folder / "now.csv", until_now, view="extended", route="query")

    assert "jobs" in {window["route"] for window in manifest_of(folder / "auto.csv")["windows"]}
    seam = complete.end.isoformat()[:10]
    by_then, of_now = read_csv(folder / "then.csv"), read_csv(folder / "now.csv")
    assert read_csv(folder / "jobs.csv") == by_then
    assert read_csv(folder / "auto.csv") == by_then + [row for row in of_now if row["startTime"] >= seam]


def test_evaluations_surveys_and_resolutions_come_by_every_route() -> None:
    """They come days late, so the data of a job of the same instant has the same of them."""
    where = org(conversations_per_day=300, switches=Switches(data_lake_lag_s=0.0))
    query = Query(days_before(NOON - timedelta(days=20), 3))
    by_query = read(where, DetailsQuery(query), query.interval)
    ways = [read(where, route(query, NOON), query.interval) for route in (by_jobs, by_auto)]

    for name in ("evaluations", "surveys", "resolutions"):
        found = {one: by_query[one][name] for one in by_query if name in by_query[one]}
        assert found
        for way in ways:
            assert {one: way[one][name] for one in way if name in way[one]} == found
