"""Several outputs of one export, JSON lines, and compressed files."""

import gzip
import json
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import zstandard

from everycall import OutputFailed, OutputRefused, SettingsError, verification
from everycall.executor import SerialExecutor
from everycall.filesystem import File, SystemFilesystem
from everycall.setup import Environment
from everycall.sinks.files import ledger_folder
from everycall.sinks.jsonl import lines
from everycall.sinks.targets import Target, target_of
from inprocess import MONDAY, Org, assert_proven, manifest_of, org, read_csv

Reader = Callable[[Path], bytes]


def unzipped(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def unpacked(path: Path) -> bytes:
    with zstandard.open(path, "rb", dctx=zstandard.ZstdDecompressor()) as file:
        data: bytes = file.read()
    return data


def small(**settings: Any) -> Org:
    return org(conversations_per_day=30, flat=True, **settings)


def named(where: Path, *endings: str) -> list[Path]:
    return [where / f"out.{ending}" for ending in endings]


# What is in them


def test_the_api_is_read_once_for_all_outputs(tmp_path: Path) -> None:
    one, several = small(), small()
    one.export(tmp_path / "alone.csv")
    several.export(named(tmp_path, "csv", "csv.gz"))

    assert len(several.queries) == len(one.queries)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_a_json_line_has_the_bytes_of_the_api(tmp_path: Path) -> None:
    where = small()
    where.export(named(tmp_path, "jsonl", "csv"))
    found = (tmp_path / "out.jsonl").read_bytes().splitlines()
    ids = [row["conversationId"] for row in read_csv(tmp_path / "out.csv")]

    assert [json.loads(line)["conversationId"] for line in found] == ids
    by_id = {each["conversationId"]: each for each in where.sandbox.store.conversations(MONDAY)}
    assert [json.loads(line) for line in found] == [by_id[id_] for id_ in ids]


@pytest.mark.parametrize(("ending", "read"), [("jsonl.gz", unzipped), ("jsonl.zst", unpacked)])
def test_a_compressed_archive_has_the_same_lines(tmp_path: Path, ending: str, read: Reader) -> None:
    small().export(named(tmp_path, "jsonl", ending))

    assert read(tmp_path / f"out.{ending}") == (tmp_path / "out.jsonl").read_bytes()


def test_an_archive_is_complete_without_the_id_of_the_org(tmp_path: Path) -> None:
    where = small()
    where.sandbox.faults.on(None, "403", path="/api/v2/organizations/me")
    summary = where.export(tmp_path / "a.jsonl")

    assert (summary.verdict, summary.rows) == ("proven", 30)
    assert manifest_of(tmp_path / "a.jsonl")["query"]["organizationId"] == ""


@pytest.mark.parametrize("first", [True, False])
def test_an_archive_is_replaced_though_the_id_of_the_org_could_be_read_once_only(tmp_path: Path, first: bool) -> None:
    for is_refused in (first, not first):
        where = small()
        if is_refused:
            where.sandbox.faults.on(None, "403", path="/api/v2/organizations/me")
        summary = where.export(tmp_path / "a.jsonl")

        assert (summary.verdict, summary.rows) == ("proven", 30)


def test_zipped_csv_has_the_same_rows(tmp_path: Path) -> None:
    small().export(named(tmp_path, "csv", "csv.gz"))

    assert unzipped(tmp_path / "out.csv.gz") == (tmp_path / "out.csv").read_bytes()


def test_a_zipped_file_does_not_depend_on_the_time_of_the_export(tmp_path: Path) -> None:
    small().export(tmp_path / "a.csv.gz")
    small().export(tmp_path / "b.csv.gz")

    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_an_export_of_nothing_is_an_empty_archive(tmp_path: Path) -> None:
    org(conversations_per_day=0).export(named(tmp_path, "jsonl", "jsonl.zst", "csv.gz"))

    assert (tmp_path / "out.jsonl").read_bytes() == b""
    assert (tmp_path / "out.jsonl.zst").read_bytes() == b""
    assert unzipped(tmp_path / "out.csv.gz").startswith(b"conversationId,")


def test_each_output_has_a_manifest_of_its_own(tmp_path: Path) -> None:
    small().export(named(tmp_path, "csv", "jsonl.zst"))
    csv, archive = (manifest_of(path) for path in named(tmp_path, "csv", "jsonl.zst"))

    assert (csv["output"]["format"], archive["output"]["format"]) == ("csv", "jsonl.zst")
    assert archive["output"]["sizeBytes"] == (tmp_path / "out.jsonl.zst").stat().st_size
    assert (csv["rows"], archive["rows"]) == (30, 30)
    assert (csv["query"]["columns"][0], archive["query"]["columns"]) == ("conversationId", [])


def test_pretty_json_becomes_one_line() -> None:
    assert lines([b'{\n  "a": "x y"\r\n}', b'{"b":1.50}']) == b'{"a":"x y"}\n{"b":1.50}\n'


# Checked and repaired


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst", "csv.gz"])
def test_every_format_can_be_verified(tmp_path: Path, ending: str) -> None:
    where, output = small(), tmp_path / f"out.{ending}"
    where.export(output, WEEKS)

    assert verification.verify(where.client, output, environment=SERIAL).holds


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.zst", "csv.gz"])
def test_a_repair_replaces_the_damaged_window_only(tmp_path: Path, ending: str) -> None:
    where, output = small(), tmp_path / f"out.{ending}"
    where.export(output, WEEKS)
    before = output.read_bytes()
    output.write_bytes(before[:-9] + bytes(9))
    asked = len(where.queries)
    found = verification.verify(where.client, output, environment=SERIAL)
    verification.repair(where.client, found, environment=SERIAL)

    assert [one.state for one in found.findings] == ["holds", "damaged"]
    assert output.read_bytes() == before
    assert {served.body["interval"] for served in where.queries[asked + 1 :]} == {SECOND}


WEEKS = "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z"
SECOND = "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"
SERIAL = Environment(executor=SerialExecutor())


# One that fails


class NoRoomFor(SystemFilesystem):
    """A disk on which files of this name cannot be put in place."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def replace(self, source: Path, target: Path) -> None:
        if target.name == self._name:
            raise OSError(28, "No space left on device", str(target))
        super().replace(source, target)


def test_an_output_that_fails_leaves_the_others_complete(tmp_path: Path) -> None:
    where, outputs = small(), named(tmp_path, "csv", "jsonl")
    with pytest.raises(OutputFailed, match="disk is full"):
        where.export(outputs, filesystem=NoRoomFor("out.jsonl"))

    assert len(read_csv(outputs[0])) == 30
    assert not outputs[1].exists()


def test_the_next_run_publishes_only_what_failed(tmp_path: Path) -> None:
    where, outputs = small(), named(tmp_path, "csv", "jsonl")
    with pytest.raises(OutputFailed):
        where.export(outputs, filesystem=NoRoomFor("out.jsonl"))
    asked, inode = len(where.queries), outputs[0].stat().st_ino
    summary = where.export(outputs)

    assert (len(where.queries), outputs[0].stat().st_ino) == (asked, inode)
    assert summary.verdict == "proven"
    assert len(outputs[1].read_bytes().splitlines()) == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.csv", "out.csv.manifest.json", "out.jsonl", "out.jsonl.manifest.json", "out.jsonl.names.jsonl",
    ]  # fmt: skip


def test_the_summary_has_the_manifest_of_the_first_output_even_if_an_earlier_run_published_it(tmp_path: Path) -> None:
    where, outputs = small(), named(tmp_path, "csv", "jsonl")
    with pytest.raises(OutputFailed):
        where.export(outputs, filesystem=NoRoomFor("out.jsonl"))
    where.clock.advance(60)
    summary = where.export(outputs)

    described = manifest_of(outputs[0])
    assert summary.manifest["output"] == described["output"]
    assert summary.manifest["finishedAt"] == described["finishedAt"]


class StopsAt(SystemFilesystem):
    """Ends the process, so to speak, at the write of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def sync(self, file: File) -> None:
        self._left -= 1
        if self._left == 0:
            file.close()
            raise KeyboardInterrupt
        super().sync(file)

    def replace(self, source: Path, target: Path) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        super().replace(source, target)


@pytest.mark.parametrize("seed", range(12))
def test_an_interrupted_export_ends_as_an_undisturbed_one(tmp_path: Path, seed: int) -> None:
    endings = ["csv", "csv.gz", "jsonl", "jsonl.zst"]
    whole, again = tmp_path / "whole", tmp_path / "again"
    whole.mkdir()
    again.mkdir()
    small().export(named(whole, *endings), WEEKS)
    where, rng = small(), random.Random(seed)
    for _ in range(4):
        try:
            where.export(named(again, *endings), WEEKS, filesystem=StopsAt(rng.randint(1, 40)))
        except KeyboardInterrupt:
            continue
        break
    summary = where.export(named(again, *endings), WEEKS)

    assert summary.verdict == "proven"
    assert [path.read_bytes() for path in named(again, *endings)] == [
        path.read_bytes() for path in named(whole, *endings)
    ]


# What is refused


def test_an_unfinished_export_is_not_continued_with_other_outputs(tmp_path: Path) -> None:
    where = small()
    with pytest.raises(OutputFailed):
        where.export(named(tmp_path, "csv", "jsonl"), filesystem=NoRoomFor("out.jsonl"))
    with pytest.raises(OutputRefused, match="outputs"):
        where.export(named(tmp_path, "csv", "csv.gz"))


def test_another_export_in_the_second_output_is_refused_before_the_first_request(tmp_path: Path) -> None:
    where, outputs = small(), named(tmp_path, "csv", "jsonl")
    where.export(outputs[1], WEEKS)
    asked = len(where.sandbox.requests)
    with pytest.raises(OutputRefused, match=r"out\.jsonl contains another export"):
        where.export(outputs, query=None, asked={"interval": MONDAY})

    assert len(where.sandbox.requests) == asked
    assert not outputs[0].exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("postgresql://ann@db.example.com:5432/calls", "ann-db.example.com-5432-calls"),
        ("service=warehouse", "service-warehouse"),
        ("s3://bucket/2026/calls.parquet", "bucket-2026-calls.parquet"),
        ("postgresql:///", ""),
        ("service=../" + "x" * 300, "service-.." + "-" + "x" * 49),
    ],
)
def test_the_folder_of_an_output_that_is_elsewhere_is_in_the_working_directory(name: str, words: str) -> None:
    folder = ledger_folder(None, name)

    assert re.fullmatch(re.escape(words) + ("-" if words else "") + r"[0-9a-f]{8}\.everycall", str(folder))


