"""The relational tables as data: a conversation with everything below it, in rows that can be joined. Pure.

    conversations
      participants                one row per element of `participants`
        participant_attributes    one per name
        sessions                  with the flow that the session ran
          segments, metrics, media_endpoint_stats, flow_outcomes
      evaluations, surveys, resolutions, conversation_divisions
    names, queues, queue_media, windows     not from conversations

The columns of a table below `conversations` are the fields of the API's record (`api.records`), so a new field of the
API is one line there; what people should know about a field stands in `descriptions`. Lists of records that have no
table of their own (`scoredAgents`, `properties`, `agentGroups`, `proposedAgents`) become lists of the same length, one
for each field. No field is left out.

**Keys.** Each row has the conversationId and its position in each list on the way to it: `participantOrdinal`,
`sessionOrdinal`, `segmentOrdinal` ..., from 0, in the order in which the API sent them. They are the key, since the API
does not give everything an id: metrics and segments have none, and (session, name, value) repeats in one conversation
of eighty. A participantId or sessionId alone is no key: the copy of a conference has sessions of another conversation.
The API's ids stand beside the ordinals, also in the tables below a session. The API promises no order, so an ordinal
holds as long as its conversation is not exported again; then all rows of the conversation are replaced together.

**Common columns.** Each row has `organizationId`. Those of conversations also have `ownerTime`: the conversationStart,
or the start of the window for a conversation that does not start in the window it belongs to (a stray). So
all rows of a window have an `ownerTime` from its start up to its end.

**Values.** Instants are UTC in milliseconds. Durations are integers. An absent field, an empty list and null are all
null. Enumerations are text, since the API adds values to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

import msgspec
from msgspec import inspect

from everycall.api import records
from everycall.errors import QueryError
from everycall.tables.descriptions import CAVEATS, DESCRIPTIONS, UNITS

Type: TypeAlias = Literal["text", "instant", "integer", "number", "boolean", "texts", "integers"]

SCHEMA_VERSION = 1
"""Of the tables. Added columns and tables do not change it; whatever else changes them does."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    """The API's name, in camelCase."""
    type: Type
    """text; instant (UTC, milliseconds); integer (64 bits); number; boolean; texts and integers (lists)."""
    path: str = ""
    """Where the value stands in the record of the table's row: `flow.flowId`, `scoredAgents[].agentScore`, or
    `../sessionId` in the record above it. Empty for the common columns and the ordinals."""
    doc: str = ""
    unit: str = ""
    """ms, s, % ...; empty where there is none."""
    caveats: str = ""
    is_required: bool = False
    """Whether it is never null."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    name: str
    grain: str
    """What one row is."""
    key: tuple[str, ...]
    """The columns that identify a row."""
    columns: tuple[Column, ...]
    path: tuple[str, ...] = ()
    """The lists from the conversation down to the table's records: ("participants", "sessions", "flow.outcomes")."""
    is_of_conversations: bool = True
    """Whether its rows are made from conversations."""

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        return {column.name: column for column in self.columns}[name]

    @property
    def ordinals(self) -> tuple[Column, ...]:
        """The columns with the positions in the lists of `path`."""
        return tuple(column for column in self.columns if column.name.endswith("Ordinal"))

    @property
    def read(self) -> tuple[Column, ...]:
        """The columns that are read from the record of the row, and from the one above it; they follow the others."""
        return tuple(column for column in self.columns if column.path and column.name != "conversationId")


# --- columns that several tables have

_ORGANIZATION = Column("organizationId", "text", doc="The org that the row comes from.", is_required=True)
_CONVERSATION = Column("conversationId", "text", doc="The conversation that the row belongs to.", is_required=True)
_OWNER_TIME = Column(
    "ownerTime",
    "instant",
    doc="The conversationStart, by which a conversation belongs to a window; for a stray, the start of its window.",
    is_required=True,
)


def _ordinal(of: str) -> Column:
    doc = f"The position of the {of} in the list of the API's answer, from 0."
    return Column(f"{of}Ordinal", "integer", doc=doc, is_required=True)


_PARTICIPANT = _ordinal("participant")
_SESSION = (_PARTICIPANT, _ordinal("session"))
_PARTICIPANT_ID = Column(
    "participantId", "text", "../participantId", doc="The API's id of the participant that the row belongs to."
)
_SESSION_ID = Column("sessionId", "text", "../sessionId", doc="The API's id of the session that the row belongs to.")


# --- columns from the API's records

ELEMENT = "[]"
"""The path of a column that is the element of a list itself."""

_TYPES: dict[type[inspect.Type], Type] = {
    inspect.StrType: "text",
    inspect.DateTimeType: "instant",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
}

_LISTS: dict[Type, Type] = {"text": "texts", "integer": "integers"}

_PLURALS = {
    "agentRank": "proposedAgentRanks",
    "agentScore": "scoredAgentScores",
    "property": "propertyNames",
    "value": "propertyValues",
}
"""Names of list columns that are not just the field's name with an s."""


