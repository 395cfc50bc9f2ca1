"""Conversations that a window returns and that are not its own: left to their owner, kept as strays, or unproven."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import Interval
from everycall.acquire.settling import STRAYS_MAX, contains, owned_twice, with_ids, without_ids
from everycall.executor import SerialExecutor
from everycall.instants import DAY
from everycall.progress import Event, WindowClosed
from everycall.sandbox import QUERY, Switches
from everycall.sandbox.answers import Request
from everycall.setup import Environment
from everycall.verification import repair, verify
from inprocess import MONDAY, Org, assert_proven, assert_whole, manifest_of, org, read_csv
from tampering import Tampering, Tree, adding, asked_by_id, restarting, tampered

FIRST_WEEK = "2026-01-05T00:00:00.000Z/2026-01-12T00:00:00.000Z"
SECOND_WEEK = "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"
TWO_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-19T00:00:00.000Z"
SECOND_MONDAY = "2026-01-12T00:00:00.000Z/2026-01-13T00:00:00.000Z"
NO_DATE = "0001-01-01T00:00:00.000Z"
ONE_BY_ONE = Environment(executor=SerialExecutor())
STRAY = "00000000-0000-4000-8000-0000000000ff"


def call(number: int, start: str) -> Tree:
    """A conversation that starts then, and lasts a second."""
    return {
        "conversationId": f"00000000-0000-4000-8000-{number:012}",
        "conversationStart": start,
        "conversationEnd": start[:20] + "999Z",
    }


CALLS = [call(day, f"2026-01-{day:02}T10:00:00.000Z") for day in range(5, 19)]
"""One a day, for two weeks."""


def ids(output: Path) -> list[str]:
    return sorted(row["conversationId"] for row in read_csv(output))


def strays(output: Path) -> list[list[tuple[str, str]]]:
    """(conversationId, reason) of the strays of each window."""
    return [[(one["conversationId"], one["reason"]) for one in window["strays"]] for window in windows(output)]


def windows(output: Path) -> Any:
    return manifest_of(output)["windows"]


def all_ids(*more: str) -> list[str]:
    return sorted([*(one["conversationId"] for one in CALLS), *more])


# Kept as strays


@pytest.mark.parametrize("start", [NO_DATE, "2009-12-31T23:59:59.999Z", "2031-01-01T00:00:00.000Z", "soon", None])
def test_a_conversation_whose_start_is_no_plausible_date_is_kept_and_named(output: Path, start: Any) -> None:
    where = tampered(restarting(CALLS[2]["conversationId"], start), conversations=CALLS)
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, ids(output)) == ("proven", all_ids())
    assert strays(output) == [[(CALLS[2]["conversationId"], "its start is not a plausible date")], []]
    assert manifest_of(output)["strays"] == 1
    assert asked_by_id(where) == []
    assert_whole(summary, output)


@pytest.mark.parametrize(
    ("filed", "exported_rows", "kept_in"),
    [
        ("2026-01-11T23:59:59.999Z", "2026-01-12T00:00:00.002Z", 0),
        ("2026-01-12T00:00:00.001Z", "2026-01-11T23:59:59.998Z", 1),
    ],
)
def test_a_conversation_indexed_under_the_neighbouring_day_is_kept_once(
    output: Path, filed: str, exported_rows: str, kept_in: int
) -> None:
    """Its start is three milliseconds across the midnight between two windows."""
    late = call(99, filed)
    where = tampered(restarting(late["conversationId"], exported_rows), conversations=[*CALLS, late])
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, ids(output)) == ("proven", all_ids(late["conversationId"]))
    reason = "the day on which it starts does not have it"
    assert strays(output)[kept_in] == [(late["conversationId"], reason)]
    assert strays(output)[1 - kept_in] == []
    assert [found for found, _ in asked_by_id(where)] == [late["conversationId"]]


@pytest.mark.parametrize("fault", ["403", "503", "504"])
def test_a_stray_whose_day_cannot_be_asked_for_it_is_kept_and_leaves_its_window_unproven(
    output: Path, fault: str
) -> None:
    late = call(99, "2026-01-11T23:59:59.999Z")
    where = tampered(restarting(late["conversationId"], "2026-01-12T00:00:00.002Z"), conversations=[*CALLS, late])
    where.sandbox.faults.on(lambda request: late["conversationId"].encode() in request.body, fault, path=QUERY)
    summary = where.export(output, TWO_WEEKS)

    assert ids(output) == all_ids(late["conversationId"])
    assert [entry.verdict for entry in summary.entries] == ["unproven", "proven"]
    assert "could not be asked for it" in summary.entries[0].reason


def test_a_stray_is_kept_once_although_several_windows_return_it(output: Path) -> None:
    """Both weeks return a conversation without a plausible start."""
    lost = call(0, NO_DATE) | {"conversationId": STRAY}
    where = tampered(adding(lost, FIRST_WEEK, SECOND_WEEK), conversations=CALLS)
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, ids(output)) == ("proven", all_ids(STRAY))
    assert [len(each) for each in strays(output)] == [1, 0]
    assert [window["carriedIn"] for window in windows(output)] == [0, 1]
    assert_whole(summary, output)


def test_a_stray_is_kept_once_although_the_export_was_interrupted_in_between(output: Path) -> None:
    """The resumed run has to know from the ledger that the first week keeps the stray."""
    lost = call(0, NO_DATE) | {"conversationId": STRAY}
    where = tampered(adding(lost, FIRST_WEEK, SECOND_WEEK), conversations=CALLS)
    where.connection.before = interrupted_at(SECOND_WEEK)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, TWO_WEEKS)
    where.connection.before = lambda _: None
    summary = where.export(output, TWO_WEEKS)

    assert (summary.resumed_windows, ids(output)) == (1, all_ids(STRAY))
    assert [len(each) for each in strays(output)] == [1, 0]


def interrupted_at(interval: str) -> Any:
    """Ctrl-C, when the second page of that window is asked for."""

    def interrupt(request: Request) -> None:
        if interval.encode() in request.body and b'"pageNumber":2' in request.body.replace(b" ", b""):
            raise KeyboardInterrupt

    return interrupt


def test_a_stray_without_an_end_is_among_the_open_ones(output: Path) -> None:
    lost = {"conversationId": STRAY, "conversationStart": NO_DATE}
    tampered(adding(lost, FIRST_WEEK), conversations=CALLS).export(output, TWO_WEEKS)

    assert windows(output)[0]["openConversations"] == [STRAY]


def test_a_conversation_that_another_day_has_outside_the_export_is_left_to_it(output: Path) -> None:
    """A window returns a conversation of an earlier day, and that day has it."""
    other = call(1, "2025-12-01T10:00:00.000Z")
    where = tampered(adding(other, FIRST_WEEK), conversations=[*CALLS, other])
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, ids(output), strays(output)) == ("proven", all_ids(), [[], []])
    assert asked_by_id(where) == [(other["conversationId"], "2025-12-01T00:00:00.000Z/2025-12-02T00:00:00.000Z")]
    assert windows(output)[0]["carriedIn"] == 1


@pytest.mark.parametrize("count", [STRAYS_MAX, STRAYS_MAX + 1])
def test_more_strays_than_the_maximum_leave_a_window_unproven(output: Path, count: int) -> None:
    calls = [call(number, f"2026-01-05T10:{number:02}:00.000Z") for number in range(50)]
    changes = [restarting(one["conversationId"], NO_DATE) for one in calls[:count]]
    summary = tampered(*changes, conversations=calls).export(output)

    if count == STRAYS_MAX:
        assert (summary.verdict, summary.rows) == ("proven", 50)
    else:
        assert (summary.verdict, summary.rows) == ("unproven", 50 - count)
        assert "21 conversations came that start on days that were not asked for" in summary.unproven[0].reason
    assert_whole(summary, output)


# Answers for another day


@pytest.mark.parametrize("count", [3, 250])
def test_answers_for_another_day_prove_nothing(output: Path, count: int) -> None:
    """Something between the client and the API answers a question that was not asked."""
    where = tampered(conversations_per_day=count, flat=True)
    assert isinstance(where.connection, Tampering)
    where.connection.ask = lambda asked: {**asked, "interval": "2025-12-08T00:00:00.000Z/2025-12-09T00:00:00.000Z"}
    summary = where.export(output)

    assert (summary.verdict, summary.rows) == ("unproven", 0)
    assert "days that were not asked for" in summary.unproven[0].reason
    assert_whole(summary, output)


def test_one_page_of_another_day_proves_nothing(output: Path) -> None:
    """A cache, say: the count is right, and the rows of the second page are not."""
    where = tampered(conversations_per_day=150, flat=True)
    other = where.sandbox.store.conversations("2025-12-08T00:00:00.000Z/2025-12-09T00:00:00.000Z")[:50]

    def cached(asked: Tree, found: Tree) -> Tree:
        is_second = asked["paging"] == {"pageSize": 100, "pageNumber": 2}
        return {**found, "conversations": other} if is_second else found

    assert isinstance(where.connection, Tampering)
    where.connection.answer = cached
    summary = where.export(output)

    assert summary.verdict == "unproven"
    assert "an answer held only conversations of days that were not asked for" in summary.unproven[0].reason


# Left to their owner


def test_windows_inside_a_day_that_return_what_others_own_stay_proven(output: Path) -> None:
    """A window that begins inside a day also returns what started earlier that day."""
    where = org(conversations_per_day=300, flat=True)
    where.sandbox.faults.on(1, "total_hits", path=QUERY, off=99_800)  # so that the day is cut
    summary = where.export(output, route="query")

    assert len(summary.entries) > 1
    assert sum(entry.carried_in for entry in summary.entries) > 0
    assert asked_by_id(where) == []
    assert_proven(where, summary, output)


def touching(**settings: Any) -> Org:
    """An org whose API returns, with each window, also the day at whose midnight it ends."""
    return org(conversations=CALLS, switches=Switches(match="day", end_at_midnight_touches_next_day=True), **settings)


def test_a_conversation_left_to_another_window_is_among_its_ids(output: Path) -> None:
    where = touching()
    summary = where.export(output, TWO_WEEKS)

    assert summary.entries[0].carried_in == 1
    assert (ids(output), asked_by_id(where), strays(output)) == (all_ids(), [], [[], []])
    assert_proven(where, summary, output, TWO_WEEKS)


def hiding(where: Org, unseen_in: str, conversation_id: str) -> None:
    """The API does not know of the conversation where it is asked with these words."""
    where.sandbox.faults.on(
        lambda request: unseen_in.encode() in request.body, "unseen", path=QUERY, conversation_id=conversation_id
    )


LEFT = CALLS[7]["conversationId"]
"""It starts on the second Monday, and comes with the first week, too."""


def test_a_stray_that_its_day_does_not_have_is_kept_in_the_window_that_returned_it(output: Path) -> None:
    where = touching()
    hiding(where, "2026-01-12T00:00:00.000Z/", LEFT)
    summary = where.export(output, TWO_WEEKS)

    assert ids(output) == all_ids()
    assert strays(output) == [[(LEFT, "the day on which it starts does not have it")], []]
    assert asked_by_id(where) == [(LEFT, SECOND_MONDAY)]
    assert_whole(summary, output)


def test_a_conversation_that_reached_its_own_day_after_it_was_read_is_counted_as_late(output: Path) -> None:
    """As of its count, the owner's proof holds: `verify` finds that it has changed since."""
    where = touching()
    hiding(where, SECOND_WEEK, LEFT)
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, strays(output)) == ("proven", [[], []])
    assert ids(output) == [found for found in all_ids() if found != LEFT]
    assert [window["late"] for window in windows(output)] == [1, 0]
    assert asked_by_id(where) == [(LEFT, SECOND_MONDAY)]
    assert_whole(summary, output)


