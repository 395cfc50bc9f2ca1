"""An interval of time, and the ways to write one down. Pure.

An interval is half-open, [start, end). What people write (`2026-01-05`, `P7D`, `2026-01-05T08:00/10:00`, `7d`) is read
on the clocks of a time zone. Days, weeks, months and years are counted on the calendar: the end of a local day is the
start of the next date, so that days tile the time line also where clocks are changed at midnight.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import isodate

from everycall.api.limits import FRESHNESS, SETTLED_AFTER
from everycall.errors import QueryError
from everycall.instants import first_instant_at, floor_ms, start_of_day, text


class Interval:
    """A half-open stretch of time, [start, end): the end itself is outside. Immutable; equal where both ends are."""

    __slots__ = ("_end", "_start")

    def __init__(self, start: datetime, end: datetime) -> None:
        """From one instant to a later one; both aware, and cut to whole milliseconds, which is what the API keeps.

        Raises:
            QueryError: an instant has no time zone, or the interval is empty or backwards.
        """
        self._start, self._end = _aware(start), _aware(end)
        if self._start == self._end:
            raise QueryError(
                f"The interval is empty: it starts and ends at {text(self._start)}.",
                hint="The end is outside the interval: to take one day, end it at the next day's midnight.",
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
        """How long it is; more than zero."""
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
        """The interval that `str(interval)` was written from."""
        start, _, end = written.partition("/")
        return cls(datetime.fromisoformat(start), datetime.fromisoformat(end))

    @classmethod
    def parse(cls, written: str, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """The interval that somebody wrote down.

        Args:
            written: any ISO 8601 interval - two instants, instant/duration, duration/instant, a duration that ends
                now, an end that gives only what differs (`2026-01-05/07`) - or one date, which is that whole day,
                week, month or year (`2026-01-05`, `2026-W02`, `2026-01`, `2026`).
            now: the present; a duration by itself ends then.
            zone: where instants and dates without a zone are; days and months are counted on its calendar.

        Raises:
            QueryError: it is none of these, or it is empty or backwards.
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
        date = _parse_point(written)
        if "T" in written:
            raise QueryError(f"'{written}' is one instant, not an interval.", hint="Write START/END, or START/P1D.")
        start, end = _instant(date, zone), _shifted(date, _precision(written), zone, +1)
        if start == end:
            raise QueryError(
                f"There was no {written} in {zone}: its clocks skipped that date.", hint="Ask for the day after."
            )
        return cls(start, end)

    @classmethod
    def last(cls, duration: str, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """The stretch that ends now: `7d`, `36h`, `90m`, `2w` or an ISO 8601 duration such as `P1M`."""
        end = now - FRESHNESS
        return cls(_shifted(end, duration, zone, -1), end)

    @classmethod
    def between(cls, since: str, until: str | None, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """From one instant or date to another; until now where there is no other."""
        end = _instant(_parse_point(until), zone) if until else now - FRESHNESS
        return cls(_instant(_parse_point(since), zone), end)

    def until_now(self, now: datetime) -> "Interval":
        """The part that can be asked for: up to now minus a minute, since the newest rows are still arriving.

        Raises:
            QueryError: all of it is in the future.
        """
        latest = floor_ms(now - FRESHNESS)
        if self.start >= latest:
            raise QueryError(
                f"The interval {self} is in the future: it is {text(now)} now.",
                hint="Conversations can be exported once they have started, up to a minute ago.",
            )
        return Interval(self.start, min(self.end, latest))


def settled_until(now: datetime) -> datetime:
    """The midnight before which the vendor no longer rebuilds anything."""
    return start_of_day(now - SETTLED_AFTER)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise QueryError(f"{instant.isoformat()} has no time zone.", hint="Pass aware datetimes.")
    return floor_ms(instant)


# A *point* is what somebody wrote for one end of an interval: aware where a zone was written, and otherwise naive, what
# the clocks of the query's zone show. It becomes an instant last, after durations were added on the calendar.


def _instant(point: datetime, zone: tzinfo) -> datetime:
    try:
        return point.astimezone(UTC) if point.tzinfo else first_instant_at(point, zone)
    except (OverflowError, ValueError) as error:
        raise QueryError(f"{point} is too far away.", hint="Years from 2 to 9998 can be counted in.") from error


_SHORT_DURATION = re.compile(r"(?P<count>\d+)\s*(?P<unit>M|MIN|H|D|W)")
_DURATION_HINT = "Write 7d, 36h, 90m, 2w, or ISO 8601 such as P7D, P1M, PT12H."


def _is_duration(written: str) -> bool:
    return written[:1] == "P" or bool(_SHORT_DURATION.fullmatch(written))


def _shifted(point: datetime, duration: str, zone: tzinfo, sign: int) -> datetime:
    """The instant that lies the duration after the point (+1) or before it (-1).

    Days, weeks, months and years are counted on the zone's calendar, so that a day may have 23 or 25 hours; hours
    and below are counted in real time.
    """
    try:
        days, hours = _parse_duration(duration)
        if days:  # hours alone have no need of the calendar, on which one hour of the year comes twice
            wall = point.astimezone(zone).replace(tzinfo=None) if point.tzinfo else point
            point = wall + days if sign > 0 else wall - days
        return _instant(point, zone) + sign * hours
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise QueryError(
            f"'{duration}' is not a duration that can be counted from {point.isoformat(timespec='minutes')}.",
            hint=_DURATION_HINT,
        ) from error


def _parse_duration(written: str) -> tuple[Any, timedelta]:
    """The part that is counted on the calendar (it can be added to a datetime; false if zero), and the rest."""
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
    """The end with what it leaves out taken from the start: `2026-01-05T08:00Z/10:00` ends at `2026-01-05T10:00Z`.

    A time without a date is one of the start's day; digits that might be hours or minutes are left as they are.
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
    """How long the period lasts that this date names: a year, a month, a week or a day."""
    for pattern, duration in ((r"\d{4}", "P1Y"), (r"\d{4}-\d\d", "P1M"), (r"\d{4}-?W\d\d", "P1W")):
        if re.fullmatch(pattern, written):
            return duration
    return "P1D"


_MIDNIGHT_24 = re.compile(r"T24(?::?00){0,2}(?:[.,]0*)?(?=Z|[+-]|$)")


def _normalised(written: str) -> str:
    """In the one form that the rest of this file knows: T, Z, W and P in capitals, a T between date and time."""
    return re.sub(r"(?<=\d) +(?=\d)", "T", written.strip()).upper()


def _parse_point(written: str) -> datetime:
    try:
        return _point(_normalised(written))
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise QueryError(
            f"'{written}' is not an ISO 8601 date or instant.",
            hint="Write 2026-01-05, 2026-01-05T08:00 (in --timezone) or 2026-01-05T08:00:00Z.",
        ) from error


def _point(iso: str) -> datetime:
    if _MIDNIGHT_24.search(iso):  # ISO 8601 lets a day end at 24:00, which the parser does not know
        return _point(_MIDNIGHT_24.sub("T00:00", iso)) + timedelta(days=1)
    if re.fullmatch(r"\d{1,3}|\d{5,6}", iso):
        raise ValueError("a century, or something that might be a month or a day")
    if "T" in iso:
        instant: datetime = isodate.parse_datetime(iso)
        return instant
    date = isodate.parse_date(iso)
    return datetime(date.year, date.month, date.day)
