"""The synchronous details query, page by page. Pure.

    POST /api/v2/analytics/conversations/details/query

- Pages are requested by number, in the body's `paging`: from 1, with at most 100 conversations each. There is no
  cursor, so pages can be requested in any order, and several at once.
- An answer is `{"conversations": [...], "totalHits": n}`; past the end, and if nothing matches, it is `{}`.
- `totalHits` is counted again for each answer. A page can be short before the end: only an empty one is the end.
- pageNumber x pageSize beyond 100,000 is refused.

Sources: SDK 269, ConversationQuery and AnalyticsConversationQueryResponse, for the fields; Teleperformance's
dganalytics, which compares with the empty answer; splunk/genesys_cloud_ta, CHANGELOG of 0.2.2, for the limit.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from everycall.api.exchange import Exchange, NotAnAnswer, Request, Response, problem, refusal
from everycall.api.limits import TOTAL_HITS_MAX
from everycall.api.oddities import Oddity, fitted, shortened
from everycall.api.query import Interval, Query
from everycall.api.records import Page

DETAILS_QUERY = "/api/v2/analytics/conversations/details/query"

HITS_UNREADABLE = -1
"""A count that equals no number of conversations, so that it proves nothing."""


class Head(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The fields of a conversation that acquiring needs."""

    conversation_id: str
    conversation_start: str | None = None
    """As the API wrote it; not checked yet."""
    conversation_end: str | None = None
    """As the API wrote it; None while the conversation goes on."""


@dataclass(frozen=True, slots=True)
class PageHead:
    """The fields of a page that acquiring needs. Decoding them takes a fortieth of the time for the whole page."""

    conversations: list[Head]
    """In the API's order; empty past the end. Conversations without a readable id are left out."""
    total_hits: int | None
    """How many conversations matched at the moment of this answer; None if it has no count, `HITS_UNREADABLE` if the
    count cannot be read."""
    dropped: tuple[int, ...] = ()
    """Positions on the page, from 0, of the conversations that are left out, in order."""
    oddities: tuple[Oddity, ...] = field(default=(), repr=False)
    """Values that could not be read, or were unusual. Unknown fields are not reported."""

    @classmethod
    def decode(cls, body: bytes) -> "PageHead":
        """Decode the head of a page: `{}`, or an object with `conversations` or `totalHits`.

        Raises:
            NotAnAnswer: the body is JSON, but not a page of conversations.
            msgspec.DecodeError, RecursionError: the body is not JSON, or it is nested too deeply.
        """
        try:
            found = _HEADS.decode(body)
        except msgspec.ValidationError:
            return decoded_slowly(body)
        hits = found.total_hits
        if not found.conversations or (hits is not None and hits > TOTAL_HITS_MAX):
            return decoded_slowly(body)
        return cls(found.conversations, hits)


class _Heads(msgspec.Struct, rename="camel"):
    conversations: list[Head] | None = None
    total_hits: int | None = None


class _Hits(msgspec.Struct, rename="camel"):
    total_hits: int | None = None


_HEADS = msgspec.json.Decoder(_Heads)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)
_HEAD = msgspec.json.Decoder(Head)
_HEAD_FIELDS = {head_field.encode_name for head_field in msgspec.structs.fields(Head)}
_NULL = msgspec.Raw(b"null")
_KNOWN = {"conversations", "totalHits", "aggregations"}
_SIGNS_OF_REFUSAL = {"message", "error", "errors", "code", "status"}
"""An empty page with one of these fields is an error that came with status 200."""


