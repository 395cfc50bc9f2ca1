"""What a filter may ask for: the dimensions and metrics of each list, and where their values stand.

A predicate looks at one *leaf*: a tuple of JSON objects. It is the conversation for conversation filters;
participant, session, flow and segment for segment filters; the evaluation, survey or resolution for the
others.

Source: the names are the enumerations of SDK 269 (`ConversationDetailQueryPredicate`,
`SegmentDetailQueryPredicate`, `EvaluationDetailQueryPredicate`, `SurveyDetailQueryPredicate`,
`ResolutionDetailQueryPredicate`). Where each value stands follows from the response models
(`AnalyticsParticipantWithoutAttributes`, `AnalyticsSession`, `AnalyticsFlow`,
`AnalyticsConversationSegment`); `canonicalExternalContactId` stands nowhere in them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Leaf = tuple[Mapping[str, Any], ...]

Place = tuple[int, tuple[str, ...]]
"""Which object of the leaf, and the fields to follow in it; lists on the way are gone through."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of one of the five filter lists."""

    field: str
    """Of the body: `segmentFilters`."""
    model: str
    """The SDK's name for what is filtered: `Segment`."""
    dimensions: Mapping[str, Place]
    metrics: tuple[str, ...]
    leaves: Callable[[Mapping[str, Any]], Iterator[Leaf]]
    """The leaves of a conversation."""
    properties: bool = False
    """Whether a predicate may ask for a property by name."""
    query: str = "DetailQuery"
    """The part of the SDK's names that says of which query the list is."""

    def name(self, what: str) -> str:
        """The SDK's name for a part of the list: `SegmentDetailQueryPredicate`."""
        return f"{self.model}{self.query}{what}"


def conversation_leaf(conversation: Mapping[str, Any]) -> Iterator[Leaf]:
    """The conversation alone."""
    yield (conversation,)


def segment_leaves(conversation: Mapping[str, Any]) -> Iterator[Leaf]:
    """(participant, session, flow, segment), once for each segment."""
    for participant in conversation.get("participants", ()):
        for session in participant.get("sessions", ()):
            flow = session.get("flow", NOTHING)
            for segment in session.get("segments", ()):
                yield participant, session, flow, segment


def evaluation_leaves(conversation: Mapping[str, Any]) -> Iterator[Leaf]:
    """Each evaluation."""
    return ((evaluation,) for evaluation in conversation.get("evaluations", ()))


def survey_leaves(conversation: Mapping[str, Any]) -> Iterator[Leaf]:
    """Each survey."""
    return ((survey,) for survey in conversation.get("surveys", ()))


def resolution_leaves(conversation: Mapping[str, Any]) -> Iterator[Leaf]:
    """Each resolution."""
    return ((resolution,) for resolution in conversation.get("resolutions", ()))


def same_name(position: int, names: str) -> dict[str, Place]:
    """Dimensions that are called what the field is called."""
    return {name: (position, (name,)) for name in names.split()}


PARTICIPANT = same_name(
    0,
    """canonicalExternalContactId externalContactId externalOrganizationId flaggedReason participantName purpose
    screenRecording teamId userId""",
)

SESSION = same_name(
    1,
    """addressFrom addressTo agentAssistantId agentOwned ani authenticated bargedParticipantId callbackScheduledTime
    cleared coachedParticipantId deliveryPushed deliveryStatus detectedSpeechEnd detectedSpeechStart direction dnis
    edgeId engagementSource extendedDeliveryStatus flowOutType journeyActionId journeyActionMapId journeyCustomerId
    journeyCustomerIdType journeyCustomerSessionId mediaCount mediaType messageType monitoredParticipantId
    outboundCampaignId outboundContactId outboundContactListId protocolCallId provider recording remote
    remoteNameDisplayable screenMonitoredUserId scriptId sessionDnis skillExpressionId snippetRecording usedRouting""",
) | {
    "callbackNumber": (1, ("callbackNumbers",)),
    "destinationAddress": (1, ("destinationAddresses",)),
    "requestedRouting": (1, ("requestedRoutings",)),
}

FLOW = same_name(2, "exitReason flowId flowName flowVersion transferTargetAddress transferTargetName transferType") | {
    name: (2, ("outcomes", name)) for name in ("flowOutcome", "flowOutcomeId", "flowOutcomeValue")
}

