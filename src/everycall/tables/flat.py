"""The flat table as data: one row per conversation, each column with its type, meaning and caveats. Pure.

    Conversation + Names -> a row, values in the order of the columns

A row is made in two steps, since names are looked up in bulk in between: `Facts.of` walks a conversation once and keeps
what any column needs; `row` turns facts and names into values.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from everycall.api.names import Kind, Names
from everycall.api.records import Conversation, Participant, Segment, Session
from everycall.errors import QueryError
from everycall.instants import EPOCH, MILLISECOND

T = TypeVar("T")

Value: TypeAlias = str | int | float | bool | datetime | tuple[str, ...] | None
"""What a cell can hold; None is an empty cell."""

Row: TypeAlias = tuple[Value, ...]

Type = Literal["text", "instant", "seconds", "integer", "real", "boolean", "texts"]

CUSTOMER_SIDE = ("customer", "external")
"""Purposes of the outside: e-mail has `external`, everything else `customer`."""


class _Leg(NamedTuple):
    """A segment with what it hangs on."""

    participant: Participant
    session: Session
    segment: Segment


@dataclass(frozen=True, slots=True)
class Facts:
    """What the columns need of a conversation: found in one walk, small enough to wait for names."""

    conversation_id: str
    began: datetime | None
    """What decides to which window it belongs: its start, or the next best where that cannot be read."""
    start: datetime | None
    end: datetime | None
    channel: str | None
    queue_id: str | None
    queue_leg_name: str | None
    """participantName of the queue's own leg, which outlives the queue."""
    agent_id: str | None
    wrap_up_code: str | None
    wrap_up_note: str | None
    disposition_name: str | None
    user_ids: tuple[str, ...]
    queue_ids: tuple[str, ...]
    direction: str | None
    ani: str | None
    dnis: str | None
    message_type: str | None
    flow_name: str | None
    flow_exit_reason: str | None
    division_ids: tuple[str, ...]
    disconnect_type: str | None
    metrics: dict[str, int | float]
    """Sums over all sessions, by the metric's name; times in milliseconds."""
    min_mos: float | None
    evaluation_score: int | float | None
    survey_score: int | float | None
    promoter_score: int | float | None

    @classmethod
    def of(cls, conversation: Conversation) -> "Facts":
        """The facts of one conversation."""
        sessions = [
            (participant, session) for participant in conversation.participants for session in participant.sessions
        ]
        legs = [_Leg(*pair, segment) for pair in sessions for segment in pair[1].segments]
        legs.sort(key=_segment_start)
        last = _Last.of(legs)
        outside = [session for participant, session in sessions if participant.purpose in CUSTOMER_SIDE]
        customer = outside or [session for _, session in sessions]
        flow = _first(session.flow for _, session in sessions)
        queue = last.queue_leg or last.queue
        agent = last.people.get("agent") or (None if queue else last.people.get("user"))
        ending = last.outside_end or last.end
        return cls(
            conversation_id=conversation.conversation_id,
            began=conversation.began,
            start=conversation.conversation_start,
            end=conversation.conversation_end,
            channel=_first(session.media_type for session in customer),
            queue_id=queue.segment.queue_id if queue else None,
            queue_leg_name=last.queue_leg.participant.participant_name if last.queue_leg else None,
            agent_id=agent.participant.user_id if agent else None,
            wrap_up_code=last.wrap_up.segment.wrap_up_code if last.wrap_up else None,
            wrap_up_note=last.note.segment.wrap_up_note if last.note else None,
            disposition_name=_last(session.disposition_name for _, session in sessions),
            user_ids=_unique(leg.participant.user_id for leg in legs),
            queue_ids=_unique(leg.segment.queue_id for leg in legs),
            direction=conversation.originating_direction,
            ani=_first(session.ani for session in customer),
            dnis=_first(session.dnis for session in customer),
            message_type=_first(session.message_type for session in customer),
            flow_name=flow.flow_name if flow else None,
            flow_exit_reason=flow.exit_reason if flow else None,
            division_ids=conversation.division_ids,
            disconnect_type=ending.segment.disconnect_type if ending else None,
            metrics=_metric_sums(session for _, session in sessions),
            min_mos=conversation.media_stats_min_conversation_mos,
            evaluation_score=_last(one.o_total_score for one in conversation.evaluations),
            survey_score=_last(one.o_survey_total_score for one in conversation.surveys),
            promoter_score=_last(one.survey_promoter_score for one in conversation.surveys),
        )

    def seconds(self, metric: str) -> float | None:
        """The sum of a time metric in seconds; None where no session emitted it."""
        value_ms = self.metrics.get(metric)
        return None if value_ms is None else value_ms / 1000


