"""The relational tables, filled by Arrow and by plain Python, against the JSON and against each other."""

import json
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sampled
from building import tree
from elements import ELEMENTS, Tree, in_sessions, of_every_kind
from everycall.api.records import conversation_of
from everycall.arrow.filled import ArrowTables, schema, table_of
from everycall.arrow.schemas import filled_schema
from everycall.instants import EPOCH, MILLISECOND
from everycall.tables.relational import OF_CONVERSATIONS, TABLES, Table
from everycall.tables.rows import RowMaker

ORG = "00000000-0000-4000-8000-000000000001"
TIME_MS = 1_767_600_000_123


def encoded(*trees: Any) -> list[bytes]:
    return [one if isinstance(one, bytes) else json.dumps(one, separators=(",", ":")).encode() for one in trees]


def tables(*trees: Any, by: ArrowTables | None = None) -> dict[str, pa.Table]:
    """The tables of these conversations, each at a time of its own, with the declared columns."""
    raws = encoded(*trees)
    return declared((by or ArrowTables(ORG)).tables(raws, [TIME_MS + at for at in range(len(raws))]))


def declared(found: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables without dictionaries."""
    return {name: table.cast(schema(name)) for name, table in found.items()}


def by_rows(*trees: Any) -> dict[str, pa.Table]:
    """The same tables, made in plain Python."""
    maker = RowMaker(ORG)
    found: dict[str, list[Any]] = {table.name: [] for table in OF_CONVERSATIONS}
    for at, raw in enumerate(encoded(*trees)):
        record, _ = conversation_of(raw)
        if record is not None:
            for name, rows in maker.rows(record, EPOCH + (TIME_MS + at) * MILLISECOND).items():
                found[name] += rows
    return {name: table_of(name, rows) for name, rows in found.items()}


def column(name: str, field: str, *trees: Any) -> list[Any]:
    values: list[Any] = tables(*trees)[name][field].to_pylist()
    return values


def odd(*trees: Any) -> list[str]:
    """What is reported of these conversations: kinds and fields."""
    by = ArrowTables(ORG)
    tables(*trees, by=by)
    return [f"{oddity.kind}: {oddity.field}" for oddity in by.take_oddities()]


def session(**fields: Any) -> Tree:
    """A conversation with one session."""
    return tree({"participantId": "p", "sessions": [{"sessionId": "s", **fields}]})


def metric(**fields: Any) -> Tree:
    return session(metrics=[fields])


# Against the JSON


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_table_has_a_row_for_each_element_in_the_json(name: str) -> None:
    found = tables(*of_every_kind())[name]

    assert found.num_rows == sum(len(ELEMENTS[name](one)) for one in of_every_kind()) > 0


def test_the_sums_of_every_metric_are_those_of_the_json() -> None:
    expected = Counter[str]()
    for one in of_every_kind():
        for value in in_sessions("metrics")(one):
            expected[value["name"]] += value["value"]

    found = Counter[str]()
    metrics = tables(*of_every_kind())["metrics"]
    for name, value in zip(metrics["name"].to_pylist(), metrics["value"].to_pylist(), strict=True):
        found[name] += value
    assert found == expected


@pytest.mark.parametrize("one", OF_CONVERSATIONS, ids=lambda one: one.name)
def test_a_key_is_unique_and_complete(one: Table) -> None:
    keys = [tuple(row.values()) for row in tables(*of_every_kind())[one.name].select(one.key).to_pylist()]

    assert len(set(keys)) == len(keys)
    assert not any(None in key for key in keys)


@pytest.mark.parametrize("name", [table.name for table in OF_CONVERSATIONS])
def test_rows_are_in_the_order_of_the_conversations(name: str) -> None:
    times = tables(*of_every_kind())[name]["ownerTime"].to_pylist()

    assert times == sorted(times)


def test_every_row_names_its_conversation_its_org_and_its_time() -> None:
    for one in tables(tree({}, conversationId="a"), tree({}, conversationId="b")).values():
        for row in one.to_pylist():
            assert row["organizationId"] == ORG
            assert row["ownerTime"] == EPOCH + (TIME_MS + "ab".index(row["conversationId"])) * MILLISECOND


def test_ordinals_are_positions_in_the_list_of_the_parent() -> None:
    two: Tree = {"sessions": [{"segments": [{}, {}]}, {"segments": [{}]}]}
    segments = tables(tree({}, {"sessions": []}, two), tree(two))["segments"]

    ordinals = segments.select(["participantOrdinal", "sessionOrdinal", "segmentOrdinal"]).to_pydict()
    assert list(zip(*ordinals.values(), strict=True)) == [
        (2, 0, 0), (2, 0, 1), (2, 1, 0), (0, 0, 0), (0, 0, 1), (0, 1, 0),
    ]  # fmt: skip


def test_rows_below_a_session_have_its_id() -> None:
    one = session(metrics=[{}], segments=[{}], mediaEndpointStats=[{}], flow={"outcomes": [{}]})

    for name in ("metrics", "segments", "media_endpoint_stats", "flow_outcomes"):
        assert column(name, "sessionId", one) == ["s"]
    assert column("sessions", "participantId", one) == ["p"]


def test_attributes_are_rows_of_their_participant() -> None:
    one = tree(
        {"participantId": "a"},
        {"participantId": "b", "attributes": {"Näme": 'x "quoted" {}', "attributes": "", "c\\": "\\"}},
        {"participantId": "c", "attributes": {}},
        {"participantId": "d", "attributes": {"z": "1"}},
    )
    found = tables(one)["participant_attributes"]

    assert found.select(["participantOrdinal", "participantId", "name", "value"]).to_pylist() == [
        {"participantOrdinal": 1, "participantId": "b", "name": "Näme", "value": 'x "quoted" {}'},
        {"participantOrdinal": 1, "participantId": "b", "name": "attributes", "value": ""},
        {"participantOrdinal": 1, "participantId": "b", "name": "c\\", "value": "\\"},
        {"participantOrdinal": 3, "participantId": "d", "name": "z", "value": "1"},
    ]


def test_values_have_the_types_of_the_schema() -> None:
    one = session(
        ani="tel:+1", recording=True, mediaCount=2, bcc=["a", "b"], eligibleAgentCounts=[1, 2],
        callbackScheduledTime="2026-01-05T08:00:00.5Z", flow={"flowId": "f", "exitReason": "TRANSFER"},
        agentGroups=[{"agentGroupId": "g"}, {"agentGroupType": "TEAM"}],
        proposedAgents=[{"proposedAgentId": "u", "agentRank": 1}],
    )  # fmt: skip
    [row] = tables(one)["sessions"].to_pylist()

    expected = {
        "ani": "tel:+1", "recording": True, "mediaCount": 2, "bcc": ["a", "b"], "eligibleAgentCounts": [1, 2],
        "callbackScheduledTime": datetime(2026, 1, 5, 8, 0, 0, 500_000, UTC), "flowId": "f",
        "flowExitReason": "TRANSFER", "agentGroupIds": ["g", None], "agentGroupTypes": [None, "TEAM"],
        "proposedAgentIds": ["u"], "proposedAgentRanks": [1],
    }  # fmt: skip
    assert {name: value for name, value in row.items() if name in expected} == expected
    assert tables(one)["sessions"].schema == schema("sessions")


@pytest.mark.parametrize(
    ("written", "read_ms"),
    [
        ("2026-01-05T08:00:00Z", 1_767_600_000_000),
        ("2026-01-05T09:00:00.1+01:00", 1_767_600_000_100),
        ("2026-01-05T08:00:00.123999Z", 1_767_600_000_123),
        ("1969-12-31T23:59:59.999001Z", -1),
        ("1970-01-01T00:00:00.000999Z", 0),
    ],
)
def test_an_instant_is_cut_to_milliseconds(written: str, read_ms: int) -> None:
    trees = [metric(emitDate=written), metric(emitDate="2026-01-05T08:00:00.000Z")]

    assert column("metrics", "emitDate", *trees)[0] == EPOCH + read_ms * MILLISECOND
    assert tables(*trees) == by_rows(*trees)
    assert odd(*trees) == []


def test_an_empty_list_is_null() -> None:
    assert column("sessions", "bcc", session(bcc=[]), session(bcc=["a"]), session()) == [None, ["a"], None]
    assert column("sessions", "agentGroupIds", session(agentGroups=[]), session(agentGroups=[{}])) == [None, [None]]


def test_there_is_a_table_for_each_even_without_conversations() -> None:
    assert {name: table.num_rows for name, table in tables().items()} == dict.fromkeys(ELEMENTS, 0)


@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.name)
def test_a_schema_has_the_declared_columns(one: Table) -> None:
    assert schema(one.name).names == [column.name for column in one.columns]


# Against plain Python


def test_both_ways_make_the_same_tables() -> None:
    assert tables(*of_every_kind()) == by_rows(*of_every_kind())


@pytest.mark.parametrize("size", [1, 7])
def test_batches_of_any_size_make_the_same_tables(size: int) -> None:
    chosen, by = of_every_kind()[::3], ArrowTables(ORG)
    raws = encoded(*chosen)
    batches = [
        declared(by.tables(raws[at : at + size], [TIME_MS + place for place in range(at, min(at + size, len(raws)))]))
        for at in range(0, len(raws), size)
    ]

    whole = tables(*chosen)
    for name in ELEMENTS:
        assert pa.concat_tables([batch[name] for batch in batches]) == whole[name]


def test_a_batch_that_is_too_large_for_one_block_is_read_in_several() -> None:
    in_parts = tables(*of_every_kind(), by=ArrowTables(ORG, block_bytes=50_000))

    assert in_parts == tables(*of_every_kind())


@pytest.mark.parametrize("places", [(0,), (599,), (0, 599), (300,), range(600), (5, 260, 261, 270)])
def test_conversations_that_do_not_fit_are_read_in_another_way_and_the_other_chunks_are_not(
    places: Collection[int],
) -> None:
    odd_one, plain = session(mediaCount="5"), session(mediaCount=4)
    batch = [odd_one if at in places else plain for at in range(600)]
    by = ArrowTables(ORG)

    assert tables(*batch, by=by) == by_rows(*batch)
    assert len(by.take_oddities()) == len(places)


@pytest.mark.parametrize("odd_ones", [0, 2])
def test_ids_that_repeat_are_dictionaries_one_for_each_column(odd_ones: int) -> None:
    batch = [*of_every_kind(), *[session(mediaCount="5")] * odd_ones, *of_every_kind()]
    found = ArrowTables(ORG, block_bytes=50_000).tables(encoded(*batch), [TIME_MS] * len(batch))

    for name, table in found.items():
        assert table.schema.equals(filled_schema(name))
        for chunk in table["conversationId"].chunks:
            assert chunk.dictionary.equals(table["conversationId"].chunk(0).dictionary)


def test_a_conversation_of_15000_segments_is_read() -> None:
    long = session(segments=[{"segmentType": "interact", "segmentStart": "2026-01-05T08:00:00.000Z"}] * 15_000)

    assert tables(long)["segments"].num_rows == 15_000


def test_a_declared_field_that_first_comes_later_is_not_lost() -> None:
    by = ArrowTables(ORG)
    tables(tree(), by=by)

    assert tables(metric(name="tTalk", value=1), by=by)["metrics"]["value"].to_pylist() == [1]
    assert by.take_oddities() == []


# What does not fit


def test_clean_conversations_have_no_oddities() -> None:
    assert odd(*of_every_kind()) == []


def test_a_field_that_is_not_declared_is_reported_and_the_others_are_kept() -> None:
    by = ArrowTables(ORG)
    found = tables(session(ani="a", newThing={"x": 1}), session(ani="b"), by=by)

    assert found["sessions"]["ani"].to_pylist() == ["a", "b"]
    assert [oddity.path for oddity in by.take_oddities()] == ["participants[0].sessions[0].newThing"]
    assert tables(session(dnis="c", newThing=1), by=by)["sessions"]["dnis"].to_pylist() == ["c"]


VALUES: list[Any] = [
    "2026-01-05T08:00:00", "2026-01-05T08:00:00.123456Z", "2026-1-5T8:00:00Z", "9999-12-31T23:59:59-05:00",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "", "x", "12", "1.5", "nul\0", "\ud83d", "ß", None, True, False, 0,
    -1, 3.0, 1.5, 2**53 + 1, 2**63, -(2**63), 10**400, [], [None], ["a"], ["a", None], [1], [{}], {}, {"x": 1},
]  # fmt: skip
"""For any field: some fit one type, some none."""

FIELDS = [
    ("conversations", "conversationEnd"), ("conversations", "mediaStatsMinConversationMos"),
    ("conversations", "selfServed"), ("conversations", "divisionIds"), ("conversations", "participants"),
    ("sessions", "ani"), ("sessions", "mediaCount"), ("sessions", "bcc"), ("sessions", "waitingInteractionCounts"),
    ("sessions", "flow"), ("sessions", "metrics"), ("sessions", "agentGroups"), ("sessions", "callbackScheduledTime"),
    ("participants", "attributes"), ("participants", "sessions"), ("metrics", "value"), ("metrics", "emitDate"),
]  # fmt: skip


def with_value(where: str, field: str, value: Any) -> Tree:
    if where == "conversations":
        return {**tree({"sessions": [{}]}), field: value}
    if where == "participants":
        return tree({"sessions": [{}], field: value})
    return session(**{field: value}) if where == "sessions" else metric(**{field: value})


@pytest.mark.parametrize(("where", "field"), FIELDS)
def test_an_odd_value_is_read_as_by_the_records_and_its_neighbours_are_as_they_were(where: str, field: str) -> None:
    for value in VALUES:
        odd_one = with_value(where, field, value)
        batch = [session(ani="before"), odd_one, session(ani="after")]
        by = ArrowTables(ORG)

        assert tables(*batch, by=by) == by_rows(*batch), value
        reported = {(oddity.kind, oddity.path) for oddity in by.take_oddities()}
        expected = {(oddity.kind, oddity.path) for oddity in conversation_of(encoded(odd_one)[0])[1]}
        loses_nothing = value is None or str(value) == "3.0"  # null as a list, and 3.0 as an integer
        assert reported == expected or (not reported and loses_nothing), value


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)), min_size=1, max_size=6))
def test_any_odd_values_are_read_as_by_the_records(chosen: list[tuple[tuple[str, str], Any]]) -> None:
    batch = [with_value(*place, value) for place, value in chosen]

    assert tables(*batch) == by_rows(*batch)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b"{}", b'{"conversationId":null}', b'{"conversationId":"x"', b'{"conversationId":"x"}}',
        b'{"conversationStart":"2026-01-05T08:00:00.000Z"}', b"\xff", b'{"conversationId":["x"]}',
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_reported_and_has_no_rows(raw: bytes) -> None:
    by = ArrowTables(ORG)
    found = tables(session(ani="before"), raw, session(ani="after"), by=by)

    assert found["sessions"]["ani"].to_pylist() == ["before", "after"]
    assert found["conversations"].num_rows == 2
    assert found["sessions"]["ownerTime"].to_pylist() == [EPOCH + (TIME_MS + at) * MILLISECOND for at in (0, 2)]
    assert by.take_oddities()


@pytest.mark.parametrize(
    ("raw", "ani"),
    [
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"1","ani":"2"}]}]}', "2"),
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"\xff"}]}]}', "\ufffd"),
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"\\ud83d!"}]}]}', "\ufffd!"),
        (b'{ "conversationId" : "c",\n "participants" : [ { "sessions" : [ { "ani" : "x" } ] } ] }\n', "x"),
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"\\u0000"}]}]}', "\0"),
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"x"}],"attributes":{"a":1}}]}', "x"),
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"x"}],"attributes":{"everycall":0}}]}', "x"),
        (b'{"conversationId":"c","participants":[{"sessions":[{"ani":"x","attributes":{"a":"b"}}]}]}', "x"),
    ],
)
def test_odd_json_is_read_as_by_the_records(raw: bytes, ani: str) -> None:
    for batch in ([raw], [raw, session(ani="after")]):
        found = tables(*batch)

        assert found["sessions"]["ani"].to_pylist()[0] == ani
        assert found == by_rows(*batch)


def test_the_malformed_sample_arrives_with_its_oddities() -> None:
    raw = sampled.body("conversation_malformed_2021")
    by = ArrowTables(ORG)

    assert tables(raw, by=by) == by_rows(raw)
    assert by.take_oddities() == conversation_of(raw)[1]


def test_oddities_are_taken_once() -> None:
    by = ArrowTables(ORG)
    tables(metric(value="1"), by=by)

    assert len(by.take_oddities()) == 1
    assert by.take_oddities() == []


def test_a_time_is_needed_for_each_conversation() -> None:
    with pytest.raises(ValueError, match="1 conversations have 0 times"):
        ArrowTables(ORG).tables([b"{}"], [])


def test_numbers_are_the_same_as_in_json() -> None:
    values = [0.1, 4.395138698024998, 1e-7, 2**53, 5_169_510_497]
    found = column("metrics", "value", *(metric(value=value) for value in values))

    assert found == values


def test_a_record_made_of_the_sample_is_the_same_as_its_json() -> None:
    """So that a table may also be made of conversations that were decoded and encoded again."""
    trees = sampled.conversations()
    again = [msgspec.json.encode(conversation_of(raw)[0]) for raw in encoded(*trees)]

    assert tables(*again)["metrics"] == tables(*trees)["metrics"]
