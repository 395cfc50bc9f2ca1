"""Pages, conversations and everything below them, as the API sends them. Pure.

Field names are the API's in snake_case; a field that is absent in an answer is None, or an empty tuple. Enumerations
are open: their values are plain text, and new ones are accepted.

Source of the fields: SDK 269, models `AnalyticsConversation` and below. Unknown fields are left out of the record and
reported in `Page.oddities`.
"""

import json
import math
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

import msgspec

from everycall.api.oddities import Oddity, fitted, may_overflow, oddity, shortened, without_lone_surrogates
from everycall.errors import ServiceFailed

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware datetime. The API writes UTC with three decimals of a second, or none; any number is accepted."""


Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number of at most 64 bits, as the API's own types have."""

Number = Integer | float


class _Record(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename="camel", forbid_unknown_fields=True):
    """Strict, so that new fields are noticed. Without garbage collection, since records have no reference cycles."""


class FlowOutcome(_Record, frozen=True, kw_only=True):
    """What a flow reported as achieved or not."""

    flow_outcome: str | None = None
    flow_outcome_end_timestamp: Instant | None = None
    flow_outcome_id: str | None = None
    flow_outcome_start_timestamp: Instant | None = None
    flow_outcome_value: str | None = None


class Flow(_Record, frozen=True, kw_only=True):
    """The Architect flow that a session ran: an IVR, a bot, a workflow."""

    ending_language: str | None = None
    entry_reason: str | None = None
    entry_type: str | None = None
    exit_reason: str | None = None
    """TRANSFER, DISCONNECT ...: free text."""
    flow_id: str | None = None
    flow_name: str | None = None
    flow_type: str | None = None
    flow_version: str | None = None
    issued_callback: bool | None = None
    recognition_failure_reason: str | None = None
    starting_language: str | None = None
    transfer_target_address: str | None = None
    transfer_target_name: str | None = None
    transfer_type: str | None = None
    outcomes: tuple[FlowOutcome, ...] = ()


class MediaEndpointStat(_Record, frozen=True, kw_only=True):
    """Quality of the audio at one endpoint."""

    codecs: tuple[str, ...] = ()
    discarded_packets: Integer | None = None
    duplicate_packets: Integer | None = None
    event_time: Instant | None = None
    invalid_packets: Integer | None = None
    max_latency_ms: Integer | None = None
    min_mos: float | None = None
    min_r_factor: float | None = None
    overrun_packets: Integer | None = None
    received_packets: Integer | None = None
    underrun_packets: Integer | None = None


class Metric(_Record, frozen=True, kw_only=True):
    """One number that the session emitted. Key: (sessionId, ordinal), since names repeat: tTalk for each talk."""

    emit_date: Instant | None = None
    """When the metric was emitted, at the end of what it measures."""
    name: str | None = None
    """t...: a time in milliseconds; n...: a count; o...: an observed number."""
    value: Number | None = None
    """An integer in every capture; larger than 32 bits has been seen."""


class ScoredAgent(_Record, frozen=True, kw_only=True):
    """An agent and the score that predictive routing gave."""

    agent_score: Integer | None = None
    scored_agent_id: str | None = None


class Property(_Record, frozen=True, kw_only=True):
    """A property of a segment."""

    property: str | None = None
    property_type: str | None = None
    value: str | None = None


class Segment(_Record, frozen=True, kw_only=True):
    """One part of a session: alert, interact, hold, wrapup ... Key: (sessionId, ordinal), since starts repeat."""

    audio_muted: bool | None = None
    conference: bool | None = None
    destination_conversation_id: str | None = None
    destination_session_id: str | None = None
    disconnect_type: str | None = None
    error_code: str | None = None
    group_id: str | None = None
    q850_response_codes: tuple[Integer, ...] = ()
    queue_id: str | None = None
    requested_language_id: str | None = None
    requested_routing_skill_ids: tuple[str, ...] = ()
    requested_routing_user_ids: tuple[str, ...] = ()
    segment_end: Instant | None = None
    """None while the segment is open."""
    segment_start: Instant | None = None
    segment_type: str | None = None
    sip_response_codes: tuple[Integer, ...] = ()
    source_conversation_id: str | None = None
    source_session_id: str | None = None
    subject: str | None = None
    video_muted: bool | None = None
    wrap_up_code: str | None = None
    """The id of a wrap-up code, or a system code such as ININ-WRAP-UP-TIMEOUT; a wrapup segment may lack it."""
    wrap_up_note: str | None = None
    """Free text of the agent; may be empty and may hold line breaks."""
    wrap_up_tags: tuple[str, ...] = ()
    scored_agents: tuple[ScoredAgent, ...] = ()
    properties: tuple[Property, ...] = ()


