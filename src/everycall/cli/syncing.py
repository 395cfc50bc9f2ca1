"""`everycall sync`."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from everycall import verification
from everycall.cli import outputs, summary
from everycall.cli.context import Context
from everycall.cli.display import Display
from everycall.cli.exit_codes import NOT_PROVEN
from everycall.cli.exporting import as_json
from everycall.cli.formats import counted, span
from everycall.cli.lists import separated
from everycall.cli.options import Kept as Options
from everycall.cli.options import Messages, Privacy, Source, Way, When, Which
from everycall.cli.org import Org, connected
from everycall.cli.parser import Arguments, UsageError
from everycall.cli.progress import Kept, listener
from everycall.cli.queries import check, kept_from, query_of
from everycall.client import SystemClock
from everycall.manifest import Manifest
from everycall.privacy import Redaction
from everycall.setup import Options as RunOptions
from everycall.sinks.targets import target_of
from everycall.syncing import Policy, Status, Synced, check_target, sync

UNPROVEN_SHOWN = 5


def run(arguments: Arguments, context: Context) -> int:
    """Bring a destination up to date, or show its status, and return the exit code."""
    wanted, messages = arguments.of(Options), arguments.of(Messages)
    output = _named(wanted)
    check_target(target_of(output))
    if wanted.status:
        return _show_status(context, verification.manifest_or_none(output), output, messages)
    which = _which(arguments)
    when = _when(wanted, output)
    check(when, which, SystemClock().utc())
    _redaction(arguments)  # refuses a missing key before the first request
    with connected(arguments.of(Source)) as org:
        done = _sync(arguments, context, org, output, when)
        context.code = 0 if done.summary.verdict == "proven" else NOT_PROVEN
        _report(context.display, done, org, messages)
    return context.code


def _redaction(arguments: Arguments) -> Redaction | None:
    return outputs.redaction(separated("--redact", arguments.of(Privacy).redact))


def _named(wanted: Options) -> str:
    if wanted.output is None:
        raise UsageError(
            "everycall sync needs the tables to keep up to date.",
            hint="everycall sync calls.parquet --since 2026-01-01",
        )
    return wanted.output


def _which(arguments: Arguments) -> Which:
    which = arguments.of(Which)
    if which.match != "start":
        raise UsageError(
            f"sync does not go with --match {which.match}: a conversation belongs to the day on which it started.",
            hint="Leave --match out.",
        )
    return which


def _when(wanted: Options, output: str) -> When:
    """The interval: from --since, or from where the destination begins."""
    if wanted.since is not None:
        return When(since=wanted.since, timezone=wanted.timezone)
    before = verification.manifest_or_none(output)
    if before is None:
        raise UsageError(
            f"{output} is new, so everycall has to know where it begins.", hint="Add --since DATE to the first run."
        )
    since, timezone = before.query.asked.get("since"), before.query.asked.get("timezone", "UTC")
    if not isinstance(since, str) or "until" in before.query.asked:
        raise UsageError(
            f"{output} was not exported with --since, so its end does not move.",
            hint="Choose another output, and name its beginning with --since.",
        )
    return When(since=since, timezone=timezone)


def _sync(arguments: Arguments, context: Context, org: Org, output: str, when: When) -> Synced:
    wanted, messages = arguments.of(Options), arguments.of(Messages)
    now = org.client.clock.utc()
    query, asked = query_of(when, arguments.of(Which), org.client, now)
    options = RunOptions(
        asked=asked,
        source=org.source,
        fresh=wanted.fresh,
        workers=wanted.workers,
        kept_from=kept_from(query, org.client, now, context.display),
        route=arguments.of(Way).route or "query",
        redaction=_redaction(arguments),
    )
    columns = _columns(wanted, output)
    policy = Policy(
        timedelta(days=wanted.look_back),
        timedelta(days=wanted.late_after) if wanted.late_after else None,
        timedelta(days=wanted.give_up_after),
        sweeps=not wanted.no_sweep,
    )
    shown = listener(context.display, org.client.counts, quiet=messages.quiet)
    kept = Kept(shown)
    context.kept = kept
    try:
        return sync(
            org.client,
            query,
            output,
            policy=policy,
            view=wanted.view or "default",
            columns=columns,
            options=options,
            progress=kept,
        )
    finally:
        shown.close()


def _columns(wanted: Options, output: str) -> list[str]:
    """The columns that are named; else those that the destination has; none where the view says which."""
    columns = separated("--columns", wanted.columns)
    if columns or wanted.view is not None:
        return columns
    before = verification.manifest_or_none(output)
    return list(before.query.columns) if before is not None else []


def _report(display: Display, done: Synced, org: Org, messages: Messages) -> None:
    if messages.json:
        outputs.write_json({**as_json(done.summary, org.source), **counts(done)})
        return
    if messages.quiet:
        if done.summary.verdict != "proven":
            display.notice(summary.not_proven(done.summary))
        return
    summary.show(display, done.summary, org.label)
    for name, value in facts(done):
        display.fact(name, value)


def counts(done: Synced) -> dict[str, int]:
    """What a run did, for programs."""
    return {
        "windowsRead": done.read,
        "windowsKept": done.kept,
        "windowsPatched": done.patched,
        "windowsReopened": done.reopened,
        "conversationsReplaced": done.replaced,
        "conversationsRemoved": done.removed,
        "openGivenUp": done.given_up,
    }


def facts(done: Synced) -> Iterable[tuple[str, str]]:
    """What a run did, for people."""
    yield "read", f"{counted(done.read, 'window')}; {done.kept:,} stayed as they were"
    if done.replaced:
        others = counted(done.patched, "other window")
        yield "replaced", f"{counted(done.replaced, 'conversation')} of {others}: ended, or opened again"
    if done.removed:
        yield "removed", f"{counted(done.removed, 'conversation')} that the API no longer returns"


def _show_status(context: Context, manifest: Manifest | None, output: str, messages: Messages) -> int:
    if manifest is None:
        raise UsageError(f"There is no finished export at {output}.", hint="Run the first sync with --since DATE.")
    status = Status.of(output, manifest)
    context.code = NOT_PROVEN if status.unproven else 0
    if messages.json:
        outputs.write_json(_plain(status))
        return context.code
    for name, value in _facts(status, manifest):
        context.display.fact(name, value)
    return context.code


def _plain(status: Status) -> dict[str, Any]:
    names = {"provisional_from": "provisionalFrom", "swept_until": "sweptUntil", "asked_at": "askedAt"}
    return {names.get(name, name): value for name, value in asdict(status).items()}


def _facts(status: Status, manifest: Manifest) -> Iterable[tuple[str, str]]:
    yield "covers", span(manifest.query.window)
    yield "rows", f"{status.rows:,}"
    yield "proven", counted(status.proven, "window")
    for interval in status.unproven[:UNPROVEN_SHOWN]:
        yield "not proven", interval
    if len(status.unproven) > UNPROVEN_SHOWN:
        yield "", f"... and {counted(len(status.unproven) - UNPROVEN_SHOWN, 'more window')}; --json lists all"
    if status.provisional_from is not None:
        yield "provisional", f"since {status.provisional_from[:16]}Z"
    yield "open", counted(status.open, "conversation")
    if status.replaced:
        yield "replaced", f"{counted(status.replaced, 'conversation')}, since the windows were proven"
    if status.forgotten:
        yield "forgotten", counted(status.forgotten, "conversation")
    yield "last asked", f"{status.asked_at[:19]}Z"
