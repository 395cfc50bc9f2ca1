"""A few nights of each kind of destination that other tests leave out; `tests/nights.py` has the year, with kills."""

from pathlib import Path

import pytest

from nights import figures, lines, over, simulate


@pytest.mark.parametrize(("kind", "nights"), [("delta", 4), ("csv-days", 12)])
def test_nights_end_as_a_fresh_export(tmp_path: Path, kind: str, nights: int) -> None:
    report = simulate(kind, nights, 5, 12, tmp_path, kill_rate=0)

    assert report.verdict == "proven"
    assert report.unexplained == []
    assert over(report) == [], list(lines(report))
    assert "nights" in figures(report)


def test_nights_of_a_database_end_as_a_fresh_export(tmp_path: Path, postgres: str) -> None:
    report = simulate("postgresql", 4, 5, 12, tmp_path, postgres, kill_rate=0)

    assert report.verdict == "proven"
    assert report.unexplained == []
