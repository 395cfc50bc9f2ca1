"""Who is the customer, who had the customer last, which queue: conversations by kind."""

from typing import Any

import pytest

from building import Tree, customer, metrics, participant, segment, session, side, stretch
from filling import cell, cells

CALLER = participant("customer", stretch("interact", "08:00:00", "08:20:00", disconnectType="peer"))
SALES = participant("acd", stretch("interact", "08:00:05", "08:00:30", queueId="q1", disconnectType="transfer"))


def inside(user_id: str, *stretches: tuple[str, str, str], purpose: str = "agent", **session_fields: Any) -> Tree:
    """A person with stretches of (segmentType, start, end), of minutes and seconds after eight."""
    segments = [stretch(kind, f"08:{start}", f"08:{end}") for kind, start, end in stretches]
    return participant(purpose, *segments, session=session_fields, userId=user_id)


def asked(start: str, end: str, *emitted: str, disconnect: str = "client") -> Tree:
    """The queue q2's leg, from one minute and second to another."""
    return participant(
        "acd",
        stretch("interact", f"08:{start}", f"08:{end}", queueId="q2", disconnectType=disconnect),
        session={"metrics": metrics(*((name, 1000) for name in emitted))},
        participantName="Care",
    )


# The customer


def test_a_third_party_on_a_call_is_not_the_customer() -> None:
    third = participant(
        "external",
        stretch("interact", "08:00:00", "08:25:00", disconnectType="transfer"),
        session={"ani": "tel:+1", "mediaType": "email"},
    )
    caller = participant(
        "customer", stretch("interact", "08:00:01", "08:20:00", disconnectType="endpoint"), session={"ani": "tel:+2"}
    )

    assert cells("channel ani customerAddress disconnectType", caller, third) == (
        "voice",
        "tel:+2",
        "tel:+2",
        "endpoint",
    )


def test_without_a_customer_the_external_who_came_first_is_the_customer() -> None:
    first = participant("external", segment("interact", "08:00:00"), session={"addressFrom": "ada@example.org"})
    second = participant("external", segment("interact", "08:03:00"), session={"addressFrom": "bob@example.org"})

    assert cell("customerAddress", second, first) == "ada@example.org"


def test_an_internal_call_has_its_first_session_in_the_customers_place() -> None:
    calls = participant(
        "user", segment("dialing", "08:00:00"), session={"direction": "inbound", "ani": "sip:ann"}, userId="u1"
    )
    called = participant("user", segment("alert", "08:00:01"), session={"ani": "sip:ben"}, userId="u2")

    assert cell("customerAddress", called, calls) == "sip:ann"


def test_the_channel_is_that_of_the_customers_session_that_began_first() -> None:
    calls_back = session(stretch("interact", "08:06:00", "08:40:00"), mediaType="callback")
    called = session(stretch("interact", "08:00:00", "08:05:00"))

    assert cell("channel", side("customer", calls_back, called)) == "voice"


def test_a_customers_session_without_a_time_comes_after_the_others() -> None:
    assert (
        cell("channel", side("customer", session(mediaType="email"), session(segment("interact", "08:00:00"))))
        == "voice"
    )


def test_a_shared_screen_that_begins_with_the_chat_is_not_the_channel() -> None:
    sessions = [session(segment("interact", "08:00:00"), mediaType=one) for one in ("screenshare", "chat", "cobrowse")]

    assert cell("channel", side("customer", *sessions)) == "chat"


def test_two_participants_of_the_customer_are_one_customer() -> None:
    earlier = participant("customer", segment("interact", "08:00:00"), session={"ani": "tel:+1"})
    later = participant("customer", segment("interact", "08:05:00"), session={"ani": "tel:+2", "mediaType": "callback"})

    assert cells("channel ani", later, earlier) == ("voice", "tel:+1")


# The customer's address


