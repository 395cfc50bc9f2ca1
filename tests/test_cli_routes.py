"""The options about routes and attributes, as people meet them; real waits for jobs are those of the sandbox."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from everycall.cli.commands import run
from everycall.sandbox import Sandbox, Switches, server
from thin import Thin

DAY = f"{(datetime.now(UTC) - timedelta(days=10)).date()}/P1D"

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def busy() -> Iterator[Sandbox]:
    """An org whose jobs are done at once."""
    with server(conversations_per_day=1200, flat=True, rate_limit=100_000, switches=Switches(job_takes_s=0.0)) as one:
        yield one


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: Sandbox, capfdbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    """Runs a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in busy.environ.items():
        monkeypatch.setenv(name, value)

    def cli(*arguments: str) -> tuple[int, str, str]:
        capfdbinary.readouterr()
        code = run(arguments)
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return cli


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An org with more conversations on that day than the query reads within a minute."""
    world = Thin(40_000, first=f"{DAY[:10]}T00:00:00.000Z")
    with server(world=world, switches=Switches(job_takes_s=0.0)) as one:
        for name, value in one.environ.items():
            monkeypatch.setenv(name, value)
        yield one


def test_an_export_takes_jobs_where_the_query_would_have_to_wait(cli: Cli, full: Sandbox) -> None:
    code, out, _ = cli("export", "--interval", DAY, "--json", "--quiet")

    summary = json.loads(out)
    assert (code, summary["verdict"], summary["rows"]) == (0, "proven", 40_000)
    assert [window["route"] for window in summary["windows"]] == ["jobs"]
    assert len(full.requests) < 70


def test_a_plan_says_what_it_chose_and_why(cli: Cli, full: Sandbox) -> None:
    code, out, _ = cli("plan", "--interval", DAY)

    assert code == 0
    assert "by a job" in out
    assert "46 requests, 300 a minute allowed: about 35.0 s, by jobs" in out
    assert "the details query alone would take 402 requests, about 1 min 5 s" in out


def test_an_export_that_the_query_reads_at_once_takes_no_jobs(cli: Cli) -> None:
    code, out, _ = cli("export", "--interval", DAY, "--json", "--quiet")

    assert code == 0
    assert [window["route"] for window in json.loads(out)["windows"]] == ["query"]


def test_an_attribute_that_is_not_there_is_named_and_one_that_is_becomes_a_column(cli: Cli) -> None:
    code, _, err = cli("export", "--interval", DAY, "--attribute", "No Such Thing")
    name = err.split("there are '")[1].split("'")[0]
    again, _, _ = cli("export", "--interval", DAY, "--attribute", name, "--columns", "conversationId", "--fresh")

    with Path("conversations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (code, again) == (0, 0)
    assert list(rows[0]) == ["conversationId", f"attribute:{name}"]
    assert any(row[f"attribute:{name}"] for row in rows)


@pytest.mark.parametrize("options", [(), ("--route", "auto")])
def test_auto_takes_jobs_where_attributes_are_needed(cli: Cli, options: tuple[str, ...]) -> None:
    code, out, _ = cli("export", "--interval", DAY, *options, "--attribute", "a", "--json", "--quiet")

    assert code == 0
    assert [window["route"] for window in json.loads(out)["windows"]] == ["jobs"]


def test_attributes_by_the_query_which_has_none_are_refused(cli: Cli) -> None:
    code, _, err = cli("export", "--interval", DAY, "--route", "query", "--attribute", "a")

    assert code == 2
    assert "--attribute does not go with --route query." in err
    assert "Only --route jobs brings attributes." in err


def test_a_plan_lists_the_attributes_that_there_are(cli: Cli) -> None:
    code, out, _ = cli("plan", "--interval", DAY, "--attributes")
    _, as_json, _ = cli("plan", "--interval", DAY, "--attributes", "--json")

    assert code == 0
    assert "Attributes of 1,200 conversations" in out
    first = json.loads(as_json)["attributes"]["attributes"][0]
    assert repr(first["name"]) in out
    assert first["conversations"] > 0
