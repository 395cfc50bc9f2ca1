"""The interval of a report on the clocks of a time zone: its days, the half hours of a week, the windows. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby

from everycall.analysis.opening import Window
from everycall.analysis.report.figures import SLOTS, Covered, Day
from everycall.api.interval import Interval
from everycall.printable import printable

DAYS_MAX, WEEKS_MAX = 92, 104
"""A longer interval is drawn by week, and one that is longer still by month."""

WINDOWS_MAX = 400
"""Windows that are listed one by one; of more, those with the same verdict that follow each other are one row."""

HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LocalTime:
    """An interval in a time zone."""

    def __init__(self, interval: Interval, zone: tzinfo) -> None:
        """Take the interval, and the time zone of everything that is shown."""
        self.start, self.end, self._zone = interval.start, interval.end, zone
        self._first = self.local(self.start).date()
        self._last = self.local(self.end - timedelta(milliseconds=1)).date()
        count = (self._last - self._first).days + 1
        self.unit = "day" if count <= DAYS_MAX else "week" if count <= WEEKS_MAX * 7 else "month"
        """What stands on the axis of the pictures by day."""

    def local(self, instant: datetime) -> datetime:
        """The instant on the clocks of the time zone."""
        return instant.astimezone(self._zone)

    def shown(self, instant: datetime) -> str:
        """As people read it: `Mon 5 Jan 2026 14:00`."""
        local = self.local(instant)
        return f"{local:%a} {local.day} {local:%b %Y %H:%M}"

    @property
    def has_odd_half_hours(self) -> bool:
        """Whether the half hours of UTC begin at a quarter past on these clocks, as in Nepal."""
        offsets = (self.local(one).utcoffset() or timedelta() for one in (self.start, self.end))
        return any(offset % HALF_HOUR for offset in offsets)

    def slot_times(self) -> tuple[int, ...]:
        """How often each half hour of the week occurs: once more where clocks are set back, less where forward."""
        times = [0] * SLOTS
        instant = self.start - (self.start - EPOCH) % HALF_HOUR
        while instant < self.end:
            local = self.local(instant)
            times[local.weekday() * 48 + local.hour * 2 + local.minute // 30] += 1
            instant += HALF_HOUR
        return tuple(times)

    # --- days

    def days(self, windows: Sequence[Window]) -> tuple[Day, ...]:
        """All days, weeks or months of the interval, those without conversations among them."""
        every = (self._first + DAY * ahead for ahead in range((self._last - self._first).days + 1))
        return tuple(self._day(start, list(days), windows) for start, days in groupby(every, self._bucket))

    def _bucket(self, day: date) -> date:
        """The first day of the week or month of a day, or the day itself."""
        if self.unit == "month":
            return day.replace(day=1)
        return day - timedelta(days=day.weekday()) if self.unit == "week" else day

    def _day(self, start: date, days: Sequence[date], windows: Sequence[Window]) -> Day:
        begin, end = self._midnight(days[0]), self._midnight(days[-1] + DAY)
        touching = [one for one in windows if one.interval.start < end and one.interval.end > begin]
        is_provisional = any(one.is_provisional for one in touching)
        is_unproven = any(one.verdict in ("unproven", "unread") for one in touching)
        notes = {
            "provisional": is_provisional,
            "not proven complete": is_unproven,
            f"only a part of the {self.unit}": self._midnight(start) < self.start or self._end_of(start) > self.end,
        }
        note = ", ".join(text for text, holds in notes.items() if holds)
        return Day(
            date=start.isoformat(),
            label=self._label(start),
            note=note,
            is_provisional=is_provisional,
            is_unproven=is_unproven,
        )

    def _label(self, start: date) -> str:
        if self.unit == "month":
            return f"{start:%b %Y}"
        return f"{'week of ' if self.unit == 'week' else ''}{start:%a} {start.day} {start:%b %Y}"

    def _end_of(self, start: date) -> datetime:
        """When the day, week or month that begins with this day is over."""
        if self.unit == "month":
            return self._midnight((start + timedelta(days=31)).replace(day=1))
        return self._midnight(start + (DAY if self.unit == "day" else DAY * 7))

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)

    # --- windows

    def covered(self, windows: Sequence[Window]) -> tuple[Covered, ...]:
        """The windows of the export, in the order of time."""
        if len(windows) <= WINDOWS_MAX:
            return tuple(self._covered([one]) for one in windows)
        return tuple(self._covered(list(alike)) for _, alike in groupby(windows, lane))

    def _covered(self, windows: Sequence[Window]) -> Covered:
        start, end = windows[0].interval.start, windows[-1].interval.end
        counted = min((one.counted_at for one in windows if one.counted_at), default="")
        return Covered(
            start=self._wall_clock(start),
            end=self._wall_clock(end),
            from_=self.shown(start),
            until=self.shown(end),
            lane=lane(windows[0]),
            reason=printable(next((one.reason for one in windows if one.reason), ""), 200),
            windows=len(windows),
            conversations=sum(one.conversations for one in windows),
            counted_at=self.shown(datetime.fromisoformat(counted)) if counted else "",
        )

    def _wall_clock(self, instant: datetime) -> str:
        return f"{self.local(instant):%Y-%m-%dT%H:%M:%S}Z"


def lane(window: Window) -> str:
    """How far a window can be relied on: one of `pictures.LANES`."""
    if window.verdict == "proven":
        return "provisional" if window.is_provisional else "proven"
    return {"unproven": "not proven", "unread": "not read"}.get(window.verdict, "not counted")
