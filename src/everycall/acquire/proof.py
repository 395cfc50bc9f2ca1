"""Proves a window: compares the ids of its pages with the API's count, and reads it again if they do not match. Pure.

A `Reading` is the state machine of one window. It returns the next pages to request, several at a time, takes their
answers in any order, and ends with a `Verdict`, or with other windows to read in its place.

    page 1 has the hits -> all other pages, and the one after the last, which has to be empty -> the count again

The window is *proven* if the count is the same before, during and after, and equals the number of unique ids. If not,
the window is read again, at most `PASSES_MAX` times and only while that may help. Either a whole pass matches its
count, and that pass alone is kept; or all passes together match it, and the newest version of each conversation is
kept. Otherwise the verdict is *unproven*, with the numbers.

Guarantee: as long as conversations only arrive and the count is correct, a proven window has exactly the conversations
that existed at its final count. Two cases change no count, and are not noticed: a conversation is deleted while another
arrives on a page that was already read; or, if passes are combined, a deleted conversation makes up for a missing one.

An answer to a pass that was given up changes nothing.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from everycall.acquire.packed import count_distinct
from everycall.acquire.windows import split
from everycall.api.limits import HITS_MAX, PAGE_SIZE_MAX, PASSES_MAX, WINDOW_HITS_DEFAULT
from everycall.api.query import Interval

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class PageAsk:
    """One request of a reading: a page, or the count."""

    kind: Literal["page", "count"]
    number: int
    """Page number from 1; 0 for a count."""
    size: int
    reading_pass: int
    """The pass it belongs to, from 1."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a window is proven, with the numbers behind it."""

    proven: bool
    hits_before: int
    """The API's count on the first page of the last pass."""
    hits_after: int
    """The API's count after its last page."""
    unique_ids: int
    """Different conversations in what is kept."""
    passes: int
    """How often the window was read; more than 1 if the first pass did not match."""
    kept_passes: tuple[int, ...]
    """The passes whose conversations are kept; of a conversation in several passes, the newest version."""
    correlation_ids: tuple[str, ...]
    """Those of the two counts, for the vendor's support."""
    reason: str = ""
    """Why it is unproven, for the user; empty if it is proven."""


@dataclass(slots=True)
class _Pass:
    """One pass through the pages of the window."""

    number: int
    ids: bytearray = field(default_factory=bytearray)
    hits_before: int | None = None
    moved: bool = False
    next_page: int = 1
    last_page: int = 1
    in_flight: set[int] = field(default_factory=set)
    counting: bool = False
    hits_after: int | None = None
    correlation_ids: tuple[str, ...] = ()


