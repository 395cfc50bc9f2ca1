"""Names for ids, and ids for names: queues, users, wrap-up codes, divisions. Pure.

History holds ids; people want names. Queues, wrap-up codes and divisions are few and are listed whole, once, when the
first id of the kind turns up; users are many and are looked up in bulk by the ids that turn up, deleted ones too.

A look-up never ends an export: it is tried a few times, and then ids stand in place of the names. One that is cut short
(the API lists no more than 10,000 users, say) keeps what it got.

Source of paths and parameters: SDK 269 (RoutingApi, UsersApi, AuthorizationApi, SearchApi); that the server cuts a
pageSize that is too large silently, and says so in the answer, was seen by estuary/connectors. System wrap-up codes
(`ININ-WRAP-UP-TIMEOUT` ...) and deleted queues and codes are in no list: the row falls back as its column says.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

import msgspec

from everycall.api.exchange import Exchange, Request, reason
from everycall.api.limits import IDS_MAX, LISTING_PAGE_SIZE
from everycall.errors import AccessError, ServiceError, UnknownName
from everycall.printable import printable

Kind = Literal["queues", "users", "wrapupcodes", "divisions"]

PATHS: Mapping[Kind, str] = {
    "queues": "/api/v2/routing/queues",
    "users": "/api/v2/users",
    "wrapupcodes": "/api/v2/routing/wrapupcodes",
    "divisions": "/api/v2/authorization/divisions",
}

USERS_SEARCH = "/api/v2/users/search"

WORDS: Mapping[Kind, str] = {"queues": "queue", "users": "user", "wrapupcodes": "wrap-up code", "divisions": "division"}
"""What a reader calls one of the kind."""

LOOK_UP_TRIES, LOOK_UP_PATIENCE_S = 5, 20.0
"""Ours: how often and how long a page of names is asked for: some ten seconds where failures come at once.

A short outage should not cost the names of a whole export, and names are never worth a row.
"""

LISTING_PAGES_MAX = 1000
"""Ours: a listing that goes on is given up; at the smallest pages ever seen (25) it is 25,000 names."""

IDS_MIN = 25
"""Ours: users are not asked for in smaller batches than this, even if larger ones are refused."""

SEARCH_PAGE_SIZE = 25
"""Ours: so many users of one name are enough to see that it is not one."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Entity(msgspec.Struct, frozen=True):
    """One queue, user, wrap-up code or division, as far as a row needs it."""

    id: str
    name: str | None = None
    email: str | None = None
    """Users only; absent for some."""

    @property
    def called(self) -> tuple[str, ...]:
        """What a reader may call it by."""
        return tuple(word for word in (self.name, self.email) if word)


class _Listing(msgspec.Struct, frozen=True, rename="camel"):
    entities: tuple[Entity, ...] = ()
    page_count: int | None = None
    next_uri: str | None = None


class _Search(msgspec.Struct, frozen=True):
    results: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up came back with."""

    kind: Kind
    entities: tuple[Entity, ...]
    cut_short: str = ""
    """Why these are not all, for a reader; empty where they are."""

    def redacted(self, redact: Callable[[str], str]) -> "Found":
        """The same, its text without secrets."""
        return replace(self, cut_short=redact(self.cut_short))


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The org forbids the look-up or does not have it, or it fails; names of the kind stay ids."""

    kind: Kind
    reason: str
    """For a reader: the status and the API's own message, or what the client says of its tries."""

    def redacted(self, redact: Callable[[str], str]) -> "Unavailable":
        """The same, its text without secrets."""
        return replace(self, reason=redact(self.reason))


def listing(kind: Kind) -> Exchange[Found | Unavailable]:
    """All of a kind, page after page; users of any state."""
    return _found(kind, {"state": "any"} if kind == "users" else {}, LISTING_PAGE_SIZE)


