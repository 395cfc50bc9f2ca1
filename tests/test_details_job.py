"""The route of jobs: what is exported through it, and what happens to jobs on the way."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from everycall.acquire import details_job
from everycall.acquire.auto import AutoRoute
from everycall.acquire.details_job import DetailsJobs, JobAsk, JobReading
from everycall.acquire.route import FoundPage
from everycall.api.exchange import Response
from everycall.api.query import Filters, Interval, Query
from everycall.executor import SerialExecutor, ThreadExecutor
from everycall.manifest import Entry
from everycall.plan import plan
from everycall.progress import Event, Noticed
from everycall.sandbox import JOBS, Switches
from everycall.sandbox.answers import Request
from everycall.setup import Environment
from inprocess import MONDAY, WEEK, InProcess, Org, assert_proven, client_of, exported_rows, manifest_of, org
from thin import Thin

PER_DAY = 130
DAY_S = 86_400.0


def busy(count: int = PER_DAY, **settings: Any) -> Org:
    """An org with so many conversations on every UTC day."""
    return org(conversations_per_day=count, flat=True, **settings)


def small_pages(route: DetailsJobs, window: Interval) -> JobReading:
    """Reads results in pages of 50, so that a day has several."""
    route.page_size = min(50, route.page_size or 50)
    return JobReading(route, window)


PAGED = Environment(job_reading=small_pages)


def served(where: Org, method: str, path: str = JOBS) -> list[Any]:
    """What was asked below a path, in order."""
    return [one for one in where.sandbox.requests if one.method == method and one.path.startswith(path)]


class Heard:
    """Keeps the notices of an export; see `Progress`."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def report(self, event: Event) -> None:
        """See `Progress.report`."""
        if isinstance(event, Noticed):
            self.notices.append(event.message)


def only(entries: tuple[Entry, ...]) -> Entry:
    (entry,) = entries
    return entry


# What is exported


@pytest.mark.parametrize("executor", [SerialExecutor(), SerialExecutor(9), ThreadExecutor(8)])
def test_an_export_by_jobs_is_proven_and_whole(output: Path, executor: Any) -> None:
    where = busy()
    summary = where.export(output, WEEK, route="jobs", executor=executor)

    assert_proven(where, summary, output, WEEK)
    assert {window["route"] for window in manifest_of(output)["windows"]} == {"jobs"}


@pytest.mark.parametrize("seed", range(1, 7))
def test_jobs_write_the_same_bytes_as_the_query(output: Path, seed: int) -> None:
    """Long after: a job knows less of a conversation that still lived at the date of its data."""
    by_query = output.with_name("query.csv")
    org(seed=seed, conversations_per_day=PER_DAY).export(by_query, WEEK, view="extended")
    org(seed=seed, conversations_per_day=PER_DAY).export(output, WEEK, view="extended", route="jobs")

    assert output.read_bytes() == by_query.read_bytes()


def test_a_page_of_results_has_nothing_that_is_odd(output: Path) -> None:
    where = busy()
    where.export(output, WEEK, route="jobs", environment=PAGED)

    assert manifest_of(output)["oddities"] == {}


def test_a_filter_is_the_jobs_too(output: Path) -> None:
    where = busy()
    query = Query(Interval.read(WEEK), Filters.of(media_types=["email"]))
    summary = where.export(output, query=query, route="jobs")

    assert summary.verdict == "proven"
    assert 0 < summary.rows < PER_DAY * 7
    assert summary.rows == where.export(output.with_name("query.csv"), query=query).rows


def test_a_window_that_begins_within_a_day_is_proven_by_all_that_came(output: Path) -> None:
    where = busy()
    interval = "2026-01-05T09:30:00.000Z/2026-01-06T15:00:00.000Z"
    summary = where.export(output, interval, route="jobs")

    assert_proven(where, summary, output, interval)


def test_rows_can_go_to_a_stream() -> None:
    where, stream = busy(), BytesIO()
    summary = where.export(stream, MONDAY, route="jobs")

    assert (summary.verdict, summary.rows) == ("proven", PER_DAY)


