"""The rungs below an export, for programs: pages, conversations, rows - each made with the one below it.

    with Client(credentials) as client:
        for conversation in conversations(client, query):
            ...

`pages` are answers as they came. `conversations` come once each, belong to the interval, and are proven window by
window like an export's. `rows` have names. All of them hold one page in memory, and the ids of one window.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from everycall.acquire.proof import Reading, Verdict, id_bytes
from everycall.acquire.windows import windows
from everycall.api import names as look_ups
from everycall.api.details_query import TooLarge, count, page
from everycall.api.limits import IDS_MAX, PAGE_SIZE_MAX, PASSES_MAX
from everycall.api.names import Names
from everycall.api.query import Interval, Query
from everycall.api.records import Conversation, Page
from everycall.client import Client
from everycall.errors import EverycallError
from everycall.tables import flat as tables
from everycall.tables.flat import Facts, Value


class Unproven(EverycallError):
    """A window was read as often as it helps, and its numbers still do not agree. Every row that came was yielded."""

    def __init__(self, window: Interval, verdict: Verdict) -> None:
        super().__init__(
            f"{window} is not proven complete: {verdict.reason}.",
            hint="Ask for this window again later: data that is still arriving settles within minutes.",
        )
        self.window = window
        """The window to ask again."""
        self.verdict = verdict
        """The numbers."""


def pages(client: Client, query: Query, *, page_size: int = PAGE_SIZE_MAX) -> Iterator[Page]:
    """Every page of every window, in the API's order, as answered; empty ones are left out.

    Nothing is proven and nothing is put right: rows can be missing or come twice where pages shift meanwhile.
    """
    for _, answer in _answers(client, query, page_size, passes_max=1):
        if answer.conversations:
            yield answer


def conversations(client: Client, query: Query, *, page_size: int = PAGE_SIZE_MAX) -> Iterator[Conversation]:
    """Every conversation of the query once, window by window, roughly in order of start.

    A conversation that changes while its window is read comes in the version that was seen first.

    Raises:
        Unproven: after the last conversation of a window whose numbers do not agree.
        EverycallError: what the client and the query raise.
    """
    seen: set[str] = set()
    timeless: set[str] = set()
    present: Reading | None = None
    for reading, answer in _answers(client, query, page_size, passes_max=PASSES_MAX):
        if reading is not present:
            _check(present)
            present, seen = reading, set()
        for conversation in answer.conversations:
            began = conversation.began
            known = timeless if began is None else seen  # what tells no time may come in any window
            mine = began is None or query.owns(began, reading.window)
            if mine and conversation.conversation_id not in known:
                known.add(conversation.conversation_id)
                yield conversation
    _check(present)


def _check(reading: Reading | None) -> None:
    if reading is not None and reading.verdict is not None and not reading.verdict.proven:
        raise Unproven(reading.window, reading.verdict)


def rows(
    client: Client,
    query: Query,
    *,
    view: str = "default",
    columns: Sequence[str] = (),
    page_size: int = PAGE_SIZE_MAX,
) -> Iterator[dict[str, Value]]:
    """Every conversation of the query as a row of the flat table: column name -> value, None where empty.

    Raises:
        QueryError: no such view or column.
        Unproven, EverycallError: as `conversations`.
    """
    table = tables.columns(view, columns)
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


def _answers(client: Client, query: Query, page_size: int, passes_max: int) -> Iterator[tuple[Reading, Page]]:
    """Every page of every window, one at a time, with the reading that asked for it; the last one of each is empty."""
    now = client.clock.utc()
    todo = deque(windows(replace(query, interval=query.interval.until_now(now)), now))
    while todo:
        reading = Reading(todo.popleft(), page_size=page_size, passes_max=passes_max)
        while (ask := reading.next_ask()) is not None:
            if ask.kind == "count":
                reading.counted(ask, client.play(count(query, reading.window)))
                continue
            answer = client.play(page(query, reading.window, ask.number, ask.size))
            if isinstance(answer, TooLarge):
                reading.too_large(ask)
            elif reading.page_read(ask, _ids(answer), answer.total_hits):
                yield reading, answer
        todo.extendleft(reversed(reading.instead or ()))


def _ids(answer: Page) -> bytes:
    return b"".join(id_bytes(conversation.conversation_id) for conversation in answer.conversations)
