"""The look-ups of people: who belongs to a queue, which codes it has, searches, oneself, presences.

    GET  /api/v2/routing/queues/{id}/members?joined=true    -> {"entities": [{"id", "name", "user", "joined"}], ...}
    GET  /api/v2/routing/queues/{id}/wrapupcodes            -> {"entities": [...], "pageSize", ..., "pageCount"}
    POST /api/v2/users/search, /api/v2/teams/search
         <- {"query": [{"type": "CONTAINS", "fields": ["name"], "value": "an"}], "pageSize": 25, "pageNumber": 1}
         -> {"total", "pageCount", "pageSize", "pageNumber", "currentPage", "nextPage", "types", "results"}
    GET  /api/v2/users/me                                   -> 400 for a client without a user
    GET  /api/v2/presencedefinitions                        -> {"entities": [...], ...}

Those who belong to a queue are those who answer its conversations. Source: SDK 269 (`QueueMemberEntityListing`, which
has neither total nor pageCount; `UserSearchRequest`, `TeamSearchRequest`, `OrganizationPresence`). The 400 of users/me
is what a public program noted of a real org. Guesses: that a search finds active users only unless it asks for a state,
how criteria go together, that text is compared without case, and what the links between pages hold. Criteria that
compare ranges or expressions are refused.
"""

import base64
import binascii
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

import msgspec

from everycall.sandbox.answers import Answer, ApiError, Request, bad_request, malformed
from everycall.sandbox.filters import known, known_fields, objects, only_object, optional
from everycall.sandbox.lookups import (
    Entities,
    Entity,
    envelope,
    is_deleted,
    is_visible,
    needs_user,
    only,
    paged,
    seen_queue,
)
from everycall.sandbox.oauth import Client
from everycall.sandbox.query import body_of, whole
from everycall.sandbox.switches import Switches

MEMBERS_PAGE_SIZE_MAX: Final = 100
"""Source: SDK 269, RoutingApi.get_routing_queue_members."""

SEARCH_PAGE_SIZE_MAX: Final = 100

CRITERIA: Final = ("EXACT", "STARTS_WITH", "CONTAINS", "TERM", "TERMS", "REQUIRED_FIELDS", "MATCH_ALL", "QUERY_STRING")
"""The types of criteria that are served; `UserSearchCriteria` has ranges and expressions, too."""

PRESENCES: Final = (
    "Available", "Away", "Busy", "Offline", "Idle", "On Queue", "Meal", "Training", "Meeting", "Break",
)  # fmt: skip
"""Every org's own presences. Source: SDK 269, `OrganizationPresenceDefinition.systemPresence`."""

PRESENCE_IDS: Final = UUID("b1f8a3c2-6d0e-4f57-9a41-5c0f6e2d7b90")
"""Out of which the ids of presences are made; ours."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A kind of entity that can be searched."""

    kind: str
    model: str
    fields: frozenset[str]
    """Of the request."""
    default_fields: tuple[str, ...]
    """Where a criterion looks that names no field."""
    types: tuple[str, ...] = CRITERIA


USERS: Final = Searched(
    "users",
    "UserSearch",
    frozenset(
        "sortOrder sortBy pageSize pageNumber sort expand query integrationPresenceSource enforcePermissions".split()
    ),
    ("name", "email"),
)

TEAMS: Final = Searched(
    "teams",
    "TeamSearch",
    frozenset("sortOrder sortBy pageSize pageNumber sort query".split()),
    ("name",),
    ("EXACT", "STARTS_WITH"),
)


def members(world: Entities, request: Request, client: Client, queue_id: str) -> Answer:
    """One page of those who belong to a queue, by name."""
    queue = seen_queue(world, client, queue_id)
    ids = world.members(queue_id)
    joined = set(ids[: queue.get("joinedMemberCount", len(ids))])
    users = {user["id"]: user for user in world.entities("users") if not is_deleted(user)}
    found = [member(queue_id, users[user_id], is_joined=user_id in joined) for user_id in ids if user_id in users]
    shown = [entry for entry in found if is_asked(request, entry)]
    shown.sort(key=lambda entry: str(entry["name"]).casefold(), reverse=request.parameter("sortOrder") == "desc")
    page, size, number = paged(request, shown, MEMBERS_PAGE_SIZE_MAX)
    content = envelope(request, page, size, number, len(shown))
    names = ("entities", "pageNumber", "pageSize", "firstUri", "selfUri", "nextUri", "previousUri")
    return Answer(200, {name: content[name] for name in names if name in content})


