from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import MONDAY, Caller, Clock, caller, conversation, spread

from everycall.sandbox import Recorded, Sandbox, Switches
from everycall.sandbox.filters import read_filters
from everycall.sandbox.instants import to_ms
from everycall.sandbox.recorded import sketched
from everycall.sandbox.vocabulary import VOCABULARIES

START = "2026-01-05T09:00:00.000Z"


def both(*predicates: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "and", "predicates": list(predicates)}]


def is_(dimension: str, value: str) -> dict[str, Any]:
    return {"dimension": dimension, "value": value}


def segment(**fields: Any) -> dict[str, Any]:
    return {"segmentStart": START, "segmentType": "interact", **fields}


def by_segments(*conversations: list[dict[str, Any]]) -> Caller:
    """A client of conversations, numbered from 1, that are given by their segments."""
    return caller([conversation(n, segments=segments) for n, segments in enumerate(conversations, 1)])


def test_the_predicates_of_one_entry_must_hold_on_the_same_segment() -> None:
    client = by_segments(
        [segment(queueId="sales", segmentType="interact"), segment(queueId="care", segmentType="wrapup")],
        [segment(queueId="sales", segmentType="wrapup")],
    )

    wanted = is_("queueId", "sales"), is_("segmentType", "wrapup")

    assert client.found(segmentFilters=both(*wanted)) == [2]


def test_entries_of_the_list_may_be_met_by_different_segments() -> None:
    client = by_segments(
        [segment(queueId="sales", segmentType="interact"), segment(queueId="care", segmentType="wrapup")],
        [segment(queueId="sales", segmentType="interact")],
    )

    wanted = [*both(is_("queueId", "sales")), *both(is_("segmentType", "wrapup"))]

    assert client.found(segmentFilters=wanted) == [1]


def test_one_of_several_predicates_is_enough_for_or() -> None:
    client = by_segments([segment(queueId="a")], [segment(queueId="b")], [segment(queueId="c")])

    wanted = [{"type": "or", "predicates": [is_("queueId", "a"), is_("queueId", "c")]}]

    assert client.found(segmentFilters=wanted) == [1, 3]


def test_clauses_are_a_second_level() -> None:
    client = by_segments(
        [segment(queueId="a", segmentType="hold")],
        [segment(queueId="b", segmentType="interact")],
        [segment(queueId="c", segmentType="hold")],
    )

    queues = {"type": "or", "predicates": [is_("queueId", "a"), is_("queueId", "b")]}
    wanted = [{"type": "and", "clauses": [queues], "predicates": [is_("segmentType", "hold")]}]

    assert client.found(segmentFilters=wanted) == [1]


def test_an_empty_clause_does_not_weaken_an_or() -> None:
    client = by_segments([segment(queueId="a")], [segment(queueId="b")])

    wanted = [{"type": "or", "clauses": [{"type": "and"}], "predicates": [is_("queueId", "a")]}]

    assert client.found(segmentFilters=wanted) == [1]


