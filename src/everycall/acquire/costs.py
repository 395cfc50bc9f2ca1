"""What reading takes by either route, in requests and in time; the choice between them rests on it. Pure."""

from dataclasses import dataclass

from everycall.api.jobs import RESULTS_PAGE_SIZE
from everycall.api.limits import PAGE_SIZE_MAX, RATE_WINDOW_S, WINDOW_HITS_DEFAULT

JOBS_AT_A_TIME_DEFAULT = 2
"""Ours: how many jobs run at the same time, until the API names its limit."""

SECONDS_OF_A_JOB = 30.0
"""Ours: from its submission to its results. Source of the order: "seconds to minutes", developer.genesys.cloud."""

SECONDS_OF_THE_LAST = 5.0
"""Ours: what the requests of the last minute take."""

JOB_OVERHEAD = 6
"""Requests of a job's window beside its pages: two counts, the submission, two or three polls."""

PROOF_REQUESTS = 2
"""Requests of a window of the details query beside its pages: the empty one past the end, and the second count."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests, and how many jobs they are about."""

    requests: int = 0
    jobs: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """Both, one after the other."""
        return Cost(self.requests + other.requests, self.jobs + other.jobs)

    def seconds(self, allowed: float) -> float:
        """At `allowed` requests a minute: full minutes to wait through, or jobs to wait for, whichever takes longer."""
        minutes_to_wait = max(0, -(-self.requests // max(1, int(allowed))) - 1)
        jobs_s = SECONDS_OF_A_JOB * -(-self.jobs // JOBS_AT_A_TIME_DEFAULT)
        return max(minutes_to_wait * RATE_WINDOW_S, jobs_s) + SECONDS_OF_THE_LAST


def by_query(hits: int, page_size: int = PAGE_SIZE_MAX) -> Cost:
    """Of one window, by the details query."""
    return Cost(-(-hits // page_size) + PROOF_REQUESTS)


def by_job(hits: int) -> Cost:
    """Of one window, by a job."""
    return Cost(max(1, -(-hits // RESULTS_PAGE_SIZE)) + JOB_OVERHEAD, 1)


def about(hits: int, windows: int, page_size: int, job_hits: int) -> tuple[Cost, Cost]:
    """Of an export of about so many conversations in so many windows, by the query and by jobs.

    Args:
        hits: conversations in all.
        windows: the fewest that the API answers.
        page_size: of the details query.
        job_hits: conversations that one job brings at most.
    """
    queries, jobs = (max(windows, -(-hits // most)) for most in (WINDOW_HITS_DEFAULT, job_hits))
    pages, results = -(-hits // page_size), -(-hits // RESULTS_PAGE_SIZE)
    return Cost(pages + PROOF_REQUESTS * queries), Cost(results + JOB_OVERHEAD * jobs, jobs)


def are_jobs_worth_it(query: Cost, jobs: Cost, allowed: float) -> bool:
    """Whether jobs take fewer requests and less time. What the query reads within a minute, it reads sooner."""
    return jobs.requests < query.requests and jobs.seconds(allowed) < query.seconds(allowed)
