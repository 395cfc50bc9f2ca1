"""Details jobs: submitted, polled, and read page by page through a cursor. Pure.

    POST   /api/v2/analytics/conversations/details/jobs                  -> 202 {"jobId": ...}
    GET    .../jobs/{jobId}                                              -> {"state": "QUEUED" | ... , ...}
    GET    .../jobs/{jobId}/results?cursor=...&pageSize=1000             -> {"conversations", "cursor", ...}
    DELETE .../jobs/{jobId}                                              -> no body
    GET    .../jobs/availability                                         -> {"dataAvailabilityDate": ...}

- A job reads a data lake that is hours behind, at most 48. `dataAvailabilityDate` is the instant before which the lake
  is complete; a job beyond it brings what is there and does not say that more is missing.
- By default a job finds whatever was active in its interval. `startOfDayIntervalMatching` gives it the rule of the
  details query: nothing that started before the UTC day on which the interval begins.
- A cursor is opaque. Only a page without one is the last; a page may be empty and have one.
- Status and results may be 404 for some seconds after the POST, and results for some seconds after FULFILLED.
- The results may be capped: 400, "Pagination may not exceed 400000 results".

What may happen to a healthy job or to its window is a value here, never an error: who reads the window decides.

Sources: SDK 269 (AsyncConversationQuery, AsyncQueryStatus, AsyncConversationQueryResponse, DataAvailabilityResponse),
developer.genesys.cloud, conversation details job; the 404s are those of two public exporters, the cap is
Teleperformance's dganalytics; the bound of 48 hours is SDK 269, RecordingJobsQuery.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from everycall.api.details_query import Head, PageHead, decoded_slowly
from everycall.api.exchange import Exchange, NotAnAnswer, Request, Response, problem, reason, refusal
from everycall.api.oddities import instant
from everycall.api.query import Interval, Query
from everycall.errors import PermissionMissing, QueryRefused, ServiceError, ServiceFailed

T = TypeVar("T")

JOBS: Final = "/api/v2/analytics/conversations/details/jobs"

RESULTS_PAGE_SIZE = 1000
"""Conversations on a page of results. Source: six public exporters; the SDK names neither a default nor a most."""

ANALYTICS_LIMITS: Final = "/api/v2/organizations/limits/namespaces/analytics"

JOBS_AT_A_TIME: Final = "details.jobs.concurrent.access.max"
"""The limit of jobs that run at the same time. Source of the name: a public Java exporter; its value is not known."""

JOB_LIMITS: Final = "details.jobs."
"""How the names of the limits of jobs begin."""

USABLE_PATIENCE_S = 60.0
"""Ours: how long to ask whether jobs can be used, where the details query can do without."""

CANCEL_PATIENCE_S = 5.0
"""Ours: to cancel a job is a courtesy, so that it is tried once and not for long."""


class State(Enum):
    """Where a job stands. Source: SDK 269, AsyncQueryStatus."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    FULFILLED = "FULFILLED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    UNKNOWN = ""
    """A state that this version does not know: the job is taken to be running."""

    @property
    def is_over(self) -> bool:
        """Whether the job came to an end without results."""
        return self in (State.FAILED, State.CANCELLED, State.EXPIRED)


@dataclass(frozen=True, slots=True)
class Submitted:
    """The API has taken a job."""

    job_id: str


@dataclass(frozen=True, slots=True)
class LimitMet:
    """The API takes no job now: too many are running, or too many came within a second."""

    key: str
    """The limit's name."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The API answered 400."""

    reason: str
    results_max: int | None = None
    """The cap, where the results would exceed it: ask for a smaller interval."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """404: the job is not there yet, or not any more."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a job stands."""

    state: State
    state_text: str
    """As the API wrote it."""
    message: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class ResultsHead:
    """What acquiring needs of a page of results."""

    page: PageHead
    cursor: str
    """Where to go on; empty on the last page."""
    available_until: datetime | None
    """The instant before which the lake was complete for this job; None where the page does not say."""

    @classmethod
    def decode(cls, body: bytes) -> "ResultsHead":
        """The head of a page of results. A cursor that is no text is no answer, lest it be taken for the end.

        Raises:
            NotAnAnswer: it is JSON, but no page of results.
            msgspec.DecodeError, RecursionError: it is no JSON, or it is nested too deeply.
        """
        try:
            found = _RESULTS.decode(body)
        except msgspec.ValidationError:
            found = None
        if found is not None and found.conversations:
            return cls(PageHead(found.conversations, None), found.cursor or "", _instant(found.data_availability_date))
        page = decoded_slowly(body, _KNOWN)
        return cls(page, *_rest(body))


