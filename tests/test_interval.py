"""Intervals: how they can be written, and that local days tile the time line."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.api.interval import Interval
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


def utc(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def parsed(written: str, zone: str = "UTC", now: datetime = NOW) -> str:
    """The interval in as few letters as tell it."""
    interval = Interval.parse(written, now=now, zone=ZoneInfo(zone))
    return str(interval).replace(":00.000Z", "").replace("T00:00", "")


@pytest.mark.parametrize(
    ("written", "expected"),
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
def test_an_interval_is_two_instants_or_one_and_a_duration(written: str, expected: str) -> None:
    assert parsed(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
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
def test_an_abbreviated_end_takes_the_rest_from_the_start(written: str, expected: str) -> None:
    assert parsed(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
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
def test_one_date_is_the_whole_day_week_month_or_year(written: str, expected: str) -> None:
    assert parsed(written) == expected


@pytest.mark.parametrize(
    ("written", "start"),
    [("P7D", "2026-01-13T11:59"), ("7d", "2026-01-13T11:59"), ("P1M", "2025-12-20T11:59"), ("36h", "2026-01-18T23:59")],
)
def test_a_duration_by_itself_ends_a_minute_ago(written: str, start: str) -> None:
    assert parsed(written) == f"{start}/2026-01-20T11:59"


@pytest.mark.parametrize(
    ("written", "hours"),
    [("90m", 1.5), ("90min", 1.5), ("36h", 36), ("2 D", 48), ("2w", 336), ("PT0.5H", 0.5), ("P1DT12H", 36)],
)
def test_last_counts_back_from_a_minute_ago(written: str, hours: float) -> None:
    interval = Interval.last(written, now=NOW)

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


@pytest.mark.parametrize(("written", "hours"), [("36h", 36), ("1h", 1), ("PT30M", 0.5)])
def test_durations_in_hours_are_right_in_the_hour_that_comes_twice(written: str, hours: float) -> None:
    """Clocks show 02:30 for the second time that night, and an hour is still an hour."""
    second_half_past_two = utc("2026-10-25T01:30:00")

    assert Interval.last(written, now=second_half_past_two, zone=BERLIN).length == hours * HOUR


@pytest.mark.parametrize(
    "written",
    [
        "", "/", "now", "last-year", "2026-13-01", "2026-02-30", "2026-01-05T25:00/P1D", "2026-01-05/", "/2026-01-05",
        "P1D/P1D", "P", "PT", "P0D", "P-7D", "-P7D", "P1.5M", "7y", "20", "202601", "9999", "P9999Y",
        "2026-01-05T08:00", "2026-01-05T08:00/07", "2026-01-05/2026-01-05", "2026-01-06/2026-01-05", "2026-01-05/now",
        "2026-01-05/06/07", "2026-01-05T08:00:00Z/2026-01-05T08:00:00.0005Z",
    ],
)  # fmt: skip
def test_an_invalid_interval_is_refused_with_a_reason(written: str) -> None:
    with pytest.raises(QueryError) as refused:
        Interval.parse(written, now=NOW)

    assert str(refused.value)
    assert refused.value.hint


@given(st.text(alphabet="0123456789-:/TZPWDHM.+ ", max_size=24))
def test_any_text_is_an_interval_or_refused(written: str) -> None:
    try:
        interval = Interval.parse(written, now=NOW, zone=BERLIN)
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


def test_the_last_minute_is_left_out() -> None:
    tomorrow = Interval(NOW - DAY, NOW + DAY)

    assert tomorrow.until_now(NOW) == Interval(NOW - DAY, NOW - timedelta(minutes=1))
    assert Interval(NOW - 2 * DAY, NOW - DAY).until_now(NOW) == Interval(NOW - 2 * DAY, NOW - DAY)


@pytest.mark.parametrize("ahead", [timedelta(), -timedelta(seconds=60), DAY])
def test_an_interval_in_the_future_is_refused(ahead: timedelta) -> None:
    with pytest.raises(QueryError, match="in the future"):
        Interval(NOW + ahead, NOW + ahead + DAY).until_now(NOW)


# Local days: the end of a date is the start of the next one

ZONES = sorted(available_timezones())
DATES = st.dates(date(1920, 1, 1), date(2037, 12, 30))


def local_day(day: date, zone: ZoneInfo) -> Interval | None:
    """None where the zone's clocks skipped that date."""
    try:
        return Interval.parse(str(day), now=NOW, zone=zone)
    except QueryError as error:
        assert "skipped that date" in str(error)  # noqa: PT017
        return None


