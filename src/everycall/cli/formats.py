"""Formats numbers, times and sizes for people."""

from datetime import datetime, timedelta

from everycall.api.interval import Interval


def counted(number: int, noun: str) -> str:
    """`1 window`, `2,815 windows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counted_hits(count: int, carried_in: int) -> str:
    """What the API counted, and how many of it do not belong to the window that found them."""
    return f"{count:,} hits, of which {carried_in:,} began before their window: an export leaves those out"


def span(interval: Interval) -> str:
    """`2026-01-05 08:00 to 2026-01-06 UTC`: to the second, without a time at midnight or seconds that are zero."""
    return f"{_short(interval.start)} to {_short(interval.end)} UTC"


def _short(instant: datetime) -> str:
    if instant.hour == instant.minute == instant.second == 0:
        return f"{instant:%Y-%m-%d}"
    return f"{instant:%Y-%m-%d %H:%M}" if instant.second == 0 else f"{instant:%Y-%m-%d %H:%M:%S}"


def duration(length: timedelta) -> str:
    """`6.8 s`, `3 min 12 s`, `2 h 5 min`."""
    seconds = length.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """`1.8 MB`, in powers of 1,000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
