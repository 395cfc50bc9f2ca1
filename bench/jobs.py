"""What jobs save: an export of 30 days and 600,000 conversations by `auto`, and the requests of the query alone.

    python -m bench.jobs --strict

The sandbox serves it in a process of its own, at the API's 300 requests a minute and with jobs that take their time;
so an export takes minutes. Half of it is exported first, also by several jobs, to compare peak memory. The requests
of the query alone are those of `everycall plan --route query`; a test says that an export by the query takes exactly
those. Look-ups of names are left out. Conversations are 400 of the sandbox's, of 9 kB in the mean, under other ids,
starts and ends.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.commands import csv_rows
from bench.conversations import Centre
from bench.processes import Usage, run
from everycall.sandbox import server
from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.recorded import Recorded, RecordedDay
from everycall.sandbox.traffic import Sketch

PER_DAY, DAYS = 20_000, 30

TEMPLATES = 400

SHARE_MAX = 0.12
"""Of the query's requests, the most that `auto` may take."""

GROWTH_MAX = 0.1
"""Of peak memory, from half of the interval to all of it. Measured: 121 MB for 200,000 conversations, 131 for 300,000
and 136 for 600,000; each conversation that was read takes 16 bytes until the end."""

DETAILS = "/conversations/details/"


class Copies(Recorded):
    """So many conversations on each day, evenly spread, made when they are asked for."""

    def __init__(self, per_day: int, days: int, first: datetime) -> None:
        centre = Centre.of(first.date(), 4 * TEMPLATES)
        super().__init__([json.loads(text) for _, text in centre.quarter], centre.entities)
        first_ms = to_ms(to_text(round(first.timestamp() * 1000)))
        starts = (first_ms + DAY_MS * number // per_day for number in range(per_day * days))
        sketches = (_sketch(number, start) for number, start in enumerate(starts))
        self._days = {
            day: RecordedDay(those) for day, those in groupby(sketches, lambda sketch: sketch.start_ms // DAY_MS)
        }

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        """One of the templates under another id, start and end."""
        template = self._conversations[sketch.index % len(self._conversations)]
        start, end = to_text(sketch.start_ms), to_text(sketch.end_ms)
        return {
            **template, "conversationId": sketch.conversation_id, "conversationStart": start, "conversationEnd": end
        }  # fmt: skip

    def attributes(self, sketch: Sketch, now_ms: int) -> dict[str, dict[str, str]]:  # noqa: ARG002
        """None."""
        return {}


def _sketch(number: int, start_ms: int) -> Sketch:
    conversation_id = f"{number:08x}-0000-4000-8000-{number * 2_654_435_761 % 2**48:012x}"
    return Sketch(start_ms, start_ms + 300_000, conversation_id, number, (), ("voice",), "", (), (), ())


@dataclass(slots=True)
class Served:
    """Where the sandbox is, and what it has been asked."""

    environ: Mapping[str, str]
    first: str
    """The midnight at which its first day begins."""
    cpu_s: float = 0.0
    """Of its process, once it has ended."""

    def interval(self, days: int) -> str:
        """Its first days."""
        return f"{self.first}/P{days}D"


@contextmanager
def served(per_day: int, days: int) -> Iterator[Served]:
    """The sandbox in a process of its own."""
    command = [sys.executable, "-m", "bench.jobs", "--serve", "--per-day", str(per_day), "--days", str(days)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found = Served(**json.loads(process.stdout.readline()))
        try:
            yield found
        finally:
            process.stdin.close()
            process.wait()


def serve(per_day: int, days: int) -> None:
    """Serve until standard input ends."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=days + 5)
    with server(world=Copies(per_day, days, first)) as sandbox:
        first_text = f"{first:%Y-%m-%dT%H:%M:%S.000Z}"
        sys.stdout.write(json.dumps({"environ": dict(sandbox.environ), "first": first_text}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


@dataclass(frozen=True, slots=True)
class Measured:
    """An export by `auto`."""

    rows: int
    verdict: str
    requests: int
    """About conversations, look-ups of names and logins aside."""
    routes: Mapping[str, int]
    """Windows by each route."""
    usage: Usage

    @property
    def least_s(self) -> float:
        """What the rate limit allows for as many requests."""
        return 60.0 * (-(-self.requests // 300) - 1)


def measured(where: Served, days: int) -> Measured:
    """Export the first days."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.csv"
        command = ["export", "--interval", where.interval(days), "-o", str(output), "--json", "--quiet"]
        usage = run([sys.executable, "-m", "everycall", *command], where.environ)
        summary = json.loads(usage.output)
        assert csv_rows(output) == summary["rows"]
    routes = Counter(window["route"] for window in summary["windows"])
    return Measured(summary["rows"], summary["verdict"], summary["requests"], routes, usage)


def requests_by_query(where: Served, days: int) -> int:
    """What the query alone would take."""
    command = ["plan", "--interval", where.interval(days), "--route", "query", "--json"]
    plan = json.loads(run([sys.executable, "-m", "everycall", *command], where.environ).output)
    requests: int = plan["requests"]
    return requests


def report(name: str, found: Measured) -> None:
    """Print what was measured of one export."""
    usage, windows = found.usage, ", ".join(f"{count} by {route}" for route, count in found.routes.items())
    print(f"{name}: {found.rows:,} rows, {found.verdict}, windows: {windows}, {found.requests:,} requests")
    print(
        f"  {usage.seconds:.0f} s, of which the rate limit takes {found.least_s:.0f} s at least; "
        f"{usage.cpu_s:.0f} s of CPU, {usage.cpu_s / found.rows * 100_000:.1f} s for 100,000; "
        f"peak memory {usage.peak_mb:.0f} MB",
        flush=True,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--per-day", type=int, default=PER_DAY)
    arguments.add_argument("--days", type=int, default=DAYS)
    arguments.add_argument("--strict", action="store_true", help="fail where it takes too many requests or memory")
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        serve(options.per_day, options.days)
        return
    with served(options.per_day, options.days) as where:
        by_query = requests_by_query(where, options.days)
        small = measured(where, max(1, options.days // 2))
        report("half", small)
        whole = measured(where, options.days)
        report("all", whole)
    share, growth = whole.requests / by_query, whole.usage.peak_mb / small.usage.peak_mb - 1
    print(f"the query alone: {by_query:,} requests; auto takes {share:.1%} of them; memory {growth:+.1%}")
    is_good = whole.verdict == "proven" and share <= SHARE_MAX and growth <= GROWTH_MAX
    if options.strict and not is_good:
        sys.exit(f"At most {SHARE_MAX:.0%} of the requests and {GROWTH_MAX:.0%} more memory are allowed, proven.")


if __name__ == "__main__":
    main()
