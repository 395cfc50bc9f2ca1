"""What the sandbox emits of the API's models is counted, and the count on the page is the true one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from everycall.sandbox.routes import NOT_SERVED, ROUTES
from everycall.sandbox.switches import GROUNDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sandbox-coverage.md"


@pytest.mark.slow
def test_the_page_of_what_is_emitted_is_up_to_date() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "sandbox_coverage.py"), "--print"]
    made = subprocess.run(script, capture_output=True, text=True, encoding="utf-8", check=True).stdout

    assert made == PAGE.read_text("utf-8"), "make docs writes it anew"


def test_every_field_is_emitted_and_nearly_every_value() -> None:
    sums = re.search(r"\| \*\*all\*\* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text("utf-8"))

    assert sums is not None
    fields, of_fields, values, of_values = map(int, sums.groups())
    assert fields == of_fields
    assert values / of_values >= 0.98


def test_the_page_lists_every_endpoint_and_every_switch() -> None:
    page = PAGE.read_text("utf-8")

    for route in ROUTES:
        assert f"| `{route.method} {route.path}` | {route.confidence} |" in page
    for name, (confidence, source) in GROUNDS.items():
        assert f"| `{name}` |" in page
        assert f"| {confidence} | {source} |" in page
    for missing in NOT_SERVED:
        assert f"- {missing}" in page
