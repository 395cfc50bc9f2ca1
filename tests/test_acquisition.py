from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everycall import Interval, Query
from everycall.acquire.coordinator import HELD_MAX, OPEN_MAX, Digest
from everycall.api.exchange import Response
from everycall.api.query import Filters
from everycall.executor import SerialExecutor
from everycall.instants import text
from everycall.progress import Event, Noticed, PageRead
from everycall.sandbox import QUERY, Switches
from everycall.sandbox.answers import Request
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.traffic import Sketch
from inprocess import MONDAY, WEEK, Org, assert_proven, manifest_of, org, read_csv

QUEUE = "00000000-0000-4000-8000-0000000000aa"
THREE_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-26T00:00:00.000Z"


class Listening:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notices(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noticed)]


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


def asked(where: Org, path: str) -> list[Any]:
    return [served for served in where.sandbox.requests if served.path == path]


# What is asked, and in which order


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_pages_of_the_earliest_window_are_asked_first(output: Path, size: int) -> None:
    where = flat(40)
    where.export(output, THREE_WEEKS, executor=SerialExecutor(size))
    later_pages = [window for window, number in where.pages if number > 1]

    assert later_pages == sorted(later_pages)
    assert len(set(later_pages)) == 3


def test_a_window_is_asked_page_by_page_then_past_its_end_then_counted(output: Path) -> None:
    where = flat(250)
    where.export(output)
    sizes = [(served.body["paging"]["pageNumber"], served.body["paging"]["pageSize"]) for served in where.queries]

    assert sizes == [(1, 100), (2, 100), (3, 100), (4, 100), (1, 1)]


def test_every_question_is_ordered_and_carries_the_filters(output: Path) -> None:
    where = flat(50)
    filters = Filters.of(media_types=["voice"])
    where.export(output, query=Query(Interval.read(MONDAY), filters))

    assert {frozenset(served.body) for served in where.queries} == {
        frozenset({"interval", "order", "orderBy", "segmentFilters", "paging"})
    }
    assert all(served.body["segmentFilters"] == filters.lists["segmentFilters"] for served in where.queries)


@pytest.mark.parametrize("size", [2, 5, 40])
def test_no_more_is_under_way_than_the_crew_takes(output: Path, size: int) -> None:
    most = 0

    class Counting(SerialExecutor):
        def next(self) -> Any:
            nonlocal most
            most = max(most, len(self._jobs))
            return super().next()

    where = flat(60)
    where.export(output, WEEK, executor=Counting(size), columns=["conversationId"], page_size=20)

    assert 1 < most <= size


def test_a_few_windows_are_under_way_at_once_and_no_more(output: Path) -> None:
    """Fourteen windows whose first page has to come before there is anything else to ask."""
    under_way: list[int] = []

    class Counting(SerialExecutor):
        def next(self) -> Any:
            under_way.append(len(self._jobs))
            return super().next()

    where = flat(3)
    interval = "2025-11-03T00:00:00.000Z/2026-02-09T00:00:00.000Z"
    summary = where.export(output, interval, executor=Counting(40), columns=["conversationId", "startTime", "endTime"])

    assert under_way[0] == max(under_way) == OPEN_MAX
    assert len(summary.entries) == 14
    assert_proven(where, summary, output, interval)


def test_a_window_that_holds_too_much_is_split_by_days(output: Path) -> None:
    where = flat(40)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=70_000)
    summary = where.export(output, WEEK)

    assert [entry.window.length for entry in summary.entries] == [timedelta(days=1)] * 7
    assert_proven(where, summary, output, WEEK)


def test_pages_that_were_too_large_are_too_large_for_the_next_window_as_well(output: Path) -> None:
    where = flat(8)
    where.sandbox.faults.on(None, "too_large", path=QUERY, page_size=50)
    summary = where.export(output, THREE_WEEKS)
    sizes = [served.body["paging"]["pageSize"] for served in where.queries]

    assert sizes.count(100) == 1
    assert_proven(where, summary, output, THREE_WEEKS)


