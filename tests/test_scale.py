"""Where instants stand: long gaps are cut, everything stays in order."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from building import conversation, participant, segment, stretch
from everycall.analysis.drawing.scale import OPEN_SHARE, scale
from everycall.analysis.timeline import timeline
from everycall.api.records import Conversation


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-{text}+00:00")


def call() -> Conversation:
    return conversation(
        participant("customer", stretch("interact", "08:00:00", "08:10:00")),
        participant("agent", stretch("interact", "08:02:00", "08:10:00")),
    )


def test_a_plain_call_is_linear() -> None:
    where = scale(timeline(call()))

    assert where.cuts == ()
    assert where.x(at("05T08:00:00")) == 0.0
    assert where.x(at("05T08:05:00")) == pytest.approx(0.5)
    assert where.x(at("05T08:10:00")) == pytest.approx(1.0)


def test_an_idle_night_is_cut_and_the_work_has_the_room() -> None:
    where = scale(
        timeline(
            conversation(
                participant("external", stretch("interact", "01:00:00", "23:00:00")),
                participant("agent", stretch("interact", "01:00:00", "01:10:00")),
                participant("agent", stretch("interact", "22:50:00", "23:00:00")),
                start="01:00:00",
                end="23:00:00",
            )
        )
    )

    (cut,) = where.cuts
    assert (cut.start, cut.end) == (at("05T01:10:00"), at("05T22:50:00"))
    assert cut.right - cut.left < 0.1
    assert where.x(at("05T01:10:00")) > 0.4


def test_a_wait_of_hours_that_dwarfs_the_rest_is_cut_though_a_queue_has_it() -> None:
    where = scale(
        timeline(
            conversation(
                participant("acd", stretch("interact", "01:00:00", "20:00:00")),
                participant("agent", stretch("interact", "20:00:00", "20:05:00")),
                start="01:00:00",
                end="20:05:00",
            )
        )
    )

    assert [cut.length for cut in where.cuts] == [timedelta(hours=19)]


def test_a_long_talk_is_not_cut() -> None:
    where = scale(timeline(conversation(participant("agent", stretch("interact", "08:00:00", "09:50:00")))))

    assert where.cuts == ()


def test_what_goes_on_leaves_room_at_the_right() -> None:
    open_call = conversation(
        participant("agent", stretch("alert", "08:00:00", "08:01:00"), segment("interact", "08:01:00")), end=None
    )

    assert scale(timeline(open_call)).x(at("05T08:01:00")) == pytest.approx(1 - OPEN_SHARE)


def test_without_times_everything_stands_at_the_left() -> None:
    where = scale(timeline(Conversation(conversation_id="c")))

    assert where.x(at("05T08:00:00")) == 0.0
    assert where.ticks(5, UTC) == []


def test_ticks_are_round_on_the_clocks_of_the_zone() -> None:
    ticks = scale(timeline(call())).ticks(6, ZoneInfo("Asia/Kolkata"))

    shown = [f"{tick.astimezone(ZoneInfo('Asia/Kolkata')):%H:%M:%S}" for tick in ticks]
    assert shown == ["13:30:00", "13:32:00", "13:34:00", "13:36:00", "13:38:00", "13:40:00"]


OFFSETS = st.lists(st.integers(0, 9 * 86_400), min_size=2, max_size=30)


@given(OFFSETS, st.sampled_from(("agent", "customer", "acd")))
def test_positions_rise_with_time_and_stay_inside(offsets: list[int], purpose: str) -> None:
    start = at("01T00:00:00")
    times = sorted(start + timedelta(seconds=one) for one in offsets)
    bars = [
        {"segmentType": "interact", "segmentStart": one.isoformat(), "segmentEnd": two.isoformat()}
        for one, two in zip(times[::2], times[1::2], strict=False)
    ]
    where = scale(timeline(conversation(participant(purpose, *bars), start="00:00:00", end="12:00:00")))

    positions = [where.x(one) for one in times]
    assert positions == sorted(positions)
    assert all(0.0 <= one <= 1.0 + 1e-9 for one in positions)
    assert all(cut.right >= cut.left for cut in where.cuts)
    assert not any(cut.start < tick < cut.end for cut in where.cuts for tick in where.ticks(8, UTC))
