"""`everycall profile` as people meet it."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from everycall.cli import profiling
from everycall.cli.commands import COMMANDS, run
from everycall.cli.context import Context
from everycall.cli.display import nowhere
from everycall.cli.parser import UsageError, parse
from everycall.profiles import Profiles
from everycall.sandbox import server

SECRET = "a secret that nobody may see"

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Runs a command with standard input, in an empty folder and without variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERYCALL_CONFIG_DIR", str(tmp_path / "settings"))
    for name in ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV"):
        monkeypatch.delenv(name, raising=False)

    def cli(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(arguments)
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return cli


def add(cli: Cli, name: str, env: str = "frankfurt", secret: str = SECRET) -> tuple[int, str, str]:
    return cli("profile", "add", name, "--env", env, "--client-id", "id", "--secret-store", "file", stdin=f"{secret}\n")


def test_the_secret_comes_from_standard_input_and_is_never_shown(cli: Cli) -> None:
    code, out, err = add(cli, "prod")
    listed = cli("profile", "list")[1] + cli("profile", "list", "--json")[1]

    assert (code, out) == (0, "")
    assert "everycall doctor --profile prod" in err
    assert SECRET not in out + err + listed


def test_a_listing_marks_the_default(cli: Cli) -> None:
    add(cli, "prod")
    add(cli, "test", "london")
    cli("profile", "use", "test")
    _, out, _ = cli("profile")

    assert out.splitlines() == [
        "name  env        client id  secret",
        "prod  frankfurt  id         file",
        "test  london     id         file    default",
    ]
    assert json.loads(cli("profile", "list", "--json")[1])["default"] == "test"


def test_without_profiles_the_listing_says_how_to_make_one(cli: Cli) -> None:
    assert cli("profile") == (0, "There are no profiles. everycall profile add NAME makes one.\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nonsense",), "add|list|use|remove is 'nonsense'"),
        (("add",), "The name of the profile to add is missing"),
        (("add", "x", "--client-id", "id"), "--env is missing"),
        (("add", "x", "--env", "frankfurt"), "--client-id is missing"),
        (("add", "x", "--env", "frankfurt", "--client-id", "id"), "The secret is empty"),
        (("add", "x", "--env", "eu-centrl-1", "--client-id", "id"), "which is not a region"),
        (("use", "x"), "There is no profile 'x'"),
        (("remove", "x"), "There is no profile 'x'"),
    ],
)
def test_wrong_usage_is_explained(cli: Cli, arguments: tuple[str, ...], complaint: str) -> None:
    code, out, err = cli("profile", *arguments)

    assert (code, out) == (2, "")
    assert complaint in err
    assert "hint: " in err


def test_a_profile_is_added_again_to_replace_its_secret_only(cli: Cli, tmp_path: Path) -> None:
    add(cli, "prod")
    code, _, _ = cli("profile", "add", "prod", "--secret-store", "file", stdin="another one\n")
    kept = Profiles(tmp_path / "settings")

    assert code == 0
    assert kept.secret(kept.get("prod")) == "another one"
    assert kept.get("prod").env == "frankfurt"


def test_a_person_is_asked_for_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("frankfurt\nan id\n"))
    person = profiling.Person(is_there=True, hidden=lambda _: SECRET)
    kept = Profiles(tmp_path)
    given = parse(COMMANDS["profile"], ["add", "prod", "--secret-store", "file"])

    assert profiling.run(given, Context(nowhere()), profiles=kept, person=person) == 0
    assert (kept.get("prod").env, kept.get("prod").client_id) == ("frankfurt", "an id")
    assert kept.secret(kept.get("prod")) == SECRET


def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    with pytest.raises(UsageError, match="--env is missing"):
        profiling.Person(is_there=False).asked("Region", "--env")


def test_a_command_uses_the_org_of_the_profile_and_names_it(cli: Cli) -> None:
    with server(conversations_per_day=20) as running:
        cli("profile", "add", "prod", "--env", running.url, "--client-id", running.client_id, "--secret-store", "file",
            stdin=running.client_secret)  # fmt: skip
        named = cli("plan", "--profile", "prod", "--last", "1h")
        default = cli("plan", "--last", "1h")
        requests = len(running.requests)

    assert named[0] == default[0] == 0
    assert f"from {running.url}, credentials from profile prod\n" in named[1]
    assert "credentials from profile prod" in default[1]
    assert requests


def test_the_sandbox_and_a_profile_exclude_each_other(cli: Cli) -> None:
    code, _, err = cli("plan", "--sandbox", "--profile", "prod")

    assert code == 2
    assert "--sandbox and --profile exclude each other" in err
