"""Which conversations a query finds, in which order; any world behind it.

The rule: a conversation is found where its start lies on a UTC day that the interval touches, and it was
alive at some time in the interval. So an interval from noon on also finds what started in the morning and
still lived at noon, but not what started yesterday. Counting and paging use columns of numbers only; a
story is built for what stands on the page, and where a filter asks for more than a sketch knows.

Source: developer.genesys.cloud, analytics detail page ("conversations are stored in daily indexes based on
their start timestamp"); that it must have been alive is older wording of the SDK, and a capture of 2016
agrees. Sorting by segmentStart is sorting by conversationStart, by segmentEnd by conversationEnd: a
simplification.
"""

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from everycall.sandbox.filters import Filters, Verdict
from everycall.sandbox.instants import DAY_MS
from everycall.sandbox.query import Interval, Query, query_of, read_interval
from everycall.sandbox.switches import Switches
from everycall.sandbox.traffic import FOREVER_MS, Sketch
from everycall.sandbox.traffic import Day as MadeDay

REMEMBERED_DAYS = 64
"""How many (filters, day) keep what was found; 4 bytes for each conversation."""

POSITION = (1 << 26) - 1
"""The lowest bits of a `Found.due`."""

REMEMBERED_LENGTHS = 4096
REMEMBERED_CARRIED = 128


