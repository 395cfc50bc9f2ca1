"""The admin token that `everycall sandbox` prints is the one that other sites and machines need."""

import re
import subprocess
import sys

import httpx2


def test_the_token_that_is_printed_opens_the_controls() -> None:
    command = [sys.executable, "-m", "everycall", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "admin token" in line)
            matched = re.search(r"for (\S+/) and /__admin/: (\S+)$", line)
            assert matched is not None, line
            url, token = matched.groups()
            foreign = {"Origin": "https://evil.example"}
            refused = httpx2.get(f"{url}__admin/faults", headers=foreign)
            allowed = httpx2.get(f"{url}__admin/faults", headers={**foreign, "Authorization": f"Bearer {token}"})
        finally:
            process.terminate()
            process.communicate(timeout=10)

    assert (refused.status_code, allowed.status_code) == (401, 200)
