"""The columns of the flat table as data: name, type, description, caveats, and the fields that each reads. Pure.

A cell is made in two steps, since names are looked up in bulk in between: `fact` extracts a small value from a
conversation's `Journey`, and `shown` makes the cell from it once the names are known.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from everycall.api.names import Kind, Names
from everycall.instants import MILLISECOND
from everycall.tables import journey as rules
from everycall.tables import outcome
from everycall.tables.journey import Journey, Queue
from everycall.tables.legs import first

Value: TypeAlias = str | int | float | bool | datetime | tuple[str, ...] | None
"""The value of a cell; None is an empty cell."""

Type = Literal["text", "instant", "seconds", "integer", "real", "boolean", "texts"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the flat table."""

    name: str
    type: Type
    """text; instant (UTC); seconds (three decimals); integer; real; boolean; texts (several, joined by `|`)."""
    doc: str
    """What it contains, and when it is empty."""
    reads: tuple[str, ...]
    """The paths of the record that `fact` reads, beside those that every row needs."""
    fact: Callable[[Journey], Any]
    """Extracts the cell, or the ids that need names."""
    caveats: str = ""
    """What the user should know about its limits."""
    shown: Callable[[Any, Names], Value] | None = None
    """Makes the cell from the fact and the names; None if the fact is the cell."""
    names: Callable[[Any], Iterable[tuple[Kind, str | None]]] | None = None
    """The ids in a fact that need names."""


# --- the fields that the rules read

_SESSIONS = "participants.sessions."
_SEGMENTS = "participants.sessions.segments."

_AGENT = (
    "participants.user_id",
    _SESSIONS + "monitored_participant_id",
    _SESSIONS + "coached_participant_id",
    _SESSIONS + "barged_participant_id",
    _SEGMENTS + "segment_type",
)
_CODE = (*_AGENT, _SEGMENTS + "wrap_up_code")
_QUEUES = (
    *_AGENT,
    _SESSIONS + "media_type",
    _SEGMENTS + "queue_id",
    _SEGMENTS + "disconnect_type",
    _SESSIONS + "metrics",
)
_METRICS = (*_QUEUES, _SESSIONS + "metrics.name", _SESSIONS + "metrics.value")
_FLOW = (_SESSIONS + "flow.flow_name", _SESSIONS + "flow.exit_reason")
_EVALUATIONS = tuple(
    "evaluations." + name for name in ("evaluation_status", "event_time", "deleted", "calibration_id", "o_total_score")
)
_SURVEYS = ("surveys.survey_status", "surveys.event_time")


# --- cells

CodeFact: TypeAlias = tuple[str | None, str, str]
"""The id of the user who gave the code, another name for whoever gave it, and the code."""


def _duration(journey: Journey) -> float | None:
    if journey.start is None or journey.end is None:
        return None
    return (journey.end - journey.start) // MILLISECOND / 1000


def _queue_name(queue: Queue | None, names: Names) -> str | None:
    if queue is None:
        return None
    return names.name("queues", queue.id) or queue.name or queue.id


def _agent_id(journey: Journey) -> str | None:
    agent = journey.agent
    return agent.user_id if agent else None


def _user_name(user_id: str | None, names: Names) -> str | None:
    return user_id and (names.name("users", user_id) or user_id)


def _disposition(journey: Journey) -> tuple[str | None, str | None]:
    code = outcome.last_code(journey)
    return code, None if code or journey.agent else outcome.dialer_disposition(journey)


def _disposition_shown(fact: tuple[str | None, str | None], names: Names) -> str | None:
    code, dialer_disposition = fact
    return _code_name(code, names) if code else dialer_disposition


def _code_name(code: str, names: Names) -> str:
    return names.name("wrapupcodes", code) or code


def _codes(journey: Journey) -> tuple[CodeFact, ...]:
    codes = outcome.wrap_ups(journey.all_legs())
    given = sorted((code.at, code.code, code.participant.user_id or "", _giver(code)) for code in codes)
    return tuple((user_id or None, giver, code) for _, code, user_id, giver in given)


def _giver(wrap_up: outcome.WrapUp) -> str:
    return wrap_up.participant.participant_name or wrap_up.participant.purpose or "?"


def _codes_shown(facts: Iterable[CodeFact], names: Names) -> tuple[str, ...]:
    return tuple(f"{_user_name(user_id, names) or giver}: {_code_name(code, names)}" for user_id, giver, code in facts)


def _codes_names(facts: Iterable[CodeFact]) -> Iterable[tuple[Kind, str | None]]:
    for user_id, _, code in facts:
        yield "users", user_id
        yield "wrapupcodes", code


def _division_names(division_ids: Iterable[str], names: Names) -> tuple[str, ...]:
    return tuple(names.name("divisions", division_id) or division_id for division_id in division_ids)


def _seconds(metric: str) -> Callable[[Journey], float | None]:
    def fact(journey: Journey) -> float | None:
        value_ms = outcome.metric_sum(journey, metric)
        return None if value_ms is None else value_ms / 1000

    return fact


