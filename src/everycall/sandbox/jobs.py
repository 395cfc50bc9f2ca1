"""The routes below `/api/v2/analytics/conversations/details/jobs`: submit, state by age, results by cursor.

    POST   .../jobs                      -> 202 {"jobId": ...}
    GET    .../jobs/{id}                 -> 200 {"expirationDate", "state", "submissionDate", ...}
    GET    .../jobs/{id}/results?cursor= -> 200 {"conversations": [...], "cursor", "dataAvailabilityDate"}
    DELETE .../jobs/{id}                 -> 204
    GET    .../jobs/availability         -> 200 {"dataAvailabilityDate": ...}

A job is a function of what it asks and when it was submitted, so that is all that is kept of it. It is
answered out of a data lake that lags: the org as it was at the lake's watermark, conversations that then
lived without their end, later ones not at all. What it says about that is `dataAvailabilityDate`.

Source: SDK 269 (`AsyncConversationQuery`, `AsyncQueryStatus`, `AsyncConversationQueryResponse`,
`DataAvailabilityResponse`), platform-client-sdk-cli (202, permissions), developer.genesys.cloud's page about
conversation detail jobs (overlap, attributes, the last page has no cursor). A captured page has a
`dataAvailabilityDate` without milliseconds and a cursor in Base64. Guesses, but for what `Switches` names:
texts of refusals, that another client's job is a 404, that cancelling what is done changes nothing, and that
the watermark moves by the second.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

from everycall.sandbox.answers import Answer, ApiError, Request, bad_request, not_found
from everycall.sandbox.instants import to_text
from everycall.sandbox.limits import too_many_requests
from everycall.sandbox.oauth import Client
from everycall.sandbox.query import JobQuery, read_job_query
from everycall.sandbox.store import Scope, Selection, Store
from everycall.sandbox.traffic import FOREVER_MS

State = Literal["QUEUED", "PENDING", "FULFILLED", "FAILED", "CANCELLED", "EXPIRED"]

JOBS_KEPT = 1000
SELECTIONS_KEPT = 4

RETRY_AFTER_S = 1
"""What a 429 says where too many jobs run. A job ends when it ends, so any number is a guess."""

# Its Base64 begins as the captured cursor's does and then holds a plus and a slash, so that a client that does not
# percent-encode it is found out.
_CURSOR = b"cursor_v2\xfb\xff\xbf"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a job's results."""

    start: int
    """How many conversations come before it."""
    is_empty: bool = False
    """Whether a page without conversations comes first."""

    def packed(self) -> bytes:
        """The place as four bytes."""
        return (self.start << 1 | self.is_empty).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Fate:
    """What a fault does to a job."""

    state: State | None = None
    """Where it ends instead of FULFILLED; PENDING is for ever."""
    loses_results: bool = False
    """Its results are a 404 though it is FULFILLED."""
    takes_s: float | None = None
    """How long it takes; None is as always."""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its query, its client and its times."""

    job_id: str
    client: Client
    asked: JobQuery
    submitted_ms: int
    done_ms: int
    expires_ms: int
    available_ms: int
    """The lake's watermark."""
    unseen: Collection[str]
    fate: Fate
    cancelled_ms: int = FOREVER_MS
    deleted_ms: int = FOREVER_MS
    """When a DELETE came to it though it was finished."""

    def state(self, now_ms: int) -> State:
        """The state as of an instant."""
        if self.cancelled_ms <= now_ms:
            return "CANCELLED"
        if now_ms < self.submitted_ms + (self.done_ms - self.submitted_ms) // 3:
            return "QUEUED"
        if now_ms < self.done_ms:
            return "PENDING"
        if self.fate.state is not None:
            return self.fate.state
        return "FULFILLED" if now_ms < self.expires_ms else "EXPIRED"

    def is_unfinished(self, now_ms: int) -> bool:
        """Whether it still runs."""
        return self.state(now_ms) in {"QUEUED", "PENDING"}


