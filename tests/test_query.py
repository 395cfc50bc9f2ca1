import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.api.query import FILTER_LISTS, MEDIA_TYPES, Filters, Interval, Match, Query
from everycall.errors import QueryError
from everycall.instants import DAY, MILLISECOND

NOW = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)

INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))
INTERVALS = (
    st.tuples(INSTANTS, INSTANTS)
    .map(sorted)
    .filter(lambda pair: pair[1] - pair[0] >= MILLISECOND)
    .map(lambda pair: Interval(pair[0], pair[1]))
)


def utc(words: str) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


def parsed(words: str, zone: str = "UTC", now: datetime = NOW) -> str:
    """The interval in as few letters as tell it."""
    interval = Interval.parse(words, now=now, zone=ZoneInfo(zone))
    return str(interval).replace(":00.000Z", "").replace("T00:00", "")


# Intervals


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2026-01-05T08:00:00.000Z/2026-01-06T08:00:00.000Z", "2026-01-05T08:00/2026-01-06T08:00"),
        ("2026-01-05T08:00:00+02:00/2026-01-05T10:00+02:00", "2026-01-05T06:00/2026-01-05T08:00"),
        ("2026-01-05/2026-01-07", "2026-01-05/2026-01-07"),
        ("2026-01-05--2026-01-07", "2026-01-05/2026-01-07"),
        (" 2026-01-05 08:00 / 2026-01-05 09:00 ", "2026-01-05T08:00/2026-01-05T09:00"),
        ("20260105T0800Z/20260105T0930Z", "2026-01-05T08:00/2026-01-05T09:30"),
        ("2026-01-05/P2D", "2026-01-05/2026-01-07"),
        ("P1W/2026-01-08", "2026-01-01/2026-01-08"),
        ("2026-01-31/P1M", "2026-01-31/2026-02-28"),
        ("P1M/2026-03-31", "2026-02-28/2026-03-31"),
        ("2024-02-29/P1Y", "2024-02-29/2025-02-28"),
        ("2026-01-05T08:00Z/PT90M", "2026-01-05T08:00/2026-01-05T09:30"),
        ("2026-01-05T24:00Z/P1D", "2026-01-06/2026-01-07"),
        ("2026-01-05t08:00z/pt1h", "2026-01-05T08:00/2026-01-05T09:00"),
        ("2026-01-05/3d", "2026-01-05/2026-01-08"),
    ],
)
def test_an_interval_is_two_instants_or_one_and_a_duration(words: str, expected: str) -> None:
    assert parsed(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2026-01-05/07", "2026-01-05/2026-01-07"),
        ("2026-01-30/02-02", "2026-01-30/2026-02-02"),
        ("2026-01-05T08:00Z/10:00", "2026-01-05T08:00/2026-01-05T10:00"),
        ("2026-01-05T08:00:00Z/10:00", "2026-01-05T08:00/2026-01-05T10:00"),
        ("2026-01-05T08:00:00/06T10:00", "2026-01-05T08:00/2026-01-06T10:00"),
        ("2026-01-05T08:00+02:00/10:00", "2026-01-05T06:00/2026-01-05T08:00"),
        ("2026-01-05T08:00+02:00/10:00Z", "2026-01-05T06:00/2026-01-05T10:00"),
        ("20260105T0800/1000", "2026-01-05T08:00/2026-01-05T10:00"),
        ("2026-01-05T08/10", "2026-01-05T08:00/2026-01-05T10:00"),
    ],
)
def test_the_end_takes_from_the_start_what_it_leaves_out(words: str, expected: str) -> None:
    assert parsed(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2026-01-05", "2026-01-05/2026-01-06"),
        ("20260105", "2026-01-05/2026-01-06"),
        ("2026-005", "2026-01-05/2026-01-06"),
        ("2026-W02", "2026-01-05/2026-01-12"),
        ("2026-W02-3", "2026-01-07/2026-01-08"),
        ("2026-02", "2026-02-01/2026-03-01"),
        ("2026", "2026-01-01/2027-01-01"),
    ],
)
def test_one_date_is_all_that_it_names(words: str, expected: str) -> None:
    assert parsed(words) == expected


