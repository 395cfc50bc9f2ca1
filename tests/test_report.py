"""`everycall report`: what is gathered, how it is added up, and the page that it becomes."""

import base64
import hashlib
import json
import re
import stat
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import vl_convert

from centre_by_sql import NOW, START, Centre, opened
from everycall import QueryError
from everycall.analysis.opening import open_tables
from everycall.analysis.report.figures import SLOTS, ReportData
from everycall.analysis.report.folding import Numbered, labels
from everycall.analysis.report.gathering import (
    DAY_ROWS_MAX,
    QUEUES_MAX,
    SLOT_ROWS_MAX,
    ReportOptions,
    gather,
    level_text,
    wait_steps,
)
from everycall.analysis.report.local_time import LocalTime
from everycall.analysis.report.page import embedded, page
from everycall.analysis.report.pictures import pictures
from everycall.api.interval import Interval
from everycall.cli.commands import run
from everycall.tables.kpi_sql import kpi_query
from everycall.tables.kpis import Grain, Switches
from inprocess import MONDAY, org

HOSTILE = "</script><script>alert(1)</script>\u2028\"'<!--"


def report(centre: Centre, **options: Any) -> ReportData:
    with opened(centre) as tables:
        return gather(tables, ReportOptions(**options), NOW)


@pytest.fixture(scope="module")
def data() -> ReportData:
    """Four weeks with 2,000 conversations, in UTC."""
    return report(Centre(count=2000, media=2, provisional_days=3, verdicts=["unproven"]), with_agents=True)


# --- what is gathered


def test_every_cube_adds_up_to_the_same(data: ReportData) -> None:
    assert sum(data.by_day["offered"]) == sum(data.by_slot["offered"]) == 2000
    assert sum(data.by_day["answered"]) == sum(data.waits["answered"]) == 1800
    assert sum(data.by_day["abandoned"]) == sum(data.waits["abandoned"]) == 200
    assert sum(data.by_day["handled"]) == sum(data.by_code["handled"]) == sum(data.by_agent["handled"])
    assert sum(data.by_day["handleMs"]) == 300 * sum(data.by_day["handled"])
    assert len(data.days) == 28


def test_work_that_ends_after_midnight_is_whole() -> None:
    """Talk that is emitted on one day, and its handle time on the next, count for the same agent."""
    data = report(Centre(count=28, offset_s=86_130), with_agents=True)

    for name in ("handled", "talkMs", "holdMs", "acwMs"):
        assert sum(data.by_agent[name]) == sum(data.by_day[name]), name


def test_the_figures_are_those_of_the_key_figure_views() -> None:
    with opened(Centre(count=500, media=2)) as tables:
        data = gather(tables, ReportOptions(timezone="Europe/Berlin"), NOW)
        rows = tables.query(kpi_query(Grain("queue", "local_day"), "duckdb", timezone="Europe/Berlin")).to_pylist()

    shown = {
        (data.days[day].date, data.queues[queue], data.media[medium]): (offered, answered, abandoned, over)
        for day, queue, medium, offered, answered, abandoned, over in zip(
            *(data.by_day[name] for name in ("day", "queue", "medium", "offered", "answered", "abandoned", "overSla")),
            strict=True,
        )
    }
    assert shown == {
        (str(row["day"]), row["queueName"], row["mediaType"]): (
            row["offered"], row["answered"], row["abandoned"], row["overSla"],
        )
        for row in rows
    }  # fmt: skip


def test_an_export_without_conversations_has_a_report() -> None:
    empty = report(Centre(count=0, days=2), with_agents=True)

    assert empty.queues == empty.agents == empty.codes == ()
    assert [day.date for day in empty.days] == ["2026-03-02", "2026-03-03"]
    assert empty.by_day["offered"] == []


def test_days_are_local_and_each_half_hour_knows_how_often_it_occurred() -> None:
    """Berlin sets its clocks forward on Sunday, 29 March 2026, at 02:00."""
    zone = ZoneInfo("Europe/Berlin")
    week = LocalTime(Interval(datetime(2026, 3, 22, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)), zone)
    skipped = [slot for slot, times in enumerate(week.slot_times()) if times == 0]

    assert [day.date for day in week.days([])] == [f"2026-03-{day}" for day in range(23, 30)]
    assert sum(week.slot_times()) == SLOTS - 2
    assert skipped == [6 * 48 + 4, 6 * 48 + 5]