class AgentGroup(_Record, frozen=True, kw_only=True):
    """A group of agents that a ring of routing reached."""

    agent_group_id: str | None = None
    agent_group_type: str | None = None


class ProposedAgent(_Record, frozen=True, kw_only=True):
    """An agent that predictive routing proposed."""

    agent_rank: Integer | None = None
    proposed_agent_id: str | None = None


class Session(_Record, frozen=True, kw_only=True):
    """One leg of a participant on one medium."""

    active_skill_ids: tuple[str, ...] = ()
    acw_skipped: bool | None = None
    address_from: str | None = None
    address_other: str | None = None
    address_self: str | None = None
    address_to: str | None = None
    agent_assistant_id: str | None = None
    agent_bullseye_ring: Integer | None = None
    agent_owned: bool | None = None
    ani: str | None = None
    assigner_id: str | None = None
    authenticated: bool | None = None
    barged_participant_id: str | None = None
    bcc: tuple[str, ...] = ()
    callback_numbers: tuple[str, ...] = ()
    callback_scheduled_time: Instant | None = None
    callback_user_name: str | None = None
    cc: tuple[str, ...] = ()
    cleared: bool | None = None
    coached_participant_id: str | None = None
    cobrowse_role: str | None = None
    cobrowse_room_id: str | None = None
    delivery_pushed: bool | None = None
    delivery_status: str | None = None
    delivery_status_change_date: Instant | None = None
    destination_addresses: tuple[str, ...] = ()
    detected_speech_end: Instant | None = None
    detected_speech_start: Instant | None = None
    direction: str | None = None
    disposition_analyzer: str | None = None
    disposition_name: str | None = None
    dnis: str | None = None
    edge_id: str | None = None
    eligible_agent_counts: tuple[Integer, ...] = ()
    engagement_source: str | None = None
    error_code_description: str | None = None
    extended_delivery_status: str | None = None
    flow_in_type: str | None = None
    flow_out_type: str | None = None
    journey_action_id: str | None = None
    journey_action_map_id: str | None = None
    journey_action_map_version: Integer | None = None
    journey_customer_id: str | None = None
    journey_customer_id_type: str | None = None
    journey_customer_session_id: str | None = None
    journey_customer_session_id_type: str | None = None
    media_bridge_id: str | None = None
    media_count: Integer | None = None
    media_type: str | None = None
    """voice, chat, email, message, callback ...: an open list."""
    message_type: str | None = None
    monitored_participant_id: str | None = None
    outbound_campaign_id: str | None = None
    outbound_contact_id: str | None = None
    outbound_contact_list_id: str | None = None
    peer_id: str | None = None
    protocol_call_id: str | None = None
    provider: str | None = None
    recording: bool | None = None
    remote: str | None = None
    remote_name_displayable: str | None = None
    removed_skill_ids: tuple[str, ...] = ()
    requested_routings: tuple[str, ...] = ()
    room_id: str | None = None
    routing_ring: Integer | None = None
    routing_rule: str | None = None
    routing_rule_type: str | None = None
    screen_monitored_user_id: str | None = None
    screen_share_address_self: str | None = None
    screen_share_room_id: str | None = None
    script_id: str | None = None
    selected_agent_id: str | None = None
    selected_agent_rank: Integer | None = None
    session_dnis: str | None = None
    session_id: str | None = None
    sharing_screen: bool | None = None
    skill_expression_id: str | None = None
    skip_enabled: bool | None = None
    snippet_recording: bool | None = None
    timeout_seconds: Integer | None = None
    used_routing: str | None = None
    video_address_self: str | None = None
    video_room_id: str | None = None
    waiting_interaction_counts: tuple[Integer, ...] = ()
    agent_groups: tuple[AgentGroup, ...] = ()
    proposed_agents: tuple[ProposedAgent, ...] = ()
    media_endpoint_stats: tuple[MediaEndpointStat, ...] = ()
    flow: Flow | None = None
    metrics: tuple[Metric, ...] = ()
    segments: tuple[Segment, ...] = ()


