"""`everycall report`."""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from everycall.analysis.opening import open_tables
from everycall.analysis.report.gathering import ReportOptions, gather
from everycall.analysis.report.page import library, page
from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.formats import size
from everycall.cli.options import Messages, Reported
from everycall.cli.parser import Arguments, UsageError
from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import SystemFilesystem
from everycall.tables.kpis import Switches


def run(arguments: Arguments, context: Context) -> int:
    """Make the page, say where it is, and return the exit code."""
    wanted, messages = arguments.of(Reported), arguments.of(Messages)
    if wanted.output is None:
        raise UsageError("everycall report needs a finished export.", hint="everycall report calls.duckdb")
    _check(wanted.page)
    library()  # first, since all else takes longer
    with open_tables(wanted.output) as tables:
        for notice in tables.notices:
            context.display.notice(notice)
        data = gather(tables, _options(wanted), datetime.now(UTC))
        made, verdict = page(data, tables.manifest.rows), tables.manifest.verdict
    if wanted.page == outputs.STANDARD_OUTPUT:
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        return 0
    path = outputs.followed(Path(wanted.page))
    _write(path, made)
    if messages.json:
        outputs.write_json({"output": str(path), "sizeBytes": len(made), "verdict": verdict})
    elif not messages.quiet:
        context.display.fact("page", f"{path} ({size(len(made))})")
        context.display.fact("export", data.verdict_text)
    return 0


ENDINGS = (".html", ".htm")


def _check(page: str) -> None:
    """Refuse what is no page before anything is read: an export named twice would be replaced by its page.

    Raises:
        UsageError, OutputRefused: it is not a file that ends with .html, or something else has that name.
    """
    if page == outputs.STANDARD_OUTPUT:
        return
    path = Path(page)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"'{page}' is no page.", hint="Name a file that ends with .html, or - for standard output.")
    if path.exists() and not path.is_file():
        raise OutputRefused(f"{page} is a folder or a device.", hint="Name a file with -o.")


def _options(wanted: Reported) -> ReportOptions:
    switches = Switches(
        flow_outs=wanted.with_flow_outs,
        short_abandons=not wanted.without_short_abandons,
        abandons=not wanted.without_abandons,
    )
    return ReportOptions(
        timezone=wanted.timezone,
        with_agents=wanted.with_agents,
        redact_names=wanted.redact_names,
        switches=switches,
    )


def _write(path: Path, made: bytes) -> None:
    """Write the page aside, and put it in place in one step; a new one is readable by its owner only.

    Raises:
        OutputFailed: it cannot be written.
    """
    filesystem, aside = SystemFilesystem(), path.with_name(f"{path.name}.part")
    try:
        with filesystem.open(aside, "wb") as file:
            file.write(made)
        filesystem.replace(aside, path)
    except OSError as error:
        with suppress(OSError):
            filesystem.unlink(aside)
        raise OutputFailed(
            f"{path} cannot be written: {error.strerror}.", hint="Choose another place with -o."
        ) from error
