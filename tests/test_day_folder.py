"""A folder with one file of rows for each UTC day."""

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest

from everycall import Interval, OutputRefused, Query, convert
from everycall.executor import SerialExecutor
from everycall.forgetting import forget
from everycall.instants import DAY
from everycall.setup import Environment
from everycall.syncing import Policy
from everycall.verification import repair, verify
from inprocess import WEEK, Org, manifest_of, org, read_csv
from syncs import SINCE, contact_centre, night, wait

KINDS = ["csv-days", "jsonl-days"]


def days_of(folder: Path) -> dict[str, list[str]]:
    """The ids in each file, in their order."""
    found = {}
    for path in sorted(folder.glob("*.*")):
        rows = read_csv(path) if path.suffix == ".csv" else map(json.loads, path.read_text().splitlines())
        found[path.stem] = [row["conversationId"] for row in rows]
    return found


def truth(where: Org, days: int) -> dict[str, list[str]]:
    """The ids of each day, sorted."""
    found = {}
    for number in range(days):
        day = Interval(SINCE + number * DAY, SINCE + (number + 1) * DAY)
        found[f"{day.start:%Y-%m-%d}"] = [one for one, _, _ in where.truth(str(day))]
    return found


def in_order(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {day: sorted(ids) for day, ids in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_has_a_file_for_each_day(tmp_path: Path, kind: str) -> None:
    where, output = org(conversations_per_day=20), tmp_path / "calls"
    done = where.export(f"{kind}:{output}", WEEK)

    assert done.verdict == "proven"
    assert in_order(days_of(output)) == truth(where, 7)


def test_the_rows_are_those_of_a_single_file(tmp_path: Path) -> None:
    where = org(conversations_per_day=20)
    where.export([f"csv-days:{tmp_path / 'calls'}", str(tmp_path / "calls.csv")], WEEK)
    heads, rows = set(), ""
    for path in sorted((tmp_path / "calls").iterdir()):
        head, _, rest = path.read_text().partition("\n")
        heads.add(head)
        rows += rest

    assert f"{heads.pop()}\n{rows}" == (tmp_path / "calls.csv").read_text()
    assert not heads


def test_a_day_without_conversations_has_a_file_with_a_head(tmp_path: Path) -> None:
    where, output = org(conversations=[]), tmp_path / "calls"
    where.export(f"csv-days:{output}")

    assert [path.name for path in output.iterdir()] == ["2026-01-05.csv"]
    assert (output / "2026-01-05.csv").read_text().startswith("conversationId,channel")


def test_json_lines_have_the_names_beside_them(tmp_path: Path) -> None:
    where, output = org(conversations_per_day=20), tmp_path / "calls"
    where.export(f"jsonl-days:{output}")
    names = [json.loads(line) for line in (output / "names" / "names.jsonl").read_text().splitlines()]

    assert {name["kind"] for name in names} >= {"queue", "user"}


@pytest.mark.parametrize("kind", KINDS)
def test_nights_write_the_days_that_changed_and_end_as_a_fresh_export(tmp_path: Path, kind: str) -> None:
    where, output = contact_centre(start=SINCE + timedelta(days=8, hours=3)), tmp_path / "calls"
    policy = Policy(look_back=timedelta(days=3))
    night(where, f"{kind}:{output}", policy=policy)
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("*.*")}
    for _ in range(3):
        wait(where, timedelta(hours=20))
        done = night(where, f"{kind}:{output}", policy=policy)
    after = {path.name: path.stat().st_mtime_ns for path in output.glob("*.*")}
    where.export(f"{kind}:{tmp_path / 'fresh'}", query=Query(Interval(SINCE, where.clock.utc())))
    unchanged = {name for name, at in before.items() if after[name] == at}

    assert done.summary.verdict == "proven"
    assert len(unchanged) >= 4
    assert in_order(days_of(output)) == in_order(days_of(tmp_path / "fresh"))
    assert verify(where.client, output).holds


def test_a_damaged_day_is_repaired_and_the_others_stay(tmp_path: Path) -> None:
    where, output = org(conversations_per_day=20), tmp_path / "calls"
    where.export(f"csv-days:{output}", WEEK)
    whole = {path.name: path.read_bytes() for path in output.iterdir()}
    (output / "2026-01-07.csv").write_bytes(whole["2026-01-07.csv"][:-5])
    found = verify(where.client, output)
    asked = len(where.queries)
    repair(where.client, found, environment=Environment(executor=SerialExecutor()))

    assert [finding.state for finding in found.findings].count("damaged") == 1
    assert {path.name: path.read_bytes() for path in output.iterdir()} == whole
    assert {served.body["interval"][:10] for served in where.queries[asked:]} == {"2026-01-07"}


@pytest.mark.parametrize("kind", KINDS)
def test_conversations_are_forgotten_and_do_not_come_back(tmp_path: Path, kind: str) -> None:
    where, output = contact_centre(), tmp_path / "calls"
    night(where, f"{kind}:{output}")
    before = days_of(output)
    ids = [*before["2026-01-06"][:2], before["2026-01-07"][0]]
    done = forget(f"{kind}:{output}", ids, older_than=DAY, now=where.clock.utc())
    expected = {day: [one for one in found if one not in ids and day > "2026-01-05"] for day, found in before.items()}
    forgotten = days_of(output)
    held = verify(where.client, output).holds
    wait(where, timedelta(minutes=1))
    night(where, f"{kind}:{output}")

    assert (done.windows, done.conversations) == (1, len(before["2026-01-05"]) + 3)
    assert forgotten == days_of(output) == expected
    assert held
    assert sum(len(window["forgotten"]) for window in manifest_of(output)["windows"]) == 3


def test_rows_with_line_breaks_in_quotes_are_whole(tmp_path: Path) -> None:
    """Notes of agents have such."""
    where, output = contact_centre(), tmp_path / "calls"
    columns = ["conversationId", "wrapUpNote"]
    where.export(f"csv-days:{output}", columns=columns)
    path = output / "2026-01-05.csv"
    before = read_csv(path)
    forget(f"csv-days:{output}", [before[3]["conversationId"]])

    assert read_csv(path) == [*before[:3], *before[4:]]
    assert verify(where.client, output).holds


def test_rows_without_ids_cannot_be_forgotten(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls"
    where.export(f"csv-days:{output}", columns=["startTime"])

    with pytest.raises(OutputRefused, match="no conversationId"):
        forget(f"csv-days:{output}", ["a"])


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "2026-13-45.csv").write_text("")

    with pytest.raises(OutputRefused, match="2026-13-45"):
        org(conversations_per_day=5).export(f"csv-days:{tmp_path / 'calls'}")


def test_an_archive_is_not_cut_into_days(tmp_path: Path) -> None:
    org(conversations_per_day=5).export(tmp_path / "a.jsonl")

    with pytest.raises(OutputRefused, match="a file for each day"):
        convert(tmp_path / "a.jsonl", f"csv-days:{tmp_path / 'calls'}")


def test_the_columns_are_those_that_are_asked_for(tmp_path: Path) -> None:
    where, output = contact_centre(), tmp_path / "calls"
    night(where, f"csv-days:{output}", columns=["conversationId", "channel"])
    with (output / "2026-01-05.csv").open() as file:
        head = next(csv.reader(file))

    assert head == ["conversationId", "channel"]
    with pytest.raises(OutputRefused, match="another export"):
        night(where, f"csv-days:{output}")
