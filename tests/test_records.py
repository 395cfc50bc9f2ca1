import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
import pytest

import sampled
from everycall.api.records import Conversation, Page, conversation_of
from everycall.errors import ServiceFailed

CHAT = sampled.body("conversation_chat_2021")


def records(kind: Any = Conversation) -> Iterator[type[msgspec.Struct]]:
    """A record and all below it, by the types of their fields."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from records(field.type)
    elif get_origin(kind):
        for inner in get_args(kind):
            yield from records(inner)


RECORDS = {kind.__name__: kind for kind in records()}


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def page(*conversations: Any, **fields: Any) -> Page:
    return Page.read(json.dumps({"conversations": conversations, **fields}).encode())


# The records


def test_every_record_of_a_conversation_is_there() -> None:
    assert set(RECORDS) == {
        "Conversation", "Participant", "Session", "Segment", "Metric", "Flow", "FlowOutcome", "MediaEndpointStat",
        "AgentGroup", "ProposedAgent", "ScoredAgent", "Property", "Evaluation", "Survey", "Resolution",
    }  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_field_names_are_the_apis_mechanically_snake_cased(name: str) -> None:
    for field in msgspec.structs.fields(RECORDS[name]):
        assert field.encode_name == camel(field.name)
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_may_be_absent_but_the_conversations_id(name: str) -> None:
    required = [field.name for field in msgspec.structs.fields(RECORDS[name]) if field.required]

    assert required == (["conversation_id"] if name == "Conversation" else [])


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_has_a_docstring(name: str) -> None:
    assert textwrap.dedent(inspect.getdoc(RECORDS[name]) or "")


def test_numbers_keep_their_size() -> None:
    [one] = page(
        {"conversationId": "c", "participants": [{"sessions": [{"metrics": [{"value": 5_169_510_497}]}]}]}
    ).conversations

    assert one.participants[0].sessions[0].metrics[0].value == 5_169_510_497


@pytest.mark.parametrize("digits", ["", ".5", ".41", ".418", ".418273", ".418273645"])
def test_an_instant_may_have_any_number_of_digits(digits: str) -> None:
    [one] = page({"conversationId": "c", "conversationStart": f"2026-01-05T08:00:00{digits}Z"}).conversations

    assert one.conversation_start
    assert str(one.conversation_start).startswith(f"2026-01-05 08:00:00{digits[:6]}")


# Pages


@pytest.mark.parametrize(
    "body", [b"{}", b'{"totalHits":0}', b'{"conversations":[]}', b'{"conversations":null}', b" {} "]
)
def test_every_form_of_an_empty_page_is_one(body: bytes) -> None:
    empty = Page.read(body)

    assert empty.conversations == ()
    assert not empty.total_hits
    assert empty.oddities == ()


@pytest.mark.parametrize(("given", "read"), [(114, 114), (114.0, 114), ("114", 114), (None, None)])
def test_the_count_is_read_in_any_form(given: Any, read: int | None) -> None:
    assert page({"conversationId": "c"}, totalHits=given).total_hits == read


def test_a_page_of_2025_decodes_strictly() -> None:
    voice = Page.read(sampled.body("query_page_voice_2025"))

    assert voice.total_hits == 114
    assert voice.oddities == ()
    assert [one.conversation_id[:8] for one in voice.conversations] == ["bc8bd8b9", "390ccbb3"]


def test_a_page_of_2016_decodes_strictly() -> None:
    old = Page.read(sampled.body("query_page_2016"))

    assert old.total_hits is None
    assert old.oddities == ()
    assert len(old.conversations) == 5


@pytest.mark.parametrize("name", ["query_page_2016", "query_page_voice_2025"])
def test_a_decoded_page_keeps_every_value(name: str) -> None:
    conversations = Page.read(sampled.body(name)).conversations

    assert [without_absent(json.loads(msgspec.json.encode(one))) for one in conversations] == [
        without_absent(instants_padded(one)) for one in sampled.tree(name)["conversations"]
    ]


def without_absent(tree: Any) -> Any:
    if isinstance(tree, dict):
        cut = {key: without_absent(value) for key, value in tree.items()}
        return {key: value for key, value in cut.items() if value is not None and value not in ([], {})}
    return [without_absent(one) for one in tree] if isinstance(tree, list) else tree


def instants_padded(tree: Any) -> Any:
    """As msgspec writes them: six digits, or none where there would be only zeros."""
    if isinstance(tree, dict):
        return {key: instants_padded(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [instants_padded(one) for one in tree]
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z", tree) if isinstance(tree, str) else None
    return tree if not match else f"{match[1]}Z" if match[2] == "000" else f"{match[1]}.{match[2]}000Z"


def test_malformed_instants_are_read_and_each_is_named_with_its_conversation() -> None:
    body = sampled.body("conversation_malformed_2021")

    conversation, oddities = conversation_of(body)

    assert conversation is not None
    malformed = re.findall(rb'"(2021-04-2T[^"]+)"', body)
    assert len(oddities) == len(malformed) > 10
    assert {one.conversation_id for one in oddities} == {"6acbee65-80be-4777-be03-8dacd07ee3f9"}
    assert {one.field for one in oddities} == {
        "participants.sessions.segments.segmentStart",
        "participants.sessions.segments.segmentEnd",
        "participants.sessions.metrics.emitDate",
    }


def test_all_other_values_of_the_malformed_conversation_are_kept() -> None:
    corrected = re.sub(rb"2021-04-2T", b"2021-04-02T", sampled.body("conversation_malformed_2021"))

    conversation, _ = conversation_of(sampled.body("conversation_malformed_2021"))

    assert conversation == msgspec.json.decode(corrected, type=Conversation)


def test_an_odd_conversation_costs_its_neighbours_nothing() -> None:
    chat = json.loads(CHAT)

    odd = page(chat, {"conversationId": "odd", "brandNew": 1}, None, {}, chat, totalHits=5)

    assert [one.conversation_id for one in odd.conversations] == [chat["conversationId"], "odd", chat["conversationId"]]
    assert odd.conversations[0] == msgspec.json.decode(CHAT, type=Conversation)
    assert odd.total_hits == 5
    assert [one.path for one in odd.oddities] == ["brandNew", "$", "$"]


def test_an_unknown_field_beside_the_conversations_is_named() -> None:
    odd = page({"conversationId": "c"}, token="abc")

    assert len(odd.conversations) == 1
    assert [(one.kind, one.path, one.value) for one in odd.oddities] == [("unknown field", "token", '"abc"')]


def test_aggregations_are_known_and_ignored() -> None:
    assert page({"conversationId": "c"}, aggregations=[{"results": []}]).oddities == ()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"ok"', b"7", b"<html>", b'{"conversations":{}}', b'{"message":"sign in","code":"x"}'],
)
def test_an_answer_that_is_no_page_is_never_taken_for_an_empty_one(body: bytes) -> None:
    with pytest.raises(ServiceFailed, match="not a page of conversations") as failed:
        Page.read(body)

    assert "GENESYS_ENV" in failed.value.hint


def test_a_huge_number_costs_no_conversation() -> None:
    odd = Page.read(b'{"conversations":[{"conversationId":"c","x":1e999},{"conversationId":"d"}],"totalHits":2}')

    assert [one.conversation_id for one in odd.conversations] == ["c", "d"]
    assert [one.path for one in odd.oddities] == ["x"]


# What hardly any reader takes


@pytest.mark.parametrize("number", ["1e400", "-1e999", "NaN"])
def test_a_number_out_of_range_is_left_out_and_named(number: str) -> None:
    metric = f'{{"participants": [{{"sessions": [{{"metrics": [{{"name": "tAcd", "value": {number}}}]}}]}}],'
    body = f'{metric} "conversationId": "c"}}'.encode()

    found, [oddity] = conversation_of(body)
    assert found
    assert found.participants[0].sessions[0].metrics[0].value is None
    assert (oddity.kind, oddity.conversation_id) == ("unreadable value", "c")
    assert oddity.path == "participants[0].sessions[0].metrics[0].value"


def test_bytes_that_are_not_utf8_are_replaced_and_named() -> None:
    body = b'{"conversationId": "c", "externalTag": "Z\xfcrich"}'

    found, [oddity] = conversation_of(body)
    assert found
    assert (found.external_tag, oddity.value, oddity.conversation_id) == (
        "Z\ufffdrich",
        "bytes that are not UTF-8",
        "c",
    )
    whole = Page.read(b'{"conversations": [' + body + b'], "totalHits": 1}')
    assert (whole.conversations, whole.oddities, whole.total_hits) == ((found,), (oddity,), 1)


@pytest.mark.parametrize("body", [b"nonsense", b'{"conversationId": "c"', b"\xff\xfe"])
def test_bytes_that_are_not_json_are_no_conversation(body: bytes) -> None:
    found, [oddity] = conversation_of(body)

    assert found is None
    assert oddity.kind == "unreadable value"
