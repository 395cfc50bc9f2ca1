"""Declares options as fields of dataclasses, and parses a command's arguments into them with argparse.

    @dataclass(frozen=True, kw_only=True)
    class Rows:
        view: str = option("default", OUTPUT, "Which columns.", choices=("default", "extended"))

A command lists the dataclasses whose fields are its options, and `parse` fills them. `help_text` makes the help from
the same declarations. This module imports the standard library only, so that wrong usage is reported at once.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from math import inf, nan
from typing import Any, TypeVar, cast

from everycall.errors import SettingsError

T = TypeVar("T")

HELP = ("--help", "-h")


class UsageError(SettingsError):
    """The arguments are not valid."""


@dataclass(frozen=True)
class Group:
    """A heading in the help."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Option:
    """The declaration of an option."""

    group: Group
    help: str
    value: str = ""
    """The placeholder of its value in the help; empty for a switch."""
    parse: Callable[[str], Any] = str
    """Converts the argument to the value; raises ValueError with a hint about the accepted values."""
    choices: tuple[str, ...] = ()
    short: str = ""
    many: bool = False
    """Whether it can be given several times."""
    is_positional: bool = False


@dataclass(frozen=True)
class Command:
    """The declaration of a command."""

    name: str
    summary: str
    """One sentence."""
    details: str
    """More sentences; an empty line separates paragraphs."""
    options: tuple[type, ...]
    """Dataclasses whose fields are declared with `option`, `switch` and `positional`."""
    usage: str = "[OPTIONS]"

    @property
    def help_hint(self) -> str:
        """How to list the options."""
        return f"everycall {self.name} --help lists its options."


class Arguments:
    """The parsed arguments of a command: one instance of each dataclass that declares its options."""

    def __init__(self, values: Mapping[type, object]) -> None:
        self._values = values

    def of(self, kind: type[T]) -> T:
        """The options of this dataclass."""
        return cast("T", self._values[kind])

    def has(self, kind: type) -> bool:
        """Whether the command has the options of this dataclass."""
        return kind in self._values


def text(argument: str) -> str:
    """A parser of printable text."""
    if not argument.isprintable():
        raise ValueError("Leave out characters that cannot be printed.")
    return argument


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers within bounds."""

    def parse(written: str) -> int:
        if re.fullmatch(r"-?[0-9]{1,18}", written) and least <= int(written) <= (most or inf):
            return int(written)
        bounds = f"from {least} to {most}" if most is not None else f"that is at least {least}"
        raise ValueError(f"Give a whole number {bounds}.")

    return parse


def number(*, above: float = -inf, least: float = -inf, most: float) -> Callable[[str], float]:
    """A parser of numbers within bounds: above the first or at least the second, and at most the third."""

    def parse(written: str) -> float:
        try:
            value = float(written)
        except ValueError:
            value = nan
        if above < value and least <= value <= most:
            return value
        bound = f"above {above:g}" if above > least else f"from {least:g}"
        raise ValueError(f"Give a number {bound} up to {most:g}.")

    return parse


def option(
    default: T,
    group: Group,
    help: str,  # noqa: A002 - as argparse calls it
    *,
    value: str = "",
    parse: Callable[[str], Any] = text,
    choices: tuple[str, ...] = (),
    short: str = "",
    many: bool = False,
) -> T:
    """Declare a field as an option with a value; its name is that of the field, with dashes for underscores.

    An underscore at the end of the field's name is left out: `from_` is `--from`.
    """
    declared = Option(group, help, value or "|".join(choices) or "TEXT", parse, choices, short, many)
    return field(default=default, metadata={"option": declared})


def switch(group: Group, help: str, *, short: str = "") -> bool:  # noqa: A002
    """Declare a field as an option without a value: true if it is given."""
    return field(default=False, metadata={"option": Option(group, help, short=short)})


def positional(
    default: T,
    group: Group,
    value: str,
    help: str,  # noqa: A002
    *,
    parse: Callable[[str], Any] = text,
    choices: tuple[str, ...] = (),
    many: bool = False,
) -> T:
    """Declare a field as a positional argument; the command itself checks whether it is given.

    With `many`, it takes all arguments that follow; it has to be the last one of its command.
    """
    declared = Option(group, help, value, parse, choices, many=many, is_positional=True)
    return field(default=default, metadata={"option": declared})


def options_of(command: Command) -> Iterator[tuple[tuple[str, ...], str, Option]]:
    """Every option of a command: its names (none for a positional argument), its field, its declaration."""
    for kind in command.options:
        for declared_field in fields(kind):
            name = declared_field.name
            declared: Option = declared_field.metadata["option"]
            names = (f"--{name.rstrip('_').replace('_', '-')}", *([declared.short] if declared.short else []))
            yield () if declared.is_positional else names, name, declared


def parse(command: Command, arguments: Sequence[str]) -> Arguments:
    """Parse the arguments of a command.

    Raises:
        UsageError: an option is unknown or lacks its value, a value is not valid, or an argument belongs to no option.
    """
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS, exit_on_error=False
    )
    for names, name, declared in options_of(command):
        _add(parser, command, names, name, declared)
    has_many = any(declared.is_positional and declared.many for _, _, declared in options_of(command))
    try:
        parsing = parser.parse_known_intermixed_args if has_many else parser.parse_known_args
        found, left = parsing(list(arguments))
    except argparse.ArgumentError as error:
        raise _missing_value(command, error.argument_name or "", arguments) from error
    if left:
        raise _left_over(command, left[0])
    given = vars(found)
    values = {
        kind: kind(**{name: _given(given[name]) for name in (option.name for option in fields(kind)) if name in given})
        for kind in command.options
    }
    return Arguments(values)


def _given(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class _Once(argparse.Action):
    """Refuses an option that is given twice: the second value would silently replace the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if hasattr(namespace, self.dest) and option_string:
            raise UsageError(f"{option_string} is given twice.", hint="Give it once.")
        setattr(namespace, self.dest, values)


