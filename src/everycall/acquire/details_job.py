"""The route of details jobs: a job for each window, read by cursor, a thousand conversations a page. Pure.

    count -> submit -> status, again and again -> results, page after page -> count -> verdict

A job says nothing about how many conversations there are, so the details query counts the window before and after. The
window is *proven* where

- the data lake was complete up to the end of the window, before the job was submitted and after its results came, and
- the query counts the same before and after, and as many different conversations came.

Both ask by the rule of the start day, so that they return the same. Where a job of whole UTC days returns what started
earlier, it has not kept that rule, and one of those could stand for one that is missing: the window is not proven.

Where the numbers differ, the job is submitted once more. Where they still do, or jobs fail again and again, the window
is unproven, with the numbers; or, where `DetailsJobs.falls_back`, the details query reads it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, Protocol

from everycall.acquire.costs import JOBS_AT_A_TIME_DEFAULT, by_job, by_query
from everycall.acquire.details_query import ATTEMPTS_ON_TIMEOUT, DetailsQuery, found_page
from everycall.acquire.part import Place
from everycall.acquire.proof import Verdict, distinct
from everycall.acquire.route import Ask, FoundPage, TooSlow
from everycall.acquire.windows import halves, split
from everycall.api import details_query, jobs
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
from everycall.api.limits import PAGE_SIZE_MAX
from everycall.api.query import Interval, Query
from everycall.instants import DAY, since_epoch_ms, start_of_day, text

JOB_HITS_DEFAULT = 80_000
"""Ours: a window of several days that holds as many is split: results were once capped at 100,000 for the query and at
400,000 for jobs, and nobody knows what holds today."""

JOB_HITS_AIM = 3 / 4
"""Ours: of that, how much the pieces are to hold. Days are not alike, and a piece that is split again costs a count."""

POLL_FIRST, POLL_MAX = timedelta(seconds=2), timedelta(seconds=30)
"""The waits between polls grow by half, from the first to the longest. Source: jobs take 3 s (estuary/connectors)."""

EARLY = timedelta(seconds=60)
"""A 404 within so long after the POST, or after FULFILLED, is taken to pass. Source: two public exporters ask again."""

HALVED_MIN = timedelta(hours=1)
"""Ours: a window that short is not halved because of its results. No org has more in an hour than a job may return; so
the API returned what started in the rest of the day, too, and a shorter window would return it again."""

JOB_PATIENCE = timedelta(minutes=30)
"""Ours: a job that runs for longer is cancelled. A public Airflow operator waits as long."""

LIMIT_PATIENCE = timedelta(minutes=30)
"""Ours: how long to wait for the limit of jobs to let one of ours in."""

READINGS_MAX = 2
"""Ours: how often a job is read whose numbers do not agree with the counts."""

Step = Literal["count", "submit", "status", "results", "availability", "cancel", "recount"]


@dataclass(frozen=True, slots=True)
class Noted:
    """A job that was submitted."""

    job_id: str
    complete_before: datetime | None
    """Until when the data lake was complete before that."""


@dataclass(frozen=True, slots=True)
class NotedPage:
    """A page of a job's results, as it came."""

    content: bytes
    is_zipped: bool


class Notes(Protocol):
    """Which jobs are under way and how far they are read, kept where a later process finds it."""

    def job(self, window: Interval) -> Noted | None:
        """The window's job, where one is known. To be called once, before a part of the window is begun."""
        ...

    def keep(self, window: Interval, job: Noted) -> None:
        """The window has this job, and no page of it was read."""
        ...

    def add_page(self, window: Interval, page: NotedPage, *, is_in_part: bool) -> None:
        """The next page of the job came. `is_in_part`: it will be the next page of the window's part."""
        ...

    def pages(self, window: Interval) -> Iterator[NotedPage]:
        """The first pages of the job `job` found, in order, as far as they are whole; from now on they do not count."""
        ...

    def drop(self, window: Interval) -> None:
        """It has none any more."""
        ...