def test_a_half_hour_that_comes_twice_counts_twice() -> None:
    """Berlin sets its clocks back on Sunday, 25 October 2026, at 03:00."""
    zone = ZoneInfo("Europe/Berlin")
    day = LocalTime(Interval(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)), zone)

    assert Counter(day.slot_times()) == {1: 46, 2: 2, 0: SLOTS - 48}
    assert [(one.date, one.note) for one in day.days([])] == [("2026-10-25", "")]


@pytest.mark.parametrize(
    ("days", "unit", "first"), [(92, "day", "2026-03-03"), (93, "week", "2026-03-02"), (800, "month", "2026-03-01")]
)
def test_longer_intervals_are_shown_by_week_and_by_month(days: int, unit: str, first: str) -> None:
    start = START + timedelta(days=1)
    time = LocalTime(Interval(start, start + timedelta(days=days)), UTC)

    assert (time.unit, time.days([])[0].date) == (unit, first)
    assert (time.days([])[0].note == "") == (unit == "day")


def test_days_say_what_to_mind(data: ReportData) -> None:
    assert [day.note for day in data.days] == ["not proven complete", *[""] * 24, *["provisional"] * 3]
    assert [day.is_provisional for day in data.days] == [False] * 25 + [True] * 3
    assert data.verdict_text == "Not proven complete: of 28 windows, 1 not proven"
    assert any("provisional" in note for note in data.notes)


def test_every_window_is_listed_with_its_verdict(data: ReportData) -> None:
    assert [one.lane for one in data.windows] == ["not proven", *["proven"] * 24, *["provisional"] * 3]
    assert data.windows[0].reason == "The count moved while it was read."
    assert sum(one.conversations for one in data.windows) == 2000


def test_of_many_windows_those_alike_are_one_row() -> None:
    covered = report(Centre(count=50, days=450, provisional_days=2)).windows

    assert [(one.lane, one.windows) for one in covered] == [("proven", 448), ("provisional", 2)]
    assert sum(one.conversations for one in covered) == 50


def test_the_time_zone_is_that_of_the_export_unless_another_is_named() -> None:
    assert report(Centre(count=1, timezone="Asia/Tokyo")).timezone == "Asia/Tokyo"
    assert report(Centre(count=1, timezone="Asia/Tokyo"), timezone="UTC").timezone == "UTC"
    assert report(Centre(count=1)).timezone == "UTC"


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(QueryError, match="Europe/Berln"):
        report(Centre(count=1), timezone="Europe/Berln")


def test_where_half_hours_begin_at_a_quarter_past_the_report_says_so() -> None:
    assert any("15 minutes" in note for note in report(Centre(count=1), timezone="Asia/Kathmandu").notes)


def test_figures_without_the_values_of_metrics_are_marked() -> None:
    with opened(Centre(count=5)) as tables:
        header = msgspec.structs.replace(tables.about, redacted=("value=drop",))
        tables.manifest = msgspec.structs.replace(tables.manifest, query=header)
        notes = gather(tables, ReportOptions(), NOW).notes

    assert any("cannot be counted without value" in note for note in notes)


def test_agents_are_only_read_where_they_are_wanted() -> None:
    without = report(Centre(count=50))

    assert (without.agents, without.by_agent) == (None, {})
    assert b"Agent Name" not in page(without, 50, bundle)
    assert b'id="agents"' not in page(without, 50, bundle)


def test_redacted_names_are_nowhere_in_the_page() -> None:
    shown = page(report(Centre(count=50), with_agents=True, redact_names=True), 50, bundle).decode()

    assert not re.search(r"Queue of|Agent Name|\"Code of|org-id", shown)
    assert '"Queue 1"' in shown.replace("Queue\xa0", "Queue ")
    assert '"Agent 1"' in shown


def test_queues_beyond_those_that_fit_are_added_up_as_one() -> None:
    data = report(Centre(count=3000, queues=QUEUES_MAX + 30, media=2))

    assert data.queues[-1].endswith(" other queues")
    assert len(data.queues) <= QUEUES_MAX + 1
    assert len(data.by_slot["queue"]) <= SLOT_ROWS_MAX
    assert len(data.by_day["queue"]) <= DAY_ROWS_MAX
    assert sum(data.by_day["offered"]) == 3000


