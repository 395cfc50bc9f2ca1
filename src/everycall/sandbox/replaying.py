"""Gives the answers of a recording: the same request gets the same bytes.

A client that runs again asks almost the same. Look-ups by ids (`GET /api/v2/users?id=a,b,c`) come in other batches,
because answers come in another order; so they are put together from what the recorded batches found. Any other request
that was not recorded is a 501, which says what was asked and what the recording holds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.recording import (
    NOT_SERVED,
    RESET,
    Exchange,
    decoded,
    exchange_of,
    lines,
    masked,
    sent_of,
    target_of,
    wire,
)
from everycall.sandbox.server import HOST, Address, listening

LISTED_IN: Final = ("entities", "conversations")
"""Where the answer to a look-up by ids has what was found."""

ID_FIELDS: Final = ("id", "conversationId")

MAY_DIFFER: Final = ("id", "pageSize", "pageNumber")
"""The parameters that may differ between two look-ups of the same kind."""

PAGE_SIZE: Final = 25
"""Of a look-up that asks for none. Source: SDK 269, the default of every entity listing."""

COMPARED_MAX: Final = 200
"""With so many recorded requests a missing one is compared, to name the nearest."""

SHOWN_MAX: Final = 300
"""So many characters of a request's body are shown in a refusal."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """A request for some entities by their ids."""

    kind: tuple[str, tuple[tuple[str, str], ...]]
    """Path and all other parameters: look-ups of the same kind find the same for an id."""
    ids: tuple[str, ...]
    page_size: int
    page_number: int

    @classmethod
    def of(cls, method: str, target: str) -> "LookUp | None":
        """The look-up that a request is; None for any other request."""
        path, _, query = target.partition("?")
        parameters = parse_qsl(query, keep_blank_values=True)
        ids = [part for name, value in parameters if name == "id" for part in value.split(",") if part]
        if method != "GET" or not ids:
            return None
        given = dict(parameters)
        try:
            size, number = int(given.get("pageSize", PAGE_SIZE)), int(given.get("pageNumber", 1))
        except ValueError:
            return None
        if size < 1 or number < 1:
            return None
        others = tuple(sorted(pair for pair in parameters if pair[0] not in MAY_DIFFER))
        return cls((path, others), tuple(dict.fromkeys(ids)), size, number)

    @property
    def shown(self) -> str:
        """The kind, for a reader: `GET /api/v2/users?state=any`."""
        path, others = self.kind
        return f"GET {path}" + (f"?{urlencode(others)}" if others else "")

    def next_uri(self) -> str:
        """The link to the next page."""
        path, others = self.kind
        page = [("pageSize", self.page_size), ("pageNumber", self.page_number + 1), ("id", ",".join(self.ids))]
        return f"{path}?{urlencode([*others, *page])}"


