"""How near an export comes to the least time that the API's rate limit allows, in real time: two minutes a run.

    python -m bench.rate_limit --strict

The page server counts in fixed windows of 60 s, the first of which begins with the first request, and answers after
0.4 s, or after 0.3 to 2 s. The least time for n requests is 60 s for each window that has to be full before the last
one begins, and one latency for the last answer: 60 s x (n / 300, rounded up, less one) + the mean latency.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.commands import COMMANDS, csv_rows
from bench.processes import run
from bench.serving import page_server

RATE = 300
"""Requests a minute."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A latency, and how near the export has to come to the least time."""

    latency_s: tuple[float, float]
    ratio_max: float

    @property
    def name(self) -> str:
        """`0.4 s` or `0.3 to 2 s`."""
        low, high = self.latency_s
        return f"{low:g} s" if low == high else f"{low:g} to {high:g} s"


SETTINGS = (Setting((0.4, 0.4), 1.05), Setting((0.3, 2.0), 1.07))

WORST = 17_600
"""Conversations of each of five days. With a few other requests it is just below 900: the last window is full, too."""

PER_DAY = (16_800, WORST, 18_000)
"""840, 880 and 900 pages."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One export at the limit."""

    setting: Setting
    pages: int
    requests: int
    """Answered by the server, logins aside."""
    rejected: int
    seconds: float

    @property
    def least_s(self) -> float:
        """What the limit allows for as many requests."""
        return 60.0 * (-(-self.requests // RATE) - 1) + sum(self.setting.latency_s) / 2

    @property
    def ratio(self) -> float:
        """Of the time that it took to the least."""
        return self.seconds / self.least_s

    @property
    def is_good(self) -> bool:
        """Near enough, and nothing refused."""
        return self.ratio <= self.setting.ratio_max and not self.rejected


def timed(setting: Setting, per_day: int) -> Timed:
    """Run the command against a server that limits."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.csv"
        with page_server(per_day, rate_limit=RATE, latency_s=setting.latency_s) as served:
            usage = run(COMMANDS[0].argv(served.interval(), output, output, output), served.environ)
        assert csv_rows(output) == served.conversations
        return Timed(setting, served.conversations // 100, sum(served.requests), served.rejected, usage.seconds)


def series(per_days: Sequence[int] = PER_DAY) -> Iterator[Timed]:
    """Every setting with each of the numbers of conversations a day."""
    for per_day in per_days:
        for setting in SETTINGS:
            yield timed(setting, per_day)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--strict", action="store_true", help="fail where one takes too long or is refused")
    options = arguments.parse_args()
    is_good = True
    for found in series():
        is_good = is_good and found.is_good
        print(
            f"{found.setting.name}: {found.pages} pages, {found.requests} requests, {found.seconds:.1f} s, "
            f"least {found.least_s:.1f} s, ratio {found.ratio:.3f} (at most {found.setting.ratio_max}), "
            f"{found.rejected} answered 429",
            flush=True,
        )
    if options.strict and not is_good:
        sys.exit("An export at the rate limit took too long, or was refused.")


if __name__ == "__main__":
    main()