def member(queue_id: str, user: Entity, *, is_joined: bool) -> dict[str, Any]:
    """A member of a queue."""
    return {
        "id": user["id"],
        "name": user["name"],
        "user": user,
        "ringNumber": 1,
        "joined": is_joined,
        "memberBy": "user",
        "selfUri": f"/api/v2/routing/queues/{queue_id}/members/{user['id']}",
    }


def is_asked(request: Request, entry: Mapping[str, Any]) -> bool:
    """Whether the request's parameters let a member pass."""
    joined, name, by = (request.parameter(parameter) for parameter in ("joined", "name", "memberBy"))
    if joined and joined != str(entry["joined"]).lower():
        return False
    return (not name or name.casefold() in str(entry["name"]).casefold()) and (not by or by == entry["memberBy"])


def queue_wrap_up_codes(world: Entities, request: Request, client: Client, queue_id: str) -> Answer:
    """One page of the wrap-up codes of a queue, by name."""
    seen_queue(world, client, queue_id)
    wanted = set(world.queue_codes(queue_id))
    name = (request.parameter("name") or "").rstrip("*").casefold()
    codes = [
        code
        for code in world.entities("wrapupcodes")
        if code["id"] in wanted and not is_deleted(code) and str(code["name"]).casefold().startswith(name)
    ]
    codes.sort(key=lambda code: str(code["name"]).casefold())
    page, size, number = paged(request, codes, MEMBERS_PAGE_SIZE_MAX)
    return Answer(200, envelope(request, page, size, number, len(codes)))


def me(world: Entities, switches: Switches) -> Answer:
    """The user of the token: client credentials have none, unless a switch gives them the first user."""
    if switches.users_me == "400":
        raise needs_user()
    users = (user for user in world.entities("users") if user.get("state", "active") == "active")
    found = next(users, None)
    if found is None:
        raise ApiError(404, "not.found", "The requested resource was not found.")
    return Answer(200, found)


def presence_definitions(request: Request) -> Answer:
    """One page of the presences that every org has."""
    found = [presence(name) for name in PRESENCES]
    page, size, number = paged(request, found, MEMBERS_PAGE_SIZE_MAX)
    return Answer(200, envelope(request, page, size, number, len(found)))


def presence_id(name: str) -> str:
    """The id of a presence such as `On Queue`."""
    return str(uuid5(PRESENCE_IDS, name))


def presence(name: str) -> dict[str, Any]:
    """The definition of a presence."""
    return {
        "id": presence_id(name),
        "name": name,
        "languageLabels": {"en_US": name},
        "systemPresence": name,
        "deactivated": False,
        "primary": True,
        "selfUri": f"/api/v2/presencedefinitions/{presence_id(name)}",
    }


# --- searches


def search(world: Entities, request: Request, client: Client, searched: Searched) -> Answer:
    """One page of what a search finds."""
    raw = body_of(request.body) if request.method == "POST" else linked(request)
    known_fields(raw, set(searched.fields), f"{searched.model}Request")
    criteria = objects(raw.get("query"))
    for criterion in criteria:
        check(criterion, searched)
    entities = (entity for entity in world.entities(searched.kind) if is_visible(entity, client))
    if not asks_for("state", criteria):
        entities = (entity for entity in entities if entity.get("state", "active") == "active")
    found = in_order((entity for entity in entities if passes(entity, criteria, searched)), raw)
    size = min(whole(raw, "pageSize", 25), SEARCH_PAGE_SIZE_MAX)
    number = whole(raw, "pageNumber", 1)
    pages = math.ceil(len(found) / size)
    content: dict[str, Any] = {"total": len(found), "pageCount": pages, "pageSize": size, "pageNumber": number}
    links = {"previousPage": number - 1, "currentPage": number, "nextPage": number + 1}
    content |= {name: link(request.path, raw, to) for name, to in links.items() if 1 <= to <= max(pages, 1)}
    page = [only(entity, None) for entity in found[(number - 1) * size : number * size]]
    return Answer(200, {**content, "types": [searched.kind], "results": page})


