"""Peak memory of an export, and of one with ten times the conversations.

python -m bench.memory --within 0.1
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.commands import COMMANDS, csv_rows
from bench.processes import run
from bench.serving import page_server

PER_DAY = (4_000, 40_000)
"""Conversations of each of five days: 20,000 and 200,000 in all."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Of one export."""

    rows: int
    peak_mb: float


def peak(per_day: int) -> Peak:
    """Rows and peak memory of the command against a page server with so many conversations on each of five days."""
    with page_server(per_day) as served, tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.csv"
        usage = run(COMMANDS[0].argv(served.interval(), output, output, output), served.environ)
        return Peak(csv_rows(output), usage.peak_mb)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--within", type=float, help="fail where the second is larger by more than this part")
    options = arguments.parse_args()
    small, large = (peak(per_day) for per_day in PER_DAY)
    growth = large.peak_mb / small.peak_mb - 1
    print(f"{small.rows:,} rows: {small.peak_mb:.0f} MB; {large.rows:,} rows: {large.peak_mb:.0f} MB; {growth:+.1%}")
    if options.within is not None and growth > options.within:
        sys.exit(f"Memory grows by {growth:.1%}; at most {options.within:.0%} is allowed.")


if __name__ == "__main__":
    main()
