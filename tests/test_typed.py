"""The typed rows are those of the columns, and programs that use them are checked as the pages show them."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from documents import PAGES, ROOT, blocks
from everycall import DefaultRow, ExtendedRow, Interval, Query, View, rows
from everycall.tables.flat import DEFAULT, EXTENDED, VIEWS
from inprocess import org
from needing import needs

TYPES = {
    "text": str | None,
    "instant": datetime | None,
    "seconds": float | None,
    "integer": int | None,
    "boolean": bool | None,
    "real": float | None,
    "texts": tuple[str, ...] | None,
}


@pytest.mark.parametrize(("row", "columns"), [(DefaultRow, DEFAULT), (ExtendedRow, EXTENDED)])
def test_a_typed_row_has_the_columns_of_its_view_in_their_order(row: type, columns: tuple[object, ...]) -> None:
    expected = {column.name: TYPES[column.type] for column in columns}  # type: ignore[attr-defined]
    expected["conversationId"] = str

    assert get_type_hints(row) == expected
    assert list(get_type_hints(row)) == list(expected)


def test_the_views_are_those_of_the_table() -> None:
    assert get_args(View) == tuple(VIEWS)


@pytest.mark.parametrize("view", get_args(View))
def test_a_row_has_the_values_that_its_type_promises(view: View) -> None:
    where = org(conversations_per_day=100)
    query = Query(Interval.parse("2026-02-20", now=where.clock.utc()))
    hints = get_type_hints(DefaultRow if view == "default" else ExtendedRow)
    kinds = {name: tuple(get_origin(one) or one for one in get_args(hint) or (hint,)) for name, hint in hints.items()}

    for row in rows(where.client, query, view=view):
        assert list(row) == list(hints)
        for name, value in row.items():
            kind = (*kinds[name], int) if float in kinds[name] else kinds[name]  # an int is a float for type checkers
            assert isinstance(value, kind), name


RIGHT = """
from everycall import Client, DefaultRow, Interval, Query, View, export, rows

client = Client.from_env("prod", rate_share=0.5)
query = Query(Interval.last("7d", now=client.clock.utc()))
for row in rows(client, query):
    waited: float | None = row["duration"]
    default: DefaultRow = row
for longer in rows(client, query, view="extended"):
    waited = longer["waitSeconds"]
for chosen in rows(client, query, columns=["queueName"]):
    chosen["queueName"]
view: View = "extended"
export(client, query, "x.csv", view=view)
ids: list[str] = client.ids("queues", "Billing") + client.ids("users", ["Ada", "Grace"])
"""

WRONG = {
    'next(rows(client, query))["waitSeconds"]': "typeddict-item",
    'export(client, query, "x.csv", view="long")': "arg-type",
    'client.ids("agents", "Ada")': "arg-type",
    'Client.from_env(rate="fast")': "call-arg",
    'rows(client, query, view="long")': "call-overload",
}


def checked(folder: Path, *arguments: str) -> str:
    """What mypy says about the files of a folder."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *arguments]
    cache = ["--cache-dir", str(folder / "cache"), "--no-error-summary"]
    files = sorted(str(path) for path in folder.glob("*.py"))
    command = [*command, *cache, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)
    return f"{done.stdout}{done.stderr}"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs of the pages, one that is right, and some with one mistake each."""
    for page in PAGES:
        program = "\n".join(block.text for block in blocks(page) if block.language == "python")
        if program:
            (tmp_path / f"page_{page.stem.replace('-', '_').lower()}.py").write_text(program)
    (tmp_path / "right.py").write_text(RIGHT)
    for number, line in enumerate(WRONG):
        (tmp_path / f"wrong_{number}.py").write_text(f"{RIGHT}{line}\n")
    return tmp_path


@pytest.mark.slow
def test_mypy_accepts_the_pages_and_finds_mistakes(programs: Path) -> None:
    """Examples on the pages may leave out annotations of their own functions."""
    printed = checked(programs, "--allow-untyped-defs", "--allow-untyped-calls", "--allow-incomplete-defs")
    lines = [line for line in printed.splitlines() if ": error:" in line]

    found = {Path(line.partition(":")[0]).name: line.rpartition("[")[2].rstrip("]") for line in lines}
    assert found == {f"wrong_{number}.py": code for number, code in enumerate(WRONG.values())}, printed


@pytest.mark.slow
def test_pyright_accepts_the_pages_and_finds_mistakes(programs: Path) -> None:
    """It comes from npm, as the official JavaScript SDK does."""
    pyright = ROOT / "tests" / "clients" / "node_modules" / "pyright" / "index.js"
    node = needs(shutil.which("node") if pyright.exists() else None, "Node with npm; then make")
    command = [node, str(pyright), "--pythonpath", sys.executable, "--outputjson", str(programs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=programs, timeout=300)
    found = {Path(one["file"]).name for one in json.loads(done.stdout)["generalDiagnostics"]}

    assert found == {f"wrong_{number}.py" for number in range(len(WRONG))}, done.stdout
