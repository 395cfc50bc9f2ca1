"""The aggregates of conversations: what the vendor counts, by queue, media type and half hour. Pure.

    POST /api/v2/analytics/conversations/aggregates/query
    <- {"interval": "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z", "granularity": "PT30M",
        "groupBy": ["queueId", "mediaType"], "metrics": ["nOffered", "tAnswered"]}
    -> {"results": [{"group": {"mediaType": "voice", "queueId": ...},
                     "data": [{"interval": ..., "metrics": [{"metric": "nOffered", "stats": {"count": 7}}, ...]}]}]}

- A metric counts at its `emitDate`, on whichever day its conversation began, and by the queue of its session.
- An interval or a group without data is left out, and so is `queueId` where a metric has no queue.
- An answer of too many results is a 400. It is asked for again in halves.
- It takes the permission analytics:conversationAggregate:view.

Sources: SDK 269 (`ConversationAggregationQuery`, `ConversationAggregateQueryResponse`, `StatisticalSummary`); the
vendor's staff in developer.genesys.cloud forum thread 18235, for the emitDate; a public Airflow operator for the two
texts of the 400; platform-client-sdk-cli for the permission.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from everycall.api.exchange import Exchange, NotAnAnswer, Request, Response, problem, refusal
from everycall.api.interval import Interval
from everycall.instants import EPOCH

AGGREGATES: Final = "/api/v2/analytics/conversations/aggregates/query"

PERMISSION: Final = "analytics:conversationAggregate:view"

HALF_HOUR: Final = timedelta(minutes=30)

GROUP_BY: Final = ("queueId", "mediaType")

METRICS: Final = tuple(
    """nAgentDeclined nAlertExpired nBlindTransferred nBotInteractions nCallbackAttempts nCallbackOverSla
    nCallbackScheduled nCfcOffered nCobrowseSessions nConnected nConsult nConsultTransferred nError nOffered nOutbound
    nOutboundAbandoned nOutboundAttempted nOutboundConnected nOverSla nStateTransitionError nTakeover nTransferred
    tAbandon tAcd tActiveCallback tActiveCallbackComplete tAcw tAgentResponseTime tAgentVideoConnected tAlert tAnswered
    tAverageAgentResponseTime tAverageCustomerResponseTime tBarging tCallbackAbandon tCallbackConnect
    tCallbackNotReached tCallbackVirtualWait tCfcAbandon tCfcAcd tCfcAnswered tCfcFlowOut tCoaching tCoachingComplete
    tConnected tContacting tDialing tFirstConnect tFirstDial tFirstEngagement tFirstResponse tFlowOut tHandle tHeld
    tHeldComplete tIvr tMonitoring tMonitoringComplete tNotResponding tPark tParkComplete tScreenMonitoring
    tShortAbandon tSnippetRecord tTalk tTalkComplete tTransmitting tUserResponseTime tVoicemail""".split()
)
"""The counts and times that both the details and the aggregates have. Source: SDK 269, the metrics of
`ConversationDetailQueryPredicate` and of `ConversationAggregationView`. Metrics of the aggregates alone (oServiceLevel,
tWait ...) are left out, and so is nConversations, which no session emits."""

OVERFLOW: Final = re.compile("larger than result limit|limit of [0-9]+ results", re.IGNORECASE)
"""What the messages of a 400 for too many results have in common."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """A metric of a queue and a media type in a half hour."""

    start: datetime
    """Where the half hour begins; UTC."""
    queue_id: str
    """Empty for metrics without a queue, such as those of an IVR."""
    media_type: str
    """Empty where the vendor names none."""
    metric: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted in a cell."""

    count: int
    """Of a time how often it was emitted, and of a count its sum."""
    sum_ms: int | None
    """Of a time the sum of its values, in milliseconds; None of a count, and where the vendor gives none."""

    def __add__(self, other: "Figures") -> "Figures":
        """Both together."""
        sums = [one.sum_ms for one in (self, other) if one.sum_ms is not None]
        return Figures(self.count + other.count, sum(sums) if sums else None)


Aggregates = Mapping[Cell, Figures]


