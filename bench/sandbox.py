"""How fast the sandbox serves an org of 100,000 conversations a day: pages of 100, JSON and gzip included.

python -m bench.sandbox
"""

import base64
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from everycall.sandbox import Sandbox

PAGES = 100
QUERY = "/api/v2/analytics/conversations/details/query"
DAY = "2026-11-02T00:00:00.000Z/2026-11-03T00:00:00.000Z"

START = """
import time
started = time.perf_counter()
from everycall.sandbox import server
with server(conversations_per_day=100000) as sandbox:
    took_s = time.perf_counter() - started
    peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(took_s, int(peak_kb) // 1024)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU of one core."""

    first_page_ms: float
    page_ms: float
    """Median of the pages after the first."""
    worst_ms: float
    conversations_a_second: float
    """Over all pages after the first."""
    start_s: float
    """From the import to the first request that could be answered."""
    start_mb: int


def measured() -> Measured:
    """Pages in order, without a socket."""
    sandbox = Sandbox(conversations_per_day=100_000, rate_limit=10**9, now=lambda: 1_795_000_000.0)
    basic = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
    login = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
    token = json.loads(sandbox.handle("POST", "/oauth/token", login, b"grant_type=client_credentials")[2])[
        "access_token"
    ]
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept-encoding": "gzip"}
    times_s = []
    for number in range(1, PAGES + 1):
        body = {"interval": DAY, "paging": {"pageSize": 100, "pageNumber": number}}
        started = time.process_time()
        status, _, _ = sandbox.handle("POST", QUERY, headers, json.dumps(body).encode())
        times_s.append(time.process_time() - started)
        assert status == 200
    first, *rest = times_s
    printed = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True).stdout.split()
    return Measured(
        first * 1e3,
        statistics.median(rest) * 1e3,
        max(rest) * 1e3,
        100 * len(rest) / sum(rest),
        float(printed[0]),
        int(printed[1]),
    )


if __name__ == "__main__":
    print(measured())