# Names


def test_the_pieces_of_a_window_are_asked_in_the_order_of_time(output: Path) -> None:
    """A stream's rows come out in that order, and would wait for the first piece."""
    where = flat(4)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=70_000)
    where.export(output, WEEK)
    whole, *pieces = [window for window, number in where.pages if number == 1]

    assert (whole, len(pieces)) == (WEEK, 7)
    assert pieces == sorted(pieces)


def test_users_are_looked_up_by_the_hundred(output: Path) -> None:
    where = recorded(450)
    where.export(output, executor=SerialExecutor(9))
    batches = [dict(served.parameters)["id"].split(",") for served in asked(where, "/api/v2/users")]

    assert max(map(len, batches)) <= 100
    assert sum(map(len, batches)) == len({one for batch in batches for one in batch}) == 450
    assert len(batches) <= 6
    assert [row["agentName"] for row in read_csv(output)] == [f"Agent {number}" for number in range(450)]


def test_a_user_that_nobody_knows_keeps_its_id_and_is_asked_for_once(output: Path) -> None:
    where = recorded(150, {"users": []})
    where.export(output)

    assert [row["agentName"] for row in read_csv(output)] == [user(number) for number in range(150)]
    assert len(asked(where, "/api/v2/users")) <= 2


def test_a_kind_that_is_listed_is_listed_once(output: Path) -> None:
    where = flat(60)
    where.export(output, WEEK, executor=SerialExecutor(20), view="extended", page_size=20)

    for kind in ("routing/queues", "routing/wrapupcodes", "authorization/divisions"):
        assert len(asked(where, f"/api/v2/{kind}")) == 1


def test_no_name_is_asked_for_that_no_column_needs(output: Path) -> None:
    where = flat(50)
    where.export(output, columns=["conversationId", "duration"])

    assert {served.path for served in where.sandbox.requests} == {QUERY, "/oauth/token"}


@pytest.mark.parametrize("kind", ["403", "404", "400"])
def test_names_that_cannot_be_had_are_noticed_once(output: Path, kind: str) -> None:
    where = recorded(350)
    where.sandbox.faults.on(None, kind, path="/api/v2/users")
    listening = Listening()
    summary = where.export(output, progress=listening, executor=SerialExecutor(7))

    assert len(asked(where, "/api/v2/users")) == 1
    assert len(listening.notices) == 1
    assert listening.notices[0].startswith(f"Names of users cannot be looked up ({kind} ")
    assert set(manifest_of(output)["namesUnavailable"]) == {"users"}
    assert {row["agentName"] for row in read_csv(output)} == {user(number) for number in range(350)}
    assert_proven(where, summary, output)


def test_pages_that_wait_for_names_are_bounded(output: Path) -> None:
    class NamesLast(SerialExecutor):
        """Does whatever else there is to do before it asks for names."""

        def next(self) -> Any:
            for _ in range(len(self._jobs)):
                if "_submit_names" in self._jobs[0].__qualname__:
                    self._jobs.rotate(-1)
            return super().next()

    where = recorded(1440)
    summary = where.export(output, executor=NamesLast(10), page_size=10)
    paths = [served.path for served in where.sandbox.requests]

    assert HELD_MAX <= paths[: paths.index("/api/v2/users")].count(QUERY) < HELD_MAX + 10
    assert_proven(where, summary, output)


# What came


class WithoutInstants(Recorded):
    """A world that tells nothing but ids."""

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        return {"conversationId": super().conversation(sketch, now_ms)["conversationId"]}


def test_a_conversation_that_fits_any_window_is_in_one_of_them(output: Path) -> None:
    """The API may count the day at whose beginning an interval ends, and so return Monday's for the week before."""
    switches = Switches(match="day", end_at_midnight_touches_next_day=True)
    where = org(world=WithoutInstants([call(1), call(2)], {}), switches=switches)
    summary = where.export(output, "2025-12-29T00:00:00.000Z/2026-01-12T00:00:00.000Z")

    assert [entry.unique_ids for entry in summary.entries] == [2, 2]
    assert [entry.rows for entry in summary.entries] == [2, 0]
    assert len(read_csv(output)) == 2


