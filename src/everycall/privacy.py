"""Replaces personal data in conversations, before anything is made of them. Pure.

    redaction = Redaction.parse(["personal", "wrapUpTags=drop"], key)
    redactor = Redactor(redaction)
    redactor.record(body)       # the JSON of one conversation

`personal` works by a list of what is kept (`KEPT`): what is not on it is replaced, also fields that this version does
not know. A text is replaced by a keyed hash (HMAC-SHA256), so that equal texts stay equal, and tables can be joined by
them; or it is dropped. Whoever has the key can find out whether a hash belongs to a given text, nobody else can.
"""

import hmac
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from everycall.errors import SettingsError

KEY_VARIABLE = "EVERYCALL_REDACTION_KEY"

KEY_MIN = 16
"""Bytes of a key, at least: as long as the hashes."""

HASH_DIGITS = 32
"""Hexadecimal digits of a hash: 128 bits, so that two texts with one hash are not to be expected."""

Treatment = Literal["hash", "drop", "keep"]

PERSONAL, USER_NAME = "personal", "userName"

KEPT: Mapping[str, str] = {
    "": """
        associatedConversationId conferenceStart consultationConversationIds conversationEnd conversationId
        conversationInitiator conversationStart customerParticipation divisionIds inactivityTimeout knowledgeBaseIds
        mediaStatsMinConversationMos mediaStatsMinConversationRFactor originatingDirection
        originatingSocialMediaPublic selfServed
        """,
    "evaluations": """
        assigneeApplicable calibrationId contextId deleted evaluationId evaluationStatus eventTime formId formName
        queueId released rescored systemSubmitted oTotalCriticalScore oTotalScore
        """,
    "surveys": """
        eventTime queueId surveyCompletedDate surveyFormContextId surveyFormId surveyFormName surveyId
        surveyPartialResponse surveyPromoterScore surveyStatus surveyType oSurveyTotalScore
        """,
    "resolutions": "eventTime queueId nNextContactAvoided",
    "participants": "flaggedReason participantId purpose screenRecording teamId",
    "participants.sessions": """
        activeSkillIds acwSkipped agentAssistantId agentBullseyeRing agentOwned authenticated bargedParticipantId
        callbackScheduledTime cleared coachedParticipantId cobrowseRole deliveryPushed deliveryStatus
        deliveryStatusChangeDate detectedSpeechEnd detectedSpeechStart direction dispositionAnalyzer dispositionName
        edgeId eligibleAgentCounts engagementSource extendedDeliveryStatus flowInType flowOutType journeyActionId
        journeyActionMapId journeyActionMapVersion journeyCustomerIdType journeyCustomerSessionIdType mediaBridgeId
        mediaCount mediaType messageType monitoredParticipantId outboundCampaignId outboundContactListId peerId
        provider recording removedSkillIds requestedRoutings routingRing routingRule routingRuleType scriptId
        selectedAgentRank sessionId sharingScreen skillExpressionId skipEnabled snippetRecording timeoutSeconds
        usedRouting waitingInteractionCounts
        """,
    "participants.sessions.agentGroups": "agentGroupId agentGroupType",
    "participants.sessions.proposedAgents": "agentRank",
    "participants.sessions.mediaEndpointStats": """
        codecs discardedPackets duplicatePackets eventTime invalidPackets maxLatencyMs minMos minRFactor overrunPackets
        receivedPackets underrunPackets
        """,
    "participants.sessions.flow": """
        endingLanguage entryType exitReason flowId flowName flowType flowVersion issuedCallback
        recognitionFailureReason startingLanguage transferType
        """,
    "participants.sessions.flow.outcomes": """
        flowOutcome flowOutcomeEndTimestamp flowOutcomeId flowOutcomeStartTimestamp flowOutcomeValue
        """,
    "participants.sessions.metrics": "emitDate name value",
    "participants.sessions.segments": """
        audioMuted conference destinationConversationId destinationSessionId disconnectType errorCode groupId
        q850ResponseCodes queueId requestedLanguageId requestedRoutingSkillIds segmentEnd segmentStart segmentType
        sipResponseCodes sourceConversationId sourceSessionId videoMuted wrapUpCode
        """,
    "participants.sessions.segments.scoredAgents": "agentScore",
    "participants.sessions.segments.properties": "property propertyType",
}
"""What `personal` keeps, by the path of the object. Ids of people are not on it, ids of everything else are."""

