"""One conversation as a time line: participants as lanes, sessions as tracks, segments as bars, metrics as marks. Pure.

    record (`api.records`) and names  ->  Timeline  ->  terminal, SVG, HTML (`analysis.drawing`)

Nothing is left out: what has no time, or an end before its start, is kept, and says so in `Bar.state`. Times are cut to
milliseconds, as the tables keep them, so that a record and its rows give the same time line.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from everycall.api.names import Kind, Names
from everycall.api.records import Conversation, Evaluation, Participant, Resolution, Segment, Session, Survey
from everycall.instants import floor_ms
from everycall.tables import flat
from everycall.tables.legs import in_utc

State = Literal["ended", "open", "unended", "reversed", "undated"]
"""ended: both times are known. open: it goes on, as its conversation does. unended: it has no end, and its conversation
has ended. reversed: it ends before it starts. undated: it has no start; it may have an end."""

Look = Literal[
    "customer", "flow", "waiting", "alert", "talk", "hold", "after-call", "dialling", "listening", "parked", "other"
]
"""What a bar is to a reader: a segment's type means something else for each purpose (in a queue, `interact` waits)."""

Fact: TypeAlias = tuple[str, str]
"""A label and a text, not escaped."""

OUTSIDE = ("customer", "external")
QUEUE = "acd"
PEOPLE = ("agent", "user", "manual")
"""Purposes whose `interact` is a talk. Other participants are flows, dialers, stations and the like."""

_LOOKS: Mapping[str, Look] = {
    "alert": "alert",
    "hold": "hold",
    "wrapup": "after-call",
    "contacting": "dialling",
    "dialing": "dialling",
    "delay": "waiting",
    "callback": "dialling",
    "scheduled": "waiting",
    "parked": "parked",
    "ivr": "flow",
    "system": "flow",
    "voicemail": "flow",
    "barging": "listening",
    "coaching": "listening",
    "monitoring": "listening",
    "screenmonitoring": "listening",
}

