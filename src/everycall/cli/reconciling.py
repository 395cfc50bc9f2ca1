"""`everycall reconcile`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby

from everycall.analysis.opening import open_tables
from everycall.analysis.reconciling import Day, Difference, Reconciliation, check, difference_as_json, reconcile
from everycall.api.aggregates import METRICS, Cell, Figures
from everycall.api.interval import Interval
from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import Display, write_rows
from everycall.cli.exit_codes import NOT_PROVEN
from everycall.cli.formats import counted, span
from everycall.cli.lists import separated
from everycall.cli.options import Reconciled, Source, When
from everycall.cli.org import connected
from everycall.cli.parser import Arguments, UsageError
from everycall.cli.queries import interval_of
from everycall.cli.verifying import refuse_other_org
from everycall.client import SystemClock
from everycall.printable import printable

SHOWN_MAX = 10
"""Differences listed one by one; --json and --csv list all of them."""

IDS_SHOWN = 3

HEAD = (
    "halfHour", "queueId", "queueName", "mediaType", "metric", "hereCount", "vendorCount", "hereSumMs", "vendorSumMs",
    "provisional", "lookedUp", "missing", "extra", "conversations",
)  # fmt: skip
"""The columns of the CSV; ids in one cell are separated by spaces."""


def run(arguments: Arguments, context: Context) -> int:
    """Compare an export with the vendor's aggregates, and return the exit code."""
    wanted = arguments.of(Reconciled)
    output, metrics, interval = _checked(wanted)
    with open_tables(output) as tables:
        check(tables.about, tables.name)
        for notice in tables.notices:
            context.display.notice(notice)
        with connected(arguments.of(Source)) as org:
            refuse_other_org(org, tables.about.source, tables.name)
            with _progress(context.display) as progress:
                found = reconcile(
                    org.client,
                    tables,
                    interval=interval,
                    metrics=metrics,
                    reach_back=timedelta(days=wanted.reach_back),
                    look_ups=wanted.look_ups,
                    progress=progress,
                )
    context.code = 0 if found.verdict == "agrees" else NOT_PROVEN
    if wanted.json:
        outputs.write_json(found.as_json())
    elif wanted.csv:
        write_csv(found)
        _show_days(context.display, found)
    else:
        show(context.display, found)
    return context.code


@contextmanager
def _progress(display: Display) -> Iterator[Callable[[int, int], None]]:
    """Shows which day is compared, on a terminal."""
    if not display.is_terminal:
        yield lambda _done, _all: None
        return
    with display.console.status("Reading the export") as status:
        yield lambda done, all_: status.update(f"Comparing day {done + 1:,} of {all_:,}")


def _checked(wanted: Reconciled) -> tuple[str, Sequence[str], Interval | None]:
    """The export, the metrics and the part of the export, checked before anything is opened."""
    if wanted.output is None:
        raise UsageError("everycall reconcile needs a finished export.", hint="everycall reconcile calls.duckdb")
    if wanted.json and wanted.csv:
        raise UsageError("--json and --csv exclude each other.", hint="Use one of them.")
    when = When(last=wanted.last, interval=wanted.interval)
    is_restricted = (wanted.last, wanted.interval) != (None, None)
    interval = interval_of(when, SystemClock().utc(), {}) if is_restricted else None
    return wanted.output, _metrics(wanted), interval


def _metrics(wanted: Reconciled) -> Sequence[str]:
    known = {name.lower(): name for name in METRICS}
    names = separated("--metrics", wanted.metrics)
    for name in names:
        if name.lower() not in known:
            raise UsageError(
                f"--metrics: '{name}' is not a metric that both the details and the aggregates have.",
                hint=f"They are {', '.join(METRICS)}.",
            )
    return [known[name.lower()] for name in names] or METRICS


# --- for programs


def write_csv(found: Reconciliation) -> None:
    """Print one row for each difference on standard output."""
    rows = (_row(day, difference, found) for day in found.days for difference in day.differences)
    write_rows([HEAD, *rows])


def _row(day: Day, difference: Difference, found: Reconciliation) -> list[object]:
    plain = difference_as_json(difference, found.queue_names)
    plain |= {f"{side}{field[0].upper()}{field[1:]}": plain[side][field] for side in ("here", "vendor")
              for field in ("count", "sumMs")}  # fmt: skip
    plain["provisional"] = day.is_provisional
    return [_cell(plain[name]) for name in HEAD]


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(str, value))
    return printable(value) if isinstance(value, str) else value


# --- for people


