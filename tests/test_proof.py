import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.acquire.proof import ID_BYTES, PageAsk, Reading, Verdict, distinct, id_bytes
from everycall.api.limits import HITS_MAX, PASSES_MAX
from everycall.api.query import Interval
from everycall.instants import DAY
from paging import Listed, Outcome, packed, read, scripted

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
DAY_1 = Interval(MONDAY, MONDAY + DAY)
WEEK = Interval(MONDAY, MONDAY + 7 * DAY)

TEN = list(range(10))

SEEDS = st.integers(0, 2**32)
LENGTHS = st.integers(0, 60)
CHANCES = st.sampled_from([0.0, 0.02, 0.1, 0.5])


def reading(page_size: int = 10, window: Interval = DAY_1) -> Reading:
    return Reading(window, page_size=page_size)


def verdict_of(one: Reading) -> Verdict:
    assert one.verdict is not None
    return one.verdict


def pages_asked(outcome: Outcome) -> int:
    return sum(ask.kind == "page" for ask in outcome.asked)


# What is true of every reading


@settings(max_examples=150)
@given(SEEDS, LENGTHS, CHANCES, CHANCES, CHANCES, CHANCES, st.integers(-3, 3), st.integers(1, 12), st.integers(1, 8))
def test_a_reading_ends_after_a_bounded_number_of_requests_whatever_the_api_does(
    seed: int,
    length: int,
    arriving: float,
    leaving: float,
    withholding: float,
    shuffling: float,
    count_off: int,
    page_size: int,
    in_flight: int,
) -> None:
    rng = random.Random(seed)
    api = Listed(list(range(length)), rng, arriving, leaving, withholding, shuffling, count_off)

    outcome = read(reading(page_size), api, in_flight=in_flight)

    assert sum(ask.kind == "count" for ask in outcome.asked) <= PASSES_MAX
    arrived = sum(ask.kind == "page" for ask in outcome.asked) * (arriving > 0)
    assert pages_asked(outcome) <= PASSES_MAX * ((length + arrived + max(0, count_off)) / page_size + 3)


@settings(max_examples=200)
@given(SEEDS, LENGTHS, CHANCES, CHANCES, CHANCES, st.integers(1, 8))
def test_proven_means_complete_at_the_last_count_where_conversations_only_arrive(
    seed: int, length: int, arriving: float, withholding: float, shuffling: float, in_flight: int
) -> None:
    api = Listed(
        list(range(length)), random.Random(seed), arriving=arriving, withholding=withholding, shuffling=shuffling
    )
    one = reading()

    outcome = read(one, api, in_flight=in_flight)

    if verdict_of(one).proven:
        assert outcome.kept == outcome.listed


@settings(max_examples=200)
@given(SEEDS, LENGTHS, CHANCES, CHANCES, CHANCES, CHANCES)
def test_one_pass_over_an_unchanged_list_is_proven_only_if_it_is_complete(
    seed: int, length: int, arriving: float, leaving: float, withholding: float, shuffling: float
) -> None:
    api = Listed(list(range(length)), random.Random(seed), arriving, leaving, withholding, shuffling)
    one = reading()

    outcome = read(one, api, in_flight=4)

    if verdict_of(one).proven and outcome.stood_still and len(verdict_of(one).kept_passes) == 1:
        assert outcome.kept == outcome.listed


@given(SEEDS, LENGTHS, st.integers(1, 12), st.integers(1, 8))
def test_an_unchanged_list_is_proven_in_one_pass(seed: int, length: int, page_size: int, in_flight: int) -> None:
    one = reading(page_size)

    outcome = read(one, Listed(list(range(length)), random.Random(seed)), in_flight=in_flight)

    assert verdict_of(one) == Verdict(True, length, length, length, 1, (1,), ())
    assert outcome.kept == list(range(length))


