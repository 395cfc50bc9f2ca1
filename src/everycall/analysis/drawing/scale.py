"""Where an instant stands in a picture: a linear scale from which long gaps are cut. Pure.

A conversation can last days and have segments of seconds. Between two times at which something starts, ends or is
emitted lies a *stretch*. A stretch is idle if nobody but the customer takes part in it, or if it is parked. Idle
stretches that are long beside the rest are cut, and so are stretches that dwarf everything else. Each cut takes a small
fixed width, and everything that is drawn states where the cuts are and how long.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice, pairwise
from math import ceil

from everycall.analysis.timeline import Look, Timeline, things
from everycall.instants import SECOND, local

CUT_SHARE, CUTS_SHARE_MAX = 0.06, 0.4
"""The width of one cut, and of all cuts together at most, of the whole width."""

IDLE_MIN, BUSY_MIN = timedelta(minutes=5), timedelta(hours=2)
"""Shorter stretches are never cut: idle ones, and those in which somebody is at work."""

IDLE_FACTOR, BUSY_FACTOR = 0.25, 8
"""An idle stretch is cut if it is longer than this share of all that is busy; a busy one, if it is so many times as
long as everything shorter together."""

_IDLE: frozenset[Look] = frozenset(("customer", "parked"))

OPEN_SHARE = 0.2
"""The width at the right end in which bars that go on run out: nobody knows how long they will be."""

STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Distances of ticks, in seconds."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time between two events, and where it is drawn."""

    start: datetime
    end: datetime
    is_cut: bool
    left: float
    """From 0 to 1."""
    right: float

    @property
    def length(self) -> timedelta:
        """How long it takes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Scale:
    """The stretches of a time line, from left to right; none if nothing has a time."""

    stretches: tuple[Stretch, ...]

    def x(self, at: datetime) -> float:
        """The position of an instant, from 0 to 1; instants outside stand at the ends."""
        if not self.stretches:
            return 0.0
        found = bisect_right(self.stretches, at, key=lambda one: one.start) - 1
        one = self.stretches[max(0, found)]
        share = (at - one.start) / one.length if one.length else 0.0
        return one.left + (one.right - one.left) * min(1.0, max(0.0, share))

    @property
    def cuts(self) -> tuple[Stretch, ...]:
        """The stretches that are cut."""
        return tuple(one for one in self.stretches if one.is_cut)

    @property
    def runs(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the times between the cuts."""
        start: datetime | None = None
        for one in self.stretches:
            if one.is_cut:
                if start is not None:
                    yield start, one.start
                start = None
            elif start is None:
                start = one.start
        if start is not None:
            yield start, self.stretches[-1].end

    def ticks(self, most: int, zone: tzinfo) -> list[datetime]:
        """Round times on the clocks of a zone, about as many as asked for, none within a cut."""
        busy_s = sum((one.length for one in self.stretches if not one.is_cut), timedelta()) / SECOND
        step_s = next((one for one in STEPS_S if busy_s / one <= most), STEPS_S[-1] * ceil(busy_s / most / STEPS_S[-1]))
        ticks = (tick for start, end in self.runs for tick in _round_times(start, end, step_s, zone))
        return list(islice(ticks, 4 * most))  # each run may have one more than its share


def scale(timeline: Timeline) -> Scale:
    """The scale of a time line."""
    instants = timeline.instants
    pairs = list(pairwise(instants))
    cut = _cut(pairs, _busy(timeline, pairs))
    width = 1.0 - (OPEN_SHARE if timeline.is_open else 0.0)
    cuts = sum(cut)
    of_cut = min(CUT_SHARE, CUTS_SHARE_MAX / cuts) if cuts else 0.0
    lengths = [0.0 if is_cut else (end - start) / SECOND for (start, end), is_cut in zip(pairs, cut, strict=True)]
    whole = sum(lengths)
    each = (width - of_cut * cuts) / whole if whole else 0.0
    found, left = [], 0.0
    for (start, end), is_cut, length in zip(pairs, cut, lengths, strict=True):
        right = left + (of_cut if is_cut else length * each)
        found.append(Stretch(start, end, is_cut, left, min(1.0, right)))
        left = right
    return Scale(tuple(found))


_Pair = tuple[datetime, datetime]


def _busy(timeline: Timeline, pairs: Sequence[_Pair]) -> list[bool]:
    """Whether somebody is at work in each stretch: a bar other than the customer's and parked ones covers it."""
    last = pairs[-1][1] if pairs else None
    spans = [
        (bar.start, bar.end or last)
        for _, track in things(timeline)
        for bar in track.bars
        if bar.look not in _IDLE and bar.state in ("ended", "open") and bar.start is not None
    ]
    return _covered(pairs, [(start, end) for start, end in spans if end is not None and end > start])


def _covered(pairs: Sequence[_Pair], spans: Sequence[_Pair]) -> list[bool]:
    """Whether a span covers each pair; both in one pass, since conversations can have thousands."""
    spans = sorted(spans)
    found, at, reach = [], 0, None
    for start, end in pairs:
        while at < len(spans) and spans[at][0] <= start:
            reach = max(reach, spans[at][1]) if reach else spans[at][1]
            at += 1
        found.append(reach is not None and reach >= end)
    return found


def _cut(pairs: Sequence[_Pair], busy: Sequence[bool]) -> list[bool]:
    lengths = [end - start for start, end in pairs]
    work = sum((one for one, is_busy in zip(lengths, busy, strict=True) if is_busy), timedelta())
    idle_max = max(IDLE_MIN, work * IDLE_FACTOR)
    cut = [not is_busy and length > idle_max for length, is_busy in zip(lengths, busy, strict=True)]
    dwarfing = _dwarfing(length for length, is_cut in zip(lengths, cut, strict=True) if not is_cut)
    cut = [is_cut or (dwarfing is not None and length >= dwarfing) for length, is_cut in zip(lengths, cut, strict=True)]
    return cut if not all(cut) else [False] * len(cut)  # a single stretch needs no cut


def _dwarfing(lengths: Iterator[timedelta]) -> timedelta | None:
    """The length from which on stretches dwarf all shorter ones together; None if none does."""
    shorter = timedelta()
    for length in sorted(lengths):
        if length > BUSY_MIN and shorter and length > shorter * BUSY_FACTOR:
            return length
        shorter += length
    return None


def _round_times(start: datetime, end: datetime, step_s: int, zone: tzinfo) -> Iterator[datetime]:
    """Yield the times of a run at which the zone's clocks show a multiple of the step."""
    shown = local(start, zone)
    since_midnight = timedelta(hours=shown.hour, minutes=shown.minute, seconds=shown.second) + timedelta(
        microseconds=shown.microsecond
    )
    step = timedelta(seconds=step_s)
    rest = since_midnight % step
    count = (end - start + rest) // step
    yield from (start + (number * step - rest) for number in range(1 if rest else 0, count + 1))
