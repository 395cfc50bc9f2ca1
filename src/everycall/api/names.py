"""Names for ids, and ids for names: queues, users, wrap-up codes, divisions. Pure.

History holds ids; people want names. Queues, wrap-up codes and divisions are few and are listed whole, once, when the
first id of the kind turns up; users are many and are looked up in bulk by the ids that turn up, deleted ones too.
A look-up that the org forbids (403) or does not have (404) costs the names of its kind, never a row.

Source of paths and parameters: SDK 269 (RoutingApi, UsersApi, AuthorizationApi); that the server cuts a pageSize that
is too large silently, and says so in the answer, was seen by estuary/connectors. System wrap-up codes
(`ININ-WRAP-UP-TIMEOUT` ...) and deleted queues and codes are in no list: the row falls back as its column says.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import msgspec

from everycall.api.exchange import Exchange, Request, problem, refusal
from everycall.api.limits import IDS_MAX, LISTING_PAGE_SIZE
from everycall.errors import UnknownName

Kind = Literal["queues", "users", "wrapupcodes", "divisions"]

PATHS: Mapping[Kind, str] = {
    "queues": "/api/v2/routing/queues",
    "users": "/api/v2/users",
    "wrapupcodes": "/api/v2/routing/wrapupcodes",
    "divisions": "/api/v2/authorization/divisions",
}

WORDS: Mapping[Kind, str] = {"queues": "queue", "users": "user", "wrapupcodes": "wrap-up code", "divisions": "division"}
"""What a reader calls one of the kind."""

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


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up came back with."""

    kind: Kind
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The org forbids the look-up or does not have it; names of the kind stay ids."""

    kind: Kind
    reason: str
    """For a reader: the status and the API's own words."""


def listing(kind: Kind) -> Exchange[Found | Unavailable]:
    """All of a kind, page after page; users of any state."""
    return _found(kind, {"state": "any"} if kind == "users" else {}, LISTING_PAGE_SIZE)


def users(ids: Sequence[str]) -> Exchange[Found | Unavailable]:
    """The users with these ids, at most `IDS_MAX`, deleted ones too. Ids that nobody has are simply missing."""
    return _found("users", {"id": ",".join(ids), "state": "any"}, IDS_MAX)


def _found(kind: Kind, params: Mapping[str, str], page_size: int) -> Exchange[Found | Unavailable]:
    found: list[Entity] = []
    number = 1
    while True:
        page = yield from _page(kind, {**params, "pageSize": str(page_size), "pageNumber": str(number)})
        if isinstance(page, Unavailable):
            return page
        found += page.entities
        last = number >= page.page_count if page.page_count is not None else page.next_uri is None
        if last or not page.entities:
            return Found(kind, tuple(found))
        number += 1


def _page(kind: Kind, params: Mapping[str, str]) -> Exchange[_Listing | Unavailable]:
    response = yield Request("GET", PATHS[kind], params)
    if response.status in (400, 403, 404):
        said = problem(response)
        return Unavailable(kind, f"{response.status} {said.code}: {said.message}".strip(" :"))
    if response.status >= 300:
        raise refusal(response)
    try:
        return msgspec.convert(response.decoded, _Listing, strict=False)
    except msgspec.MsgspecError as error:
        return Unavailable(kind, f"an answer that cannot be read: {error}")


@dataclass(slots=True)
class Names:
    """What is known of names so far. Filled by `learn`; `wanted` says what to ask next."""

    unavailable: dict[Kind, str] = field(default_factory=dict)
    """Kinds whose look-up failed, with the reason."""
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
        if asked:
            for entity_id in asked:
                known.setdefault(entity_id, "")
        else:
            self._listed.add(found.kind)


def look_up(kind: Kind, ids: Sequence[str]) -> Exchange[Found | Unavailable]:
    """The exchange that tells these names: users by id, at most `IDS_MAX` of them; the other kinds whole."""
    return users(ids[:IDS_MAX]) if kind == "users" else listing(kind)


def ids_named(kind: Kind, words: Sequence[str]) -> Exchange[list[str]]:
    """The ids of what a reader named; words that are ids already are taken as they are, and cost no request.

    Names are compared without regard to case; a user may be named by e-mail address.

    Raises:
        UnknownName: the org has none of that name, or several, and the hint lists the near ones; or it does not let
            names be looked up.
    """
    words = [_normal(kind, word.strip()) for word in words]
    names = [word for word in words if not _is_id(kind, word)]
    if not names:
        return words
    found = yield from listing(kind)
    if isinstance(found, Unavailable):
        raise UnknownName(
            f"The {WORDS[kind]} '{names[0]}' cannot be looked up ({found.reason}).",
            hint=f"Give the {WORDS[kind]}'s id instead of its name, or give the OAuth client the permission.",
        )
    return [word if _is_id(kind, word) else _the_one(kind, word, found.entities) for word in words]


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