class WithoutStarts(Recorded):
    """A world whose index knows when conversations started, and does not say so in a way that can be read."""

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        return super().conversation(sketch, now_ms) | {"conversationStart": "soon"}


def test_a_conversation_without_a_readable_start_belongs_to_the_window_of_its_first_segment(output: Path) -> None:
    across_noon = call(719) | {"conversationEnd": "2026-01-05T12:30:00.000Z"}
    where = org(world=WithoutStarts([across_noon], {}))
    midnight, noon, next_midnight = "2026-01-05T00:00:00Z", "2026-01-05T12:00:00Z", "2026-01-06T00:00:00Z"
    morning = where.export(output, f"{midnight}/{noon}").manifest
    afternoon = where.export(output, f"{noon}/{next_midnight}", fresh=True).manifest

    assert (morning["rows"], morning["carriedIn"]) == (1, 0)
    assert (afternoon["rows"], afternoon["carriedIn"]) == (0, 1)


class SlowNames(SerialExecutor):
    """The second look-up comes when nothing else is out."""

    def __init__(self) -> None:
        super().__init__(5)
        self._late: list[Any] = []
        self._look_ups = 0

    def next(self) -> Any:
        while self._jobs:
            result = super().next()
            is_look_up = hasattr(result, "found")
            self._look_ups += is_look_up
            if not is_look_up or self._look_ups != 2:
                return result
            self._late.append(result)
        return self._late.pop()


class Changing(Recorded):
    """Each time that it is told, the third conversation has changed."""

    told = 0

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        conversation = super().conversation(sketch, now_ms)
        if not sketch.conversation_id.endswith("2"):
            return conversation
        self.told += 1
        return {**conversation, "conversationEnd": f"2026-01-05T00:05:0{self.told}.000Z"}


def test_a_version_that_waits_for_names_does_not_replace_a_newer_one(output: Path) -> None:
    """Its page came with the first reading; the second one has the rest of that page no more, and waits for nothing."""
    calls = [call(number, userId=user(9 if number == 3 else 1)) for number in range(4)]
    where = org(world=Changing(calls))
    for number in (1, 6):  # of each reading, one page comes short: only together are they whole
        where.sandbox.faults.on(number, "short_page", path=QUERY)
    summary = where.export(output, executor=SlowNames(), page_size=2)
    (entry,) = summary.entries
    ends = {row["conversationId"][-1]: row["endTime"] for row in read_csv(output)}

    assert (summary.verdict, entry.re_reads) == ("proven", 1)
    assert ends["2"] == "2026-01-05T00:05:02.000Z"


def test_a_window_is_counted_as_of_when_its_last_count_was_asked_for(output: Path) -> None:
    """Not as of its answer, and not as of the end of the export: what arrives meanwhile may be missing."""
    where = flat(8)
    where.sandbox.faults.on(1, "total_hits", path=QUERY)  # so that it is read twice
    sent: list[str] = []

    def travel(_: Request) -> None:
        sent.append(text(where.clock.utc()))
        where.clock.advance(1)

    where.connection.before = travel
    (entry,) = where.export(output).entries

    assert (entry.verdict, entry.re_reads) == ("proven", 1)
    assert entry.counted_at == sent[-1]


class Ending(Recorded):
    """The third conversation ends once it was told for the first time."""

    told = 0

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        conversation = super().conversation(sketch, now_ms)
        self.told += sketch.conversation_id.endswith("2")
        is_live = sketch.conversation_id.endswith("3") or (sketch.conversation_id.endswith("2") and self.told == 1)
        return {name: value for name, value in conversation.items() if name != "conversationEnd" or not is_live}


