"""The aggregates of conversations: counts and times by interval and group, out of the conversations' own metrics.

    POST /api/v2/analytics/conversations/aggregates/query
    <- {"interval": "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z", "granularity": "PT30M", "groupBy": ["queueId"],
        "metrics": ["nOffered", "tAnswered"], "filter": {"type": "and", "predicates": [...]}}
    -> {"results": [{"group": {"mediaType": "voice", "queueId": ...},
                     "data": [{"interval": ..., "metrics": [{"metric": "nOffered", "stats": {"count": 7}}, ...]}]}]}

A metric counts at its `emitDate`, on whichever day its conversation began. It has the dimensions of its conversation,
participant and session, and of the segment in which it was emitted; where that one names no queue or wrap-up code, the
session's one before it counts, or else its first.

Source: SDK 269 (`ConversationAggregationQuery`, `ConversationAggregateQueryResponse`); that emitDate decides is the
vendor's staff (developer.genesys.cloud forum thread 18235). Answers of a real org in public code have the shape above,
the order of the metrics, `count` alone for names with an n, tWait as tAnswered, tAbandon and tFlowOut together, and
oServiceLevel as (answered - over the target) / (answered + abandoned). Guesses: that `count` of an n is the sum of its
values (nearly all are 1), that a code counts for what its session emitted before it, nConversations as the
conversations that emitted anything, a view's `count`, that an interval or group without data is left out, that the last
interval is cut at the end, that intervals are written in UTC, that `alternateTimeDimension` changes nothing here, and
all texts of refusals. oCallbackServiceLevel has no data.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any, Final
from zoneinfo import ZoneInfo

from everycall.sandbox.answers import Answer, Request, bad_request, malformed
from everycall.sandbox.filters import (
    Filters,
    glance,
    known,
    known_fields,
    numeric,
    objects,
    only_object,
    optional,
    read_group,
    scalar,
)
from everycall.sandbox.instants import EPOCH, to_ms, to_text
from everycall.sandbox.oauth import Client
from everycall.sandbox.query import Interval, Query, body_of, checked_interval, names_of, whole
from everycall.sandbox.store import Scope, Store
from everycall.sandbox.vocabulary import AGGREGATE, AGGREGATE_METRICS, AGGREGATES, NOTHING, Leaf, values_at

FIELDS: Final = set(
    """interval granularity timeZone groupBy filter metrics flattenMultivaluedDimensions views alternateTimeDimension
    queryType sortMetric limit""".split()
)

WAITS: Final = frozenset({"tAnswered", "tAbandon", "tFlowOut"})
"""The metrics that tWait is made of."""

SERVICE: Final = frozenset({"tAnswered", "tAbandon", "nOverSla"})
"""The metrics that oServiceLevel is made of."""

DERIVED: Final = ("oServiceLevel", "oServiceTarget", "tWait", "tShortAbandon")
"""Metrics that come after the others, in this order."""

EDGES_MAX: Final = 200_000

BESIDE_MS: Final = 600_000
"""How far before a conversation's start and after its end a metric of it may be emitted; it is a few ms."""

DURATION: Final = re.compile(
    r"P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?"
    r"(?:T(?=.)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?",
    re.ASCII,
)

OF_SESSIONS: Final = ("queueId", "wrapUpCode")
"""Dimensions of segments that count for a whole session. A code comes last, and has to count for the talk before it."""

MEDIA_SETTINGS: Final[Mapping[str, str]] = {"voice": "call"}
"""What a queue's `mediaSettings` call a mediaType, where it is another name."""

Key = tuple[str | None, ...]
"""A group: a value for each dimension, None where a metric has none."""


@dataclass(slots=True)
class Stats:
    """The values of one metric in one interval of one group."""

    values: list[int] = field(default_factory=list)

    def summary(self, name: str) -> dict[str, Any]:
        """The statistics that the API gives for a metric of this name."""
        if name.startswith("n"):
            return {"count": sum(self.values)}
        return {"max": max(self.values), "min": min(self.values), "count": len(self.values), "sum": sum(self.values)}


@dataclass(frozen=True, slots=True)
class View:
    """A range of a metric's values that is counted by itself."""

    name: str
    target: str
    gte: float | None
    lt: float | None

    def count(self, values: Sequence[int]) -> int:
        """How many values lie in it."""
        return sum((self.gte is None or value >= self.gte) and (self.lt is None or value < self.lt) for value in values)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    edges: tuple[int, ...]
    """Where the intervals begin, in milliseconds since the epoch, and at last where they end."""
    group_by: tuple[str, ...]
    metrics: tuple[str, ...]
    filters: Filters
    is_flat: bool
    views: tuple[View, ...]
    sort: tuple[str, str] | None
    """(metric, function) by which the first groups are chosen; None is all groups."""
    is_reversed: bool
    limit: int | None

    @property
    def interval(self) -> Interval:
        """From the first edge to the last."""
        return Interval(self.edges[0], self.edges[-1])

    @property
    def needed(self) -> frozenset[str]:
        """The metrics of conversations out of which the answer is made."""
        names = {*self.metrics, *(view.target for view in self.views)}
        if self.sort:
            names.add(self.sort[0])
        names |= WAITS if "tWait" in names else set()
        names |= SERVICE if "oServiceLevel" in names else set()
        return frozenset(names)


