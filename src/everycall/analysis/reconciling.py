"""Reconciles an export with the vendor's own aggregates: are the metrics in it those that the vendor counts?

    days of the export -> one aggregates query a day, by queue and media type, for each half hour
                       -> the export's metric rows, counted in the same way
                       -> every difference, with the conversations behind it

`verify` compares numbers of conversations; this compares what is in them. Both sides count a metric at its `emitDate`,
by the queue of its session (`tables.kpis`). A count has to be equal; of a time, its number and its sum.

**Which days are judged.** A metric can be emitted weeks after its conversation began. So the export has to cover the
day and the 31 days before it, or the vendor counts more for a reason that is not an error. Other days are named and
not judged.

**Which conversations.** Those with the metric in the half hour are in the export. Which of them is wrong, and which row
is missing, the aggregates do not say: the details of the queue's conversations of that day do. A few requests are
spent on that (`look_ups`), and what they cannot name is counted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from everycall.acquire.windows import is_provisional, without
from everycall.analysis.emitted import Row, rows_of
from everycall.analysis.opening import OpenTables
from everycall.api.aggregates import HALF_HOUR, METRICS, Cell, Figures, aggregates, half_hour_of
from everycall.api.details_query import page
from everycall.api.interval import Interval
from everycall.api.limits import PAGE_SIZE_MAX, SPAN_FILTERED
from everycall.api.query import Filters, Query
from everycall.api.records import Page
from everycall.client import Client
from everycall.errors import OutputRefused, PermissionMissing, QueryError
from everycall.instants import DAY, start_of_day, text
from everycall.manifest import Header
from everycall.tables.kpi_sql import rows_query
from everycall.verification import check_client

REACH_BACK = timedelta(days=31)
"""So many days before a day have to be in the export, too (the longest interval of a filtered query)."""

LOOK_UPS = 20
"""Ours: requests for the conversations behind the differences."""

BEGUN_BEFORE = timedelta(hours=2)
"""Ours: conversations that began so long before the first difference of a queue are looked up, too."""

NEEDED = frozenset(("queueId", "mediaType", "emitDate", "segmentStart", "metrics", "segments", "name", "value"))
"""Fields without which rows cannot be counted as the vendor counts them."""

State = Literal["agrees", "differs", "not judged"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric that the export and the vendor count differently in a half hour."""

    cell: Cell
    here: Figures
    """What the export has; zeros if it has no such row."""
    vendor: Figures
    """What the vendor counts; zeros if it counts none."""
    conversations: tuple[str, ...]
    """Ids of all conversations with such a row in the export, sorted."""
    missing: tuple[str, ...] = ()
    """Ids of conversations with a row that the vendor's details have here and the export has not, sorted; an id comes
    once for each row."""
    extra: tuple[str, ...] = ()
    """Ids of conversations with a row here that the vendor's details have not."""
    is_looked_up: bool = False
    """Whether all conversations that could be behind it were looked up; if not, `missing` and `extra` may lack some."""

    @property
    def unnamed(self) -> int:
        """How many rows too many or too few no conversation is named for, at least."""
        return abs(self.vendor.count - self.here.count - len(self.missing) + len(self.extra))