@pytest.mark.parametrize(
    ("direction", "fields", "address"),
    [
        ("inbound", {"ani": "tel:+1", "dnis": "tel:+9"}, "tel:+1"),
        ("outbound", {"ani": "tel:+9", "dnis": "tel:+1"}, "tel:+1"),
        ("inbound", {"addressFrom": "ada@x", "addressTo": "org@x"}, "ada@x"),
        ("outbound", {"addressFrom": "org@x", "addressTo": "ada@x"}, "ada@x"),
        (None, {"ani": "tel:+1", "dnis": "tel:+9"}, "tel:+1"),
        ("outbound", {"ani": "tel:+9"}, None),
    ],
)
def test_the_customers_address_is_where_the_customer_called_from_or_was_called(
    direction: str | None, fields: dict[str, str], address: str | None
) -> None:
    of_its_own = participant("customer", segment("interact", "08:00:00"), session={**fields, "direction": direction})

    assert cell("customerAddress", of_its_own) == address
    assert cell("customerAddress", customer(**fields), originatingDirection=direction) == address


def test_ani_and_dnis_stay_what_the_api_says() -> None:
    called = customer(direction="outbound", ani="tel:+9", dnis="tel:+1")

    assert cells("ani dnis", called) == ("tel:+9", "tel:+1")


def test_a_callback_without_a_call_has_its_first_number() -> None:
    waits = session(segment("interact", "08:00:00"), mediaType="callback", callbackNumbers=["+11", "+10"])
    call = session(segment("dialing", "08:05:00"), direction="outbound", ani="tel:+9", dnis="tel:+12")

    assert cell("customerAddress", side("customer", waits)) == "+11"
    assert cell("customerAddress", side("customer", waits, call), originatingDirection="inbound") == "tel:+12"


def test_a_callback_whose_number_only_the_agents_leg_has_has_that() -> None:
    waits = session(segment("interact", "08:00:00"), mediaType="callback")
    agent = participant("agent", segment("interact", "08:05:00"), session={"callbackNumbers": ["+12"]}, userId="u1")

    assert cell("customerAddress", side("customer", waits), agent) == "+12"


# The agent


def test_an_agent_brought_in_for_a_minute_is_not_the_agent() -> None:
    """The agent is the one who was with the customer last, and the first agent stayed until the end."""
    first, brought_in = inside("u1", ("interact", "00:30", "20:00")), inside("u2", ("interact", "10:30", "12:00"))

    assert cell("agentName", CALLER, SALES, first, brought_in) == "Ann"


def test_the_one_who_stays_longest_in_a_conference_is_the_agent() -> None:
    """Both talk to the customer at the same time; the second one stays until the customer leaves."""
    first, second = inside("u1", ("interact", "00:30", "15:00")), inside("u2", ("interact", "10:30", "20:00"))

    assert cell("agentName", CALLER, SALES, first, second) == "Ben"


def test_a_hold_reaches_as_far_as_an_interact() -> None:
    """Holding the customer counts as being with the customer."""
    holds = inside("u1", ("interact", "00:30", "15:00"), ("hold", "15:00", "20:00"))
    earlier = inside("u2", ("interact", "10:30", "18:00"))

    assert cell("agentName", CALLER, holds, earlier) == "Ann"


@pytest.mark.parametrize("end", ["19:59.200", "20:00", "20:00.900"])
def test_within_a_second_the_one_who_had_the_customer_longer_is_the_agent(end: str) -> None:
    """Two ends less than a second apart count as the same, so the longer time with the customer decides."""
    longer = inside("u1", ("interact", "00:30", "05:00"), ("hold", "05:00", "06:00"), ("interact", "06:00", "20:00"))
    shorter = inside("u2", ("interact", "05:50", end))

    assert cell("agentName", CALLER, longer, shorter) == "Ann"


def test_of_two_who_had_the_customer_equally_long_the_one_with_more_segments_is_not_ahead() -> None:
    twice = inside("u1", ("interact", "10:00.000", "10:00.100"), ("interact", "10:00.100", "10:00.300"))
    once = inside("u2", ("interact", "10:00.000", "10:00.300"))

    assert 0.1 + 0.2 > 0.3
    assert cell("agentId", CALLER, twice, once) == "u2"


def test_time_after_the_customer_left_does_not_count() -> None:
    """The second agent talks on after the customer's leg has ended, and was with the customer no longer than the
    first.
    """
    with_customer, talks_on = inside("u1", ("interact", "00:30", "20:00")), inside("u2", ("interact", "10:00", "55:00"))

    assert cell("agentName", CALLER, with_customer, talks_on, end="08:55:00") == "Ann"