def aggregates(interval: Interval, metrics: Sequence[str] = METRICS) -> Exchange[dict[Cell, Figures]]:
    """Ask what the vendor counts in each half hour of an interval; one request, or several where that is too much.

    Args:
        interval: from one half hour to another, at most 31 days: a longest one is not documented.
        metrics: names of counts and times.

    Raises:
        PermissionMissing: the API answered 403.
        QueryRefused: the API answered 400, also if a single half hour has too many results.
    """
    response = yield Request("POST", AGGREGATES, json=body(interval, metrics), decode=decoded, success=(200,))
    if response.status < 300:
        found: dict[Cell, Figures] = response.decoded
        return found
    middle = halfway(interval)
    if not is_overflow(response) or middle is None:
        raise refusal(response)
    first = yield from aggregates(Interval(interval.start, middle), metrics)
    second = yield from aggregates(Interval(middle, interval.end), metrics)
    return first | second


def body(interval: Interval, metrics: Sequence[str]) -> dict[str, object]:
    """The body of a query."""
    return {
        "interval": str(interval),
        "granularity": "PT30M",
        "groupBy": list(GROUP_BY),
        "metrics": list(metrics),
    }


def halfway(interval: Interval) -> datetime | None:
    """The edge of a half hour in the middle of an interval; None if the interval has only one half hour."""
    half_hours = -(-interval.length // HALF_HOUR)
    return interval.start + half_hours // 2 * HALF_HOUR if half_hours > 1 else None


def half_hour_of(instant: datetime) -> datetime:
    """Where the half hour of an instant begins."""
    return instant - (instant - EPOCH) % HALF_HOUR


def is_overflow(response: Response) -> bool:
    """Whether the API refused the query because its answer would have too many results."""
    return response.status == 400 and OVERFLOW.search(problem(response).message) is not None


class _Stats(msgspec.Struct):
    count: float | None = None
    sum: float | None = None


class _Metric(msgspec.Struct):
    metric: str = ""
    stats: _Stats | None = None


class _Part(msgspec.Struct):
    interval: str
    metrics: list[_Metric] | None = None


class _Result(msgspec.Struct):
    group: dict[str, str | None] | None = None
    data: list[_Part] | None = None


class _Answer(msgspec.Struct):
    results: list[_Result] | None = None


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decoded(content: bytes) -> dict[Cell, Figures]:
    """Decode an answer: `{}`, or an object with `results`. Numbers may be texts. A cell that comes twice is added up.

    Raises:
        NotAnAnswer: the body is JSON of another shape.
        msgspec.DecodeError: the body is not JSON.
    """
    try:
        fields = _FIELDS.decode(content)
        answer = msgspec.json.decode(content, type=_Answer, strict=False)
    except msgspec.ValidationError as error:
        raise NotAnAnswer(f"the answer has no aggregates that can be read: {error}") from error
    if fields and "results" not in fields:
        raise NotAnAnswer("the answer has no aggregates")
    found: dict[Cell, Figures] = {}
    for result in answer.results or ():
        group = result.group or {}
        for part in result.data or ():
            start = _start(part.interval)
            for metric in part.metrics or ():
                cell = Cell(start, group.get("queueId") or "", group.get("mediaType") or "", metric.metric)
                figures = _figures(metric)
                found[cell] = found[cell] + figures if cell in found else figures
    return found


def _start(written: str) -> datetime:
    """The start of an interval.

    Raises:
        NotAnAnswer: it is not an instant with a time zone.
    """
    try:
        start = datetime.fromisoformat(written.partition("/")[0])
    except ValueError as error:
        raise NotAnAnswer("an interval of the answer cannot be read") from error
    if start.tzinfo is None:
        raise NotAnAnswer("an interval of the answer has no time zone")
    return start.astimezone(UTC)


def _figures(metric: _Metric) -> Figures:
    stats = metric.stats or _Stats()
    has_sum = metric.metric.startswith("t") and stats.sum is not None
    return Figures(_whole(stats.count), _whole(stats.sum) if has_sum else None)


def _whole(number: float | None) -> int:
    """The number, rounded; metrics are whole numbers.

    Raises:
        NotAnAnswer: it is infinite, or not a number.
    """
    try:
        return round(number or 0)
    except (OverflowError, ValueError) as error:
        raise NotAnAnswer("a number of the answer is out of range") from error
