"""Whole exports to tables: everything arrives, in every place the same; verified and repaired."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyarrow import csv

from everycall import OutputRefused
from everycall.arrow.schemas import schema
from everycall.converting import convert
from everycall.executor import SerialExecutor
from everycall.sandbox import QUERY
from everycall.setup import Environment
from everycall.tables.relational import TABLES, table
from everycall.verification import repair, verify
from inprocess import Org, manifest_of, org

THREE_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-26T00:00:00.000Z"
SECOND_WEEK = "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"
WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"

ONE_BY_ONE = Environment(executor=SerialExecutor(8))


@pytest.fixture
def where() -> Org:
    return org(conversations_per_day=8)


def parquet(path: Path, name: str) -> pa.Table:
    return pq.read_table(path / name)


def delta(path: Path, name: str) -> pa.Table:
    return DeltaTable(path / name).to_pyarrow_table()


def csv_folder(path: Path, name: str) -> pa.Table:
    """Lists are texts there."""
    types = {one.name: pa.string() if pa.types.is_list(one.type) else one.type for one in schema(name)}
    types = {one: pa.string() if kind == pa.bool_() else kind for one, kind in types.items()}
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False)
    return csv.read_csv(path / f"{name}.csv", convert_options=options)


READERS: Mapping[str, Callable[[Path, str], pa.Table]] = {"parquet": parquet, "delta": delta, "csv-folder": csv_folder}

KINDS = pytest.mark.parametrize("kind", READERS)


def rows(path: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table in the order of its key, without the time at which names were looked up."""
    found = READERS[path.suffix[1:]](path, name).to_pylist()
    for row in found:
        row.pop("lookedUpAt", None)
        row.update({column: _text(value) for column, value in row.items() if isinstance(value, list | bool)})
    key = table(name).key
    return sorted(found, key=lambda row: [row[column] for column in key])


def _text(value: Any) -> str | None:
    """A list or a boolean as CSV has it; an empty list is nothing, as it is in the API's answers."""
    return "|".join(map(str, value)) or None if isinstance(value, list) else str(value).lower()


def place(path: Path) -> str:
    """As `-o` takes it."""
    return f"{path.suffix[1:]}:{path}"


