import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from databases import Place
from needing import needs
from postgres_server import PostgresServer, binaries, running

# What a shell starts in the background ignores Ctrl-C, and the commands that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever runs the tests may have profiles, which must not be used.
os.environ["EVERYCALL_CONFIG_DIR"] = str(Path(__file__).with_name("no-profiles"))

MEMORY = Path("/dev/shm")
"""A file system in memory, on Linux."""

MEMORY_BYTES = 4 << 30
"""Free in it: several times what the tests write."""

if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
    os.environ["TMPDIR"] = str(MEMORY)  # a sixth of the tests' time was waiting for the disk
    tempfile.tempdir = None

# Python looks through all objects again and again, and the sandbox makes many: a third of the time of some tests.
gc.set_threshold(50_000, 20, 100)


def pytest_collection_finish() -> None:
    """What is there before the first test stays: the collector need not look at it."""
    gc.collect()
    gc.freeze()


settings.register_profile("everycall", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("everycall")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where an export goes: in a folder of its own, so that what else is there can be looked at."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "conversations.csv"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, one for each process that runs tests; a second and a half until it is up."""
    with running(needs(binaries(), "PostgreSQL (Debian and Ubuntu: apt-get install postgresql)")) as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    postgres_server.clear()
    return postgres_server.url()


@pytest.fixture(params=["duckdb", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of each kind."""
    if request.param == "duckdb":
        return Place("duckdb", str(tmp_path / "calls.duckdb"))
    return Place("postgresql", request.getfixturevalue("postgres"))