def test_who_answers_after_the_customer_left_is_not_the_agent_of_a_customer_who_had_one() -> None:
    """An agent who was never with the customer does not replace one who was."""
    had, too_late = inside("u1", ("interact", "00:30", "15:00")), inside("u2", ("interact", "20:02", "20:05"))

    assert cell("agentName", CALLER, had, too_late, end="08:21:00") == "Ann"


def test_where_everybody_comes_after_the_customers_leg_the_last_is_the_agent() -> None:
    """The customer's leg of an e-mail ends before anybody works on it."""
    mail = participant("external", stretch("interact", "08:00:00", "08:00:01"), session={"mediaType": "email"})
    first, second = inside("u2", ("interact", "01:00", "05:00")), inside("u1", ("interact", "06:00", "09:00"))

    assert cell("agentName", mail, first, second) == "Ann"


def test_an_open_leg_is_the_latest_while_the_conversation_lives() -> None:
    closed = inside("u1", ("interact", "00:30", "15:00"))
    goes_on = participant("agent", segment("interact", "08:10:00"), userId="u2")
    open_customer = participant("customer", segment("interact", "08:00:00"))

    assert cell("agentName", open_customer, closed, goes_on, end=None) == "Ben"


def test_an_open_leg_is_not_the_latest_once_the_conversation_has_ended() -> None:
    """A leg without an end in a conversation that has ended was never closed, and says nothing about the end."""
    stuck = participant("agent", segment("interact", "08:10:00"), userId="u2")

    assert cell("agentName", CALLER, inside("u1", ("interact", "00:30", "20:00")), stuck, end="08:20:10") == "Ann"


def test_of_several_open_legs_the_one_who_began_first_is_the_agent() -> None:
    """Open legs have no end to compare, so the longer one decides."""
    first = participant("agent", segment("interact", "08:00:30"), userId="u1")
    second = participant("agent", segment("interact", "08:10:00"), userId="u2")

    assert cell("agentName", customer(), first, second, end=None) == "Ann"


def test_a_leg_that_stays_open_for_weeks_does_not_make_its_owner_the_agent() -> None:
    """Time counts only up to the end of the customer's leg."""
    stuck = participant("agent", segment("interact", "08:10:00", segmentEnd="2026-03-05T08:00:00Z"), userId="u2")
    known = inside("u1", ("interact", "00:30", "20:00"))

    assert cell("agentName", CALLER, known, stuck, conversationEnd="2026-03-05T08:00:00Z", end=None) == "Ann"


@pytest.mark.parametrize("kind", ["monitoredParticipantId", "coachedParticipantId", "bargedParticipantId"])
@pytest.mark.parametrize("segment_type", ["interact", "monitoring"])
def test_a_supervisor_who_listens_is_not_the_agent(kind: str, segment_type: str) -> None:
    supervisor = inside("u3", (segment_type, "05:00", "20:00"), **{kind: "p1"})
    agent = inside("u1", ("interact", "00:30", "19:00"))

    assert cell("agentName", CALLER, agent, supervisor) == "Ann"
    assert cell("agentName", CALLER, supervisor) is None


def test_a_supervisor_who_listened_first_and_then_took_over_is_the_agent_by_the_other_session() -> None:
    listened = session(stretch("monitoring", "08:05:00", "08:10:00"), monitoredParticipantId="p1")
    took_over = session(stretch("interact", "08:10:00", "08:20:00"))

    supervisor = side("agent", listened, took_over, userId="u3")
    assert cell("agentName", CALLER, inside("u1", ("interact", "00:30", "10:00")), supervisor) == "Sue"


def test_a_consulted_agent_who_never_joined_is_not_the_agent_even_where_the_customer_hangs_up_meanwhile() -> None:
    """The customer was on hold with the first agent until the end."""
    asks = inside("u1", ("interact", "00:30", "10:00"), ("hold", "10:00", "20:00"))
    consulted = inside("u2", ("interact", "10:20", "20:30"))

    assert cell("agentName", CALLER, asks, consulted, end="08:20:30") == "Ann"


def test_who_was_out_of_anothers_hold_for_exactly_a_second_was_consulted() -> None:
    asks = inside(
        "u1", ("interact", "01:00", "10:00"), ("hold", "10:00.000", "10:01.200"), ("interact", "10:02", "20:00")
    )
    asked = participant("agent", stretch("interact", "08:10:00.000", "08:10:02.200", queueId="q2"), userId="u2")

    assert 2.2 - 1.2 > 1
    assert cell("queueName", CALLER, asks, asked) is None


