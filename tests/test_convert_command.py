"""`everycall convert`: arguments, messages and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from everycall.cli.commands import run
from inprocess import WEEK, org, read_csv

LINE = '{"conversationId": "00000000-0000-4000-8000-000000000001", "conversationStart": "2026-01-05T08:00:00.000Z"}\n'


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with one line, no manifest and no names."""
    path = tmp_path / "a.jsonl"
    path.write_text(LINE)
    return path


def test_a_proven_archive_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    org(conversations_per_day=20).export(tmp_path / "a.jsonl.zst", WEEK)
    code = run(["convert", str(tmp_path / "a.jsonl.zst"), "-o", str(tmp_path / "out.csv"), "--workers", "0"])

    assert code == 0
    assert "Proven: " in capsys.readouterr().err
    assert len(read_csv(tmp_path / "out.csv")) > 50


def test_an_unproven_archive_ends_with_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    org(conversations_per_day=20).export(tmp_path / "a.jsonl", WEEK, max_pages=1)
    code = run(["convert", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "out.csv"), "--workers", "0"])

    assert code == 4
    assert "NOT PROVEN: " in capsys.readouterr().err


def test_an_archive_without_a_manifest_ends_with_0_and_an_unknown_verdict(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["convert", str(archive), "-o", str(archive.with_name("out.csv")), "--workers", "0"]) == 0
    assert "Unknown: 1 conversation" in capsys.readouterr().err


def test_a_bad_line_ends_with_4_and_is_named(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive.write_text(LINE + "{")
    arguments = ["convert", str(archive), "-o", str(archive.with_name("out.csv")), "--workers", "0", "--json"]

    assert run(arguments) == 4
    found = capsys.readouterr()
    assert "Line 2 is left out: it is not JSON, or cut." in found.err
    summary = json.loads(found.out)
    assert (summary["verdict"], summary["rows"], summary["leftOut"]) == ("unknown", 1, 1)
    assert summary["badLines"] == [{"line": 2, "reason": "it is not JSON, or cut"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out.csv"], "needs an archive"),
        (["nowhere.jsonl"], "needs an output"),
        (["nowhere.jsonl", "-o", "out.csv"], "nowhere.jsonl cannot be read: No such file"),
        (["nowhere.jsonl", "-o", "out.pdf"], "belongs to no format"),
        (["nowhere.jsonl", "-o", "out.csv", "--columns", "nothing"], "There is no column"),
    ],
)
def test_wrong_usage_ends_with_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(["convert", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_standard_input_and_standard_output_make_a_pipe() -> None:
    command = [sys.executable, "-m", "everycall", "convert", "-", "-o", "-", "--columns", "conversationId,startTime"]
    done = subprocess.run(command, input=LINE.encode(), capture_output=True, check=True)

    assert done.stdout.decode().splitlines() == [
        "conversationId,startTime",
        "00000000-0000-4000-8000-000000000001,2026-01-05T08:00:00.000Z",
    ]
