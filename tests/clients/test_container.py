"""The container file, without a container engine: its commands, in a fresh environment, from the files it copies."""

import json
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import httpx2
import pytest

from needing import needs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """(keyword, rest) of each instruction of the file, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def of(instructions: list[tuple[str, str]], keyword: str) -> list[str]:
    return [rest for name, rest in instructions if name == keyword]


def test_the_base_is_a_slim_python_that_is_new_enough(instructions: list[tuple[str, str]]) -> None:
    (base,) = of(instructions, "FROM")

    version = re.fullmatch(r"python:3\.(\d+)-slim", base)
    assert version is not None
    assert int(version[1]) >= 11


def test_what_is_copied_is_let_into_the_build(instructions: list[tuple[str, str]]) -> None:
    ignored = (ROOT / ".containerignore").read_text().split()

    for copied in of(instructions, "COPY"):
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_it_does_not_run_as_root_and_says_its_port(instructions: list[tuple[str, str]]) -> None:
    assert of(instructions, "USER") != []
    (command,) = of(instructions, "ENTRYPOINT")
    assert of(instructions, "EXPOSE") == [json.loads(command)[-1]]


@pytest.mark.slow
def test_its_commands_make_a_sandbox_out_of_what_it_copies(instructions: list[tuple[str, str]], tmp_path: Path) -> None:
    folder, fresh = tmp_path / "everycall", tmp_path / "fresh"
    for copied in of(instructions, "COPY"):
        *sources, target = copied.split()
        for source in sources:
            place(ROOT / source, folder / target / (Path(source).name if target.endswith("/") else ""))
    venv.create(fresh, with_pip=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GENESYS_"))}
    environ |= {"PATH": f"{fresh}/bin:{environ['PATH']}", "PIP_NO_COMPILE": "1"}

    for command in of(instructions, "RUN"):
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        if "Failed to establish a new connection" in done.stderr:
            needs(None, "a package index")
        assert done.returncode == 0, done.stderr

    program, *arguments = json.loads(of(instructions, "ENTRYPOINT")[0])
    arguments[arguments.index("--port") + 1] = "0"
    with subprocess.Popen(
        [fresh / "bin" / program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as serving:
        assert serving.stdout is not None
        assert serving.stderr is not None
        lines = (serving.stdout.readline() for _ in range(3))
        variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        token = next(line.split()[-1] for line in serving.stderr if "admin token" in line)
        page = httpx2.get(variables["GENESYS_ENV"], headers={"Authorization": f"Bearer {token}"})
        serving.terminate()

    assert page.status_code == 200
    assert "A stand-in for the Genesys Cloud API" in page.text


def place(source: Path, target: Path) -> None:
    """A copy of a file or a folder."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
