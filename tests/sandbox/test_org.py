import json
import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest

from everycall.sandbox.org import Org
from everycall.sandbox.traffic import FOREVER_MS

MONDAY = 20_458
KINDS = ("divisions", "queues", "users", "wrapupcodes", "flows", "skills", "languages", "groups", "teams", "campaigns")
ORG = Org()


@pytest.mark.parametrize("kind", KINDS)
def test_every_entity_has_an_id_of_its_own_a_name_and_its_uri(kind: str) -> None:
    entities = ORG.entities(kind)
    assert len({e["id"] for e in entities}) == len(entities) > 0
    assert all(e["name"] and e["id"] in e["selfUri"] for e in entities)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_used_once(kind: str) -> None:
    assert max(Counter(e["name"] for e in ORG.entities(kind)).values()) == 1


def test_one_of_three_divisions_is_the_home_division() -> None:
    assert [d["homeDivision"] for d in ORG.entities("divisions")] == [True, False, False]


def test_two_queues_are_gone_and_every_division_has_one_that_is_not() -> None:
    queues = ORG.entities("queues")
    assert sum(q.get("state") == "deleted" for q in queues) == 2
    assert {q["division"]["id"] for q in queues if "state" not in q} == {d["id"] for d in ORG.entities("divisions")}
    assert 8 <= sum("state" not in q for q in queues) <= 14


@pytest.mark.parametrize(("per_day", "users"), [(0, 60), (2000, 80), (100_000, 120)])
def test_there_are_more_users_where_there_is_more_to_do(per_day: int, users: int) -> None:
    assert len(Org(conversations_per_day=per_day).entities("users")) == users


def test_some_users_are_inactive_and_about_one_in_twelve_is_deleted() -> None:
    states = Counter(u["state"] for u in ORG.entities("users"))
    assert states.keys() == {"active", "inactive", "deleted"}
    assert 0.06 < states["deleted"] / states.total() < 0.1


def test_there_are_twenty_five_wrap_up_codes_and_none_of_the_systems() -> None:
    codes = ORG.entities("wrapupcodes")
    assert len(codes) == 25
    assert not any(c["id"].startswith("ININ-") or c["name"].startswith("ININ-") for c in codes)


def test_flows_are_of_the_types_that_calls_mails_and_messages_need() -> None:
    flows = ORG.entities("flows")
    assert {"INBOUNDCALL", "INBOUNDEMAIL", "INBOUNDSHORTMESSAGE", "DIGITALBOT"} <= {f["type"] for f in flows}
    assert sum(f["deleted"] for f in flows) == 1


def test_addresses_and_numbers_are_those_reserved_for_examples() -> None:
    made = json.dumps([ORG.conversation(s, s.end_ms) for s in ORG.day(MONDAY)[:300]])
    hosts = {re.split(r"[^a-z0-9.]", part)[0] for part in made.split("@")[1:]}
    assert {h for h in hosts if not h.startswith("192.0.2.")} <= {
        *("example.com", "example.org", "conference.example.org", "localhost", "127.0.0.1")
    }
    assert all(part.startswith("202555") for part in made.split("+1")[1:] if part[:1].isdigit() and "tgrp" not in part)
    assert all(u["email"].endswith("@example.com") for u in ORG.entities("users"))


def test_deleted_users_and_queues_are_still_met_in_history() -> None:
    queues = {q["id"] for q in ORG.entities("queues") if q.get("state") == "deleted"}
    users = {u["id"] for u in ORG.entities("users") if u["state"] == "deleted"}
    a_year_before = MONDAY - 52 * 7
    sketches = list(ORG.day(a_year_before))
    assert queues <= {q for s in sketches for q in s.queue_ids}
    assert users & {u for s in sketches for u in s.user_ids}


def test_inactive_users_take_no_part() -> None:
    inactive = {u["id"] for u in ORG.entities("users") if u["state"] == "inactive"}
    assert not inactive & {u for day in range(MONDAY, MONDAY + 3) for s in ORG.day(day) for u in s.user_ids}


def test_the_organization_has_a_name_and_an_id() -> None:
    assert ORG.organization()["name"] == "Larkspur & Finch"
    assert ORG.organization()["id"] == Org().organization()["id"] != Org(seed=2).organization()["id"]


def test_attributes_are_those_of_participants_and_short_enough() -> None:
    for sketch in ORG.day(MONDAY)[:200]:
        story = ORG.conversation(sketch, sketch.end_ms)
        noted = ORG.attributes(sketch, sketch.end_ms)
        assert noted.keys() <= {p["participantId"] for p in story["participants"]}
        assert all(type(v) is str and len(v) <= 1024 for pairs in noted.values() for v in pairs.values())


def test_attributes_come_in_every_awkward_form() -> None:
    noted = [ORG.attributes(s, s.end_ms) for s in ORG.day(MONDAY)[:300]]
    pairs = {pair for found in noted for inner in found.values() for pair in inner.items()}
    assert {"Menu Choice ", "customer.segment", "crm:caseId"} <= {name for name, _ in pairs}
    assert any(v == "" for _, v in pairs)
    assert any("\n" in v for _, v in pairs)
    assert any(v.startswith("{") for _, v in pairs)
    assert max(len(v) for _, v in pairs) <= 1024


def test_a_conversation_that_has_not_begun_to_speak_has_no_attributes_yet() -> None:
    late = next(
        s
        for s in ORG.day(MONDAY)
        if ORG.conversation(s, s.start_ms).get("participants") is None and s.end_ms < FOREVER_MS
    )
    assert ORG.attributes(late, late.start_ms) == {}


def test_a_day_is_made_once_while_it_is_remembered() -> None:
    assert ORG.day(MONDAY) is ORG.day(MONDAY)


SCRIPT = """
import hashlib, json
from everycall.sandbox.org import Org
org = Org(seed=11, conversations_per_day=300)
made = [org.conversation(s, s.start_ms + 90_000) for s in org.day(20000)]
print(hashlib.sha256(json.dumps([made, org.entities("users")]).encode()).hexdigest())
"""


def test_another_process_gives_the_same_to_the_byte() -> None:
    org = Org(seed=11, conversations_per_day=300)
    made = [org.conversation(s, s.start_ms + 90_000) for s in org.day(20_000)]
    here = sha256(json.dumps([made, org.entities("users")]).encode()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert there.stdout.strip() == here
