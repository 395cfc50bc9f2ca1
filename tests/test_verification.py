"""A finished export, verified and repaired."""

import errno
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from everycall import Interval, OutputFailed, OutputRefused, PermissionMissing, Query
from everycall.executor import SerialExecutor
from everycall.filesystem import File, SystemFilesystem
from everycall.sandbox import QUERY
from everycall.sandbox.answers import Request
from everycall.setup import Environment
from everycall.verification import Verification, header_of, repair, verify
from inprocess import Org, exported_rows, manifest_of, org
from simulation.disk import SimDisk

THREE_WEEKS = "2026-01-05T00:00:00.000Z/2026-01-26T00:00:00.000Z"
A_DAY_LATER = "2026-01-06T00:00:00.000Z/2026-01-27T00:00:00.000Z"
SECOND_WEEK = "2026-01-12T00:00:00.000Z/2026-01-19T00:00:00.000Z"
THIRD_WEEK = "2026-01-19T00:00:00.000Z/2026-01-26T00:00:00.000Z"


ONE_BY_ONE = Environment(executor=SerialExecutor())


@pytest.fixture
def where() -> Org:
    return org(conversations_per_day=8)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def states(found: Verification) -> list[str]:
    return [finding.state for finding in found.findings]


def checked(where: Org, output: Path) -> Verification:
    return verify(where.client, output, environment=Environment(executor=SerialExecutor(8)))


def hide(where: Org, *conversations: Mapping[str, Any]) -> None:
    """The API knows of all but these."""
    where.sandbox.faults.clear()
    for one in conversations:
        where.sandbox.faults.on(None, "unseen", path=QUERY, conversation_id=one["conversationId"])


def exported_without(where: Org, output: Path) -> str:
    """An export of three weeks; a conversation of the second was not known to the API by then."""
    late = where.sandbox.store.conversations(SECOND_WEEK)[0]
    hide(where, late)
    where.export(output, THREE_WEEKS)
    hide(where)
    return str(late["conversationId"])


def test_an_export_of_unchanged_data_holds(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)

    found = checked(where, output)

    assert states(found) == ["holds", "holds", "holds"]
    assert found.holds