@given(SEEDS, LENGTHS, st.integers(1, 100), st.integers(1, 8))
def test_pages_that_are_too_large_become_smaller_until_they_are_not(
    seed: int, length: int, too_large_above: int, in_flight: int
) -> None:
    one = reading(100)
    api = Listed(list(range(length)), random.Random(seed))

    outcome = read(one, api, in_flight=in_flight, too_large_above=too_large_above)

    assert outcome.kept == list(range(length))
    assert verdict_of(one).proven
    assert verdict_of(one).passes == 1


class Unreadable(Listed):
    """A server whose totalHits is no number: it is taken for -1."""

    @property
    def count(self) -> int:
        return -1


class Repeating(Listed):
    """A server, or a cache, that gives page 1 whatever page is asked for."""

    def page(self, number: int, size: int) -> tuple[list[int], int | None]:  # noqa: ARG002
        return super().page(1, size)


@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_server_that_gives_page_1_for_ever_is_not_asked_for_ever(in_flight: int) -> None:
    one = reading()

    outcome = read(one, Repeating(list(range(25))), in_flight=in_flight)

    assert not verdict_of(one).proven
    assert pages_asked(outcome) <= 2 * 4


def test_a_count_that_cannot_be_read_is_called_so() -> None:
    one = reading()
    outcome = read(one, Unreadable(list(range(5))))

    assert verdict_of(one).reason == "the API's count cannot be read, but 5 different ones came"
    assert outcome.kept == list(range(5))


# What no reading can know


def test_a_proof_does_not_see_one_conversation_leave_while_another_enters_a_page_already_read() -> None:
    """The count is all that the API says of the whole, and here it is the same at every moment."""

    def answers(ask: PageAsk) -> tuple[list[int], int | None]:
        pages = {0: ([], 20), 1: (TEN, 20), 2: ([*range(11, 20), 99], 20)}  # 10 has left, and 99 has come
        return pages.get(ask.number, ([], None))

    one = reading()
    scripted(one, answers)  # 5 leaves and 100 comes behind its back, on page 1

    assert verdict_of(one).proven


def test_a_proof_over_several_passes_can_count_a_conversation_that_has_left() -> None:
    """Passes are put together where none agrees alone; a row that left between them looks like one that never came."""
    first, second = [*TEN[:8], 77], TEN[:9]

    def answers(ask: PageAsk) -> tuple[list[int], int | None]:
        if ask.kind == "count":
            return [], 10
        return (([], None), (first if ask.reading_pass == 1 else second, 10))[ask.number == 1]

    one = reading()
    scripted(one, answers)

    assert verdict_of(one).proven  # though 9 never came
    assert verdict_of(one).kept_passes == (1, 2)


# Step by step


def test_page_one_comes_first_and_brings_the_count() -> None:
    one = reading()

    first = one.next_ask()

    assert first == PageAsk("page", 1, 10, 1)
    assert one.next_ask() is None
    assert one.hits is None
    one.page_read(first, packed(TEN), 25)
    assert one.hits == 25


def test_all_other_pages_and_the_empty_one_after_them_can_be_asked_at_once() -> None:
    one = reading()
    first = one.next_ask()
    assert first

    one.page_read(first, packed(TEN), 25)

    asks = [one.next_ask() for _ in range(4)]
    assert [ask and ask.number for ask in asks] == [2, 3, 4, None]


def test_the_count_is_asked_once_all_pages_came() -> None:
    one = reading()
    first = one.next_ask()
    assert first
    one.page_read(first, packed(TEN), 10)
    empty = one.next_ask()
    assert empty
    assert not one.wants_count

    one.page_read(empty, b"", None)

    assert one.wants_count
    assert one.next_ask() == PageAsk("count", 0, 1, 1)
    assert one.next_ask() is None
    assert not one.wants_count


def test_an_empty_window_takes_one_page_and_one_count() -> None:
    one = reading()

    asked = scripted(one, lambda _: ([], None))

    assert [ask.kind for ask in asked] == ["page", "count"]
    assert verdict_of(one) == Verdict(True, 0, 0, 0, 1, (1,), ())


