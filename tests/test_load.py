"""Loading: a sealed part -> rows in a sink's file. The table of these tests is one of two columns."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from everycall.acquire.details_query import found_of
from everycall.acquire.part import DamagedPart, Part, PartWriter, Place
from everycall.acquire.proof import id_bytes
from everycall.api.details_query import PageHead
from everycall.api.names import Entity, Found, Kind, Names, Unavailable
from everycall.api.oddities import Oddity, fitted, without_lone_surrogates
from everycall.api.query import Interval
from everycall.executor import SerialExecutor
from everycall.filesystem import SystemFilesystem
from everycall.load.load import BATCH, CHECKED_EVERY, EXAMPLES_MAX, Loaded, Task, load
from everycall.load.names import NameSource
from everycall.progress import Event, Noticed
from everycall.sandbox.recorded import Recorded
from everycall.sinks.csv import CsvSink
from everycall.sinks.tables_form import TablesForm
from everycall.tables.flat import Column, Row
from inprocess import WEEK, Org, assert_proven, manifest_of, org, read_csv

Tree = dict[str, Any]

START = "2026-01-05T08:00:00.000Z"
ID = "00000000-0000-4000-8000-{:012}"
USER = "00000000-0000-4000-9000-{:012}"


class Record(msgspec.Struct, rename="camel"):
    """All that the table of these tests needs of a conversation; it is its facts, too."""

    conversation_id: str
    user_id: str | None = None
    outlasts: bool = False


class _Page(msgspec.Struct):
    conversations: list[Record] = []


class Table:
    """Two columns: the id, and the user's name."""

    attributes = ()

    def __init__(self) -> None:
        self.decoded_one_by_one: list[str] = []
        """Conversations that did not fit."""

    def page(self, body: bytes) -> list[Record]:
        return msgspec.json.decode(body, type=_Page).conversations

    def one(self, body: bytes) -> tuple[Record | None, list[Oddity]]:
        tree = msgspec.json.decode(body)
        self.decoded_one_by_one.append(tree["conversationId"])
        return fitted({name: tree[name] for name in ("conversationId", "userId", "outlasts") if name in tree}, Record)

    def facts(self, record: Record) -> Record:
        return record

    def ids(self, *batch: Record) -> Iterable[tuple[Kind, str]]:
        return [("users", facts.user_id) for facts in batch if facts.user_id]

    def rows(self, batch: Sequence[Record], names: Names) -> list[Row]:
        return [(one.conversation_id, names.name("users", one.user_id or "") or one.user_id) for one in batch]


WINDOW = Interval.read("2026-01-05T00:00:00Z/2026-01-06T00:00:00Z")
SINK = CsvSink([Column(name, "text", "", (), lambda _: None) for name in ("id", "name")])


def one(number: int, **fields: Any) -> Tree:
    return {"conversationId": ID.format(number), "conversationStart": START, "conversationEnd": START, **fields}


def part_of(folder: Path, *pages: list[Tree] | bytes) -> Part:
    """A part of these pages, whose conversations are all the window's own."""
    writer = PartWriter(folder / "a.part", SystemFilesystem())
    for page in pages:
        body = page if isinstance(page, bytes) else msgspec.json.encode({"conversations": page, "totalHits": 1})
        writer.add(
            1, body, found_of(PageHead.decode(without_lone_surrogates(body)), lambda _: "owned"), is_zipped=False
        )
    return writer.seal((1,))


class Users:
    """Looks users up, and keeps what it was asked for."""

    def __init__(self, reason: str = "") -> None:
        self.asked: list[Sequence[str]] = []
        self._reason = reason

    def __call__(self, kind: Kind, ids: Sequence[str]) -> Found | Unavailable:
        self.asked.append(ids)
        if self._reason:
            return Unavailable(kind, self._reason)
        return Found(kind, tuple(Entity(each, f"Agent {int(each[-12:])}") for each in ids))