def test_exports_to_several_databases_have_folders_of_their_own() -> None:
    names = [f"postgresql://ann@{host}/{database}" for host in ("a.example", "b.example") for database in ("x", "y")]

    assert len({ledger_folder(None, name) for name in names}) == len(names)


def test_the_same_output_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="named twice"):
        small().export([tmp_path / "a.csv", tmp_path / "." / "a.csv"])


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("a.csv", Target("csv", "a.csv")),
        ("A.JSONL.ZST", Target("jsonl.zst", "A.JSONL.ZST")),
        ("jsonl:a.dat", Target("jsonl", "a.dat")),
        ("CSV:b", Target("csv", "b")),
        ("notes.txt", Target("csv", "notes.txt")),
        ("data", Target("csv", "data")),
        ("c:data.csv", Target("csv", "c:data.csv")),
    ],
)
def test_the_ending_or_the_prefix_names_the_format(output: str, target: Target) -> None:
    assert target_of(output) == target


@pytest.mark.parametrize("output", ["a.jsnol", "a.docx", "a.gz", "a.json"])
def test_an_ending_of_no_format_is_refused_with_those_that_there_are(output: str) -> None:
    with pytest.raises(SettingsError) as caught:
        target_of(output)

    assert ".jsonl.zst" in str(caught.value.hint)


