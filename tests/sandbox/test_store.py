from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import MONDAY, Caller, Clock, caller, conversation, ids, spread

from everycall.sandbox import Org, Recorded, Sandbox, Store, Switches
from everycall.sandbox.instants import DAY_MS, to_ms, to_text

HOUR_MS = 3_600_000
SUNDAY_MS = to_ms("2026-01-04T00:00:00Z")


def store(conversations: list[dict[str, Any]], at: str | None = None, **switches: Any) -> Store:
    return Store(Recorded(conversations), Clock(at), Switches(**switches))


def found(kept: Store, interval: str, **body: Any) -> list[int]:
    return ids(kept.matching(interval, **body))


def hours(start: int, end: int) -> str:
    """An interval, in hours from Sunday midnight."""
    return f"{to_text(SUNDAY_MS + start * HOUR_MS)}/{to_text(SUNDAY_MS + end * HOUR_MS)}"


def lasting(number: int, start: float, end: float | None) -> dict[str, Any]:
    """A conversation, in hours from Sunday midnight."""
    seconds = None if end is None else (end - start) * 3600
    return conversation(number, to_text(SUNDAY_MS + int(start * HOUR_MS)), seconds)


def test_what_started_earlier_that_day_and_still_lived_is_found() -> None:
    kept = store([lasting(1, 30, 37), lasting(2, 30, 35), lasting(3, 36, 37)])

    assert found(kept, hours(36, 48)) == [1, 3]


def test_what_started_the_day_before_is_not_found_though_it_lives() -> None:
    kept = store([lasting(1, 23, 40), lasting(2, 23, None)])

    assert found(kept, hours(24, 48)) == []


def test_an_interval_over_midnight_touches_both_days() -> None:
    kept = store([lasting(1, 2, 23.5), lasting(2, 2, 22), lasting(3, 24.5, 25), lasting(4, 30, 31)])

    assert found(kept, hours(23, 25)) == [1, 3]


def test_the_end_of_an_interval_is_exclusive() -> None:
    kept = store([lasting(1, 23, 23.5), lasting(2, 24, 25)])

    assert found(kept, hours(0, 24)) == [1]


def test_an_end_at_midnight_may_touch_the_next_day() -> None:
    made = [lasting(1, 23, 23.5), lasting(2, 24, 25), lasting(3, 24.1, 25)]

    assert found(store(made, end_at_midnight_touches_next_day=True), hours(0, 24)) == [1, 2]
    assert found(store(made, end_at_midnight_touches_next_day=True), hours(0, 23)) == []


def test_with_the_literal_rule_of_the_day_a_touched_day_is_found_whole() -> None:
    made = [lasting(1, 23, 40), lasting(2, 25, 26), lasting(3, 40, 41), lasting(4, 48, 49)]

    assert found(store(made, match="day"), hours(30, 31)) == [2, 3]
    assert found(store(made, match="day", end_at_midnight_touches_next_day=True), hours(30, 48)) == [2, 3, 4]


def test_a_conversation_without_duration_is_found_where_it_lies() -> None:
    kept = store([lasting(1, 36, 36)])

    assert found(kept, hours(36, 37)) == [1]
    assert found(kept, hours(35, 36)) == []


def test_what_has_not_started_yet_is_not_found() -> None:
    kept = store([lasting(1, 30, 31), lasting(2, 34, 35)], at="2026-01-05T09:59:59.999Z")

    assert found(kept, MONDAY) == [1]
    assert kept.conversations(MONDAY) == [lasting(1, 30, 31)]


def test_a_conversation_exists_from_its_first_millisecond_on() -> None:
    kept = store([lasting(1, 34, 35)], at="2026-01-05T10:00:00.000Z")

    assert found(kept, MONDAY) == [1]


def test_the_truth_for_an_oracle_is_what_started_in_the_interval() -> None:
    kept = store([lasting(1, 30, 37), lasting(2, 36, 37), lasting(3, 47.9, 60), lasting(4, 48, 49)])

    assert ids(kept.conversations(hours(36, 48))) == [2, 3]
    assert ids(kept.conversations(hours(0, 240))) == [1, 2, 3, 4]


@pytest.mark.parametrize("order_by", ["conversationEnd", "segmentEnd"])
def test_what_lives_comes_last_by_its_end(order_by: str) -> None:
    kept = store([lasting(1, 30, 40), lasting(2, 31, None), lasting(3, 32, 33)])

    assert found(kept, MONDAY, orderBy=order_by) == [3, 1, 2]
    assert found(kept, MONDAY, orderBy=order_by, order="desc") == [2, 1, 3]


def test_the_start_of_a_segment_sorts_as_the_start_of_its_conversation() -> None:
    assert found(store(spread(5)), MONDAY, orderBy="segmentStart") == [1, 2, 3, 4, 5]


