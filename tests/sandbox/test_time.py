"""The org's clock, and what changes after a conversation's end."""

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Caller, Clock

from everycall.sandbox import Org, Sandbox, Store
from everycall.sandbox.clock import RunningClock
from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.stories.late import AFTER_EVALUATION, SETTLED_DAYS, Change, changes, rebuilt_at
from everycall.sandbox.traffic import FOREVER_MS, Sketch

Json = dict[str, Any]

MONDAY = 20_458
TUESDAY = "2026-01-06T00:00:00.000Z/2026-01-07T00:00:00.000Z"
ORG = Org(seed=11, conversations_per_day=1500)


@cache
def ended(days: int = 1) -> tuple[Sketch, ...]:
    first = MONDAY + 1
    return tuple(s for day in range(first, first + days) for s in ORG.day(day) if s.end_ms < FOREVER_MS)


@cache
def changing(what: str = "", days: int = 1) -> tuple[tuple[Sketch, Change], ...]:
    """Conversations that change after their end, with each change."""
    found = ((sketch, change) for sketch in ended(days) for change in changes(sketch))
    return tuple((sketch, change) for sketch, change in found if what in ("", change.what))


def before_and_after(sketch: Sketch, change: Change) -> tuple[Json, Json]:
    return ORG.conversation(sketch, change.at_ms - 1), ORG.conversation(sketch, change.at_ms)


def sessions(story: Json) -> list[Json]:
    return [session for participant in story["participants"] for session in participant["sessions"]]


def segments(story: Json) -> list[Json]:
    return [segment for session in sessions(story) for segment in session["segments"]]


def metrics(story: Json) -> list[Json]:
    return [metric for session in sessions(story) for metric in session.get("metrics", ())]


def without(story: Json, *names: str) -> Json:
    """The story less some of the fields that may change."""
    made: Json = json.loads(json.dumps(story))
    for name in ("evaluations", "surveys", "resolutions"):
        made.pop(name, None)
    for thing in (*segments(made), *metrics(made)):
        for name in names:
            thing.pop(name, None)
    return made


# The clock


def test_a_clock_begins_at_an_instant_and_passes_at_a_speed() -> None:
    real = Clock()
    clock = RunningClock.at("2026-01-05T08:00:00.250Z", 60, real)

    real.advance(2.5)

    assert to_text(int(clock() * 1000)) == "2026-01-05T08:02:30.250Z"


def test_a_clock_at_speed_zero_stands_still() -> None:
    real = Clock()
    clock = RunningClock.at("2026-01-05T08:00:00Z", 0, real)
    real.advance(1000)

    assert clock() == to_ms("2026-01-05T08:00:00Z") / 1000


@pytest.mark.parametrize("speed", [-1, float("inf"), float("nan")])
def test_a_clock_runs_neither_backwards_nor_infinitely_fast(speed: float) -> None:
    with pytest.raises(ValueError, match="cannot run at the speed"):
        RunningClock(0.0, speed)


def test_a_start_that_is_no_instant_is_an_error() -> None:
    with pytest.raises(ValueError, match="'monday' is not an ISO 8601 instant"):
        Sandbox(now="monday")


def test_a_function_has_a_speed_of_its_own() -> None:
    with pytest.raises(ValueError, match="has its own speed"):
        Sandbox(now=Clock(), speed=2)


def test_a_fast_org_has_the_rate_limit_and_the_tokens_of_real_time() -> None:
    real = Clock()
    client = Caller(Sandbox(conversations=[], now="2026-01-05T00:00:00Z", speed=86_400, monotonic=real, rate_limit=3))
    me = "/api/v2/organizations/me"

    real.advance(10)
    answers = [client.get(me) for _ in range(4)]

    assert [status for status, _, _ in answers] == [200, 200, 200, 429]
    assert answers[0][1]["Date"] == "Thu, 15 Jan 2026 00:00:00 GMT"
    assert answers[-1][1]["Retry-After"] == "60"


def test_conversations_start_and_end_between_two_requests() -> None:
    real = Clock()
    sandbox = Sandbox(ORG, now="2026-01-06T15:00:00Z", speed=3600, monotonic=real)
    client = Caller(sandbox)

    first = client.query(TUESDAY, order="desc")
    real.advance(1)
    second = client.query(TUESDAY, order="desc")

    assert first["totalHits"] < second["totalHits"]
    assert second["conversations"][0]["conversationStart"] > "2026-01-06T15:00:00.000Z"
    live = {
        conversation["conversationId"]
        for conversation in first["conversations"]
        if "conversationEnd" not in conversation
    }
    over = {s.conversation_id for s in ended() if s.end_ms <= sandbox.store.now_ms}
    assert live & over


