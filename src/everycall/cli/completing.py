"""`everycall completion`: scripts that let a shell complete commands, options and their values.

The scripts come from shtab, which reads an argparse parser; that is built from the declarations of the commands.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import shtab

from everycall.cli.context import Context
from everycall.cli.help_text import HELP_OPTION
from everycall.cli.options import Completing
from everycall.cli.parser import HELP, Arguments, Command, Option, UsageError, options_of
from everycall.errors import OutputRefused

BEGIN, END = "# >>> completion of everycall >>>", "# <<< completion of everycall <<<"
"""Around the lines that are added to a shell's start-up file."""

POWERSHELL_LIMIT_S = 20.0
"""Ours: how long PowerShell may take to say where its profile is."""


def run(arguments: Arguments, context: Context) -> int:
    """Print the script, or install it, and return the exit code."""
    from everycall.cli.commands import COMMANDS  # noqa: PLC0415 - it loads this module

    asked = arguments.of(Completing)
    if asked.shell is None:
        raise UsageError("The shell is missing.", hint="Give bash, zsh, fish or powershell.")
    text = script(list(COMMANDS.values()), asked.shell)
    if not asked.install:
        sys.stdout.write(text)
        return 0
    place = place_of(asked.shell, os.environ, Path.home())
    install(text, place)
    context.display.print(f"Installed {place.script}" + (f", used by {place.start_up}" if place.start_up else ""))
    context.display.print("Open a new shell to use it." + (f" {place.note}" if place.note else ""))
    return 0


def script(commands: Sequence[Command], shell: str) -> str:
    """The script of a shell."""
    return str(shtab.complete(argument_parser(commands), shell=shell)).rstrip("\n") + "\n"


def argument_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """All commands as one argparse parser, as shtab reads it. It parses nothing."""
    parser = argparse.ArgumentParser(prog="everycall", add_help=False)
    parser.add_argument(*HELP, action="store_true", help=HELP_OPTION.help)
    parser.add_argument("--version", action="store_true", help="Show the version and exit.")
    below = parser.add_subparsers()
    for command in commands:
        one = below.add_parser(command.name, help=_plain(command.summary), add_help=False)
        one.add_argument(*HELP, action="store_true", help=HELP_OPTION.help)
        for names, name, declared in options_of(command):
            _add(one, names, name, declared)
    return parser


def _add(parser: argparse.ArgumentParser, names: tuple[str, ...], name: str, declared: Option) -> None:
    if not declared.value:
        parser.add_argument(*names, action="store_true", help=_plain(declared.help))
        return
    values = values_of(name, declared)
    options = {"choices": values} if values else {}
    if declared.is_positional:
        action = parser.add_argument(name, nargs="?", help=_plain(declared.help), **options)  # type: ignore[arg-type]
    else:
        action = parser.add_argument(*names, help=_plain(declared.help), metavar=declared.value, **options)  # type: ignore[arg-type]
    if not values and declared.value in ("FILE", "PATH"):
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif declared.value == "FOLDER":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    """A help text without what argparse or a shell would interpret."""
    return text.replace("%", "%%").replace("`", "'")


def values_of(name: str, declared: Option) -> list[str]:
    """The values that a shell offers for an option; empty if it can be anything."""
    if declared.choices:
        return list(declared.choices)
    return list(_VALUES[name]()) if name in _VALUES else []


def _column_names() -> Sequence[str]:
    from everycall.tables.flat import EXTENDED  # noqa: PLC0415 - it loads the decoder

    return [column.name for column in EXTENDED]


def _media_types() -> Sequence[str]:
    from everycall.api.filters import MEDIA_TYPES  # noqa: PLC0415

    return MEDIA_TYPES


def _directions() -> Sequence[str]:
    from everycall.api.filters import DIRECTIONS  # noqa: PLC0415

    return DIRECTIONS


def _interval_words() -> Sequence[str]:
    from everycall.api.interval import WORDS  # noqa: PLC0415

    return WORDS


def _regions() -> Sequence[str]:
    from everycall.api.auth import CITIES, REGIONS  # noqa: PLC0415

    return [*REGIONS, *REGIONS.values(), *(place for place in CITIES if " " not in place)]


def _time_zones() -> Sequence[str]:
    from zoneinfo import available_timezones  # noqa: PLC0415

    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/")))


_VALUES: Mapping[str, Callable[[], Sequence[str]]] = {
    "columns": _column_names,
    "media": _media_types,
    "direction": _directions,
    "interval": _interval_words,
    "env": _regions,
    "timezone": _time_zones,
}
"""The values that are offered for options that accept others, too, by the option's field."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shell looks for a script."""

    script: Path
    start_up: Path | None = None
    """The file that a shell runs when it starts, if it has to name the script."""
    lines: Sequence[str] = ()
    """What the start-up file needs."""
    note: str = ""


def place_of(shell: str, environment: Mapping[str, str], home: Path) -> Place:
    """Where the script of a shell belongs.

    Sources: the manuals of bash-completion, zsh (compinit), fish and PowerShell (about_Profiles).
    """
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "bash":
        note = "It needs the package bash-completion."
        return Place(data / "bash-completion" / "completions" / "everycall", note=note)
    if shell == "fish":
        return Place(settings / "fish" / "completions" / "everycall.fish")
    if shell == "zsh":
        folder = data / "everycall" / "zsh"
        lines = (f"fpath=('{folder}' $fpath)", "autoload -Uz compinit && compinit")
        return Place(folder / "_everycall", Path(environment.get("ZDOTDIR") or home) / ".zshrc", lines)
    profile = powershell_profile(settings)
    path = profile.with_name("everycall.ps1")
    return Place(path, profile, (f". '{path}'",))


def powershell_profile(settings: Path) -> Path:
    """The start-up file of PowerShell, as PowerShell says; where it is not installed, that of POSIX systems."""
    for program in ("pwsh", "powershell"):
        if found := shutil.which(program):
            command = [found, "-NoProfile", "-NonInteractive", "-Command", "$PROFILE"]
            try:
                done = subprocess.run(  # noqa: S603 - no input of others
                    command, capture_output=True, text=True, timeout=POWERSHELL_LIMIT_S, check=True
                )
            except (OSError, subprocess.SubprocessError):
                continue
            if done.stdout.strip():
                return Path(done.stdout.strip())
    return settings / "powershell" / "Microsoft.PowerShell_profile.ps1"


def install(text: str, place: Place) -> None:
    """Write the script, and add its lines to the start-up file, once.

    Raises:
        OutputRefused: a file cannot be written.
    """
    try:
        place.script.parent.mkdir(parents=True, exist_ok=True)
        place.script.write_text(text, encoding="utf-8")
        if place.start_up is not None:
            _add_lines(place.start_up, place.lines)
    except OSError as error:
        raise OutputRefused(
            f"{error.filename or place.script} cannot be written: {error.strerror}.",
            hint="Print the script instead, and put it where your shell finds it: everycall completion SHELL.",
        ) from error


def _add_lines(path: Path, lines: Sequence[str]) -> None:
    """Add lines between two markers, in place of those of an earlier installation."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, marker, rest = text.partition(BEGIN + "\n")
    after = rest.partition(END + "\n")[2] if marker else ""
    block = "\n".join((BEGIN, *lines, END)) + "\n"
    if before and not before.endswith("\n"):
        before += "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before + block + after, encoding="utf-8")
