"""A captured conversation as one more kind of conversation of an org: its shape and its times, nothing of its people.

    captured = json.loads(Path("one-conversation.json").read_text())
    template = Template.of(captured, per_mille=50)
    Sandbox(Org(seed=1, templates=[template]))      # one in twenty conversations looks like it

A template is the conversation's JSON in which each value that belongs to one conversation or one org is replaced by a
marker in braces, the same value by the same marker wherever it stands:

    {start 1250}                         the instant 1,250 ms after conversationStart
    {conversation} {id 4} {hex 0}        an id of its own, as UUID or as 32 hexadecimal digits
    {queue 0 id} {queue 0 name}          the first queue of the conversation; so too user, flow TYPE, campaign
    {code 1} {skill 0} {language 0} {group 0} {divisions}
    {name 2} {tel:+ 0} {+ 0} {sip 1} {mail 0} {call 0} {text 3}
                                         invented people, numbers, addresses, texts

Kept are booleans, the numbers of the fields in `NUMBERS`, and the texts of the fields in `KEPT`, whose values the API
or its configuration defines. Every other text and number is replaced, those of unknown fields included: a template
holds no names, addresses, subjects, notes, tags or attributes. The times stay as they were captured, to the
millisecond, so that the sums of its metrics stay true.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from everycall.sandbox.centre import CUSTOMER_FIRST_NAMES, CUSTOMER_LAST_NAMES, Centre, Flow
from everycall.sandbox.instants import to_ms
from everycall.sandbox.rng import Rng
from everycall.sandbox.stories.parts import Json, stamp
from everycall.sandbox.traffic import Cast, Kind, Sketch

MOST_PER_MILLE: Final = 999
LATER: Final = ("evaluations", "surveys", "resolutions")
"""Lists of a conversation that grow after its end."""

KEPT: Final = frozenset(
    """agentGroupType cobrowseRole codecs conversationInitiator deliveryStatus direction disconnectType
    dispositionAnalyzer dispositionName endingLanguage engagementSource entryType errorCode evaluationStatus exitReason
    flaggedReason flowInType flowOutType flowOutcomeValue flowType journeyCustomerIdType journeyCustomerSessionIdType
    mediaType messageType name originatingDirection propertyType provider purpose recognitionFailureReason
    requestedRoutings routingRuleType segmentType startingLanguage surveyStatus surveyType transferType
    usedRouting""".split()
)
"""Texts that say what kind of thing something is, not whose; `name` is that of a metric."""

NUMBERS: Final = frozenset(
    """agentBullseyeRing agentRank agentScore discardedPackets duplicatePackets eligibleAgentCounts invalidPackets
    journeyActionMapVersion maxLatencyMs mediaCount mediaStatsMinConversationMos mediaStatsMinConversationRFactor minMos
    minRFactor nNextContactAvoided oSurveyTotalScore oTotalCriticalScore oTotalScore overrunPackets q850ResponseCodes
    receivedPackets routingRing selectedAgentRank sipResponseCodes surveyPromoterScore timeoutSeconds underrunPackets
    value waitingInteractionCounts""".split()
)
"""Numbers that the API measures or counts; an unknown one may be a customer's, and becomes 0."""

REFERS: Final = {
    "queueId": "queue", "userId": "user", "selectedAgentId": "user", "scoredAgentId": "user", "proposedAgentId": "user",
    "requestedRoutingUserIds": "user", "screenMonitoredUserId": "user", "assignerId": "user", "assigneeId": "user",
    "evaluatorId": "user", "wrapUpCode": "code", "requestedRoutingSkillIds": "skill", "activeSkillIds": "skill",
    "removedSkillIds": "skill", "requestedLanguageId": "language", "groupId": "group", "agentGroupId": "group",
    "outboundCampaignId": "campaign",
}  # fmt: skip
"""Fields that name something that an org's look-ups know."""

