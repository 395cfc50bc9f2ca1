"""Plans an export without exporting: one count for each window."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from everycall.acquire.auto import cut_at
from everycall.acquire.costs import Cost, about, are_jobs_worth_it, by_job, by_query
from everycall.acquire.details_job import JOB_HITS_DEFAULT, pieces_for_jobs
from everycall.acquire.details_query import Counting, CountReading
from everycall.acquire.loop import Loop
from everycall.acquire.route import FoundPage
from everycall.acquire.windows import is_provisional, split, windows
from everycall.api import jobs
from everycall.api.details_query import count
from everycall.api.interval import Interval
from everycall.api.limits import RATE_PER_MINUTE
from everycall.api.query import Query
from everycall.client import Client
from everycall.executor import SerialExecutor
from everycall.instants import DAY, start_of_day, text
from everycall.setup import RouteName


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
    """Requests by a job; None where the jobs' data is not complete yet, or jobs cannot be used."""


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
    unusable: str = ""
    """Why jobs cannot be used, though they would be worth it."""
    carried_in: int = 0
    """Hits that an export leaves out, since they began before the interval or before their window."""
    latency_s: float = 0.0
    """Seconds from a request to its answer, as the counts took."""

    @property
    def conversations(self) -> int:
        """Conversations that an export would have: those that begin in the interval."""
        return max(0, self.hits - self.carried_in)

    @property
    def hits(self) -> int:
        """What the API counts: conversations of the windows, also those that began before, on the same UTC day."""
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
        """At the rate limit: full minutes to wait through, and a few seconds for the last requests, or for jobs."""
        return self._length(Cost(self.requests, self.jobs))

    @property
    def length_by_query(self) -> timedelta:
        """If the details query read every window."""
        return self._length(Cost(self.requests_by_query))

    @property
    def by_jobs(self) -> Cost | None:
        """If jobs read every window for which they are complete, and the query the rest; None where there is none."""
        if not any(step.by_jobs is not None for step in self.steps):
            return None
        each = (Cost(step.by_query) if step.by_jobs is None else Cost(step.by_jobs, 1) for step in self.steps)
        return sum(each, Cost())

    @property
    def length_by_jobs(self) -> timedelta | None:
        """What `by_jobs` takes."""
        return self._length(self.by_jobs) if self.by_jobs is not None else None

    def _length(self, cost: Cost) -> timedelta:
        return timedelta(seconds=cost.seconds(self.allowed, self.latency_s))

    def as_json(self) -> Mapping[str, Any]:
        """The plan for programs."""
        return {
            "interval": str(self.query.interval),
            "conversations": self.conversations,
            "hits": self.hits,
            "carriedIn": self.carried_in,
            "requests": self.requests,
            "latencySeconds": round(self.latency_s, 3),
            "seconds": self.length.total_seconds(),
            "allowedPerMinute": self.allowed,
            "route": self.route,
            "requestsByQuery": self.requests_by_query,
            "secondsByQuery": self.length_by_query.total_seconds(),
            "requestsByJobs": self.by_jobs.requests if self.by_jobs is not None else None,
            "secondsByJobs": self.length_by_jobs.total_seconds() if self.length_by_jobs is not None else None,
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


def plan(client: Client, query: Query, *, page_size: int, route: RouteName = "auto") -> Plan:
    """Count every window, and split windows as an export would.

    An export by "auto" chooses by the first page of its windows, a plan by the counts of all of them: where windows are
    very unlike, an export may choose otherwise.

    Args:
        client: the way into the org.
        query: what would be exported.
        page_size: of the details query.
        route: see `setup.Options`. With jobs, or where auto finds them worth it, the API is asked until when they are
            complete.

    Raises:
        EverycallError: whatever the client and the query raise.
    """
    now = client.clock.utc()
    whole = _counted(client, query, windows(query, now))
    allowed = client.counts().allowed or RATE_PER_MINUTE
    chosen = _chosen(client, route, whole, page_size, allowed)
    counted = _split(client, query, whole, chosen.pieces)
    steps = tuple(_step(window, hits, page_size, chosen, now) for window, hits in counted)
    hits = sum(step.hits for step in steps)
    conversations = sum(hits - _carried_in(client, query, window) for window, hits in whole)
    return Plan(
        query,
        steps,
        allowed,
        route,
        chosen.complete_until,
        chosen.unusable,
        carried_in=max(0, hits - conversations),
        latency_s=client.counts().latency_s,
    )


def _carried_in(client: Client, query: Query, window: Interval) -> int:
    """How many hits of the window an export leaves to the one before: they began earlier on its first UTC day.

    What is alive both before and after an instant is alive at that instant, so it follows from three counts.
    """
    start = window.start
    midnight = start_of_day(start)
    if start == midnight or (query.match == "activity" and start == query.interval.start):
        return 0
    end = min(window.end, midnight + DAY)
    before, after, both = (
        client.play(count(query, Interval(*pair))) for pair in ((midnight, start), (start, end), (midnight, end))
    )
    return max(0, before + after - both)


Counted: TypeAlias = list[tuple[Interval, int]]


def _counted(client: Client, query: Query, todo: Iterable[Interval]) -> Counted:
    """The hits of each window; of smaller ones, where the service is too slow for it."""
    found: Counted = []

    def counted(reading: CountReading) -> None:
        if reading.instead is None:
            found.append((reading.window, reading.hits or 0))

    loop = Loop(client, Counting(query), SerialExecutor(), todo, on_page=_no_page, on_end=counted, open_max=1)
    while loop.step():
        pass
    return found


def _split(
    client: Client, query: Query, counted: Counted, pieces: Callable[[Interval, int], list[Interval]]
) -> Counted:
    """The windows that an export would read, and their hits."""
    found: Counted = []
    for window, hits in counted:
        smaller = pieces(window, hits)
        if smaller == [window]:
            found.append((window, hits))
        else:
            found += _split(client, query, _counted(client, query, smaller), pieces)
    return found


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which windows are for jobs."""

    seam: datetime | None = None
    """Windows that end by then are for jobs where these take fewer requests; None for none."""
    complete_until: datetime | None = None
    unusable: str = ""
    only_jobs: bool = False

    def has(self, window: Interval) -> bool:
        """Whether the window may be for jobs."""
        return self.only_jobs or (self.seam is not None and window.end <= self.seam)

    def pieces(self, window: Interval, hits: int) -> list[Interval]:
        """The windows that an export would read instead; `[window]` if it is one of them."""
        if self.has(window):
            return pieces_for_jobs(window, hits)
        cut = cut_at(self.seam, window)
        return cut if len(cut) > 1 else split(window, hits)


def _chosen(client: Client, route: RouteName, counted: Counted, page_size: int, allowed: float) -> _Chosen:
    """What an export would choose; by "auto", jobs are only asked for where they would be worth it."""
    if route == "jobs":
        return _Chosen(complete_until=client.play(jobs.availability()), only_jobs=True)
    hits = sum(hits for _, hits in counted)
    if route == "query" or not are_jobs_worth_it(*about(hits, len(counted), page_size, JOB_HITS_DEFAULT), allowed):
        return _Chosen()
    found = client.play(jobs.usable())
    if isinstance(found, jobs.Unusable):
        return _Chosen(unusable=found.reason)
    return _Chosen(start_of_day(found.complete_until), found.complete_until)


def _step(window: Interval, hits: int, page_size: int, chosen: _Chosen, now: datetime) -> Step:
    """What the window would take by either route, and which of them an export would take."""
    query, job = by_query(hits, page_size), by_job(hits)
    is_complete = chosen.complete_until is None or window.end <= chosen.complete_until
    takes_jobs = chosen.has(window) and (chosen.only_jobs or job.requests <= query.requests)
    return Step(
        window,
        hits,
        (job if takes_jobs else query).requests,
        is_provisional(window, now),
        "jobs" if takes_jobs else "query",
        query.requests,
        job.requests if is_complete and not chosen.unusable else None,
    )


def _no_page(_reading: CountReading, _page: FoundPage) -> None:
    """Do nothing: a count has no pages."""
