"""The summary of an export: what it amounts to, and what a CSV file cannot tell."""

import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from everycall.analysis.emitted import rows_of
from everycall.analysis.flat_summary import summarize_csv
from everycall.analysis.opening import open_tables
from everycall.analysis.summary import Figures, Line, Summary, summarize
from everycall.api.aggregates import METRICS
from everycall.api.interval import Interval
from everycall.api.query import Filters, Query
from everycall.api.records import Page
from everycall.cli.commands import run
from everycall.cli.summing import clock, lines
from everycall.errors import OutputFailed, OutputRefused
from everycall.verification import manifest_or_none
from inprocess import MONDAY, Org, manifest_of, org

TWO_DAYS = "2026-01-05T00:00:00.000Z/2026-01-07T00:00:00.000Z"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Org, Path]:
    """An org, and a folder with two days of it as tables and as CSV."""
    where = org(conversations_per_day=80)
    folder = tmp_path_factory.mktemp("summary")
    where.export([folder / "calls.duckdb", folder / "calls.csv.gz"], TWO_DAYS, view="extended")
    where.export(folder / "default.csv", TWO_DAYS)
    return where, folder


@pytest.fixture
def where(exported: tuple[Org, Path]) -> Org:
    return exported[0]


@pytest.fixture
def folder(exported: tuple[Org, Path]) -> Path:
    return exported[1]


@pytest.fixture
def of_tables(folder: Path) -> Summary:
    with open_tables(folder / "calls.duckdb") as tables:
        return summarize(tables)


@pytest.fixture
def page(where: Org) -> Page:
    """The conversations of these days as the API has them."""
    return Page.read(json.dumps({"conversations": where.sandbox.store.conversations(TWO_DAYS)}).encode())


# --- of tables


def test_queues_have_the_metrics_of_their_sessions(of_tables: Summary, page: Page) -> None:
    counts, sums = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for one in page.conversations:
        for row in rows_of(one, METRICS):
            counts[row.cell.queue_id, row.cell.metric] += 1
            sums[row.cell.queue_id, row.cell.metric] += row.value

    assert len(of_tables.queues) > 5
    for line in of_tables.queues:
        figures = line.figures
        assert figures.offered == sums[line.id, "nOffered"]
        assert figures.answered == counts[line.id, "tAnswered"]
        assert figures.abandoned == counts[line.id, "tAbandon"]
        assert figures.handled == counts[line.id, "tHandle"]
        if figures.handled:
            assert figures.aht_ms == pytest.approx(sums[line.id, "tHandle"] / figures.handled)
        if ended := counts[line.id, "tAnswered"] + counts[line.id, "tAbandon"]:
            in_time = max(0, counts[line.id, "tAnswered"] - sums[line.id, "nOverSla"])
            assert figures.service_level == pytest.approx(in_time / ended)


def test_everything_is_all_queues_together(of_tables: Summary) -> None:
    for name in ("offered", "answered", "abandoned", "handled"):
        assert getattr(of_tables.all, name) == sum(getattr(line.figures, name) for line in of_tables.queues)


def test_agents_have_the_metrics_of_their_own_sessions(of_tables: Summary, page: Page) -> None:
    values = defaultdict[str, list[float]](list)
    for one in page.conversations:
        for participant in one.participants:
            for session in participant.sessions:
                handled = [metric.value or 0 for metric in session.metrics if metric.name == "tHandle"]
                if participant.user_id and handled:
                    values[participant.user_id] += handled

    found = {line.id: line.figures for line in of_tables.agents if line.figures.handled}
    assert {id_: figures.handled for id_, figures in found.items()} == {id_: len(one) for id_, one in values.items()}
    assert {id_: figures.aht_ms for id_, figures in found.items()} == pytest.approx(
        {id_: sum(one) / len(one) for id_, one in values.items()}
    )
    assert all(line.name != line.id for line in of_tables.agents)


def test_codes_are_counted_as_often_as_they_were_given(of_tables: Summary, page: Page) -> None:
    given = Counter(
        segment.wrap_up_code
        for one in page.conversations
        for participant in one.participants
        for session in participant.sessions
        for segment in session.segments
        if segment.wrap_up_code
    )

    assert {line.id: line.figures.given for line in of_tables.codes} == given
    assert [line.figures.given for line in of_tables.codes] == sorted(given.values(), reverse=True)