def test_who_talked_while_two_others_held_the_customer_and_went_on_is_the_agent() -> None:
    first = inside("u1", ("interact", "00:30", "05:00"), ("hold", "05:00", "10:00"), ("interact", "10:00", "10:05"))
    second = inside("u2", ("interact", "03:00", "05:00"), ("hold", "05:00", "10:00"), ("interact", "10:00", "10:05"))

    assert cell("agentName", CALLER, SALES, first, second, inside("u3", ("interact", "05:00", "15:00"))) == "Sue"


def test_a_consulted_agent_who_gets_the_customer_is_the_agent() -> None:
    asks = inside("u1", ("interact", "00:30", "10:00"), ("hold", "10:00", "12:00"))
    consulted = inside("u2", ("interact", "10:20", "20:00"))

    assert cell("agentName", CALLER, asks, consulted) == "Ben"


def test_after_a_blind_transfer_the_second_agent_is_the_agent() -> None:
    assert (
        cell(
            "agentName",
            CALLER,
            inside("u1", ("interact", "00:30", "05:00")),
            inside("u2", ("interact", "06:00", "20:00")),
        )
        == "Ben"
    )


def test_an_agent_who_does_not_answer_the_alert_is_not_the_agent() -> None:
    missed = inside("u2", ("alert", "19:00", "20:00"), ("wrapup", "20:00", "20:10"))

    assert cell("agentName", CALLER, missed, inside("u1", ("interact", "00:30", "15:00"))) == "Ann"
    assert cell("agentName", CALLER, missed) is None


def test_a_user_who_spoke_with_the_customer_is_the_agent_also_where_a_queue_took_part() -> None:
    user = inside("u1", ("interact", "01:00", "20:00"), purpose="user")

    assert cell("agentName", CALLER, SALES, user) == "Ann"


def test_the_purpose_agent_goes_before_the_purpose_user() -> None:
    user = inside("u2", ("interact", "10:00", "20:00"), purpose="user")

    assert cell("agentName", CALLER, inside("u1", ("interact", "00:30", "10:00")), user) == "Ann"


def test_of_two_users_the_one_who_was_called_is_the_agent() -> None:
    """On an internal call the one who dialled takes the place of the customer."""
    calls = inside("u1", ("dialing", "00:00", "00:05"), ("interact", "00:05", "05:00"), purpose="user")
    called = inside("u2", ("alert", "00:00", "00:05"), ("interact", "00:05", "05:00"), purpose="user")

    assert cell("agentName", calls, called) == "Ben"


def test_a_user_who_calls_nobody_but_a_menu_is_the_agent_and_one_who_calls_a_queue_is_not() -> None:
    """A user who calls a queue takes the place of the customer, and whoever answers is the agent."""
    calls = inside("u1", ("dialing", "00:00", "00:01"), ("interact", "00:01", "05:00"), purpose="user")

    assert cell("agentName", calls, participant("ivr", segment("ivr", "08:00:02"))) == "Ann"
    assert cell("agentName", calls, SALES) is None
    assert cell("agentName", calls, SALES, inside("u2", ("interact", "00:30", "05:00"))) == "Ben"


def test_a_call_out_that_nobody_answered_has_the_agent_who_dialled() -> None:
    rings = participant("customer", stretch("dialing", "08:00:03", "08:00:40", disconnectType="peer"))
    dials = inside("u1", ("contacting", "00:00", "00:03"), ("dialing", "00:03", "00:40"), ("wrapup", "00:40", "00:50"))

    assert cell("agentName", rings, dials, originatingDirection="outbound") == "Ann"


def test_an_agent_whose_own_station_did_not_answer_still_dialled() -> None:
    """Only the agent's own phone rang; nobody else took part."""
    assert cell("agentName", inside("u1", ("contacting", "00:00", "00:10")), originatingDirection="outbound") == "Ann"


def test_a_dialer_is_no_agent() -> None:
    assert cell("agentName", customer(), participant("dialer", segment("dialing", "08:00:00"))) is None


# The queue


HELD = inside("u1", ("interact", "00:30", "10:00"), ("hold", "10:00", "12:00"), ("interact", "12:00", "20:00"))


