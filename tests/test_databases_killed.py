"""The real command, killed again and again while it exports to a database, beside an undisturbed one."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import Place
from everycall.sandbox import Sandbox, Switches, server
from postgres_server import PostgresServer

KILLS = int(os.environ.get("EVERYCALL_KILLS", "5"))

WEEKS = "2026-01-05/P21D"
"""Three windows."""

AT_REST = ("windows", "names")
"""Tables with the time of the count and of the look-up."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    switches = Switches(retention_days=36_500)
    with server(conversations_per_day=30, flat=True, rate_limit=1_000_000, switches=switches) as running:
        yield running


def started(sandbox: Sandbox, output: str, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "everycall", "export", "--interval", WEEKS, "-o", output, "--quiet"]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **sandbox.environ}, stderr=subprocess.PIPE)


def ended(sandbox: Sandbox, output: str, folder: Path) -> float:
    """Let the command come to its end; the seconds that it takes."""
    began = time.monotonic()
    with started(sandbox, output, folder) as running:
        message = running.communicate(timeout=120)[1]
    assert running.returncode == 0, message.decode()
    return time.monotonic() - began


def content(place: Place) -> dict[str, list[str]]:
    found = place.content()
    return {name: rows for name, rows in found.items() if name not in AT_REST}


@pytest.mark.slow
def test_a_killed_export_ends_as_an_undisturbed_one(
    place: Place, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Kills come at random moments from shortly before the first row almost to the end; most hit the writing of tables.

    The first run takes longer than those that follow, so the last tenth of its time is behind their end.
    """
    rng = random.Random(11)
    takes_s = ended(sandbox, place.output, tmp_path)
    wanted = content(place)
    cleared(place, request)
    kills = 0
    while kills < KILLS:
        with started(sandbox, place.output, tmp_path) as running:
            try:
                running.wait(rng.uniform(0.4, 0.9) * takes_s)
            except subprocess.TimeoutExpired:
                running.kill()
                kills += 1
            else:
                assert running.stderr is not None
                assert running.returncode == 0, running.stderr.read().decode()
                cleared(place, request)
    ended(sandbox, place.output, tmp_path)

    assert content(place) == wanted
    assert not list(tmp_path.glob("*.everycall"))


def cleared(place: Place, request: pytest.FixtureRequest) -> None:
    """Remove what is there, so that the next run begins anew."""
    if place.kind == "duckdb":
        for path in Path(place.output).parent.glob("calls.duckdb*"):
            path.unlink()
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.clear()
