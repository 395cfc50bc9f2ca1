"""The route that chooses: jobs where they are complete and worth it, the details query for the rest. Pure.

    window -> first page of the query -> few conversations: by the query, from that page on
                                      -> many: until when are jobs complete? -> cut at the seam, each by its route

The first page says how many conversations there are. Where the query reads the whole export within a minute of the
rate limit, nothing else is asked, so that a small export takes no request, no permission and no second more than by
the query alone.

The *seam* is the last midnight UTC before which the jobs' data is complete. A window before it is counted, and a job
reads it where that takes fewer requests. What starts after the seam is read by the query, and so is every window for
which jobs did not do. A window belongs to one of the two, whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from everycall.acquire.costs import Cost, about, are_jobs_worth_it, by_job, by_query
from everycall.acquire.details_job import JOB_HITS_DEFAULT, DetailsJobs, JobReading
from everycall.acquire.details_query import DetailsQuery, DetailsReading
from everycall.acquire.proof import Verdict
from everycall.acquire.route import Ask, FoundPage
from everycall.api import details_query, jobs
from everycall.api.exchange import Exchange, Response
from everycall.api.jobs import Unusable, Usable
from everycall.api.limits import SPAN_FILTERED, SPAN_UNFILTERED
from everycall.api.query import Interval
from everycall.instants import DAY, start_of_day


def cut_at(seam: datetime | None, window: Interval) -> list[Interval]:
    """The window, in two where the seam lies within."""
    if seam is None or not window.start < seam < window.end:
        return [window]
    return [Interval(window.start, seam), Interval(seam, window.end)]


@dataclass(frozen=True, slots=True)
class UsableAsk:
    """Asks whether jobs can be used, and until when they are complete."""

    is_page = False
    not_before: datetime | None = None

    def exchange(self) -> Exchange[object]:
        """See `api.jobs.usable`."""
        return jobs.usable()


class UndecidedReading:
    """A window of which the first page decides who reads it; see `route.WindowReading`.

    Until then one request is on its way: the first page, or the question about jobs.
    """

    route = "query"

    def __init__(self, auto: "AutoRoute", window: Interval) -> None:
        """Nothing is asked yet."""
        self.window = window
        self.counted_at: datetime | None = None
        self._auto = auto
        self._reading = auto.by_query.read(window)
        self._first: Ask | None = None
        """The first page, once it was asked for."""
        self._instead: list[Interval] | None = None
        self._state: Literal["first", "waits", "again", "query"] = "first"
        self._is_asking = False

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, where the query reads the window."""
        return self._reading.verdict

    @property
    def instead(self) -> list[Interval] | None:
        """Windows to read in place of this one: those of the two routes, or smaller ones of the query."""
        return self._instead if self._instead is not None else self._reading.instead

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._instead is not None or self._reading.is_done

    @property
    def covered(self) -> float:
        """How much of the window is read."""
        return self._reading.covered

    @property
    def has_begun(self) -> bool:
        """Whether a page came that counts."""
        return self._reading.has_begun

    def next_ask(self, *, may_page: bool = True) -> Ask | None:
        """The first page; then what the query asks on, or whether jobs can be used."""
        if self.is_done or (self._state in ("first", "again") and (not may_page or self._is_asking)):
            return None
        if self._state == "waits":
            return self._auto.ask_once()
        if self._state == "query":
            return self._reading.next_ask(may_page=may_page)
        self._first = self._first or self._reading.next_ask()
        self._is_asking = True
        return self._first

    def take(self, ask: Ask, answer: object, asked_at: datetime) -> FoundPage | None:
        """Take in an answer; the first page counts where the query goes on from it."""
        if isinstance(ask, UsableAsk):
            self._auto.learn(answer)
            return None
        self._is_asking = False
        if self._state == "first" and isinstance(answer, Response):
            hits = details_query.hits(answer.decoded)
            if self._auto.are_jobs_worth_it(self.window, hits):
                self._state = "waits"
                self._auto.wait(self)
                return None
        self._state = "query"
        page = self._reading.take(ask, answer, asked_at)
        self.counted_at = self._reading.counted_at
        return page

    def decide(self) -> None:
        """It is known now whether jobs can be used: leave the window to both routes, or go on by the query."""
        if self._auto.seam is not None and self.window.start < self._auto.seam:
            self._instead = cut_at(self._auto.seam, self.window)
        else:
            self._state = "again"

    def stop(self, reason: str) -> None:
        """End the reading: the window is unproven, and what was read is kept."""
        self._reading.stop(reason)


