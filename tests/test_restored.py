"""A conversation from its rows: the same record, and the same time line."""

import json
from itertools import islice
from random import Random
from typing import Any

import pytest

from building import shuffled
from elements import of_every_kind
from everycall.analysis.timeline import timeline
from everycall.api.records import Conversation, conversation_of
from everycall.instants import EPOCH
from everycall.tables import relational
from everycall.tables.restored import restored, tables_read
from everycall.tables.rows import RowMaker
from flat_by_sql import Odd, sandbox_conversations

MAKER = RowMaker("the org")


def record(tree: dict[str, Any]) -> Conversation:
    found, _ = conversation_of(json.dumps(tree).encode())
    assert found is not None
    return found


def rows_of(conversation: Conversation, rng: Random | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table by column, in any order."""
    found = {}
    for name, rows in MAKER.rows(conversation, EPOCH).items():
        columns = [column.name for column in relational.table(name).columns]
        found[name] = [dict(zip(columns, row, strict=True)) for row in rows]
        (rng or Random(1)).shuffle(found[name])
    return found


def from_rows(conversation: Conversation, rng: Random | None = None) -> Conversation:
    tree = restored(rows_of(conversation, rng))
    assert tree is not None
    return record(tree)


def test_every_kind_of_conversation_comes_back_as_it_was() -> None:
    for tree in of_every_kind(2):
        assert from_rows(record(tree)) == record(tree)


def test_the_time_line_from_rows_is_that_of_the_record() -> None:
    rng = Random(5)
    for tree in of_every_kind(2):
        conversation = record(shuffled(tree, rng))

        assert timeline(from_rows(conversation, rng)) == timeline(conversation)


@pytest.mark.parametrize("seed", range(3))
def test_the_time_lines_of_many_seeds_agree_with_odd_conversations_among_them(seed: int) -> None:
    rng = Random(seed)
    odd = Odd(rng)
    trees = [*islice(sandbox_conversations(rng), 100), *(odd.conversation() for _ in range(200))]
    for tree in trees:
        conversation = record(tree)

        assert timeline(from_rows(conversation, rng)) == timeline(conversation), tree


def test_without_a_row_there_is_no_conversation() -> None:
    assert restored({}) is None
    assert restored({name: [] for name in tables_read()}) is None


def test_rows_whose_parents_are_missing_are_left_out() -> None:
    rows = rows_of(record(of_every_kind(1)[0]))
    rows["sessions"] = []

    tree = restored(rows)

    assert tree is not None
    assert all("sessions" not in participant for participant in tree["participants"])