class Participant(_Record, frozen=True, kw_only=True):
    """One side of a conversation: a customer, a flow, a queue or an agent, as often as each took part."""

    external_contact_id: str | None = None
    external_organization_id: str | None = None
    flagged_reason: str | None = None
    participant_id: str | None = None
    participant_name: str | None = None
    """acd: the queue's name; ivr and workflow: the flow's; a voice customer: a region or caller id; agent: absent."""
    purpose: str | None = None
    """customer or external (the outside), acd (a queue), agent, ivr, workflow, botflow, dialer ...: an open list."""
    screen_recording: bool | None = None
    team_id: str | None = None
    user_id: str | None = None
    sessions: tuple[Session, ...] = ()
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """Participant data, only in answers of jobs; values up to 1,024 characters, cut by the server."""


class Evaluation(_Record, frozen=True, kw_only=True):
    """A quality evaluation; arrives days or weeks after the end, on the same conversation."""

    assignee_applicable: bool | None = None
    assignee_id: str | None = None
    calibration_id: str | None = None
    context_id: str | None = None
    deleted: bool | None = None
    evaluation_id: str | None = None
    evaluation_status: str | None = None
    evaluator_id: str | None = None
    event_time: Instant | None = None
    form_id: str | None = None
    form_name: str | None = None
    queue_id: str | None = None
    released: bool | None = None
    rescored: bool | None = None
    system_submitted: bool | None = None
    user_id: str | None = None
    o_total_critical_score: Integer | None = None
    o_total_score: Number | None = None


class Survey(_Record, frozen=True, kw_only=True):
    """A customer survey; arrives days or weeks after the end."""

    event_time: Instant | None = None
    queue_id: str | None = None
    survey_completed_date: Instant | None = None
    survey_form_context_id: str | None = None
    survey_form_id: str | None = None
    survey_form_name: str | None = None
    survey_id: str | None = None
    survey_partial_response: bool | None = None
    survey_promoter_score: Integer | None = None
    survey_status: str | None = None
    survey_type: str | None = None
    user_id: str | None = None
    o_survey_total_score: Number | None = None


class Resolution(_Record, frozen=True, kw_only=True):
    """Whether the customer came back for the same matter; arrives days after the end."""

    event_time: Instant | None = None
    queue_id: str | None = None
    user_id: str | None = None
    n_next_contact_avoided: Integer | None = None


