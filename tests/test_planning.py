import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from everycall import Filters, Interval, Query
from everycall.api.limits import RATE_PER_MINUTE
from everycall.cli import planning
from inprocess import MONDAY, WEEK, Org, org

FORTY_DAYS = "2026-01-01T00:00:00.000Z/2026-02-10T00:00:00.000Z"
LOOK_UPS_MAX = 40


def planned(where: Org, interval: str = MONDAY, filters: Filters | None = None, page_size: int = 100) -> planning.Plan:
    return planning.plan(where.client, Query(Interval.read(interval), filters or Filters()), page_size=page_size)


def shown(plan: planning.Plan, width: int = 80) -> list[str]:
    where = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False)
    planning.show(where, plan, "the org")
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue().splitlines()


@pytest.mark.parametrize("page_size", [100, 40])
@pytest.mark.parametrize("interval", [MONDAY, WEEK, FORTY_DAYS])
def test_an_export_asks_what_its_plan_says_and_for_some_names(interval: str, page_size: int, output: Path) -> None:
    where = org(conversations_per_day=150, rate_limit=10_000)
    plan = planned(where, interval, page_size=page_size)
    before = len(where.queries)

    where.export(output, interval, page_size=page_size)

    assert len(where.queries) - before == plan.requests
    assert where.client.counts().requests - before - plan.requests <= LOOK_UPS_MAX


def test_a_plan_counts_what_the_store_holds() -> None:
    where = org(conversations_per_day=150)

    plan = planned(where, WEEK)

    assert plan.hits == len(where.truth(WEEK))
    assert [str(step.window) for step in plan.steps] == [WEEK]


def test_a_plan_costs_one_request_for_each_window() -> None:
    where = org(conversations_per_day=20)

    plan = planned(where, FORTY_DAYS)

    assert len(plan.steps) == 6
    assert len(where.queries) == 6


def test_windows_of_a_plan_tile_the_interval_also_where_they_are_split() -> None:
    where = org(conversations_per_day=8_000, rate_limit=10_000)

    plan = planned(where, FORTY_DAYS)

    assert len(plan.steps) > 6
    assert plan.steps[0].window.start == Interval.read(FORTY_DAYS).start
    assert plan.steps[-1].window.end == Interval.read(FORTY_DAYS).end
    assert all(one.window.end == two.window.start for one, two in zip(plan.steps, plan.steps[1:], strict=False))


def test_a_filter_makes_windows_of_31_days() -> None:
    plan = planned(org(conversations_per_day=20), FORTY_DAYS, Filters.of(media_types=["voice"]))

    assert [step.window.length.days for step in plan.steps] == [31, 9]


def test_a_plan_of_no_conversations_is_a_plan() -> None:
    plan = planned(org(conversations=[]))

    assert (plan.hits, plan.requests) == (0, planning.PROOF_REQUESTS)
    assert shown(plan)[-2:] == [
        "0 conversations in 1 window from the org",
        "2 requests, 300 a minute allowed: about 5.0 s, by the details query (the only route so far)",
    ]


@pytest.mark.parametrize(("requests", "length_s"), [(1, 5), (300, 5), (301, 65), (900, 125), (901, 185)])
def test_a_plan_takes_the_minutes_that_the_rate_limit_takes(requests: int, length_s: float) -> None:
    query = Query(Interval.read(MONDAY))
    plan = planning.Plan(query, (planning.Step(query.interval, 1, requests, False),), RATE_PER_MINUTE)

    assert plan.length == timedelta(seconds=length_s)


def test_a_long_plan_is_cut_for_people_and_whole_for_programs() -> None:
    plan = planned(org(conversations_per_day=5), "2025-01-01T00:00:00.000Z/2026-01-01T00:00:00.000Z")

    assert f"... and {len(plan.steps) - 40} more; --json lists them all" in shown(plan)
    assert len(plan.as_json()["windows"]) == len(plan.steps) == 53


def test_a_plan_is_json() -> None:
    plan = planned(org(conversations_per_day=150))

    told = json.loads(json.dumps(plan.as_json()))

    assert told["interval"] == MONDAY
    assert told["hits"] == sum(window["hits"] for window in told["windows"]) == plan.hits
    assert told["requests"] == sum(window["requests"] for window in told["windows"]) == plan.requests
    assert told["allowedPerMinute"] == 300
    assert told["route"] == "query"


def test_a_plan_says_which_windows_are_provisional() -> None:
    where = org(conversations_per_day=20)
    now = where.clock.utc()

    plan = planned(where, str(Interval(now - timedelta(days=7), now)))

    assert [step.provisional for step in plan.steps] == [False, True]
    assert sum("provisional" in line for line in shown(plan)) == 1
