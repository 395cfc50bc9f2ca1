"""Destinations that are kept up to date: what they hold after many nights, and what each night asks."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from databases import Place
from everycall import Filters, Interval, OutputRefused, Query
from everycall.cli.syncing import counts, facts
from everycall.executor import SerialExecutor
from everycall.instants import DAY, text
from everycall.manifest import Entry
from everycall.privacy import Redaction
from everycall.progress import Event, Noticed
from everycall.sandbox import JOBS
from everycall.setup import Environment, Options
from everycall.sinks.database_schema import REPLACED
from everycall.syncing import Policy, sync
from inprocess import Org, manifest_of
from syncs import ASKED, SINCE, StopsAt, contact_centre, night, wait

TABLES = ("conversations", "participants", "sessions", "segments", "metrics", "evaluations", "surveys")


def held(output: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the tables of conversations, sorted."""
    with duckdb.connect(str(output) if output.suffix == ".duckdb" else ":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return {name: sorted(connection.execute(_select(output, name)).fetchall(), key=repr) for name in TABLES}


def _select(output: Path, table: str) -> str:
    if output.suffix == ".duckdb":
        return f"SELECT * FROM {table}"
    if output.suffix == ".delta":
        return f"SELECT * FROM delta_scan('{output}/{table}')"
    return f"SELECT * FROM read_parquet('{output}/{table}/*.parquet')"


def ends(output: Path) -> dict[str, Any]:
    """conversationEnd by conversationId."""
    found = f"SELECT conversationId, conversationEnd FROM ({_select(output, 'conversations')})"
    with duckdb.connect(str(output) if output.suffix == ".duckdb" else ":memory:") as connection:
        return dict(connection.execute(found).fetchall())


def fresh(where: Org, output: Path) -> Path:
    """An export of everything, at this moment, beside the output."""
    path = output.with_name(f"fresh{output.suffix}")
    where.export(path, query=Query(Interval(SINCE, where.clock.utc())), fresh=True, route="query")
    return path


# What a destination holds


@pytest.mark.parametrize(("ending", "nights"), [("parquet", 17), ("duckdb", 6)])
def test_nights_end_as_a_fresh_export(tmp_path: Path, ending: str, nights: int) -> None:
    """A month of them in Parquet, with skipped nights, and nights at any hour.

    Evaluations and surveys of the last month are still to come.
    """
    where, output, rng = contact_centre(6), tmp_path / f"calls.{ending}", random.Random(7)
    policy = Policy(look_back=timedelta(days=10))
    for _ in range(nights):
        night(where, output, policy=policy)
        wait(where, DAY * rng.choice([1, 1, 2, 3]) + timedelta(minutes=rng.randint(-300, 300)))
    done = night(where, output, policy=policy)
    differences = differing(held(output), held(fresh(where, output)))
    border = where.clock.utc() - timedelta(days=32)

    assert done.summary.verdict == "proven"
    assert set(differences) <= {"evaluations", "surveys"}
    assert [row for rows in differences.values() for row in rows if row[2] < border] == []


def keep_for(where: Org, days: int) -> None:
    """From now on the org deletes what started longer ago."""
    store = where.sandbox.store
    store.switches = replace(store.switches, retention_days=days)


def differing(left: dict[str, list[Any]], right: dict[str, list[Any]]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that only one side has, by table; the third column is `ownerTime`."""
    found = {}
    for name in left:
        ours, theirs = ({repr(row): row for row in rows[name]} for rows in (left, right))
        only = [(ours | theirs)[text] for text in ours.keys() ^ theirs.keys()]
        if only:
            found[name] = only
    return found


def test_no_conversation_is_missing_and_none_is_there_twice_whatever_the_hour_of_the_night(tmp_path: Path) -> None:
    where, output, rng = contact_centre(), tmp_path / "calls.parquet", random.Random(3)
    for _ in range(8):
        night(where, output)
        wait(where, timedelta(minutes=rng.randint(600, 2000)))
    done = night(where, output)
    truth = [one for one, _, _ in where.truth(str(done.summary.interval))]

    assert sorted(ends(output)) == sorted(truth)
    assert done.summary.rows == len(truth)


def test_a_conversation_that_was_open_has_its_end_once_it_ended(tmp_path: Path) -> None:
    """E-mails that end days after they began, long before the trailing days."""
    where, output = contact_centre(40), tmp_path / "calls.parquet"
    policy = Policy(look_back=timedelta(days=1), late_after=None)
    night(where, output, policy=policy)
    wait(where, timedelta(days=20))
    night(where, output, policy=policy)
    known = ends(output)
    truth = {one: end for one, _, end in where.truth("2026-01-05T00:00:00.000Z/2026-01-07T00:00:00.000Z")}

    assert {one for one in truth if not truth[one]} == {one for one in truth if known[one] is None}


def test_a_conversation_that_is_opened_again_has_its_last_end_the_night_after_it_ended(tmp_path: Path) -> None:
    """Within a day and the ten hours that jobs are behind, however long ago it began."""
    where, output = contact_centre(60), tmp_path / "calls.parquet"
    policy = Policy(look_back=timedelta(days=1), late_after=None)
    night(where, output, policy=policy)
    reopened = 0
    for _ in range(12):
        wait(where, DAY)
        reopened += night(where, output, policy=policy).reopened
    known, settled = ends(output), where.clock.utc() - timedelta(hours=35)
    truth = {one: end for one, _, end in where.truth(f"{text(SINCE)}/{text(where.clock.utc() - 2 * DAY)}")}
    ended = {one for one, end in truth.items() if end and datetime.fromisoformat(end) < settled}

    assert reopened > 0
    assert {one for one in ended if known[one] != datetime.fromisoformat(truth[one])} == set()


def test_without_jobs_a_night_says_so_in_one_line_and_goes_on(tmp_path: Path) -> None:
    where, output, notices = contact_centre(), tmp_path / "calls.parquet", Notices()
    where.sandbox.faults.on(None, "403", path=JOBS)
    night(where, output)
    wait(where, DAY)
    done = night(where, output, progress=notices)

    assert done.summary.verdict == "proven"
    assert [notice.partition(" (")[0] for notice in notices.texts] == ["Jobs cannot be used"]


def test_a_sweep_that_failed_is_made_up_for_by_the_next_night(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls.parquet"
    night(where, output)
    wait(where, DAY)
    night(where, output)
    swept_until = manifest_of(output)["sweptUntil"]
    wait(where, DAY)
    where.sandbox.faults.on(None, "job_failed", times=1)
    night(where, output)
    failed = manifest_of(output)["sweptUntil"]
    wait(where, DAY)
    night(where, output)
    (job,) = [one.body for one in where.sandbox.requests if (one.method, one.path) == ("POST", JOBS)][-1:]

    assert failed == swept_until
    assert job["interval"].partition("/")[0] == swept_until


class Notices:
    """Keeps the notices of a run; see `Progress`."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def report(self, event: Event) -> None:
        """See `Progress.report`."""
        if isinstance(event, Noticed):
            self.texts.append(event.message)


def test_a_conversation_that_is_gone_is_deleted_with_its_day(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls.parquet"
    night(where, output)
    count = len(ends(output))
    keep_for(where, 1)
    night(where, output)

    assert 0 < len(ends(output)) < count


@pytest.mark.parametrize("name", ["calls.parquet", "csv-days:calls"])
def test_conversations_that_are_gone_are_counted_by_the_night_that_removes_them(tmp_path: Path, name: str) -> None:
    where, output = contact_centre(), name.replace("calls", f"{tmp_path}/calls")
    night(where, output)
    gone = sorted(one for one, _, _ in where.truth("2026-01-06T00:00:00.000Z/2026-01-07T00:00:00.000Z"))[:2]
    for one in gone:
        where.sandbox.faults.on(None, "unseen", conversation_id=one)
    found, after = night(where, output), night(where, output)
    windows = {entry.interval[:10]: entry.removed for entry in found.summary.entries if entry.removed}

    assert (found.removed, found.summary.manifest["removed"]) == (2, 2)
    assert windows == {"2026-01-06": tuple(sorted(one.replace("-", "") for one in gone))}
    assert (after.removed, after.summary.manifest["removed"]) == (0, 0)
    assert dict(facts(found))["removed"] == "2 conversations that the API no longer returns"
    assert (counts(found)["conversationsRemoved"], counts(after)["conversationsRemoved"]) == (2, 0)
    assert "removed" not in dict(facts(after))


def test_days_before_the_orgs_retention_are_not_read_again(tmp_path: Path) -> None:
    """The org has deleted them, and the destination is the only place that still has them."""
    where, output = contact_centre(), tmp_path / "calls.parquet"
    night(where, output)
    before = ends(output)
    wait(where, timedelta(days=31))
    keep_for(where, 20)
    done = night(where, output, kept_from=where.clock.utc() - timedelta(days=20))

    assert before.items() <= ends(output).items()
    assert "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z" not in done.summary.manifest["notKept"]


# What a night asks


def test_days_that_cannot_have_changed_are_not_asked_for(tmp_path: Path) -> None:
    where, output = contact_centre(5, start=SINCE + timedelta(days=20)), tmp_path / "calls.parquet"
    night(where, output)
    asked = len(where.queries)
    wait(where, DAY)
    done = night(where, output)
    bodies = [served.body for served in where.queries[asked:]]
    days = {body["interval"][:10] for body in bodies if "conversationFilters" not in body}

    assert days == {"2026-01-21", "2026-01-22", "2026-01-23", "2026-01-24", "2026-01-25"}
    assert (done.read, done.kept) == (5, 16)


def test_open_conversations_are_asked_for_by_their_ids_in_one_request_for_all_days(tmp_path: Path) -> None:
    where, output = contact_centre(60, start=SINCE + timedelta(days=8)), tmp_path / "calls.parquet"
    policy = Policy(look_back=timedelta(days=1), sweeps=False)
    night(where, output, policy=policy)
    old = [window for window in manifest_of(output)["windows"] if window["open"] and window["interval"] < "2026-01-11"]
    asked = len(where.queries)
    wait(where, DAY)
    night(where, output, policy=policy)
    filtered = [served for served in where.queries[asked:] if "conversationFilters" in served.body]

    assert len(old) > 1
    assert len(filtered) == 1


def test_a_conversation_that_nobody_closes_is_given_up(tmp_path: Path) -> None:
    where, output = contact_centre(40), tmp_path / "calls.parquet"
    policy = Policy(give_up_after=timedelta(days=10))
    night(where, output, policy=policy)
    wait(where, timedelta(days=30))
    night(where, output, policy=policy)
    asked = len(where.queries)
    done = night(where, output, policy=policy)
    first_days = [
        served
        for served in where.queries[asked:]
        if "conversationFilters" in served.body and served.body["interval"] < "2026-01-07"
    ]

    assert done.given_up > 0
    assert first_days == []


def test_a_run_right_after_another_reads_only_the_trailing_days(tmp_path: Path) -> None:
    where, output = contact_centre(start=SINCE + timedelta(days=9)), tmp_path / "calls.parquet"
    first = night(where, output)
    before = held(output)
    again = night(where, output)

    assert (first.kept, again.kept) == (0, 5)
    assert held(output) == before


# What a night writes


def written(output: Path) -> dict[str, Any]:
    """What shows whether something was written, by table: the files with their times, or the versions of a table."""
    if output.suffix == ".delta":
        return {path.name: DeltaTable(path).version() for path in sorted(output.iterdir())}
    return {str(path.relative_to(output)): path.stat().st_mtime_ns for path in sorted(output.rglob("*.*"))}


@pytest.mark.parametrize("name", ["calls.parquet", "calls.delta", "csv:calls/"])
def test_a_night_that_finds_nothing_new_writes_no_table_but_that_of_the_windows(tmp_path: Path, name: str) -> None:
    where, place = contact_centre(), name.removeprefix("csv:")
    output = tmp_path / place
    night(where, name.replace(place, f"{output}/" if "csv" in name else str(output)))
    before, asked_at = written(output), manifest_of(output)["finishedAt"]
    wait(where, timedelta(minutes=1))
    done = night(where, name.replace(place, f"{output}/" if "csv" in name else str(output)))
    changed = {path for path, mark in written(output).items() if mark != before.get(path)}

    assert done.read == 3
    assert {path.partition("/")[0].partition(".")[0] for path in changed} == {"windows"}
    assert manifest_of(output)["finishedAt"] > asked_at


def test_a_night_that_finds_nothing_new_writes_no_row_to_a_database(tmp_path: Path, postgres: str) -> None:
    """`xmin` is the transaction that wrote a row."""
    where, place = contact_centre(), Place("postgresql", postgres)
    night(where, postgres)
    marks = {name: place.query(f"SELECT xmin::text, ctid::text FROM {name}") for name in (*REPLACED, "names", "queues")}
    wait(where, timedelta(minutes=1))
    night(where, postgres)

    assert sum(map(len, marks.values())) > 1000
    assert marks == {name: place.query(f"SELECT xmin::text, ctid::text FROM {name}") for name in marks}
    assert place.query('SELECT max("windowEnd") FROM windows') == [(where.clock.utc() - timedelta(minutes=1),)]


def test_a_night_writes_the_days_that_have_changed_and_no_others(tmp_path: Path) -> None:
    where, output = contact_centre(start=SINCE + timedelta(days=9)), tmp_path / "calls.parquet"
    night(where, output)
    before = written(output)
    wait(where, DAY)
    night(where, output)
    days = {path.partition("/")[2][:10] for path, mark in written(output).items() if mark != before.get(path)}

    assert "2026-01-14" in days
    assert not days & {"2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09"}


def test_a_file_that_was_damaged_is_written_again_though_nothing_is_new(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls.parquet"
    night(where, output)
    before = held(output)
    damaged = output / "sessions" / "2026-01-06.parquet"
    data = damaged.read_bytes()
    damaged.write_bytes(data[:-1] + b"?")
    night(where, output)

    assert damaged.read_bytes() == data
    assert held(output) == before


# Which windows are due

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)


def window(age_days: float, counted_after_days: float, **changes: Any) -> Entry:
    """A day that ended so long ago, and was counted so long after its end."""
    end = NOW.replace(hour=0) - age_days * DAY
    fields: dict[str, Any] = {
        "interval": str(Interval(end - DAY, end)), "route": "query", "verdict": "proven", "hits_before": 3,
        "hits_after": 3, "unique_ids": 3, "owned": 3, "carried_in": 0, "open": 0, "re_reads": 0, "provisional": False,
        "counted_at": (end + counted_after_days * DAY).isoformat(), "rows": 3, "size_bytes": 1, "sha256": "",
    }  # fmt: skip
    return Entry(**{**fields, **changes})


@pytest.mark.parametrize(
    ("age", "counted_after", "due"),
    [
        (0, 0.1, True), (3, 0.1, True),  # the trailing days
        (4, 3.1, True),  # has left them since it was read
        (5, 4.2, False),
        (9, 0.1, True),  # nights were skipped
        (30, 5, False), (31, 5, True), (40, 5, True), (40, 31.1, False),  # evaluations
        (400, 100, False),
    ],
)  # fmt: skip
def test_a_window_is_due_by_its_age_and_the_age_at_which_it_was_counted(
    age: float, counted_after: float, due: bool
) -> None:
    assert Policy().is_due(window(age, counted_after), NOW) is due


@pytest.mark.parametrize("changes", [{"verdict": "unproven"}, {"late": 1}])
def test_a_window_that_is_not_whole_is_due(changes: dict[str, Any]) -> None:
    assert Policy().is_due(window(100, 50, **changes), NOW)


def test_without_late_changes_a_window_is_not_read_after_a_month() -> None:
    assert not Policy(late_after=None).is_due(window(31, 5), NOW)


# Interrupted


@pytest.mark.parametrize("number", [1, 3, 8, 20])
def test_an_interrupted_night_is_finished_by_the_next(tmp_path: Path, number: int) -> None:
    where, output = contact_centre(), tmp_path / "calls.parquet"
    policy = Policy(look_back=timedelta(days=30), late_after=None)
    night(where, output, policy=policy)
    wait(where, DAY)
    stopped = False
    try:
        night(where, output, policy=policy, filesystem=StopsAt(number))
    except KeyboardInterrupt:
        stopped = True
    wait(where, DAY)
    done = night(where, output, policy=policy)

    assert stopped
    assert done.summary.interval.end > where.clock.utc() - timedelta(minutes=10)
    assert differing(held(output), held(fresh(where, output))) == {}


# What is refused


def test_a_file_that_cannot_replace_a_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="cannot be replaced"):
        night(contact_centre(), tmp_path / "calls.csv")


def test_another_query_is_refused(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls.parquet"
    night(where, output)
    query = Query(Interval(SINCE, where.clock.utc()), Filters.of(media_types=["voice"]))

    with pytest.raises(OutputRefused, match="another export"):
        sync(
            where.client, query, output, options=Options(asked=ASKED, route="query"),
            environment=Environment(executor=SerialExecutor()),
        )  # fmt: skip


def test_another_beginning_is_refused(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls.parquet"
    night(where, output)
    query = Query(Interval(SINCE + DAY, where.clock.utc()))

    with pytest.raises(OutputRefused):
        sync(
            where.client, query, output, options=Options(asked={"since": "2026-01-06"}, route="query"),
            environment=Environment(executor=SerialExecutor()),
        )  # fmt: skip


def test_a_redacted_destination_is_kept_up_to_date_with_its_key_only(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "a.parquet"
    redaction = Redaction.parse(["personal"], b"k" * 16)
    night(where, output, redaction=redaction)
    wait(where, DAY)
    with pytest.raises(OutputRefused, match="contains another export"):
        night(where, output)

    night(where, output, redaction=redaction)
    found = held(output)
    assert len(found["conversations"]) > 50
    assert "tel:+" not in str(found)
