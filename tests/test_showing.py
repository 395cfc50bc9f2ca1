"""`everycall show` as people meet it, through a real port and from files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commanding import Cli, commands
from everycall.sandbox import Client as SandboxClient
from everycall.sandbox import Sandbox, server
from everycall.sandbox.instants import to_text

UNKNOWN = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with server(conversations_per_day=40) as running:
        yield running


@pytest.fixture
def cli(
    tmp_path: Path, shared: Sandbox, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    """Runs a command against the shared sandbox, or another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return commands(shared, monkeypatch, capfdbinary)


def an_id(sandbox: Sandbox) -> str:
    """A conversation of the day before yesterday, UTC, that has ended."""
    day_ms = 86_400_000
    start = sandbox.store.now_ms // day_ms * day_ms - 2 * day_ms
    found = sandbox.store.conversations(f"{to_text(start)}/{to_text(start + day_ms)}")
    return str(next(one["conversationId"] for one in found if "conversationEnd" in one))


def test_a_conversation_of_the_org_is_shown_without_colours_in_a_pipe(cli: Cli, shared: Sandbox) -> None:
    id_ = an_id(shared)
    code, out, err = cli("show", id_)

    assert (code, err) == (0, "")
    assert id_ in out.splitlines()[0]
    assert "What happened" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_an_id_in_capitals_is_the_same(cli: Cli, shared: Sandbox) -> None:
    id_ = an_id(shared)

    assert cli("show", id_.upper())[1] == cli("show", id_)[1]


def test_pictures_and_pages_are_written_for_the_owner_only(cli: Cli, shared: Sandbox, tmp_path: Path) -> None:
    code, out, err = cli("show", an_id(shared), "-o", "line.svg", "-o", "line.html")

    assert (code, out, err) == (0, "", "Wrote line.svg\nWrote line.html\n")
    assert (tmp_path / "line.svg").read_text("utf-8").startswith("<?xml")
    assert (tmp_path / "line.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["line.html", "line.svg"]
    if sys.platform != "win32":
        assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_json_is_the_conversation_as_it_came(cli: Cli, shared: Sandbox) -> None:
    id_ = an_id(shared)
    code, out, _ = cli("show", id_, "--json")

    assert code == 0
    sketch = shared.store.find(id_, shared.store.now_ms)
    assert sketch is not None
    assert json.loads(out) == shared.store.world.conversation(sketch, shared.store.now_ms)


def test_times_are_those_of_the_zone(cli: Cli, shared: Sandbox) -> None:
    id_ = an_id(shared)
    _, utc, _ = cli("show", id_)
    _, local, _ = cli("show", id_, "--timezone", "Asia/Kolkata")

    assert utc.splitlines()[1] != local.splitlines()[1]
    assert "Asia/Kolkata" in " ".join(local.splitlines()[:3])


def test_an_archive_is_read_without_credentials(cli: Cli, shared: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = an_id(shared)
    assert cli("export", "--last", "3d", "-o", "calls.jsonl.gz", "--quiet")[0] == 0
    asked = len(shared.requests)
    code, out, _ = cli("show", id_, "--from", "calls.jsonl.gz")

    assert code == 0
    assert out.splitlines()[0].endswith(id_)
    assert len(shared.requests) == asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "everycall show needs the id of a conversation."),
        (["abc"], "'abc' is not the id of a conversation."),
        ([UNKNOWN], f"There is no conversation {UNKNOWN} in http://"),
        ([UNKNOWN, "--from", "nowhere.parquet"], "nowhere.parquet does not exist."),
        ([UNKNOWN, "-o", "line.png"], "'line.png' is no picture and no page."),
        ([UNKNOWN, "-o", "no/line.svg"], "no is not a folder."),
        ([UNKNOWN, "--timezone", "Mars/Base"], "Mars/Base"),
        ([UNKNOWN, "--from", "a.jsonl", "--sandbox"], "--from does not ask an org."),
    ],
)
def test_what_cannot_be_shown_ends_with_2_and_says_why(cli: Cli, arguments: list[str], message: str) -> None:
    code, out, err = cli("show", *arguments)

    assert (code, out) == (2, "")
    assert message in err
    assert re.search(r"^hint: \S", err, re.MULTILINE)


def test_a_client_without_the_permission_ends_with_3(cli: Cli) -> None:
    with server(conversations=[], clients=[SandboxClient("someone", "secret", permissions=frozenset())]) as running:
        assert cli("show", UNKNOWN, sandbox=running)[0] == 3


def test_without_the_permissions_for_names_there_are_ids_and_a_note(cli: Cli) -> None:
    only = frozenset({"analytics:conversationDetail:view"})
    with server(clients=[SandboxClient("someone", "secret", permissions=only)], conversations_per_day=40) as running:
        code, out, err = cli("show", an_id(running), sandbox=running)

        assert code == 0
        assert "note: Names of" in err
        assert "What happened" in out


def test_a_terminal_without_unicode_shows_what_it_can(tmp_path: Path) -> None:
    side = {"purpose": "customer", "participantName": "東京", "sessions": [{"segments": [{"segmentType": "hold"}]}]}
    (tmp_path / "calls.jsonl").write_text(json.dumps({"conversationId": UNKNOWN, "participants": [side]}), "utf-8")
    command = [sys.executable, "-m", "everycall", "show", UNKNOWN, "--from", "calls.jsonl"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment, check=False)

    assert done.returncode == 0
    assert b"?? (customer): session" in done.stdout
