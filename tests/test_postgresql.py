"""What is particular to PostgreSQL: logins, schemas, what it refuses, and what its messages must not show."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from hypothesis import given
from hypothesis import strategies as st

from databases import Place, Windows, forms_of_databases
from everycall import OutputFailed
from everycall.api.query import Interval
from everycall.sandbox import Sandbox, server
from everycall.sinks.postgresql import REPLACEMENT, PostgresConnection, PostgresDestination, opened, without_nul
from everycall.sinks.postgresql_address import parse
from inprocess import manifest_of
from postgres_server import PostgresServer
from tables_in import conversation, evenly

DAY = datetime(2026, 1, 5, tzinfo=UTC)
WHOLE = Interval(DAY, DAY + timedelta(days=1))
SECRET = "secret-cell-4711"


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    """A day in one window."""
    found = Windows(tmp_path / "windows", WHOLE)
    found.load(WHOLE, evenly(20, DAY, WHOLE.end))
    return found


@pytest.fixture
def calls(postgres: str) -> Place:
    return Place("postgresql", postgres)


def published(calls: Place, windows: Windows) -> Place:
    calls.destination().publish(windows.finished())
    return calls


def failure(place: Place, windows: Windows) -> OutputFailed:
    with pytest.raises(OutputFailed) as caught:
        place.destination().publish(windows.finished())
    return caught.value


# Where the tables are


def test_the_search_path_of_the_connection_names_the_schema(
    postgres_server: PostgresServer, postgres: str, windows: Windows
) -> None:
    Place("postgresql", f"{postgres}&options=-csearch_path%3Dreporting").destination().publish(windows.finished())

    assert postgres_server.psql("SELECT count(*) FROM reporting.conversations") == "20"
    assert postgres_server.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'everycall'") == "0"


def test_conversations_and_owner_times_have_an_index(
    postgres_server: PostgresServer, calls: Place, windows: Windows
) -> None:
    published(calls, windows)
    indexes = postgres_server.psql("SELECT indexdef FROM pg_indexes WHERE tablename = 'segments'")

    assert '("conversationId")' in indexes
    assert '("ownerTime")' in indexes


def test_psql_and_pandas_read_it(postgres_server: PostgresServer, calls: Place, windows: Windows) -> None:
    published(calls, windows)
    with dbapi.connect(calls.output) as connection:
        frame = pd.read_sql('SELECT "conversationStart" FROM everycall.conversations', connection)

    assert str(frame["conversationStart"].dtype).endswith("UTC]")
    assert postgres_server.psql("SELECT count(*) FROM everycall.flat") == str(len(frame)) == "20"


# What it cannot take


def test_a_nul_character_is_replaced_and_counted(calls: Place, windows: Windows) -> None:
    odd = conversation(1, DAY)
    odd["participants"][0]["participantName"] = "Ann\0\0"
    windows.load(WHOLE, [odd])
    manifest = calls.destination().publish(windows.finished())

    assert calls.query('SELECT "participantName" FROM participants') == [(f"Ann{REPLACEMENT * 2}",)]
    assert manifest.oddities == {"NUL character, replaced: participants.participantName": 2}


@given(st.lists(st.none() | st.text(st.sampled_from("ab\0"), max_size=4)), st.integers(0, 3))
def test_nul_characters_are_replaced_wherever_they_stand(texts: list[str | None], start: int) -> None:
    """Also in a slice of a longer column, and in lists."""
    column = pa.array(texts, pa.string()).slice(start)
    found, count = without_nul(column)

    assert found.to_pylist() == [text and text.replace("\0", REPLACEMENT) for text in texts[start:]]
    assert count == sum((text or "").count("\0") for text in texts[start:])


@given(st.lists(st.none() | st.lists(st.text(st.sampled_from("ab\0"), max_size=2), min_size=1), min_size=1))
def test_nul_characters_in_lists_are_replaced(lists: list[list[str] | None]) -> None:
    found, _ = without_nul(pa.array(lists, pa.list_(pa.string())))

    assert found.to_pylist() == [
        None if one is None else [text.replace("\0", REPLACEMENT) for text in one] for one in lists
    ]


# Errors


def test_an_error_shows_state_table_and_constraint_and_no_cell(calls: Place, windows: Windows) -> None:
    published(calls, windows)
    calls.execute('ALTER TABLE participants ADD CONSTRAINT known CHECK ("participantName" IS NULL)')
    odd = conversation(1, DAY)
    odd["participants"][0]["participantName"] = SECRET
    windows.load(WHOLE, [odd])
    error = failure(calls, windows)

    assert "SQLSTATE 23514, table participants, constraint known" in str(error)
    assert SECRET not in f"{error} {error.hint} {error.__cause__}"


def test_a_cell_that_does_not_fit_a_changed_column_is_not_shown(calls: Place, windows: Windows) -> None:
    published(calls, windows)
    calls.execute("DROP VIEW flat_from_tables")  # which reads the column
    calls.execute('ALTER TABLE participants ALTER "participantName" TYPE varchar(3)')
    odd = conversation(1, DAY)
    odd["participants"][0]["participantName"] = SECRET
    windows.load(WHOLE, [odd])
    error = failure(calls, windows)

    assert "SQLSTATE 22001" in str(error)
    assert "column participantName" in str(error)
    assert SECRET not in f"{error} {error.hint} {error.__cause__}"


def test_a_missing_permission_is_named_with_what_to_grant(
    postgres_server: PostgresServer, postgres: str, windows: Windows
) -> None:
    postgres_server.psql("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    error = failure(Place("postgresql", postgres_server.url("reader")), windows)

    assert "permission denied for database postgres (SQLSTATE 42501)" in str(error)
    assert "GRANT CREATE ON DATABASE" in error.hint


def test_a_server_that_is_away_is_named_with_what_to_do(tmp_path: Path, windows: Windows) -> None:
    error = failure(Place("postgresql", f"postgresql://ann@/calls?host={tmp_path}"), windows)

    assert "postgresql://ann@/calls?host=" in str(error)
    assert "cannot be reached: connection to server on socket" in str(error)
    assert "run the same command: it resumes" in error.hint


def test_a_connection_that_is_lost_in_the_middle_leaves_whole_windows(calls: Place, windows: Windows) -> None:
    published(calls, windows)
    before = calls.content()
    end_connections_at(calls, "metrics")
    windows.load(WHOLE, evenly(7, DAY, WHOLE.end))
    error = failure(calls, windows)

    assert "was lost" in str(error)
    assert calls.content() == before
    calls.execute("DROP TRIGGER lost ON metrics")
    calls.destination().publish(windows.finished())
    assert calls.query("SELECT count(*) FROM conversations") == [(7,)]


def end_connections_at(calls: Place, table: str) -> None:
    """Let the server end the connection that writes to this table."""
    calls.execute(
        "CREATE FUNCTION everycall.lose() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    calls.execute(f"CREATE TRIGGER lost BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION everycall.lose()")


def test_two_exports_do_not_write_to_one_schema_at_the_same_time(calls: Place, windows: Windows) -> None:
    with opened(parse(calls.output)) as other:
        assert other.lock()
        with pytest.raises(OutputFailed, match="Another export is just being written"):
            postgresql(calls, lock_wait_s=0.1).publish(windows.finished())


def postgresql(place: Place, lock_wait_s: float) -> PostgresDestination:
    return PostgresDestination(parse(place.output), forms_of_databases(), lock_wait_s=lock_wait_s)


def test_the_session_of_a_run_that_was_killed_is_waited_for(
    postgres_server: PostgresServer, calls: Place, windows: Windows
) -> None:
    """The server ends such a session only when it is done with its statement."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    with opened(parse(calls.output)) as killed, ThreadPoolExecutor() as threads:
        assert killed.lock()
        publishing = threads.submit(postgresql(calls, lock_wait_s=60).publish, windows.finished())
        while postgres_server.psql(waiting) == "0" and not publishing.done():
            pass
        killed.close()
        manifest = publishing.result()

    assert manifest.verdict == "proven"
    assert calls.query("SELECT count(*) FROM conversations") == [(20,)]