@dataclass(slots=True)
class _Last:
    """The last leg of each kind, by the start of its segment."""

    queue_leg: _Leg | None = None
    """A queue's own."""
    queue: _Leg | None = None
    """Any with a queue."""
    people: dict[str | None, _Leg] = field(default_factory=dict)
    """Those of the org's people who interacted, by purpose: agent; or user, who is the caller where somebody inside
    called a queue."""
    wrap_up: _Leg | None = None
    note: _Leg | None = None
    end: _Leg | None = None
    outside_end: _Leg | None = None

    @classmethod
    def of(cls, legs: Iterable[_Leg]) -> "_Last":
        """Of legs in the order of time."""
        last = cls()
        for leg in legs:
            participant, _, segment = leg
            if segment.queue_id:
                last.queue = leg
                if participant.purpose == "acd":
                    last.queue_leg = leg
            if segment.segment_type == "interact" and participant.user_id:
                last.people[participant.purpose] = leg
            if segment.wrap_up_code:
                last.wrap_up = leg
            if segment.wrap_up_note:
                last.note = leg
            if segment.disconnect_type:
                last.end = leg
                if participant.purpose in CUSTOMER_SIDE:
                    last.outside_end = leg
        return last


def _segment_start(leg: _Leg) -> datetime:
    return leg.segment.segment_start or EPOCH


def _metric_sums(sessions: Iterable[Session]) -> dict[str, int | float]:
    sums: dict[str, int | float] = {}
    for session in sessions:
        for metric in session.metrics:
            if metric.name and metric.value is not None:
                sums[metric.name] = sums.get(metric.name, 0) + metric.value
    return sums


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


def _last(values: Iterable[T | None]) -> T | None:
    last = None
    for value in values:
        last = value if value is not None else last
    return last


