import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.acquire.windows import is_provisional, split, windows, without
from everycall.api.interval import settled_until
from everycall.api.limits import HITS_MAX, SETTLED_AFTER, SPAN_FILTERED, SPAN_UNFILTERED
from everycall.api.query import Filters, Interval, Match, Query
from everycall.errors import WindowTooFull
from everycall.instants import DAY, MILLISECOND, start_of_day

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FILTERED = Filters.of(media_types=["voice"])

MILLISECONDS = st.integers(0, 60 * 86_400_000)
INTERVALS = st.tuples(st.integers(-200 * 86_400_000, 0), st.integers(1, 60 * 86_400_000)).map(
    lambda pair: Interval(NOW + pair[0] * MILLISECOND, NOW + (pair[0] + pair[1]) * MILLISECOND)
)


def days(first: float, last: float) -> Interval:
    return Interval(MONDAY + first * DAY, MONDAY + last * DAY)


def is_tiled(interval: Interval, pieces: list[Interval]) -> bool:
    """Whether the pieces are the interval, in order, with no gap and no overlap."""
    borders = all(one.end == other.start for one, other in pairwise(pieces))
    return borders and bool(pieces) and (pieces[0].start, pieces[-1].end) == (interval.start, interval.end)


def split_to_the_end(window: Interval, rng: random.Random) -> list[Interval]:
    """The windows that stand, where what each holds is up to the rng."""
    hits = rng.choice([0, 100, 30_000, HITS_MAX - 1, HITS_MAX, 5 * HITS_MAX])
    if window.length <= timedelta(minutes=1):
        hits = min(hits, HITS_MAX - 1)
    pieces = split(window, hits)
    return pieces if pieces == [window] else [one for piece in pieces for one in split_to_the_end(piece, rng)]