def loaded(
    part: Part,
    *,
    kept_strays: Iterable[int] = (),
    left_out: Iterable[int] = (),
    table: Table | None = None,
    ask: Users | None = None,
) -> Loaded:
    kept, left = (frozenset(id_bytes(ID.format(number)) for number in some) for some in (kept_strays, left_out))
    task = Task(WINDOW, part.path, part.checksum, kept, left, part.path.with_suffix(""))
    return load(part, task, cast("Any", table or Table()), [SINK], NameSource(ask or Users()))


def test_values_that_fit_no_table_are_counted(tmp_path: Path) -> None:
    part = part_of(tmp_path, [one(number, conferenceStart="no instant") for number in range(3)])
    task = Task(WINDOW, part.path, part.checksum, frozenset(), frozenset(), part.path.with_suffix(""))

    found = load(part, task, cast("Any", Table()), [TablesForm("org")], NameSource(Users()))

    assert found.oddities == {"unreadable value: conferenceStart": 3}
    assert found.examples[0].conversation_id == ID.format(0)


def rows(part: Part) -> list[list[str]]:
    """The lines that were written, each as its cells; ids by their number."""
    lines = part.path.with_suffix(".rows").read_text().splitlines()
    return [[str(int(line.split(",")[0][-12:])), line.split(",")[1]] for line in lines]


def numbers(part: Part) -> list[int]:
    return [int(number) for number, _ in rows(part)]


# Which rows


def test_rows_come_in_order_and_are_counted(tmp_path: Path) -> None:
    part = part_of(tmp_path, [one(3), one(1)], [one(2)])
    found = loaded(part)

    assert numbers(part) == [1, 2, 3]
    assert (found.rows, found.pages) == (3, 2)
    assert found.written["csv"].size_bytes == part.path.with_suffix(".rows").stat().st_size


def test_only_owned_conversations_and_kept_strays_are_written(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "a.part", SystemFilesystem())
    places: list[Place] = ["owned", "left", "foreign", "foreign", "owned"]
    starts = [f"2026-01-05T08:00:0{number}.000Z" for number in range(5)]
    body = msgspec.json.encode(
        {"conversations": [one(at, conversationStart=start) for at, start in enumerate(starts)], "totalHits": 5}
    )
    left = iter(places)
    writer.add(1, body, found_of(PageHead.decode(body), lambda _: next(left)), is_zipped=False)
    part = writer.seal((1,))
    loaded(part, kept_strays=[3], left_out=[4])

    assert numbers(part) == [0, 3]


def test_a_window_that_is_loaded_again_makes_the_same_rows(tmp_path: Path) -> None:
    part = part_of(tmp_path, [one(1), one(2)])

    assert loaded(part) == loaded(part)
    assert numbers(part) == [1, 2]


def test_a_damaged_part_leaves_no_rows(tmp_path: Path) -> None:
    part = part_of(tmp_path, [one(1)], [one(2)])
    data = bytearray(part.path.read_bytes())
    data[200] ^= 1
    part.path.write_bytes(data)

    with pytest.raises(DamagedPart):
        loaded(part)
    assert not part.path.with_suffix(".rows").exists()


def test_conversations_that_outlast_their_handling_are_counted(tmp_path: Path) -> None:
    part = part_of(tmp_path, [one(1, outlasts=True), one(2), one(3, outlasts=True)])

    assert loaded(part).outlasting == 2


# What does not fit


def test_a_page_that_fits_the_records_is_decoded_at_once(tmp_path: Path) -> None:
    table = Table()
    loaded(part_of(tmp_path, [one(1), one(2)]), table=table)

    assert table.decoded_one_by_one == []


