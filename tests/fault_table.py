"""What can happen to an export, and what has to come of it.

`test_fault_table.py` runs every row of it; `docs/evidence.md` is made of the same rows.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from everycall.sandbox import QUERY, Faults
from everycall.sandbox.answers import Request

Arm = Callable[[Faults, str], None]
"""Plans what goes wrong; gets the id of the first conversation of the interval, too."""


@dataclass(frozen=True)
class Row:
    """One thing that happens, and how the command ends."""

    happens: str
    """As the documentation describes it."""
    arm: Arm | None = None
    conversations: int = 250
    """Of the interval, in the end."""
    days: int = 1
    """Length of the interval."""
    is_thin: bool = False
    """Whether the conversations are of a few bytes each."""
    options: Sequence[str] = ()
    """Options of the command beside interval and output."""
    rows: int = 250
    windows: int = 1
    re_reads: int = 0
    code: int = 0


def of_page(number: int) -> Callable[[Request], bool]:
    """Whether a request asks for the page of that number."""
    asks = re.compile(rb'"pageNumber":%d\b' % number)
    return lambda request: asks.search(request.body) is not None


def on_page_2(kind: str, times: int | None = 1, **options: Any) -> Arm:
    """Strikes the second of three pages."""
    return lambda faults, _: faults.on(of_page(2), kind, path=QUERY, times=times, **options)


def late(faults: Faults, first_id: str) -> None:
    """The first conversation arrives after pages 1 and 2 were answered without it."""
    faults.on(lambda request: of_page(1)(request) or of_page(2)(request), "unseen", path=QUERY, times=2,
              conversation_id=first_id)  # fmt: skip


ROWS = (
    Row("429 without Retry-After", on_page_2("429", retry_after_s=None)),
    Row("503 once", on_page_2("503")),
    Row("504 once", on_page_2("504")),
    Row("the server hangs", on_page_2("hang"), options=("--timeout", "2")),
    Row("JSON cut short, status 200", on_page_2("cut_json")),
    Row("the token dies", on_page_2("revoked")),
    Row("100,050 conversations in a day", conversations=100_050, is_thin=True, rows=100_050, windows=6),
    Row("an interval of 40 days", days=40, is_thin=True, windows=6),
    Row("a late conversation sorts into page 1", late, conversations=251, rows=251, re_reads=1),
    Row("a row never comes, and is counted", on_page_2("short_page", times=None), rows=249, re_reads=1, code=4),
)
"""In the order of the page."""
