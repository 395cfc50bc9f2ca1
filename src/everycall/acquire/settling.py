"""Settles windows: checks that the conversations which a window leaves to other windows are there. Pure.

A conversation belongs to the window in which it started: its owner. A window leaves other conversations to their
owners, whose ids have to contain them. A conversation that is missing there, or that starts where the window cannot
have found it, is a *stray*. The day of its start is then asked for it once, by a filter on its id. If that day has it,
it belongs there; if not, the window that returned it keeps it, once in the whole export.

If many are missing, the readings of their owners were wrong, and the owners are read again, once.

A window *settles* once all owners of its other conversations are read, and its strays are decided.
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
"""Ours: of more strays, the owners are read again; a window that still has more is unproven, and none is asked for."""

PLAUSIBLE_FROM_MS = since_epoch_ms(datetime(2010, 1, 1, tzinfo=UTC))
"""The vendor's cloud was launched later: an earlier start is not plausible."""


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
    """Whether the day of its start returns it; None while unknown."""

    def day(self, now: datetime) -> Interval | None:
        """The UTC day to ask for it; None if its start is not a plausible date."""
        if self.start_ms is None or not PLAUSIBLE_FROM_MS <= self.start_ms < since_epoch_ms(now + DAY):
            return None
        midnight = start_of_day(EPOCH + self.start_ms * MILLISECOND)
        return Interval(midnight, midnight + DAY)


@dataclass(slots=True)
class ReadWindow:
    """A window with a verdict that is not settled yet."""

    window: Interval
    route: str
    part: Part
    verdict: Verdict
    counted_at: datetime
    owned: bytes
    """Ids of the conversations that start in it, sorted."""
    open_ids: tuple[str, ...]
    """conversationIds of its own conversations without an end."""
    others: tuple[Kept, ...]
    """The conversations that it returned and does not own."""
    texts: dict[bytes, tuple[str, str | None]]
    """conversationId and conversationStart of `others`, as the API sent them."""
    unreadable: tuple[Oddity, ...] = ()
    """The first conversations without a readable id."""
    strays: list[StrayRow] | None = None
    """The strays to decide; None while an owner is not read yet."""
    is_asking: bool = False
    incomplete: frozenset[Interval] = frozenset()
    """Windows that lack many of its other conversations, and have to be read again before it can settle."""


Owner: TypeAlias = Interval | Literal["outside", "not read"]


@dataclass(slots=True)
class Ownership:
    """The owner of each conversation of an export."""

    query: Query
    ids_of: Callable[[Interval], bytes | None]
    """Returns the ids that a window owns, sorted; None if they are not known (a repair took the window over)."""
    _starts: list[datetime] = field(default_factory=list)
    _windows: list[Interval] = field(default_factory=list)

    def add(self, window: Interval) -> None:
        """Add a window that is read."""
        at = bisect_right(self._starts, window.start)
        self._starts.insert(at, window.start)
        self._windows.insert(at, window)

    def remove(self, window: Interval) -> None:
        """Remove a window that will be read again."""
        at = self._windows.index(window)
        del self._starts[at], self._windows[at]

    def owner(self, start_ms: int) -> Owner:
        """The window to which a conversation with that start belongs."""
        start = EPOCH + self.query.belongs_at(start_ms) * MILLISECOND
        if not self.query.interval.start <= start < self.query.interval.end:
            return "outside"
        at = bisect_right(self._starts, start) - 1
        if at >= 0 and self._windows[at].start <= start < self._windows[at].end:
            return self._windows[at]
        return "not read"

    def unaccounted(self, others: Iterable[Kept], *, at_the_end: bool) -> list[Kept] | None:
        """The conversations that their owner does not have; None if an owner is not read yet.

        Args:
            others: conversations that a window returned and does not own.
            at_the_end: whether no more windows will be read.
        """
        found: list[Kept] = []
        ids: dict[Interval, bytes | None] = {}
        for conversation in others:
            owner: Owner = "outside" if conversation.start_ms is None else self.owner(conversation.start_ms)
            if owner == "not read":
                if not at_the_end:
                    return None
            elif owner == "outside":
                if conversation.place == "foreign":
                    found.append(conversation)
            else:
                if owner not in ids:
                    ids[owner] = self.ids_of(owner)
                owned = ids[owner]
                if owned is not None and not contains(owned, conversation.id):
                    found.append(conversation)
        return found


def contains(ids: bytes, id_: bytes) -> bool:
    """Whether the sorted ids contain this one, by bisection."""
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
    """The sorted ids without some of them."""
    if not fewer:
        return ids
    single = (ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))
    return b"".join(id_ for id_ in single if id_ not in fewer)


def owned_twice(windows: Sequence[Interval], ids_of: Callable[[Interval], bytes | None]) -> dict[bytes, list[Interval]]:
    """Ids that more than one window owns, with those windows.

    Ids are compared in sixteen lots, so that only a sixteenth of them is in memory as objects.
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
    """The offset of the first id that is not below the prefix, by bisection."""
    low, high = 0, len(ids) // ID_BYTES
    while low < high:
        middle = (low + high) // 2
        if ids[middle * ID_BYTES : (middle + 1) * ID_BYTES] < prefix:
            low = middle + 1
        else:
            high = middle
    return low * ID_BYTES
