"""`everycall reconcile` as people meet it: arguments in; exit code, standard output and standard error out."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb
import pytest
from rich.console import Console

from everycall import Interval
from everycall.analysis.reconciling import Day, Difference, Reconciliation
from everycall.api.aggregates import Cell, Figures
from everycall.cli.commands import run
from everycall.cli.display import Display
from everycall.cli.reconciling import show
from everycall.sandbox import Client as SandboxClient
from everycall.sandbox import Sandbox, server

TODAY = datetime.now(UTC).date()
JUDGED = TODAY - timedelta(days=14)
"""A settled day with 31 days of the export before it."""

FIVE_WEEKS = f"{JUDGED - timedelta(days=31)}/{JUDGED + timedelta(days=1)}"


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    without = SandboxClient("", "").permissions - {"analytics:conversationAggregate:view"}
    with server(
        conversations_per_day=8,
        rate_limit=100_000,
        clients=[SandboxClient("all", "secret"), SandboxClient("lesser", "secret", permissions=without)],
    ) as running:
        yield running


@pytest.fixture(scope="module")
def exported(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reconcile")
    with pytest.MonkeyPatch.context() as patch:
        around(patch, sandbox)
        assert run(["export", "--interval", FIVE_WEEKS, "-o", str(folder / "calls.duckdb"), "--quiet"]) == 0
    return folder / "calls.duckdb"


def around(patch: pytest.MonkeyPatch, sandbox: Sandbox, client_id: str = "all") -> None:
    patch.setenv("GENESYS_CLIENT_ID", client_id)
    patch.setenv("GENESYS_CLIENT_SECRET", "secret")
    patch.setenv("GENESYS_ENV", sandbox.url)


@pytest.fixture
def reconciled(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Runs the command."""
    around(monkeypatch, sandbox)

    def reconciled(*arguments: str | Path) -> Result:
        capsys.readouterr()
        code = run(["reconcile", *map(str, arguments)])
        sys.stdout.flush()
        return Result(code, *capsys.readouterr())

    return reconciled


@pytest.fixture
def planted(exported: Path, tmp_path: Path) -> tuple[Path, str]:
    """The export without one row, and the id of its conversation."""
    output = Path(shutil.copy(exported, tmp_path / "calls.duckdb"))
    with duckdb.connect(str(output)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        sql = """
            SELECT "conversationId" FROM metrics WHERE "name" = 'tHandle'
            GROUP BY ALL HAVING count(*) = 1 AND min("emitDate") BETWEEN $1 AND $2 LIMIT 1
        """
        (id_,) = connection.execute(sql, [f"{JUDGED} 08:00", f"{JUDGED} 23:00"]).fetchone() or ("",)
        connection.execute('DELETE FROM metrics WHERE "conversationId" = $1 AND "name" = \'tHandle\'', [id_])
    return output, id_


def test_what_agrees_ends_with_0_and_says_what_was_not_judged(
    reconciled: Callable[..., Result], exported: Path
) -> None:
    done = reconciled(exported)

    assert done.code == 0, done.err
    assert done.out == ""
    assert done.err.startswith("Agrees: ")
    assert f"judged      {JUDGED} to" in done.err
    assert f"the export begins on {JUDGED - timedelta(days=31)}" in done.err


def test_a_planted_difference_ends_with_4_and_names_the_conversation(
    reconciled: Callable[..., Result], planted: tuple[Path, str]
) -> None:
    output, id_ = planted

    done = reconciled(output)

    assert done.code == 4
    assert done.err.startswith("DIFFERS: 1 of ")
    assert f"missing in the export: {id_}" in done.err


def test_csv_has_one_row_for_each_difference(reconciled: Callable[..., Result], planted: tuple[Path, str]) -> None:
    output, id_ = planted

    done = reconciled(output, "--csv")

    (row,) = csv.DictReader(io.StringIO(done.out))
    assert done.code == 4
    assert (row["metric"], row["missing"], row["lookedUp"]) == ("tHandle", id_, "true")
    assert int(row["vendorCount"]) == int(row["hereCount"]) + 1
    assert "not judged" in done.err


def test_json_has_every_day(reconciled: Callable[..., Result], planted: tuple[Path, str]) -> None:
    output, id_ = planted

    done = reconciled(output, "--json", "--metrics", "thandle")

    found = json.loads(done.out)
    assert found["verdict"] == "differs"
    assert found["metrics"] == ["tHandle"]
    assert [day["state"] for day in found["days"]] == ["not judged"] * 31 + ["differs"]
    assert found["days"][-1]["differences"][0]["missing"] == [id_]


def test_an_interval_without_a_judged_day_ends_with_4(reconciled: Callable[..., Result], exported: Path) -> None:
    done = reconciled(exported, "--interval", str(JUDGED - timedelta(days=3)))

    assert done.code == 4
    assert done.err.startswith("NOT JUDGED: ")
    assert "--reach-back" in done.err


def test_fewer_days_before_a_day_may_be_enough(reconciled: Callable[..., Result], exported: Path) -> None:
    day = str(JUDGED - timedelta(days=3))

    assert reconciled(exported, "--interval", day, "--reach-back", "28d").code == 0


def test_a_missing_permission_ends_with_3_and_its_name(
    reconciled: Callable[..., Result], exported: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    output = tmp_path / "calls.parquet"
    around(monkeypatch, sandbox, "lesser")
    assert run(["export", "--interval", str(JUDGED), "-o", str(output), "--quiet"]) == 0

    done = reconciled(output, "--reach-back", "0")

    assert done.code == 3
    assert "analytics:conversationAggregate:view" in done.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "needs a finished export"),
        (["nothing.duckdb"], "does not exist"),
        (["{}", "--json", "--csv"], "exclude each other"),
        (["{}", "--last", "7d", "--interval", "yesterday"], "exclude each other"),
        (["{}", "--metrics", "tTalk,oServiceLevel"], "'oServiceLevel' is not a metric"),
        (["{}", "--interval", "2020-01-01"], "No half hour"),
        (["{}", "--sandbox"], "was exported from"),
    ],
)
def test_wrong_usage_ends_with_2(
    reconciled: Callable[..., Result], exported: Path, arguments: list[str], reason: str
) -> None:
    done = reconciled(*(one.format(exported) for one in arguments))

    assert done.code == 2
    assert reason in done.err


