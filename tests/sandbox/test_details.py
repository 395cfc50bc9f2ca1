from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import MONDAY, Caller, Clock, caller, conversation, ids, spread

from everycall.sandbox import QUERY, Client, Org, Sandbox, Switches

ORG = Org(3, 100)


def test_an_answer_is_the_conversations_and_how_many_match() -> None:
    held = conversation()

    content = caller([held]).query()

    assert content == {"conversations": [held], "totalHits": 1}
    assert list(content) == ["conversations", "totalHits"]


def test_a_page_past_the_end_holds_the_count_alone() -> None:
    client = caller(spread(100))

    assert len(client.query(size=100)["conversations"]) == 100
    assert client.query(size=100, number=2) == {"totalHits": 100}


def test_a_query_that_matches_nothing_holds_a_count_of_0_alone() -> None:
    assert caller([]).query() == {"totalHits": 0}


@pytest.mark.parametrize(
    ("form", "empty"),
    [("{}", {}), ("totalHits", {"totalHits": 3}), ("empty list", {"conversations": [], "totalHits": 3})],
)
def test_what_an_empty_page_looks_like_is_a_switch(form: Any, empty: dict[str, Any]) -> None:
    client = caller(spread(3), switches=Switches(empty_answer=form))

    assert client.query(number=2) == empty


def test_pages_tile_what_matches() -> None:
    client = caller(spread(25))

    pages = [ids(client.query(size=10, number=number)["conversations"]) for number in (1, 2, 3)]

    assert pages == [list(range(1, 11)), list(range(11, 21)), list(range(21, 26))]


def test_descending_pages_are_the_ascending_ones_from_the_end() -> None:
    client = caller(spread(25))

    assert client.found(size=10, order="desc") == list(range(25, 15, -1))
    assert client.found(size=10, number=3, order="desc") == [5, 4, 3, 2, 1]


def test_a_live_conversation_is_shown_with_the_instant_it_is_asked_at() -> None:
    client = caller([conversation(seconds=None)])

    assert "conversationEnd" not in client.query()["conversations"][0]


def test_a_client_sees_the_conversations_of_its_divisions() -> None:
    made = [conversation(n, divisionIds=divisions) for n, divisions in enumerate((["a"], ["b"], ["b", "a"], ["c"]))]
    lesser = Client("lesser", "secret", division_ids=frozenset({"a", "c"}))
    client = Caller(Sandbox(conversations=made, clients=[lesser], now=Clock()))

    assert client.query()["totalHits"] == 3
    assert client.found() == [0, 2, 3]


def test_ties_stand_in_the_order_of_their_ids() -> None:
    made = [conversation(n) for n in (3, 1, 2)]

    assert caller(made).found() == [1, 2, 3]


def test_shifting_ties_show_one_twice_and_another_never_now_and_then() -> None:
    client = caller([conversation(n) for n in range(10)], switches=Switches(tie_order="shifting"))

    runs = [client.found(size=5) + client.found(size=5, number=2) for _ in range(10)]

    assert all(len(run) == 10 for run in runs)
    assert any(len(set(run)) < 10 for run in runs)


def test_shifting_ties_leave_other_conversations_where_they_are() -> None:
    client = caller(spread(10), switches=Switches(tie_order="shifting"))

    assert client.found(size=4, number=2) == [5, 6, 7, 8]
    assert client.found(size=4, number=2, order="desc") == [6, 5, 4, 3]


def test_a_term_frequency_counts_conversations_by_the_values_of_a_dimension() -> None:
    made = [conversation(n, session={"mediaType": media}) for n, media in enumerate(("voice", "chat", "voice"))]

    content = caller(made).query(size=1, aggregations=[{"type": "termFrequency", "dimension": "mediaType"}])

    assert content["aggregations"] == [
        {
            "count": 2,
            "dimension": "mediaType",
            "type": "termFrequency",
            "results": [{"count": 2, "value": "voice"}, {"count": 1, "value": "chat"}],
        }
    ]
    assert list(content) == ["conversations", "aggregations", "totalHits"]


def test_a_term_frequency_of_a_size_gives_the_most_frequent() -> None:
    made = [conversation(n, session={"mediaType": media}) for n, media in enumerate(("voice", "chat", "voice"))]

    content = caller(made).query(aggregations=[{"dimension": "mediaType", "size": 1}])

    assert content["aggregations"][0]["results"] == [{"count": 2, "value": "voice"}]


def test_a_numeric_range_counts_conversations_in_each_bucket() -> None:
    talks = (1000, 5000, 9000)
    made = [
        conversation(n, session={"metrics": [{"emitDate": "x", "name": "tTalk", "value": talk}]})
        for n, talk in enumerate(talks)
    ]

    content = caller(made).query(
        aggregations=[{"metric": "tTalk", "ranges": [{"lt": 5000}, {"gte": 5000, "lt": 9000}, {"gte": 5000}]}]
    )

    assert content["aggregations"][0]["results"] == [
        {"count": 1, "lt": 5000},
        {"count": 1, "gte": 5000, "lt": 9000},
        {"count": 2, "gte": 5000},
    ]


def test_participants_have_no_attributes_in_a_query() -> None:
    made = [conversation(participant={"attributes": {"account": "7"}})]

    content = caller(made).query(MONDAY)

    assert "attributes" not in content["conversations"][0]["participants"][0]


