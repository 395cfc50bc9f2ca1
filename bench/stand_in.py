"""A sandbox in a process of its own, so that what is measured does not share its interpreter.

python -m bench.stand_in --conversations-per-day 15000 --latency 0.4
"""

import argparse
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from everycall.sandbox import serve


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--conversations-per-day", type=int, default=2000)
    words.add_argument("--rate-limit", type=int, default=10**9)
    words.add_argument("--latency", type=float, nargs=2, default=(0.0, 0.0))
    said = words.parse_args()
    rng = random.Random(1)
    low, high = said.latency

    def ready(sandbox: object) -> None:
        print(json.dumps(sandbox.environ), flush=True)  # type: ignore[attr-defined]

    serve(
        0,
        ready=ready,
        until=_end_of_input(),
        conversations_per_day=said.conversations_per_day,
        flat=True,
        rate_limit=said.rate_limit,
        latency_s=lambda _: rng.uniform(low, high),
    )


def _end_of_input() -> threading.Event:
    over = threading.Event()

    def read() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=read, daemon=True).start()
    return over


@contextmanager
def stand_in(*words: object) -> Iterator[Mapping[str, str]]:
    """The environment that leads to a sandbox in another process."""
    command = [sys.executable, "-m", "bench.stand_in", *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    main()
