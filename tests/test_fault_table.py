"""The table of faults, row by row: the installed command in a process of its own, and a sandbox behind a real port."""

import csv
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from everycall.sandbox import Sandbox, server
from fault_table import ROWS, Row
from inprocess import manifest_of
from thin import Thin

END = datetime.now(UTC).date() - timedelta(days=14)
"""What ended two weeks ago is settled, and the sandbox still remembers it."""

COLUMNS = "conversationId,startTime,queueName"
HOLDS_S = 120.0


def test_the_fault_table_expects_exit_code_0_only_where_no_row_is_missing() -> None:
    assert {row.code for row in ROWS} == {0, 4}
    assert all((row.rows == row.conversations) == (row.code == 0) for row in ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.happens)
def test_every_fault_costs_no_row_or_is_reported(row: Row, tmp_path: Path) -> None:
    """The exit code and the rows are those that the table, and with it the documentation, promises."""
    start = END - timedelta(days=row.days)
    interval = f"{start}T00:00:00.000Z/{END}T00:00:00.000Z"
    world = Thin(row.conversations, f"{start}T00:00:00.000Z", row.days) if row.is_thin else None
    with server(world, conversations_per_day=row.conversations, flat=True, rate_limit=1_000_000) as sandbox:
        there = [one["conversationId"] for one in sandbox.store.conversations(interval)]
        if row.arm:
            row.arm(sandbox.faults, there[0])
        code = exported(sandbox, tmp_path, interval, *row.options)
        has_struck = [rule.struck > 0 for rule in sandbox.faults.armed()]

    came, manifest = ids(tmp_path / "x.csv"), manifest_of(tmp_path / "x.csv")
    assert has_struck == [True] * (row.arm is not None)
    assert (code, manifest["verdict"]) == (row.code, "proven" if row.code == 0 else "unproven")
    assert (len(there), len(came)) == (row.conversations, row.rows)
    assert len(set(came) & set(there)) == row.rows
    assert (len(manifest["windows"]), sum(one["reReads"] for one in manifest["windows"])) == (row.windows, row.re_reads)


def exported(sandbox: Sandbox, folder: Path, interval: str, *options: str) -> int:
    """The exit code of the installed command."""
    export = ["export", "--interval", interval, "-o", "x.csv", "--columns", COLUMNS, "--quiet", *options]
    environ = {**os.environ, **sandbox.environ}
    command = [sys.executable, "-m", "everycall", *export]
    return subprocess.run(command, cwd=folder, env=environ, timeout=HOLDS_S, check=False).returncode


def ids(output: Path) -> list[str]:
    with output.open(encoding="utf-8", newline="") as file:
        return [line["conversationId"] for line in csv.DictReader(file)]