def test_conversations_of_a_page_that_does_not_fit_are_read_leniently_one_by_one(tmp_path: Path) -> None:
    table = Table()
    part = part_of(tmp_path, [one(1), one(2, userId=["x"]), one(3, userId=USER.format(3))], [one(4)])
    found = loaded(part, table=table)

    assert rows(part) == [["1", ""], ["2", ""], ["3", "Agent 3"], ["4", ""]]
    assert table.decoded_one_by_one == [ID.format(number) for number in (1, 2, 3)]
    assert found.oddities["unknown field: userId"] == 2  # the first page is checked whole, which counts it


def test_oddities_on_an_unchecked_page_are_counted(tmp_path: Path) -> None:
    part = part_of(tmp_path, [one(1)], [one(2, userId=["x"])])
    found = loaded(part)

    assert found.oddities == {"unreadable value: userId": 1}
    assert [(each.conversation_id, each.value) for each in found.examples] == [(ID.format(2), '["x"]')]


def test_unknown_fields_are_looked_for_on_the_first_page_and_on_one_in_fifty(tmp_path: Path) -> None:
    part = part_of(tmp_path, *([one(number, fieldOfTomorrow=1)] for number in range(2 * CHECKED_EVERY + 20)))
    found = loaded(part)

    assert (found.pages, found.pages_checked) == (2 * CHECKED_EVERY + 20, 3)
    assert found.oddities == {"unknown field: fieldOfTomorrow": 3}


def test_examples_are_the_first_of_each_field_up_to_a_maximum(tmp_path: Path) -> None:
    odd = {f"field{number}": number for number in range(EXAMPLES_MAX + 10)}
    found = loaded(part_of(tmp_path, [one(1, **odd), one(2, **odd)]))

    assert len(found.oddities) == EXAMPLES_MAX + 10
    assert set(found.oddities.values()) == {2}
    assert [each.conversation_id for each in found.examples] == [ID.format(1)] * EXAMPLES_MAX


def test_half_a_character_is_replaced_and_named(tmp_path: Path) -> None:
    body = msgspec.json.encode({"conversations": [one(1, externalTag="HALF")], "totalHits": 1})
    part = part_of(tmp_path, body.replace(b"HALF", rb"cut here: \ud83d"))
    found = loaded(part)

    assert numbers(part) == [1]
    assert [(each.path, each.value) for each in found.examples] == [("$", "half of a surrogate pair")]


# Names


def test_the_names_of_a_batch_are_asked_for_together_a_hundred_at_a_time(tmp_path: Path) -> None:
    pages = [[one(at + i, userId=USER.format(at + i)) for i in range(50)] for at in range(0, 450, 50)]
    part, ask = part_of(tmp_path, *pages), Users()
    loaded(part, ask=ask)

    assert [len(asked) for asked in ask.asked] == [100, 100, 100, 100, 50]
    assert rows(part) == [[str(number), f"Agent {number}"] for number in range(450)]


def test_a_batch_is_bounded_and_no_name_is_asked_for_twice(tmp_path: Path) -> None:
    count = BATCH + 200
    pages = [[one(at + i, userId=USER.format((at + i) % 150)) for i in range(100)] for at in range(0, count, 100)]
    part, ask = part_of(tmp_path, *pages), Users()
    loaded(part, ask=ask)

    assert [len(asked) for asked in ask.asked] == [100, 50]
    assert len(rows(part)) == count


def test_names_that_are_not_available_are_asked_for_once_and_named_with_the_reason(tmp_path: Path) -> None:
    part, ask = part_of(tmp_path, [one(number, userId=USER.format(number)) for number in range(250)]), Users("403 no")
    found = loaded(part, ask=ask)

    assert len(ask.asked) == 1
    assert found.names_unavailable == {"users": "403 no"}
    assert rows(part) == [[str(number), USER.format(number)] for number in range(250)]