@pytest.mark.parametrize(
    ("words", "start"),
    [("P7D", "2026-01-13T11:59"), ("7d", "2026-01-13T11:59"), ("P1M", "2025-12-20T11:59"), ("36h", "2026-01-18T23:59")],
)
def test_a_duration_by_itself_ends_a_minute_ago(words: str, start: str) -> None:
    assert parsed(words) == f"{start}/2026-01-20T11:59"


@pytest.mark.parametrize(
    ("words", "hours"),
    [("90m", 1.5), ("90min", 1.5), ("36h", 36), ("2 D", 48), ("2w", 336), ("PT0.5H", 0.5), ("P1DT12H", 36)],
)
def test_last_counts_back_from_a_minute_ago(words: str, hours: float) -> None:
    interval = Interval.last(words, now=NOW)

    assert interval.end == NOW - timedelta(minutes=1)
    assert interval.length == hours * HOUR


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_a_local_day_has_as_many_hours_as_its_zone_gives_it(day: str, hours: int) -> None:
    whole = Interval.parse(day, now=NOW, zone=BERLIN)

    assert whole.length == hours * HOUR
    assert whole.start.astimezone(BERLIN).hour == 0
    assert Interval.parse(f"{day}/P1D", now=NOW, zone=BERLIN) == whole
    assert Interval.parse(f"{day}/PT24H", now=NOW, zone=BERLIN).length == 24 * HOUR


def test_a_month_and_a_year_are_counted_on_the_local_calendar_too() -> None:
    assert parsed("2026-03", "Europe/Berlin") == "2026-02-28T23:00/2026-03-31T22:00"
    assert parsed("2026", "Asia/Tokyo") == "2025-12-31T15:00/2026-12-31T15:00"


@pytest.mark.parametrize(("words", "hours"), [("36h", 36), ("1h", 1), ("PT30M", 0.5)])
def test_hours_are_counted_on_the_clock_in_the_hour_that_comes_twice(words: str, hours: float) -> None:
    second_half_past_two = utc("2026-10-25T01:30:00")

    assert Interval.last(words, now=second_half_past_two, zone=BERLIN).length == hours * HOUR


@pytest.mark.parametrize(
    "words",
    [
        "", "/", "now", "yesterday", "2026-13-01", "2026-02-30", "2026-01-05T25:00/P1D", "2026-01-05/", "/2026-01-05",
        "P1D/P1D", "P", "PT", "P0D", "P-7D", "-P7D", "P1.5M", "7y", "20", "202601", "9999", "P9999Y",
        "2026-01-05T08:00", "2026-01-05T08:00/07", "2026-01-05/2026-01-05", "2026-01-06/2026-01-05", "2026-01-05/now",
        "2026-01-05/06/07", "2026-01-05T08:00:00Z/2026-01-05T08:00:00.0005Z",
    ],
)  # fmt: skip
def test_what_is_no_interval_is_refused_with_a_reason(words: str) -> None:
    with pytest.raises(QueryError) as refused:
        Interval.parse(words, now=NOW)

    assert str(refused.value)
    assert refused.value.hint


@given(st.text(alphabet="0123456789-:/TZPWDHM.+ ", max_size=24))
def test_no_words_do_worse_than_being_refused(words: str) -> None:
    try:
        interval = Interval.parse(words, now=NOW, zone=BERLIN)
    except QueryError:
        return
    assert interval.start < interval.end


@given(INTERVALS)
def test_an_interval_reads_back_as_it_is_written(interval: Interval) -> None:
    assert Interval.read(str(interval)) == interval
    assert Interval.parse(str(interval), now=NOW, zone=BERLIN) == interval


