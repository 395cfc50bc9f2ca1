"""Declares the commands and runs them: parses the options, loads the command's module, turns errors into exit codes.

Importing this module loads neither the HTTP client nor the decoder nor the sandbox, since help and wrong usage do not
need them.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from everycall.cli import help_text, parser
from everycall.cli.options import (
    Declared,
    Finished,
    Messages,
    Paging,
    PlanFormat,
    Rows,
    Serving,
    Source,
    Way,
    When,
    Which,
)
from everycall.cli.parser import HELP, Arguments, Command, UsageError
from everycall.version import VERSION

if TYPE_CHECKING:
    from everycall.cli.context import Context

EXPORT = Command(
    "export",
    "Export conversations to a file, one row each, and prove that none is missing.",
    """
Set GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV in the environment or in .env to use your org.
To try everycall without an org, add --sandbox.

After an interruption, the same command continues with the windows that are not finished yet.
""",
    (When, Which, Rows, Paging, Way, Source, Messages),
)
PLAN = Command(
    "plan",
    "Show how large an export would be: conversations, windows, requests, minutes at the rate limit.",
    "Exports nothing. Takes the options of export, and sends one request for each window.",
    (When, Which, Paging, Way, Source, PlanFormat),
)
VERIFY = Command(
    "verify",
    "Count every window of a finished export again, and show whether the export still holds.",
    """
Sends one request for each window, and reads the file once to compare checksums. The exit code is 0 if all windows hold,
4 if not.

A change that leaves the count the same, such as a late wrap-up code, is not noticed: export again to get it.
""",
    (Finished, Source, Messages),
    "FILE [OPTIONS]",
)
SCHEMA = Command(
    "schema",
    "List the relational tables, or the columns of one with their types, units and caveats.",
    "Asks no org: the tables are the same for all.",
    (Declared,),
    "[TABLE] [OPTIONS]",
)
SANDBOX = Command(
    "sandbox",
    "Serve a stand-in for the API: an invented contact centre with the API's real routes, limits and errors.",
    """
Any program that uses Genesys Cloud can use it instead. Nothing leaves this machine, except requests with --record.
Open its address in a browser to see its conversations and the requests it has received. Ctrl-C ends it.
""",
    (Serving,),
)

COMMANDS = {command.name: command for command in (EXPORT, PLAN, VERIFY, SCHEMA, SANDBOX)}

MODULES = {
    "export": "exporting", "plan": "planning", "verify": "verifying", "schema": "describing", "sandbox": "serving",
}  # fmt: skip
"""The module of each command; its `run` is called."""


def run(arguments: Sequence[str], watch_signals: Callable[[], Sequence[int]] = tuple) -> int:
    """Run a command and return its exit code. Errors become messages, or a traceback with EVERYCALL_TRACEBACK.

    Args:
        arguments: the command and its options.
        watch_signals: installs the signal handlers, and returns a list to which they append each signal.
    """
    try:
        if text := _without_command(arguments):
            sys.stdout.write(text)
            sys.stdout.flush()
            return 0
        command = COMMANDS[arguments[0]]
        given = parser.parse(command, arguments[1:])
    except (UsageError, OSError) as error:
        from everycall.cli.failures import report  # noqa: PLC0415 - it loads rich

        return report(error)
    from everycall.cli.failures import guarded  # noqa: PLC0415 - as above

    return guarded(partial(_run, command, given), watch_signals)


def _run(command: Command, given: Arguments, context: "Context") -> int:
    code: int = import_module(f"everycall.cli.{MODULES[command.name]}").run(given, context)
    return code


def _without_command(arguments: Sequence[str]) -> str:
    """The help or the version, if the arguments ask for it; empty if a command is to run.

    Raises:
        UsageError: the command does not exist.
    """
    first = arguments[0] if arguments else HELP[0]
    width, bold = help_text.width(), help_text.is_bold()
    if first in HELP:
        return help_text.overview(list(COMMANDS.values()), width=width, bold=bold)
    if first == "--version":
        return f"{VERSION}\n"
    if first not in COMMANDS:
        raise _unknown_command(first)
    return help_text.of_command(COMMANDS[first], width=width, bold=bold) if set(HELP) & set(arguments) else ""


def _unknown_command(first: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - needed for mistakes only

    kind = "option" if first.startswith("-") else "command"
    similar = get_close_matches(first, COMMANDS, n=1, cutoff=0.75)
    hint = "everycall --help lists the commands, everycall COMMAND --help the options of a command."
    if similar:
        hint = f"Did you mean {similar[0]}? {hint}"
    return UsageError(f"everycall has no {kind} {first!r}.", hint=hint)