MANY = [call(100 + number, f"2026-01-12T00:{number:02}:00.000Z") for number in range(STRAYS_MAX + 1)]
"""More than strays may be, all on the second Monday: they come with the first week, too."""


def forgetful(lies: int) -> Org:
    """An org whose first answers about the second week, so many, have no conversations."""
    where = tampered(
        conversations=[*CALLS, *MANY], switches=Switches(match="day", end_at_midnight_touches_next_day=True)
    )
    left = [None] * lies

    def answer(asked: Tree, found: Tree) -> Tree:
        if asked["interval"] != SECOND_WEEK or not left:
            return found
        left.pop()
        return {"totalHits": 0}

    assert isinstance(where.connection, Tampering)
    where.connection.answer = answer
    return where


def test_a_window_that_lacks_many_conversations_which_another_one_returned_is_read_again(output: Path) -> None:
    where = forgetful(lies=2)  # its first page, and the count
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, ids(output)) == ("proven", all_ids(*(one["conversationId"] for one in MANY)))
    assert [interval for interval, number in where.pages if number == 1] == [FIRST_WEEK, SECOND_WEEK, SECOND_WEEK]
    assert (strays(output), [window["late"] for window in windows(output)]) == ([[], []], [0, 0])
    assert_whole(summary, output)


