"""The caller's terms for an interval, such as `{"last": "7d"}`, and the interval that they name at a given time. Pure.

A ledger and a manifest have both the terms and the interval, so that each can be checked against the other.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from everycall.api.interval import Interval, settled_until
from everycall.errors import QueryError
from everycall.instants import text

TERMS = ("interval", "last", "since", "until", "timezone", "settled")
"""The terms that name an interval. Others are about filters, or the caller's own."""

LOOK_UPS_MAX = timedelta(hours=1)
"""Ours: the longest time between making an interval and the begin of its export, in which names are looked up."""


def interval_asked(asked: Mapping[str, str], now: datetime) -> Interval:
    """The interval that the terms name now.

    Args:
        asked: one of `interval`, `last`, and `since` with or without `until`; optionally `timezone` (UTC by default)
            and `settled`.
        now: the present.

    Raises:
        QueryError: the terms do not name an interval, or one in the future.
    """
    zone = zone_of(asked.get("timezone", "UTC"))
    if "since" in asked:
        found = Interval.between(asked["since"], asked.get("until"), now=now, zone=zone)
    elif "interval" in asked:
        found = Interval.parse(asked["interval"], now=now, zone=zone)
    else:
        found = Interval.last(asked["last"], now=now, zone=zone)
    found = found.until_now(now)
    return _settled(found, now) if "settled" in asked else found


def contradiction(asked: Mapping[str, Any], interval: Interval, begun_at: datetime) -> Interval | None:
    """The interval that the terms named when an export began, if it differs from the interval of the export.

    Args:
        asked: the terms. Unknown ones are ignored.
        interval: the interval of the export.
        begun_at: when the export began: a little after the interval was made, if the terms move with the clock.

    Returns:
        None if both agree, or if the terms do not name an interval.
    """
    terms = {name: asked[name] for name in TERMS if name in asked}
    if not {"interval", "last", "since"} & set(terms) or not all(isinstance(term, str) for term in terms.values()):
        return None
    try:
        named = interval_asked(terms, begun_at)
    except QueryError:
        return None
    earlier = {named.start - interval.start, named.end - interval.end, timedelta()}
    moments = [begun_at - by for by in earlier if timedelta() <= by <= LOOK_UPS_MAX]
    return None if any(_names(terms, moment, interval) for moment in moments) else named


def _names(terms: Mapping[str, str], moment: datetime, interval: Interval) -> bool:
    try:
        return interval_asked(terms, moment) == interval
    except QueryError:
        return False


def _settled(interval: Interval, now: datetime) -> Interval:
    """The part of the interval that the vendor no longer rebuilds."""
    border = settled_until(now)
    if interval.start >= border:
        raise QueryError(
            f"No data of {interval} is settled: the vendor still changes data after {text(border)}.",
            hint="Leave out --settled, or choose earlier days.",
        )
    return Interval(interval.start, min(interval.end, border))


def zone_of(name: str) -> tzinfo:
    """The time zone of that name.

    Raises:
        QueryError: it does not exist, or this system has no time zone database.
    """
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise unknown_zone(name, available_timezones()) from error


def unknown_zone(name: str, known: set[str]) -> QueryError:
    """The error for an unknown time zone, with similar names; `known` are the zones of the system."""
    if not known:
        return QueryError(
            f"This system has no time zone database, so --timezone {name} cannot be used.",
            hint="Install it: python3 -m pip install tzdata, or apt-get install tzdata. Times in UTC work without it.",
        )
    names = {zone.casefold(): zone for zone in known}
    cities = {zone.rpartition("/")[2]: names[zone] for zone in names}
    similar = [names[zone] for zone in get_close_matches(name.casefold(), names, n=3, cutoff=0.6)]
    similar += [cities[city] for city in get_close_matches(name.casefold(), cities, n=2)]
    hint = f"Did you mean {' or '.join(dict.fromkeys(similar))}?" if similar else "Give a name such as Europe/Berlin."
    return QueryError(f"'{name}' is not a time zone.", hint=hint)
