"""What is printed of a verification."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from clocks import StillClock
from everycall import Interval, OutputRefused, Query
from everycall.cli.display import Display
from everycall.cli.org import Org
from everycall.cli.verifying import refuse_to_lose_rows, show
from everycall.instants import DAY
from everycall.manifest import Manifest
from everycall.sandbox import Switches
from everycall.verification import Finding, State, Verification
from inprocess import org

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def verification(*states: str, not_kept: tuple[str, ...] = ()) -> Verification:
    days = [Interval(MONDAY + timedelta(days=n), MONDAY + timedelta(days=n + 1)) for n in range(len(states))]
    findings = tuple(Finding(day, cast("State", state), None, None) for day, state in zip(days, states, strict=True))
    return Verification(
        Path("rows.csv"), findings, Query(days[0]), cast("Manifest", SimpleNamespace(not_kept=not_kept))
    )


def shown(found: Verification, *, is_repaired: bool = False) -> str:
    written = StringIO()
    show(Display(Console(file=written, width=100)), found, is_repaired=is_repaired)
    return written.getvalue()


def test_an_export_that_holds_is_reported_in_one_line() -> None:
    assert shown(verification("holds")) == "Holds: all of rows.csv, 1 window.\n"


def test_what_was_not_kept_by_the_org_is_not_proven_though_it_holds() -> None:
    lines = shown(verification("holds", "holds", not_kept=("2026-01-05/2026-01-06",))).splitlines()

    assert lines[0].startswith("Holds:")
    assert lines[1].startswith("note: 1 window of it began before the org's retention")


def test_windows_that_do_not_hold_are_named_with_the_next_step() -> None:
    assert shown(verification("holds", "unread")) == (
        "DOES NOT HOLD: 1 of 2 windows of rows.csv.\n"
        "\n"
        "  2026-01-06 to 2026-01-07 UTC  was never read\n"
        "\n"
        "hint: --repair exports these windows again, and only these.\n"
    )


def test_a_running_repair_is_not_advised_to_be_started() -> None:
    assert "hint" not in shown(verification("unread"), is_repaired=True)


def test_a_report_of_many_windows_fits_one_screen() -> None:
    lines = shown(verification(*(["damaged"] * 300))).splitlines()

    assert len(lines) <= 24
    assert "  ... and 285 more; --json lists them all" in lines


def test_a_repair_is_refused_where_the_org_no_longer_keeps_the_rows() -> None:
    """It would put nothing in their place."""
    where = org(StillClock(), conversations=[], switches=Switches(retention_days=100))
    too_old, kept = (
        Verification(Path("rows.csv"), (Finding(Interval(day, day + DAY), "changed", None, 0),), None, {})  # type: ignore[arg-type]
        for day in (where.clock.utc() - timedelta(days=101), where.clock.utc() - timedelta(days=99))
    )

    refuse_to_lose_rows(kept, Org(where.client, "", ""))
    with pytest.raises(OutputRefused, match="a repair could lose rows") as refused:
        refuse_to_lose_rows(too_old, Org(where.client, "", ""))

    assert "to another file" in refused.value.hint
