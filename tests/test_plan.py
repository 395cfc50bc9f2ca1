import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everycall import Filters, Interval, Query
from everycall.acquire.costs import PROOF_REQUESTS, Cost
from everycall.api.limits import RATE_PER_MINUTE
from everycall.api.query import Match
from everycall.cli import summary
from everycall.cli.formats import counted_hits
from everycall.cli.planning import lines
from everycall.errors import QueryRefused
from everycall.plan import Plan, Step, plan
from everycall.sandbox import JOBS
from everycall.setup import RouteName
from inprocess import MONDAY, WEEK, Org, org

FORTY_DAYS = "2026-01-01T00:00:00.000Z/2026-02-10T00:00:00.000Z"
LOOK_UPS_MAX = 40


def planned(
    where: Org, interval: str = MONDAY, filters: Filters | None = None, page_size: int = 100, route: RouteName = "query"
) -> Plan:
    return plan(where.client, Query(Interval.read(interval), filters or Filters()), page_size=page_size, route=route)


def shown(found: Plan) -> list[str]:
    return list(lines(found, "the org"))


@pytest.mark.parametrize("page_size", [100, 40])
@pytest.mark.parametrize("interval", [MONDAY, WEEK, FORTY_DAYS])
def test_an_export_asks_what_its_plan_says_and_for_some_names(interval: str, page_size: int, output: Path) -> None:
    where = org(conversations_per_day=150, rate_limit=10_000)
    found = planned(where, interval, page_size=page_size)
    before = len(where.queries)

    where.export(output, interval, page_size=page_size)

    assert len(where.queries) - before == found.requests
    assert where.client.counts().requests - before - found.requests <= LOOK_UPS_MAX


def test_a_plan_counts_what_the_store_holds() -> None:
    where = org(conversations_per_day=150)

    found = planned(where, WEEK)

    assert found.hits == len(where.truth(WEEK))
    assert [str(step.window) for step in found.steps] == [WEEK]


def test_a_plan_costs_one_request_for_each_window() -> None:
    where = org(conversations_per_day=20)

    found = planned(where, FORTY_DAYS)

    assert len(found.steps) == 6
    assert len(where.queries) == 6


def test_windows_of_a_plan_tile_the_interval_also_where_they_are_split() -> None:
    where = org(conversations_per_day=8_000, rate_limit=10_000)

    found = planned(where, FORTY_DAYS)

    assert len(found.steps) > 6
    assert found.steps[0].window.start == Interval.read(FORTY_DAYS).start
    assert found.steps[-1].window.end == Interval.read(FORTY_DAYS).end
    assert all(one.window.end == two.window.start for one, two in zip(found.steps, found.steps[1:], strict=False))


def test_a_filter_makes_windows_of_31_days() -> None:
    found = planned(org(conversations_per_day=20), FORTY_DAYS, Filters.of(media_types=["voice"]))

    assert [step.window.length.days for step in found.steps] == [31, 9]


def test_an_interval_without_conversations_has_a_plan() -> None:
    found = planned(org(conversations=[]))

    assert (found.hits, found.requests) == (0, PROOF_REQUESTS)
    assert shown(found)[-2:] == [
        "0 conversations in 1 window from the org",
        "2 requests, 300 a minute allowed: about 5.0 s, by the details query",
    ]


@pytest.mark.parametrize(("requests", "length_s"), [(1, 5), (300, 5), (301, 65), (900, 125), (901, 185)])
def test_a_plan_takes_the_minutes_that_the_rate_limit_takes(requests: int, length_s: float) -> None:
    query = Query(Interval.read(MONDAY))
    found = Plan(query, (Step(query.interval, 1, requests, False),), RATE_PER_MINUTE)

    assert found.length == timedelta(seconds=length_s)


def test_a_long_plan_is_cut_for_people_and_whole_for_programs() -> None:
    found = planned(org(conversations_per_day=5), "2025-01-01T00:00:00.000Z/2026-01-01T00:00:00.000Z")

    assert f"... and {len(found.steps) - 40} more; --json lists them all" in shown(found)
    assert len(found.as_json()["windows"]) == len(found.steps) == 53


def test_a_plan_can_be_printed_as_json() -> None:
    found = planned(org(conversations_per_day=150))

    as_json = json.loads(json.dumps(found.as_json()))

    assert as_json["interval"] == MONDAY
    assert as_json["hits"] == sum(window["hits"] for window in as_json["windows"]) == found.hits
    assert as_json["requests"] == sum(window["requests"] for window in as_json["windows"]) == found.requests
    assert as_json["allowedPerMinute"] == 300
    assert as_json["route"] == "query"


def test_a_plan_says_which_windows_are_provisional() -> None:
    where = org(conversations_per_day=20)
    now = where.clock.utc()

    found = planned(where, str(Interval(now - timedelta(days=7), now)))

    assert [step.provisional for step in found.steps] == [False, True]
    assert sum("provisional" in line for line in shown(found)) == 1


# The choice between the routes

PAST_THE_LAKE = "2026-02-27T00:00:00.000Z/2026-03-02T06:00:00.000Z"


def busy(count: int = 1300, **settings: Any) -> Org:
    return org(conversations_per_day=count, flat=True, **settings)


def pressed(count: int = 1300) -> Org:
    """Allows so few requests a minute that jobs are worth it for a day."""
    return busy(count, rate_limit=10)


