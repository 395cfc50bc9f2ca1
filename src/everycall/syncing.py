"""Keeps a destination up to date: reads what may have changed since the last run, and takes over the rest.

    manifest of the destination -> which windows are due -> a run that reads those and everything new
                                -> the destination, which replaces these windows

A window of a synced destination is a UTC day, or a part of one. It is *due* if

- it is not proven, or conversations of it came too late;
- it belongs to the trailing days, which the vendor still rebuilds (contract: 48 hours and more after the fact);
- it was read while it belonged to them, and has left them since (nights may be skipped);
- evaluations and surveys may have come since it was read: once, 31 days after its end;
- a conversation of it was open and has ended since. That is asked by the conversations' ids, a hundred a request, so
  that an e-mail that nobody ever closes does not cost its whole day every night. After `give_up_after` days it is no
  longer asked for;
- a conversation of it has ended since it was read, although it was not open then: it was opened again. A details job
  looks for what ended since the last run, whatever day it began (`acquire.sweep`); hours later than the query, since
  jobs read a data lake. Where jobs cannot be used, such a conversation is noticed when its day is due.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from everycall.acquire.sweep import Ended, NotSwept, available, ended
from everycall.acquire.windows import without
from everycall.api.details_query import page
from everycall.api.limits import PAGE_SIZE_MAX, SETTLED_AFTER, SPAN_FILTERED
from everycall.api.query import Filters, Interval, Query
from everycall.api.records import Page
from everycall.client import Client
from everycall.errors import OutputRefused
from everycall.exporting import Carried, Summary, header_of, output_failed, run
from everycall.instants import start_of_day, text
from everycall.ledger import Ledger
from everycall.manifest import Entry, Manifest
from everycall.progress import Noticed, Progress
from everycall.setup import Environment, Options, Setup
from everycall.sinks.interface import Destination
from everycall.sinks.targets import STREAMED, Target, destination, target_of
from everycall.tables.flat import FlatTable, flat_table
from everycall.tables.typed import View
from everycall.verification import kept_from_of, take_over

LATE_AFTER = timedelta(days=31)
"""Evaluations and surveys come days or weeks after the end (contract, sections 10 and 12.6)."""

GIVE_UP_AFTER = timedelta(days=62)
"""Ours: two months. E-mails that nobody closes stay open for good."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When windows are read again."""

    look_back: timedelta = SETTLED_AFTER
    """The trailing days: windows that end later than so long before today's midnight UTC are read every time."""
    late_after: timedelta | None = LATE_AFTER
    """So long after its end a window is read once more; None for never."""
    give_up_after: timedelta = GIVE_UP_AFTER
    """So long after the end of its window, an open conversation is no longer asked for."""
    sweeps: bool = True
    """Whether a job looks for conversations that ended since the last run."""

    def is_due(self, entry: Entry, now: datetime) -> bool:
        """Whether a window has to be read again, whatever is open in it."""
        if entry.verdict != "proven" or entry.late:
            return True
        end, counted_at = entry.window.end, datetime.fromisoformat(entry.counted_at)
        if end > start_of_day(now) - self.look_back:
            return True
        ages = [self.look_back, *([self.late_after] if self.late_after is not None else [])]
        return any(counted_at < end + age <= now for age in ages)

    def asks_for_open(self, entry: Entry, now: datetime) -> bool:
        """Whether its open conversations are asked for."""
        return entry.open > 0 and now - entry.window.end <= self.give_up_after


@dataclass(frozen=True, slots=True)
class Synced:
    """How a sync ended."""

    summary: Summary
    """Of the run, as of an export. Its entries are all windows of the destination."""
    read: int
    """Windows that were read in this run."""
    kept: int
    """Windows that stayed as they were."""
    given_up: int
    """Conversations without an end that are no longer asked for."""
    reopened: int = 0
    """Windows that were read only because a conversation of them had been opened again, and has ended."""


def sync(
    client: Client,
    query: Query,
    output: Path | str,
    *,
    policy: Policy = Policy(),
    view: View = "default",
    columns: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    environment: Environment = Environment(),  # noqa: B008 - frozen
) -> Synced:
    """Read what may have changed since the last run, and everything since then.

    The first run reads the whole interval. Its beginning has to stay the same from then on; its end moves with the
    clock, up to a minute ago. An interrupted run is finished first, with its own end.

    Args:
        client: the client of the org.
        query: which conversations; `options.asked` has the terms, with `since`.
        output: what can replace a window: Parquet, Delta, DuckDB, PostgreSQL, `csv-days:` and `jsonl-days:`.
        policy: when windows are read again.
        view: "default" or "extended": the columns of flat rows, where the output has such.
        columns: these columns, in this order, instead of a view.
        options: how to export.
        progress: receives the events of the run.
        environment: what tests replace.

    Raises:
        OutputRefused: the output cannot replace a window, or contains another query, or another process writes it.
        OutputFailed: writing failed; the same call continues from there.
        EverycallError: whatever an export raises.
    """
    target = target_of(output)
    check_target(target)
    done = _sync(client, query, target, flat_table(view, columns), policy, options, progress, environment)
    if done.summary.interval.end < query.interval.until_now(client.clock.utc()).end - CATCHES_UP:
        options = replace(options, fresh=False)
        return _sync(client, query, target, flat_table(view, columns), policy, options, progress, environment)
    return done