def test_lists_of_different_kinds_must_all_hold() -> None:
    client = caller(
        [
            conversation(1, originatingDirection="inbound", segments=[segment(queueId="a")]),
            conversation(2, originatingDirection="outbound", segments=[segment(queueId="a")]),
        ]
    )

    found = client.found(
        conversationFilters=both(is_("originatingDirection", "outbound")),
        segmentFilters=both(is_("queueId", "a")),
    )

    assert found == [2]


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        ("purpose", "agent"),
        ("userId", "ada"),
        ("mediaType", "voice"),
        ("remote", "Boston"),
        ("requestedRouting", "Bullseye"),
        ("destinationAddress", "tel:+12025550100"),
        ("recording", "true"),
        ("mediaCount", "3"),
        ("flowName", "Main"),
        ("flowOutcomeId", "solved"),
        ("disconnectType", "peer"),
        ("requestedRoutingSkillId", "french"),
        ("scoredAgentId", "ada"),
        ("sipResponseCode", "410"),
        ("conference", "false"),
        ("wrapUpNote", ""),
        ("segmentEnd", "2026-01-05T09:05:00Z"),
    ],
)
def test_a_dimension_is_looked_up_where_it_stands(dimension: str, value: str) -> None:
    rich = conversation(
        1,
        participant={"userId": "ada"},
        session={
            "remote": "Boston",
            "requestedRoutings": ["Standard", "Bullseye"],
            "destinationAddresses": ["tel:+12025550100"],
            "recording": True,
            "mediaCount": 3,
            "flow": {"flowName": "Main", "outcomes": [{"flowOutcomeId": "solved"}]},
        },
        segments=[
            segment(
                segmentEnd="2026-01-05T09:05:00.000Z",
                disconnectType="peer",
                requestedRoutingSkillIds=["german", "french"],
                scoredAgents=[{"agentScore": 7, "scoredAgentId": "ada"}],
                sipResponseCodes=[200, 410],
                conference=False,
                wrapUpNote="",
            )
        ],
    )
    poor = conversation(2, participant={"purpose": "customer"}, session={"mediaType": "chat"})
    client = caller([rich, poor])

    assert client.found(segmentFilters=both(is_(dimension, value))) == [1]
    assert client.found(segmentFilters=both(is_(dimension, "something else"))) == []


def test_ended_only_is_asked_for_by_an_end_that_exists() -> None:
    client = caller([conversation(1), conversation(2, seconds=None)])
    exists = {"dimension": "conversationEnd", "operator": "exists", "value": None}

    assert client.found(conversationFilters=both(exists)) == [1]
    assert client.found(conversationFilters=both({**exists, "operator": "notExists"})) == [2]


def test_a_field_that_some_segment_lacks_is_found_by_not_exists() -> None:
    client = by_segments(
        [segment(segmentType="wrapup", wrapUpCode="done")], [segment(segmentType="wrapup")], [segment()]
    )

    lacking = both(is_("segmentType", "wrapup"), {"dimension": "wrapUpCode", "operator": "notExists"})

    assert client.found(segmentFilters=lacking) == [2]


@pytest.mark.parametrize("asked", ["Ada.Vale@Example.com", "ADA.VALE", "example.COM"])
def test_an_address_is_matched_without_case_whole_or_by_its_parts(asked: str) -> None:
    client = caller([conversation(1, session={"addressFrom": "ada.vale@example.com"})])

    assert client.found(segmentFilters=both(is_("addressFrom", asked))) == [1]
    assert client.found(segmentFilters=both(is_("addressFrom", "vale"))) == []


@pytest.mark.parametrize(
    ("bounds", "found"),
    [({"gte": 60000}, [2, 3]), ({"gt": 60000}, [3]), ({"lt": 60000}, [1]), ({"lte": 60000, "gt": 30000}, [2])],
)
def test_a_segment_is_measured_in_milliseconds(bounds: dict[str, float], found: list[int]) -> None:
    ends = "2026-01-05T09:00:30.000Z", "2026-01-05T09:01:00.000Z", "2026-01-05T09:01:30.000Z"
    client = by_segments(*([segment(segmentEnd=end)] for end in ends), [segment()])

    assert client.found(segmentFilters=both({"metric": "tSegmentDuration", "range": bounds})) == found


def test_a_recorded_segment_whose_instants_are_broken_has_no_duration() -> None:
    client = by_segments([segment(segmentEnd="2026-01-5T09:00:30.000Z")])

    assert client.found(segmentFilters=both({"metric": "tSegmentDuration", "operator": "notExists"})) == [1]


def talking(number: int, *talks: int) -> dict[str, Any]:
    metrics = [{"emitDate": START, "name": "tTalk", "value": talk} for talk in talks]
    return conversation(number, session={"metrics": metrics})


