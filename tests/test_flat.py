import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sampled
from building import DAY, agent, conversation, customer, metrics, participant, queue, segment, shuffled
from everycall.api.names import Entity, Found, Kind, Names, Unavailable
from everycall.api.records import (
    Conversation,
    Evaluation,
    Flow,
    Metric,
    Page,
    Participant,
    Segment,
    Session,
    Survey,
    conversation_of,
)  # fmt: skip
from everycall.errors import QueryError
from everycall.instants import text
from everycall.tables.flat import DEFAULT, EXTENDED, VIEWS, Column, Facts, Value, columns, flat_table, ids, row
from filling import names, narrow_row


def cells(one: Conversation, known: Names | None = None) -> dict[str, Value]:
    """A conversation's values, by column, with the names above unless others are given."""
    values = row(Facts.of(one), known or names(), EXTENDED)
    return {column.name: value for column, value in zip(EXTENDED, values, strict=True)}


def cell(column: str, *participants: dict[str, Any], **fields: Any) -> Value:
    return cells(conversation(*participants, **fields))[column]


# The default row: channel


@pytest.mark.parametrize("purpose", ["customer", "external"])
def test_the_channel_is_the_media_type_of_the_customers_side(purpose: str) -> None:
    workflow = participant("workflow", segment("system", "08:00:00"), session={"mediaType": "message"})
    outside = participant(purpose, segment("interact", "08:00:01"), session={"mediaType": "email"})

    assert cell("channel", workflow, outside, agent("u1", "08:01:00")) == "email"


def test_without_a_customer_the_channel_is_that_of_the_first_session() -> None:
    dialler = participant("dialer", segment("dialing", "08:00:00"), session={"mediaType": "chat"})

    assert cell("channel", dialler, agent("u1", "08:01:00")) == "chat"


def test_a_conversation_without_anybody_has_no_channel() -> None:
    assert cell("channel") is None


# The default row: times


def test_start_and_end_are_those_of_the_conversation_and_the_duration_is_their_difference() -> None:
    found = cells(conversation(start="08:00:00.250", end="08:01:30.125"))

    assert found["startTime"] == datetime(2026, 1, 5, 8, 0, 0, 250_000, UTC)
    assert found["endTime"] == datetime(2026, 1, 5, 8, 1, 30, 125_000, UTC)
    assert found["duration"] == 89.875


def test_a_live_conversation_has_neither_end_nor_duration() -> None:
    found = cells(conversation(customer(), end=None))

    assert (found["endTime"], found["duration"]) == (None, None)


# The default row: queue


def test_the_queue_is_the_last_one_that_it_was_offered_to() -> None:
    assert cell("queueName", customer(), queue("q2", "08:05:00"), queue("q1", "08:01:00")) == "Care"


def test_a_customers_segment_that_names_another_queue_does_not_count() -> None:
    later = participant("customer", segment("interact", "08:09:00", queueId="q1"))

    assert cell("queueName", later, queue("q2", "08:05:00")) == "Care"


def test_a_deleted_queue_has_the_name_that_the_conversation_carries() -> None:
    assert cell("queueName", queue("gone", "08:01:00", "Old Sales")) == "Old Sales"


def test_a_renamed_queue_has_its_present_name() -> None:
    assert cell("queueName", queue("q1", "08:01:00", "Old Sales")) == "Sales"


def test_a_queue_without_any_name_is_its_id() -> None:
    assert cell("queueName", queue("gone", "08:01:00")) == "gone"


def test_the_queue_on_whose_behalf_an_agent_called_counts_where_no_queue_took_part() -> None:
    outbound = agent("u1", "08:00:00", queueId="q1")

    assert cell("queueName", customer(), outbound) == "Sales"
    assert cell("queueName", customer(), outbound, queue("q2", "08:05:00")) == "Care"


def test_a_call_to_a_person_has_no_queue() -> None:
    assert cell("queueName", customer(), participant("user", segment("interact", "08:00:05"), userId="u1")) is None


# The default row: agent


def test_after_a_transfer_the_agent_is_the_second_one() -> None:
    assert cell("agentName", customer(), agent("u2", "08:04:00"), agent("u1", "08:01:00")) == "Ben"


