"""Records the terminal of an export that waits for the rate limit, and looks at the time left that it shows.

    python tests/recording.py     # a part of `make acceptance`; takes some minutes

The installed command runs in pseudo-terminals of 60, 80 and 120 columns at the same time, each against a sandbox with
the API's own limit. While nothing goes wrong, the time left must not grow by more than a fifth, as it is shown. A wait
for the limit has to be readable at every width, and no line may be wider than the terminal.
"""

import argparse
import os
import pty
import re
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from subprocess import Popen

from everycall.sandbox import server

WIDTHS = (60, 80, 120)
GROWTH_MAX = 1.2
LEFT = re.compile(r"(?:over )?(?:(\d+) h )?(?:(\d+) min )?(?:(\d+) s )?left")
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Recording:
    """What a terminal showed."""

    width: int
    lines: list[tuple[float, str]] = field(default_factory=list)
    """When, in seconds from the start, and the line."""
    code: int = -1

    @property
    def estimates_s(self) -> list[tuple[float, int]]:
        """When each time left was shown, and how long it was."""
        found = []
        for at, line in self.lines:
            match = LEFT.search(line)
            if match and any(match.groups()):
                hours, minutes, seconds = (int(group or 0) for group in match.groups())
                found.append((at, hours * 3600 + minutes * 60 + seconds))
        return found

    @property
    def growth(self) -> float:
        """By how much the time left grew at most, compared with the least before it."""
        least, most = float("inf"), 1.0
        for _, seconds in self.estimates_s:
            most = max(most, seconds / max(least, 1.0))
            least = min(least, seconds)
        return most

    @property
    def widest(self) -> int:
        """The length of the longest line."""
        return max((len(line.rstrip()) for _, line in self.lines), default=0)

    @property
    def waits(self) -> int:
        """In how many lines it says that it waits."""
        return sum("wait" in line or "limit" in line for _, line in self.lines)


def record(width: int, command: Sequence[str], environ: dict[str, str]) -> Recording:
    """Run a command in a terminal so wide."""
    controller, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environ = {**environ, "TERM": "xterm-256color", "COLUMNS": str(width)}
    process = Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environ)
    os.close(terminal)
    recording, began, rest = Recording(width), time.monotonic(), ""
    with suppress(OSError):  # the terminal is closed when the command has ended
        while piece := os.read(controller, 65536):
            *lines, rest = re.split(r"[\r\n]+", rest + CODES.sub("", piece.decode(errors="replace")))
            recording.lines += [(time.monotonic() - began, line) for line in lines if line.strip()]
    os.close(controller)
    recording.code = process.wait()
    return recording


def limited(width: int, per_day: int, rate_limit: int) -> Recording:
    """An export that fills the limit several times."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(conversations_per_day=per_day, rate_limit=rate_limit) as sandbox,
    ):
        command = [
            str(Path(sys.executable).with_name("everycall")), "export", "--interval", "2026-01-05/P7D",
            "--route", "query", "-o", f"{folder}/calls.csv",
        ]  # fmt: skip
        return record(width, command, os.environ | sandbox.environ)


def main() -> int:
    """Record all widths; the exit code is 1 where one does not hold."""
    parser = argparse.ArgumentParser(description="Record an export that waits for the rate limit.")
    parser.add_argument("--per-day", type=int, default=10_000, help="conversations (%(default)s)")
    parser.add_argument("--rate-limit", type=int, default=300, help="requests a minute (%(default)s)")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(len(WIDTHS)) as threads:
        found = list(threads.map(lambda width: limited(width, arguments.per_day, arguments.rate_limit), WIDTHS))
    failed = False
    for one in found:
        took_s = one.lines[-1][0] if one.lines else 0.0
        holds = one.code == 0 and one.growth <= GROWTH_MAX and one.widest <= one.width and one.waits > 0
        failed |= not holds
        print(  # noqa: T201
            f"{one.width} columns: {took_s:.0f} s, exit code {one.code}, {len(one.estimates_s)} estimates, growth "
            f"{one.growth:.2f} at most, {one.waits} lines about waiting, widest {one.widest}"
            f"{'' if holds else ': FAILED'}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
