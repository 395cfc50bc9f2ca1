"""The recipes of the pages: every command in them is one that everycall takes, and schedulers can read them."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from documents import PAGES, ROOT, Block, blocks
from everycall.cli.commands import COMMANDS
from everycall.cli.parser import HELP, parse

NOT_RUN = ("sh", "crontab", "ini", "yaml", "airflow", "powershell")

NIGHT = ROOT / "docs" / "every-night.md"

RECIPES = [block for page in PAGES for block in blocks(page) if block.language in NOT_RUN]


_COMMAND = re.compile(rf'\beverycall(?:\.exe" .*-Argument ")? ?((?:{"|".join(COMMANDS)})\b.*)')


def commands(block: Block) -> Iterator[list[str]]:
    """The arguments of every everycall command in a block."""
    text = re.sub(r'"\n\s+"', "", block.text)
    for found in _COMMAND.finditer(text):
        line = re.split(r" (?:&&|\||>>?) ", re.sub(r"\{\{.*?\}\}", "2026-01-05", found[1]))[0]
        words = shlex.split(line.rstrip('"') if line.count('"') % 2 else line, comments=True)
        yield words


@pytest.mark.parametrize("block", RECIPES, ids=str)
def test_every_command_of_a_recipe_is_one_that_everycall_takes(block: Block) -> None:
    for words in commands(block):
        if not set(HELP) & set(words):
            parse(COMMANDS[words[0]], words[1:])


def test_the_recipes_have_commands() -> None:
    """Else the test above would check nothing."""
    for language in NOT_RUN:
        assert any(list(commands(block)) for block in RECIPES if block.language == language), language


def night(language: str) -> list[str]:
    return [block.text for block in blocks(NIGHT) if block.language == language]


def test_the_line_of_cron_has_five_fields_and_a_command() -> None:
    line = night("crontab")[0].splitlines()[-1]
    fields = line.split(None, 5)

    assert all(re.fullmatch(r"\*|\d+", field) for field in fields[:5])
    assert fields[5].startswith("cd ")
    assert "%" not in fields[5]  # which cron would take for a line break


def test_systemd_can_read_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for text in night("ini"):
        name = re.search(r"# /etc/systemd/system/(\S+)", text)
        assert name
        program = Path(sys.executable).with_name("everycall")
        (tmp_path / name[1]).write_text(text.replace("/usr/local/bin/everycall", str(program)))
    units = sorted(str(path) for path in tmp_path.iterdir())
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    ours = [line for line in f"{done.stdout}{done.stderr}".splitlines() if "everycall." in line]
    assert ours == []


def test_the_workflow_is_one() -> None:
    workflow: dict[Any, Any] = yaml.safe_load(night("yaml")[0])
    steps = workflow["jobs"]["export"]["steps"]

    assert workflow[True]["schedule"] == [{"cron": "15 3 * * *"}]  # `on` is true in YAML 1.1
    assert all("run" in step or "uses" in step for step in steps)
    secrets = {value for step in steps for name, value in step.get("env", {}).items() if name.endswith("SECRET")}
    assert secrets == {"${{ secrets.GENESYS_CLIENT_SECRET }}"}


def test_the_dag_compiles() -> None:
    compile(night("airflow")[0], "dag.py", "exec")


def test_no_recipe_writes_a_secret_into_a_command() -> None:
    for block in RECIPES:
        for words in commands(block):
            assert not any("SECRET" in word for word in words)