def users(ids: Sequence[str]) -> Exchange[Found | Unavailable]:
    """The users with these ids, at most `IDS_MAX`, deleted ones too. Ids that nobody has are simply missing.

    Where the API takes fewer ids at once, they are asked for in smaller batches.
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
    """Page after page, as long as each brings something new."""
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
            return Found(kind, tuple(found.values()), f"cut short: page {number} brings nothing that is new")
    return Found(kind, tuple(found.values()), f"cut short: it does not end after {LISTING_PAGES_MAX} pages")


def _page(kind: Kind, params: Mapping[str, str]) -> Exchange[_Listing | Unavailable]:
    asked = Request("GET", PATHS[kind], params, tries=LOOK_UP_TRIES, patience_s=LOOK_UP_PATIENCE_S)
    try:
        response = yield asked
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
    """What is known of names so far. Filled by `learn`; `wanted` says what to ask next."""

    unavailable: dict[Kind, str] = field(default_factory=dict)
    """Kinds whose look-up failed or was cut short, with the reason; what it told before is known all the same."""
    _known: dict[Kind, dict[str, str]] = field(default_factory=lambda: {kind: {} for kind in PATHS})
    _listed: set[Kind] = field(default_factory=set)

    def name(self, kind: Kind, entity_id: str) -> str | None:
        """The name; None where the org has none for the id, or was not asked."""
        return self._known[kind].get(entity_id) or None

    def is_settled(self, kind: Kind, entity_id: str) -> bool:
        """Whether asking would tell no more: it was asked, or cannot be, or it is a system code."""
        return (
            kind in self.unavailable
            or entity_id in self._known[kind]
            or kind in self._listed
            or not UUID.fullmatch(entity_id)
        )

    def wanted(self, ids: Iterable[tuple[Kind, str]]) -> dict[Kind, list[str]]:
        """What is not known yet of these, by kind, each id once, in order."""
        wanted: dict[Kind, dict[str, None]] = {}
        for kind, entity_id in ids:
            if not self.is_settled(kind, entity_id):
                wanted.setdefault(kind, {})[entity_id] = None
        return {kind: list(found) for kind, found in wanted.items()}

    def learn(self, found: Found | Unavailable, asked: Sequence[str] = ()) -> None:
        """Take in an answer; ids that were `asked` and are not in it are settled as nameless."""
        if isinstance(found, Unavailable):
            self.unavailable[found.kind] = found.reason
            return
        known = self._known[found.kind]
        known.update((entity.id, entity.name or "") for entity in found.entities)
        if found.cut_short:
            self.unavailable[found.kind] = found.cut_short
        elif asked:
            for entity_id in asked:
                known.setdefault(entity_id, "")
        else:
            self._listed.add(found.kind)


def look_up(kind: Kind, ids: Sequence[str]) -> Exchange[Found | Unavailable]:
    """The exchange that tells these names: users by id, at most `IDS_MAX` of them; the other kinds whole."""
    return users(ids[:IDS_MAX]) if kind == "users" else listing(kind)


def ids_named(kind: Kind, words: Sequence[str]) -> Exchange[list[str]]:
    """The ids of what a reader named; what is an id already is taken as it is, and costs no request.

    Names are compared without regard to case; a user may be named by e-mail address. Users are searched for, one by
    one; the whole kind is listed only where that finds nobody.

    Raises:
        UnknownName: the org has none of that name, or several, and the hint lists the near ones; or it does not let
            names be looked up.
    """
    words = [_normal(kind, word.strip()) for word in words]
    ids: list[str] = []
    listed: Found | None = None
    for word in words:
        found = (yield from _searched(word)) if kind == "users" and not _is_id(kind, word) else ()
        if not found and not _is_id(kind, word):
            listed = listed or (yield from _listed(kind, word))
            found = listed.entities
        ids.append(word if _is_id(kind, word) else _the_one(kind, word, found))
    return ids


def _listed(kind: Kind, word: str) -> Exchange[Found]:
    found = yield from listing(kind)
    if isinstance(found, Unavailable):
        raise UnknownName(
            f"The {WORDS[kind]} '{word}' cannot be looked up ({found.reason}).",
            hint=f"Give the {WORDS[kind]}'s id instead of its name, or give the OAuth client the permission.",
        )
    return found


def _searched(word: str) -> Exchange[Sequence[Entity]]:
    """Users of that name or e-mail address; none where the search finds none, or cannot be had.

    Source: SDK 269, UserSearchRequest; that deleted users have to be asked for, MyPureCloud's Terraform provider.
    """
    criteria = [
        {"type": "EXACT", "fields": ["email" if "@" in word else "name"], "value": word},
        {"type": "EXACT", "fields": ["state"], "values": ["active", "inactive", "deleted"]},
    ]
    body = {"pageSize": SEARCH_PAGE_SIZE, "pageNumber": 1, "query": criteria}
    asked = Request("POST", USERS_SEARCH, json=body, tries=LOOK_UP_TRIES, patience_s=LOOK_UP_PATIENCE_S)
    try:
        response = yield asked
        found = msgspec.convert(response.decoded if response.status == 200 else {}, _Search, strict=False).results
    except (AccessError, ServiceError, msgspec.ValidationError):
        return ()
    return [entity for entity in found if word.casefold() in map(str.casefold, entity.called)]


def _is_id(kind: Kind, word: str) -> bool:
    return bool(UUID.fullmatch(word)) or (kind == "wrapupcodes" and word.upper().startswith("ININ-"))


def _normal(kind: Kind, word: str) -> str:
    """A word as the API writes it, where it is an id; a name as it is."""
    if UUID.fullmatch(word):
        return word.lower()
    return word.upper() if _is_id(kind, word) else word


def _the_one(kind: Kind, word: str, entities: Sequence[Entity]) -> str:
    matches = [entity for entity in entities if word.casefold() in map(str.casefold, entity.called)]
    exact = [entity for entity in matches if word in entity.called]
    if len(exact) == 1 or len(matches) == 1:
        return (exact if len(exact) == 1 else matches)[0].id
    if matches:
        listed = "; ".join(" ".join((*entity.called, entity.id)) for entity in matches[:8])
        raise UnknownName(
            f"{len(matches)} {WORDS[kind]}s are called '{word}'.", hint=f"Give the id of the one you mean: {listed}"
        )
    raise UnknownName(f"The org has no {WORDS[kind]} called '{word}'.", hint=_near(kind, word, entities))


def _near(kind: Kind, word: str, entities: Sequence[Entity]) -> str:
    names = {entity.name.casefold(): entity.name for entity in entities if entity.name}
    near = get_close_matches(word.casefold(), names, n=5, cutoff=0.5)
    near += [name for name in sorted(names) if word.casefold() in name and name not in near][:5]
    if near:
        return f"Near: {', '.join(names[name] for name in near)}."
    shown = sorted(names.values(), key=str.casefold)
    if not shown:
        return f"This OAuth client sees no {WORDS[kind]} at all: check its roles and divisions."
    return f"It has {len(shown)}: {', '.join(shown[:8])}{' ...' if len(shown) > 8 else ''}."
