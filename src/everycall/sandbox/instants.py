"""Instants as the API writes them, and as the sandbox counts them: integer milliseconds since the epoch, UTC.

Source: captures of the API give `yyyy-MM-ddTHH:mm:ss.SSSZ`, the milliseconds now and then missing; requests
in the wild come with an offset or with no zone at all, which is UTC.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

DAY_MS = 86_400_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:?\d\d|[+-]\d\d)?", re.ASCII)


def to_ms(text: str) -> int:
    """The milliseconds since the epoch of an ISO 8601 instant; what is finer than a millisecond is cut off.

    Raises:
        ValueError: it is not an instant: no time of day, a month 13, a one-digit day.
    """
    matched = INSTANT.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r} is not an ISO 8601 instant such as 2026-01-05T00:00:00.000Z")
    minutes, seconds, fraction, zone = matched.groups()
    whole = datetime.fromisoformat(f"{minutes}:{seconds or '00'}{zone or 'Z'}")
    return (whole - EPOCH) // timedelta(milliseconds=1) + int((fraction or "0").ljust(3, "0")[:3])


@lru_cache(maxsize=16)
def _day_text(day: int) -> str:
    return (EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def to_text(instant_ms: int) -> str:
    """The instant as the API writes it: `2026-01-05T09:30:00.250Z`."""
    day, rest = divmod(instant_ms, DAY_MS)
    seconds, ms = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day_text(day)}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
