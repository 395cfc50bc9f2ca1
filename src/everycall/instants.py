"""Instants as the API writes them: UTC, ISO 8601, milliseconds, a Z."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def text(instant: datetime) -> str:
    """`2026-01-05T00:00:00.000Z`: the form that the API sends and that our columns hold. `instant` must be aware."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of +00:00


def since_epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970, rounded down; exact, unlike `timestamp()`."""
    return (instant - EPOCH) // MILLISECOND


def floor_ms(instant: datetime) -> datetime:
    """The same instant in UTC, without the digits that the API would not keep."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def start_of_day(instant: datetime) -> datetime:
    """Midnight UTC of the instant's day: the API keeps one index per UTC day."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