def content(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables but that of windows, whose counts are of another time."""
    return {one.name: rows(path, one.name) for one in TABLES if one.name != "windows"}


def of_conversations(where: Org, interval: str = THREE_WEEKS) -> list[Any]:
    """What the org has, as it would answer."""
    return list(where.sandbox.store.conversations(interval))


def each(found: Iterable[Any], *path: str) -> list[Any]:
    for name in path:
        found = [below for one in found for below in one.get(name, ())]
    return list(found)


@KINDS
def test_every_record_of_every_conversation_arrives(where: Org, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"

    where.export(place(path), THREE_WEEKS)

    org_has, sessions = of_conversations(where), ("participants", "sessions")
    counts = {
        "conversations": len(org_has),
        "participants": len(each(org_has, "participants")),
        "sessions": len(each(org_has, *sessions)),
        "segments": len(each(org_has, *sessions, "segments")),
        "metrics": len(each(org_has, *sessions, "metrics")),
        "evaluations": len(each(org_has, "evaluations")),
        "conversation_divisions": len(each(org_has, "divisionIds")),
    }
    assert {name: len(rows(path, name)) for name in counts} == counts
    assert min(counts.values()) > 0


@KINDS
def test_the_sums_of_every_metric_are_those_of_the_json(where: Org, tmp_path: Path, kind: str) -> None:
    path, lines = tmp_path / f"out.{kind}", tmp_path / "out.jsonl"

    where.export([place(path), lines], THREE_WEEKS)

    in_json: Counter[str] = Counter()
    for line in lines.read_bytes().splitlines():
        for metric in each([msgspec.json.decode(line)], "participants", "sessions", "metrics"):
            in_json[metric["name"]] += metric["value"]
    in_tables: Counter[str] = Counter()
    for row in rows(path, "metrics"):
        in_tables[row["name"]] += row["value"]
    assert in_tables == in_json


def test_all_places_have_the_same_rows(where: Org, tmp_path: Path) -> None:
    outputs = [tmp_path / f"out.{kind}" for kind in READERS]

    where.export(list(map(place, outputs)), THREE_WEEKS)

    first, second, third = map(content, outputs)
    assert first == second
    assert first == third


def test_the_names_of_what_conversations_refer_to_are_there(where: Org, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"

    where.export(place(path), WEEK)

    named = {row["id"]: row["name"] for row in rows(path, "names") if row["kind"] == "queue"}
    queues = {row["queueId"] for row in rows(path, "segments") if row["queueId"]}
    assert queues
    assert queues <= named.keys()


def test_the_queues_of_what_conversations_refer_to_are_there_with_their_targets(where: Org, tmp_path: Path) -> None:
    where.export(tmp_path / "out.parquet", WEEK)

    queues = {queue["id"]: queue for queue in where.sandbox.store.world.entities("queues")}
    mentioned = {row["queueId"] for row in rows(tmp_path / "out.parquet", "segments")} - {None}
    assert [row["name"] for row in rows(tmp_path / "out.parquet", "queues")] == [
        queues[one]["name"] for one in sorted(mentioned & queues.keys())
    ]
    for row in rows(tmp_path / "out.parquet", "queue_media"):
        settings = queues[row["queueId"]]["mediaSettings"]["call" if row["mediaType"] == "voice" else row["mediaType"]]
        assert row["serviceLevelDurationMs"] == settings["serviceLevel"]["durationMs"]


def test_the_org_is_asked_for_its_id_once_and_only_for_tables_and_archives(where: Org, tmp_path: Path) -> None:
    def asked() -> int:
        return sum(served.path == "/api/v2/organizations/me" for served in where.sandbox.requests)

    where.export(tmp_path / "out.csv", WEEK)
    assert asked() == 0
    where.export([tmp_path / "out.parquet", tmp_path / "out.delta", tmp_path / "out.jsonl"], WEEK)
    assert asked() == 1


@KINDS
def test_workers_write_the_same_rows(where: Org, tmp_path: Path, kind: str) -> None:
    here, there = tmp_path / f"here.{kind}", tmp_path / f"there.{kind}"

    where.export(place(here), THREE_WEEKS)
    where.export(place(there), THREE_WEEKS, workers=1)

    assert content(here) == content(there)


@KINDS
def test_the_same_query_again_replaces_the_output(where: Org, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    where.export(place(path), THREE_WEEKS)
    before = content(path)

    where.export(place(path), THREE_WEEKS)

    assert content(path) == before


def test_another_query_is_refused_before_the_first_question(where: Org, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    where.export(place(path), WEEK)
    asked = len(where.queries)

    with pytest.raises(OutputRefused, match="contains another export"):
        where.export(place(path), WEEK, asked={"interval": WEEK, "queue": ["x"]})

    assert len(where.queries) == asked


# Verify and repair


def exported_without_one(where: Org, path: Path) -> None:
    """An export of three weeks; the API did not know a conversation of the second one by then."""
    late = where.sandbox.store.conversations(SECOND_WEEK)[0]
    where.sandbox.faults.on(None, "unseen", path=QUERY, conversation_id=late["conversationId"])
    where.export(place(path), THREE_WEEKS)
    where.sandbox.faults.clear()


@KINDS
def test_an_export_of_unchanged_data_holds(where: Org, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    where.export(place(path), THREE_WEEKS)

    assert verify(where.client, path, environment=ONE_BY_ONE).holds


@KINDS
def test_a_window_that_has_changed_is_repaired_and_the_others_stay(where: Org, tmp_path: Path, kind: str) -> None:
    path, anew = tmp_path / f"out.{kind}", tmp_path / f"anew.{kind}"
    exported_without_one(where, path)
    found = verify(where.client, path, environment=ONE_BY_ONE)
    assert [finding.state for finding in found.findings] == ["holds", "changed", "holds"]
    pages = len(where.pages)

    summary = repair(where.client, found, environment=Environment(executor=SerialExecutor()))

    assert summary.verdict == "proven"
    assert {interval for interval, _ in where.pages[pages:]} == {SECOND_WEEK}
    where.export(place(anew), THREE_WEEKS)
    assert content(path) == content(anew)
    assert verify(where.client, path, environment=ONE_BY_ONE).holds


def damage_parquet(path: Path) -> None:
    (path / "metrics" / "2026-01-14.parquet").write_bytes(b"PAR1")


def damage_csv_folder(path: Path) -> None:
    with (path / "metrics.csv").open("ab") as file:
        file.write(b"1\n")


def damage_delta(path: Path) -> None:
    DeltaTable(path / "conversations").delete(
        "ownerTime >= '2026-01-14T00:00:00Z' AND ownerTime < '2026-01-15T00:00:00Z'"
    )


@pytest.mark.parametrize(("kind", "damage"), [("parquet", damage_parquet), ("delta", damage_delta)])
def test_a_damaged_window_is_found_and_repaired(
    where: Org, tmp_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / f"out.{kind}"
    where.export(place(path), THREE_WEEKS)
    before = content(path)
    damage(path)

    found = verify(where.client, path, environment=ONE_BY_ONE)
    assert [finding.state for finding in found.findings] == ["holds", "damaged", "holds"]
    repair(where.client, found, environment=Environment(executor=SerialExecutor()))

    assert content(path) == before
    assert verify(where.client, path, environment=ONE_BY_ONE).holds


def test_a_damaged_csv_file_is_made_anew(where: Org, tmp_path: Path) -> None:
    """All windows are in it."""
    path = tmp_path / "out.csv-folder"
    where.export(place(path), THREE_WEEKS)
    before = content(path)
    damage_csv_folder(path)

    found = verify(where.client, path, environment=ONE_BY_ONE)
    assert [finding.state for finding in found.findings] == ["damaged", "damaged", "damaged"]
    assert found.changed == ("metrics.csv",)
    repair(where.client, found, environment=Environment(executor=SerialExecutor()))

    assert content(path) == before


def test_an_archive_is_converted_to_the_same_tables(where: Org, tmp_path: Path) -> None:
    exported, archive, converted = (tmp_path / name for name in ("a.parquet", "a.jsonl.zst", "b.parquet"))

    where.export([exported, archive], THREE_WEEKS)
    convert(archive, converted)

    assert content(converted) == content(exported)
    assert rows(converted, "windows") == rows(exported, "windows")


def test_a_manifest_that_was_edited_is_refused(where: Org, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    where.export(place(path), WEEK)
    manifest = manifest_of(path)
    manifest["files"] = [file for file in manifest["files"] if not file["path"].startswith("conversations")]
    (tmp_path / "out.parquet.manifest.json").write_bytes(msgspec.json.encode(manifest))

    with pytest.raises(OutputRefused, match="contradicts itself: its files have 0 conversations"):
        verify(where.client, path, environment=ONE_BY_ONE)