# --- the columns

DEFAULT: tuple[Column, ...] = (
    Column(
        "conversationId",
        "text",
        "The API's id of the conversation, a UUID.",
        (),
        lambda j: j.conversation.conversation_id,
    ),
    Column(
        "channel",
        "text",
        "mediaType of the customer's session that began first: voice, chat, email, message, callback ...",
        (_SESSIONS + "media_type",),
        rules.channel,
        "A conversation can use several media; this is the first one.",
    ),
    Column("startTime", "instant", "conversationStart.", (), lambda j: j.start),
    Column(
        "endTime",
        "instant",
        "conversationEnd; empty while the conversation goes on.",
        (),
        lambda j: j.end,
        "Some never end (a stuck e-mail), and an e-mail or callback can be reopened.",
    ),
    Column(
        "duration",
        "seconds",
        "endTime - startTime; empty while the conversation goes on.",
        (),
        _duration,
        "It is not the time that the customer spent: it includes after-call work, and a leg that nobody closed can "
        "keep a conversation open for weeks. `handledEnd` is when the last agent was done; the summary counts the "
        "conversations that outlast it by more than a day.",
    ),
    Column(
        "queueName",
        "text",
        "The name of the last queue on the customer's way. If the queue was deleted, the name on the queue's own leg, "
        "else its id. Empty if no queue was involved.",
        (*_QUEUES, "participants.participant_name"),
        lambda j: j.queue,
        "A queue that an agent only consulted does not count. If no queue has a leg (an outbound call on behalf of a "
        "queue), it is the last queue on any leg.",
        _queue_name,
        lambda queue: [("queues", queue.id)] if queue else (),
    ),
    Column(
        "agentName",
        "text",
        "The name of the agent who had the customer last, also of a deleted user, else the id. Without an agent, the "
        "user. On an outbound call that nobody answered, whoever dialled. Empty if nobody had the customer.",
        _AGENT,
        _agent_id,
        "Agents who were alerted and did not answer, who listened, or who were consulted and did not join the customer "
        "do not count.",
        _user_name,
        lambda user_id: [("users", user_id)],
    ),
    Column(
        "disposition",
        "text",
        "The name of the last wrap-up code of the agent in agentName; system codes (ININ-WRAP-UP-TIMEOUT) unchanged; "
        "empty if that agent gave none. Without an agent, the system's code, else the dialer's dispositionName.",
        (*_CODE, _SESSIONS + "disposition_name"),
        _disposition,
        "A code can arrive days after the end. The codes of all agents are in `wrapUpCodes`.",
        _disposition_shown,
        lambda fact: [("wrapupcodes", fact[0])],
    ),
)
"""The default view: eight columns, in this order."""

