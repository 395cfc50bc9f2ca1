import json
import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sampled
from everycall.api.oddities import ODDITIES_MAX, PATH_MAX, Oddity, fitted, without_lone_surrogates
from everycall.api.records import Conversation, Page, conversation_of

Place = tuple[str | int, ...]

SAMPLES = sampled.conversations()
JUNK: list[Any] = [
    None,
    True,
    7,
    -1.5,
    1e300,
    10**30,
    10**400,
    "",
    "12",
    "2026-1-5T8:00",
    [],
    [None],
    {},
    {"a": {"b": [1]}},
]


def places(tree: Any, place: Place = ()) -> Iterator[Place]:
    """Every place of a tree at which something stands, inner ones too."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    for key, value in entries:
        yield (*place, key)
        yield from places(value, (*place, key))


def at(tree: Any, place: Place) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def cut_out(tree: Any, place: Place) -> Any:
    whole = deepcopy(tree)
    del at(whole, place[:-1])[place[-1]]
    return whole


def mangled(tree: Any, place: Place, junk: Any) -> Any:
    whole = deepcopy(tree)
    at(whole, place[:-1])[place[-1]] = junk
    return whole


PLACES = [
    (number, place) for number, tree in enumerate(SAMPLES) for place in places(tree) if place[0] != "conversationId"
]
OBJECTS = [(number, place) for number, place in PLACES if isinstance(at(SAMPLES[number], place), dict)]


def plain(record: Conversation | None) -> Any:
    """The record as JSON would have it, with lists, so that something can be cut out."""
    return msgspec.json.decode(msgspec.json.encode(record))


@settings(max_examples=150)
@given(st.sampled_from(PLACES), st.sampled_from(JUNK))
def test_only_the_odd_value_itself_is_lost(where: tuple[int, Place], junk: Any) -> None:
    number, place = where
    tree = SAMPLES[number]

    record, oddities = fitted(mangled(tree, place, junk), Conversation)

    kept, last = plain(record), place[-1]
    holder = at(kept, place[:-1])
    if isinstance(last, str) or len(holder) == len(at(tree, place[:-1])):
        del holder[last]
    assert msgspec.convert(kept, Conversation) == msgspec.convert(cut_out(tree, place), Conversation)
    assert all(oddity.conversation_id == tree["conversationId"] for oddity in oddities)


@settings(max_examples=100)
@given(st.sampled_from(OBJECTS), st.sampled_from(JUNK))
def test_an_unknown_field_is_named_with_its_path_and_costs_nothing(where: tuple[int, Place], junk: Any) -> None:
    number, place = where

    record, oddities = fitted(mangled(SAMPLES[number], (*place, "brandNew"), junk), Conversation)

    assert record == msgspec.convert(SAMPLES[number], Conversation)
    [oddity] = oddities
    assert (oddity.kind, oddity.path.split(".")[-1]) == ("unknown field", "brandNew")
    assert oddity.field.replace(".", "") == "".join(key for key in (*place, "brandNew") if isinstance(key, str))


@settings(max_examples=50)
@given(st.sampled_from(PLACES))
def test_a_field_that_is_missing_is_no_oddity(where: tuple[int, Place]) -> None:
    number, place = where

    _, oddities = fitted(cut_out(SAMPLES[number], place), Conversation)

    assert oddities == []


@settings(max_examples=100)
@given(st.sampled_from(PLACES), st.sampled_from(JUNK))
def test_what_decodes_strictly_fits_as_it_is(where: tuple[int, Place], junk: Any) -> None:
    tree = mangled(SAMPLES[where[0]], where[1], junk)
    strict, oddities = conversation_of(json.dumps(tree).encode())

    if not oddities:
        assert fitted(tree, Conversation) == (strict, [])


def odd(**fields: Any) -> tuple[Conversation, list[str]]:
    """A conversation with those fields, and the oddities, each as path, kind, value and what it was read as."""
    record, oddities = fitted({"conversationId": "c", **fields}, Conversation)
    assert record is not None
    return record, [f"{one.path}: {one.kind} {one.value} {one.read_as}".strip() for one in oddities]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2021-04-2T15:30:51.418Z", datetime(2021, 4, 2, 15, 30, 51, 418_000, UTC)),
        ("2026-01-05T08:00:00", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        ("2026-1-5T8:0", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        ("2026-1-5T8:0:0+02:00", datetime(2026, 1, 5, 6, tzinfo=UTC)),
        ("2026-1-5T8:0:0-0130", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("2026-1-5T8:0:0.1234567Z", datetime(2026, 1, 5, 8, 0, 0, 123_456, UTC)),
    ],
)
def test_an_instant_without_milliseconds_or_zone_is_read(written: str, read: datetime) -> None:
    record, [oddity] = odd(conversationStart=written)

    assert record.conversation_start == read
    assert oddity.startswith(f'conversationStart: unusual value "{written}" 20')


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2026-02-30T00:00:00Z", "2026-1-5T25:0:0Z", 1767571200000, True, []]
)
def test_a_value_that_is_no_instant_is_left_out(written: Any) -> None:
    record, [oddity] = odd(conversationStart=written)

    assert record.conversation_start is None
    assert oddity == f"conversationStart: unreadable value {json.dumps(written)}"


@pytest.mark.parametrize(
    ("written", "read"), [(12.0, 12), ("12", 12), ("-7", -7), (1.5, 1.5), ("1.5", 1.5), (2**53, 2**53)]
)
def test_a_number_in_another_form_is_read(written: Any, read: float) -> None:
    record, oddities = odd(participants=[{"sessions": [{"metrics": [{"value": written}]}]}])

    assert record.participants[0].sessions[0].metrics[0].value == read
    assert len(oddities) == isinstance(written, str)


@pytest.mark.parametrize("written", ["twelve", "", "1e3", True, {}, 2.0**60, "9" * 30])
def test_a_value_that_is_no_number_is_left_out(written: Any) -> None:
    record, oddities = odd(participants=[{"sessions": [{"mediaCount": written}]}])

    assert record.participants[0].sessions[0].media_count is None
    assert len(oddities) == 1


def test_a_number_in_place_of_a_text_is_read_as_its_digits() -> None:
    record, oddities = odd(externalTag=42)

    assert record.external_tag == "42"
    assert oddities == ["externalTag: unusual value 42 42"]


def test_a_null_is_an_absent_field_and_no_oddity() -> None:
    record, oddities = odd(externalTag=None, participants=[{"sessions": [{"flow": None}]}])

    assert record.external_tag is None
    assert oddities == []


def test_a_null_where_a_list_belongs_is_an_empty_list() -> None:
    record, oddities = odd(divisionIds=None, participants=[None, {"purpose": "acd"}])

    assert record.division_ids == ()
    assert [one.purpose for one in record.participants] == ["acd"]
    assert oddities == ["divisionIds: unreadable value null", "participants[0]: unreadable value null"]


def test_participant_data_keeps_what_can_be_read() -> None:
    record, oddities = odd(participants=[{"attributes": {"a": "1", "b": 2, "c": None}}])

    assert record.participants[0].attributes == {"a": "1", "b": "2"}
    assert len(oddities) == 2


@pytest.mark.parametrize("tree", [{}, {"conversationId": None}, {"conversationId": []}, [], "x", 7, None])
def test_a_value_without_an_id_is_no_conversation(tree: Any) -> None:
    record, oddities = fitted(tree, Conversation)

    assert record is None
    assert oddities[-1].path == "$"


def test_values_are_shown_with_at_most_eighty_characters() -> None:
    _, [oddity] = odd(brandNew="x" * 500)

    assert len(oddity) == len("brandNew: unknown field ") + 80


@pytest.mark.parametrize(
    ("oddity", "words"),
    [
        (Oddity("unknown field", "c", "a[0].b", "7"), "conversation c: a[0].b: unknown field 7"),
        (Oddity("unreadable value", "", "a", "null"), "conversation (no id): a: unreadable value null; left out"),
        (Oddity("unusual value", "c", "a", '"7"', "7"), 'conversation c: a: unusual value "7"; read as 7'),
    ],
)
def test_an_oddity_reads_as_one_line(oddity: Oddity, words: str) -> None:
    assert str(oddity) == words


def test_oddities_are_counted_by_field_whatever_the_position() -> None:
    one = Oddity("unusual value", "c", "participants[0].sessions[12].segments[3].segmentStart", "x")

    assert one.field == "participants.sessions.segments.segmentStart"


# What nobody expects


@pytest.mark.parametrize(
    "written", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+01:00", "9999-12-31 23:59:59.999-0001"]
)
def test_an_instant_that_utc_cannot_hold_is_left_out(written: str) -> None:
    body = json.dumps({"conversationId": "c", "conversationEnd": written}).encode()
    record, [oddity] = conversation_of(body)

    assert record is not None
    assert record.conversation_end is None
    assert (oddity.kind, oddity.path) == ("unreadable value", "conversationEnd")
    page = Page.read(b'{"conversations":[%b],"totalHits":1}' % body)
    assert page.conversations == (record,)


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+05:00"])
def test_the_first_and_the_last_instant_are_read(written: str) -> None:
    record, oddities = conversation_of(json.dumps({"conversationId": "c", "conversationEnd": written}).encode())

    assert record is not None
    assert record.conversation_end == datetime.fromisoformat(written)
    assert oddities == []


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-05T08:00" + " " * 60_000,
        "2026-01-05T08:00" + " " * 60_000 + "x",
        " " * 60_000,
        "1" * 60_000 + ".",
        "2026-01-05T08:00:00." + "1" * 60_000,
        "[" * 60_000 + "1" * 60_000,
    ],
)
def test_a_long_text_is_read_in_little_time(written: str) -> None:
    began = time.process_time()
    odd(conversationStart=written, participants=[{"sessions": [{"metrics": [{"value": written}]}]}], **{written: 1})

    assert time.process_time() - began < 0.5


def test_a_long_name_of_a_field_is_cut() -> None:
    _, oddities = fitted({"conversationId": "c", "x" * 5000: 1}, Conversation)

    assert len(oddities[0].path) == PATH_MAX


def test_the_text_of_an_oddity_is_printable() -> None:
    tree = {"conversationId": "c\x1b[2J", "field\u202e\n": 1, "externalTag": ["\x9b31m"]}
    _, oddities = fitted(tree, Conversation)

    assert [str(one) for one in oddities] == [
        r"conversation c\x1b[2J: field\u202e\n: unknown field 1",
        r'conversation c\x1b[2J: externalTag: unreadable value ["\x9b31m"]; left out',
    ]


def test_the_oddities_of_one_conversation_are_limited() -> None:
    _, oddities = fitted({"conversationId": "c", **{f"field{number}": 1 for number in range(5000)}}, Conversation)

    assert len(oddities) == ODDITIES_MAX


def test_a_deeply_nested_conversation_does_not_crash() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    record, oddities = conversation_of(b'{"conversationId":"c","brandNew":%b}' % deep)

    assert record is None
    assert oddities


def test_half_a_surrogate_pair_is_replaced_in_one_conversation() -> None:
    record, _ = conversation_of(rb'{"conversationId":"c","externalTag":"cut \ud83d"}')

    assert record is not None
    assert record.external_tag == "cut \ufffd"


@given(st.text())
def test_json_without_halves_of_surrogate_pairs_stays_as_it_is(text: str) -> None:
    body = json.dumps([text]).encode()

    assert without_lone_surrogates(body) == body


@given(st.text(st.characters(categories=["Cs", "Lu"])))
def test_json_with_halves_of_surrogate_pairs_becomes_readable(text: str) -> None:
    read = msgspec.json.decode(without_lone_surrogates(json.dumps([text]).encode()))

    assert read == [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]
