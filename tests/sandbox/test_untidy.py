"""A seeded month holds each kind of untidiness that real orgs have, in the shape that the API gives it."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from everycall.sandbox import Org
from everycall.sandbox.centre import centre
from everycall.sandbox.instants import DAY_MS, to_ms
from everycall.sandbox.stories.late import SETTLED_DAYS
from everycall.sandbox.stories.parts import stamp
from everycall.sandbox.traffic import Sketch

Json = dict[str, Any]

FIRST_DAY = 20_458
ORG = Org(seed=5, conversations_per_day=300)
CENTRE = centre(5, size=63)


@cache
def month() -> tuple[tuple[Sketch, Json], ...]:
    """The conversations of four weeks, long after their end."""
    sketches = (sketch for day in range(FIRST_DAY, FIRST_DAY + 28) for sketch in ORG.day(day))
    return tuple((s, ORG.conversation(s, s.end_ms + SETTLED_DAYS * DAY_MS)) for s in sketches)


def of_kind(kind: str) -> list[Json]:
    found = [story for sketch, story in month() if sketch.kind == kind]
    assert len(found) > 10
    return found


def by_purpose(story: Json, *purposes: str) -> list[Json]:
    return [participant for participant in story["participants"] if participant["purpose"] in purposes]


def legs(story: Json, *purposes: str) -> list[Json]:
    return [session for participant in by_purpose(story, *purposes) for session in participant["sessions"]]


def parts(*sessions: Json) -> Iterator[Json]:
    for session in sessions:
        yield from session["segments"]


def coded(participant: Json) -> list[Json]:
    """The segments of a participant that carry a wrap-up code."""
    return [part for part in parts(*participant["sessions"]) if "wrapUpCode" in part]


def noted(participant: Json) -> list[Json]:
    return [part for part in parts(*participant["sessions"]) if part.get("wrapUpNote")]


def metrics(session: Json) -> Counter[str]:
    return Counter(metric["name"] for metric in session.get("metrics", ()))


def span(session: Json) -> tuple[str, str]:
    return min(s["segmentStart"] for s in parts(session)), max(s["segmentEnd"] for s in parts(session))


def talkers(story: Json) -> list[Json]:
    """The agents who spoke with somebody."""
    agents = by_purpose(story, "agent")
    return [agent for agent in agents if any(part["segmentType"] == "interact" for part in parts(*agent["sessions"]))]


def is_missed_with_a_code(story: Json) -> bool:
    return any(
        {"alert", "wrapup"} == {part["segmentType"] for part in parts(session)} and coded({"sessions": [session]})
        for session in legs(story, "agent")
    )


def has_one_code_of_two_agents(story: Json) -> bool:
    agents = talkers(story)
    return len(agents) > 1 and 0 < sum(bool(coded(agent)) for agent in agents) < len(agents)


def has_notes_or_codes_by_different_agents(story: Json) -> bool:
    agents = talkers(story)
    return len({part["wrapUpCode"] for agent in agents for part in coded(agent)}) > 1 and any(map(noted, agents))


def second_leaves_first(story: Json) -> bool:
    ends = [span(agent["sessions"][0])[1] for agent in sorted(talkers(story), key=lambda a: span(a["sessions"][0])[0])]
    return "conferenceStart" in story and "conversationEnd" in story and len(ends) == 2 and ends[1] < ends[0]


OCCURS: dict[str, Callable[[Json], object]] = {
    "a third party on a call": lambda c: legs(c, "customer") and legs(c, "external"),
    "an agent who leaves no code": lambda c: any(not coded(agent) for agent in talkers(c)),
    "a code of one of two agents": has_one_code_of_two_agents,
    "codes of different agents, and a note": has_notes_or_codes_by_different_agents,
    "a missed alert with a code": is_missed_with_a_code,
    "a second agent who leaves a conference first": lambda c: len(talkers(c)) == 2 and second_leaves_first(c),
    "an agent without a queue in a conference": lambda c: (
        "conferenceStart" in c and any("queueId" not in p for p in parts(*legs(c, "agent")))
    ),
    "a deleted evaluation": lambda c: any(e["deleted"] for e in c.get("evaluations", ())),
    "a rescored evaluation": lambda c: any(e["rescored"] for e in c.get("evaluations", ())),
    "a calibration": lambda c: any("calibrationId" in e for e in c.get("evaluations", ())),
    "several evaluations": lambda c: len(c.get("evaluations", ())) > 1,
    "an agent without a team": lambda c: any("teamId" not in participant for participant in by_purpose(c, "agent")),
    "an agent with a team": lambda c: any("teamId" in participant for participant in by_purpose(c, "agent")),
}


@pytest.mark.parametrize("what", OCCURS)
def test_it_occurs_in_a_month_and_not_everywhere(what: str) -> None:
    occurs = Counter(bool(OCCURS[what](story)) for _, story in month() if "conversationEnd" in story)

    assert occurs[True] >= 5
    assert occurs[False] > occurs[True] // 2


def test_most_conversations_are_routed_in_the_standard_way() -> None:
    used = Counter(s["usedRouting"] for _, c in month() for s in legs(c, "agent") if "usedRouting" in s)

    assert 0.8 < used["Standard"] / used.total() < 0.95
    assert used.keys() >= {"Standard", "Preferred", "Bullseye", "Predictive", "Last", "Direct", "Vip", "Manual"}


def test_the_wait_of_an_answered_call_nearly_always_has_a_sip_code() -> None:
    waits = [
        "sipResponseCodes" in part
        for _, c in month()
        for session in legs(c, "acd")
        for part in parts(session)
        if session["mediaType"] == "voice" and part.get("disconnectType") == "transfer"
    ]

    assert 0.9 < sum(waits) / len(waits) < 1


# The shapes


def test_a_third_party_is_called_by_the_agent_while_the_customer_holds() -> None:
    for story in of_kind("voice_third_party"):
        (external,) = legs(story, "external")
        (agent,) = legs(story, "agent")
        (customer,) = legs(story, "customer")
        held = next(part for part in parts(agent) if part["segmentType"] == "hold")
        assert [part["segmentType"] for part in parts(external)] == ["dialing", "interact"]
        assert external["direction"] == "outbound" != customer["direction"]
        assert external["dnis"] != customer["ani"]
        assert not any("queueId" in part for part in parts(external))
        assert held["segmentStart"] <= span(external)[0]
        assert span(customer)[0] < span(external)[0] < span(external)[1] <= span(customer)[1]
        assert metrics(agent)["nConsult"] == 1


def test_a_third_party_may_keep_the_customer() -> None:
    kept = Counter(span(*legs(c, "external"))[1] == span(*legs(c, "customer"))[1] for c in of_kind("voice_third_party"))

    assert kept[True] > 1
    assert kept[False] > kept[True]


def test_a_consult_that_is_taken_back_is_an_abandoned_wait_in_a_queue_where_the_customer_never_was() -> None:
    for story in of_kind("voice_consult_cancelled"):
        first, second = sorted(legs(story, "acd"), key=span)
        (agent,) = legs(story, "agent")
        (customer,) = legs(story, "customer")
        held = next(part for part in parts(agent) if part["segmentType"] == "hold")
        assert {part.get("queueId") for part in parts(customer)} - {None} == {first["segments"][0]["queueId"]}
        assert held["segmentStart"] < span(second)[0] < span(second)[1] < held["segmentEnd"]
        assert second["segments"][-1]["disconnectType"] == "client"
        assert metrics(second)["tAbandon"] == metrics(second)["tAcd"] == metrics(second)["nOffered"] == 1
        assert metrics(agent)["nConsult"] == 1
        assert not metrics(agent)["nTransferred"]


def test_a_transfer_that_is_abandoned_ends_in_the_second_queue() -> None:
    for story in of_kind("voice_transfer_abandoned"):
        first, second = sorted(legs(story, "acd"), key=span)
        (agent,) = legs(story, "agent")
        (customer,) = legs(story, "customer")
        assert customer["segments"][-1]["queueId"] == second["segments"][-1]["queueId"]
        assert metrics(agent)["nBlindTransferred"] == metrics(agent)["nTransferred"] == 1
        assert metrics(second)["tAbandon"] == 1
        assert not metrics(first)["tAbandon"]
        assert span(second)[1] == story["conversationEnd"]


def test_a_consultation_of_a_queue_may_become_a_transfer() -> None:
    """The customer is then in the care of the consulted queue, and its agent answers out of that queue."""
    through_queue = [story for story in of_kind("voice_consult_transfer") if len(legs(story, "acd")) == 2]
    assert 0 < len(through_queue) < len(of_kind("voice_consult_transfer"))
    for story in through_queue:
        first, second = sorted(legs(story, "acd"), key=span)
        first_agent, second_agent = sorted((leg for leg in legs(story, "agent") if metrics(leg)["tHandle"]), key=span)
        (customer,) = legs(story, "customer")
        held = next(part for part in parts(first_agent) if part["segmentType"] == "hold")
        consulted = second["segments"][-1]["queueId"]
        assert held["segmentStart"] < span(second)[0] < span(second)[1] < held["segmentEnd"]
        assert span(second_agent)[0] < span(second)[1] < span(first_agent)[1] < span(second_agent)[1]
        assert (
            metrics(first_agent)["nConsultTransferred"]
            == metrics(second)["nOffered"]
            == metrics(second_agent)["tAnswered"]
            == 1
        )
        assert {part["queueId"] for part in parts(second_agent)} == {consulted}
        assert [part["queueId"] for part in parts(customer) if "queueId" in part] == [
            first["segments"][-1]["queueId"],
            consulted,
        ]


def test_whoever_answers_out_of_a_queue_is_a_member_of_it() -> None:
    members = {queue.id: {user.id for user in queue.temporary_members} for queue in CENTRE.queues}
    answers = [
        (agent["userId"], part["queueId"])
        for _, story in month()
        for agent in by_purpose(story, "agent")
        for session in agent["sessions"]
        if metrics(session)["tAnswered"]
        for part in parts(session)
    ]

    assert len(answers) > 1000
    assert [pair for pair in answers if pair[0] not in members[pair[1]]] == []


def test_each_of_two_agents_sets_a_code_of_their_own_queue() -> None:
    codes = {queue.id: set(queue.codes) for queue in CENTRE.queues}
    for story in of_kind("voice_blind_transfer"):
        for part in parts(*legs(story, "agent")):
            assert "wrapUpCode" not in part or part["wrapUpCode"] in codes[part["queueId"]]


@pytest.mark.parametrize("kind", ["callback_requested", "callback_scheduled"])
def test_a_call_back_goes_out_to_the_customers_number(kind: str) -> None:
    numbers = {queue.number for queue in CENTRE.queues}
    for story in of_kind(kind):
        calls = [leg for leg in legs(story, "agent", "customer") if leg["mediaType"] == "voice"]
        out = [leg for leg in calls if leg["direction"] == "outbound"]
        (number,) = {f"tel:{n}" for leg in legs(story, "agent") for n in leg.get("callbackNumbers", ())}
        assert len(out) == 2
        assert {leg["dnis"] for leg in out} == {leg["sessionDnis"] for leg in out} == {number}
        assert {leg["ani"] for leg in calls if leg["direction"] == "inbound"} <= {number}
        assert {leg["ani"] for leg in out} < numbers


def test_a_callback_that_is_given_up_has_no_agent_and_a_wait_without_an_answer() -> None:
    for story in of_kind("callback_abandoned"):
        (waits,) = [session for session in legs(story, "acd") if session["mediaType"] == "callback"]
        assert not by_purpose(story, "agent")
        assert {session["mediaType"] for session in legs(story, "customer")} == {"voice", "callback"}
        assert next(parts(waits))["segmentType"] == "scheduled"
        assert waits["segments"][-1]["disconnectType"] != "transfer"
        assert metrics(waits)["nCallbackScheduled"] == metrics(waits)["nOffered"] == metrics(waits)["tAcd"] == 1
        assert not metrics(waits)["tAnswered"]
    assert {bool(metrics(s)["tCallbackAbandon"]) for c in of_kind("callback_abandoned") for s in legs(c, "acd")} == {
        True,
        False,
    }


def test_a_mail_that_is_reopened_is_over_in_between_with_an_end_that_goes_away_again() -> None:
    for sketch, final in [(s, story) for s, story in month() if s.kind == "email_reopened"]:
        assert sketch.rest is not None
        over, again = sketch.rest
        between = ORG.conversation(sketch, again - 1)
        assert between == ORG.conversation(sketch, over)
        assert between["conversationEnd"] == stamp(over) == max(span(s)[1] for s in legs(between, "agent", "external"))
        assert "conversationEnd" not in ORG.conversation(sketch, over - 1)
        assert "conversationEnd" not in ORG.conversation(sketch, again)
        assert final["conversationEnd"] == stamp(sketch.end_ms)
        assert [len(participant["sessions"]) for participant in by_purpose(final, "external", "agent")] == [2, 2]
        assert again - over > 3_600_000


def test_an_agent_called_into_a_conference_without_a_queue_talks_with_the_others() -> None:
    alone = [
        agent
        for story in of_kind("voice_conference")
        for agent in talkers(story)
        if all("queueId" not in part for part in parts(*agent["sessions"]))
    ]
    assert alone
    assert all(any(part["conference"] for part in parts(*agent["sessions"])) for agent in alone)


# Names


AWKWARD = {
    "an umlaut": "äöüÄÖÜß",
    "an accent": "éèñíçŠÅø",
    "CJK": "佐藤美咲人窓口言語東京",
    "a quote": "\"'",
    "a comma": ",",
}


def texts_of(place: str) -> set[str]:
    """The names of a kind of look-up, or what stands under a field anywhere in the month."""
    if place in {"users", "queues", "wrapupcodes"}:
        return {entity["name"] for entity in ORG.entities(place)}
    everything = (
        p
        for _, c in month()
        for participant in c["participants"]
        for p in (participant, *parts(*participant["sessions"]))
    )
    return {thing[place] for thing in everything if place in thing}


@pytest.mark.parametrize("place", ["users", "queues", "participantName"])
@pytest.mark.parametrize("what", AWKWARD)
def test_names_are_not_all_plain(place: str, what: str) -> None:
    assert any(set(AWKWARD[what]) & set(name) for name in texts_of(place))


@pytest.mark.parametrize("place", ["users", "queues", "wrapupcodes", "participantName", "wrapUpNote", "subject"])
def test_some_texts_begin_with_an_equals_sign_and_some_are_not_ascii(place: str) -> None:
    texts = texts_of(place)

    assert any(text.startswith("=") for text in texts)
    assert any(not text.isascii() for text in texts)


def test_addresses_are_plain_whatever_the_names() -> None:
    assert all(entity["email"].isascii() and " " not in entity["email"] for entity in ORG.entities("users"))
    assert len({entity["email"] for entity in ORG.entities("users")}) == len(ORG.entities("users"))


# Queues


def test_a_queue_has_the_settings_that_the_api_gives() -> None:
    for queue in ORG.entities("queues"):
        assert queue.keys() >= {
            *("mediaSettings", "acwSettings", "routingRules", "dateCreated", "createdBy", "modifiedBy"),
            *("scoringMethod", "defaultScripts"),
        }
        assert queue["mediaSettings"].keys() == {"call", "callback", "chat", "email", "message"}
        for settings in queue["mediaSettings"].values():
            level = settings["serviceLevel"]
            assert 0 < level["percentage"] <= 1
            assert level["durationMs"] >= 20_000


def test_what_is_over_its_service_level_was_answered_later_than_the_queue_allows() -> None:
    """What was not answered is not over it: the vendor's service level subtracts these from the answered ones."""
    media = {"voice": "call", "chat": "chat", "email": "email", "message": "message"}
    levels = {q["id"]: q["mediaSettings"] for q in ORG.entities("queues")}
    over = Counter[bool]()
    for _, story in month():
        for session in legs(story, "acd"):
            waited = [m["value"] for m in session.get("metrics", ()) if m["name"] == "tAcd"]
            if session["mediaType"] in media and waited:
                settings = levels[session["segments"][0]["queueId"]][media[session["mediaType"]]]
                is_answered = not metrics(session).keys() & {"tAbandon", "tFlowOut"}
                is_over = is_answered and waited[0] > settings["serviceLevel"]["durationMs"]
                assert bool(metrics(session)["nOverSla"]) == is_over
                over[is_over] += 1
    assert over[True] > 100 < over[False]


def test_a_consult_does_not_last_longer_than_its_conversation() -> None:
    for kind in ("voice_third_party", "voice_consult_cancelled", "voice_transfer_abandoned"):
        for story in of_kind(kind):
            assert to_ms(story["conversationEnd"]) == max(
                to_ms(p["segmentEnd"]) for participant in story["participants"] for p in parts(*participant["sessions"])
            )
