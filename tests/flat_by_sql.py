"""The flat rows that SQL makes from the tables, against those of the CSV file, cell by cell.

    python tests/flat_by_sql.py --count 100000
    python tests/flat_by_sql.py --count 100000 --seed 7 --odd 0.5

A part of the conversations are the sandbox's, of every kind and as of several instants, most of them with their lists
in another order. The others are odd ones: some lines with few distinct times, ids and values, so that what is rare in
a contact centre (two legs that start in the same millisecond, a segment without times, a hold within a hold) is in
nearly each of them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from random import Random
from typing import Any, Protocol, TypeAlias

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

Difference: TypeAlias = tuple[str, str, Any, Any]
"""conversationId, column, the cell of the CSV file, the cell of the view."""


# --- conversations


def sandbox_conversations(rng: Random) -> Iterator[Tree]:
    """Those of a seeded org, day by day: complete, alive, or not yet settled; four of five in another order."""
    org = Org(seed=rng.randrange(1000), conversations_per_day=2000)
    for day in range(MONDAY, MONDAY + 10_000):
        for sketch in org.day(day):
            instants = (sketch.end_ms + 60 * DAY_MS, sketch.start_ms + 1, (sketch.start_ms + sketch.end_ms) // 2)
            whole = org.with_attributes(sketch, max(sketch.start_ms + 1, rng.choices(instants, (6, 1, 3))[0]))
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
        self._span_ms = rng.choice((3000, 20_000, 100_000))
        end = {"conversationEnd": self._instant()} if rng.random() < 0.8 else {}
        return self._dense({
            "conversationId": f"odd-{self._number}",
            "conversationStart": self._instant(),
            **end,
            "originatingDirection": rng.choice(("inbound", "outbound", "", None)),
            "divisionIds": rng.choices(("d1", "d2"), k=rng.randrange(3)),
            "mediaStatsMinConversationMos": rng.choice((4.5, 3, None)),
            "participants": [self._participant() for _ in range(rng.randrange(6))],
            "evaluations": [self._evaluation() for _ in range(rng.randrange(3))],
            "surveys": [self._survey() for _ in range(rng.randrange(3))],
        })

    def _participant(self) -> Tree:
        rng = self._rng
        return {
            "purpose": rng.choice(self._purposes),
            "userId": rng.choice(USERS),
            "participantName": rng.choice(TEXTS),
            "sessions": [self._session() for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))],
        }

    def _session(self) -> Tree:
        rng = self._rng
        listening = rng.choice(("monitoredParticipantId", "coachedParticipantId", "bargedParticipantId"))
        return {
            "mediaType": rng.choice(MEDIA),
            listening: rng.choices(("p1", "", None), (1, 1, 6))[0],
            "direction": rng.choice(("inbound", "outbound", "", None)),
            **{name: rng.choice(TEXTS) for name in ("ani", "dnis", "addressFrom", "addressTo", "messageType")},
            "callbackNumbers": [rng.choice(("1", "2", "")) for _ in range(rng.randrange(3))],
            "dispositionName": rng.choice(TEXTS),
            "flow": rng.choice((None, {"flowName": rng.choice(TEXTS), "exitReason": rng.choice(TEXTS), "flowId": "f"})),
            "segments": [self._segment() for _ in range(rng.randrange(5))],
            "metrics": [self._metric() for _ in range(rng.choice((0, 0, 1, 3)))],
        }

    def _segment(self) -> Tree:
        rng = self._rng
        start, end = self._instant(), self._instant()
        if start and end and rng.random() < 0.95:
            start, end = sorted((start, end))
        return {
            "segmentType": rng.choice(SEGMENT_TYPES),
            "segmentStart": start,
            "segmentEnd": end,
            "queueId": rng.choice(QUEUES),
            "disconnectType": rng.choice(DISCONNECTS),
            "wrapUpCode": rng.choice((*CODES, None, None, None)),
            "wrapUpNote": rng.choice(TEXTS),
        }

    def _metric(self) -> Tree:
        value = self._rng.choice((1, 2, 5000, 2**40, 2**53, -3, None))
        return {"name": self._rng.choice(METRICS), "value": value}

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
        if rng.random() < 0.08:
            return None
        at_ms = MONDAY * DAY_MS + rng.choice((0, rng.randrange(0, self._span_ms, 500), rng.randrange(self._span_ms)))
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


def rows_by_rules(raws: Iterable[bytes]) -> dict[str, Row]:
    """The rows of the CSV file, by conversationId."""
    table, known = FlatTable.of(EXTENDED), names()
    found = {}
    for raw in raws:
        record, _ = table.one(raw)
        assert record is not None
        found[record.conversation_id] = table.row(table.facts(record), known)
    return found


class Tables(Protocol):
    """A database with the tables of some conversations."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query; instants are aware datetimes."""
        ...


