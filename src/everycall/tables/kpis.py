"""The key figures of a contact centre, declared: what each is, how it is counted, and who says so. Pure.

The API's aggregates count *metrics*: events that a session emits, each with a time of its own. A metric counts in the
half hour of its `emitDate`, however long ago its conversation began (vendor's staff, developer.genesys.cloud forum,
thread 18235). So a call can be offered in one half hour and answered in the next (help.mypurecloud.com, "Offered metric
not always equal to answered plus abandoned metrics").

It counts for the queue that its session was in when it was emitted, whoever's session that is: `nOffered` and `tAcd`
stand in the session of the queue, `tAnswered`, `tTalkComplete` and `tHandle` in that of the agent.

`kpi_sql` makes SQL of it, and docs/kpis.md the page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

Subject: TypeAlias = Literal["queue", "agent", "wrapup", "flow_out"]
"""What the rows of a view are about."""

Unit: TypeAlias = Literal["count", "ms", "ratio"]

Statistic: TypeAlias = Literal["count", "sum", "max"]
"""Over the rows of metrics: how many there are, or the sum or the largest of their values."""

# --- sources

SDK = "SDK 269, `ConversationAggregationView.target`"
"""It has the metric and its name, and no text."""

DEFINITIONS = "help.mypurecloud.com/articles/metric-definitions"
SERVICE_LEVEL = "help.mypurecloud.com/articles/configure-the-service-level-calculation"
OFFERED = "help.mypurecloud.com/faqs/offered-metric-not-always-equal-answered-plus-abandoned-metrics"
COLUMNS = "help.mypurecloud.com/?p=334996"
STATISTICS = "help.mypurecloud.com/articles/view-agent-performance-statistics"
"""Avg Talk, Avg Hold and Avg ACW are by the interactions that have talk, hold, after-call work; AHT by the handled."""

GLOSSARY = "the vendor's glossary"
CAPTURES = "answers of the real API"
WAITS = "answers of a real org, whose aggregates have tWait so"
QUEUE_SETTINGS = "SDK 269, `Queue.mediaSettings`"


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of the views."""

    name: str
    unit: Unit
    doc: str
    """What it is."""
    formula: str
    """How it is counted, in metrics and other measures."""
    source: str
    """Who says so."""
    subjects: frozenset[Subject]
    """Whose views have it."""
    metrics: tuple[str, ...] = ()
    """The metrics that are counted; none where it is made of other measures."""
    statistic: Statistic = "count"
    sql: str = ""
    """Of a measure that is made of others: an expression of their names, in quotation marks."""


QUEUE: frozenset[Subject] = frozenset({"queue"})
WAITING: frozenset[Subject] = frozenset({"queue", "flow_out"})
SERVED: frozenset[Subject] = frozenset({"queue", "agent"})
WORKED: frozenset[Subject] = frozenset({"queue", "agent", "wrapup"})


def _rows(name: str, metric: str, doc: str, source: str, subjects: frozenset[Subject]) -> Measure:
    """How often a metric with a time was emitted."""
    return Measure(name, "count", doc, f"count({metric})", source, subjects, (metric,), "count")


def _number(name: str, metric: str, doc: str, source: str, subjects: frozenset[Subject]) -> Measure:
    """The sum of a metric that is a number itself; nearly all of them are 1."""
    return Measure(name, "count", doc, f"sum({metric})", source, subjects, (metric,), "sum")


def _time(
    statistic: Literal["sum", "max"], name: str, doc: str, source: str, subjects: frozenset[Subject], *metrics: str
) -> Measure:
    """The sum or the largest of metrics with a time."""
    return Measure(
        name, "ms", doc, f"{statistic}({', '.join(metrics)})", source, subjects, metrics, statistic
    )  # fmt: skip


def _average(name: str, doc: str, total: str, count: str, source: str, subjects: frozenset[Subject]) -> Measure:
    """A sum by a count."""
    sql = f'CAST("{total}" AS double precision) / nullif("{count}", 0)'
    return Measure(name, "ms", doc, f"{total} / {count}", source, subjects, sql=sql)


