"""What has ended since an instant, whatever day it began: a details job with the filter `conversationEnd exists`.

    submit -> status, again and again -> results, page after page

A job without `startOfDayIntervalMatching` finds what was active in its interval. So a job over [since, until] returns
every conversation that ended after `since`, if the data lake was complete up to `until` when the job was submitted. The
details query cannot ask that: it only looks at conversations that started on a day that the interval touches.

Source: contract of jobs (developer.genesys.cloud, conversation details job: lifetime overlaps); a public connector
(estuary/connectors) asks jobs with `conversationEnd exists`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from everycall.acquire.details_job import EARLY, HALVED_MIN, JOB_PATIENCE, LIMIT_PATIENCE, POLL_FIRST, POLL_MAX
from everycall.acquire.windows import halves
from everycall.api import jobs
from everycall.api.details_query import Head
from everycall.api.exchange import Exchange, Response
from everycall.api.jobs import (
    RESULTS_PAGE_SIZE,
    LimitMet,
    NotFound,
    Refused,
    ResultsHead,
    State,
    Status,
    Submitted,
    Unusable,
)
from everycall.api.limits import SPAN_FILTERED
from everycall.api.oddities import instant
from everycall.api.query import Filters, Interval, Query
from everycall.client import Client

HAS_ENDED = Filters(
    {
        "conversationFilters": [
            {
                "type": "and",
                "predicates": [{"type": "dimension", "dimension": "conversationEnd", "operator": "exists"}],
            }
        ]
    }
)


class Ended(NamedTuple):
    """A conversation that has an end."""

    conversation_id: str
    start: datetime
    end: datetime


class NotSwept(Exception):
    """Jobs cannot be used, or they failed; the message is the reason."""


def available(client: Client) -> datetime:
    """The instant before which jobs are complete.

    Raises:
        NotSwept: jobs cannot be used.
        EverycallError: without a network or a login, as the client.
    """
    found = client.play(jobs.or_unusable(jobs.availability(patience_s=jobs.USABLE_PATIENCE_S)))
    if isinstance(found, Unusable):
        raise NotSwept(found.reason)
    if found is None:
        raise NotSwept("the API does not say until when their data is complete")
    return found


def ended(client: Client, filters: Filters, interval: Interval) -> Iterator[Ended]:
    """Yield every conversation that was active in the interval and has an end, perhaps more than once.

    Args:
        client: the client of the org.
        filters: which conversations.
        interval: up to what `available` returned.

    Raises:
        NotSwept: jobs cannot be used, or this one failed.
        EverycallError: without a network or a login, as the client.
    """
    start = interval.start
    while start < interval.end:
        piece = Interval(start, min(start + SPAN_FILTERED, interval.end))
        yield from _Job(client, Query(piece, filters + HAS_ENDED)).ended()
        start = piece.end


class _TooMany(Exception):
    """The API pages through fewer results than the job has."""


class _Job:
    """One job, from its submission to its last page."""

    def __init__(self, client: Client, query: Query) -> None:
        self._client, self._query = client, query
        self._page_size = RESULTS_PAGE_SIZE

    def ended(self) -> Iterator[Ended]:
        """Yield what the job finds; where that is too much, what jobs over both halves of its interval find."""
        job_id = self._submitted()
        try:
            self._wait_for(job_id)
            yield from self._results(job_id)
        except _TooMany as error:
            pieces = halves(self._query.interval)
            if self._query.interval.length <= HALVED_MIN:
                raise NotSwept(str(error)) from error
            for piece in pieces:
                yield from _Job(self._client, Query(piece, self._query.filters)).ended()
        except NotSwept:
            self._client.play(jobs.cancel(job_id))
            raise

    def _submitted(self) -> str:
        give_up_at = self._client.clock.utc() + LIMIT_PATIENCE
        while True:
            found = self._ask(jobs.submit(self._query, self._query.interval, by_start_day=False))
            if isinstance(found, Submitted):
                return found.job_id
            if isinstance(found, LimitMet) and self._client.clock.utc() < give_up_at:
                self._wait(POLL_MAX)
                continue
            reason = found.reason if isinstance(found, Refused) else "too many jobs run in the org"
            raise NotSwept(reason)

    def _wait_for(self, job_id: str) -> None:
        """Wait until the job is done."""
        begun_at, wait = self._client.clock.utc(), POLL_FIRST
        while True:
            self._wait(wait)
            wait = min(wait * 1.5, POLL_MAX)
            found = self._ask(jobs.status(job_id))
            age = self._client.clock.utc() - begun_at
            if isinstance(found, Status) and found.state is State.FULFILLED:
                return
            if isinstance(found, NotFound) and age > EARLY:
                raise NotSwept("the API does not know the job any more")
            if isinstance(found, Status) and found.state.is_over:
                raise NotSwept(f"the job ended as {found.state_text}: {found.message}".rstrip(": "))
            if age > JOB_PATIENCE:
                raise NotSwept(f"the job was not done after {JOB_PATIENCE.total_seconds() / 60:.0f} minutes")

    def _results(self, job_id: str) -> Iterator[Ended]:
        cursor, seen, give_up_at = "", {""}, self._client.clock.utc() + EARLY
        while True:
            found = self._ask(jobs.results(job_id, cursor, self._page_size))
            if isinstance(found, NotFound) and not cursor and self._client.clock.utc() < give_up_at:
                self._wait(POLL_FIRST)
                continue
            if not isinstance(found, Response):
                self._take_refused(found)
                continue
            head: ResultsHead = found.decoded
            yield from (one for one in map(_ended, head.page.conversations) if one is not None)
            if not head.cursor:
                return
            if head.cursor in seen:
                raise NotSwept("a page of the job's results gave a cursor that was used before")
            seen.add(head.cursor)
            cursor = head.cursor

    def _take_refused(self, answer: object) -> None:
        """Ask for smaller pages where the first page alone would be too much.

        Raises:
            NotSwept, _TooMany: that is not the reason.
        """
        if not isinstance(answer, Refused):
            raise NotSwept("the job's results are gone")
        if answer.results_max is None:
            raise NotSwept(answer.reason)
        if not 0 < answer.results_max < self._page_size:
            raise _TooMany(answer.reason)
        self._page_size = answer.results_max

    def _ask(self, exchange: Exchange[object]) -> object:
        found = self._client.play(jobs.or_unusable(exchange))
        if isinstance(found, Unusable):
            raise NotSwept(found.reason)
        return found

    def _wait(self, length: timedelta) -> None:
        self._client.wait_until(self._client.clock.utc() + length)


def _ended(head: Head) -> Ended | None:
    start, end = (instant(text) if text else None for text in (head.conversation_start, head.conversation_end))
    return None if start is None or end is None else Ended(head.conversation_id, start, end)