CATCHES_UP = timedelta(hours=1)
"""A run that has finished an interrupted one is followed by another if so much time has passed since."""


def check_target(target: Target) -> None:
    """Refuse an output that cannot replace a window.

    Raises:
        OutputRefused: the hint names the formats that can.
    """
    if target.format in (*STREAMED, "xlsx"):
        raise OutputRefused(
            f"{target.place} is {target.format}, and a part of such a file cannot be replaced.",
            hint="sync needs tables (a .parquet or .delta folder, a .duckdb file, postgresql://...), or files by day "
            "(csv-days:FOLDER, jsonl-days:FOLDER).",
        )


def _sync(
    client: Client,
    query: Query,
    target: Target,
    table: FlatTable,
    policy: Policy,
    options: Options,
    progress: Progress | None,
    environment: Environment,
) -> Synced:
    options = replace(options, by_day=True)
    setup = Setup.of(client, table, options, progress, environment)
    try:
        query = replace(query, interval=query.interval.until_now(setup.started_at))
        place = destination(target, setup.maker)
        header = header_of(setup, query, [place])
        ledger = environment.ledger([place], header, fresh=options.fresh, is_repair=True, filesystem=setup.filesystem)
        try:
            before = None if options.fresh else place.found()
            if options.fresh and (there := place.found()) is not None:
                _notice_what_comes_back(there, setup.progress)
            state = _State(setup, query, place, policy, before, options.kept_from)
            if before is not None:  # windows that were proven while the org kept them stay so
                setup = replace(setup, options=replace(options, kept_from=kept_from_of(before)))
            state.prepare(ledger)
        except BaseException:
            ledger.abandon()
            raise
        kept = sum(loaded.taken_over for loaded in ledger.loaded.values())
        summary = run(setup, query, ledger, [place], carried=state.carried)
    except OSError as error:
        raise output_failed(error) from error
    finally:
        setup.executor.close()
    return Synced(summary, len(summary.entries) - kept, kept, state.given_up, state.reopened)


