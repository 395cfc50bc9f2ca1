"""Runs every measurement and writes BENCHMARKS.md and its plot, in forty minutes.

python -m bench
"""

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import memory, outputs, proof, rate_limit, sandbox, whole
from bench.plot import svg
from bench.rendering import commands_table
from everycall.api.limits import WINDOW_HITS_DEFAULT

PLOT = Path("docs/benchmarks.svg")


def main() -> None:
    """Measure, then write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--per-day", type=int, default=10_000, help="conversations of each day")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    load = os.getloadavg()[0]
    commands = [_whole(options.per_day, options.rounds), _outputs(options.per_day, options.rounds)]
    sections = [*commands, _memory(), _rate_limit(), _proof(), _sandbox()]
    head = f"""# Benchmarks

Made by `python -m bench --per-day {options.per_day} --rounds {options.rounds}` on {datetime.now(UTC):%Y-%m-%d}, with
Python {platform.python_version()} on {os.cpu_count()} shared cores (load {load:.1f} at the start), servers on the same
machine. Read the ratios; the absolute figures belong to that machine. `make bench` makes this page;
`make bench-quick` prints the first table for fewer conversations in under two minutes.
"""
    Path("BENCHMARKS.md").write_text("\n".join([head, *sections]), encoding="utf-8")


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _whole(per_day: int, rounds: int) -> str:
    found = whole.measured(per_day, rounds, _report)
    PLOT.write_text(svg(found.lines), encoding="utf-8")
    return f"""## Whole commands

`python -m bench.whole`: from the network to a file, start of the process included. {whole.DAYS} days with
{per_day:,} conversations each, of 9 kB in the mean, in zipped pages of 100. The slow ones are asked for one day.
The scripts are in `bench/clients`: `requests`, the SDK and everycall write the same eight columns, dlt all that there
is into a table for each level of nesting, `download and unzip` the pages as they came, `json.loads` nothing.
CPU is user and system time of the process and its children; memory counts shared pages once.

![Conversations a second, and CPU seconds for 100,000 of them]({PLOT})

{commands_table(found)}
"""


def _outputs(per_day: int, rounds: int) -> str:
    found = whole.measured(per_day, rounds, _report, outputs.OUTPUTS)
    return f"""## Other outputs

`python -m bench.outputs`: the same export into tables and an archive, with everything that a conversation has.

{commands_table(found)}
"""


def _memory() -> str:
    lines = "\n".join(
        f"| `{one.command}` | {one.rows[0]:,} | {one.peaks_mb[0]:.0f} MB | {one.rows[1]:,} | {one.peaks_mb[1]:.0f} MB |"
        f" {one.factor:.2f} | {one.goal:.2f} |"
        for one in memory.growths()
    )
    return f"""## Peak memory of the command

`python -m bench.memory`: exports of five days.

| command | conversations | peak | conversations | peak | against the first | goal: at most |
| --- | --- | --- | --- | --- | --- | --- |
{lines}
"""


def _rate_limit() -> str:
    rows = "\n".join(
        f"| {found.setting.name} | {found.pages} | {found.requests} | {found.seconds:.1f} s | {found.least_s:.1f} s "
        f"| {found.ratio:.3f} | {found.setting.ratio_max} | {found.rejected} |"
        for found in rate_limit.series([rate_limit.WORST])
    )
    return f"""## At the rate limit

`python -m bench.rate_limit`: whole commands against 300 requests a minute in fixed windows, in real time. The least
that the limit allows for n requests is 60 s for each window that has to be full before the last one begins, and one
latency: 60 s x (n / 300, rounded up, less one) + the mean latency. The worst n is just below a full window.
`tests/test_pacing.py` tries every n from 850 to 950 in simulated time, `make acceptance` three of them in real time.

| latency | pages | requests | took | least | ratio | goal: at most | answered 429 |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def _proof() -> str:
    org = proof.Org()
    rows = "\n".join(
        f"| {name} | {found.windows} | {found.with_conversations} | {found.empty} | {found.recounts} "
        f"| {found.thrown_away} | {found.share:.1%} |"
        for name, found in (("a day", proof.asked(org, proof.DAY)), ("a week", proof.asked(org, proof.WEEK)))
    )
    return f"""## What the proof costs in requests

`python -m bench.proof`: {proof.PER_DAY:,} conversations a day. Days are put together into windows of at most
{WINDOW_HITS_DEFAULT:,} conversations; the first page of what turns out to be more is thrown away.
The share is that of recounts and such first pages against the other pages. Logins and look-ups of names are left out.

| export of | windows | pages | empty pages | recounts | thrown away | share of requests, goal: at most 3 % |
| --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def _sandbox() -> str:
    found = sandbox.measured()
    return f"""## The sandbox with 100,000 conversations a day

`python -m bench.sandbox`: {sandbox.PAGES} pages of 100 in order, full JSON, gzip included, CPU of one core.

| what | measured | goal |
| --- | --- | --- |
| first page | {found.first_page_ms:.0f} ms | |
| a page after it, median | {found.page_ms:.1f} ms | at most 30 |
| the slowest of them | {found.worst_ms:.0f} ms | |
| conversations a second | {found.conversations_a_second:,.0f} | at least 3,000 |
| import and start | {found.start_s:.2f} s | below 1 |
| memory after start | {found.start_mb} MB | below 300 |
"""


if __name__ == "__main__":
    main()