class NoNotes:
    """Keeps nothing."""

    def job(self, window: Interval) -> Noted | None:  # noqa: ARG002 - the same for all
        """None is known."""
        return None

    def keep(self, window: Interval, job: Noted) -> None:
        """Nothing is kept."""

    def add_page(self, window: Interval, page: NotedPage, *, is_in_part: bool) -> None:
        """Nothing is kept."""

    def pages(self, window: Interval) -> Iterator[NotedPage]:  # noqa: ARG002 - the same for all
        """None is kept."""
        return iter(())

    def drop(self, window: Interval) -> None:
        """Nothing was kept."""


@dataclass(frozen=True, slots=True)
class JobAsk:
    """One question about a window or its job."""

    step: Step
    query: Query
    window: Interval
    job_id: str = ""
    cursor: str = ""
    page_size: int | None = None
    not_before: datetime | None = None
    noted: NotedPage | None = None
    """A page that an earlier process has kept: it need not be asked for."""
    falls_back: bool = False
    """Whether a refusal is an answer: `jobs.Unusable`."""

    @property
    def is_page(self) -> bool:
        """Whether it asks for a page of results."""
        return self.step == "results" and self.noted is None

    def exchange(self) -> Exchange[object]:
        """What asks it; see `api.jobs`."""
        asked = self._exchange()
        return jobs.or_unusable(asked) if self.falls_back and self.step not in ("count", "recount") else asked

    def _exchange(self) -> Exchange[object]:
        match self.step:
            case "submit":
                return jobs.submit(self.query, self.window)
            case "status":
                return jobs.status(self.job_id)
            case "results":
                asked = jobs.results(self.job_id, self.cursor, self.page_size)
                return asked if self.noted is None else _answered(self.noted)
            case "availability":
                return jobs.availability()
            case "cancel":
                return jobs.cancel(self.job_id)
            case "count" | "recount":
                can_be_halved = len(halves(self.window)) > 1
                attempts = ATTEMPTS_ON_TIMEOUT if can_be_halved else None
                return details_query.answer(self.query, self.window, 1, 1, attempts_on_timeout=attempts)


def pieces_for_jobs(window: Interval, hits: int, hits_max: int = JOB_HITS_DEFAULT) -> list[Interval]:
    """The windows that a job each reads instead of this one; `[window]` if it need not be split."""
    if hits < hits_max or window.length <= DAY:
        return [window]
    return split(window, hits, max(1, int(hits_max * JOB_HITS_AIM)))


def _answered(page: NotedPage) -> Exchange[Response]:
    """The answer that brought the page, without a request."""
    answer = Response(200, {"content-encoding": "gzip"} if page.is_zipped else {}, page.content)
    return replace(answer, decoded=ResultsHead.decode(answer.body))
    yield  # it makes this an exchange