class Jobs:
    """The jobs of all clients; the last 1,000.

    Args:
        store: what there is.
        seed: of the jobs' ids.
        clock: seconds as clients feel them, for the limit of submissions in a second.
    """

    def __init__(self, store: Store, seed: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._seed = seed
        self._clock = clock
        self._submissions: dict[str, deque[float]] = {}
        self._used: OrderedDict[str, set[str]] = OrderedDict()
        self._submitted = 0
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._selections: OrderedDict[str, Selection] = OrderedDict()

    def submit(self, request: Request, client: Client, unseen: Collection[str], fate: Fate) -> Answer:
        """The answer to a submission: the new job's id."""
        switches, now_ms = self._store.switches, self._store.now_ms
        asked = read_job_query(request.body, switches)
        self._check_limits(client, now_ms)
        self._submitted += 1
        takes_s = switches.job_takes_s if fate.takes_s is None else fate.takes_s
        done_ms = now_ms + int(takes_s * 1000)
        job = Job(
            job_id=self._id(self._submitted),
            client=client,
            asked=asked,
            submitted_ms=now_ms,
            done_ms=done_ms,
            expires_ms=done_ms + int(switches.job_expires_s * 1000),
            available_ms=self._available_ms(now_ms),
            unseen=unseen,
            fate=fate,
        )
        self._jobs[job.job_id] = job
        while len(self._jobs) > JOBS_KEPT:
            self._jobs.popitem(last=False)
        return Answer(202, {"jobId": job.job_id})

    def _check_limits(self, client: Client, now_ms: int) -> None:
        """Counts a submission, and refuses one too many: with a 429 that names the limit of jobs that is exceeded."""
        switches = self._store.switches
        running = sum(job.client is client and job.is_unfinished(now_ms) for job in self._jobs.values())
        if 0 < switches.jobs_at_a_time_max <= running:
            raise too_many_requests(RETRY_AFTER_S, limit("details.jobs.concurrent.access.max", running))
        recent = self._submissions.setdefault(client.client_id, deque())
        now_s = self._clock()
        while recent and recent[0] <= now_s - 1:
            recent.popleft()
        if 0 < switches.jobs_per_second_max <= len(recent):
            raise too_many_requests(1, limit("details.jobs.rate.per.second", switches.jobs_per_second_max))
        recent.append(now_s)

    def status(self, client: Client, job_id: str) -> Answer:
        """A job's state, with the dates that it has by now."""
        job, now_ms = self._job(client, job_id), self._store.now_ms
        state = job.state(now_ms)
        content: dict[str, Any] = {}
        if state not in {"QUEUED", "PENDING", "CANCELLED"}:
            content["completionDate"] = to_text(job.done_ms)
        if state == "FAILED":
            content["errorMessage"] = job.fate.error_message
        if self._store.switches.job_expiration_date == "always" or state == "EXPIRED":
            content["expirationDate"] = to_text(job.expires_ms)
        content |= {"state": state, "submissionDate": to_text(job.submitted_ms)}
        return Answer(self._store.switches.job_status_unfinished if job.is_unfinished(now_ms) else 200, content)

    def cancel(self, client: Client, job_id: str) -> Answer:
        """The answer to a DELETE: a job that still runs is cancelled; of what is finished a switch decides."""
        job, now_ms = self._job(client, job_id), self._store.now_ms
        if job.is_unfinished(now_ms):
            self._jobs[job_id] = replace(job, cancelled_ms=now_ms)
        elif self._store.switches.job_finished_deleted != "stays":
            self._jobs[job_id] = replace(job, deleted_ms=now_ms)
        return Answer(self._store.switches.job_cancelled_status, None)

    def availability(self) -> Answer:
        """The instant before which the lake is complete."""
        return Answer(200, {"dataAvailabilityDate": without_ms(self._available_ms(self._store.now_ms))})

    def results(self, request: Request, client: Client, job_id: str, *, repeats_cursor: bool = False) -> Answer:
        """A page of results and, unless it is the last, the cursor of the next one."""
        job = self._job(client, job_id)
        size = self._page_size(request)
        asked = request.parameter("cursor") or ""
        place = place_of(job_id, asked)
        state = job.state(self._store.now_ms)
        if state in {"QUEUED", "PENDING"} and self._store.switches.job_results_early != "404":
            return self._early(job)
        if state != "FULFILLED" or not self._has_results(job):
            raise not_found()
        self._check_cursor(job, asked, place.start, size)
        selection = self._selection(job)
        total = len(selection) if job.asked.limit is None else min(job.asked.limit, len(selection))
        if place.start > total:
            raise bad_cursor()
        stop = place.start if place.is_empty else min(place.start + size, total)
        world = self._store.world
        conversations = [world.with_attributes(sketch, job.available_ms) for sketch in selection[place.start : stop]]
        next_cursor = asked or cursor(job_id, Place(0)) if repeats_cursor else self._next(job_id, place, stop, total)
        return Answer(200, self._page(job, conversations, next_cursor))

    def _has_results(self, job: Job) -> bool:
        """Whether the results of a finished job are there: not lost, not deleted, and not late."""
        late_until_ms = job.done_ms + int(self._store.switches.job_results_late_s * 1000)
        return not job.fate.loses_results and job.deleted_ms == FOREVER_MS and self._store.now_ms >= late_until_ms

    def _check_cursor(self, job: Job, asked: str, start: int, size: int) -> None:
        """Refuses a page beyond the limit of results, and a cursor that comes again where a switch says so."""
        switches = self._store.switches
        reached = start + (size if switches.results_limit == "last row" else 1)
        if 0 < switches.job_results_max < reached:
            raise bad_request(f"Pagination may not exceed {switches.job_results_max} results.", switches.limit_code)
        if switches.job_cursor == "again":
            return
        used = self._used.setdefault(job.job_id, set())
        self._used.move_to_end(job.job_id)
        while len(self._used) > JOBS_KEPT:
            self._used.popitem(last=False)
        if not asked:
            used.clear()  # the results are begun anew
        if asked in used:
            raise bad_cursor()
        used.add(asked)

    def _next(self, job_id: str, place: Place, stop: int, total: int) -> str:
        """The cursor of the next page; none after the last."""
        if stop >= total:
            return ""
        is_empty = self._store.switches.job_empty_pages and not place.is_empty
        return cursor(job_id, Place(stop, is_empty))

    def _page(self, job: Job, conversations: list[dict[str, Any]], next_cursor: str) -> dict[str, Any]:
        """The body of a page; the last one has no cursor."""
        form = self._store.switches.job_empty_results
        content: dict[str, Any] = {}
        if conversations or form == "empty list":
            content["conversations"] = conversations
        if next_cursor:
            content["cursor"] = next_cursor
        return (
            content
            if not content and form == "{}"
            else {**content, "dataAvailabilityDate": without_ms(job.available_ms)}
        )

    def _early(self, job: Job) -> Answer:
        if self._store.switches.job_results_early == "400":
            raise bad_request("The job is not finished yet.")
        return Answer(200, {"dataAvailabilityDate": without_ms(job.available_ms)})

    def _job(self, client: Client, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or job.client is not client or not self._is_known(job):
            raise not_found()
        return job

    def _is_known(self, job: Job) -> bool:
        """Whether the job can be asked for yet, and still."""
        switches, now_ms = self._store.switches, self._store.now_ms
        if now_ms < job.submitted_ms + int(switches.job_unknown_s * 1000):
            return False
        if switches.job_finished_deleted == "gone" and job.deleted_ms <= now_ms:
            return False
        return switches.job_expired != "404" or job.state(now_ms) != "EXPIRED"

    def _selection(self, job: Job) -> Selection:
        selection = self._selections.get(job.job_id)
        if selection is None:
            selection = self._store.select_overlapping(
                job.asked.query,
                job.available_ms,
                Scope(job.client.division_ids, job.unseen),
                only_by_start_day=job.asked.start_of_day_interval_matching,
            )
            self._selections[job.job_id] = selection
            while len(self._selections) > SELECTIONS_KEPT:
                self._selections.popitem(last=False)
        self._selections.move_to_end(job.job_id)
        return selection

    def _available_ms(self, now_ms: int) -> int:
        return (now_ms - int(self._store.switches.data_lake_lag_s * 1000)) // 1000 * 1000

    def _page_size(self, request: Request) -> int:
        switches = self._store.switches
        given = request.parameter("pageSize")
        if not given:
            return min(switches.job_page_size, switches.job_page_size_max)
        if not given.isascii() or not given.isdigit() or int(given) < 1:
            raise bad_request("pageSize must be a whole number of at least 1.")
        if int(given) > switches.job_page_size_max and switches.job_page_size_over_limit == "refuse":
            raise bad_request(f"Page size may not exceed {switches.job_page_size_max}.")
        return min(int(given), switches.job_page_size_max)

    def _id(self, number: int) -> str:
        digits = hashlib.sha256(f"{self._seed} job {number}".encode()).hexdigest()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def without_ms(instant_ms: int) -> str:
    """The instant as the lake writes it: `2026-01-05T09:30:00Z`."""
    return to_text(instant_ms)[:-5] + "Z"


def cursor(job_id: str, place: Place) -> str:
    """An opaque text that stands for a place in a job's results."""
    return base64.b64encode(_CURSOR + place.packed() + _check(job_id, place)).decode()


def place_of(job_id: str, text: str) -> Place:
    """The place in a job's results that a cursor stands for; without a cursor the beginning.

    Raises:
        ApiError: 400, for a text that is no cursor of this job.
    """
    if not text:
        return Place(0)
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    number = int.from_bytes(raw[len(_CURSOR) : len(_CURSOR) + 4], "big")
    place = Place(number >> 1, bool(number & 1))
    if raw != _CURSOR + place.packed() + _check(job_id, place):
        raise bad_cursor()
    return place


def limit(key: str, value: int) -> dict[str, Any]:
    """The limit that a 429 names. Source: SDK 269, `Limit`; that the namespace is `analytics` is a guess."""
    return {"key": key, "namespace": "analytics", "value": value}


def bad_cursor() -> ApiError:
    """The 400 for a cursor that stands for no place. The text is a guess."""
    return bad_request("The cursor is not valid.")


def _check(job_id: str, place: Place) -> bytes:
    return hashlib.blake2b(f"{job_id} {place.start} {place.is_empty}".encode(), digest_size=4).digest()