def test_names_that_are_alike_can_be_told_apart() -> None:
    numbered = Numbered(["id-1", "id-2", None, "id-3", "id-4"], 4)

    assert labels(numbered, {"id-1": "Sales", "id-2": "Sales"}, "queue") == (
        "Sales (id-1)", "Sales (id-2)", "no queue", "id-3", "1 other queues",
    )  # fmt: skip


def test_the_steps_of_waits_are_named() -> None:
    assert wait_steps()[:2] == ("under 5 s", "5 s to 10 s")
    assert wait_steps()[-2:] == ("4 h to 1 d", "1 d or more")


@pytest.mark.parametrize(
    ("switches", "text"),
    [
        (Switches(), "as a share of answered + abandoned. Not counted: flow-outs."),
        (Switches(flow_outs=True), "as a share of answered + abandoned + flow-outs."),
        (Switches(short_abandons=False), "as a share of answered + abandoned. Not counted: short abandons, flow-outs."),
        (Switches(abandons=False), "as a share of answered. Not counted: abandoned, short abandons, flow-outs."),
    ],
)
def test_the_page_says_how_the_service_level_is_counted(switches: Switches, text: str) -> None:
    assert level_text(switches).endswith(text)


# --- the page


def bundle() -> str:
    """In place of the charting library, which takes seconds to put together."""
    return "window.vegaEmbed = null;"


def scripts(shown: str) -> list[tuple[str, str]]:
    return re.findall(r"<script([^>]*)>(.*?)</script>", shown, re.DOTALL)


def test_hostile_names_stay_texts() -> None:
    centre = Centre(count=20, queue_names=[HOSTILE, "plain"])
    shown = page(report(centre), 20, bundle).decode()

    kinds = [attributes for attributes, _ in scripts(shown)]
    assert kinds == [' type="application/json" id="data"', ' type="application/json" id="pictures"', "", ""]
    named = json.loads(scripts(shown)[0][1])["queues"]
    assert "</script><script>alert(1)</script>\\u2028\"'<!--" in named
    assert "alert(1)" not in shown.replace(scripts(shown)[0][1], "")


def test_embedded_json_has_nothing_that_html_or_a_script_could_take_for_its_own() -> None:
    text = embedded([HOSTILE, "a&b", "\u2029"])

    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == [HOSTILE, "a&b", "\u2029"]