class _State:
    """What a destination has, and what of it is due."""

    def __init__(
        self,
        setup: Setup,
        query: Query,
        place: Destination,
        policy: Policy,
        before: Manifest | None,
        kept_from: datetime | None,
    ) -> None:
        self._setup, self._query, self._place, self._policy = setup, query, place, policy
        self._before, self._kept_from = before, kept_from
        self._ended: dict[str, datetime] = {}
        """The latest end in windows that the sweep found, by interval."""
        self.carried = Carried.of(before, kept_from) if before is not None else Carried()
        self.given_up = self.reopened = 0

    def prepare(self, ledger: Ledger) -> None:
        """Record in the ledger all windows that need not be read again.

        Raises:
            OutputRefused: the destination begins at another time.
            EverycallError: whatever the client raises, who asks for open conversations.
        """
        if self._before is None:
            return
        self._check_beginning(self._before)
        if self._policy.sweeps:
            self._sweep(self._before, is_resumed=bool(ledger.read))
        due = {entry.interval for entry in self._before.windows if self._is_due(entry)}
        ledger.keep(lambda interval: interval not in due or not _is_taken_over(ledger, interval))
        gaps = without(ledger.header.window, [read.window for read in ledger.read.values()])
        for number, entry in enumerate(self._before.windows):
            window = entry.window
            fits = any(gap.start <= window.start and window.end <= gap.end for gap in gaps)
            if fits and entry.interval not in due:
                take_over(self._before, number, self._place, ledger)
        if self.given_up:
            noun = "conversation has" if self.given_up == 1 else "conversations have"
            self._setup.progress.report(
                Noticed(
                    f"{self.given_up:,} {noun} had no end for {self._policy.give_up_after.days} days: everycall no "
                    "longer asks for them."
                )
            )

    def _check_beginning(self, before: Manifest) -> None:
        if before.query.window.start != self._query.interval.start:
            raise OutputRefused(
                f"{self._place.name} begins at {before.query.window.start:%Y-%m-%d %H:%M} UTC, but this command begins "
                f"at {self._query.interval.start:%Y-%m-%d %H:%M} UTC.",
                hint="Use the --since of the first run, or leave it out.",
            )

    def _is_due(self, entry: Entry) -> bool:
        now, kept_from = self._setup.started_at, self._kept_from
        if entry.is_forgotten or (kept_from is not None and entry.window.start < kept_from):
            return False  # the destination is to be without them, or the org may have deleted what it has
        return self._policy.is_due(entry, now) or self._was_reopened(entry) or self._was_open(entry, now)

    def _was_reopened(self, entry: Entry) -> bool:
        """Whether the sweep found a conversation of it that ended after it was read."""
        ended_at = self._ended.get(entry.interval)
        is_late = ended_at is not None and ended_at > datetime.fromisoformat(entry.counted_at)
        self.reopened += is_late
        return is_late

    def _was_open(self, entry: Entry, now: datetime) -> bool:
        """Whether a conversation of it that was open has an end now, or is gone, or is not known by its id."""
        if not entry.open:
            return False
        if not self._policy.asks_for_open(entry, now):
            self.given_up += entry.open
            return False
        return len(entry.open_conversations) < entry.open or self._has_ended(entry)

    def _sweep(self, before: Manifest, *, is_resumed: bool) -> None:
        """Find the windows with conversations that have ended since the last sweep.

        A run that goes on with another one's windows does not move the date: what ended after these were read is found
        by the next sweep.
        """
        client = self._setup.client
        try:
            until = available(client)
            since = _swept_until(before, until)
            if since is not None and since < until:
                self._gather(before, ended(client, self._query.filters, Interval(since, until)))
        except NotSwept as error:
            self._setup.progress.report(Noticed(f"Jobs cannot be used ({str(error).rstrip('.')}): {WITHOUT_SWEEP}"))
            return
        if not is_resumed and (since is None or since < until):
            self.carried = replace(self.carried, swept_until=text(until))

    def _gather(self, before: Manifest, found: Iterable[Ended]) -> None:
        windows = [(entry.window.start, entry.window.end, entry.interval) for entry in before.windows]
        for one in found:
            at = bisect_right(windows, one.start, key=lambda window: window[0]) - 1
            if at >= 0 and one.start < windows[at][1]:
                interval = windows[at][2]
                self._ended[interval] = max(one.end, self._ended.get(interval, one.end))

    def _has_ended(self, entry: Entry) -> bool:
        """Whether one of its open conversations has an end now, or is gone."""
        return any(
            len(found) < len(ids) or any(one.conversation_end is not None for one in found)
            for ids in _lots(entry.open_conversations, PAGE_SIZE_MAX)
            for found in (self._conversations(entry, ids).conversations,)
        )

    def _conversations(self, entry: Entry, ids: tuple[str, ...]) -> Page:
        asked = Query(entry.window, Filters.of(conversation_ids=ids))
        answer = self._setup.client.play(page(asked, entry.window, 1, PAGE_SIZE_MAX))
        return answer if isinstance(answer, Page) else Page()


def _notice_what_comes_back(before: Manifest, progress: Progress) -> None:
    count = sum(entry.owned - entry.kept for entry in before.windows)
    if count:
        progress.report(
            Noticed(f"--fresh brings back what the org still has of {count:,} conversations that forget took out.")
        )


WITHOUT_SWEEP = (
    "conversations that are opened again later than the trailing days are noticed when their day is read again."
)


def _swept_until(before: Manifest, until: datetime) -> datetime | None:
    """Where the sweep begins: where the last one ended, or before all that was read.

    None if that is so long ago that it takes more than one job; what was opened again until now is noticed when its day
    is due.
    """
    if before.swept_until is not None:
        return datetime.fromisoformat(before.swept_until)
    since = datetime.fromisoformat(before.proven_as_of) if before.proven_as_of else None
    return since if since is not None and until - since <= SPAN_FILTERED else None


def _is_taken_over(ledger: Ledger, interval: str) -> bool:
    """Whether an interrupted run left the window as the destination has it."""
    loaded = ledger.loaded.get(interval)
    return loaded is not None and loaded.taken_over


def _lots(ids: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))


@dataclass(frozen=True, slots=True)
class Status:
    """What a synced destination has."""

    output: str
    interval: str
    rows: int
    proven: int
    """Windows."""
    unproven: tuple[str, ...]
    provisional_from: str | None
    open: int
    """Conversations without an end."""
    forgotten: int
    """Conversations that `everycall forget` took out."""
    swept_until: str | None
    """Until when jobs have looked for conversations that were opened again."""
    asked_at: str
    """When the last run ended."""

    @classmethod
    def of(cls, output: str, manifest: Manifest) -> "Status":
        """The status of the destination that has this manifest."""
        return cls(
            output,
            manifest.interval,
            manifest.rows,
            sum(entry.verdict == "proven" for entry in manifest.windows),
            (*manifest.unproven, *manifest.unread),
            manifest.provisional_from,
            manifest.open,
            sum(entry.owned - entry.kept for entry in manifest.windows),
            manifest.swept_until,
            manifest.finished_at,
        )