def test_a_window_that_lacks_many_conversations_is_read_again_once(output: Path) -> None:
    where = forgetful(lies=100)
    summary = where.export(output, TWO_WEEKS)

    assert [entry.verdict for entry in summary.entries] == ["unproven", "proven"]
    assert (
        f"{STRAYS_MAX + 2} conversations came that start on days that were not asked for" in summary.unproven[0].reason
    )
    assert [interval for interval, number in where.pages if number == 1] == [FIRST_WEEK, SECOND_WEEK, SECOND_WEEK]


class InterruptedAtTheFirstWindow:
    """Ctrl-C, once a window is done."""

    def report(self, event: Event) -> None:
        """See `Progress.report`."""
        if isinstance(event, WindowClosed):
            raise KeyboardInterrupt


def test_a_resumed_export_reads_a_window_again_that_lacks_many_conversations(output: Path) -> None:
    """The second week is done first: the first week waits for it."""
    where = forgetful(lies=2)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, TWO_WEEKS, progress=InterruptedAtTheFirstWindow())
    summary = where.export(output, TWO_WEEKS)

    assert (summary.verdict, ids(output)) == ("proven", all_ids(*(one["conversationId"] for one in MANY)))
    assert [interval for interval, number in where.pages if number == 1].count(SECOND_WEEK) == 2


