"""The line: windows in, pages in flight, rows into parts, windows closed with their verdicts.

One thread decides and owns all that changes; an executor asks the API. What is handed to it is one question at a
time - a page, a count, a batch of names - and what comes back waits as it came, zipped. The one thread reads it and
reduces it to facts, so that memory holds one decoded page however many are in flight.

Pages of a window are asked for all at once, those of the earliest window first; another window is begun when the ones
that are open have nothing to ask. A row is written once the names in it are known.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from everycall.acquire.proof import Ask, Reading, Verdict, id_bytes
from everycall.acquire.windows import is_provisional
from everycall.api import details_query as pages
from everycall.api import names
from everycall.api.details_query import TooLarge
from everycall.api.exchange import Response
from everycall.api.limits import IDS_MAX, PAGE_SIZE_MAX
from everycall.api.names import Found, Kind, Names, Unavailable
from everycall.api.oddities import Oddity
from everycall.api.query import Interval, Query
from everycall.api.records import Page
from everycall.client import Client
from everycall.executor import Executor
from everycall.instants import since_epoch_ms, text
from everycall.ledger import Book, Entry
from everycall.progress import Noticed, PageRead, Progress, Silent, WindowClosed
from everycall.sinks.interface import Key, Part, Sink
from everycall.tables import flat as tables
from everycall.tables.flat import Column, Facts, Row

OPEN_MAX = 8
"""Windows under way at once, at most: small ones need several to fill the time between question and answer."""

HELD_MAX = 64
"""Pages that wait for names, at most; beyond it no page is asked for."""

EXAMPLES_MAX = 20
"""Oddities that the manifest shows in full."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What is kept of a page."""

    facts: tuple[Facts, ...]
    ids: bytes
    """Of its conversations, 16 bytes each."""
    total_hits: int | None
    oddities: tuple[Oddity, ...]
    correlation_id: str

    @classmethod
    def of(cls, answer: Response) -> "Digest":
        """The facts of a page; the page itself, ten times as large, is let go."""
        page = Page.read(answer.body)
        facts = tuple(Facts.of(conversation) for conversation in page.conversations)
        ids = b"".join(id_bytes(one.conversation_id) for one in facts)
        return cls(facts, ids, page.total_hits, page.oddities, answer.correlation_id)


@dataclass(slots=True, eq=False)
class _Open:
    """A window under way."""

    reading: Reading
    part: Part
    pages: int = 0
    held: int = 0
    counted_at: datetime | None = None
    live: dict[bytes, dict[int, str]] = field(default_factory=dict)
    """Of those that came without an end, by their 16 bytes and by pass: the id, or nothing where it had an end."""
    oddities: Counter[str] = field(default_factory=Counter)
    examples: list[Oddity] = field(default_factory=list)

    @property
    def window(self) -> Interval:
        return self.reading.window

    def without_end(self, kept_passes: Sequence[int]) -> tuple[str, ...]:
        """Ids of those whose newest version in these passes has no end."""
        kept = ({number: found[number] for number in found if number in kept_passes} for found in self.live.values())
        return tuple(sorted(newest for found in kept if found and (newest := found[max(found)])))

    @property
    def covered(self) -> timedelta:
        """How much of the window is read, by its pages."""
        hits = self.reading.hits
        return (
            self.window.length * min(1.0, self.pages * PAGE_SIZE_MAX / max(hits, 1))
            if hits is not None
            else timedelta()
        )


@dataclass(slots=True)
class _Held:
    """A page that waits for names."""

    open: _Open
    reading_pass: int
    facts: Sequence[Facts]
    wanted: set[tuple[Kind, str]]


@dataclass(frozen=True, slots=True)
class _PageCame:
    open: _Open
    ask: Ask
    answer: Response | TooLarge


@dataclass(frozen=True, slots=True)
class _CountCame:
    open: _Open
    ask: Ask
    hits: int
    correlation_id: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _NamesCame:
    kind: Kind
    asked: Sequence[str]
    found: Found | Unavailable


_Came: TypeAlias = _PageCame | _CountCame | _NamesCame