def test_after_a_consult_the_agent_is_the_one_who_came_back_to_the_customer() -> None:
    first = participant(
        "agent",
        segment("interact", "08:01:00"), segment("hold", "08:03:00"), segment("interact", "08:06:00"),
        userId="u1",
    )  # fmt: skip

    assert cell("agentName", customer(), first, agent("u2", "08:04:00")) == "Ann"


def test_an_agent_who_was_alerted_and_did_not_answer_is_not_the_agent() -> None:
    missed = participant("agent", segment("alert", "08:05:00"), segment("wrapup", "08:06:00"), userId="u2")

    assert cell("agentName", customer(), agent("u1", "08:01:00"), missed) == "Ann"
    assert cell("agentName", customer(), missed) is None


def test_a_supervisor_who_listens_is_not_the_agent() -> None:
    listening = participant("agent", segment("monitoring", "08:05:00"), userId="u2")

    assert cell("agentName", customer(), agent("u1", "08:01:00"), listening) == "Ann"


def test_a_call_that_was_abandoned_in_the_queue_has_a_queue_and_no_agent() -> None:
    waiting = participant(
        "acd", segment("delay", "08:01:00", queueId="q1"), session={"metrics": metrics(("tAbandon", 40_000))}
    )

    found = cells(conversation(customer(), waiting))

    assert (found["queueName"], found["agentName"], found["abandoned"]) == ("Sales", None, True)


def test_a_deleted_user_without_a_name_is_shown_by_id() -> None:
    assert cell("agentName", customer(), agent("gone", "08:01:00")) == "gone"


def test_a_person_who_is_called_without_a_queue_is_the_agent() -> None:
    assert cell("agentName", customer(), participant("user", segment("interact", "08:00:05"), userId="u1")) == "Ann"


def test_a_person_of_the_org_who_calls_a_queue_is_not_the_agent() -> None:
    caller = participant("user", segment("interact", "08:00:00"), userId="u2")

    assert cell("agentName", caller, queue("q1", "08:01:00")) is None
    assert cell("agentName", caller, queue("q1", "08:01:00"), agent("u1", "08:02:00")) == "Ann"


def test_an_agents_leg_without_a_user_is_nobody() -> None:
    assert cell("agentName", customer(), participant("agent", segment("interact", "08:01:00"))) is None


# The default row: disposition


def test_the_disposition_is_the_last_wrap_up_code_by_name() -> None:
    second, first = agent("u2", "08:04:00", wrap_up="w2"), agent("u1", "08:01:00", wrap_up="w1")

    assert cell("disposition", customer(), second, first) == "Called back"


@pytest.mark.parametrize("code", ["ININ-WRAP-UP-TIMEOUT", "ININ-OUTBOUND-BUSY", "gone"])
def test_a_wrap_up_code_without_a_name_is_shown_as_it_is(code: str) -> None:
    assert cell("disposition", customer(), agent("u1", "08:01:00", wrap_up=code)) == code


def test_the_diallers_disposition_counts_where_nobody_wrapped_up() -> None:
    dialled = customer(dispositionName="disposition.classification.callable.busy")

    assert cell("disposition", dialled) == "disposition.classification.callable.busy"
    assert cell("disposition", dialled, agent("u1", "08:01:00", wrap_up="w1")) == "Sold"


def test_without_any_code_the_disposition_is_empty() -> None:
    assert cell("disposition", customer(), agent("u1", "08:01:00")) is None


# The extended row


def test_the_extended_view_has_ids_beside_names() -> None:
    found = cells(conversation(customer(), queue("q1", "08:01:00"), agent("u1", "08:02:00")))

    assert (found["queueId"], found["agentId"]) == ("q1", "u1")


def test_queues_and_users_are_listed_once_in_order_of_time() -> None:
    missed = participant("agent", segment("alert", "08:01:30"), userId="u2")
    found = cells(
        conversation(
            queue("q2", "08:05:00"), queue("q1", "08:01:00"), queue("q1", "08:07:00"), agent("u1", "08:02:00"), missed
        )
    )

    assert found["queueIds"] == ("q1", "q2")
    assert found["userIds"] == ("u2", "u1")