class _Results(msgspec.Struct, rename="camel"):
    conversations: list[Head] | None = None
    cursor: str | None = None
    data_availability_date: str | None = None


class _Rest(msgspec.Struct, rename="camel"):
    cursor: str | None = None
    data_availability_date: Any = None


class _Job(msgspec.Struct, rename="camel"):
    job_id: str


class _Status(msgspec.Struct, rename="camel"):
    state: str
    error_message: Any = None


class _Availability(msgspec.Struct, rename="camel"):
    data_availability_date: str | None = None


class _LimitOf429(msgspec.Struct):
    key: str = ""


class _Answer429(msgspec.Struct):
    limit: _LimitOf429 | None = None


class _Limit(msgspec.Struct):
    key: str = ""
    value: float | None = None


class _Limits(msgspec.Struct):
    entities: list[_Limit] = []


_RESULTS = msgspec.json.Decoder(_Results)
_KNOWN = {"conversations", "cursor", "dataAvailabilityDate"}
_CAP = re.compile(r"pagination may not exceed ([0-9]{1,12}) results", re.IGNORECASE)
_STATES: Mapping[str, State] = {state.value: state for state in State}


def _rest(body: bytes) -> tuple[str, datetime | None]:
    try:
        rest = msgspec.json.decode(body, type=_Rest)
    except msgspec.ValidationError as error:
        raise NotAnAnswer("the answer is a page of results whose cursor is no text") from error
    return rest.cursor or "", _instant(rest.data_availability_date)


def _instant(value: Any) -> datetime | None:
    return instant(value) if isinstance(value, str) else None