EXTENDED: tuple[Column, ...] = (
    *DEFAULT,
    Column(
        "queueId",
        "text",
        "Id of the queue in queueName.",
        (*_QUEUES, "participants.participant_name"),
        lambda j: (j.queue.id or None) if j.queue else None,
    ),
    Column("agentId", "text", "Id of the user in agentName.", _AGENT, _agent_id),
    Column(
        "queueIds",
        "texts",
        "Every queue on the customer's way, in order of time, each once.",
        _QUEUES,
        rules.queue_ids,
        "Queues that were only consulted are left out.",
    ),
    Column(
        "userIds",
        "texts",
        "Every user on any leg, in order of time, each once.",
        ("participants.user_id",),
        rules.user_ids,
        "Includes users who were only alerted or consulted, or who listened.",
    ),
    Column(
        "originatingDirection",
        "text",
        "inbound or outbound.",
        ("originating_direction",),
        lambda j: j.conversation.originating_direction,
    ),
    Column(
        "customerAddress",
        "text",
        "The customer's address, from the customer's first session that has one: ani or addressFrom of an inbound "
        "session, dnis or addressTo of an outbound one; else the first callback number.",
        (
            "originating_direction",
            *(
                _SESSIONS + name
                for name in ("direction", "ani", "dnis", "address_from", "address_to", "callback_numbers")
            ),
        ),
        rules.customer_address,
        "Personal data. Web messages have none. In an internal call it is the address of the first session.",
    ),
    Column(
        "ani",
        "text",
        "ani of the customer's first session that has one, as the API gives it: tel:+12025550123.",
        (_SESSIONS + "ani",),
        lambda j: first(j.customer_legs, lambda session: session.ani),
        "Personal data. On an outbound call it is the org's own number: see `customerAddress`.",
    ),
    Column(
        "dnis",
        "text",
        "dnis of the customer's first session that has one, as the API gives it.",
        (_SESSIONS + "dnis",),
        lambda j: first(j.customer_legs, lambda session: session.dnis),
        "On an outbound call it is the customer's number, and personal data.",
    ),
    Column(
        "messageType",
        "text",
        "webmessaging, sms, whatsapp ...; empty except for messages.",
        (_SESSIONS + "message_type",),
        lambda j: first(j.customer_legs, lambda session: session.message_type),
    ),
    Column(
        "flowName",
        "text",
        "The flow that started first: the IVR's, bot's or workflow's name.",
        _FLOW,
        lambda j: outcome.first_flow(j)[0],
    ),
    Column(
        "flowExitReason",
        "text",
        "exitReason of that flow: TRANSFER, DISCONNECT ...",
        _FLOW,
        lambda j: outcome.first_flow(j)[1],
    ),
    Column(
        "divisionNames",
        "texts",
        "Every division of the conversation, by name, else by id.",
        ("division_ids",),
        lambda j: j.conversation.division_ids,
        "Conversations in no division of the OAuth client's roles are not in the export.",
        _division_names,
        lambda division_ids: [("divisions", division_id) for division_id in division_ids],
    ),
    Column(
        "disconnectType",
        "text",
        "disconnectType of the customer's last leg that has one (client, peer, transfer ...), else of the last leg on "
        "the way.",
        _QUEUES,
        outcome.disconnect_type,
    ),
    Column(
        "endedBy",
        "text",
        "Who ended the conversation: customer, agent or system; empty if the legs do not show it.",
        (*_AGENT, _SEGMENTS + "disconnect_type"),
        outcome.ended_by,
        "Derived from disconnectTypes: see below.",
    ),
    Column(
        "handledEnd",
        "instant",
        "The end of the last segment of an agent or user, wrap-up included; empty if none took part, and while one of "
        "these segments goes on.",
        (),
        outcome.handled_end,
        "A conversation can stay open for weeks after that.",
    ),
    Column(
        "waitSeconds",
        "seconds",
        "Time in queues: the sum of tAcd.",
        _METRICS,
        _seconds("tAcd"),
        "Without the time in queues that were only consulted.",
    ),
    Column("talkSeconds", "seconds", "The sum of tTalkComplete.", _METRICS, _seconds("tTalkComplete")),
    Column("holdSeconds", "seconds", "The sum of tHeldComplete.", _METRICS, _seconds("tHeldComplete")),
    Column("acwSeconds", "seconds", "After-call work: the sum of tAcw.", _METRICS, _seconds("tAcw")),
    Column(
        "handleSeconds",
        "seconds",
        "The sum of tHandle over all agents.",
        _METRICS,
        _seconds("tHandle"),
        "With several agents it can exceed the duration.",
    ),
    Column(
        "transfers",
        "integer",
        "The sum of nTransferred; 0 where there was none.",
        _METRICS,
        lambda j: int(outcome.metric_sum(j, "nTransferred") or 0),
    ),
    Column(
        "abandoned",
        "boolean",
        "Whether the customer left while waiting: a leg emitted tAbandon (calls, chats), tCallbackAbandon "
        "(callbacks) or tCfcAbandon (callbacks that call the customer first).",
        _METRICS,
        outcome.is_abandoned,
        "A queue that was only consulted does not count. The column follows the metrics for every medium; the vendor's "
        "reports have no abandonment for messages.",
    ),
    Column(
        "minMos",
        "real",
        "mediaStatsMinConversationMos, as the API gives it; voice only.",
        ("media_stats_min_conversation_mos",),
        lambda j: j.conversation.media_stats_min_conversation_mos,
    ),
    Column(
        "wrapUpNote",
        "text",
        "The last note of the agent in agentName that is not empty.",
        (*_AGENT, _SEGMENTS + "wrap_up_note"),
        outcome.last_note,
        "Free text, also with line breaks.",
    ),
    Column(
        "wrapUpCodes",
        "texts",
        "Every wrap-up code and who gave it, in order of time: `Ann Alder: Solved`. Users are shown by name, else by "
        "id; other participants by their name or purpose.",
        ("participants.user_id", "participants.participant_name", _SEGMENTS + "wrap_up_code"),
        _codes,
        "A code can arrive days after the end.",
        _codes_shown,
        _codes_names,
    ),
    Column(
        "evaluationScore",
        "real",
        "oTotalScore of the latest evaluation (by eventTime) that is finished and has a score; deleted ones and "
        "those for calibration do not count.",
        _EVALUATIONS,
        lambda j: outcome.evaluation_score(j.conversation.evaluations),
        "Arrives days later.",
    ),
    Column(
        "surveyScore",
        "real",
        "oSurveyTotalScore of the latest survey (by eventTime) that is finished and has one.",
        (*_SURVEYS, "surveys.o_survey_total_score"),
        lambda j: outcome.survey_score(j.conversation.surveys, lambda survey: survey.o_survey_total_score),
        "Arrives days later.",
    ),
    Column(
        "promoterScore",
        "integer",
        "surveyPromoterScore of the latest survey (by eventTime) that is finished and has one.",
        (*_SURVEYS, "surveys.survey_promoter_score"),
        lambda j: outcome.survey_score(j.conversation.surveys, lambda survey: survey.survey_promoter_score),
        "Arrives days later.",
    ),
)
"""The extended view: the default columns, and those for reports."""

VIEWS: Mapping[str, tuple[Column, ...]] = {"default": DEFAULT, "extended": EXTENDED}