def test_addresses_are_those_of_the_customers_side() -> None:
    inside = participant("agent", segment("interact", "08:00:00"), session={"ani": "sip:agent", "dnis": "sip:x"})
    outside = customer(ani="tel:+12025550123", dnis="tel:+12025550199", messageType="sms")

    found = cells(conversation(inside, outside, originatingDirection="inbound"))

    assert (found["ani"], found["dnis"], found["messageType"]) == ("tel:+12025550123", "tel:+12025550199", "sms")
    assert found["originatingDirection"] == "inbound"


def test_the_flow_is_the_first_one() -> None:
    ivr = participant("ivr", session={"flow": {"flowName": "Main", "exitReason": "TRANSFER"}})
    survey = participant("ivr", session={"flow": {"flowName": "Survey", "exitReason": "DISCONNECT"}})

    found = cells(conversation(customer(), ivr, survey))

    assert (found["flowName"], found["flowExitReason"]) == ("Main", "TRANSFER")


def test_divisions_are_named_where_they_can_be() -> None:
    assert cell("divisionNames", divisionIds=["d1", "gone"]) == ("Home", "gone")


def test_the_disconnect_type_is_the_customers_last_else_the_last_of_all() -> None:
    left = participant("customer", segment("interact", "08:00:00", disconnectType="client"))
    closed = participant("agent", segment("interact", "08:05:00", disconnectType="peer"))

    assert cell("disconnectType", left, closed) == "client"
    assert cell("disconnectType", customer(), closed) == "peer"


def test_times_are_sums_over_all_sessions_in_seconds() -> None:
    first = participant(
        "agent", session={"metrics": metrics(("tHandle", 1500), ("tTalk", 9), ("tTalk", 9), ("tAcw", 0))}
    )
    second = participant("agent", session={"metrics": metrics(("tHandle", 250), ("nTransferred", 1))})

    found = cells(conversation(first, second))

    assert found["handleSeconds"] == 1.75
    assert found["acwSeconds"] == 0.0
    assert found["waitSeconds"] is None
    assert found["transfers"] == 1
    assert found["abandoned"] is False


def test_mos_is_the_number_of_the_api() -> None:
    assert cell("minMos", mediaStatsMinConversationMos=4.88) == 4.88


# Real answers, their rows worked out by hand

VOICE = ("voice", "2025-03-10T05:08:02.919Z", "2025-03-10T05:09:00.631Z", 57.712, "DesktopTestingQueue")
SKIPPED = "ININ-OUTBOUND-PREVIEW-SKIPPED"
OUTBOUND = ("603d4f6b-442e-43e4-85ad-aaa5da2d08a4", "74e304c3-8c9a-4052-9bf8-a779fe5e4b1d", SKIPPED)
NOBODY_KNOWN = Names()


def written(one: Conversation) -> tuple[Any, ...]:
    values = row(Facts.of(one), NOBODY_KNOWN, DEFAULT)
    return tuple(text(value) if isinstance(value, datetime) else value for value in values)


def test_the_rows_of_a_page_of_2025() -> None:
    rows = [written(one) for one in Page.read(sampled.body("query_page_voice_2025")).conversations]

    tree = sampled.tree("query_page_voice_2025")["conversations"]
    agents = [one["participants"][3]["userId"] for one in tree]
    assert [agent_id[:8] for agent_id in agents] == ["ca1761ec", "4aee9862"]
    assert rows == [(one["conversationId"], *VOICE, agent_id, None) for one, agent_id in zip(tree, agents, strict=True)]


def test_the_rows_of_a_page_of_2016_which_has_no_ends_no_names_and_a_caller_inside_the_org() -> None:
    rows = [written(one) for one in Page.read(sampled.body("query_page_2016")).conversations]

    assert rows == [
        ("194f3ced-0b11-4c19-8bcc-dba393cadaab", "callback", "2016-09-05T11:50:49.582Z", None, None, *OUTBOUND),
        ("e1560c37-9bd5-417e-8a0f-d15c62eb1cbe", "callback", "2016-09-06T00:15:01.955Z", None, None, *OUTBOUND),
        (
            "9e164535-170e-4094-8389-05ef9607740e", "voice", "2016-09-06T07:06:11.478Z", None, None,
            "Name730 Queue", "914e11b8-147d-4f38-859c-2e64a843f257", "7a63d66b-fd42-4da6-8e77-3bf8cb72068d",
        ),
        (
            "748f752a-4517-4fa5-a1bc-51ef5ada5222", "chat", "2016-09-06T10:38:12.756Z", None, None,
            None, "104cdaae-e571-4bd7-986b-03efed6bdbaa", "d14add64-eaa3-410a-badb-39e30ae29c1d",
        ),
        (
            "a6b0b13e-2414-4fa5-ad37-77f0be6bb8ed", "chat", "2016-09-06T12:26:12.280Z", None, None,
            None, "104cdaae-e571-4bd7-986b-03efed6bdbaa", None,
        ),
    ]  # fmt: skip


