"""The look-ups that turn ids into names: queues, users, wrap-up codes, divisions, flows, skills, teams and so on.

    GET /api/v2/routing/queues?pageSize=25&pageNumber=1&name=Bill*&id=...
    -> {"entities": [...], "pageSize", "pageNumber", "total", "firstUri", ..., "pageCount"}

Source: SDK 269 (parameters and envelopes), platform-client-sdk-cli (permissions). A pageSize above an
endpoint's maximum is cut silently, and the answer's pageSize is the one that counts (estuary/connectors
source-genesys). The maximum is documented for queues and users (500) and campaigns (100); 100
elsewhere is a careful guess. Sorted by name.

Teams have no numbers of pages, but links: `{"entities", "nextUri", "previousUri", "selfUri"}`, where a link
holds the `after` or `before` that leads on. What such a cursor looks like is a guess.
"""

import base64
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from everycall.sandbox.answers import Answer, ApiError, Request, not_found
from everycall.sandbox.oauth import Client
from everycall.sandbox.switches import Switches

Entity = Mapping[str, Any]

PAGE_SIZE_DEFAULT = 25

USER_STATES = ("active", "inactive", "deleted", "any")
"""Source: SDK 269, UsersApi.get_users."""


class Entities(Protocol):
    """The part of a world that look-ups need."""

    def entities(self, kind: str) -> Sequence[dict[str, Any]]:
        """All entities of a kind, deleted ones included and marked."""
        ...

    def members(self, queue_id: str) -> Sequence[str]:
        """The ids of those who belong to a queue; those who joined it first."""
        ...

    def queue_codes(self, queue_id: str) -> Sequence[str]:
        """The ids of a queue's wrap-up codes."""
        ...

    def organization(self) -> dict[str, Any]:
        """The organization's own entity."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """How one listing differs from another."""

    kind: str
    """As the world calls it: `queues`."""
    page_size_max: int
    shown: Callable[[Request, Entity], bool]
    """Whether the listing shows an entity at all, before names and ids are asked for."""
    fields: tuple[str, ...] | None = None
    """The fields that it gives; None is all of them."""


def is_deleted(entity: Entity) -> bool:
    """Whether the world marks the entity as deleted."""
    return entity.get("state") == "deleted" or entity.get("deleted") is True


def not_deleted(_: Request, entity: Entity) -> bool:
    """Listings leave deleted entities out; their ids stay in history."""
    return not is_deleted(entity)


def not_deleted_unless_asked(request: Request, entity: Entity) -> bool:
    """Flows: `deleted=true` shows the deleted ones, too; `type` those of some types only."""
    types = {name.upper() for name in request.listed("type")}
    is_shown = request.parameter("deleted") == "true" or not is_deleted(entity)
    return is_shown and (not types or str(entity.get("type", "")).upper() in types)


def of_state(request: Request, entity: Entity) -> bool:
    """Users: by default the active ones only."""
    asked = request.parameter("state") or "active"
    if asked not in USER_STATES:
        raise invalid_parameter("state", asked, USER_STATES)
    return asked in {"any", entity.get("state", "active")}


CAMPAIGNS = Listing("campaigns", 100, not_deleted)
MESSAGING_CAMPAIGNS = Listing("messagingcampaigns", 100, not_deleted)

LISTINGS: Mapping[str, Listing] = {
    "/api/v2/routing/queues": Listing("queues", 500, not_deleted),
    "/api/v2/routing/queues/divisionviews/all": Listing(
        "queues", 500, not_deleted, fields=("id", "name", "division", "selfUri")
    ),
    "/api/v2/users": Listing("users", 500, of_state),
    "/api/v2/routing/wrapupcodes": Listing("wrapupcodes", 100, not_deleted),
    "/api/v2/authorization/divisions": Listing("divisions", 100, not_deleted),
    "/api/v2/flows": Listing("flows", 100, not_deleted_unless_asked),
    "/api/v2/routing/skills": Listing("skills", 100, not_deleted),
    "/api/v2/routing/languages": Listing("languages", 100, not_deleted),
    "/api/v2/groups": Listing("groups", 100, not_deleted),
    "/api/v2/outbound/campaigns": CAMPAIGNS,
    "/api/v2/outbound/messagingcampaigns": MESSAGING_CAMPAIGNS,
}

TEAMS = Listing("teams", 100, not_deleted)


def listing(world: Entities, request: Request, client: Client) -> Answer:
    """One page of the listing at the request's path."""
    kept = LISTINGS[request.path]
    entities = _sorted(_asked(world, kept, request, client))
    page, size, number = paged(request, entities, kept.page_size_max)
    shown = [only(entity, kept.fields) for entity in page]
    return Answer(200, envelope(request, shown, size, number, len(entities)))


