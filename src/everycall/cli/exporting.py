"""`everycall export`."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from everycall.cli import outputs, summary
from everycall.cli.context import Context
from everycall.cli.display import Display, nowhere
from everycall.cli.exit_codes import NOT_PROVEN
from everycall.cli.lists import separated
from everycall.cli.options import Cells, Messages, Paging, Privacy, Rows, Source, Way, When, Which
from everycall.cli.org import Org, connected
from everycall.cli.parser import Arguments, UsageError
from everycall.cli.progress import Kept, listener
from everycall.cli.queries import check, kept_from, query_of
from everycall.client import SystemClock
from everycall.exporting import Summary, export
from everycall.privacy import Redaction
from everycall.setup import Options
from everycall.tables import flat
from everycall.tables.attributes import PREFIX

STARTS_OVER = "An export to standard output cannot be continued: the same command starts from the beginning."


def run(
    arguments: Arguments, context: Context, *, connect: Callable[[Source], AbstractContextManager[Org]] = connected
) -> int:
    """Export, show the summary, and return the exit code. `connect` makes the client of the org."""
    rows, messages = arguments.of(Rows), arguments.of(Messages)
    outputs.check(rows)
    columns = _columns(rows, arguments.of(Way))
    _redaction(arguments)  # refuses a missing key before the first request
    flat.columns(rows.view, columns)  # refuses unknown columns before the first request
    # Standard error shows either progress or the summary as JSON, not both.
    display = nowhere() if messages.json and outputs.is_stream(rows) else context.display
    check(arguments.of(When), arguments.of(Which), SystemClock().utc())
    with connect(arguments.of(Source)) as org:
        done = _export(arguments, context, display, org, columns)
        context.code = 0 if done.verdict == "proven" else NOT_PROVEN
        report(display, done, org, messages)
    return context.code


def _redaction(arguments: Arguments) -> Redaction | None:
    return outputs.redaction(separated("--redact", arguments.of(Privacy).redact))


def _columns(rows: Rows, way: Way) -> list[str]:
    """The columns that are named, and those of attributes behind them.

    Raises:
        UsageError: attributes are asked for by a route that does not bring them.
    """
    columns = separated("--columns", rows.columns)
    if not rows.attribute:
        return columns
    if way.route == "query":
        message = f"--attribute does not go with --route {way.route}."
        raise UsageError(message, hint="Only --route jobs brings attributes.")
    columns = columns or [column.name for column in flat.columns(rows.view)]
    return columns + [f"{PREFIX}{one}" for one in rows.attribute]


def _export(arguments: Arguments, context: Context, display: Display, org: Org, columns: list[str]) -> Summary:
    rows, messages = arguments.of(Rows), arguments.of(Messages)
    is_stream = outputs.is_stream(rows)
    now = org.client.clock.utc()
    query, asked = query_of(arguments.of(When), arguments.of(Which), org.client, now)
    options = Options(
        asked=asked,
        source=org.source,
        fresh=rows.fresh,
        page_size=arguments.of(Paging).page_size,
        max_pages=rows.max_pages,
        workers=outputs.workers(rows),
        kept_from=kept_from(query, org.client, now, display),
        route=arguments.of(Way).route or "auto",
        file_mode=rows.file_mode,
        redaction=_redaction(arguments),
        style=outputs.style(arguments.of(Cells), arguments.of(When).timezone),
    )
    quiet = messages.quiet or (is_stream and sys.stdout.isatty())
    shown = listener(display, org.client.counts, quiet=quiet)
    kept = Kept(shown)
    context.kept = STARTS_OVER if is_stream else kept
    try:
        return export(
            org.client,
            query,
            outputs.targets(rows),
            view=rows.view,
            columns=columns,
            format=rows.format if is_stream else None,
            options=options,
            progress=kept,
        )
    finally:
        shown.close()


def report(display: Display, done: Summary, org: Org, messages: Messages) -> None:
    """Show how an export or a repair ended."""
    if messages.json:
        outputs.write_json(as_json(done, org.source), to_standard_error=not done.outputs)
    elif not messages.quiet:
        summary.show(display, done, org.label)
    elif done.verdict != "proven":
        display.notice(summary.not_proven(done))


def as_json(done: Summary, source: str) -> dict[str, Any]:
    """The manifest and the counts of this run."""
    return {**done.manifest, "source": source, "requests": done.counts.requests, "rejected": done.counts.rejected}
