"""The real command, killed again and again in the course of one export, beside an undisturbed one.

    python tests/killing.py --kills 200     # `make kill`

A kill comes at a random moment: from shortly before the command asks its first question to a moment that is moved so
that the kills are used up about when the windows are. Most are SIGKILL, some SIGTERM and Ctrl-C; one life in the
middle starts over with `--fresh`.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from everycall import Interval
from everycall.sandbox import QUERY, Sandbox, Switches, server
from everycall.store import window_name
from inprocess import manifest_of

END = date(2024, 1, 1)
"""Long settled: the sandbox says the same of it whenever it is asked."""

DAYS = "-days"
"""How formats end that are a folder with a file for each day; no ending of a path stands for them."""

WINDOWS_A_KILL = 2.5
LATENCY_MAX_S = 0.05
HOLDS_S = 900.0

SIGNALS = {signal.SIGKILL: 8, signal.SIGTERM: 1, signal.SIGINT: 1}
"""How often each is drawn."""

ENDS_WITH = {
    signal.SIGKILL: {-signal.SIGKILL},
    signal.SIGTERM: {130, -signal.SIGTERM},
    signal.SIGINT: {130, -signal.SIGINT},
}
"""Exit codes after each; the second ones are Python's, before everycall has begun."""


@dataclass
class Export:
    """One command that is run until it is done, and what is on disk in between."""

    folder: Path
    interval: str
    sandbox: Sandbox
    ending: str = ".csv"

    @property
    def output(self) -> Path:
        return self.folder / f"x{self.ending}"

    @property
    def aside(self) -> Path:
        return self.folder / f"x{self.ending}.everycall"

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        place = f"{self.ending[1:]}:{self.output}" if self.ending.endswith(DAYS) else str(self.output)
        export = ["export", "--interval", self.interval, "-o", place, "--quiet", *options]
        environ = {**os.environ, **self.sandbox.environ}
        return subprocess.Popen([sys.executable, "-m", "everycall", *export], env=environ, stderr=subprocess.PIPE)

    def done(self) -> set[str]:
        """Windows that the ledger calls read, in whole lines: no later run has to ask for them again."""
        path = self.aside / "ledger.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        noted = [msgspec.json.decode(line) for line in lines[1:] if line.endswith(b"\n")]
        return {line["interval"] for line in noted if line["line"] == "read"}

    def left(self) -> Iterator[str]:
        """What lies about that is neither the ledger nor a file of a window that is read, by name or ending."""
        done = {window_name(Interval.read(interval)) for interval in self.done()}
        for path in self.aside.iterdir() if self.aside.exists() else ():
            if path.stem not in done and path.name not in ("ledger.jsonl", "lock"):
                yield path.suffix or path.name

    def is_clean(self) -> bool:
        beside = [".names.jsonl"] if self.ending.startswith(".jsonl") and not self.ending.endswith(DAYS) else []
        wanted = sorted(f"x{self.ending}{suffix}" for suffix in ("", ".manifest.json", *beside))
        return sorted(path.name for path in self.folder.iterdir()) == wanted


@dataclass
class Outcome:
    """What the kills did."""

    kills: Counter[str] = field(default_factory=Counter)
    """By signal."""
    struck: Counter[str] = field(default_factory=Counter)
    """When they came: before the first question, before or after the first window of that life was done."""
    left: Counter[str] = field(default_factory=Counter)
    """What was found lying about afterwards, in how many cases."""
    asked_again: set[str] = field(default_factory=set)
    """Finished windows that a later life asked for all the same."""
    codes: list[str] = field(default_factory=list)
    """Exit codes that nobody expected."""
    exports: int = 0
    """That came to their end while there were kills to do."""
    differing: int = 0
    """Of them and the last one, those whose bytes or windows were not those of the undisturbed one."""
    windows: int = 0
    took_s: float = 0.0

    def __str__(self) -> str:
        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{count} {what}" for what, count in counts.most_common()) or "nothing"

        of = f"{self.exports} export(s) of {self.windows} windows, in {self.took_s:.0f} s"
        lines = [
            f"{sum(self.kills.values())} kills ({listed(self.kills)}) during {of}",
            f"they came: {listed(self.struck)}",
            f"found lying about: {listed(self.left)}",
            f"finished windows asked for again: {len(self.asked_again)}",
            f"unexpected exit codes: {', '.join(self.codes) or 'none'}",
            f"exports that differ from the undisturbed one: {self.differing}",
        ]
        return "\n".join(lines)