# Owned twice


def moved(start: str) -> Tree:
    """The first conversation, with another start."""
    return {**CALLS[0], "conversationStart": start}


def test_a_conversation_with_different_starts_in_two_windows_is_one_row_of_the_later_reading(output: Path) -> None:
    """Its start changed between the two readings, from one week to the other."""
    later = moved("2026-01-14T09:00:00.000Z")
    where = tampered(adding(later, SECOND_WEEK), conversations=CALLS)
    summary = where.export(output, TWO_WEEKS)
    rows = {row["conversationId"]: row["startTime"] for row in read_csv(output)}

    assert (summary.verdict, ids(output)) == ("proven", all_ids())
    assert rows[later["conversationId"]] == "2026-01-14T09:00:00.000Z"
    assert [interval for interval, number in where.pages if number == 1] == [FIRST_WEEK, SECOND_WEEK, FIRST_WEEK]
    assert [window["rows"] for window in windows(output)] == [6, 8]
    assert_whole(summary, output)


def test_a_stray_stays_where_its_window_is_read_again(output: Path) -> None:
    """The window is read again, since another one has a later reading of something else."""
    lost = call(0, NO_DATE) | {"conversationId": STRAY}
    later = moved("2026-01-14T09:00:00.000Z")
    where = tampered(adding(lost, FIRST_WEEK), adding(later, SECOND_WEEK), conversations=CALLS)
    where.export(output, TWO_WEEKS)

    assert [interval for interval, number in where.pages if number == 1] == [FIRST_WEEK, SECOND_WEEK, FIRST_WEEK]
    assert (ids(output), [len(each) for each in strays(output)]) == (all_ids(STRAY), [1, 0])