# What changes


def test_a_fifth_of_all_conversations_changes_after_its_end() -> None:
    assert 0.1 < len({sketch for sketch, _ in changing()}) / len(ended()) < 0.3


@pytest.mark.parametrize("what", ["wrap-up", "rebuild", "evaluation", "evaluated", "survey", "surveyed", "resolution"])
def test_each_kind_of_change_happens(what: str) -> None:
    assert len(changing(what)) > 10


@pytest.mark.parametrize("what", [*AFTER_EVALUATION, "corrected", "second rebuild"])
def test_some_change_twice_or_more(what: str) -> None:
    assert len(changing(what, days=4)) > 10


def test_changes_come_in_order_after_the_end_and_none_after_four_weeks() -> None:
    for sketch in ended():
        instants = ORG.changes(sketch)
        assert list(instants) == sorted(instants)
        assert all(sketch.end_ms < at_ms < sketch.end_ms + SETTLED_DAYS * DAY_MS for at_ms in instants)


def test_what_never_ends_does_not_change_either() -> None:
    stuck = [sketch for day in range(MONDAY, MONDAY + 7) for sketch in ORG.day(day) if sketch.end_ms == FOREVER_MS]

    assert stuck
    assert not any(ORG.changes(sketch) for sketch in stuck)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(range(1000)), st.integers(0, 40 * DAY_MS), st.integers(0, 40 * DAY_MS))
def test_a_conversation_stays_the_same_between_two_changes(number: int, one: int, other: int) -> None:
    sketch = ended()[number % len(ended())]
    since, until = sketch.end_ms + min(one, other), sketch.end_ms + max(one, other)

    same = ORG.conversation(sketch, since) == ORG.conversation(sketch, until)

    # A change may find nothing to change: a wrap-up that was skipped has no code that could come late.
    assert same or any(since < at_ms <= until for at_ms in ORG.changes(sketch))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(range(1000)), st.integers(0, 40 * DAY_MS), st.integers(0, 40 * DAY_MS))
def test_two_looks_after_the_end_differ_only_in_what_may_come_late(number: int, one: int, other: int) -> None:
    sketch = changing()[number % len(changing())][0]
    looks = [ORG.conversation(sketch, sketch.end_ms + at) for at in (one, other)]

    kept = [without(look, "value", "wrapUpCode", "wrapUpNote", "wrapUpTags") for look in looks]

    for look in kept:
        for session in sessions(look):
            session["segments"] = [s for s in session["segments"] if s["segmentStart"] != s.get("segmentEnd")]
    assert kept[0] == kept[1]


def test_every_change_changes_something() -> None:
    for sketch, change in changing()[:400]:
        before, after = before_and_after(sketch, change)
        # The code that comes late may be none, or one of the system, which nobody corrects.
        assert before != after or change.what in {"wrap-up", "corrected"}


def test_a_late_code_completes_its_segment_or_brings_it() -> None:
    kinds: Counter[str] = Counter()
    for sketch, change in changing("wrap-up"):
        before, after = before_and_after(sketch, change)
        early, late = segments(before), segments(after)
        assert (
            without(before, "wrapUpCode", "wrapUpNote", "wrapUpTags")
            == without(after, "wrapUpCode", "wrapUpNote", "wrapUpTags")
            or len(late) == len(early) + 1
        )
        kinds["brings" if len(late) > len(early) else "completes" if early != late else "nothing"] += 1

    assert kinds["completes"] > kinds["nothing"]
    assert kinds["completes"] > kinds["brings"]


def test_a_missing_segment_has_no_length_so_that_the_end_stays_where_it_is() -> None:
    brought = 0
    for day in range(MONDAY, MONDAY + 4):
        for sketch in ORG.day(day):
            for change in changes(sketch):
                if change.what == "wrap-up" and "ININ-WRAP-UP-SKIPPED" in sketch.wrap_up_codes:
                    before, after = before_and_after(sketch, change)
                    brought += len(segments(after)) - len(segments(before))
                    assert max(s["segmentEnd"] for s in segments(before)) == before["conversationEnd"]

    assert brought > 0