def killed(
    kills: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
    *,
    ending: str = ".csv",
    content: Callable[[Path], Any] = Path.read_bytes,
    windows_a_kill: float = WINDOWS_A_KILL,
) -> Outcome:
    """Kill the command so many times, and let it finish. `content` is that of an output with this ending."""
    rng, outcome, started = random.Random(seed), Outcome(), time.monotonic()
    with org(rng.random()) as sandbox, tempfile.TemporaryDirectory() as folder:
        interval = f"{END - timedelta(days=7 * round(kills * windows_a_kill))}/{END}"
        quiet, killed = (Export(made(Path(folder) / name), interval, sandbox, ending) for name in ("quiet", "killed"))
        startup_s = undisturbed(quiet)
        whole_s = time.monotonic() - started
        wanted = facts(quiet, content)
        outcome.windows, reach_s = len(wanted[1]), 8 * LATENCY_MAX_S
        if ending != ".csv":  # publishing takes as long as reading does
            reach_s = whole_s - startup_s
        while sum(outcome.kills.values()) < kills:
            number = sum(outcome.kills.values())
            delay_s = rng.uniform(0.9 * startup_s, startup_s + reach_s)
            drawn = rng.choices(list(SIGNALS), list(SIGNALS.values()))[0]
            live(killed, outcome, drawn, delay_s, *(["--fresh"] if number == kills // 3 else []))
            if killed.is_clean():
                outcome.exports += 1
                outcome.differing += facts(killed, content) != wanted
            is_ahead = len(killed.done()) / outcome.windows > 0.9 * number / kills
            reach_s = min(max(reach_s * (0.85 if is_ahead else 1.15), LATENCY_MAX_S), 10.0)
            say(f"kill {number + 1}: {drawn.name} after {delay_s:.2f} s, {len(killed.done())} windows done")
        undisturbed(killed)
        outcome.exports += 1
        outcome.differing += facts(killed, content) != wanted
    outcome.took_s = time.monotonic() - started
    return outcome


@contextmanager
def org(seed: float) -> Iterator[Sandbox]:
    """An org that has a few conversations every day, keeps them for a century, and answers slowly."""
    rng = random.Random(seed)
    with server(
        conversations_per_day=3,
        flat=True,
        rate_limit=1_000_000,
        latency_s=lambda _: rng.uniform(0, LATENCY_MAX_S),
        switches=Switches(retention_days=36_500),
    ) as sandbox:
        yield sandbox


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def undisturbed(export: Export) -> float:
    """Let the command come to its end; seconds until it asked its first question."""
    began, number = time.time(), last_number(export.sandbox)
    with export.start() as under_way:
        message = under_way.communicate(timeout=HOLDS_S)[1]
    if under_way.returncode != 0 or not export.is_clean():
        raise AssertionError(f"the command ended with {under_way.returncode}: {message.decode()}")
    return min(one.arrived_s for one in export.sandbox.requests if one.number > number) - began


def live(export: Export, outcome: Outcome, drawn: signal.Signals, delay_s: float, *options: str) -> None:
    """Start the command and kill it after a while, unless it is done by then."""
    number, before = last_number(export.sandbox), export.done()
    with export.start(*options) as under_way:
        try:
            under_way.wait(delay_s)
        except subprocess.TimeoutExpired:
            under_way.send_signal(drawn)
        message = under_way.communicate(timeout=HOLDS_S)[1].decode()
    asked = {one.body["interval"] for one in export.sandbox.requests if one.number > number and one.path == QUERY}
    if not options:
        outcome.asked_again |= before & asked
    if under_way.returncode == 0:
        return
    if under_way.returncode not in ENDS_WITH[drawn]:
        outcome.codes.append(f"{under_way.returncode} after {drawn.name}: {message}")
    outcome.kills[drawn.name] += 1
    outcome.left.update(set(export.left()))
    gained = export.done() - before
    outcome.struck["after a window" if gained else "before a window" if asked else "before a question"] += 1


def last_number(sandbox: Sandbox) -> int:
    return sandbox.requests[-1].number if sandbox.requests else 0


def facts(export: Export, content: Callable[[Path], Any]) -> tuple[Any, list[Any]]:
    """What is in the output, and what its manifest says of each window."""
    windows = manifest_of(export.output)["windows"]
    entries = [(one["interval"], one["verdict"], one["rows"], one["sha256"]) for one in windows]
    return content(export.output), entries


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Kill the real command again and again, and compare what it ends with."
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, and by its children
    outcome = killed(arguments.kills, arguments.seed, say=lambda line: print(line, flush=True))  # noqa: T201
    print(outcome)  # noqa: T201
    sys.exit(bool(outcome.differing or outcome.asked_again or outcome.codes))


if __name__ == "__main__":
    main()
