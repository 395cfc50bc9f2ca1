"""What reading takes by either route, in requests and in time; the choice between them rests on it. Pure."""

from dataclasses import dataclass

from everycall.api.jobs import RESULTS_PAGE_SIZE
from everycall.api.limits import PAGE_SIZE_MAX, RATE_WINDOW_S, WINDOW_HITS_DEFAULT
from everycall.pacing import IN_FLIGHT_BEST

JOBS_AT_A_TIME_DEFAULT = 2
"""Ours: how many jobs run at the same time, until the API names its limit."""

SECONDS_OF_A_JOB = 30.0
"""Ours: from its submission to its results. Source of the order: "seconds to minutes", developer.genesys.cloud."""

SECONDS_OF_THE_LAST = 5.0
"""Ours: the least that the requests of the last minute take."""

ONE_AFTER_THE_OTHER = 4
"""Requests of a window that wait for each other: the first page, the others, the empty page, the second count."""

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

    def seconds(self, allowed: float, latency_s: float = 0.0) -> float:
        """How long it takes: full minutes to wait through, or jobs to wait for, whichever takes longer.

        Args:
            allowed: requests a minute.
            latency_s: from a request to its answer. It matters in the last minute, and in every minute in which not as
                many requests can be answered as are allowed.
        """
        a_minute = max(1, int(allowed))
        minutes_to_wait = max(0, -(-self.requests // a_minute) - 1)
        minute_s = max(RATE_WINDOW_S, a_minute * latency_s / IN_FLIGHT_BEST)
        last = self.requests - minutes_to_wait * a_minute
        last_s = last * latency_s / IN_FLIGHT_BEST + ONE_AFTER_THE_OTHER * latency_s
        jobs_s = SECONDS_OF_A_JOB * -(-self.jobs // JOBS_AT_A_TIME_DEFAULT)
        return max(minutes_to_wait * minute_s, jobs_s) + max(SECONDS_OF_THE_LAST, last_s)


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
