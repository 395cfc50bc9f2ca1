"""Arguments -> options, and the help that is made from the same declarations."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall.cli import help_text
from everycall.cli.commands import COMMANDS, EXPORT, SANDBOX, VERIFY
from everycall.cli.options import Finished, Messages, Paging, Rows, Serving, Source, When, Which
from everycall.cli.parser import Command, UsageError, options_of, parse
from everycall.errors import EverycallError

EVERY = [(command, names, option) for command in COMMANDS.values() for names, _, option in options_of(command)]


def refused(command: Command, *arguments: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        parse(command, arguments)
    return error.value


def test_an_option_that_is_not_given_has_its_default() -> None:
    given = parse(EXPORT, [])

    assert given.of(When) == When()
    assert given.of(Which) == Which()
    assert given.of(Rows) == Rows()
    assert given.of(Paging) == Paging()
    assert given.of(Source) == Source()
    assert given.of(Messages) == Messages()


def test_options_are_read_in_every_way_of_writing_them() -> None:
    arguments = ["--last=7d", "-o", "-", "--queue", "A", "--queue=B", "--page-size", "7", "--timeout", ".5", "--quiet"]
    given = parse(EXPORT, arguments)

    assert given.of(When) == When(last="7d")
    assert given.of(Rows) == Rows(output=("-",))
    assert given.of(Which) == Which(queue=("A", "B"))
    assert given.of(Paging).page_size == 7
    assert given.of(Source).timeout == 0.5
    assert given.of(Messages) == Messages(quiet=True)


def test_a_file_is_named_before_or_after_the_options() -> None:
    assert parse(VERIFY, ["x.csv", "--repair"]).of(Finished) == Finished(output="x.csv", repair=True)
    assert parse(VERIFY, ["--repair", "x.csv"]).of(Finished) == Finished(output="x.csv", repair=True)


def test_numbers_may_be_zero_where_that_means_something() -> None:
    assert parse(SANDBOX, ["--port", "0", "--speed", "0"]).of(Serving) == Serving(port=0, speed=0.0)


@pytest.mark.parametrize(("written", "mode"), [("600", 0o600), ("0640", 0o640), ("644", 0o644)])
def test_permissions_are_octal(written: str, mode: int) -> None:
    assert parse(EXPORT, ["--file-mode", written]).of(Rows).file_mode == mode


@pytest.mark.parametrize("written", ["0", "8", "700", "400", "0o600", "rw", "66600"])
def test_permissions_without_reading_and_writing_or_with_executing_are_refused(written: str) -> None:
    assert str(refused(EXPORT, "--file-mode", written)) == f"--file-mode is {written}."


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, names[0]) for command, names, option in EVERY if names and option.value and names[0] != "--output"],
)
@pytest.mark.parametrize("empty", ["", " \t"])
def test_an_empty_value_is_refused_not_taken_for_the_default(command: Command, name: str, empty: str) -> None:
    """It is most likely a variable of the shell that is not set."""
    error = refused(command, f"{name}={empty}")

    assert str(error) == f"{name} is empty."
    assert error.hint


@pytest.mark.parametrize("name", ["--queue", "--last", "--filter", "--timezone"])
@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "\udcff", "\u202e"])
def test_a_value_with_control_characters_is_refused_and_shown_escaped(name: str, value: str) -> None:
    error = refused(EXPORT, name, value)

    assert re.fullmatch(rf"{name} is '[ -~]+', which is not plain text\.", str(error))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_the_help_names_every_option(command: Command) -> None:
    text = help_text.of_command(command, width=100)
    names = [name for names, _, _ in options_of(command) for name in names]

    assert names
    assert [name for name in names if not re.search(rf"(?<![\w-]){name}\b", text)] == []


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_the_help_fits_the_terminal(command: Command, width: int) -> None:
    for text in (help_text.of_command(command, width=width), help_text.overview([command], width=max(width, 60))):
        assert max(len(line) for line in text.splitlines()[1:]) <= max(width, 60)


def test_headings_of_the_help_are_bold_on_a_terminal() -> None:
    assert "\x1b[1mWhen\x1b[0m" in help_text.of_command(EXPORT, width=80, bold=True)
    assert "\x1b" not in help_text.of_command(EXPORT, width=80)


WRITTEN = ["--last", "-o", "--queue", "--quiet", "--", "-", "-5", "--page-size", "x", "", "--json=1", "--x=y"]


@given(st.lists(st.sampled_from(WRITTEN) | st.text(max_size=5), max_size=6), st.sampled_from(list(COMMANDS.values())))
def test_any_arguments_are_parsed_or_refused_with_a_hint(arguments: list[str], command: Command) -> None:
    try:
        parse(command, arguments)
    except EverycallError as error:
        hint = error.hint
    else:
        hint = "none needed"

    assert hint
