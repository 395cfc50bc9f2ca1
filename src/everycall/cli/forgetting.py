"""`everycall forget`."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import Display
from everycall.cli.formats import counted
from everycall.cli.options import Forgotten, Messages
from everycall.cli.parser import Arguments, UsageError
from everycall.client import SystemClock
from everycall.errors import OutputRefused
from everycall.forgetting import Removal, check_target, forget
from everycall.sinks.targets import Target, target_of

SHOWN_MAX = 10
"""Unknown ids that are named."""

LEFT_BEHIND = {
    "delta": "Old versions of the Delta tables still have them: --vacuum deletes those.",
    "duckdb": "Free blocks of the file may have them until DuckDB writes over these.",
    "postgresql": "The server's files have them until autovacuum has passed, and its backups as long as they are kept.",
}
"""What to mind, by format."""


class Person:
    """Whoever runs the command, if anybody does."""

    def __init__(self, stream: TextIO | None = None, *, is_there: bool | None = None) -> None:
        """`stream` is standard input; `is_there` is whether it is a terminal to ask on."""
        self.stream = stream or sys.stdin
        self.is_there = self.stream.isatty() if is_there is None else is_there

    def agrees(self) -> bool:
        """Whether the answer is yes."""
        sys.stderr.write("Take them out? [y/N] ")
        sys.stderr.flush()
        return self.stream.readline().strip().lower() in ("y", "yes")


def run(arguments: Arguments, context: Context, *, person: Person | None = None) -> int:
    """Take conversations out, once somebody agrees, and return the exit code."""
    wanted, messages = arguments.of(Forgotten), arguments.of(Messages)
    target = _target(wanted)
    person = person or Person()
    ids = tuple(dict.fromkeys(_ids(wanted, person.stream)))
    if not ids and wanted.older_than is None:
        raise UsageError(
            "Nothing says what to forget.", hint="Give ids, --ids FILE, or --older-than DAYS. everycall forget --help"
        )

    def confirm(removal: Removal) -> bool:
        _check_unknown(removal, wanted)
        if not messages.quiet and not messages.json:
            _show(context.display, removal, target)
        if removal.is_empty or wanted.dry_run or wanted.yes:
            return not wanted.dry_run
        if not person.is_there or "-" in (*wanted.conversation_ids, wanted.ids):
            raise UsageError("There is nobody to ask on a terminal.", hint="Add --yes, or --dry-run to see only.")
        return person.agrees()

    age = None if wanted.older_than is None else timedelta(days=wanted.older_than)
    done = forget(
        wanted.output or "", ids, older_than=age, now=SystemClock().utc(), confirm=confirm, vacuum=wanted.vacuum
    )
    if messages.json:
        outputs.write_json(_plain(done))
    elif not messages.quiet:
        context.display.print(*_ending(done))
    return 0


def _target(wanted: Forgotten) -> Target:
    if wanted.output is None:
        raise UsageError("everycall forget needs the tables.", hint="everycall forget calls.parquet ID --dry-run")
    target = target_of(wanted.output)
    check_target(target, vacuum=wanted.vacuum)
    return target


def _ids(wanted: Forgotten, standard_input: TextIO) -> Iterable[str]:
    for one in wanted.conversation_ids:
        yield from _lines(standard_input) if one == "-" else (one,)
    if wanted.ids == "-":
        yield from _lines(standard_input)
    elif wanted.ids is not None:
        try:
            yield from _lines(Path(wanted.ids).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(
                f"{wanted.ids} cannot be read: {reason}.", hint="--ids takes a file with an id on each line."
            ) from error


def _lines(lines: Iterable[str]) -> Iterable[str]:
    return (line.strip() for line in lines if line.strip())


def _check_unknown(removal: Removal, wanted: Forgotten) -> None:
    """Refuse ids that the destination does not have: they may be mistyped.

    Raises:
        OutputRefused: it names them.
    """
    if removal.unknown and not wanted.skip_unknown:
        more = len(removal.unknown) - SHOWN_MAX
        named = ", ".join(removal.unknown[:SHOWN_MAX]) + (f" and {more:,} more" if more > 0 else "")
        raise OutputRefused(
            f"{removal.output} does not have {named}. Nothing was taken out.",
            hint="Check the ids. --skip-unknown takes the others out.",
        )


def _show(display: Display, removal: Removal, target: Target) -> None:
    display.fact("output", removal.output)
    display.fact("takes out", counted(removal.conversations, "conversation"))
    if removal.before is not None:
        display.fact("older than", f"{removal.before:%Y-%m-%d} UTC: {counted(removal.windows, 'window')} as a whole")
    if removal.unknown:
        display.fact("unknown ids", f"{len(removal.unknown):,}, skipped")
    if target.format in LEFT_BEHIND and not removal.is_empty:
        display.notice(LEFT_BEHIND[target.format])


def _ending(done: Removal) -> tuple[Any, ...]:
    if not done.is_done:
        return ("Nothing was taken out.",)
    if done.is_empty:
        return ("There was nothing to take out.",)
    return (("Taken out: ", "bold green"), f"{counted(done.conversations, 'conversation')} of {done.output}.")


def _plain(done: Removal) -> dict[str, Any]:
    return {
        "output": done.output,
        "conversations": done.conversations,
        "windows": done.windows,
        "unknownIds": list(done.unknown),
        "before": f"{done.before:%Y-%m-%dT%H:%M:%SZ}" if done.before else None,
        "done": done.is_done,
    }
