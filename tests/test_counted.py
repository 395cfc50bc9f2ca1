"""What the fast reader of JSON takes, and what it leaves to the strict one."""

import json
from typing import Any

import pytest

from building import tree
from elements import of_every_kind
from everycall.arrow import counted
from everycall.arrow.filled import ArrowTables
from everycall.arrow.nested import Unfit

pytestmark = pytest.mark.skipif(not counted.HAS_ARRO3, reason="arro3 has no wheel for this machine")


def encoded(one: Any) -> bytes:
    return json.dumps(one, separators=(",", ":")).encode()


def of_session(text: str) -> bytes:
    """A conversation whose session has this JSON."""
    return b'{"conversationId":"c","participants":[{"sessions":[{%s}]}]}' % text.encode()


def test_it_takes_conversations_of_every_kind() -> None:
    raws = list(map(encoded, of_every_kind()))

    assert len(counted.read(raws).records) == len(raws)


@pytest.mark.parametrize(
    "text",
    [
        '"ani":"x"', '"ani":"a \\" b"', '"ani":"\\\\"', '"ani":"\\\\\\""', '"ani":"ß \\u00df \\ud83d\\ude00"',
        ' "ani" : "x" ,\n "mediaCount" : 1 ', '"recording":true', '"bcc":["a","b"]', '"bcc":[]', '"mediaCount":3.0',
        '"metrics":[{"name":"tTalk","value":1.5}]', '"flow":{"flowId":"f"}',
    ],
)  # fmt: skip
def test_it_takes_what_is_declared_however_it_is_written(text: str) -> None:
    assert len(counted.read([of_session(text)]).records) == 1


@pytest.mark.parametrize(
    "text",
    [
        '"newThing":1', '"newThing":{"x":[]}', '"mediaCount":"1"', '"metrics":[{"name":"tTalk","value":"1"}]',
        '"ani":"1","ani":"2"', '"mediaCount":1,"mediaCount":1', '"ani":null', '"ani":1', '"recording":"true"',
        '"ani":"\\u0000"', '"ani":"\\ud83d"', '"attributes":{"a":"b"}',
    ],
)  # fmt: skip
def test_it_leaves_what_it_would_skip_or_change(text: str) -> None:
    with pytest.raises(Unfit):
        counted.read([of_session('"ani":"before"'), of_session(text)])


def test_it_takes_more_conversations_than_are_decoded_at_a_time_in_their_order() -> None:
    ids = [str(number) for number in range(2 * counted.AT_ONCE + 1)]
    raws = [encoded(tree(conversationId=id_)) for id_ in ids]

    assert counted.read(raws).records.field("conversationId").to_pylist() == ids


@pytest.mark.parametrize("odd", ['"newThing":1', '"ani":1'])
def test_one_conversation_that_it_leaves_is_not_hidden_by_many_others(odd: str) -> None:
    fine = [of_session('"ani":"x"')] * counted.AT_ONCE

    with pytest.raises(Unfit):
        counted.read([*fine, of_session(odd), *fine])


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), 2**63])
def test_an_integer_that_it_cannot_hold_is_read_in_another_way(value: float) -> None:
    by = ArrowTables("org")
    found = by.tables([of_session(f'"mediaCount":{value}')], [0])["sessions"]["mediaCount"].to_pylist()

    assert (found, len(by.take_oddities())) == (([value], 0) if abs(value) == 2**53 else ([None], 1))


@pytest.mark.parametrize(
    ("attributes", "values"), [('{"a":"1","a":"2"}', ["2"]), ('{"a":null}', []), ('{"a":1}', ["1"])]
)
def test_attributes_that_do_not_fit_are_read_in_another_way(attributes: str, values: list[str]) -> None:
    raw = b'{"conversationId":"c","participants":[{"attributes":%s}]}' % attributes.encode()

    assert ArrowTables("org").tables([raw], [0])["participant_attributes"]["value"].to_pylist() == values


def test_a_conversation_without_participants_has_no_attributes() -> None:
    assert ArrowTables("org").tables([encoded(tree())], [0])["participant_attributes"].num_rows == 0