def test_the_policy_allows_nothing_but_the_page_s_own_scripts_and_style(data: ReportData) -> None:
    shown = page(data, 2000, bundle).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', shown)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    style = re.search(r"<style>(.*?)</style>", shown, re.DOTALL)
    assert style is not None

    assert rules == {
        "default-src": "'none'",
        "script-src": " ".join(hash_of(text) for attributes, text in scripts(shown) if not attributes),
        "style-src": hash_of(style[1]),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not re.search(
        r"\son\w+=|style=|https?://(?!www\.w3\.org)", re.sub(r"<script.*?</script>", "", shown, flags=re.DOTALL)
    )


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def rows_for(spec: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """A row with a value for every field that a picture names."""
    fields = set(re.findall(r'"field": "(\w+)"', json.dumps(spec)))
    return [dict.fromkeys(fields, 1)]


@pytest.mark.parametrize("name", pictures())
def test_every_picture_is_a_valid_specification(name: str) -> None:
    spec = pictures()[name]
    drawn = vl_convert.vegalite_to_vega(
        {**spec, "width": 400, "height": 100, "data": {"name": "rows", "values": rows_for(spec)}}
    )

    assert drawn["marks"]


def test_pictures_have_the_colours_of_the_page_and_no_others() -> None:
    specs = json.dumps(pictures())

    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(", specs)
    assert set(re.findall(r"var\((--[\w-]+)\)", specs)) <= set(colours(0))


def colours(theme: int) -> dict[str, str]:
    """The colours of the light page, or of the dark one."""
    style = files("everycall.analysis.report").joinpath("page.css").read_text("utf-8")
    return dict(re.findall(r"(--[\w-]+): (#\w+)", style.split("@media screen")[theme].partition("* {")[0]))


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    digits = colour[1:] if len(colour) == 7 else "".join(one * 2 for one in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_and_lines_can_be_told_from_the_paper_and_steps_from_each_other(theme: int) -> None:
    """WCAG 2.2 asks for 4.5 where there is text, and for 3 where there is a line or a shape."""
    found = colours(theme)
    steps = [luminance(found[f"--heat-{step}"]) for step in range(6)]

    for text in ("--text", "--muted", "--bad"):
        assert contrast(found[text], found["--paper"]) >= 4.5, text
    for ink in ("--ink-1", "--ink-2", "--ink-3", "--good"):
        assert contrast(found[ink], found["--paper"]) >= 3, ink
    assert contrast(found["--on-ink-4"], found["--ink-4"]) >= 4.5
    assert steps == sorted(steps, reverse=theme == 0)


# --- the command


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of the sandbox in a DuckDB file."""
    path = tmp_path_factory.mktemp("calls") / "calls.duckdb"
    org(conversations_per_day=60).export(path, MONDAY)
    return path


def embedded_data(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scripts(path.read_text("utf-8"))[0][1])
    return found


def test_the_command_writes_a_page_about_an_export(
    calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(calls), "-o", str(tmp_path / "page.html")]) == 0
    assert "Complete: proven" in capsys.readouterr().err
    with open_tables(calls) as tables:
        rows = tables.query(kpi_query(Grain("queue", "day"), "duckdb")).to_pylist()

    data = embedded_data(tmp_path / "page.html")
    monday = [row for row in rows if str(row["day"]) == "2026-01-05"]
    assert sum(data["by_day"]["offered"]) == sum(row["offered"] for row in monday) > 0
    assert sum(data["by_day"]["handled"]) == sum(row["handled"] for row in monday)
    assert data["agents"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert stat.filemode((tmp_path / "page.html").stat().st_mode) == "-rw-------"


def test_the_page_can_go_to_standard_output(calls: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["report", str(calls), "-o", "-", "--quiet"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"<!doctype html>")


def test_the_summary_is_json_where_that_is_wanted(
    calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.html"
    assert run(["report", str(calls), "-o", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert found == {"output": str(path), "sizeBytes": path.stat().st_size, "verdict": "proven"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "needs a finished export"),
        (["{calls}", "-o", "{calls}"], 2, "is no page"),
        (["{calls}", "-o", "/dev/null"], 2, "is no page"),
        (["{calls}", "-o", "{folder}"], 2, "is no page"),
        (["{calls}", "-o", "{folder}/folder.html"], 2, "is a folder or a device"),
        (["nowhere.duckdb"], 2, "does not exist"),
        (["{calls}", "--timezone", "Europe/Berln"], 2, "Europe/Berln"),
        (["{calls}", "-o", "{folder}/missing/page.html"], 5, "cannot be written: No such file"),
    ],
)
def test_what_goes_wrong_is_an_error_with_a_next_step(
    arguments: list[str], code: int, message: str, calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.html").mkdir()
    before = calls.read_bytes()
    assert run(["report", *(one.format(calls=calls, folder=tmp_path) for one in arguments)]) == code
    assert calls.read_bytes() == before
    shown = capsys.readouterr().err
    assert message in shown
    assert "hint" in shown.lower()


def test_without_the_charting_library_the_error_says_how_to_install_it(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from everycall.analysis.report.page import library  # noqa: PLC0415

    library.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)

    assert run(["report", str(calls), "-o", str(tmp_path / "page.html")]) == 2
    assert "pip install 'everycall[report]'" in capsys.readouterr().err


def test_an_archive_without_a_manifest_is_shown_as_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"conversationId": "c", "conversationStart": "2026-01-05T08:00:00.000Z", "participants": []}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n{\n")
    assert run(["report", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "page.html")]) == 0

    data = embedded_data(tmp_path / "page.html")
    assert data["verdict_text"].startswith("Not counted")
    assert [one["lane"] for one in data["windows"]] == ["not counted"]
    assert any("without remarks" in note for note in data["notes"])
    assert "are no conversations" in capsys.readouterr().err


def test_postgresql_gives_the_same_report(calls: Path, postgres: str) -> None:
    org(conversations_per_day=60).export(postgres, MONDAY)

    assert gathered(postgres) == gathered(calls)


def gathered(output: Path | str) -> ReportData:
    with open_tables(output) as tables:
        return gather(tables, ReportOptions(timezone="Europe/Berlin", with_agents=True), NOW)