def test_the_row_of_a_chat() -> None:
    chat, _ = conversation_of(sampled.body("conversation_chat_2021"))
    assert chat

    assert written(chat) == (
        sampled.tree("conversation_chat_2021")["conversationId"], "chat",
        "2021-04-01T12:27:53.386Z", "2021-04-01T12:43:23.306Z", 929.92, "Yuri", chat.participants[2].user_id, None,
    )  # fmt: skip


def test_the_row_of_a_conversation_whose_instants_are_malformed() -> None:
    malformed, _ = conversation_of(sampled.body("conversation_malformed_2021"))
    assert malformed

    assert written(malformed) == (
        "6acbee65-80be-4777-be03-8dacd07ee3f9", "chat", "2021-04-02T15:30:51.418Z", None, None,
        "Chat Participant", "9f3b4669-8593-4c95-bd7d-ef92c50f5a86", None,
    )  # fmt: skip


# Whatever comes

TEXTS = st.sampled_from(["", "q1", "u1", "x"])
INSTANTS = st.sampled_from([None, *(datetime.fromisoformat(f"{DAY}0{hour}:00:00Z") for hour in range(3))])
SEGMENTS = st.builds(
    Segment,
    segment_type=st.sampled_from([None, "interact", "hold", "dialing", "wrapup", "brandnew"]),
    segment_start=INSTANTS,
    segment_end=INSTANTS,
    queue_id=st.none() | TEXTS,
    wrap_up_code=st.none() | TEXTS,
    wrap_up_note=st.none() | TEXTS,
    disconnect_type=st.sampled_from([None, "peer", "endpoint", "client", "consultTransfer", "timeout"]),
)
METRICS = st.builds(
    Metric,
    name=st.sampled_from([None, "tAcd", "tAbandon", "tHandle", "nConsultTransferred"]),
    value=st.none() | st.integers(0, 9) | st.floats(0, 9),
)
SESSIONS = st.builds(
    Session,
    media_type=st.sampled_from([None, "voice", "callback", "screenshare"]),
    direction=st.sampled_from([None, "inbound", "outbound"]),
    ani=st.none() | TEXTS,
    dnis=st.none() | TEXTS,
    address_from=st.none() | TEXTS,
    callback_numbers=st.lists(TEXTS, max_size=2).map(tuple),
    message_type=st.none() | TEXTS,
    disposition_name=st.none() | TEXTS,
    monitored_participant_id=st.sampled_from([None, None, None, "p"]),
    flow=st.none() | st.builds(Flow, flow_name=st.none() | TEXTS, exit_reason=st.none() | TEXTS),
    metrics=st.lists(METRICS, max_size=3).map(tuple),
    segments=st.lists(SEGMENTS, max_size=3).map(tuple),
)
PARTICIPANTS = st.builds(
    Participant,
    purpose=st.sampled_from([None, "acd", "agent", "agent", "user", "customer", "external", "dialer", "brandnew"]),
    user_id=st.none() | TEXTS,
    participant_name=st.none() | TEXTS,
    sessions=st.lists(SESSIONS, max_size=2).map(tuple),
)
EVALUATIONS = st.builds(
    Evaluation,
    evaluation_status=st.sampled_from([None, "Finished", "Pending"]),
    event_time=INSTANTS,
    deleted=st.sampled_from([None, False, True]),
    o_total_score=st.none() | st.integers(0, 3),
)
SURVEYS = st.builds(
    Survey,
    survey_status=st.sampled_from([None, "Finished", "Pending"]),
    event_time=INSTANTS,
    o_survey_total_score=st.none() | st.integers(0, 3),
    survey_promoter_score=st.none() | st.integers(0, 3),
)
CONVERSATIONS = st.builds(
    Conversation,
    conversation_id=TEXTS,
    conversation_start=INSTANTS,
    conversation_end=INSTANTS,
    originating_direction=st.sampled_from([None, "inbound", "outbound"]),
    participants=st.lists(PARTICIPANTS, max_size=4).map(tuple),
    evaluations=st.lists(EVALUATIONS, max_size=3).map(tuple),
    surveys=st.lists(SURVEYS, max_size=3).map(tuple),
)