def test_an_interval_keeps_whole_milliseconds_of_utc() -> None:
    interval = Interval(datetime(2026, 1, 5, 1, 0, 0, 1999, BERLIN), utc("2026-01-06"))

    assert str(interval) == "2026-01-05T00:00:00.001Z/2026-01-06T00:00:00.000Z"


def test_instants_without_a_zone_are_refused() -> None:
    with pytest.raises(QueryError, match="no time zone"):
        Interval(datetime(2026, 1, 5), utc("2026-01-06"))


def test_since_and_until_are_instants_of_the_zone_and_until_is_a_minute_ago_unless_told() -> None:
    both = Interval.between("2026-01-05", "2026-01-06T08:00", now=NOW, zone=BERLIN)
    open_ended = Interval.between("2026-01-05T08:00Z", None, now=NOW, zone=BERLIN)

    assert str(both) == "2026-01-04T23:00:00.000Z/2026-01-06T07:00:00.000Z"
    assert open_ended.end == NOW - timedelta(minutes=1)


def test_what_has_not_settled_for_a_minute_is_left_out() -> None:
    tomorrow = Interval(NOW - DAY, NOW + DAY)

    assert tomorrow.until_now(NOW) == Interval(NOW - DAY, NOW - timedelta(minutes=1))
    assert Interval(NOW - 2 * DAY, NOW - DAY).until_now(NOW) == Interval(NOW - 2 * DAY, NOW - DAY)


@pytest.mark.parametrize("ahead", [timedelta(), -timedelta(seconds=60), DAY])
def test_an_interval_in_the_future_is_refused(ahead: timedelta) -> None:
    with pytest.raises(QueryError, match="in the future"):
        Interval(NOW + ahead, NOW + ahead + DAY).until_now(NOW)


# Filters


def predicate(dimension: str, value: str) -> dict[str, str]:
    return {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value}


def test_values_of_one_kind_are_alternatives_and_kinds_must_all_hold() -> None:
    filters = Filters.of(queue_ids=["q1", "q2"], user_ids=["u"], division_ids=["d"])

    assert filters.lists == {
        "conversationFilters": [{"type": "or", "predicates": [predicate("divisionId", "d")]}],
        "segmentFilters": [
            {"type": "or", "predicates": [predicate("queueId", "q1"), predicate("queueId", "q2")]},
            {"type": "or", "predicates": [predicate("userId", "u")]},
        ],
    }


def test_media_types_and_directions_are_known_without_regard_to_case() -> None:
    filters = Filters.of(media_types=["Voice", "EMAIL"], directions=["Inbound"])

    predicates = [one for entries in filters.lists.values() for entry in entries for one in entry["predicates"]]
    assert [one["value"] for one in predicates] == ["inbound", "voice", "email"]


@pytest.mark.parametrize("words", [{"media_types": ["phone"]}, {"directions": ["in"]}])
def test_a_media_type_or_direction_that_the_api_does_not_know_is_refused_with_those_it_knows(
    words: dict[str, list[str]],
) -> None:
    with pytest.raises(QueryError) as refused:
        Filters.of(**words)

    assert any(known in refused.value.hint for known in (*MEDIA_TYPES, "inbound"))


def test_no_filter_is_none() -> None:
    assert not Filters.of()
    assert not Filters.read({})
    assert not Filters.read({"segmentFilters": [], "interval": "x", "paging": {"pageSize": 9}})


BODY = {
    "segmentFilters": [
        {
            "type": "and",
            "clauses": [{"type": "or", "predicates": [{"dimension": "queueId", "value": "q"}]}],
            "predicates": [
                {"dimension": "wrapUpCode", "operator": "exists"},
                {"metric": "tSegmentDuration", "range": {"gt": 1000}},
                {"type": "property", "property": "p", "propertyType": "bool", "value": "true"},
            ],
        }
    ],
    "evaluationFilters": [{"type": "or", "predicates": [{"dimension": "anythingNew", "value": "x"}]}],
}


def test_the_filters_of_a_body_are_sent_as_they_are() -> None:
    assert Filters.read({**BODY, "interval": "ignored", "order": "desc"}).lists == BODY