def _share(name: str, doc: str, part: str, whole: str, source: str) -> Measure:
    """A count as a share of another."""
    sql = f'CAST("{part}" AS double precision) / nullif("{whole}", 0)'
    return Measure(name, "ratio", doc, f"{part} / {whole}", source, QUEUE, sql=sql)


# --- service level


@dataclass(frozen=True, slots=True)
class Switches:
    """What an org counts into its service level: three settings of the vendor, which no API reports."""

    flow_outs: bool = False
    """Include flow-outs."""
    short_abandons: bool = True
    """Include short abandons; without effect where abandons are not included, since those are among them."""
    abandons: bool = True
    """Include abandons."""

    @property
    def column(self) -> str:
        """The name of the measure: `serviceLevel`, `serviceLevelWithFlowOuts` ..."""
        flow_outs = "WithFlowOuts" if self.flow_outs else ""
        if not self.abandons:
            return f"serviceLevel{flow_outs}WithoutAbandons"
        return f"serviceLevel{flow_outs}{'' if self.short_abandons else 'WithoutShortAbandons'}"

    @property
    def terms(self) -> tuple[str, ...]:
        """The measures that the denominator adds up, `-` before one that it subtracts."""
        abandons = ("abandoned",) if self.abandons else ()
        short = ("-shortAbandoned",) if self.abandons and not self.short_abandons else ()
        return ("answered", *abandons, *short, *(("flowOuts",) if self.flow_outs else ()))


def _service_level(switches: Switches) -> Measure:
    total = " + ".join(switches.terms).replace("+ -", "- ")
    sql = " + ".join(f'"{one}"' for one in switches.terms).replace('+ "-', '- "')
    counted = {"abandons": switches.abandons, "flow-outs": switches.flow_outs}
    shown = ", ".join(f"{'with' if is_in else 'without'} {what}" for what, is_in in counted.items())
    if switches.abandons:
        shown += f", {'with' if switches.short_abandons else 'without'} short abandons"
    return Measure(
        switches.column,
        "ratio",
        f"The share that was answered within the queue's target, {shown}.",
        f"(answered - overSla) / ({total}); 0 where overSla is larger than answered",
        SERVICE_LEVEL,
        QUEUE,
        sql=f'CAST(greatest("answered" - "overSla", 0) AS double precision) / nullif({sql}, 0)',
    )


SERVICE_LEVELS: tuple[Measure, ...] = tuple(
    {
        measure.name: measure
        for flow_outs, abandons, short_abandons in product((False, True), (True, False), (True, False))
        for measure in (_service_level(Switches(flow_outs, short_abandons, abandons)),)
    }.values()
)
"""One for each way in which the three switches can stand; `serviceLevel` is as the aggregates' oServiceLevel."""

# --- all measures