def test_a_proven_window_keeps_the_stray_that_an_unproven_one_returned_later(output: Path) -> None:
    """The unproven window will be read again, and may not have it by then. It settles first: it has no day to ask."""
    lost = call(0, NO_DATE) | {"conversationId": STRAY}
    other = call(1, "2025-12-01T10:00:00.000Z")
    where = tampered(
        adding(other, FIRST_WEEK), adding(lost, FIRST_WEEK), answering(lost, SECOND_WEEK), conversations=[*CALLS, other]
    )
    summary = where.export(output, TWO_WEEKS, executor=SerialExecutor(3))

    assert [entry.verdict for entry in summary.entries] == ["proven", "unproven"]
    assert strays(output) == [[(STRAY, "its start is not a plausible date")], []]


def answering(conversation: Tree, interval: str) -> Callable[[Tree, Tree], Tree]:
    """Answers for this interval have that conversation alone."""

    def change(asked: Tree, found: Tree) -> Tree:
        if asked["interval"] != interval:
            return found
        is_first = asked["paging"]["pageNumber"] == 1
        return {"conversations": [conversation] if is_first else [], "totalHits": 1}

    return change


def test_a_repair_takes_a_stray_out_of_a_window_that_holds_once_its_owner_has_it(output: Path) -> None:
    where = touching()
    hiding(where, "2026-01-12T00:00:00.000Z/", LEFT)
    where.export(output, TWO_WEEKS)
    where.sandbox.faults.clear()

    found = verify(where.client, output, environment=ONE_BY_ONE)
    repair(where.client, found, environment=ONE_BY_ONE)

    assert [one.state for one in found.findings] == ["holds", "changed"]
    assert (ids(output), strays(output)) == (all_ids(), [[], []])


def test_windows_read_before_an_interruption_count_as_the_earlier_reading(output: Path) -> None:
    later = moved("2026-01-14T09:00:00.000Z")
    where = tampered(adding(later, SECOND_WEEK), conversations=CALLS)
    where.connection.before = interrupted_at(SECOND_WEEK)
    with pytest.raises(KeyboardInterrupt):
        where.export(output, TWO_WEEKS)
    where.connection.before = lambda _: None
    where.export(output, TWO_WEEKS)

    assert ids(output) == all_ids()
    assert [window["rows"] for window in windows(output)] == [6, 8]


def test_a_stream_gets_a_conversation_whose_start_changed_once(output: Path) -> None:
    """What went out cannot be taken back, so the earlier reading stands."""
    where = tampered(adding(moved("2026-01-14T09:00:00.000Z"), SECOND_WEEK), conversations=CALLS)
    with output.open("wb") as stream:
        summary = where.export(stream, TWO_WEEKS)  # type: ignore[arg-type]

    assert (summary.verdict, ids(output)) == ("proven", all_ids())
    assert [entry.rows for entry in summary.entries] == [7, 7]
    assert [entry.carried_in for entry in summary.entries] == [0, 1]


# Sorted ids

IDS = st.sets(st.binary(min_size=16, max_size=16), max_size=30)


def packed(some: set[bytes]) -> bytes:
    return b"".join(sorted(some))


@given(IDS, IDS)
def test_ids_are_found_added_and_removed_as_in_sets(some: set[bytes], others: set[bytes]) -> None:
    one, *_ = [*some, bytes(16)]
    others = others | {one}
    for id_ in others:
        assert contains(packed(some), id_) == (id_ in some)
    assert with_ids(packed(some), others) == packed(some | others)
    assert without_ids(packed(some), frozenset(others)) == packed(some - others)


@given(st.lists(st.sets(st.integers(0, 40).map(lambda number: (number * 7 % 256).to_bytes(1, "big") * 16)), max_size=5))
def test_ids_that_several_windows_own_are_found_with_those_windows(owners: list[set[bytes]]) -> None:
    start = Interval.read(MONDAY).start
    days = [Interval(start + number * DAY, start + (number + 1) * DAY) for number in range(len(owners))]
    ids_of = dict(zip(days, map(packed, owners), strict=True))
    expected = {
        id_: [day for day, some in zip(days, owners, strict=True) if id_ in some] for some in owners for id_ in some
    }

    assert owned_twice(days, ids_of.get) == {id_: those for id_, those in expected.items() if len(those) > 1}


def test_windows_with_unknown_ids_share_no_conversation() -> None:
    """The ids of a window that a repair took over are not known."""
    window = Interval.read(MONDAY)

    assert owned_twice([window, window], lambda _: None) == {}
