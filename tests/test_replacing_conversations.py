"""Conversations that `sync` replaces by their ids, without reading their days, in each kind of destination."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everycall import Interval, Query
from everycall.cli.syncing import counts, facts
from everycall.executor import SerialExecutor
from everycall.instants import DAY, text
from everycall.manifest import Entry, Manifest
from everycall.setup import Environment
from everycall.sinks.targets import target_of
from everycall.syncing import Policy, Status, Synced
from everycall.verification import verify
from inprocess import Org
from nights import Rows, StopsAt, manifest_of, places, rows_of
from syncs import FIRST_NIGHT, SINCE, contact_centre, night, wait

KINDS = ("parquet", "delta", "duckdb", "postgresql", "csv-days", "jsonl-days")

POLICY = Policy(look_back=timedelta(days=1), late_after=None)


@dataclass
class Kept:
    """A destination of that kind, before and after a night three weeks later."""

    kind: str
    output: str
    where: Org
    before: Rows
    was: Manifest
    done: Synced
    asked: list[dict[str, Any]]
    """The details queries of that night."""
    now: Rows
    manifest: Manifest
    fresh: Rows
    """What an export has at that time."""

    @property
    def patched(self) -> list[Entry]:
        """The windows with replaced conversations."""
        return [entry for entry in self.manifest.windows if entry.replaced]

    @property
    def replaced(self) -> set[str]:
        """Their replaced conversations."""
        return {one.conversation_id for entry in self.patched for one in entry.replaced}


@pytest.fixture(params=KINDS, scope="module")
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Days that were read, and looked at again some days later, when e-mails of them had ended."""
    postgres = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        server.clear()
        postgres = server.url()
    return after_days(request.param, tmp_path_factory.mktemp(request.param), postgres)


def after_days(kind: str, folder: Path, postgres: str = "") -> Kept:
    where = contact_centre(60, start=FIRST_NIGHT + 2 * DAY)
    output, fresh = places(kind, folder, postgres)
    night(where, output, policy=POLICY)
    before, was = rows_of(kind, output), manifest_of(output)
    wait(where, 2 * DAY)
    served = len(where.queries)
    done = night(where, output, policy=POLICY)
    asked = [one.body for one in where.queries[served:]]
    where.export(fresh, query=Query(Interval(SINCE, where.clock.utc())), fresh=True, route="query", by_day=True)
    now, manifest = rows_of(kind, output), manifest_of(output)
    assert was is not None
    assert manifest is not None
    return Kept(kind, output, where, before, was, done, asked, now, manifest, rows_of(kind, fresh))


def differing(left: Rows, right: Rows, is_wanted: Callable[[str], bool] = lambda _: True) -> set[tuple[str, str]]:
    """The wanted conversations whose rows differ, with the tables."""
    rows = ((table, id_) for table in left for id_, _ in (left[table] - right[table]) + (right[table] - left[table]))
    return {(table, id_) for table, id_ in rows if is_wanted(id_)}


def test_it_has_what_the_api_has_of_them_now_with_all_their_children(kept: Kept) -> None:
    replaced = kept.replaced

    assert kept.done.replaced == len(replaced) > 0
    assert differing(kept.now, kept.fresh, replaced.__contains__) == set()
    assert {id_ for _, id_ in differing(kept.now, kept.before, replaced.__contains__)} == replaced


def test_the_summary_says_how_many(kept: Kept) -> None:
    count, windows = len(kept.replaced), len(kept.patched)

    assert dict(facts(kept.done))["replaced"].startswith(f"{count} conversations of {windows} other windows")
    assert counts(kept.done)["conversationsReplaced"] == Status.of("", kept.manifest).replaced == count
    assert kept.done.read + kept.done.kept + kept.done.patched == len(kept.manifest.windows)


def test_the_others_of_their_days_stay_as_they_were(kept: Kept) -> None:
    days, replaced = {entry.interval[:10] for entry in kept.patched}, kept.replaced
    starts = {one: start for one, start, _ in kept.where.truth(kept.was.interval)}

    def is_other(id_: str) -> bool:
        return starts.get(id_, "")[:10] in days and id_ not in replaced

    assert differing(kept.now, kept.before, is_other) == set()
    assert {id_ for rows in kept.now.values() for id_, _ in rows if is_other(id_)}


