"""What the proof asks of the API beyond the pages; what it costs in CPU is measured by `make bench`."""

from datetime import timedelta
from pathlib import Path

import pytest

from everycall import Interval
from inprocess import org
from thin import Thin

MONDAY = Interval.read("2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z").start


@pytest.mark.parametrize(("days", "windows"), [(1, 1), (7, 3)])
def test_where_a_day_has_5000_conversations_the_proof_asks_at_most_3_percent_more(
    output: Path, days: int, windows: int
) -> None:
    """Beyond the pages, and the empty one behind the last: the second counts, and first pages of what was split."""
    where = org(world=Thin(5_000 * days, days=days), rate_limit=100_000)
    summary = where.export(output, str(Interval(MONDAY, MONDAY + timedelta(days=days))), columns=["conversationId"])
    needed = sum(-(-entry.unique_ids // 100) + 1 for entry in summary.entries)

    assert (summary.verdict, summary.rows, len(summary.entries)) == ("proven", 5_000 * days, windows)
    assert needed < len(where.queries) <= 1.03 * needed
