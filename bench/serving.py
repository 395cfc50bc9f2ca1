"""A page server in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Served:
    """Where the server is, and what it holds."""

    environ: Mapping[str, str]
    """What leads a client to it."""
    midnights: Sequence[str]
    """Where each of its days begins, and where the last one ends."""
    per_day: int
    requests: Sequence[int] = ()
    """How many it answered in each minute that had any, logins aside; known once it has ended."""
    rejected: int = 0
    """Those among them that it answered 429."""

    @property
    def days(self) -> int:
        """How many days have conversations."""
        return len(self.midnights) - 1

    @property
    def conversations(self) -> int:
        """All that it holds."""
        return self.days * self.per_day

    def interval(self, days: int = 0) -> str:
        """Of the first days alone; of all of them where 0."""
        return f"{self.midnights[0]}/{self.midnights[days or self.days]}"


@contextmanager
def page_server(
    per_day: int, *, days: int = 5, rate_limit: int = 0, latency_s: tuple[float, float] = (0.0, 0.0)
) -> Iterator[Served]:
    """A server of so many conversations; it listens when this is entered, and has ended when it is left.

    Args:
        per_day: conversations of each day, a multiple of 400.
        days: how many days.
        rate_limit: requests a minute; 0 is as many as anybody likes.
        latency_s: how long each answer takes, at least and at most.
    """
    command = [sys.executable, "-m", "bench.page_server", "--days", str(days), "--per-day", str(per_day)]
    command += ["--latency", *map(str, latency_s), *(["--rate-limit", str(rate_limit)] if rate_limit else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        served = Served(**json.loads(process.stdout.readline()), per_day=per_day)
        try:
            yield served
        finally:
            process.stdin.close()
            counts = json.loads(process.stdout.readline() or "{}")
            served.requests, served.rejected = counts.get("requests", ()), counts.get("rejected", 0)