def _fields(table: str, record: type[msgspec.Struct], own_tables: tuple[str, ...] = ()) -> Iterator[Column]:
    """The columns of a record's fields; lists in `own_tables` are tables of their own."""
    kind = inspect.type_info(record)
    assert isinstance(kind, inspect.StructType)
    for field in kind.fields:
        if field.encode_name not in own_tables:
            yield from _columns(table, field.encode_name, field.encode_name, field.type, own_tables)


def _columns(
    table: str, name: str, path: str, kind: inspect.Type, own_tables: tuple[str, ...] = ()
) -> Iterator[Column]:
    kind = _without_none(kind)
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            below = f"{path}.{field.encode_name}"
            if below not in own_tables:
                yield from _columns(table, _prefixed(name, field.encode_name), below, field.type, own_tables)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StructType):
        for field in kind.item_type.fields:
            plural = _PLURALS.get(field.encode_name, f"{field.encode_name}s")
            item = _TYPES[type(_without_none(field.type))]
            yield _column(table, plural, _LISTS[item], f"{path}[].{field.encode_name}")
    elif isinstance(kind, inspect.VarTupleType):
        yield _column(table, name, _LISTS[_TYPES[type(kind.item_type)]], path)
    else:
        yield _column(table, name, _TYPES[type(kind)], path)


def _column(table: str, name: str, kind: Type, path: str) -> Column:
    full = f"{table}.{name}"
    return Column(
        name,
        kind,
        path,
        doc=DESCRIPTIONS.get(full, ""),
        unit=UNITS.get(full, ""),
        caveats=CAVEATS.get(full, ""),
        is_required=name == "conversationId",
    )