@dataclass(frozen=True, slots=True)
class Day:
    """A UTC day, or the part of one that the export covers, cut at half hours."""

    interval: Interval
    state: State
    reason: str = ""
    """Why it is not judged."""
    is_provisional: bool = False
    """Whether the vendor still rebuilds the day, or did so after it was exported."""
    is_unproven: bool = False
    """Whether a window of the day, or one before it that counts, is not proven."""
    figures: int = 0
    """How many figures were compared: one for each queue, media type, half hour and metric."""
    differences: tuple[Difference, ...] = ()
    """In the order of time, queue, media type and metric."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How an export agrees with the vendor's aggregates."""

    output: str
    """The export as messages show it."""
    days: tuple[Day, ...]
    """In the order of time."""
    metrics: tuple[str, ...]
    """What was compared."""
    queue_names: Mapping[str, str]
    """Names by id, as far as the export has them."""
    exported_at: str | None
    """When the first of the windows was counted; None if none was."""
    asked_at: datetime
    is_look_up_refused: bool = False
    """Whether the client may not read details, so that nothing could be looked up."""
    has_ids: bool = True
    """Whether the export has the API's ids of conversations; redacted ones cannot be looked up."""

    @property
    def judged(self) -> tuple[Day, ...]:
        """The days that were judged."""
        return tuple(day for day in self.days if day.state != "not judged")

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences, in the order of time."""
        return tuple(difference for day in self.days for difference in day.differences)

    @property
    def verdict(self) -> State:
        """`agrees` only if at least one day was judged and none differs."""
        if not self.judged:
            return "not judged"
        return "differs" if self.differences else "agrees"

    def as_json(self) -> dict[str, Any]:
        """The findings as plain data for `json.dumps`."""
        return {
            "output": self.output,
            "verdict": self.verdict,
            "exportedAt": self.exported_at,
            "askedAt": text(self.asked_at),
            "metrics": list(self.metrics),
            "days": [_day_as_json(day, self.queue_names) for day in self.days],
        }


def _day_as_json(day: Day, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "interval": str(day.interval),
        "state": day.state,
        "reason": day.reason,
        "provisional": day.is_provisional,
        "unproven": day.is_unproven,
        "figures": day.figures,
        "differences": [difference_as_json(one, names) for one in day.differences],
    }


def difference_as_json(difference: Difference, names: Mapping[str, str]) -> dict[str, Any]:
    """A difference as plain data; the queue's name is null where it has none."""
    cell, here, vendor = difference.cell, difference.here, difference.vendor
    return {
        "halfHour": text(cell.start),
        "queueId": cell.queue_id or None,
        "queueName": names.get(cell.queue_id),
        "mediaType": cell.media_type or None,
        "metric": cell.metric,
        "here": {"count": here.count, "sumMs": here.sum_ms},
        "vendor": {"count": vendor.count, "sumMs": vendor.sum_ms},
        "conversations": list(difference.conversations),
        "missing": list(difference.missing),
        "extra": list(difference.extra),
        "lookedUp": difference.is_looked_up,
    }


# --- what can be reconciled


def check(about: Header, name: str) -> None:
    """Refuse an export whose metrics cannot be those of the aggregates.

    Raises:
        OutputRefused: it was exported with filters, or what is counted by was redacted.
    """
    if about.filters:
        raise OutputRefused(
            f"{name} was exported with filters ({', '.join(about.filters)}), so it has a part of what the vendor "
            "counts.",
            hint="Reconcile an export without filters.",
        )
    redacted = sorted(field for field in about.redacted if field.removesuffix("=drop") in NEEDED)
    if redacted:
        raise OutputRefused(
            f"{name} was exported with --redact {','.join(redacted)}: metrics cannot be counted by queue.",
            hint="Reconcile an export that keeps these fields, for example with --redact personal.",
        )


def days_of(exported: Interval, asked: Interval | None = None) -> list[Interval]:
    """The UTC days of an export, cut at half hours; with `asked`, those parts of them.

    Raises:
        QueryError: no whole half hour is left.
    """
    start, end = exported.start, exported.end
    if asked is not None:
        start, end = max(start, asked.start), min(end, asked.end)
    start, end = start + (half_hour_of(start) - start) % HALF_HOUR, half_hour_of(end)
    if start >= end:
        raise QueryError(
            f"No half hour of {asked or exported} is in the export of {exported}.",
            hint="Choose days of the export with --interval or --last.",
        )
    found = []
    while start < end:
        found.append(Interval(start, min(start_of_day(start) + DAY, end)))
        start = found[-1].end
    return found


