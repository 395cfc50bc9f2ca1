"""Nightly syncs over the sandbox's clock, compared with a fresh export at the end.

    python tests/nights.py --nights 365     # a part of `make acceptance`

The nights come at any hour, some are skipped, some are killed and run again. Meanwhile conversations start, end, are
opened again, evaluated and surveyed, arrive late and are deleted, and the data lake of the jobs lags behind by ten
hours, now and then by two days.

In the end the destination has to be what a fresh export is, but for changes that came after the last look at their day:
these are listed one by one, with the reason. Each night's requests are compared with what it may ask: the pages and
counts of the new and trailing days and of those that are due by their age, one request for each open conversation or
those of its day, whichever is less, and the sweep's. No night may ask more than 1.15 times as many. A night that has to
finish an interrupted run, before it reads what has happened since, has two new windows: the last one of each run.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from deltalake import DeltaTable

from clocks import StillClock
from everycall import Filters, Interval, Page, Query
from everycall.acquire.costs import by_query
from everycall.api.details_query import page
from everycall.executor import SerialExecutor
from everycall.filesystem import File, SystemFilesystem
from everycall.instants import DAY, start_of_day, text
from everycall.manifest import Entry, Manifest
from everycall.sandbox import JOBS, QUERY
from everycall.setup import Environment, Options
from everycall.sinks.files import ledger_folder
from everycall.sinks.targets import target_of
from everycall.syncing import Policy, Synced, sync
from everycall.tables.relational import OF_CONVERSATIONS
from everycall.verification import manifest_or_none, name_of
from inprocess import Org, org
from postgres_server import binaries, running

SINCE = datetime(2026, 1, 5, tzinfo=UTC)
ASKED = {"since": "2026-01-05"}
KINDS = ("parquet", "delta", "duckdb", "postgresql", "csv-days", "jsonl-days")
TABLES = tuple(table.name for table in OF_CONVERSATIONS)
WITHIN = 1.15

Rows = Mapping[str, Counter[tuple[str, str]]]
"""By table: how often each row is there, as conversationId and text."""


class StopsAt(SystemFilesystem):
    """Interrupts when a file is synced for the time of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        super().sync(file)


@dataclass(frozen=True, slots=True)
class Night:
    """What one night asked."""

    asked: int
    """Requests about conversations."""
    allowed: int
    others: int
    """Logins and names."""
    sweep: int
    done: Synced

    @property
    def ratio(self) -> float:
        """The share of what is allowed."""
        return self.asked / max(1, self.allowed)


@dataclass
class Report:
    """How it ended."""

    nights: list[Night] = field(default_factory=list)
    kills: int = 0
    explained: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    verdict: str = ""
    rows: int = 0


