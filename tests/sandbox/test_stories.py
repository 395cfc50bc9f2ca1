import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.sandbox.instants import to_ms
from everycall.sandbox.org import Org
from everycall.sandbox.stories.late import SETTLED_DAYS
from everycall.sandbox.stories.parts import stamp
from everycall.sandbox.traffic import DAY_MS, FOREVER_MS, KIND_NAMES, Sketch

Json = dict[str, Any]

MONDAY = 20_458
ORG = Org(seed=7, conversations_per_day=2000)

# The fields that the API knows, in the order in which it writes them. Source: SDK 269, models/analytics_*.py.
FIELDS = {
    "conversation": (
        "accessAttributes associatedConversationId conferenceStart consultationConversationIds conversationEnd "
        "conversationId conversationInitiator conversationStart customerParticipation divisionIds externalTag "
        "inactivityTimeout knowledgeBaseIds mediaStatsMinConversationMos mediaStatsMinConversationRFactor "
        "originatingDirection originatingSocialMediaPublic selfServed evaluations surveys resolutions participants"
    ),
    "participants": (
        "externalContactId externalOrganizationId flaggedReason participantId participantName purpose "
        "screenRecording teamId userId sessions"
    ),
    "sessions": (
        "activeSkillIds acwSkipped addressFrom addressOther addressSelf addressTo agentAssistantId agentBullseyeRing "
        "agentOwned ani assignerId authenticated bargedParticipantId bcc callbackNumbers callbackScheduledTime "
        "callbackUserName cc cleared coachedParticipantId cobrowseRole cobrowseRoomId deliveryPushed deliveryStatus "
        "deliveryStatusChangeDate destinationAddresses detectedSpeechEnd detectedSpeechStart direction "
        "dispositionAnalyzer dispositionName dnis edgeId eligibleAgentCounts engagementSource errorCodeDescription "
        "extendedDeliveryStatus flowInType flowOutType journeyActionId journeyActionMapId journeyActionMapVersion "
        "journeyCustomerId journeyCustomerIdType journeyCustomerSessionId journeyCustomerSessionIdType mediaBridgeId "
        "mediaCount mediaType messageType monitoredParticipantId outboundCampaignId outboundContactId "
        "outboundContactListId peerId protocolCallId provider recording remote remoteNameDisplayable removedSkillIds "
        "requestedRoutings roomId routingRing routingRule routingRuleType screenMonitoredUserId "
        "screenShareAddressSelf screenShareRoomId scriptId selectedAgentId selectedAgentRank sessionDnis sessionId "
        "sharingScreen skillExpressionId skipEnabled snippetRecording timeoutSeconds usedRouting videoAddressSelf "
        "videoRoomId waitingInteractionCounts agentGroups proposedAgents mediaEndpointStats flow metrics segments"
    ),
    "segments": (
        "audioMuted conference destinationConversationId destinationSessionId disconnectType errorCode groupId "
        "q850ResponseCodes queueId requestedLanguageId requestedRoutingSkillIds requestedRoutingUserIds segmentEnd "
        "segmentStart segmentType sipResponseCodes sourceConversationId sourceSessionId subject videoMuted "
        "wrapUpCode wrapUpNote wrapUpTags scoredAgents properties"
    ),
    "metrics": "emitDate name value",
    "flow": (
        "endingLanguage entryReason entryType exitReason flowId flowName flowType flowVersion issuedCallback "
        "recognitionFailureReason startingLanguage transferTargetAddress transferTargetName transferType outcomes"
    ),
    "outcomes": ("flowOutcome flowOutcomeEndTimestamp flowOutcomeId flowOutcomeStartTimestamp flowOutcomeValue"),
    "mediaEndpointStats": (
        "codecs discardedPackets duplicatePackets eventTime invalidPackets maxLatencyMs minMos minRFactor "
        "overrunPackets receivedPackets underrunPackets"
    ),
    "evaluations": (
        "assigneeApplicable assigneeId calibrationId contextId deleted evaluationId evaluationStatus evaluatorId "
        "eventTime formId formName queueId released rescored systemSubmitted userId oTotalCriticalScore oTotalScore"
    ),
    "surveys": (
        "eventTime queueId surveyCompletedDate surveyFormContextId surveyFormId surveyFormName surveyId "
        "surveyPartialResponse surveyPromoterScore surveyStatus surveyType userId oSurveyTotalScore"
    ),
    "resolutions": "eventTime queueId userId nNextContactAvoided",
    "scoredAgents": "agentScore scoredAgentId",
    "agentGroups": "agentGroupId agentGroupType",
    "proposedAgents": "agentRank proposedAgentId",
    "properties": "property propertyType value",
}
INSTANTS = {
    "callbackScheduledTime", "conferenceStart", "conversationEnd", "conversationStart", "deliveryStatusChangeDate",
    "detectedSpeechEnd", "detectedSpeechStart", "emitDate", "eventTime",
    "flowOutcomeEndTimestamp", "flowOutcomeStartTimestamp", "inactivityTimeout", "segmentEnd", "segmentStart",
    "surveyCompletedDate",
}  # fmt: skip
PURPOSES = {
    "acd", "agent", "api", "botflow", "campaign", "customer", "dialer", "external", "fax", "group", "inbound", "ivr",
    "manual", "outbound", "station", "user", "voicemail", "voicesurveyflow", "workflow",
}  # fmt: skip
SEGMENT_TYPES = {
    "alert", "barging", "callback", "coaching", "contacting", "converting", "delay", "dialing", "hold", "interact",
    "ivr", "monitoring", "parked", "scheduled", "screenmonitoring", "sharing", "system", "transmitting", "unknown",
    "uploading", "voicemail", "wrapup",
}  # fmt: skip
DISCONNECT_TYPES = {
    "client", "conferenceTransfer", "consultTransfer", "dndEndpoint", "dndTransfer", "endpoint", "error",
    "forwardTransfer", "inactivity", "noAnswerTransfer", "notAvailableTransfer", "other", "peer", "sessionExpired",
    "spam", "system", "takeover", "timeout", "transfer", "transportFailure", "uncallable",
}  # fmt: skip
METRICS = set(
    "nAgentDeclined nAlertExpired nBlindTransferred nBotInteractions nCallbackAttempts nCallbackOverSla "
    "nCallbackScheduled nCfcOffered nCobrowseSessions nConnected nConsult nConsultTransferred nConversations nError "
    "nFlow nFlowMilestone nFlowOutcome nFlowOutcomeFailed nOffered nOutbound nOutboundAbandoned nOutboundAttempted "
    "nOutboundConnected nOverSla nStateTransitionError nTakeover nTransferred oAudioMessageCount "
    "oExternalAudioMessageCount oExternalMediaCount oFlowMilestone oMediaCount oMessageCount oMessageSegmentCount "
    "oMessageTurn oSkillExpressionApplications tAbandon tAcd tActiveCallback tActiveCallbackComplete tAcw "
    "tAgentResponseTime tAgentVideoConnected tAlert tAnswered tAverageAgentResponseTime tAverageCustomerResponseTime "
    "tBarging tCallbackAbandon tCallbackConnect tCallbackNotReached tCallbackVirtualWait tCfcAbandon tCfcAcd "
    "tCfcAnswered tCfcFlowOut tCoaching tCoachingComplete tConnected tContacting tConversationDuration tDialing "
    "tFirstConnect tFirstDial tFirstEngagement tFirstResponse tFlow tFlowDisconnect tFlowExit tFlowOut tFlowOutcome "
    "tHandle tHeld tHeldComplete tIvr tMonitoring tMonitoringComplete tNotResponding tPark tParkComplete "
    "tScreenMonitoring tShortAbandon tSnippetRecord tTalk tTalkComplete tTransmitting tUserResponseTime "
    "tVoicemail".split()
)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@cache
def sketches() -> tuple[Sketch, ...]:
    """Every conversation of a day, and of the rest of its week those of kinds that are rare."""
    first = ORG.day(MONDAY)
    count = Counter(s.kind for s in first)
    rest = (s for day in range(MONDAY + 1, MONDAY + 7) for s in ORG.day(day) if count[s.kind] < 30)
    return (*first, *rest)


