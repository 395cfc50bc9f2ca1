"""Conversations whose start changes from a day that is not read again to one that is: they are in one of them."""

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from everycall import Interval, Query
from everycall.api.retention import RETENTION_MIN
from everycall.executor import SerialExecutor
from everycall.instants import DAY, start_of_day, text
from everycall.progress import Event, Noticed
from everycall.setup import Environment, Options
from everycall.syncing import Policy, Synced, sync
from everycall.verification import repair, verify
from inprocess import Org
from tampering import Tampering, Tree, adding, tampered

MONDAY, SECOND_MONDAY = datetime(2026, 2, 16, tzinfo=UTC), datetime(2026, 2, 23, tzinfo=UTC)
TWO_WEEKS = "2026-02-16T00:00:00.000Z/2026-03-02T00:00:00.000Z"
ONE_BY_ONE = Environment(executor=SerialExecutor())


def call(number: int, start: str) -> Tree:
    """A conversation that starts then, and lasts a second."""
    return {
        "conversationId": f"00000000-0000-4000-8000-{number:012}",
        "conversationStart": start,
        "conversationEnd": start[:20] + "999Z",
    }


CALLS = [call(day, text(MONDAY + timedelta(days=day, hours=10))) for day in range(14)]
"""One a day, for two weeks."""

LATER = {**CALLS[0], "conversationStart": "2026-02-25T09:00:00.000Z"}
"""The first one, with another start."""


def in_csv(paths: list[Path]) -> list[str]:
    return [row["conversationId"] for path in paths for row in csv.DictReader(path.read_text().splitlines())]


def in_lines(lines: list[str]) -> list[str]:
    return [json.loads(line)["conversationId"] for line in lines]


def in_duckdb(query: str, path: str = ":memory:") -> list[str]:
    with duckdb.connect(path) as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


KINDS: Mapping[str, Callable[[Path], list[str]]] = {
    "csv": lambda path: in_csv([path]),
    "jsonl.gz": lambda path: in_lines(gzip.decompress(path.read_bytes()).decode().splitlines()),
    "csv-folder": lambda path: in_csv([path / "conversations.csv"]),
    "csv-days": lambda path: in_csv(sorted(path.glob("*.csv"))),
    "jsonl-days": lambda path: in_lines(
        [line for one in path.glob("*.jsonl") for line in one.read_text().splitlines()]
    ),
    "parquet": lambda path: in_duckdb(f"SELECT conversationId FROM read_parquet('{path}/conversations/*.parquet')"),
    "delta": lambda path: DeltaTable(path / "conversations").to_pyarrow_table()["conversationId"].to_pylist(),
    "duckdb": lambda path: in_duckdb("SELECT conversationId FROM conversations", str(path)),
}
"""How the ids in each kind of output are read."""


def moves(where: Org) -> None:
    """From now on the API has the first conversation where it was, and among those of another day, too."""
    start, connection = datetime.fromisoformat(LATER["conversationStart"]), where.connection
    read = {interval: Interval.read(interval) for interval, _ in where.pages}
    assert isinstance(connection, Tampering)
    connection.answer = adding(LATER, *(asked for asked, one in read.items() if one.start <= start < one.end))


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_repair_it_is_only_in_the_window_that_was_read_last(tmp_path: Path, kind: str) -> None:
    where, output = tampered(conversations=CALLS), tmp_path / f"calls.{kind}"
    where.export(f"{kind}:{output}", TWO_WEEKS)
    moves(where)
    found = verify(where.client, output, environment=ONE_BY_ONE)
    done = repair(where.client, found, environment=ONE_BY_ONE)

    assert [one.state for one in found.findings].count("changed") == 1
    assert sorted(KINDS[kind](output)) == [one["conversationId"] for one in CALLS]
    assert (done.verdict, done.rows) == ("proven", len(CALLS))
    assert verify(where.client, output, environment=ONE_BY_ONE).holds


class Notes:
    """Keeps what is reported as a note."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def report(self, event: Event) -> None:
        if isinstance(event, Noticed):
            self.messages.append(event.message)


def night(where: Org, output: str) -> Synced:
    """A sync that reads everything since the second Monday again."""
    now = where.clock.utc()
    return sync(
        where.client,
        Query(Interval(MONDAY, now)),
        output,
        policy=Policy(look_back=start_of_day(now) - SECOND_MONDAY, late_after=None, sweeps=False),
        options=Options(asked={"since": "2026-02-16"}, route="query"),
        environment=ONE_BY_ONE,
    )


@pytest.mark.parametrize("kind", ["csv-days", "jsonl-days", "parquet", "csv-folder", "delta", "duckdb"])
def test_after_a_sync_it_is_only_on_the_day_that_was_read_last(tmp_path: Path, kind: str) -> None:
    where, output = tampered(conversations=CALLS), tmp_path / f"calls.{kind}"
    night(where, f"{kind}:{output}")
    moves(where)
    where.clock.advance(3600)
    asked = len(where.pages)
    done = night(where, f"{kind}:{output}")

    assert sorted(KINDS[kind](output)) == [one["conversationId"] for one in CALLS]
    assert {day for interval, _ in where.pages[asked:] if (day := interval[:10]) < "2026-02-23"} == {"2026-02-16"}
    assert done.summary.verdict == "proven"
    assert verify(where.client, output, environment=ONE_BY_ONE).holds


def test_days_that_the_org_may_no_longer_keep_are_not_read_again_for_it(tmp_path: Path) -> None:
    """They would lose their other conversations; a note names them."""
    where, output, notes = tampered(conversations=CALLS), tmp_path / "calls.csv-days", Notes()
    where.export(f"csv-days:{output}", TWO_WEEKS)
    moves(where)
    where.clock.advance((RETENTION_MIN + DAY).total_seconds())
    where.sandbox.store.switches = replace(where.sandbox.store.switches, retention_days=36_500)
    found = verify(where.client, output, environment=ONE_BY_ONE)
    asked = len(where.pages)
    repair(where.client, found, environment=ONE_BY_ONE, progress=notes)

    assert {interval[:10] for interval, _ in where.pages[asked:]} == {"2026-02-25"}
    assert len(KINDS["csv-days"](output)) == len(CALLS) + 1
    assert any(note.startswith("2026-02-16") for note in notes.messages)
