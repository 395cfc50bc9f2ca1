"""Where metric rows count, in Python and in SQL."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycall.analysis.emitted import queue_at, rows_of
from everycall.api.aggregates import Cell
from everycall.api.records import Conversation, Metric, Participant, Segment, Session
from everycall.instants import text
from everycall.tables.kpi_sql import rows_query
from everycall.tables.relational import table
from everycall.tables.rows import RowMaker
from everycall.tables.sql import sql

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


def at(minutes: float | None) -> datetime | None:
    return None if minutes is None else NINE + timedelta(minutes=minutes)


def session(*segments: tuple[float | None, str | None], **fields: Any) -> Session:
    """A session with segments of these starts and queues."""
    return Session(
        session_id="s", segments=tuple(Segment(segment_start=at(one), queue_id=queue) for one, queue in segments),
        **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("segments", "minutes", "queue"),
    [
        ([], 5, ""),
        ([(0, None)], 5, ""),
        ([(0, "a")], 5, "a"),
        ([(0, "a"), (3, "b")], 5, "b"),
        ([(0, "a"), (5, "b")], 5, "a"),
        ([(0, "a"), (3, None)], 5, "a"),
        ([(0, None), (7, "b")], 5, "b"),
        ([(0, "a"), (0, "b")], 5, "b"),
        ([(0, "a"), (0, "b")], 0, "a"),
        ([(3, "b"), (0, "a")], 5, "b"),
        ([(None, "a"), (0, "")], 5, "a"),
    ],
)
def test_the_queue_is_that_of_the_last_segment_that_had_begun_or_else_the_first(
    segments: list[tuple[float | None, str | None]], minutes: float, queue: str
) -> None:
    assert queue_at(session(*segments), NINE + timedelta(minutes=minutes)) == queue


SEGMENTS = st.lists(st.tuples(st.sampled_from([None, 0, 10, 20, 29, 31]), st.sampled_from([None, "", "a", "b", "c"])))
METRICS = st.lists(
    st.builds(
        Metric,
        emit_date=st.sampled_from([None, *(at(minutes) for minutes in (0, 10, 20, 29, 30, 31, 60))]),
        name=st.sampled_from([None, "tTalk", "nOffered", "tNew"]),
        value=st.sampled_from([None, 0, 1, 2.5, 3.49, 70_000]),
    )
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with empty tables."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in TABLES:
            connection.execute(next(sql(table(name), "duckdb")))
        yield connection


TABLES = ("metrics", "sessions", "segments")


@settings(max_examples=40)
@given(st.lists(st.tuples(SEGMENTS, METRICS, st.sampled_from([None, "voice", "chat"])), max_size=6))
def test_sql_and_python_agree_on_any_session(
    connection: duckdb.DuckDBPyConnection,
    sessions: list[tuple[list[tuple[float | None, str | None]], list[Metric], str | None]],
) -> None:
    made = tuple(session(*segments, metrics=tuple(metrics), media_type=media) for segments, metrics, media in sessions)
    conversation = Conversation(conversation_id="x", participants=(Participant(sessions=made),))
    end = NINE + timedelta(hours=1)

    found = selected(connection, conversation, rows_query(["tTalk", "nOffered"], (text(NINE), text(end))))

    expected = (row for row in rows_of(conversation, ["tTalk", "nOffered"]) if row.cell.start < end)
    assert found == Counter((row.cell, row.value) for row in expected)


def selected(
    connection: duckdb.DuckDBPyConnection, conversation: Conversation, query: str
) -> Counter[tuple[Cell, int]]:
    """The cells and values of a query over the tables of a conversation."""
    filled = RowMaker("org").rows(conversation, NINE)
    for name in TABLES:
        connection.execute(f"DELETE FROM {name}")
        if filled[name]:
            marks = ", ".join("?" for _ in table(name).columns)
            rows = ", ".join(f"({marks})" for _ in filled[name])
            connection.execute(f"INSERT INTO {name} VALUES {rows}", [cell for row in filled[name] for cell in row])
    found = connection.sql(query).to_arrow_table().to_pylist()
    return Counter(
        (Cell(row["halfHour"], row["queueId"], row["mediaType"], row["name"]), row["value"] or 0) for row in found
    )
