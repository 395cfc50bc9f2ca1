"""What happens in queues right now: who waits, who interacts, who belongs to them.

    POST /api/v2/analytics/queues/observations/query
    <- {"filter": {"type": "or", "predicates": [{"dimension": "queueId", "value": ...}]}, "metrics": ["oWaiting"]}
    -> {"results": [{"group": {"mediaType": "voice", "queueId": ...},
                     "data": [{"metric": "oWaiting", "stats": {"count": 3}}]}]}

They follow from the conversations that live now: an open leg in the queue waits (unless it is a callback for later), an
agent's open alert is alerting, an open interact or hold is interacting. Source: SDK 269 (`QueueObservationQuery`,
`QueueObservationQueryResponse`); an answer in public code has a group of the queue alone for users, and one for each
medium, zeros included. Guesses: that whoever joined a queue is active and on it, and that those with an open interact
or hold are INTERACTING and the others IDLE. Metrics of presences and routing statuses have no data.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from everycall.sandbox.aggregates import with_dimensions
from everycall.sandbox.answers import Answer, Request, bad_request
from everycall.sandbox.filters import Filters, known_fields, only_object, read_group
from everycall.sandbox.instants import to_ms, to_text
from everycall.sandbox.lookups import is_deleted, is_visible
from everycall.sandbox.oauth import Client
from everycall.sandbox.query import Interval, Query, body_of, names_of
from everycall.sandbox.store import Scope, Store
from everycall.sandbox.vocabulary import Vocabulary, conversation_leaf, same_name

METRICS: Final = tuple(
    """oActiveUsers oAlerting oInteracting oLongestInteracting oLongestWaiting oMemberUsers oOffQueueUsers oOnQueueUsers
    oUserPresences oUserRoutingStatuses oWaiting""".split()
)

MEDIA: Final = ("callback", "chat", "email", "message", "voice")

OBSERVED: Final = Vocabulary(
    "filter",
    "QueueObservation",
    same_name(0, "queueId mediaType"),
    (),
    conversation_leaf,
    query="Query",
)

AGENTS: Final = frozenset({"agent", "user"})

Json = dict[str, Any]


@dataclass(slots=True)
class Now:
    """What happens in one queue and medium."""

    waiting: list[Json] = field(default_factory=list)
    alerting: list[Json] = field(default_factory=list)
    interacting: list[Json] = field(default_factory=list)
    user_ids: set[str] = field(default_factory=set)
    """Those who interact."""


def answer_observations(store: Store, request: Request, client: Client, unseen: Collection[str] = ()) -> Answer:
    """The observations that are asked for."""
    raw = body_of(request.body)
    known_fields(raw, {"filter", "metrics", "detailMetrics"}, "QueueObservationQuery")
    metrics = names_of(raw.get("metrics"), "QueueObservationMetric", METRICS)
    details = names_of(raw.get("detailMetrics"), "QueueObservationDetailMetric", METRICS)
    if raw.get("filter") is None:
        raise bad_request("filter must name at least one queue.")
    group = read_group(only_object(raw["filter"]), OBSERVED, "Filter")
    filters = Filters(() if group.is_empty() else ((OBSERVED, group),), b"")
    happening = observed(store, Scope(client.division_ids, unseen))
    results = []
    for queue in store.world.entities("queues"):
        if is_deleted(queue) or not is_visible(queue, client):
            continue
        if filters.hold_on(({"queueId": queue["id"]},)):
            results.append(users_of(store, queue["id"], happening, metrics))
        for media_type in MEDIA:
            place = {"mediaType": media_type, "queueId": queue["id"]}
            if filters.hold_on((place,)):
                now = happening.get((queue["id"], media_type), Now())
                results.append({"group": place, "data": data_of(now, metrics, details, store.now_ms)})
    return Answer(200, {"results": [result for result in results if result["data"]]})


def observed(store: Store, scope: Scope) -> Mapping[tuple[str, str], Now]:
    """What happens in each queue and medium."""
    now_ms = store.now_ms
    found: defaultdict[tuple[str, str], Now] = defaultdict(Now)
    alive = store.select_overlapping(Query(Interval(now_ms, now_ms + 1), Filters((), b"")), now_ms, scope)
    for sketch in alive[:]:
        if sketch.queue_ids and sketch.end_ms > now_ms:
            for queue_id, purpose, kind, observation in open_legs(store.world.conversation(sketch, now_ms)):
                place = found[queue_id, observation["mediaType"]]
                if purpose == "acd" and kind != "scheduled":
                    place.waiting.append(observation)
                elif purpose in AGENTS and kind == "alert":
                    place.alerting.append(observation)
                elif purpose in AGENTS and kind in {"interact", "hold"}:
                    place.interacting.append(observation)
                    place.user_ids.add(observation.get("userId", ""))
    return found


def open_legs(conversation: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Json]]:
    """(queue, purpose, segmentType, observation) of each session whose last segment is open."""
    for participant in conversation.get("participants", ()):
        for session in participant.get("sessions", ()):
            _, segment = with_dimensions(session["segments"])[-1]
            if "segmentEnd" in segment or "queueId" not in segment:
                continue
            observation: Json = {
                "observationDate": to_text(to_ms(segment["segmentStart"])),
                "conversationId": conversation["conversationId"],
                "sessionId": session["sessionId"],
                "mediaType": session.get("mediaType", ""),
            }
            for source, names in (
                (participant, ("participantName", "userId", "teamId")),
                (session, ("direction", "ani")),
            ):
                observation |= {name: source[name] for name in names if name in source}
            yield segment["queueId"], participant["purpose"], segment["segmentType"], observation


def users_of(store: Store, queue_id: str, happening: Mapping[tuple[str, str], Now], metrics: Collection[str]) -> Json:
    """The group of a queue's users."""
    members = store.world.members(queue_id)
    queue = next(entity for entity in store.world.entities("queues") if entity["id"] == queue_id)
    joined = set(members[: queue.get("joinedMemberCount", len(members))])
    busy = {user for (place, _), now in happening.items() if place == queue_id for user in now.user_ids} & joined
    counts = [
        ("oActiveUsers", None, len(joined)),
        ("oMemberUsers", None, len(members)),
        ("oOnQueueUsers", "IDLE", len(joined) - len(busy)),
        ("oOnQueueUsers", "INTERACTING", len(busy)),
    ]
    data = [
        {"metric": name, **({"qualifier": qualifier} if qualifier else {}), "stats": {"count": count}}
        for name, qualifier, count in counts
        if not metrics or name in metrics
    ]
    return {"group": {"queueId": queue_id}, "data": data}


def data_of(now: Now, metrics: Collection[str], details: Collection[str], now_ms: int) -> list[Json]:
    """The metrics of a queue and medium."""
    data: list[Json] = []
    lists = {"oAlerting": now.alerting, "oInteracting": now.interacting, "oWaiting": now.waiting}
    for name, found in lists.items():
        if metrics and name not in metrics and name not in details:
            continue
        entry: Json = {"metric": name, "stats": {"count": len(found)}}
        if name in details:
            shown = sorted(found, key=lambda observation: str(observation["observationDate"]))
            observations = [
                {key: value for key, value in observation.items() if key != "mediaType"} for observation in shown
            ]
            entry |= {"truncated": False, "observations": observations}
        data.append(entry)
    for name, found in (("oLongestInteracting", now.interacting), ("oLongestWaiting", now.waiting)):
        if found and (not metrics or name in metrics):
            first_ms = min(to_ms(observation["observationDate"]) for observation in found)
            data.append({"metric": name, "stats": {"current": now_ms - first_ms}})
    return data