KINDS = {
    "text": str,
    "instant": datetime,
    "seconds": float,
    "integer": int,
    "real": int | float,
    "boolean": bool,
    "texts": tuple,
}


@settings(max_examples=150)
@given(CONVERSATIONS)
def test_every_conversation_has_a_row_whose_values_are_of_their_columns_types(one: Conversation) -> None:
    values = row(Facts.of(one), names(), EXTENDED)

    for column, value in zip(EXTENDED, values, strict=True):
        assert value is None or isinstance(value, KINDS[column.type]), column.name


@settings(max_examples=50)
@given(CONVERSATIONS)
def test_the_default_row_is_the_beginning_of_the_extended_one(one: Conversation) -> None:
    facts = Facts.of(one)

    assert row(facts, names(), EXTENDED)[:8] == row(facts, names(), DEFAULT)


def plain(one: Conversation) -> Any:
    """As the API sends it: what has no value is absent."""
    tree = msgspec.to_builtins(one)

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: cut(each) for name, each in value.items() if each not in (None, (), {})}
        return [cut(each) for each in value] if isinstance(value, list | tuple) else value

    return cut(tree)


@settings(max_examples=300, deadline=None)
@given(CONVERSATIONS, st.integers(0, 2**32))
def test_the_order_of_participants_and_sessions_does_not_change_the_row(one: Conversation, seed: int) -> None:
    """The API promises no order, so rows follow times only."""
    whole, table = plain(one), flat_table("extended")

    assert narrow_row(table, shuffled(whole, Random(seed)), names()) == narrow_row(table, whole, names())


@settings(max_examples=100, deadline=None)
@given(CONVERSATIONS)
def test_every_column_alone_gives_what_it_gives_beside_all_others_and_from_the_full_record(one: Conversation) -> None:
    """An export decodes only the fields of its own columns."""
    whole, expected = plain(one), row(Facts.of(one), names(), EXTENDED)

    for column, value in zip(EXTENDED, expected, strict=True):
        assert narrow_row(flat_table(only=[column.name]), whole, names()) == (value,), column.name


# The table


def test_the_default_view_is_the_eight_columns_in_their_order() -> None:
    assert [column.name for column in DEFAULT] == [
        "conversationId", "channel", "startTime", "endTime", "duration", "queueName", "agentName", "disposition",
    ]  # fmt: skip


def test_the_extended_view_adds_the_reporting_columns() -> None:
    assert [column.name for column in EXTENDED[8:]] == [
        "queueId", "agentId", "queueIds", "userIds", "originatingDirection", "customerAddress", "ani", "dnis",
        "messageType", "flowName", "flowExitReason", "divisionNames", "disconnectType", "endedBy", "handledEnd",
        "waitSeconds", "talkSeconds", "holdSeconds", "acwSeconds", "handleSeconds", "transfers", "abandoned", "minMos",
        "wrapUpNote", "wrapUpCodes", "evaluationScore", "surveyScore", "promoterScore",
    ]  # fmt: skip


@pytest.mark.parametrize("column", EXTENDED, ids=lambda column: str(column.name))
def test_every_column_has_a_description(column: Column) -> None:
    assert column.doc.endswith((".", "..."))
    assert column.caveats == "" or column.caveats.endswith(".")


def test_column_names_differ_without_regard_to_case() -> None:
    assert len({column.name.lower() for column in EXTENDED}) == len(EXTENDED)