class Conversation(_Record, frozen=True, kw_only=True):
    """One conversation with everything below it. Source: SDK 269, AnalyticsConversation."""

    access_attributes: tuple[str, ...] = ()
    associated_conversation_id: str | None = None
    conference_start: Instant | None = None
    consultation_conversation_ids: tuple[str, ...] = ()
    conversation_end: Instant | None = None
    """None while it goes on. It can stay absent (a stuck e-mail) and become absent again (a reopened one)."""
    conversation_id: str
    """The API's id, a UUID; the key of the conversation."""
    conversation_initiator: str | None = None
    conversation_start: Instant | None = None
    """When it began. The API finds it on that UTC day. Can differ by some milliseconds from its first segment."""
    customer_participation: bool | None = None
    division_ids: tuple[str, ...] = ()
    """All divisions that took part; an OAuth client sees the conversation if its roles cover one of them."""
    external_tag: str | None = None
    inactivity_timeout: Instant | None = None
    knowledge_base_ids: tuple[str, ...] = ()
    media_stats_min_conversation_mos: float | None = None
    media_stats_min_conversation_r_factor: float | None = None
    originating_direction: str | None = None
    """inbound or outbound, of the whole conversation."""
    originating_social_media_public: bool | None = None
    self_served: bool | None = None
    evaluations: tuple[Evaluation, ...] = ()
    surveys: tuple[Survey, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    participants: tuple[Participant, ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the details query, read but not changed."""

    conversations: tuple[Conversation, ...] = ()
    """In the API's order, at most the page size; empty past the end."""
    total_hits: int | None = None
    """How many matched at the moment of this answer; None on a page past the end, whose body is `{}`."""
    oddities: tuple[Oddity, ...] = ()
    """What did not fit the records."""

    @classmethod
    def read(cls, body: bytes) -> "Page":
        """Read a body of the details query; `{}`, `{"totalHits": 0}` and empty lists are empty pages.

        Raises:
            ServiceFailed: the body is something else, for example a gateway's page in place of the API's answer.
        """
        if may_overflow(body):
            return _read_slowly(body)
        try:
            answer = _STRICT.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError):
            return _read_slowly(body)
        except msgspec.DecodeError:
            repaired = without_lone_surrogates(body)
            if repaired == body:
                raise _no_page(body) from None
            page = cls.read(repaired)
            halves = Oddity("unusual value", "", "$", "half of a surrogate pair", "U+FFFD")
            return msgspec.structs.replace(page, oddities=(*page.oddities, halves))
        return cls(conversations=answer.conversations, total_hits=answer.total_hits)


class _Answer(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    conversations: tuple[Conversation, ...] = ()
    total_hits: int | None = None
    aggregations: msgspec.Raw = msgspec.Raw()
    """Only if they were requested; ignored."""
    cursor: msgspec.Raw = msgspec.Raw()
    """Only on a page of a job's results; ignored."""
    data_availability_date: msgspec.Raw = msgspec.Raw()


_STRICT = msgspec.json.Decoder(_Answer)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)
_HITS = msgspec.json.Decoder(float | None, strict=False)
_CONVERSATION = msgspec.json.Decoder(Conversation)
_NULL = msgspec.Raw(b"null")
_SIGNS_OF_REFUSAL = {"message", "error", "errors", "code", "status"}
"""An empty page with one of these fields is an error that came with status 200."""


def _read_slowly(body: bytes) -> Page:
    """Read the page conversation by conversation, so that an unreadable one does not affect the others."""
    try:
        fields = _FIELDS.decode(body)
        raws = _ITEMS.decode(fields.pop("conversations", _NULL)) or []
        hits = _HITS.decode(fields.pop("totalHits", _NULL))
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_page(body) from error
    for name in ("aggregations", "cursor", "dataAvailabilityDate"):
        fields.pop(name, None)
    if hits is None and not raws and fields.keys() & _SIGNS_OF_REFUSAL:
        raise _no_page(body)
    conversations: list[Conversation] = []
    oddities = [oddity("unknown field", "", name, _as_text(raw)) for name, raw in fields.items()]
    for raw in raws:
        conversation, its_oddities = conversation_of(raw)
        oddities += its_oddities
        if conversation is not None:
            conversations.append(conversation)
    total_hits = None if hits is None or not math.isfinite(hits) else int(hits)
    return Page(conversations=tuple(conversations), total_hits=total_hits, oddities=tuple(oddities))


def _no_page(body: bytes) -> ServiceFailed:
    excerpt = shortened(body.decode(errors="replace")) or "nothing"
    return ServiceFailed(
        f"The service answered with something that is not a page of conversations: {excerpt}",
        hint="Check GENESYS_ENV and the proxy settings: another server may have answered in place of the API.",
    )


def conversation_of(body: bytes | msgspec.Raw) -> tuple[Conversation | None, list[Oddity]]:
    """Read one conversation from its JSON, and report what did not fit; None if it has no readable id."""
    if not may_overflow(body):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return _CONVERSATION.decode(body), []
    try:
        conversation, oddities = fitted(_plain(body), Conversation)
    except (msgspec.DecodeError, RecursionError) as error:
        return None, [Oddity("unreadable value", "", "$", shortened(f"{error}: {_as_text(body)}"))]
    if not _is_utf8(body):
        id_ = conversation.conversation_id if conversation else ""
        oddities.append(Oddity("unusual value", id_, "$", "bytes that are not UTF-8", "U+FFFD"))
    return conversation, oddities


def _plain(body: bytes | msgspec.Raw) -> Any:
    """The JSON as plain values, with U+FFFD for bytes that are not UTF-8, and for lone surrogates.

    If a number is out of range, msgspec refuses the whole text; the standard library then reads it as infinity.
    """
    text = without_lone_surrogates(_as_text(body).encode())
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        with suppress(ValueError):
            return json.loads(text)
        raise


def _as_text(body: bytes | msgspec.Raw) -> str:
    return bytes(body).decode(errors="replace")


def _is_utf8(body: bytes | msgspec.Raw) -> bool:
    try:
        bytes(body).decode()
    except UnicodeDecodeError:
        return False
    return True