def link(path: str, raw: Mapping[str, Any], number: int) -> str:
    """The address of another page of a search."""
    text = base64.b64encode(msgspec.json.encode({**raw, "pageNumber": number})).decode()
    return f"{path}?q64={quote(text, safe='')}"


def linked(request: Request) -> Mapping[str, Any]:
    """The search that a link holds."""
    try:
        return only_object(msgspec.json.decode(base64.b64decode(request.parameter("q64") or "", validate=True)))
    except (binascii.Error, msgspec.DecodeError):
        raise bad_request("q64 must be a search in Base64.") from None


def check(criterion: Mapping[str, Any], searched: Searched) -> None:
    """Refuses a criterion that is invalid or not served."""
    fields = set("endValue values startValue value operator group dateFormat fields type".split())
    known_fields(criterion, fields, f"{searched.model}Criteria")
    optional(criterion.get("operator"), "Operator", ("AND", "OR", "NOT"))
    for name in ("fields", "values"):
        if not isinstance(criterion.get(name), list | None):
            raise malformed()
    if not criterion.get("group"):
        known(criterion.get("type"), "SearchType", searched.types)
    for inner in objects(criterion.get("group")):
        check(inner, searched)


def asks_for(field: str, criteria: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a criterion looks at a field."""
    return any(
        field in (criterion.get("fields") or ()) or asks_for(field, objects(criterion.get("group")))
        for criterion in criteria
    )


def passes(entity: Entity, criteria: Sequence[Mapping[str, Any]], searched: Searched) -> bool:
    """Whether an entity meets all criteria, one of those with OR, and none of those with NOT."""
    verdicts: dict[str, list[bool]] = {"AND": [], "OR": [], "NOT": []}
    for criterion in criteria:
        verdicts[criterion.get("operator") or "AND"].append(meets(entity, criterion, searched))
    is_one_of = any(verdicts["OR"]) or not verdicts["OR"]
    return all(verdicts["AND"]) and is_one_of and not any(verdicts["NOT"])


def meets(entity: Entity, criterion: Mapping[str, Any], searched: Searched) -> bool:
    """Whether an entity meets one criterion."""
    if criterion.get("group"):
        return passes(entity, objects(criterion["group"]), searched)
    fields = criterion.get("fields") or searched.default_fields
    held = [text for field in fields for text in texts_of(entity, str(field))]
    kind = criterion["type"]
    if kind == "MATCH_ALL":
        return True
    if kind == "REQUIRED_FIELDS":
        return all(texts_of(entity, str(field)) for field in fields)
    given = [criterion["value"]] if criterion.get("value") is not None else criterion.get("values") or []
    wanted = [str(text).casefold() for text in given]
    if kind == "QUERY_STRING":
        words = [word.strip("*") for text in wanted for word in text.split()]
        return all(any(word in text for text in held) for word in words)
    return any(compares(kind, text, want) for text in held for want in wanted)


def compares(kind: str, text: str, wanted: str) -> bool:
    """Whether one text is what a criterion wants."""
    if kind == "CONTAINS":
        return wanted in text
    if kind == "STARTS_WITH":
        return text.startswith(wanted)
    return wanted == text or (kind in {"TERM", "TERMS"} and wanted in text.split())


def texts_of(entity: Entity, field: str) -> list[str]:
    """The values of a field such as `division.id`, or `divisionId`, as texts without case."""
    value: Any = entity
    for name in ("division", "id") if field == "divisionId" else field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return [str(value).casefold() for value in values if value is not None and not isinstance(value, Mapping | list)]


def in_order(entities: Iterable[Entity], raw: Mapping[str, Any]) -> list[Entity]:
    """The entities in the order that is asked for; by default by name."""
    sorts = objects(raw.get("sort")) or [{"sortBy": raw.get("sortBy"), "sortOrder": raw.get("sortOrder")}]
    found = list(entities)
    for sort in reversed(sorts):
        field = str(sort.get("sortBy") or "name")
        order = optional(sort.get("sortOrder"), "SortOrder", ("ASC", "DESC", "SCORE"))
        found.sort(key=lambda entity: texts_of(entity, field), reverse=order == "DESC")
    return found
