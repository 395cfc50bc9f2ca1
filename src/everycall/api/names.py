"""Names for ids, and ids for names: queues, users, wrap-up codes, divisions. Pure.

Conversations contain ids; users want names. Queues, wrap-up codes and divisions are few: the first id of such a kind
causes one listing of the whole kind. Users are many: they are looked up in bulk by id, deleted users included.

A failing look-up never ends an export: after a few tries, the rows have ids instead of names. The names of an
incomplete look-up are used (the API lists at most 10,000 users, for example).

Sources: SDK 269 (RoutingApi, UsersApi, AuthorizationApi, SearchApi) for paths and parameters; estuary/connectors
observed that the server reduces a pageSize that is too large, and that the answer has the reduced one. System wrap-up
codes (`ININ-WRAP-UP-TIMEOUT` ...) and deleted queues and codes are not listed; each column documents its fallback.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

import msgspec

from everycall.api.exchange import Exchange, Request, reason
from everycall.api.limits import IDS_MAX, LISTING_PAGE_SIZE
from everycall.errors import AccessError, QueryError, ServiceError, UnknownName
from everycall.printable import printable

Kind = Literal["queues", "users", "wrapupcodes", "divisions"]

PATHS: Mapping[Kind, str] = {
    "queues": "/api/v2/routing/queues",
    "users": "/api/v2/users",
    "wrapupcodes": "/api/v2/routing/wrapupcodes",
    "divisions": "/api/v2/authorization/divisions",
}

USERS_SEARCH = "/api/v2/users/search"

SINGULAR: Mapping[Kind, str] = {
    "queues": "queue",
    "users": "user",
    "wrapupcodes": "wrap-up code",
    "divisions": "division",
}
"""What messages call one entity of each kind."""

LOOK_UP_TRIES, LOOK_UP_PATIENCE_S = 5, 20.0
"""Ours: how often and how long a page of names is tried: about ten seconds if each try fails at once.

A short outage should not cost the names of a whole export, but names must not hold up the rows for long.
"""

LISTING_PAGES_MAX = 1000
"""Ours: a listing ends after this many pages: 25,000 names with the smallest pages ever observed (25)."""

IDS_MIN = 25
"""Ours: users are not looked up in smaller batches than this, even if the API refuses larger ones."""

SEARCH_PAGE_SIZE = 25
"""Ours: enough users of the same name to list in a message."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


QUEUE_SETTINGS = frozenset({
    "mediaSettings", "acwSettings", "description", "dateCreated", "dateModified", "memberCount", "scoringMethod",
    "skillEvaluationMethod",
})  # fmt: skip
"""Fields of a queue in a listing. Source: SDK 269, `Queue`."""