@dataclass(slots=True)
class Counted:
    """What was counted in one interval of one group."""

    metrics: dict[str, Stats] = field(default_factory=dict)
    conversation_ids: set[str] = field(default_factory=set)

    def take(self, name: str, value: int, conversation_id: str) -> None:
        """Counts a metric of a conversation."""
        self.metrics.setdefault(name, Stats()).values.append(value)
        if name in WAITS:
            self.metrics.setdefault("tWait", Stats()).values.append(value)
        self.conversation_ids.add(conversation_id)

    def count(self, name: str) -> int:
        """How often a metric was emitted."""
        return len(self.metrics[name].values) if name in self.metrics else 0


Groups = dict[Key, dict[int, Counted]]
"""By group and by the number of the interval."""


def answer_aggregates(store: Store, request: Request, client: Client, unseen: Collection[str] = ()) -> Answer:
    """The aggregates that are asked for."""
    asked = read_asked(body_of(request.body), store)
    groups = gathered(store, asked, Scope(client.division_ids, unseen))
    count = sum(map(len, groups.values()))
    most = store.switches.aggregate_results_max
    if 0 < most < count:
        raise bad_request(f"Result set is larger than result limit of {most} results")
    targets = {queue["id"]: queue.get("mediaSettings", {}) for queue in store.world.entities("queues")}
    results = [result(asked, key, groups[key], targets) for key in chosen(asked, groups)]
    return Answer(200, {"results": [result for result in results if result["data"]]})


# --- the question


def read_asked(raw: Mapping[str, Any], store: Store) -> Asked:
    """The query in a request's body.

    Raises:
        ApiError: 400, naming what the API does not know.
    """
    known_fields(raw, FIELDS, "ConversationAggregationQuery")
    interval = checked_interval(raw.get("interval"), store.switches.aggregate_interval_days_max, store.switches)
    optional(raw.get("alternateTimeDimension"), "AlternateTimeDimension", ("eventTime",))
    group_by = names_of(raw.get("groupBy"), "ConversationAggregateQueryDimension", tuple(sorted(AGGREGATE)))
    if "mediaType" not in group_by and store.switches.aggregate_media_type == "always":
        group_by = ("mediaType", *group_by)
    metrics = names_of(raw.get("metrics"), "ConversationAggregateQueryMetric", AGGREGATE_METRICS)
    if not metrics:
        raise bad_request("metrics must name at least one metric.")
    is_flat = raw.get("flattenMultivaluedDimensions")
    if not isinstance(is_flat, bool | None):
        raise malformed()
    kind = optional(raw.get("queryType"), "QueryType", ("bottomN", "groupBy", "topN")) or "groupBy"
    return Asked(
        edges=edges_of(interval, raw.get("granularity"), raw.get("timeZone")),
        group_by=group_by,
        metrics=metrics,
        filters=read_filter(raw.get("filter")),
        is_flat=bool(is_flat),
        views=tuple(read_view(view) for view in objects(raw.get("views"))),
        sort=None if kind == "groupBy" else read_sort(raw.get("sortMetric")),
        is_reversed=kind == "topN",
        limit=None if kind == "groupBy" else whole(raw, "limit", None),
    )


def read_filter(raw: object) -> Filters:
    """The filter, which holds on a metric's own dimensions."""
    if raw is None:
        return Filters((), b"")
    group = read_group(only_object(raw), AGGREGATES, "Filter")
    return Filters(() if group.is_empty() else ((AGGREGATES, group),), b"")


def read_view(raw: Mapping[str, Any]) -> View:
    """A custom view."""
    known_fields(raw, {"target", "name", "function", "range"}, "ConversationAggregationView")
    known(raw.get("function"), "ViewFunction", ("rangeBound",))
    target = known(raw.get("target"), "ConversationAggregateQueryMetric", AGGREGATE_METRICS)
    bounds = only_object(raw.get("range") or {})
    known_fields(bounds, {"gte", "lt"}, "AggregationRange")
    return View(str(raw.get("name", "")), target, numeric(bounds.get("gte")), numeric(bounds.get("lt")))