def paged(request: Request, entities: Sequence[Entity], page_size_max: int) -> tuple[list[Entity], int, int]:
    """(page, pageSize, pageNumber) that is asked for."""
    size = min(_whole(request, "pageSize", PAGE_SIZE_DEFAULT), page_size_max)
    number = _whole(request, "pageNumber", 1)
    return list(entities[(number - 1) * size : number * size]), size, number


def teams(world: Entities, request: Request, client: Client) -> Answer:
    """One page of the teams, after or before the place that a link says."""
    entities = _sorted(_asked(world, TEAMS, request, client))
    size = min(_whole(request, "pageSize", PAGE_SIZE_DEFAULT), TEAMS.page_size_max)
    after, before = request.parameter("after"), request.parameter("before")
    if before:
        stop = _place(entities, before)
        start = max(0, stop - size)
    else:
        start = _place(entities, after) + 1 if after else 0
        stop = min(start + size, len(entities))

    def link(**to: str) -> str:
        return f"{quote(request.path)}?{urlencode({'pageSize': size, **to})}"

    content: dict[str, Any] = {"entities": entities[start:stop]}
    if stop < len(entities):
        content["nextUri"] = link(after=_place_text(entities[stop - 1]))
    if start > 0:
        content["previousUri"] = link(before=_place_text(entities[start]))
    given = {name: value for name, value in (("after", after), ("before", before)) if value}
    return Answer(200, content | {"selfUri": link(**given)})


def _place_text(entity: Entity) -> str:
    return base64.b64encode(f"team {entity['id']}".encode()).decode()


def _place(entities: Sequence[Entity], text: str) -> int:
    for at, entity in enumerate(entities):
        if _place_text(entity) == text:
            return at
    raise ApiError(400, "bad.request", "The cursor is not valid.")


def envelope(request: Request, page: list[Entity], size: int, number: int, total: int) -> dict[str, Any]:
    """The page with its relative links; the last page has no `nextUri`, the first no `previousUri`."""
    pages = math.ceil(total / size)

    def link(to: int) -> str:
        rest = [pair for pair in request.parameters if pair[0] not in {"pageSize", "pageNumber"}]
        return f"{quote(request.path)}?{urlencode([('pageSize', size), ('pageNumber', to), *rest])}"

    content = {"entities": page, "pageSize": size, "pageNumber": number, "total": total, "firstUri": link(1)}
    if number < pages:
        content["nextUri"] = link(number + 1)
    if number > 1:
        content["previousUri"] = link(number - 1)
    return content | {"lastUri": link(max(pages, 1)), "selfUri": link(number), "pageCount": pages}


def user(world: Entities, request: Request, user_id: str) -> Answer:
    """One user: a deleted one only for `state=deleted` or `state=any`."""
    asked = request.parameter("state") or "active"
    if asked not in USER_STATES:
        raise invalid_parameter("state", asked, USER_STATES)
    found = _by_id(world, "users", user_id)
    if found is None or (asked != "any" and is_deleted(found) != (asked == "deleted")):
        raise not_found()
    return Answer(200, found)


def queue(world: Entities, client: Client, queue_id: str) -> Answer:
    """One queue that is not deleted and in a division that the client sees."""
    return Answer(200, seen_queue(world, client, queue_id))


def seen_queue(world: Entities, client: Client, queue_id: str) -> Entity:
    """The queue of an id; 404 where it is deleted, or in a division that the client does not see."""
    found = _by_id(world, "queues", queue_id)
    if found is None or is_deleted(found) or not is_visible(found, client):
        raise not_found()
    return found


