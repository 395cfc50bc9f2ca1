"""How close an export comes to the least time that 300 requests a minute allow, in real time.

python -m bench.rate_limit
"""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.stand_in import stand_in
from everycall import Client, Credentials, Interval, Query, Summary, export
from everycall.api.limits import RATE_PER_MINUTE
from everycall.instants import start_of_day

DAYS = 6
PER_DAY = 15_000


def measured(latency: tuple[float, float], per_day: int = PER_DAY, days: int = DAYS) -> tuple[float, float, Summary]:
    """Seconds that an export took, the least that the limit allows for its requests, and its summary."""
    end = start_of_day(datetime.now(UTC)) - timedelta(days=10)
    query = Query(Interval(end - timedelta(days=days), end))
    words = ("--conversations-per-day", per_day, "--rate-limit", RATE_PER_MINUTE, "--latency", *latency)
    with stand_in(*words) as environ, tempfile.TemporaryDirectory() as folder:
        credentials = Credentials.read(environ)
        assert credentials is not None
        with Client(credentials) as client:
            started = time.monotonic()
            done = export(client, query, Path(folder) / "rows.csv")
            took_s = time.monotonic() - started
    windows = -(-done.counts.requests // RATE_PER_MINUTE)
    return took_s, (windows - 1) * 60.0, done


def main() -> None:
    for latency in ((0.4, 0.4), (0.3, 2.0)):
        took_s, least_s, done = measured(latency)
        print(
            f"latency {latency}: {done.pages} pages, {done.counts.requests} requests, {took_s:.1f} s, "
            f"least {least_s:.0f} s, ratio {took_s / least_s:.3f}, {done.counts.rejected} answered 429, {done.verdict}"
        )


if __name__ == "__main__":
    main()