def test_open_are_those_without_an_end_in_the_version_that_is_kept(output: Path) -> None:
    where = org(world=Ending([call(number, userId=user(1)) for number in range(4)]))
    where.sandbox.faults.on(1, "short_page", path=QUERY)  # so that it is read twice
    (entry,) = where.export(output, page_size=2).entries

    without_end = [row["conversationId"] for row in read_csv(output) if not row["endTime"]]
    assert (entry.verdict, entry.re_reads, entry.open) == ("proven", 1, 1)
    assert list(entry.open_conversations) == without_end == [call(3)["conversationId"]]


def test_half_a_character_that_was_mended_is_said() -> None:
    body = rb'{"conversations":[{"conversationId":"c","externalTag":"cut here: \ud83d"}],"totalHits":1}'
    digest = Digest.of(Response(200, {}, body))

    assert len(digest.facts) == 1
    assert [(one.path, one.value) for one in digest.oddities] == [("$", "half of a surrogate pair")]


def test_what_does_not_fit_is_counted_by_field_and_noticed_once(output: Path) -> None:
    where = flat(120)
    where.sandbox.faults.on(None, "new_field", path=QUERY)
    listening = Listening()
    where.export(output, progress=listening, executor=SerialExecutor(3))
    manifest = manifest_of(output)

    assert manifest["oddities"]["unknown field: fieldOfTomorrow"] == 120
    assert manifest["oddityExamples"][0]["path"] == "fieldOfTomorrow"
    assert len(listening.notices) == len(manifest["oddityExamples"]) == 2


def test_a_page_of_a_reading_that_was_given_up_leaves_no_trace(output: Path) -> None:
    where = recorded(8)
    where.sandbox.faults.on(None, "new_field", path=QUERY)
    where.sandbox.faults.on(2, "too_large", path=QUERY, page_size=1)  # by then, the others are under way
    summary = where.export(output, page_size=2, executor=SerialExecutor(5))
    first_page, all_again = 2, 8

    assert_proven(where, summary, output)
    assert manifest_of(output)["oddities"]["unknown field: fieldOfTomorrow"] == first_page + all_again


def test_a_conversation_without_a_start_is_kept(output: Path) -> None:
    broken = call(1) | {"conversationStart": "2026-01-05T00:01:00.000Z"}
    where = org(world=Recorded([call(0), broken]))
    where.sandbox.faults.on(None, "null", path=QUERY, name="conversationStart")
    summary = where.export(output)

    assert (summary.verdict, summary.rows) == ("proven", 2)
    assert [row["startTime"] for row in read_csv(output)] == ["", ""]


def test_a_conversation_without_an_id_cannot_be_proven(output: Path) -> None:
    where = org(world=Recorded([call(0)]))
    where.sandbox.faults.on(None, "null", path=QUERY, name="conversationId")
    summary = where.export(output)

    assert (summary.verdict, summary.rows) == ("unproven", 0)
    assert manifest_of(output)["oddities"]


def test_covered_time_never_runs_backwards_nor_over_the_end(output: Path) -> None:
    where = flat(130)
    where.sandbox.faults.on(4, "short_page", path=QUERY)
    listening = Listening()
    where.export(output, WEEK, progress=listening, executor=SerialExecutor(5))
    covered = [event.covered for event in listening.events if isinstance(event, PageRead)]

    assert covered == sorted(covered)
    assert covered[-1] <= timedelta(days=7)


def test_what_is_open_is_a_row(output: Path) -> None:
    """The first pass does not agree with its count; the second one does, without the one that left meanwhile."""
    alive = {name: value for name, value in call(3).items() if name != "conversationEnd"}
    where = org(world=Recorded([call(0), call(1), call(2), alive]))
    where.sandbox.faults.on(1, "short_page", path=QUERY)
    where.sandbox.faults.on(range(5, 99), "unseen", path=QUERY, conversation_id=alive["conversationId"])
    summary = where.export(output, page_size=2)
    (entry,) = summary.entries

    rows = [row["conversationId"] for row in read_csv(output) if not row["endTime"]]
    assert (entry.verdict, entry.re_reads) == ("proven", 1)
    assert list(entry.open_conversations) == rows
    assert entry.open == len(rows)
