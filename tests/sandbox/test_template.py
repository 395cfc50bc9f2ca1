"""Captured conversations as templates: nothing of the people in them is left, all of their shape is."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from made import Clock

from everycall.sandbox import Org, Store, Template
from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.traffic import FOREVER_MS, KIND_NAMES, Sketch

Json = dict[str, Any]

MONDAY = 20_458
SAMPLES = Path(__file__).parents[1] / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


CAPTURED: dict[str, Json] = {
    "a call of 2025": sample("query_page_voice_2025")["conversations"][0],
    "a chat of 2021": sample("conversation_chat_2021"),
    **{f"2016, number {n}": conversation for n, conversation in enumerate(sample("query_page_2016")["conversations"])},
}


def changed(conversation: Json, **fields: Any) -> Json:
    return {**conversation, **fields}


@cache
def filled(name: str) -> tuple[Org, tuple[Sketch, ...]]:
    """An org in which half of the conversations of the same hours look like a captured one, and these of a day."""
    org = Org(seed=4, conversations_per_day=300, templates=[Template.of(CAPTURED[name], per_mille=500)])
    return org, tuple(sketch for sketch in org.day(MONDAY) if sketch.kind == "template_0")


def leaves(thing: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value, with the fields and positions that lead to it."""
    if isinstance(thing, dict | list):
        for name, inner in thing.items() if isinstance(thing, dict) else enumerate(thing):
            yield from leaves(inner, f"{path}/{name}")
    else:
        yield path, thing


def values(thing: Any, *names: str) -> list[Any]:
    return [value for path, value in leaves(thing) if set(path.split("/")) & set(names)]


@pytest.mark.parametrize("name", CAPTURED)
def test_every_field_and_number_is_that_of_the_capture(name: str) -> None:
    org, sketches = filled(name)
    captured, made = CAPTURED[name], org.conversation(sketches[0], sketches[0].end_ms)
    divisions = re.compile("/divisionIds/")
    expected = dict(leaves(captured))
    got = dict(leaves(made))
    added = {"/conversationEnd", "/originatingDirection"}

    paths = {path for path in expected if not divisions.match(path) and not path.endswith("/teamId")}
    assert paths == {path for path in got if not divisions.match(path)} - (added - expected.keys())
    for path in paths:
        assert type(got[path]) is type(expected[path])
        assert isinstance(got[path], str) or got[path] == expected[path], path


@pytest.mark.parametrize("name", CAPTURED)
def test_times_are_as_far_from_the_start_as_they_were(name: str) -> None:
    org, sketches = filled(name)
    captured, made = CAPTURED[name], org.conversation(sketches[0], sketches[0].end_ms)
    fields = ("segmentStart", "segmentEnd", "emitDate", "eventTime", "conversationEnd")

    for path, value in leaves(captured):
        if path.split("/")[-1] in fields:
            offset = to_ms(value) - to_ms(captured["conversationStart"])
            assert dict(leaves(made))[path] == to_text(sketches[0].start_ms + offset)


@pytest.mark.parametrize("name", CAPTURED)
def test_nothing_that_names_somebody_is_left(name: str) -> None:
    captured = CAPTURED[name]
    template = json.dumps(Template.of(captured).data)
    kept = set(values(captured, "requestedRoutings", "provider", "codecs", "name", "purpose", "usedRouting"))

    for path, value in leaves(captured):
        is_telling = isinstance(value, str) and len(value) > 12 and value not in kept
        assert not is_telling or value not in template or value.startswith(("error.", "ININ-")), path
    for field in ("participantName", "remote", "ani", "dnis", "callbackUserName", "wrapUpNote", "subject"):
        assert not [v for v in values(captured, field) if v and json.dumps(v) in template]


@pytest.mark.parametrize("field", ["externalTag", "subject", "aFieldOfTomorrow", "wrapUpNote"])
def test_any_text_of_an_unknown_or_personal_field_is_replaced(field: str) -> None:
    captured = changed(CAPTURED["a chat of 2021"], **{field: "Mr. Secret, Elm Street"})

    data = Template.of(captured).data

    assert "Secret" not in json.dumps(data)
    assert data[field] == "{text 0}"


def test_a_number_of_an_unknown_field_is_replaced() -> None:
    captured = changed(CAPTURED["a chat of 2021"], accountNumber=4711, balance=12.5, isVip=True)

    data = Template.of(captured).data

    assert (data["accountNumber"], data["balance"], data["isVip"]) == (0, 0.0, True)


