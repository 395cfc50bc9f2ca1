"""How values look in CSV where that can be chosen: local times, and texts that are no formulas."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import OutputRefused, QueryError
from everycall.sinks.csv import FORMULA_SIGNS, CsvSink, defused
from everycall.sinks.style import Style
from everycall.tables.flat import Column, Type, Value
from everycall.verification import repair, verify
from inprocess import WEEK, manifest_of, org, read_csv

BERLIN = Style("local", "Europe/Berlin")


def cell(kind: Type, value: Value, style: Style) -> str:
    """The line of a row with that cell and a second one, less the second one."""
    table = [Column(kind, kind, "", (), lambda _: None), Column("text", "text", "", (), lambda _: None)]
    return CsvSink(table, style=style).lines([(value, "x")]).decode().removesuffix(",x\n")


@pytest.mark.parametrize(
    ("instant", "written"),
    [
        (datetime(2026, 1, 5, 8, 0, 0, 7000, UTC), "2026-01-05T09:00:00.007+01:00"),
        (datetime(2026, 7, 5, 23, tzinfo=UTC), "2026-07-06T01:00:00.000+02:00"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "2026-10-25T02:30:00.000+02:00"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "2026-10-25T02:30:00.000+01:00"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999+00:00"),
    ],
)
def test_local_times_have_the_offset_of_their_instant(instant: datetime, written: str) -> None:
    assert cell("instant", instant, BERLIN) == written


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_a_local_time_is_the_same_instant(naive: datetime) -> None:
    instant = naive.replace(microsecond=naive.microsecond // 1000 * 1000, tzinfo=UTC)
    written = cell("instant", instant, BERLIN)

    assert abs((datetime.fromisoformat(written) - instant).total_seconds()) < 0.001


def test_a_zone_that_does_not_exist_is_refused_with_similar_ones() -> None:
    with pytest.raises(QueryError, match="Berlyn"):
        CsvSink([], style=Style("local", "Europe/Berlyn"))


@given(st.text())
def test_no_defused_text_begins_as_a_formula_and_none_loses_a_character(text: str) -> None:
    assert not defused(text).startswith(FORMULA_SIGNS)
    assert defused(text).removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("text", "=1+1", "'=1+1"),
        ("text", "\ttab", "'\ttab"),
        ("texts", ("-a", "=b"), "'-a|=b"),
        ("seconds", -1.5, "-1.500"),
        ("integer", -3, "-3"),
        ("text", "a=1", "a=1"),
        ("text", None, ""),
    ],
)
def test_only_texts_are_defused(kind: Type, value: Value, written: str) -> None:
    assert cell(kind, value, Style(defuse_formulas=True)) == written


def test_texts_are_left_as_they_are_by_default() -> None:
    assert cell("text", "=1+1", Style()) == "=1+1"


# Whole exports


def test_an_export_in_local_times_has_the_instants_of_one_in_utc(tmp_path: Path) -> None:
    where = org(conversations_per_day=30)
    where.export(tmp_path / "utc.csv", WEEK)
    where.export(tmp_path / "local.csv", WEEK, style=BERLIN)
    utc, local = ([instants(row) for row in read_csv(tmp_path / name)] for name in ("utc.csv", "local.csv"))

    assert local == utc
    assert read_csv(tmp_path / "local.csv")[0]["startTime"].endswith("+01:00")
    assert manifest_of(tmp_path / "local.csv")["query"]["localTimes"] == "Europe/Berlin"


def instants(row: dict[str, str]) -> list[datetime | None]:
    return [datetime.fromisoformat(row[name]) if row[name] else None for name in ("startTime", "endTime")]


@pytest.mark.parametrize("style", [BERLIN, Style(defuse_formulas=True)])
def test_an_export_in_another_style_is_another_export(tmp_path: Path, style: Style) -> None:
    where = org(conversations_per_day=20)
    where.export(tmp_path / "a.csv", WEEK)

    with pytest.raises(OutputRefused, match="contains another export"):
        where.export(tmp_path / "a.csv", WEEK, style=style)


def test_a_style_does_not_matter_where_there_are_no_rows(tmp_path: Path) -> None:
    where = org(conversations_per_day=20)
    for style in (Style(), BERLIN):
        assert where.export(tmp_path / "a.jsonl", WEEK, style=style).verdict == "proven"


def test_a_repair_keeps_the_style(tmp_path: Path) -> None:
    where = org(conversations_per_day=30)
    output = tmp_path / "a.csv"
    where.export(output, "2026-01-05T00:00:00.000Z/2026-01-20T00:00:00.000Z", style=BERLIN)
    before = output.read_bytes()
    output.write_bytes(before[:-2] + b"x\n")
    found = verify(where.client, output)
    repair(where.client, found)

    assert [finding.state for finding in found.findings].count("damaged") == 1
    assert output.read_bytes() == before
