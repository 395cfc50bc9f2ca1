"""The command line as people meet it: arguments in; exit code, standard output and standard error out.

Most commands run in this process; those that need a signal, a limit of the system or closed streams run in one of
their own. All of them speak to a sandbox through a real port.
"""

import csv
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from everycall.api.retention import RETENTION_PATH
from everycall.cli.commands import run
from everycall.lock import Lock
from everycall.printable import printable
from everycall.sandbox import QUERY, Sandbox, Switches, server
from everycall.sandbox import Client as SandboxClient

TODAY = datetime.now(UTC).date()
MONDAY = TODAY - timedelta(days=TODAY.weekday() + 14)
"""A day that is settled, and that the sandbox still remembers."""

DAY = f"{MONDAY}/P1D"
MONTH = f"{MONDAY - timedelta(days=28)}/{MONDAY}"
LAST_WEEK_OF_IT = f'"interval":"{MONDAY - timedelta(days=7)}T'.encode()
HEADER = "conversationId,channel,startTime,endTime,duration,queueName,agentName,disposition"

HOLDS_S = 60.0
"""How long a command of its own may take before the test gives it up; most are done in a second."""


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with server(conversations_per_day=60, rate_limit=100_000) as running:
        yield running


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox for one test, which may do to it what it likes."""
    with server(conversations_per_day=60, rate_limit=100_000) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Sandbox) -> Path:
    """An empty folder to stand in, and the shared sandbox's variables around it."""
    monkeypatch.chdir(tmp_path)
    around(monkeypatch, shared.environ)
    return tmp_path


def around(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def cli(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Runs a command in this process."""

    def cli(*arguments: str) -> Result:
        capfdbinary.readouterr()
        code = run(arguments)
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return cli


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "everycall", *arguments]


def started(*arguments: str, environ: dict[str, str], shell: str = "", **options: Any) -> Result:
    """Runs a command in a process of its own; `shell` is a line of it around the command, which it calls "$@"."""
    argv = ["/bin/sh", "-c", shell, "sh", *command(*arguments)] if shell else command(*arguments)
    done = subprocess.run(
        argv, env={**os.environ, **environ}, capture_output=True, timeout=HOLDS_S, check=False, **options
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def under_way(*arguments: str, environ: dict[str, str]) -> "Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]":
    """A command in a process of its own while it runs, and its standard error. It does not outlive the block."""
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where nohup started the tests, it would ignore SIGHUP, too
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, env=os.environ | environ) as running:
        signal.signal(signal.SIGHUP, ours)
        too_long = threading.Timer(HOLDS_S, running.kill)
        too_long.start()
        try:
            assert running.stderr
            yield running, running.stderr
        finally:
            too_long.cancel()
            running.kill()


def truth(where: Sandbox, interval: str = "") -> list[str]:
    found = where.store.conversations(interval or f"{MONDAY}T00:00:00Z/{MONDAY + timedelta(days=1)}T00:00:00Z")
    return sorted(one["conversationId"] for one in found)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ids(text: str) -> list[str]:
    return sorted(row["conversationId"] for row in csv.DictReader(io.StringIO(text, newline="")))


def hint_of(result: Result) -> str:
    """The next step that a failure brings; there is one, and nothing of Python's own."""
    assert "Traceback" not in result.err
    assert "unexpected" not in result.err
    found = re.search(r"^error: .+\n\nhint: (.+)", result.err, re.MULTILINE)
    assert found, result.err
    return found[1]


# 0: complete and proven


def test_an_export_of_the_sandbox_is_proven(cli: Cli, folder: Path, shared: Sandbox) -> None:
    code, out, err = cli("export", "--interval", DAY, "-o", "x.csv")

    rows = len(truth(shared))
    assert (code, out) == (0, "")
    assert re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z|[\d.]+ s$|[\d.]+ kB|requests +\d+", "*", err, flags=re.MULTILINE) == (
        f"exporting {MONDAY} to {MONDAY + timedelta(days=1)} UTC\n"
        f"{MONDAY} to {MONDAY + timedelta(days=1)} UTC: {rows} rows, proven\n"
        f"Proven: {rows} conversations, none missing and none twice, as of *.\n"
        "\n"
        f"  source      {shared.url}\n"
        f"  interval    {MONDAY} to {MONDAY + timedelta(days=1)} UTC, in 1 window\n"
        "  *, at most 100000 a minute allowed; 0 answered 429, 0 tried again\n"
        "  took        *\n"
        "  rows        x.csv (*)\n"
        "  manifest    x.csv.manifest.json\n"
    )
    assert names(folder) == ["x.csv", "x.csv.manifest.json"]
    assert ids((folder / "x.csv").read_text()) == truth(shared)


def test_rows_and_nothing_else_go_to_standard_output(cli: Cli, folder: Path, shared: Sandbox) -> None:
    code, out, err = cli("export", "--interval", DAY, "-o", "-")

    assert code == 0
    assert out.startswith(HEADER + "\n")
    assert ids(out) == truth(shared)
    assert "Proven: " in err
    assert names(folder) == []


def test_the_stream_and_the_file_are_the_same_bytes(cli: Cli, folder: Path) -> None:
    streamed = cli("export", "--interval", DAY, "-o", "-", "--view", "extended").out

    cli("export", "--interval", DAY, "-o", "x.csv", "--view", "extended")

    assert (folder / "x.csv").read_text() == streamed


def test_quiet_prints_nothing_when_nothing_is_wrong(cli: Cli) -> None:
    assert cli("export", "--interval", DAY, "-o", "x.csv", "--quiet") == (0, "", "")
    assert cli("export", "--interval", DAY, "-o", "-", "--quiet")[::2] == (0, "")


def test_json_is_the_manifest_and_more_on_standard_output(cli: Cli, folder: Path, shared: Sandbox) -> None:
    code, out, _ = cli("export", "--interval", DAY, "-o", "x.csv", "--json")

    printed, manifest = json.loads(out), json.loads((folder / "x.csv.manifest.json").read_text())
    assert code == 0
    assert (printed["verdict"], printed["rows"], printed["source"]) == ("proven", len(truth(shared)), shared.url)
    assert printed["requests"] >= 3
    assert manifest.items() <= printed.items()


def test_with_rows_on_standard_output_json_is_all_of_standard_error(cli: Cli, shared: Sandbox) -> None:
    code, out, err = cli("export", "--interval", DAY, "-o", "-", "--json")

    assert code == 0
    assert ids(out) == truth(shared)
    assert json.loads(err)["rows"] == len(truth(shared))


def test_running_a_finished_export_again_replaces_it(cli: Cli, folder: Path) -> None:
    cli("export", "--interval", DAY, "-o", "x.csv")
    before = (folder / "x.csv").read_bytes()

    assert cli("export", "--interval", DAY, "-o", "x.csv").code == 0

    assert (folder / "x.csv").read_bytes() == before


def test_columns_are_written_in_the_order_of_the_option(cli: Cli) -> None:
    out = cli("export", "--interval", DAY, "-o", "-", "--columns", "queueName, conversationid").out

    assert out.partition("\n")[0] == "queueName,conversationId"


def test_a_plan_goes_to_standard_output(cli: Cli, shared: Sandbox) -> None:
    code, out, err = cli("plan", "--interval", DAY)

    assert (code, err) == (0, "")
    assert f"{len(truth(shared))} conversations in 1 window from {shared.url}" in out


def test_the_plan_as_json_counts_what_an_export_asks(cli: Cli, own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    around(monkeypatch, own.environ)
    plan = json.loads(cli("plan", "--interval", MONTH, "--json").out)
    before = sum(served.path == QUERY for served in own.requests)

    cli("export", "--interval", MONTH)

    assert before == len(plan["windows"])
    assert sum(served.path == QUERY for served in own.requests) - before == plan["requests"]


def test_help_and_version_exit_with_0(cli: Cli) -> None:
    assert cli("--version").code == cli("--help").code == cli("export", "--help").code == cli().code == 0
    assert "Every Genesys Cloud conversation" in cli("--help").out


# 5: an output failed


def test_a_full_disk_ends_an_export_with_a_message_and_leaves_no_file(folder: Path, shared: Sandbox) -> None:
    result = started(
        "export", "--interval", DAY, "-o", "x.csv", shell='ulimit -f 4; exec "$@"', environ=shared.environ, cwd=folder
    )  # fmt: skip

    assert result.code == 5
    assert "Writing failed: File too large" in result.err
    assert hint_of(result).startswith("Raise the limit (ulimit -f), and run the same command")
    assert names(folder) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["export", "--interval", DAY, "-o", "-"], 5), (["plan", "--interval", DAY], 1), (["--help"], 1)],
)
def test_a_full_standard_output_is_an_error_without_a_traceback(
    arguments: list[str], code: int, shared: Sandbox
) -> None:
    result = started(*arguments, shell='"$@" >/dev/full', environ=shared.environ)

    assert result.code == code
    assert re.search("The disk is full|No space left on device", result.err)
    assert hint_of(result)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["--json", "-o", "x.csv"], ["--quiet", "-o", "-"]])