MEASURES: tuple[Measure, ...] = (
    _number("offered", "nOffered", "Interactions that were routed to the queue.", COLUMNS, QUEUE),
    _rows("answered", "tAnswered", "Interactions that the first agent connected to.", DEFINITIONS, SERVED),
    _rows("abandoned", "tAbandon", "Customers who left while they waited.", DEFINITIONS, QUEUE),
    _rows(
        "shortAbandoned", "tShortAbandon",
        "Customers who left within the org's limit for short abandons. They are among the abandoned ones, too.",
        SERVICE_LEVEL, QUEUE,
    ),
    _rows(
        "flowOuts", "tFlowOut",
        "Interactions that left the queue unanswered without a disconnect: to voicemail, a callback, another queue ...",
        OFFERED, WAITING,
    ),
    _number(
        "overSla", "nOverSla", "Answered ones that had waited longer than the target.",
        SERVICE_LEVEL, QUEUE,
    ),
    _share("answerRate", "The share of answered interactions.", "answered", "offered", DEFINITIONS),
    _share("abandonRate", "The share of abandoned interactions.", "abandoned", "offered", DEFINITIONS),
    *SERVICE_LEVELS,
    _time("sum", "answeredWaitMs", "How long the answered ones waited.", SDK, SERVED, "tAnswered"),
    _time("max", "answeredWaitMaxMs", "The longest that an answered one waited.", SDK, SERVED, "tAnswered"),
    _average("asaMs", "Average speed of answer.", "answeredWaitMs", "answered", GLOSSARY, SERVED),
    _time("sum", "abandonedWaitMs", "How long the abandoned ones waited.", SDK, QUEUE, "tAbandon"),
    _time("max", "abandonedWaitMaxMs", "The longest that an abandoned one waited.", SDK, QUEUE, "tAbandon"),
    _time("sum", "flowOutWaitMs", "How long those waited that left by a flow-out.", SDK, WAITING, "tFlowOut"),
    _time("max", "flowOutWaitMaxMs", "The longest that one of them waited.", SDK, WAITING, "tFlowOut"),
    Measure(
        "waitCount", "count", "Waits that ended, in whichever way.", "count(tAnswered, tAbandon, tFlowOut)",
        WAITS, QUEUE, ("tAnswered", "tAbandon", "tFlowOut"),
    ),
    _time("sum", "waitMs", "How long they took.", WAITS, QUEUE, "tAnswered", "tAbandon", "tFlowOut"),
    _time("max", "waitMaxMs", "The longest of them.", WAITS, QUEUE, "tAnswered", "tAbandon", "tFlowOut"),
    _average("averageWaitMs", "The average wait.", "waitMs", "waitCount", GLOSSARY, QUEUE),
    _rows("handled", "tHandle", "Legs of agents that came to their end, wrap-up included.", SDK, WORKED),
    _time(
        "sum", "handleMs", "Talk, hold and after-call work; of an outbound leg also contacting and dialing.",
        CAPTURES, WORKED, "tHandle",
    ),
    _time("max", "handleMaxMs", "The longest of them.", SDK, WORKED, "tHandle"),
    _average("ahtMs", "Average handle time.", "handleMs", "handled", STATISTICS, WORKED),
    _rows("talkCount", "tTalkComplete", "Legs of agents with talk.", SDK, WORKED),
    _time("sum", "talkMs", "Their talk, without hold.", SDK, WORKED, "tTalkComplete"),
    _time("max", "talkMaxMs", "The longest talk of a leg.", SDK, WORKED, "tTalkComplete"),
    _average("averageTalkMs", "The average talk of a leg with talk.", "talkMs", "talkCount", STATISTICS, WORKED),
    _rows("holdCount", "tHeldComplete", "Legs of agents with hold.", SDK, WORKED),
    _time("sum", "holdMs", "Their hold.", SDK, WORKED, "tHeldComplete"),
    _time("max", "holdMaxMs", "The longest hold of a leg.", SDK, WORKED, "tHeldComplete"),
    _average("averageHoldMs", "The average hold of a leg with hold.", "holdMs", "holdCount", STATISTICS, WORKED),
    _rows("acwCount", "tAcw", "Legs of agents with after-call work.", SDK, WORKED),
    _time("sum", "acwMs", "Their after-call work.", SDK, WORKED, "tAcw"),
    _time("max", "acwMaxMs", "The longest after-call work.", SDK, WORKED, "tAcw"),
    _average("averageAcwMs", "The average after-call work of those.", "acwMs", "acwCount", STATISTICS, WORKED),
    _rows("alerted", "tAlert", "Times that an agent was alerted.", SDK, SERVED),
    _time("sum", "alertMs", "How long the alerts took.", SDK, SERVED, "tAlert"),
    _rows("notResponded", "tNotResponding", "Times that an agent did not respond to an alert.", SDK, SERVED),
    _number("connected", "nConnected", "Legs that were connected.", SDK, SERVED),
    _number("transferred", "nTransferred", "Transfers of every kind.", SDK, WORKED),
    _number("blindTransferred", "nBlindTransferred", "Transfers without a consultation.", SDK, WORKED),
    _number("consultTransferred", "nConsultTransferred", "Transfers after a consultation.", SDK, WORKED),
    _number("consulted", "nConsult", "Consultations, whether a transfer followed or not.", SDK, WORKED),
    _number("callbacksScheduled", "nCallbackScheduled", "Callbacks that were asked for.", SDK, SERVED),
    _number("callbackAttempts", "nCallbackAttempts", "Attempts to call back.", SDK, SERVED),
    _number("callbacksOverSla", "nCallbackOverSla", "Callbacks that came later than the target.", SDK, SERVED),
    _rows("callbacksConnected", "tCallbackConnect", "Callbacks that reached the customer.", SDK, SERVED),
    _rows("callbacksNotReached", "tCallbackNotReached", "Callbacks that did not reach the customer.", SDK, SERVED),
    _rows("callbacksAbandoned", "tCallbackAbandon", "Callbacks that were given up before they were made.", SDK, SERVED),
    _number("outbound", "nOutbound", "Outbound conversations.", SDK, SERVED),
    _number("outboundAttempted", "nOutboundAttempted", "Attempts to call out.", SDK, SERVED),
    _number("outboundConnected", "nOutboundConnected", "Outbound calls that were answered.", SDK, SERVED),
    _number(
        "outboundAbandoned", "nOutboundAbandoned", "Outbound calls that were answered and had no agent.", SDK, SERVED
    ),
    _rows("dialed", "tDialing", "Legs that dialed.", SDK, SERVED),
    _time("sum", "dialingMs", "How long they dialed.", SDK, SERVED, "tDialing"),
    _rows("contacted", "tContacting", "Legs that tried to contact.", SDK, SERVED),
    _time("sum", "contactingMs", "How long that took.", SDK, SERVED, "tContacting"),
)  # fmt: skip
"""All measures, in the order of the columns."""