def asks(disconnect: str | None = None, *emitted: str) -> Tree:
    """Ann, who asks a queue at 08:10 and is gone at 08:12, if she leaves by a disconnectType."""
    last = stretch("hold", "08:10:00", "08:12:00", **({"disconnectType": disconnect} if disconnect else {}))
    counted = metrics(*((name, 1) for name in emitted))
    return participant(
        "agent", stretch("interact", "08:00:30", "08:10:00"), last, session={"metrics": counted}, userId="u1"
    )


def test_a_consulted_queue_changes_neither_queue_nor_wait_nor_abandoned() -> None:
    """The agent asks another queue while the customer is on hold, gives up, and returns to the customer."""
    waited = participant(
        "acd",
        stretch("interact", "08:00:05", "08:00:30", queueId="q1"),
        session={"metrics": metrics(("tAcd", 25_000))},
    )
    consulted = asked("10:05", "11:55", "tAcd", "tAbandon")

    found = cells("queueName queueId queueIds waitSeconds abandoned", CALLER, waited, HELD, consulted)
    assert found == ("Sales", "q1", ("q1",), 25.0, False)


def test_a_queue_whose_agent_was_only_consulted_is_not_on_the_way() -> None:
    answered = participant("agent", stretch("interact", "08:10:30", "08:11:50", queueId="q2"), userId="u2")

    found = cells(
        "queueName queueIds agentName", CALLER, SALES, HELD, asked("10:05", "10:30", disconnect="transfer"), answered
    )
    assert found == ("Sales", ("q1",), "Ann")


@pytest.mark.parametrize(("disconnect", "emitted"), [("consultTransfer", ()), ("client", ("nConsultTransferred",))])
def test_a_consulted_queue_that_becomes_a_transfer_is_the_queue(disconnect: str, emitted: tuple[str, ...]) -> None:
    second = inside("u2", ("interact", "11:00", "20:00"))

    found = cells(
        "queueName agentName waitSeconds",
        CALLER, SALES, asks(disconnect, *emitted), asked("10:05", "11:00", "tAcd", disconnect="transfer"), second,
    )  # fmt: skip
    assert found == ("Care", "Ben", 1.0)


def test_a_customer_who_is_handed_to_a_queue_and_leaves_there_abandoned_it() -> None:
    waits = asked("10:05", "20:00", "tAcd", "tAbandon", disconnect="peer")

    found = cells("queueName agentName abandoned", CALLER, SALES, asks("consultTransfer"), waits)
    assert found == ("Care", "Ann", True)


def test_of_two_consulted_queues_only_the_one_that_took_the_customer_counts() -> None:
    """The first consultation was given up, the second one became a transfer."""
    gave_up = participant(
        "acd",
        stretch("interact", "08:10:05", "08:10:30", queueId="q2", disconnectType="client"),
        session={"metrics": metrics(("tAbandon", 1))},
    )
    took = participant("acd", stretch("interact", "08:11:00", "08:11:30", queueId="q3", disconnectType="transfer"))
    second = inside("u2", ("interact", "11:30", "20:00"))

    found = cells("queueId queueIds abandoned", CALLER, SALES, asks("consultTransfer"), gave_up, took, second)
    assert found == ("q3", ("q1", "q3"), False)


@pytest.mark.parametrize("start", ["05:00", "04:59.600", "05:00.400"])
def test_a_blind_transfer_is_no_consultation_whichever_leg_is_some_milliseconds_early(start: str) -> None:
    """The queue's leg and the end of the agent's leg can come in either order, some milliseconds apart."""
    moved = participant("agent", stretch("interact", "08:00:30", "08:05:00", disconnectType="transfer"), userId="u1")
    takes = asked(start, "06:00", "tAcd", disconnect="transfer")

    assert cells("queueName agentName waitSeconds", CALLER, SALES, moved, takes) == ("Care", "Ann", 1.0)


def test_a_blind_transfer_is_no_consultation_also_where_the_agents_leg_ends_seconds_late() -> None:
    moved = participant("agent", stretch("interact", "08:00:30", "08:05:03", disconnectType="transfer"), userId="u1")

    assert cell("queueName", CALLER, SALES, moved, asked("05:00", "06:00", disconnect="transfer")) == "Care"