class Reading:
    """One window on its way from the first page to the verdict."""

    def __init__(
        self,
        window: Interval,
        *,
        page_size: int = PAGE_SIZE_MAX,
        hits_max: int = WINDOW_HITS_DEFAULT,
        passes_max: int = PASSES_MAX,
    ) -> None:
        """Nothing is asked yet.

        Args:
            window: short enough for one question.
            page_size: at most 100.
            hits_max: a window of several days that holds more is split.
            passes_max: how often to read before giving up.
        """
        self.window = window
        self.verdict: Verdict | None = None
        """Set once the window is done."""
        self.instead: list[Interval] | None = None
        """Set where these windows have to be read in place of this one."""
        self._page_size = page_size
        self._hits_max = hits_max
        self._passes_max = passes_max
        self._passes = 0
        self._earlier: list[_Pass] = []
        self._pass = _Pass(1)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self.verdict is not None or self.instead is not None

    @property
    def hits(self) -> int | None:
        """The API's count, once the first page has come."""
        return self._pass.hits_before

    @property
    def wants_count(self) -> bool:
        """Whether all pages came, so that the next request is the count."""
        now = self._pass
        return not (self.is_done or now.counting or now.in_flight) and now.next_page > now.last_page

    def next_ask(self) -> PageAsk | None:
        """The next request; None if an answer has to come first, or if the reading is done."""
        now = self._pass
        if self.is_done or now.counting:
            return None
        if now.next_page <= now.last_page:
            number = now.next_page
            now.next_page += 1
            now.in_flight.add(number)
            return PageAsk("page", number, self._page_size, now.number)
        if not self.wants_count:
            return None
        now.counting = True
        return PageAsk("count", 0, 1, now.number)

    def page_read(self, ask: PageAsk, ids: bytes, total_hits: int | None, correlation_id: str = "") -> bool:
        """A page came: its conversations' ids, 16 bytes each, and the count on it, None where it has none.

        Returns:
            Whether the page counts. Its rows must be left out where not: its pass was given up.
        """
        now = self._pass
        if ask.reading_pass != now.number or self.is_done:
            return False
        now.in_flight.discard(ask.number)
        is_new = bool(ids) and self._brings_new(ask, ids)
        now.ids += ids
        if ask.number == 1:
            self._first_page(len(ids) // ID_BYTES, total_hits, correlation_id)
        else:
            says_count = total_hits is not None and (bool(ids) or total_hits > 0)  # an empty page may say 0
            now.moved |= says_count and total_hits != now.hits_before
            if is_new:
                self._extend(ask.number + 1)
        return not self.is_done

    def _brings_new(self, ask: PageAsk, ids: bytes) -> bool:
        """Whether it is worth to ask on after a page: not where it lies beyond the count and repeats what came before.

        A server that ignores the page number would give page 1 for ever. Nothing is lost by it: a window is proven only
        where as many different ids came as the count says.
        """
        now = self._pass
        if ask.number <= -(-(now.hits_before or 0) // self._page_size):
            return True
        return distinct(now.ids + ids) > distinct(now.ids)

    def _first_page(self, rows: int, total_hits: int | None, correlation_id: str) -> None:
        now = self._pass
        now.hits_before = total_hits if total_hits is not None else rows
        now.correlation_ids = (correlation_id,) if correlation_id else ()
        pieces = split(self.window, now.hits_before, self._hits_max)
        if pieces != [self.window]:
            self.instead = pieces
        elif rows:
            self._extend(-(-now.hits_before // self._page_size) + 1)

    def _extend(self, number: int) -> None:
        """Request pages up to this one, within the API's limit."""
        self._pass.last_page = max(self._pass.last_page, min(number, HITS_MAX // self._page_size))

    def too_large(self, ask: PageAsk) -> None:
        """The answer would have been too large: start over with smaller pages. It does not count as a pass."""
        if ask.reading_pass == self._pass.number and not self.is_done:
            self._page_size = max(1, min(self._page_size, ask.size) // 2)
            self._pass = _Pass(self._pass.number + 1)

    def counted(self, ask: PageAsk, total_hits: int, correlation_id: str = "") -> None:
        """Take the count after the last page."""
        now = self._pass
        if ask.reading_pass != now.number or self.is_done:
            return
        self._passes += 1
        now.hits_after = total_hits
        now.correlation_ids += (correlation_id,) if correlation_id else ()
        self.verdict = self._judge(now, total_hits)
        if self.verdict is None:
            self._earlier.append(now)
            self._pass = _Pass(now.number + 1)

    def _judge(self, now: _Pass, hits_after: int) -> Verdict | None:
        """The verdict, or None where reading again may help."""
        before = now.hits_before or 0
        steady = before == hits_after and not now.moved
        unique = distinct(now.ids)
        if steady and unique == hits_after:
            return self._verdict(now, hits_after, unique, (now.number,))
        everything = b"".join(past.ids for past in [*self._earlier, now])
        together = distinct(everything)
        kept = tuple(past.number for past in [*self._earlier, now])
        if steady and together == hits_after:
            return self._verdict(now, hits_after, together, kept)
        futile = bool(self._earlier) and steady and together == distinct(self._earlier[-1].ids) == unique
        if self._passes < self._passes_max and not futile:
            return None
        counts = f"the API counted {before:,} before and {hits_after:,} after"
        if min(before, hits_after) < 0:
            counts = "the API's count cannot be read"
        reason = f"{counts}, but {together:,} different ones came"
        return self._verdict(now, hits_after, together, kept, reason)

    def _verdict(self, now: _Pass, hits_after: int, unique: int, kept: tuple[int, ...], reason: str = "") -> Verdict:
        before = now.hits_before or 0
        return Verdict(not reason, before, hits_after, unique, self._passes, kept, now.correlation_ids, reason)

    def stop(self, reason: str) -> None:
        """End the reading: the window is unproven, and what was read is kept."""
        if self.is_done:
            return
        passes = list(self._earlier)
        if self._pass.hits_before is not None or not passes:  # otherwise the present pass has no page yet
            passes.append(self._pass)
            self._passes += 1
        last = passes[-1]
        hits_after = last.hits_after if last.hits_after is not None else last.hits_before or 0
        unique = distinct(b"".join(past.ids for past in passes))
        self.verdict = self._verdict(last, hits_after, unique, tuple(past.number for past in passes), reason)


def distinct(ids: bytes | bytearray) -> int:
    """How many different ids there are; `ids` holds 16 bytes each."""
    return count_distinct(ids, ID_BYTES)


def id_bytes(conversation_id: str) -> bytes:
    """16 bytes that stand for an id: those of the UUID, or a hash of what is none."""
    try:
        plain = bytes.fromhex(conversation_id.replace("-", ""))
    except ValueError:
        plain = b""
    return plain if len(plain) == ID_BYTES else blake2b(conversation_id.encode(), digest_size=ID_BYTES).digest()
