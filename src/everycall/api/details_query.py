"""The synchronous details query, page by page. Pure.

    POST /api/v2/analytics/conversations/details/query

- Pages are asked for by number, in the body's `paging`: at most 100 conversations each, from 1. There is no cursor,
  so any page can be asked for at any time, and several at once.
- An answer is `{"conversations": [...], "totalHits": n}`; past the end, and where nothing matches, it is `{}`.
- `totalHits` is counted anew for each answer. A page may come short before the end: only an empty one is the end.
- pageNumber x pageSize beyond 100,000 is refused.

Sources: SDK 269, ConversationQuery and AnalyticsConversationQueryResponse; the empty answer is what production code
at Teleperformance (dganalytics) compares with; the limit is splunk/genesys_cloud_ta, CHANGELOG of 0.2.2.
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
"""A count that agrees with no number of conversations, so that nothing is proven by it."""


class Head(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What acquiring needs of a conversation."""

    conversation_id: str
    conversation_start: str | None = None
    """As the API wrote it; not yet looked at."""
    conversation_end: str | None = None
    """As the API wrote it; None while the conversation lives."""


@dataclass(frozen=True, slots=True)
class PageHead:
    """What acquiring needs of a page: a fortieth of the work of reading it."""

    conversations: list[Head]
    """In the API's order; empty past the end. Those without a readable id are left out."""
    total_hits: int | None
    """How many matched at the moment of this answer; None where the answer does not say, and `HITS_UNREADABLE` where
    nobody can read what it says."""
    dropped: tuple[int, ...] = ()
    """Positions on the page, from 0, of what is left out, in order."""
    oddities: tuple[Oddity, ...] = field(default=(), repr=False)
    """What could not be read, or not as it stands. Fields that nobody knows are not looked for."""

    @classmethod
    def decode(cls, body: bytes) -> "PageHead":
        """The head of a page of the details query: `{}`, or an object with `conversations` or `totalHits`.

        Raises:
            NotAnAnswer: it is JSON, but no page of conversations.
            msgspec.DecodeError, RecursionError: it is no JSON, or it is nested too deeply.
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
_HEAD_FIELDS = {one.encode_name for one in msgspec.structs.fields(Head)}
_NULL = msgspec.Raw(b"null")
_KNOWN = {"conversations", "totalHits", "aggregations"}
_SIGNS_OF_REFUSAL = {"message", "error", "errors", "code", "status"}
"""What else an empty page may hold, nobody knows; with one of these it is an error that came with status 200."""


def decoded_slowly(body: bytes, known: Collection[str] = _KNOWN) -> PageHead:
    """The head of a page, value by value: an odd one costs the others nothing. `known` are the fields of a page.

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
    """The count, also where it came as a text or a real number; `HITS_UNREADABLE` where nobody can read it."""
    value = _value(raw)
    found, odd = fitted({"totalHits": value}, _Hits)
    hits = found.total_hits if found else None
    if any(isinstance(one, int | float) and one > TOTAL_HITS_MAX for one in (value, hits)):
        raise NotAnAnswer(f"the answer counts {shortened(str(value))} conversations, which no org has")
    oddities += odd
    return HITS_UNREADABLE if hits is None and value is not None else hits


def _head(raw: msgspec.Raw, oddities: list[Oddity]) -> Head | None:
    try:
        return _HEAD.decode(raw)
    except msgspec.ValidationError:
        tree = _value(raw)
    if isinstance(tree, dict):  # what is not part of the head is none of its business
        tree = {name: value for name, value in tree.items() if name in _HEAD_FIELDS}
    head, odd = fitted(tree, Head)
    oddities += odd
    return head


def _value(raw: msgspec.Raw) -> Any:
    """The value as Python has it; as text, where it is a number that no machine holds."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return bytes(raw).decode()


def _not_a_page(fields: Iterable[str]) -> NotAnAnswer:
    """The names of the fields and not their values, which may be anybody's secrets."""
    names = shortened(", ".join(sorted(fields)))
    return NotAnAnswer(f"the answer is no page of conversations{f', but has {names}' if names else ''}")


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The answer would have been over the server's size limit: ask for smaller pages, from the first one on."""

    page_size: int
    """What was asked for."""


def answer(
    query: Query, window: Interval, number: int, size: int, *, attempts_on_timeout: int | None = None
) -> Exchange[Response | TooLarge]:
    """One page of a window: `decoded` is its `PageHead`, its body a page of the details query.

    Args:
        query: what is asked for.
        window: the slice of its interval, short enough for one question.
        number: from 1.
        size: conversations on a page, at most 100.
        attempts_on_timeout: after so many time-outs in a row the client raises `TimedOut`; None for never.

    Raises:
        QueryRefused: the API answered 400, and not about the size of its answer.
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
    """One page of a window, read; otherwise as `answer`."""
    response = yield from answer(query, window, number, size)
    return response if isinstance(response, TooLarge) else Page.read(response.body)


def count(query: Query, window: Interval) -> Exchange[int]:
    """How many conversations match at this moment: one cheap request, a page of one."""
    first = yield from answer(query, window, 1, 1)
    return hits(first.decoded) if isinstance(first, Response) else 0


def hits(first: Page | PageHead) -> int:
    """What a first page says matched; an empty page means none."""
    return first.total_hits if first.total_hits is not None else len(first.conversations)