def test_an_unproven_export_exits_with_4_even_if_standard_output_is_full(
    arguments: list[str], own: Sandbox, folder: Path
) -> None:
    own.faults.on(None, "total_hits", path=QUERY, off=3)

    result = started(
        "export", "--interval", DAY, *arguments, shell='"$@" >/dev/full', environ=own.environ, cwd=folder
    )  # fmt: skip

    assert result.code == (4 if "--json" in arguments else 5)  # rows that were not written are worse
    assert "Traceback" not in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(("code", "expected"), [(0, 1), (4, 4), (5, 5)])
def test_a_process_that_cannot_flush_keeps_its_exit_code(code: int, expected: int) -> None:
    program = "import sys; from everycall.cli.process import leave; sys.stdout = open(1, 'w'); "
    program += f"sys.stdout.write('x'); leave({code})"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False, timeout=HOLDS_S
        )

    assert (done.returncode, done.stderr) == (expected, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--interval", MONTH, "-o", "-", "--quiet"],
        ["plan", "--interval", MONTH],
        ["plan", "--interval", DAY, "--json"],
        ["--help"],
        ["--version"],
    ],
)
def test_a_program_that_stops_reading_ends_the_command_silently(arguments: list[str], shared: Sandbox) -> None:
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        command(*arguments), stdout=write, stderr=subprocess.PIPE, env=os.environ | shared.environ, check=False,
        timeout=HOLDS_S,
    )  # fmt: skip
    os.close(write)

    assert (done.returncode, done.stderr) == (141, b"")


