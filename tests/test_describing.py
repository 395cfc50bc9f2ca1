"""`everycall schema`."""

import json
import re

import duckdb
import pytest

from everycall.cli.commands import run
from everycall.tables.kpis import GRAINS
from everycall.tables.relational import OF_CONVERSATIONS, TABLES, table


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["schema", *arguments]) == 0
    return capsys.readouterr().out


def test_it_lists_every_table_with_what_a_row_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys)

    assert re.findall(r"^(\w+)  ", text, re.MULTILINE) == [one.name for one in TABLES]
    assert re.search(r"^metrics +a number that a session emitted$", text, re.MULTILINE)


def test_it_lists_the_columns_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "metrics")

    assert text.startswith("metrics: a number that a session emitted\nkey: conversationId, participantOrdinal")
    assert re.findall(r"^(\w+)  +\w", text, re.MULTILINE) == [column.name for column in table("metrics").columns]
    assert "number, ms where the name begins with t. The number." in text


def test_json_has_everything_that_is_declared(capsys: pytest.CaptureFixture[str]) -> None:
    [sessions] = json.loads(printed(capsys, "sessions", "--json"))["tables"]

    by_name = {column["name"]: column for column in sessions["columns"]}
    assert sessions["key"] == ["conversationId", "participantOrdinal", "sessionOrdinal"]
    assert by_name["timeoutSeconds"]["unit"] == "s"
    assert by_name["flowId"]["path"] == "participants[].sessions[].flow.flowId"
    assert by_name["participantId"]["path"] == "participants[].participantId"
    assert by_name["sessionOrdinal"] == {
        "name": "sessionOrdinal", "type": "integer", "unit": "", "path": "", "caveats": "", "required": True,
        "description": "The position of the session in the list of the API's answer, from 0.",
    }  # fmt: skip


def test_json_has_all_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert [one["name"] for one in json.loads(printed(capsys, "--json"))["tables"]] == [one.name for one in TABLES]


@pytest.mark.parametrize("one", OF_CONVERSATIONS, ids=lambda one: one.name)
def test_lines_are_at_most_a_hundred_characters_wide(one: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert max(map(len, printed(capsys, getattr(one, "name", "")).splitlines()[3:])) <= 100


def test_sql_creates_all_tables_and_then_the_views(capsys: pytest.CaptureFixture[str]) -> None:
    created = re.findall(
        r'^CREATE (?:TABLE IF NOT EXISTS|OR REPLACE VIEW) "(\w+)"', printed(capsys, "--sql", "duckdb"), re.MULTILINE
    )

    assert created == [*(one.name for one in TABLES), "flat_from_tables", *(grain.view for grain in GRAINS)]


def test_sql_prints_the_view_alone(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "flat_from_tables", "--sql", "postgresql")

    assert text.startswith('CREATE OR REPLACE VIEW "flat_from_tables" AS\nWITH\n-- Each session')
    assert text.count(";\n") == 1


def test_a_view_has_no_columns_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "flat_from_tables"]) == 2

    assert "--sql duckdb" in capsys.readouterr().err


def test_sql_creates_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "metrics", "--sql", "postgresql")

    assert text.startswith('CREATE TABLE IF NOT EXISTS "metrics" (\n    "organizationId" text NOT NULL,\n')
    assert text.endswith(";\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["session"], "There is no table 'session'."), (["--json", "--sql", "duckdb"], "--json and --sql do not go")],
)
def test_what_it_does_not_know_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_it_lists_the_views_and_the_columns_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--views")
    assert re.findall(r"^(kpi_\w+)  ", text, re.MULTILINE) == [grain.view for grain in GRAINS]

    lines = printed(capsys, "kpi_agent_day")
    assert lines.startswith("kpi_agent_day: One row: an agent, queue and medium, by day.")
    assert re.search(r"^ahtMs +number, ms\. Average handle time\.\n +handleMs / handled$", lines, re.MULTILINE)
    assert max(map(len, lines.splitlines()[1:])) <= 100


def test_json_has_the_views_with_formulas_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(json.loads(printed(capsys, "--views", "--json"))["views"]) == len(GRAINS)
    [view] = json.loads(printed(capsys, "kpi_queue_day", "--json"))["views"]

    [offered] = [column for column in view["columns"] if column["name"] == "offered"]
    assert offered["formula"] == "sum(nOffered)"
    assert offered["source"] == "help.mypurecloud.com/?p=334996"


def test_the_columns_are_those_of_the_views(capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect() as connection:
        for statement in printed(capsys, "--sql", "duckdb").split(";\n"):
            connection.execute(statement)
        for grain in GRAINS:
            found = [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {grain.view}").fetchall()]
            assert found == [(column.name, DUCKDB_TYPES[column.type]) for column in grain.columns], grain.view


DUCKDB_TYPES = {
    "instant": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
}


@pytest.mark.parametrize(
    ("output", "source"),
    [
        ("calls.parquet", "FROM read_parquet('calls.parquet/metrics/*.parquet', union_by_name = true) m"),
        ("s3://bucket/it's.delta/", "FROM delta_scan('s3://bucket/it''s.delta/metrics') m"),
    ],
)
def test_over_prints_the_query_over_files(output: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert source in printed(capsys, "kpi_queue_half_hour", "--over", output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kpi_queue_day", "--over", "calls.csv"], "calls.csv is neither a Parquet nor a Delta folder."),
        (["metrics", "--over", "calls.parquet"], "--over needs a view with key figures."),
        (["kpi_queue_day", "--over", "calls.parquet", "--json"], "--json and --over do not go together."),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", *arguments]) == 2
    assert message in capsys.readouterr().err
