"""The README's first screen: its commands are there, and do what it says."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from documents import ROOT, blocks, command_of, steps
from everycall.sandbox import server
from everycall.sandbox.routes import ROUTES
from everycall.tables.flat import DEFAULT
from inprocess import manifest_of

README = ROOT / "README.md"
BIN = Path(sys.executable).parent


def makefile() -> dict[str, str]:
    """Each target of the Makefile and its recipe."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return dict(re.findall(r"^([a-z]+):[^\n]*\n((?:\t[^\n]*\n)*)", text, re.MULTILINE))


def environ(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GENESYS_")}
    return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "HOME": str(folder), **more}


def demo() -> str:
    """What `make demo` runs once `.venv` is there."""
    recipe = "".join(line.lstrip("\t@-") for line in makefile()["demo"].splitlines(keepends=True))
    return recipe.replace("$(BIN)", str(BIN)).replace("$$", "$")


@pytest.mark.slow
def test_make_demo_exports_a_week_of_conversations_and_proves_it(tmp_path: Path) -> None:
    command = ["bash", "-ec", demo()]
    done = subprocess.run(command, cwd=tmp_path, env=environ(tmp_path), capture_output=True, text=True, check=True)
    with (tmp_path / "demo.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    manifest = manifest_of(tmp_path / "demo.csv")

    assert head == [column.name for column in DEFAULT]
    assert len(rows) == manifest["rows"] > 1000
    assert manifest["verdict"] == "proven"
    assert "none missing and none twice" in done.stderr
    assert not done.stdout


def test_every_make_command_of_the_pages_is_a_target() -> None:
    named = set()
    for page in (README, ROOT / "CONTRIBUTING.md"):
        for block in blocks(page):
            named |= set(re.findall(r"^make ([a-z]+)", block.text, re.MULTILINE))

    assert {"demo", "test", "lint", "docs"} <= named <= set(makefile())


@pytest.mark.slow
def test_the_first_page_runs_from_top_to_bottom_in_one_folder(tmp_path: Path) -> None:
    """The demo, the example, the lines for an org of your own, and the verification."""
    console = next(block for block in blocks(README) if block.language == "console")
    own = next(block.text for block in blocks(README) if "GENESYS_ENV=" in block.text)
    with server(conversations_per_day=100) as sandbox:
        own = re.sub(r"^export (\w+)=\S+", lambda m: f"export {m[1]}={sandbox.environ[m[1]]}", own, flags=re.MULTILINE)
        page = [demo(), *(command_of(step) for step in steps(console)), own, "everycall verify conversations.csv"]
        subprocess.run(["bash", "-ec", "\n".join(page)], cwd=tmp_path, env=environ(tmp_path), check=True)

    for name in ("demo.csv", "monday.csv", "conversations.csv"):
        assert manifest_of(tmp_path / name)["verdict"] == "proven"


def test_every_test_named_in_the_readme_exists() -> None:
    promised = set(re.findall(r"`(test_\w+)`", README.read_text("utf-8")))
    found = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }

    assert len(promised) > 10
    assert promised <= found


def test_the_permissions_are_those_that_the_api_asks_for() -> None:
    needed = {"/details/query": "analytics:conversationDetail:view", "/queues": "routing:queue:view"}
    text = README.read_text("utf-8")
    for path, permission in needed.items():
        route = next(one for one in ROUTES if one.path.endswith(path))

        assert permission in route.permissions
        assert f"`{permission}`" in text