def test_a_window_of_several_days_that_holds_too_many_is_split(output: Path) -> None:
    where = busy()

    def small(route: DetailsJobs, window: Interval) -> JobReading:
        route.hits_max = 4 * PER_DAY + 1
        return JobReading(route, window)

    summary = where.export(output, WEEK, route="jobs", environment=Environment(job_reading=small))

    assert_proven(where, summary, output, WEEK)
    assert len(served(where, "POST")) == 3  # three days, three days and one


def test_a_day_needs_few_requests(output: Path) -> None:
    where = busy(2500)
    summary = where.export(output, route="jobs")

    assert_proven(where, summary, output)
    assert len(served(where, "GET", JOBS + "/")) == 1 + 2 + 3  # availability, two polls, three pages
    assert len(where.queries) == 2


# Under every switch of the sandbox


SWITCHES: list[dict[str, Any]] = [
    {"data_lake_lag_s": 0.0}, {"data_lake_lag_s": 172_800.0}, {"job_unknown_fields": "refuse"},
    {"job_takes_s": 0.0}, {"job_takes_s": 600.0}, {"job_expires_s": 30.0}, {"job_expiration_date": "once expired"},
    {"job_expired": "404", "job_expires_s": 3.0}, {"job_interval_days_max": 1}, {"job_interval_days_max": 3},
    {"job_interval_days_max": 0}, {"job_unfiltered_days_max": 7}, {"jobs_at_a_time_max": 1},
    {"jobs_per_second_max": 1}, {"job_unknown_s": 5.0}, {"job_unknown_s": 30.0}, {"job_results_late_s": 20.0},
    {"job_results_max": 200}, {"job_results_max": 100_000}, {"job_results_max": 400_000}, {"job_cursor": "once"},
    {"job_empty_pages": True}, {"job_status_unfinished": 202}, {"job_results_early": "400"},
    {"job_results_early": "empty"}, {"job_page_size": 7}, {"job_page_size_max": 20},
    {"job_page_size_max": 20, "job_page_size_over_limit": "refuse"}, {"job_empty_results": "{}"},
    {"job_empty_results": "empty list"}, {"job_cancelled_status": 200}, {"job_cancelled_status": 202},
    {"job_finished_deleted": "results gone"}, {"job_finished_deleted": "gone"}, {"tie_order": "shifting"},
    {"job_results_max": 200, "results_limit": "first row"}, {"ingestion_delay_s": 60.0}, {"retention_days": 3650},
]  # fmt: skip


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_switch_about_jobs_ends_proven(output: Path, switches: dict[str, Any]) -> None:
    where = busy(switches=Switches(**switches))
    summary = where.export(output, WEEK, route="jobs", environment=PAGED, executor=SerialExecutor(5))

    assert_proven(where, summary, output, WEEK)
    assert where.sandbox.jobs is not None


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_under_every_switch_about_jobs_auto_ends_proven(output: Path, switches: dict[str, Any]) -> None:
    where = busy(switches=Switches(**switches))
    eager = replace(PAGED, auto=partial(AutoRoute, are_worth_it=lambda *_: True))
    summary = where.export(output, WEEK, environment=eager, executor=SerialExecutor(5))

    assert_proven(where, summary, output, WEEK)


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"data_lake_lag_s": 60 * DAY_S}, "the jobs' data is complete until 2026-01-01T12:00:0"),
        ({"job_results_max": 1}, "the API pages through 1 results of a job only"),
        ({"job_interval_days_max": 1, "job_unfiltered_days_max": 1, "job_takes_s": 3600.0}, "the job was PENDING for"),
    ],
)
def test_a_switch_that_cannot_be_outlived_is_named_in_the_reason(
    output: Path, switches: dict[str, Any], reason: str
) -> None:
    """Three start within a second, and no window is smaller."""
    where = org(world=Thin(3 * 86_400), switches=Switches(**switches))
    summary = where.export(output, "2026-01-05T00:00:00.000Z/2026-01-05T00:00:01.000Z", route="jobs")

    assert summary.verdict == "unproven"
    assert all(reason in entry.reason for entry in summary.unproven)


def test_a_busy_day_that_a_job_returns_whole_for_each_of_its_hours_is_not_halved_forever(output: Path) -> None:
    """Each half would return the same conversations again, which are too many for one job."""
    where = org(conversations_per_day=300, flat=True, switches=Switches(job_results_max=50, match="day"))
    summary = where.export(output, "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z", route="jobs")

    assert summary.verdict == "unproven"
    assert all("50 results of a job only" in entry.reason for entry in summary.unproven)
    assert len(summary.entries) <= 48


