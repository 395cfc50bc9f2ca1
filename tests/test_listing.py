"""`everycall queues`, `users`, `wrapups`, `divisions` and `columns` as people meet them."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commanding import Cli, commands
from everycall.cli.commands import run
from everycall.sandbox import Client as SandboxClient
from everycall.sandbox import Faults, Sandbox, server
from everycall.tables.flat import EXTENDED


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with server(conversations_per_day=20) as running:
        yield running


@pytest.fixture
def cli(
    tmp_path: Path, shared: Sandbox, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    """Runs a command against the shared sandbox, or another one."""
    monkeypatch.chdir(tmp_path)
    return commands(shared, monkeypatch, capfdbinary)


@pytest.mark.parametrize(("command", "kind"), [("queues", "queues"), ("wrapups", "wrapupcodes"), ("users", "users")])
def test_a_list_has_all_that_the_org_lists(cli: Cli, shared: Sandbox, command: str, kind: str) -> None:
    code, out, _ = cli(command, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    known = {one["id"] for one in shared.store.world.entities(kind) if kind == "users" or one.get("state") != "deleted"}

    assert code == 0
    assert {row["id"] for row in rows} == known
    assert [row["name"].casefold() for row in rows] == sorted(row["name"].casefold() for row in rows)


def test_a_table_is_aligned_and_filtered_by_a_word(cli: Cli) -> None:
    code, out, err = cli("queues", "BILL")
    lines = out.splitlines()

    assert (code, err) == (0, "")
    assert lines[0] == "name     id"
    assert [line[:9] for line in lines[1:]] == ["Billing  "]


def test_the_format_json_is_a_list_of_objects(cli: Cli) -> None:
    found = json.loads(cli("divisions", "--format", "json")[1])

    assert [division["name"] for division in found] == ["Business", "Home", "Retail"]


def test_users_are_found_by_their_address(cli: Cli) -> None:
    everybody = json.loads(cli("users", "--format", "json")[1])
    found = json.loads(cli("users", everybody[0]["email"].upper(), "--format", "json")[1])

    assert found == [everybody[0]]


def test_a_word_that_nothing_has_is_a_note(cli: Cli) -> None:
    code, out, err = cli("queues", "nonsense")

    assert (code, out) == (0, "")
    assert "has 'nonsense' in its name or id" in err


def test_what_is_listed_is_what_the_option_accepts(cli: Cli) -> None:
    name = json.loads(cli("queues", "--format", "json")[1])[0]["name"]

    assert cli("plan", "--last", "1h", "--queue", name)[0] == 0


def test_a_missing_permission_ends_with_3(cli: Cli) -> None:
    nobody = SandboxClient("someone", "secret", permissions=frozenset())
    with server(conversations=[], clients=[nobody]) as running:
        code, out, err = cli("queues", sandbox=running)

    assert (code, out) == (3, "")
    assert "routing:queue:view" in err
    assert "hint: Add the permission" in err


def test_a_list_that_is_cut_short_says_so(cli: Cli) -> None:
    faults = Faults()
    faults.on(range(2, 50), "403", path="wrapupcodes")
    with server(conversations_per_day=20, faults=faults) as running:
        pages = len(list(running.store.world.entities("wrapupcodes"))) > 100
        code, _, err = cli("wrapups", sandbox=running)

    assert code == 0
    assert ("The list is incomplete" in err) == pages


def test_the_columns_need_no_org(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV"):
        monkeypatch.delenv(name, raising=False)

    assert run(["columns", "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [column["name"] for column in found] == [column.name for column in EXTENDED]
    assert run(["columns", "agent"]) == 0
    assert "agentName" in capfd.readouterr().out
    assert run(["columns", "nonsense"]) == 0
    assert "No column has 'nonsense'" in capfd.readouterr().err


@pytest.mark.parametrize("form", ["csv", "json"])
def test_data_is_utf_8_whatever_the_terminal_can_show(form: str) -> None:
    done = listed_in_ascii(form)

    assert done.returncode == 0
    assert "Außendienst" in done.stdout.decode()


def test_a_terminal_without_unicode_has_question_marks() -> None:
    done = listed_in_ascii("table")

    assert done.returncode == 0
    assert b"Au?endienst" in done.stdout


def listed_in_ascii(form: str) -> "subprocess.CompletedProcess[bytes]":
    """Print a list with a name that is not ASCII, on a standard output that knows ASCII only."""
    script = f"from everycall.cli.listing import write; write(('name',), [('Außendienst',)], {form!r})"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=False)