# What others read


def test_the_tools_of_the_system_read_the_compressed_files(tmp_path: Path) -> None:
    where = small()
    summary = where.export(named(tmp_path, "csv", "csv.gz", "jsonl"), WEEKS)
    read = subprocess.run(["gzip", "-dc", tmp_path / "out.csv.gz"], capture_output=True, check=True).stdout

    assert read == (tmp_path / "out.csv").read_bytes()
    assert_proven(where, summary, tmp_path / "out.csv", WEEKS)


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.gz", "jsonl.zst"])
def test_duckdb_reads_every_window_of_a_compressed_file(tmp_path: Path, ending: str) -> None:
    small().export(tmp_path / f"out.{ending}", WEEKS)
    read = "read_csv" if "csv" in ending else "read_json"
    query = f"SELECT count(DISTINCT conversationId) FROM {read}('{tmp_path}/out.{ending}')"
    with duckdb.connect() as connection:
        rows = connection.execute(query).fetchall()

    assert rows == [(420,)]


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.gz", "jsonl.zst"])
def test_pandas_reads_every_window_of_a_compressed_file(tmp_path: Path, ending: str) -> None:
    small().export(tmp_path / f"out.{ending}", WEEKS)
    path = tmp_path / f"out.{ending}"
    found = pd.read_csv(path) if "csv" in ending else pd.read_json(path, lines=True)

    assert found["conversationId"].nunique() == 420
