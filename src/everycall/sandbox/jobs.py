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
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

from everycall.sandbox.answers import Answer, ApiError, Request, bad_request, not_found
from everycall.sandbox.instants import to_text
from everycall.sandbox.oauth import Client
from everycall.sandbox.query import JobQuery, read_job_query
from everycall.sandbox.store import Scope, Selection, Store
from everycall.sandbox.traffic import FOREVER_MS

State = Literal["QUEUED", "PENDING", "FULFILLED", "FAILED", "CANCELLED", "EXPIRED"]

JOBS_KEPT = 1000
SELECTIONS_KEPT = 4

# Its Base64 begins as the captured cursor's does and then holds a plus and a slash, so that a client that does not
# percent-encode it is found out.
_CURSOR = b"cursor_v2\xfb\xff\xbf"


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
    """A job: what it asks, who and when."""

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
    """

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._seed = seed
        self._submitted = 0
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._selections: OrderedDict[str, Selection] = OrderedDict()

    def submit(self, request: Request, client: Client, unseen: Collection[str], fate: Fate) -> Answer:
        """The answer to a submission: the new job's id."""
        switches, now_ms = self._store.switches, self._store.now_ms
        asked = read_job_query(request.body, switches)
        running = sum(job.client is client and job.is_unfinished(now_ms) for job in self._jobs.values())
        if 0 < switches.jobs_at_a_time_max <= running:
            raise ApiError(429, "too.many.requests", f"There may be {running} jobs at a time.")
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

    def status(self, client: Client, job_id: str) -> Answer:
        """A job's state, with the dates that it has by now."""
        job, now_ms = self._job(client, job_id), self._store.now_ms
        state = job.state(now_ms)
        content: dict[str, Any] = {}
        if state not in {"QUEUED", "PENDING", "CANCELLED"}:
            content["completionDate"] = to_text(job.done_ms)
        if state == "FAILED":
            content["errorMessage"] = job.fate.error_message
        content |= {
            "expirationDate": to_text(job.expires_ms),
            "state": state,
            "submissionDate": to_text(job.submitted_ms),
        }
        return Answer(self._store.switches.job_status_unfinished if job.is_unfinished(now_ms) else 200, content)

    def cancel(self, client: Client, job_id: str) -> Answer:
        """The answer to a DELETE: a job that still runs is cancelled."""
        job, now_ms = self._job(client, job_id), self._store.now_ms
        if job.is_unfinished(now_ms):
            self._jobs[job_id] = replace(job, cancelled_ms=now_ms)
        return Answer(self._store.switches.job_cancelled_status, None)

    def availability(self) -> Answer:
        """The instant before which the lake is complete."""
        return Answer(200, {"dataAvailabilityDate": without_ms(self._available_ms(self._store.now_ms))})

    def results(self, request: Request, client: Client, job_id: str, *, repeats_cursor: bool = False) -> Answer:
        """A page of results and, unless it is the last, the cursor of the next one."""
        job = self._job(client, job_id)
        size = self._page_size(request)
        start = offset(job_id, request.parameter("cursor") or "")
        state = job.state(self._store.now_ms)
        if state in {"QUEUED", "PENDING"} and self._store.switches.job_results_early != "404":
            return self._early(job)
        if state != "FULFILLED" or job.fate.loses_results:
            raise not_found()
        selection = self._selection(job)
        total = len(selection) if job.asked.limit is None else min(job.asked.limit, len(selection))
        if start > total:
            raise bad_cursor()
        stop = min(start + size, total)
        world = self._store.world
        conversations = [world.with_attributes(sketch, job.available_ms) for sketch in selection[start:stop]]
        goes_on = stop < total or repeats_cursor
        next_cursor = cursor(job_id, start if repeats_cursor else stop) if goes_on else ""
        return Answer(200, self._page(job, conversations, next_cursor))

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
        if job is None or job.client is not client:
            raise not_found()
        if self._store.switches.job_expired == "404" and job.state(self._store.now_ms) == "EXPIRED":
            raise not_found()
        return job

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


def cursor(job_id: str, at: int) -> str:
    """An opaque text that stands for a place in a job's results."""
    return base64.b64encode(_CURSOR + at.to_bytes(4, "big") + _check(job_id, at)).decode()


def offset(job_id: str, text: str) -> int:
    """The place in a job's results that a cursor stands for; none is the beginning.

    Raises:
        ApiError: 400, for a text that is no cursor of this job.
    """
    if not text:
        return 0
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    at = int.from_bytes(raw[len(_CURSOR) : len(_CURSOR) + 4], "big")
    if raw != _CURSOR + at.to_bytes(4, "big") + _check(job_id, at):
        raise bad_cursor()
    return at


def bad_cursor() -> ApiError:
    """The 400 for a cursor of nothing. The text is a guess."""
    return bad_request("The cursor is not valid.")


def _check(job_id: str, at: int) -> bytes:
    return hashlib.blake2b(f"{job_id} {at}".encode(), digest_size=4).digest()