class Broken:
    """A connection whose results break off in a way that the driver has no error for."""

    def cursor(self) -> "Broken":
        return self

    def __enter__(self) -> "Broken":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be closed."""

    def execute(self, statement: str) -> None:
        """All is well so far."""

    def fetchall(self) -> list[tuple[object, ...]]:
        raise pa.ArrowInvalid("the stream ended")


def test_a_result_that_breaks_off_is_an_error_of_the_connection() -> None:
    with pytest.raises(dbapi.OperationalError, match="the stream ended"):
        PostgresConnection(cast("Any", Broken()))


@pytest.mark.parametrize(
    ("state", "message", "hint"),
    [
        ("40001", "takes no rows (SQLSTATE 40001)", "Wait until the other program is done, and run"),
        ("57P02", "was lost (SQLSTATE 57P02)", "Wait until the server is up again, and run"),
        ("25P03", "was lost (SQLSTATE 25P03)", "Give the user a longer idle_in_transaction_session_timeout"),
        ("08006", "was lost (SQLSTATE 08006)", "Check that the server is up, and run"),
        ("42P01", "takes no rows (SQLSTATE 42P01)", "Undo what was changed in the tables"),
    ],
)
def test_the_hint_of_an_error_is_its_next_step(calls: Place, state: str, message: str, hint: str) -> None:
    with pytest.raises(OutputFailed) as caught, opened(parse(calls.output)) as database:
        database.execute(f"DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '{state}'; END $$")

    assert str(caught.value).endswith(f"{message}.")
    assert caught.value.hint.startswith(hint)


# The command


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with server(conversations_per_day=20, flat=True, rate_limit=1_000_000) as running:
        yield running


def everycall(
    sandbox: Sandbox, *arguments: str, environ: Mapping[str, str] = {}, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "everycall", *arguments]
    environ = {**os.environ, **sandbox.environ, **environ}
    return subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def secretive(postgres_server: PostgresServer) -> str:
    """The URL of a user who needs the password `pw-4711`."""
    postgres_server.clear()
    postgres_server.psql(
        "DROP OWNED BY secretive" if postgres_server.psql("SELECT 1 FROM pg_roles WHERE rolname = 'secretive'") else "",
        "DROP ROLE IF EXISTS secretive",
        "CREATE ROLE secretive LOGIN PASSWORD 'pw-4711'",
        "GRANT CREATE ON DATABASE postgres TO secretive",
    )
    return postgres_server.url("secretive")


def test_a_password_in_the_address_is_refused(sandbox: Sandbox) -> None:
    done = everycall(sandbox, "export", "--last", "1d", "-o", "postgresql://ann:pw-4711@localhost/calls")

    assert done.returncode == 2
    assert "PGPASSWORD" in done.stderr
    assert "4711" not in done.stdout + done.stderr


def test_a_wrong_password_is_named_before_the_api_is_asked(sandbox: Sandbox, secretive: str, tmp_path: Path) -> None:
    asked = len(sandbox.requests)
    done = everycall(sandbox, "export", "-o", secretive, cwd=tmp_path, environ={"PGPASSWORD": "pw-0815"})

    assert "password authentication failed" in done.stderr
    assert "~/.pgpass" in done.stderr
    assert "0815" not in done.stderr
    assert not [one for one in list(sandbox.requests)[asked:] if "query" in one.path]


def test_the_password_comes_from_the_environment(
    sandbox: Sandbox, secretive: str, postgres_server: PostgresServer, output: Path
) -> None:
    arguments = ["export", "--interval", "2026-01-05/P1D", "-o", secretive, "-o", str(output), "--quiet"]
    done = everycall(sandbox, *arguments, environ={"PGPASSWORD": "pw-4711"})

    assert (done.returncode, done.stderr) == (0, "")
    assert postgres_server.psql("SELECT count(*) FROM everycall.flat") == "20"
    assert "4711" not in postgres_server.psql("SELECT value FROM everycall.everycall_export")
    assert manifest_of(output)["rows"] == 20


def test_a_service_file_says_where_the_database_is(
    sandbox: Sandbox, secretive: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    file = tmp_path / "services"
    file.write_text(f"[warehouse]\nhost={postgres_server.folder}\nuser=secretive\npassword=pw-4711\ndbname=postgres\n")
    arguments = ["export", "--interval", "2026-01-05/P1D", "-o", "service=warehouse", "-o", str(tmp_path / "x.csv")]
    done = everycall(sandbox, *arguments, environ={"PGSERVICEFILE": str(file)})

    assert done.returncode == 0, done.stderr
    assert postgres_server.psql("SELECT count(*) FROM everycall.conversations") == "20"


def test_a_server_that_goes_away_leaves_the_file_and_the_same_command_goes_on(
    sandbox: Sandbox, calls: Place, output: Path
) -> None:
    arguments = ["export", "--interval", "2026-01-05/P1D", "-o", calls.output, "-o", str(output)]
    assert everycall(sandbox, *arguments).returncode == 0
    end_connections_at(calls, "metrics")
    calls.execute("DELETE FROM everycall_windows")
    output.unlink()
    failed = everycall(sandbox, *arguments)
    asked = len(sandbox.requests)
    calls.execute("DROP TRIGGER lost ON metrics")
    done = everycall(sandbox, *arguments)

    assert "was lost" in failed.stderr
    assert output.exists()
    assert done.returncode == 0, done.stderr
    assert not [one for one in list(sandbox.requests)[asked:] if one.path.endswith("/query")]
    assert calls.query("SELECT count(*) FROM conversations") == [(20,)]


def test_an_unfinished_export_to_one_database_does_not_hinder_one_to_another(
    sandbox: Sandbox, calls: Place, tmp_path: Path
) -> None:
    """Without a file among the outputs, both have their ledger in the working directory."""
    published_once = ["export", "--interval", "2026-01-05/P1D", "-o"]
    assert everycall(sandbox, *published_once, calls.output, cwd=tmp_path).returncode == 0
    end_connections_at(calls, "metrics")
    calls.execute("DELETE FROM everycall_windows")
    assert everycall(sandbox, *published_once, calls.output, cwd=tmp_path).returncode == 5
    unfinished = list(tmp_path.glob("*.everycall"))
    calls.execute("DROP TRIGGER lost ON metrics")
    other = everycall(sandbox, *published_once, f"{calls.output}&user=everycall", cwd=tmp_path)

    assert other.returncode == 0, other.stderr
    assert list(tmp_path.glob("*.everycall")) == unfinished != []