def read_sort(raw: object) -> tuple[str, str]:
    """The metric and the function by which topN and bottomN choose groups."""
    given = only_object(raw)
    known_fields(given, {"name", "function"}, "ConversationAggregationSort")
    name = known(given.get("name"), "ConversationAggregateQueryMetric", AGGREGATE_METRICS)
    return name, known(given.get("function"), "SortFunction", ("average", "count", "max", "min", "sum"))


def edges_of(interval: Interval, granularity: object, zone: object) -> tuple[int, ...]:
    """Where the intervals of a granularity begin, and where the last one ends.

    Years, months, weeks and days are those of the time zone; hours, minutes and seconds are of one length.
    """
    if not isinstance(granularity, str | None) or not isinstance(zone, str | None):
        raise malformed()
    if not granularity:
        return tuple(interval)
    matched = DURATION.fullmatch(granularity)
    years, months, weeks, days, *clock = (int(part or 0) for part in matched.groups()) if matched else (0,) * 7
    hours, minutes, seconds = clock
    step = timedelta(days=7 * weeks + days), timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not (years or months or any(step)):
        raise bad_request(f"Granularity [{granularity}] is not an ISO-8601 period. For example: P1D or P1DT12H")
    place = zone_of(zone)
    first = (EPOCH + timedelta(milliseconds=interval.start_ms)).astimezone(place).replace(tzinfo=None)
    edges = [interval.start_ms]
    while edges[-1] < interval.end_ms:
        number = len(edges)
        if number > EDGES_MAX:
            raise bad_request("Result set is larger than result limit")
        local = months_later(first, number * (12 * years + months)) + number * step[0]
        begins = local.replace(tzinfo=place).astimezone(UTC) + number * step[1]
        edges.append(min((begins - EPOCH) // timedelta(milliseconds=1), interval.end_ms))
    return tuple(edges)


def zone_of(name: str | None) -> ZoneInfo:
    """A time zone by its IANA name; without one UTC."""
    try:
        return ZoneInfo(name or "UTC")
    except (OSError, ValueError, LookupError):
        raise bad_request(f"Time zone [{name}] is not known. For example: UTC, Etc/UTC or Europe/London") from None


def months_later(start: datetime, months: int) -> datetime:
    """The same day and time so many months later; the last day of a month that is too short."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for day in (start.day, 30, 29, 28):
        try:
            return start.replace(year=year, month=month + 1, day=min(day, start.day))
        except ValueError:
            continue
    raise bad_request("The granularity reaches beyond the calendar.")


# --- counting


def gathered(store: Store, asked: Asked, scope: Scope) -> Groups:
    """Every metric that is needed, in its groups and intervals."""
    now_ms, needed, interval = store.now_ms, asked.needed, asked.interval
    everything = "nConversations" in needed
    groups: Groups = {}
    reach = Interval(interval.start_ms - BESIDE_MS, interval.end_ms + BESIDE_MS)
    alive = store.select_overlapping(Query(reach, Filters((), b"")), now_ms, scope)
    for sketch in alive[:]:
        if any(glance(group, vocabulary, sketch, None) is False for vocabulary, group in asked.filters.entries):
            continue
        conversation = store.world.conversation(sketch, now_ms)
        for leaf, metric in metrics_of(conversation):
            name = metric["name"]
            if not everything and name not in needed:
                continue
            at_ms = to_ms(metric["emitDate"])
            if not interval.start_ms <= at_ms < interval.end_ms or not asked.filters.hold_on(leaf):
                continue
            number = bisect_right(asked.edges, at_ms) - 1
            for key in keys(leaf, asked):
                counted = groups.setdefault(key, {}).setdefault(number, Counted())
                counted.take(name, metric["value"], conversation["conversationId"])
    return groups


def metrics_of(conversation: Mapping[str, Any]) -> Iterator[tuple[Leaf, Mapping[str, Any]]]:
    """Each metric of a conversation with what it belongs to: (conversation, participant, session, segment)."""
    for participant in conversation.get("participants", ()):
        for session in participant.get("sessions", ()):
            metrics = session.get("metrics")
            if not metrics:
                continue
            segments = with_dimensions(session.get("segments", ()))
            for metric in metrics:
                segment = segments[0][1] if len(segments) == 1 else segment_at(segments, to_ms(metric["emitDate"]))
                yield (conversation, participant, session, segment), metric


def with_dimensions(segments: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """(start, segment) of each, in order of time; one without queue or code gets the one before, or else the first."""
    ordered = sorted(((to_ms(segment["segmentStart"]), segment) for segment in segments), key=lambda pair: pair[0])
    last = {
        name: next(segment[name] for _, segment in ordered if name in segment)
        for name in OF_SESSIONS
        if any(name in segment for segment in segments)
    }
    found: list[tuple[int, Mapping[str, Any]]] = []
    for start_ms, segment in ordered:
        last |= {name: segment[name] for name in last if name in segment}
        found.append((start_ms, segment if last.keys() <= segment.keys() else {**segment, **last}))
    return found


def segment_at(segments: Sequence[tuple[int, Mapping[str, Any]]], at_ms: int) -> Mapping[str, Any]:
    """The last segment that had begun by then, or else the first."""
    if not segments:
        return NOTHING
    begun = bisect_right(segments, at_ms, key=lambda pair: pair[0])
    # A metric that is emitted where one segment ends and the next begins belongs to the one that ends.
    while begun > 1 and segments[begun - 1][0] == at_ms:
        begun -= 1
    return segments[max(begun, 1) - 1][1]


def keys(leaf: Leaf, asked: Asked) -> Iterator[Key]:
    """The groups that a metric counts in: several, where a dimension has several values and is not flat."""
    values = [texts(leaf, name, is_flat=asked.is_flat) for name in asked.group_by]
    return product(*values)


def texts(leaf: Leaf, name: str, *, is_flat: bool) -> list[str | None]:
    """The values of a dimension as texts; None where there is none."""
    found = [scalar(value) for value in values_at(leaf, AGGREGATE[name])]
    if len(found) > 1 and is_flat:
        return [",".join(str(value) for value in found)]
    return list(dict.fromkeys(found)) or [None]


# --- the answer


def chosen(asked: Asked, groups: Groups) -> list[Key]:
    """The groups in order: by their values, or the first or last ones by a metric."""
    ordered = sorted(groups, key=lambda key: tuple(value or "" for value in key))
    if asked.sort is None:
        return ordered
    name, function = asked.sort
    ordered.sort(key=lambda key: measured(groups[key], name, function), reverse=asked.is_reversed)
    return ordered[: asked.limit]


def measured(intervals: Mapping[int, Counted], name: str, function: str) -> float:
    """A group's value of a metric over all intervals, for sorting."""
    values = [
        value for counted in intervals.values() if name in counted.metrics for value in counted.metrics[name].values
    ]
    if function == "count" or not values:
        return len(values)
    if function == "average":
        return sum(values) / len(values)
    if function == "sum":
        return sum(values)
    return max(values) if function == "max" else min(values)


def result(asked: Asked, key: Key, intervals: Mapping[int, Counted], targets: Mapping[str, Any]) -> dict[str, Any]:
    """One group with its intervals."""
    group = {name: value for name, value in zip(asked.group_by, key, strict=True) if value is not None}
    target = target_of(group, targets)
    bounds = list(pairwise(asked.edges))
    data = []
    for number in sorted(intervals):
        start_ms, end_ms = bounds[number]
        found = shown(asked, intervals[number], target)
        if found:
            data.append({"interval": f"{to_text(start_ms)}/{to_text(end_ms)}", **found})
    return {"group": dict(sorted(group.items())), "data": data}


def shown(asked: Asked, counted: Counted, target: float | None) -> dict[str, Any]:
    """Metrics and views of an interval; empty where it has none of those that are asked for."""
    ordered = sorted(name for name in asked.metrics if name not in DERIVED)
    ordered += [name for name in DERIVED if name in asked.metrics]
    stats = ((name, stats_of(name, counted, target)) for name in ordered)
    metrics = [{"metric": name, "stats": found} for name, found in stats if found]
    views = [
        {"name": view.name, "stats": {"count": view.count(counted.metrics[view.target].values)}}
        for view in asked.views
        if view.target in counted.metrics
    ]
    return ({"metrics": metrics} if metrics else {}) | ({"views": views} if views else {})


def stats_of(name: str, counted: Counted, target: float | None) -> dict[str, Any]:
    """The statistics of a metric; empty where there are none."""
    if name == "oServiceLevel":
        return service_level(counted, target)
    if name == "oServiceTarget":
        return {} if target is None else {"target": target}
    if name == "nConversations":
        return {"count": len(counted.conversation_ids)}
    return counted.metrics[name].summary(name) if name in counted.metrics else {}


def service_level(counted: Counted, target: float | None) -> dict[str, Any]:
    """The share of those answered in time among the answered and the abandoned."""
    answered = counted.count("tAnswered")
    denominator = answered + counted.count("tAbandon")
    if not denominator:
        return {}
    numerator = max(0, answered - counted.count("nOverSla"))
    stats = {"ratio": numerator / denominator, "numerator": numerator, "denominator": denominator}
    return stats if target is None else {**stats, "target": target}


def target_of(group: Mapping[str, str], targets: Mapping[str, Any]) -> float | None:
    """The service level that the group's queue aims at, if the group is of one queue and medium."""
    media_type = group.get("mediaType", "")
    settings = targets.get(group.get("queueId", ""), {}).get(MEDIA_SETTINGS.get(media_type, media_type), {})
    percentage: float | None = settings.get("serviceLevel", {}).get("percentage")
    return percentage