@cache
def stories() -> tuple[tuple[Sketch, Json], ...]:
    """Each conversation of the sample as it is for good."""
    return tuple((s, ORG.conversation(s, s.end_ms + SETTLED_DAYS * DAY_MS)) for s in sketches())


def sessions() -> Iterator[tuple[Json, Json]]:
    for _, story in stories():
        for participant in story["participants"]:
            for session in participant["sessions"]:
                yield participant, session


def segments(story: Json) -> Iterator[Json]:
    for participant in story["participants"]:
        for session in participant["sessions"]:
            yield from session["segments"]


def began(thing: Json) -> str:
    """When a participant or a session begins."""
    first: str = min(s["segmentStart"] for leg in thing.get("sessions", [thing]) for s in leg["segments"])
    return first


def values(session: Json, name: str) -> list[int]:
    return [m["value"] for m in session.get("metrics", ()) if m["name"] == name]


def stretches(session: Json, segment_type: str) -> list[int]:
    """The lengths of a session's ended segments of a type, in ms, in order."""
    return [
        to_ms(s["segmentEnd"]) - to_ms(s["segmentStart"])
        for s in session["segments"]
        if s["segmentType"] == segment_type and "segmentEnd" in s
    ]


def objects(kind: str, thing: Json) -> Iterator[tuple[str, Json]]:
    """Every object of a story, with the name of the field that holds it."""
    yield kind, thing
    for name, value in thing.items():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from objects(name, inner)