def test_threads_can_share_a_name_source() -> None:
    ask = Users()
    source = NameSource(ask)
    wanted: list[tuple[Kind, str]] = [("users", USER.format(number)) for number in range(150)]
    threads = [threading.Thread(target=source.prepare, args=(wanted,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [len(asked) for asked in ask.asked] == [100, 50]


# Names, in a whole export

QUEUE = "00000000-0000-4000-8000-0000000000aa"


def call(number: int) -> Tree:
    """A call of that number's own agent, a minute after the one before."""
    minute = f"2026-01-05T{number // 60:02}:{number % 60:02}"
    segments = [{"segmentType": "interact", "segmentStart": f"{minute}:00.000Z", "queueId": QUEUE}]
    session = {"mediaType": "voice", "sessionId": f"s{number}", "segments": segments}
    person = {"purpose": "agent", "participantId": f"p{number}", "userId": USER.format(number), "sessions": [session]}
    return {
        "conversationId": ID.format(number),
        "conversationStart": f"{minute}:00.000Z",
        "conversationEnd": f"{minute}:30.000Z",
        "participants": [person],
    }


def recorded(count: int, entities: dict[str, list[Tree]] | None = None) -> Org:
    """An org with that many calls on Monday, each by an agent of its own."""
    users = [{"id": USER.format(number), "name": f"Agent {number}", "state": "active"} for number in range(count)]
    return org(world=Recorded([call(number) for number in range(count)], entities or {"users": users}))


def asked(where: Org, path: str) -> list[Any]:
    return [served for served in where.sandbox.requests if served.path == path]


def test_users_are_looked_up_by_the_hundred(output: Path) -> None:
    where = recorded(450)
    where.export(output, executor=SerialExecutor(9))
    batches = [dict(served.parameters)["id"].split(",") for served in asked(where, "/api/v2/users")]

    assert [len(batch) for batch in batches] == [100, 100, 100, 100, 50]
    assert len({each for batch in batches for each in batch}) == 450
    assert [row["agentName"] for row in read_csv(output)] == [f"Agent {number}" for number in range(450)]


def test_a_user_that_nobody_knows_keeps_its_id_and_is_asked_for_once(output: Path) -> None:
    where = recorded(150, {"users": []})
    where.export(output)

    assert [row["agentName"] for row in read_csv(output)] == [USER.format(number) for number in range(150)]
    assert len(asked(where, "/api/v2/users")) <= 2


def test_queues_codes_and_divisions_are_listed_once(output: Path) -> None:
    where = org(conversations_per_day=60, flat=True)
    where.export(output, WEEK, executor=SerialExecutor(20), view="extended", page_size=20)

    for kind in ("routing/queues", "routing/wrapupcodes", "authorization/divisions"):
        assert len(asked(where, f"/api/v2/{kind}")) == 1


def test_only_names_that_a_column_needs_are_looked_up(output: Path) -> None:
    where = org(conversations_per_day=50, flat=True)
    where.export(output, columns=["conversationId", "duration"])

    assert not [served.path for served in where.sandbox.requests if served.method == "GET"]


class Listening:
    """Keeps the notices."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def report(self, event: Event) -> None:
        self.notices += [event.message] if isinstance(event, Noticed) else []


@pytest.mark.parametrize(("kind", "requests"), [("403", 1), ("404", 1), ("400", 3)])
def test_unavailable_names_are_reported_once(output: Path, kind: str, requests: int) -> None:
    """A 400 may mean that too many ids were asked for at once: smaller batches are tried."""
    where, listening = recorded(350), Listening()
    where.sandbox.faults.on(None, kind, path="/api/v2/users")
    summary = where.export(output, progress=listening, executor=SerialExecutor(7))

    assert len(asked(where, "/api/v2/users")) == requests
    assert len(listening.notices) == 1
    assert listening.notices[0].startswith(f"The names of users cannot be looked up ({kind} ")
    assert set(manifest_of(output)["namesUnavailable"]) == {"users"}
    assert {row["agentName"] for row in read_csv(output)} == {USER.format(number) for number in range(350)}
    assert_proven(where, summary, output)
