"""What becomes of the conversations that come: kept once, in their newest version, named where they are odd."""

from pathlib import Path
from typing import Any

from everycall.executor import SerialExecutor
from everycall.progress import Event, Noticed
from everycall.sandbox import QUERY, Switches
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.traffic import Sketch
from inprocess import Org, assert_proven, assert_whole, manifest_of, org, read_csv

QUEUE = "00000000-0000-4000-8000-0000000000aa"
TWO_WEEKS = "2025-12-29T00:00:00.000Z/2026-01-12T00:00:00.000Z"


class Listening:
    """Keeps the notices."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def report(self, event: Event) -> None:
        self.notices += [event.message] if isinstance(event, Noticed) else []


def flat(count: int, **settings: Any) -> Org:
    """An org with so many conversations on every UTC day."""
    return org(conversations_per_day=count, flat=True, **settings)


def call(number: int, **agent: Any) -> dict[str, Any]:
    """A call of that number's own agent, a minute after the one before."""
    minute = f"2026-01-05T{number // 60:02}:{number % 60:02}"
    segments = [{"segmentType": "interact", "segmentStart": f"{minute}:00.000Z", "queueId": QUEUE}]
    session = {"mediaType": "voice", "sessionId": f"s{number}", "segments": segments}
    person = {"purpose": "agent", "participantId": f"p{number}", "userId": user(number), "sessions": [session]} | agent
    return {
        "conversationId": f"00000000-0000-4000-8000-{number:012}",
        "conversationStart": f"{minute}:00.000Z",
        "conversationEnd": f"{minute}:30.000Z",
        "participants": [person],
    }


def user(number: int) -> str:
    return f"00000000-0000-4000-9000-{number:012}"


def recorded(count: int, entities: dict[str, list[dict[str, Any]]] | None = None) -> Org:
    """An org with that many calls on Monday, each by an agent of its own."""
    users = [{"id": user(number), "name": f"Agent {number}", "state": "active"} for number in range(count)]
    return org(world=Recorded([call(number) for number in range(count)], entities or {"users": users}))


class WithoutInstants(Recorded):
    """A world that has nothing but ids."""

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        return {"conversationId": super().conversation(sketch, now_ms)["conversationId"]}


def test_a_conversation_without_a_start_that_two_windows_return_is_exported_once(output: Path) -> None:
    """The API may count the day at whose beginning an interval ends, and so return Monday's for the week before."""
    switches = Switches(match="day", end_at_midnight_touches_next_day=True)
    where = org(world=WithoutInstants([call(1), call(2)], {}), switches=switches)
    summary = where.export(output, TWO_WEEKS)

    assert [entry.unique_ids for entry in summary.entries] == [2, 2]
    assert sorted(entry.rows for entry in summary.entries) == [0, 2]
    assert len(read_csv(output)) == 2
    assert_whole(summary, output)


class Changing(Recorded):
    """Each time that it is asked for, the third conversation has changed."""

    times = 0

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        conversation = super().conversation(sketch, now_ms)
        if not sketch.conversation_id.endswith("2"):
            return conversation
        self.times += 1
        return {**conversation, "conversationEnd": f"2026-01-05T00:05:0{self.times}.000Z"}


def test_where_two_readings_are_put_together_the_newest_version_is_kept(output: Path) -> None:
    where = org(world=Changing([call(number) for number in range(4)]))
    for number in (1, 6):  # of each reading, one page comes short: only together are they whole
        where.sandbox.faults.on(number, "short_page", path=QUERY)
    (entry,) = where.export(output, page_size=2).entries
    ends = {row["conversationId"][-1]: row["endTime"] for row in read_csv(output)}

    assert (entry.verdict, entry.re_reads) == ("proven", 1)
    assert ends["2"] == "2026-01-05T00:05:02.000Z"