# --- the views


@dataclass(frozen=True, slots=True)
class Dimension:
    """A column by which rows are grouped."""

    name: str
    doc: str
    named: str = ""
    """The column with its name, from the table of names; empty if it has none."""
    kind: str = ""
    """The kind of that name: `queue`, `user`, `wrapUpCode`."""


QUEUE_ID = Dimension(
    "queueId",
    "The queue of the session when the metric was emitted; null where it had none.",
    "queueName",
    "queue",
)
MEDIA_TYPE = Dimension("mediaType", "The medium of the session.")
USER_ID = Dimension("userId", "The agent whose session emitted the metric.", "agentName", "user")
WRAP_UP_CODE = Dimension(
    "wrapUpCode",
    "The code of the session when the metric was emitted, or else the first one that came later.",
    "wrapUpCodeName",
    "wrapUpCode",
)
FLOW_OUT_TYPE = Dimension("flowOutType", "Where those went that left the queue by a flow-out, as the session has it.")

DIMENSIONS: Mapping[Subject, tuple[Dimension, ...]] = {
    "queue": (QUEUE_ID, MEDIA_TYPE),
    "agent": (USER_ID, QUEUE_ID, MEDIA_TYPE),
    "wrapup": (WRAP_UP_CODE, QUEUE_ID, MEDIA_TYPE),
    "flow_out": (FLOW_OUT_TYPE, QUEUE_ID, MEDIA_TYPE),
}
"""By what the views of each subject are grouped, beside the time."""

SUBJECTS: Mapping[Subject, str] = {
    "queue": "a queue and medium",
    "agent": "an agent, queue and medium",
    "wrapup": "a wrap-up code, queue and medium",
    "flow_out": "where a queue's flow-outs went, by queue and medium",
}
"""What a row is about, beside the time."""

REQUIRED: Mapping[Subject, str] = {"agent": "userId", "wrapup": "wrapUpCode"}
"""The dimension without which a metric is not counted."""

Slice: TypeAlias = Literal["half_hour", "day", "local_day"]