EitherReading: TypeAlias = UndecidedReading | DetailsReading | JobReading


class AutoRoute:
    """Both routes as one; see `route.Route`."""

    def __init__(
        self,
        by_query: DetailsQuery,
        by_jobs: Callable[[Usable], DetailsJobs],
        *,
        allowed: Callable[[], float],
        notice: Callable[[str], None],
        are_worth_it: Callable[[Cost, Cost, float], bool] = are_jobs_worth_it,
    ) -> None:
        """Undecided.

        Args:
            by_query: the route of the query.
            by_jobs: makes the route of jobs, once it is known that they can be used. It has to fall back.
            allowed: how many requests a minute the API allows.
            notice: is given the reason where jobs cannot be used.
            are_worth_it: decides by the costs of the whole export by the query and by jobs.
        """
        self.by_query = by_query
        self.seam: datetime | None = None
        """The last midnight UTC at or before which jobs are complete; None while that is not known, or without jobs."""
        self._make_jobs, self._allowed, self._notice, self._are_worth_it = by_jobs, allowed, notice, are_worth_it
        self._jobs: DetailsJobs | None = None
        self._waiting: list[UndecidedReading] = []
        self._is_asked = self._is_decided = False

    def fitting(self, window: Interval) -> list[Interval]:
        """The window cut at the seam, and each piece as its route takes it."""
        pieces = cut_at(self.seam, window)
        if len(pieces) > 1:
            return [one for piece in pieces for one in self.fitting(piece)]
        return [window] if self._jobs_for(window) is not None else self.by_query.fitting(window)

    def read(self, window: Interval) -> EitherReading:
        """Begin to read a window."""
        by_jobs = self._jobs_for(window)
        if by_jobs is not None:
            return by_jobs.read(window)
        return self.by_query.read(window) if self._is_decided else UndecidedReading(self, window)

    def open_max(self, window: Interval) -> int:
        """As the route that reads the window."""
        return (self._jobs_for(window) or self.by_query).open_max(window)

    def find(self, day: Interval, conversation_id: str) -> Exchange[bool]:
        """Whether the details query has the conversation on that UTC day."""
        return self.by_query.find(day, conversation_id)

    def leftovers(self) -> list[Exchange[None]]:
        """What cancels the jobs that still run."""
        return self._jobs.leftovers() if self._jobs is not None else []

    def _jobs_for(self, window: Interval) -> DetailsJobs | None:
        """The route of jobs, where it reads the window."""
        if self._jobs is None or self.seam is None or window.end > self.seam or self._jobs.unusable:
            return None
        left = self._jobs.by_query
        return None if any(one.start <= window.start and window.end <= one.end for one in left) else self._jobs

    # The decision

    def are_jobs_worth_it(self, window: Interval, hits: int) -> bool:
        """Whether jobs should read the export, if all its windows are as full as this one."""
        if self._is_decided:
            is_there = self.seam is not None and window.start < self.seam
            return is_there and by_job(hits).requests <= by_query(hits, self.by_query.page_size).requests
        query = self.by_query.query
        share = query.interval.length / max(window.length, timedelta(milliseconds=1))
        span = SPAN_FILTERED if query.filters else SPAN_UNFILTERED
        windows = max(1, -(-query.interval.length // span))
        whole = about(round(hits * share), windows, self.by_query.page_size, JOB_HITS_DEFAULT)
        return query.interval.length >= DAY and self._are_worth_it(*whole, self._allowed())

    def wait(self, reading: UndecidedReading) -> None:
        """The reading is to be decided once it is known whether jobs can be used."""
        self._waiting.append(reading)
        if self._is_decided:
            self._decide()

    def ask_once(self) -> Ask | None:
        """The question whether jobs can be used; None where it is on its way."""
        if self._is_asked:
            return None
        self._is_asked = True
        return UsableAsk()

    def learn(self, answer: object) -> None:
        """It is known whether jobs can be used."""
        if isinstance(answer, Usable):
            self.seam = start_of_day(answer.complete_until)
            self._jobs = self._make_jobs(answer)
        else:
            self._notice(answer.reason if isinstance(answer, Unusable) else "the API does not answer in time")
        self._decide()

    def _decide(self) -> None:
        self._is_decided = True
        waiting, self._waiting = self._waiting, []
        for reading in waiting:
            reading.decide()