def test_a_queue_that_was_consulted_before_a_blind_transfer_to_another_is_not_on_the_way() -> None:
    moved = participant("agent", stretch("interact", "08:00:30", "08:15:00", disconnectType="transfer"), userId="u1")
    took = participant("acd", stretch("interact", "08:15:00", "08:16:00", queueId="q3", disconnectType="transfer"))

    assert cell("queueIds", CALLER, SALES, moved, asked("10:05", "11:55", "tAbandon"), took) == ("q1", "q3")


def test_a_queue_after_another_queue_is_the_queue() -> None:
    assert cell("queueName", CALLER, SALES, asked("00:30", "01:30", disconnect="transfer")) == "Care"


def test_a_call_to_a_person_who_asks_a_queue_has_no_queue() -> None:
    assert cell("queueName", CALLER, HELD, asked("10:05", "11:55")) is None


def test_a_user_who_has_the_customer_can_ask_a_queue_too() -> None:
    user = inside("u1", ("interact", "00:30", "20:00"), purpose="user")

    assert cell("queueName", CALLER, user, asked("10:05", "11:55")) is None


def test_a_queue_that_a_user_calls_is_the_queue() -> None:
    calls = inside("u1", ("dialing", "00:00", "00:01"), ("interact", "00:01", "05:00"), purpose="user")

    assert cell("queueName", calls, asked("00:10", "05:00")) == "Care"


def test_a_callback_that_is_booked_during_a_call_is_no_consultation() -> None:
    """The queue of the callback begins while the agent has the customer on hold, as that of a consultation would."""
    booked = participant(
        "acd", stretch("interact", "08:10:05", "08:40:00", queueId="q2"), session={"mediaType": "callback"}
    )

    assert cell("queueName", CALLER, SALES, HELD, booked) == "Care"


def test_a_callback_that_asks_a_queue_while_a_call_goes_on_too_is_a_consultation() -> None:
    call = session(stretch("interact", "08:01:00", "08:20:00"))
    calls_back = session(stretch("interact", "08:01:00", "08:20:00"), mediaType="callback")
    other = participant(
        "acd", stretch("interact", "08:05:00", "08:05:30", queueId="q2"), session={"mediaType": "callback"}
    )

    assert cell("queueName", CALLER, SALES, side("agent", call, calls_back, userId="u1"), other) == "Sales"


def test_a_supervisor_who_listens_makes_no_consultation_of_a_transfer() -> None:
    listens = inside("u3", ("interact", "00:30", "20:00"), bargedParticipantId="p1")

    assert cell("queueName", CALLER, SALES, listens, asked("10:05", "11:00")) == "Care"


def test_the_queue_of_a_leg_is_its_last_and_a_leg_without_an_id_has_its_name() -> None:
    ids = enumerate(["q1", "q2", "q1"])
    moved = participant("acd", *(segment("interact", f"08:00:0{at}", queueId=one) for at, one in ids))
    nameless = participant("acd", segment("interact", "08:00:01"), participantName="Old Sales")

    assert cell("queueName", moved) == "Sales"
    assert cells("queueName queueId", nameless) == ("Old Sales", None)


def test_a_queue_on_whose_behalf_was_called_is_not_that_of_a_listener_or_of_a_consulted_agent() -> None:
    dials = participant("agent", stretch("interact", "08:00:00", "08:10:00", queueId="q1"), userId="u1")
    listens = participant(
        "agent", stretch("monitoring", "08:05:00", "08:10:00", queueId="q2"), session={"coachedParticipantId": "p"}
    )

    assert cells("queueName queueIds", customer(), dials, listens) == ("Sales", ("q1",))


# Lists


def test_users_are_listed_by_the_time_at_which_they_came_whether_they_talked_or_not() -> None:
    missed = inside("u2", ("alert", "00:10", "00:20"))
    listens = inside("u3", ("monitoring", "05:00", "06:00"), monitoredParticipantId="p")

    assert cell("userIds", CALLER, listens, inside("u1", ("interact", "00:30", "20:00")), missed) == ("u2", "u1", "u3")


def test_a_user_without_a_time_is_listed_last() -> None:
    unknown = participant("agent", {"segmentType": "alert"}, userId="u1")

    assert cell("userIds", unknown, inside("u2", ("interact", "00:30", "20:00"))) == ("u2", "u1")
