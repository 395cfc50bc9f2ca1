"""An interval -> windows, each of which one question can answer. Pure.

A *window* is a half-open slice of the interval. The API bounds it three ways: at most 7 days without a filter, 31
with one, and fewer than 100,000 hits. Two more things make whole UTC days the best windows: the API keeps an index a
day, and a window that begins inside a day also returns what started earlier that day and still lives.

Rule of the file: windows of an interval, however they were split, tile it - in order, no gap, no overlap.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from everycall.api.interval import settled_until
from everycall.api.limits import HITS_MAX, SPAN_FILTERED, SPAN_UNFILTERED, WINDOW_HITS_DEFAULT
from everycall.api.query import Interval, Query
from everycall.errors import WindowTooFull
from everycall.instants import DAY, MILLISECOND, SECOND, start_of_day


def windows(query: Query, now: datetime) -> Iterator[Interval]:
    """The longest windows that the API would answer, cut at midnight UTC, earliest first.

    One of the cuts is where data settles: what the vendor will still rebuild and what it will not are different
    windows. How many hits each holds is not known yet: see `split`.
    """
    span = SPAN_FILTERED if query.filters else SPAN_UNFILTERED
    border = settled_until(now)
    start, end = query.interval.start, query.interval.end
    if start < border < end:
        yield from _cut(Interval(start, border), span)
        start = border
    yield from _cut(Interval(start, end), span)


def is_provisional(window: Interval, now: datetime) -> bool:
    """Whether the vendor will still rebuild the window's data."""
    return window.end > settled_until(now)


def split(window: Interval, hits: int, hits_max: int = WINDOW_HITS_DEFAULT) -> list[Interval]:
    """The windows to ask instead of this one, now that its hits are known; `[window]` where it may stand.

    Days stay whole as long as the API can page through them: several days are taken apart when they hold more than
    `hits_max`, one day only at the API's own limit.

    Raises:
        WindowTooFull: a single millisecond holds 100,000 conversations or more.
    """
    days = -(-(window.end - start_of_day(window.start)) // DAY)
    if hits >= HITS_MAX and days == 1:
        return _slices(window, hits)
    if hits < hits_max or days == 1:
        return [window]
    days_each = max(1, min(days - 1, days * hits_max // hits))
    return list(_cut(window, days_each * DAY))


def halves(window: Interval) -> list[Interval]:
    """Two windows in place of one that the service is too slow for; `[window]` where it is a second or shorter.

    Several days are cut at the midnight next to the middle. Source: the vendor's own advice with the 100,000 limit is
    to query smaller intervals.
    """
    if window.length <= SECOND:
        return [window]
    middle = window.start + window.length // 2 // MILLISECOND * MILLISECOND
    midnight = start_of_day(middle)
    border = midnight if midnight > window.start else middle
    return [Interval(window.start, border), Interval(border, window.end)]


def without(interval: Interval, done: list[Interval]) -> list[Interval]:
    """What is left of the interval after the windows that are done, in order. Together with them it tiles it."""
    left, start = [], interval.start
    for window in sorted(done, key=lambda window: window.start):
        if start < window.start:
            left.append(Interval(start, window.start))
        start = max(start, window.end)
    if start < interval.end:
        left.append(Interval(start, interval.end))
    return left


def _cut(interval: Interval, span: timedelta) -> Iterator[Interval]:
    """The interval cut so that each piece touches at most `span` of whole UTC days; borders lie at midnight."""
    start = interval.start
    while start < interval.end:
        end = min(interval.end, start_of_day(start) + span)
        yield Interval(start, end)
        start = end


def _slices(window: Interval, hits: int) -> list[Interval]:
    """A full day cut into equal slices of time, with room for the busy hour being three times the mean."""
    count = min(3 * -(-hits // HITS_MAX), window.length // MILLISECOND)
    if count < 2:
        raise WindowTooFull(
            f"{window} holds {hits:,} conversations, and the API pages through fewer than {HITS_MAX:,}.",
            hint="Narrow the query, for example one export per queue or media type.",
        )
    borders = [_border(window, index, count) for index in range(count + 1)]
    return [Interval(start, end) for start, end in pairwise(borders)]


def _border(window: Interval, index: int, count: int) -> datetime:
    return window.start + window.length * index // count // MILLISECOND * MILLISECOND
