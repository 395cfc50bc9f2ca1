"""A wheel and an sdist that install into a clean environment, as pipx and `uv tool` do it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from documents import ROOT
from everycall.version import VERSION

BUILDS = "import sys; from flit_core import buildapi; print(getattr(buildapi, sys.argv[1])(sys.argv[2]))"


def built(kind: str, folder: Path, source: Path = ROOT) -> Path:
    """The wheel or the sdist, built by the backend that pyproject.toml names."""
    command = [sys.executable, "-c", BUILDS, f"build_{kind}", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True, timeout=120)
    return folder / done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel. Its dependencies are those of these tests, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("clean") / "environment"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    for command in (
        [uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(folder), str(wheel)],
    ):
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    here = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
    (here / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(environment: Path, *arguments: str, cwd: Path) -> str:
    """What a command of the environment prints, on both streams."""
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    done = subprocess.run(
        [programs / arguments[0], *arguments[1:]],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_brings_the_command_into_a_clean_environment(environment: Path, tmp_path: Path) -> None:
    assert run(environment, "everycall", "--version", cwd=tmp_path) == f"{VERSION}\n"
    where = run(environment, "python", "-c", "import everycall; print(everycall.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment)
    assert run(environment, "everycall", "columns", "queueName", cwd=tmp_path).startswith("name ")
    printed = run(environment, "everycall", "export", "--sandbox", "--last", "1h", "-o", "x.csv", cwd=tmp_path)
    assert "Proven: " in printed
    assert (tmp_path / "x.csv").read_text().startswith("conversationId,")


def names_in(wheel: Path) -> list[str]:
    return sorted(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "src" / "everycall"
    files = {
        f"everycall/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert {name for name in names_in(wheel) if name.startswith("everycall/")} == files
    assert {"everycall/py.typed", "everycall/sandbox/admin.html"} <= files


@pytest.mark.slow
def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = built("sdist", tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    again = built("wheel", tmp_path, next((tmp_path / "source").iterdir()))

    assert names_in(again) == names_in(wheel)
    for name in names_in(wheel):
        if not name.endswith("RECORD"):
            assert zipfile.ZipFile(again).read(name) == zipfile.ZipFile(wheel).read(name), name


def test_the_metadata_names_every_extra_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"everycall-{VERSION}.dist-info/METADATA").decode()
        entry_points = archive.read(f"everycall-{VERSION}.dist-info/entry_points.txt").decode()

    assert "everycall=everycall.cli:main" in entry_points
    for extra in ("tls", "parquet", "delta", "duckdb", "postgres", "xlsx", "report", "keyring", "metrics", "all"):
        assert f"Provides-Extra: {extra}\n" in metadata