class Ending(Recorded):
    """The third conversation ends once it was returned for the first time."""

    times_returned = 0

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        conversation = super().conversation(sketch, now_ms)
        self.times_returned += sketch.conversation_id.endswith("2")
        is_live = sketch.conversation_id.endswith("3") or (
            sketch.conversation_id.endswith("2") and self.times_returned == 1
        )
        return {name: value for name, value in conversation.items() if name != "conversationEnd" or not is_live}


def test_open_conversations_are_those_without_an_end_in_the_kept_version(output: Path) -> None:
    where = org(world=Ending([call(number, userId=user(1)) for number in range(4)]))
    where.sandbox.faults.on(1, "short_page", path=QUERY)  # so that it is read twice
    (entry,) = where.export(output, page_size=2).entries

    without_end = [row["conversationId"] for row in read_csv(output) if not row["endTime"]]
    assert (entry.verdict, entry.re_reads, entry.open) == ("proven", 1, 1)
    assert open_in(output) == without_end == [call(3)["conversationId"]]


def open_in(output: Path) -> Any:
    """The open conversations of the only window; the manifest's file alone has them."""
    (window,) = manifest_of(output)["windows"]
    return window["openConversations"]


def test_an_oddity_is_counted_by_field_and_reported_once(output: Path) -> None:
    where = flat(120)
    where.sandbox.faults.on(None, "new_field", path=QUERY)
    listening = Listening()
    where.export(output, progress=listening, executor=SerialExecutor(3))
    manifest = manifest_of(output)

    assert (manifest["pages"], manifest["pagesChecked"]) == (2, 1)
    assert manifest["oddities"]["unknown field: fieldOfTomorrow"] == 100
    assert manifest["oddityExamples"][0]["path"] == "fieldOfTomorrow"
    assert len(listening.notices) == len(manifest["oddityExamples"]) == 2


def test_a_page_of_an_abandoned_reading_is_not_exported(output: Path) -> None:
    where = recorded(8)
    where.sandbox.faults.on(None, "new_field", path=QUERY)
    where.sandbox.faults.on(2, "too_large", path=QUERY, page_size=1)  # by then, the others are under way
    summary = where.export(output, page_size=2, executor=SerialExecutor(5))
    assert_proven(where, summary, output)
    assert 0 < manifest_of(output)["oddities"]["unknown field: fieldOfTomorrow"] <= 8
    assert manifest_of(output)["pagesChecked"] > 0


def test_a_conversation_without_a_start_is_kept(output: Path) -> None:
    where = org(world=Recorded([call(0), call(1)]))
    where.sandbox.faults.on(None, "null", path=QUERY, name="conversationStart")
    summary = where.export(output)

    assert (summary.verdict, summary.rows) == ("unproven", 2)  # an answer of which nothing is known to be the window's
    assert [row["startTime"] for row in read_csv(output)] == ["", ""]


def without_id(output: Path) -> Any:
    where = org(world=Recorded([call(0)]))
    where.sandbox.faults.on(None, "null", path=QUERY, name="conversationId")
    return where.export(output)


def test_a_conversation_without_an_id_cannot_be_proven(output: Path) -> None:
    summary = without_id(output)

    assert (summary.verdict, summary.rows) == ("unproven", 0)


def test_a_conversation_without_an_id_is_named_in_the_manifest(output: Path) -> None:
    without_id(output)

    assert manifest_of(output)["oddities"]


def test_every_open_conversation_is_a_row_of_the_output(output: Path) -> None:
    """The first pass does not agree with its count; the second one does, without the one that left meanwhile."""
    alive = {name: value for name, value in call(3).items() if name != "conversationEnd"}
    where = org(world=Recorded([call(0), call(1), call(2), alive]))
    where.sandbox.faults.on(1, "short_page", path=QUERY)
    where.sandbox.faults.on(range(5, 99), "unseen", path=QUERY, conversation_id=alive["conversationId"])
    summary = where.export(output, page_size=2)
    (entry,) = summary.entries

    rows = [row["conversationId"] for row in read_csv(output) if not row["endTime"]]
    assert (entry.verdict, entry.re_reads) == ("proven", 1)
    assert open_in(output) == rows
    assert entry.open == len(rows)
