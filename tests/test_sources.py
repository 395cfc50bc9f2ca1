"""Where a conversation is looked for, and what is found there."""

import json
from pathlib import Path

import pytest
import zstandard
from isal import igzip

from everycall import OutputRefused, QueryError, SettingsError
from everycall.analysis.sources import Sought, find_in_org, find_in_places
from everycall.analysis.timeline import Timeline, timeline
from everycall.api.records import conversation_of
from everycall.privacy import Redaction
from inprocess import org

UNKNOWN = "00000000-0000-4000-8000-00000000dead"
PLACES = (
    "calls.jsonl",
    "calls.jsonl.gz",
    "calls.jsonl.zst",
    "calls.parquet",
    "calls.delta",
    "calls.duckdb",
    "csv:tables/",
    "jsonl-days:days",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one export as each format."""
    folder = tmp_path_factory.mktemp("exported")
    org(conversations_per_day=60, flat=True).export([placed(folder, name) for name in PLACES])
    return folder


def placed(folder: Path, name: str) -> str:
    scheme, colon, path = name.rpartition(":")
    return f"{scheme}{colon}{folder}/{path}"


def archived(folder: Path) -> dict[str, bytes]:
    """The lines of the archive by id."""
    lines = (folder / "calls.jsonl").read_bytes().splitlines()
    return {json.loads(line)["conversationId"]: line for line in lines}


def drawn(found: Sought) -> Timeline:
    return timeline(found.conversation, found.names)


@pytest.mark.parametrize("name", PLACES)
def test_every_place_gives_the_time_line_that_the_org_gives(exported: Path, name: str) -> None:
    client = org(conversations_per_day=60, flat=True).client
    for id_ in sorted(archived(exported))[:4]:
        found = find_in_places(id_, (placed(exported, name),))

        assert drawn(found) == drawn(find_in_org(id_, client, "the org"))
        assert not found.notices


def test_postgresql_gives_it_too(exported: Path, postgres: str) -> None:
    org(conversations_per_day=60, flat=True).export(postgres)
    id_ = min(archived(exported))

    expected = find_in_places(id_, (placed(exported, "calls.jsonl"),))
    assert drawn(find_in_places(id_, (postgres,))) == drawn(expected)


def test_names_are_those_of_the_org(exported: Path) -> None:
    where = org(conversations_per_day=60, flat=True)
    known = {user["name"] for user in where.sandbox.store.world.entities("users")}
    agents = set()
    for id_ in archived(exported):
        line = drawn(find_in_places(id_, (placed(exported, "calls.jsonl"),)))
        agents |= {lane.name for lane in line.lanes if lane.purpose == "agent"}

    assert agents
    assert agents <= known


def test_an_archive_gives_the_line_as_it_stands(exported: Path) -> None:
    for id_, line in list(archived(exported).items())[:3]:
        assert find_in_places(id_, (placed(exported, "calls.jsonl.zst"),)).body == line


def test_tables_give_json_that_reads_as_the_same_conversation(exported: Path) -> None:
    id_, line = next(iter(archived(exported).items()))
    found = find_in_places(id_, (placed(exported, "calls.parquet"),))

    assert conversation_of(found.body)[0] == conversation_of(line)[0]


def test_places_are_looked_at_in_turn(exported: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    id_ = min(archived(exported))

    found = find_in_places(id_, (str(empty), placed(exported, "calls.duckdb")))
    assert found.source.endswith("calls.duckdb")


def test_an_unknown_id_names_every_place_and_what_it_covers(exported: Path) -> None:
    places = tuple(placed(exported, name) for name in ("calls.jsonl", "calls.parquet"))
    with pytest.raises(QueryError) as caught:
        find_in_places(UNKNOWN, places)

    assert str(caught.value) == (
        f"There is no conversation {UNKNOWN} in {exported}/calls.jsonl, "
        f"nor in {exported}/calls.parquet (2026-01-05 00:00 to 2026-01-06 00:00 UTC)."
    )


def test_an_id_that_the_org_does_not_know_names_the_org() -> None:
    with pytest.raises(QueryError, match="in the org"):
        find_in_org(UNKNOWN, org(conversations_per_day=10).client, "the org")


def lines_of(*conversations: dict[str, str]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in conversations)


def test_the_last_line_of_a_conversation_counts_and_other_mentions_do_not(tmp_path: Path) -> None:
    archive = tmp_path / "calls.jsonl"
    archive.write_bytes(
        b"\xef\xbb\xbf"
        + lines_of(
            {"conversationId": UNKNOWN, "externalTag": "first"},
            {"conversationId": "another", "associatedConversationId": UNKNOWN},
            {"conversationId": UNKNOWN, "externalTag": "second"},
        )
        + b"not JSON " + UNKNOWN.encode() + b"\n"
    )  # fmt: skip

    found = find_in_places(UNKNOWN, (str(archive),))
    assert found.conversation.external_tag == "second"
    assert found.notices == (f"There is no {archive}.names.jsonl: ids stand for names.",)


@pytest.mark.parametrize("pack", [igzip.compress, zstandard.compress])
def test_a_cut_archive_gives_what_it_still_has_and_says_that_it_is_damaged(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    others = [{"conversationId": f"other-{at}", "externalTag": f"{at * 7919 % 1000}"} for at in range(60_000)]
    packed = pack(lines_of({"conversationId": UNKNOWN}, *others))
    archive = tmp_path / "calls.jsonl"
    archive.write_bytes(packed[: len(packed) - 100])

    found = find_in_places(UNKNOWN, (str(archive),))
    assert "is damaged" in found.notices[0]
    with pytest.raises(QueryError, match=r"calls\.jsonl \(its .* is cut short\)|damaged"):
        find_in_places("00000000-0000-4000-8000-00000000beef", (str(archive),))


def test_names_that_cannot_be_read_cost_only_names(tmp_path: Path) -> None:
    archive = tmp_path / "calls.jsonl"
    archive.write_bytes(lines_of({"conversationId": UNKNOWN}))
    archive.with_name("calls.jsonl.names.jsonl").write_bytes(b"\xff{")

    assert "cannot be read" in find_in_places(UNKNOWN, (str(archive),)).notices[0]


def test_a_place_that_does_not_exist_or_has_no_tables_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path / "calls.jsonl", tmp_path / "calls.parquet"):
        with pytest.raises(OutputRefused, match="does not exist"):
            find_in_places(UNKNOWN, (str(place),))
    rows = tmp_path / "calls.csv"
    rows.write_text("conversationId\n")
    with pytest.raises(OutputRefused, match="flat rows"):
        find_in_places(UNKNOWN, (str(rows),))
    with pytest.raises(SettingsError, match="belongs to no format"):
        find_in_places(UNKNOWN, (str(tmp_path / "calls.docx"),))


def test_a_place_whose_ids_are_redacted_says_so(tmp_path: Path) -> None:
    place = str(tmp_path / "calls.duckdb")
    redaction = Redaction.parse(["conversationId"], b"0123456789abcdef")
    org(conversations_per_day=10, flat=True).export(place, redaction=redaction)

    with pytest.raises(QueryError, match=r"UTC, with redacted ids\)"):
        find_in_places(UNKNOWN, (place,))