@dataclass(slots=True)
class Batches:
    """What the recorded look-ups of one kind found."""

    headers: Mapping[str, str]
    body: Mapping[str, Any]
    """Of the first of them, in the shape of which others are answered."""
    listed_in: str
    found: dict[str, Any] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    """The ids that were found, and those that were looked for in vain."""

    def learn(self, look_up: LookUp, body: Mapping[str, Any]) -> None:
        """Takes in what a recorded look-up found."""
        self.found |= {id_of(entity): entity for entity in body.get(self.listed_in, ())}
        self.known |= self.found.keys()
        if body.get("pageCount", 1) <= 1:  # else an id that is missing here may stand on another page
            self.known |= {*look_up.ids}

    def answer(self, look_up: LookUp) -> dict[str, Any]:
        """The body for other ids, all of which are known."""
        listed = [self.found[entity_id] for entity_id in look_up.ids if entity_id in self.found]
        body = {name: value for name, value in self.body.items() if not name.endswith("Uri")}
        if "pageSize" not in body:
            return {**body, self.listed_in: listed}
        page_count = -(-len(listed) // look_up.page_size)
        start = (look_up.page_number - 1) * look_up.page_size
        paging = {
            "pageSize": look_up.page_size,
            "pageNumber": look_up.page_number,
            "total": len(listed),
            "pageCount": page_count,
        }
        body |= {name: value for name, value in paging.items() if name in body}
        if look_up.page_number < page_count:
            body["nextUri"] = look_up.next_uri()
        return {**body, self.listed_in: listed[start : start + look_up.page_size]}


class Replay:
    """Answers as the recording does.

    A request that was made several times gets its answers in their order, and then the last one again. A token is not
    asked for.

    Args:
        path: of the recording; `.gz` is unzipped.
        address: where a server makes the replay reachable.

    Raises:
        ValueError: the file holds no exchange, or a line that is none; it is named.
    """

    def __init__(self, path: Path, address: Address = Address("")) -> None:  # noqa: B008 - frozen
        self.url = address.url
        self.environ = {"GENESYS_ENV": address.url, **address.tls_environ}
        self._exchanges: defaultdict[Any, list[Exchange]] = defaultdict(list)
        self._batches: dict[Any, Batches] = {}
        self._forbidden: dict[Any, Exchange] = {}
        self._asked: Counter[Any] = Counter()
        for number, line in lines(path):
            exchange = exchange_of(line)
            if exchange is None:
                raise ValueError(f"line {number} of {path} is no exchange of a recording; --load reads other lines")
            self._exchanges[exchange.question].append(exchange)
            self._learn(exchange)
        if not self._exchanges:
            raise ValueError(f"{path} holds no exchange")

    def respond(self, request: Request) -> Wire:
        """The recorded answer."""
        asked = Exchange("", request.method, masked(target_of(request)), NOT_SERVED, sent_of(request))
        exchange = self._recorded(asked.question)
        if exchange is not None:
            if exchange.status == NOT_SERVED:
                return RESET
            return wire(exchange.status, exchange.headers, exchange.body.encode(), request)
        look_up = LookUp.of(asked.method, asked.target)
        return refusal(self._missing(asked), request) if look_up is None else self._looked_up(look_up, asked, request)

    def _looked_up(self, look_up: LookUp, asked: Exchange, request: Request) -> Wire:
        """The answer to a look-up that was recorded in other batches, if at all."""
        batches, forbidden = self._batches.get(look_up.kind), self._forbidden.get(look_up.kind)
        if batches is None and forbidden is not None:
            return wire(forbidden.status, forbidden.headers, forbidden.body.encode(), request)
        if batches is None:
            return refusal(self._missing(asked), request)
        unknown = [entity_id for entity_id in look_up.ids if entity_id not in batches.known]
        if unknown:
            return refusal(missing_ids(look_up, unknown, batches), request)
        return wire(200, batches.headers, msgspec.json.encode(batches.answer(look_up)), request)

    def _learn(self, exchange: Exchange) -> None:
        look_up = LookUp.of(exchange.method, exchange.target)
        if look_up is None:
            return
        if exchange.status in {403, 404}:
            self._forbidden.setdefault(look_up.kind, exchange)
        body = decoded(exchange.body)
        if exchange.status != 200 or not isinstance(body, dict):
            return
        listed_in = next((name for name in LISTED_IN if name in body), LISTED_IN[0])
        batches = self._batches.setdefault(look_up.kind, Batches(exchange.headers, body, listed_in))
        batches.learn(look_up, body)

    def _recorded(self, question: Any) -> Exchange | None:
        answers = self._exchanges.get(question)
        if answers is None:
            return None
        turn = min(self._asked[question], len(answers) - 1)
        self._asked[question] += 1
        return answers[turn]

    def _missing(self, asked: Exchange) -> str:
        """The message for a request that was not recorded."""
        method, target, body = asked.question
        path = target.partition("?")[0]
        alike = [
            exchange for exchange in self._exchanges if exchange[0] == method and exchange[1].partition("?")[0] == path
        ]
        missing = f"The recording holds no {shown(method, target, body)}."
        if not alike:
            held = Counter(f"{exchange[0]} {exchange[1].partition('?')[0]}" for exchange in self._exchanges)
            return f"{missing} It holds {', '.join(f'{count} {name}' for name, count in sorted(held.items()))}."
        nearest = near(shown(method, target, body), [shown(*exchange) for exchange in alike[:COMPARED_MAX]])
        return f"{missing} Of {method} {path} it holds {len(alike)}; the nearest is {nearest}."


@contextmanager
def replay(path: Path, *, host: str = HOST, port: int = 0, tls: bool | Path = False) -> Iterator[Replay]:
    """A `Replay` that listens while the block runs.

    Raises:
        OSError: the file cannot be read, or the port is in use.
        ValueError: as `Replay` and `server`.
        ImportError: as `server`.
    """
    with listening(lambda address: Replay(path, address), host=host, port=port, tls=tls) as player:
        yield player


def id_of(entity: Mapping[str, Any]) -> str:
    """The id of what a look-up found; empty where it has none."""
    return next((str(entity[name]) for name in ID_FIELDS if name in entity), "")


def missing_ids(look_up: LookUp, unknown: Sequence[str], batches: Batches) -> str:
    """The message for a look-up of ids that were not recorded."""
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return (
        f"The recording holds no look-up of {', '.join(unknown[:3])}{more} by {look_up.shown}. "
        f"It holds {len(batches.known)} other ids of it."
    )


def shown(method: str, target: str, body: str) -> str:
    """A request as shown in messages."""
    cut = body if len(body) <= SHOWN_MAX else f"{body[:SHOWN_MAX]}..."
    return f"{method} {target}" + (f" with the body {cut}" if body else "")


def near(text: str, others: Sequence[str]) -> str:
    """The most similar of the others."""
    return get_close_matches(text, others, n=1, cutoff=0)[0]


def refusal(message: str, request: Request) -> Wire:
    """The answer to a request that was not recorded."""
    body = {"message": message, "code": "not.recorded", "status": 501}
    return wire(501, {"content-type": "application/json"}, msgspec.json.encode(body), request)