class Line:
    """One export's way from windows to parts. To be run once."""

    def __init__(
        self,
        client: Client,
        query: Query,
        *,
        table: Sequence[Column],
        sink: Sink,
        book: Book,
        executor: Executor,
        progress: Progress | None = None,
        page_size: int = PAGE_SIZE_MAX,
        max_pages: int | None = None,
        reading: Callable[..., Reading] = Reading,
    ) -> None:
        """See `export.export` for what the arguments mean."""
        self.names = Names()
        self.examples = [oddity for entry in book.entries for oddity in entry.oddity_examples]
        """The first oddity of each kind and field, those of earlier runs too."""
        self._timeless = {each: entry.window for entry in book.entries for each in entry.timeless}
        self.pages = 0
        """Pages that came, of all windows and passes."""
        self._client, self._query = client, query
        self._table, self._sink, self._book, self._executor = table, sink, book, executor
        self._progress: Progress = progress or Silent()
        self._page_size, self._reading = page_size, reading
        self._pages_left = max_pages if max_pages is not None else float("inf")
        self._todo: deque[Interval] = deque()
        self._open: list[_Open] = []
        self._held: list[_Held] = []
        self._asking_names: set[Kind] = set()
        self._out = 0
        self._rows = sum(entry.rows for entry in book.entries)
        self._covered = sum((entry.window.length for entry in book.entries), timedelta())

    def run(self, windows: Iterable[Interval]) -> list[Interval]:
        """Read all windows, and commit each to the book when it has its verdict.

        Returns:
            The windows that `max_pages` left unread, in order; empty without it.

        Raises:
            EverycallError: what the client, the exchanges and the sink raise. Windows committed before stay so.
        """
        self._todo.extend(windows)
        try:
            while self._open or self._todo:
                self._hand_out()
                if not self._out:
                    return self._stop()
                self._take(self._executor.next())
                self._close_windows()
        finally:
            for one in self._open:
                one.part.discard()
        return []

    def close(self) -> None:
        """Let the executor go."""
        self._executor.close()

    # What to ask

    def _hand_out(self) -> None:
        """Keep the executor busy."""
        while self._out < self._executor.size and len(self._held) < HELD_MAX:
            if not self._ask_next() and not self._open_next():
                return

    def _ask_next(self) -> bool:
        """Hand out the next question of the earliest window that has one."""
        for one in self._open:
            ask = one.reading.next_ask() if self._pages_left > 0 or one.reading.wants_count else None
            if ask is not None:
                self._pages_left -= ask.kind == "page"
                self._submit_page(one, ask) if ask.kind == "page" else self._submit_count(one, ask)
                return True
        return False

    def _open_next(self) -> bool:
        if not self._todo or len(self._open) >= OPEN_MAX or self._pages_left <= 0:
            return False
        window = self._todo.popleft()
        reading = self._reading(window, page_size=self._page_size)
        self._open.append(_Open(reading, self._sink.part(self._book.part_path(window))))
        return True

    def _submit_page(self, one: _Open, ask: Ask) -> None:
        def job() -> _Came:
            came = self._client.play(pages.answer(self._query, one.window, ask.number, ask.size))
            return _PageCame(one, ask, came)

        self._out += 1
        self._executor.submit(job)

    def _submit_count(self, one: _Open, ask: Ask) -> None:
        def job() -> _Came:
            asked_at = self._client.clock.utc()
            came = self._client.play(pages.answer(self._query, one.window, 1, 1))
            if isinstance(came, TooLarge):
                return _CountCame(one, ask, 0, "", asked_at)
            return _CountCame(one, ask, pages.hits(came.decoded), came.correlation_id, asked_at)

        self._out += 1
        self._executor.submit(job)

    def _submit_names(self, kind: Kind, asked: Sequence[str]) -> None:
        self._asking_names.add(kind)
        self._out += 1
        self._executor.submit(lambda: _NamesCame(kind, asked, self._client.play(names.look_up(kind, asked))))

    # What came

    def _take(self, came: _Came) -> None:
        self._out -= 1
        if isinstance(came, _NamesCame):
            self._take_names(came)
        elif isinstance(came, _CountCame):
            came.open.counted_at = came.asked_at
            came.open.reading.counted(came.ask, came.hits, came.correlation_id)
        elif isinstance(came.answer, TooLarge):
            came.open.reading.too_large(came.ask)
            self._page_size = min(self._page_size, max(1, came.ask.size // 2))
        else:
            self._take_page(came.open, came.ask, Digest.of(came.answer))

    def _take_page(self, one: _Open, ask: Ask, digest: Digest) -> None:
        self.pages += 1
        if not one.reading.page_read(ask, digest.ids, digest.total_hits, digest.correlation_id):
            return
        one.pages += bool(digest.facts)
        self._notice(one, digest.oddities)
        wanted = self.names.wanted(pair for facts in digest.facts for pair in tables.ids(facts, self._table))
        held = _Held(one, ask.reading_pass, digest.facts, {(kind, each) for kind in wanted for each in wanted[kind]})
        one.held += 1
        self._held.append(held)
        self._write_named()
        covered = self._covered + sum((each.covered for each in self._open), timedelta())
        self._progress.report(PageRead(self._rows, covered))

    def _take_names(self, came: _NamesCame) -> None:
        self._asking_names.discard(came.kind)
        if isinstance(came.found, Unavailable):
            kinds = f"{names.WORDS[came.kind]}s"
            reason = f"Names of {kinds} cannot be looked up ({came.found.reason}); their ids stand instead."
            self._progress.report(Noticed(reason))
        self.names.learn(came.found, came.asked if came.kind == "users" else ())
        for held in self._held:
            held.wanted = {pair for pair in held.wanted if not self.names.is_settled(*pair)}
        self._write_named()

    def _write_named(self) -> None:
        """Write the pages whose names are known, each window's in the order in which they came; ask for the others'.

        What is written last of a conversation is taken for its newest version, so no page may overtake another.
        """
        behind: set[_Open] = set()
        ready: list[_Held] = []
        waiting: list[_Held] = []
        for held in self._held:
            if held.wanted:
                behind.add(held.open)
            (waiting if held.open in behind else ready).append(held)
        self._held = waiting
        for held in ready:
            held.open.held -= 1
            held.open.part.add(held.reading_pass, self._keyed_rows(held))
        wanted: dict[Kind, dict[str, None]] = {}
        for held in self._held:
            for kind, entity_id in sorted(held.wanted):
                wanted.setdefault(kind, {})[entity_id] = None
        for kind, found in wanted.items():
            if kind not in self._asking_names:
                self._submit_names(kind, list(found)[:IDS_MAX])

    def _keyed_rows(self, held: _Held) -> Iterator[tuple[Key, Row]]:
        """The rows that belong to the window; what was carried in from an earlier one is left to its owner."""
        window, live = held.open.window, held.open.live
        for facts in held.facts:
            if not self._is_owned(facts, window):
                continue
            key = Key(since_epoch_ms(facts.began) if facts.began else 0, id_bytes(facts.conversation_id))
            if not facts.end or key.id in live:
                live.setdefault(key.id, {})[held.reading_pass] = "" if facts.end else facts.conversation_id
            self._rows += 1
            yield key, tables.row(facts, self.names, self._table)

    def _is_owned(self, facts: Facts, window: Interval) -> bool:
        """Whether it belongs to the window; what tells no time at all belongs to the first one that returned it."""
        if facts.began is None:
            return self._timeless.setdefault(facts.conversation_id, window) == window
        return self._query.owns(facts.began, window)

    def _notice(self, one: _Open, oddities: Iterable[Oddity]) -> None:
        for oddity in oddities:
            one.oddities[f"{oddity.kind}: {oddity.field}"] += 1
            seen = any(known.kind == oddity.kind and known.field == oddity.field for known in self.examples)
            if not seen and len(self.examples) < EXAMPLES_MAX:
                self.examples.append(oddity)
                one.examples.append(oddity)
                self._progress.report(Noticed(str(oddity)))

    # What is done

    def _close_windows(self) -> None:
        for one in [one for one in self._open if one.reading.is_done and not one.held]:
            if one.reading.instead is not None:
                self._open.remove(one)
                one.part.discard()
                self._timeless = {each: window for each, window in self._timeless.items() if window != one.window}
                self.examples = [oddity for oddity in self.examples if oddity not in one.examples]  # it will come again
                self._todo.extendleft(reversed(one.reading.instead))
            elif one.reading.verdict is not None:
                self._commit(one, one.reading.verdict)

    def _commit(self, one: _Open, verdict: Verdict) -> None:
        sealed = one.part.seal(verdict.kept_passes)
        without_end = one.without_end(verdict.kept_passes)
        now = self._client.clock.utc()
        entry = Entry(
            interval=str(one.window),
            route="query",
            verdict="proven" if verdict.proven else "unproven",
            reason=verdict.reason,
            hits_before=verdict.hits_before,
            hits_after=verdict.hits_after,
            unique_ids=verdict.unique_ids,
            rows=sealed.rows,
            carried_in=verdict.unique_ids - sealed.rows,
            open=len(without_end),
            open_conversations=without_end,
            re_reads=verdict.passes - 1,
            provisional=is_provisional(one.window, now),
            counted_at=text(one.counted_at or now),
            size_bytes=sealed.size_bytes,
            sha256=sealed.sha256,
            correlation_ids=verdict.correlation_ids,
            oddities=dict(one.oddities),
            timeless=tuple(each for each, window in self._timeless.items() if window == one.window),
            oddity_examples=tuple(one.examples),
            names_unavailable={str(kind): why for kind, why in self.names.unavailable.items()},
        )
        self._open.remove(one)  # first: an interruption discards the parts of what is open
        self._book.commit(entry)
        self._covered += one.window.length
        self._progress.report(WindowClosed(one.window, sealed.rows, verdict.proven, verdict.reason))

    def _stop(self) -> list[Interval]:
        """The pages allowed are used up: keep what was read, unproven; what was not begun is left."""
        unread = [one.window for one in self._open if not one.pages]
        for one in [one for one in self._open if not one.pages]:
            one.part.discard()
            self._open.remove(one)
        for one in self._open:
            one.reading.stop("not read to its end: --max-pages was reached")
        self._close_windows()
        return sorted([*unread, *self._todo], key=lambda window: window.start)
