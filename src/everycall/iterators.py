"""Iterators for programs: pages, conversations, rows; each is built on the one before.

    with Client(credentials) as client:
        for conversation in conversations(client, query):
            ...

`pages` yields the API's answers unchanged. `conversations` yields each conversation of the interval once, and proves
each window as an export does. `rows` yields flat rows with names. All of them keep one page in memory, and the ids of
one window.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

from everycall.acquire.details_query import DetailsQuery, DetailsReading
from everycall.acquire.loop import Loop
from everycall.acquire.proof import Verdict
from everycall.acquire.route import FoundPage
from everycall.acquire.settling import STRAYS_MAX
from everycall.acquire.windows import windows
from everycall.api import names as look_ups
from everycall.api.limits import IDS_MAX, PAGE_SIZE_MAX, PASSES_MAX
from everycall.api.names import Names
from everycall.api.query import Interval, Query
from everycall.api.records import Conversation, Page
from everycall.client import Client
from everycall.errors import EverycallError, QueryError
from everycall.executor import SerialExecutor
from everycall.tables import flat as tables
from everycall.tables.attributes import attribute_of
from everycall.tables.flat import Facts, Value
from everycall.tables.typed import DefaultRow, ExtendedRow, View
from everycall.zipped import unzipped


class Unproven(EverycallError):
    """After all re-reads, the counts of a window do not match. All its conversations were yielded nevertheless."""

    def __init__(self, window: Interval, verdict: Verdict) -> None:
        super().__init__(
            f"{window} is not proven complete: {verdict.reason}.",
            hint="Read this window again later: data that is still arriving settles within minutes.",
        )
        self.window = window
        """The window to read again."""
        self.verdict = verdict
        """The counts and the reason."""


def pages(client: Client, query: Query, *, page_size: int = PAGE_SIZE_MAX) -> Iterator[Page]:
    """Yield every page of every window as the API answered it, in the API's order, except empty ones.

    Nothing is proven or corrected: if pages shift meanwhile, conversations can be missing or come twice.
    """
    for _, answer in _answers(client, query, page_size, passes_max=1):
        if answer is not None:
            yield answer


def conversations(client: Client, query: Query, *, page_size: int = PAGE_SIZE_MAX) -> Iterator[Conversation]:
    """Yield every conversation of the query once, window by window, roughly in order of start.

    If a conversation changes while its window is read, the first version is yielded. A conversation without a readable
    start, or with a start on a day outside of its window, is yielded with the window that returned it first.

    Raises:
        Unproven: after the last conversation of a window whose counts do not match, or that returned more than
            `STRAYS_MAX` conversations of other days.
        EverycallError: whatever the client and the query raise.
    """
    seen: set[str] = set()
    strays: set[str] = set()
    before = 0
    for reading, answer in _answers(client, query, page_size, passes_max=PASSES_MAX):
        if answer is None:
            _check(reading, len(strays) - before)
            seen, before = set(), len(strays)
            continue
        for conversation in answer.conversations:
            place = reading.place(conversation.conversation_start)
            yielded = strays if place == "foreign" else seen
            if place != "left" and conversation.conversation_id not in yielded:
                yielded.add(conversation.conversation_id)
                yield conversation


def _check(reading: DetailsReading, strays: int) -> None:
    verdict = reading.verdict
    if verdict is not None and verdict.proven and strays > STRAYS_MAX:
        reason = f"{strays:,} of its conversations start on days that were not asked for"
        verdict = replace(verdict, proven=False, reason=reason)
    if verdict is not None and not verdict.proven:
        raise Unproven(reading.window, verdict)


@overload
def rows(
    client: Client, query: Query, *, view: Literal["default"] = ..., page_size: int = ...
) -> Iterator[DefaultRow]: ...


@overload
def rows(client: Client, query: Query, *, view: Literal["extended"], page_size: int = ...) -> Iterator[ExtendedRow]: ...


@overload
def rows(
    client: Client, query: Query, *, view: View = ..., columns: Sequence[str], page_size: int = ...
) -> Iterator[dict[str, Value]]: ...


def rows(
    client: Client,
    query: Query,
    *,
    view: View = "default",
    columns: Sequence[str] = (),
    page_size: int = PAGE_SIZE_MAX,
) -> Iterator[Any]:
    """Yield every conversation of the query as a row of the flat table: column name -> value, None if empty.

    For type checkers, the rows of a view are a `DefaultRow` or an `ExtendedRow`; with `columns`, they are dictionaries.

    Raises:
        QueryError: the view or a column does not exist, or is an attribute, which only an export can have.
        Unproven, EverycallError: as `conversations`.
    """
    table = tables.columns(view, columns)
    if any(attribute_of(column) is not None for column in table):
        raise QueryError("Rows of the details query have no attributes.", hint="Use export, which reads them by jobs.")
    names = Names()
    batch: list[Facts] = []

    def named() -> Iterator[dict[str, Value]]:
        wanted = names.wanted(pair for facts in batch for pair in tables.ids(facts, table))
        for kind, ids in wanted.items():
            asked = ids[:IDS_MAX]
            names.learn(client.play(look_ups.look_up(kind, asked)), asked if kind == "users" else ())
        for facts in batch:
            yield dict(zip((column.name for column in table), tables.row(facts, names, table), strict=True))
        batch.clear()

    try:
        for conversation in conversations(client, query, page_size=page_size):
            batch.append(Facts.of(conversation))
            if len(batch) >= page_size:
                yield from named()
    except Unproven:
        yield from named()
        raise
    yield from named()


def _answers(
    client: Client, query: Query, page_size: int, passes_max: int
) -> Iterator[tuple[DetailsReading, Page | None]]:
    """Yield every page with conversations and the reading that asked for it; None after the last page of a window."""
    now = client.clock.utc()
    query = replace(query, interval=query.interval.until_now(now))
    route = DetailsQuery(query, page_size=page_size, passes_max=passes_max)
    received: deque[tuple[DetailsReading, Page | None]] = deque()

    def take(reading: DetailsReading, page: FoundPage) -> None:
        body = unzipped(page.content) if page.is_zipped else page.content
        received.append((reading, Page.read(body)))

    def end(reading: DetailsReading) -> None:
        received.append((reading, None))

    loop = Loop(client, route, SerialExecutor(), windows(query, now), on_page=take, on_end=end, open_max=1)
    while loop.step():
        yield from received
        received.clear()
