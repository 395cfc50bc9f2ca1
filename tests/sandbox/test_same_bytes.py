"""Whole answers, status, headers and bytes, are the same in every process."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import hashlib, json
from made import Caller, Clock
from everycall.sandbox import JOBS, QUERY, Faults, Sandbox

clock = Clock("2026-01-09T10:00:00Z")
faults = Faults.parse("at random 20% to /query: 429,503,cut_json")
sandbox = Sandbox(seed=9, conversations_per_day=300, now=clock, faults=faults)
client, digest = Caller(sandbox), hashlib.sha256()

def asked(method, target, body=None):
    headers = {"authorization": f"Bearer {client.token}", "content-type": "application/json",
               "accept-encoding": "gzip"}
    status, received, answer = sandbox.handle(method, target, headers, json.dumps(body).encode() if body else b"")
    digest.update(repr((status, sorted(received.items()))).encode() + answer)
    return answer

for number in range(1, 5):
    paging = {"pageSize": 60, "pageNumber": number}
    asked("POST", QUERY, {"interval": "2026-01-08T00:00:00Z/2026-01-09T00:00:00Z", "paging": paging})
    clock.advance(7)
for path in ("users", "routing/queues", "teams", "flows"):
    asked("GET", f"/api/v2/{path}")
job = json.loads(asked("POST", JOBS, {"interval": "2026-01-07T00:00:00Z/2026-01-08T00:00:00Z"}))["jobId"]
clock.advance(4)
asked("GET", f"{JOBS}/{job}")
asked("GET", f"{JOBS}/{job}/results?pageSize=100")
print(digest.hexdigest(), sorted(served.status for served in sandbox.requests))
"""


def printed(hash_seed: str) -> str:
    """What the script prints in a process of its own."""
    environ = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environ, capture_output=True, text=True, check=True)
    return done.stdout


def test_two_processes_answer_the_same_bytes() -> None:
    first, second = printed("1"), printed("2")

    assert first == second
    assert first.count("200") > 6
    assert "202" in first