@cache
def all_objects() -> tuple[tuple[str, Json], ...]:
    return tuple(found for _, story in stories() for found in objects("conversation", story))


def test_the_sample_has_every_kind_and_thousands_of_conversations() -> None:
    assert {s.kind for s in sketches()} == set(KIND_NAMES)
    assert len(sketches()) > 3000


def test_every_field_is_one_of_the_api_in_its_order() -> None:
    places = {kind: {n: at for at, n in enumerate(names.split())} for kind, names in FIELDS.items()}
    for kind, thing in all_objects():
        at = [places[kind][name] for name in thing]
        assert at == sorted(at), (kind, list(thing))


def test_nothing_is_null_or_empty_but_a_note() -> None:
    for _, thing in all_objects():
        for name, value in thing.items():
            assert value not in (None, [], {}), name
            assert value != "" or name == "wrapUpNote", name


def test_instants_have_milliseconds_and_end_in_z() -> None:
    for _, thing in all_objects():
        for name, value in thing.items():
            matches = isinstance(value, str) and bool(INSTANT.fullmatch(value))
            assert matches == (name in INSTANTS), (name, value)


def test_enumerated_values_are_those_of_the_api() -> None:
    known = {
        "purpose": PURPOSES,
        "segmentType": SEGMENT_TYPES,
        "disconnectType": DISCONNECT_TYPES,
        "mediaType": {
            *("callback", "chat", "cobrowse", "email", "internalmessage", "message", "screenmonitoring"),
            *("screenshare", "unknown", "video", "voice"),
        },
        "direction": {"inbound", "outbound"},
        "originatingDirection": {"inbound", "outbound"},
        "conversationInitiator": PURPOSES,
        "entryType": {"agent", "direct", "dnis", "flow", "outbound"},
    }
    for kind, thing in all_objects():
        for name in known.keys() & thing.keys():
            assert thing[name] in known[name]
        assert kind != "metrics" or thing["name"] in METRICS


def test_metrics_are_whole_numbers_of_zero_or_more() -> None:
    for _, session in sessions():
        for metric in session.get("metrics", ()):
            assert type(metric["value"]) is int
            assert metric["value"] >= 0, metric


def test_metrics_are_sorted_by_emit_date_and_name() -> None:
    for _, session in sessions():
        order = [(m["emitDate"], m["name"]) for m in session.get("metrics", ())]
        assert order == sorted(order)


def test_segments_are_sorted_by_start_and_end_after_it() -> None:
    for _, session in sessions():
        starts = [s["segmentStart"] for s in session["segments"]]
        assert starts == sorted(starts)
        assert all(s["segmentStart"] <= s.get("segmentEnd", "~") for s in session["segments"]), session


def test_complete_talk_and_hold_are_the_sums_of_their_stretches() -> None:
    for _, session in sessions():
        for each, whole in (("tTalk", "tTalkComplete"), ("tHeld", "tHeldComplete")):
            if values(session, each):
                assert values(session, whole) == [sum(values(session, each))]