def test_head_can_take_the_first_line_of_an_export(shared: Sandbox) -> None:
    result = started(
        "export", "--interval", DAY, "-o", "-", "--quiet", shell='"$@" | head -1', environ=shared.environ
    )  # fmt: skip

    assert result == (0, HEADER + "\n", "")


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_standard_streams_do_not_disturb_an_export(streams: str, folder: Path, shared: Sandbox) -> None:
    shell = f'"$@" {streams}'

    result = started(
        "export", "--interval", DAY, "-o", "x.csv", shell=shell, environ=shared.environ, cwd=folder
    )  # fmt: skip

    assert result.code == 0
    assert "Traceback" not in result.err
    assert ids((folder / "x.csv").read_text()) == truth(shared)


def test_rows_for_a_closed_standard_output_are_refused(shared: Sandbox) -> None:
    result = started("export", "--interval", DAY, "-o", "-", shell='"$@" >&-', environ=shared.environ)

    assert result.code == 5
    assert "Bad file descriptor" in result.err
    assert hint_of(result)


# 2: wrong usage, and what the API refuses


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bogus"], "everycall has no command 'bogus'."),
        (["export", "--bogus"], "everycall export has no option --bogus."),
        (["export", "--queue", "Back", "Office"], "'Office' does not belong to an option."),
        (["bogus", "--help"], "everycall has no command 'bogus'."),
        (["exprot"], "everycall has no command 'exprot'."),
        (["--bogus"], "everycall has no option '--bogus'."),
        (["export", "foo.csv"], "'foo.csv' does not belong to an option."),
        (["export", "-"], "'-' does not belong to an option."),
        (["export", "--quiet=1"], "--quiet takes no value."),
        (["export", "--last", "1d", "--last", "2d"], "--last is given twice."),
        (["export", "--last", "--quiet"], "--last is followed by '--quiet', which looks like an option."),
        (["export", "--last"], "--last needs a value."),
        (["verify"], "everycall verify needs the file of a finished export."),
        (["export", "--last", ""], "--last is empty."),
        (["export", "--last", "0d"], "The interval is empty"),
        (["export", "--last", "99999999999d"], "'99999999999d' is not a duration that can be added"),
        (["export", "--last", "soon"], "'soon' is not a duration."),
        (["export", "--interval", "2026-01-06/2026-01-05"], "The interval runs backwards"),
        (["export", "--interval", "2026-01-05/2026-01-05"], "The interval is empty"),
        (["export", "--interval", "2999-01-05"], "is in the future"),
        (["export", "--interval", "2026-13-45"], "'2026-13-45' is not an ISO 8601 date or instant."),
        (["export", "--timezone", "Europe/Berln"], "'Europe/Berln' is not a time zone."),
        (["export", "--media", "fax"], "'fax' is not a media type."),
        (["export", "--direction", "up"], "'up' is not a direction."),
        (["export", "--queue", "Nonsense"], "The org has no queue called 'Nonsense'."),
        (["export", "--user", "nobody@nowhere"], "The org has no user called 'nobody@nowhere'."),
        (["export", "--columns", "nope"], "There is no column 'nope'."),
        (["export", "--columns", ","], "--columns has an empty name."),
        (["export", "--view", "wide"], "--view is 'wide'."),
        (["export", "--format", "clay"], "--format is 'clay'."),
        (["export", "--page-size", "0"], "--page-size is 0."),
        (["export", "--page-size", "101"], "--page-size is 101."),
        (["export", "--page-size", "1.5"], "--page-size is 1.5."),
        (["export", "--max-pages", "0"], "--max-pages is 0."),
        (["export", "--rate-share", "0"], "--rate-share is 0."),
        (["export", "--rate-share", "2"], "--rate-share is 2."),
        (["export", "--rate-share", "nan"], "--rate-share is nan."),
        (["export", "--timeout", "0"], "--timeout is 0."),
        (["export", "--timeout", "inf"], "--timeout is inf."),
        (["export", "--filter", "missing.json"], "--filter missing.json cannot be read"),
        (["plan", "--page-size", "500"], "--page-size is 500."),
        (["plan", "--max-pages", "5"], "everycall plan has no option --max-pages."),
    ],
)
def test_wrong_usage_is_refused_with_the_next_step(
    arguments: list[str], complaint: str, cli: Cli, folder: Path, shared: Sandbox
) -> None:
    asked = len([served for served in shared.requests if served.path == QUERY])

    result = cli(*arguments)

    assert (result.code, result.out) == (2, "")
    assert complaint in result.err
    assert hint_of(result)
    assert names(folder) == []
    assert len([served for served in shared.requests if served.path == QUERY]) == asked


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("", "--output is empty."),
        (".", ". is a folder."),
        ("..", ".. is a folder."),
        ("/", "/ is a folder."),
        ("sub", "sub is a folder."),
        ("new/", "new/ is a folder."),
        ("-x.csv", "--output is followed by '-x.csv', which looks like an option."),
        ("x.docx", "The ending of 'x.docx' belongs to no format of everycall."),
        ("missing/x.csv", "The folder missing does not exist."),
        ("a.csv/x.csv", "a.csv is not a folder."),
        ("a.csv", "a.csv exists, and everycall did not export it."),
        ("pipe", "pipe is a device or a pipe"),
        ("/dev/null", "/dev/null is a device or a pipe"),
        ("/dev/stdout", "/dev/stdout is a device or a pipe"),
        ("x" * 245 + ".csv", "File name too long"),
        ("x" * 300, "File name too long"),
    ],
)
@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_asked(
    output: str, complaint: str, fresh: list[str], cli: Cli, folder: Path, shared: Sandbox
) -> None:
    """Even where it is to be replaced: a device is never put aside for a file."""
    (folder / "sub").mkdir()
    (folder / "a.csv").write_text("mine")
    os.mkfifo(folder / "pipe")
    asked = len(shared.requests)

    result = cli("export", "--interval", DAY, "-o", output, *fresh)

    if output == "a.csv" and fresh:
        assert result.code == 0
        return
    assert (result.code, result.out) == (2, "")
    assert complaint in result.err
    assert hint_of(result)
    assert len(shared.requests) == asked
    assert names(folder) == ["a.csv", "pipe", "sub"]
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["export", "foo.csv"], "To write to it: -o foo.csv"),
        (["export", "-"], "To write to it: -o -"),
        (["export", "--que", "x"], "Did you mean --queue? everycall export --help lists its options."),
        (["plan", "--bogus"], "everycall plan --help lists its options."),
        (["exprot"], "Did you mean export?"),
        (["verify"], "everycall verify conversations.csv"),
        (["export", "--queue", "Back", "Office"], "Quote values with spaces"),
        (["export", "--page-size", "0"], "Give a whole number from 1 to 100."),
        (["export", "--rate-share", "2"], "Give a number above 0 up to 1."),
        (["export", "--view", "wide"], "Give default or extended."),
    ],
)
def test_a_usage_error_suggests_the_right_usage(arguments: list[str], hint: str, cli: Cli) -> None:
    assert hint_of(cli(*arguments)).startswith(hint)


