"""Instants as the API writes them (UTC, ISO 8601, milliseconds, a Z), and how local times become instants."""

from datetime import UTC, datetime, timedelta, tzinfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def text(instant: datetime) -> str:
    """Format an aware instant as the API does, and as our columns do: `2026-01-05T00:00:00.000Z`."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of +00:00


def local(instant: datetime, zone: tzinfo) -> datetime:
    """The same instant on the clocks of a zone; in UTC where that is before year 1 or after year 9999 there."""
    try:
        return instant.astimezone(zone)
    except (OverflowError, ValueError):
        return instant.astimezone(UTC)


def since_epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970, rounded down; exact, unlike `timestamp()`."""
    return (instant - EPOCH) // MILLISECOND


def floor_ms(instant: datetime) -> datetime:
    """The same instant in UTC, cut to whole milliseconds as the API keeps them."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def start_of_day(instant: datetime) -> datetime:
    """Midnight UTC of the instant's day: the API keeps one index per UTC day."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def first_instant_at(wall: datetime, zone: tzinfo) -> datetime:
    """The first instant, in UTC, at which clocks in the zone show this time or a later one.

    A time that the clocks skip gives the moment of the skip, and a time that they show twice gives the first of the
    two. A later time never gives an earlier instant.

    Args:
        wall: local time; naive.
        zone: its time zone.

    Raises:
        OverflowError: the instant is before year 1 or after year 9999.
    """
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _clocks_show(instant, zone) == wall:
        return instant
    before_skip = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _end_of_skip(before_skip, instant, wall, zone)


def _end_of_skip(early: datetime, late: datetime, wall: datetime, zone: tzinfo) -> datetime:
    """Find the second between the two instants at which clocks jump past `wall`, by bisection."""
    early, late = early.replace(microsecond=0), late.replace(microsecond=0) + SECOND
    while late - early > SECOND:
        middle = early + (late - early) // SECOND // 2 * SECOND
        if _clocks_show(middle, zone) < wall:
            early = middle
        else:
            late = middle
    return late


def _clocks_show(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)
