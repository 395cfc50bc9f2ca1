"""Formats the help text from the declarations of the commands."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from everycall.cli.parser import HELP, Command, Group, Option, options_of

LABEL_MAX = 26
"""A longer label has a line of its own."""

WIDTH_MAX, WIDTH_MIN = 100, 40

HELP_GROUP = Group("Help")
HELP_OPTION = Option(HELP_GROUP, "Show this help and exit.")


def width() -> int:
    """The width of the terminal, within readable bounds."""
    return max(WIDTH_MIN, min(WIDTH_MAX, shutil.get_terminal_size().columns))


def is_bold() -> bool:
    """Whether to print headings in bold."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def overview(commands: Sequence[Command], *, width: int, bold: bool = False) -> str:
    """What `everycall --help` prints."""
    rows = [(command.name, command.summary) for command in commands]
    options = [("--help, -h", HELP_OPTION.help), ("--version", "Show the version and exit.")]
    return "\n".join(
        [
            "Usage: everycall COMMAND [OPTIONS]",
            "",
            "Every Genesys Cloud conversation, once, and the proof of it.",
            "",
            _heading("Commands", bold=bold),
            *_table(rows, width),
            "",
            _heading("Options", bold=bold),
            *_table(options, width),
            "",
            "everycall COMMAND --help explains a command.",
            "To try it without an org: everycall export --sandbox",
            "",
        ]
    )


def of_command(command: Command, *, width: int, bold: bool = False) -> str:
    """What `everycall COMMAND --help` prints."""
    lines = [f"Usage: everycall {command.name} {command.usage}", "", *textwrap.wrap(command.summary, width)]
    for paragraph in command.details.strip().split("\n\n"):
        lines += ["", *textwrap.wrap(paragraph, width)]
    for group, rows in _groups(command):
        lines += ["", _heading(group.title, bold=bold)]
        lines += textwrap.wrap(group.note, width, initial_indent="  ", subsequent_indent="  ")
        lines += _table(rows, width)
    return "\n".join(lines) + "\n"


def _groups(command: Command) -> Iterator[tuple[Group, list[tuple[str, str]]]]:
    """The groups of a command's options, in the order of their first option, each with its rows."""
    declared = [(names, option) for names, _, option in options_of(command)]
    for group in dict.fromkeys(option.group for _, option in declared):
        yield group, [(_label(names, option), option.help) for names, option in declared if option.group == group]
    yield HELP_GROUP, [(", ".join(HELP), HELP_OPTION.help)]


def _label(names: tuple[str, ...], option: Option) -> str:
    value = option.value + ("..." if option.many else "")
    return " ".join(part for part in (", ".join(names), value) if part)


def _table(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Two columns: labels and descriptions."""
    column = min(LABEL_MAX, max(len(label) for label, _ in rows)) + 4
    for label, text in rows:
        first, *others = textwrap.wrap(text, width - column)
        if len(label) + 4 > column:
            yield f"  {label}"
            yield " " * column + first
        else:
            yield f"  {label}".ljust(column) + first
        for line in others:
            yield " " * column + line


def _heading(title: str, *, bold: bool) -> str:
    return f"\x1b[1m{title}\x1b[0m" if bold else f"{title}:"