def test_auto_plans_jobs_up_to_the_midnight_before_which_they_are_complete() -> None:
    found = planned(pressed(), PAST_THE_LAKE, route="auto")

    assert [(step.window.start.day, step.route) for step in found.steps] == [(27, "jobs"), (2, "query")]
    assert found.requests < found.requests_by_query


def test_an_export_by_auto_takes_the_ways_of_its_plan_and_about_its_requests(output: Path) -> None:
    where = pressed()
    found = planned(where, PAST_THE_LAKE, route="auto")
    before = len(where.sandbox.requests)

    summary = where.export(output, PAST_THE_LAKE, route="auto")

    details = [one for one in list(where.sandbox.requests)[before:] if "/conversations/details/" in one.path]
    assert [entry.route for entry in summary.entries] == [step.route for step in found.steps]
    assert abs(len(details) - found.requests) <= 3


def test_auto_plans_the_query_where_that_is_sooner_and_asks_nothing_about_jobs() -> None:
    where = busy()
    found = planned(where, route="auto")

    assert [step.route for step in found.steps] == ["query"]
    assert not [one for one in where.sandbox.requests if one.path.startswith(JOBS)]
    assert shown(found)[-2:] == [
        "15 requests, 300 a minute allowed: about 5.0 s, by the details query",
        "Jobs would take 8 requests, about 35.0 s",
    ]


def test_auto_is_the_default_of_a_plan() -> None:
    where = pressed()
    found = plan(where.client, Query(Interval.read(MONDAY)), page_size=100)

    assert [step.route for step in found.steps] == ["jobs"]


def test_jobs_that_cannot_be_proven_yet_are_named() -> None:
    lines_shown = shown(planned(pressed(), PAST_THE_LAKE, route="jobs"))

    assert lines_shown[-1] == "1 window after that cannot be proven by jobs: use --route auto or --route query"


def test_a_plan_shows_the_figures_of_both_routes() -> None:
    found = planned(pressed(), route="auto")

    assert shown(found)[-2:] == [
        "8 requests, 10 a minute allowed: about 35.0 s, by jobs",
        "Jobs are complete until 2026-03-02 02:00Z; the details query alone would take 15 requests, about 1 min 5 s",
    ]
    (window,) = json.loads(json.dumps(found.as_json()))["windows"]
    assert (window["route"], window["requestsByQuery"], window["requestsByJobs"]) == ("jobs", 15, 8)


def test_without_jobs_auto_plans_the_query() -> None:
    where = pressed()
    where.sandbox.faults.on(None, "404", path=JOBS)

    found = planned(where, route="auto")

    assert [step.route for step in found.steps] == ["query"]
    assert shown(found)[-1].startswith("Jobs cannot be used (")
    with pytest.raises(QueryRefused):
        planned(where, route="jobs")


# The same numbers as an export


@pytest.mark.parametrize(
    "interval",
    [
        "2026-01-05T14:00:00.000Z/2026-01-05T15:00:00.000Z",
        "2026-01-05T14:00:00.000Z/2026-01-07T03:00:00.000Z",
        "2026-01-05T23:59:59.000Z/2026-01-06T00:00:01.000Z",
        MONDAY,
    ],
)
@pytest.mark.parametrize("match", ["start", "activity"])
def test_a_plan_counts_the_conversations_that_an_export_has(interval: str, match: Match, output: Path) -> None:
    where = org(conversations_per_day=600)
    query = Query(Interval.read(interval), match=match)
    found = plan(where.client, query, page_size=100, route="query")
    done = where.export(output, query=query, route="query")

    assert found.conversations == done.rows
    assert found.hits == sum(entry.unique_ids for entry in done.entries)
    assert found.carried_in == sum(entry.carried_in for entry in done.entries)


def test_a_plan_and_an_export_say_it_in_the_same_words(output: Path) -> None:
    where = org(conversations_per_day=600)
    found = planned(where, "2026-01-05T14:00:00.000Z/2026-01-05T15:00:00.000Z")
    done = where.export(output, "2026-01-05T14:00:00.000Z/2026-01-05T15:00:00.000Z", route="query")
    text = counted_hits(found.hits, found.carried_in)

    assert found.carried_in > 0
    assert text in shown(found)
    assert ("counted", text) in list(summary._facts(done, "the org"))


@pytest.mark.parametrize(
    ("requests", "allowed", "latency_s", "seconds"),
    [
        (10, 300, 0.0, 5.0),
        (10, 300, 2.0, 10 * 2 / 96 + 8),
        (700, 300, 0.5, 2 * 60 + 5),
        (700, 300, 30.0, 2 * 300 * 30 / 96 + 100 * 30 / 96 + 120),  # the minute is too short for 300 answers
    ],
)
def test_the_time_contains_the_latency(requests: int, allowed: float, latency_s: float, seconds: float) -> None:
    assert Cost(requests).seconds(allowed, latency_s) == pytest.approx(seconds)


def test_a_plan_measures_the_latency() -> None:
    where = org(conversations_per_day=150, latency_s=2.0)
    found = planned(where, MONDAY)

    assert found.latency_s == pytest.approx(2.0)
    assert found.length > timedelta(seconds=8)
    assert found.as_json()["latencySeconds"] == 2.0
