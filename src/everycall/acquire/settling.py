"""Windows that are read, and what they returned that is not theirs. Pure.

A conversation belongs to the window in which it started. What a window returns beyond that is left to its owner - and
has to be among the owner's ids. What is not there, or starts where the window cannot have found it, is a *stray*: its
start's own day is asked for it once, by a filter on its id. If that day has it, it belongs there; if not, it is kept in
the window that returned it, once in the whole export.

So a window *settles* once every window that it left something to is read, and its strays are decided.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from everycall.acquire.part import Kept, Part
from everycall.acquire.proof import ID_BYTES, Verdict
from everycall.api.oddities import Oddity
from everycall.api.query import Interval, Query
from everycall.instants import DAY, EPOCH, MILLISECOND, since_epoch_ms, start_of_day

STRAYS_MAX = 20
"""Ours: a window with more strays than this is not asked about them, and not proven."""

PLAUSIBLE_FROM_MS = since_epoch_ms(datetime(2010, 1, 1, tzinfo=UTC))
"""The vendor's cloud was launched after this: an earlier start is no date."""


@dataclass(slots=True)
class StrayRow:
    """A conversation that none of the export's windows owns so far."""

    id: bytes
    conversation_id: str
    start: str | None
    """conversationStart as the API sent it."""
    start_ms: int | None
    has_end: bool
    day_has_it: bool | None = None
    """Whether the day of its start returns it; None while that is not known."""

    def day(self, now: datetime) -> Interval | None:
        """The UTC day to ask for it; None where its start is no plausible date."""
        if self.start_ms is None or not PLAUSIBLE_FROM_MS <= self.start_ms < since_epoch_ms(now + DAY):
            return None
        midnight = start_of_day(EPOCH + self.start_ms * MILLISECOND)
        return Interval(midnight, midnight + DAY)


@dataclass(slots=True)
class ReadWindow:
    """A window that has its verdict, until it is settled."""

    window: Interval
    route: str
    part: Part
    verdict: Verdict
    counted_at: datetime
    owned: bytes
    """Ids of the conversations that start in it, sorted."""
    open_ids: tuple[str, ...]
    """conversationIds of those of them without an end."""
    others: tuple[Kept, ...]
    """What it returned and does not own."""
    texts: dict[bytes, tuple[str, str | None]]
    """Of the others: conversationId and conversationStart as the API sent them."""
    unreadable: tuple[Oddity, ...] = ()
    """Conversations without a readable id, the first of them."""
    strays: list[StrayRow] | None = None
    """What is to be decided; None while an owner is not read yet."""
    is_asking: bool = False


Owner: TypeAlias = Interval | Literal["outside", "not read"]


@dataclass(slots=True)
class Ownership:
    """Which window of the export owns what."""

    query: Query
    ids_of: Callable[[Interval], bytes | None]
    """The ids that a window owns, sorted; None where they are not known (a repair took the window over)."""
    _starts: list[datetime] = field(default_factory=list)
    _windows: list[Interval] = field(default_factory=list)

    def add(self, window: Interval) -> None:
        """The window is read: its ids are known."""
        at = bisect_right(self._starts, window.start)
        self._starts.insert(at, window.start)
        self._windows.insert(at, window)

    def remove(self, window: Interval) -> None:
        """The window will be read again."""
        at = self._windows.index(window)
        del self._starts[at], self._windows[at]

    def owner(self, start_ms: int) -> Owner:
        """The window in which a conversation that starts then belongs."""
        start = EPOCH + self.query.belongs_at(start_ms) * MILLISECOND
        if not self.query.interval.start <= start < self.query.interval.end:
            return "outside"
        at = bisect_right(self._starts, start) - 1
        if at >= 0 and self._windows[at].start <= start < self._windows[at].end:
            return self._windows[at]
        return "not read"

    def unaccounted(self, others: Iterable[Kept], *, at_the_end: bool) -> list[Kept] | None:
        """Those whose owner does not have them; None where an owner is not read yet.

        Args:
            others: what a window returned and does not own.
            at_the_end: whether windows that are not read yet will not be.
        """
        found: list[Kept] = []
        ids: dict[Interval, bytes | None] = {}
        for one in others:
            owner: Owner = "outside" if one.start_ms is None else self.owner(one.start_ms)
            if owner == "not read":
                if not at_the_end:
                    return None
            elif owner == "outside":
                found += [one] if one.place == "foreign" else []
            else:
                if owner not in ids:
                    ids[owner] = self.ids_of(owner)
                known = ids[owner]
                found += [one] if known is not None and not contains(known, one.id) else []
        return found


def contains(ids: bytes, id_: bytes) -> bool:
    """Whether the sorted ids hold this one."""
    low, high = 0, len(ids) // ID_BYTES
    while low < high:
        middle = (low + high) // 2
        found = ids[middle * ID_BYTES : (middle + 1) * ID_BYTES]
        if found == id_:
            return True
        low, high = (middle + 1, high) if found < id_ else (low, middle)
    return False


def with_ids(ids: bytes, more: Iterable[bytes]) -> bytes:
    """The sorted ids together with some more."""
    extra = [id_ for id_ in more if not contains(ids, id_)]
    if not extra:
        return ids
    return b"".join(sorted([*(ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)), *extra]))


def without_ids(ids: bytes, fewer: frozenset[bytes]) -> bytes:
    """The sorted ids but for some of them."""
    if not fewer:
        return ids
    each = (ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))
    return b"".join(id_ for id_ in each if id_ not in fewer)


def owned_twice(windows: Sequence[Interval], ids_of: Callable[[Interval], bytes | None]) -> dict[bytes, list[Interval]]:
    """Ids that more than one window owns, with those windows.

    Ids are compared in sixteen lots, so that memory holds a sixteenth of them as objects.
    """
    found: dict[bytes, list[Interval]] = {}
    for lot in range(16):
        first: dict[bytes, int] = {}
        for number, window in enumerate(windows):
            for id_ in _lot(ids_of(window) or b"", lot):
                if id_ not in first:
                    first[id_] = number
                else:
                    found.setdefault(id_, [windows[first[id_]]]).append(window)
    return found


def _lot(ids: bytes, lot: int) -> Iterable[bytes]:
    """The sorted ids whose first four bits are this number."""
    low, high = _first(ids, bytes([lot << 4])), _first(ids, bytes([(lot + 1) << 4])) if lot < 15 else len(ids)
    return (ids[at : at + ID_BYTES] for at in range(low, high, ID_BYTES))


def _first(ids: bytes, prefix: bytes) -> int:
    """Offset of the first id that is not below the prefix."""
    low, high = 0, len(ids) // ID_BYTES
    while low < high:
        middle = (low + high) // 2
        if ids[middle * ID_BYTES : (middle + 1) * ID_BYTES] < prefix:
            low = middle + 1
        else:
            high = middle
    return low * ID_BYTES