@pytest.mark.parametrize("options", [["--media", "voice"], ["--redact", "queueId"]])
def test_what_has_a_part_or_no_queues_ends_with_2(
    reconciled: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str]
) -> None:
    monkeypatch.setenv("EVERYCALL_REDACTION_KEY", "0123456789abcdef0123456789abcdef")
    output = tmp_path / "calls.parquet"
    assert run(["export", "--interval", str(JUDGED), *options, "-o", str(output), "--quiet"]) == 0

    done = reconciled(output)

    assert done.code == 2
    assert f"exported with {'filters' if '--media' in options else '--redact queueId'}" in done.err


def test_flat_rows_have_no_metrics(reconciled: Callable[..., Result], tmp_path: Path) -> None:
    output = tmp_path / "calls.csv"
    assert run(["export", "--interval", str(JUDGED), "-o", str(output), "--quiet"]) == 0

    done = reconciled(output)

    assert done.code == 2
    assert "flat rows" in done.err


# --- what is printed

MIDNIGHT = datetime(2026, 2, 2, tzinfo=UTC)
TEN = MIDNIGHT + timedelta(hours=10)
A_DIFFERENCE = Difference(
    Cell(TEN, "q1", "voice", "tHandle"), Figures(2, 3000), Figures(3, 4500), ("a", "b"), ("c",), (), True
)


def shown(*differences: Difference, names: dict[str, str] | None = None, **fields: Any) -> str:
    """What is printed of a day with these differences."""
    state = "differs" if differences else "agrees"
    day = Day(Interval(MIDNIGHT, MIDNIGHT + timedelta(days=1)), cast("Any", state), figures=9, differences=differences)
    has_ids = fields.pop("has_ids", True)
    days, names = (replace(day, **fields),), names or {"q1": "Sales"}
    found = Reconciliation("calls.duckdb", days, ("tHandle",), names, None, TEN, has_ids=has_ids)
    written = io.StringIO()
    show(Display(Console(file=written, width=80)), found)
    return written.getvalue()


def test_a_difference_has_both_figures_and_the_missing_conversation() -> None:
    assert shown(A_DIFFERENCE) == (
        "DIFFERS: 1 of 9 figures, on 1 of 1 day of calls.duckdb.\n"
        "\n"
        "  judged      2026-02-02 to 2026-02-03 UTC\n"
        "\n"
        "  2026-02-02 10:00  tHandle  Sales, voice\n"
        "    export 2 (3.000 s), vendor 3 (4.500 s)\n"
        "    missing in the export: c\n"
    )


def test_names_of_the_org_cannot_steer_the_terminal() -> None:
    text = shown(A_DIFFERENCE, names={"q1": "Sal\x1b[2Jes\nforged: line"})

    assert "\x1b" not in text
    assert "Sal\\x1b[2Jes\\nforged: line, voice" in text


def test_what_no_conversation_is_named_for_is_counted() -> None:
    text = shown(replace(A_DIFFERENCE, missing=(), is_looked_up=False))

    assert "    in the export: a, b\n    not named: 1 row (not everything was looked up)\n" in text
    assert "hint: More requests may name more conversations: --look-ups 100." in text


def test_redacted_ids_cannot_be_looked_up_by_more_requests() -> None:
    text = shown(replace(A_DIFFERENCE, missing=(), is_looked_up=False), has_ids=False)

    assert "note: The ids of conversations are redacted" in text
    assert "--look-ups" not in text


def test_many_differences_fit_a_screen() -> None:
    text = shown(*[A_DIFFERENCE] * 30)

    assert "... and 20 more; --json and --csv list them all" in text


def test_provisional_and_unproven_days_are_marked() -> None:
    text = shown(is_provisional=True, is_unproven=True)

    assert "provisional 2026-02-02 to 2026-02-03 UTC: the vendor rebuilds" in text
    assert "not proven  2026-02-02 to 2026-02-03 UTC" in text


def test_a_provisional_difference_is_to_be_exported_again() -> None:
    assert "hint: The vendor may have rebuilt these days since" in shown(A_DIFFERENCE, is_provisional=True)
