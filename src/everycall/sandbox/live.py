"""The conversation as the conversation service has it: another shape than that of analytics, with attributes.

    GET /api/v2/conversations/{id} -> {"id", "startTime", "endTime", "participants": [{"calls": [...]}], "divisions"}

It is made out of the analytics conversation as of now. Source: SDK 269 (`Conversation`, `Participant`, `Call` and its
kin). Guesses: states, and which segment gives which time. The real service forgets participants' data after 60 days,
and its names for how a leg ended differ (`transfer.noanswer`); here they are those of analytics.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from everycall.sandbox.answers import Answer, not_found
from everycall.sandbox.instants import to_ms
from everycall.sandbox.oauth import Client
from everycall.sandbox.store import Scope, Store

MEDIA: Final[Mapping[str, str]] = {
    "voice": "calls",
    "callback": "callbacks",
    "chat": "chats",
    "email": "emails",
    "message": "messages",
    "internalmessage": "internalMessages",
    "cobrowse": "cobrowsesessions",
    "screenshare": "screenshares",
    "screenmonitoring": "screenMonitorings",
    "video": "videos",
}
"""Under which name a participant holds the sessions of a mediaType."""

STATES: Final[Mapping[str, str]] = {"alert": "alerting", "dialing": "dialing", "contacting": "contacting"}
"""The state of a session whose last segment is of a type and still open; of any other it is connected."""

CONNECTED: Final = frozenset({"interact", "hold"})

Json = dict[str, Any]


def answer_live(store: Store, conversation_id: str, client: Client, unseen: Collection[str] = ()) -> Answer:
    """The conversation of an id."""
    now_ms = store.now_ms
    sketch = store.find(conversation_id, now_ms, Scope(client.division_ids, unseen))
    if sketch is None:
        raise not_found()
    names = {queue["id"]: queue["name"] for queue in store.world.entities("queues")}
    codes = {code["id"]: code["name"] for code in store.world.entities("wrapupcodes")}
    conversation = store.world.with_attributes(sketch, now_ms)
    content: Json = {"id": conversation["conversationId"]}
    if "externalTag" in conversation:
        content["externalTag"] = conversation["externalTag"]
    content |= renamed(conversation, conversationStart="startTime", conversationEnd="endTime")
    content["participants"] = [participant(each, names, codes) for each in conversation.get("participants", ())]
    content["divisions"] = [{"division": {"id": division_id}} for division_id in conversation.get("divisionIds", ())]
    content["selfUri"] = f"/api/v2/conversations/{conversation['conversationId']}"
    return Answer(200, content)


def renamed(source: Mapping[str, Any], **names: str) -> Json:
    """The fields that are present, under their other names."""
    return {new: source[old] for old, new in names.items() if old in source}


def participant(analysed: Mapping[str, Any], names: Mapping[str, str], codes: Mapping[str, str]) -> Json:
    """A participant with its sessions by medium."""
    sessions = analysed.get("sessions", ())
    segments = sorted((part for each in sessions for part in each["segments"]), key=lambda part: part["segmentStart"])
    made: Json = {"id": analysed["participantId"]}
    if segments:
        made["startTime"] = segments[0]["segmentStart"]
        if all("segmentEnd" in part for part in segments):
            made["endTime"] = max(part["segmentEnd"] for part in segments)
    made |= renamed(
        analysed, participantName="name", userId="userId", teamId="teamId", externalContactId="externalContactId"
    )
    queue_id = next((part["queueId"] for part in segments if "queueId" in part), None)
    if queue_id is not None:
        made |= {"queueId": queue_id, "queueName": names[queue_id]} if queue_id in names else {"queueId": queue_id}
    made["purpose"] = analysed["purpose"]
    for each in sessions:
        made |= renamed(each, ani="ani", dnis="dnis")
        made.setdefault(MEDIA.get(each.get("mediaType", ""), "calls"), []).append(session(each))
    made |= wrap_up(segments, codes)
    made["attributes"] = analysed.get("attributes", {})
    return made


def wrap_up(segments: list[Mapping[str, Any]], codes: Mapping[str, str]) -> Json:
    """What the participant noted at last; empty where there is nothing."""
    last = next((part for part in reversed(segments) if "wrapUpCode" in part), None)
    if last is None:
        return {}
    made: Json = {"code": last["wrapUpCode"]}
    if last["wrapUpCode"] in codes:
        made["name"] = codes[last["wrapUpCode"]]
    made |= renamed(last, wrapUpNote="notes", wrapUpTags="tags")
    if "segmentEnd" in last:
        made["durationSeconds"] = (to_ms(last["segmentEnd"]) - to_ms(last["segmentStart"])) // 1000
        made["endTime"] = last["segmentEnd"]
    return {"wrapup": made}


def session(analysed: Mapping[str, Any]) -> Json:
    """One call, e-mail, chat and so on."""
    segments = sorted(analysed["segments"], key=lambda part: part["segmentStart"])
    last = segments[-1]
    is_over = all("segmentEnd" in part for part in segments)
    state = "disconnected" if is_over else STATES.get(last["segmentType"], "connected")
    made: Json = {"state": state, "id": analysed["sessionId"]}
    made |= renamed(analysed, direction="direction", provider="provider", peerId="peerId", scriptId="scriptId")
    made["held"] = not is_over and last["segmentType"] == "hold"
    moments = {
        "startAlertingTime": next((part["segmentStart"] for part in segments if part["segmentType"] == "alert"), None),
        "connectedTime": next((part["segmentStart"] for part in segments if part["segmentType"] in CONNECTED), None),
        "disconnectedTime": max(part["segmentEnd"] for part in segments) if is_over else None,
        "disconnectType": next(
            (part["disconnectType"] for part in reversed(segments) if "disconnectType" in part), None
        ),
    }
    return made | {name: value for name, value in moments.items() if value is not None}