def test_a_folder_in_the_place_of_the_manifest_is_refused_before_anything_is_asked(
    cli: Cli, folder: Path, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, own.environ)
    (folder / "x.csv.manifest.json").mkdir()

    result = cli("export", "--interval", DAY, "-o", "x.csv")

    assert result.code == 2
    assert "x.csv.manifest.json is a folder" in result.err
    assert hint_of(result)
    assert len(own.requests) == 0


def test_another_query_on_the_same_output_is_refused(cli: Cli, folder: Path) -> None:
    cli("export", "--interval", DAY, "-o", "x.csv")
    before = (folder / "x.csv").read_bytes()

    result = cli("export", "--interval", DAY, "-o", "x.csv", "--media", "chat")

    assert result.code == 2
    assert "x.csv contains another export" in result.err
    assert (folder / "x.csv").read_bytes() == before
    assert hint_of(result)


def test_the_message_of_the_api_is_shown_where_it_refuses_a_query(cli: Cli, folder: Path) -> None:
    (folder / "f.json").write_text(
        json.dumps({"segmentFilters": [{"type": "and", "predicates": [{"dimension": "nonsense", "value": "x"}]}]})
    )

    result = cli("export", "--interval", DAY, "--filter", "f.json")

    assert result.code == 2
    assert "The API refused the request (400" in result.err
    assert "nonsense" in result.err
    assert "ININ-Correlation-Id" in result.err
    assert names(folder) == ["f.json"]


# 3: credentials and permission


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"GENESYS_CLIENT_SECRET": "wrong"}, "refused (401): authentication failed"),
        ({"GENESYS_CLIENT_ID": "00000000-0000-4000-8000-000000000000"}, "refused (400): client not found"),
        ({"GENESYS_CLIENT_SECRET": ""}, "GENESYS_CLIENT_SECRET is not set."),
        ({"GENESYS_CLIENT_ID": "", "GENESYS_ENV": " "}, "GENESYS_CLIENT_ID and GENESYS_ENV are not set."),
    ],
)
def test_wrong_credentials_are_refused(
    changed: dict[str, str], complaint: str, cli: Cli, shared: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {**shared.environ, **changed})

    result = cli("export", "--interval", DAY)

    assert (result.code, result.out) == (3, "")
    assert complaint in result.err
    assert hint_of(result)
    assert names(folder) == []


def test_a_missing_permission_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(clients=[SandboxClient("someone", "secret", permissions=frozenset())]) as running:
        around(monkeypatch, running.environ)
        result = cli("export", "--interval", DAY)

    assert result.code == 3
    assert "analytics:conversationDetail:view" in result.err
    assert "permission" in hint_of(result)


# 4: finished, but not proven


def test_a_safety_stop_is_not_proven(cli: Cli, folder: Path) -> None:
    result = cli("export", "--interval", MONTH, "-o", "x.csv", "--max-pages", "3", "--page-size", "10")

    assert result.code == 4
    assert result.err.count("--max-pages was reached") > 0
    assert "NOT PROVEN: " in result.err
    assert json.loads((folder / "x.csv.manifest.json").read_text())["verdict"] == "unproven"


def test_an_export_whose_count_stays_wrong_is_not_proven(
    cli: Cli, own: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, own.environ)
    own.faults.on(None, "total_hits", path=QUERY, off=3)

    result = cli("export", "--interval", DAY, "-o", "x.csv", "--quiet")

    assert result == (4, "", "note: not proven complete: 1 window.\n")
    assert ids((folder / "x.csv").read_text()) == truth(own)


# 5: the network and the service