class JobReading:
    """A window read by a job; see `route.WindowReading`. One question at a time: a job cannot be read in parallel."""

    route = "jobs"

    def __init__(self, route: "DetailsJobs", window: Interval) -> None:
        """Nothing is asked yet."""
        self.window = window
        self.verdict: Verdict | None = None
        self.instead: list[Interval] | None = None
        self.counted_at: datetime | None = None
        self.has_begun = False
        self._jobs = route
        self._step: Step = "count"
        self._not_before: datetime | None = None
        self._is_asking = False
        self._begins_at_midnight = window.start == start_of_day(window.start)
        self._hits_before = 0
        self._correlation_ids: tuple[str, ...] = ()
        self._limited_since: datetime | None = None
        self._wait = POLL_FIRST
        # of the present job
        self._job_id = ""
        self._submitted_at: datetime | None = None
        self._fulfilled_at: datetime | None = None
        self._complete_before: datetime | None = None
        self._failures = 0
        self._reason = ""
        self._restarts = 0
        self._noted: Iterator[NotedPage] | None = None
        """Pages that an earlier process has kept, while they are read."""
        # of the present pass through its results
        self._pass = 0
        self._readings = 0
        self._cursor = ""
        self._cursors: set[str] = set()
        self._ids = bytearray()
        self._earlier = 0
        """Conversations that started before the window, which begins at midnight."""
        self._rows = 0
        self._complete_after: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self.verdict is not None or self.instead is not None

    @property
    def covered(self) -> float:
        """How much of the window is read, by its conversations."""
        return min(1.0, self._rows / max(1, self._hits_before)) if self.has_begun else 0.0

    def next_ask(self, *, may_page: bool = True) -> Ask | None:
        """The next question; None while an answer is awaited, or while enough jobs run."""
        step = self._step
        if self._is_asking or self.is_done or (step == "results" and not may_page):
            return None
        if step == "submit":
            if not self._jobs.may_submit():
                return None
            self._jobs.submitting += 1
            self._complete_before = self._jobs.complete_until
        self._is_asking = True
        ask = JobAsk(
            step,
            self._jobs.query,
            self.window,
            self._job_id,
            self._cursor,
            self._jobs.page_size,
            self._not_before,
            falls_back=self._jobs.falls_back,
        )
        return replace(ask, noted=self._next_noted()) if step == "results" else ask

    def take(self, ask: Ask, answer: object, asked_at: datetime) -> FoundPage | None:
        """Take in an answer of `JobAsk`."""
        if not isinstance(ask, JobAsk):
            raise TypeError(f"{ask} is not a request of this route")
        self._is_asking = False
        self._not_before = None
        if ask.step == "submit":
            self._jobs.submitting -= 1
        if not self.is_done:
            return self._take(ask, answer, asked_at)
        if isinstance(answer, Submitted):  # it was stopped meanwhile: the job is to be cancelled
            self._jobs.begun(self.window, answer.job_id, None)
        return None

    def _take(self, ask: JobAsk, answer: object, asked_at: datetime) -> FoundPage | None:
        if isinstance(answer, Unusable):
            self._jobs.turn_off(answer.reason)
            self._leave_to_query()
        elif isinstance(answer, TooSlow):
            self._halve(answer.reason)
        elif ask.step in ("count", "recount"):
            self._take_count(ask, answer, asked_at)
        elif ask.step == "submit":
            self._take_submitted(answer, asked_at)
        elif ask.step == "status":
            self._take_status(answer, asked_at)
        elif ask.step == "results":
            return self._take_results(ask, answer, asked_at)
        elif ask.step == "availability":
            self._complete_after = answer if isinstance(answer, datetime) else None
            self._step = "recount"
        else:
            self._jobs.over(self._job_id)
            self._failed(self._reason)
        return None

    # Counts

    def _take_count(self, ask: JobAsk, answer: object, asked_at: datetime) -> None:
        counted = details_query.hits(answer.decoded) if isinstance(answer, Response) else 0
        self.counted_at = asked_at
        if isinstance(answer, Response) and answer.correlation_id:
            self._correlation_ids = (*self._correlation_ids[-1:], answer.correlation_id)
        if ask.step == "recount":
            self._judge(counted)
            return
        self._hits_before = counted
        pieces = pieces_for_jobs(self.window, counted, self._jobs.hits_max)
        self.instead = pieces if pieces != [self.window] else None
        if self.instead is None and self._jobs.is_dearer(counted):
            self._leave_to_query()
        elif self.instead is None:
            self._begin()

    def _judge(self, hits_after: int) -> None:
        self._readings += 1
        unique = distinct(self._ids)
        agrees = self._hits_before == hits_after == unique and not self._earlier
        incomplete = self._incomplete()
        if agrees and not incomplete:
            self._end(hits_after, "")
        elif self._readings >= READINGS_MAX or (incomplete and not self._is_complete_now()):
            self._give_up(incomplete or self._difference(hits_after, unique), hits_after)
        else:
            self._hits_before = hits_after
            self._submit_again()

    def _is_complete_now(self) -> bool:
        """Whether a job that is submitted now would be complete; one of an earlier process may not have been."""
        until = self._jobs.complete_until
        return until is not None and until >= self.window.end

    def _incomplete(self) -> str:
        """Why the job may have been incomplete; empty where the lake was complete up to the end of the window."""
        dates = (self._complete_before, self._complete_after)
        if any(date is None for date in dates):
            return "the API does not say until when the jobs' data is complete"
        earliest = min(date for date in dates if date is not None)
        if earliest < self.window.end:
            return f"the jobs' data is complete until {text(earliest)} only, which is before the end of the window"
        return ""

    def _difference(self, hits_after: int, unique: int) -> str:
        if self._earlier:
            return f"the job brought {self._earlier:,} that started before its days, which the query does not count"
        return (
            f"the query counts {self._hits_before:,} before and {hits_after:,} after, "
            f"and the job brought {unique:,} different ones"
        )

    # The life of a job

    def _begin(self) -> None:
        """Go on with the job that an earlier process has noted, or submit one."""
        known = self._jobs.notes.job(self.window)
        if known is None:
            self._step = "submit"
            return
        self._job_id, self._step = known.job_id, "status"
        self._submitted_at, self._complete_before = None, known.complete_before
        self._noted = self._jobs.notes.pages(self.window)
        self._jobs.begun(self.window, known.job_id, known.complete_before)

    def _next_noted(self) -> NotedPage | None:
        """The next page that an earlier process has kept; after the last one, the job goes on from its cursor."""
        page = next(self._noted, None) if self._noted is not None else None
        if page is None:
            self._noted = None
        return page

    def _take_submitted(self, answer: object, asked_at: datetime) -> None:
        if isinstance(answer, Submitted):
            self._limited_since, self._wait = None, POLL_FIRST
            self._job_id, self._submitted_at, self._step = answer.job_id, asked_at, "status"
            self._jobs.begun(self.window, answer.job_id, self._complete_before)
            self._ask_later(asked_at)
        elif isinstance(answer, LimitMet):
            self._jobs.learn(answer)
            self._limited_since = self._limited_since or asked_at
            self._ask_later(asked_at)
            if asked_at - self._limited_since > LIMIT_PATIENCE:
                self._give_up(f"the API let no job in for {LIMIT_PATIENCE} ({answer.key})")
        elif isinstance(answer, Refused):
            self._halve(f"the API refused the job: {answer.reason}")

    def _ask_later(self, asked_at: datetime) -> None:
        self._not_before = asked_at + self._wait
        self._wait = min(POLL_MAX, self._wait * 3 / 2)

    def _take_status(self, answer: object, asked_at: datetime) -> None:
        if isinstance(answer, NotFound):
            if self._submitted_at is not None and asked_at - self._submitted_at < EARLY:
                self._ask_later(asked_at)
            else:
                self._lost()
        elif isinstance(answer, Status):
            self._take_state(answer, asked_at)

    def _take_state(self, status: Status, asked_at: datetime) -> None:
        self._submitted_at = self._submitted_at or asked_at
        if status.state is State.FULFILLED:
            self._jobs.over(self._job_id)
            self._fulfilled_at = asked_at
            self._restarts = 0
            self._start_reading()
        elif status.state.is_over:
            self._jobs.over(self._job_id)
            self._failed(f"the job ended as {status.state.value}{': ' + status.message if status.message else ''}")
        elif asked_at - self._submitted_at > JOB_PATIENCE:
            self._reason = f"the job was {status.state_text} for longer than {JOB_PATIENCE}"
            self._step = "cancel"
        else:
            self._ask_later(asked_at)

    def _lost(self) -> None:
        """The job is not there any more. One of an earlier process may well have expired: that is no failure."""
        self._jobs.over(self._job_id)
        if self._submitted_at is None:
            self._submit_again()
        else:
            self._failed("the job and its results were not found")

    def _failed(self, reason: str) -> None:
        """Submit the job once more, and after that smaller ones."""
        self._failures += 1
        if self._failures == 1:
            self._submit_again()
        elif self.window.length > DAY:
            self._halve(reason)
        else:
            self._give_up(f"{reason}, {self._failures} times")

    def _submit_again(self) -> None:
        self._jobs.done_with(self._job_id)
        self._noted = None
        self._job_id, self._step, self._wait = "", "submit", POLL_FIRST

    # Results

    def _start_reading(self) -> None:
        self._pass += 1
        self._step, self._cursor = "results", ""
        self._cursors.clear()
        self._ids.clear()
        self._earlier = 0
        self._rows, self._complete_after, self._wait = 0, None, POLL_FIRST

    def _take_results(self, ask: JobAsk, answer: object, asked_at: datetime) -> FoundPage | None:
        if isinstance(answer, NotFound):
            if asked_at - (self._fulfilled_at or asked_at) < EARLY:
                self._ask_later(asked_at)
            else:
                self._lost()
        elif isinstance(answer, Refused):
            self._take_refused(ask, answer)
        elif isinstance(answer, Response):
            return self._take_page(ask, answer)
        return None

    def _take_refused(self, ask: JobAsk, answer: Refused) -> None:
        cap, size = answer.results_max, ask.page_size
        if cap is not None and not ask.cursor and size is not None and size > max(1, cap):
            self._jobs.page_size = max(1, cap)  # the first page alone may be too much
        elif cap is not None:
            self._halve(f"the API pages through {cap:,} results of a job only")
        elif not ask.cursor and size is not None:  # pages may have to be smaller: leave it to the API
            self._jobs.page_size = None
        else:
            self._read_again(f"the API refused a page of results: {answer.reason}")

    def _read_again(self, reason: str) -> None:
        """From the first page, once; then the job has failed."""
        self._restarts += 1
        if self._restarts == 1:
            self._noted = None
            self._jobs.notes.keep(self.window, Noted(self._job_id, self._complete_before))
            self._start_reading()
        else:
            self._failed(reason)

    def _take_page(self, ask: JobAsk, answer: Response) -> FoundPage | None:
        head: ResultsHead = answer.decoded
        if head.cursor and (head.cursor == ask.cursor or head.cursor in self._cursors):
            self._read_again("a page of the job's results gave a cursor that was used before")
            return None
        self._cursors.add(head.cursor)
        self._cursor = head.cursor
        self._complete_after = head.available_until or self._complete_after
        self._jobs.learn_complete(head.available_until)
        if not head.cursor:
            self._step = "recount" if self._complete_after is not None else "availability"
        has_rows = bool(head.page.conversations or head.page.dropped)
        self._jobs.notes.add_page(self.window, NotedPage(answer.content, answer.is_zipped), is_in_part=has_rows)
        return self._found(answer, head) if has_rows else None

    def _found(self, answer: Response, head: ResultsHead) -> FoundPage:
        page = found_page(self._pass, answer, head.page, partial(self._jobs.place, self.window))
        self._ids += b"".join(one.id for one in page.found)
        if self._begins_at_midnight:
            first_ms = since_epoch_ms(self.window.start)
            self._earlier += sum(one.start_ms is not None and one.start_ms < first_ms for one in page.found)
        self._rows += len(page.found)
        self.has_begun = True
        return page

    # Ends

    def _halve(self, reason: str) -> None:
        """Read halves of the window instead."""
        pieces = halves(self.window)
        if self._jobs.falls_back and self.window.length <= DAY:
            self._leave_to_query()
        elif len(pieces) == 1 or self.window.length <= HALVED_MIN:
            self._give_up(reason)
        else:
            self._jobs.done_with(self._job_id)
            self.instead = pieces

    def _give_up(self, reason: str, hits_after: int | None = None) -> None:
        if self._jobs.falls_back:
            self._leave_to_query()
        else:
            self._end(self._hits_before if hits_after is None else hits_after, reason)

    def _leave_to_query(self) -> None:
        self._jobs.done_with(self._job_id)
        self._jobs.by_query.append(self.window)
        self.instead = [self.window]

    def _end(self, hits_after: int, reason: str) -> None:
        self._jobs.done_with(self._job_id)
        kept = (self._pass,) if self._pass else ()
        self.verdict = Verdict(
            not reason,
            self._hits_before,
            hits_after,
            distinct(self._ids),
            max(1, self._readings),
            kept,
            self._correlation_ids,
            reason,
        )

    def stop(self, reason: str) -> None:
        """Give up on the window as it stands; what was read is kept."""
        if not self.is_done:
            self._end(self._hits_before, reason)


