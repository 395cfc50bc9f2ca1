"""What is particular to DuckDB: the file, its manifest, and who else has it open."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from databases import Place, Windows
from everycall import OutputFailed, OutputRefused
from everycall.api.query import Interval
from inprocess import manifest_of
from tables_in import evenly

DAY = datetime(2026, 1, 5, tzinfo=UTC)
WHOLE = Interval(DAY, DAY + timedelta(days=1))


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    """A day in one window."""
    found = Windows(tmp_path / "windows", WHOLE)
    found.load(WHOLE, evenly(20, DAY, WHOLE.end))
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main.duckdb"  # DuckDB calls the database `main`, as it calls its schema


def place(path: Path) -> Place:
    return Place("duckdb", str(path))


def published(path: Path, windows: Windows) -> Place:
    place(path).destination().publish(windows.finished())
    return place(path)


def test_the_manifest_lies_beside_the_file(path: Path, windows: Windows) -> None:
    published(path, windows)

    assert sorted(one.name for one in path.parent.iterdir()) == ["main.duckdb", "main.duckdb.manifest.json", "windows"]
    assert manifest_of(path)["rows"] == 20
    assert manifest_of(path)["query"]["format"] == "duckdb"


def test_only_its_owner_can_read_a_new_file(path: Path, windows: Windows) -> None:
    published(path, windows)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pandas_reads_it(path: Path, windows: Windows) -> None:
    published(path, windows)
    with duckdb.connect(str(path), read_only=True) as connection:
        frame: pd.DataFrame = connection.execute('SELECT "conversationStart", "divisionIds" FROM conversations').df()

    assert len(frame) == 20
    assert str(frame["conversationStart"].dtype).startswith("datetime64[")


def test_what_the_owner_added_stays(path: Path, windows: Windows) -> None:
    published(path, windows).execute("CREATE VIEW busy AS SELECT count(*) AS conversations FROM flat")
    windows.load(WHOLE, evenly(7, DAY, WHOLE.end))

    assert published(path, windows).query("SELECT * FROM busy") == [(7,)]


@contextmanager
def another_program(path: Path) -> Iterator[None]:
    """A program that has the file open."""
    script = "import duckdb, sys; open = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"open\n"
        yield
        program.communicate(timeout=60)


def test_a_file_that_another_program_has_open_is_refused(path: Path, windows: Windows) -> None:
    published(path, windows)
    with another_program(path), pytest.raises(OutputRefused) as refused:
        place(path).destination().check_content(windows.finished().header, is_repair=False)

    assert "Another program has" in str(refused.value)
    assert "Close it there" in refused.value.hint


def test_a_file_that_another_program_opens_in_the_meantime_waits_for_the_next_run(path: Path, windows: Windows) -> None:
    published(path, windows)
    windows.load(WHOLE, evenly(7, DAY, WHOLE.end))
    with another_program(path), pytest.raises(OutputFailed, match="Another program has"):
        published(path, windows)

    assert published(path, windows).query("SELECT count(*) FROM conversations") == [(7,)]


def test_another_file_is_refused_and_fresh_replaces_it(path: Path, windows: Windows) -> None:
    path.write_text("not a database" * 1000)
    with pytest.raises(OutputRefused, match="is no DuckDB file"):
        place(path).destination().check_content(windows.finished().header, is_repair=False)
    place(path).destination(is_fresh=True).publish(windows.finished())

    assert place(path).query("SELECT count(*) FROM conversations") == [(20,)]


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="does not exist"):
        place(tmp_path / "nowhere" / "x.duckdb").destination().check_place()


def test_nul_characters_are_kept(path: Path, windows: Windows) -> None:
    odd = evenly(1, DAY, WHOLE.end)
    odd[0]["participants"][0]["participantName"] = "Ann\0"
    windows.load(WHOLE, odd)

    assert published(path, windows).query('SELECT "participantName" FROM participants') == [("Ann\0",)]