def test_columns_can_be_chosen_from_any_view_in_any_order_and_case() -> None:
    chosen = columns("default", ["queueid", "conversationId", "DURATION", "queueid"])

    assert [column.name for column in chosen] == ["queueId", "conversationId", "duration"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_chosen_by_name(view: str) -> None:
    assert columns(view) == VIEWS[view]


def test_an_unknown_column_is_refused_with_the_near_ones() -> None:
    with pytest.raises(QueryError, match="no column 'quename'") as refused:
        columns(only=["conversationId", "quename"])

    assert "queueName" in refused.value.hint


def test_an_unknown_view_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(QueryError, match="no view 'full'") as refused:
        columns("full")

    assert refused.value.hint == "The views are default and extended."


def test_only_the_ids_that_the_columns_need_are_looked_up() -> None:
    facts = Facts.of(
        conversation(customer(), queue("q1", "08:01:00"), agent("u1", "08:02:00", wrap_up="w1"), divisionIds=["d1"])
    )

    assert set(ids(facts, DEFAULT)) == {("queues", "q1"), ("users", "u1"), ("wrapupcodes", "w1")}
    assert set(ids(facts, EXTENDED)) == {("queues", "q1"), ("users", "u1"), ("wrapupcodes", "w1"), ("divisions", "d1")}
    assert set(ids(facts, columns(only=["channel", "queueId"]))) == set()


def test_names_that_cannot_be_looked_up_leave_ids() -> None:
    forbidden = Names()
    forbidden.learn(Unavailable("users", "403"))

    assert cells(conversation(customer(), agent("u1", "08:01:00")), forbidden)["agentName"] == "u1"


def test_facts_hold_nothing_of_the_conversation_but_plain_values() -> None:
    facts = Facts.of(
        conversation(customer(), queue("q1", "08:01:00"), agent("u1", "08:02:00", wrap_up="w1"), divisionIds=["d1"])
    )

    assert "participants" not in json.dumps(msgspec.to_builtins([facts.conversation_id, facts.cells]))
    assert {type(one).__module__ for one in facts.cells} <= {"builtins", "datetime", "everycall.tables.journey"}


def test_facts_say_when_a_conversation_began_whatever_the_columns_are() -> None:
    [record] = flat_table(only=["ani"]).page(
        b'{"conversations": [{"conversationId": "c", "participants": [{"sessions": [{"segments": ['
        b'{"segmentStart": "2026-01-05T08:00:01Z"}, {"segmentStart": "2026-01-05T08:00:00Z"}]}]}]}]}'
    )
    facts = flat_table(only=["ani"]).facts(record)

    assert (facts.start, facts.end, facts.conversation_id) == (None, None, "c")
    assert facts.began == datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_times_are_in_utc_and_one_that_utc_does_not_have_is_empty() -> None:
    found = row(Facts.of(conversation(conversationEnd="2026-01-05T10:00:00+02:00", end=None)), names(), DEFAULT)
    too_late = row(Facts.of(conversation(conversationEnd="9999-12-31T23:59:59-05:00", end=None)), names(), DEFAULT)

    assert isinstance(found[3], datetime)
    assert (found[3].tzinfo, found[3].hour) == (UTC, 8)
    assert too_late[3:5] == (None, None)


# Conversations whose rows were wrong once

CASES = Path(__file__).parent / "cases"
EXPECTED = json.loads((CASES / "expected.json").read_bytes())
KINDS_OF_NAMES: dict[str, Kind] = {"queues": "queues", "users": "users", "codes": "wrapupcodes"}


def names_of_the_cases() -> Names:
    found = Names()
    for kind, entities in json.loads((CASES / "names.json").read_bytes()).items():
        found.learn(Found(KINDS_OF_NAMES[kind], tuple(Entity(each, name) for each, name in entities.items())))
    return found


def as_text(column: Column, value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.3f}" if column.type == "seconds" else str(value)


@pytest.mark.parametrize("case", EXPECTED)
def test_a_conversation_whose_row_was_wrong_has_the_right_one(case: str) -> None:
    [whole] = json.loads((CASES / f"{case}.json").read_bytes())["conversations"]
    table = flat_table(only=list(EXPECTED[case]))

    for seed in range(8):
        found = narrow_row(table, shuffled(whole, Random(seed)), names_of_the_cases())
        written = {column.name: as_text(column, value) for column, value in zip(table.columns, found, strict=True)}
        assert written == EXPECTED[case]


def test_every_case_file_is_tested() -> None:
    """Each file in `cases` has its expected row."""
    assert {path.stem for path in CASES.glob("S*.json")} == set(EXPECTED)
