"""`everycall convert`."""

import sys
from pathlib import Path
from typing import Any, BinaryIO

from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import Display, nowhere
from everycall.cli.exit_codes import NOT_PROVEN
from everycall.cli.formats import counted, duration, span
from everycall.cli.lists import separated
from everycall.cli.options import Cells, Converting, Messages, Privacy
from everycall.cli.parser import Arguments, UsageError
from everycall.cli.progress import Quiet
from everycall.cli.summary import with_size
from everycall.converting import Converted, ConvertOptions, convert
from everycall.tables import flat
from everycall.tables.attributes import PREFIX

STARTS_OVER = "Nothing is kept: the same command starts over."

BAD_SHOWN = 10
"""Bad lines that are named one by one; --json lists more of them."""


def run(arguments: Arguments, context: Context) -> int:
    """Convert an archive, show the summary, and return the exit code."""
    wanted, messages = arguments.of(Converting), arguments.of(Messages)
    archive = _archive(wanted)
    if not wanted.output:
        raise UsageError(
            "everycall convert needs an output.", hint=f"everycall convert {wanted.archive} -o conversations.csv"
        )
    outputs.check(wanted)
    columns = _columns(wanted)
    flat.columns(wanted.view, columns)
    is_stream = outputs.is_stream(wanted)
    display = nowhere() if messages.json and is_stream else context.display
    context.kept = STARTS_OVER
    done = convert(
        archive,
        outputs.targets(wanted),
        view=wanted.view,
        columns=columns,
        format=wanted.format if is_stream else None,
        options=ConvertOptions(
            fresh=wanted.fresh,
            workers=_workers(wanted),
            file_mode=wanted.file_mode,
            style=outputs.style(arguments.of(Cells), wanted.timezone),
            redaction=outputs.redaction(separated("--redact", arguments.of(Privacy).redact)),
            organization_id=wanted.organization_id,
        ),
        progress=Quiet(display),
    )
    context.code = 0 if done.is_complete else NOT_PROVEN
    _show_bad_lines(display, done)
    if messages.json:
        outputs.write_json(as_json(done), to_standard_error=is_stream)
    elif not messages.quiet:
        show(display, done)
    return context.code


def _archive(wanted: Converting) -> Path | BinaryIO:
    if not wanted.archive:
        raise UsageError(
            "everycall convert needs an archive.", hint="everycall convert conversations.jsonl.zst -o conversations.csv"
        )
    return sys.stdin.buffer if wanted.archive == outputs.STANDARD_OUTPUT else Path(wanted.archive)


def _columns(wanted: Converting) -> list[str]:
    """The columns that are named, and those of attributes behind them."""
    columns = separated("--columns", wanted.columns)
    if not wanted.attribute:
        return columns
    columns = columns or [column.name for column in flat.columns(wanted.view)]
    return columns + [f"{PREFIX}{one}" for one in wanted.attribute]


def _workers(wanted: Converting) -> int:
    """How many processes; one core needs none beside this one."""
    if wanted.workers is not None:
        return wanted.workers
    from everycall.load.workers import cores  # noqa: PLC0415 - it loads multiprocessing

    return cores() if cores() > 1 else 0


def _show_bad_lines(display: Display, done: Converted) -> None:
    for line in done.bad[:BAD_SHOWN]:
        display.notice(f"Line {line.number} is left out: {line.reason}.")
    if done.bad_count > BAD_SHOWN:
        display.notice(f"{counted(done.bad_count - BAD_SHOWN, 'more line')} are left out.")


def show(display: Display, done: Converted) -> None:
    """Print the verdict, and what was written."""
    rows = counted(done.rows, "conversation")
    if done.verdict == "proven":
        display.print(("Proven: ", "bold green"), f"{rows}, by the manifest of the archive.", wrap=True)
    elif done.verdict == "unproven":
        display.print(("NOT PROVEN: ", "bold red"), f"{rows}; the archive was not proven complete.", wrap=True)
    else:
        display.print(("Unknown: ", "bold yellow"), f"{rows}; nobody has counted what there should be.", wrap=True)
    display.blank()
    display.fact("interval", span(done.interval) if done.interval else "none: the archive has no conversations")
    if done.repeated:
        display.fact("repeated", f"{counted(done.repeated, 'line')} that a later line replaces")
    if done.bad_count:
        display.fact("left out", f"{counted(done.bad_count, 'line')} that are no conversations")
    display.fact("took", duration(done.finished_at - done.started_at))
    if done.outputs:
        display.fact("rows", with_size(done.outputs[0], done.manifest))
    for name in done.outputs[1:]:
        display.fact("", name)


def as_json(done: Converted) -> dict[str, Any]:
    """The manifest of the first output, and what became of the lines."""
    bad = [{"line": line.number, "reason": line.reason} for line in done.bad]
    return {**done.manifest, "repeated": done.repeated, "leftOut": done.bad_count, "badLines": bad}