def not_judged(day: Interval, tables: OpenTables, reach_back: timedelta) -> str:
    """Why a day cannot be judged; empty if it can."""
    absent = {Interval.read(one) for one in tables.manifest.not_kept}
    covered = [one.interval for one in tables.windows() if one.verdict != "unread" and one.interval not in absent]
    begin = start_of_day(day.start) - reach_back
    gaps = without(Interval(begin, day.end), covered)
    if not gaps:
        return ""
    if gaps[0].end == tables.interval.start:
        return f"the export begins on {tables.interval.start:%Y-%m-%d}, and a day needs the {reach_back.days} before it"
    lacking = next(gap for gap in without(tables.interval, covered) if gap.end > gaps[0].start)
    return f"the export does not have all of {lacking}"


# --- comparing


@dataclass(frozen=True, slots=True)
class _Counted:
    """The rows of a cell in the export."""

    rows: int
    total: int

    def figures(self, metric: str) -> Figures:
        return Figures(self.rows, self.total) if metric.startswith("t") else Figures(self.total, None)


_NOTHING = _Counted(0, 0)


def _agree(metric: str, here: _Counted, vendor: Figures) -> bool:
    """Whether both sides counted the same.

    Whether the vendor adds up the values of a count (nearly all are 1) or counts its rows is not documented: either
    will do.
    """
    if metric.startswith("t"):
        return here.rows == vendor.count and vendor.sum_ms in (None, here.total)
    return vendor.count in (here.rows, here.total)


def compared(here: Mapping[Cell, _Counted], vendor: Mapping[Cell, Figures]) -> Iterator[Difference]:
    """The differences of a day, without the conversations behind them."""
    for cell in sorted({*here, *vendor}):
        ours = here.get(cell, _NOTHING)
        theirs = vendor.get(cell) or Figures(0, 0 if cell.metric.startswith("t") else None)
        if not _agree(cell.metric, ours, theirs):
            yield Difference(cell, ours.figures(cell.metric), theirs, ())


