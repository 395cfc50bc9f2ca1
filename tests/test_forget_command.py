"""`everycall forget`: arguments, confirmation, messages and exit codes."""

import io
import json
import shutil
from pathlib import Path

import pytest

from everycall import Interval, Query
from everycall.cli import forgetting
from everycall.cli.commands import FORGET, run
from everycall.cli.context import Context
from everycall.cli.display import nowhere
from everycall.cli.forgetting import Person
from everycall.cli.parser import parse
from inprocess import MONDAY, org

UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A day as Parquet, and its ids."""
    where, folder = org(conversations_per_day=20), tmp_path_factory.mktemp("monday")
    where.export(folder / "a.parquet", query=Query(Interval.read(MONDAY)))
    return folder, [one for one, _, _ in where.truth(MONDAY)]


@pytest.fixture
def output(monday: tuple[Path, list[str]], tmp_path: Path) -> str:
    shutil.copytree(monday[0], tmp_path, dirs_exist_ok=True)
    return str(tmp_path / "a.parquet")


@pytest.fixture
def ids(monday: tuple[Path, list[str]]) -> list[str]:
    return monday[1]


def taken_out(capsys: pytest.CaptureFixture[str], *arguments: str) -> int:
    """How many conversations the command took out."""
    assert run(["forget", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return int(found["conversations"]) if found["done"] else 0


def test_it_shows_what_it_takes_out_and_takes_it_out(
    output: str, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["forget", output, *ids[:2], "--yes"])
    shown = capsys.readouterr().err

    assert code == 0
    assert "takes out   2 conversations" in shown
    assert "Taken out: 2 conversations of" in shown
    assert taken_out(capsys, output, *ids[:2], "--yes") == 0


def test_a_dry_run_takes_nothing_out(output: str, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert taken_out(capsys, output, ids[0], "--dry-run") == 0
    assert taken_out(capsys, output, ids[0], "--yes") == 1


def test_options_may_stand_between_the_ids(output: str, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert taken_out(capsys, "--yes", output, ids[0], "--quiet", ids[1]) == 2


def answered(output: str, *arguments: str, reply: str, is_there: bool = True) -> int:
    """Run the command with this on standard input."""
    person = Person(io.StringIO(reply), is_there=is_there)
    return forgetting.run(parse(FORGET, [output, *arguments]), Context(nowhere()), person=person)


def test_ids_come_from_a_file_or_from_standard_input(
    output: str, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    listed = Path(output).with_name("ids.txt")
    listed.write_text(f"{ids[0]}\n\n  {ids[1]}\n")

    assert taken_out(capsys, output, "--ids", str(listed), "--yes") == 2
    assert answered(output, "-", "--yes", reply=f"{ids[2]}\n", is_there=False) == 0
    assert taken_out(capsys, output, ids[2], "--yes") == 0


def test_unknown_ids_end_with_2_are_named_and_nothing_is_taken_out(
    output: str, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["forget", output, ids[0], UNKNOWN, "--yes"])

    assert code == 2
    assert f"does not have {UNKNOWN}. Nothing was taken out." in capsys.readouterr().err
    assert taken_out(capsys, output, ids[0], UNKNOWN, "--skip-unknown", "--yes") == 1


def test_older_days_go_as_a_whole(output: str, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert taken_out(capsys, output, "--older-than", "1d", "--yes") == len(ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs the tables"), (["a.parquet"], "Nothing says what to forget"), (["a.csv", "x"], "is csv"),
        (["a.parquet", "x", "--vacuum"], "only Delta tables"), (["a.parquet", "--ids", "missing"], "cannot be read"),
        (["a.parquet", "x"], "no manifest"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [str(tmp_path / one) if one.startswith("a.") else one for one in arguments]

    assert run(["forget", *wanted]) == 2
    assert message in capsys.readouterr().err


def test_without_a_terminal_yes_has_to_be_given(
    output: str, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["forget", output, ids[0]]) == 2
    assert "Add --yes" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("yes\n", True), ("\n", False), ("no\n", False)])
def test_on_a_terminal_it_asks(
    answer: str, done: bool, output: str, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answered(output, ids[0], reply=answer)
    capsys.readouterr()

    assert taken_out(capsys, output, ids[0], "--yes") == (0 if done else 1)