class Entity(msgspec.Struct, frozen=True, rename="camel"):
    """One queue, user, wrap-up code or division: the fields that rows and the tables of names and queues need."""

    id: str
    name: str | None = None
    email: str | None = None
    """Users only; some have none."""
    division: Any = None
    """The division that it belongs to, as the API sends it: an object with an id. Anything else is not an error."""
    state: Any = None
    """Users, queues: active, inactive or deleted, as far as the API says so."""
    looked_up_at: str = ""
    """When it was looked up: UTC, ISO 8601; empty if unknown. The API does not send it."""
    media_settings: Any = None
    """This and the following are of queues only, as the API sends them."""
    acw_settings: Any = None
    description: Any = None
    date_created: Any = None
    date_modified: Any = None
    member_count: Any = None
    scoring_method: Any = None
    skill_evaluation_method: Any = None

    @property
    def settings(self) -> dict[str, Any]:
        """How a queue is set up, by the API's names; only what the API sent."""
        values = zip(self.__struct_encode_fields__, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in values if name in QUEUE_SETTINGS and value is not None}

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names that the user may give for it."""
        return tuple(alias for alias in (self.name, self.email) if alias)

    @property
    def division_id(self) -> str | None:
        """The id of its division."""
        id_ = self.division.get("id") if isinstance(self.division, dict) else None
        return id_ if isinstance(id_, str) else None


class _Listing(msgspec.Struct, frozen=True, rename="camel"):
    entities: tuple[Entity, ...] = ()
    page_count: int | None = None
    next_uri: str | None = None


class _Search(msgspec.Struct, frozen=True):
    results: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a look-up."""

    kind: Kind
    entities: tuple[Entity, ...]
    cut_short: str = ""
    """Why the result is incomplete, for the user; empty if it is complete."""

    def as_of(self, looked_up_at: str) -> "Found":
        """The same result with the time at which it was looked up: UTC, ISO 8601."""
        dated = (msgspec.structs.replace(entity, looked_up_at=looked_up_at) for entity in self.entities)
        return replace(self, entities=tuple(dated))

    def redacted(self, redact: Callable[[str], str]) -> "Found":
        """The same result without secrets in its text."""
        return replace(self, cut_short=redact(self.cut_short))


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The look-up was refused or failed; rows have the ids of the kind instead of names."""

    kind: Kind
    reason: str
    """For the user: the status and the API's message, or the client's error."""

    def as_of(self, looked_up_at: str) -> "Unavailable":  # noqa: ARG002 - as `Found`
        """The same: nothing was found."""
        return self

    def redacted(self, redact: Callable[[str], str]) -> "Unavailable":
        """The same without secrets in its text."""
        return replace(self, reason=redact(self.reason))


def listing(kind: Kind) -> Exchange[Found | Unavailable]:
    """List all entities of a kind, page by page; users of any state."""
    return _found(kind, {"state": "any"} if kind == "users" else {}, LISTING_PAGE_SIZE)


def users(ids: Sequence[str]) -> Exchange[Found | Unavailable]:
    """Look up the users with these ids, at most `IDS_MAX`, deleted users included. Unknown ids are left out.

    If the API refuses so many ids at once, they are requested in smaller batches.
    """
    found = yield from _found("users", {"id": ",".join(ids), "state": "any"}, IDS_MAX)
    is_refused = isinstance(found, Unavailable) and found.reason.startswith("400")
    if not is_refused or len(ids) // 2 < IDS_MIN:
        return found
    half = len(ids) // 2
    first = yield from users(ids[:half])
    if isinstance(first, Unavailable):
        return first
    second = yield from users(ids[half:])
    if isinstance(second, Unavailable):
        return Found("users", first.entities, f"cut short: {second.reason}")
    return Found("users", first.entities + second.entities, first.cut_short or second.cut_short)


def _found(kind: Kind, params: Mapping[str, str], page_size: int) -> Exchange[Found | Unavailable]:
    """Request page after page, as long as each contains something new."""
    found: dict[str, Entity] = {}
    for number in range(1, LISTING_PAGES_MAX + 1):
        page = yield from _page(kind, {**params, "pageSize": str(page_size), "pageNumber": str(number)})
        if isinstance(page, Unavailable):
            return Found(kind, tuple(found.values()), f"cut short: {page.reason}") if found else page
        known = len(found)
        found.update((entity.id, entity) for entity in page.entities)
        last = number >= page.page_count if page.page_count is not None else page.next_uri is None
        if last or not page.entities:
            return Found(kind, tuple(found.values()))
        if len(found) == known:
            return Found(kind, tuple(found.values()), f"cut short: page {number} contains nothing new")
    return Found(kind, tuple(found.values()), f"cut short: it does not end after {LISTING_PAGES_MAX} pages")


def _page(kind: Kind, params: Mapping[str, str]) -> Exchange[_Listing | Unavailable]:
    request = Request("GET", PATHS[kind], params, tries=LOOK_UP_TRIES, patience_s=LOOK_UP_PATIENCE_S)
    try:
        response = yield request
    except (AccessError, ServiceError) as error:
        return Unavailable(kind, str(error))
    if response.status >= 300:
        return Unavailable(kind, reason(response))
    try:
        return msgspec.convert(response.decoded, _Listing, strict=False)
    except msgspec.ValidationError as error:
        return Unavailable(kind, printable(f"an answer that cannot be read: {error}"))


@dataclass(slots=True)
class Names:
    """The names known so far. `wanted` returns the ids to look up, and `learn` adds the result."""

    unavailable: dict[Kind, str] = field(default_factory=dict)
    """Kinds whose look-up failed or was cut short, with the reason. Names learned before stay known."""
    _known: dict[Kind, dict[str, Entity]] = field(default_factory=lambda: {kind: {} for kind in PATHS})
    _listed: set[Kind] = field(default_factory=set)

    def name(self, kind: Kind, entity_id: str) -> str | None:
        """The name of an id; None if the org has none for it, or it was not looked up."""
        entity = self._known[kind].get(entity_id)
        return (entity.name or None) if entity is not None else None

    def entity(self, kind: Kind, entity_id: str) -> Entity | None:
        """What was looked up for an id; None if the org has no name for it, or it was not looked up."""
        entity = self._known[kind].get(entity_id)
        return entity if entity is not None and entity.name else None

    def is_settled(self, kind: Kind, entity_id: str) -> bool:
        """Whether a look-up is of no use: it was done, it is not possible, or the id is a system code."""
        return (
            kind in self.unavailable
            or entity_id in self._known[kind]
            or kind in self._listed
            or not UUID.fullmatch(entity_id)
        )

    def wanted(self, ids: Iterable[tuple[Kind, str]]) -> dict[Kind, list[str]]:
        """The ids that need a look-up, by kind, each once, in their order."""
        wanted: dict[Kind, dict[str, None]] = {}
        for kind, entity_id in ids:
            if not self.is_settled(kind, entity_id):
                wanted.setdefault(kind, {})[entity_id] = None
        return {kind: list(found) for kind, found in wanted.items()}

    def learn(self, found: Found | Unavailable, asked: Sequence[str] = ()) -> None:
        """Add a result. Ids that were `asked` for and are not in the result have no name."""
        if isinstance(found, Unavailable):
            self.unavailable[found.kind] = found.reason
            return
        known = self._known[found.kind]
        known.update((entity.id, entity) for entity in found.entities)
        if found.cut_short:
            self.unavailable[found.kind] = found.cut_short
        elif asked:
            for entity_id in asked:
                known.setdefault(entity_id, Entity(entity_id))
        else:
            self._listed.add(found.kind)


def look_up(kind: Kind, ids: Sequence[str]) -> Exchange[Found | Unavailable]:
    """The exchange that looks up the names of ids: users by id, at most `IDS_MAX`; the other kinds as a whole."""
    return users(ids[:IDS_MAX]) if kind == "users" else listing(kind)


def ids_named(kind: Kind, names: Sequence[str]) -> Exchange[list[str]]:
    """The ids of entities that the user has named. A name that is an id already costs no request.

    Names are compared without regard to case; a user can also be given by e-mail address. Users are searched for one
    by one; all users are listed only if a search finds nobody.

    Raises:
        QueryError: the kind does not exist.
        UnknownName: the org has no entity of that name, or several, or it refuses the look-up. The hint lists similar
            names.
    """
    if kind not in PATHS:
        raise QueryError(f"There is no kind '{kind}' of names.", hint=f"The kinds are {', '.join(PATHS)}.")
    names = [_normalised(kind, name.strip()) for name in names]
    ids: list[str] = []
    listed: Found | None = None
    for name in names:
        if _is_id(kind, name):
            ids.append(name)
            continue
        entities = (yield from _searched(name)) if kind == "users" else ()
        if not entities:
            listed = listed or (yield from _listed(kind, name))
            entities = listed.entities
        ids.append(_id_of(kind, name, entities))
    return ids


def _listed(kind: Kind, name: str) -> Exchange[Found]:
    found = yield from listing(kind)
    if isinstance(found, Unavailable):
        raise UnknownName(
            f"The {SINGULAR[kind]} '{name}' cannot be looked up ({found.reason}).",
            hint=f"Give the {SINGULAR[kind]}'s id instead of its name, or give the OAuth client the permission.",
        )
    return found


def _searched(name: str) -> Exchange[Sequence[Entity]]:
    """Search for users of that name or e-mail address; nobody if the search fails.

    Sources: SDK 269, UserSearchRequest; MyPureCloud's Terraform provider, which asks for deleted users explicitly.
    """
    criteria = [
        {"type": "EXACT", "fields": ["email" if "@" in name else "name"], "value": name},
        {"type": "EXACT", "fields": ["state"], "values": ["active", "inactive", "deleted"]},
    ]
    body = {"pageSize": SEARCH_PAGE_SIZE, "pageNumber": 1, "query": criteria}
    request = Request("POST", USERS_SEARCH, json=body, tries=LOOK_UP_TRIES, patience_s=LOOK_UP_PATIENCE_S)
    try:
        response = yield request
        found = msgspec.convert(response.decoded if response.status == 200 else {}, _Search, strict=False).results
    except (AccessError, ServiceError, msgspec.ValidationError):
        return ()
    return [entity for entity in found if name.casefold() in map(str.casefold, entity.aliases)]


def _is_id(kind: Kind, name: str) -> bool:
    return bool(UUID.fullmatch(name)) or (kind == "wrapupcodes" and name.upper().startswith("ININ-"))


def _normalised(kind: Kind, name: str) -> str:
    """An id in the API's case; a name unchanged."""
    if UUID.fullmatch(name):
        return name.lower()
    return name.upper() if _is_id(kind, name) else name


