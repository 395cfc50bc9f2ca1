"""Peak memory of an export, and of one with ten times the conversations.

python -m bench.memory
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.stand_in import stand_in

CHILD = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "everycall", "export", *sys.argv[1:]])
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def peak_mb(per_day: int, interval: str) -> tuple[int, int]:
    """Rows of an export and the peak of its resident memory in MiB, the sandbox being another process."""
    with stand_in("--conversations-per-day", per_day) as environ, tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "rows.csv"
        words = ["--interval", interval, "--quiet", "-o", str(output)]
        command = [sys.executable, "-c", CHILD, *words]
        said = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=True)
        code, peak = said.stdout.split()
        assert code == "0", said.stderr
        with output.open("rb") as lines:
            return sum(1 for _ in lines) - 1, int(peak)


def main() -> None:
    week = "2026-11-02T00:00:00.000Z/2026-11-09T00:00:00.000Z"
    for per_day in (1_000, 10_000):
        rows, mb = peak_mb(per_day, week)
        print(f"{per_day:,} a day, a week: {rows:,} rows, {mb} MB")
    rows, mb = peak_mb(90_000, "2026-11-02T00:00:00.000Z/2026-11-03T00:00:00.000Z")
    print(f"one day of {rows:,}: {mb} MB")


if __name__ == "__main__":
    main()