class Day(Protocol):
    """The conversations that start on one UTC day, sorted by (start_ms, conversation_id)."""

    @property
    def starts(self) -> Sequence[int]:
        """start_ms of each."""
        ...

    @property
    def ends(self) -> Sequence[int]:
        """end_ms of each."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, at: int, /) -> Sketch: ...


class World(Protocol):
    """What the sandbox serves: a pure function of its seed and the instant that it is asked for."""

    def day(self, day: int) -> Day:
        """The conversations of a UTC day, counted from 1970-01-01."""
        ...

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The complete JSON object as of an instant."""
        ...

    def changes(self, sketch: Sketch) -> Sequence[int]:
        """The instants after its end at which a conversation changes, in order."""
        ...

    def with_attributes(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The same with the attributes of its participants, as the results of jobs have it."""
        ...

    def locate(self, conversation_id: str, now_ms: int) -> Sketch | None:
        """The conversation of an id, unless it has not started yet, or never will."""
        ...

    def days_reaching(self, day: int) -> Iterable[int]:
        """The days before `day`, in order, on which something may have started that still lives on `day`."""
        ...

    def entities(self, kind: str) -> Sequence[dict[str, Any]]:
        """The entities of a kind (`queues`, `users`, ...), deleted ones included and marked."""
        ...

    def members(self, queue_id: str) -> Sequence[str]:
        """The ids of those who belong to a queue; those who joined it first."""
        ...

    def queue_codes(self, queue_id: str) -> Sequence[str]:
        """The ids of a queue's wrap-up codes."""
        ...

    def organization(self) -> dict[str, Any]:
        """The organization's entity."""
        ...


@dataclass(slots=True)
class Found:
    """What filters find on one day, as far as it is known until something changes."""

    as_of_ms: int
    settled: "array[int]"
    """Positions of ended conversations that pass, until they change."""
    open: list[int]
    """Positions that live, or have yet to start, and may pass; asked about anew at each instant."""
    live: list[int] = field(default_factory=list)
    """Those of them that pass at `as_of_ms`."""
    due: "array[int]" = field(default_factory=lambda: array("q"))
    """When ended conversations change next: instant and position as one number, sorted."""


@dataclass(frozen=True, slots=True)
class Run:
    """Positions on one day, in order."""

    day: int
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a client may see, beside what it asks for."""

    division_ids: frozenset[str] | None = None
    unseen: Collection[str] = field(default_factory=frozenset)
    """Conversations that have not reached the index yet."""

    def sees(self, sketch: Sketch) -> bool:
        """Whether the conversation is in one of the divisions."""
        return self.division_ids is None or not self.division_ids.isdisjoint(sketch.division_ids)


EVERYTHING = Scope()


class Store:
    """The conversations of a world, as the API finds them.

    Args:
        world: where they come from.
        now: epoch seconds; a conversation exists from its start on.
        switches: how to behave where no source is known.
    """

    def __init__(self, world: World, now: Callable[[], float], switches: Switches | None = None) -> None:
        self.world = world
        self._now = now
        self.switches = switches or Switches()
        self._found: OrderedDict[tuple[Any, ...], Found] = OrderedDict()
        self._lengths: dict[int, int] = {}
        self._carried: dict[tuple[int, int], list[int]] = {}
        self._overnight: dict[int, tuple[array[int], array[int]]] = {}

    @property
    def now_ms(self) -> int:
        """The instant, in milliseconds since the epoch."""
        return int(self._now() * 1000)

    def conversations(self, interval: str) -> list[dict[str, Any]]:
        """The conversations that started in [start, end), in full, in order of their start, as of now."""
        asked, now_ms = read_interval(interval), self.now_ms
        sketches = chain.from_iterable(self._started(day, asked, now_ms) for day in asked.days())
        return [self.world.conversation(sketch, now_ms) for sketch in sketches]

    def matching(self, interval: str, **body: Any) -> list[dict[str, Any]]:
        """All that a details query finds for the interval, in full and in its order, as of now.

        `body` holds the query's other fields: `matching("...", segmentFilters=[...], order="desc")`.
        """
        now_ms = self.now_ms
        query = query_of({"interval": interval, **body}, self.switches)
        selection = self.select(query, now_ms)
        return [self.world.conversation(sketch, now_ms) for sketch in selection[:]]

    def select(self, query: Query, now_ms: int, scope: Scope = EVERYTHING) -> "Selection":
        """All that the query finds, in its order; to count and to take pages of."""
        runs = [self._kept(self._run(day, query, now_ms, scope), now_ms) for day in self._days(query.interval)]
        if query.order_by in {"conversationEnd", "segmentEnd"}:
            runs = self._by_end(runs, now_ms)
        return Selection(self.world, runs, is_reversed=query.order == "desc")

    def select_overlapping(
        self, query: Query, as_of_ms: int, scope: Scope = EVERYTHING, *, only_by_start_day: bool = False
    ) -> "Selection":
        """What a job finds at an instant: what was alive in the interval, however long ago it started.

        Nothing of it is remembered here, since a job looks at each conversation once.
        """
        days = self._days(query.interval)
        reach = self._reach(query.interval) if only_by_start_day else query.interval
        earlier = [] if only_by_start_day else self.world.days_reaching(days.start)
        runs = [Run(day, self._living_on(day, query.interval.start_ms)) for day in earlier]
        runs += [Run(day, self._alive(day, reach, as_of_ms)) for day in days]
        runs = [self._kept(run, as_of_ms) for run in runs]
        runs = [Run(run.day, self._sifted(run, query, as_of_ms, scope)) for run in runs if run.positions]
        if query.order_by in {"conversationEnd", "segmentEnd"}:
            runs = self._by_end(runs, as_of_ms)
        return Selection(self.world, runs, is_reversed=query.order == "desc")

    def find(self, conversation_id: str, now_ms: int, scope: Scope = EVERYTHING) -> Sketch | None:
        """The conversation of an id, if it has shown up and may be seen."""
        sketch = self.world.locate(conversation_id, self._shown_ms(now_ms))
        if sketch is None or sketch.conversation_id in scope.unseen or sketch.start_ms < self._kept_since_ms(now_ms):
            return None
        return sketch if scope.sees(sketch) else None

    def _shown_ms(self, now_ms: int) -> int:
        """What started until then has shown up by now."""
        return now_ms - int(self.switches.ingestion_delay_s * 1000)

    def _kept_since_ms(self, now_ms: int) -> int:
        """What started earlier has been deleted by now."""
        return now_ms - self.switches.retention_days * DAY_MS if self.switches.retention_days else 0

    def _kept(self, run: Run, now_ms: int) -> Run:
        """A run without what has been deleted by now."""
        since_ms = self._kept_since_ms(now_ms)
        if since_ms <= run.day * DAY_MS:
            return run
        low = bisect_left(self.world.day(run.day).starts, since_ms)
        return Run(run.day, run.positions[bisect_left(run.positions, low) :])

    def _living_on(self, day: int, instant_ms: int) -> Sequence[int]:
        """The positions of a day's conversations that still lived at an instant on a later day."""
        overnight = self._overnight.get(day)
        if overnight is None:
            if len(self._overnight) >= REMEMBERED_LENGTHS:
                self._overnight.clear()
            ends, midnight = self.world.day(day).ends, (day + 1) * DAY_MS
            positions = [at for at in range(len(ends)) if ends[at] >= midnight]
            overnight = self._overnight[day] = (array("I", positions), array("q", [ends[at] for at in positions]))
        return array("I", [at for at, end_ms in zip(*overnight, strict=True) if end_ms >= instant_ms])

    def _sifted(self, run: Run, query: Query, as_of_ms: int, scope: Scope) -> Sequence[int]:
        """Those of a run that pass the query's filters and may be seen."""
        if not query.filters and scope == EVERYTHING:
            return run.positions
        sketches = self.world.day(run.day)
        return array(
            "I",
            [
                at
                for at in run.positions
                if scope.sees(sketch := sketches[at])
                and sketch.conversation_id not in scope.unseen
                and self._passes(sketch, as_of_ms, query.filters, query.filters.glance(sketch, as_of_ms))
            ],
        )

    def _days(self, interval: Interval) -> range:
        return interval.days(touches_end=self.switches.end_at_midnight_touches_next_day)

    def _run(self, day: int, query: Query, now_ms: int, scope: Scope) -> Run:
        interval = self._reach(query.interval)
        positions: Sequence[int]
        if query.filters or scope.division_ids is not None:
            positions = self._filtered(day, interval, now_ms, query.filters, scope.division_ids)
        else:
            positions = self._alive(day, interval, now_ms)
        if scope.unseen:
            sketches = self.world.day(day)
            positions = [at for at in positions if sketches[at].conversation_id not in scope.unseen]
        return Run(day, positions)

    def _reach(self, interval: Interval) -> Interval:
        """The interval in which a conversation must have been alive."""
        if self.switches.match == "day":
            days = self._days(interval)
            return Interval(days.start * DAY_MS, days.stop * DAY_MS)
        ends_at_midnight = interval.end_ms % DAY_MS == 0
        is_closed = ends_at_midnight and self.switches.end_at_midnight_touches_next_day
        return Interval(interval.start_ms, interval.end_ms + is_closed)

    def _alive(self, day: int, interval: Interval, now_ms: int) -> Sequence[int]:
        """The positions of a day's conversations that have shown up by now and were alive in the interval."""
        now_ms = self._shown_ms(now_ms)
        if interval.start_ms <= day * DAY_MS and min(interval.end_ms, now_ms) >= (day + 1) * DAY_MS:
            return range(self._length(day))
        sketches = self.world.day(day)
        low = bisect_left(sketches.starts, interval.start_ms)
        high = bisect_left(sketches.starts, min(interval.end_ms, now_ms + 1))
        if low == 0 or now_ms < interval.start_ms:
            return range(low, max(low, high))
        carried_in = self._carried_in(day, interval.start_ms, low)
        return [*carried_in, *range(low, high)] if carried_in else range(low, high)

    def _carried_in(self, day: int, start_ms: int, low: int) -> list[int]:
        """What started on the day before an instant and still lived then; asked once the instant has come."""
        key = day, start_ms
        carried_in = self._carried.get(key)
        if carried_in is None:
            if len(self._carried) >= REMEMBERED_CARRIED:
                self._carried.clear()
            ends = self.world.day(day).ends
            carried_in = self._carried[key] = [at for at in range(low) if ends[at] >= start_ms]
        return carried_in

    def _length(self, day: int) -> int:
        length = self._lengths.get(day)
        if length is None:
            if len(self._lengths) >= REMEMBERED_LENGTHS:
                self._lengths.clear()
            length = self._lengths[day] = len(self.world.day(day))
        return length

    def _filtered(
        self,
        day: int,
        interval: Interval,
        now_ms: int,
        filters: Filters,
        division_ids: frozenset[str] | None,
    ) -> Sequence[int]:
        found = self._find(day, now_ms, filters, division_ids)
        alive = self._alive(day, interval, now_ms)
        passed = sorted(chain(found.settled, found.live)) if found.live else found.settled
        if isinstance(alive, range):
            return passed[bisect_left(passed, alive.start) : bisect_left(passed, alive.stop)]
        wanted = set(alive)
        return [at for at in passed if at in wanted]

    def _find(self, day: int, now_ms: int, filters: Filters, division_ids: frozenset[str] | None) -> Found:
        key = (filters.key, filters.conversation_metric, division_ids, day)
        found = self._found.get(key)
        if found is None or found.as_of_ms > now_ms:
            candidates = self._candidates(day, filters, division_ids)
            found = self._found[key] = Found(-1, array("I"), candidates)
            while len(self._found) > REMEMBERED_DAYS:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        if found.as_of_ms < now_ms:
            self._settle(day, now_ms, filters, found)
        return found

    def _candidates(self, day: int, filters: Filters, division_ids: frozenset[str] | None) -> list[int]:
        """The positions that may pass at some time."""
        sketches = self.world.day(day)
        # A recording may hold one id twice; here an id says where its only conversation stands.
        ids = filters.conversation_ids() if isinstance(sketches, MadeDay) else None
        return [
            at
            for at in (range(len(sketches)) if ids is None else self._positions(day, ids))
            if filters.glance(sketch := sketches[at]) is not False
            and (division_ids is None or not division_ids.isdisjoint(sketch.division_ids))
        ]

    def _positions(self, day: int, ids: Iterable[str]) -> list[int]:
        """Where some conversations stand on a day, without a look at the others."""
        sketches, found = self.world.day(day), set[int]()
        for sketch in (self.world.locate(conversation_id, (day + 1) * DAY_MS) for conversation_id in ids):
            if sketch is None:
                continue
            low, high = (side(sketches.starts, sketch.start_ms) for side in (bisect_left, bisect_right))
            found |= {at for at in range(low, high) if sketches[at].conversation_id == sketch.conversation_id}
        return sorted(found)

    def _settle(self, day: int, now_ms: int, filters: Filters, found: Found) -> None:
        """Brings what was found up to an instant: asks about what has started, lived or changed since."""
        sketches = self.world.day(day)
        started = bisect_left(found.open, self._shown_ms(now_ms) + 1, key=sketches.starts.__getitem__)
        changed = bisect_left(found.due, due(day, now_ms + 1, 0))
        again = [*found.open[:started], *(code & POSITION for code in found.due[:changed])]
        del found.due[:changed]
        found.open[:started] = [at for at in found.open[:started] if sketches.ends[at] > now_ms]
        found.live.clear()
        coming = [code for at in again if (code := self._ask(day, at, now_ms, filters, found))]
        if coming:
            found.due = array("q", sorted([*found.due, *coming]))
        found.as_of_ms = now_ms

    def _ask(self, day: int, at: int, now_ms: int, filters: Filters, found: Found) -> int:
        """Puts a conversation where it belongs; returns when to ask again, or 0 where that is never or always."""
        sketch = self.world.day(day)[at]
        verdict = filters.glance(sketch, now_ms)
        passes = self._passes(sketch, now_ms, filters, verdict)
        if sketch.end_ms > now_ms:
            if passes:
                found.live.append(at)
            return 0
        place = bisect_left(found.settled, at)
        is_kept = place < len(found.settled) and found.settled[place] == at
        if passes and not is_kept:
            found.settled.insert(place, at)
        if is_kept and not passes:
            del found.settled[place]
        changes = () if verdict is not None else self.world.changes(sketch)
        return next((due(day, change_ms, at) for change_ms in changes if change_ms > now_ms), 0)

    def _passes(self, sketch: Sketch, now_ms: int, filters: Filters, verdict: Verdict) -> bool:
        return filters.hold(self.world.conversation(sketch, now_ms)) if verdict is None else verdict

    def _by_end(self, runs: Iterable[Run], now_ms: int) -> list[Run]:
        """The same positions by conversationEnd; what lives comes last, by its start."""
        keyed = []
        for run in runs:
            sketches = self.world.day(run.day)
            for at in run.positions:
                end_ms = sketches.ends[at]
                keyed.append((end_ms if end_ms <= now_ms else FOREVER_MS, run.day, at))
        keyed.sort()
        return [Run(day, (at,)) for _, day, at in keyed]

    def _started(self, day: int, interval: Interval, now_ms: int) -> list[Sketch]:
        sketches = self.world.day(day)
        low = bisect_left(sketches.starts, max(interval.start_ms, self._kept_since_ms(now_ms)))
        high = bisect_left(sketches.starts, min(interval.end_ms, self._shown_ms(now_ms) + 1))
        return [sketches[at] for at in range(low, high)]


class Selection:
    """What a query finds, in its order: `len()` counts, a slice gives sketches."""

    def __init__(self, world: World, runs: Sequence[Run], *, is_reversed: bool) -> None:
        self._world = world
        self._runs = runs
        self._is_reversed = is_reversed
        self._length = sum(len(run.positions) for run in runs)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, page: slice) -> list[Sketch]:
        start, stop, _ = page.indices(self._length)
        if not self._is_reversed:
            return self._forward(start, stop)
        return self._forward(self._length - stop, self._length - start)[::-1]

    def shifting_ties(self, page: slice, salt: int) -> list[Sketch]:
        """The page, where conversations of one start stand in an order that depends on `salt`."""
        start, stop, _ = page.indices(self._length)
        before, after = start, stop
        while before > 0 and self._start(before - 1) == self._start(start):
            before -= 1
        while stop > 0 and after < self._length and self._start(after) == self._start(stop - 1):
            after += 1
        wider = self[before:after]
        direction = -1 if self._is_reversed else 1
        wider.sort(key=lambda sketch: (direction * sketch.start_ms, shuffled(sketch.conversation_id, salt)))
        return wider[start - before : stop - before]

    def _start(self, at: int) -> int:
        return self[at : at + 1][0].start_ms if at < self._length else -1

    def _forward(self, start: int, stop: int) -> list[Sketch]:
        sketches: list[Sketch] = []
        for run in self._runs:
            if stop <= 0:
                break
            wanted = run.positions[max(start, 0) : stop]
            if wanted:
                day = self._world.day(run.day)
                sketches.extend(day[at] for at in wanted)
            start -= len(run.positions)
            stop -= len(run.positions)
        return sketches


def due(day: int, instant_ms: int, at: int) -> int:
    """When a conversation of a day changes, as a number that sorts by the instant; 0 is never."""
    return max(0, instant_ms - day * DAY_MS) << 26 | at


def shuffled(conversation_id: str, salt: int) -> bytes:
    """A sort key that has nothing to do with the id's order."""
    return hashlib.blake2b(f"{salt} {conversation_id}".encode(), digest_size=8).digest()