def test_a_short_page_is_not_the_end() -> None:
    pages = {1: TEN[:7], 2: TEN[7:]}

    one = reading()
    asked = scripted(one, lambda ask: (pages.get(ask.number, []), 10 if ask.number in (0, 1, 2) else None))

    assert [ask.number for ask in asked] == [1, 2, 3, 0]
    assert verdict_of(one).proven


def test_reading_continues_while_the_last_page_holds_anything() -> None:
    pages = {number: [number] for number in range(1, 8)}

    one = reading(1)
    asked = scripted(one, lambda ask: (pages.get(ask.number, []), 3 if ask.number < 8 else None))

    assert [ask.number for ask in asked if ask.reading_pass == 1] == [1, 2, 3, 4, 5, 6, 7, 8, 0]


def test_an_empty_page_is_not_the_end_where_the_count_says_that_there_are_more() -> None:
    """Page 3 is empty, and the count of 50 leads on to page 6."""
    one = reading()

    asked = scripted(one, lambda ask: ([ask.number] if ask.number in (1, 2, 4, 5) else [], 50))

    assert [ask.number for ask in asked if ask.reading_pass == 1] == [1, 2, 3, 4, 5, 6, 0]


def test_no_page_is_asked_that_the_api_would_refuse() -> None:
    """The page after the last one would be beyond 100,000 hits."""
    one = reading(100)
    first = one.next_ask()
    assert first
    one.page_read(first, packed(TEN), HITS_MAX - 1)

    numbers = []
    while ask := one.next_ask():
        numbers.append(ask.number)

    assert numbers[-1] == HITS_MAX // 100


def test_a_late_arrival_that_shifts_pages_costs_only_another_pass() -> None:
    """The new conversation sorts before page 1, so that the first pass misses it."""
    before, after = list(range(20)), [99, *range(20)]

    def answers(ask: PageAsk) -> tuple[list[int], int | None]:
        rows = before if (ask.reading_pass, ask.number) == (1, 1) else after
        page = rows[(ask.number - 1) * 10 : ask.number * 10] if ask.number else []
        return page, len(rows) if page or not ask.number else None

    one = reading()
    scripted(one, answers)

    assert verdict_of(one) == Verdict(True, 21, 21, 21, 2, (2,), ())


def test_passes_that_miss_different_rows_are_proven_together() -> None:
    """Each pass lacks one row; together they hold as many as the API counts."""
    lacking = {1: 3, 2: 7}

    def answers(ask: PageAsk) -> tuple[list[int], int | None]:
        rows = [row for row in TEN if row != lacking.get(ask.reading_pass)]
        return (rows, 10) if ask.number == 1 else ([], None if ask.number else 10)

    one = reading()
    scripted(one, answers)

    assert verdict_of(one) == Verdict(True, 10, 10, 10, 2, (1, 2), ())


def test_a_count_that_is_always_off_is_given_up_after_two_equal_passes() -> None:
    """Two passes with the same ids and the same wrong count: reading again would not help."""
    one = reading()

    asked = scripted(one, lambda ask: (TEN if ask.number == 1 else [], 12 if ask.number < 2 else None))

    verdict = verdict_of(one)
    assert not verdict.proven
    assert verdict.passes == 2
    assert verdict.reason == "the API counted 12 before and 12 after, but 10 different ones came"
    assert [ask.kind for ask in asked].count("count") == 2


def test_a_pass_that_found_less_than_the_one_before_is_not_the_last() -> None:
    """Both passes together have no more than the first; the third has all."""
    lacking = {1: {3}, 2: {3, 7}}

    def answers(ask: PageAsk) -> tuple[list[int], int | None]:
        rows = [row for row in TEN if row not in lacking.get(ask.reading_pass, ())]
        return (rows, 10) if ask.number == 1 else ([], None if ask.number else 10)

    one = reading()
    scripted(one, answers)

    assert verdict_of(one) == Verdict(True, 10, 10, 10, 3, (3,), ())