def show(display: Display, found: Reconciliation) -> None:
    """Print the verdict, the days, and the differences with the conversations behind them."""
    _show_verdict(display, found)
    display.blank()
    _show_days(display, found)
    differences = found.differences
    for difference in differences[:SHOWN_MAX]:
        display.blank()
        for line in lines(difference, found):
            display.print(line)
    if len(differences) > SHOWN_MAX:
        display.blank()
        display.print(f"  ... and {len(differences) - SHOWN_MAX:,} more; --json and --csv list them all")
    if not found.has_ids and differences:
        display.blank()
        display.notice("The ids of conversations are redacted in this export, so none was looked up.")
    if hint := _next_step(found):
        display.blank()
        display.hint(hint)


def _show_verdict(display: Display, found: Reconciliation) -> None:
    figures = counted(sum(day.figures for day in found.judged), "figure")
    days = counted(len(found.judged), "day")
    if found.verdict == "agrees":
        line = f"{figures} of {days} of {found.output} are those of the vendor."
        display.print(("Agrees: ", "bold green"), line, wrap=True)
    elif found.verdict == "differs":
        differing = sum(day.state == "differs" for day in found.judged)
        line = f"{len(found.differences):,} of {figures}, on {differing} of {days} of {found.output}."
        display.print(("DIFFERS: ", "bold red"), line, wrap=True)
    else:
        display.print(("NOT JUDGED: ", "bold red"), f"no day of {found.output} can be judged.", wrap=True)


def _show_days(display: Display, found: Reconciliation) -> None:
    for name, text in _facts(found):
        display.fact(name, text)


def _facts(found: Reconciliation) -> Iterator[tuple[str, str]]:
    if found.judged:
        yield "judged", _spans(found.judged)
    for reason, days in groupby((day for day in found.days if day.reason), key=lambda day: day.reason):
        yield "not judged", f"{_spans(days)}: {reason}"
    if provisional := [day for day in found.judged if day.is_provisional]:
        yield "provisional", f"{_spans(provisional)}: the vendor rebuilds these days, or did so after the export"
    if unproven := [day for day in found.judged if day.is_unproven]:
        yield "not proven", f"{_spans(unproven)}: they, or days before them, were not proven complete"
    if found.exported_at:
        yield "as of", f"export {found.exported_at[:19]}Z, vendor {found.asked_at:%Y-%m-%dT%H:%M:%S}Z"


def _spans(days: Iterable[Day]) -> str:
    """Days as the intervals that they make together."""
    joined: list[Interval] = []
    for day in days:
        if joined and joined[-1].end == day.interval.start:
            joined[-1] = Interval(joined[-1].start, day.interval.end)
        else:
            joined.append(day.interval)
    return "; ".join(map(span, joined))


def lines(difference: Difference, found: Reconciliation) -> Iterator[str]:
    """A difference as text: where, how much, and whose."""
    cell = difference.cell
    yield f"  {cell.start:%Y-%m-%d %H:%M}  {cell.metric}  {_queue(cell, found)}"
    here, vendor = difference.here, difference.vendor
    yield f"    export {_amount(here)}, vendor {_amount(vendor)}"
    if difference.missing:
        yield f"    missing in the export: {_ids(difference.missing)}"
    if difference.extra:
        yield f"    not the vendor's: {_ids(difference.extra)}"
    if not difference.missing and not difference.extra and difference.conversations:
        yield f"    in the export: {_ids(difference.conversations)}"
    if difference.unnamed:
        yield f"    not named: {counted(difference.unnamed, 'row')}{'' if difference.is_looked_up else _UNASKED}"


_UNASKED = " (not everything was looked up)"


def _queue(cell: Cell, found: Reconciliation) -> str:
    queue = found.queue_names.get(cell.queue_id, cell.queue_id) or "no queue"
    return f"{queue}, {cell.media_type}" if cell.media_type else queue


def _amount(figures: Figures) -> str:
    return f"{figures.count:,}" if figures.sum_ms is None else f"{figures.count:,} ({figures.sum_ms / 1000:,.3f} s)"


def _ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - IDS_SHOWN:,} more" if len(ids) > IDS_SHOWN else ""
    return ", ".join(ids[:IDS_SHOWN]) + more


def _next_step(found: Reconciliation) -> str:
    if found.verdict == "not judged":
        return "Export earlier days, too, or judge by fewer days before each: --reach-back 7d."
    if found.is_look_up_refused:
        return "To have conversations named, add analytics:conversationDetail:view to a role of the OAuth client."
    if found.has_ids and any(one.cell.queue_id and not one.is_looked_up for one in found.differences):
        return "More requests may name more conversations: --look-ups 100."
    if found.differences and all(day.is_provisional for day in found.judged if day.differences):
        return "The vendor may have rebuilt these days since: export them again, or run everycall sync, and reconcile."
    return ""