def touched_days(window: Interval) -> int:
    return -(-(window.end - start_of_day(window.start)) // DAY)


@given(INTERVALS, st.booleans(), st.randoms(use_true_random=False))
def test_windows_tile_the_interval_however_they_are_split(
    interval: Interval, is_filtered: bool, rng: random.Random
) -> None:
    query = Query(interval, FILTERED if is_filtered else Filters())

    whole = list(windows(query, NOW))

    assert is_tiled(interval, whole)
    assert is_tiled(interval, [one for window in whole for one in split_to_the_end(window, rng)])


@given(INTERVALS, st.booleans())
def test_no_window_is_longer_than_the_api_answers_even_counted_in_days_touched(
    interval: Interval, is_filtered: bool
) -> None:
    span = SPAN_FILTERED if is_filtered else SPAN_UNFILTERED

    for window in windows(Query(interval, FILTERED if is_filtered else Filters()), NOW):
        assert window.length <= span
        assert touched_days(window) * DAY <= span


@given(INTERVALS)
def test_windows_are_cut_at_midnight_only_and_where_the_data_settles(interval: Interval) -> None:
    cuts = [window.end for window in windows(Query(interval), NOW)][:-1]

    assert all(cut == start_of_day(cut) for cut in cuts)
    border = start_of_day(NOW - SETTLED_AFTER)
    assert border in cuts or not interval.start < border < interval.end


@given(INTERVALS, st.integers(0, HITS_MAX - 1), st.integers(1, 50_000))
def test_days_stay_whole_as_long_as_the_api_pages_through_them(interval: Interval, hits: int, hits_max: int) -> None:
    pieces = split(interval, hits, hits_max)

    assert is_tiled(interval, pieces)
    assert all(piece.end == start_of_day(piece.end) for piece in pieces[:-1])


@settings(max_examples=25)
@given(INTERVALS, st.sampled_from(get_args(Match)), st.randoms(use_true_random=False))
def test_every_conversation_belongs_to_exactly_one_window(interval: Interval, match: Match, rng: random.Random) -> None:
    query = Query(interval, match=match)
    pieces = [one for window in windows(query, NOW) for one in split_to_the_end(window, rng)]
    length_ms = interval.length // MILLISECOND
    starts = [interval.start + rng.randrange(length_ms) * MILLISECOND for _ in range(20)]

    for started in [*starts, *(piece.start for piece in pieces)]:
        assert sum(query.owns(started, piece) for piece in pieces) == 1


@given(INTERVALS)
def test_a_conversation_from_before_the_interval_belongs_to_its_first_window_or_none(interval: Interval) -> None:
    before = interval.start - timedelta(hours=1)
    for match, owners in (("start", []), ("activity", [True])):
        query = Query(interval, match="activity" if match == "activity" else "start")
        pieces = list(windows(query, NOW))

        assert [True for piece in pieces if query.owns(before, piece)] == owners
        assert query.owns(before, pieces[0]) is bool(owners)


@given(INTERVALS, st.randoms(use_true_random=False), st.floats(0, 1))
def test_finished_and_remaining_windows_tile_the_interval(interval: Interval, rng: random.Random, part: float) -> None:
    pieces = [one for window in windows(Query(interval), NOW) for one in split_to_the_end(window, rng)]
    done = [piece for piece in pieces if rng.random() < part]
    rng.shuffle(done)

    left = without(interval, done)

    assert is_tiled(interval, sorted([*done, *left], key=lambda window: window.start))
    assert all(one.end < other.start for one, other in pairwise(left))


def test_finished_windows_outside_an_interval_leave_nothing_there() -> None:
    def day(number: int) -> Interval:
        return Interval(NOW - number * DAY, NOW - (number - 1) * DAY)

    assert without(day(5), [day(9), day(5), day(3)]) == []
    assert without(day(5), [day(9), day(3)]) == [day(5)]


def test_a_week_without_a_filter_is_one_window() -> None:
    assert list(windows(Query(days(0, 7)), NOW)) == [days(0, 7)]


def test_a_week_that_begins_inside_a_day_touches_eight_and_is_two_windows() -> None:
    assert list(windows(Query(days(0.5, 7.5)), NOW)) == [days(0.5, 7), days(7, 7.5)]


def test_forty_days_are_six_windows_without_a_filter_and_two_with_one() -> None:
    assert len(list(windows(Query(days(0, 40)), NOW))) == 6
    assert list(windows(Query(days(0, 40), FILTERED), NOW)) == [days(0, 31), days(31, 40)]


def test_provisional_data_is_in_windows_of_its_own() -> None:
    query = Query(Interval(NOW - 6 * DAY, NOW))

    settled, provisional = windows(query, NOW)

    assert settled.end == datetime(2026, 6, 11, tzinfo=UTC)
    assert not is_provisional(settled, NOW)
    assert is_provisional(provisional, NOW)


def test_an_interval_that_ends_where_the_data_settles_needs_no_cut_there() -> None:
    interval = Interval(settled_until(NOW) - 2 * DAY, settled_until(NOW))

    assert list(windows(Query(interval), NOW)) == [interval]
    assert not is_provisional(interval, NOW)


@pytest.mark.parametrize(
    ("hits", "pieces"),
    [
        (19_999, [days(0, 7)]),
        (20_000, [days(0, 6), days(6, 7)]),
        (70_000, [days(0, 2), days(2, 4), days(4, 6), days(6, 7)]),
        (10**7, [days(number, number + 1) for number in range(7)]),
    ],
)
def test_a_week_is_split_by_days_according_to_its_hits(hits: int, pieces: list[Interval]) -> None:
    assert split(days(0, 7), hits) == pieces


def test_a_day_is_whole_up_to_the_last_hit_that_can_be_paged() -> None:
    assert split(days(0, 1), HITS_MAX - 1) == [days(0, 1)]
    assert split(days(0, 1), HITS_MAX) == [days(0, 1 / 3), days(1 / 3, 2 / 3), days(2 / 3, 1)]


def test_two_milliseconds_can_be_split_and_one_cannot() -> None:
    two = Interval(MONDAY, MONDAY + 2 * MILLISECOND)
    one = Interval(MONDAY, MONDAY + MILLISECOND)

    assert split(two, HITS_MAX) == [one, Interval(one.end, two.end)]
    with pytest.raises(WindowTooFull, match="100,000 conversations") as full:
        split(one, HITS_MAX)
    assert "queue or media type" in full.value.hint
