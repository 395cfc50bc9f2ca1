"""`everycall summary`."""

import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len, set_cell_size

from everycall import verification
from everycall.analysis.flat_summary import summarize_csv
from everycall.analysis.opening import open_tables
from everycall.analysis.summary import FIGURES, Figures, Line, Summary, summarize
from everycall.api.asked import zone_of
from everycall.api.interval import Interval
from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import write_lines, write_rows
from everycall.cli.formats import counted
from everycall.cli.options import Summarized
from everycall.cli.parser import Arguments, UsageError
from everycall.instants import local
from everycall.printable import printable
from everycall.sinks.targets import Target, target_of

MEDIA_SHOWN = 5

GAP = 2
"""Spaces between columns."""

NAME_WIDTH_MIN = 14
"""Columns of figures are left out, the least important first, until names have so much room."""

WIDTH_MIN, WIDTH_MAX = 40, 100
"""A wider terminal is not filled: names and figures would stand far apart."""

KINDS = ("all", "queue", "agent", "code")


def run(arguments: Arguments, _context: Context) -> int:
    """Show the summary of an export, and return the exit code."""
    wanted = arguments.of(Summarized)
    if wanted.output is None:
        raise UsageError("everycall summary needs a finished export.", hint="everycall summary calls.duckdb")
    if wanted.json and wanted.csv:
        raise UsageError("--json and --csv exclude each other.", hint="Use one of them.")
    if wanted.timezone:
        zone_of(wanted.timezone)  # refuses an unknown one before anything is opened
    found = _summary(wanted.output, wanted.timezone)
    if wanted.json:
        outputs.write_json(found.as_json())
    elif wanted.csv:
        write_csv(found)
    else:
        width = max(WIDTH_MIN, min(shutil.get_terminal_size().columns, WIDTH_MAX))
        write_lines(lines(found, top=wanted.top, width=width))
    return 0


def _summary(output: str, timezone: str) -> Summary:
    target = target_of(output)
    if target.format in ("csv", "csv.gz") and target.path is not None and not target.path.is_dir():
        return summarize_csv(target.path, _manifest(target, output), timezone)
    with open_tables(output) as tables:
        return summarize(tables, timezone)


def _manifest(target: Target, output: str) -> Any:
    is_there = target.path is not None and target.path.exists()
    return verification.manifest_or_none(output) if is_there else None


# --- for programs


def write_csv(found: Summary) -> None:
    """Print a row for everything, and one for each queue, agent and code; what cannot be given is empty."""
    write_rows(_rows(found))


def _rows(found: Summary) -> Iterator[Sequence[object]]:
    yield "kind", "id", "name", *FIGURES
    everything = Line("", "", found.all)
    for kind, found_lines in zip(KINDS, ((everything,), found.queues, found.agents, found.codes), strict=True):
        for line in found_lines:
            figures = line.figures.as_json()
            yield kind, printable(line.id), printable(line.name), *map(figures.get, FIGURES)