def test_the_rebuild_comes_in_the_first_night_after_48_hours() -> None:
    ends = ("2026-01-05T03:59:59.999Z", "2026-01-05T04:00:00.000Z", "2026-01-05T04:00:00.001Z")

    assert [to_text(rebuilt_at(to_ms(end))) for end in ends] == [
        "2026-01-07T04:00:00.000Z",
        "2026-01-07T04:00:00.000Z",
        "2026-01-08T04:00:00.000Z",
    ]


def test_the_rebuild_changes_metrics_and_nothing_else() -> None:
    names = set()
    for sketch, change in changing("rebuild"):
        before, after = before_and_after(sketch, change)
        raised = [(b, a) for b, a in zip(metrics(before), metrics(after), strict=True) if b != a]
        assert all(b["value"] < a["value"] for b, a in raised)
        assert without(before, "value") == without(after, "value")
        names |= {a["name"] for _, a in raised}

    assert names == {"tAcw", "tHandle", "tConnected"}


def values(session: Json, name: str) -> list[int]:
    return [metric["value"] for metric in session.get("metrics", ()) if metric["name"] == name]


@pytest.mark.parametrize("days", [0, 1, 3, 10])
def test_handle_time_adds_up_at_any_time(days: int) -> None:
    parts = ("tTalkComplete", "tHeldComplete", "tAcw", "tContacting", "tDialing")
    for sketch, _ in changing():
        for session in sessions(ORG.conversation(sketch, sketch.end_ms + days * DAY_MS)):
            if values(session, "tHandle"):
                assert values(session, "tHandle") == [sum(sum(values(session, part)) for part in parts)]


def test_an_evaluation_is_pending_without_a_score_and_then_finished_with_one() -> None:
    finished = {change.what: change for _, change in changing("evaluated")}
    assert finished
    for sketch, change in changing("evaluated"):
        before, after = (look["evaluations"][0] for look in before_and_after(sketch, change))
        assert before["evaluationStatus"] in {"Pending", "InProgress", "InReview"}
        assert after["evaluationStatus"] in {"Finished", "Retracted"}
        assert before["evaluationId"] == after["evaluationId"]
        assert before["eventTime"] < after["eventTime"] == to_text(change.at_ms)
        assert "oTotalScore" in after
        assert "oTotalScore" not in before


def evaluations_before_and_after(what: str) -> list[tuple[Change, list[Json], list[Json]]]:
    looks = ((change, *before_and_after(sketch, change)) for sketch, change in changing(what, days=4))
    found = [(change, before["evaluations"], after["evaluations"]) for change, before, after in looks]
    assert found
    return found


def test_a_rescored_evaluation_says_so_and_has_another_score() -> None:
    for change, (before,), (after,) in evaluations_before_and_after("rescored"):
        assert (before["rescored"], after["rescored"]) == (False, True)
        assert before["oTotalScore"] <= after["oTotalScore"] <= after["oTotalCriticalScore"]
        assert after["eventTime"] == to_text(change.at_ms)
    assert any(b["oTotalScore"] < a["oTotalScore"] for _, (b,), (a,) in evaluations_before_and_after("rescored"))


def test_a_deleted_evaluation_stays_with_its_score_and_is_marked() -> None:
    for _, (before,), (after,) in evaluations_before_and_after("deleted"):
        assert (before["deleted"], after["deleted"]) == (False, True)
        assert before["oTotalScore"] == after["oTotalScore"]


def test_an_evaluation_that_is_done_anew_stands_before_the_deleted_one() -> None:
    for _, (before,), (new, old) in evaluations_before_and_after("replaced"):
        assert (new["deleted"], old["deleted"]) == (False, True)
        assert before["evaluationId"] == old["evaluationId"] != new["evaluationId"]


def test_a_calibration_is_a_second_evaluation_by_another_evaluator() -> None:
    for _, (before,), (calibration, first) in evaluations_before_and_after("calibrated"):
        assert before == first
        assert "calibrationId" in calibration
        assert calibration["evaluatorId"] != first["evaluatorId"]
        assert not calibration["deleted"]


def test_a_code_that_is_corrected_changes_twice() -> None:
    versions = Counter[int]()
    for sketch, change in changing("corrected", days=4):
        entered = next(at for at, what in changes(sketch) if what == "wrap-up")
        looks = [ORG.conversation(sketch, at) for at in (entered - 1, entered, change.at_ms)]
        versions[len({tuple(s.get("wrapUpCode") for s in segments(look)) for look in looks})] += 1

    assert versions[3] > versions.total() // 2