@pytest.mark.parametrize("fault", [{"kind": "html", "status": 302}, {"kind": "html", "status": 501}])
def test_an_export_from_something_that_is_not_the_api_fails(
    fault: dict[str, Any], cli: Cli, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, own.environ)
    own.faults.on(None, path=QUERY, **fault)

    result = cli("export", "--interval", DAY)

    assert result.code == 5
    assert f"The service answered {fault['status']}, and a retry would not help" in result.err
    assert "GENESYS_ENV" in hint_of(result)


# 130: interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_export_reports_what_is_kept_and_resumes_there(
    number: int, cli: Cli, own: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, own.environ)
    cli("export", "--interval", MONTH, "-o", "undisturbed.csv")
    own.faults.on(lambda request: LAST_WEEK_OF_IT in request.body, "hang", path=QUERY)
    arguments = ("export", "--interval", MONTH, "-o", "x.csv")

    with under_way(*arguments, environ=own.environ) as (running, stderr):
        result = [next(stderr) for _ in range(4)]  # the beginning, and three of four windows
        seen = Path(f"/proc/{running.pid}/cmdline")
        if seen.exists():
            assert own.client_secret.encode() not in seen.read_bytes()
        running.send_signal(number)
        result += stderr.readlines()
        assert running.wait() == 130

    assert result[4:7] == [b"error: Interrupted.\n", b"\n", result[6]], result
    assert b"hint: 75% of the interval is kept" in result[6]
    assert not (folder / "x.csv").exists()

    own.faults.clear()
    again = cli(*arguments)
    assert again.code == 0
    assert "75% of it done before" in again.err
    assert (folder / "x.csv").read_bytes() == (folder / "undisturbed.csv").read_bytes()
    assert not (folder / "x.csv.everycall").exists()


def test_a_second_ctrl_c_does_not_disturb_the_cleanup(own: Sandbox, folder: Path) -> None:
    own.faults.on(lambda request: LAST_WEEK_OF_IT in request.body, "hang", path=QUERY)

    with under_way("export", "--interval", MONTH, "-o", "x.csv", environ=own.environ) as (running, stderr):
        for _ in range(4):
            next(stderr)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            running.send_signal(number)
        err = stderr.read()
        assert running.wait() == 130

    assert err.startswith(b"error: Interrupted.")
    assert b"Traceback" not in err
    assert "ledger.jsonl" in names(folder / "x.csv.everycall")


def test_an_interrupted_export_to_standard_output_reports_that_it_starts_over(own: Sandbox) -> None:
    own.faults.on(lambda request: LAST_WEEK_OF_IT in request.body, "hang", path=QUERY)

    with under_way("export", "--interval", MONTH, "-o", "-", environ=own.environ) as (running, stderr):
        for _ in range(4):
            next(stderr)
        running.send_signal(signal.SIGINT)
        err = stderr.read()
        assert running.wait() == 130

    assert err.endswith(
        b"hint: An export to standard output cannot be continued: the same command starts from the beginning.\n"
    )


# verify: 0, 4, and the rest as ever


def weeks(first: int, last: int) -> str:
    """The interval between those days before the Monday, with all that the API asks for."""
    return "/".join(f"{MONDAY - timedelta(days=days)}T00:00:00.000Z" for days in (first, last))


