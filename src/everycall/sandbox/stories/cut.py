"""The cut: what there is to see of a story at an instant before its end."""

from typing import Any

from everycall.sandbox.stories.parts import Json

# What a segment has only once it is over, and a flow once it is left.
_AT_SEGMENT_END = (
    "disconnectType", "errorCode", "q850ResponseCodes", "segmentEnd", "sipResponseCodes",
    "destinationConversationId", "destinationSessionId", "wrapUpCode", "wrapUpNote", "wrapUpTags",
)  # fmt: skip
_AT_FLOW_END = (
    "endingLanguage", "exitReason", "issuedCallback", "recognitionFailureReason",
    "transferTargetAddress", "transferTargetName", "transferType",
)  # fmt: skip
_AT_SESSION_END = ("acwSkipped", "dispositionAnalyzer", "dispositionName", "errorCodeDescription", "flowOutType")
LATER = ("evaluations", "surveys", "resolutions")
_ONCE_SELECTED = ("selectedAgentId", "selectedAgentRank", "usedRouting")


def cut(story: Json, now: str, ended: str = "") -> Json:
    """A final story as it was at `now`, an instant as the API writes it; `ended` is its end until it is reopened.

    Instants of that form sort as text. What began is there, what had not ended has no end, what had not been
    emitted is absent; so is the whole of what had not begun. The story itself is left as it is.
    """
    participants = [p for p in (_participant(p, now) for p in story["participants"]) if p]
    seen = {p["userId"] for p in participants if "userId" in p}
    for participant in participants:
        for session in participant["sessions"]:
            if session.get("selectedAgentId") not in seen:
                _drop(session, _ONCE_SELECTED)
    whole = {**until(story, now), "participants": participants}
    _drop(whole, ("selfServed", "consultationConversationIds"))
    if ended:
        whole["conversationEnd"] = ended
    else:
        _drop(whole, ("conversationEnd",))
    if whole.get("conferenceStart", "") > now:
        del whole["conferenceStart"]
    return _worst_quality({k: v for k, v in whole.items() if v != []})


def until(story: Json, now: str) -> Json:
    """A story less the evaluations, surveys and resolutions that come later than `now`."""
    later = {name: _until(story[name], "eventTime", now) for name in LATER if name in story}
    return {name: value for name, value in {**story, **later}.items() if name not in later or value}


def _participant(participant: Json, now: str) -> Json | None:
    sessions = [s for s in (_session(s, now) for s in participant.get("sessions", ())) if s]
    return {**participant, "sessions": sessions} if sessions else None


def _session(session: Json, now: str) -> Json | None:
    segments = [_segment(s, now) for s in session.get("segments", ()) if s["segmentStart"] <= now]
    if not segments:
        return None
    made = dict(session)
    if len(segments) < len(session["segments"]) or "segmentEnd" not in segments[-1]:
        _drop(made, _AT_SESSION_END)
    if made.get("deliveryStatusChangeDate", "") > now:
        _drop(made, ("deliveryPushed", "deliveryStatus", "deliveryStatusChangeDate", "extendedDeliveryStatus"))
    for name in ("detectedSpeechStart", "detectedSpeechEnd"):
        if made.get(name, "") > now:
            del made[name]
    if "flow" in made:
        made["flow"] = _flow(made["flow"], made.get("metrics", ()), now)
    for name, when in (("mediaEndpointStats", "eventTime"), ("metrics", "emitDate")):
        if name in made:
            made[name] = _until(made[name], when, now)
    made["segments"] = segments
    return {k: v for k, v in made.items() if v != []}


def _segment(segment: Json, now: str) -> Json:
    if segment.get("segmentEnd", "~") <= now:
        return segment
    return {k: v for k, v in segment.items() if k not in _AT_SEGMENT_END}


def _flow(flow: Json, metrics: Any, now: str) -> Json:
    if any(m["name"] == "tFlow" and m["emitDate"] <= now for m in metrics):
        return flow
    made = {k: v for k, v in flow.items() if k not in _AT_FLOW_END}
    outcomes = _until(flow.get("outcomes", ()), "flowOutcomeEndTimestamp", now)
    made.pop("outcomes", None)
    return {**made, "outcomes": outcomes} if outcomes else made


def _until(things: Any, when: str, now: str) -> list[Json]:
    return [thing for thing in things if thing.get(when, "") <= now]


def _drop(made: Json, names: tuple[str, ...]) -> None:
    for name in names:
        made.pop(name, None)


def _worst_quality(story: Json) -> Json:
    stats = [
        stat
        for participant in story.get("participants", ())
        for session in participant["sessions"]
        for stat in session.get("mediaEndpointStats", ())
    ]
    for name, of in (("mediaStatsMinConversationMos", "minMos"), ("mediaStatsMinConversationRFactor", "minRFactor")):
        if name in story:
            if stats:
                story[name] = min(s[of] for s in stats)
            else:
                del story[name]
    return story
