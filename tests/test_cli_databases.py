"""Databases on the command line: what is shown, and what is missing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import Place
from everycall.sandbox import Sandbox, server

DAY = ["--interval", "2026-01-05/P1D"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with server(conversations_per_day=5, flat=True, rate_limit=1_000_000) as running:
        yield running


def run(program: list[str], sandbox: Sandbox, folder: Path) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, **sandbox.environ}
    command = [sys.executable, *program]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("library", "output", "extra"),
    [
        ("duckdb", "x.duckdb", "duckdb"),
        ("pyarrow", "x.duckdb", "duckdb"),
        ("adbc_driver_postgresql", "postgresql://localhost/x", "postgres"),
        ("pyarrow", "service=x", "postgres"),
    ],
)
def test_a_missing_library_is_named_with_how_to_install_it(
    library: str, output: str, extra: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    without = f"import sys; sys.modules[{library!r}] = None; from everycall.cli import main; sys.exit(main())"
    done = run(["-c", without, "export", *DAY, "-o", output], sandbox, tmp_path)

    assert done.returncode == 2, done.stderr
    assert f"needs {library}, which is not installed" in done.stderr
    assert f"pip install 'everycall[{extra}]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_export_verify_and_convert(place: Place, sandbox: Sandbox, tmp_path: Path) -> None:
    command = ["-m", "everycall"]
    exported = run([*command, "export", *DAY, "-o", place.output], sandbox, tmp_path)
    verified = run([*command, "verify", place.output], sandbox, tmp_path)
    archived = run([*command, "export", *DAY, "-o", "calls.jsonl"], sandbox, tmp_path)
    before = place.content(["segments", "metrics"])
    converted = run([*command, "convert", "calls.jsonl", "-o", place.output], sandbox, tmp_path)

    assert [exported.returncode, verified.returncode, archived.returncode, converted.returncode] == [0, 0, 0, 0]
    assert "Proven: 5 conversations" in exported.stderr
    assert ("in the table everycall_export" in exported.stderr) == (place.kind == "postgresql")
    assert "Holds: all of " in verified.stderr
    assert place.content(["segments", "metrics"]) == before


def test_worker_processes_make_the_same_rows(place: Place, sandbox: Sandbox, tmp_path: Path) -> None:
    command = ["-m", "everycall", "export", *DAY, "-o", place.output, "--quiet"]
    assert run(command, sandbox, tmp_path).returncode == 0
    before = place.content(["segments", "conversations_flat"])
    assert run([*command, "--workers", "1", "--fresh"], sandbox, tmp_path).returncode == 0

    assert place.content(["segments", "conversations_flat"]) == before


def test_another_scheme_is_refused_without_its_password(sandbox: Sandbox, tmp_path: Path) -> None:
    done = run(["-m", "everycall", "export", *DAY, "-o", "mysql://ann:pw-4711@localhost/x"], sandbox, tmp_path)

    assert done.returncode == 2
    assert "everycall writes nothing to mysql://" in done.stderr
    assert "4711" not in done.stderr
