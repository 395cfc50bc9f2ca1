from typing import Any

import pytest
from made import MONDAY, Caller, Clock, caller, conversation, ids, spread

from everycall.sandbox import Client, Sandbox, Switches


def test_an_answer_is_the_conversations_and_how_many_match() -> None:
    one = conversation()

    content = caller([one]).query()

    assert content == {"conversations": [one], "totalHits": 1}
    assert list(content) == ["conversations", "totalHits"]


def test_a_page_past_the_end_is_an_empty_object() -> None:
    client = caller(spread(100))

    assert len(client.query(size=100)["conversations"]) == 100
    assert client.query(size=100, number=2) == {}


def test_a_query_that_matches_nothing_is_an_empty_object() -> None:
    assert caller([]).query() == {}


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