def test_a_metric_that_is_rebuilt_twice_has_three_values() -> None:
    versions = Counter[int]()
    for sketch, change in changing("second rebuild"):
        first = next(at for at, what in changes(sketch) if what == "rebuild")
        looks = [ORG.conversation(sketch, at) for at in (first - 1, first, change.at_ms)]
        versions[len({tuple(m["value"] for m in metrics(look)) for look in looks})] += 1

    assert versions[3] > versions.total() // 2


def test_a_survey_is_sent_and_some_are_answered() -> None:
    for sketch, change in changing("surveyed"):
        before, after = (look["surveys"][0] for look in before_and_after(sketch, change))
        assert (before["surveyStatus"], after["surveyStatus"]) == ("Sent", "Finished")
        assert after["surveyCompletedDate"] == to_text(change.at_ms)
        assert before["surveyId"] == after["surveyId"]
    assert len(changing("survey")) > len(changing("surveyed"))


def test_a_survey_that_nobody_answers_expires_after_ten_days_without_a_score() -> None:
    assert changing("expired")
    for sketch, change in changing("expired"):
        before, after = (look["surveys"][0] for look in before_and_after(sketch, change))
        assert (before["surveyStatus"], after["surveyStatus"]) == ("Sent", "Expired")
        assert "oSurveyTotalScore" not in after


def test_nothing_of_it_is_there_at_the_end() -> None:
    for sketch in ended():
        assert not ORG.conversation(sketch, sketch.end_ms).keys() & {"evaluations", "surveys", "resolutions"}


# What is found meanwhile


def filtered(store: Store, **filters: Any) -> list[str]:
    return [conversation["conversationId"] for conversation in store.matching(TUESDAY, **filters)]


FINISHED = [{"type": "and", "predicates": [{"dimension": "evaluationStatus", "value": "Finished"}]}]
NO_CODE = [
    {
        "type": "and",
        "predicates": [
            {"dimension": "segmentType", "value": "wrapup"},
            {"dimension": "wrapUpCode", "operator": "notExists"},
        ],
    }
]
RESOLVED = [{"type": "and", "predicates": [{"metric": "nNextContactAvoided", "range": {"gte": 0}}]}]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 30 * 24), min_size=1, max_size=5))
def test_what_a_filter_finds_is_right_at_every_instant_whatever_was_asked_before(hours: list[int]) -> None:
    clock = Clock()
    org = Org(seed=11, conversations_per_day=40)
    store = Store(org, clock)
    for hour in hours:
        clock.now_s = to_ms("2026-01-06T06:00:00Z") / 1000 + hour * 3600
        for filters in ({"evaluationFilters": FINISHED}, {"segmentFilters": NO_CODE}, {"resolutionFilters": RESOLVED}):
            assert filtered(store, **filters) == filtered(Store(org, clock), **filters)


def test_an_evaluation_is_found_as_soon_as_it_is_finished() -> None:
    sketch, change = changing("evaluated")[0]
    clock = Clock()
    store = Store(ORG, clock)

    clock.now_s = (change.at_ms - 1) / 1000
    before = filtered(store, evaluationFilters=FINISHED)
    clock.now_s = change.at_ms / 1000
    after = filtered(store, evaluationFilters=FINISHED)

    assert sketch.conversation_id not in before
    assert sketch.conversation_id in after


def test_a_wrap_up_is_found_without_its_code_and_then_no_more() -> None:
    clock = Clock()
    store = Store(ORG, clock)
    found = []
    for day in range(8):
        clock.now_s = to_ms("2026-01-07T06:00:00Z") / 1000 + day * 86_400
        found.append(len(filtered(store, segmentFilters=NO_CODE)))

    assert found[0] > found[-1] > 0


# The same everywhere

HASH = """
import hashlib, json
from everycall.sandbox import Org
org, digest = Org(seed=11, conversations_per_day=1500), hashlib.sha256()
for sketch in list(org.day(20459))[::11]:
    for days in (0, 1, 4, 9, 30):
        digest.update(json.dumps(org.conversation(sketch, min(sketch.end_ms, 2**50) + days * 86400000)).encode())
print(digest.hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_another_process_gives_the_same_at_every_age(hash_seed: str) -> None:
    digest = sha256()
    for sketch in list(ORG.day(MONDAY + 1))[::11]:
        for days in (0, 1, 4, 9, 30):
            now_ms = min(sketch.end_ms, 2**50) + days * DAY_MS
            digest.update(json.dumps(ORG.conversation(sketch, now_ms)).encode())

    done = subprocess.run(
        [sys.executable, "-c", HASH], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == digest.hexdigest()
