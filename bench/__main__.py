"""Runs every measurement and writes BENCHMARKS.md. Takes a quarter of an hour, most of it waiting at the rate limit."""

import platform
from datetime import UTC, datetime
from pathlib import Path

from bench import cpu, memory, proof, rate_limit, sandbox
from everycall.api.limits import WINDOW_HITS_DEFAULT

WEEK = "2026-11-02T00:00:00.000Z/2026-11-09T00:00:00.000Z"


def main() -> None:
    """Measure, then write."""
    sections = [_cpu(), _proof(), _sandbox(), _memory(), _rate_limit()]
    head = f"""# Benchmarks

Made by `make bench` on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, 2 shared cores, the sandbox on
the same machine. Read the ratios; the absolute figures belong to that machine.
"""
    Path("BENCHMARKS.md").write_text("\n".join([head, *sections]), encoding="utf-8")


def _cpu() -> str:
    found = cpu.measured()
    script = f"{found.script_us:.0f} | {found.script_us / found.json_loads_us:.2f}"
    return f"""## CPU of an export, but for the network

`python -m bench.cpu`: {cpu.PAGES} zipped pages of 100 conversations ({found.page_bytes / 1e5:.1f} kB each),
{cpu.ROUNDS} interleaved rounds, medians.

| what | microseconds a conversation | against `json.loads` |
| --- | --- | --- |
| unzip and `json.loads`, nothing else | {found.json_loads_us:.0f} | 1.00 |
| a script that also picks two columns and the last segment | {script} |
| everycall: unzip, check, decode, eight columns, spool, sort, seal | {found.everycall_us:.0f} | {found.ratio:.2f} |

At the API's 300 pages of 100 a minute that is {found.everycall_us * 500 / 1e4:.0f} % of one core.
"""


def _proof() -> str:
    org = proof.Org()
    took = proof.cpu(org)
    rows = "\n".join(
        f"| {words} | {found.windows} | {found.with_conversations} | {found.empty} | {found.recounts} "
        f"| {found.thrown_away} | {found.share:.1%} |"
        for words, found in (("a day", proof.asked(org, proof.DAY)), ("a week", proof.asked(org, proof.WEEK)))
    )
    return f"""## What ledger, checksums and proof cost

`python -m bench.proof`: {proof.PER_DAY:,} conversations a day. Days are put together into windows of at most
{WINDOW_HITS_DEFAULT:,} conversations; the first page of what turns out to be more is thrown away.
The share is that of recounts and such first pages against the other pages. Logins and look-ups of names are left out.

| export of | windows | pages | empty pages | recounts | thrown away | share of requests, goal: at most 3 % |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

CPU of an export of a day, but for the network, {proof.ROUNDS} interleaved rounds, the least of each. The plain one
is put together from the same pieces, less ids, second count, spool, sort, checksums, syncs and ledger.

| what | microseconds a conversation |
| --- | --- |
| plain | {took.plain_us:.0f} |
| everycall | {took.proven_us:.0f} |
| added, goal: at most 10 % | {took.share:.1%} |
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


def _memory() -> str:
    small, large = memory.peak_mb(2_000, WEEK), memory.peak_mb(20_000, WEEK)
    day = memory.peak_mb(90_000, WEEK.partition("/")[0] + "/P1D")
    return f"""## Peak memory of the command

`python -m bench.memory`: `everycall export` of a week into CSV, the sandbox being another process.

| conversations | peak | against the first |
| --- | --- | --- |
| {small[0]:,} | {small[1]} MB | 1.00 |
| {large[0]:,} | {large[1]} MB | {large[1] / small[1]:.2f} |
| {day[0]:,}, in one day | {day[1]} MB | {day[1] / small[1]:.2f} |
"""


def _rate_limit() -> str:
    rows = []
    for latency, per_day in (((0.4, 0.4), 15_000), ((0.3, 2.0), 15_000), ((0.4, 0.4), 14_600)):
        took_s, least_s, done = rate_limit.measured(latency, per_day)
        words = f"{latency[0]:g} s" if latency[0] == latency[1] else f"{latency[0]:g} to {latency[1]:g} s"
        rows.append(
            f"| {words} | {done.pages} | {done.counts.requests} | {took_s:.1f} s | {least_s:.0f} s "
            f"| {took_s / least_s:.3f} | {done.counts.rejected} |"
        )
    body = "\n".join(rows)
    return f"""## At the rate limit

`python -m bench.rate_limit`: 300 requests a minute in fixed windows, in real time. The least that the limit allows for
n requests is 60 s for each full window that has to be waited through: 60 s x (n / 300, rounded up, less one).

| latency | pages | requests | took | least | ratio | answered 429 |
| --- | --- | --- | --- | --- | --- | --- |
{body}

The last one ends just below a full window, and pays for its last 300 requests at once, which the sandbox has to make
on the same two cores.
"""


if __name__ == "__main__":
    main()