def test_handle_time_is_talk_hold_work_and_dialling_together() -> None:
    parts = ("tTalkComplete", "tHeldComplete", "tAcw", "tContacting", "tDialing")
    handled = [session for _, session in sessions() if values(session, "tHandle")]
    for session in handled:
        assert values(session, "tHandle") == [sum(sum(values(session, p)) for p in parts)]
    assert len(handled) > 2000


def test_talk_is_an_interact_segment_and_hold_a_hold_segment() -> None:
    for participant, session in sessions():
        if participant["purpose"] in ("agent", "user"):
            assert sorted(values(session, "tTalk")) == sorted(stretches(session, "interact")), session
            assert sorted(values(session, "tHeld")) == sorted(stretches(session, "hold")), session


def test_the_end_is_the_latest_segment_end_and_that_of_the_sketch() -> None:
    for sketch, story in stories():
        if sketch.end_ms == FOREVER_MS:
            assert "conversationEnd" not in story
            assert any("segmentEnd" not in s for s in segments(story))
        else:
            assert story["conversationEnd"] == stamp(sketch.end_ms) == max(s["segmentEnd"] for s in segments(story)), (
                sketch.kind
            )


def test_the_start_is_the_earliest_segment_start_give_or_take_a_few_ms() -> None:
    slips = Counter(
        to_ms(story["conversationStart"]) - min(to_ms(s["segmentStart"]) for s in segments(story))
        for sketch, story in stories()
    )
    assert set(slips) == {-5, -3, 0, 2}
    assert slips[0] > 0.97 * slips.total()


def test_a_story_keeps_to_its_sketch() -> None:
    for sketch, story in stories():
        found = [thing for _, thing in objects("conversation", story)]
        assert story["conversationId"] == sketch.conversation_id
        assert to_ms(story["conversationStart"]) == sketch.start_ms
        assert tuple(story["divisionIds"]) == sketch.division_ids
        assert story["originatingDirection"] == sketch.originating_direction
        assert {t["mediaType"] for t in found if "mediaType" in t} <= set(sketch.media_types)
        assert {t["queueId"] for t in found if "queueId" in t} <= set(sketch.queue_ids)
        assert {t["userId"] for t in found if "userId" in t} <= set(sketch.user_ids)
        assert {t["wrapUpCode"] for t in found if "wrapUpCode" in t} <= set(sketch.wrap_up_codes)


def test_ids_are_lower_case_uuids_and_sessions_and_participants_have_their_own() -> None:
    seen = Counter(t[name] for _, t in all_objects() for name in ("participantId", "sessionId") if name in t)
    assert max(seen.values()) == 1
    assert all(UUID.fullmatch(i) for i in seen)


def test_ids_refer_to_what_the_look_ups_know() -> None:
    known = {kind: {e["id"] for e in ORG.entities(kind)} for kind in ("queues", "users", "wrapupcodes", "flows")}
    for _, thing in all_objects():
        assert thing.get("queueId") in known["queues"] | {None}
        assert thing.get("userId") in known["users"] | {None}
        assert thing.get("flowId") in known["flows"] | {None}
        code = thing.get("wrapUpCode", "ININ-")
        assert code in known["wrapupcodes"] or code.startswith("ININ-")


def test_acd_participants_carry_the_name_of_their_queue() -> None:
    names = {q["id"]: q["name"] for q in ORG.entities("queues")}
    for participant, session in sessions():
        if participant["purpose"] == "acd":
            assert {participant["participantName"]} == {names[s["queueId"]] for s in session["segments"]}


def test_most_participants_and_sessions_stand_in_the_order_of_time_but_not_all() -> None:
    listed = {
        "participants": [[began(p) for p in story["participants"]] for _, story in stories()],
        "sessions": [[began(s) for s in p["sessions"]] for _, story in stories() for p in story["participants"]],
        "flows": [
            [began(s) for p in story["participants"] for s in p["sessions"] if "flow" in s] for _, story in stories()
        ],
    }
    for name, lists in listed.items():
        several = [starts for starts in lists if len(set(starts)) > 1]
        in_order = sum(starts == sorted(starts) for starts in several)
        assert 0.8 * len(several) < in_order < len(several), name


def test_the_worst_quality_of_the_conversation_is_that_of_its_statistics() -> None:
    for _, story in stories():
        found = [t["minMos"] for name, t in objects("conversation", story) if name == "mediaEndpointStats"]
        assert story.get("mediaStatsMinConversationMos") == (min(found) if found else None)


