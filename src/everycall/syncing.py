"""Keeps a destination up to date: reads what may have changed since the last run, and takes over the rest.

    manifest of the destination -> which windows are due -> a run that reads those and everything new
                                -> the destination, which replaces these windows

A window of a synced destination is a UTC day, or a part of one. It is *due* if

- it is not proven, or conversations of it came too late;
- it belongs to the trailing days, which the vendor still rebuilds (contract: 48 hours and more after the fact);
- it was read while it belonged to them, and has left them since (nights may be skipped);
- evaluations and surveys may have come since it was read: once, 31 days after its end;
- a conversation of it that is asked for by its id (below) does not come any more, or the destination does not have it.

Of other windows, single conversations are replaced, with all their children, without reading the window:

- one that was open and has ended since. Open conversations are asked for by their ids, a hundred a request and up to
  31 days together, so that an e-mail that nobody ever closes does not cost its whole day every night. After
  `give_up_after` days it is no longer asked for;
- one that has ended since its window was read, although it was not open then: it was opened again. A details job looks
  for what ended since the last run, whatever day it began (`acquire.sweep`); hours later than the query, since jobs
  read a data lake. Where jobs cannot be used, such a conversation is noticed when its day is due.

The proof of such a window stays the one of its last reading, and its line says which conversations were replaced, and
when they were asked for.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from everycall.acquire.by_id import Came, by_ids, part_of
from everycall.acquire.part import PartWriter
from everycall.acquire.proof import id_bytes
from everycall.acquire.sweep import Ended, NotSwept, available, ended
from everycall.acquire.windows import without
from everycall.api.limits import SETTLED_AFTER, SPAN_FILTERED
from everycall.api.query import Interval, Query
from everycall.client import Client
from everycall.errors import OutputRefused
from everycall.exporting import Carried, Summary, header_of, output_failed, run
from everycall.instants import start_of_day, text
from everycall.ledger import Ledger
from everycall.manifest import Entry, Manifest, WindowPatched
from everycall.progress import Noticed, Progress
from everycall.setup import Environment, Options, Setup
from everycall.sinks.interface import Destination, Form
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
    """Windows that were only looked at because a conversation had been opened again, and has ended."""
    patched: int = 0
    """Windows of which only some conversations were replaced, by their ids."""
    replaced: int = 0
    """Those conversations."""
    removed: int = 0
    """Conversations that the destination no longer has, since they did not come when their window was read."""

    def __add__(self, after: "Synced") -> "Synced":
        """This run and the one that followed it at once."""
        read = sum(entry.counted_at >= text(self.summary.started_at) for entry in after.summary.entries)
        return replace(
            after,
            read=read,
            kept=len(after.summary.entries) - read - self.patched - after.patched,
            reopened=self.reopened + after.reopened,
            patched=self.patched + after.patched,
            replaced=self.replaced + after.replaced,
        )


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
        options, begun_at = replace(options, fresh=False), done.summary.started_at
        return done + _sync(
            client, query, target, flat_table(view, columns), policy, options, progress, environment, begun_at
        )
    return done


CATCHES_UP = timedelta(hours=1)
"""A run that has finished an interrupted one is followed by another if so much time has passed since. That one does
not read again what the first one has read, except the last window, which has become longer."""


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
    read_since: datetime | None = None,
) -> Synced:
    """One run; `read_since` is when the run began that it follows at once."""
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
            state = _State(setup, query, place, policy, before, options.kept_from, read_since)
            if before is not None:  # windows that were proven while the org kept them stay so
                setup = replace(setup, options=replace(options, kept_from=kept_from_of(before)))
            state.prepare(ledger)
        except BaseException:
            ledger.abandon()
            raise
        kept = sum(loaded.taken_over for loaded in ledger.loaded.values())
        patches = [read for read in ledger.read.values() if isinstance(read, WindowPatched)]
        summary = run(setup, query, ledger, [place], carried=state.carried)
    except OSError as error:
        raise output_failed(error) from error
    finally:
        setup.executor.close()
    return Synced(
        summary,
        read=len(summary.entries) - kept - len(patches),
        kept=kept,
        given_up=state.given_up,
        reopened=state.reopened,
        patched=len(patches),
        replaced=sum(len(patch.ids) for patch in patches),
        removed=summary.manifest["removed"],
    )


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
        read_since: datetime | None,
    ) -> None:
        self._setup, self._query, self._place, self._policy = setup, query, place, policy
        self._before, self._kept_from, self._read_since = before, kept_from, read_since
        self._ended: dict[str, dict[str, datetime]] = {}
        """The ends that the sweep found: interval of the window -> conversationId -> end."""
        self.carried = replace(Carried.of(before, kept_from), had=self._had) if before is not None else Carried()
        self.given_up = self.reopened = 0

    def prepare(self, ledger: Ledger) -> None:
        """Record in the ledger all windows that need not be read again.

        A run that goes on with an interrupted one does not sweep, and does not move the date up to which jobs were
        asked: what ended after the windows of that run were read is found by the next sweep. Neither does it ask for
        single conversations if another run follows at once.

        Raises:
            OutputRefused: the destination begins at another time.
            EverycallError: whatever the client raises, who asks for single conversations.
        """
        if self._before is None:
            return
        self._check_beginning(self._before)
        if self._policy.sweeps and not ledger.read:
            self._sweep(self._before)
        undone = [one for one in self._before.windows if not _is_done(ledger, one.interval)]
        due = {entry.interval for entry in undone if self._is_due(entry)}
        asked_at = self._setup.client.clock.utc()
        is_followed = ledger.header.window.end < self._query.interval.end - CATCHES_UP
        others = [] if is_followed else [entry for entry in undone if entry.interval not in due]
        changed, incomplete = self._changed(others)
        due |= incomplete
        ledger.keep(lambda interval: _is_done(ledger, interval) or interval not in due | changed.keys())
        gaps = without(ledger.header.window, [read.window for read in ledger.read.values()])
        for number, entry in enumerate(self._before.windows):
            window = entry.window
            if entry.interval in due or not any(gap.start <= window.start and window.end <= gap.end for gap in gaps):
                continue
            if entry.interval not in changed:
                take_over(self._before, number, self._place, ledger, is_of_this_run=self._is_read_already(entry))
            elif self._place.set_aside(self._before, number, partial(_path, ledger, window)):
                self._replace(ledger, entry, changed[entry.interval], asked_at)
        self._notice_given_up()

    def _replace(self, ledger: Ledger, entry: Entry, new: Sequence[Came], asked_at: datetime) -> None:
        """Record in the ledger that some conversations of a window are replaced."""
        part = part_of(PartWriter(ledger.path(entry.window, ".part"), self._setup.filesystem), new)
        is_open = {one.conversation_id: not one.has_end for one in new}
        ledger.commit_read(entry.patched(is_open, text(asked_at), part.checksum, self._place.forms[0].name))

    def _notice_given_up(self) -> None:
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
        """Whether a window has to be read again as a whole."""
        now = self._setup.started_at
        if self._is_left_alone(entry):
            return False
        if self._is_read_already(entry):
            return entry.verdict != "proven" or bool(entry.late)
        is_listed = len(entry.open_conversations) == entry.open
        return self._policy.is_due(entry, now) or (self._policy.asks_for_open(entry, now) and not is_listed)

    def _is_left_alone(self, entry: Entry) -> bool:
        """Whether the destination is to be without it, or the org may have deleted what it has."""
        return entry.is_forgotten or (self._kept_from is not None and entry.window.start < self._kept_from)

    def _is_read_already(self, entry: Entry) -> bool:
        """Whether the run that this one follows at once has read it, and it cannot have become longer."""
        is_last = self._before is not None and entry.window.end == self._before.query.window.end
        since = self._read_since
        return since is not None and not is_last and entry.counted_at >= text(since)

    def _had(self, window: Interval) -> frozenset[bytes]:
        """The conversations that the destination had in a window when this run began, or the one that it follows."""
        entries = [
            one for one in _known(self._before).windows
            if window.start <= one.window.start and one.window.end <= window.end
        ]  # fmt: skip
        looked_up = self._looked_up([one.window for one in entries])  # nothing where there are no ids
        had = {id_bytes(one) for ids in looked_up.values() for one in ids}
        if self._read_since is not None:
            had |= {bytes.fromhex(one) for entry in entries for one in entry.removed}
        return frozenset(had)

    # Single conversations

    def _changed(self, entries: Sequence[Entry]) -> tuple[dict[str, list[Came]], set[str]]:
        """Ask for single conversations of windows that are not due.

        Returns:
            The conversations to replace, by the interval of their window; and the intervals of windows that have to be
            read: one of their conversations did not come, or the destination does not have it.
        """
        wanted = {entry.window: sorted(ids) for entry in entries if (ids := self._wanted(entry))}
        came = by_ids(self._setup.client, self._query.filters, wanted)
        changed: dict[str, list[Came]] = {}
        incomplete: set[str] = set()
        for entry in entries:
            asked, was_open = wanted.get(entry.window, []), set(entry.open_conversations)
            if not all(one in came and _is_in(entry.window, came[one]) for one in asked):
                incomplete.add(entry.interval)
            elif new := [came[one] for one in asked if came[one].has_end or one not in was_open]:
                changed[entry.interval] = new
        strange = self._not_there(changed)
        return {interval: new for interval, new in changed.items() if interval not in strange}, incomplete | strange

    def _wanted(self, entry: Entry) -> set[str]:
        """The conversations of a window that are asked for: those that were open, and those that were opened again."""
        if self._is_left_alone(entry):
            return set()
        ids = self._opened_again(entry)
        self.reopened += bool(ids)
        if self._policy.asks_for_open(entry, self._setup.started_at):
            ids |= set(entry.open_conversations)
        else:
            self.given_up += entry.open
        return ids

    def _opened_again(self, entry: Entry) -> set[str]:
        """The conversations that the sweep found, and that ended after they were read."""
        replaced = {one.conversation_id: one.as_of for one in entry.replaced}
        return {
            id_
            for id_, ended_at in self._ended.get(entry.interval, {}).items()
            if ended_at > datetime.fromisoformat(replaced.get(id_, entry.counted_at))
            and id_bytes(id_).hex() not in entry.forgotten
        }

    def _not_there(self, changed: Mapping[str, Sequence[Came]]) -> set[str]:
        """The windows of which the destination does not have all of these conversations, or does not say so."""
        there = self._looked_up(list(map(Interval.read, changed)))
        return {
            interval for interval, new in changed.items() if not {one.conversation_id for one in new} <= there[interval]
        }

    def _looked_up(self, windows: Sequence[Interval]) -> dict[str, set[str]]:
        """The conversations that the destination has in these windows; none where its rows do not have their ids."""
        found: dict[str, set[str]] = {str(window): set() for window in windows}
        redacted = [one.partition("=") for one in _known(self._before).query.redacted]
        if windows and not any(field == "conversationId" and treatment != "keep" for field, _, treatment in redacted):
            for window, ids in self._place.ids(windows):
                found[str(window)].update(ids)
        return found

    # The sweep

    def _sweep(self, before: Manifest) -> None:
        """Find the conversations that have ended since the last sweep."""
        client = self._setup.client
        try:
            until = available(client)
            since = _swept_until(before, until)
            if since is not None and since < until:
                self._gather(before, ended(client, self._query.filters, Interval(since, until)))
        except NotSwept as error:
            self._setup.progress.report(Noticed(f"Jobs cannot be used ({str(error).rstrip('.')}): {WITHOUT_SWEEP}"))
            return
        if since is None or since < until:
            self.carried = replace(self.carried, swept_until=text(until))

    def _gather(self, before: Manifest, found: Iterable[Ended]) -> None:
        windows = [(entry.window.start, entry.window.end, entry.interval) for entry in before.windows]
        for one in found:
            at = bisect_right(windows, one.start, key=lambda window: window[0]) - 1
            if at >= 0 and one.start < windows[at][1]:
                ends = self._ended.setdefault(windows[at][2], {})
                ends[one.conversation_id] = max(one.end, ends.get(one.conversation_id, one.end))


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


def _is_done(ledger: Ledger, interval: str) -> bool:
    """Whether an interrupted run has read the window, or replaced conversations of it."""
    loaded = ledger.loaded.get(interval)
    return interval in ledger.read and not (loaded is not None and loaded.taken_over)


def _path(ledger: Ledger, window: Interval, form: Form) -> Path:
    return ledger.path(window, form.suffix)


def _known(before: Manifest | None) -> Manifest:
    assert before is not None  # otherwise nothing is asked for by its id
    return before


def _has(window: Interval, at: datetime) -> bool:
    return window.start <= at < window.end


def _is_in(window: Interval, one: Came) -> bool:
    """Whether a conversation started in the window."""
    return one.start is not None and _has(window, one.start)


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
    replaced: int = 0
    """Conversations that are newer than the proof of their windows: they were replaced by their ids."""

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
            sum(len(entry.replaced) for entry in manifest.windows),
        )
