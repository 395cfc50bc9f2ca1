"""The flat rows that SQL makes from the tables, against those of the CSV file, cell by cell.

    python tests/flat_by_sql.py --count 100000
    python tests/flat_by_sql.py --count 100000 --seed 7 --odd 0.5

A part of the conversations are the sandbox's, of every kind and as of several instants, most of them with their lists
in another order. The others are odd ones: some lines with few distinct times, ids and values, so that what is rare in
a contact centre (two legs that start in the same millisecond, a segment without times, a hold within a hold) is in
nearly each of them.
"""

import argparse
import csv
import io
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from operator import itemgetter
from random import Random
from typing import Any, TypeAlias

import duckdb
import msgspec
import pyarrow as pa

from building import Tree, shuffled
from elements import of_every_kind
from everycall.api.names import Entity, Found, Kind, Names
from everycall.arrow.filled import ArrowTables
from everycall.arrow.schemas import table_of
from everycall.sandbox import Org
from everycall.sandbox.traffic import DAY_MS
from everycall.sinks.csv import CsvSink
from everycall.tables.columns import EXTENDED, Column
from everycall.tables.flat import FlatTable, Row
from everycall.tables.flat_sql import flat_query
from everycall.tables.reference import name_rows
from everycall.tables.sql import quoted

ORG_ID = "00000000-0000-4000-8000-000000000001"
MONDAY = 20_458
"""5 January 2026, in days since 1970."""

BATCH = 5000
"""Conversations in one database."""

KINDS: tuple[Kind, ...] = ("queues", "users", "wrapupcodes", "divisions")

Difference: TypeAlias = tuple[str, str, str, str]
"""conversationId, column, the cell of the CSV file, the cell of the view."""


# --- conversations


def sandbox_conversations(rng: Random) -> Iterator[Tree]:
    """Those of a seeded org, day by day: complete, alive, or not yet settled; four of five in another order."""
    org = Org(seed=rng.randrange(1000), conversations_per_day=2000)
    for day in range(MONDAY, MONDAY + 10_000):
        for sketch in org.day(day):
            end_ms = min(sketch.end_ms, sketch.start_ms + 7 * DAY_MS)  # some never end
            during_ms = rng.randint(sketch.start_ms, max(sketch.start_ms, end_ms))
            whole: Tree = org.with_attributes(
                sketch, rng.choice((end_ms + 60 * DAY_MS, end_ms + 60 * DAY_MS, during_ms))
            )
            yield shuffled(whole, rng) if rng.random() < 0.8 else whole


PURPOSES = ("customer", "external", "agent", "agent", "user", "user", "acd", "acd", "ivr", "dialer", None)
SEGMENT_TYPES = ("interact", "interact", "interact", "hold", "hold", "contacting", "dialing", "alert", "wrapup", None)
DISCONNECTS = ("transfer", "consultTransfer", "peer", "client", "endpoint", "error", "system", "", None)
MEDIA = ("voice", "callback", "video", "cobrowse", "email", "", None)
METRICS = (
    "nConsultTransferred", "nTransferred", "tAbandon", "tCallbackAbandon", "tCfcAbandon", "tAcd", "tTalkComplete",
    "tHeldComplete", "tAcw", "tHandle", "", None,
)  # fmt: skip
USERS, QUEUES, CODES = ("u1", "u2", "u3", "", None), ("q1", "q2", "q\N{GRINNING FACE}", "", None), (
    "w1", "W2", "ININ-WRAP-UP-TIMEOUT", "ININ-OUTBOUND-BUSY", "", None,
)  # fmt: skip
TEXTS = ("a", "B", "\N{LATIN SMALL LETTER A WITH DIAERESIS}", "\uffee", "\N{GRINNING FACE}", "", None)