def reconcile(
    client: Client,
    tables: OpenTables,
    *,
    interval: Interval | None = None,
    metrics: Sequence[str] = METRICS,
    reach_back: timedelta = REACH_BACK,
    look_ups: int = LOOK_UPS,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Reconciliation:
    """Compare the days of an export with the vendor's aggregates; one request a day, and those of the look-ups.

    Args:
        client: the client of the org.
        tables: the export.
        interval: only this part of the export.
        metrics: what is compared.
        reach_back: so long before a day the export has to begin; shorter ones judge days for which conversations that
            began earlier may be missing.
        look_ups: how many requests may be spent on the conversations behind differences.
        progress: is called before each day with the number of days that are done, and of all days.

    Raises:
        OutputRefused: the export has filters, redacted queues, or is of another client.
        QueryError: no half hour of the interval is in the export.
        PermissionMissing: the client lacks analytics:conversationAggregate:view.
        OutputFailed: the export cannot be read.
        EverycallError: whatever the client raises.
    """
    check(tables.about, tables.name)
    check_client(tables.about, tables.name, client)
    looking = _LookUps(client, look_ups if _has_ids(tables.about) else 0)
    days: list[Day] = []
    wanted = days_of(tables.interval, interval)
    for day in wanted:
        progress(len(days), len(wanted))
        days.append(_reconciled(client, tables, day, tuple(metrics), reach_back, looking))
    return Reconciliation(
        tables.name,
        tuple(days),
        tuple(metrics),
        _queue_names(tables),
        tables.manifest.proven_as_of,
        client.clock.utc(),
        looking.is_refused,
        _has_ids(tables.about),
    )


def _has_ids(about: Header) -> bool:
    """Whether the conversations have the API's ids."""
    return not any(field in about.redacted for field in ("conversationId", "conversationId=drop"))


def _queue_names(tables: OpenTables) -> dict[str, str]:
    found = tables.query('SELECT "id", "name" FROM names WHERE "kind" = \'queue\' AND "name" IS NOT NULL')
    return {row["id"]: row["name"] for row in found.to_pylist()}


def _reconciled(
    client: Client,
    tables: OpenTables,
    day: Interval,
    metrics: tuple[str, ...],
    reach_back: timedelta,
    looking: "_LookUps",
) -> Day:
    reason = not_judged(day, tables, reach_back)
    windows = [one for one in tables.windows() if one.interval.start < day.end]
    is_new = is_provisional(day, client.clock.utc())
    was_new = any(one.is_provisional and one.interval.end > day.start for one in windows)
    begin = start_of_day(day.start) - reach_back
    is_unproven = any(one.verdict != "proven" and one.interval.end > begin for one in windows)
    if reason:
        return Day(day, "not judged", reason, is_new or was_new, is_unproven)
    vendor = client.play(aggregates(day, metrics))
    here = _counted(tables, day, metrics)
    found = list(compared(here, vendor))
    named = tuple(_named(found, tables, day, metrics, looking))
    state: State = "differs" if named else "agrees"
    return Day(day, state, "", is_new or was_new, is_unproven, len({*here, *vendor}), named)


# --- the export's rows


def _rows_sql(interval: Interval, metrics: Sequence[str]) -> str:
    """The rows of these metrics in an interval, as a table of a query."""
    return f"({rows_query(metrics, (text(interval.start), text(interval.end)))}) AS counted"


def _counted(tables: OpenTables, day: Interval, metrics: Sequence[str]) -> dict[Cell, _Counted]:
    """What the export has of a day."""
    sql = f"""
SELECT "halfHour", "queueId", "mediaType", "name", count(*) AS "rows", CAST(sum(value) AS bigint) AS "total"
FROM {_rows_sql(day, metrics)}
GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - names and literals only
    return {_cell(row): _Counted(row["rows"], row["total"] or 0) for row in tables.query(sql).to_pylist()}


def _rows(tables: OpenTables, day: Interval, cells: Sequence[Cell]) -> dict[Cell, list[Row]]:
    """The rows of these cells."""
    starts = [cell.start for cell in cells]
    part = Interval(max(min(starts), day.start), min(max(starts) + HALF_HOUR, day.end))
    sql = f"SELECT * FROM {_rows_sql(part, sorted({cell.metric for cell in cells}))}"  # noqa: S608 - as above
    wanted, kept = set(cells), defaultdict[Cell, list[Row]](list)
    for row in tables.query(sql).to_pylist():
        cell = _cell(row)
        if cell in wanted:
            kept[cell].append(Row(cell, row["conversationId"], row["value"] or 0))
    return kept


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(row["halfHour"].astimezone(UTC), row["queueId"], row["mediaType"], row["name"])


# --- the conversations behind differences


class _LookUps:
    """Asks for the details of conversations, as long as there are requests left."""

    def __init__(self, client: Client, left: int) -> None:
        self._client, self._left = client, left
        self.is_refused = False
        """Whether the client may not ask."""

    def of_queue(self, queue_id: str, interval: Interval, metrics: Sequence[str], found: "_Found") -> None:
        """Add all conversations of a queue that began in an interval."""
        self._read(Query(interval, Filters.of(queue_ids=[queue_id])), metrics, found)

    def of_ids(self, ids: Sequence[str], interval: Interval, metrics: Sequence[str], found: "_Found") -> None:
        """Add these conversations, as far as they began in the interval."""
        for at in range(0, len(ids), PAGE_SIZE_MAX):
            lot = ids[at : at + PAGE_SIZE_MAX]
            if not self._read(Query(interval, Filters.of(conversation_ids=lot)), metrics, found):
                return
            found.known.update(lot)

    def _read(self, query: Query, metrics: Sequence[str], found: "_Found") -> bool:
        """Add the conversations of a query, and return whether all of them could be asked for."""
        number, pages = 0, 1
        while number < pages:
            number += 1
            answer = self._page(query, number) if pages - number < self._left else None
            if answer is None:
                found.is_whole = False
                return False
            if number == 1:
                pages = -(-(answer.total_hits or 0) // PAGE_SIZE_MAX)
            for conversation in answer.conversations:
                found.add(conversation.conversation_id, rows_of(conversation, metrics))
        return True

    def _page(self, query: Query, number: int) -> Page | None:
        self._left -= 1
        try:
            answer = self._client.play(page(query, query.interval, number, PAGE_SIZE_MAX))
        except PermissionMissing:
            self._left, self.is_refused = 0, True
            return None
        return answer if isinstance(answer, Page) else None


class _Found:
    """Conversations as the vendor's details have them now."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        """Ids of conversations that are there, or were asked for and are not."""
        self.rows: list[Row] = []
        self.is_whole = True
        """Whether everything was asked for that was wanted."""

    def add(self, conversation_id: str, rows: Iterable[Row]) -> None:
        """Add a conversation, once."""
        if conversation_id not in self.known:
            self.known.add(conversation_id)
            self.rows += rows


def _named(
    differences: Sequence[Difference], tables: OpenTables, day: Interval, metrics: Sequence[str], looking: _LookUps
) -> Iterator[Difference]:
    """The differences with the conversations behind them."""
    if not differences:
        return
    ours = _rows(tables, day, [difference.cell for difference in differences])
    found: list[Difference] = []
    by_queue = sorted(differences, key=lambda one: one.cell.queue_id)
    for queue_id, group in groupby(by_queue, key=lambda one: one.cell.queue_id):
        of_queue = list(group)
        first, last = of_queue[0].cell.start, of_queue[-1].cell.start
        ids = {row.conversation_id for one in of_queue for row in ours.get(one.cell, ())}
        ids |= _alive(tables, queue_id, Interval(first, last + HALF_HOUR))
        theirs = _theirs(queue_id, first, day, ids, metrics, looking)
        found += [_explained(one, ours.get(one.cell, ()), theirs) for one in of_queue]
    yield from sorted(found, key=lambda one: one.cell)


def _alive(tables: OpenTables, queue_id: str, interval: Interval) -> set[str]:
    """The conversations of a queue that lived in an interval: their rows may be the missing ones."""
    found = tables.query(
        """
SELECT DISTINCT "conversationId" FROM conversations
WHERE "conversationStart" < $2 AND ("conversationEnd" IS NULL OR "conversationEnd" >= $1)
    AND "conversationId" IN (SELECT "conversationId" FROM segments WHERE "queueId" = $3)
""",
        (interval.start, interval.end, queue_id),
    )
    return set(found.column(0).to_pylist())


def _theirs(
    queue_id: str, first: datetime, day: Interval, ids: set[str], metrics: Sequence[str], looking: _LookUps
) -> _Found:
    """What the vendor's details have of a queue's day, and of these conversations."""
    found, end = _Found(), start_of_day(day.start) + DAY
    if queue_id:
        looking.of_queue(queue_id, Interval(start_of_day(first - BEGUN_BEFORE), day.end), metrics, found)
    else:  # conversations that the export does not have, and that have no queue, cannot be asked for
        found.is_whole = False
    if others := sorted(ids - found.known):
        looking.of_ids(others, Interval(end - SPAN_FILTERED, end), metrics, found)
    return found


def _explained(difference: Difference, ours: Sequence[Row], theirs: _Found) -> Difference:
    here = Counter((row.conversation_id, row.value) for row in ours)
    there = Counter((row.conversation_id, row.value) for row in theirs.rows if row.cell == difference.cell)
    return replace(
        difference,
        conversations=tuple(sorted({row.conversation_id for row in ours})),
        missing=tuple(sorted(id_ for id_, _ in (there - here).elements())),
        extra=tuple(sorted(id_ for id_, _ in (here - there).elements() if id_ in theirs.known)),
        is_looked_up=theirs.is_whole,
    )