@pytest.mark.parametrize(("reading", "found"), [("sum", [1, 2]), ("any", [2])])
def test_whether_a_metric_is_summed_over_the_conversation_is_a_switch(reading: Any, found: list[int]) -> None:
    client = caller(
        [talking(1, 4000, 4000), talking(2, 7000), talking(3, 100), conversation(4)],
        switches=Switches(conversation_metric=reading),
    )

    long = both({"type": "metric", "metric": "tTalk", "range": {"gte": 5000}})

    assert client.found(conversationFilters=long) == found


def test_a_metric_that_exists() -> None:
    client = caller([talking(1, 0), conversation(2)])

    assert client.found(conversationFilters=both({"metric": "tTalk", "operator": "exists"})) == [1]


def test_the_duration_of_a_conversation_is_a_metric() -> None:
    client = caller([conversation(1, seconds=60), conversation(2, seconds=61), conversation(3, seconds=None)])

    longer = both({"metric": "tConversationDuration", "range": {"gt": 60000}})

    assert client.found(conversationFilters=longer) == [2]


def test_a_quality_is_compared_as_a_number() -> None:
    client = caller(
        [
            conversation(1, mediaStatsMinConversationMos=4.2),
            conversation(2, mediaStatsMinConversationMos=3.5),
            conversation(3),
        ]
    )
    mos = "mediaStatsMinConversationMos"

    assert client.found(conversationFilters=both({"dimension": mos, "range": {"lt": 4}})) == [2]
    assert client.found(conversationFilters=both(is_(mos, "4.20"))) == [1]


def test_a_property_is_found_by_name_type_and_value() -> None:
    client = by_segments(
        [segment(properties=[{"property": "recordingId", "propertyType": "uuid", "value": "r1"}])], [segment()]
    )
    asked = {"type": "property", "property": "recordingId", "propertyType": "uuid", "value": "r1"}

    assert client.found(segmentFilters=both(asked)) == [1]
    assert client.found(segmentFilters=both({**asked, "propertyType": "string"})) == []
    assert client.found(segmentFilters=both({**asked, "operator": "exists", "value": None})) == [1]


def test_evaluations_surveys_and_resolutions_have_filters_of_their_own() -> None:
    client = caller(
        [
            conversation(1, evaluations=[{"evaluationStatus": "Finished", "oTotalScore": 80}]),
            conversation(2, surveys=[{"surveyStatus": "Finished", "oSurveyTotalScore": 5}]),
            conversation(3, resolutions=[{"nNextContactAvoided": 1}]),
            conversation(4),
        ]
    )

    score = {"metric": "oTotalScore", "range": {"gte": 80}}
    avoided = {"metric": "nNextContactAvoided", "operator": "exists"}

    assert client.found(evaluationFilters=both(is_("evaluationStatus", "Finished"), score)) == [1]
    assert client.found(surveyFilters=both(is_("surveyStatus", "Finished"))) == [2]
    assert client.found(resolutionFilters=both(avoided)) == [3]


def test_totals_and_pages_count_what_passes() -> None:
    made = [conversation(n, originatingDirection="outbound" if n % 3 else "inbound") for n in range(30)]
    client = caller(made)
    inbound = both(is_("originatingDirection", "inbound"))

    content = client.query(size=4, number=3, conversationFilters=inbound)

    assert content["totalHits"] == 10
    assert [int(conversation["conversationId"][-2:]) for conversation in content["conversations"]] == [24, 27]


def test_a_live_conversation_passes_as_it_stands_now() -> None:
    class Growing(Recorded):
        """Wraps up an hour after its start."""

        def conversation(self, sketch: Any, now_ms: int) -> dict[str, Any]:
            final = super().conversation(sketch, now_ms)
            wrapped = now_ms >= to_ms("2026-01-05T10:00:00Z")
            extra = [segment(segmentType="wrapup", wrapUpCode="done")] if wrapped else []
            person = final["participants"][0]
            session = {**person["sessions"][0], "segments": [segment(), *extra]}
            return {**final, "participants": [{**person, "sessions": [session]}]}

    clock = Clock("2026-01-05T09:30:00Z")
    client = Caller(Sandbox(Growing([conversation(1, seconds=None)]), now=clock))
    wrapped_up = both(is_("segmentType", "wrapup"))

    before = client.found(segmentFilters=wrapped_up)
    clock.advance(1800)
    after = client.found(segmentFilters=wrapped_up)

    assert (before, after) == ([], [1])