def test_filters_add_up() -> None:
    both = Filters.of(queue_ids=["q"]) + Filters.read(BODY)

    assert list(both.lists) == ["segmentFilters", "evaluationFilters"]
    assert len(both.lists["segmentFilters"]) == 2


@pytest.mark.parametrize("key", ["groupBy", "metrics", "view", "pageSize", "page_size", "filters", "segmentfilters"])
def test_keys_that_tutorials_invent_are_refused_with_those_that_there_are(key: str) -> None:
    with pytest.raises(QueryError, match=key) as refused:
        Filters.read({key: []})

    assert all(name in refused.value.hint for name in FILTER_LISTS)


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        ("x", "segmentFilters is not a list"),
        ({"type": "and"}, "segmentFilters is not a list"),
        (["x"], r"segmentFilters\[0\] is not an object"),
        ([{"predicates": [{"dimension": "queueId", "value": "q"}]}], r"\[0\].type is None"),
        ([{"type": "not", "predicates": [{"dimension": "queueId", "value": "q"}]}], r"\[0\].type is 'not'"),
        ([{"type": "and"}], r"\[0\] is empty"),
        ([{"type": "and", "predicates": [], "clauses": []}], r"\[0\] is empty"),
        ([{"type": "and", "predicates": 5}], r"\[0\].predicates is not a list"),
        ([{"type": "and", "clauses": {"type": "and"}}], r"\[0\].clauses is not a list"),
        ([{"type": "and", "operator": "x", "predicates": []}], "operator"),
        ([{"type": "and", "predicates": ["x"]}], r"predicates\[0\] is not an object"),
        ([{"type": "and", "predicates": [{"value": "q"}]}], "names no dimension"),
        ([{"type": "and", "predicates": [{"dimension": "queueId"}]}], "neither a value nor a range"),
        ([{"type": "and", "predicates": [{"dimension": "q", "operator": "is", "value": "x"}]}], "operator is 'is'"),
        ([{"type": "and", "clauses": [{"type": "and", "clauses": []}]}], r"clauses\[0\] has \['clauses'\]"),
    ],
)
def test_a_filter_that_the_api_would_refuse_is_refused_with_its_place(entries: Any, where: str) -> None:
    with pytest.raises(QueryError, match=where) as refused:
        Filters.read({"segmentFilters": entries})

    assert refused.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "predicates", "clauses", "dimension", "value", "operator"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(FILTER_LISTS), JSON, max_size=2) | JSON)
def test_no_filter_does_worse_than_being_refused(body: object) -> None:
    try:
        filters = Filters.read(body)
    except QueryError:
        return
    assert json.dumps(dict(filters.lists))


# Queries

WEEK = Interval(utc("2026-01-05"), utc("2026-01-12"))
MONDAY = Interval(utc("2026-01-05"), utc("2026-01-06"))


def test_the_body_pages_by_number_through_one_window_in_order_of_start() -> None:
    body = Query(WEEK, Filters.read(BODY)).body(MONDAY, 3, 100)

    assert body == {
        "interval": "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z",
        "order": "asc",
        "orderBy": "conversationStart",
        **BODY,
        "paging": {"pageSize": 100, "pageNumber": 3},
    }


@pytest.mark.parametrize(
    ("started", "match", "owned"),
    [
        ("2026-01-05T00:00:00", "start", True),
        ("2026-01-05T23:59:59.999", "start", True),
        ("2026-01-06T00:00:00", "start", False),
        ("2026-01-04T23:59:59.999", "start", False),
        ("2026-01-04T23:59:59.999", "activity", True),
        ("2026-01-06T00:00:00", "activity", False),
    ],
)
def test_a_window_owns_what_started_in_it_and_the_first_one_what_was_alive_before(
    started: str, match: Match, owned: bool
) -> None:
    assert Query(WEEK, match=match).owns(utc(started), MONDAY) is owned
