"""The options of the log and the metrics as people meet them."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commanding import Cli, commands
from everycall.sandbox import Sandbox, server

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR|DEBUG) +.+")


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with server(conversations_per_day=60) as running:
        yield running


@pytest.fixture
def cli(
    tmp_path: Path, shared: Sandbox, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return commands(shared, monkeypatch, capfdbinary)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_file_has_the_windows_and_the_exit_code(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("export", "--last", "1d", "-o", "x.csv", "--log-file", "x.log")
    lines = (tmp_path / "x.log").read_text().splitlines()

    assert code == 0
    assert all(LINE.fullmatch(line) for line in lines)
    assert [line.split(" ", 1)[1].strip() for line in lines][-1] == "INFO    everycall export ends with exit code 0"
    assert any("rows, proven" in line for line in lines)
    assert not any("/api/v2" in line for line in lines)
    assert "ends with exit code" not in err
    assert stat.S_IMODE((tmp_path / "x.log").stat().st_mode) == 0o600


def test_json_lines_have_the_event_and_its_fields(cli: Cli, tmp_path: Path) -> None:
    cli("export", "--last", "1d", "-o", "x.csv", "--log-file", "x.log", "--log-format", "json", "--trace")
    lines = lines_of(tmp_path / "x.log")

    assert [line["event"] for line in lines if line["event"] != "request"] == [
        "command", "started", "login", "window", "exit",
    ]  # fmt: skip
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["path"] for line in requests} >= {"/oauth/token", "/api/v2/analytics/conversations/details/query"}
    assert {line["status"] for line in requests} == {200}
    assert lines[-1]["exit_code"] == 0


def test_a_second_run_appends(cli: Cli, tmp_path: Path) -> None:
    for _ in range(2):
        cli("plan", "--last", "1h", "--log-file", "x.log", "--log-format", "json")

    assert [line["event"] for line in lines_of(tmp_path / "x.log")].count("exit") == 2


def test_verbose_goes_to_standard_error(cli: Cli) -> None:
    code, _, err = cli("plan", "--last", "1h", "-v")

    assert code == 0
    assert re.search(r"INFO +http://127\.0\.0\.1:\d+ gave a token", err)
    assert "/api/v2" not in err


def test_trace_goes_to_the_file_if_there_is_one(cli: Cli, tmp_path: Path) -> None:
    without_file = cli("plan", "--last", "1h", "--trace")[2]
    with_file = cli("plan", "--last", "1h", "--trace", "--log-file", "x.log")[2]

    assert "POST /api/v2/analytics/conversations/details/query 200" in without_file
    assert "/api/v2" not in with_file
    assert "POST /api/v2/analytics/conversations/details/query 200" in (tmp_path / "x.log").read_text()


def test_without_options_nothing_is_logged(cli: Cli) -> None:
    assert cli("plan", "--last", "1h")[2] == ""


def test_a_name_in_an_error_is_not_logged(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("plan", "--user", "ada.lovelace@example.com", "--log-file", "x.log", "--trace")
    text = (tmp_path / "x.log").read_text()

    assert code == 2
    assert "ada.lovelace" in err
    assert "ada.lovelace" not in text
    assert "ERROR   UnknownName\n" in text
    assert "ends with exit code 2" in text


def test_an_error_that_is_not_about_the_query_is_logged_with_its_text(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "a wrong secret")
    code, _, _ = cli("plan", "--last", "1h", "--log-file", "x.log")
    text = (tmp_path / "x.log").read_text()

    assert code == 3
    assert "ERROR   CredentialsRefused: The login at" in text
    assert "a wrong secret" not in text


def test_a_log_file_that_cannot_be_written_is_refused_before_the_first_request(cli: Cli, shared: Sandbox) -> None:
    before = len(shared.requests)
    code, _, err = cli("plan", "--last", "1h", "--log-file", "missing/x.log")

    assert code == 2
    assert "missing/x.log cannot be written: No such file or directory" in err
    assert "--log-file" in err
    assert len(shared.requests) == before


def test_the_metrics_of_a_run_are_in_the_file(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    code, _, _ = cli("export", "--last", "1d", "-o", "x.csv", "--metrics-file", "everycall.prom")
    text = (tmp_path / "everycall.prom").read_text()
    rows = len((tmp_path / "x.csv").read_text().splitlines()) - 1

    assert code == 0
    assert 'everycall_exit_code{command="export"} 0.0\n' in text
    assert f'everycall_rows{{command="export"}} {rows}.0\n' in text
    assert 'everycall_windows{command="export",verdict="proven"} 1.0\n' in text
    assert re.search(
        r'everycall_requests_total\{command="export",method="POST",path=".*/query",status="200"\} \d', text
    )
    assert [path.name for path in tmp_path.glob("everycall.prom*")] == ["everycall.prom"]


def test_the_metrics_of_a_failed_run_have_its_exit_code(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("prometheus_client")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "a wrong secret")

    assert cli("plan", "--last", "1h", "--metrics-file", "x.prom")[0] == 3
    assert 'everycall_exit_code{command="plan"} 3.0\n' in (tmp_path / "x.prom").read_text()


def test_metrics_in_a_folder_that_does_not_exist_are_refused(cli: Cli) -> None:
    code, _, err = cli("plan", "--last", "1h", "--metrics-file", "missing/x.prom")

    assert code == 2
    assert "missing is not a folder" in err