class Odd:
    """Makes odd conversations, each different from the one before."""

    def __init__(self, rng: Random) -> None:
        """Use these random numbers."""
        self._rng, self._number = rng, 0

    def conversation(self) -> Tree:
        """The next one."""
        rng = self._rng
        self._number += 1
        self._purposes = rng.sample(PURPOSES, rng.randrange(1, 5))  # few, so that each way to a customer is usual
        self._span_ms = rng.choice((3000, 5000, 20_000, 100_000))
        self._step_ms = rng.choice((1, 100, 500, 1000))
        self._is_dense = rng.random() < 0.5
        if self._is_dense:  # people who ask queues
            self._purposes += ["agent", "acd"]
        end = {"conversationEnd": self._instant()} if rng.random() < 0.8 else {}
        whole: Tree = self._dense(
            {
                "conversationId": f"odd-{self._number}",
                "conversationStart": self._instant(),
                **end,
                "originatingDirection": rng.choice(("inbound", "outbound", "", None)),
                "divisionIds": rng.choices(("d1", "d2"), k=rng.randrange(3)),
                "mediaStatsMinConversationMos": rng.choice((4.5, 3, None)),
                "participants": [self._participant() for _ in range(rng.randrange(7))],
                "evaluations": [self._evaluation() for _ in range(rng.randrange(3))],
                "surveys": [self._survey() for _ in range(rng.randrange(3))],
            }
        )
        return whole

    def _participant(self) -> Tree:
        rng = self._rng
        return {
            "purpose": rng.choice(self._purposes),
            "userId": rng.choice(USERS[:3] if self._is_dense else USERS),
            "participantName": rng.choice(TEXTS),
            "sessions": [self._session() for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))],
        }

    def _session(self) -> Tree:
        rng = self._rng
        listening = rng.choice(("monitoredParticipantId", "coachedParticipantId", "bargedParticipantId"))
        return {
            "mediaType": rng.choice(MEDIA[:3] if self._is_dense else MEDIA),
            listening: rng.choices(("p1", "", None), (1, 1, 20 if self._is_dense else 6))[0],
            "direction": rng.choice(("inbound", "outbound", "", None)),
            **{name: rng.choice(TEXTS) for name in ("ani", "dnis", "addressFrom", "addressTo", "messageType")},
            "callbackNumbers": [rng.choice(("1", "2", "")) for _ in range(rng.randrange(3))],
            "dispositionName": rng.choice(TEXTS),
            "flow": self._flow(),
            "segments": [self._segment() for _ in range(rng.randrange(5))],
            "metrics": [self._metric() for _ in range(rng.choice((0, 0, 1, 3)))],
        }

    def _segment(self) -> Tree:
        rng = self._rng
        start, end = self._instant(), self._instant()
        if start and end and rng.random() < 0.95:
            start, end = sorted((start, end))
        return {
            "segmentType": rng.choice(SEGMENT_TYPES[:5] if self._is_dense else SEGMENT_TYPES),
            "segmentStart": start,
            "segmentEnd": end,
            "queueId": rng.choice(QUEUES),
            "disconnectType": rng.choice((*DISCONNECTS[:4], None, None) if self._is_dense else DISCONNECTS),
            "wrapUpCode": rng.choice((*CODES, None, None, None)),
            "wrapUpNote": rng.choice(TEXTS),
        }

    def _metric(self) -> Tree:
        value = self._rng.choice((1, 2, 5000, 2**40, 2**53, -3, None))
        return {"name": self._rng.choice(METRICS[:5] if self._is_dense else METRICS), "value": value}

    def _flow(self) -> Tree | None:
        rng = self._rng
        named = {"flowName": rng.choice(TEXTS), "exitReason": rng.choice(TEXTS)}
        return rng.choice((None, {**named, "flowId": "f"}, {"outcomes": [{"flowOutcome": "SUCCESS"}]}))

    def _evaluation(self) -> Tree:
        rng = self._rng
        return {
            "evaluationStatus": rng.choice(("FINISHED", "Finished", "pending", None)),
            "deleted": rng.choice((True, False, None, None)),
            "calibrationId": rng.choice(("c", "", None, None)),
            "eventTime": self._instant(),
            "oTotalScore": rng.choice((95, 80.5, 0, None)),
        }

    def _survey(self) -> Tree:
        rng = self._rng
        return {
            "surveyStatus": rng.choice(("Finished", "Finished", "sent", None)),
            "eventTime": self._instant(),
            "oSurveyTotalScore": rng.choice((95, 80.5, 0, None)),
            "surveyPromoterScore": rng.choice((10, 0, None)),
        }

    def _instant(self) -> str | None:
        """Of few distinct ones; seldom none."""
        rng = self._rng
        if rng.random() < (0.02 if self._is_dense else 0.08):
            return None
        at_ms = MONDAY * DAY_MS + rng.randrange(0, self._span_ms, self._step_ms)
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _dense(self, value: Any) -> Any:
        """The same without what is None, as the API sends it."""
        if isinstance(value, dict):
            return {name: self._dense(one) for name, one in value.items() if one is not None}
        return [self._dense(one) for one in value] if isinstance(value, list) else value


def odd_conversations(rng: Random) -> Iterator[Tree]:
    """Odd ones without an end."""
    odd = Odd(rng)
    while True:
        yield odd.conversation()


def every_kind(rng: Random) -> Iterator[Tree]:
    """Some of each kind of the sandbox, the samples of the real API, and the cases; in another order as well."""
    for number, one in enumerate(of_every_kind()):
        yield one
        yield {**shuffled(one, rng), "conversationId": f"shuffled-{number}"}


# --- names


