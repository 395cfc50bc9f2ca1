"""What the sandbox emits of the API's models is counted, and the count on the page is the true one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
