"""How long the command takes to start, in starts of a bare interpreter.

    python -m bench.startup [ROUNDS]

Whole processes, one after the other in turn, medians: a machine that is busy meanwhile is busy for all of them.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.processes import compile_everycall

EVERYCALL = str(Path(sys.executable).with_name("everycall"))

BARE = "python -c pass"
COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    "everycall --version": [EVERYCALL, "--version"],
    "import everycall": [sys.executable, "-c", "import everycall"],
    "everycall --help": [EVERYCALL, "--help"],
    "everycall export --help": [EVERYCALL, "export", "--help"],
    "everycall export --bogus": [EVERYCALL, "export", "--bogus"],
}
LIMITS = {"everycall --version": 3, "import everycall": 6, "everycall --help": 12, "everycall export --help": 12}
"""At most so many bare starts."""

ROUNDS = 21


def startup(rounds: int = ROUNDS) -> dict[str, float]:
    """The median seconds of each command's whole process, by what it is called in `COMMANDS`."""
    compile_everycall()
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=False)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}  # the first fills caches


def main() -> int:
    """Print a table, and return 1 where a command is over its limit."""
    medians = startup(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    ratios = {name: seconds / medians[BARE] for name, seconds in medians.items()}
    for name, seconds in medians.items():
        limit = f"at most {LIMITS[name]}" if name in LIMITS else ""
        print(f"{name:<26} {seconds * 1000:6.1f} ms  {ratios[name]:5.1f} bare starts  {limit}".rstrip())
    return int(any(ratios[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