def all_campaigns(world: Entities, request: Request, client: Client) -> Answer:
    """One page of the campaigns of all media."""
    media = set(request.listed("mediaType"))
    calls = (_common(campaign, "voice") for campaign in _asked(world, CAMPAIGNS, request, client))
    messages = (
        _common(campaign, "email" if "emailConfig" in campaign else "sms")
        for campaign in _asked(world, MESSAGING_CAMPAIGNS, request, client)
    )
    found = _sorted(campaign for campaign in (*calls, *messages) if not media or campaign["mediaType"] in media)
    page, size, number = paged(request, found, CAMPAIGNS.page_size_max)
    return Answer(200, envelope(request, page, size, number, len(found)))


def _common(campaign: Entity, media_type: str) -> Entity:
    return {
        **only(campaign, ("id", "name", "division")),
        "mediaType": media_type,
        **only(campaign, ("selfUri",)),
    }


def organization(world: Entities) -> Answer:
    """The organization that the client belongs to."""
    return Answer(200, world.organization())


def divisions_permitted(world: Entities, request: Request, client: Client, switches: Switches) -> Answer:
    """One page of the divisions in which the client has a permission; `allDivsPermitted` where it is all of them.

    The divisions of a client are those of all its roles. What a request without a permission gets is a guess.
    """
    if switches.divisions_permitted == "400":
        raise needs_user()
    permission = request.parameter("permission")
    if not permission:
        raise ApiError(400, "bad.request", "permission is required.")
    has = permission in client.permissions
    entities = _sorted(
        entity
        for entity in world.entities("divisions")
        if has and (client.division_ids is None or entity["id"] in client.division_ids)
    )
    page, size, number = paged(request, entities, LISTINGS["/api/v2/authorization/divisions"].page_size_max)
    content = envelope(request, page, size, number, len(entities))
    return Answer(200, {**content, "allDivsPermitted": has and client.division_ids is None})


def needs_user() -> ApiError:
    """The 400 for a client without a user, as a public program noted it."""
    message = "This request requires a user context. Client credentials cannot be used for requests to this resource."
    return ApiError(400, "bad.request", message)


def invalid_parameter(name: str, value: str, allowed: tuple[str, ...]) -> ApiError:
    """Source: platform-client-sdk-cli, x-inin-error-codes, `invalid.query.param.value`."""
    names = ", ".join(allowed)
    message = f"Value [{value}] is not valid for parameter [{name}]. Allowable values are: {names}"
    return ApiError(400, "invalid.query.param.value", message)


def _asked(world: Entities, kept: Listing, request: Request, client: Client) -> Iterator[Entity]:
    ids = set(request.listed("id"))
    divisions = set(request.listed("divisionId"))
    name = request.parameter("name")
    pattern = _wildcards(name) if name else None
    for entity in world.entities(kept.kind):
        if not kept.shown(request, entity) or not is_visible(entity, client):
            continue
        if (ids and entity["id"] not in ids) or (divisions and _division_id(entity) not in divisions):
            continue
        if pattern is None or pattern.fullmatch(str(entity["name"])):
            yield entity


def _sorted(entities: Iterable[Entity]) -> list[Entity]:
    return sorted(entities, key=lambda entity: str(entity["name"]).casefold())


def _wildcards(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in name.split("*")), re.IGNORECASE | re.DOTALL)


def _division_id(entity: Entity) -> str | None:
    division = entity.get("division")
    return division["id"] if division else None


def is_visible(entity: Entity, client: Client) -> bool:
    """Whether the entity is in a division that the client sees, or in none."""
    division_id = _division_id(entity)
    return client.division_ids is None or division_id is None or division_id in client.division_ids


def only(entity: Entity, fields: tuple[str, ...] | None) -> Entity:
    """Some fields of an entity; None is all of them."""
    return entity if fields is None else {name: entity[name] for name in fields if name in entity}


def _by_id(world: Entities, kind: str, entity_id: str) -> Entity | None:
    return next((entity for entity in world.entities(kind) if entity["id"] == entity_id), None)


def _whole(request: Request, name: str, default: int) -> int:
    given = request.parameter(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise ApiError(400, "bad.request", f"{name} must be a whole number of at least 1.")
    return int(given)