def _path(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"


def body(query: Query, window: Interval, *, by_start_day: bool = True) -> dict[str, Any]:
    """The body of a job for one window: the details query's, without its paging.

    Args:
        query: what is asked.
        window: the interval.
        by_start_day: by the rule of the details query; otherwise the job finds whatever was active in the interval.
    """
    order = {"order": "asc", "orderBy": "conversationStart"}
    rule = {"startOfDayIntervalMatching": True} if by_start_day else {}
    return {"interval": str(window), **order, **query.filters.lists, **rule}


def submit(query: Query, window: Interval, *, by_start_day: bool = True) -> Exchange[Submitted | LimitMet | Refused]:
    """Submit a job with this `body`.

    An answer that got lost may leave a job behind that nobody reads. It ends on its own.

    Raises:
        PermissionMissing: the API answered 403.
        QueryRefused: it answered something else that no retry changes.
    """
    response = yield Request(
        "POST",
        JOBS,
        json=body(query, window, by_start_day=by_start_day),
        decode=_decoder(_Job),
        success=(200, 201, 202),
        is_own_limit=lambda one: bool(limit_key(one)),
    )
    if response.status == 429:
        return LimitMet(limit_key(response))
    if response.status == 400:
        return Refused(reason(response))
    if response.status >= 300:
        raise refusal(response)
    return Submitted(response.decoded.job_id)


def limit_key(response: Response) -> str:
    """Which limit of jobs a 429 is about; empty where it is about the token's budget, or does not say."""
    try:
        limit = msgspec.json.decode(response.body, type=_Answer429).limit
    except (ValueError, RecursionError):
        return ""
    return limit.key if limit is not None and limit.key.startswith(JOB_LIMITS) else ""


def status(job_id: str) -> Exchange[Status | NotFound]:
    """Where the job stands. While it runs, the API answers 200 or 202.

    Raises:
        PermissionMissing, QueryRefused: the API answered 403, or 400.
    """
    response = yield Request("GET", _path(job_id), decode=_decoder(_Status), success=(200, 202))
    if response.status == 404:
        return NotFound()
    if response.status >= 300:
        raise refusal(response)
    text = response.decoded.state
    message = response.decoded.error_message
    return Status(_STATES.get(text, State.UNKNOWN), text, message if isinstance(message, str) else "")


def results(job_id: str, cursor: str, page_size: int | None) -> Exchange[Response | NotFound | Refused]:
    """A page of results: `decoded` is its `ResultsHead`.

    Args:
        job_id: of a job that is FULFILLED.
        cursor: that of the page before; empty for the first page.
        page_size: conversations on a page at most; None leaves it to the API.

    Raises:
        PermissionMissing: the API answered 403.
        QueryRefused: it answered something else that no retry changes.
    """
    params = ({"cursor": cursor} if cursor else {}) | ({"pageSize": str(page_size)} if page_size else {})
    response = yield Request("GET", f"{_path(job_id)}/results", params, decode=ResultsHead.decode, success=(200,))
    if response.status == 404:
        return NotFound()
    if response.status in (400, 413):
        cap = _CAP.search(problem(response).message)
        return Refused(reason(response), int(cap[1]) if cap else None)
    if response.status >= 300:
        raise refusal(response)
    return response


def cancel(job_id: str) -> Exchange[None]:
    """Cancel the job, once; whatever the API answers, or that it does not, is fine."""
    with suppress(ServiceError):
        yield Request("DELETE", _path(job_id), tries=1, patience_s=CANCEL_PATIENCE_S)


def availability(*, patience_s: float | None = None) -> Exchange[datetime | None]:
    """The instant before which the data lake is complete; None where the answer does not say.

    Args:
        patience_s: how long to try; None for as long as the client does.

    Raises:
        PermissionMissing, QueryRefused: the API answered 403, or 404: the org has no jobs.
    """
    response = yield Request(
        "GET", f"{JOBS}/availability", decode=_decoder(_Availability), success=(200,), patience_s=patience_s
    )
    if response.status >= 300:
        raise refusal(response)
    return _instant(response.decoded.data_availability_date)


@dataclass(frozen=True, slots=True)
class Usable:
    """Jobs can be used."""

    complete_until: datetime
    at_a_time: int | None
    """How many the org may run at the same time; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Jobs cannot be used: a permission is missing, the org has none, or their routes fail."""

    reason: str


def usable() -> Exchange[Usable | Unusable]:
    """Whether jobs can be used, and until when they are complete. A failure is an answer: the query can do without."""
    try:
        until = yield from or_unusable(availability(patience_s=USABLE_PATIENCE_S))
    except ServiceError as error:
        return Unusable(str(error).rstrip("."))
    if isinstance(until, Unusable):
        return until
    if until is None:
        return Unusable("the API does not say until when their data is complete")
    return Usable(until, (yield from jobs_at_a_time()))


def or_unusable(exchange: Exchange[T]) -> Exchange[T | Unusable]:
    """The exchange, whose refusal or failure is an answer. Without a network or a login it fails as it is."""
    try:
        return (yield from exchange)
    except (PermissionMissing, QueryRefused, ServiceFailed) as error:
        return Unusable(str(error).rstrip("."))


def jobs_at_a_time() -> Exchange[int | None]:
    """How many jobs the org may run at the same time; None where it does not say, or may not be asked.

    Source: SDK 269, organizations/limits/namespaces/{name}, which takes no permission.
    """
    try:
        response = yield Request("GET", ANALYTICS_LIMITS, decode=_decoder(_Limits), success=(200,), tries=2)
    except ServiceError:
        return None
    if response.status >= 300:
        return None
    values = [one.value for one in response.decoded.entities if one.key == JOBS_AT_A_TIME]
    return int(values[0]) if values and values[0] is not None and values[0] >= 1 else None


def _decoder(kind: type[Any]) -> Any:
    """Decodes an answer of that shape; another shape is not an answer of the API."""
    decoder = msgspec.json.Decoder(kind)

    def decode(content: bytes) -> Any:
        try:
            return decoder.decode(content)
        except msgspec.ValidationError as error:
            raise NotAnAnswer("the answer is none about jobs") from error

    return decode
