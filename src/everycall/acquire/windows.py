"""Splits an interval into windows that the API can answer. Pure.

A *window* is a half-open slice of the interval. The API limits it to 7 days without a filter or 31 days with one, and
to fewer than 100,000 hits. Whole UTC days are the best windows: the API has an index for each day, and a window that
begins inside a day also returns conversations that started earlier on that day and had not ended.

The windows of an interval always tile it, however they are split: in order, without gaps and overlaps.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from everycall.api.interval import settled_until
from everycall.api.limits import HITS_MAX, SPAN_FILTERED, SPAN_UNFILTERED, WINDOW_HITS_DEFAULT
from everycall.api.query import Interval, Query
from everycall.errors import WindowTooFull
from everycall.instants import DAY, MILLISECOND, SECOND, start_of_day


def windows(query: Query, now: datetime, span_max: timedelta | None = None) -> Iterator[Interval]:
    """The longest windows that the API answers, cut at midnight UTC, earliest first.

    A window is also cut where data settles, so that none contains both data that the vendor will still rebuild and
    data that it will not. The hits of the windows are not known yet: `split` splits those that have too many.

    Args:
        query: the interval, and whether there are filters.
        now: the present.
        span_max: the length of the longest windows, where it is to be less than what the API allows.
    """
    span = span_max or (SPAN_FILTERED if query.filters else SPAN_UNFILTERED)
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
    """The windows to read instead of this one, once its hits are known; `[window]` if it need not be split.

    Days stay whole as long as the API can page through them: a window of several days is split if it has `hits_max`
    hits, and a single day only at the API's own limit.

    Raises:
        WindowTooFull: a single millisecond has 100,000 conversations or more.
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
    """The rest of the interval without the windows that are done, in order."""
    left, start = [], interval.start
    for window in sorted(done, key=lambda window: window.start):
        if start < min(window.start, interval.end):
            left.append(Interval(start, min(window.start, interval.end)))
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
    """A full day cut into equal slices of time, small enough for a busy hour with three times the mean."""
    count = min(3 * -(-hits // HITS_MAX), window.length // MILLISECOND)
    if count < 2:
        raise WindowTooFull(
            f"{window} has {hits:,} conversations, and the API returns fewer than {HITS_MAX:,} of a window.",
            hint="Narrow the query, for example to one queue or media type for each export.",
        )
    borders = [_border(window, index, count) for index in range(count + 1)]
    return [Interval(start, end) for start, end in pairwise(borders)]


def _border(window: Interval, index: int, count: int) -> datetime:
    return window.start + window.length * index // count // MILLISECOND * MILLISECOND