lives = st.lists(st.tuples(st.integers(0, 95), st.one_of(st.none(), st.integers(0, 60))), max_size=25).map(
    lambda spans: [lasting(n, start, None if long is None else start + long) for n, (start, long) in enumerate(spans)]
)
intervals = st.tuples(st.integers(0, 95), st.integers(1, 95)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def is_found(conversation: dict[str, Any], start: int, end: int, now: int) -> bool:
    """The rule, implemented a second time: in hours, without columns and bisecting."""
    began = (to_ms(conversation["conversationStart"]) - SUNDAY_MS) / HOUR_MS
    ended = (to_ms(conversation["conversationEnd"]) - SUNDAY_MS) / HOUR_MS if "conversationEnd" in conversation else now
    same_day = start // 24 <= began // 24 <= (end - 0.001) // 24
    return bool(began <= now and same_day and began < end and min(ended, now) >= start)


@settings(max_examples=150, deadline=None)
@given(lives, intervals, st.integers(0, 200))
def test_the_columns_find_what_the_rule_says(made: list[dict[str, Any]], interval: tuple[int, int], now: int) -> None:
    kept = store(made, at=to_text(SUNDAY_MS + now * HOUR_MS))

    expected = [conversation for conversation in made if is_found(conversation, *interval, now)]

    expected.sort(key=lambda found: (found["conversationStart"], found["conversationId"]))
    assert kept.matching(hours(*interval)) == expected


@settings(max_examples=60, deadline=None)
@given(lives, intervals, st.integers(1, 7), st.sampled_from(["asc", "desc"]))
def test_pages_of_any_size_tile_what_is_found(
    made: list[dict[str, Any]], interval: tuple[int, int], size: int, order: str
) -> None:
    client = caller(made)
    everything = found(client.sandbox.store, hours(*interval), order=order)

    pages = [client.found(hours(*interval), size=size, number=n, order=order) for n in range(1, 27)]

    assert [number for page in pages for number in page] == everything


@settings(max_examples=60, deadline=None)
@given(lives, intervals, st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_what_a_filter_finds_does_not_depend_on_what_was_asked_before(
    made: list[dict[str, Any]], interval: tuple[int, int], instants: list[int]
) -> None:
    ended = [{"type": "and", "predicates": [{"dimension": "purpose", "value": "agent"}]}]
    clock = Clock()
    kept = Store(Recorded(made), clock)

    for hour in instants:
        clock.now_s = (SUNDAY_MS + hour * HOUR_MS) / 1000
        filtered = found(kept, hours(*interval), segmentFilters=ended)

        assert filtered == found(kept, hours(*interval))


class Silent(Recorded):
    """Builds no story."""

    def conversation(self, *_: Any) -> dict[str, Any]:
        raise AssertionError("a story was built")


def test_counting_builds_no_story() -> None:
    client = Caller(Sandbox(Silent(spread(50)), now=Clock(), switches=Switches(empty_answer="totalHits")))

    assert client.query(number=2) == {"totalHits": 50}


def test_a_day_that_is_over_matches_just_what_started_in_it() -> None:
    kept = store(spread(2000, every_s=40))

    assert len(kept.matching(MONDAY)) == 2000
    assert kept.matching(MONDAY) == kept.conversations(MONDAY)


BY_AN_AGENT = [{"type": "and", "predicates": [{"dimension": "purpose", "value": "agent"}]}]


@pytest.mark.parametrize("filters", [{}, {"segmentFilters": BY_AN_AGENT}])
def test_what_started_before_the_retention_is_gone_from_every_answer(filters: dict[str, Any]) -> None:
    made = [lasting(1, 30, 31), lasting(2, 40, 41), lasting(3, 60, 61)]
    clock = Clock(to_text(SUNDAY_MS + (90 * 24 + 35) * HOUR_MS))
    client = caller(made, clock, switches=Switches(retention_days=90, data_lake_lag_s=0))
    job_id = client.submit(hours(24, 72), **filters)
    clock.advance(5)
    kept = client.sandbox.store

    assert found(kept, hours(24, 72), **filters) == [2, 3]
    assert kept.conversations(hours(24, 72)) == made[1:]
    assert [ids(page["conversations"]) for page in client.pages(job_id)] == [[2, 3]]
    assert kept.find(made[0]["conversationId"], kept.now_ms) is None
    assert kept.find(made[1]["conversationId"], kept.now_ms) is not None


def test_the_retention_deletes_while_one_looks() -> None:
    clock = Clock(to_text(SUNDAY_MS + (90 * 24 + 30) * HOUR_MS))
    kept = Store(Recorded([lasting(1, 30, 31), lasting(2, 40, 41)]), clock, Switches(retention_days=90))

    before = found(kept, MONDAY)
    clock.advance(0.001)

    assert before == [1, 2]
    assert found(kept, MONDAY) == [2]


def test_without_a_retention_everything_is_kept() -> None:
    assert found(store([lasting(1, 30, 31)], at="2056-01-01T00:00:00Z"), MONDAY) == [1]


def test_a_reopened_conversation_has_an_end_then_none_then_another() -> None:
    org = Org(seed=3, conversations_per_day=300)
    day, sketch = next((d, s) for d in range(20_458, 20_488) for s in org.day(d) if s.rest is not None)
    clock = Clock()
    kept = Store(org, clock)
    ended = [{"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "exists"}]}]
    interval = f"{to_text(day * DAY_MS)}/{to_text((day + 1) * DAY_MS)}"
    assert sketch.rest is not None
    over, again = sketch.rest
    ends = []

    for at_ms in (over - 1, over, again - 1, again, sketch.end_ms - 1, sketch.end_ms):
        clock.now_s = at_ms / 1000
        listed = {conversation["conversationId"]: conversation for conversation in kept.matching(interval)}[
            sketch.conversation_id
        ]
        with_end = {
            conversation["conversationId"] for conversation in kept.matching(interval, conversationFilters=ended)
        }
        assert (sketch.conversation_id in with_end) == ("conversationEnd" in listed)
        ends.append(listed.get("conversationEnd"))

    assert ends == [None, to_text(over), to_text(over), None, None, to_text(sketch.end_ms)]