def test_a_missed_alert_has_no_talk_and_says_so_in_metrics() -> None:
    missed = [s for _, s in sessions() if values(s, "tNotResponding")]
    assert all(values(s, "nError") == [1] and not stretches(s, "interact") for s in missed)
    assert any(stretches(s, "wrapup") for s in missed)


def test_the_two_ends_of_a_mail_are_the_same_on_all_legs_and_swap_sides() -> None:
    for sketch, story in stories():
        if sketch.media_types == ("email",):
            legs = [s for p in story["participants"] for s in p["sessions"]]
            assert len({(s["addressFrom"], s["addressTo"]) for s in legs}) == 1
            outer = {
                s["addressSelf"] for p in story["participants"] if p["purpose"] == "external" for s in p["sessions"]
            }
            inner = {
                s["addressSelf"] for p in story["participants"] if p["purpose"] != "external" for s in p["sessions"]
            }
            assert not outer & inner


RARITIES: dict[str, tuple[str, Callable[[Json], bool]]] = {
    "an empty note": ("segments", lambda t: t.get("wrapUpNote") == ""),
    "a note": ("segments", lambda t: bool(t.get("wrapUpNote"))),
    "a wrap-up without a code": ("segments", lambda t: t["segmentType"] == "wrapup" and "wrapUpCode" not in t),
    "a wrap-up of no length": (
        "segments",
        lambda t: t["segmentType"] == "wrapup" and t["segmentStart"] == t.get("segmentEnd"),
    ),
    "a wrap-up that timed out": ("segments", lambda t: t.get("wrapUpCode") == "ININ-WRAP-UP-TIMEOUT"),
    "a wrap-up that was skipped": ("segments", lambda t: t.get("wrapUpCode") == "ININ-WRAP-UP-SKIPPED"),
    "a code of the dialer": ("segments", lambda t: t.get("wrapUpCode", "").startswith("ININ-OUTBOUND-")),
    "an error code": ("segments", lambda t: "errorCode" in t),
    "SIP response codes": ("segments", lambda t: "sipResponseCodes" in t),
    "Q.850 response codes": ("segments", lambda t: "q850ResponseCodes" in t),
    "scored agents": ("segments", lambda t: "scoredAgents" in t),
    "a conference": ("segments", lambda t: t.get("conference") is True),
    "a link to another conversation": ("segments", lambda t: "destinationConversationId" in t),
    "outcomes of a flow": ("flow", lambda t: "outcomes" in t),
    "a flow that issued a callback": ("flow", lambda t: t.get("issuedCallback") is True),
    "a short abandon": ("metrics", lambda t: t["name"] == "tShortAbandon"),
    "an external tag": ("conversation", lambda t: "externalTag" in t),
    "several divisions": ("conversation", lambda t: len(t["divisionIds"]) > 1),
    "an evaluation": ("conversation", lambda t: "evaluations" in t),
    "a survey": ("conversation", lambda t: "surveys" in t),
    "a resolution": ("conversation", lambda t: "resolutions" in t),
    "a user as several participants": (
        "conversation",
        lambda t: max(Counter(p.get("userId") for p in t["participants"] if "userId" in p).values(), default=0) > 1,
    ),
    "a participant with many sessions": ("participants", lambda t: len(t["sessions"]) > 2),
    "a campaign": ("sessions", lambda t: "outboundCampaignId" in t),
    "many holds in one session": (
        "sessions",
        lambda t: sum(s["segmentType"] == "hold" for s in t["segments"]) > 8,
    ),
    "another routing than the standard": ("sessions", lambda t: t.get("usedRouting", "Standard") != "Standard"),
}


@pytest.mark.parametrize("rarity", RARITIES)
def test_the_rare_is_there_and_stays_rare(rarity: str) -> None:
    kind, has = RARITIES[rarity]
    found = Counter(has(thing) for name, thing in all_objects() if name == kind)
    assert 0 < found[True] < found[False]


@pytest.mark.parametrize(
    "purpose",
    "acd agent botflow campaign customer dialer external ivr outbound user voicemail voicesurveyflow workflow".split(),
)
def test_participants_of_a_purpose_occur(purpose: str) -> None:
    assert any(participant["purpose"] == purpose for participant, _ in sessions())


