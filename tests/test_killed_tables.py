"""The real command, killed in the course of an export to tables, to an archive, and to files of days."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from everycall.tables.relational import OF_CONVERSATIONS
from killing import killed

KILLS = int(os.environ.get("EVERYCALL_KILLS", "5"))


def files(path: Path) -> dict[str, bytes]:
    """The bytes of each file of tables of conversations; others have the time at which something was looked up."""
    found = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    tables = {one.name for one in OF_CONVERSATIONS}
    return {name: data for name, data in found.items() if name.partition("/")[0] in tables}


def days(path: Path) -> dict[str, bytes]:
    """The bytes of the file of each day."""
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def rows(path: Path) -> dict[str, list[str]]:
    """The rows of each Delta table of conversations."""
    tables = {one.name: DeltaTable(path / one.name).to_pyarrow_table().to_pylist() for one in OF_CONVERSATIONS}
    return {name: sorted(map(str, found)) for name, found in tables.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".parquet", files),
        (".delta", rows),
        (".jsonl.zst", Path.read_bytes),
        (".jsonl-days", days),
        *([(".csv-days", days)] if "EVERYCALL_KILLS" in os.environ else []),
    ],
)
def test_killed_at_any_moment_the_same_command_ends_with_the_rows_of_an_undisturbed_one(
    ending: str, content: Callable[[Path], Any]
) -> None:
    outcome = killed(kills=KILLS, seed=1, ending=ending, content=content, windows_a_kill=1.2)

    assert sum(outcome.kills.values()) == KILLS
    assert outcome.differing == 0, outcome
    assert not outcome.asked_again, outcome
    assert not outcome.codes, outcome