def assert_tile(first: date, zone: ZoneInfo) -> None:
    """This date and the next ones follow each other without a gap or an overlap, and hold what clocks call by them."""
    days = [local_day(first + timedelta(days=n), zone) for n in range(3)]
    found = [day for day in days if day is not None]
    assert len(found) >= 2
    for one, following in pairwise(found):
        assert one.end == following.start, (zone, first)
    for n, day in enumerate(days):
        if day is not None:
            named = str(first + timedelta(days=n))
            assert Interval.parse(f"{named}/P1D", now=NOW, zone=zone) == day
            assert Interval.parse(f"P1D/{first + timedelta(days=n + 1)}", now=NOW, zone=zone).end == day.end
            assert str((day.start - MILLISECOND).astimezone(zone).date()) < named
            assert str(day.start.astimezone(zone).date()) == named


@given(st.sampled_from(ZONES), DATES)
def test_local_days_tile_the_time_line_in_every_zone(zone: str, first: date) -> None:
    assert_tile(first, ZoneInfo(zone))


@pytest.mark.parametrize("initial", sorted({name[:2] for name in ZONES}))
def test_local_days_tile_the_time_line_wherever_clocks_are_changed(initial: str) -> None:
    """Every day of six years, in every zone, on which the offset from UTC changes; the days around it too."""
    for name in ZONES:
        if name.startswith(initial):
            zone = ZoneInfo(name)
            noons = [datetime(2022, 1, 1, 12, tzinfo=UTC) + n * DAY for n in range(6 * 365)]
            offsets = [noon.astimezone(zone).utcoffset() for noon in noons]
            for n in range(1, len(noons)):
                if offsets[n] != offsets[n - 1]:
                    assert_tile(noons[n - 1].astimezone(zone).date() - timedelta(days=1), zone)
                    assert_tile(noons[n - 1].astimezone(zone).date(), zone)


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00"),
        ("America/Havana", "2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00", "2026-03-29T21:00"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T04:00", "2023-10-02T03:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30", "1919-04-01T04:00"),  # clocks went from 23:30 to 00:30
    ],
)
def test_a_day_without_midnight_begins_when_its_clocks_begin_it(zone: str, day: str, start: str, end: str) -> None:
    assert parsed(day, zone) == f"{start}/{end}"
    assert parsed(f"{day}/P1D", zone) == f"{start}/{end}"
    assert parsed(f"{day}T00:00/P1D", zone) == f"{start}/{end}"


def test_a_date_that_clocks_skipped_is_no_interval() -> None:
    """Samoa went from the 29th to the 31st."""
    with pytest.raises(QueryError, match=r"The date 2011-12-30 does not exist in Pacific/Apia"):
        parsed("2011-12-30", "Pacific/Apia")

    assert parsed("2011-12-29/2011-12-31", "Pacific/Apia") == parsed("2011-12-29", "Pacific/Apia")


@given(st.sampled_from(ZONES), DATES, st.sampled_from(["1w", "P1M", "P1Y", "3d"]))
def test_weeks_months_and_years_begin_and_end_where_days_do(zone: str, first: date, length: str) -> None:
    where = ZoneInfo(zone)
    whole = Interval.parse(f"{first}/{length}", now=NOW, zone=where)
    begins, ends = (whole.start.astimezone(where).date(), whole.end.astimezone(where).date())

    assert whole == Interval.parse(f"{begins}/{ends}", now=NOW, zone=where)