def test_conversations_weigh_five_to_twelve_kilobytes_on_average() -> None:
    day = [ORG.conversation(s, s.end_ms) for s in ORG.day(MONDAY + 1)]
    mean = sum(len(json.dumps(c, separators=(",", ":"), ensure_ascii=False).encode()) for c in day) / len(day)
    assert 5_000 < mean < 12_000


# The clock


def instants_of(story: Json) -> list[int]:
    found = [t[n] for _, t in objects("", story) for n in ("segmentStart", "segmentEnd", "emitDate") if n in t]
    return sorted({to_ms(i) for i in found})


@st.composite
def moments(draw: st.DrawFn) -> tuple[Sketch, int]:
    """A conversation and an instant in its life: at, just before or just after something that happens."""
    sketch, story = draw(st.sampled_from(stories()))
    instant = draw(st.sampled_from(instants_of(story))) + draw(st.sampled_from((-1, 0, 1)))
    return sketch, max(instant, sketch.start_ms)


@given(moments())
@settings(max_examples=400, deadline=None)
def test_at_any_instant_one_sees_the_beginning_of_the_final_story(moment: tuple[Sketch, int]) -> None:
    sketch, now = moment
    seen, final = ORG.conversation(sketch, now), ORG.conversation(sketch, sketch.end_ms)
    if now >= sketch.end_ms:
        assert seen == final
        return
    assert ("conversationEnd" in seen) == sketch.has_end(now)
    visible = {}
    for participant in final["participants"]:
        kept = [s for s in participant["sessions"] if s["segments"][0]["segmentStart"] <= stamp(now)]
        if kept:
            visible[participant["participantId"]] = [s["sessionId"] for s in kept]
    made = seen.get("participants", [])
    assert {p["participantId"]: [s["sessionId"] for s in p["sessions"]] for p in made} == visible
    whole = {s["sessionId"]: s for p in final["participants"] for s in p["sessions"]}
    for session in itertools.chain.from_iterable(p["sessions"] for p in made):
        assert_is_beginning(session, whole[session["sessionId"]], stamp(now))


def assert_is_beginning(seen: Json, final: Json, now: str) -> None:
    """Every segment that began, every metric and statistic that was emitted, with the same values; no more."""
    began = [s for s in final["segments"] if s["segmentStart"] <= now]
    assert [s for s in seen["segments"] if "segmentEnd" in s] == [s for s in began if s.get("segmentEnd", "~") <= now]
    assert len(seen["segments"]) == len(began)
    for part, whole in zip(seen["segments"], began, strict=True):
        assert all(whole[name] == value for name, value in part.items())
    for name, when in (("metrics", "emitDate"), ("mediaEndpointStats", "eventTime")):
        assert seen.get(name, []) == [m for m in final.get(name, ()) if m[when] <= now]
    assert all(final[k] == v for k, v in seen.items() if not isinstance(v, (list, dict)))


@given(moments())
@settings(max_examples=200, deadline=None)
def test_what_lives_obeys_the_same_rules_as_what_has_ended(moment: tuple[Sketch, int]) -> None:
    sketch, now = moment
    seen = ORG.conversation(sketch, now)
    for kind, thing in objects("conversation", seen):
        assert [n for n in FIELDS[kind].split() if n in thing] == list(thing)
        assert not any(v in (None, [], {}) for v in thing.values())


def test_what_has_not_ended_says_neither_why_nor_with_what_code() -> None:
    for sketch, story in stories()[:1500]:
        middle = to_ms(story["participants"][0]["sessions"][0]["segments"][0]["segmentStart"]) + 20_000
        for segment in segments(ORG.conversation(sketch, middle)):
            assert "segmentEnd" in segment or not segment.keys() & {"disconnectType", "wrapUpCode", "wrapUpNote"}


def test_the_same_seed_gives_the_same_story_in_another_org_object() -> None:
    again = Org(seed=7, conversations_per_day=2000)
    for sketch in sketches()[::400]:
        assert again.conversation(sketch, sketch.end_ms) == ORG.conversation(sketch, sketch.end_ms)


def test_another_seed_gives_other_stories() -> None:
    assert not {s.conversation_id for s in Org(seed=8).day(MONDAY)} & {s.conversation_id for s in ORG.day(MONDAY)}