REPLACED: Mapping[str, Mapping[str, Treatment]] = {
    "": dict.fromkeys(("accessAttributes", "externalTag"), "hash"),
    "evaluations": dict.fromkeys(("assigneeId", "evaluatorId", "userId"), "hash"),
    "surveys": {"userId": "hash"},
    "resolutions": {"userId": "hash"},
    "participants": dict.fromkeys(
        ("attributes", "externalContactId", "externalOrganizationId", "participantName", "userId"), "hash"
    ),
    "participants.sessions": {
        **dict.fromkeys(
            """
            addressFrom addressOther addressSelf addressTo ani assignerId bcc callbackNumbers callbackUserName cc
            cobrowseRoomId destinationAddresses dnis journeyCustomerId journeyCustomerSessionId outboundContactId
            protocolCallId remote remoteNameDisplayable roomId screenMonitoredUserId screenShareAddressSelf
            screenShareRoomId selectedAgentId sessionDnis videoAddressSelf videoRoomId
            """.split(),
            "hash",
        ),
        "errorCodeDescription": "drop",
    },
    "participants.sessions.proposedAgents": {"proposedAgentId": "hash"},
    "participants.sessions.flow": dict.fromkeys(
        ("entryReason", "transferTargetAddress", "transferTargetName"), "hash"
    ),
    "participants.sessions.segments": {
        "requestedRoutingUserIds": "hash", "wrapUpTags": "hash", "subject": "drop", "wrapUpNote": "drop",
    },
    "participants.sessions.segments.scoredAgents": {"scoredAgentId": "hash"},
    "participants.sessions.segments.properties": {"value": "hash"},
}  # fmt: skip
"""The fields of the API that `personal` replaces. Free text is dropped: nobody joins by it."""

NAMES_KEPT = frozenset(("acd", "ivr", "workflow", "botflow", "dialer", "campaign"))
"""Purposes of participants that are no people: their participantName is that of a queue or a flow."""

ATTRIBUTES = "attributes"
"""The one object whose names are the org's own. They are kept, its values are not."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(path for path in KEPT if name in KEPT[path].split() or name in REPLACED.get(path, ()))
    for path in KEPT
    for name in (*KEPT[path].split(), *REPLACED.get(path, ()))
}
"""Every field of the API by its name, with the paths of the objects that have it."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is replaced, and the key."""

    fields: tuple[str, ...]
    """As the user names them, sorted: `personal`, `ani`, `wrapUpNote=drop`, `userId=keep` ..."""
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, fields: Iterable[str], key: bytes) -> "Redaction":
        """Check the names of fields and the key.

        Raises:
            SettingsError: there is no such field, or the key is too short; the hint says what to do.
        """
        found = tuple(sorted({_checked(one) for one in fields}))
        if len(key) < KEY_MIN:
            has = f"has {len(key)} bytes" if key else "is not set"
            raise SettingsError(
                f"--redact needs a key of at least {KEY_MIN} bytes, and {KEY_VARIABLE} {has}.",
                hint=f"Make one, and keep it: export {KEY_VARIABLE}=$(openssl rand -hex 32)",
            )
        if any(one.endswith("=keep") for one in found) and PERSONAL not in found:
            raise SettingsError("--redact keeps everything that it does not name.", hint="Leave out =keep.")
        return cls(found, key)

    @property
    def fingerprint(self) -> str:
        """Distinguishes keys without showing them."""
        return _hash(self.key, "the fingerprint of this key")[:16]


def _checked(written: str) -> str:
    """The field as we write it.

    Raises:
        SettingsError: there is no such field.
    """
    name, separator, treatment = written.partition("=")
    known = {one.lower(): one for one in (PERSONAL, USER_NAME, *FIELDS)}
    found = known.get(name.lower())
    if found is None:
        near = [known[one] for one in get_close_matches(name.lower(), known, n=3)]
        hint = f"Similar fields: {', '.join(near)}." if near else "docs/privacy.md lists the fields."
        raise SettingsError(f"--redact: there is no field '{name}'.", hint=hint)
    if separator and (treatment not in get_args(Treatment) or found == PERSONAL):
        raise SettingsError(
            f"--redact: '{written}' is not valid.", hint="Write FIELD, FIELD=hash, FIELD=drop or FIELD=keep."
        )
    return found if treatment in ("", "hash") else f"{found}={treatment}"


class _Dropped:
    """In place of a value that is left out."""


_DROPPED = _Dropped()

_Node: TypeAlias = dict[str, Any]
"""The treatment of each field of an object; of a list of objects or of an object, the node of those."""