SLICES: Mapping[Slice, tuple[str, str]] = {
    "half_hour": ("halfHour", "The start of the half hour in UTC."),
    "day": ("day", "The UTC day."),
    "local_day": ("day", "The day in the time zone of the database's session: `SET TimeZone = 'Europe/Berlin'`."),
}
"""The column with the time, and what it is."""


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view, as documentation shows it."""

    name: str
    type: str
    """date, instant, text, integer (64 bits) or number."""
    unit: str
    """ms, count or ratio; empty where there is none."""
    doc: str
    formula: str
    """In metrics and other columns; empty where it is not counted."""
    source: str


@dataclass(frozen=True, slots=True)
class Grain:
    """What one row of a view is."""

    subject: Subject
    slice: Slice

    @property
    def view(self) -> str:
        """The name of the view: `kpi_queue_half_hour`."""
        return f"kpi_{self.subject}_{self.slice}"

    @property
    def about(self) -> str:
        """What one row is."""
        return f"{SUBJECTS[self.subject]}, by {self.slice.replace('_', ' ')}"

    @property
    def doc(self) -> str:
        """The same as sentences, for the comment of the view."""
        return f"One row: {self.about}. Metrics count at their emitDate."

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Its measures, in the order of its columns."""
        return tuple(measure for measure in MEASURES if self.subject in measure.subjects)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What it is grouped by, beside the time."""
        return DIMENSIONS[self.subject]

    @property
    def columns(self) -> tuple[ViewColumn, ...]:
        """All columns of the view, in order."""
        return (*self._of_groups(), *(_described(measure) for measure in self.measures))

    def _of_groups(self) -> Iterator[ViewColumn]:
        """The columns before the measures."""
        time, about = SLICES[self.slice]
        yield ViewColumn(time, "instant" if self.slice == "half_hour" else "date", "", about, "", "")
        for one in self.dimensions:
            yield ViewColumn(one.name, "text", "", one.doc, "", "")
            if one.named:
                yield ViewColumn(one.named, "text", "", f"Its name, from the table of names: {one.kind}.", "", "")
        if self.has_target:
            for name, (column, unit, doc) in TARGETS.items():
                kind = "integer" if unit == "ms" else "number"
                yield ViewColumn(name, kind, unit, doc, f"queue_media.{column}", QUEUE_SETTINGS)

    @property
    def has_target(self) -> bool:
        """Whether its rows have the target of their queue."""
        return self.subject == "queue"


def _described(measure: Measure) -> ViewColumn:
    kind = "integer" if measure.metrics else "number"
    return ViewColumn(measure.name, kind, measure.unit, measure.doc, measure.formula, measure.source)


GRAINS: tuple[Grain, ...] = tuple(Grain(subject, one) for subject in DIMENSIONS for one in SLICES)
"""All views."""

TARGETS: Mapping[str, tuple[str, Unit, str]] = {
    "targetServiceLevel": (
        "serviceLevelPercentage", "ratio", "The service level that the queue aims at for the medium.",
    ),
    "targetMs": (
        "serviceLevelDurationMs", "ms", "Within how many milliseconds the queue wants to answer.",
    ),
}  # fmt: skip
"""Columns with the queue's target: the column of `queue_media`, the unit, and what it is. As the queue was set up when
it was looked up."""

NOT_IN_DETAILS: Mapping[str, str] = {
    "oServiceLevel": "Made of tAnswered, nOverSla and tAbandon here, by the vendor's formula: see the service levels.",
    "oServiceTarget": "The queue's present target is a column (targetServiceLevel), not the one of that day.",
    "tWait": "Made of tAnswered, tAbandon and tFlowOut here, as it is in answers of a real org.",
    "oCallbackServiceLevel": "Cannot be made: no formula of it is known.",
    "the org's three switches of the service level": "No API reports them, so each way has a column of its own.",
    "the org's limit for short abandons": "The metric tShortAbandon follows it; the limit itself is not there.",
}
"""What the vendor's views have and the details of conversations do not, and what is done about it."""