def test_volume_is_by_medium_and_by_day(of_tables: Summary, where: Org) -> None:
    truth = where.truth(TWO_DAYS)

    assert of_tables.conversations == len(truth)
    assert of_tables.days == dict(sorted(Counter(start[:10] for _, start, _ in truth).items()))
    assert of_tables.media["voice"] == max(of_tables.media.values())


def test_days_are_those_of_the_time_zone(folder: Path) -> None:
    with open_tables(folder / "calls.duckdb") as tables:
        of_tables = summarize(tables, "Pacific/Auckland")

    assert list(of_tables.days) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert of_tables.days == summarize_csv(folder / "default.csv", None, "Pacific/Auckland").days


def test_days_are_those_of_the_exports_time_zone_if_none_is_named(folder: Path, tmp_path: Path) -> None:
    where, output = org(conversations_per_day=20), tmp_path / "calls.csv"
    asked = {"interval": MONDAY, "timezone": "Pacific/Auckland"}
    where.export([output, tmp_path / "calls.duckdb"], MONDAY, asked=asked)
    with open_tables(tmp_path / "calls.duckdb") as tables:
        of_tables = summarize(tables)
    manifest = manifest_or_none(str(output))

    assert of_tables.timezone == summarize_csv(output, manifest).timezone == "Pacific/Auckland"
    assert of_tables.days == summarize_csv(output, None, "Pacific/Auckland").days


def test_the_manifest_says_how_sure_it_is(of_tables: Summary, folder: Path) -> None:
    manifest = manifest_of(folder / "default.csv")

    assert (of_tables.verdict, of_tables.interval) == ("proven", TWO_DAYS)
    assert of_tables.as_of
    assert of_tables.provisional_from is None
    assert of_tables.open == manifest["open"]


def test_postgresql_has_the_same_summary(where: Org, of_tables: Summary, postgres: str) -> None:
    where.export(postgres, TWO_DAYS)

    with open_tables(postgres) as tables:
        found = summarize(tables)

    assert (found.queues, found.agents, found.codes, found.all) == (
        of_tables.queues, of_tables.agents, of_tables.codes, of_tables.all,
    )  # fmt: skip
    assert (found.media, found.days) == (of_tables.media, of_tables.days)


# --- of CSV


