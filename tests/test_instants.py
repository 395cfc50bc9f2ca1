from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from everycall.instants import DAY, EPOCH, MILLISECOND, first_instant_at, floor_ms, since_epoch_ms, start_of_day, text

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)


def test_an_instant_is_written_in_utc_with_three_digits_and_a_z() -> None:
    berlin = timezone(timedelta(hours=1))

    assert text(datetime(2026, 1, 5, 0, 30, 0, 7999, berlin)) == "2026-01-04T23:30:00.007Z"


def test_a_year_has_four_digits_however_early() -> None:
    assert text(datetime(33, 4, 3, tzinfo=UTC)) == "0033-04-03T00:00:00.000Z"


@given(INSTANTS)
def test_a_written_instant_is_read_as_the_same_millisecond(instant: datetime) -> None:
    assert datetime.fromisoformat(text(instant)) == floor_ms(instant)


@given(INSTANTS)
def test_milliseconds_since_1970_are_exact_and_rounded_down(instant: datetime) -> None:
    assert EPOCH + since_epoch_ms(instant) * MILLISECOND == floor_ms(instant)
    assert timedelta() <= instant - floor_ms(instant) < MILLISECOND


@given(INSTANTS)
def test_a_day_begins_at_midnight_utc_at_most_a_day_before(instant: datetime) -> None:
    midnight = start_of_day(instant)

    assert text(midnight).endswith("T00:00:00.000Z")
    assert timedelta() <= instant - midnight < DAY


WALLS = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1))


@given(st.sampled_from(sorted(available_timezones())), WALLS, st.integers(0, 100_000))
def test_a_later_local_time_is_never_an_earlier_instant(zone: str, wall: datetime, later_s: int) -> None:
    where = ZoneInfo(zone)

    assert first_instant_at(wall, where) <= first_instant_at(wall + timedelta(seconds=later_s), where)


@given(st.sampled_from(sorted(available_timezones())), WALLS)
def test_the_first_instant_at_a_time_shows_it_or_follows_its_skip(zone: str, wall: datetime) -> None:
    where = ZoneInfo(zone)
    instant = first_instant_at(wall, where)

    assert instant.astimezone(where).replace(tzinfo=None) >= wall
    assert (instant - MILLISECOND).astimezone(where).replace(tzinfo=None) < wall
