"""Shows the summary of an export on one screen."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from everycall.api.interval import Interval
from everycall.api.names import SINGULAR
from everycall.cli.display import Display
from everycall.cli.formats import counted, counted_hits, duration, size, span
from everycall.sinks.postgresql_address import is_address

if TYPE_CHECKING:
    from everycall.exporting import Summary

WRONG_SHOWN = 3
"""Unproven windows in the summary, with the beginning of their reasons; the manifest lists all of them."""

REASON_SHOWN = 85

IN_TABLE = "in the table everycall_export"
"""Where the manifest of a PostgreSQL database is."""


def show(display: Display, done: "Summary", source: str) -> None:
    """Print the verdict and the numbers behind it."""
    _show_verdict(display, done)
    display.blank()
    for name, text in _facts(done, source):
        display.fact(name, text)


def not_proven(done: "Summary") -> str:
    """A line with the number of windows that are not proven."""
    return f"not proven complete: {counted(_incomplete(done), 'window')}."


def _incomplete(done: "Summary") -> int:
    """How many windows are unproven, unread, or older than the org's retention."""
    incomplete = {*(entry.window for entry in done.unproven), *done.unread}
    return len({*map(str, incomplete), *done.manifest.get("notKept", ())})


def _show_verdict(display: Display, done: "Summary") -> None:
    if done.verdict == "proven":
        as_of = f", as of {done.manifest['provenAsOf'][:19]}Z" if done.entries else ""
        line = f"{counted(done.rows, 'conversation')}, none missing and none twice{as_of}."
        display.print(("Proven: ", "bold green"), line, wrap=True)
        return
    total = counted(len(done.entries) + len(done.unread), "window")
    line = f"{counted(done.rows, 'conversation')}, but {_incomplete(done)} of {total} may be incomplete."
    display.print(("NOT PROVEN: ", "bold red"), line, wrap=True)


def _facts(done: "Summary", source: str) -> Iterable[tuple[str, str]]:
    yield "source", source
    resumed = f", {done.resumed_windows} of them done before" if done.resumed_windows else ""
    windows = counted(len(done.entries) + len(done.unread), "window")
    yield "interval", f"{span(done.interval)}, in {windows}{resumed}"
    if carried_in := sum(entry.carried_in for entry in done.entries):
        yield "counted", counted_hits(sum(entry.unique_ids for entry in done.entries), carried_in)
    yield from _gaps(done)
    yield from _caveats(done.manifest)
    counts = done.counts
    requests = f"{counts.requests:,}, at most {counts.allowed:.0f} a minute allowed"
    yield "requests", f"{requests}; {counts.rejected} answered 429, {counts.retried} tried again"
    yield "took", duration(done.finished_at - done.started_at)
    if len(done.outputs) == 1:
        yield "rows", with_size(done.outputs[0], done.manifest)
        yield "manifest", IN_TABLE if is_address(done.outputs[0]) else f"{done.outputs[0]}.manifest.json"
    elif done.outputs:
        yield "outputs", done.outputs[0]
        yield from (("", output) for output in done.outputs[1:])
        yield "manifests", "beside each output, as OUTPUT.manifest.json"
        if any(map(is_address, done.outputs)):
            yield "", IN_TABLE


def with_size(output: str, manifest: Mapping[str, Any]) -> str:
    """An output with its size, where the manifest has it."""
    size_bytes = manifest["output"]["sizeBytes"]
    return f"{output} ({size(size_bytes)})" if size_bytes else output


def _gaps(done: "Summary") -> Iterable[tuple[str, str]]:
    """The windows that may be incomplete; of many unproven ones, the first."""
    for entry in done.unproven[:WRONG_SHOWN]:
        yield "not proven", f"{span(entry.window)}: {textwrap.shorten(entry.reason, REASON_SHOWN, placeholder=' ...')}"
    if len(done.unproven) > WRONG_SHOWN:
        yield "", f"... and {counted(len(done.unproven) - WRONG_SHOWN, 'more window')}, which the manifest lists"
    if done.unread:
        between = span(Interval(done.unread[0].start, done.unread[-1].end))
        yield "not read", f"{counted(len(done.unread), 'window')} in {between}"
    if not_kept := done.manifest.get("notKept"):
        yield "not kept", f"{counted(len(not_kept), 'window')} before the org's retention, maybe deleted in part"


def _caveats(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Rows that are complete but may still change, and other notes."""
    if manifest["provisionalRows"]:
        rows = f"{counted(manifest['provisionalRows'], 'row')} since {manifest['provisionalFrom'][:16]}Z"
        yield "provisional", f"{rows}: wrap-ups and the nightly rebuild may change them"
    if manifest["open"]:
        yield "open", f"{counted(manifest['open'], 'conversation')} without an end yet"
    if manifest.get("outlasting"):
        yield (
            "outlasting",
            f"{counted(manifest['outlasting'], 'conversation')} open more than a day after their handling",
        )
    if manifest.get("strays"):
        yield (
            "strays",
            f"{counted(manifest['strays'], 'conversation')} that no other window returns; the manifest has them",
        )
    if manifest["namesUnavailable"]:
        kinds = ", ".join(f"{SINGULAR[kind]}s" for kind in sorted(manifest["namesUnavailable"]))
        yield "names", f"ids instead of the names of {kinds}"
    if manifest["oddities"]:
        odd = sum(manifest["oddities"].values())
        yield "oddities", f"{counted(odd, 'unexpected value')}, which the manifest lists"
