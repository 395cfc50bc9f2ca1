"""The body of a details query or job, read and checked: a `Query`, or the refusal that the API would give.

    {"interval": "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z",
     "order": "asc", "orderBy": "conversationStart", "paging": {"pageSize": 100, "pageNumber": 1},
     "segmentFilters": [...], "aggregations": [...]}

Source: fields and enumerations are SDK 269's `ConversationQuery`, `AsyncConversationQuery`, `PagingSpec`,
`AnalyticsQueryAggregation`;
the lengths of an interval are on developer.genesys.cloud's analytics detail page; the texts about 100,000
results and 31 days are logs of splunk/genesys_cloud_ta, the one about dates is gildas/go-gcloudcx's. Guesses:
the text for 7 days (the same with another number), for a missing interval (the same again), for an interval
that is empty or reversed, for a pageSize above 100 and for numbers below 1; and that an interval is two
instants and no duration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from everycall.sandbox.answers import ApiError, bad_request, malformed
from everycall.sandbox.filters import (
    Filters,
    known,
    known_fields,
    numeric,
    objects,
    only_object,
    optional,
    read_filters,
)
from everycall.sandbox.instants import DAY_MS, to_ms
from everycall.sandbox.switches import Switches
from everycall.sandbox.vocabulary import CONVERSATION_METRICS, CONVERSATIONS, SEGMENTS, VOCABULARIES

PAGE_SIZE_DEFAULT = 25
PAGE_SIZE_MAX = 100
"""Seen as the most in several production clients; a sample of 2022 still used 200."""

RESULTS_MAX = 100_000
"""pageNumber times pageSize may not exceed it."""

FILTERED_DAYS_MAX = 31

ORDERS = ("asc", "desc", "unordered")
ORDERS_BY = ("conversationStart", "conversationEnd", "segmentStart", "segmentEnd")
AGGREGATIONS = ("termFrequency", "numericRange")

FIELDS = {"interval", "order", "orderBy", "paging", "aggregations"} | {vocabulary.field for vocabulary in VOCABULARIES}

JOB_FIELDS = FIELDS - {"paging", "aggregations"} | {"limit", "startOfDayIntervalMatching"}

TOO_MANY_RESULTS = (
    "Pagination may not exceed 100000 results.\n\nTip: When extracting large chunks of data (multiple days/weeks), "
    "maximize pagination performance by querying in smaller intervals. For example, paging through 1am-2am, then "
    "2am-3am, then 3am-4am, and so forth will outperform paging through one large interval that covers the same "
    "time frame."
)


class Interval(NamedTuple):
    """[start, end) in milliseconds since the epoch."""

    start_ms: int
    end_ms: int

    def days(self, *, touches_end: bool = False) -> range:
        """The UTC days that it touches, from 1970-01-01; by default not one at whose midnight it ends."""
        return range(self.start_ms // DAY_MS, (self.end_ms - (not touches_end)) // DAY_MS + 1)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One facet that is asked for."""

    type: str
    dimension: str | None
    metric: str | None
    size: int | None
    ranges: tuple[tuple[float | None, float | None], ...]
    """(gte, lt) of each bucket; None is open."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for, with every default filled in."""

    interval: Interval
    filters: Filters
    order: str = "asc"
    order_by: str = "conversationStart"
    page_size: int = PAGE_SIZE_DEFAULT
    page_number: int = 1
    aggregations: tuple[Aggregation, ...] = ()

    def page(self) -> slice:
        """Where the page lies among all that match."""
        return slice((self.page_number - 1) * self.page_size, self.page_number * self.page_size)


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What a job is asked for."""

    query: Query
    """Without its paging, which jobs do not have."""
    limit: int | None
    """So many of the first ones only."""
    start_of_day_interval_matching: bool
    """Only what started on a day that the interval touches, as in a query; else what was alive in it."""


def read_query(body: bytes, switches: Switches) -> Query:
    """The query of a request's body.

    Raises:
        ApiError: 400, with the API's text.
    """
    return query_of(body_of(body), switches)


def body_of(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a body is."""
    try:
        return only_object(msgspec.json.decode(body))
    except msgspec.DecodeError:
        raise malformed() from None


def query_of(raw: Mapping[str, Any], switches: Switches) -> Query:
    """The query of a body that is already decoded."""
    known_fields(raw, FIELDS, "ConversationQuery")
    filters = read_filters(raw, switches.conversation_metric)
    page_size, page_number = read_paging(raw.get("paging"), switches)
    days_max = FILTERED_DAYS_MAX if filters else switches.unfiltered_days_max
    return Query(
        interval=checked_interval(raw.get("interval"), days_max, switches),
        filters=filters,
        order=optional(raw.get("order"), "QueryOrder", ORDERS) or "asc",
        order_by=optional(raw.get("orderBy"), "QueryOrderBy", ORDERS_BY) or "conversationStart",
        page_size=page_size,
        page_number=page_number,
        aggregations=tuple(read_aggregation(aggregation) for aggregation in objects(raw.get("aggregations"))),
    )