@pytest.mark.parametrize("month", range(1, 13))
def test_the_weeks_and_months_of_a_zone_without_midnights_tile_its_year(month: int) -> None:
    santiago = ZoneInfo("America/Santiago")
    this, following = f"2026-{month:02}", f"{2026 + month // 12}-{month % 12 + 1:02}"
    one, other = (Interval.parse(written, now=NOW, zone=santiago) for written in (this, following))
    assert one.end == other.start

    weeks = [Interval.parse(f"2026-W{week:02}", now=NOW, zone=santiago) for week in range(1, 53)]
    assert all(one.end == other.start for one, other in pairwise(weeks))


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))
def test_the_last_day_begins_where_clocks_showed_the_same_time_a_date_before(zone: str, wall: datetime) -> None:
    """So daily runs at one time of the day add up: only what clocks show twice can be asked for twice."""
    where = ZoneInfo(zone)
    now = wall.replace(tzinfo=where).astimezone(UTC) + timedelta(minutes=1)
    last = Interval.last("1d", now=now, zone=where)
    shown = last.start.astimezone(where).replace(tzinfo=None)
    a_day_before = last.end.astimezone(where).replace(tzinfo=None) - DAY

    assert last.end == now.replace(microsecond=now.microsecond // 1000 * 1000) - timedelta(minutes=1)
    assert shown >= a_day_before.replace(microsecond=a_day_before.microsecond // 1000 * 1000)
    assert (last.start - MILLISECOND).astimezone(where).replace(tzinfo=None) < a_day_before


def test_the_last_day_of_a_zone_without_midnight_begins_after_the_skip() -> None:
    santiago = ZoneInfo("America/Santiago")
    half_past_midnight = utc("2026-09-07T03:30:00") + timedelta(minutes=1)

    assert Interval.last("1d", now=half_past_midnight, zone=santiago).start == utc("2026-09-06T04:00:00")


@pytest.mark.parametrize(
    ("written", "zone", "now", "expected"),
    [
        ("today", "UTC", "2026-01-20T12:00", "2026-01-20/2026-01-21"),
        ("yesterday", "UTC", "2026-01-20T00:00", "2026-01-19/2026-01-20"),
        ("Yesterday", "Europe/Berlin", "2026-01-19T23:30", "2026-01-18T23:00/2026-01-19T23:00"),
        ("yesterday", "Europe/Berlin", "2026-03-30T10:00", "2026-03-28T23:00/2026-03-29T22:00"),
        ("last-week", "UTC", "2026-01-20T12:00", "2026-01-12/2026-01-19"),
        ("last week", "UTC", "2026-01-19T00:00", "2026-01-12/2026-01-19"),
        ("last_week", "UTC", "2026-01-18T23:59", "2026-01-05/2026-01-12"),
        ("last-month", "UTC", "2026-01-20T12:00", "2025-12-01/2026-01-01"),
        ("last-month", "Europe/Berlin", "2026-04-01T00:00", "2026-02-28T23:00/2026-03-31T22:00"),
    ],
)
def test_an_interval_can_be_a_word(written: str, zone: str, now: str, expected: str) -> None:
    assert parsed(written, zone, utc(now)) == expected


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_yesterday_ends_where_today_begins_and_months_are_whole(now: datetime) -> None:
    today, yesterday, week, month = (
        Interval.parse(word, now=now, zone=BERLIN) for word in ("today", "yesterday", "last-week", "last-month")
    )

    assert yesterday.end == today.start <= now < today.end
    assert week.start.astimezone(BERLIN).weekday() == week.end.astimezone(BERLIN).weekday() == 0
    assert week.end <= now < week.end + timedelta(days=7, hours=1)
    assert month.start.astimezone(BERLIN).day == month.end.astimezone(BERLIN).day == 1
    assert month.end <= now


def test_a_word_that_is_none_names_those_that_are() -> None:
    with pytest.raises(QueryError) as caught:
        parsed("last-year")

    assert "today, yesterday, last-week or last-month" in caught.value.hint