def test_no_page_of_their_days_was_asked_for(kept: Kept) -> None:
    days = {entry.interval[:10] for entry in kept.patched}
    pages = {body["interval"][:10] for body in kept.asked if "conversationFilters" not in body}

    assert days
    assert pages & days == set()


def test_their_windows_say_when_they_were_replaced_and_keep_the_proof_of_their_last_reading(kept: Kept) -> None:
    was = {entry.interval: entry for entry in kept.was.windows}
    for entry in kept.patched:
        before = was[entry.interval]
        counts = (entry.hits_before, entry.hits_after, entry.unique_ids, entry.owned, entry.rows, entry.counted_at)

        assert (before.hits_before, before.hits_after, before.unique_ids, before.owned, before.rows) == counts[:5]
        assert before.counted_at == entry.counted_at
        assert all(one.as_of > entry.counted_at for one in entry.replaced)
        assert entry.open == len(entry.open_conversations) < before.open
        assert set(before.open_conversations) - set(entry.open_conversations) <= kept.replaced


def test_the_destination_still_verifies(kept: Kept) -> None:
    place = target_of(kept.output)
    found = verify(kept.where.client, place.path or place.place, environment=Environment(executor=SerialExecutor()))
    windows = {str(finding.window): finding for finding in found.findings}

    assert {windows[entry.interval].state for entry in kept.patched} == {"holds"}
    assert all("replaced since" in str(windows[entry.interval]) for entry in kept.patched)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that it left open
@pytest.mark.parametrize("kind", ["parquet", "duckdb", "csv-days"])
def test_a_night_that_was_killed_is_finished_by_the_next(tmp_path: Path, kind: str) -> None:
    """Wherever it was killed, the days that it read or replaced are as an undisturbed night leaves them."""
    (first := tmp_path / "first").mkdir()
    start = FIRST_NIGHT + 2 * DAY
    night(contact_centre(40, start=start), places(kind, first, "")[0], policy=POLICY)
    undisturbed = _second_night(kind, first, tmp_path / "undisturbed", None)
    patched = {entry.interval[:10] for entry in undisturbed[1].windows if entry.replaced}
    for number in (3, 8, 14):
        rows, manifest = _second_night(kind, first, tmp_path / str(number), number)
        old = {one for one, _, _ in contact_centre(40, start=start).truth(f"{text(SINCE)}/{text(start)}")}

        assert patched
        assert patched == {entry.interval[:10] for entry in manifest.windows if entry.replaced}
        assert differing(rows, undisturbed[0], old.__contains__) == set()


def _second_night(kind: str, first: Path, folder: Path, number: int | None) -> tuple[Rows, Manifest]:
    """What a copy of the destination has two days later; killed when so many files were written, and run again."""
    shutil.copytree(first, folder)
    where, output = contact_centre(40, start=FIRST_NIGHT + 4 * DAY), places(kind, folder, "")[0]
    if number is not None:
        with pytest.raises(KeyboardInterrupt):
            night(where, output, policy=POLICY, filesystem=StopsAt(number))
    night(where, output, policy=POLICY)
    manifest = manifest_of(output)
    assert manifest is not None
    return rows_of(kind, output), manifest


def test_a_folder_of_csv_tables_has_their_ends_too(tmp_path: Path) -> None:
    where, output = contact_centre(60, start=FIRST_NIGHT + 2 * DAY), f"csv:{tmp_path}/calls/"
    night(where, output, policy=POLICY)
    count = len((tmp_path / "calls" / "conversations.csv").read_text().splitlines())
    wait(where, 2 * DAY)
    done = night(where, output, policy=POLICY)
    with (tmp_path / "calls" / "conversations.csv").open(newline="") as file:
        ends = {row["conversationId"]: row["conversationEnd"] for row in csv.DictReader(file)}
    truth = {one: end for one, _, end in where.truth("2026-01-05T00:00:00.000Z/2026-01-08T00:00:00.000Z")}
    replaced = {one.conversation_id for entry in done.summary.entries for one in entry.replaced}

    assert done.replaced == len(replaced) > 0
    assert {one: ends[one] for one in replaced} == {one: truth[one] for one in replaced}
    assert len(ends) > count