def _without_none(kind: inspect.Type) -> inspect.Type:
    """`X | None` -> X; `int | float | None` -> float."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    kinds = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    return next((one for one in kinds if isinstance(one, inspect.FloatType)), kinds[0])


def _prefixed(prefix: str, name: str) -> str:
    """`flow` and `exitReason` -> `flowExitReason`; `flowId` stays as it is."""
    return name if name.startswith(prefix) else prefix + name[0].upper() + name[1:]


def _table(
    name: str,
    grain: str,
    *,
    path: tuple[str, ...],
    ordinals: tuple[Column, ...],
    columns: Iterator[Column],
    ids: tuple[Column, ...] = (),
    key: tuple[str, ...] = (),
) -> Table:
    """A table below `conversations`; its key is the conversation and the ordinals, unless `key` says otherwise."""
    common = (_ORGANIZATION, _CONVERSATION, _OWNER_TIME, *ordinals, *ids)
    keys = key or tuple(column.name for column in ordinals)
    return Table(name, grain, ("conversationId", *keys), (*common, *columns), path)


def _review(name: str, grain: str, record: type[msgspec.Struct], ordinal: str) -> Table:
    return _table(name, grain, path=(name,), ordinals=(_ordinal(ordinal),), columns=_fields(name, record))


def _below_session(name: str, grain: str, step: str, record: type[msgspec.Struct], ordinal: str) -> Table:
    return _table(
        name,
        grain,
        path=("participants", "sessions", step),
        ordinals=(*_SESSION, _ordinal(ordinal)),
        ids=(_SESSION_ID,),
        columns=_fields(name, record),
    )


def _others(table: str, *columns: tuple[str, Type]) -> tuple[Column, ...]:
    """The columns of a table that is not made from conversations."""
    return (_ORGANIZATION, *(_column(table, name, kind, name) for name, kind in columns))


# --- the tables

_LISTED = ("conversationId", "participants", "evaluations", "surveys", "resolutions")
"""Fields of a conversation that stand among the common columns, or are tables of their own."""

CONVERSATIONS = Table(
    "conversations",
    "a conversation",
    ("conversationId",),
    (
        _ORGANIZATION,
        _column("conversations", "conversationId", "text", "conversationId"),
        _OWNER_TIME,
        *_fields("conversations", records.Conversation, _LISTED),
    ),
)

PARTICIPANTS = _table(
    "participants",
    "a participant of a conversation: a customer, a flow, a queue or an agent, as often as each took part",
    path=("participants",),
    ordinals=(_PARTICIPANT,),
    columns=_fields("participants", records.Participant, ("sessions", "attributes")),
)

PARTICIPANT_ATTRIBUTES = _table(
    "participant_attributes",
    "an attribute of a participant; only conversations that a job brought have them",
    path=("participants", "attributes"),
    ordinals=(_PARTICIPANT,),
    key=("participantOrdinal", "name"),
    ids=(_PARTICIPANT_ID,),
    columns=iter((
        _column("participant_attributes", "name", "text", "name"),
        _column("participant_attributes", "value", "text", "value"),
    )),
)  # fmt: skip

SESSIONS = _table(
    "sessions",
    "a session: one leg of a participant on one medium",
    path=("participants", "sessions"),
    ordinals=_SESSION,
    ids=(_PARTICIPANT_ID,),
    columns=_fields("sessions", records.Session, ("mediaEndpointStats", "metrics", "segments", "flow.outcomes")),
)

SEGMENTS = _below_session(
    "segments",
    "a segment of a session: alert, interact, hold, wrapup ...",
    "segments",
    records.Segment,
    "segment",
)
METRICS = _below_session("metrics", "a number that a session emitted", "metrics", records.Metric, "metric")
MEDIA_ENDPOINT_STATS = _below_session(
    "media_endpoint_stats",
    "the quality of the audio at one endpoint of a session",
    "mediaEndpointStats",
    records.MediaEndpointStat,
    "stat",
)
FLOW_OUTCOMES = _below_session(
    "flow_outcomes",
    "an outcome that the flow of a session reported as achieved or not",
    "flow.outcomes",
    records.FlowOutcome,
    "outcome",
)

EVALUATIONS = _review("evaluations", "a quality evaluation", records.Evaluation, "evaluation")
SURVEYS = _review("surveys", "a survey of the customer", records.Survey, "survey")
RESOLUTIONS = _review(
    "resolutions", "whether the customer came back for the same matter", records.Resolution, "resolution"
)
CONVERSATION_DIVISIONS = _table(
    "conversation_divisions",
    "a division that took part in a conversation",
    path=("divisionIds",),
    ordinals=(_ordinal("division"),),
    columns=iter((_column("conversation_divisions", "divisionId", "text", ELEMENT),)),
)

NAMES = Table(
    "names",
    "a queue, user, wrap-up code or division that conversations refer to, and its name when it was looked up",
    ("kind", "id"),
    _others(
        "names",
        ("kind", "text"),
        ("id", "text"),
        ("name", "text"),
        ("divisionId", "text"),
        ("state", "text"),
        ("lookedUpAt", "instant"),
    ),
    is_of_conversations=False,
)

QUEUES = Table(
    "queues",
    "a queue that conversations refer to, as it was set up when it was looked up",
    ("queueId",),
    _others(
        "queues",
        ("queueId", "text"),
        ("name", "text"),
        ("divisionId", "text"),
        ("description", "text"),
        ("dateCreated", "instant"),
        ("dateModified", "instant"),
        ("memberCount", "integer"),
        ("scoringMethod", "text"),
        ("skillEvaluationMethod", "text"),
        ("acwWrapupPrompt", "text"),
        ("acwTimeoutMs", "integer"),
        ("lookedUpAt", "instant"),
    ),
    is_of_conversations=False,
)

QUEUE_MEDIA = Table(
    "queue_media",
    "the settings of a queue for one medium, with its service-level target; joins sessions on queueId and mediaType",
    ("queueId", "mediaType"),
    _others(
        "queue_media",
        ("queueId", "text"),
        ("mediaType", "text"),
        ("serviceLevelPercentage", "number"),
        ("serviceLevelDurationMs", "integer"),
        ("alertingTimeoutSeconds", "integer"),
        ("enableAutoAnswer", "boolean"),
        ("lookedUpAt", "instant"),
    ),
    is_of_conversations=False,
)

WINDOWS = Table(
    "windows",
    "a window of an export: which conversations the tables have, and whether it is proven that none is missing",
    ("windowStart",),
    _others(
        "windows",
        ("windowStart", "instant"),
        ("windowEnd", "instant"),
        ("route", "text"),
        ("verdict", "text"),
        ("reason", "text"),
        ("hitsBefore", "integer"),
        ("hitsAfter", "integer"),
        ("uniqueIds", "integer"),
        ("owned", "integer"),
        ("forgotten", "integer"),
        ("carriedIn", "integer"),
        ("strays", "integer"),
        ("late", "integer"),
        ("unreadable", "integer"),
        ("open", "integer"),
        ("reReads", "integer"),
        ("provisional", "boolean"),
        ("countedAt", "instant"),
        ("replaced", "integer"),
        ("replacedAt", "instant"),
        ("removed", "integer"),
    ),
    is_of_conversations=False,
)

TABLES: tuple[Table, ...] = (
    CONVERSATIONS, PARTICIPANTS, PARTICIPANT_ATTRIBUTES, SESSIONS, SEGMENTS, METRICS, MEDIA_ENDPOINT_STATS,
    FLOW_OUTCOMES, EVALUATIONS, SURVEYS, RESOLUTIONS, CONVERSATION_DIVISIONS, NAMES, QUEUES, QUEUE_MEDIA, WINDOWS,
)  # fmt: skip
"""All tables; each below its parents."""

OF_CONVERSATIONS: tuple[Table, ...] = tuple(table for table in TABLES if table.is_of_conversations)
"""The tables whose rows are made from conversations."""


def table(name: str) -> Table:
    """The table of that name.

    Raises:
        QueryError: there is none; the hint lists similar ones.
    """
    known = {one.name: one for one in TABLES}
    if name.lower() not in known:
        near = get_close_matches(name.lower(), known, n=3)
        hint = f"Similar tables: {', '.join(near)}." if near else f"The tables are {', '.join(known)}."
        raise QueryError(f"There is no table '{name}'.", hint=hint)
    return known[name.lower()]
