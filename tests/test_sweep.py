"""What has ended since an instant, whatever day it began: found by a job."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clocks import StillClock
from everycall import Filters, Interval
from everycall.acquire.sweep import Ended, NotSwept, available, ended
from everycall.instants import DAY, text
from everycall.sandbox import JOBS
from inprocess import Org, org

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
SINCE, UNTIL = NOW - timedelta(days=2), NOW - timedelta(hours=10)


def contact_centre(**switches: Any) -> Org:
    where = org(StillClock(NOW), conversations_per_day=300, flat=True)
    where.sandbox.store.switches = replace(where.sandbox.store.switches, **switches)
    return where


def swept(where: Org, filters: Filters = Filters(), since: datetime = SINCE) -> list[Ended]:  # noqa: B008
    return list(ended(where.client, filters, Interval(since, UNTIL)))


def ids(found: list[Ended]) -> set[str]:
    return {one.conversation_id for one in found}


def truth(where: Org) -> set[str]:
    """Who ended between the two instants, by what the org has; conversations of up to seven weeks."""
    interval = f"{text(NOW - 50 * DAY)}/{text(NOW)}"
    return {one for one, _, end in where.truth(interval) if text(SINCE) <= end < text(UNTIL)}


def jobs_of(where: Org) -> list[Any]:
    """The bodies of the jobs that were submitted."""
    return [one.body for one in where.sandbox.requests if (one.method, one.path) == ("POST", JOBS)]


def test_whoever_ended_is_found_whatever_day_it_began() -> None:
    where = contact_centre()
    found = swept(where)
    old = {one.conversation_id for one in found if one.start < SINCE - DAY}

    assert truth(where) <= ids(found)
    assert old & truth(where)


def test_it_takes_a_submission_a_few_polls_and_the_pages() -> None:
    where = contact_centre()
    swept(where)
    paths = [
        (one.method, one.path.removeprefix(JOBS).partition("/")[2].partition("/")[2])
        for one in where.sandbox.requests
        if JOBS in one.path
    ]

    assert paths == [("POST", ""), ("GET", ""), ("GET", ""), ("GET", "results")]


def test_the_filters_of_the_destination_hold() -> None:
    found = swept(contact_centre(), Filters.of(media_types=["email"]))

    assert 0 < len(found) < len(swept(contact_centre())) / 2


def test_more_than_a_month_is_asked_for_in_several_jobs() -> None:
    where = contact_centre()
    swept(where, since=UNTIL - timedelta(days=40))

    assert len(jobs_of(where)) == 2


def test_a_job_with_more_results_than_the_api_pages_through_is_halved() -> None:
    where = contact_centre(job_results_max=400)

    assert ids(swept(where)) == ids(swept(contact_centre()))
    assert len(jobs_of(where)) > 2


@pytest.mark.parametrize("switches", [{"job_unknown_s": 20.0}, {"job_results_late_s": 20.0}, {"job_empty_pages": True}])
def test_what_may_happen_to_a_healthy_job_changes_nothing(switches: dict[str, Any]) -> None:
    assert ids(swept(contact_centre(**switches))) == ids(swept(contact_centre()))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("job_failed", "FAILED"), ("job_stuck", "30 minutes"), ("job_gone", "gone"), ("404", "404"),
        ("repeated_cursor", "used before"),
    ],
)  # fmt: skip
def test_a_job_that_fails_is_a_reason(kind: str, reason: str) -> None:
    where = contact_centre(job_page_size_max=100)
    where.sandbox.faults.on(None, kind, path=JOBS if kind == "404" else "")

    with pytest.raises(NotSwept, match=reason):
        swept(where)


def test_an_org_without_jobs_is_a_reason() -> None:
    where = contact_centre()
    where.sandbox.faults.on(None, "403", path=JOBS)

    with pytest.raises(NotSwept):
        available(where.client)


def test_jobs_are_complete_up_to_the_lake() -> None:
    assert available(contact_centre().client) == UNTIL