READ_AT_ONCE = 2
"""Windows whose results are read while other jobs run: at 0.4 s an answer, two take all 300 requests a minute."""


class DetailsJobs:
    """The route; see `route.Route`."""

    def __init__(
        self,
        query: Query,
        *,
        complete_until: datetime | None,
        jobs_max: int = JOBS_AT_A_TIME_DEFAULT,
        hits_max: int = JOB_HITS_DEFAULT,
        page_size: int | None = RESULTS_PAGE_SIZE,
        falls_back: bool = False,
        query_page_size: int = PAGE_SIZE_MAX,
        notice: Callable[[str], None] = lambda _: None,
        notes: Notes | None = None,
        reading: Callable[["DetailsJobs", Interval], JobReading] = JobReading,
    ) -> None:
        """A way to read windows of this query.

        Args:
            query: what is asked for.
            complete_until: `jobs.availability`, asked before anything else.
            jobs_max: how many jobs may run at the same time.
            hits_max: a window of several days that holds more is split.
            page_size: conversations on a page of results; None leaves it to the API.
            falls_back: whether somebody reads the windows in `by_query` by the details query.
            query_page_size: of the details query, which decides what it would take.
            notice: is given the reason where jobs turn out not to be usable, which takes `falls_back`.
            notes: which jobs are under way.
            reading: what tests replace.
        """
        self.query, self.hits_max, self.page_size, self.falls_back = query, hits_max, page_size, falls_back
        self.complete_until = complete_until
        self.notes: Notes = notes or NoNotes()
        self.submitting = 0
        """Submissions that were not answered yet."""
        self.running: set[str] = set()
        """Ids of jobs that are not known to have ended."""
        self.by_query: list[Interval] = []
        """Windows to read by the details query: it needs fewer requests for them, or jobs did not do."""
        self.unusable = False
        """Whether the API refuses jobs: no further window is for this route."""
        self._notice, self._query_page_size = notice, query_page_size
        self._jobs_max = max(1, jobs_max)
        self._windows: dict[str, Interval] = {}
        self._reading = reading
        self._find = DetailsQuery(query)

    def read(self, window: Interval) -> JobReading:
        """Begin to read a window."""
        return self._reading(self, window)

    def fitting(self, window: Interval) -> list[Interval]:
        """The window itself."""
        return [window]

    def open_max(self, window: Interval) -> int:  # noqa: ARG002
        """Those whose jobs run, and as many whose results are read: windows of jobs are large."""
        return self._jobs_max + READ_AT_ONCE

    def find(self, day: Interval, conversation_id: str) -> Exchange[bool]:
        """Whether the details query has the conversation on that UTC day."""
        return self._find.find(day, conversation_id)

    def place(self, window: Interval, start_ms: int | None) -> Place:
        """To whom a conversation belongs that the window returned.

        A job may return whatever was active in its interval, however long ago it started.
        """
        if start_ms is not None and start_ms < since_epoch_ms(window.start):
            return "owned" if self._find.place(window, start_ms) == "owned" else "left"
        return self._find.place(window, start_ms)

    def may_submit(self) -> bool:
        """Whether one more job may run."""
        return self.submitting + len(self.running) < self._jobs_max

    def is_dearer(self, counted: int) -> bool:
        """Whether the details query needs fewer requests for a window of so many conversations."""
        return self.falls_back and by_query(counted, self._query_page_size).requests < by_job(counted).requests

    def turn_off(self, reason: str) -> None:
        """The API refuses jobs, or their routes fail: the details query reads what is left."""
        if not self.unusable:
            self.unusable = True
            self._notice(reason)

    def learn(self, limit: LimitMet) -> None:
        """The API let no further job in: no more of ours run from now on than run now."""
        if limit.key == jobs.JOBS_AT_A_TIME:
            self._jobs_max = max(1, min(self._jobs_max, len(self.running)))

    def learn_complete(self, until: datetime | None) -> None:
        """The data lake is complete up to there."""
        if until is not None and (self.complete_until is None or until > self.complete_until):
            self.complete_until = until

    def begun(self, window: Interval, job_id: str, complete_before: datetime | None) -> None:
        """A job of ours runs."""
        self.running.add(job_id)
        self._windows[job_id] = window
        self.notes.keep(window, Noted(job_id, complete_before))

    def over(self, job_id: str) -> None:
        """The job does not run any more."""
        self.running.discard(job_id)

    def done_with(self, job_id: str) -> None:
        """Nobody will ask for the job's results any more. Where it still runs, it is one of the `leftovers`."""
        window = self._windows.pop(job_id, None)
        if window is not None:
            self.notes.drop(window)

    def leftovers(self) -> list[Exchange[None]]:
        """What cancels the jobs that still run; to be asked when the export ends."""
        left = sorted(self.running)
        self.running.clear()
        for job_id in left:
            self.done_with(job_id)
        return [jobs.cancel(job_id) for job_id in left]