def read_job_query(body: bytes, switches: Switches) -> JobQuery:
    """The query of a job's body.

    Raises:
        ApiError: 400, with the API's text.
    """
    return job_query_of(body_of(body), switches)


def job_query_of(raw: Mapping[str, Any], switches: Switches) -> JobQuery:
    """The query of a job's body that is already decoded."""
    if switches.job_unknown_fields == "refuse":
        known_fields(raw, JOB_FIELDS, "AsyncConversationQuery")
    only_by_start_day = raw.get("startOfDayIntervalMatching")
    if not isinstance(only_by_start_day, bool | None):
        raise malformed()
    filters = read_filters(raw, switches.conversation_metric, has_partial_addresses=True)
    days_max = switches.job_interval_days_max
    if not filters and switches.job_unfiltered_days_max < FILTERED_DAYS_MAX:
        days_max = min(days_max or FILTERED_DAYS_MAX, switches.job_unfiltered_days_max)
    query = Query(
        interval=checked_interval(raw.get("interval"), days_max, switches),
        filters=filters,
        order=optional(raw.get("order"), "QueryOrder", ORDERS) or "asc",
        order_by=optional(raw.get("orderBy"), "QueryOrderBy", ORDERS_BY) or "conversationStart",
    )
    return JobQuery(query, whole(raw, "limit", None), bool(only_by_start_day))


def checked_interval(raw: object, days_max: int, switches: Switches) -> Interval:
    """The interval, not longer than so many days; 0 is any length."""
    if raw is None or raw == "":
        raise interval_too_long(days_max or FILTERED_DAYS_MAX, switches)
    if not isinstance(raw, str):
        raise malformed()
    interval = read_interval(raw)
    if interval.end_ms <= interval.start_ms:
        raise bad_request("The interval must end after it starts.")
    if days_max and interval.end_ms - interval.start_ms > days_max * DAY_MS:
        raise interval_too_long(days_max, switches)
    return interval


def interval_too_long(days_max: int, switches: Switches) -> ApiError:
    """The refusal of an interval that is too long, or not there."""
    return bad_request(switches.interval_text.replace("{days}", str(days_max)), switches.limit_code)


def read_interval(text: str) -> Interval:
    """The two instants of an interval, in whatever order they come."""
    start, _, end = text.partition("/")
    try:
        return Interval(to_ms(start), to_ms(end))
    except ValueError:
        message = "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ"
        raise ApiError(400, "invalid.date", message) from None


def read_paging(raw: object, switches: Switches) -> tuple[int, int]:
    """(pageSize, pageNumber)."""
    paging = only_object(raw) if raw is not None else {}
    known_fields(paging, {"pageSize", "pageNumber"}, "PagingSpec")
    size = whole(paging, "pageSize", PAGE_SIZE_DEFAULT)
    number = whole(paging, "pageNumber", 1)
    if size > PAGE_SIZE_MAX:
        if switches.page_size_over_limit == "refuse":
            raise bad_request(f"Page size may not exceed {PAGE_SIZE_MAX}.")
        size = PAGE_SIZE_MAX
    reached = size * number if switches.results_limit == "last row" else size * (number - 1) + 1
    if reached > RESULTS_MAX:
        raise bad_request(TOO_MANY_RESULTS, switches.limit_code)
    return size, number


def whole(raw: Mapping[str, Any], name: str, default: int | None) -> Any:
    """A whole number of at least 1, in quotes or not, or the default where it is left out."""
    value = numeric(raw.get(name))
    if value is None:
        return default
    if value != int(value):
        raise malformed()
    value = int(value)
    if value < 1:
        raise bad_request(f"{name} must be at least 1.")
    return value


def names_of(raw: object, field_type: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A list of names of an enumeration, each once."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise malformed()
    return tuple(dict.fromkeys(known(name, field_type, allowed) for name in raw))


def read_aggregation(raw: Mapping[str, Any]) -> Aggregation:
    """One facet: terms of a dimension, or ranges of a metric."""
    known_fields(raw, {"type", "dimension", "metric", "size", "ranges"}, "AnalyticsQueryAggregation")
    inferred = "numericRange" if raw.get("metric") is not None else "termFrequency"
    kind = optional(raw.get("type"), "AggregationType", AGGREGATIONS) or inferred
    if kind == "numericRange":
        metric = known(raw.get("metric"), "ConversationDetailQueryMetric", CONVERSATION_METRICS)
        return Aggregation(kind, None, metric, None, tuple(map(read_bucket, objects(raw.get("ranges")))))
    allowed = tuple(sorted({*CONVERSATIONS.dimensions, *SEGMENTS.dimensions}))
    dimension = known(raw.get("dimension"), "AggregationDimension", allowed)
    return Aggregation(kind, dimension, None, whole(raw, "size", None), ())


def read_bucket(raw: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(gte, lt) of an AggregationRange."""
    known_fields(raw, {"gte", "lt"}, "AggregationRange")
    return numeric(raw.get("gte")), numeric(raw.get("lt"))
