"""Conversations by their ids, as they are now, in few requests for many windows.

    ids by window -> details queries with the filter conversationId, each over at most 31 days -> what came

The details query takes the filters of the export, too, so that a conversation that no longer matches them does not
come. (`GET /api/v2/analytics/conversations/details?id=...` takes no filters.)

Source: SDK 269, ConversationQuery; a query with a filter may span 31 days (contract of the details query).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from everycall.acquire.details_query import found_of
from everycall.acquire.part import Part, PartWriter, raw_conversations
from everycall.api.details_query import PageHead, TooLarge, answer
from everycall.api.limits import PAGE_SIZE_MAX, SPAN_FILTERED
from everycall.api.oddities import instant
from everycall.api.query import Filters, Interval, Query
from everycall.client import Client


class Came(NamedTuple):
    """A conversation that came."""

    conversation_id: str
    start: datetime | None
    """None if it is absent or unreadable."""
    has_end: bool
    raw: bytes
    """Its JSON as the API sent it."""


def by_ids(client: Client, filters: Filters, wanted: Mapping[Interval, Sequence[str]]) -> dict[str, Came]:
    """The conversations that the API has of these, by conversationId.

    Args:
        client: the client of the org.
        filters: of the export.
        wanted: conversationIds by the windows in which they started, in the order of time.

    Raises:
        EverycallError: whatever the client raises.
    """
    found: dict[str, Came] = {}
    for span, ids in _requests(wanted):
        found.update((one.conversation_id, one) for one in _asked(client, filters, span, ids))
    return found


def _requests(wanted: Mapping[Interval, Sequence[str]]) -> Iterator[tuple[Interval, tuple[str, ...]]]:
    """The span and the ids of each request."""
    span: Interval | None = None
    waiting: tuple[str, ...] = ()
    for window, ids in wanted.items():
        if span is not None and window.end - span.start > SPAN_FILTERED:
            yield span, waiting
            span, waiting = None, ()
        for one in ids:
            span = Interval(window.start if span is None else span.start, window.end)
            waiting += (one,)
            if len(waiting) == PAGE_SIZE_MAX:
                yield span, waiting
                span, waiting = None, ()
    if span is not None:
        yield span, waiting


def _asked(client: Client, filters: Filters, span: Interval, ids: tuple[str, ...]) -> Iterator[Came]:
    query = Query(span, filters + Filters.of(conversation_ids=ids))
    page = client.play(answer(query, span, 1, len(ids)))
    if not isinstance(page, TooLarge):
        raws = raw_conversations(page.body)
        for one, found in zip(page.decoded.conversations, found_of(page.decoded, lambda _: "owned"), strict=True):
            start = instant(one.conversation_start) if one.conversation_start else None
            yield Came(one.conversation_id, start, bool(one.conversation_end), bytes(raws[found.position]))
    elif len(ids) > 1:
        middle = len(ids) // 2
        for some in (ids[:middle], ids[middle:]):
            yield from _asked(client, filters, span, some)


def part_of(writer: PartWriter, conversations: Sequence[Came]) -> Part:
    """A sealed part with these conversations, all of which its window owns."""
    try:
        for at in range(0, len(conversations), PAGE_SIZE_MAX):
            body = b'{"conversations":[' + b",".join(one.raw for one in conversations[at : at + PAGE_SIZE_MAX]) + b"]}"
            writer.add(1, body, found_of(PageHead.decode(body), lambda _: "owned"), is_zipped=False)
        return writer.seal((1,))
    except BaseException:
        writer.discard()
        raise