@cache
def entities() -> dict[Kind, list[dict[str, Any]]]:
    """What the names are taken from: those of the sandbox's org, and some for the ids of odd conversations."""
    org = Org(seed=1)
    found: dict[Kind, list[dict[str, Any]]] = {kind: list(org.entities(kind)) for kind in KINDS}
    found["users"] += [{"id": "u1", "name": "Ann"}, {"id": "u2", "name": ""}, {"id": "q1", "name": "no queue"}]
    found["queues"] += [{"id": "q1", "name": "Sales"}]
    found["wrapupcodes"] += [{"id": "w1", "name": "Solved"}, {"id": "W2"}]
    found["divisions"] += [{"id": "d1", "name": "Home"}]
    return found


def names() -> Names:
    """As the flat rows use them."""
    known = Names()
    for kind, found in entities().items():
        known.learn(Found(kind, tuple(Entity(one["id"], one.get("name")) for one in found)))
    return known


def names_table() -> pa.Table:
    """As the view joins them."""
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return table_of("names", [row for kind, found in entities().items() for row in name_rows(ORG_ID, kind, found, at)])


# --- both ways


def rows_by_rules(raws: Iterable[bytes], columns: Sequence[Column] = EXTENDED) -> list[Row]:
    """The rows of the CSV file, in order of their conversationId, which is the first column."""
    table, known = FlatTable.of(tuple(columns)), names()
    records = [table.one(raw)[0] for raw in raws]
    assert all(record is not None for record in records)
    return sorted((table.row(table.facts(record), known) for record in records if record), key=itemgetter(0))


class InDuckDB:
    """A database in memory with some Arrow tables."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        """Hold these."""
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            self.connection.register("arrow", table)
            self.connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM arrow")
            self.connection.unregister("arrow")

    def rows(self, query: str) -> list[Row]:
        """The rows of a query; instants are aware, and in UTC."""
        with closing(self.connection):
            return self.connection.execute(query).fetchall()


def tables_of(raws: Sequence[bytes]) -> dict[str, pa.Table]:
    """The tables of conversations and of names."""
    return {**ArrowTables(ORG_ID).tables(raws, [MONDAY * DAY_MS] * len(raws)), "names": names_table()}


def rows_by_duckdb(raws: Sequence[bytes], columns: Sequence[Column] = EXTENDED) -> list[Row]:
    """The rows of the view."""
    return InDuckDB(tables_of(raws)).rows(flat_query(columns=columns))


def differences(raws: Sequence[bytes], view: Iterable[Row], columns: Sequence[Column] = EXTENDED) -> list[Difference]:
    """The cells that differ between the CSV file's rows and a view's; conversationId is the first column.

    Raises:
        AssertionError: a conversation has no row in the view, or several.
    """
    expected = rows_by_rules(raws, columns)
    found = sorted(view, key=itemgetter(0))
    assert [row[0] for row in expected] == [row[0] for row in found]
    return [
        (ids[0], column.name, one, other)
        for ids, other_ids in zip(cells(expected, columns), cells(found, columns), strict=True)
        for column, one, other in zip(columns, ids, other_ids, strict=True)
        if one != other and not (column.type == "real" and one and other and float(one) == float(other))
    ]


def cells(rows: Sequence[Row], columns: Sequence[Column]) -> list[list[str]]:
    """What a reader of the CSV file has; the tables do not tell 95 from 95.0."""
    return list(csv.reader(io.StringIO(CsvSink(columns).lines(rows).decode(), newline="")))


def encoded(trees: Iterable[Tree]) -> list[bytes]:
    """Their JSON."""
    return [msgspec.json.encode(one) for one in trees]


def mixed(count: int, seed: int, odd: float = 0.3) -> Iterator[list[bytes]]:
    """As many conversations, some thousand at a time; a share of them is odd."""
    rng = Random(seed)
    usual, odd_ones = sandbox_conversations(rng), odd_conversations(rng)
    while count:
        size = min(BATCH, count)
        n_odd = round(size * odd)
        yield encoded([*islice(usual, size - n_odd), *islice(odd_ones, n_odd)])
        count -= size


# --- the command


def main() -> int:
    """Compare as many conversations as asked for; the exit code is 1 where a cell differs."""
    parser = argparse.ArgumentParser(description="Compare the flat rows of SQL with those of the CSV file.")
    parser.add_argument("--count", type=int, default=100_000, help="conversations (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--odd", type=float, default=0.3, help="the share of odd ones (%(default)s)")
    arguments = parser.parse_args()
    began, done, different = time.monotonic(), 0, 0
    for raws in mixed(arguments.count, arguments.seed, arguments.odd):
        found = differences(raws, rows_by_duckdb(raws))
        for one in found[:20]:
            print(*map(repr, one), sep="  ")  # noqa: T201
        done, different = done + len(raws), different + len(found)
        print(f"{done} compared, {different} cells differ, {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