def test_a_participant_without_sessions_and_a_session_without_segments_can_be_served_while_the_call_lives() -> None:
    captured = json.loads(json.dumps(CAPTURED["a call of 2025"]))
    captured["participants"] += [{"participantId": "x", "purpose": "agent"}]
    captured["participants"][0]["sessions"].append({"sessionId": "y", "mediaType": "voice"})
    org = Org(conversations_per_day=200, templates=[Template.of(captured, 500)])
    sketch = next(s for s in org.day(MONDAY) if s.kind == "template_0")

    assert len(org.conversation(sketch, sketch.end_ms)["participants"]) == 5
    assert len(org.conversation(sketch, sketch.end_ms - 1)["participants"]) == 4


@cache
def of_each_kind() -> dict[str, Json]:
    """A conversation of each kind that the sandbox invents, long after its end."""
    org = Org(seed=2, conversations_per_day=2000)
    sketches = [sketch for day in range(MONDAY, MONDAY + 7) for sketch in org.day(day)]
    found = {sketch.kind: sketch for sketch in sketches}
    return {kind: org.conversation(sketch, sketch.start_ms + 60 * DAY_MS) for kind, sketch in found.items()}


def without_what_depends_on_the_org(data: Any) -> Any:
    """A template less the teams, which not every user has, and the numbers of flows, of which an org may have one."""
    if isinstance(data, dict):
        return {name: without_what_depends_on_the_org(value) for name, value in data.items() if name != "teamId"}
    if isinstance(data, list):
        return [without_what_depends_on_the_org(entry) for entry in data]
    return re.sub(r"\{flow (\w+) \d+", r"{flow \1", data) if isinstance(data, str) else data


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_template_of_a_filled_template_is_the_template(kind: str) -> None:
    template = Template.of(of_each_kind()[kind], 500)
    org = Org(seed=4, conversations_per_day=300, templates=[template])
    sketch = next(s for s in org.day(MONDAY) if s.kind == "template_0")

    again = Template.of(org.conversation(sketch, sketch.start_ms + 60 * DAY_MS))

    assert without_what_depends_on_the_org(again.data) == without_what_depends_on_the_org(template.data)
    assert again.length_ms == template.length_ms
    assert (sketch.end_ms == FOREVER_MS) == kind.endswith("_stuck")


def test_attributes_are_left_out() -> None:
    captured = json.loads(json.dumps(CAPTURED["a chat of 2021"]))
    captured["participants"][0]["attributes"] = {"Card": "4111"}

    assert "attributes" not in Template.of(captured).data["participants"][0]


@pytest.mark.parametrize("name", CAPTURED)
def test_the_same_value_is_replaced_by_the_same_value(name: str) -> None:
    org, sketches = filled(name)
    captured = dict(leaves(CAPTURED[name]))
    made = dict(leaves(org.conversation(sketches[0], sketches[0].end_ms)))
    pairs: dict[str, set[str]] = {}
    for path, value in captured.items():
        if path.endswith(("Id", "/remote", "/participantName")) and path in made:
            pairs.setdefault(value, set()).add(made[path])

    assert all(len(stand_ins) == 1 for stand_ins in pairs.values())


@pytest.mark.parametrize("name", CAPTURED)
def test_queues_users_codes_and_flows_are_those_of_the_org_and_of_the_sketch(name: str) -> None:
    org, sketches = filled(name)
    names = {queue["id"]: queue["name"] for queue in org.entities("queues")}
    flows = {flow["id"]: flow["name"] for flow in org.entities("flows")}
    for sketch in sketches:
        made = org.conversation(sketch, sketch.end_ms)
        assert set(values(made, "queueId")) <= set(sketch.queue_ids) <= names.keys()
        assert set(values(made, "userId")) <= set(sketch.user_ids)
        assert set(values(made, "wrapUpCode")) <= set(sketch.wrap_up_codes)
        assert set(values(made, "flowId")) <= flows.keys()
        assert tuple(made["divisionIds"]) == sketch.division_ids
        assert set(values(made, "mediaType")) == set(sketch.media_types)
        for participant in made["participants"]:
            if participant["purpose"] == "acd" and "participantName" in participant:
                assert participant["participantName"] == names[values(participant, "queueId")[0]]


def test_two_conversations_of_a_template_have_other_ids_and_people() -> None:
    org, (first, second, *_) = filled("a call of 2025")
    one, other = (org.conversation(sketch, sketch.end_ms) for sketch in (first, second))

    assert not set(values(one, "participantId", "sessionId")) & set(values(other, "participantId", "sessionId"))
    assert values(one, "ani") != values(other, "ani")
    assert len({tuple(sketch.user_ids) for sketch in filled("a call of 2025")[1]}) > 10


@pytest.mark.parametrize(("name", "share"), [("a call of 2025", 100), ("a call of 2025", 700)])
def test_so_many_of_a_thousand_look_like_it(name: str, share: int) -> None:
    org = Org(seed=4, conversations_per_day=4000, templates=[Template.of(CAPTURED[name], share)])
    in_office = [s for s in org.day(MONDAY + 1) if s.media_types[0] in {"voice", "callback", "chat"}]

    found = sum(sketch.kind == "template_0" for sketch in in_office) / len(in_office)

    assert share / 1000 * 0.85 < found < share / 1000 * 1.1


