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

from dataclasses import dataclass

from everycall.api.exchange import Exchange, Request, Response, problem, refusal
from everycall.api.query import Interval, Query
from everycall.api.records import Page

DETAILS_QUERY = "/api/v2/analytics/conversations/details/query"


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The answer would have been over the server's size limit: ask for smaller pages, from the first one on."""

    page_size: int
    """What was asked for."""


def answer(query: Query, window: Interval, number: int, size: int) -> Exchange[Response | TooLarge]:
    """One page of a window, not yet read: its body is a page of the details query.

    Args:
        query: what is asked for.
        window: the slice of its interval, short enough for one question.
        number: from 1.
        size: conversations on a page, at most 100.

    Raises:
        QueryRefused: the API answered 400, and not about the size of its answer.
        PermissionMissing: the API answered 403.
    """
    response = yield Request("POST", DETAILS_QUERY, json=query.body(window, number, size))
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
    first = yield from page(query, window, 1, 1)
    return hits(first) if isinstance(first, Page) else 0


def hits(first: Page) -> int:
    """What a first page says matched; an empty page means none."""
    return first.total_hits if first.total_hits is not None else len(first.conversations)