# --- for people


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of figures."""

    head: str
    cell: Callable[[Figures], str]
    weight: int
    """Columns of less weight are left out first where the terminal is narrow."""


def _number(name: str) -> Callable[[Figures], str]:
    def cell(figures: Figures) -> str:
        value = getattr(figures, name)
        return "" if value is None else f"{value:,}"

    return cell


def _time(name: str) -> Callable[[Figures], str]:
    def cell(figures: Figures) -> str:
        value = getattr(figures, name)
        return "" if value is None else clock(value)

    return cell


def _level(figures: Figures) -> str:
    return "" if figures.service_level is None else f"{figures.service_level:.1%}"


def clock(value_ms: float) -> str:
    """`5:12`, `1:02:33`: minutes and seconds, and hours where there are any."""
    minutes, seconds = divmod(round(value_ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


COLUMNS = (
    _Column("conversations", _number("conversations"), 9),
    _Column("offered", _number("offered"), 9),
    _Column("answered", _number("answered"), 8),
    _Column("abandoned", _number("abandoned"), 7),
    _Column("level", _level, 6),
    _Column("ASA", _time("asa_ms"), 3),
    _Column("handled", _number("handled"), 2),
    _Column("AHT", _time("aht_ms"), 5),
    _Column("talk", _time("talk_ms"), 1),
    _Column("hold", _time("hold_ms"), 0),
    _Column("ACW", _time("acw_ms"), 1),
)


AGENT_COLUMNS = tuple(column for column in COLUMNS if column.head not in ("offered", "abandoned", "level", "ASA"))
CODE_COLUMNS = (_Column("given", _number("given"), 9),)


def lines(found: Summary, *, top: int, width: int) -> Iterator[str]:
    """A summary as lines of text.

    Args:
        found: the summary.
        top: how many queues, agents and codes are shown.
        width: how long the lines may be, in cells of a terminal; at least 40.
    """
    for name, value in _facts(found):
        yield from _wrapped(f"{name:<12}", value, width)
    yield from _table("queue", found.queues, COLUMNS, top, width, Line("", "all", found.all))
    yield from _table("agent", found.agents, AGENT_COLUMNS, top, width)
    yield from _table("wrap-up code", found.codes, CODE_COLUMNS, top, width)
    for note in found.notes:
        yield ""
        yield from _wrapped("note: ", note, width)


def _facts(found: Summary) -> Iterator[tuple[str, str]]:
    yield "export", found.output
    if found.interval is not None:
        yield "interval", _interval(found.interval, found.timezone)
    as_of = f", as of {found.as_of[:19]}Z" if found.as_of else ""
    yield "verdict", f"{VERDICTS[found.verdict]}{as_of}"
    if found.provisional_from is not None:
        start = local(datetime.fromisoformat(found.provisional_from), zone_of(found.timezone))
        yield "provisional", f"since {start:%Y-%m-%d %H:%M}: the vendor could still change it when it was exported"
    still = f", {found.open:,} without an end yet" if found.open else ""
    yield "volume", f"{counted(found.conversations, 'conversation')}{still}"
    if found.media:
        shown = [f"{name} {count:,}" for name, count in list(found.media.items())[:MEDIA_SHOWN]]
        more = len(found.media) - MEDIA_SHOWN
        yield "media", ", ".join(shown) + (f", {more} more" if more > 0 else "")
    if len(found.days) > 1:
        most = max(found.days, key=lambda day: found.days[day])
        average = sum(found.days.values()) / len(found.days)
        yield "days", f"{len(found.days)}, with {average:,.0f} on average; most on {most}: {found.days[most]:,}"


VERDICTS = {
    "proven": "proven complete",
    "unproven": "NOT PROVEN complete",
    "unknown": "nobody has counted whether it is complete",
}


def _interval(written: str, timezone: str) -> str:
    interval, zone = Interval.read(written), zone_of(timezone)
    start, end = (
        f"{local(one, zone):%Y-%m-%d %H:%M:%S}".removesuffix(":00").removesuffix(" 00:00")
        for one in (interval.start, interval.end)
    )
    return f"{start} to {end} {timezone}"


def _wrapped(head: str, value: str, width: int) -> list[str]:
    """A text behind a head, broken between words; what is longer than a line, such as a path, is not broken."""
    return textwrap.wrap(
        head + printable(value),
        width,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(
    title: str, found: Sequence[Line], columns: Sequence[_Column], top: int, width: int, total: Line | None = None
) -> Iterator[str]:
    """A table of the first lines, how many others there are, and the line for everything."""
    if not found:
        return
    shown = [*found[:top], *([total] if total else [])]
    names = [title, *(printable(line.name).strip() or printable(line.id).strip() or "none" for line in shown)]
    cells = _fitting([[column.head, *(column.cell(line.figures) for line in shown)] for column in columns],
                     [column.weight for column in columns], width)  # fmt: skip
    name_width = min(max(map(cell_len, names)), width - sum(len(column[0]) + GAP for column in cells))
    rows = [
        set_cell_size(_shortened(name, name_width), name_width) + "".join(" " * GAP + cell for cell in row)
        for name, row in zip(names, zip(*cells, strict=True), strict=True)
    ]
    yield ""
    yield rows[0].rstrip()
    yield from (row.rstrip() for row in rows[1 : 1 + min(top, len(found))])
    if len(found) > top:
        yield f"... and {len(found) - top:,} more"
    if total:
        yield rows[-1].rstrip()


def _fitting(columns: Sequence[Sequence[str]], weights: Sequence[int], width: int) -> list[list[str]]:
    """The columns that have any figure and leave enough room for names, right-justified."""
    left = [(weight, column) for weight, column in zip(weights, columns, strict=True) if any(column[1:])]
    widths = {id(column): max(map(len, column)) for _, column in left}
    while len(left) > 1 and sum(widths[id(column)] + GAP for _, column in left) > width - NAME_WIDTH_MIN:
        left.remove(min(left, key=lambda pair: pair[0]))
    return [[cell.rjust(widths[id(column)]) for cell in column] for _, column in left]


def _shortened(name: str, width: int) -> str:
    return name if cell_len(name) <= width else set_cell_size(name, width - 1).rstrip() + "…"