def decoded_slowly(body: bytes, known: Collection[str] = _KNOWN) -> PageHead:
    """Decode the head of a page value by value, so that an unreadable value does not affect the others.

    `known` are the names of the fields that a page has.

    Raises:
        NotAnAnswer, msgspec.DecodeError, RecursionError: as `PageHead.decode`.
    """
    fields: dict[str, msgspec.Raw] = {}
    try:
        fields = _FIELDS.decode(body)
        items = _ITEMS.decode(fields.get("conversations", _NULL)) or []
    except msgspec.ValidationError as error:
        raise _not_a_page(fields) from error
    if fields and not fields.keys() & set(known):
        raise _not_a_page(fields)
    oddities: list[Oddity] = []
    hits = _hits(fields.get("totalHits", _NULL), oddities)
    if not items and hits is None and fields.keys() & _SIGNS_OF_REFUSAL:
        raise _not_a_page(fields)
    heads = [_head(item, oddities) for item in items]
    dropped = tuple(position for position, head in enumerate(heads) if head is None)
    return PageHead([head for head in heads if head is not None], hits, dropped, tuple(oddities))


def _hits(raw: msgspec.Raw, oddities: list[Oddity]) -> int | None:
    """The count, also if it came as text or as a real number; `HITS_UNREADABLE` if it cannot be read."""
    value = _value(raw)
    found, count_oddities = fitted({"totalHits": value}, _Hits)
    hits = found.total_hits if found else None
    if any(isinstance(number, int | float) and number > TOTAL_HITS_MAX for number in (value, hits)):
        raise NotAnAnswer(f"the answer counts {shortened(str(value))} conversations, more than any org has")
    oddities += count_oddities
    return HITS_UNREADABLE if hits is None and value is not None else hits


def _head(raw: msgspec.Raw, oddities: list[Oddity]) -> Head | None:
    try:
        return _HEAD.decode(raw)
    except msgspec.ValidationError:
        tree = _value(raw)
    if isinstance(tree, dict):  # other fields are checked when the part is loaded
        tree = {name: value for name, value in tree.items() if name in _HEAD_FIELDS}
    head, head_oddities = fitted(tree, Head)
    oddities += head_oddities
    return head


def _value(raw: msgspec.Raw) -> Any:
    """The value as a Python object; a number that is out of range as text."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return bytes(raw).decode()


def _not_a_page(fields: Iterable[str]) -> NotAnAnswer:
    """The error for another answer. It shows the names of the fields only, since the values may be secrets."""
    names = shortened(", ".join(sorted(fields)))
    return NotAnAnswer(f"the answer is not a page of conversations{f', but has {names}' if names else ''}")


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The answer would exceed the server's size limit: request smaller pages, beginning with the first."""

    page_size: int
    """The page size that was too large."""


def answer(
    query: Query, window: Interval, number: int, size: int, *, attempts_on_timeout: int | None = None
) -> Exchange[Response | TooLarge]:
    """Request one page of a window. `decoded` of the response is its `PageHead`.

    Args:
        query: the filters.
        window: a slice of the query's interval that the API answers.
        number: the page number, from 1.
        size: conversations on a page, at most 100.
        attempts_on_timeout: after so many time-outs in a row the client raises `TimedOut`; None for never.

    Raises:
        QueryRefused: the API answered 400, for another reason than the size of its answer.
        PermissionMissing: the API answered 403.
    """
    response = yield Request(
        "POST",
        DETAILS_QUERY,
        json=query.body(window, number, size),
        decode=PageHead.decode,
        success=(200,),
        attempts_on_timeout=attempts_on_timeout,
    )
    if response.status in (400, 413) and problem(response).code == "response.entity.too.large" and size > 1:
        return TooLarge(size)
    if response.status >= 300:
        raise refusal(response)
    return response


def page(query: Query, window: Interval, number: int, size: int) -> Exchange[Page | TooLarge]:
    """Request one page of a window and read it; otherwise as `answer`."""
    response = yield from answer(query, window, number, size)
    return response if isinstance(response, TooLarge) else Page.read(response.body)


def count(query: Query, window: Interval) -> Exchange[int]:
    """Request how many conversations match now: one cheap request, for a page of one."""
    first = yield from answer(query, window, 1, 1)
    return hits(first.decoded) if isinstance(first, Response) else 0


def hits(first: Page | PageHead) -> int:
    """The count on a first page; without one, the conversations on it."""
    return first.total_hits if first.total_hits is not None else len(first.conversations)