class InDuckDB:
    """Arrow tables as the tables of a database in memory."""

    def __init__(self, tables: dict[str, pa.Table]) -> None:
        """Hold these."""
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            self._connection.register("arrow", table)
            self._connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM arrow")
            self._connection.unregister("arrow")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """See `Tables.rows`."""
        return self._connection.execute(query).fetchall()


def tables_of(raws: Sequence[bytes]) -> dict[str, pa.Table]:
    """The tables of conversations and of names."""
    return {**ArrowTables(ORG_ID).tables(raws, [MONDAY * DAY_MS] * len(raws)), "names": names_table()}


def differences(
    raws: Sequence[bytes], columns: Sequence[Column] = EXTENDED, database: Callable[[dict[str, pa.Table]], Tables] = InDuckDB
) -> list[Difference]:
    """The cells that differ, and the rows that one side lacks or has twice.

    Raises:
        AssertionError: the conversations do not have an id each.
    """
    expected = rows_by_rules(raws)
    assert len(expected) == len(raws)
    names_of_columns = [column.name for column in columns]
    at = [EXTENDED.index(column) for column in columns]
    key = names_of_columns.index("conversationId")
    found: dict[str, tuple[Any, ...]] = {}
    different: list[Difference] = []
    for row in database(tables_of(raws)).rows(flat_query("duckdb", columns=columns)):
        if row[key] in found:
            different.append((row[key], "(row)", "once", "twice"))
        found[row[key]] = row
    different += [(one, "(row)", one in expected, one in found) for one in expected.keys() ^ found.keys()]
    cells = _cells(columns)
    for one in expected.keys() & found.keys():
        rules, view = cells([expected[one][index] for index in at]), cells(found[one])
        if rules != view:
            different += [
                (one, name, a, b) for name, a, b in zip(names_of_columns, rules, view, strict=True) if a != b
            ]
    return different


def _cells(columns: Sequence[Column]) -> Callable[[Sequence[Any]], list[Any]]:
    """A function that makes the cells of a row as a reader of the CSV file has them: reals as numbers, else texts."""
    sink = CsvSink(columns)
    texts = dict(sink._texts)  # noqa: SLF001 - what the CSV file has, formatted by what formats it

    def cells(row: Sequence[Any]) -> list[Any]:
        made = [None if value is None else texts[at](value) if at in texts else value for at, value in enumerate(row)]
        return ["" if value is None else value for value in made]

    return cells


def encoded(trees: Iterable[Tree]) -> list[bytes]:
    """Their JSON."""
    return [msgspec.json.encode(one) for one in trees]


# --- the command


def main() -> int:
    """Compare as many conversations as asked for; the exit code is 1 where a cell differs."""
    parser = argparse.ArgumentParser(description="Compare the flat rows of SQL with those of the CSV file.")
    parser.add_argument("--count", type=int, default=100_000, help="conversations (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--odd", type=float, default=0.3, help="the share of odd ones (%(default)s)")
    arguments = parser.parse_args()
    rng = Random(arguments.seed)
    usual, odd = sandbox_conversations(rng), odd_conversations(rng)
    began, left, different = time.monotonic(), arguments.count, 0
    while left:
        count = min(BATCH, left)
        n_odd = round(count * arguments.odd)
        raws = encoded([*islice(usual, count - n_odd), *islice(odd, n_odd)])
        found = differences(raws)
        for one in found[:20]:
            print(*map(repr, one), sep="  ")
        different += len(found)
        left -= count
        print(f"{arguments.count - left} compared, {different} cells differ, {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