def test_a_sketch_rules_out_without_a_story() -> None:
    class Counting(Recorded):
        built = 0

        def conversation(self, sketch: Any, now_ms: int) -> dict[str, Any]:
            self.built += 1
            return super().conversation(sketch, now_ms)

    world = Counting([conversation(n, segments=[segment(queueId=f"q{n % 10}")]) for n in range(100)])
    client = Caller(Sandbox(world, now=Clock()))

    client.query(size=1, segmentFilters=both(is_("queueId", "q3")))

    assert world.built == 10 + 1


def test_what_a_filter_found_is_remembered_for_the_next_page() -> None:
    world = Recorded(spread(30))
    client = Caller(Sandbox(world, now=Clock()))
    voice = both(is_("mediaType", "voice"))
    client.query(size=10, segmentFilters=voice)

    found = next(iter(client.sandbox.store._found.values()))

    assert list(found.settled) == list(range(30))
    assert client.found(MONDAY, size=10, number=3, segmentFilters=voice) == list(range(21, 31))


leaves = st.one_of(
    st.sampled_from(["a", "b"]).map(lambda queue: is_("queueId", queue)),
    st.sampled_from(["voice", "chat"]).map(lambda media: is_("mediaType", media)),
    st.sampled_from(["exists", "notExists"]).map(lambda how: {"dimension": "queueId", "operator": how}),
    st.just(is_("segmentType", "hold")),
)
booleans = st.sampled_from(["and", "or"])
clauses = st.builds(lambda t, p: {"type": t, "predicates": p}, booleans, st.lists(leaves, max_size=3))
filters = st.builds(
    lambda t, c, p: {"type": t, "clauses": c, "predicates": p},
    booleans,
    st.lists(clauses, max_size=2),
    st.lists(leaves, max_size=3),
)
segments = st.lists(
    st.builds(
        lambda queue, kind: segment(segmentType=kind, **({"queueId": queue} if queue else {})),
        st.sampled_from(["a", "b", "c", ""]),
        st.sampled_from(["hold", "interact"]),
    ),
    min_size=1,
    max_size=3,
)


def by_id(*conversation_ids: str, kind: str = "or") -> list[dict[str, Any]]:
    predicates = [
        {"type": "dimension", "dimension": "conversationId", "operator": "matches", "value": conversation_id}
        for conversation_id in conversation_ids
    ]
    return [{"type": kind, "predicates": predicates}]


def test_conversations_are_found_by_their_ids_in_a_whole_day() -> None:
    client = Caller(Sandbox(conversations_per_day=200, now=Clock()))
    everything = client.query()["conversations"]
    some = everything[3], everything[50]
    ids = [conversation["conversationId"] for conversation in some]
    tuesday = "2026-01-06T00:00:00Z/2026-01-07T00:00:00Z"

    assert client.query(conversationFilters=by_id(ids[0])) == {"conversations": [some[0]], "totalHits": 1}
    assert client.query(conversationFilters=by_id(*ids))["conversations"] == list(some)
    assert client.query(conversationFilters=by_id(*ids, kind="and")) == {"totalHits": 0}
    assert client.query(conversationFilters=by_id("nonsense")) == {"totalHits": 0}
    assert client.query(tuesday, conversationFilters=by_id(*ids)) == {"totalHits": 0}


def test_an_id_that_a_recording_holds_twice_is_found_twice() -> None:
    client = caller([conversation(1), conversation(1, "2026-01-05T11:00:00.000Z")])

    assert client.found(conversationFilters=by_id("00000000-0000-4000-8000-000000000001")) == [1, 1]