def settings_of(name: str) -> set[Any]:
    """What a switch may be, where it is one of a few."""
    kind = get_type_hints(Switches)[name]
    return {False, True} if kind is bool else set(get_args(kind)) if get_origin(kind) is Literal else set()


def test_every_switch_about_jobs_is_tried_in_every_setting() -> None:
    tried: dict[str, set[Any]] = {name: {getattr(Switches(), name)} for name in Switches.__dataclass_fields__}
    for switches in SWITCHES:
        for name, value in switches.items():
            tried[name].add(value)

    for name, settings in tried.items():
        if name.startswith(("job", "data_lake")):
            assert len(settings) > 1, f"{name} is tried in its default only"
            assert settings_of(name) <= settings, name


@pytest.mark.parametrize("form", ["missing", "{}", "empty list"])
def test_a_window_without_conversations_is_proven_empty(output: Path, form: Any) -> None:
    where = busy(0, switches=Switches(job_empty_results=form))
    summary = where.export(output, route="jobs")

    assert (summary.verdict, summary.rows) == ("proven", 0)


def test_a_result_of_nothing_that_says_no_date_asks_for_it(output: Path) -> None:
    where = busy(0, switches=Switches(job_empty_results="{}"))
    where.export(output, route="jobs")

    assert len(served(where, "GET", JOBS + "/availability")) == 2


# The watermark


def test_a_window_beyond_the_watermark_is_never_proven_and_says_until_when_the_data_is_complete(output: Path) -> None:
    where = busy()
    interval = "2026-03-01T00:00:00.000Z/2026-03-02T06:00:00.000Z"
    entry = only(where.export(output, interval, route="jobs").entries)

    assert entry.verdict == "unproven"
    assert "complete until 2026-03-02T02:00:00.000Z only" in entry.reason
    assert entry.rows > 0


def test_the_watermark_counts_though_the_numbers_agree(output: Path) -> None:
    where = busy(0)
    entry = only(where.export(output, "2026-03-02T00:00:00.000Z/2026-03-02T06:00:00.000Z", route="jobs").entries)

    assert (entry.verdict, entry.hits_before, entry.hits_after, entry.unique_ids) == ("unproven", 0, 0, 0)


# What comes beside what belongs to the window


def test_what_the_query_counts_at_the_end_of_the_window_is_no_difference(output: Path) -> None:
    """A question about a day may be answered with all of the next day, too: by both routes."""
    where = busy(switches=Switches(match="day", end_at_midnight_touches_next_day=True))
    summary = where.export(output, route="jobs")

    assert_proven(where, summary, output)
    assert only(summary.entries).carried_in == PER_DAY