# By id

DETAILS = "/api/v2/analytics/conversations"


def several(client: Caller, numbers: list[int], status: int = 200) -> Any:
    """The JSON of a multi-get."""
    named = ",".join(f"00000000-0000-4000-8000-{number:012}" for number in numbers)
    answered, _, content = client.get(f"{DETAILS}/details?id={named}")
    assert answered == status, content
    return content


def test_several_ids_give_their_conversations_in_that_order() -> None:
    client = caller(spread(9))

    assert ids(several(client, [7, 2, 9])["conversations"]) == [7, 2, 9]


def test_what_is_not_known_or_named_twice_is_left_out() -> None:
    client = caller(spread(3))

    assert ids(several(client, [3, 99, 3])["conversations"]) == [3]
    assert several(client, [99]) == {}


def test_an_id_named_twice_may_come_twice_and_an_unknown_one_refuse_all() -> None:
    client = caller(spread(3), switches=Switches(repeated_ids="each", unknown_ids="404"))

    assert ids(several(client, [3, 1, 3])["conversations"]) == [3, 1, 3]
    assert several(client, [3, 99], 404)["code"] == "not.found"


def test_more_than_a_hundred_ids_are_refused_or_cut() -> None:
    numbers = list(range(1, 102))

    refused = several(caller(spread(120)), numbers, 400)
    kept = several(caller(spread(120), switches=Switches(ids_over_limit="cut")), numbers)

    assert refused["message"] == "No more than 100 ids may be asked for at a time."
    assert ids(several(caller(spread(120)), numbers[:100])["conversations"]) == numbers[:100]
    assert ids(kept["conversations"]) == numbers[:100]


def test_no_id_at_all_is_a_400() -> None:
    assert caller([]).get(f"{DETAILS}/details")[0] == 400


def test_one_id_gives_the_bare_conversation_without_attributes() -> None:
    client = caller([conversation(1, participant={"attributes": {"a": "b"}})])

    status, _, content = client.get(f"{DETAILS}/00000000-0000-4000-8000-000000000001/details")

    assert (status, content) == (200, conversation(1))


@pytest.mark.parametrize("named", ["00000000-0000-4000-8000-000000000002", "no-uuid", "%00"])
def test_an_unknown_id_is_a_404(named: str) -> None:
    status, _, content = caller([conversation(1)]).get(f"{DETAILS}/{named}/details")

    assert (status, content["code"]) == (404, "not.found")


def test_by_id_a_client_sees_only_what_has_started_in_its_divisions() -> None:
    made = [conversation(n, divisionIds=[where]) for n, where in ((1, "north"), (2, "south"))]
    made.append(conversation(3, "2026-01-05T15:00:00.000Z", divisionIds=["north"]))
    north = Client("id", "secret", division_ids=frozenset({"north"}))
    clock = Clock("2026-01-05T14:59:59.999Z")
    client = Caller(Sandbox(conversations=made, now=clock, clients=[north]))

    assert ids(several(client, [1, 2, 3])["conversations"]) == [1]
    assert client.get(f"{DETAILS}/00000000-0000-4000-8000-000000000002/details")[0] == 404
    clock.advance(0.001)
    assert client.get(f"{DETAILS}/00000000-0000-4000-8000-000000000003/details")[0] == 200


def test_a_conversation_shows_up_after_the_ingestion_delay() -> None:
    clock = Clock("2026-01-05T09:00:29.999Z")
    client = caller([conversation(1, seconds=None)], clock, switches=Switches(ingestion_delay_s=30))
    target = f"{DETAILS}/00000000-0000-4000-8000-000000000001/details"
    voice = [{"type": "and", "predicates": [{"dimension": "mediaType", "value": "voice"}]}]

    before = client.get(target)[0], client.found(), client.found(segmentFilters=voice)
    clock.advance(0.001)

    assert before == (404, [], [])
    assert (client.get(target)[0], client.found(), client.found(segmentFilters=voice)) == (200, [1], [1])


def test_every_seeded_conversation_is_found_by_its_id() -> None:
    org = Org(3, 3000)
    client = Caller(Sandbox(org, now=Clock()))
    day = org.day(20_458)

    ties = [at for at in range(1, len(day)) if day.starts[at] == day.starts[at - 1]]
    for at in [0, len(day) - 1, *ties, *range(0, len(day), 97)]:
        sketch = day[at]
        assert org.locate(sketch.conversation_id, sketch.start_ms) == sketch
        assert org.locate(sketch.conversation_id, sketch.start_ms - 1) is None
    assert client.get(f"{DETAILS}/{day[5].conversation_id}/details")[2] == client.query()["conversations"][5]


@given(st.uuids(version=4))
def test_an_id_of_another_org_is_not_found(other: UUID) -> None:
    assert ORG.locate(str(other), int(Clock()() * 1000)) is None


def test_an_answer_may_be_too_large() -> None:
    client = caller(spread(100), switches=Switches(answer_bytes_max=10_000))
    body = {"interval": MONDAY, "paging": {"pageSize": 100}}

    status, _, content = client.post(QUERY, body)

    assert (status, content["code"]) == (400, "response.entity.too.large")
    assert len(client.query(size=20)["conversations"]) == 20
