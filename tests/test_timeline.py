"""A record as a time line."""

import json
from typing import Any

import pytest

import sampled
from building import conversation, participant, segment, session, side, stretch
from elements import of_every_kind
from everycall.analysis.timeline import Mark, Timeline, duration, look_of, number, timeline, value_text
from everycall.api.names import Entity, Found, Names
from everycall.api.records import conversation_of

ANN, SALES, CODE = "11111111-0000-4000-8000-000000000001", "q1", "w1"


def names() -> Names:
    known = Names()
    known.learn(Found("users", (Entity(ANN, "Ann Abel"),)))
    known.learn(Found("queues", (Entity(SALES, "Sales"),)))
    known.learn(Found("wrapupcodes", (Entity(CODE, "Resolved"),)))
    return known


def of(tree: dict[str, Any]) -> Timeline:
    found, _ = conversation_of(json.dumps(tree).encode())
    assert found is not None
    return timeline(found)


def states(line: Timeline) -> list[tuple[str, str]]:
    return [(bar.kind, bar.state) for lane in line.lanes for track in lane.tracks for bar in track.bars]


def test_participants_are_lanes_in_the_order_in_which_they_came_with_their_names() -> None:
    line = timeline(
        conversation(
            participant("agent", stretch("interact", "08:01:00", "08:05:00"), userId=ANN),
            participant("acd", stretch("interact", "08:00:05", "08:01:00", queueId=SALES), participantName="Old name"),
            participant("customer", stretch("interact", "08:00:00", "08:05:00"), participantName="Ohio"),
        ),
        names(),
    )

    assert [(lane.purpose, lane.name) for lane in line.lanes] == [
        ("customer", "Ohio"), ("acd", "Old name"), ("agent", "Ann Abel"),
    ]  # fmt: skip
    assert [lane.tracks[0].bars[0].look for lane in line.lanes] == ["customer", "waiting", "talk"]
    assert line.lanes[1].tracks[0].bars[0].queue == "Sales"


def test_a_bar_has_the_queue_the_code_the_note_and_how_it_ended() -> None:
    wrapup = stretch(
        "wrapup", "08:05:00", "08:05:30", wrapUpCode=CODE, wrapUpNote="Will call\nagain", disconnectType="client"
    )
    line = timeline(conversation(participant("agent", wrapup, userId=ANN)), names())

    bar = line.lanes[0].tracks[0].bars[0]
    assert (bar.code, bar.note, bar.disconnect, bar.took_ms) == ("Resolved", "Will call\nagain", "client", 30_000)


@pytest.mark.parametrize(
    ("end", "fields", "expected"),
    [
        ("08:10:00", {"segmentEnd": "2026-01-05T08:00:00Z"}, "ended"),
        (None, {}, "open"),
        ("08:10:00", {}, "unended"),
        ("08:10:00", {"segmentEnd": "2026-01-05T07:00:00Z"}, "reversed"),
        ("08:10:00", {"segmentStart": None, "segmentEnd": "2026-01-05T08:00:00Z"}, "undated"),
        ("08:10:00", {"segmentStart": None}, "undated"),
    ],
)
def test_missing_and_contradicting_times_are_said(end: str | None, fields: dict[str, Any], expected: str) -> None:
    bar = {**segment("interact", "08:00:00"), **fields}
    assert states(timeline(conversation(participant("agent", bar, userId=ANN), end=end))) == [("interact", expected)]


def test_the_sessions_of_a_participant_are_tracks_by_time() -> None:
    line = timeline(
        conversation(
            side(
                "agent",
                session(stretch("interact", "08:02:00", "08:03:00"), mediaType="voice"),
                session(stretch("dialing", "08:01:00", "08:02:00"), mediaType="callback"),
            )
        )
    )

    assert [track.media for track in line.lanes[0].tracks] == ["callback", "voice"]


def test_metrics_are_marks_where_they_were_emitted() -> None:
    emitted = [
        {"name": "tTalk", "emitDate": "2026-01-05T08:05:00Z", "value": 240_000},
        {"name": "nOffered", "value": 1},
        {"name": "tAlert", "emitDate": "2026-01-05T08:01:00Z", "value": 4100},
    ]
    line = timeline(conversation(participant("agent", session={"metrics": emitted})))

    marks = line.lanes[0].tracks[0].marks
    assert [(mark.name, value_text(mark)) for mark in marks] == [
        ("tAlert", "4.1 s"), ("tTalk", "4 min"), ("nOffered", "1"),
    ]  # fmt: skip
    assert marks[2].at is None


