"""Codes and notes, how it ended and by whom, metrics and scores: conversations by kind."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from building import Tree, customer, metrics, participant, segment, session, side, stretch, tree
from everycall.instants import text
from everycall.tables.flat import EXTENDED, Column, flat_table
from filling import cell, cells, names, narrow_row

CALLER = participant("customer", stretch("interact", "08:00:00", "08:20:00", disconnectType="peer"))


def coded(user_id: str, start: str, end: str, code: str | None = None, note: str | None = None) -> Tree:
    """An agent who has the customer for a while, and closes with a code, a note, both or nothing."""
    given = {name: value for name, value in (("wrapUpCode", code), ("wrapUpNote", note)) if value is not None}
    closing = stretch("wrapup", f"08:{end}", f"08:{end}.500", **given)
    return participant("agent", stretch("interact", f"08:{start}", f"08:{end}"), closing, userId=user_id)


def ended(customer_type: str | None, agent_type: str | None) -> tuple[Tree, Tree]:
    """A customer's and an agent's leg that end so."""
    how = [{"disconnectType": one} if one else {} for one in (customer_type, agent_type)]
    return (
        participant("customer", stretch("interact", "08:00:00", "08:10:00", **how[0])),
        participant(
            "agent",
            stretch("interact", "08:01:00", "08:10:00", **how[1]),
            stretch("wrapup", "08:10:00", "08:10:30", disconnectType="client"),
            userId="u1",
        ),
    )


# Codes and notes


def test_agent_code_and_note_are_of_one_participant() -> None:
    first, last = coded("u1", "00:30", "05:00", "w1", "first"), coded("u2", "06:00", "20:00", "w2", "last")

    assert cells("agentName disposition wrapUpNote", CALLER, first, last) == ("Ben", "Called back", "last")


def test_an_agent_who_gave_no_code_leaves_code_and_note_empty() -> None:
    first, silent = coded("u1", "00:30", "05:00", "w1", "first"), coded("u2", "06:00", "20:00")

    assert cells("agentName disposition wrapUpNote", CALLER, first, silent) == ("Ben", None, None)


def test_a_later_code_of_another_agent_is_not_the_disposition() -> None:
    brought_in = coded("u2", "05:00", "06:00", "w2")
    late = participant(
        "agent", *brought_in["sessions"][0]["segments"], segment("wrapup", "08:25:00", wrapUpCode="w2"), userId="u2"
    )

    assert cells("agentName disposition", CALLER, coded("u1", "00:30", "20:00", "w1"), late) == ("Ann", "Sold")


def test_the_same_user_as_another_participant_gives_another_code() -> None:
    earlier, later = coded("u1", "00:30", "05:00", "w1"), coded("u1", "06:00", "20:00")

    assert cells("agentName disposition", CALLER, earlier, later) == ("Ann", None)


def test_of_several_codes_the_last_one_counts() -> None:
    gave = participant(
        "agent",
        stretch("interact", "08:00:30", "08:20:00"),
        segment("wrapup", "08:20:00", wrapUpCode="w1", wrapUpNote="a"),
        segment("wrapup", "08:21:00", wrapUpCode="w2", wrapUpNote="b"),
        segment("wrapup", "08:22:00", wrapUpNote=""),
        userId="u1",
    )

    assert cells("disposition wrapUpNote", CALLER, gave) == ("Called back", "b")


def test_a_code_of_a_listening_session_is_not_the_disposition() -> None:
    talks = session(stretch("interact", "08:00:30", "08:20:00"))
    listens = session(segment("wrapup", "08:21:00", wrapUpCode="w2", wrapUpNote="x"), monitoredParticipantId="p")
    agent = side("agent", talks, listens, userId="u1")

    assert cells("disposition wrapUpNote wrapUpCodes", CALLER, agent) == (None, None, ("Ann: Called back",))


def test_without_an_agent_the_disposition_is_the_code_of_the_system() -> None:
    dialled = participant(
        "dialer",
        segment("dialing", "08:00:00"),
        segment("wrapup", "08:00:30", wrapUpCode="ININ-OUTBOUND-BUSY"),
        session={"dispositionName": "disposition.classification.callable.busy"},
    )

    assert cell("disposition", customer(), dialled) == "ININ-OUTBOUND-BUSY"


def test_without_a_system_code_the_disposition_is_the_last_result_of_the_dialer() -> None:
    first = participant("dialer", segment("dialing", "08:00:00"), session={"dispositionName": "busy"})
    again = participant("dialer", segment("dialing", "08:05:00"), session={"dispositionName": "person"})

    assert cell("disposition", customer(), again, first) == "person"


def test_the_code_of_an_agent_who_did_not_answer_is_not_a_system_code() -> None:
    missed = participant(
        "agent", segment("alert", "08:01:00"), segment("wrapup", "08:02:00", wrapUpCode="w1"), userId="u1"
    )

    assert cells("disposition wrapUpCodes", customer(), missed) == (None, ("Ann: Sold",))


def test_the_dialers_own_code_counts_on_whosever_leg_it_stands() -> None:
    missed = participant(
        "agent",
        segment("alert", "08:01:00"),
        segment("wrapup", "08:02:00", wrapUpCode="ININ-OUTBOUND-ABANDON"),
        userId="u1",
    )

    assert cell("disposition", customer(), missed) == "ININ-OUTBOUND-ABANDON"


def test_the_agent_who_dialled_in_vain_gives_the_disposition() -> None:
    dialled = participant(
        "agent", stretch("dialing", "08:00:00", "08:00:40"), segment("wrapup", "08:00:40", wrapUpCode="w2"), userId="u1"
    )

    assert cells("agentName disposition", dialled, originatingDirection="outbound") == ("Ann", "Called back")


def test_all_codes_are_listed_with_their_givers_in_order_of_time() -> None:
    first, last = coded("u1", "00:30", "05:00", "w1"), coded("gone", "06:00", "20:00", "other")
    dialer = participant("dialer", segment("wrapup", "08:00:01", wrapUpCode="ININ-X"), participantName="Campaign")
    flow = participant("ivr", segment("wrapup", "08:00:02", wrapUpCode="ININ-Y"))

    assert cell("wrapUpCodes", CALLER, last, first, flow, dialer) == (
        "Campaign: ININ-X", "ivr: ININ-Y", "Ann: Sold", "gone: other",
    )  # fmt: skip


def test_the_names_of_all_codes_and_their_givers_are_asked_for() -> None:
    table = flat_table(only=["wrapUpCodes"])
    whole = tree(CALLER, coded("u1", "00:30", "05:00", "w1"), coded("u2", "06:00", "20:00", "w2"))

    [record] = table.page(msgspec.json.encode({"conversations": [whole]}))
    assert list(table.ids(table.facts(record))) == [
        ("users", "u1"), ("wrapupcodes", "w1"), ("users", "u2"), ("wrapupcodes", "w2"),
    ]  # fmt: skip


# Who ended it


@pytest.mark.parametrize(
    ("customer_type", "agent_type", "who"),
    [
        ("endpoint", "peer", "customer"),
        ("client", "peer", "customer"),
        ("endpoint", "transfer", "customer"),
        ("endpoint", None, "customer"),
        ("peer", "client", "agent"),
        ("peer", "endpoint", "agent"),
        ("timeout", "peer", "system"),
        ("error", "peer", "system"),
        ("peer", "transportFailure", "system"),
        ("system", "system", "system"),
        ("inactivity", "peer", "system"),
        ("peer", "peer", None),
        ("endpoint", "client", None),
        ("transfer", "client", None),
        ("peer", "transfer", None),
        ("other", "other", None),
        (None, "client", None),
    ],
)
def test_ended_by_is_read_from_both_legs(customer_type: str | None, agent_type: str | None, who: str | None) -> None:
    assert cell("endedBy", *ended(customer_type, agent_type)) == who


@pytest.mark.parametrize(("disconnect", "who"), [("endpoint", "customer"), ("peer", None), ("timeout", "system")])
def test_without_an_agent_ended_by_is_read_from_the_customers_leg(disconnect: str, who: str | None) -> None:
    waiting = participant("acd", stretch("interact", "08:00:01", "08:10:00", queueId="q1", disconnectType="peer"))

    assert (
        cell(
            "endedBy",
            participant("customer", stretch("interact", "08:00:00", "08:10:00", disconnectType=disconnect)),
            waiting,
        )
        == who
    )


def test_a_live_conversation_has_no_ended_by() -> None:
    goes_on = participant("customer", segment("interact", "08:00:00", disconnectType="endpoint"))

    assert cell("endedBy", goes_on, end=None) is None


def test_an_earlier_leg_does_not_decide_ended_by() -> None:
    called = session(stretch("interact", "08:00:00", "08:05:00", disconnectType="endpoint"))
    called_back = session(stretch("interact", "08:06:00", "08:40:00"), mediaType="callback")

    assert cell("endedBy", side("customer", called, called_back)) is None


def test_the_disconnect_type_is_that_of_the_customers_last_leg_that_says_so() -> None:
    first = session(stretch("interact", "08:00:00", "08:05:00", disconnectType="endpoint"))
    last = session(stretch("interact", "08:04:00", "08:10:00", disconnectType="peer"))

    assert cell("disconnectType", side("customer", last, first)) == "peer"


# When the people were done


def test_the_handled_end_is_the_end_of_the_last_segment_of_anybody_inside() -> None:
    found = cell("handledEnd", CALLER, coded("u1", "00:30", "05:00"), coded("u2", "06:00", "20:00"))

    assert found == datetime(2026, 1, 5, 8, 20, 0, 500_000, UTC)


def test_a_user_is_inside_too_and_a_queue_is_not() -> None:
    user = participant("user", stretch("interact", "08:01:00", "08:02:00"), userId="u1")
    waiting = participant("acd", stretch("interact", "08:01:00", "08:09:00"))

    assert cell("handledEnd", CALLER, user, waiting) == datetime(2026, 1, 5, 8, 2, tzinfo=UTC)
    assert cell("handledEnd", CALLER, waiting) is None


def test_while_somebody_inside_goes_on_there_is_no_handled_end() -> None:
    goes_on = participant("agent", segment("interact", "08:06:00"), userId="u2")

    assert cell("handledEnd", CALLER, coded("u1", "00:30", "05:00"), goes_on, end=None) is None


def test_a_segment_that_was_never_closed_does_not_hide_the_handled_end() -> None:
    stuck = participant("agent", segment("interact", "08:06:00"), userId="u2")

    found = cell("handledEnd", CALLER, coded("u1", "00:30", "07:00"), stuck, end="08:30:00")
    assert found == datetime(2026, 1, 5, 8, 7, 0, 500_000, UTC)


@pytest.mark.parametrize(("later", "outlasts"), [(timedelta(days=60), True), (timedelta(days=1), False)])
def test_a_conversation_that_ends_more_than_a_day_after_its_handling_outlasts_it(
    later: timedelta, outlasts: bool
) -> None:
    handled = datetime(2026, 1, 5, 8, 20, 0, 500_000, UTC)
    whole = tree(CALLER, coded("u1", "00:30", "20:00"), conversationEnd=(handled + later).isoformat(), end=None)

    table = flat_table(only=["conversationId"])
    [record] = table.page(msgspec.json.encode({"conversations": [whole]}))
    assert table.facts(record).outlasts is outlasts


@pytest.mark.parametrize("people", [(), (coded("u1", "00:30", "20:00"),)])
def test_a_live_or_unhandled_conversation_does_not_outlast_its_handling(people: tuple[Tree, ...]) -> None:
    table = flat_table(only=["conversationId"])
    lives = tree(CALLER, *people, end=None)
    long = tree(CALLER, conversationEnd="2026-03-05T08:00:00Z", end=None)

    records = table.page(msgspec.json.encode({"conversations": [lives, long]}))
    assert [table.facts(one).outlasts for one in records] == [False, False]


# Metrics


@pytest.mark.parametrize("name", ["tAbandon", "tCallbackAbandon", "tCfcAbandon"])
def test_each_metric_of_a_customer_who_left_while_waiting_is_an_abandonment(name: str) -> None:
    waiting = participant("acd", segment("interact", "08:00:01", queueId="q1"), session={"metrics": metrics((name, 9))})

    assert cell("abandoned", customer(), waiting) is True
    assert cell("abandoned", customer()) is False


def test_metrics_without_a_name_or_a_value_count_for_nothing() -> None:
    odd: list[dict[str, Any]] = [{"name": "tAcd"}, {"value": 5}, {"name": "tAcd", "value": 2000}, {}]
    waiting = participant("acd", segment("interact", "08:00:01"), session={"metrics": odd})

    assert cell("waitSeconds", customer(), waiting) == 2.0


@pytest.mark.parametrize("value", [1e308, -1e308, 2**62])
def test_an_impossible_value_of_a_metric_is_left_out(value: float) -> None:
    emitted = metrics(("tAcd", value), ("tAcd", value), ("tAcd", 1000), ("nTransferred", value))
    waiting = participant("acd", segment("interact", "08:00:01"), session={"metrics": emitted})

    assert cells("waitSeconds transfers", customer(), waiting) == (1.0, 0)


@pytest.mark.parametrize("value", [10**400, 2**63])
def test_a_metric_of_more_than_64_bits_is_left_out_when_its_conversation_is_read_leniently(value: int) -> None:
    emitted = metrics(("tAcd", value), ("tAcd", 1000))
    whole = tree(customer(), participant("acd", segment("interact", "08:00:01"), session={"metrics": emitted}))
    table = flat_table(only=["waitSeconds"])

    record, _ = table.one(json.dumps(whole).encode())
    assert record is not None
    assert table.row(table.facts(record), names()) == (1.0,)


@pytest.mark.parametrize("column", EXTENDED, ids=lambda column: str(column.name))
def test_no_instant_is_too_early_or_too_late_for_any_column(column: Column) -> None:
    early, late = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999-12:00"
    people = [
        {"purpose": purpose, "userId": f"u{at}", "sessions": [{"mediaType": "voice", "segments": segments}]}
        for purpose in ("customer", "acd", "agent", "agent", "user")
        for at, segments in enumerate([
            [{"segmentType": "interact", "segmentStart": early, "segmentEnd": late, "queueId": "q"}],
            [{"segmentType": "hold", "segmentStart": late}, {"segmentType": "interact", "segmentEnd": early}],
        ])
    ]  # fmt: skip
    whole = {"conversationId": "c", "conversationStart": late, "participants": people}

    table = flat_table(only=[column.name])
    for ends in ({}, {"conversationEnd": early}, {"conversationEnd": late}):
        [value] = narrow_row(table, {**whole, **ends}, names())
        assert not isinstance(value, datetime) or text(value)


@pytest.mark.parametrize(
    ("emitted", "queue"),
    [
        (b'[{"name": 7}, 3]', "Sales"),
        (b'[{"name": 7}, {"name": "nConsultTransferred"}]', "Care"),
        (b'[{"name": "tAcd", "value": 1e999}]', "Sales"),
        (b"null", "Sales"),
        (b'"none"', "Sales"),
    ],
)
def test_metrics_that_do_not_fit_do_not_hinder_the_queue(emitted: bytes, queue: str) -> None:
    consults = participant("agent", stretch("interact", "08:00:30", "08:20:00"), session={"metrics": 0}, userId="u1")
    consulted = participant("acd", stretch("interact", "08:05:00", "08:06:00", queueId="q2"))
    waited = participant("acd", stretch("interact", "08:00:05", "08:00:30", queueId="q1"))
    body = msgspec.json.encode({"conversations": [tree(CALLER, waited, consults, consulted)]})

    table = flat_table(only=["queueName"])
    [record] = table.page(body.replace(b'"metrics":0', b'"metrics":' + emitted))
    assert table.row(table.facts(record), names()) == (queue,)


# The flow


def test_the_flow_is_the_one_that_started_first() -> None:
    main = participant(
        "ivr", segment("ivr", "08:00:00"), session={"flow": {"flowName": "Main", "exitReason": "TRANSFER"}}
    )
    after = participant(
        "ivr", segment("ivr", "08:09:00"), session={"flow": {"flowName": "After", "exitReason": "DISCONNECT"}}
    )

    assert cells("flowName flowExitReason", after, main) == ("Main", "TRANSFER")


# Scores


def evaluation(score: int | None, day: int, **fields: Any) -> Tree:
    """An evaluation that was finished on a day of January 2026, unless `fields` say otherwise."""
    return {"evaluationStatus": "Finished", "eventTime": f"2026-01-{day:02}T09:00:00Z", "oTotalScore": score, **fields}


def survey(score: int | None, day: int, **fields: Any) -> Tree:
    """A survey that was finished on a day of January 2026, unless `fields` say otherwise."""
    return {
        "surveyStatus": "Finished",
        "eventTime": f"2026-01-{day:02}T09:00:00Z",
        "oSurveyTotalScore": score,
        **fields,
    }


def test_the_evaluation_is_the_latest_by_its_time() -> None:
    assert cell("evaluationScore", evaluations=[evaluation(95, 20), evaluation(60, 12)]) == 95


@pytest.mark.parametrize(
    "other",
    [
        evaluation(12, 25, deleted=True),
        evaluation(12, 25, calibrationId="c1"),
        evaluation(12, 25, evaluationStatus="InProgress"),
        evaluation(12, 25, evaluationStatus="Retracted"),
        evaluation(None, 25),
    ],
)
def test_an_evaluation_counts_only_finished_with_a_score_neither_deleted_nor_for_calibration(other: Tree) -> None:
    assert cell("evaluationScore", evaluations=[other, evaluation(95, 20)]) == 95
    assert cell("evaluationScore", evaluations=[other]) is None


def test_a_score_can_have_a_fraction() -> None:
    finished = {"eventTime": "2026-01-05T09:00:00Z", "evaluationStatus": "Finished", "oTotalScore": 87.5}
    survey = {"eventTime": "2026-01-05T09:00:00Z", "surveyStatus": "Finished", "oSurveyTotalScore": 62.5}

    assert cell("evaluationScore", evaluations=[finished]) == 87.5
    assert cell("surveyScore", surveys=[survey]) == 62.5


def test_a_score_of_zero_is_a_score() -> None:
    assert cell("evaluationScore", evaluations=[evaluation(0, 20), evaluation(60, 12)]) == 0


def test_an_evaluation_without_a_time_is_the_earliest() -> None:
    assert cell("evaluationScore", evaluations=[{**evaluation(12, 1), "eventTime": None}, evaluation(95, 20)]) == 95


def test_surveys_are_the_latest_finished_ones_that_have_the_score() -> None:
    surveys = [survey(80, 11, surveyPromoterScore=9), survey(None, 12, surveyStatus="Expired"), survey(None, 13)]

    assert cells("surveyScore promoterScore", surveys=surveys) == (80, 9)
    assert cells("surveyScore promoterScore", surveys=surveys[1:]) == (None, None)


def test_an_unfinished_survey_does_not_count() -> None:
    assert cell("surveyScore", surveys=[survey(30, 20, surveyStatus="InProgress"), survey(80, 11)]) == 80