TYPED: Final = {"bool": "true", "integer": "42", "real": "0.5", "date": "2026-01-05"}
"""Values of properties that are not texts, by the property's type."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_INSTANT = re.compile(r"\d{4}-\d\d?-\d\d?T.*")
_PHONE = re.compile(r"(tel:)?\+?[\d() -]{5,}")
_MARKER = re.compile(r"\{([^{}]+)\}")
_KNOWN_MARKER = re.compile(
    r"conversation|divisions|start -?\d+|(queue|user|campaign) \d+ (id|name|team_id)|flow [A-Z]+ \d+ (id|name|version)"
    r"|(id|hex|code|skill|language|group|name|tel:\+|\+|sip|mail|call|text) \d+"
)


@dataclass(frozen=True)
class Template:
    """The shape of one conversation, to be filled in with the people of a sandbox's org."""

    data: Mapping[str, Any]
    """Plain JSON, to be kept in a file; made by `of`."""
    per_mille: int = 20
    """How many of 1,000 conversations are to look like it, among those that come in the same hours: calls, callbacks
    and chats in opening hours, e-mails and messages around the clock."""

    def __post_init__(self) -> None:
        if not 0 < self.per_mille <= MOST_PER_MILLE:
            raise ValueError(f"per_mille={self.per_mille} is not a share; write a number from 1 to {MOST_PER_MILLE}")
        if not self.media_types or "{conversation}" not in self.data.values():
            raise ValueError("this is not a conversation with sessions; Template.of(conversation) makes a template")
        for text in self._texts:
            if (matched := _MARKER.fullmatch(text)) and not _KNOWN_MARKER.fullmatch(matched[1]):
                raise ValueError(f"{text!r} is not a marker of a template; the documentation of the module lists them")

    @classmethod
    def of(cls, conversation: Mapping[str, Any], per_mille: int = 20) -> Self:
        """The template of a conversation as a details query or a job gives it.

        Raises:
            ValueError: it has no conversationStart, no session with a segment, or an instant that is none; the text
                names the field and its value.
        """
        return cls(_Capture(conversation).template(), per_mille)

    def kind(self, number: int) -> Kind:
        """What an org's traffic must know of it; `number` is its place among the templates."""
        media = next((m for m in self.media_types if m in {"voice", "callback", "chat", "email", "message"}), "voice")
        codes = {text for text in self._texts if text.startswith("{code ")}
        return Kind(
            name=f"template_{number}",
            office=0 if media in {"email", "message"} else self.per_mille,
            clock=self.per_mille if media in {"email", "message"} else 0,
            media=media,
            queues=self._count("queue"),
            users=self._count("user"),
            media_types=self.media_types,
            direction=self.data.get("originatingDirection", "inbound"),
            spans=() if self.length_ms is None else (self.length_ms,) * 8,
            codes=len(codes),
            system_codes=tuple(dict.fromkeys(t for t in self._texts if t.startswith("ININ-"))),
            is_captured=True,
        )

    @property
    def length_ms(self) -> int | None:
        """From start to end; None for one that was still active when it was captured."""
        end: str | None = self.data.get("conversationEnd")
        return None if end is None else _offset(end)

    @cached_property
    def media_types(self) -> tuple[str, ...]:
        """Every medium, that of the first session first."""
        sessions = (s for p in self.data.get("participants", ()) for s in p.get("sessions", ()))
        return tuple(dict.fromkeys(session["mediaType"] for session in sessions if "mediaType" in session))

    @cached_property
    def later_ms(self) -> tuple[int, ...]:
        """The times after the start at which an evaluation, a survey or a resolution came, after the end; in order."""
        times = {
            _offset(entry["eventTime"]) for name in LATER for entry in self.data.get(name, ()) if "eventTime" in entry
        }
        return tuple(sorted(at for at in times if self.length_ms is not None and at > self.length_ms))

    def fill(self, centre: Centre, sketch: Sketch, cast: Cast) -> Json:
        """The final JSON of a conversation in this shape."""
        return _Filling(centre, sketch, cast).filled(self.data)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(_texts(self.data))

    def _count(self, what: str) -> int:
        return len({text.split()[1] for text in self._texts if text.startswith(f"{{{what} ")})


def _offset(marker: str) -> int:
    return int(marker.removeprefix("{start ").removesuffix("}"))


def _texts(thing: Any) -> Iterator[str]:
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, Mapping | list | tuple):
        for inner in thing.values() if isinstance(thing, Mapping) else thing:
            yield from _texts(inner)