SEGMENT = same_name(
    3,
    """conference destinationConversationId disconnectType errorCode groupId queueId requestedLanguageId segmentEnd
    segmentType subject wrapUpCode wrapUpNote""",
) | {
    "requestedRoutingSkillId": (3, ("requestedRoutingSkillIds",)),
    "scoredAgentId": (3, ("scoredAgents", "scoredAgentId")),
    "sipResponseCode": (3, ("sipResponseCodes",)),
}

CONVERSATION = same_name(
    0,
    """conversationEnd conversationId conversationInitiator conversationStart customerParticipation externalTag
    mediaStatsMinConversationMos originatingDirection originatingSocialMediaPublic""",
) | {"accessAttribute": (0, ("accessAttributes",)), "divisionId": (0, ("divisionIds",))}

CONVERSATION_METRICS = tuple(
    """nAgentDeclined nAlertExpired nBlindTransferred nBotInteractions nCallbackAttempts nCallbackOverSla
    nCallbackScheduled nCfcOffered nCobrowseSessions nConnected nConsult nConsultTransferred nConversations nError
    nFlow nFlowMilestone nFlowOutcome nFlowOutcomeFailed nOffered nOutbound nOutboundAbandoned nOutboundAttempted
    nOutboundConnected nOverSla nStateTransitionError nTakeover nTransferred oAudioMessageCount
    oExternalAudioMessageCount oExternalMediaCount oFlowMilestone oMediaCount oMessageCount oMessageSegmentCount
    oMessageTurn oSkillExpressionApplications tAbandon tAcd tActiveCallback tActiveCallbackComplete tAcw
    tAgentResponseTime tAgentVideoConnected tAlert tAnswered tAverageAgentResponseTime tAverageCustomerResponseTime
    tBarging tCallbackAbandon tCallbackConnect tCallbackNotReached tCallbackVirtualWait tCfcAbandon tCfcAcd
    tCfcAnswered tCfcFlowOut tCoaching tCoachingComplete tConnected tContacting tConversationDuration tDialing
    tFirstConnect tFirstDial tFirstEngagement tFirstResponse tFlow tFlowDisconnect tFlowExit tFlowOut tFlowOutcome
    tHandle tHeld tHeldComplete tIvr tMonitoring tMonitoringComplete tNotResponding tPark tParkComplete
    tScreenMonitoring tShortAbandon tSnippetRecord tTalk tTalkComplete tTransmitting tUserResponseTime
    tVoicemail""".split()
)

EVALUATION = same_name(
    0,
    """assigneeApplicable assigneeId calibrationId contextId deleted evaluationId evaluationStatus evaluatorId
    eventTime formId formName queueId released rescored systemSubmitted userId""",
)

SURVEY = same_name(
    0,
    """eventTime queueId surveyCompletedDate surveyFormContextId surveyFormId surveyId surveyPartialResponse
    surveyPromoterScore surveyStatus surveyType userId""",
)

CONVERSATIONS = Vocabulary("conversationFilters", "Conversation", CONVERSATION, CONVERSATION_METRICS, conversation_leaf)

SEGMENTS = Vocabulary(
    "segmentFilters",
    "Segment",
    PARTICIPANT | SESSION | FLOW | SEGMENT,
    ("tSegmentDuration",),
    segment_leaves,
    properties=True,
)

EVALUATIONS = Vocabulary(
    "evaluationFilters", "Evaluation", EVALUATION, ("oTotalCriticalScore", "oTotalScore"), evaluation_leaves
)

SURVEYS = Vocabulary("surveyFilters", "Survey", SURVEY, ("oSurveyTotalScore",), survey_leaves)

RESOLUTIONS = Vocabulary(
    "resolutionFilters", "Resolution", MappingProxyType({}), ("nNextContactAvoided",), resolution_leaves
)

VOCABULARIES = (CONVERSATIONS, SEGMENTS, EVALUATIONS, SURVEYS, RESOLUTIONS)
"""The filter lists of a body, in the SDK's order."""

# --- aggregates

