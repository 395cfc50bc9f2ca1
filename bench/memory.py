"""Peak memory of exports, and of the same with ten times the conversations.

python -m bench.memory --strict
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.commands import COMMANDS, OWN, Command
from bench.outputs import NO_WORKER, OUTPUTS
from bench.processes import run
from bench.serving import page_server

PER_DAY = (4_000, 40_000)
"""Conversations of each of five days: 20,000 and 200,000 in all."""

GOALS = {OWN: 0.10, NO_WORKER: 0.15}
"""By how much more memory may be needed, by command."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Peak memory of one command for few conversations, and for ten times as many."""

    command: str
    rows: tuple[int, ...]
    peaks_mb: tuple[float, ...]

    @property
    def factor(self) -> float:
        """How many times the memory of the few the many need."""
        return self.peaks_mb[1] / self.peaks_mb[0]

    @property
    def goal(self) -> float:
        """The most that it should be."""
        return 1 + GOALS[self.command]


def growths() -> Iterator[Growth]:
    """Run each command against a page server with few conversations, and against one with many."""
    for command in (*COMMANDS, *OUTPUTS):
        if command.name in GOALS:
            rows, peaks_mb = zip(*(_peak(command, per_day) for per_day in PER_DAY), strict=True)
            yield Growth(command.name, rows, peaks_mb)


def _peak(command: Command, per_day: int) -> tuple[int, float]:
    with page_server(per_day) as served, tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.csv"
        usage = run(command.argv(served.interval(), output, output, output), served.environ)
        assert command.rows is not None
        return command.rows(output), usage.peak_mb


def main() -> None:
    """Measure, and print a line for each command."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--strict", action="store_true", help="fail where memory grows by more than its goal")
    options = arguments.parse_args()
    failed = []
    for one in growths():
        few, many = (f"{rows:,} rows: {peak:.0f} MB" for rows, peak in zip(one.rows, one.peaks_mb, strict=True))
        print(f"{one.command}: {few}; {many}; {one.factor:.2f} times, goal: at most {one.goal:.2f}", flush=True)
        if one.factor > one.goal:
            failed.append(one.command)
    if options.strict and failed:
        sys.exit(f"Memory grows by more than its goal: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