def test_an_id_beside_another_predicate_narrows_the_search_down_in_an_and_only() -> None:
    client = Caller(Sandbox(conversations_per_day=200, now=Clock()))
    everything = client.query()["conversations"]
    named = {"dimension": "conversationId", "value": everything[0]["conversationId"]}
    ended = {"dimension": "conversationEnd", "operator": "exists"}

    both = client.query(conversationFilters=[{"type": "and", "predicates": [named, ended]}])
    either = client.query(conversationFilters=[{"type": "or", "predicates": [named, ended]}])

    assert both["totalHits"] == 1
    assert either["totalHits"] > 100


@settings(max_examples=300, deadline=None)
@given(st.lists(filters, max_size=2), segments, st.sampled_from(["voice", "chat"]))
def test_a_sketch_never_contradicts_its_story(
    asked: list[dict[str, Any]], held: list[dict[str, Any]], media: str
) -> None:
    recorded = conversation(1, segments=held, session={"mediaType": media})
    read = read_filters({"segmentFilters": asked})

    sketch, truth = sketched(recorded, 0), read.hold(recorded)

    assert read.glance(sketch, to_ms("2026-02-01T00:00:00Z")) in {None, truth}
    assert read.glance(sketch) in {None, truth}


def test_a_call_is_known_to_be_voice_without_its_story() -> None:
    sketch = sketched(conversation(1), 0)
    voice = read_filters({"segmentFilters": both(is_("mediaType", "voice"))})

    assert voice.glance(sketch, to_ms("2026-02-01T00:00:00Z")) is True
    assert voice.glance(sketch, to_ms("2026-01-05T09:00:00Z")) is None


def naive(node: dict[str, Any], leaf: dict[str, Any]) -> bool | None:
    """A second implementation of a filter on one segment; None where there is nothing to hold."""
    if "dimension" in node:
        present = leaf.get(node["dimension"])
        how = node.get("operator", "matches")
        return {"exists": present is not None, "notExists": present is None}.get(how, present == node.get("value"))
    parts = [naive(part, leaf) for part in [*node.get("clauses", []), *node["predicates"]]]
    verdicts = [part for part in parts if part is not None]
    return None if not verdicts else all(verdicts) if node["type"] == "and" else any(verdicts)


@settings(max_examples=300, deadline=None)
@given(st.lists(filters, max_size=2), segments, st.sampled_from(["voice", "chat"]))
def test_filters_agree_with_a_second_implementation(
    asked: list[dict[str, Any]], held: list[dict[str, Any]], media: str
) -> None:
    recorded = conversation(1, segments=held, session={"mediaType": media})
    seen = [{**part, "mediaType": media} for part in held]

    expected = all(any(naive(node, leaf) is not False for leaf in seen) for node in asked)

    assert read_filters({"segmentFilters": asked}).hold(recorded) == expected


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.field)
def test_every_dimension_of_every_list_can_be_asked_for(vocabulary: Any) -> None:
    client = caller([conversation(1)])

    for dimension in vocabulary.dimensions:
        exists = {"dimension": dimension, "operator": "exists"}
        present = client.found(MONDAY, **{vocabulary.field: both(exists)})
        absent = client.found(MONDAY, **{vocabulary.field: both({**exists, "operator": "notExists"})})

        assert len(present) + len(absent) == (1 if vocabulary.model in {"Conversation", "Segment"} else 0)


def test_the_lists_have_as_many_dimensions_and_metrics_as_the_sdk() -> None:
    counted = {vocabulary.model: (len(vocabulary.dimensions), len(vocabulary.metrics)) for vocabulary in VOCABULARIES}

    assert counted == {
        "Conversation": (11, 88),
        "Segment": (80, 1),
        "Evaluation": (16, 2),
        "Survey": (11, 1),
        "Resolution": (0, 1),
    }
