"""The summary of a CSV file of flat rows, as far as its columns go.

A row is a conversation, with its last queue and its last agent. What was offered and answered, and in what time,
cannot be derived from that: those are metrics, which tables have. The extended view has abandoned and handle times, of
whole conversations.
"""

import csv
import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from math import isfinite
from pathlib import Path
from typing import IO

from everycall.analysis.summary import Figures, Line, Summary, notes_of
from everycall.api.asked import zone_of
from everycall.errors import OutputFailed, OutputRefused
from everycall.instants import local
from everycall.manifest import Manifest

TIMES = ("handleSeconds", "talkSeconds", "holdSeconds", "acwSeconds")
"""Columns with times of agents."""

FROM_TABLES = "offered, answered, service level and speed of answer"

NEEDS_TABLES = "export to tables, such as -o calls.duckdb"


@dataclass(slots=True)
class _Sums:
    """What is counted of a queue, an agent or everything."""

    conversations: int = 0
    abandoned: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TIMES, 0.0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIMES, 0))

    def take(self, row: Mapping[str, str | None]) -> None:
        """Count a row."""
        self.conversations += 1
        self.abandoned += row.get("abandoned") == "true"
        for name in TIMES:
            if cell := row.get(name):
                self.seconds[name] += _seconds(cell)
                self.counts[name] += 1

    def figures(self, columns: Iterable[str]) -> Figures:
        """The figures that these columns give."""
        return Figures(
            conversations=self.conversations,
            abandoned=self.abandoned if "abandoned" in columns else None,
            handled=self.counts["handleSeconds"] if "handleSeconds" in columns else None,
            aht_ms=self._average_ms("handleSeconds"),
            talk_ms=self._average_ms("talkSeconds"),
            hold_ms=self._average_ms("holdSeconds"),
            acw_ms=self._average_ms("acwSeconds"),
        )

    def _average_ms(self, name: str) -> float | None:
        return self.seconds[name] / self.counts[name] * 1000 if self.counts[name] else None


def _seconds(cell: str) -> float:
    """A time of a cell.

    Raises:
        ValueError: it is no finite number.
    """
    seconds = float(cell)
    if not isfinite(seconds):
        raise ValueError(f"{cell} is no time in seconds")
    return seconds


class _Counts:
    """What is counted of all rows."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.all = _Sums()
        self.by: dict[str, defaultdict[tuple[str, str], _Sums]] = {
            "queueName": defaultdict(_Sums),
            "agentName": defaultdict(_Sums),
        }
        self.media: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.open = 0

    def take(self, row: Mapping[str, str | None]) -> None:
        """Count a row.

        Raises:
            ValueError: a time or a number cannot be read.
        """
        self.all.take(row)
        for name, id_ in (("queueName", "queueId"), ("agentName", "agentId")):
            if cell := row.get(name):
                self.by[name][row.get(id_) or "", cell].take(row)
        self.media[row.get("channel") or ""] += 1
        self.codes[row.get("disposition") or ""] += 1
        self.open += row.get("endTime") == ""
        if start := row.get("startTime"):
            self.days[f"{local(datetime.fromisoformat(start), self._zone):%Y-%m-%d}"] += 1


def summarize_csv(path: Path, manifest: Manifest | None, timezone: str = "") -> Summary:
    """The summary of a CSV file, which may be zipped by gzip.

    Args:
        path: the file.
        manifest: of the export, if there is one.
        timezone: of the days; an IANA name. If it is left out, that of the export, or UTC.

    Raises:
        OutputRefused: there is no such file, or it is not one of everycall's.
        OutputFailed: it cannot be read.
        QueryError: there is no such time zone.
    """
    timezone = timezone or (manifest.query.timezone if manifest is not None else "UTC")
    counts = _Counts(zone_of(timezone))
    number = 0
    with _opened(path) as file:
        try:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            if "conversationId" not in columns:
                raise OutputRefused(
                    f"{path} has no column conversationId, so it is not an export of everycall.",
                    hint="Name a CSV of everycall, or an export with tables.",
                )
            for number, row in enumerate(reader, 1):  # noqa: B007 - for the message
                counts.take(row)
        except (csv.Error, ValueError, TypeError, OverflowError) as error:
            raise OutputRefused(f"Row {number} of {path} cannot be read: {error}.", hint="Export again.") from error
        except (OSError, EOFError, zlib.error) as error:
            raise OutputFailed(f"{path} cannot be read: {error}.", hint="Check the file, or export again.") from error
    is_changed = manifest is not None and path.stat().st_size != manifest.output.size_bytes
    found = _summary(path, None if is_changed else manifest, timezone, columns, counts)
    return replace(found, notes=(CHANGED, *found.notes[1:])) if is_changed else found


CHANGED = "The file was changed since it was exported, so nobody knows whether it is complete."


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open("rb") as head:
            is_zipped = head.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise OutputRefused(f"{path} cannot be read: {error.strerror}.", hint="Name a finished export.") from error
    if is_zipped:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file


def _summary(
    path: Path, manifest: Manifest | None, timezone: str, columns: tuple[str, ...], counts: _Counts
) -> Summary:
    return Summary(
        output=str(path),
        verdict=manifest.verdict if manifest else "unknown",
        interval=manifest.interval if manifest else None,
        as_of=manifest.proven_as_of if manifest else None,
        provisional_from=manifest.provisional_from if manifest else None,
        timezone=timezone,
        conversations=counts.all.conversations,
        open=counts.open,
        media=_most(counts.media),
        days=dict(sorted(counts.days.items())),
        all=counts.all.figures(columns),
        queues=_lines(counts.by["queueName"], columns),
        agents=_lines(counts.by["agentName"], columns),
        codes=tuple(Line("", name, Figures(given=given)) for name, given in _most(counts.codes).items()),
        notes=tuple(_notes(columns, manifest)),
    )


def _most(counts: Counter[str]) -> dict[str, int]:
    """The counts of what has a name, most first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {name: count for name, count in ordered if name}


def _lines(sums: Mapping[tuple[str, str], _Sums], columns: Iterable[str]) -> tuple[Line, ...]:
    ordered = sorted(sums.items(), key=lambda pair: (-pair[1].conversations, pair[0][1]))
    return tuple(Line(id_, name, one.figures(columns)) for (id_, name), one in ordered)


def _notes(columns: tuple[str, ...], manifest: Manifest | None) -> Iterator[str]:
    if manifest is None:
        yield "There is no manifest beside the file, so nobody knows whether it is complete."
    else:
        yield from notes_of(manifest)
    lacking = [name for name in ("abandoned", "handleSeconds") if name not in columns]
    if lacking:
        yield (
            f"This CSV does not show {FROM_TABLES}, nor abandoned and handle times. --view extended has the last two; "
            f"for all of them {NEEDS_TABLES}."
        )
    else:
        yield (
            f"This CSV does not show {FROM_TABLES}: {NEEDS_TABLES}. Its handle times are those of whole conversations, "
            "which count for the last queue and agent."
        )
    if absent := [name for name in ("channel", "queueName", "agentName", "disposition") if name not in columns]:
        yield f"It lacks the columns {', '.join(absent)}."