@dataclass
class Calendar:
    """A destination, an org, and what happens from night to night."""

    kind: str
    output: str
    where: Org
    settings: Mapping[str, Any]
    """Of the org."""
    rng: random.Random
    policy: Policy = field(default_factory=Policy)
    kill_rate: float = 0.15
    """The share of nights in which the first attempt is killed."""
    report: Report = field(default_factory=Report)
    deleted: set[str] = field(default_factory=set)
    late: list[int] = field(default_factory=list)
    """The numbers of the faults that hide a conversation until the next night."""
    end: datetime = SINCE
    """Up to where the last run read."""

    def run(self, nights: int) -> Report:
        """Let so many nights pass."""
        for number in range(nights):
            self._happen(number)
            self._night()
            length = DAY * self.rng.choice([1] * 8 + [2, 3]) + timedelta(minutes=self.rng.randint(-300, 300))
            self.where.clock.advance(length.total_seconds())
        self.where.sandbox.store.switches = replace(self.where.sandbox.store.switches, data_lake_lag_s=36_000.0)
        self._reveal()
        done = self._night()
        self.end = done.summary.interval.end
        self.report.verdict, self.report.rows = done.summary.verdict, done.summary.rows
        return self.report

    def _happen(self, number: int) -> None:
        """What the org does beside taking calls: lag, late arrivals, deletions."""
        store = self.where.sandbox.store
        lag_s = 172_800.0 if number % 20 == 9 else 36_000.0
        store.switches = replace(store.switches, data_lake_lag_s=lag_s)
        self._reveal()
        if number % 7 == 3:
            self.deleted.add(self._hide(self.rng.choice([1, 2, 20]), forever=True))
        if number % 5 == 2:
            self._hide(1, forever=False)

    def _hide(self, days: int, *, forever: bool) -> str:
        """The API no longer has, or does not have yet, a conversation that began so many days ago."""
        end = self.where.clock.utc() - days * DAY
        ids = [one for one, _, _ in self.where.truth(f"{text(end - DAY)}/{text(end)}")]
        chosen = self.rng.choice([one for one in ids if one not in self.deleted])
        self.where.sandbox.faults.on(None, "unseen", conversation_id=chosen)
        if not forever:
            self.late.append(self.where.sandbox.faults.armed()[-1].number)
        return chosen

    def _reveal(self) -> None:
        for number in self.late:
            self.where.sandbox.faults.disarm(number)
        self.late.clear()

    def _night(self) -> Synced:
        if self.rng.random() < self.kill_rate:
            with suppress(KeyboardInterrupt):
                self._sync(StopsAt(self.rng.randint(2, 60)))
                self.report.kills -= 1
            self.report.kills += 1
            self.where.clock.advance(3600)
        before, seen = manifest_of(self.output), self._requests()
        now, interrupted = self.where.clock.utc(), self._interrupted()
        done = self._sync(SystemFilesystem())
        self.report.nights.append(self._counted(before, done, now, seen, interrupted))
        return done

    def _interrupted(self) -> int:
        """What the last window of an unfinished run may cost; 0 where there is none."""
        ledger = ledger_folder(target_of(self.output).path, name_of(self.output)) / "ledger.jsonl"
        if not ledger.exists():
            return 0
        end = Interval.read(json.loads(ledger.read_text().partition("\n")[0])["interval"]).end
        return by_query(len(self.where.truth(f"{text(start_of_day(end))}/{text(end)}"))).requests

    def _requests(self) -> int:
        served = self.where.sandbox.requests
        return served[-1].number if served else 0

    def _sync(self, filesystem: SystemFilesystem) -> Synced:
        query = Query(Interval(SINCE, self.where.clock.utc()))
        environment = Environment(executor=SerialExecutor(), filesystem=filesystem)
        options = Options(asked=ASKED, route="query")
        return sync(self.where.client, query, self.output, policy=self.policy, options=options, environment=environment)

    def _counted(self, before: Manifest | None, done: Synced, now: datetime, seen: int, interrupted: int) -> Night:
        served = [one for one in self.where.sandbox.requests if one.number > seen]
        sweep = sum(JOBS in one.path for one in served)
        asked = sum(one.path == QUERY for one in served) + sweep
        known = {entry.interval: entry for entry in before.windows} if before is not None else {}
        allowed = sum(self._allowed(entry, known.get(entry.interval), now) for entry in done.summary.entries)
        return Night(asked, allowed + sweep + interrupted, len(served) - asked, sweep, done)

    def _allowed(self, entry: Entry, before: Entry | None, now: datetime) -> int:
        """What a night may ask about one window."""
        whole = by_query(entry.hits_after).requests
        if before is None or self.policy.is_due(before, now):
            return whole
        return min(before.open, whole) if self.policy.asks_for_open(before, now) else 0


def manifest_of(output: str) -> Manifest | None:
    """The manifest of an output."""
    return manifest_or_none(output)


# --- what a destination has


def rows_of(kind: str, output: str) -> Rows:
    """The rows of a destination, by table."""
    if kind.endswith("-days"):
        return {"rows": Counter(_lines(Path(output.partition(":")[2])))}
    return {table: Counter(_keyed(_table(kind, output, table))) for table in TABLES}


