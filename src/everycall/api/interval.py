"""An interval of time, and its parser. Pure.

An interval is half-open, [start, end). Dates and times that the user gives (`2026-01-05`, `P7D`,
`2026-01-05T08:00/10:00`, `7d`, `yesterday`) are in a time zone. Days, weeks, months and years are counted on its
calendar: a local day ends where the next date starts, so that days have no gaps even if clocks change at midnight.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import isodate

from everycall.api.limits import FRESHNESS, SETTLED_AFTER
from everycall.errors import QueryError
from everycall.instants import first_instant_at, floor_ms, start_of_day, text


class Interval:
    """A half-open interval of time, [start, end): the end itself is outside. Immutable."""

    __slots__ = ("_end", "_start")

    def __init__(self, start: datetime, end: datetime) -> None:
        """From one aware instant to a later one; both are cut to whole milliseconds, as the API keeps them.

        Raises:
            QueryError: an instant has no time zone, or the interval is empty or backwards.
        """
        self._start, self._end = _aware(start), _aware(end)
        if self._start == self._end:
            raise QueryError(
                f"The interval is empty: it starts and ends at {text(self._start)}.",
                hint="The end is not included: for one day, end the interval at the next midnight.",
            )
        if self._start > self._end:
            raise QueryError(
                f"The interval runs backwards: {text(self._start)} is after {text(self._end)}.",
                hint="Put the earlier instant first.",
            )

    @property
    def start(self) -> datetime:
        """The first instant inside, in UTC."""
        return self._start

    @property
    def end(self) -> datetime:
        """The first instant after it, in UTC; later than `start`."""
        return self._end

    @property
    def length(self) -> timedelta:
        """The length; more than zero."""
        return self._end - self._start

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interval):
            return NotImplemented
        return (self._start, self._end) == (other._start, other._end)

    def __hash__(self) -> int:
        return hash((self._start, self._end))

    def __str__(self) -> str:
        """The form that the API takes: `2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z`."""
        return f"{text(self._start)}/{text(self._end)}"

    def __repr__(self) -> str:
        return f"Interval({self})"

    @classmethod
    def read(cls, written: str) -> "Interval":
        """Parse the result of `str(interval)`."""
        start, _, end = written.partition("/")
        return cls(datetime.fromisoformat(start), datetime.fromisoformat(end))

    @classmethod
    def parse(cls, written: str, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """Parse an interval that the user gave.

        Args:
            written: any ISO 8601 interval - two instants, instant/duration, duration/instant, a duration that ends
                now, an end with only the parts that differ (`2026-01-05/07`) - or one date, for that whole day,
                week, month or year (`2026-01-05`, `2026-W02`, `2026-01`, `2026`), or one of `WORDS`.
            now: the present; a duration by itself ends then.
            zone: the time zone of instants and dates without one; days and months are counted on its calendar.

        Raises:
            QueryError: the text is not such an interval, or the interval is empty or backwards.
        """
        start, slash, end = (_normalised(part) for part in written.replace("--", "/").partition("/"))
        if not slash:
            return cls._single(start, now, zone)
        if _is_duration(start) and _is_duration(end):
            raise QueryError(f"'{written}' is two durations.", hint="Give one instant and one duration.")
        if _is_duration(end):
            begins = _parse_point(start)
            return cls(_instant(begins, zone), _shifted(begins, end, zone, +1))
        ends = _parse_point(_completed(end, start))
        first = _shifted(ends, start, zone, -1) if _is_duration(start) else _instant(_parse_point(start), zone)
        return cls(first, _instant(ends, zone))

    @classmethod
    def _single(cls, written: str, now: datetime, zone: tzinfo) -> "Interval":
        if _is_duration(written):
            return cls.last(written, now=now, zone=zone)
        if (word := re.sub("[ _]", "-", written).lower()) in WORDS:
            return cls(*(_instant(point, zone) for point in _named(word, now.astimezone(zone))))
        date = _parse_point(written)
        if "T" in written:
            raise QueryError(f"'{written}' is one instant, not an interval.", hint="Write START/END, or START/P1D.")
        start, end = _instant(date, zone), _shifted(date, _precision(written), zone, +1)
        if start == end:
            raise QueryError(
                f"The date {written} does not exist in {zone}: its clocks skipped it.", hint="Use the next day."
            )
        return cls(start, end)

    @classmethod
    def last(cls, duration: str, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """The interval of a duration that ends now: `7d`, `36h`, `90m`, `2w` or ISO 8601 such as `P1M`."""
        end = now - FRESHNESS
        return cls(_shifted(end, duration, zone, -1), end)

    @classmethod
    def between(cls, since: str, until: str | None, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """The interval from one instant or date to another, or until now."""
        end = _instant(_parse_point(until), zone) if until else now - FRESHNESS
        return cls(_instant(_parse_point(since), zone), end)

    def until_now(self, now: datetime) -> "Interval":
        """The part of the interval up to a minute ago, since newer conversations are still arriving at the API.

        Raises:
            QueryError: the whole interval is in the future.
        """
        latest = floor_ms(now - FRESHNESS)
        if self.start >= latest:
            raise QueryError(
                f"The interval {self} is in the future: it is {text(now)} now.",
                hint="Conversations can be exported once they have started, up to a minute ago.",
            )
        return Interval(self.start, min(self.end, latest))


WORDS = ("today", "yesterday", "last-week", "last-month")
"""Intervals with names: whole days, the week from Monday to Monday, and the month of the calendar before this one."""


def _named(word: str, now: datetime) -> tuple[datetime, datetime]:
    """The first day of the named interval, and the first one after it; `now` is in the zone of the days."""
    today = datetime(now.year, now.month, now.day)
    if word == "today":
        return today, today + timedelta(days=1)
    if word == "yesterday":
        return today - timedelta(days=1), today
    if word == "last-week":
        monday = today - timedelta(days=today.weekday())
        return monday - timedelta(days=7), monday
    first = today.replace(day=1)
    return (first - timedelta(days=1)).replace(day=1), first


def settled_until(now: datetime) -> datetime:
    """The midnight before which the vendor no longer rebuilds anything."""
    return start_of_day(now - SETTLED_AFTER)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise QueryError(f"{instant.isoformat()} has no time zone.", hint="Give a datetime with a time zone.")
    return floor_ms(instant)


# A *point* is one end of an interval as the user gave it: aware if it has a zone, and otherwise naive, in the zone of
# the query. It becomes an instant only after durations were added on the calendar.


def _instant(point: datetime, zone: tzinfo) -> datetime:
    try:
        return point.astimezone(UTC) if point.tzinfo else first_instant_at(point, zone)
    except (OverflowError, ValueError) as error:
        raise QueryError(f"{point} is out of range.", hint="Use years from 2 to 9998.") from error


_SHORT_DURATION = re.compile(r"(?P<count>\d+)\s*(?P<unit>M|MIN|H|D|W)")
_DURATION_HINT = "Write 7d, 36h, 90m, 2w, or ISO 8601 such as P7D, P1M, PT12H."


def _is_duration(written: str) -> bool:
    return written[:1] == "P" or bool(_SHORT_DURATION.fullmatch(written))


def _shifted(point: datetime, duration: str, zone: tzinfo, sign: int) -> datetime:
    """The instant a duration after the point (sign +1) or before it (-1).

    Days, weeks, months and years are counted on the zone's calendar, so that a day may have 23 or 25 hours; hours
    and below are counted in real time.
    """
    try:
        days, hours = _parse_duration(duration)
        if days:  # hours alone are not counted on the calendar, where one hour of the year comes twice
            wall = point.astimezone(zone).replace(tzinfo=None) if point.tzinfo else point
            point = wall + days if sign > 0 else wall - days
        return _instant(point, zone) + sign * hours
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise QueryError(
            f"'{duration}' is not a duration that can be added to {point.isoformat(timespec='minutes')}.",
            hint=_DURATION_HINT,
        ) from error


def _parse_duration(written: str) -> tuple[Any, timedelta]:
    """Split a duration into the part that is counted on the calendar (false if zero), and hours and below."""
    iso = _normalised(written)
    if not (_is_duration(iso) and re.search(r"\d", iso)):
        raise QueryError(f"'{written}' is not a duration.", hint=_DURATION_HINT)
    short = _SHORT_DURATION.fullmatch(iso)
    if short:
        unit, count = short["unit"][0], short["count"]
        iso = f"PT{count}{unit}" if unit in "MH" else f"P{count}{unit}"
    calendar, t, clock = iso.partition("T")
    days = isodate.parse_duration(calendar) if len(calendar) > 1 else timedelta()
    hours = isodate.parse_duration(f"PT{clock}") if t else timedelta()
    return days, hours


_WHOLE_DATE = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d(-?\d)?|\d{3})(?!\d)|\d{4}-\d\d(?!\d)")
_ZONE = re.compile(r"(?<=\d)(Z|[+-]\d\d(:?\d\d)?)$")
_DIGITS = re.compile(r"[0-9TWZ:.,+-]+")


def _completed(end: str, start: str) -> str:
    """Complete an abbreviated end from the start: `2026-01-05T08:00Z/10:00` ends at `2026-01-05T10:00Z`.

    A time without a date is on the day of the start. Digits that could be hours or minutes are left unchanged.
    """
    if _is_duration(start) or _WHOLE_DATE.match(end) or not _DIGITS.fullmatch(end):
        return end
    date, _, time = start.partition("T")
    zone = _ZONE.search(time)
    day, t, hour = end.partition("T")
    if not t and (":" in end or (time and len(end) == len(time[: zone.start()] if zone else time))):
        day, hour = "", end
    if time and not hour:
        return end
    day = date[: max(0, len(date) - len(day))] + day
    return f"{day}T{hour}{'' if _ZONE.search(hour) or not zone else zone[0]}" if hour else day


def _precision(written: str) -> str:
    """The length of the period of a date: a year, a month, a week or a day."""
    for pattern, duration in ((r"\d{4}", "P1Y"), (r"\d{4}-\d\d", "P1M"), (r"\d{4}-?W\d\d", "P1W")):
        if re.fullmatch(pattern, written):
            return duration
    return "P1D"


_MIDNIGHT_24 = re.compile(r"T24(?::?00){0,2}(?:[.,]0*)?(?=Z|[+-]|$)")


def _normalised(written: str) -> str:
    """The text in the form that the rest of this module expects: upper case, with a T between date and time."""
    return re.sub(r"(?<=\d) +(?=\d)", "T", written.strip()).upper()


def _parse_point(written: str) -> datetime:
    try:
        return _point(_normalised(written))
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise QueryError(
            f"'{written}' is not an ISO 8601 date or instant.",
            hint="Write 2026-01-05, 2026-01-05T08:00 (in --timezone) or 2026-01-05T08:00:00Z; or for a whole interval "
            f"{', '.join(WORDS[:-1])} or {WORDS[-1]}.",
        ) from error


def _point(iso: str) -> datetime:
    if _MIDNIGHT_24.search(iso):  # ISO 8601 allows 24:00, but isodate does not
        return _point(_MIDNIGHT_24.sub("T00:00", iso)) + timedelta(days=1)
    if re.fullmatch(r"\d{1,3}|\d{5,6}", iso):
        raise ValueError("ambiguous: a century, a month or a day")
    if "T" in iso:
        instant: datetime = isodate.parse_datetime(iso)
        return instant
    date = isodate.parse_date(iso)
    return datetime(date.year, date.month, date.day)