def test_verify_costs_one_request_for_each_window(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    before = len(where.queries)

    checked(where, output)

    assert [served.body["paging"]["pageSize"] for served in where.queries[before:]] == [1, 1, 1]


def test_late_arrivals_are_reported_by_window_and_number(where: Org, output: Path) -> None:
    exported_without(where, output)

    found = checked(where, output)

    counted_at = manifest_of(output)["windows"][1]["countedAt"][:19]
    assert states(found) == ["holds", "changed", "holds"]
    assert str(found.findings[1]) == f"changed: +1 conversation since {counted_at}Z"


def test_conversations_that_have_left_are_a_change(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    gone = next(one["conversationId"] for one in where.sandbox.store.conversations(SECOND_WEEK))
    where.sandbox.faults.on(None, "unseen", path=QUERY, conversation_id=gone)

    found = checked(where, output)

    assert states(found) == ["holds", "changed", "holds"]
    assert "changed: -1 conversation since" in str(found.findings[1])


def test_a_window_that_was_never_read_does_not_hold(where: Org, output: Path) -> None:
    where.export(output, max_pages=0)

    found = checked(where, output)

    assert states(found) == ["unread"]
    assert not found.holds


@pytest.mark.parametrize("fault", [[], ["403"]])
def test_the_executor_is_closed_however_a_verification_ends(where: Org, output: Path, fault: list[str]) -> None:
    closed: list[bool] = []

    class Watched(SerialExecutor):
        def close(self) -> None:
            closed.append(True)

    where.export(output)
    for kind in fault:
        where.sandbox.faults.on(None, kind, path=QUERY)
    with suppress(PermissionMissing):
        verify(where.client, output, environment=Environment(executor=Watched()))

    assert closed


def test_a_repair_asks_only_for_the_window_that_changed(where: Org, output: Path) -> None:
    late = exported_without(where, output)
    found = checked(where, output)
    before = len(where.queries)

    summary = repair(where.client, found)

    assert {served.body["interval"] for served in where.queries[before:]} == {SECOND_WEEK}
    assert summary.verdict == "proven"
    assert exported_rows(output) == where.truth(THREE_WEEKS)
    assert late in {row[0] for row in exported_rows(output)}
    assert checked(where, output).holds


def test_a_repair_proves_nothing_that_the_org_did_not_keep_when_it_was_exported(where: Org, output: Path) -> None:
    hide(where, where.sandbox.store.conversations(THIRD_WEEK)[0])
    where.export(output, THREE_WEEKS, kept_from=Interval.read(SECOND_WEEK).start + timedelta(days=1))
    hide(where)

    summary = repair(where.client, checked(where, output))

    assert summary.verdict == "unproven"
    assert len(manifest_of(output)["notKept"]) == 2


@pytest.mark.parametrize("at", [0, 200, -2])
def test_a_changed_byte_is_found_and_repaired(where: Org, output: Path, at: int) -> None:
    where.export(output, THREE_WEEKS)
    sound = output.read_bytes()
    damaged = bytearray(sound)
    damaged[at] ^= 1
    output.write_bytes(damaged)

    found = checked(where, output)
    repair(where.client, found)

    assert "damaged" in states(found)
    assert output.read_bytes() == sound


@pytest.mark.parametrize("left", [0, 100])
def test_a_file_cut_short_is_damaged_from_there_on(where: Org, output: Path, left: int) -> None:
    where.export(output, THREE_WEEKS)
    output.write_bytes(output.read_bytes()[:left])

    assert states(checked(where, output)) == ["damaged", "damaged", "damaged"]


def test_a_file_with_bytes_after_its_last_window_is_damaged_there(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    sound = output.read_bytes()
    output.write_bytes(sound + sound.splitlines(keepends=True)[-1])

    found = checked(where, output)
    repair(where.client, found)

    assert states(found) == ["holds", "holds", "damaged"]
    assert output.read_bytes() == sound


def test_a_missing_file_is_exported_again_by_a_repair(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    sound = output.read_bytes()
    output.unlink()

    repair(where.client, checked(where, output))

    assert output.read_bytes() == sound


@pytest.mark.parametrize("left", [None, b"", b"something else"])
def test_the_names_beside_an_archive_are_verified_and_repaired(where: Org, tmp_path: Path, left: bytes | None) -> None:
    archive, names = tmp_path / "raw.jsonl.gz", tmp_path / "raw.jsonl.gz.names.jsonl"
    where.export(archive, THREE_WEEKS)
    sound = archive.read_bytes(), names.read_bytes()
    names.unlink() if left is None else names.write_bytes(left)

    found = checked(where, archive)
    repair(where.client, found)

    assert states(found) == ["damaged"] * 3
    assert found.changed == (str(names),)
    assert archive.read_bytes() == sound[0]
    assert len(names.read_bytes()) == len(sound[1])  # looked up at another time
    assert checked(where, archive).holds


def test_an_archive_whose_manifest_has_no_checksum_of_the_names_is_verified_without_them(
    where: Org, tmp_path: Path
) -> None:
    """Older manifests have none."""
    archive = tmp_path / "raw.jsonl"
    where.export(archive, THREE_WEEKS)
    path = archive.with_name("raw.jsonl.manifest.json")
    manifest = msgspec.json.decode(path.read_bytes())
    del manifest["namesFile"]
    path.write_bytes(msgspec.json.encode(manifest))
    archive.with_name("raw.jsonl.names.jsonl").write_bytes(b"")

    assert checked(where, archive).holds


def test_a_repair_reads_the_windows_that_a_safety_stop_left(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS, max_pages=2)

    found = checked(where, output)
    repair(where.client, found)

    assert "unread" in states(found)
    assert exported_rows(output) == where.truth(THREE_WEEKS)


@pytest.mark.parametrize("left", [None, b"", b"something else"])
def test_an_output_without_any_window_is_repaired_whatever_became_of_it(
    where: Org, output: Path, left: bytes | None
) -> None:
    """The safety stop came before the first window was read."""
    where.export(output, THREE_WEEKS, max_pages=0)
    output.unlink() if left is None else output.write_bytes(left)

    found = checked(where, output)
    assert states(found) == ["unread", "unread", "unread"]
    assert repair(where.client, found).verdict == "proven"


def test_a_window_that_was_never_proven_does_not_hold(where: Org, output: Path) -> None:
    where.sandbox.faults.on(None, "total_hits", path=QUERY, off=2)
    where.export(output, THREE_WEEKS)
    where.sandbox.faults.clear()

    found = checked(where, output)

    assert states(found) == ["unproven", "unproven", "unproven"]
    assert str(found.findings[0]).startswith("unproven: the API counted ")


def test_a_repair_that_fails_leaves_the_output_as_it_was_and_can_be_repeated(where: Org, output: Path) -> None:
    exported_without(where, output)
    found = checked(where, output)
    before = output.read_bytes()
    where.sandbox.faults.on(None, "403", path=QUERY)

    with pytest.raises(Exception, match="403"):
        repair(where.client, found)

    assert output.read_bytes() == before
    where.sandbox.faults.clear()
    repair(where.client, found)
    assert exported_rows(output) == where.truth(THREE_WEEKS)


class Full(SystemFilesystem):
    """Has no room for rows."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        if path.suffix == ".rows":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().open(path, mode)


def test_a_repair_on_a_full_disk_says_so_and_leaves_the_output_as_it_was(where: Org, output: Path) -> None:
    exported_without(where, output)
    before = output.read_bytes()
    found = checked(where, output)

    with pytest.raises(OutputFailed, match="The disk is full"):
        repair(where.client, found, environment=Environment(filesystem=Full()))
    assert output.read_bytes() == before


@contextmanager
def interrupted(where: Org, at: str) -> Iterator[None]:
    """Ctrl-C, when something is asked for that holds these words."""

    def interrupt(request: Request) -> None:
        if at.encode() in request.body:
            raise KeyboardInterrupt

    where.connection.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        yield
    where.connection.before = lambda _: None


def test_an_interrupted_repair_resumes(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    sound = output.read_bytes()
    output.write_bytes(b"")
    with interrupted(where, THIRD_WEEK):
        repair(where.client, checked(where, output), environment=ONE_BY_ONE)
    before = len(where.pages)
    summary = repair(where.client, checked(where, output))

    assert {window for window, _ in where.pages[before:]} == {THIRD_WEEK}
    assert summary.resumed_windows == 2
    assert output.read_bytes() == sound


def test_windows_that_changed_after_an_interrupted_repair_are_read_again(where: Org, output: Path) -> None:
    one, other = where.sandbox.store.conversations(SECOND_WEEK)[:2]
    hide(where, one, other)
    where.export(output, THREE_WEEKS, max_pages=4)
    hide(where, other)
    found = checked(where, output)
    with interrupted(where, THIRD_WEEK):
        repair(where.client, found, environment=ONE_BY_ONE)
    hide(where)
    repair(where.client, checked(where, output))

    assert exported_rows(output) == where.truth(THREE_WEEKS)


def test_windows_of_an_interrupted_repair_are_counted_again(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    output.write_bytes(b"")
    hide(where, where.sandbox.store.conversations(SECOND_WEEK)[0])
    with interrupted(where, THIRD_WEEK):
        repair(where.client, checked(where, output), environment=ONE_BY_ONE)
    hide(where)
    repair(where.client, checked(where, output))

    assert exported_rows(output) == where.truth(THREE_WEEKS)


def test_an_export_reads_again_what_an_interrupted_repair_had_taken_over(where: Org, output: Path) -> None:
    exported_without(where, output)
    found = checked(where, output)
    with interrupted(where, SECOND_WEEK):
        repair(where.client, found, environment=ONE_BY_ONE)

    assert where.export(output, THREE_WEEKS).resumed_windows == 0


@pytest.mark.parametrize("seed", range(8))
def test_a_repair_resumes_after_a_power_cut(where: Org, seed: int) -> None:
    """What it had taken over from the output is there, or it is read again."""
    output = Path("/out/rows.csv")
    filesystem = SimDisk(random.Random(seed), lambda _: None, [output.parent])
    environment = Environment(executor=SerialExecutor(), filesystem=filesystem)
    where.export(output, THREE_WEEKS, filesystem=filesystem)
    sound = filesystem.content(output) or b""
    filesystem.damage(output, sound[:-3])
    with interrupted(where, THIRD_WEEK):
        repair(where.client, verified(where, output, environment), environment=environment)
    filesystem.power_cut()
    summary = repair(where.client, verified(where, output, environment), environment=environment)

    assert filesystem.content(output) == sound
    assert summary.resumed_windows == 2


def verified(where: Org, output: Path, environment: Environment) -> Verification:
    """What is found without asking for the window that is damaged."""
    return verify(where.client, output, environment=environment)


def test_a_manifest_that_is_no_utf_8_is_refused(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    path = output.with_name(output.name + ".manifest.json")
    path.write_bytes(path.read_bytes().replace(b'"asked": {', b'"asked": {"\xe4": 1, '))

    with pytest.raises(OutputRefused, match="is not a manifest of everycall"):
        checked(where, output)


def test_an_unfinished_export_of_another_time_is_not_thrown_away_by_a_repair(where: Org, output: Path) -> None:
    words = {"weeks": "the last three"}
    where.export(output, THREE_WEEKS, asked=words)
    with interrupted(where, "2026-01-27"):
        where.export(output, A_DAY_LATER, asked=words)

    with pytest.raises(OutputRefused, match=f"unfinished export of {A_DAY_LATER}"):
        repair(where.client, checked(where, output))
    assert where.export(output, A_DAY_LATER, asked=words).resumed_windows == 2


@pytest.mark.parametrize("words", [{"match": "activity"}, {"weeks": "the last three"}])
def test_a_repair_asks_what_the_export_asked(where: Org, output: Path, words: dict[str, Any]) -> None:
    query = Query(Interval.read(THREE_WEEKS), match=words.get("match", "start"))
    where.export(output, query=query, asked=words)
    sound, query = output.read_bytes(), manifest_of(output)["query"]
    output.write_bytes(sound[:300])

    repair(where.client, checked(where, output))

    assert output.read_bytes() == sound
    assert manifest_of(output)["query"] == query


def test_an_unfinished_export_cannot_be_verified(where: Org, output: Path) -> None:
    with pytest.raises(OutputRefused, match="has no manifest"):
        checked(where, output)


def test_a_manifest_of_something_else_is_refused(where: Org, output: Path) -> None:
    output.with_name("rows.csv.manifest.json").write_text('{"query": 1}')

    with pytest.raises(OutputRefused, match="is not a manifest of everycall"):
        checked(where, output)


def test_the_manifest_says_where_the_export_came_from(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS, source="the org of the test")

    assert header_of(output).source == "the org of the test"


def test_filters_and_columns_are_those_of_the_export(where: Org, output: Path) -> None:
    interval = Interval.read(THREE_WEEKS)
    where.export(output, query=Query(interval), columns=["channel", "conversationId"])
    output.write_bytes(b"")

    repair(where.client, checked(where, output))

    assert output.read_bytes().startswith(b"channel,conversationId\n")


def test_a_verification_long_after_counts_the_same(where: Org, output: Path) -> None:
    """Wrap-ups, evaluations and surveys arrive meanwhile: they change rows, and no count."""
    where.export(output, THREE_WEEKS)
    where.clock.advance(timedelta(days=40).total_seconds())

    assert checked(where, output).holds


# What is no manifest


def edited(output: Path, **changes: Any) -> None:
    """Somebody has been at the manifest; `query` is merged into the one that is there."""
    path = output.with_name(output.name + ".manifest.json")
    manifest = manifest_of(output)
    path.write_bytes(
        msgspec.json.encode({**manifest, **changes, "query": {**manifest["query"], **changes.get("query", {})}})
    )


def test_a_format_of_another_version_is_refused(where: Org, output: Path) -> None:
    where.export(output)
    edited(output, query={"format": "clay"})

    with pytest.raises(OutputRefused, match="'clay'"):
        checked(where, output)


@pytest.mark.parametrize(
    "changes",
    [
        {"windows": []}, {"interval": "2026-01-05T00:00:00.000Z/2027-01-26T00:00:00.000Z"}, {"interval": "2026"},
        {"unread": [SECOND_WEEK]}, {"unread": ["soon"]}, {"rows": 7}, {"query": {"interval": SECOND_WEEK}},
        {"query": {"interval": 5}}, {"query": {"columns": []}},
        {"verdict": "unproven"}, {"unproven": [SECOND_WEEK]},
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_add_up_is_refused(where: Org, output: Path, changes: dict[str, Any]) -> None:
    where.export(output, THREE_WEEKS)
    edited(output, **changes)

    with pytest.raises(OutputRefused, match="is not a manifest of everycall"):
        checked(where, output)


@pytest.mark.parametrize(
    "changes",
    [{"hitsAfter": 300}, {"hitsBefore": 1}, {"uniqueIds": 5}, {"rows": 1}, {"carriedIn": -1}, {"open": 999}],
)  # fmt: skip
def test_a_window_whose_numbers_contradict_each_other_is_refused(
    where: Org, output: Path, changes: dict[str, int]
) -> None:
    where.export(output, THREE_WEEKS)
    windows = manifest_of(output)["windows"]
    edited(output, windows=[{**windows[0], **changes}, *windows[1:]])

    with pytest.raises(OutputRefused, match="is not a manifest of everycall"):
        checked(where, output)


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"sizeBytes": 7}])
def test_a_manifest_whose_output_is_not_that_of_its_windows_is_refused(
    where: Org, output: Path, changes: dict[str, Any]
) -> None:
    where.export(output, THREE_WEEKS)
    manifest = manifest_of(output)
    path = output.with_name(output.name + ".manifest.json")
    path.write_bytes(msgspec.json.encode({**manifest, "output": {**manifest["output"], **changes}}))

    with pytest.raises(OutputRefused, match="contradicts itself"):
        checked(where, output)


@pytest.mark.parametrize("size_bytes", [10**18, 10**30])
def test_impossible_lengths_in_a_manifest_are_refused(where: Org, output: Path, size_bytes: int) -> None:
    """Somebody has edited the manifest."""
    where.export(output, THREE_WEEKS)
    windows = manifest_of(output)["windows"]
    edited(output, windows=[{**windows[0], "sizeBytes": size_bytes}, *windows[1:]])

    with pytest.raises(OutputRefused, match="contradicts itself"):
        checked(where, output)


def test_verify_refuses_another_oauth_client(where: Org, output: Path) -> None:
    """Its roles may cover other divisions."""
    where.export(output, THREE_WEEKS)
    edited(output, query={"clientId": "another"})

    with pytest.raises(OutputRefused, match="with the OAuth client another"):
        checked(where, output)


def test_an_export_of_another_version_is_verified_and_not_repaired(where: Org, output: Path) -> None:
    where.export(output, THREE_WEEKS)
    edited(output, query={"everycall": "0.0.9"})
    found = checked(where, output)

    assert found.holds
    with pytest.raises(OutputRefused, match=r"was exported by everycall 0\.0\.9"):
        repair(where.client, found)
    assert sorted(path.name for path in output.parent.iterdir()) == ["rows.csv", "rows.csv.manifest.json"]


def test_a_file_without_a_name_is_refused(where: Org) -> None:
    with pytest.raises(OutputRefused, match="is a folder"):
        checked(where, Path())