@pytest.fixture
def exported(cli: Cli, own: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished export of four weeks, in a folder of its own, out of a sandbox of its own."""
    around(monkeypatch, own.environ)
    assert cli("export", "--interval", MONTH, "-o", "x.csv").code == 0
    return folder / "x.csv"


@pytest.fixture
def outdated(cli: Cli, own: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, but one conversation of the second week was not known to the API by then."""
    around(monkeypatch, own.environ)
    late = own.store.conversations(weeks(21, 14))[30]["conversationId"]
    own.faults.on(None, "unseen", path=QUERY, conversation_id=late)
    assert cli("export", "--interval", MONTH, "-o", "x.csv").code == 0
    own.faults.clear()
    return folder / "x.csv"


def test_verify_reports_that_an_export_holds(cli: Cli, exported: Path) -> None:
    assert cli("verify", "x.csv") == (0, "", "Holds: all of x.csv, 4 windows.\n")
    assert cli("verify", "x.csv", "--quiet") == (0, "", "")


def test_a_window_that_has_changed_since_is_named_and_repaired(cli: Cli, outdated: Path, own: Sandbox) -> None:
    result = cli("verify", "x.csv")

    assert result.code == 4
    assert result.err.startswith("DOES NOT HOLD: 1 of 4 windows of x.csv.\n")
    assert re.search(r"\+1 conversation since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result.err)
    assert result.err.endswith("hint: --repair exports these windows again, and only these.\n")
    assert cli("verify", "x.csv", "--repair").code == 0
    assert ids(outdated.read_text()) == truth(own, weeks(28, 0))
    assert cli("verify", "x.csv").code == 0


def test_a_window_whose_bytes_are_damaged_is_named_and_repaired(cli: Cli, exported: Path) -> None:
    sound = exported.read_bytes()
    exported.write_bytes(sound[:-3])
    result = cli("verify", "x.csv")

    assert result.code == 4
    assert "damaged: the output was changed" in result.err
    assert "  changed or missing: x.csv\n" in result.err
    assert cli("verify", "x.csv", "--repair").code == 0
    assert exported.read_bytes() == sound


def test_a_repair_reports_how_many_windows_it_took_over(cli: Cli, outdated: Path) -> None:
    result = cli("verify", "x.csv", "--repair")

    assert "in 4 windows, 3 of them done before" in result.err
    assert "hint" not in result.err


def test_the_findings_as_json_name_every_window(cli: Cli, outdated: Path) -> None:
    result = cli("verify", "x.csv", "--json")
    found = json.loads(result.out)

    assert (result.code, result.err) == (4, "")
    assert found["verdict"] == "does not hold"
    assert [window["state"] for window in found["windows"]] == ["holds", "changed", "holds", "holds"]


def test_an_unfinished_export_cannot_be_verified(cli: Cli, folder: Path) -> None:
    result = cli("verify", "x.csv")

    assert result.code == 2
    assert result.err.startswith("error: x.csv has no manifest")


def test_verify_refuses_an_export_of_another_org(cli: Cli, exported: Path) -> None:
    result = cli("verify", "x.csv", "--sandbox")

    assert result.code == 2
    assert "x.csv was exported from http://127.0.0.1" in result.err
    assert "--sandbox" in hint_of(result)


@pytest.mark.parametrize(("fault", "code"), [({"kind": "403"}, 3), ({"kind": "html", "status": 501}, 5)])
def test_a_verification_that_the_api_refuses_ends_with_the_code_of_the_refusal(
    fault: dict[str, Any], code: int, cli: Cli, own: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, own.environ)
    cli("export", "--interval", DAY, "-o", "x.csv")
    own.faults.on(None, path=QUERY, **fault)

    assert cli("verify", "x.csv").code == code


def test_a_repair_beside_another_process_is_refused(cli: Cli, outdated: Path) -> None:
    before = outdated.read_bytes()
    (outdated.parent / "x.csv.everycall").mkdir()
    other = Lock(outdated.parent / "x.csv.everycall" / "lock", str(outdated))
    result = cli("verify", "x.csv", "--repair")
    other.release()

    assert result.code == 2
    assert f"is being written by process {os.getpid()}" in result.err
    assert outdated.read_bytes() == before


# Where the credentials come from


def credentials(where: Sandbox, form: str, separator: str = "\n") -> str:
    return separator.join(form.format(name=name, value=value) for name, value in where.environ.items())


@pytest.mark.parametrize(
    ("form", "start", "separator"),
    [
        ("{name}={value}", "", "\n"),
        ("{name}='{value}'", "# ours\n\n", "\n"),
        ('{name}="{value}"', "", "\r\n"),
        ("export {name}={value}", "\ufeff", "\n"),
        ("{name} = {value} # ours", "", "\n"),
    ],
)
def test_credentials_are_read_from_a_dotenv_file(
    form: str, start: str, separator: str, cli: Cli, folder: Path, shared: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {})
    (folder / ".env").write_text(start + credentials(shared, form, separator), encoding="utf-8", newline="")

    assert shared.url in cli("export", "--interval", DAY).err


def test_the_environment_wins_over_the_file_where_it_sets_all_three(cli: Cli, folder: Path, shared: Sandbox) -> None:
    (folder / ".env").write_text("GENESYS_CLIENT_SECRET=wrong\nGENESYS_ENV=http://127.0.0.1:1\n")

    assert cli("export", "--interval", DAY).code == 0


@pytest.mark.parametrize("name", ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV"])
def test_a_dotenv_file_cannot_send_the_secret_of_the_environment_to_its_own_address(
    name: str, cli: Cli, folder: Path, shared: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    (folder / ".env").write_text(f"{name}=http://127.0.0.1:1\n")

    result = cli("export", "--interval", DAY)

    assert result.code == 3
    assert f"{name} is set in .env: all three have to come from one place." in result.err
    assert hint_of(result)


def test_the_summary_names_the_file_that_the_credentials_came_from(
    cli: Cli, folder: Path, shared: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {})
    (folder / ".env").write_text(credentials(shared, "{name}={value}"))

    assert f"  source      {shared.url}, credentials from .env\n" in cli("export", "--interval", DAY).err
    assert json.loads((folder / "conversations.csv.manifest.json").read_text())["query"]["source"] == shared.url


def test_a_dollar_in_a_secret_is_not_expanded(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(conversations=[], clients=[SandboxClient("someone", "a${HOME}$b#c")]) as running:
        around(monkeypatch, {})
        (folder / ".env").write_text(credentials(running, "{name}={value}"))

        assert cli("export", "--interval", DAY).code == 0


def test_a_dotenv_file_that_is_not_text_is_refused(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    around(monkeypatch, {})
    (folder / ".env").write_bytes("GENESYS_CLIENT_ID=x".encode("utf-16"))

    result = cli("export", "--interval", DAY)

    assert result.code == 2
    assert ".env in this folder cannot be read: it is not UTF-8." in result.err
    assert hint_of(result)


@pytest.mark.parametrize("arguments", [["--last", "soon"], ["--media", "fax"], ["--filter", "missing.json"]])
@pytest.mark.parametrize("command", ["export", "plan"])
def test_a_wrong_query_is_refused_before_missing_credentials_are(
    command: str, arguments: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {})

    assert cli(command, *arguments).code == 2


@pytest.mark.parametrize("command", [["export", "-o", "x.csv"], ["plan"]])
def test_without_credentials_a_command_fails_and_suggests_the_sandbox(
    command: list[str], cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {})

    result = cli(*command, "--last", "1h")

    assert (result.code, result.out) == (3, "")
    assert "GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV are not set" in result.err
    assert "--sandbox" in hint_of(result)
    assert names(folder) == []


def test_sandbox_needs_no_credentials_and_ignores_wrong_ones(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {"GENESYS_CLIENT_ID": "x", "GENESYS_ENV": "nowhere"})
    (folder / ".env").write_bytes(b"\xff\xfe")

    assert cli("export", "--sandbox", "--last", "1h", "--quiet") == (0, "", "")


def test_an_address_with_trailing_slashes_is_the_same_org(
    cli: Cli, shared: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("export", "--interval", DAY)
    around(monkeypatch, {**shared.environ, "GENESYS_ENV": shared.url.removeprefix("http://") + "//"})

    assert cli("export", "--interval", DAY).code == 0


@pytest.mark.parametrize(
    "address",
    [
        "eu-central-9",
        "http://",
        "ftp://x",
        "a b",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://me:hush@127.0.0.1:1",
    ],
)
def test_an_invalid_address_is_refused_at_once(
    address: str, cli: Cli, shared: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, {**shared.environ, "GENESYS_ENV": address})

    result = cli("export", "--interval", DAY)

    assert result.code == 2
    assert "GENESYS_ENV" in result.err
    assert "hush" not in result.err
    assert hint_of(result)


def test_no_secret_and_no_token_is_written_anywhere(cli: Cli, folder: Path, shared: Sandbox) -> None:
    result = [
        cli("export", "--interval", DAY, "-o", "x.csv", "--view", "extended", "--json"),
        cli("export", "--interval", DAY, "-o", "x.csv", "--max-pages", "1", "--fresh"),
        cli("plan", "--interval", DAY),
    ]

    text = "".join(one.out + one.err for one in result) + "".join(path.read_text() for path in folder.rglob("*.*"))
    tokens = list(shared.tokens._in_force)
    assert tokens
    for secret in (shared.client_secret, *tokens):
        assert secret not in text


# Filters


def matching(where: Sandbox, **filters: Any) -> list[str]:
    """Ids of what the sandbox's own filters let through of what started on the day."""
    owned = set(truth(where))
    body = {"interval": f"{MONDAY}T00:00:00.000Z/{MONDAY + timedelta(days=1)}T00:00:00.000Z", **filters}
    found: list[str] = []
    token = where.tokens.issue(where.tokens.clients[where.client_id]).text
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    for number in range(1, 1_000):
        paged = {**body, "paging": {"pageSize": 100, "pageNumber": number}}
        status, _, answer = where.handle("POST", QUERY, headers, json.dumps(paged).encode())
        assert status == 200, answer
        page = json.loads(answer).get("conversations", [])
        found += [one["conversationId"] for one in page if one["conversationId"] in owned]
        if not page:
            break
    return sorted(found)


def sessions(one: Any) -> list[Any]:
    return [session for participant in one["participants"] for session in participant["sessions"]]


def test_filtered_rows_are_those_of_the_sandbox_s_store(cli: Cli, shared: Sandbox) -> None:
    """The oracle walks the conversations by itself."""
    found = shared.store.conversations(f"{MONDAY}T00:00:00Z/{MONDAY + timedelta(days=1)}T00:00:00Z")
    expected = sorted(
        one["conversationId"] for one in found
        if any(session.get("mediaType") == "voice" for session in sessions(one))
        and one.get("originatingDirection") == "inbound"
    )  # fmt: skip

    out = cli("export", "--interval", DAY, "-o", "-", "--media", "voice", "--direction", "inbound").out

    assert 0 < len(expected) < len(found)
    assert ids(out) == expected


def test_a_filter_file_and_a_queue_option_both_have_to_match(cli: Cli, folder: Path, shared: Sandbox) -> None:
    queues = shared.store.world.entities("queues")
    found = shared.store.conversations(f"{MONDAY}T00:00:00Z/{MONDAY + timedelta(days=1)}T00:00:00Z")
    by_queue = {
        queue["name"]: {one["conversationId"] for one in found if queue["id"] in json.dumps(one)} for queue in queues
    }
    busiest = max(by_queue, key=lambda name: len(by_queue[name]))
    chosen = {"type": "and", "predicates": [{"dimension": "mediaType", "value": "voice"}]}
    body = {
        "interval": f"{MONDAY}T00:00:00.000Z/{MONDAY + timedelta(days=1)}T00:00:00.000Z",
        "order": "desc",
        "paging": {"pageSize": 25, "pageNumber": 1},
        "segmentFilters": [chosen],
    }
    (folder / "f.json").write_text(json.dumps(body), encoding="utf-8-sig")
    voice = {one["conversationId"] for one in found if any(s.get("mediaType") == "voice" for s in sessions(one))}

    result = cli("export", "--filter", "f.json", "-o", "-", "--queue", busiest.upper())

    assert result.code == 0
    assert ids(result.out) == sorted(voice & by_queue[busiest])
    assert ids(result.out) == matching(
        shared, segmentFilters=[chosen, {"type": "or", "predicates": [
            {"dimension": "queueId", "value": next(one["id"] for one in queues if one["name"] == busiest)}
        ]}],
    )  # fmt: skip


# Odd places


def test_an_output_that_is_a_symbolic_link_is_written_to_its_target(cli: Cli, folder: Path, shared: Sandbox) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "link.csv").symlink_to(folder / "elsewhere" / "x.csv")

    assert cli("export", "--interval", DAY, "-o", "link.csv").code == 0

    assert (folder / "link.csv").is_symlink()
    assert cli("verify", "link.csv").code == 0
    assert names(folder / "elsewhere") == ["x.csv", "x.csv.manifest.json"]


@pytest.mark.parametrize(
    "name", ["a b.csv", "a\nb.csv", "ü 🎧.csv", "[red]x.csv", "'\"$(x).csv", "x", "X.CSV", "y.txt"]
)
def test_a_file_may_have_any_name(name: str, cli: Cli, folder: Path, shared: Sandbox) -> None:
    result = cli("export", "--interval", DAY, "-o", name)

    assert result.code == 0
    assert f"rows        {printable(name)} (" in result.err
    assert names(folder) == sorted([name, f"{name}.manifest.json"])


def test_an_export_works_without_home_locale_or_a_valid_tz(folder: Path, shared: Sandbox) -> None:
    """As in a cron job or a container."""
    bare = {"LC_ALL": "C", "TZ": "Nowhere/Land", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = ["export", "--interval", f"{MONDAY}", "--timezone", "Europe/Berlin", "-o", "ü.csv"]

    def result(*more: str) -> "subprocess.CompletedProcess[bytes]":
        environ = {**bare, **shared.environ}
        return subprocess.run(
            command(*arguments, *more), env=environ, cwd=folder, capture_output=True, timeout=HOLDS_S, check=False
        )

    assert result().returncode == 0
    assert names(folder) == ["ü.csv", "ü.csv.manifest.json"]
    refused = result("--queue", "Zürich 🎧")
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"error: --queue is 'Z")
    assert b"which is not plain text" in refused.stderr
    assert b"Traceback" not in refused.stderr


def test_a_character_that_the_terminal_does_not_have_is_a_question_mark(folder: Path, shared: Sandbox) -> None:
    result = started("queues", environ={**shared.environ, "PYTHONIOENCODING": "ascii"}, cwd=folder)

    assert result.code == 0
    assert "????" in result.out


def test_a_pipe_gets_utf_8_without_a_locale(folder: Path, shared: Sandbox) -> None:
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = started("queues", environ={**shared.environ, **bare}, cwd=folder)

    assert result.code == 0
    assert "\u6cd5\u4eba\u7a93\u53e3" in result.out


def test_the_environment_may_forbid_colours(folder: Path, shared: Sandbox) -> None:
    result = started("export", "--interval", DAY, environ={**shared.environ, "NO_COLOR": "1"}, cwd=folder)

    assert result.code == 0
    assert "\x1b" not in result.out + result.err


def test_a_current_folder_that_was_deleted_is_an_error_with_a_hint(tmp_path: Path, shared: Sandbox) -> None:
    (tmp_path / "gone").mkdir()

    result = started(
        "export", "--interval", DAY, shell='cd gone; rmdir ../gone; exec "$@"', environ=shared.environ, cwd=tmp_path
    )  # fmt: skip

    assert result.code == 2
    assert "conversations.csv.everycall cannot be written" in result.err


def test_of_two_simultaneous_exports_to_one_output_one_is_refused_and_one_completes(
    cli: Cli, folder: Path, shared: Sandbox
) -> None:
    """Unless one is done before the other begins."""
    cli("export", "--interval", MONTH, "-o", "alone.csv")
    arguments = command("export", "--interval", MONTH, "-o", "x.csv")

    both = [subprocess.Popen(arguments, stderr=subprocess.PIPE, env=os.environ | shared.environ) for _ in range(2)]
    result = [one.communicate(timeout=HOLDS_S)[1].decode() for one in both]
    ends = [(one.returncode, err) for one, err in zip(both, result, strict=True)]

    assert 0 in [code for code, _ in ends], ends
    for code, err in ends:
        assert code == 0 or (code == 2 and "x.csv is being written by process" in err), err
    assert (folder / "x.csv").read_bytes() == (folder / "alone.csv").read_bytes()


# Retention


LONG_AGO = f"{TODAY - timedelta(days=200)}/P1D"


def test_days_that_the_org_no_longer_keeps_are_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(conversations=[], switches=Switches(retention_days=100)) as running:
        around(monkeypatch, running.environ)
        result = cli("plan", "--interval", LONG_AGO)

    assert result.code == 0
    assert f"note: This org keeps conversations for 100 days, since {TODAY - timedelta(days=100)}" in result.err


def test_the_retention_is_not_asked_for_where_every_org_keeps_the_interval(
    cli: Cli, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    around(monkeypatch, own.environ)

    assert cli("plan", "--interval", DAY).err == ""
    assert RETENTION_PATH not in [served.path for served in own.requests]


def test_an_interval_older_than_18_months_is_noted_where_the_retention_may_not_be_read(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    permissions = SandboxClient("", "").permissions - {"analytics:dataRetention:view"}
    with server(conversations=[], clients=[SandboxClient("someone", "secret", permissions=permissions)]) as running:
        around(monkeypatch, running.environ)
        result = cli("plan", "--interval", f"{TODAY - timedelta(days=560)}/P1D")

    assert result.code == 0
    assert "note: Part of this interval is older than 18 months" in result.err


def test_no_mistake_of_the_user_is_reported_as_a_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCALL_TRACEBACK", "1")

    assert hint_of(cli("export", "--last", "soon"))
    assert hint_of(cli("export", "--bogus"))