class _Capture:
    """A conversation on its way into a template."""

    def __init__(self, conversation: Mapping[str, Any]) -> None:
        self._conversation = conversation
        self._start_ms = self._instant("conversationStart", conversation.get("conversationStart", ""))
        self._known: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._names: dict[str, str] = {}
        """Texts that are the name of a queue or a flow, with what stands for them."""

    def template(self) -> Json:
        for participant in self._conversation.get("participants", ()):
            self._note_names(participant)
        made: Json = self._object(self._conversation)
        ends = [s.get("segmentEnd") for p in self._conversation.get("participants", ()) for s in _segments(p)]
        if not ends:
            raise ValueError("the conversation has no session with a segment: nothing to make a template of")
        # Answers of 2016 have neither an end nor divisions nor a direction; every answer of today has them.
        last = max((self._instant("segmentEnd", end) for end in ends if end), default=0)
        needed: Json = {"conversationEnd": f"{{start {last - self._start_ms}}}"} if None not in ends else {}
        needed |= {"divisionIds": ["{divisions}"], "originatingDirection": "inbound"}
        made = {**needed, **made, "conversationId": "{conversation}"}
        flat = {name: made[name] for name in sorted(made) if not isinstance(made[name], list) or name == "divisionIds"}
        return flat | {name: value for name, value in made.items() if name not in flat}

    def _note_names(self, participant: Mapping[str, Any]) -> None:
        queues = [part["queueId"] for part in _segments(participant) if "queueId" in part]
        for session in participant.get("sessions", ()):
            flow = session.get("flow", {})
            if "flowName" in flow:
                self._names[flow["flowName"]] = self._flow(flow, "name")
        if participant.get("purpose") in {"acd", "voicemail"} and queues and "participantName" in participant:
            self._names[participant["participantName"]] = self._entity("queue", queues[0], "name")

    def _object(self, thing: Mapping[str, Any]) -> Json:
        return {name: self._value(thing, name, value) for name, value in thing.items() if name != "attributes"}

    def _value(self, holder: Mapping[str, Any], name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._object(value)
        if isinstance(value, list):
            return ["{divisions}"] if name == "divisionIds" else [self._value(holder, name, item) for item in value]
        if isinstance(value, str):
            return self._text(holder, name, value) if value else value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return type(value)(0) if is_number and name not in NUMBERS else value

    def _text(self, holder: Mapping[str, Any], name: str, text: str) -> str:
        if name in KEPT or (name == "wrapUpCode" and text.startswith("ININ-")):
            return text
        if name == "value" and holder.get("propertyType") in TYPED:
            return TYPED[holder["propertyType"]]
        return self._reference(holder, name, text) or self._anonymous(name, text)

    def _reference(self, holder: Mapping[str, Any], name: str, text: str) -> str:
        """The marker of something that an org's look-ups know; empty for anything else."""
        if name in REFERS:
            return self._entity(REFERS[name], text, "id")
        if name in {"flowId", "flowName", "flowVersion"}:
            return self._flow(holder, name.removeprefix("flow").lower())
        if name == "teamId" and "userId" in holder:
            return self._entity("user", holder["userId"], "team_id")
        if name in {"transferTargetAddress", "transferTargetName"} and holder.get("transferType") == "ACD":
            wanted = "id" if name.endswith("Address") else "name"
            return self._entity("queue", holder.get("transferTargetAddress", text), wanted)
        return self._names.get(text, "")

    def _anonymous(self, name: str, text: str) -> str:
        """The marker of a text that is one conversation's own."""
        if text == self._conversation.get("conversationId"):
            return "{conversation}"
        if _INSTANT.fullmatch(text):
            return f"{{start {self._instant(name, text) - self._start_ms}}}"
        if _PHONE.fullmatch(text):
            return self._numbered("tel:+" if text.startswith("tel:") else "+", re.sub(r"\D", "", text))
        kinds = {
            "id": _UUID.fullmatch(text),
            "hex": _HEX.fullmatch(text),
            "sip": text.startswith("sip:"),
            "call": name == "protocolCallId",
            "mail": "@" in text,
            "name": name in {"participantName", "remote", "remoteNameDisplayable", "callbackUserName"},
        }
        return self._numbered(next((kind for kind, is_it in kinds.items() if is_it), "text"), text.lower())

    def _entity(self, kind: str, entity_id: str, field: str) -> str:
        known = self._known[kind]
        number = known.setdefault(entity_id, str(len(known)))
        return f"{{{kind} {number} {field}}}" if kind in {"queue", "user", "campaign"} else f"{{{kind} {number}}}"

    def _flow(self, flow: Mapping[str, Any], field: str) -> str:
        known = self._known["flow"]
        number = known.setdefault(flow.get("flowId", flow.get("flowName", "")), str(len(known)))
        return f"{{flow {flow.get('flowType', 'INBOUNDCALL')} {number} {field}}}"

    def _numbered(self, kind: str, text: str) -> str:
        known = self._known["+" if kind == "tel:+" else kind]
        return f"{{{kind} {known.setdefault(text, str(len(known)))}}}"

    @staticmethod
    def _instant(name: str, text: str) -> int:
        try:
            return to_ms(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}; correct it in the capture, or take another conversation") from None


def _segments(participant: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for session in participant.get("sessions", ()) for part in session.get("segments", ())]


class _Filling:
    """A template on its way into a conversation."""

    def __init__(self, centre: Centre, sketch: Sketch, cast: Cast) -> None:
        self._centre = centre
        self._sketch = sketch
        self._queues, self._users, self._codes = cast
        self._rng = Rng(sketch.conversation_id)
        self._made = {"{conversation}": sketch.conversation_id}

    def filled(self, thing: Mapping[str, Any]) -> Json:
        made = {name: self._value(value) for name, value in thing.items()}
        # Many users have no team.
        if made.get("teamId") == "":
            del made["teamId"]
        return made

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self.filled(value)
        if isinstance(value, list):
            return (
                list(self._sketch.division_ids) if value == ["{divisions}"] else [self._value(item) for item in value]
            )
        return value

    def _text(self, text: str) -> str:
        if text[:7] == "{start ":
            return stamp(self._sketch.start_ms + int(text[7:-1]))
        if text[:1] != "{":
            return text
        made = self._made.get(text)
        if made is None:
            matched = _MARKER.fullmatch(text)
            made = self._made[text] = self._make(*matched[1].split()) if matched else text
        return made

    def _make(self, kind: str, *rest: str) -> str:
        if kind in {"queue", "user", "campaign", "flow"}:
            return self._field(kind, *rest)
        number = int(rest[0])
        if kind == "code":
            return self._codes[number % len(self._codes)] or ""
        if kind in {"skill", "language", "group"}:
            entities = self._centre.entities[f"{kind}s"]
            return str(entities[number % len(entities)]["id"])
        return self._invented(kind, number)

    def _field(self, kind: str, *rest: str) -> str:
        if kind == "flow":
            return str(getattr(self._flow(*rest[:-1]), rest[-1]))
        number, field = int(rest[0]), rest[1]
        things = {"queue": self._queues, "user": self._users, "campaign": self._centre.campaigns}[kind]
        thing = things[number % len(things)]
        return str(getattr(thing, field))

    def _flow(self, flow_type: str, number: str) -> Flow:
        flows = self._centre.flows.get(flow_type) or self._centre.flows["INBOUNDCALL"]
        return flows[(int(number) + self._sketch.index) % len(flows)]

    def _invented(self, kind: str, number: int) -> str:
        rng = self._rng
        if kind in {"tel:+", "+"}:
            digits = self._made.setdefault(f"digits {number}", f"1202555{rng.below(10_000):04d}")
            return f"{kind}{digits}"
        if kind == "name":
            return f"{rng.pick(CUSTOMER_FIRST_NAMES)} {rng.pick(CUSTOMER_LAST_NAMES)}"
        if kind == "text":
            return f"text {number + 1}"
        new = rng.uuid()
        return {
            "id": new,
            "hex": new.replace("-", ""),
            "sip": f"sip:{new.replace('-', '')[:24]}@localhost",
            "mail": f"{new[:8]}@example.org",
            "call": f"{new}@192.0.2.{number % 254 + 1}",
        }[kind]
