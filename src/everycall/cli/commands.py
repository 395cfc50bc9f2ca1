"""The commands, and how one of them is run: its options are read, its module is loaded, its errors become exit codes.

Loading this module loads neither the HTTP client nor the decoder nor the sandbox: help and wrong usage need none.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from everycall.cli import help_text, parser
from everycall.cli.options import Finished, Messages, Paging, PlanFormat, Rows, Serving, Source, Way, When, Which
from everycall.cli.parser import HELP, Arguments, Command, UsageError
from everycall.version import VERSION

if TYPE_CHECKING:
    from everycall.cli.context import Context

EXPORT = Command(
    "export",
    "Export conversations into a file, one row each, and prove that none is missing.",
    """
GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV, in the environment or in .env, say which org to use.
To try it without an org, add --sandbox.

After an interruption, the same command continues with the windows that are not finished yet.
""",
    (When, Which, Rows, Paging, Way, Source, Messages),
)
PLAN = Command(
    "plan",
    "Show what an export would take: conversations, windows, requests, minutes at the rate limit.",
    "Exports nothing. Takes the options of export, and costs one request for each window.",
    (When, Which, Paging, Way, Source, PlanFormat),
)
VERIFY = Command(
    "verify",
    "Ask the API again for every window of a finished export, and show whether the export still holds.",
    """
Costs one request for each window, and reads the file once to compare checksums. The exit code is 0 if all windows hold,
4 if not.

A change that leaves the count as it was, such as a late wrap-up code, is not noticed: to get that too, export again.
""",
    (Finished, Source, Messages),
    "FILE [OPTIONS]",
)
SANDBOX = Command(
    "sandbox",
    "Serve a stand-in for the API: an invented contact centre behind the real routes, limits and errors.",
    """
Any program that uses Genesys Cloud can use it instead. Nothing leaves this machine, except what --record passes on.
In a browser, its address shows what it holds and what it was asked. Ctrl-C ends it.
""",
    (Serving,),
)

COMMANDS = {command.name: command for command in (EXPORT, PLAN, VERIFY, SANDBOX)}

MODULES = {"export": "exporting", "plan": "planning", "verify": "verifying", "sandbox": "serving"}
"""The module of each command; its `run` is called."""


def run(arguments: Sequence[str], watch_signals: Callable[[], Sequence[int]] = tuple) -> int:
    """Run a command and return its exit code. Errors become messages, unless EVERYCALL_TRACEBACK asks for more.

    Args:
        arguments: the command and its options.
        watch_signals: lets signals interrupt the command from now on, and returns those that came, a list that grows.
    """
    try:
        if text := _without_command(arguments):
            sys.stdout.write(text)
            sys.stdout.flush()
            return 0
        command = COMMANDS[arguments[0]]
        given = parser.parse(command, arguments[1:])
    except (UsageError, OSError) as error:
        from everycall.cli.failures import report  # noqa: PLC0415 - loads the terminal's library

        return report(error)
    from everycall.cli.failures import guarded  # noqa: PLC0415 - as above

    return guarded(partial(_run, command, given), watch_signals)


def _run(command: Command, given: Arguments, context: "Context") -> int:
    code: int = import_module(f"everycall.cli.{MODULES[command.name]}").run(given, context)
    return code


def _without_command(arguments: Sequence[str]) -> str:
    """What is printed without running a command: help, or the version; empty where a command is to run.

    Raises:
        UsageError: there is no such command.
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
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    kind = "option" if first.startswith("-") else "command"
    near = get_close_matches(first, COMMANDS, n=1, cutoff=0.75)
    hint = "everycall --help lists the commands, everycall COMMAND --help the options of one."
    return UsageError(f"everycall has no {kind} {first!r}.", hint=f"Did you mean {near[0]}? {hint}" if near else hint)
