"""Completion: what shells offer, and where their scripts go."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from everycall.cli.commands import COMMANDS, run
from everycall.cli.completing import BEGIN, END, Place, install, place_of, script
from everycall.cli.parser import options_of
from needing import needs

SHELLS = ("bash", "zsh", "fish", "powershell")

SCRIPTS = {shell: script(list(COMMANDS.values()), shell) for shell in SHELLS}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_knows_every_command_and_option(shell: str) -> None:
    for command in COMMANDS.values():
        assert command.name in SCRIPTS[shell]
        for names, _, _ in options_of(command):
            for name in names:
                assert name.lstrip("-") in SCRIPTS[shell]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "value", ["voice", "inbound", "yesterday", "queueName", "eu-central-1", "Europe/Berlin", "jobs"]
)
def test_a_script_knows_the_values_of_options(shell: str, value: str) -> None:
    assert value in SCRIPTS[shell]


def offered(*words: str) -> list[str]:
    """What bash offers for the last word."""
    program = f"""{SCRIPTS["bash"]}
COMP_WORDS=({" ".join(repr(word) for word in ("everycall", *words))})
COMP_CWORD={len(words)}
_shtab_everycall everycall {words[-1]!r} {(words[-2] if len(words) > 1 else "everycall")!r} 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


OFFERS: list[tuple[tuple[str, ...], set[str]]] = [
    (("ver",), {"verify"}),
    (("export", "--med"), {"--media"}),
    (("export", "--media", "vo"), {"voice"}),
    (("export", "--interval", "last"), {"last-week", "last-month"}),
    (("export", "--route", ""), {"query", "jobs", "auto"}),
    (("plan", "--timezone", "Europe/Berl"), {"Europe/Berlin"}),
    (("export", "--columns", "queueN"), {"queueName"}),
    (("profile", "re"), {"remove"}),
    (("completion", "po"), {"powershell"}),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(("words", "expected"), OFFERS)
def test_bash_offers_commands_options_and_values(words: tuple[str, ...], expected: set[str]) -> None:
    assert set(offered(*words)) == expected


def test_fish_offers_commands_options_and_values(tmp_path: Path) -> None:
    needs(shutil.which("fish"), "fish")
    path = tmp_path / "everycall.fish"
    path.write_text(SCRIPTS["fish"])
    asking = [f"complete -C 'everycall {' '.join(words)}'; echo" for words, _ in OFFERS]
    done = subprocess.run(
        ["fish", "--no-config", "-c", "\n".join([f"source {path}", *asking])],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    answers = done.stdout.removesuffix("\n\n").split("\n\n")

    assert [{line.split("\t")[0] for line in answer.splitlines()} for answer in answers] == [each for _, each in OFFERS]


CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


@pytest.mark.parametrize("shell", CHECKS)
def test_a_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    needs(shutil.which(shell), shell)
    path = tmp_path / "script"
    path.write_text(SCRIPTS[shell])

    assert subprocess.run([*CHECKS[shell], str(path)], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert capfd.readouterr().out == SCRIPTS[shell]


def test_the_script_is_installed_where_bash_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    assert run(["completion", "bash", "--install"]) == 0
    assert (tmp_path / "data/bash-completion/completions/everycall").read_text() == SCRIPTS["bash"]
    assert "Open a new shell" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("shell", "path", "start_up"),
    [
        ("bash", ".local/share/bash-completion/completions/everycall", None),
        ("fish", ".config/fish/completions/everycall.fish", None),
        ("zsh", ".local/share/everycall/zsh/_everycall", ".zshrc"),
    ],
)
def test_each_shell_has_its_place(tmp_path: Path, shell: str, path: str, start_up: str | None) -> None:
    place = place_of(shell, {}, tmp_path)

    assert place.script == tmp_path / path
    assert place.start_up == (tmp_path / start_up if start_up else None)


def test_the_lines_of_a_start_up_file_are_there_once_and_the_rest_stays(tmp_path: Path) -> None:
    start_up = tmp_path / ".zshrc"
    start_up.write_text("alias a=b")
    for lines in (["old"], ["new"]):
        install("the script", Place(tmp_path / "x" / "script", start_up, lines))
        start_up.write_text(start_up.read_text() + "more\n" * (lines == ["old"]))

    assert start_up.read_text() == f"alias a=b\n{BEGIN}\nnew\n{END}\nmore\n"
    assert (tmp_path / "x" / "script").read_text() == "the script"


def test_a_place_that_cannot_be_written_is_an_error_with_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    assert run(["completion", "bash", "--install"]) == 2
    assert "Print the script instead" in capfd.readouterr().err


@pytest.mark.parametrize(("arguments", "complaint"), [([], "The shell is missing"), (["tcsh"], "is 'tcsh'")])
def test_another_shell_is_refused(arguments: list[str], complaint: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", *arguments]) == 2
    assert complaint in capfd.readouterr().err