NOTABLE: Mapping[str, str] = {
    "nBlindTransferred": "blind transfer",
    "nConsultTransferred": "consult transfer",
    "nTransferred": "transfer",
    "nConsult": "consult",
    "tAbandon": "abandoned",
    "tCallbackAbandon": "abandoned",
    "tCfcAbandon": "abandoned",
    "tFlowOut": "left the queue",
    "tNotResponding": "no answer",
    "nOutboundAbandoned": "abandoned",
    "tVoicemail": "voicemail",
    "nOverSla": "over target",
    "tAnswered": "answered",
    "nError": "error",
}
"""Metrics that pictures name, the most important first; all of them are in the lists below the pictures."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One segment."""

    kind: str
    """The segmentType; empty where it is missing."""
    look: Look
    start: datetime | None
    """UTC, whole milliseconds."""
    end: datetime | None
    state: State
    queue: str = ""
    """The queue's name, else its id."""
    code: str = ""
    """The wrap-up code's name, else its id."""
    note: str = ""
    disconnect: str = ""
    """The disconnectType."""
    facts: tuple[Fact, ...] = ()
    """What else it has to say: subject, errors, conference, other conversations."""

    @property
    def took_ms(self) -> int | None:
        """How long it took; None where an end is missing or before the start."""
        if self.state != "ended" or self.start is None or self.end is None:
            return None
        return round((self.end - self.start).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Mark:
    """One metric."""

    name: str
    """As the API calls it; empty where it is missing."""
    at: datetime | None
    """When it was emitted: at the end of what it measures."""
    value: float | None
    """Milliseconds where the name begins with t; a count or another number otherwise."""

    @property
    def is_time(self) -> bool:
        """Whether the value is in milliseconds."""
        return self.name[:1] == "t" and self.name[1:2].isupper()


@dataclass(frozen=True, slots=True)
class Track:
    """One session of a participant."""

    media: str
    direction: str
    facts: tuple[Fact, ...]
    """Addresses, flow and its outcomes, routing, whom it listens to."""
    bars: tuple[Bar, ...]
    """By time; those without a time come last."""
    marks: tuple[Mark, ...]
    """By time and name; those without a time come last."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One participant."""

    purpose: str
    name: str
    """Of the user, the queue or the flow; else the id; may be empty."""
    participant_id: str
    tracks: tuple[Track, ...]
    """In the order of their first times."""
    facts: tuple[Fact, ...] = ()
    """Participant attributes."""

    @property
    def label(self) -> str:
        """The name, else the purpose."""
        return self.name or self.purpose or "participant"


@dataclass(frozen=True, slots=True)
class Review:
    """An evaluation, a survey, or a resolution."""

    kind: Literal["evaluation", "survey", "resolution"]
    at: datetime | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One conversation."""

    conversation_id: str
    start: datetime | None
    """The conversationStart, else the first time in it."""
    end: datetime | None
    """The conversationEnd; None while it goes on."""
    media: str
    direction: str
    facts: tuple[Fact, ...]
    """What the flat row says: queue, agent, code, waiting, talk, hold ..."""
    lanes: tuple[Lane, ...]
    """In the order of their first times, as a reader follows them; participants without a time come last."""
    reviews: tuple[Review, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.end is None

    @property
    def instants(self) -> list[datetime]:
        """Every time of a bar or a mark, and the start and the end: sorted, each once."""
        found = {one for one in (self.start, self.end) if one is not None}
        for lane in self.lanes:
            for track in lane.tracks:
                found.update(one for bar in track.bars for one in (bar.start, bar.end) if one is not None)
                found.update(mark.at for mark in track.marks if mark.at is not None)
        return sorted(found)


def timeline(conversation: Conversation, names: Names | None = None) -> Timeline:
    """The time line of a conversation.

    Args:
        conversation: the whole record.
        names: of queues, users, wrap-up codes and divisions, as far as they are known. Ids stand for the others.
    """
    named = _Named(conversation, names or Names())
    facts = flat.Facts.of(conversation)
    row = dict(zip((one.name for one in facts.table), flat.row(facts, named.names, facts.table), strict=True))
    lanes = sorted((_lane(one, conversation, named) for one in conversation.participants), key=_lane_order)
    return Timeline(
        conversation.conversation_id,
        _cut(facts.began),
        _cut(conversation.conversation_end),
        str(row["channel"] or ""),
        conversation.originating_direction or "",
        tuple(_facts(row, conversation)),
        tuple(lanes),
        tuple(_reviews(conversation, named)),
    )


class _Named:
    """Names of ids, with what the conversation itself knows."""

    def __init__(self, conversation: Conversation, names: Names) -> None:
        self.names = names
        self._queues = {
            segment.queue_id: participant.participant_name
            for participant in conversation.participants
            if participant.purpose == QUEUE and participant.participant_name
            for session in participant.sessions
            for segment in session.segments
            if segment.queue_id
        }

    def of(self, kind: Kind, id_: str | None) -> str:
        """The name, else the id; empty without an id."""
        if not id_:
            return ""
        return self.names.name(kind, id_) or (self._queues.get(id_) if kind == "queues" else None) or id_


# --- lanes


def _lane(participant: Participant, conversation: Conversation, named: _Named) -> Lane:
    own_name = participant.participant_name
    tracks = [_track(participant, one, conversation, named) for one in participant.sessions]
    return Lane(
        participant.purpose or "",
        (named.of("users", participant.user_id) if participant.user_id else own_name) or "",
        participant.participant_id or "",
        tuple(sorted(tracks, key=_track_order)),
        tuple(sorted(participant.attributes.items())),
    )


def _track(participant: Participant, session: Session, conversation: Conversation, named: _Named) -> Track:
    purpose, is_open = participant.purpose or "", conversation.conversation_end is None
    bars = [_bar(one, purpose, named, is_open=is_open) for one in session.segments]
    marks = [Mark(one.name or "", _cut(one.emit_date), _value(one.value)) for one in session.metrics]
    return Track(
        session.media_type or "",
        session.direction or "",
        tuple(_session_facts(session, conversation, named)),
        tuple(sorted(bars, key=_bar_order)),
        tuple(sorted(marks, key=lambda mark: (*_order(mark.at), mark.name))),
    )


def _bar(segment: Segment, purpose: str, named: _Named, *, is_open: bool) -> Bar:
    start, end = _cut(segment.segment_start), _cut(segment.segment_end)
    return Bar(
        segment.segment_type or "",
        look_of(segment.segment_type or "", purpose),
        start,
        end,
        _state(start, end, is_open=is_open),
        named.of("queues", segment.queue_id),
        named.of("wrapupcodes", segment.wrap_up_code),
        segment.wrap_up_note or "",
        segment.disconnect_type or "",
        tuple(_segment_facts(segment)),
    )


def look_of(kind: str, purpose: str) -> Look:
    """What a segment of this type is, for a participant of this purpose."""
    if kind != "interact":
        return _LOOKS.get(kind, "other")
    if purpose in OUTSIDE:
        return "customer"
    if purpose == QUEUE:
        return "waiting"
    return "talk" if purpose in PEOPLE else "flow"


def _state(start: datetime | None, end: datetime | None, *, is_open: bool) -> State:
    if start is None:
        return "undated"
    if end is None:
        return "open" if is_open else "unended"
    return "ended" if end >= start else "reversed"


def _segment_facts(segment: Segment) -> Iterator[Fact]:
    yield from _given(
        ("subject", segment.subject),
        ("error", segment.error_code),
        ("conference", "yes" if segment.conference else ""),
        ("tags", ", ".join(filter(None, segment.wrap_up_tags))),
        ("group", segment.group_id),
        ("copied from conversation", segment.source_conversation_id),
        ("copied to conversation", segment.destination_conversation_id),
        ("SIP answers", ", ".join(map(str, segment.sip_response_codes))),
        ("muted", "yes" if segment.audio_muted else ""),
    )


def _session_facts(session: Session, conversation: Conversation, named: _Named) -> Iterator[Fact]:
    yield from _given(
        ("from", session.address_from or session.ani),
        ("to", session.address_to or session.dnis),
        ("shown as", session.remote_name_displayable),
        ("message type", session.message_type),
        ("routing", session.used_routing),
        ("asked for", ", ".join(session.destination_addresses)),
        ("left the queue to", session.flow_out_type),
        ("callback to", ", ".join(session.callback_numbers)),
        ("result of dialling", session.disposition_name),
        ("error", session.error_code_description),
        ("monitors", _participant_name(session.monitored_participant_id, conversation, named)),
        ("coaches", _participant_name(session.coached_participant_id, conversation, named)),
        ("barges in on", _participant_name(session.barged_participant_id, conversation, named)),
    )
    if session.flow is not None:
        flow = session.flow
        yield from _given(
            ("flow", flow.flow_name or flow.flow_id),
            ("ended by", flow.exit_reason),
            ("went on to", flow.transfer_target_name or flow.transfer_target_address),
        )
        for outcome in flow.outcomes:
            yield "outcome", " ".join(filter(None, (outcome.flow_outcome_id, outcome.flow_outcome_value)))


def _participant_name(id_: str | None, conversation: Conversation, named: _Named) -> str:
    if not id_:
        return ""
    for one in conversation.participants:
        if one.participant_id == id_:
            return named.of("users", one.user_id) or one.participant_name or one.purpose or id_
    return id_


# --- order: the lists of the API promise none

_Order: TypeAlias = tuple[bool, float]


def _order(at: datetime | None) -> _Order:
    return at is None, 0.0 if at is None else at.timestamp()


def _bar_order(bar: Bar) -> tuple[_Order, _Order]:
    return _order(bar.start or bar.end), _order(bar.end)


def _track_order(track: Track) -> _Order:
    times = [bar.start or bar.end for bar in track.bars] + [mark.at for mark in track.marks]
    return min(map(_order, times), default=_order(None))


def _lane_order(lane: Lane) -> tuple[_Order, bool]:
    return min(map(_track_order, lane.tracks), default=_order(None)), lane.purpose not in OUTSIDE


# --- what the conversation says of itself


def _facts(row: Mapping[str, flat.Value], conversation: Conversation) -> Iterator[Fact]:
    yield from _given(
        ("queue", row["queueName"]),
        ("agent", row["agentName"]),
        ("wrap-up code", row["disposition"]),
        ("customer", row["customerAddress"]),
        ("waited", _seconds(row["waitSeconds"])),
        ("talk", _seconds(row["talkSeconds"])),
        ("hold", _seconds(row["holdSeconds"])),
        ("after-call work", _seconds(row["acwSeconds"])),
        ("handled in", _seconds(row["handleSeconds"])),
        ("transfers", row["transfers"]),
        ("abandoned", "yes" if row["abandoned"] else ""),
        ("ended by", row["endedBy"]),
        ("lowest MOS", _rounded(row["minMos"])),
        ("divisions", _joined(row["divisionNames"])),
        ("associated conversation", conversation.associated_conversation_id),
        ("consultations", ", ".join(conversation.consultation_conversation_ids)),
        ("external tag", conversation.external_tag),
    )


def _seconds(value: flat.Value) -> str:
    return duration(value * 1000) if isinstance(value, int | float) else ""


def _rounded(value: flat.Value) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else ""


def _joined(value: flat.Value) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value or "")


def _reviews(conversation: Conversation, named: _Named) -> Iterator[Review]:
    found: list[Review] = []
    found += (Review("evaluation", _cut(one.event_time), _evaluation(one, named)) for one in conversation.evaluations)
    found += (Review("survey", _cut(one.event_time), _survey(one, named)) for one in conversation.surveys)
    found += (Review("resolution", _cut(one.event_time), _resolution(one, named)) for one in conversation.resolutions)
    yield from sorted(found, key=lambda review: (_order(review.at), review.kind, review.facts))


def _evaluation(one: Evaluation, named: _Named) -> tuple[Fact, ...]:
    return _given(
        ("score", one.o_total_score),
        ("critical score", one.o_total_critical_score),
        ("form", one.form_name or one.form_id),
        ("status", one.evaluation_status),
        ("agent", named.of("users", one.user_id)),
        ("evaluator", named.of("users", one.evaluator_id)),
        ("queue", named.of("queues", one.queue_id)),
        ("released", _yes(one.released)),
        ("rescored", "yes" if one.rescored else ""),
        ("deleted", "yes" if one.deleted else ""),
        ("calibration", one.calibration_id),
    )


def _survey(one: Survey, named: _Named) -> tuple[Fact, ...]:
    return _given(
        ("score", one.o_survey_total_score),
        ("promoter score", one.survey_promoter_score),
        ("form", one.survey_form_name or one.survey_form_id),
        ("status", one.survey_status),
        ("type", one.survey_type),
        ("agent", named.of("users", one.user_id)),
        ("queue", named.of("queues", one.queue_id)),
        ("partial", "yes" if one.survey_partial_response else ""),
    )


def _resolution(one: Resolution, named: _Named) -> tuple[Fact, ...]:
    return _given(
        ("next contact avoided", one.n_next_contact_avoided),
        ("agent", named.of("users", one.user_id)),
        ("queue", named.of("queues", one.queue_id)),
    )


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _given(*pairs: tuple[str, object]) -> tuple[Fact, ...]:
    """Those that have a value; numbers as text, whole ones without decimals."""
    return tuple((label, number(value)) for label, value in pairs if value is not None and value != "")


def _cut(at: datetime | None) -> datetime | None:
    at = in_utc(at)
    return None if at is None else floor_ms(at)


def _value(value: float | None) -> float | None:
    return None if value is None else float(value)


# --- how numbers look


def number(value: object) -> str:
    """`3`, `4.27`: a number as text, whole ones without decimals; anything else as it is."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.10g}"
    return str(value)


DURATION_MAX_MS = 1e13
"""About three hundred years; a longer duration is not one, and its number is shown as it is."""


def duration(length_ms: float) -> str:
    """`41 ms`, `4.2 s`, `12 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`: two units at most, one decimal below 10 s."""
    if abs(length_ms) >= DURATION_MAX_MS:
        return f"{length_ms:.3g} ms"
    sign, tenths = ("-" if length_ms < 0 else ""), round(abs(length_ms) / 100)
    if 0 < abs(length_ms) < 1000:
        return f"{sign}{number(round(abs(length_ms)))} ms"
    if tenths < 100:
        return f"{sign}{number(tenths / 10)} s"
    seconds = round(abs(length_ms) / 1000)
    for size, big, unit, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // unit
            return f"{sign}{seconds // size} {big}" + (f" {rest} {small}" if rest else "")
    return f"{sign}{seconds} s"


def value_text(mark: Mark) -> str:
    """The value of a metric as people read it; empty where it is missing."""
    if mark.value is None:
        return ""
    return duration(mark.value) if mark.is_time else number(mark.value)


def things(timeline_: Timeline) -> Iterable[tuple[Lane, Track]]:
    """Every track with its lane."""
    return ((lane, track) for lane in timeline_.lanes for track in lane.tracks)