def test_copies_for_a_conference_name_the_other_conversation() -> None:
    copied = stretch("interact", "08:00:00", "08:05:00", conference=True, sourceConversationId="other")
    bar = timeline(conversation(participant("agent", copied))).lanes[0].tracks[0].bars[0]

    assert bar.facts == (("conference", "yes"), ("copied from conversation", "other"))


def test_a_supervisor_who_listens_names_whom() -> None:
    line = timeline(
        conversation(
            participant("agent", stretch("interact", "08:00:00", "08:05:00"), participantId="p1", userId=ANN),
            participant(
                "agent", stretch("monitoring", "08:01:00", "08:02:00"), session={"monitoredParticipantId": "p1"}
            ),
        ),
        names(),
    )

    track = line.lanes[1].tracks[0]
    assert track.bars[0].look == "listening"
    assert ("monitors", "Ann Abel") in track.facts


def test_evaluations_surveys_and_resolutions_stand_by_their_time() -> None:
    line = timeline(
        conversation(
            evaluations=[{"eventTime": "2026-01-09T08:00:00Z", "oTotalScore": 87.5, "userId": ANN, "formName": "F"}],
            surveys=[{"eventTime": "2026-01-07T08:00:00Z", "surveyPromoterScore": 9}],
            resolutions=[{"eventTime": "2026-01-08T08:00:00Z", "nNextContactAvoided": 1}],
        ),
        names(),
    )

    assert [review.kind for review in line.reviews] == ["survey", "resolution", "evaluation"]
    assert line.reviews[2].facts == (("score", "87.5"), ("form", "F"), ("agent", "Ann Abel"))


def test_what_the_flat_row_says_stands_above() -> None:
    line = timeline(
        conversation(
            participant("customer", stretch("interact", "08:00:00", "08:05:00", disconnectType="client")),
            participant("agent", stretch("interact", "08:01:00", "08:05:00"), userId=ANN),
        ),
        names(),
    )

    assert (line.media, dict(line.facts)["agent"]) == ("voice", "Ann Abel")


def test_nothing_of_any_conversation_is_left_out() -> None:
    for tree in of_every_kind(2):
        line = of(tree)
        sessions = [one for side_ in tree["participants"] for one in side_.get("sessions", [])]
        tracks = [track for lane in line.lanes for track in lane.tracks]

        assert len(line.lanes) == len(tree["participants"])
        assert sum(len(track.bars) for track in tracks) == sum(len(one.get("segments", [])) for one in sessions)
        assert sum(len(track.marks) for track in tracks) == sum(len(one.get("metrics", [])) for one in sessions)


def test_malformed_times_of_a_real_answer_do_not_stop_it() -> None:
    found, _ = conversation_of(sampled.body("conversation_malformed_2021"))
    assert found is not None

    assert timeline(found).lanes


def test_a_conversation_of_nothing_is_an_empty_time_line() -> None:
    line = of({"conversationId": "c"})

    assert (line.lanes, line.instants, line.start) == ((), [], None)


def test_hundreds_of_participants_are_hundreds_of_lanes() -> None:
    alerts = [participant("agent", stretch("alert", "08:00:00", "08:00:10"), userId=f"u{at}") for at in range(400)]

    assert len(timeline(conversation(*alerts)).lanes) == 400


@pytest.mark.parametrize(
    ("kind", "purpose", "expected"),
    [
        ("interact", "acd", "waiting"), ("interact", "external", "customer"), ("interact", "workflow", "flow"),
        ("wrapup", "agent", "after-call"), ("something new", "agent", "other"), ("", "", "other"),
    ],
)  # fmt: skip
def test_a_segment_looks_as_what_it_is_for_its_participant(kind: str, purpose: str, expected: str) -> None:
    assert look_of(kind, purpose) == expected


@pytest.mark.parametrize(
    ("length_ms", "expected"),
    [
        (0, "0 s"), (1, "1 ms"), (999, "999 ms"), (4123, "4.1 s"), (9999, "10 s"), (59_900, "1 min"),
        (192_000, "3 min 12 s"), (7_500_000, "2 h 5 min"), (273_600_000, "3 d 4 h"), (-5000, "-5 s"),
    ],
)  # fmt: skip
def test_durations_are_short(length_ms: int, expected: str) -> None:
    assert duration(length_ms) == expected


def test_numbers_have_no_needless_decimals() -> None:
    assert [number(one) for one in (3.0, 4.25, 7, "x")] == ["3", "4.25", "7", "x"]
    assert value_text(Mark("oMessageTurn", None, 2.0)) == "2"
    assert value_text(Mark("tTalk", None, None)) == ""


def test_an_enormous_value_is_shown_as_a_number() -> None:
    assert value_text(Mark("tTalk", None, 1e308)) == "1e+308 ms"