def test_a_count_that_always_changes_is_given_up_after_the_maximum_of_passes() -> None:
    one = reading()
    counts = iter(range(10, 1000))

    scripted(one, lambda ask: (TEN if ask.number == 1 else [], next(counts) if ask.number < 2 else None))

    assert not verdict_of(one).proven
    assert verdict_of(one).passes == PASSES_MAX


def test_a_count_that_moves_from_page_to_page_proves_nothing_in_that_pass() -> None:
    """The count on page 2 differs, although the first and the last one agree."""

    def answers(ask: PageAsk) -> tuple[list[int], int | None]:
        if ask.kind == "count":
            return [], 20
        hits = 21 if (ask.reading_pass, ask.number) == (1, 2) else 20
        return ([*range((ask.number - 1) * 10, ask.number * 10)], hits) if ask.number < 3 else ([], None)

    one = reading()
    scripted(one, answers)

    assert verdict_of(one) == Verdict(True, 20, 20, 20, 2, (2,), ())


def test_a_window_of_several_days_with_too_many_hits_is_split_and_its_first_page_does_not_count() -> None:
    one = Reading(WEEK, page_size=10, hits_max=70)
    first = one.next_ask()
    assert first

    counts = one.page_read(first, packed(TEN), 140)

    assert not counts
    assert one.instead
    assert one.instead[0].start == WEEK.start
    assert one.instead[-1].end == WEEK.end
    assert one.is_done
    assert one.next_ask() is None


def test_an_answer_of_a_pass_that_was_given_up_changes_nothing() -> None:
    """Page 2 was too large, so the window starts over with smaller pages while page 3 of the old size is still under
    way.
    """
    one = reading(100)
    first = one.next_ask()
    assert first
    one.page_read(first, packed(list(range(100))), 300)
    second, third = one.next_ask(), one.next_ask()
    assert second
    assert third
    one.too_large(second)

    assert not one.page_read(third, packed(list(range(200, 300))), 300)
    one.too_large(third)  # no smaller than it is already
    assert one.next_ask() == PageAsk("page", 1, 50, 2)


def test_stopping_keeps_what_was_read_and_proves_nothing() -> None:
    one = reading()
    first = one.next_ask()
    assert first
    one.page_read(first, packed(TEN), 25)

    one.stop("enough")

    assert verdict_of(one) == Verdict(False, 25, 25, 10, 1, (1,), (), "enough")
    assert one.next_ask() is None


def test_stopping_keeps_the_passes_before_too() -> None:
    """The window was read once without proof, and is stopped in its second pass."""
    one = reading()
    for ids, hits in ((TEN[:9], 10), ([], None)):
        ask = one.next_ask()
        assert ask
        one.page_read(ask, packed(ids), hits)
    count = one.next_ask()
    assert count
    one.counted(count, 10)
    again = one.next_ask()
    assert again
    one.page_read(again, packed(TEN[5:]), 10)

    one.stop("enough")

    assert verdict_of(one) == Verdict(False, 10, 10, 10, 2, (1, 2), (), "enough")


def test_the_correlation_ids_of_both_counts_are_kept() -> None:
    one = reading()
    first = one.next_ask()
    assert first
    one.page_read(first, b"", 0, "before")
    count = one.next_ask()
    assert count

    one.counted(count, 0, "after")

    assert verdict_of(one).correlation_ids == ("before", "after")


# Ids


def test_an_id_is_the_sixteen_bytes_of_its_uuid() -> None:
    assert id_bytes("00000000-0000-4000-8000-0000000000ff") == bytes.fromhex("000000000000400080000000000000ff")


@pytest.mark.parametrize("odd", ["", "abc", "é" * 40, "00", "not-a-uuid-at-all", "0" * 64])
def test_an_id_that_is_no_uuid_has_sixteen_bytes_of_its_own(odd: str) -> None:
    assert len(id_bytes(odd)) == ID_BYTES
    assert id_bytes(odd) != id_bytes(odd + "x")


@given(st.lists(st.integers(0, 30)))
def test_distinct_counts_ids_once(rows: list[int]) -> None:
    assert distinct(packed(rows)) == len(set(rows))
