"""The same conversations in every output: equal counts, equal sums of every metric, equal sets of keys."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from everycall import Query, export
from everycall.analysis.opening import open_tables
from everycall.api.interval import Interval
from everycall.converting import ConvertOptions, convert
from everycall.executor import SerialExecutor
from everycall.instants import text
from everycall.setup import Environment, Options
from everycall.tables.relational import OF_CONVERSATIONS, Table
from everycall.tables.sql import quoted
from inprocess import org, read_csv
from sampled import conversations as sampled_conversations

DAYS = int(os.environ.get("EVERYCALL_DAYS", "5"))
"""Each has 2,000 conversations."""

FIRST, DAY = datetime(2025, 11, 3, tzinfo=UTC), timedelta(days=1)

WITH_TABLES = ("calls.parquet", "calls.delta", "csv:tables/", "calls.duckdb")
"""Outputs in a folder."""

Key = tuple[str | int, ...]


@pytest.mark.slow
def test_seeded_conversations_arrive_in_every_output(postgres: str, tmp_path: Path) -> None:
    """2,000 for each of EVERYCALL_DAYS, of every kind that the sandbox has."""
    where = org(conversations_per_day=2000, flat=True, rate_limit=1_000_000)
    tables = [*in_folder(tmp_path, WITH_TABLES), postgres]
    flat, archive = tmp_path / "calls.csv", tmp_path / "calls.jsonl.zst"
    export(
        where.client, Query(Interval(FIRST, FIRST + DAYS * DAY)), [*tables, flat, archive], options=Options(),
        environment=Environment(executor=SerialExecutor()),
    )  # fmt: skip

    ids_of_rows = Counter(row["conversationId"] for row in read_csv(flat))
    archived = {one["conversationId"]: digest(one) for one in lines(archive)}
    for day in (Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY) for number in range(DAYS)):
        there = where.sandbox.store.conversations(str(day))
        expected = Expected.of(there)
        for output in tables:
            assert_has_all(output, expected, of=day)
        for one in there:
            assert ids_of_rows.pop(one["conversationId"]) == 1
            assert archived.pop(one["conversationId"]) == digest(one)
    assert not ids_of_rows
    assert not archived


def test_the_samples_arrive_in_every_output(postgres: str, tmp_path: Path) -> None:
    archive = tmp_path / "samples.jsonl"
    archive.write_text("".join(json.dumps(one) + "\n" for one in sampled_conversations()), encoding="utf-8")
    outputs = [*in_folder(tmp_path, WITH_TABLES), postgres]
    convert(archive, outputs, options=ConvertOptions())

    expected = Expected.of(sampled_conversations())
    for output in outputs:
        assert_has_all(output, expected)


def in_folder(folder: Path, outputs: Sequence[str]) -> list[str]:
    """The outputs with the folder before their paths."""
    split = (output.rpartition(":") for output in outputs)
    return [f"{format_}{colon}{folder}/{path}" for format_, colon, path in split]


def lines(archive: Path) -> Iterator[dict[str, Any]]:
    """The conversations of a compressed archive."""
    with archive.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        yield from map(json.loads, TextIOWrapper(stream, encoding="utf-8"))


def digest(conversation: dict[str, Any]) -> bytes:
    """A hash of all its values."""
    return sha256(json.dumps(conversation, sort_keys=True).encode()).digest()


# What an output should have, from the conversations as the org has them


@dataclass
class Expected:
    """What the tables of an output should have."""

    keys: dict[str, list[Key]]
    """Sorted, by table."""
    metrics: list[Key]
    """Name, count and sum of each."""

    @classmethod
    def of(cls, conversations: Sequence[dict[str, Any]]) -> "Expected":
        sums: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for metric in metrics_of(conversations):
            sums[metric["name"]] += metric["value"]
            counts[metric["name"]] += 1
        keys = {table.name: sorted(keys_of(conversations, table)) for table in OF_CONVERSATIONS}
        return cls(keys, sorted((name, counts[name], sums[name]) for name in counts))


def assert_has_all(output: str, expected: Expected, of: Interval | None = None) -> None:
    """Compare the keys of every table, and the count and sum of every metric; of an interval, or of all rows."""
    where = "" if of is None else f""" WHERE "ownerTime" >= '{text(of.start)}' AND "ownerTime" < '{text(of.end)}'"""
    with open_tables(output) as tables:
        for table in OF_CONVERSATIONS:
            found = tables.query(f"SELECT {', '.join(map(quoted, table.key))} FROM {table.name}{where}")
            assert sorted(rows(found)) == expected.keys[table.name], (output, table.name)
        metrics = tables.query(
            f'SELECT "name", count(*), CAST(sum("value") AS bigint) FROM metrics{where} GROUP BY "name"'
        )
    assert sorted(rows(metrics)) == expected.metrics, output


def rows(table: pa.Table) -> Iterator[Key]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def metrics_of(conversations: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for conversation in conversations:
        for participant in conversation.get("participants", ()):
            for session in participant.get("sessions", ()):
                yield from session.get("metrics", ())


def keys_of(conversations: Sequence[dict[str, Any]], table: Table) -> Iterator[Key]:
    """The key of each row that a table should have."""
    for conversation in conversations:
        for ordinals in positions(conversation, table.path):
            yield (conversation["conversationId"], *ordinals)


def positions(record: dict[str, Any], path: Sequence[str]) -> Iterator[tuple[int | str, ...]]:
    """The position of each record below this one in every list of the path; an attribute has its name instead."""
    if not path:
        yield ()
        return
    below: Any = record
    for name in path[0].split("."):
        below = below.get(name) or {}
    for ordinal, element in below.items() if path[0] == "attributes" else enumerate(below):
        for further in positions(element, path[1:]):
            yield (ordinal, *further)