def _unique(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the flat table."""

    name: str
    type: Type
    """text; instant (UTC); seconds (three decimals); integer; real; boolean; texts (several, joined by `|`)."""
    doc: str
    """What it holds, and when it is empty."""
    value: Callable[[Facts, Names], Value]
    caveats: str = ""
    """What it is not good for."""
    names: Callable[[Facts], Iterable[tuple[Kind, str | None]]] = lambda _: ()
    """The ids whose names it needs."""


def _duration(facts: Facts) -> float | None:
    if facts.start is None or facts.end is None:
        return None
    return (facts.end - facts.start) // MILLISECOND / 1000


def _queue_name(facts: Facts, names: Names) -> str | None:
    found = names.name("queues", facts.queue_id) if facts.queue_id else None
    return found or facts.queue_leg_name or facts.queue_id


def _agent_name(facts: Facts, names: Names) -> str | None:
    return facts.agent_id and (names.name("users", facts.agent_id) or facts.agent_id)


def _disposition(facts: Facts, names: Names) -> str | None:
    code = facts.wrap_up_code
    return names.name("wrapupcodes", code) or code if code else facts.disposition_name


def _division_names(facts: Facts, names: Names) -> tuple[str, ...]:
    return tuple(names.name("divisions", one) or one for one in facts.division_ids)


def _count(facts: Facts, metric: str) -> int:
    return int(facts.metrics.get(metric, 0))


DEFAULT: tuple[Column, ...] = (
    Column("conversationId", "text", "The API's id of the conversation, a UUID.", lambda f, _: f.conversation_id),
    Column(
        "channel",
        "text",
        "mediaType of the customer side's first session (purpose customer or external), else of the first session: "
        "voice, chat, email, message, callback ...",
        lambda f, _: f.channel,
        "One conversation can use several media; this is how it came in.",
    ),
    Column("startTime", "instant", "conversationStart.", lambda f, _: f.start),
    Column(
        "endTime",
        "instant",
        "conversationEnd; empty while the conversation lives.",
        lambda f, _: f.end,
        "Some never end (a stuck e-mail), and an e-mail or callback can be reopened.",
    ),
    Column(
        "duration",
        "seconds",
        "endTime - startTime; empty while the conversation lives.",
        lambda f, _: _duration(f),
        "After-call work counts in it: it is not the time that the customer spent.",
    ),
    Column(
        "queueName",
        "text",
        "The last queue that it was offered to, by name; the name on the queue's own leg where the queue is gone, else "
        "its id; empty where no queue was involved.",
        _queue_name,
        "Where no leg of a queue exists (an outbound call on behalf of a queue), the last queue on any leg.",
        names=lambda f: [("queues", f.queue_id)],
    ),
    Column(
        "agentName",
        "text",
        "The last agent who interacted, by name, deleted users too; else the id; empty where none interacted.",
        _agent_name,
        "An agent who was alerted and did not answer does not count. Where no queue was involved, it is the user who "
        "was called, or who called.",
        names=lambda f: [("users", f.agent_id)],
    ),
    Column(
        "disposition",
        "text",
        "The last wrap-up code, by name; system codes (ININ-WRAP-UP-TIMEOUT) as they are; else the dialer's "
        "dispositionName; else empty.",
        _disposition,
        "A code can arrive days after the end.",
        names=lambda f: [("wrapupcodes", f.wrap_up_code)],
    ),
)
"""The default view: eight columns, in this order."""

EXTENDED: tuple[Column, ...] = (
    *DEFAULT,
    Column("queueId", "text", "Id of the queue in queueName.", lambda f, _: f.queue_id),
    Column("agentId", "text", "Id of the user in agentName.", lambda f, _: f.agent_id),
    Column("queueIds", "texts", "Every queue on the way, in order of time, each once.", lambda f, _: f.queue_ids),
    Column(
        "userIds",
        "texts",
        "Every user on the way, in order of time, each once.",
        lambda f, _: f.user_ids,
        "Includes those who were only alerted, or who listened.",
    ),
    Column("originatingDirection", "text", "inbound or outbound.", lambda f, _: f.direction),
    Column(
        "ani",
        "text",
        "The customer's address, of the customer side's first session that has one: tel:+12025550123.",
        lambda f, _: f.ani,
        "Personal data.",
    ),
    Column("dnis", "text", "The address that the customer used, of the same side.", lambda f, _: f.dnis),
    Column(
        "messageType",
        "text",
        "webmessaging, sms, whatsapp ...; empty except for messages.",
        lambda f, _: f.message_type,
    ),
    Column("flowName", "text", "The first flow: the IVR's, bot's or workflow's name.", lambda f, _: f.flow_name),
    Column(
        "flowExitReason", "text", "exitReason of that flow: TRANSFER, DISCONNECT ...", lambda f, _: f.flow_exit_reason
    ),
    Column(
        "divisionNames",
        "texts",
        "Every division of the conversation, by name, else by id.",
        _division_names,
        "What no division of the OAuth client's roles covers is not in the export at all.",
        names=lambda f: [("divisions", one) for one in f.division_ids],
    ),
    Column(
        "disconnectType",
        "text",
        "How the customer side's last leg ended: client, peer, transfer ...; else the last leg's.",
        lambda f, _: f.disconnect_type,
    ),
    Column("waitSeconds", "seconds", "Time in queues: the sum of tAcd.", lambda f, _: f.seconds("tAcd")),
    Column("talkSeconds", "seconds", "The sum of tTalkComplete.", lambda f, _: f.seconds("tTalkComplete")),
    Column("holdSeconds", "seconds", "The sum of tHeldComplete.", lambda f, _: f.seconds("tHeldComplete")),
    Column("acwSeconds", "seconds", "After-call work: the sum of tAcw.", lambda f, _: f.seconds("tAcw")),
    Column(
        "handleSeconds",
        "seconds",
        "The sum of tHandle over all agents.",
        lambda f, _: f.seconds("tHandle"),
        "With several agents it can exceed the duration.",
    ),
    Column(
        "transfers",
        "integer",
        "The sum of nTransferred; 0 where there was none.",
        lambda f, _: _count(f, "nTransferred"),
    ),
    Column(
        "abandoned",
        "boolean",
        "Whether the customer left while waiting in a queue (tAbandon was emitted).",
        lambda f, _: "tAbandon" in f.metrics,
    ),
    Column(
        "minMos",
        "real",
        "mediaStatsMinConversationMos, as the API gives it; voice only.",
        lambda f, _: f.min_mos,
    ),
    Column(
        "wrapUpNote",
        "text",
        "The last note that is not empty.",
        lambda f, _: f.wrap_up_note,
        "Free text, line breaks too.",
    ),
    Column(
        "evaluationScore",
        "real",
        "oTotalScore of the last evaluation.",
        lambda f, _: f.evaluation_score,
        "Comes days later.",
    ),
    Column(
        "surveyScore", "real", "oSurveyTotalScore of the last survey.", lambda f, _: f.survey_score, "Comes days later."
    ),
    Column(
        "promoterScore",
        "integer",
        "surveyPromoterScore of the last survey.",
        lambda f, _: f.promoter_score,
        "Comes days later.",
    ),
)
"""The extended view: the default one, and what reporting asks for."""

VIEWS: dict[str, tuple[Column, ...]] = {"default": DEFAULT, "extended": EXTENDED}


def columns(view: str = "default", only: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of a view; or those named in `only`, of any view, in that order.

    Raises:
        QueryError: no such view or column; the hint lists the near ones.
    """
    if view not in VIEWS:
        raise QueryError(f"There is no view '{view}'.", hint=f"There are {' and '.join(VIEWS)}.")
    if not only:
        return VIEWS[view]
    known = {column.name: column for column in EXTENDED}
    folded = {name.lower(): name for name in known}
    for name in only:
        if name.lower() not in folded:
            near = [folded[one] for one in get_close_matches(name.lower(), folded, n=3)]
            hint = f"Near: {', '.join(near)}." if near else f"There are {', '.join(known)}."
            raise QueryError(f"There is no column '{name}'.", hint=hint)
    return tuple(known[folded[name.lower()]] for name in dict.fromkeys(only))


def ids(facts: Facts, table: Sequence[Column]) -> Iterator[tuple[Kind, str]]:
    """The ids whose names these columns need for this conversation."""
    for column in table:
        for kind, entity_id in column.names(facts):
            if entity_id:
                yield kind, entity_id


def row(facts: Facts, names: Names, table: Sequence[Column]) -> Row:
    """The values of these columns for this conversation."""
    return tuple(column.value(facts, names) for column in table)