def _add(
    parser: argparse.ArgumentParser, command: Command, names: tuple[str, ...], name: str, declared: Option
) -> None:
    if not declared.value:
        parser.add_argument(*names, dest=name, action="store_true")
        return
    convert = partial(_converted, command, names[0] if names else declared.value, declared)
    if declared.is_positional:
        parser.add_argument(name, nargs="*" if declared.many else "?", type=convert)
    elif declared.many:
        parser.add_argument(*names, dest=name, action="append", type=convert)
    else:
        parser.add_argument(*names, dest=name, action=_Once, type=convert)


def _converted(command: Command, name: str, declared: Option, written: str) -> object:
    """Convert an argument to the value of an option. An empty one usually comes from an unset shell variable.

    Raises:
        UsageError: the option does not accept the argument.
    """
    if written is argparse.SUPPRESS:  # a positional argument that is not given
        return written
    if not written.strip() and declared.parse is not str:
        raise UsageError(f"{name} is empty.", hint=f"Give it a value, or leave it out. {command.help_hint}")
    if declared.choices and written not in declared.choices:
        raise UsageError(f"{name} is '{written}'.", hint=f"Give {' or '.join(declared.choices)}.")
    try:
        return declared.parse(written)
    except ValueError as error:
        shown = written if written.isprintable() else f"{written!a}, which is not plain text"
        raise UsageError(f"{name} is {shown}.", hint=str(error)) from None


def _missing_value(command: Command, names: str, arguments: Sequence[str]) -> UsageError:
    """The error for an option without a value, or a switch with one."""
    found = {name: declared for known, _, declared in options_of(command) for name in known}
    name = names.partition("/")[0]
    if name in found and not found[name].value:
        return UsageError(f"{name} takes no value.", hint=command.help_hint)
    at = next((at for at, written in enumerate(arguments) if written in names.split("/")), len(arguments))
    following = arguments[at + 1] if at + 1 < len(arguments) else ""
    if following:
        return UsageError(
            f"{name} is followed by '{following}', which looks like an option.",
            hint=f"Give a value first: {name} VALUE. For a file of that name, write ./{following}.",
        )
    return UsageError(f"{name} needs a value.", hint=command.help_hint)


def _left_over(command: Command, written: str) -> UsageError:
    if written.startswith("-") and written != "-":
        return _unknown_option(command, written.partition("=")[0])
    has_output = any("--output" in names for names, _, _ in options_of(command))
    if has_output and (written == "-" or "." in written[1:] or "/" in written):
        return UsageError(f"'{written}' does not belong to an option.", hint=f"To write to it: -o {written}")
    return UsageError(
        f"'{written}' does not belong to an option.",
        hint="Quote values with spaces, and repeat the option for each value: --queue 'Back Office' --queue Billing",
    )


def _unknown_option(command: Command, name: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - needed for mistakes only

    known = [name for names, _, _ in options_of(command) for name in names]
    similar = [other for other in known if other.startswith(name)] or get_close_matches(name, known, n=1, cutoff=0.75)
    hint = f"Did you mean {similar[0]}? {command.help_hint}" if similar else command.help_hint
    return UsageError(f"everycall {command.name} has no option {name}.", hint=hint)