def _lines(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.*")):
        for line in path.read_text().splitlines():
            yield (line[:36] if path.suffix == ".csv" else json.loads(line)["conversationId"]), line


def _keyed(rows: pa.Table) -> Iterator[tuple[str, str]]:
    for row in rows.to_pylist():
        yield row["conversationId"], repr(sorted(row.items()))


def _table(kind: str, output: str, table: str) -> pa.Table:
    if kind == "delta":
        return DeltaTable(f"{output}/{table}").to_pyarrow_table()
    if kind == "postgresql":
        with dbapi.connect(output) as connection, connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{schema_of(output)}"."{table}"')
            return cursor.fetch_arrow_table()
    sql = f"SELECT * FROM '{output}/{table}/*.parquet'" if kind == "parquet" else f"SELECT * FROM {table}"
    with duckdb.connect(output if kind == "duckdb" else ":memory:") as connection:
        return connection.sql(sql).to_arrow_table()


def schema_of(output: str) -> str:
    """The schema that an address names."""
    return output.partition("search_path%3D")[2] or "everycall"


# --- the comparison


def compare(calendar: Calendar, fresh: str) -> None:
    """Sort the differences from a fresh export into those that came too late for every look, and others."""
    manifest = manifest_of(calendar.output)
    assert manifest is not None
    ours, theirs = rows_of(calendar.kind, calendar.output), rows_of(calendar.kind, fresh)
    differing: dict[str, set[str]] = {}
    for table in ours:
        for id_, _ in (ours[table] - theirs[table]) + (theirs[table] - ours[table]):
            differing.setdefault(id_, set()).add(table)
    starts = {one: start for one, start, _ in calendar.where.truth(f"{text(SINCE)}/{text(calendar.where.clock.utc())}")}
    for id_, tables in sorted(differing.items()):
        start = starts.get(id_, "")
        entry = next((one for one in manifest.windows if one.interval[:24] <= start < one.interval[25:]), None)
        reason = _reason(calendar, id_, entry, manifest)
        asked = _read_at(id_, entry)[:16] if entry else "never"
        line = f"{id_} of {start[:10]} ({', '.join(sorted(tables))}), last asked for {asked}"
        (calendar.report.explained if reason else calendar.report.unexplained).append(f"{line}: {reason}")


def _read_at(id_: str, entry: Entry) -> str:
    """When a conversation was last asked for: with its window, or by its id since."""
    replaced = {one.conversation_id: one.as_of for one in entry.replaced}
    return replaced.get(id_, entry.counted_at)


def _reason(calendar: Calendar, id_: str, entry: Entry | None, manifest: Manifest) -> str:
    """Why no look could find a change; empty where one should have."""
    now = calendar.where.clock.utc()
    if entry is None:
        return ""
    counted_at = datetime.fromisoformat(entry.counted_at)
    if calendar.policy.is_due(entry, now) and now - counted_at > timedelta(minutes=10):  # the last run takes its time
        return ""
    read_at = datetime.fromisoformat(_read_at(id_, entry))
    if id_ in calendar.deleted:
        return "deleted after its day was read"
    then, today = _as_of(calendar, id_, entry, read_at), _as_of(calendar, id_, entry, now)
    end = today.get("conversationEnd")
    if then.get("conversationEnd") != end:
        is_late = manifest.swept_until is None or end is None or end > manifest.swept_until
        return "opened again, and not over when jobs were last complete" if is_late else ""
    changed = sorted(name for name in {*then, *today} if then.get(name) != today.get(name))
    return f"changed after its day was read ({', '.join(changed)})" if changed else ""


def _as_of(calendar: Calendar, id_: str, entry: Entry, at: datetime) -> dict[str, Any]:
    """The conversation as the org had it at that time: the same org with another clock."""
    where = org(StillClock(at), **calendar.settings)
    found = where.client.play(page(Query(entry.window, Filters.of(conversation_ids=[id_])), entry.window, 1, 100))
    assert isinstance(found, Page)
    plain: list[dict[str, Any]] = msgspec.to_builtins(found.conversations)
    return plain[0] if plain else {}


def simulate(
    kind: str, nights: int, seed: int, per_day: int, folder: Path, postgres: str = "", *, kill_rate: float = 0.15
) -> Report:
    """Let so many nights pass for one kind of destination, and compare."""
    output, fresh = places(kind, folder, postgres)
    settings: dict[str, Any] = {"conversations_per_day": per_day, "seed": seed}
    where = org(StillClock(SINCE + timedelta(days=2, hours=3)), **settings)
    calendar = Calendar(kind, output, where, settings, random.Random(seed), kill_rate=kill_rate)
    report = calendar.run(nights)
    where.export(fresh, query=Query(Interval(SINCE, calendar.end)), fresh=True, route="query", by_day=True)
    compare(calendar, fresh)
    return report


def places(kind: str, folder: Path, postgres: str) -> tuple[str, str]:
    """Where the destination is, and where the fresh export goes."""
    if kind == "postgresql":
        return postgres, f"{postgres}&options=-csearch_path%3Dfresh"
    if kind.endswith("-days"):
        return f"{kind}:{folder}/calls", f"{kind}:{folder}/fresh"
    return f"{folder}/calls.{kind}", f"{folder}/fresh.{kind}"


def figures(report: Report) -> str:
    """The requests of the nights, but for the first, which reads everything."""
    nights = report.nights[1:]
    asked, allowed = sum(one.asked for one in nights), sum(one.allowed for one in nights)
    dones = [one.done for one in nights]
    pieces = (
        f"{len(nights)} nights, {report.kills} killed",
        f"requests a night {asked / len(nights):.1f}, at most {max(one.asked for one in nights)}",
        f"{asked / allowed:.3f} of what is allowed, in a night {max(one.ratio for one in nights):.2f} at most",
        f"{len(over(report))} nights over {WITHIN}",
        f"the sweep {sum(one.sweep for one in nights) / len(nights):.1f}",
        f"{sum(one.replaced for one in dones)} replaced by their ids on {sum(one.patched for one in dones)} days",
        f"{sum(one.reopened for one in dones)} days with conversations that were opened again",
        f"{sum(one.removed for one in dones)} removed",
        f"logins and names {sum(one.others for one in nights) / len(nights):.1f}",
    )
    return "; ".join(pieces)


def over(report: Report) -> list[tuple[int, Night]]:
    """The nights that asked too much, with their numbers."""
    return [(number, night) for number, night in enumerate(report.nights) if number and night.ratio > WITHIN]


def lines(report: Report) -> Iterator[str]:
    """Each night on a line."""
    for number, night in enumerate(report.nights):
        done = night.done
        yield (
            f"night {number}: {night.asked} requests, {night.allowed} allowed ({night.ratio:.2f}), the sweep "
            f"{night.sweep}; {done.read} windows read, {done.patched} patched, {done.replaced} conversations replaced, "
            f"{done.removed} removed"
        )


def main() -> int:
    """Simulate each kind.

    The exit code is 1 where a difference is not explained, a window is not proven, or a night asked too much.
    """
    parser = argparse.ArgumentParser(description="Simulate nightly syncs, and compare with a fresh export.")
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--per-day", type=int, default=40, help="conversations (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--each-night", action="store_true", help="a line for each night")
    arguments = parser.parse_args()
    failed = False
    with ExitStack() as stack:
        for kind in arguments.kinds.split(","):
            folder, postgres, began = Path(stack.enter_context(tempfile.TemporaryDirectory())), "", time.monotonic()
            if kind == "postgresql":
                programs = binaries()
                if programs is None:
                    print("postgresql: not installed")  # noqa: T201
                    continue
                postgres = stack.enter_context(running(programs)).url()
            report = simulate(kind, arguments.nights, arguments.seed, arguments.per_day, folder, postgres)
            took_s = time.monotonic() - began
            print(f"{kind}: {report.verdict}, {report.rows:,} rows; {figures(report)}; {took_s:.0f} s")  # noqa: T201
            for line in lines(report) if arguments.each_night else ():
                print(f"  {line}")  # noqa: T201
            for number, night in over(report):
                print(f"  ASKED TOO MUCH: night {number}: {night.asked}, {night.allowed} allowed")  # noqa: T201
            for line in report.explained:
                print(f"  later than every look: {line}")  # noqa: T201
            for line in report.unexplained:
                print(f"  NOT EXPLAINED: {line}")  # noqa: T201
            sys.stdout.flush()
            failed |= bool(report.unexplained or over(report)) or report.verdict != "proven"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