def test_without_templates_an_org_is_what_it_always_was() -> None:
    assert list(Org(seed=4).day(MONDAY)) == list(Org(seed=4, templates=[]).day(MONDAY))


def test_a_template_can_be_kept_in_a_file() -> None:
    made = Template.of(CAPTURED["a call of 2025"], 500)
    read = Template(json.loads(json.dumps(made.data)), per_mille=500)
    sketch = filled("a call of 2025")[1][0]

    again = Org(seed=4, conversations_per_day=300, templates=[read])

    assert again.conversation(sketch, sketch.end_ms) == filled("a call of 2025")[0].conversation(sketch, sketch.end_ms)


def test_it_is_cut_while_it_lives_as_any_other() -> None:
    org, (sketch, *_) = filled("a call of 2025")
    seen, final = org.conversation(sketch, sketch.start_ms + 20_000), org.conversation(sketch, sketch.end_ms)

    assert "conversationEnd" not in seen
    assert [p["purpose"] for p in seen["participants"]] == ["customer", "ivr"]
    assert len(values(seen, "emitDate")) < len(values(final, "emitDate"))
    assert max(values(seen, "emitDate")) <= to_text(sketch.start_ms + 20_000)


def test_an_evaluation_that_came_later_comes_as_late_again() -> None:
    captured = changed(CAPTURED["a chat of 2021"])
    late_ms = to_ms(captured["conversationStart"]) + 5 * DAY_MS
    captured["evaluations"] = [{"evaluationId": "x", "eventTime": to_text(late_ms), "oTotalScore": 88}]
    org = Org(conversations_per_day=200, templates=[Template.of(captured, 500)])
    sketch = next(s for s in org.day(MONDAY) if s.kind == "template_0")

    assert org.changes(sketch) == (sketch.start_ms + 5 * DAY_MS,)
    assert "evaluations" not in org.conversation(sketch, sketch.start_ms + 5 * DAY_MS - 1)
    assert org.conversation(sketch, sketch.start_ms + 5 * DAY_MS)["evaluations"][0]["oTotalScore"] == 88


def test_a_conversation_that_lived_when_it_was_captured_never_ends() -> None:
    captured = json.loads(json.dumps(CAPTURED["a chat of 2021"]))
    del captured["conversationEnd"], captured["participants"][0]["sessions"][0]["segments"][0]["segmentEnd"]
    org = Org(conversations_per_day=200, templates=[Template.of(captured, 500)])

    assert {s.end_ms for s in org.day(MONDAY) if s.kind == "template_0"} == {FOREVER_MS}


def test_the_sandbox_finds_them_by_their_queue() -> None:
    org, sketches = filled("a call of 2025")
    queue_id = sketches[0].queue_ids[-1]
    store = Store(org, Clock())
    interval = f"{to_text(MONDAY * DAY_MS)}/{to_text((MONDAY + 1) * DAY_MS)}"
    wanted = [{"type": "and", "predicates": [{"dimension": "queueId", "value": queue_id}]}]

    found = {conversation["conversationId"] for conversation in store.matching(interval, segmentFilters=wanted)}

    for sketch in sketches:
        is_there = queue_id in values(org.conversation(sketch, sketch.end_ms), "queueId")
        assert (sketch.conversation_id in found) == is_there


@pytest.mark.parametrize(
    ("conversation", "message"),
    [
        (sample("conversation_malformed_2021"), r"segmentStart: '2021-04-2T.*correct it in the capture"),
        ({"conversationStart": "2026-01-05T00:00:00Z"}, "no session with a segment"),
        ({}, "conversationStart: '' is not an ISO 8601 instant"),
    ],
)
def test_what_cannot_be_a_template_is_refused_with_the_reason(conversation: Json, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Template.of(conversation)


@pytest.mark.parametrize("per_mille", [0, -1, 1000])
def test_a_share_is_from_1_to_999(per_mille: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 999"):
        Template.of(CAPTURED["a chat of 2021"], per_mille)


def test_a_marker_that_is_none_is_refused() -> None:
    data = {**Template.of(CAPTURED["a chat of 2021"]).data, "externalTag": "{tag 3}"}

    with pytest.raises(ValueError, match=r"'\{tag 3\}' is not a marker"):
        Template(data)


def test_templates_must_leave_room_for_other_conversations() -> None:
    template = Template.of(CAPTURED["a chat of 2021"], 600)

    with pytest.raises(ValueError, match="add up to 1200"):
        Org(templates=[template, template])
