"""`everycall verify`."""

from datetime import datetime
from pathlib import Path

from everycall import verification
from everycall.api.retention import RETENTION_MIN
from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import Display
from everycall.cli.exit_codes import NOT_PROVEN
from everycall.cli.exporting import report
from everycall.cli.formats import counted, span
from everycall.cli.options import Finished, Messages, Source
from everycall.cli.org import Org, connected
from everycall.cli.parser import Arguments, UsageError
from everycall.cli.progress import Kept, listener
from everycall.cli.queries import retention_of
from everycall.errors import OutputRefused
from everycall.setup import Options
from everycall.sinks.targets import is_elsewhere
from everycall.verification import HOLDING, Verification

SHOWN_MAX = 15
"""Windows listed one by one; --json lists all of them."""


def run(arguments: Arguments, context: Context) -> int:
    """Verify an export, repair it if that is wanted, and return the exit code."""
    wanted, messages = arguments.of(Finished), arguments.of(Messages)
    output = _named(wanted)
    header = verification.header_of(output)
    with connected(arguments.of(Source)) as org:
        refuse_other_org(org, header.source, verification.name_of(output))
        found = verification.verify(org.client, output)
        context.code = 0 if found.holds and not found.manifest.not_kept else NOT_PROVEN
        if messages.json and not wanted.repair:
            outputs.write_json(found.as_json())
        elif not messages.quiet:
            show(context.display, found, is_repaired=wanted.repair)
        if wanted.repair and not found.holds:
            _repair(found, org, messages, context)
    return context.code


def _named(wanted: Finished) -> Path | str:
    """The path of the export, links followed; or its address."""
    if wanted.output is None:
        raise UsageError(
            "everycall verify needs the file of a finished export.", hint="everycall verify conversations.csv"
        )
    return wanted.output if is_elsewhere(wanted.output) else outputs.followed(Path(wanted.output))


def refuse_other_org(org: Org, exported_from: str, name: str) -> None:
    """Refuse the credentials of an org that the export is not from."""
    if org.source != exported_from:
        raise OutputRefused(
            f"{name} was exported from {exported_from}, but the credentials are for {org.source}.",
            hint="Set the credentials of the org that it was exported from; for the sandbox, add --sandbox.",
        )


def _repair(found: Verification, org: Org, messages: Messages, context: Context) -> None:
    refuse_to_lose_rows(found, org)
    shown = listener(context.display, org.client.counts, quiet=messages.quiet)
    kept = Kept(shown)
    context.kept = kept
    try:
        options = Options(redaction=outputs.redaction(found.manifest.query.redacted))
        done = verification.repair(org.client, found, options=options, progress=kept)
    finally:
        shown.close()
    context.code = 0 if done.verdict == "proven" else NOT_PROVEN
    report(context.display, done, org, messages)


def refuse_to_lose_rows(found: Verification, org: Org) -> None:
    """Refuse a repair of days before the org's retention: it would replace their rows by nothing."""
    wrong = [finding.window for finding in found.findings if finding.state not in HOLDING]
    now = org.client.clock.utc()
    kept = retention_of(org.client) if wrong[0].start < now - RETENTION_MIN else None
    if kept is not None and wrong[0].start < now - kept:
        raise OutputRefused(
            f"The window {span(wrong[0])} begins before {_day(now - kept)}. This org keeps conversations for "
            f"{kept.days} days, so a repair could lose rows that the org no longer has.",
            hint=f"Export the days since {_day(now - kept)} to another file.",
        )


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"


def show(display: Display, found: Verification, *, is_repaired: bool = False) -> None:
    """Print the verdict and the windows that do not hold, and a hint unless they are being repaired."""
    wrong = [finding for finding in found.findings if finding.state not in HOLDING]
    windows = counted(len(found.findings), "window")
    if not wrong:
        display.print(("Holds: ", "bold green"), f"all of {found.name}, {windows}.")
        if not_kept := found.manifest.not_kept:
            display.notice(
                f"{counted(len(not_kept), 'window')} of it began before the org's retention: what the org no longer "
                "kept when it was exported cannot be proven."
            )
        return
    display.print(("DOES NOT HOLD: ", "bold red"), f"{len(wrong)} of {windows} of {found.name}.")
    display.blank()
    for finding in wrong[:SHOWN_MAX]:
        display.print(f"  {span(finding.window)}  {finding}")
    if len(wrong) > SHOWN_MAX:
        display.print(f"  ... and {len(wrong) - SHOWN_MAX} more; --json lists them all")
    for name in found.changed[:SHOWN_MAX]:
        display.print(f"  changed or missing: {name}")
    if len(found.changed) > SHOWN_MAX:
        display.print(f"  ... and {len(found.changed) - SHOWN_MAX} more files; --json lists them all")
    if not is_repaired:
        display.blank()
        display.hint("--repair exports these windows again, and only these.")
