"""The terms of a query against the interval of its export."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import Interval, OutputRefused, Query, QueryError
from everycall.api.asked import contradiction, interval_asked
from everycall.sandbox.answers import Request
from everycall.verification import verify
from inprocess import MONDAY, Org, manifest_of, org

BEGUN_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/Santiago", "Asia/Kolkata", "Pacific/Apia")
ASKED: list[dict[str, str]] = [
    {"last": "7d"}, {"last": "P1M"}, {"last": "36h"}, {"interval": "2026-01-05"}, {"interval": "P7D"},
    {"interval": "2026-03"},
    {"interval": "2026-01-05T08:00/10:00"}, {"since": "2026-01-05"}, {"since": "2026-01-05", "until": "2026-02-01"},
    {"last": "30d", "settled": "only"}, {"since": "2026-01-05", "settled": "only"},
]  # fmt: skip


@given(st.sampled_from(ASKED), st.sampled_from(ZONES), st.integers(0, 3_600_000))
def test_an_interval_agrees_with_its_terms_although_names_were_looked_up_in_between(
    asked: dict[str, str], zone: str, late_ms: int
) -> None:
    asked = {**asked, "timezone": zone, "queue": "Sales"}
    interval = interval_asked(asked, BEGUN_AT - timedelta(milliseconds=late_ms))

    assert contradiction(asked, interval, BEGUN_AT) is None


@given(st.sampled_from(ASKED), st.sampled_from(ZONES), st.integers(1, 3_600_000), st.booleans())
def test_an_interval_that_was_narrowed_contradicts_its_terms(
    asked: dict[str, str], zone: str, by_ms: int, is_end: bool
) -> None:
    is_end = is_end and not grows(asked)
    asked, by = {**asked, "timezone": zone}, timedelta(milliseconds=by_ms)
    whole = interval_asked(asked, BEGUN_AT)
    narrow = Interval(whole.start, whole.end - by) if is_end else Interval(whole.start + by, whole.end)

    assert contradiction(asked, narrow, BEGUN_AT) == whole


def grows(asked: dict[str, str]) -> bool:
    """Whether the terms name a longer interval with every minute, so that a little less is what they named before."""
    return asked.get("interval") == "2026-03" or ("since" in asked and "until" not in asked and "settled" not in asked)


@pytest.mark.parametrize(
    "asked",
    [{}, {"week": "2"}, {"last": 7}, {"last": "soon"}, {"interval": None}, {"until": "2026-01-05"}, {"settled": "only"},
     {"last": "7d", "timezone": "Mars/Olympus"}, {"since": "then"}],
)  # fmt: skip
def test_terms_that_name_no_interval_are_ignored(asked: dict[str, Any]) -> None:
    assert contradiction(asked, Interval.read(MONDAY), BEGUN_AT) is None


def narrowed(value: Any) -> None:
    """Take the interval's last hour off, in a header."""
    value["interval"] = value["interval"].replace("2026-01-06T00", "2026-01-05T23")


@pytest.fixture
def where() -> Org:
    return org(conversations_per_day=20, flat=True)


def test_a_manifest_about_another_interval_than_was_asked_for_is_refused(where: Org, tmp_path: Path) -> None:
    output = tmp_path / "x.csv"
    where.export(output, asked={"interval": "2026-01-05"})
    manifest = manifest_of(output)
    for header in (manifest, manifest["query"], manifest["windows"][0]):
        narrowed(header)
    output.with_name("x.csv.manifest.json").write_bytes(msgspec.json.encode(manifest))

    with pytest.raises(OutputRefused, match="was edited") as refused:
        verify(where.client, output)
    assert refused.value.hint == "Export again with --fresh."
    with pytest.raises(OutputRefused, match="was edited"):
        where.export(output, asked={"interval": "2026-01-05"})
    assert where.export(output, asked={"interval": "2026-01-05"}, fresh=True).verdict == "proven"


def interrupt(request: Request) -> None:
    """Ctrl-C when the second week is asked for."""
    if b"2026-01-12T00:00:00.000Z/" in request.body:
        raise KeyboardInterrupt


def test_a_ledger_whose_header_was_narrowed_is_refused(where: Org, tmp_path: Path) -> None:
    output, asked = tmp_path / "x.csv", {"since": "2026-01-05", "until": "2026-01-20"}
    query = Query(interval_asked(asked, where.clock.utc()))
    where.connection.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        where.export(output, query=query, asked=asked)
    where.connection.before = lambda _: None
    ledger = tmp_path / "x.csv.everycall" / "ledger.jsonl"
    sound = ledger.read_bytes()
    ledger.write_bytes(sound.replace(b"2026-01-20T", b"2026-01-12T"))

    with pytest.raises(OutputRefused, match=r"ledger\.jsonl was edited"):
        where.export(output, query=query, asked=asked)

    ledger.write_bytes(sound)
    assert where.export(output, query=query, asked=asked).resumed_windows == 1


def test_terms_that_contradict_the_query_are_refused_before_anything_is_asked(where: Org, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="the terms in `asked`"):
        where.export(tmp_path / "x.csv", asked={"interval": "2026-01-06"})
    assert where.queries == []
    assert list(tmp_path.iterdir()) == []
