import pytest
from made import NOON_S, conversation

from everycall.sandbox import Recorded
from everycall.sandbox.instants import to_ms
from everycall.sandbox.traffic import FOREVER_MS

DAY = to_ms("2026-01-05T00:00:00Z") // 86_400_000


def test_a_day_is_sorted_by_start_and_then_by_id() -> None:
    made = [conversation(3), conversation(1, seconds=9000), conversation(2, "2026-01-05T08:00:00.000Z")]

    day = Recorded(made).day(DAY)

    assert [day[at].conversation_id[-1] for at in range(len(day))] == ["2", "1", "3"]
    assert list(day.starts) == sorted(day.starts)


def test_a_sketch_knows_whatever_stands_anywhere_in_its_story() -> None:
    made = conversation(
        1,
        divisionIds=["north"],
        participant={"userId": "ada"},
        segments=[
            {"segmentType": "interact", "queueId": "b"},
            {"segmentType": "wrapup", "queueId": "a", "wrapUpCode": "w"},
        ],
    )

    sketch = Recorded([made]).day(DAY)[0]

    assert sketch.division_ids == ("north",)
    assert sketch.media_types == ("voice",)
    assert sketch.queue_ids == ("a", "b")
    assert sketch.user_ids == ("ada",)
    assert sketch.wrap_up_codes == ("w",)
    assert sketch.originating_direction == "inbound"


def test_a_conversation_without_an_end_never_ends() -> None:
    assert Recorded([conversation(1, seconds=None)]).day(DAY)[0].end_ms == FOREVER_MS


def test_a_day_of_which_nothing_is_recorded_is_empty() -> None:
    assert len(Recorded([conversation(1)]).day(DAY + 1)) == 0


def test_attributes_are_kept_apart_for_jobs() -> None:
    made = conversation(1, participant={"attributes": {"account": "7"}})
    world = Recorded([made])
    sketch = world.day(DAY)[0]

    assert world.attributes(sketch, int(NOON_S * 1000)) == {"p1": {"account": "7"}}
    assert "attributes" not in world.conversation(sketch, int(NOON_S * 1000))["participants"][0]
    assert "attributes" in made["participants"][0]


def test_a_start_that_is_no_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="'2026-01-5T09:00:00Z' is not an ISO 8601 instant"):
        Recorded([conversation(1) | {"conversationStart": "2026-01-5T09:00:00Z"}])
