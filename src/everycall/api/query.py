"""What is asked: an interval and filters, and the body that is sent for a window of it. Pure.

Refuses offline, with the reason, what the API would refuse after a round trip, so that a mistake costs a moment and
not a run. What the API might know tomorrow (a new dimension, a new media type inside `--filter`) is not refused.

Source of the body: SDK 269, ConversationQuery; of the limits: developer.genesys.cloud, analytics detail page.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Literal

import isodate

from everycall.api.limits import FRESHNESS
from everycall.errors import QueryError
from everycall.instants import floor_ms, since_epoch_ms, text

MEDIA_TYPES = (
    "callback", "chat", "cobrowse", "email", "internalmessage", "message", "screenmonitoring", "screenshare",
    "unknown", "video", "voice",
)  # fmt: skip
"""Source: SDK 269, SegmentDetailQueryPredicate, the values of mediaType."""

DIRECTIONS = ("inbound", "outbound")
"""Source: SDK 269, AnalyticsConversation.originating_direction."""

FILTER_LISTS = (
    "conversationFilters",
    "segmentFilters",
    "evaluationFilters",
    "surveyFilters",
    "resolutionFilters",
)
"""The five lists of a body that narrow it; their entries are AND-ed. Source: SDK 269, ConversationQuery."""

OPERATORS = ("matches", "exists", "notExists")

Match = Literal["start", "activity"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open stretch of time, [start, end): the end itself is outside."""

    start: datetime
    """First instant inside; aware, UTC, whole milliseconds."""
    end: datetime
    """First instant after it; later than `start`."""

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant.tzinfo is None:
                raise QueryError(f"{instant.isoformat()} has no time zone.", hint="Pass aware datetimes.")
        object.__setattr__(self, "start", floor_ms(self.start))
        object.__setattr__(self, "end", floor_ms(self.end))
        if self.start == self.end:
            raise QueryError(
                f"The interval is empty: it starts and ends at {text(self.start)}.",
                hint="The end is outside the interval: to take one day, end it at the next day's midnight.",
            )
        if self.start > self.end:
            raise QueryError(
                f"The interval runs backwards: {text(self.start)} is after {text(self.end)}.",
                hint="Put the earlier instant first.",
            )

    def __str__(self) -> str:
        """The form that the API takes: `2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z`."""
        return f"{text(self.start)}/{text(self.end)}"

    @property
    def length(self) -> timedelta:
        """How long it is; more than zero."""
        return self.end - self.start

    @classmethod
    def read(cls, words: str) -> "Interval":
        """The interval that `str(interval)` was written from."""
        start, _, end = words.partition("/")
        return cls(datetime.fromisoformat(start), datetime.fromisoformat(end))

    @classmethod
    def parse(cls, words: str, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """The interval that the words name.

        Args:
            words: any ISO 8601 interval - two instants, instant/duration, duration/instant, a duration that ends now,
                an end that gives only what differs (`2026-01-05/07`) - or one date, which is that whole day, week,
                month or year (`2026-01-05`, `2026-W02`, `2026-01`, `2026`).
            now: the present; a duration by itself ends then.
            zone: where instants and dates without a zone are; days and months are counted on its calendar.

        Raises:
            QueryError: it is none of these, or it is empty or backwards.
        """
        start, slash, end = (_upper(part) for part in words.replace("--", "/").partition("/"))
        if not slash:
            return cls._single(start, now, zone)
        if _is_duration(start) and _is_duration(end):
            raise QueryError(f"'{words}' is two durations.", hint="An interval needs one instant to hold on to.")
        if _is_duration(end):
            first = _instant(start, zone)
            return cls(first, _shifted(first, end, zone, +1))
        last = _instant(_completed(end, start), zone)
        return cls(_shifted(last, start, zone, -1) if _is_duration(start) else _instant(start, zone), last)

    @classmethod
    def _single(cls, words: str, now: datetime, zone: tzinfo) -> "Interval":
        if _is_duration(words):
            return cls.last(words, now=now, zone=zone)
        day = _instant(words, zone)
        if "T" in words:
            raise QueryError(f"'{words}' is one instant, not an interval.", hint="Write START/END, or START/P1D.")
        return cls(day, _shifted(day, _precision(words), zone, +1))

    @classmethod
    def last(cls, duration: str, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """The stretch that ends now: `7d`, `36h`, `90m`, `2w` or an ISO 8601 duration such as `P1M`."""
        end = now - FRESHNESS
        return cls(_shifted(end, duration, zone, -1), end)

    @classmethod
    def between(cls, since: str, until: str | None, *, now: datetime, zone: tzinfo = UTC) -> "Interval":
        """From one instant or date to another; until now where there is no other."""
        return cls(_instant(since, zone), _instant(until, zone) if until else now - FRESHNESS)

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


_SHORT_DURATION = re.compile(r"(?P<count>\d+)\s*(?P<unit>M|MIN|H|D|W)")
_DURATION_HINT = "Write 7d, 36h, 90m, 2w, or ISO 8601 such as P7D, P1M, PT12H."


def _is_duration(words: str) -> bool:
    return words[:1] == "P" or bool(_SHORT_DURATION.fullmatch(words))


def _shifted(instant: datetime, duration: str, zone: tzinfo, sign: int) -> datetime:
    """The instant that lies the duration later (+1) or earlier (-1).

    Days, weeks, months and years are counted on the zone's calendar, so that a day may have 23 or 25 hours; hours
    and below are counted on the clock.
    """
    iso = _upper(duration)
    short = _SHORT_DURATION.fullmatch(iso)
    if not (_is_duration(iso) and re.search(r"\d", iso)):
        raise QueryError(f"'{duration}' is not a duration.", hint=_DURATION_HINT)
    if short:
        unit, count = short["unit"][0], short["count"]
        iso = f"PT{count}{unit}" if unit in "MH" else f"P{count}{unit}"
    calendar, t, clock = iso.partition("T")
    try:
        days = isodate.parse_duration(calendar) if len(calendar) > 1 else timedelta()
        hours = isodate.parse_duration(f"PT{clock}") if t else timedelta()
        if days:  # hours alone have no need of the calendar, on which one hour of the year comes twice
            local = instant.astimezone(zone).replace(tzinfo=None)
            instant = (local + days if sign > 0 else local - days).replace(tzinfo=zone)
        return instant.astimezone(UTC) + sign * hours
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise QueryError(
            f"'{duration}' is not a duration that can be counted from {text(instant)}.",
            hint=_DURATION_HINT,
        ) from error


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


def _precision(words: str) -> str:
    """How long the date lasts that these words name."""
    for pattern, duration in ((r"\d{4}", "P1Y"), (r"\d{4}-\d\d", "P1M"), (r"\d{4}-?W\d\d", "P1W")):
        if re.fullmatch(pattern, words):
            return duration
    return "P1D"


_MIDNIGHT_24 = re.compile(r"T24(?::?00){0,2}(?:[.,]0*)?(?=Z|[+-]|$)")


def _upper(words: str) -> str:
    """Words in the one form that the rest of this file knows: T, Z, W and P large, a T between date and time."""
    return re.sub(r"(?<=\d) +(?=\d)", "T", words.strip()).upper()


def _instant(words: str, zone: tzinfo) -> datetime:
    iso = _upper(words)
    if _MIDNIGHT_24.search(iso):  # ISO 8601 lets a day end at 24:00, which the parser does not know
        return _shifted(_instant(_MIDNIGHT_24.sub("T00:00", iso), zone), "P1D", zone, +1)
    try:
        if re.fullmatch(r"\d{1,3}|\d{5,6}", iso):  # centuries, and what might be a month or a day
            raise ValueError(iso)  # noqa: TRY301
        if "T" not in iso:
            day: date = isodate.parse_date(iso)
            return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        instant: datetime = isodate.parse_datetime(iso)
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise QueryError(
            f"'{words}' is not an ISO 8601 date or instant.",
            hint="Write 2026-01-05, 2026-01-05T08:00 (in --timezone) or 2026-01-05T08:00:00Z.",
        ) from error


Filter = Mapping[str, Any]
"""One entry of a filter list, as the API takes it: {"type": "and"|"or", "predicates": [...], "clauses": [...]}."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a query, by the API's own list names; every entry of every list must hold."""

    lists: Mapping[str, Sequence[Filter]] = field(default_factory=dict)
    """Keys out of `FILTER_LISTS`, values never empty."""

    def __bool__(self) -> bool:
        """Whether there is any: it decides between the 7 and the 31 days that one question may span."""
        return bool(self.lists)

    def __add__(self, other: "Filters") -> "Filters":
        """Both: every entry of either must hold."""
        names = [name for name in FILTER_LISTS if name in self.lists or name in other.lists]
        return Filters({name: [*self.lists.get(name, ()), *other.lists.get(name, ())] for name in names})

    @classmethod
    def of(
        cls,
        *,
        queue_ids: Iterable[str] = (),
        user_ids: Iterable[str] = (),
        wrap_up_codes: Iterable[str] = (),
        media_types: Iterable[str] = (),
        division_ids: Iterable[str] = (),
        directions: Iterable[str] = (),
        conversation_ids: Iterable[str] = (),
    ) -> "Filters":
        """Any of the queues, and any of the users, and any of the media types, and so on.

        The entries may be met by different segments of a conversation: with a queue and a wrap-up code, it passed
        through that queue, and somebody closed it with that code, perhaps after a transfer elsewhere.

        Raises:
            QueryError: a media type or a direction that the API does not know.
        """
        media_types = [_one_of(word, MEDIA_TYPES, "media type") for word in media_types]
        directions = [_one_of(word, DIRECTIONS, "direction") for word in directions]
        segment = [
            ("queueId", queue_ids),
            ("userId", user_ids),
            ("wrapUpCode", wrap_up_codes),
            ("mediaType", media_types),
        ]
        conversation = [
            ("divisionId", division_ids),
            ("originatingDirection", directions),
            ("conversationId", conversation_ids),
        ]
        lists = {
            "conversationFilters": [_any_of(name, values) for name, values in conversation if values],
            "segmentFilters": [_any_of(name, values) for name, values in segment if values],
        }
        return cls({name: entries for name, entries in lists.items() if entries})

    @classmethod
    def read(cls, body: object) -> "Filters":
        """The filters of a body as the vendor's query builder writes it; they are sent as they are.

        Raises:
            QueryError: the body is no object, has a key that the API does not know, or a filter that it would refuse.
        """
        if not isinstance(body, Mapping):
            raise QueryError("The filter is not a JSON object.", hint='Write {"segmentFilters": [...]}.')
        for key in body:
            _check_key(str(key))
        lists = {name: body[name] for name in FILTER_LISTS if body.get(name)}
        for name, entries in lists.items():
            _check_list(entries, name)
        return cls(lists)


_IGNORED_KEYS = (
    "interval",
    "order",
    "orderBy",
    "paging",
    "aggregations",
    "limit",
    "startOfDayIntervalMatching",
)
_TUTORIAL_KEYS = (
    "groupBy",
    "metrics",
    "view",
    "granularity",
    "filter",
    "pageSize",
    "pageNumber",
    "page_size",
    "page_number",
)


def _check_key(key: str) -> None:
    if key in FILTER_LISTS or key in _IGNORED_KEYS:
        return
    wrong = "belongs to other calls" if key in _TUTORIAL_KEYS else "is not known to the API"
    raise QueryError(
        f"'{key}' {wrong}: the conversation details query does not take it.",
        hint=f"It takes {', '.join(FILTER_LISTS)}.",
    )


def _check_list(entries: object, where: str) -> None:
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise QueryError(f"{where} is not a list.", hint='Write [{"type": "and", "predicates": [...]}].')
    for index, entry in enumerate(entries):
        _check_entry(entry, f"{where}[{index}]", nested=False)


def _check_entry(entry: object, where: str, *, nested: bool) -> None:
    if not isinstance(entry, Mapping):
        raise QueryError(f"{where} is not an object.", hint='Write {"type": "and", "predicates": [...]}.')
    unknown = set(entry) - ({"type", "predicates"} if nested else {"type", "predicates", "clauses"})
    if unknown:
        raise QueryError(
            f"{where} has {sorted(map(str, unknown))}, which the API does not take there.",
            hint="A filter has type, predicates and clauses; a clause has type and predicates.",
        )
    if entry.get("type") not in ("and", "or"):
        raise QueryError(f"{where}.type is {entry.get('type')!r}.", hint='The API takes "and" or "or".')
    predicates, clauses = entry.get("predicates") or (), entry.get("clauses") or ()
    if not predicates and not clauses:
        raise QueryError(f"{where} is empty.", hint="An empty filter does not count as one: leave it out.")
    for name, items in (("predicates", predicates), ("clauses", clauses)):
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise QueryError(f"{where}.{name} is not a list.", hint=f'Write "{name}": [...].')
    for index, predicate in enumerate(predicates):
        _check_predicate(predicate, f"{where}.predicates[{index}]")
    for index, clause in enumerate(clauses):
        _check_entry(clause, f"{where}.clauses[{index}]", nested=True)


def _check_predicate(predicate: object, where: str) -> None:
    if not isinstance(predicate, Mapping):
        raise QueryError(f"{where} is not an object.", hint='Write {"dimension": "queueId", "value": "..."}.')
    if not any(predicate.get(subject) for subject in ("dimension", "metric", "property")):
        raise QueryError(f"{where} names no dimension, metric or property.", hint='Add "dimension": "queueId", say.')
    operator = predicate.get("operator", "matches")
    if operator not in OPERATORS:
        raise QueryError(f"{where}.operator is {operator!r}.", hint=f"The API takes {', '.join(OPERATORS)}.")
    if operator == "matches" and predicate.get("value") is None and predicate.get("range") is None:
        raise QueryError(
            f"{where} has neither a value nor a range.",
            hint='For any value, use the operator "exists".',
        )


def _one_of(word: str, known: Sequence[str], kind: str) -> str:
    match = next((name for name in known if name.lower() == word.lower()), None)
    if match is None:
        raise QueryError(f"'{word}' is not a {kind}.", hint=f"The API knows {', '.join(known)}.")
    return match


def _any_of(dimension: str, values: Iterable[str]) -> Filter:
    predicates = [
        {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value} for value in values
    ]
    return {"type": "or", "predicates": predicates}


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: which conversations, of when."""

    interval: Interval
    filters: Filters = field(default_factory=Filters)
    match: Match = "start"
    """"start": conversations that started in the interval, so that adjacent exports add up. "activity": the API's
    wider answer, with those that started earlier on the first UTC day and were still alive."""

    def body(self, interval: Interval, page_number: int, page_size: int) -> dict[str, Any]:
        """The body of the details query for one page of one slice of the interval.

        Ordered by start, so that what arrives late shifts as few pages as it can.
        """
        paging = {"pageSize": page_size, "pageNumber": page_number}
        order = {"order": "asc", "orderBy": "conversationStart"}
        return {"interval": str(interval), **order, **self.filters.lists, "paging": paging}

    def belongs_at(self, start_ms: int) -> int:
        """When a conversation that started then counts as started, in milliseconds since 1970.

        With match "activity", what started before the whole interval belongs to the interval's first window.
        """
        return max(start_ms, since_epoch_ms(self.interval.start)) if self.match == "activity" else start_ms

    def owns(self, started: datetime, window: Interval) -> bool:
        """Whether a conversation that started then belongs to the window; each belongs to exactly one."""
        return since_epoch_ms(window.start) <= self.belongs_at(since_epoch_ms(started)) < since_epoch_ms(window.end)