class Forgetful(InProcess):
    """A way to an org that does not know the rule of the start day for jobs."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        rule = b'"startOfDayIntervalMatching":true'
        return super().send(method, url, headers, body and body.replace(rule, b'"limit":100000'))


def test_a_job_that_does_not_keep_the_rule_of_the_day_is_not_proven(output: Path) -> None:
    where = org(conversations_per_day=400)
    where.client = client_of(where.sandbox, where.clock, Forgetful(where.sandbox, where.clock))
    entry = only(where.export(output, "2026-01-06T00:00:00.000Z/2026-01-07T00:00:00.000Z", route="jobs").entries)

    assert entry.verdict == "unproven"
    assert "started before its days" in entry.reason


# What becomes of jobs


@pytest.mark.parametrize("kind", ["job_failed", "job_expired", "job_cancelled", "job_gone", "job_stuck", "job_slow"])
@pytest.mark.parametrize("strikes", [1, 2, 3])
def test_a_job_that_ends_badly_is_submitted_again_and_then_halved(output: Path, kind: str, strikes: int) -> None:
    where = busy()
    where.sandbox.faults.on(range(1, strikes + 1), kind)
    summary = where.export(output, WEEK, route="jobs")

    assert_proven(where, summary, output, WEEK)


def test_a_job_that_always_fails_ends_unproven_with_the_apis_reason(output: Path) -> None:
    where = busy()
    where.sandbox.faults.on(None, "job_failed", error_message="Out of luck")
    entry = only(where.export(output, route="jobs").entries)

    assert (entry.verdict, entry.rows, entry.hits_before) == ("unproven", 0, PER_DAY)
    assert entry.reason == "the job ended as FAILED: Out of luck, 2 times"
    assert len(served(where, "POST")) == 2


def test_a_job_that_never_ends_is_cancelled(output: Path) -> None:
    where = busy()
    where.sandbox.faults.on(1, "job_stuck")
    summary = where.export(output, route="jobs")

    assert summary.verdict == "proven"
    assert len(served(where, "DELETE")) == 1
    assert timedelta(seconds=where.clock.monotonic()) > details_job.JOB_PATIENCE


def test_polls_become_rarer(output: Path) -> None:
    where = busy(switches=Switches(job_takes_s=600.0))
    where.export(output, route="jobs")

    assert len(served(where, "GET", JOBS)) < 40
    assert max(where.clock.waits_s) == details_job.POLL_MAX.total_seconds()


def test_a_repeated_cursor_is_not_the_end(output: Path) -> None:
    where = busy()
    where.sandbox.faults.on(2, "repeated_cursor")
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)


def test_a_cursor_that_always_repeats_ends_unproven(output: Path) -> None:
    where = busy()
    where.sandbox.faults.on(None, "repeated_cursor")
    entry = only(where.export(output, route="jobs", environment=PAGED).entries)

    assert entry.verdict == "unproven"
    assert "used before" in entry.reason


def test_a_conversation_that_a_job_misses_is_found_out(output: Path) -> None:
    where = busy()
    hidden = where.truth()[7][0]
    where.sandbox.faults.on(None, "unseen", path=JOBS, conversation_id=hidden)
    entry = only(where.export(output, route="jobs").entries)

    assert (entry.verdict, entry.hits_after, entry.unique_ids) == ("unproven", PER_DAY, PER_DAY - 1)
    assert entry.reason == "the query counts 130 before and 130 after, and the job brought 129 different ones"


def test_a_job_that_missed_one_is_read_once_more(output: Path) -> None:
    where = busy()
    where.sandbox.faults.on(2, "unseen", path=JOBS, conversation_id=where.truth()[7][0])  # the first is no job
    summary = where.export(output, route="jobs")

    assert_proven(where, summary, output)
    assert only(summary.entries).re_reads == 1


@pytest.mark.parametrize("kind", ["429", "503", "401", "reset", "cut", "hang", "html", "short_page"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_what_happens_to_an_answer_is_outlived(output: Path, kind: str, number: int) -> None:
    where = busy()
    where.sandbox.faults.on(number, kind, path=JOBS)
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)


# Several at a time


def running_at_most(where: Org) -> int:
    """How many jobs were unfinished at the same time, at most."""
    most = 0
    for job in where.sandbox.jobs._jobs.values():
        moment = job.submitted_ms
        most = max(most, sum(one.submitted_ms <= moment < one.done_ms for one in where.sandbox.jobs._jobs.values()))
    return most


def one_day_each(route: DetailsJobs, window: Interval) -> JobReading:
    route.hits_max = 1
    return JobReading(route, window)


DAILY = Environment(job_reading=one_day_each)


def test_two_jobs_run_at_a_time(output: Path) -> None:
    where = busy()
    summary = where.export(output, WEEK, route="jobs", environment=DAILY, executor=SerialExecutor(9))

    assert_proven(where, summary, output, WEEK)
    assert running_at_most(where) == 2


def test_the_orgs_limit_is_kept_where_it_can_be_read(output: Path) -> None:
    where = busy(switches=Switches(jobs_at_a_time_max=1))
    where.export(output, WEEK, route="jobs", environment=DAILY, executor=SerialExecutor(9))

    assert running_at_most(where) == 1
    assert [one.status for one in served(where, "POST")] == [202] * 7


def test_a_limit_that_cannot_be_read_is_learned_from_the_429(output: Path) -> None:
    where = busy(switches=Switches(jobs_at_a_time_max=1))
    where.sandbox.faults.on(None, "404", path="/api/v2/organizations/limits")
    summary = where.export(output, WEEK, route="jobs", environment=DAILY, executor=SerialExecutor(9))

    assert_proven(where, summary, output, WEEK)
    assert [one.status for one in served(where, "POST")].count(429) == 1


def test_a_429_of_jobs_does_not_hold_up_other_requests(output: Path) -> None:
    where = busy(switches=Switches(jobs_at_a_time_max=1))
    where.sandbox.faults.on(None, "404", path="/api/v2/organizations/limits")
    summary = where.export(output, WEEK, route="jobs", environment=DAILY, executor=SerialExecutor(9))

    assert summary.counts.rejected == 0


# Leaving


class Stop(Exception):
    """Somebody presses Ctrl-C."""


def stop_on(where: Org, method: str, number: int) -> None:
    """The request of that number is the last one; after it, requests are answered again."""
    left = [number]

    def before(request: Request) -> None:
        if request.method == method and request.path.startswith(JOBS + "/"):
            left[0] -= 1
            if left[0] == 0:
                raise Stop

    where.connection.before = before


def test_jobs_that_run_are_cancelled_when_the_export_is_interrupted(output: Path) -> None:
    where = busy()
    stop_on(where, "GET", 2)  # the first is the availability
    with pytest.raises(Stop):
        where.export(output, route="jobs")

    (job,) = where.sandbox.jobs._jobs.values()
    assert job.state(int(where.clock.now() * 1000)) == "CANCELLED"


def test_an_interrupted_export_goes_on(output: Path) -> None:
    where = busy()
    stop_on(where, "GET", 2)
    with pytest.raises(Stop):
        where.export(output, route="jobs")
    assert_proven(where, where.export(output, route="jobs"), output)


def kill(where: Org, number: int) -> None:
    """As `stop_on`, but nothing gets through afterwards either."""
    left = [number]

    def before(request: Request) -> None:
        if request.path.startswith(JOBS + "/"):
            left[0] -= 1
            if left[0] <= 0:
                raise Stop

    where.connection.before = before


def leave_note(where: Org, output: Path, number: int) -> None:
    """What a process leaves behind that was killed before its request of that number."""
    left: dict[Path, bytes] = {}
    kill(where, number)
    killing = where.connection.before

    def before(request: Request) -> None:
        found = {path: path.read_bytes() for path in output.parent.rglob("*") if path.is_file()}
        if any(path.suffix == ".job" for path in found):
            left.update(found)
        killing(request)

    where.connection.before = before
    with pytest.raises(Stop):
        where.export(output, route="jobs", environment=PAGED)
    where.connection.before = lambda _: None
    for path, content in left.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])
def test_the_job_of_a_killed_process_is_found_again(output: Path, number: int) -> None:
    where = busy()
    leave_note(where, output, number)
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert len(served(where, "POST")) == 1
    assert not list(output.parent.rglob("*.job"))


class Stopping(JobReading):
    """Is interrupted at the third page that an earlier process has noted."""

    def _take_page(self, ask: JobAsk, answer: Response) -> FoundPage | None:
        if ask.noted is not None and len(self._cursors) == 2:
            raise Stop
        return super()._take_page(ask, answer)


def pages_served(where: Org) -> list[str]:
    """The cursors of the pages of results that were asked for, in order; empty for a first page."""
    return [dict(one.parameters).get("cursor", "") for one in served(where, "GET") if one.path.endswith("/results")]


def test_after_a_crash_reading_goes_on_from_the_last_cursor(output: Path) -> None:
    where = busy()
    leave_note(where, output, 6)  # two of three pages came
    before = len(pages_served(where))
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    (cursor,) = pages_served(where)[before:]
    assert cursor


def test_a_page_that_reached_the_disk_in_part_is_asked_for_again(output: Path) -> None:
    where = busy()
    leave_note(where, output, 6)
    before = pages_served(where)
    (part,) = output.parent.rglob("*.part")
    part.write_bytes(part.read_bytes()[:-1])
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert pages_served(where)[len(before) :][0] == before[1]


def test_a_page_without_its_part_is_read_from_the_first_page_of_the_same_job(output: Path) -> None:
    where = busy()
    leave_note(where, output, 6)
    before = len(pages_served(where))
    (part,) = output.parent.rglob("*.part")
    part.unlink()
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert [bool(cursor) for cursor in pages_served(where)[before:]] == [False, True, True]
    assert len(served(where, "POST")) == 1


def test_where_the_api_refuses_the_noted_cursor_the_job_is_read_from_its_first_page(output: Path) -> None:
    where = busy(switches=Switches(job_cursor="once"))
    leave_note(where, output, 6)
    (note,) = output.parent.rglob("*.job")
    note.write_bytes(b"".join(note.read_bytes().splitlines(keepends=True)[:-1]))  # its second page was not noted
    before = len(pages_served(where))
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert [bool(cursor) for cursor in pages_served(where)[before:]] == [True, False, True, True]
    assert len(served(where, "POST")) == 1


def test_a_crash_while_noted_pages_are_read_leaves_the_job_to_the_next_process(output: Path) -> None:
    where = busy(2500)
    leave_note(where, output, 20)
    leave_note(where, output, 4)
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert not list(output.parent.rglob("*.part*"))
    assert len(served(where, "POST")) == 1


def test_an_interruption_while_noted_pages_are_read_leaves_no_file_behind(output: Path) -> None:
    where = busy(2500)
    leave_note(where, output, 20)
    with pytest.raises(Stop):
        where.export(output, route="jobs", environment=replace(PAGED, job_reading=Stopping))

    assert not output.with_name(output.name + ".everycall").exists()


def test_pages_without_conversations_are_noted_too(output: Path) -> None:
    where = busy(switches=Switches(job_empty_pages=True))
    leave_note(where, output, 7)  # a page, an empty one and another
    before = len(pages_served(where))
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert len(pages_served(where)[before:]) == 2


def test_a_job_that_expired_since_is_submitted_again(output: Path) -> None:
    where = busy(switches=Switches(job_expires_s=60.0, job_expired="404"))
    leave_note(where, output, 4)
    where.clock.advance(3600)
    summary = where.export(output, route="jobs", environment=PAGED)

    assert_proven(where, summary, output)
    assert len(served(where, "POST")) == 2


@pytest.mark.parametrize("content", [b"", b"{", b'{"jobId":7}', b'{"jobId":"x","completeBefore":"2026-01-01"}'])
def test_a_note_that_cannot_be_read_is_none(output: Path, content: bytes) -> None:
    where = busy()
    leave_note(where, output, 4)
    for path in output.parent.rglob("*.job"):
        path.write_bytes(content)
    assert_proven(where, where.export(output, route="jobs", environment=PAGED), output)


def test_a_safety_stop_cancels_what_runs_and_keeps_what_was_read(output: Path) -> None:
    where = busy()
    summary = where.export(output, WEEK, route="jobs", environment=PAGED, max_pages=2)

    assert summary.verdict == "unproven"
    assert 0 < summary.rows <= 100


# auto


def pressed(count: int = 1300, **settings: Any) -> Org:
    """An org that allows so few requests a minute that jobs are worth it for a day."""
    return busy(count, rate_limit=10, **settings)


def test_auto_reads_by_jobs_what_is_complete_and_by_the_query_what_is_not(output: Path) -> None:
    where = pressed()
    interval = "2026-02-27T00:00:00.000Z/2026-03-02T06:00:00.000Z"
    summary = where.export(output, interval, route="auto")

    assert summary.verdict == "proven"
    assert [row[:2] for row in exported_rows(output)] == [
        row[:2] for row in where.truth(interval)
    ]  # jobs know no later ends
    routes = [(entry["interval"][:10], entry["route"]) for entry in manifest_of(output)["windows"]]
    assert routes == [("2026-02-27", "jobs"), ("2026-03-02", "query")]


def test_auto_is_the_default(output: Path) -> None:
    where = pressed()
    where.export(output)

    assert [entry["route"] for entry in manifest_of(output)["windows"]] == ["jobs"]


def test_auto_takes_the_query_where_that_is_sooner_and_asks_nothing_else(output: Path) -> None:
    where, alone = busy(1300), busy(1300)
    summary = where.export(output)
    by_query = alone.export(output.with_name("query.csv"), route="query")

    assert_proven(where, summary, output)
    assert served(where, "GET") == served(where, "POST") == []
    assert [one.path for one in where.sandbox.requests] == [one.path for one in alone.sandbox.requests]
    assert summary.counts.requests == by_query.counts.requests


def test_auto_reads_a_window_with_few_conversations_by_the_query_where_others_take_jobs(output: Path) -> None:
    where = org(world=Thin(100_000, days=1), rate_limit=300)
    summary = where.export(output, WEEK)  # the other six days are empty

    assert (summary.verdict, summary.rows) == ("proven", 100_000)
    assert {entry.route for entry in summary.entries} == {"jobs", "query"}


def test_auto_without_the_permission_for_jobs_says_so_and_reads_by_the_query(output: Path) -> None:
    where, heard = pressed(), Heard()
    where.sandbox.faults.on(None, "403", path=JOBS + "/availability")
    summary = where.export(output, progress=heard)

    assert_proven(where, summary, output)
    assert {entry.route for entry in summary.entries} == {"query"}
    (notice,) = heard.notices
    assert notice.startswith("Jobs cannot be used (")
    assert notice.endswith("); the details query reads all.")


@pytest.mark.parametrize(("method", "kind"), [("POST", "403"), ("GET", "500")])
def test_auto_goes_on_by_the_query_where_a_request_about_jobs_is_refused_for_good(
    output: Path, kind: str, method: str
) -> None:
    where, heard = pressed(), Heard()
    where.sandbox.faults.on(None, kind, path=f"{method} {JOBS}")
    summary = where.export(output, WEEK, progress=heard)

    assert_proven(where, summary, output, WEEK)
    assert len([one for one in heard.notices if "Jobs cannot be used" in one]) == 1


def test_the_seam_belongs_to_one_route(output: Path) -> None:
    where = pressed()
    interval = "2026-02-27T00:00:00.000Z/2026-03-02T06:00:00.000Z"
    where.export(output, interval)
    windows = [(Interval.read(entry["interval"]), entry["route"]) for entry in manifest_of(output)["windows"]]

    (last_by_jobs,) = {window.end for window, route in windows if route == "jobs"}
    (first_by_query,) = {window.start for window, route in windows if route == "query"}
    assert last_by_jobs == first_by_query
    assert str(last_by_jobs) == "2026-03-02 00:00:00+00:00"


@pytest.mark.parametrize("kind", ["job_failed", "job_stuck", "job_gone", "repeated_cursor"])
def test_auto_falls_back_to_the_query_where_jobs_fail(output: Path, kind: str) -> None:
    where = pressed()
    where.sandbox.faults.on(None, kind)
    summary = where.export(output, route="auto", environment=PAGED)

    assert_proven(where, summary, output)


def test_auto_falls_back_where_the_job_misses_one(output: Path) -> None:
    where = pressed()
    where.sandbox.faults.on(None, "unseen", path=JOBS, conversation_id=where.truth()[7][0])
    summary = where.export(output, route="auto")

    assert_proven(where, summary, output)


def test_auto_reads_all_by_the_query_where_the_org_has_no_jobs(output: Path) -> None:
    where = pressed()
    where.sandbox.faults.on(None, "404", path=JOBS)
    assert_proven(where, where.export(output, route="auto"), output)


FORTY_DAYS = "2026-01-01T00:00:00.000Z/2026-02-10T00:00:00.000Z"


@pytest.mark.parametrize(("fault", "routes"), [("", {"jobs"}), ("403", {"query"}), ("hang", {"query"})])
def test_windows_that_are_read_at_once_wait_for_one_answer_about_jobs(
    output: Path, fault: str, routes: set[str]
) -> None:
    where = pressed(100)
    if fault:
        where.sandbox.faults.on(None, fault, path=JOBS + "/availability")
    summary = where.export(output, FORTY_DAYS, executor=SerialExecutor(9))

    assert_proven(where, summary, output, FORTY_DAYS)
    assert {entry.route for entry in summary.entries} == routes
    asked = [one for one in served(where, "GET", JOBS + "/availability") if one.status in (200, 403)]
    assert len(asked) == 1


def test_six_days_by_auto_take_at_most_12_percent_of_the_requests_of_the_query(output: Path) -> None:
    """Of 20,000 conversations on each day; `python -m bench.jobs` measures a month of whole conversations."""
    interval = "2026-01-05T00:00:00.000Z/2026-01-11T00:00:00.000Z"
    where, alone = (org(world=Thin(120_000, days=6)) for _ in range(2))
    by_query = plan(alone.client, Query(Interval.read(interval)), page_size=100, route="query").requests
    summary = where.export(output, interval)

    assert (summary.verdict, summary.rows) == ("proven", 120_000)
    assert summary.counts.requests <= 0.12 * by_query