class Redactor:
    """Replaces what a redaction names."""

    def __init__(self, redaction: Redaction) -> None:
        """Prepare the treatment of each field."""
        self._key = redaction.key
        self._is_personal = PERSONAL in redaction.fields
        self._unknown: Treatment = "hash" if self._is_personal else "keep"
        given: dict[str, Treatment] = {}
        for one in redaction.fields:
            name, _, treatment = one.partition("=")
            given[name] = cast("Treatment", treatment or "hash")
        self._user_name: Treatment = given.get(USER_NAME, self._unknown)
        self._keeps_participant_name = given.get("participantName", "keep") == "keep"
        self._root = self._node("", given)

    def _node(self, path: str, given: Mapping[str, Treatment]) -> _Node:
        replaced = REPLACED.get(path, {})
        node: _Node = dict.fromkeys(KEPT[path].split(), "keep")
        node |= replaced if self._is_personal else dict.fromkeys(replaced, "keep")
        node |= {name: treatment for name, treatment in given.items() if name in node}
        below = (one for one in KEPT if one and one.rpartition(".")[0] == path)
        return node | {one.rpartition(".")[2]: self._node(one, given) for one in below}

    def record(self, body: bytes) -> bytes:
        """The JSON of a conversation without what is replaced.

        Everything that is not an object of the API's shape counts as an unknown field.
        """
        return _encoded(self._object(_decoded(body), self._root))

    def hashed(self, text: str) -> str:
        """The keyed hash of a text; an empty text stays empty."""
        return _hash(self._key, text) if text else text

    def user_name(self, name: str | None) -> str | None:
        """The name of a user, as it may be shown."""
        if name is None or self._user_name == "drop":
            return None
        return name if self._user_name == "keep" else self.hashed(name)

    def _object(self, tree: Mapping[str, Any], node: _Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in tree.items():
            rule = node.get(name, self._unknown if name not in node else "keep")
            if name == "participantName" and self._is_name_of_none(tree):
                rule = "keep"
            shown = self._below(value, rule) if isinstance(rule, dict) else self._leaf(name, value, rule)
            if shown is not _DROPPED:
                found[name] = shown
        return found

    def _is_name_of_none(self, participant: Mapping[str, Any]) -> bool:
        """Whether the participant is a queue or a flow, and its name is not replaced by wish."""
        return self._keeps_participant_name and participant.get("purpose") in NAMES_KEPT

    def _below(self, value: Any, node: _Node) -> Any:
        if isinstance(value, list):
            return [self._object(one, node) if isinstance(one, dict) else self._odd(one) for one in value]
        return self._object(value, node) if isinstance(value, dict) else self._odd(value)

    def _odd(self, value: Any) -> Any:
        """A value where an object should be."""
        return value if self._unknown == "keep" else self._hashed(value)

    def _leaf(self, name: str, value: Any, rule: Treatment) -> Any:
        if rule == "drop":
            return _DROPPED
        if rule == "keep":
            return value if not self._is_personal or _is_plain(value) else None
        if name == ATTRIBUTES and isinstance(value, dict):
            return {key: self._hashed(one) for key, one in value.items()}
        return self._hashed(value)

    def _hashed(self, value: Any) -> Any:
        """A text as its hash, texts as theirs, null for anything else: a number would not stay one."""
        if isinstance(value, str):
            return self.hashed(value)
        return [self._hashed(one) for one in value if isinstance(one, str)] if isinstance(value, list) else None


def _is_plain(value: Any) -> bool:
    """Whether it is a value, or a list of values, as all fields that are kept have."""
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(one, dict | list) for one in value)
    )


def _hash(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:HASH_DIGITS]


def _decoded(body: bytes) -> dict[str, Any]:
    """The conversation as plain data."""
    try:
        found: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError:
        # The standard library takes numbers that are out of range, and halves of characters.
        found = json.loads(body.decode("utf-8", "replace"), parse_float=_finite)
    return found


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _encoded(tree: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(tree)
    except (ValueError, OverflowError):  # half of a character, or a number of more than 64 bits
        return json.dumps(tree).encode()


def described() -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    """For each object, its path and the fields that `personal` hashes and drops."""
    for path, fields in REPLACED.items():
        by: dict[Treatment, list[str]] = {"hash": [], "drop": [], "keep": []}
        for name, treatment in fields.items():
            by[treatment].append(name)
        yield path, by["hash"], by["drop"]
