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
    Cells,
    Completing,
    Converting,
    Declared,
    FindingsFormat,
    Finished,
    Forgotten,
    Kept,
    Listed,
    Logs,
    Messages,
    Paging,
    PlanFormat,
    Privacy,
    ProfileAction,
    Reconciled,
    Reported,
    Rows,
    Serving,
    Shown,
    Source,
    Summarized,
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
    "Export conversations to files, tables or databases, and prove that none is missing.",
    """
Set GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_ENV in the environment or in .env to use your org.
To try everycall without an org, add --sandbox.

After an interruption, the same command continues with the windows that are not finished yet.
""",
    (When, Which, Rows, Cells, Privacy, Paging, Way, Source, Messages, Logs),
)
PLAN = Command(
    "plan",
    "Show how large an export would be: conversations, windows, requests, minutes at the rate limit.",
    "Exports nothing. Takes the options of export, and sends one request for each window, and three more where the "
    "interval begins within a UTC day.",
    (When, Which, Paging, Way, Source, PlanFormat, Logs),
)
VERIFY = Command(
    "verify",
    "Count every window of a finished export again, and show whether the export still holds.",
    """
Sends one request for each window, and reads the file once to compare checksums. The exit code is 0 if all windows hold,
4 if not.

A change that leaves the count the same, such as a late wrap-up code, is not noticed: export again to get it.
""",
    (Finished, Source, Messages, Logs),
    "FILE [OPTIONS]",
)
DOCTOR = Command(
    "doctor",
    "Check credentials, permissions, divisions, limits, clock and data lag: what is wrong, and what to do.",
    """
Sends a login and about a dozen requests, and exports nothing. Permissions are found out by asking.

The exit code is that of export for what is wrong, and 0 if there are only warnings.
""",
    (Source, FindingsFormat, Logs),
)
PROFILE = Command(
    "profile",
    "Keep the credentials of several orgs under names, for --profile NAME.",
    """
The first profile is the default, which is used where neither --profile nor the environment nor .env names an org.
everycall profile use NAME makes another one the default.

The secret is never an argument, since others on this machine can see those: add asks for it, or reads it from standard
input. To replace a secret, add the profile again.
""",
    (ProfileAction,),
    "add|list|use|remove [NAME] [OPTIONS]",
)
QUEUES = Command(
    "queues",
    "List the queues that --queue accepts.",
    "Deleted queues are not listed; their conversations can be found by the queue's id.",
    (Listed, Source, Logs),
    "[WORD] [OPTIONS]",
)
USERS = Command(
    "users",
    "List the users that --user accepts, deleted ones included.",
    "The API lists at most 10,000 of a state.",
    (Listed, Source, Logs),
    "[WORD] [OPTIONS]",
)
WRAPUPS = Command(
    "wrapups",
    "List the wrap-up codes that --wrapup accepts.",
    "The API does not list system codes such as ININ-WRAP-UP-TIMEOUT; --wrapup accepts them nevertheless.",
    (Listed, Source, Logs),
    "[WORD] [OPTIONS]",
)
DIVISIONS = Command(
    "divisions",
    "List the divisions that --division accepts.",
    "everycall doctor shows those whose conversations this client sees.",
    (Listed, Source, Logs),
    "[WORD] [OPTIONS]",
)
COLUMNS = Command(
    "columns",
    "List the columns that --columns accepts, with what they hold.",
    "Needs no org. CSV and JSON also have what to mind with each column.",
    (Listed,),
    "[WORD] [OPTIONS]",
)
COMPLETION = Command(
    "completion",
    "Print or install the script with which a shell completes commands, options and values.",
    "To use it once in bash: source <(everycall completion bash)",
    (Completing,),
    "bash|zsh|fish|powershell [--install]",
)
SCHEMA = Command(
    "schema",
    "List the relational tables, or the columns of one with their types, units and caveats.",
    "Asks no org: the tables are the same for all.",
    (Declared,),
    "[TABLE] [OPTIONS]",
)
CONVERT = Command(
    "convert",
    "Make any output from an archive of JSON lines, without asking the API.",
    """
An export to .jsonl.zst keeps everything that the API sent. From it, this command makes the outputs that an export of
the same conversations would make, on all cores.

With the manifest of the archive beside it, the outputs get its windows and its verdict. Without one the verdict is
unknown. Names come from ARCHIVE.names.jsonl; without that file, the rows have ids.

The exit code is 4 if a line is no conversation, if the archive is not as its manifest says, or if it was not proven
complete when it was exported.
""",
    (Converting, Cells, Privacy, Messages),
    "ARCHIVE -o PATH [OPTIONS]",
)
RECONCILE = Command(
    "reconcile",
    "Compare the metrics in a finished export with the vendor's own aggregates, half hour by half hour.",
    """
Sends one request for each day, by queue and media type, and lists every difference: queue, metric, half hour, and the
conversations behind it where they can be named. Needs the permission analytics:conversationAggregate:view.

A metric can be emitted weeks after its conversation began. So a day is judged only if the export covers the 31 days
before it, too; other days are named.

The exit code is 0 if all judged days agree, 4 if one differs or none can be judged.
""",
    (Reconciled, Source, Logs),
    "OUT [OPTIONS]",
)
SUMMARY = Command(
    "summary",
    "Show a finished export on one screen: volume, service level and handle times by queue and agent, and top codes.",
    """
Asks no org. The figures are the key figures of the vendor's reports, made from the metrics of the conversations in the
export. A CSV file has no metrics, so it gives less: the summary says what is missing.
""",
    (Summarized,),
    "OUT [OPTIONS]",
)
SYNC = Command(
    "sync",
    "Keep tables up to date: read what may have changed since the last run, and everything since then.",
    """
Run it every night. The first run reads everything from --since. Each later one reads what is new, the trailing days
again, and each day once more after a month. On other days it replaces conversations that were open and have ended, or
were opened again (a details job finds those).

Days that need not be read again stay as they are. After an interruption, run the same command.

Without --route, sync reads by the query, which knows late changes hours before jobs do.
""",
    (Kept, Which, Way, Privacy, Source, Messages, Logs),
    "OUT [OPTIONS]",
)
FORGET = Command(
    "forget",
    "Take conversations out of tables, with all that belongs to them, so that they do not come back.",
    """
For a request to erase, or to keep data no longer than allowed. Asks nothing of the API. Shows what it would take out,
and asks before it does so; --yes is for machines.

sync and verify --repair leave these conversations out from then on, and verify does not miss them. --fresh, and another
export to the same place, bring back what the org still has.

If OUT does not have one of the ids, nothing is taken out, and the exit code is 2.
""",
    (Forgotten, Messages, Logs),
    "OUT [ID...] [OPTIONS]",
)
SHOW = Command(
    "show",
    "Show one conversation as a time line: who took part, and what happened when.",
    """
Participants are lanes, segments are bars. Long gaps are cut out of the scale, and it says so.

Reads the conversation from the API, with one request and those for names, or from a finished export with --from.

The exit code is 2 if there is no such conversation; the message names where it was looked for.
""",
    (Shown, Source, Logs),
    "ID [OPTIONS]",
)
REPORT = Command(
    "report",
    "Make a page of an export to look at: volume, waits, service level, handle times, and what is covered.",
    """
One file of HTML, which opens in any browser without a network, and prints. Queues and media can be chosen on it; under
every picture stands its table. Asks no org.

Switches of the service level: set them as your org has them, since the API does not report them.
""",
    (Reported, Messages, Logs),
    "OUT [-o PAGE] [OPTIONS]",
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

_ALL = (
    EXPORT, PLAN, VERIFY, RECONCILE, SUMMARY, REPORT, SHOW, SYNC, FORGET, CONVERT, DOCTOR, QUEUES, USERS, WRAPUPS,
    DIVISIONS, COLUMNS, SCHEMA, PROFILE, COMPLETION, SANDBOX,
)  # fmt: skip

COMMANDS = {command.name: command for command in _ALL}

ENTRIES = {
    "export": "exporting",
    "plan": "planning",
    "verify": "verifying",
    "reconcile": "reconciling",
    "summary": "summing",
    "report": "reporting",
    "sync": "syncing",
    "forget": "forgetting",
    "convert": "converting",
    "doctor": "examining",
    "queues": "listing:queues",
    "users": "listing:users",
    "wrapups": "listing:wrapups",
    "divisions": "listing:divisions",
    "columns": "listing:columns",
    "schema": "describing",
    "profile": "profiling",
    "completion": "completing",
    "show": "showing",
    "sandbox": "serving",
}
"""The module of each command, and the function in it that is called if that is not `run`."""


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
    def run() -> int:
        module, _, function = ENTRIES[command.name].partition(":")
        code: int = getattr(import_module(f"everycall.cli.{module}"), function or "run")(given, context)
        return code

    if not given.has(Logs) or not given.of(Logs).is_wanted:
        return run()
    from everycall.cli.logged import run_logged  # noqa: PLC0415 - few commands need it

    return run_logged(given.of(Logs), command.name, context.display, run)


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
