"""Plans an export without exporting: one count for each window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from everycall.acquire.auto import cut_at
from everycall.acquire.details_job import (
    JOB_HITS_DEFAULT,
    JOBS_AT_A_TIME_DEFAULT,
    requests_by_jobs,
    requests_by_query,
)
from everycall.acquire.details_query import Counting, CountReading
from everycall.acquire.loop import Loop
from everycall.acquire.route import FoundPage
from everycall.acquire.windows import is_provisional, windows
from everycall.api import jobs
from everycall.api.interval import Interval
from everycall.api.limits import RATE_PER_MINUTE, RATE_WINDOW_S, WINDOW_HITS_DEFAULT
from everycall.api.query import Query
from everycall.client import Client
from everycall.errors import AccessError, QueryError
from everycall.executor import SerialExecutor
from everycall.instants import start_of_day, text
from everycall.setup import RouteName

PROOF_REQUESTS = 2
"""The requests of a window beside its pages: the empty page after the last one, and the second count."""

SECONDS_OF_A_JOB = 5.0
"""Ours: from its submission to its results, where it is small and the service is not busy."""


@dataclass(frozen=True, slots=True)
class Step:
    """One window of the plan."""

    window: Interval
    hits: int
    requests: int
    provisional: bool
    route: Literal["query", "jobs"] = "query"
    """By which an export would read it."""
    by_query: int = 0
    """Requests by the details query."""
    by_jobs: int | None = None
    """Requests by a job; None where the jobs' data is not complete yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows and requests of an export."""

    query: Query
    steps: tuple[Step, ...]
    allowed: float
    """Requests a minute that the API allows."""
    route: RouteName = "query"
    """What was asked for."""
    complete_until: datetime | None = None
    """Until when the jobs' data is complete; None where that was not asked for, or is not known."""

    @property
    def hits(self) -> int:
        """Matching conversations, including those carried in from an earlier window."""
        return sum(step.hits for step in self.steps)

    @property
    def requests(self) -> int:
        """Requests for pages and proofs, without those for names, which are a few dozen at most."""
        return sum(step.requests for step in self.steps)

    @property
    def requests_by_query(self) -> int:
        """If the details query read every window."""
        return sum(step.by_query for step in self.steps)

    @property
    def jobs(self) -> int:
        """Windows that a job would read."""
        return sum(step.route == "jobs" for step in self.steps)

    @property
    def length(self) -> timedelta:
        """At the rate limit: full minutes to wait through, and a few seconds for the last requests, and for jobs."""
        waiting = timedelta(seconds=SECONDS_OF_A_JOB * -(-self.jobs // JOBS_AT_A_TIME_DEFAULT))
        return max(self.length_of(self.requests), waiting)

    def length_of(self, requests: int) -> timedelta:
        """What so many requests take at the rate limit."""
        minutes_to_wait = max(0, -(-requests // max(1, int(self.allowed))) - 1)
        return timedelta(seconds=minutes_to_wait * RATE_WINDOW_S + 5)

    def as_json(self) -> Mapping[str, Any]:
        """The plan for programs."""
        return {
            "interval": str(self.query.interval),
            "hits": self.hits,
            "requests": self.requests,
            "seconds": self.length.total_seconds(),
            "allowedPerMinute": self.allowed,
            "route": self.route,
            "requestsByQuery": self.requests_by_query,
            "jobsCompleteUntil": text(self.complete_until) if self.complete_until is not None else None,
            "windows": [
                {
                    "interval": str(step.window),
                    "hits": step.hits,
                    "requests": step.requests,
                    "provisional": step.provisional,
                    "route": step.route,
                    "requestsByQuery": step.by_query,
                    "requestsByJobs": step.by_jobs,
                }
                for step in self.steps
            ],
        }


def plan(client: Client, query: Query, *, page_size: int, route: RouteName = "query") -> Plan:
    """Count every window, and split windows as an export would.

    Args:
        client: the way into the org.
        query: what would be exported.
        page_size: of the details query.
        route: see `setup.Options`; with jobs or auto, one request more asks until when the jobs' data is complete.

    Raises:
        EverycallError: whatever the client and the query raise.
    """
    now = client.clock.utc()
    complete_until = _complete_until(client, route)
    seam = start_of_day(complete_until) if route == "auto" and complete_until is not None else None
    steps: list[Step] = []

    def counted(reading: CountReading) -> None:
        if reading.instead is None:
            steps.append(_step(reading.window, reading.hits or 0, page_size, route, seam or complete_until, now))

    def hits_max(window: Interval) -> int:
        is_for_jobs = route == "jobs" or (seam is not None and window.end <= seam)
        return JOB_HITS_DEFAULT if is_for_jobs else WINDOW_HITS_DEFAULT

    todo = [piece for window in windows(query, now) for piece in cut_at(seam, window)]
    counting = Counting(query, hits_max=hits_max)
    loop = Loop(client, counting, SerialExecutor(), todo, on_page=_no_page, on_end=counted, open_max=1)
    while loop.step():
        pass
    return Plan(query, tuple(steps), client.counts().allowed or RATE_PER_MINUTE, route, complete_until)


def _complete_until(client: Client, route: RouteName) -> datetime | None:
    """Until when the jobs' data is complete, as an export would ask for it."""
    if route == "query":
        return None
    try:
        return client.play(jobs.availability())
    except (AccessError, QueryError):
        if route == "jobs":
            raise
        return None


def _step(
    window: Interval, hits: int, page_size: int, route: RouteName, complete_until: datetime | None, now: datetime
) -> Step:
    """What the window would take by either route, and which of them an export would take."""
    by_query = -(-hits // page_size) + PROOF_REQUESTS
    is_complete = complete_until is not None and window.end <= complete_until
    by_jobs = requests_by_jobs(hits)
    takes_jobs = route == "jobs" or (route == "auto" and is_complete and by_jobs <= requests_by_query(hits))
    return Step(
        window,
        hits,
        by_jobs if takes_jobs else by_query,
        is_provisional(window, now),
        "jobs" if takes_jobs else "query",
        by_query,
        by_jobs if is_complete else None,
    )


def _no_page(_reading: CountReading, _page: FoundPage) -> None:
    """Do nothing: a count has no pages."""
