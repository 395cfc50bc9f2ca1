"""The route of the details query: pages by number, with fresh data, one request for 100 conversations. Pure.

`proof.Reading` decides which page to request next. This module turns its requests into exchanges, and answers into ids.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

from everycall.acquire.part import Found, Place
from everycall.acquire.proof import PageAsk, Reading, Verdict, id_bytes
from everycall.acquire.route import OPEN_MAX, Ask, FoundPage, TooSlow
from everycall.acquire.windows import halves
from everycall.api import details_query
from everycall.api.details_query import PageHead, TooLarge
from everycall.api.exchange import Exchange, Response
from everycall.api.limits import PAGE_SIZE_MAX, PASSES_MAX, WINDOW_HITS_DEFAULT
from everycall.api.oddities import instant
from everycall.api.query import Filters, Interval, Query
from everycall.instants import DAY, since_epoch_ms, start_of_day

ATTEMPTS_ON_TIMEOUT = 3
"""Ours: after so many time-outs in a row for one request, its window is halved."""


@dataclass(frozen=True, slots=True)
class DetailsAsk:
    """A request for a page of the window, or for its count, by a page of one."""

    query: Query
    window: Interval
    page: PageAsk
    not_before: datetime | None = None

    @property
    def is_page(self) -> bool:
        """Whether it is a page."""
        return self.page.kind == "page"

    def exchange(self) -> Exchange[object]:
        """A page of the details query, as it came."""
        can_be_halved = len(halves(self.window)) > 1
        return details_query.answer(
            self.query,
            self.window,
            max(1, self.page.number),
            self.page.size,
            attempts_on_timeout=ATTEMPTS_ON_TIMEOUT if can_be_halved else None,
        )


class DetailsReading:
    """Reads a window by the details query; implements `route.WindowReading`."""

    route = "query"

    def __init__(self, route: "DetailsQuery", window: Interval, proof: Reading) -> None:
        """Nothing is asked yet."""
        self.window = window
        self.counted_at: datetime | None = None
        self._route, self._proof = route, proof
        self._pages = 0
        self._timed_out: list[Interval] | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the proof."""
        return self._proof.verdict

    @property
    def instead(self) -> list[Interval] | None:
        """Smaller windows: this one has too many hits, or the service was too slow for it."""
        return self._timed_out or self._proof.instead

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._timed_out is not None or self._proof.is_done

    @property
    def has_begun(self) -> bool:
        """Whether a page with conversations came."""
        return self._pages > 0

    @property
    def hits(self) -> int | None:
        """The API's count, once the first page has brought it."""
        return self._proof.hits

    @property
    def covered(self) -> float:
        """How much of the window is read, by its pages."""
        hits = self._proof.hits
        return 0.0 if hits is None else min(1.0, self._pages * self._route.page_size / max(hits, 1))

    def next_ask(self, *, may_page: bool = True) -> Ask | None:
        """The next page, or the count once all pages came."""
        if self._timed_out is not None or not (may_page or self._proof.wants_count):
            return None
        page = self._proof.next_ask()
        return DetailsAsk(self._route.query, self.window, page) if page else None

    def take(self, ask: Ask, answer: object, asked_at: datetime) -> FoundPage | None:
        """Take in an answer of `DetailsAsk`."""
        if not isinstance(ask, DetailsAsk):
            raise TypeError(f"{ask} is not a request of this route")
        if self.is_done:
            return None  # it was in flight when the window was halved
        if isinstance(answer, TooSlow):
            self._halve(answer)
        elif isinstance(answer, TooLarge):
            self._take_too_large(ask.page)
        elif isinstance(answer, Response):
            head: PageHead = answer.decoded
            if ask.is_page:
                return self._take_page(ask.page, answer, head)
            self.counted_at = asked_at
            self._proof.counted(ask.page, details_query.hits(head), answer.correlation_id)
        return None

    def _take_page(self, page: PageAsk, answer: Response, head: PageHead) -> FoundPage | None:
        found = found_page(page.reading_pass, answer, head, partial(self._route.place, self.window))
        ids = b"".join(one.id for one in found.found)
        counts = self._proof.page_read(page, ids, head.total_hits, answer.correlation_id)
        if not counts or not (found.found or head.dropped):
            return None
        self._pages += 1
        return found

    def _take_too_large(self, page: PageAsk) -> None:
        self._proof.too_large(page)
        self._route.page_size = min(self._route.page_size, max(1, page.size // 2))

    def _halve(self, answer: TooSlow) -> None:
        """Read halves of the window instead. Its pages cannot be kept, since they are numbered from its start."""
        pieces = halves(self.window)
        if len(pieces) == 1:
            self._proof.stop(answer.reason)
            return
        self._timed_out = pieces
        self._route.remember_length(pieces[0])

    def place(self, start: datetime | None) -> Place:
        """To whom a conversation belongs that the window returned and that starts then."""
        return self._route.place(self.window, since_epoch_ms(start) if start is not None else None)

    def stop(self, reason: str) -> None:
        """Give up on the window as it stands."""
        self._proof.stop(reason)


class DetailsQuery:
    """The route of the details query; implements `route.Route`."""

    def __init__(
        self,
        query: Query,
        *,
        page_size: int = PAGE_SIZE_MAX,
        hits_max: int = WINDOW_HITS_DEFAULT,
        passes_max: int = PASSES_MAX,
        proof: Callable[..., Reading] = Reading,
    ) -> None:
        """A way to read windows of this query; see `proof.Reading` for the numbers and for what tests replace."""
        self.query, self.page_size = query, page_size
        self._hits_max, self._passes_max, self._proof = hits_max, passes_max, proof
        self._longest: timedelta | None = None

    def read(self, window: Interval) -> DetailsReading:
        """Begin to read a window."""
        proof = self._proof(window, page_size=self.page_size, hits_max=self._hits_max, passes_max=self._passes_max)
        return DetailsReading(self, window, proof)

    def fitting(self, window: Interval) -> list[Interval]:
        """The window, or smaller ones in its place where windows of its length have timed out."""
        if self._longest is None or window.length <= self._longest or len(halves(window)) == 1:
            return [window]
        return [piece for half in halves(window) for piece in self.fitting(half)]

    def open_max(self, window: Interval) -> int:  # noqa: ARG002
        """As many as there are requests for."""
        return OPEN_MAX

    def remember_length(self, window: Interval) -> None:
        """Windows that are longer than this one have timed out."""
        self._longest = window.length

    def find(self, day: Interval, conversation_id: str) -> Exchange[bool]:
        """Whether the query has the conversation on that UTC day: a filter on its id, and a page of one."""
        query = replace(self.query, filters=self.query.filters + Filters.of(conversation_ids=[conversation_id]))
        answer = yield from details_query.answer(query, day, 1, 1)
        heads = answer.decoded.conversations if isinstance(answer, Response) else ()
        return any(head.conversation_id == conversation_id for head in heads)

    def leftovers(self) -> list[Exchange[None]]:
        """Nothing: a query ends with its answer."""
        return []

    def place(self, window: Interval, start_ms: int | None) -> Place:
        """To whom a conversation belongs that the window returned.

        The query may return what started on any UTC day that the window touches, the day of its end included.
        Source: developer.genesys.cloud, analytics detail page; the contract's section 1.5.
        """
        if start_ms is None:
            return "foreign"
        first, start, end, last = _bounds(window)
        if start <= self.query.belongs_at(start_ms) < end:
            return "owned"
        return "left" if first <= start_ms < last else "foreign"


@lru_cache(maxsize=64)
def _bounds(window: Interval) -> tuple[int, int, int, int]:
    """The first day of a window, its start, its end, and the end of its last day, in milliseconds since 1970."""
    days = start_of_day(window.start), start_of_day(window.end) + DAY
    return since_epoch_ms(days[0]), since_epoch_ms(window.start), since_epoch_ms(window.end), since_epoch_ms(days[1])


def found_page(reading_pass: int, answer: Response, head: PageHead, place: Callable[[int | None], Place]) -> FoundPage:
    """What acquiring keeps of a page; `place` returns the place for a start."""
    found = found_of(head, place)
    pairs = zip(found, head.conversations, strict=True)
    rare = [(one, text) for one, text in pairs if not one.has_end or one.place != "owned"]
    others = {one.id: (text.conversation_id, text.conversation_start) for one, text in rare if one.place != "owned"}
    open_ids = {one.id: text.conversation_id for one, text in rare if not one.has_end}
    unreadable = head.oddities if head.dropped else ()
    return FoundPage(reading_pass, answer.content, answer.is_zipped, found, others, open_ids, unreadable)


def found_of(head: PageHead, place: Callable[[int | None], Place]) -> list[Found]:
    """The conversations of a page as `Found`, in its order; `place` returns the place for a start."""
    found = []
    for position, one in zip(_positions(head), head.conversations, strict=True):
        start_ms = start_ms_of(one.conversation_start)
        is_over = bool(one.conversation_end)
        found.append(Found(id_bytes(one.conversation_id), start_ms, is_over, position, place(start_ms)))
    return found


class CountReading:
    """Counts a window; implements `route.WindowReading`."""

    route = "query"
    verdict: Verdict | None = None
    counted_at: datetime | None = None
    has_begun = False
    covered = 0.0

    def __init__(self, query: Query, window: Interval) -> None:
        """Nothing is asked yet."""
        self.window = window
        self.hits: int | None = None
        self.instead: list[Interval] | None = None
        self._query = query
        self._is_asked = False

    @property
    def is_done(self) -> bool:
        """Whether the count came, or the service was too slow for it."""
        return self.hits is not None or self.instead is not None

    def next_ask(self, *, may_page: bool = True) -> Ask | None:  # noqa: ARG002 - it brings no page
        """The count, once."""
        if self._is_asked:
            return None
        self._is_asked = True
        return DetailsAsk(self._query, self.window, PageAsk("count", 0, 1, 1))

    def take(self, _ask: Ask, answer: object, asked_at: datetime) -> None:
        """Take in the count."""
        self.counted_at = asked_at
        if isinstance(answer, TooSlow):
            self.instead = halves(self.window)
        else:
            self.hits = details_query.hits(answer.decoded) if isinstance(answer, Response) else 0

    def stop(self, reason: str) -> None:
        """There is nothing to keep."""


class Counting:
    """Counts windows by the details query; implements `route.Reads`."""

    def __init__(self, query: Query) -> None:
        """A way to count windows of this query."""
        self._query = query

    def fitting(self, window: Interval) -> list[Interval]:
        """The window itself: a count is quick."""
        return [window]

    def open_max(self, window: Interval) -> int:  # noqa: ARG002
        """As many as there are requests for."""
        return OPEN_MAX

    def read(self, window: Interval) -> CountReading:
        """Begin to count a window."""
        return CountReading(self._query, window)


def _positions(head: PageHead) -> Iterable[int]:
    """Where on the page its readable conversations stand."""
    if not head.dropped:
        return range(len(head.conversations))
    dropped = set(head.dropped)
    return (at for at in range(len(head.conversations) + len(dropped)) if at not in dropped)


def start_ms_of(text: str | None) -> int | None:
    """Parse conversationStart to milliseconds since 1970; None if it is not an instant."""
    if text is None:
        return None
    if len(text) == 24 and text[19] == "." and text[23] == "Z":
        minute_ms, after_ms = _minute_ms(text[:17]), text[17:19] + text[20:23]  # 08.123 are 08123 milliseconds
        if minute_ms is not None and after_ms.isdecimal() and after_ms < "60":
            return minute_ms + int(after_ms)
    found = instant(text)
    return since_epoch_ms(found) if found is not None else None


@lru_cache(maxsize=4096)
def _minute_ms(minute: str) -> int | None:
    """A minute such as `2026-01-05T08:30:`, in milliseconds since 1970; None where it is written in another way."""
    found = instant(f"{minute}00.000Z")
    return since_epoch_ms(found) if found is not None else None
