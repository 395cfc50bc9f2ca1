from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.sandbox.centre import centre
from everycall.sandbox.org import Org
from everycall.sandbox.traffic import (
    DAY_MS,
    FOREVER_MS,
    KIND_NAMES,
    Day,
    Traffic,
    conversation_id,
    locate,
    utc_offset_h,
    weekday,
)

MONDAY = 20_458
CENTRE = centre(3, 80)
PINNED = (1767571452026, 1767571483005, "27c92023-0281-4341-986f-5851e8230281")


def traffic(per_day: int = 2000, *, flat: bool = False) -> Traffic:
    return Traffic(CENTRE, per_day, flat=flat)


def week(per_day: int = 2000) -> list[Day]:
    return [traffic(per_day).day(day) for day in range(MONDAY, MONDAY + 7)]


def test_every_kind_happens_within_a_week_of_2000_a_day() -> None:
    kinds = Counter(s.kind for day in range(MONDAY, MONDAY + 7) for s in Org().day(day))
    assert kinds.keys() == set(KIND_NAMES)


@pytest.mark.parametrize("count", [0, 1, 100, 12_345])
def test_a_flat_org_has_exactly_so_many_on_any_day(count: int) -> None:
    flat = traffic(count, flat=True)
    assert [len(flat.day(MONDAY + d)) for d in range(7)] == [count] * 7


def test_weekdays_average_what_was_asked_for() -> None:
    weekdays = [d for d in range(MONDAY, MONDAY + 70) if weekday(d) < 5]
    mean = sum(len(traffic(3000).day(d)) for d in weekdays) / len(weekdays)
    assert 2900 < mean < 3100


def test_monday_is_the_busiest_and_the_weekend_quiet() -> None:
    counts = [len(day) for day in week(10_000)]
    assert counts[0] == max(counts)
    assert max(counts[5:]) < min(counts[:5]) / 2


def test_calls_come_in_opening_hours_with_a_dip_at_lunch() -> None:
    # 2026-01-06 in New York: open from 13:00 UTC on Tuesday to 01:00 on Wednesday.
    hours = Counter(
        (s.start_ms - d.day * DAY_MS) // 3_600_000
        for d in week(20_000)[1:2]
        for s in d
        if s.queue_ids and s.media_types == ("voice",)
    )
    assert not set(range(1, 13)) & hours.keys()
    assert hours[17] < hours[16] > 0 < hours[19]
    assert hours[17] < hours[19]


def test_mails_and_messages_come_around_the_clock() -> None:
    hours = Counter(
        (s.start_ms % DAY_MS) // 3_600_000 for s in week(20_000)[1] if s.media_types[0] in ("email", "message")
    )
    assert len(hours) == 24


def test_voice_is_about_half_and_every_medium_has_its_part() -> None:
    media = Counter(s.media_types[0] for day in week(5000) for s in day)
    share = {m: n / media.total() for m, n in media.items()}
    assert 0.5 < share["voice"] < 0.62
    assert all(share[m] > 0.03 for m in ("callback", "chat", "email", "message"))


def test_a_day_is_sorted_by_start_and_id_and_starts_on_its_day() -> None:
    day = traffic(20_000).day(MONDAY)
    keys = [(s.start_ms, s.conversation_id) for s in day]
    assert keys == sorted(keys)
    assert {s.start_ms // DAY_MS for s in day} == {MONDAY}


def test_some_conversations_start_in_the_same_millisecond() -> None:
    starts = Counter(s.start_ms for s in traffic().day(MONDAY))
    assert max(starts.values()) > 1


def test_columns_say_what_the_sketches_say() -> None:
    day = traffic().day(MONDAY)
    assert [(s.start_ms, s.end_ms) for s in day] == list(zip(day.starts, day.ends, strict=True))


def test_a_day_is_a_sequence() -> None:
    day = traffic(500).day(MONDAY)
    everything = list(day)
    assert day[3] == everything[3]
    assert day[-1] == everything[-1]
    assert day[5:9] == everything[5:9]
    with pytest.raises(IndexError):
        day[len(day)]


def test_no_two_conversations_share_an_id() -> None:
    ids = [s.conversation_id for d in range(3) for s in traffic(20_000, flat=True).day(MONDAY + d)]
    assert len(set(ids)) == len(ids)


def test_an_index_is_met_once_a_day() -> None:
    day = traffic(20_000, flat=True).day(MONDAY)
    assert sorted(s.index for s in day) == list(range(20_000))


@given(st.integers(0, 2**22 - 1), st.integers(0, 2**26 - 1), st.integers(0, 2**62 - 1))
def test_an_id_leads_back_to_its_place(day: int, index: int, roll: int) -> None:
    assert locate(conversation_id(day, index, roll)) == (day, index, roll)


def test_everything_ends_after_it_starts_and_a_few_never() -> None:
    sketches = [s for day in week() for s in day]
    assert all(s.end_ms > s.start_ms for s in sketches)
    assert 0 < sum(s.end_ms == FOREVER_MS for s in sketches) < len(sketches) / 500


def test_some_cross_midnight_some_last_for_days_and_some_less_than_a_second() -> None:
    spans = [(s.start_ms, s.end_ms) for day in week() for s in day if s.end_ms < FOREVER_MS]
    assert any(end // DAY_MS == start // DAY_MS + 1 and end - start < 3_600_000 for start, end in spans)
    assert any(end - start > 3 * DAY_MS for start, end in spans)
    assert any(end - start < 1000 for start, end in spans)


def test_a_day_two_years_back_is_made_alone() -> None:
    alone, after = traffic(), traffic()
    after.day(MONDAY)
    assert list(alone.day(MONDAY - 730)) == list(after.day(MONDAY - 730))


@pytest.mark.parametrize("year", range(2015, 2036))
def test_local_time_is_that_of_new_york(year: int) -> None:
    zone = ZoneInfo("America/New_York")
    first = (datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    for day in range(first, first + 365, 1):
        for hour in (5, 6, 7, 8):
            at = datetime.fromtimestamp(day * 86_400 + hour * 3600, zone).utcoffset()
            assert at is not None
            assert at.total_seconds() == utc_offset_h(day, hour) * 3600


def test_an_id_is_the_same_on_every_machine_and_version() -> None:
    first = traffic().day(MONDAY)[0]
    assert (first.start_ms, first.end_ms, first.conversation_id) == PINNED