AGGREGATE_METRICS = tuple(
    """nAgentDeclined nAlertExpired nBlindTransferred nBotInteractions nCallbackAttempts nCallbackOverSla
    nCallbackScheduled nCfcOffered nCobrowseSessions nConnected nConsult nConsultTransferred nConversations nError
    nOffered nOutbound nOutboundAbandoned nOutboundAttempted nOutboundConnected nOverSla nStateTransitionError
    nTakeover nTransferred oAudioMessageCount oCallbackServiceLevel oExternalAudioMessageCount oExternalMediaCount
    oMediaCount oMessageCount oMessageSegmentCount oMessageTurn oServiceLevel oServiceTarget
    oSkillExpressionApplications tAbandon tAcd tActiveCallback tActiveCallbackComplete tAcw tAgentResponseTime
    tAgentVideoConnected tAlert tAnswered tAverageAgentResponseTime tAverageCustomerResponseTime tBarging
    tCallbackAbandon tCallbackConnect tCallbackNotReached tCallbackVirtualWait tCfcAbandon tCfcAcd tCfcAnswered
    tCfcFlowOut tCoaching tCoachingComplete tConnected tContacting tDialing tFirstConnect tFirstDial tFirstEngagement
    tFirstResponse tFlowOut tHandle tHeld tHeldComplete tIvr tMonitoring tMonitoringComplete tNotResponding tPark
    tParkComplete tScreenMonitoring tShortAbandon tSnippetRecord tTalk tTalkComplete tTransmitting tUserResponseTime
    tVoicemail tWait""".split()
)
"""What an aggregate query can ask for. Source: SDK 269, `ConversationAggregationView.target`."""

AGGREGATE = (
    same_name(
        0,
        """conversationId conversationInitiator customerParticipation externalTag originatingDirection
        originatingSocialMediaPublic selfServed""",
    )
    | {"divisionId": (0, ("divisionIds",)), "knowledgeBaseId": (0, ("knowledgeBaseIds",))}
    | same_name(
        1,
        """externalContactId externalOrganizationId flaggedReason participantName purpose teamId userId""",
    )
    | same_name(
        2,
        """addressFrom addressTo agentAssistantId agentBullseyeRing agentOwned ani assignerId authenticated
        deliveryStatus direction dnis edgeId extendedDeliveryStatus flowInType flowOutType journeyActionId
        journeyActionMapId journeyActionMapVersion journeyCustomerId journeyCustomerIdType journeyCustomerSessionId
        journeyCustomerSessionIdType mediaCount mediaType messageType outboundCampaignId outboundContactId
        outboundContactListId peerId provider remote roomId routingRing routingRule routingRuleType selectedAgentId
        selectedAgentRank sessionDnis sessionId skillExpressionId usedRouting""",
    )
    | {
        "activeSkillId": (2, ("activeSkillIds",)),
        "agentRank": (2, ("proposedAgents", "agentRank")),
        "destinationAddress": (2, ("destinationAddresses",)),
        "eligibleAgentCount": (2, ("eligibleAgentCounts",)),
        "proposedAgentId": (2, ("proposedAgents", "proposedAgentId")),
        "removedSkillId": (2, ("removedSkillIds",)),
        "requestedRouting": (2, ("requestedRoutings",)),
        "waitingInteractionCount": (2, ("waitingInteractionCounts",)),
    }
    | same_name(3, "disconnectType errorCode groupId queueId requestedLanguageId wrapUpCode")
    | {
        "agentScore": (3, ("scoredAgents", "agentScore")),
        "requestedRoutingSkillId": (3, ("requestedRoutingSkillIds",)),
        "scoredAgentId": (3, ("scoredAgents", "scoredAgentId")),
    }
    | same_name(
        0,
        """activeRouting canonicalExternalContactId convertedFrom convertedTo externalMediaCount firstQueue
        interactionType routingPriority stationId videoPresent""",
    )
)
"""Where the dimensions of an aggregate stand in (conversation, participant, session, segment of the metric). The last
ten stand nowhere in a conversation's details, so that no metric has them. Source: SDK 269,
`ConversationAggregateQueryPredicate.dimension`."""

AGGREGATES = Vocabulary("filter", "Conversation", AGGREGATE, (), conversation_leaf, query="AggregateQuery")

INSTANT_DIMENSIONS = frozenset(
    """callbackScheduledTime conversationEnd conversationStart detectedSpeechEnd detectedSpeechStart eventTime
    segmentEnd surveyCompletedDate""".split()
)
"""Compared as instants, whatever their text."""

ADDRESS_DIMENSIONS = frozenset({"addressFrom", "addressTo"})
"""Compared without case; a value without @ matches the part before or after it. Source: the notes of
XxMasterbeasTxX/genesys-admin-app on a live org."""


def values_at(leaf: Leaf, place: Place) -> list[Any]:
    """The values at a place, lists gone through; none where a field is missing."""
    position, fields = place
    values: list[Any] = [leaf[position]]
    for field in fields:
        values = [value[field] for value in values if field in value]
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [value for value in values if value is not None]