def _id_of(kind: Kind, name: str, entities: Sequence[Entity]) -> str:
    """The id of the one entity with that name; the exact case decides between several."""
    matches = [entity for entity in entities if name.casefold() in map(str.casefold, entity.aliases)]
    exact = [entity for entity in matches if name in entity.aliases]
    if len(exact) == 1 or len(matches) == 1:
        return (exact if len(exact) == 1 else matches)[0].id
    if matches:
        listed = "; ".join(" ".join((*entity.aliases, entity.id)) for entity in matches[:8])
        raise UnknownName(
            f"The org has {len(matches)} {SINGULAR[kind]}s called '{name}'.", hint=f"Give the id of one: {listed}"
        )
    raise UnknownName(f"The org has no {SINGULAR[kind]} called '{name}'.", hint=_similar(kind, name, entities))


def _similar(kind: Kind, name: str, entities: Sequence[Entity]) -> str:
    names = {entity.name.casefold(): entity.name for entity in entities if entity.name}
    similar = get_close_matches(name.casefold(), names, n=5, cutoff=0.5)
    similar += [known for known in sorted(names) if name.casefold() in known and known not in similar][:5]
    if similar:
        return f"Similar names: {', '.join(names[known] for known in similar)}."
    shown = sorted(names.values(), key=str.casefold)
    if not shown:
        return f"This OAuth client sees no {SINGULAR[kind]} at all: check its roles and divisions."
    return f"It has {len(shown)}: {', '.join(shown[:8])}{' ...' if len(shown) > 8 else ''}."
