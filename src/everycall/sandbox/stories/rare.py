"""What most orgs see now and then: fields, values and legs that a few conversations have and nearly all lack.

Each rarity is added to a story that is built already, with an rng of its own: a story without one is the same with or
without this file. A rarity that finds nothing to add itself to leaves the story as it is. It keeps to what
the story's sketch says of media and users, and to the story's start and end.

Source: names and enumerations of SDK 269, `AnalyticsConversation` and the models below it. That they exist is
documented, how often they come, and together with what, is invented.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from everycall.sandbox.centre import Flow
from everycall.sandbox.instants import to_ms
from everycall.sandbox.rng import Rng
from everycall.sandbox.stories.parts import (
    Json,
    Moment,
    Stage,
    by_name,
    flow_json,
    flowed,
    participant,
    segment,
    session,
    stamp,
)
from everycall.sandbox.stories.story import Story
from everycall.sandbox.traffic import FOREVER_MS, locate

RARE_PER_MILLE: Final = 100

RARE_PER_MILLE_OF: Final = {
    "voice_to_user": 400,
    "voice_missed_twice": 400,
    "chat_missed": 400,
    "voice_conference": 250,
    "voice_blind_transfer": 250,
}
"""Of these kinds, which are rare themselves and whose sketches allow for more."""

NESTED: Final = (
    "agentGroups", "proposedAgents", "mediaEndpointStats", "flow", "metrics", "segments", "scoredAgents", "properties",
    "outcomes", "sessions",
)  # fmt: skip

ENGAGEMENT_SOURCES: Final = (
    "AppleMessagesForBusiness", "Discord", "Email", "Facebook", "FacebookMessenger", "Glassdoor",
    "GoogleBusinessProfile", "Instagram", "KakaoTalk", "Line", "LinkedIn", "MicrosoftTeams", "MobileChat", "Other",
    "QQ", "Reddit", "ServiceNow", "SFDC", "Snapchat", "Telegram", "Threads", "Trustpilot", "Unspecified", "Viber",
    "WeChat", "Weibo", "X", "Yelp", "YouTube", "Zendesk", "OpenMessaging",
)  # fmt: skip

INITIATORS: Final = (
    "acd", "botflow", "external", "fax", "group", "inbound", "ivr", "manual", "outbound", "station", "user",
    "voicemail", "voicesurveyflow", "workflow",
)  # fmt: skip


class Leg(NamedTuple):
    """A session, and the participant that it belongs to."""

    participant: Json
    session: Json

    @property
    def start(self) -> int:
        """When its first segment begins."""
        return to_ms(self.session["segments"][0]["segmentStart"])

    @property
    def end(self) -> int:
        """When its last segment ends; FOREVER_MS where it does not."""
        ends = [segment.get("segmentEnd") for segment in self.session["segments"]]
        return FOREVER_MS if None in ends else max(map(to_ms, ends))


Rarity = Callable[[Story, Rng], None]


def add_rarity(story: Story) -> None:
    """Adds something rare to a few stories."""
    kind = story.sketch.kind
    draw = (locate(story.sketch.conversation_id)[2] * 0x9E3779B97F4A7C15 >> 40 & 0xFFFF) * 1000 >> 16
    if draw >= RARE_PER_MILLE_OF.get(kind, RARE_PER_MILLE):
        return
    rng = Rng(f"rare/{story.sketch.conversation_id}")
    rng.pick(_rarities(kind))(story, rng)


def put(thing: Json, **fields: object) -> None:
    """Adds fields to an object of a story, each in its place; None adds nothing."""
    whole = {**thing, **{name: value for name, value in fields.items() if value is not None}}
    flat = by_name({name: value for name, value in whole.items() if name not in NESTED})
    thing.clear()
    thing.update(flat)
    thing.update({name: whole[name] for name in NESTED if name in whole})


def emit(leg: Leg, at: int, **metrics: int) -> None:
    """Adds metrics to a session, unless they never come."""
    if at < FOREVER_MS:
        more = [{"emitDate": stamp(at), "name": name, "value": value} for name, value in metrics.items()]
        merged = sorted(
            [*leg.session.get("metrics", ()), *more], key=lambda metric: (metric["emitDate"], metric["name"])
        )
        put(leg.session, metrics=merged)


def legs(story: Story, *purposes: str, media: str = "") -> list[Leg]:
    """The sessions of participants of some purposes."""
    return [
        Leg(participant, leg)
        for participant in story.participants
        if participant["purpose"] in purposes
        for leg in participant["sessions"]
        if media in {"", leg["mediaType"]}
    ]


def first(story: Story, *purposes: str, media: str = "") -> Iterator[Leg]:
    """The first of these sessions, if any."""
    yield from legs(story, *purposes, media=media)[:1]


def beside(leg: Leg, media: str, **fields: object) -> Json:
    """The scalars of one more session that runs beside a leg."""
    taken = ("addressFrom", "addressOther", "addressSelf", "addressTo", "direction", "peerId", "provider", "remote")
    kept = {name: leg.session[name] for name in taken if name in leg.session}
    return {**kept, "mediaType": media, **fields}


def middle(leg: Leg, rng: Rng) -> tuple[int, int] | None:
    """Some of the time in which a leg interacts; None where it does not, or for ever."""
    for part in leg.session["segments"]:
        if part["segmentType"] == "interact" and "segmentEnd" in part:
            start, end = to_ms(part["segmentStart"]), to_ms(part["segmentEnd"])
            if end - start >= 8:
                return start + rng.between(1, (end - start) // 4), end - rng.between(1, (end - start) // 4)
    return None


# --- the conversation


def belongs(story: Story, rng: Rng) -> None:
    """Access attributes, and another conversation that it belongs to."""
    story.traits["accessAttributes"] = [f"branch-{rng.between(1, 40)}"]
    story.traits["associatedConversationId"] = rng.uuid()


def begun_by(story: Story, rng: Rng) -> None:
    """Another initiator than the usual ones."""
    story.traits["conversationInitiator"] = rng.pick(INITIATORS)


def companies(story: Story, rng: Rng) -> None:
    """A customer of whom the organization is known, and an agent whose screen is recorded."""
    for leg in first(story, "customer", "external"):
        put(leg.participant, externalOrganizationId=rng.uuid())
    for leg in first(story, "agent"):
        put(leg.participant, screenRecording=True)


# --- queues


def ruled(story: Story, rng: Rng) -> None:
    """A routing rule, with the agents who came into question."""
    kind = rng.pick(("Bullseye", "Conditional", "Predictive", "Preferred"))
    for leg in first(story, "acd"):
        counts = {"eligibleAgentCounts": [rng.below(9), rng.below(30)], "waitingInteractionCounts": [rng.below(60)]}
        put(leg.session, routingRule=f"rule {rng.between(1, 5)}", routingRuleType=kind, **counts)
    for leg in first(story, "agent"):
        put(leg.session, agentBullseyeRing=rng.between(1, 6), agentOwned=rng.chance(500))


def by_skill(story: Story, rng: Rng) -> None:
    """Skills that were asked for and given up, by an expression of them."""
    skills = [skill["id"] for skill in story.centre.entities["skills"]]
    for leg in first(story, "acd"):
        fields = {"activeSkillIds": [rng.pick(skills)], "removedSkillIds": [rng.pick(skills)]}
        put(leg.session, skillExpressionId=rng.uuid(), **fields)
        put(leg.session["segments"][-1], requestedRoutingUserIds=[user.id for user in story.users] or None)
        emit(leg, leg.start, oSkillExpressionApplications=rng.between(1, 3))


def by_group(story: Story, rng: Rng) -> None:
    """The groups of agents that a queue turned to."""
    kind = rng.pick(("Group", "SkillGroup", "Team"))
    teams = [team["id"] for team in story.centre.entities["teams"]]
    group_id = rng.pick(teams if kind == "Team" else story.centre.group_ids)
    for leg in first(story, "acd"):
        put(leg.session, agentGroups=[{"agentGroupId": group_id, "agentGroupType": kind}])


def routed_otherwise(story: Story, rng: Rng) -> None:
    """Routing by a condition, or by hand."""
    how = rng.pick(("Conditional", "Manual"))
    for leg in legs(story, "customer", "external", "acd", "agent"):
        if "usedRouting" in leg.session:
            rank = rng.between(1, 9) if how == "Conditional" else None
            put(leg.session, requestedRoutings=[how], usedRouting=how, selectedAgentRank=rank)
    for leg in first(story, "agent"):
        put(leg.session, assignerId=rng.pick(story.centre.switchboard).id if how == "Manual" else None)


def first_call(story: Story, rng: Rng) -> None:
    """Metrics of a customer-first callback on its way through the queue."""
    for leg in first(story, "acd"):
        at, length = leg.end, leg.end - leg.start
        emit(leg, leg.start, nCfcOffered=1)
        name = rng.pick(("tCfcAnswered", "tCfcAbandon", "tCfcFlowOut"))
        emit(leg, at, tCfcAcd=length, **{name: length})


def waits_for_a_call(story: Story, rng: Rng) -> None:
    """Metrics of callbacks, and a callback for which the queue's segment has a name of its own."""
    for leg in first(story, "acd", media="callback"):
        leg.session["segments"][-1]["segmentType"] = "callback"
        length = leg.end - leg.start
        name = rng.pick(("tCallbackConnect", "tCallbackNotReached", "tCallbackAbandon"))
        emit(leg, leg.end, nCallbackOverSla=1, tCallbackVirtualWait=length, **{name: length // 2})
    for leg in first(story, "agent", media="callback"):
        put(leg.session, agentOwned=True)
        length = leg.end - leg.start
        emit(leg, leg.end, tActiveCallback=length, tActiveCallbackComplete=length)


# --- calls


def troubled_media(story: Story, rng: Rng) -> None:
    """Packets that came twice, broken, too early or too late."""
    for leg in legs(story, "customer", "agent", "ivr"):
        for stat in leg.session.get("mediaEndpointStats", ()):
            many = {"duplicatePackets": rng.below(9), "invalidPackets": rng.below(9)}
            put(stat, **many, overrunPackets=rng.below(30), underrunPackets=rng.below(30))


LISTENING: Final = (
    ("monitoring", "monitoredParticipantId", ("tMonitoring", "tMonitoringComplete")),
    ("coaching", "coachedParticipantId", ("tCoaching", "tCoachingComplete")),
    ("barging", "bargedParticipantId", ("tBarging",)),
)


def listened_to(story: Story, rng: Rng) -> None:
    """A colleague of the agent who listens in, whispers or joins."""
    kind, field, metrics = rng.pick(LISTENING)
    _joined_by(story, rng, "voice", kind, metrics, lambda agent: {field: agent["participantId"]}, conference=False)


def watched(story: Story, rng: Rng) -> None:
    """A colleague who looks at the agent's screen."""
    kind = "screenmonitoring"
    if kind in story.sketch.media_types:
        metrics = ("tScreenMonitoring",)
        _joined_by(story, rng, kind, kind, metrics, lambda agent: {"screenMonitoredUserId": agent["userId"]})


def _joined_by(
    story: Story,
    rng: Rng,
    media: str,
    kind: str,
    metrics: Sequence[str],
    refers: Callable[[Json], Json],
    *,
    conference: bool | None = None,
) -> None:
    """The leg of a colleague beside that of the first agent who has one; `refers` names the agent."""
    for talking in legs(story, "agent"):
        colleagues = [user for user in story.users if user.id != talking.participant["userId"]]
        time = middle(talking, rng)
        if time and colleagues:
            start, end = time
            fields = beside(talking, media, sessionId=rng.uuid(), **refers(talking.participant))
            part = segment(Stage(kind, start, end), disconnect="client", conference=conference)
            made = session(fields, [part], [Moment(end, name, end - start) for name in metrics])
            story.participants.append(participant(rng, "agent", [made], user=colleagues[0]))
            return


def recorded(story: Story, rng: Rng) -> None:
    """A recording that the agent starts and stops, an assistant, and a bridge for the media."""
    for leg in first(story, "agent"):
        time = middle(leg, rng)
        fields = {"agentAssistantId": rng.uuid(), "mediaBridgeId": rng.uuid()}
        put(leg.session, **fields, snippetRecording=True if time else None)
        if time:
            emit(leg, time[1], tSnippetRecord=time[1] - time[0])


def not_taken(story: Story, rng: Rng) -> None:
    """An alert that was declined or ran out, or a leg whose state was in error."""
    why = rng.pick(("nAgentDeclined", "nAlertExpired", "nStateTransitionError"))
    for leg in legs(story, "agent"):
        if any(metric["name"] == "nError" for metric in leg.session.get("metrics", ())):
            emit(leg, to_ms(leg.session["segments"][0]["segmentEnd"]), **{why: 1})
            put(leg.session, errorCodeDescription="The station could not be reached.")
            return


def disconnected_otherwise(story: Story, rng: Rng) -> None:
    """A leg that ends for a rarer reason."""
    moved = ("conferenceTransfer", "dndTransfer", "forwardTransfer", "noAnswerTransfer", "notAvailableTransfer")
    ended = ("other", "transportFailure", "dndEndpoint", "uncallable", "takeover")
    written = ("sessionExpired", "spam", "takeover", "other")
    for leg in legs(story, "agent", "customer")[::-1]:
        part = leg.session["segments"][-1]
        if "disconnectType" in part and part["segmentType"] != "wrapup":
            is_moved = part["disconnectType"].lower().endswith("transfer")
            reasons = moved if is_moved else ended if leg.session["mediaType"] == "voice" else written
            part["disconnectType"] = rng.pick(reasons)
            if part["disconnectType"] == "takeover":
                emit(leg, leg.end, nTakeover=1)
            return


def first_times(story: Story, rng: Rng) -> None:
    """When an outbound call was first dialled and first connected, and what was heard of speech."""
    for leg in first(story, "customer"):
        time = middle(leg, rng)
        if time:
            start, end = time
            put(leg.session, detectedSpeechStart=stamp(start), detectedSpeechEnd=stamp(end))
            emit(leg, start, tFirstDial=start - leg.start, tFirstConnect=start - leg.start)


def joined_from_elsewhere(story: Story, rng: Rng) -> None:
    """A leg that was copied from another conversation."""
    for leg in first(story, "customer"):
        put(leg.session["segments"][-1], sourceConversationId=rng.uuid(), sourceSessionId=rng.uuid())


def more_legs(story: Story, rng: Rng) -> None:
    """A short leg of a purpose that is seldom seen, beside the customer's."""
    purpose = rng.pick(("api", "fax", "group", "inbound", "manual", "station"))
    for leg in first(story, "customer"):
        time = middle(leg, rng)
        if time:
            group_id = rng.pick(story.centre.group_ids) if purpose == "group" else None
            kind = "alert" if purpose == "group" else "transmitting" if purpose == "fax" else "system"
            part = segment(Stage(kind, *time), disconnect="other", conference=False, groupId=group_id)
            moments = [Moment(time[1], "tTransmitting", time[1] - time[0])] if purpose == "fax" else []
            made = session(beside(leg, "voice", sessionId=rng.uuid()), [part], moments)
            story.participants.append(participant(rng, purpose, [made], name=purpose.title()))


# --- what is seen together


def side_by_side(story: Story, rng: Rng) -> None:
    """Customer and agent look at something together: one more session of each."""
    allowed = [name for name in SIDES if name in story.sketch.media_types]
    talking = [leg for leg in legs(story, "agent", "user") if middle(leg, rng)]
    if not allowed or not talking:
        return
    media, leg = rng.pick(allowed), talking[-1]
    time = middle(leg, rng)
    room = rng.uuid()
    for which, side in enumerate((leg, *first(story, "customer"))):
        if time:
            side.participant["sessions"].append(_side(side, media, room, time, which, rng))


SIDES: Final = ("cobrowse", "screenshare", "video", "internalmessage", "unknown")


def _side(leg: Leg, media: str, room: str, time: tuple[int, int], which: int, rng: Rng) -> Json:
    start, end = time
    self_address = f"{room}@conference.example.org"
    fields: dict[str, Json] = {
        "cobrowse": {"cobrowseRole": ("viewer", "sharer")[which], "cobrowseRoomId": room},
        "screenshare": {
            "screenShareAddressSelf": self_address, "screenShareRoomId": room, "sharingScreen": not which,
        },
        "video": {"videoAddressSelf": self_address, "videoRoomId": room},
    }  # fmt: skip
    kind = {"internalmessage": "converting", "unknown": "unknown"}.get(media, "sharing")
    muted: Json = {"audioMuted": rng.chance(300), "videoMuted": rng.chance(300)} if media == "video" else {}
    moments = {
        "cobrowse": [Moment(start, "nCobrowseSessions", 1)],
        "video": [Moment(end, "tAgentVideoConnected", end - start)],
    }
    part = segment(Stage(kind, start, end), disconnect="client", **muted)
    made = beside(leg, media, sessionId=rng.uuid(), **fields.get(media, {}))
    return session(made, [part], [] if which else moments.get(media, []))


# --- what is written


def social(story: Story, rng: Rng) -> None:
    """A message from one of the many networks, sometimes in public."""
    source = rng.pick(ENGAGEMENT_SOURCES)
    story.traits["originatingSocialMediaPublic"] = rng.chance(500)
    for person in story.participants:
        for leg in person["sessions"]:
            put(leg, engagementSource=source)


def delivered_otherwise(story: Story, rng: Rng) -> None:
    """A message whose delivery went another way."""
    status = rng.pick(("DeliveryPushed", "Failed", "Published", "Queued"))
    for leg in first(story, "customer", "external"):
        at = stamp(leg.start + (min(leg.end, leg.start + 60_000) - leg.start) // 2)
        put(leg.session, deliveryStatus=status, deliveryStatusChangeDate=at, deliveryPushed=status == "DeliveryPushed")
        put(leg.session, extendedDeliveryStatus=f"carrier: {status.lower()}")


def response_times(story: Story, rng: Rng) -> None:
    """What is measured of a written conversation: who answered how fast, and what was sent."""
    for leg in first(story, "agent"):
        if leg.end >= FOREVER_MS:
            continue
        most = max(2, (leg.end - leg.start) // 4)
        times = ("tFirstResponse", "tFirstEngagement", "tUserResponseTime", "tAverageAgentResponseTime")
        emit(leg, leg.end, **{name: 1 + rng.below(most) for name in (*times, "tAverageCustomerResponseTime")})
        counts = ("oAudioMessageCount", "oExternalAudioMessageCount", "oExternalMediaCount", "oMessageSegmentCount")
        emit(leg, leg.end, **{name: rng.between(1, 5) for name in counts})


def on_a_journey(story: Story, rng: Rng) -> None:
    """A customer whose journey on the web site led here."""
    for leg in first(story, "customer"):
        fields = {"journeyActionId": rng.uuid(), "journeyActionMapId": rng.uuid()}
        put(leg.session, **fields, journeyActionMapVersion=rng.between(1, 30))


def copied_in(story: Story, rng: Rng) -> None:
    """A mail with a blind copy, which was taken out of the queue's count."""
    for leg in first(story, "external"):
        put(leg.session, bcc=[f"archive{rng.below(10)}@example.com"], cleared=True)


def converted(story: Story, rng: Rng) -> None:
    """A stretch in a flow with a name of its own."""
    for leg in first(story, "workflow"):
        leg.session["segments"][0]["segmentType"] = rng.pick(("converting", "uploading", "transmitting"))


def with_property(story: Story, rng: Rng) -> None:
    """A property of a segment, of any type."""
    kind, value = rng.pick(
        (("bool", "true"), ("integer", "42"), ("real", "0.75"), ("date", "2026-01-05"), ("string", "gold"))
    )
    for leg in first(story, "customer", "external"):
        put(
            leg.session["segments"][-1], properties=[{"property": f"note_{kind}", "propertyType": kind, "value": value}]
        )


# --- flows


def in_flow(story: Story, rng: Rng) -> None:
    """A flow that did not understand, and the milestones that it passed."""
    for leg in first(story, "ivr", "botflow", "workflow"):
        if "flow" in leg.session:
            put(leg.session["flow"], recognitionFailureReason=rng.pick(("NoInput", "NoMatch", "MaxHangup")))
            passed = rng.between(1, 4)
            emit(leg, leg.end, nFlowMilestone=passed, oFlowMilestone=passed)


FLOWS_BESIDE: Final = {
    "voice": ("SECURECALL", "VOICESURVEY", "VOICE", "SPEECH", "WORKITEM", "WORKFLOW", "COMMONMODULE"),
    "chat": ("INBOUNDCHAT", "SURVEYINVITE"),
    "email": ("INQUEUEEMAIL", "EMAILSEND", "BUSINESSPROCESS"),
    "message": ("INQUEUESHORTMESSAGE", "SURVEYINVITE", "WORKFLOW"),
}


def one_more_flow(story: Story, rng: Rng) -> None:
    """A flow that runs beside the conversation for a while."""
    for leg in first(story, "customer", "external"):
        time = middle(leg, rng)
        kinds = FLOWS_BESIDE.get(leg.session["mediaType"])
        if time and kinds:
            flow = rng.pick(story.centre.flows[rng.pick(kinds)])
            story.participants.append(_flow_leg(leg, flow, time, rng))


def _flow_leg(leg: Leg, flow: Flow, time: tuple[int, int], rng: Rng) -> Json:
    start, end = time
    by_agent = flow.type in {"SECURECALL", "VOICESURVEY"}
    purpose = "voicesurveyflow" if flow.type == "VOICESURVEY" else "ivr" if flow.type == "SECURECALL" else "workflow"
    flow_fields = flow_json(flow, reason="agent" if by_agent else "flow", entry="agent" if by_agent else "flow")
    part = segment(Stage("ivr" if by_agent else "interact", start, end), disconnect="client")
    fields = beside(leg, leg.session["mediaType"], sessionId=rng.uuid())
    if "addressSelf" in fields:
        fields["addressSelf"], fields["addressOther"] = fields["addressOther"], fields["addressSelf"]
    return participant(
        rng, purpose, [session(fields, [part], flowed(start, end, is_left=False), flow=flow_fields)], name=flow.name
    )


# --- which rarity may be added to which kind

ANY: Final[Sequence[Rarity]] = (belongs, companies, with_property)
CAME_IN: Final[Sequence[Rarity]] = (begun_by,)
QUEUED: Final[Sequence[Rarity]] = (ruled, by_skill, by_group, routed_otherwise)
SPOKEN: Final[Sequence[Rarity]] = (
    troubled_media, recorded, disconnected_otherwise, more_legs, one_more_flow, in_flow, listened_to, first_call,
)  # fmt: skip
WRITTEN: Final[Sequence[Rarity]] = (
    response_times, disconnected_otherwise, delivered_otherwise, converted, one_more_flow, in_flow,
)  # fmt: skip

OF_KIND: Final[dict[str, Sequence[Rarity]]] = {
    "voice": (*ANY, *CAME_IN, *QUEUED, *SPOKEN),
    "voicemail": (*ANY, *CAME_IN, *QUEUED, *SPOKEN),
    "callback": (*ANY, *QUEUED, waits_for_a_call),
    "outbound": (*ANY, troubled_media, recorded, first_times, disconnected_otherwise),
    "chat": (*ANY, *CAME_IN, *QUEUED, *WRITTEN, on_a_journey),
    "email": (*ANY, *QUEUED, *WRITTEN, copied_in),
    "message": (*ANY, *CAME_IN, *QUEUED, *WRITTEN, on_a_journey, *(social,) * 8),
}
OF_ONE_KIND: Final[dict[str, Sequence[Rarity]]] = {
    "voice_to_user": (side_by_side, more_legs),
    "voice_missed_twice": (watched, listened_to, not_taken),
    "chat_missed": (side_by_side, not_taken),
    "voice_conference": (joined_from_elsewhere, listened_to),
    "voice_blind_transfer": (disconnected_otherwise, listened_to),
}


def _rarities(kind: str) -> Sequence[Rarity]:
    return OF_ONE_KIND.get(kind) or OF_KIND[kind.partition("_")[0]]