def test_the_extended_view_has_abandoned_and_handle_times(folder: Path) -> None:
    found = summarize_csv(folder / "calls.csv.gz", None)

    with gzip.open(folder / "calls.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    line = found.queues[0]
    of_queue = [row for row in rows if row["queueName"] == line.name]
    seconds = [float(row["handleSeconds"]) for row in of_queue if row["handleSeconds"]]
    assert line.figures.conversations == len(of_queue)
    assert line.figures.abandoned == sum(row["abandoned"] == "true" for row in of_queue)
    assert line.figures.aht_ms == pytest.approx(sum(seconds) / len(seconds) * 1000)
    assert (line.figures.offered, line.figures.service_level) == (None, None)


def test_the_default_view_has_conversations_only(folder: Path) -> None:
    found = summarize_csv(folder / "default.csv", None)

    with (folder / "default.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert found.all == Figures(conversations=len(rows))
    assert {line.name: line.figures.conversations for line in found.queues} == Counter(
        row["queueName"] for row in rows if row["queueName"]
    )
    assert {line.name: line.figures.given for line in found.codes} == Counter(
        row["disposition"] for row in rows if row["disposition"]
    )
    assert "abandoned and handle times" in " ".join(found.notes)


def test_two_queues_of_one_name_are_kept_apart_where_their_ids_are_there(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("conversationId,queueName,queueId\na,Sales,1\nb,Sales,2\nc,Sales,2\n", encoding="utf-8")

    assert [(line.id, line.figures.conversations) for line in summarize_csv(file, None).queues] == [("2", 2), ("1", 1)]


def test_columns_that_are_not_there_are_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("conversationId,channel\na,voice\nb,chat\n", encoding="utf-8")

    found = summarize_csv(file, None)

    assert found.media == {"chat": 1, "voice": 1}
    assert "It lacks the columns queueName, agentName, disposition." in found.notes
    assert "There is no manifest beside the file" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column conversationId"),
        (b"a,b\n1,2\n", "no column conversationId"),
        (b"conversationId,handleSeconds\na,long\n", "Row 1 of .* cannot be read"),
        (b"conversationId,startTime\na,2026-01-05T00:00:00Z\nb,yesterday\n", "Row 2 of .* cannot be read"),
        (b"conversationId,queueName\na,\xff\n", "cannot be read"),
        (b"conversationId,handleSeconds\na,nan\n", "Row 1 of .* nan is no time"),
        (b"conversationId,startTime\na,0001-01-01T00:00:00+14:00\n", "Row 1 of .* cannot be read"),
        (gzip.compress(b"conversationId\n" + b"a\n" * 9999, mtime=0)[:30], "cannot be read"),
    ],
)
def test_another_file_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(content)

    with pytest.raises((OutputRefused, OutputFailed), match=reason):
        summarize_csv(file, None)


def test_a_file_that_was_cut_is_not_called_proven(folder: Path, tmp_path: Path) -> None:
    lines_ = (folder / "default.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.csv").write_bytes(b"".join(lines_[:-9]))

    found = summarize_csv(tmp_path / "cut.csv", manifest_or_none(str(folder / "default.csv")))

    assert found.verdict == "unknown"
    assert found.notes[0].startswith("The file was changed since it was exported")


# --- what the export left out


def test_filters_are_named_since_other_conversations_are_not_counted(tmp_path: Path) -> None:
    voice = Query(Interval.read(TWO_DAYS), Filters.of(media_types=["voice"]))
    org(conversations_per_day=5).export(tmp_path / "calls.csv", query=voice)

    found = summarize_csv(tmp_path / "calls.csv", manifest_or_none(str(tmp_path / "calls.csv")))

    assert any(note.startswith("It was exported with filters (segmentFilters)") for note in found.notes)


def test_windows_that_were_not_read_are_named(tmp_path: Path) -> None:
    org(conversations_per_day=5).export(
        tmp_path / "calls.duckdb", "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z", max_pages=2
    )
    with open_tables(tmp_path / "calls.duckdb") as tables:
        notes = summarize(tables).notes

    (note,) = notes
    assert note.startswith("The export does not have 2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z")


@pytest.mark.parametrize("redacted", ["value=drop", "name", "emitDate=drop"])
def test_without_what_metrics_are_counted_by_there_are_no_figures(folder: Path, redacted: str) -> None:
    with open_tables(folder / "calls.duckdb") as tables:
        header = msgspec.structs.replace(tables.about, redacted=(redacted,))
        tables.manifest = msgspec.structs.replace(tables.manifest, query=header)
        found = summarize(tables)

    assert (found.all, found.queues, found.agents) == (Figures(), (), ())
    assert found.notes[0] == f"It was exported with --redact {redacted}."
    assert found.notes[1].startswith("Its figures and times cannot be counted")
    assert found.codes


# --- what is printed


def a_summary(**fields: Any) -> Summary:
    figures = Figures(None, 10_118, 8949, 528, 0.728, 90_000, 10_761, 3_799_038, 1000, 2000, 30_590)
    queues = [Line(str(number), f"Queue number {number} of a long name", figures) for number in range(9)]
    standard: dict[str, Any] = {
        "output": "calls.duckdb",
        "verdict": "proven",
        "interval": TWO_DAYS,
        "as_of": "2026-01-09T00:00:00.000Z",
        "provisional_from": None,
        "timezone": "UTC",
        "conversations": 58_747,
        "open": 44,
        "media": {"voice": 50_000, "chat": 8_747},
        "days": {"2026-01-05": 30_000, "2026-01-06": 28_747},
        "all": figures,
        "queues": tuple(queues),
        "agents": (Line("a", "Ann Alder", Figures(answered=1, handled=2, aht_ms=3000)),),
        "codes": (Line("c", "Solved", Figures(given=7)),),
    }
    return Summary(**{**standard, **fields})


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_it_fits_the_terminal_with_volume_service_level_and_handle_time(width: int) -> None:
    found = list(lines(a_summary(), top=6, width=width))

    assert max(map(len, found)) <= width
    assert len(found) <= 40
    head = next(line for line in found if line.startswith("queue"))
    assert "offered" in head
    if width >= 60:
        assert all(name in head for name in ("answered", "abandoned", "level", "AHT"))


def test_the_first_queues_are_shown_and_the_others_counted() -> None:
    found = list(lines(a_summary(), top=2, width=80))

    at = next(number for number, line in enumerate(found) if line.startswith("queue"))
    assert found[at + 1].startswith("Queue number 0")
    assert found[at + 3] == "... and 7 more"
    assert found[at + 4].startswith("all ")


def test_wide_characters_keep_the_columns_straight() -> None:
    line = Line("1", "法人窓口", Figures(conversations=5))
    found = list(lines(a_summary(queues=(line,), all=Figures(conversations=5)), top=6, width=80))

    head, row = found[(at := found.index(next(one for one in found if one.startswith("queue")))) : at + 2]
    assert len(row) + 4 == len(head)  # four characters of two cells each


def test_what_is_not_proven_or_provisional_is_said() -> None:
    text = "\n".join(
        lines(
            a_summary(verdict="unproven", provisional_from="2026-01-06T00:00:00.000Z", timezone="Europe/Berlin"),
            top=6, width=100,
        )
    )  # fmt: skip

    assert "NOT PROVEN complete" in text
    assert "since 2026-01-06 01:00: the vendor could still change it" in text


def test_a_blank_name_is_replaced_by_its_id() -> None:
    found = list(lines(a_summary(queues=(Line("q1", "  ", Figures(offered=1)),)), top=6, width=80))

    assert any(line.startswith("q1 ") for line in found)


def test_an_interval_of_seconds_has_seconds() -> None:
    found = list(lines(a_summary(interval="2026-01-05T00:00:00.000Z/2026-01-05T00:00:01.000Z"), top=6, width=80))

    assert "interval    2026-01-05 to 2026-01-05 00:00:01 UTC" in found


def test_names_of_the_org_cannot_steer_the_terminal() -> None:
    line = Line("1", "Sal\x1b[2Jes\nforged", Figures(offered=1))
    text = "\n".join(lines(a_summary(queues=(line,)), top=6, width=80))

    assert "\x1b" not in text
    assert "\nforged" not in text


@pytest.mark.parametrize(
    ("value_ms", "shown"), [(0, "0:00"), (499, "0:00"), (5_000, "0:05"), (312_400, "5:12"), (3_753_000, "1:02:33")]
)
def test_times_are_minutes_and_seconds(value_ms: float, shown: str) -> None:
    assert clock(value_ms) == shown


# --- the command


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command."""

    def printed(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["summary", *map(str, arguments)])
        return code, *capsys.readouterr()

    return printed


@pytest.mark.parametrize("name", ["calls.duckdb", "calls.csv.gz", "default.csv"])
def test_any_export_is_summarized_without_asking_an_org(
    printed: Callable[..., tuple[int, str, str]], folder: Path, name: str
) -> None:
    code, out, err = printed(folder / name)

    assert (code, err) == (0, "")
    assert "proven complete" in out
    assert "\nqueue " in out


def test_json_has_all_of_it(printed: Callable[..., tuple[int, str, str]], folder: Path, of_tables: Summary) -> None:
    code, out, _ = printed(folder / "calls.duckdb", "--json", "--top", "1")

    found = json.loads(out)
    assert code == 0
    assert found == {**of_tables.as_json(), "output": found["output"]}
    assert len(found["queues"]) > 5


def test_csv_has_a_row_for_each_queue_agent_and_code(
    printed: Callable[..., tuple[int, str, str]], folder: Path, of_tables: Summary
) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(folder / "calls.duckdb", "--csv")[1])))

    kinds = Counter(row["kind"] for row in rows)
    assert kinds == {
        "all": 1, "queue": len(of_tables.queues), "agent": len(of_tables.agents), "code": len(of_tables.codes),
    }  # fmt: skip
    assert rows[0]["offered"] == str(of_tables.all.offered)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "needs a finished export"),
        (["nothing.csv"], "nothing.csv cannot be read"),
        (["nothing.duckdb"], "does not exist"),
        (["{}/default.csv", "--json", "--csv"], "exclude each other"),
        (["{}/default.csv", "--timezone", "Mars/Olympus"], "not a time zone"),
        (["{}/default.csv", "--top", "0"], "--top is 0"),
    ],
)
def test_wrong_usage_ends_with_2(
    printed: Callable[..., tuple[int, str, str]], folder: Path, arguments: list[str], reason: str
) -> None:
    code, _, err = printed(*(one.format(folder) for one in arguments))

    assert code == 2
    assert reason in err
