"""Personal data: what is replaced, and that nothing of it reaches an output."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import openpyxl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import OutputRefused, SettingsError
from everycall.api.records import Conversation
from everycall.cli.commands import run
from everycall.converting import ConvertOptions, convert
from everycall.privacy import FIELDS, KEPT, KEY_MIN, NAMES_KEPT, REPLACED, Redaction, Redactor
from everycall.sandbox.recorded import Recorded
from everycall.verification import repair, verify
from inprocess import WEEK, Org, manifest_of, org, read_csv

KEY, OTHER_KEY = b"k" * KEY_MIN, b"o" * KEY_MIN
PERSONAL = Redaction.parse(["personal"], KEY)


def redacted(tree: dict[str, Any], *fields: str, key: bytes = KEY) -> dict[str, Any]:
    body = Redactor(Redaction.parse(fields or ["personal"], key)).record(json.dumps(tree).encode())
    found: dict[str, Any] = json.loads(body)
    return found


def participant(**fields: Any) -> dict[str, Any]:
    return {"conversationId": "c", "participants": [fields]}


# The list of what is kept


def fields_of(record: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, name) of every field of a record and of the records below it, those of records left out."""
    for field in msgspec.structs.fields(record):
        below = record_in(field.type)
        if below is None:
            yield path, field.encode_name
        else:
            yield from fields_of(below, f"{path}.{field.encode_name}".removeprefix("."))


def record_in(type_: Any) -> Any:
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return type_
    return next((found for one in get_args(type_) if (found := record_in(one)) is not None), None)


def test_every_field_of_the_api_is_either_kept_or_replaced() -> None:
    kept = [(path, name) for path, names in KEPT.items() for name in names.split()]
    replaced = [(path, name) for path, names in REPLACED.items() for name in names]

    assert sorted(kept + replaced) == sorted(fields_of(Conversation))


def every_field(path: str = "") -> dict[str, Any]:
    """An object with all of its fields, each with a text that names it."""
    tree: dict[str, Any] = {name: f"<{path}.{name}>" for name in (*KEPT[path].split(), *REPLACED.get(path, ()))}
    below = [one for one in KEPT if one and one.rpartition(".")[0] == path]
    return tree | {one.rpartition(".")[2]: [every_field(one)] for one in below}


def test_all_that_is_kept_is_there_and_nothing_else() -> None:
    text = json.dumps(redacted(every_field()))

    for path, names in KEPT.items():
        assert all(f"<{path}.{name}>" in text for name in names.split())
    for path, replaced in REPLACED.items():
        assert not any(f"<{path}.{name}>" in text for name in replaced)


@given(
    st.dictionaries(st.text(min_size=1), st.recursive(st.text() | st.floats(allow_nan=False) | st.booleans(), st.lists))
)
def test_an_unknown_field_never_shows_its_value(unknown: dict[str, Any]) -> None:
    named = {f"new{name}": value for name, value in unknown.items()}
    found = redacted({"conversationId": "c", **named})

    assert found.keys() == {"conversationId", *named}
    redactor = Redactor(PERSONAL)
    for name, value in named.items():
        wanted = redactor.hashed(value) if isinstance(value, str) else None
        if not isinstance(value, list):
            assert found[name] == wanted


@pytest.mark.parametrize("odd", [{"name": "Ann"}, [{"name": "Ann"}], [["Ann"]]])
@pytest.mark.parametrize("path", ["purpose", "queueId", "participants", "sessions", "attributes", "ani", "newField"])
def test_a_value_of_another_shape_shows_nothing(odd: Any, path: str) -> None:
    whole = {
        "conversationId": "c",
        path: odd,
        "participants": [{path: odd, "sessions": [{path: odd, "segments": odd}]}],
    }

    assert "Ann" not in json.dumps(redacted(whole))


# Hashes


def test_equal_texts_have_equal_hashes_and_others_have_others() -> None:
    redactor, other = Redactor(PERSONAL), Redactor(Redaction.parse(["personal"], OTHER_KEY))

    assert redactor.hashed("tel:+12025550123") == redactor.hashed("tel:+12025550123")
    assert redactor.hashed("tel:+12025550123") != redactor.hashed("tel:+12025550124")
    assert redactor.hashed("tel:+12025550123") != other.hashed("tel:+12025550123")
    assert redactor.hashed("") == ""


def test_the_hash_is_the_beginning_of_an_hmac_with_sha_256() -> None:
    """So that another program can join by it."""
    wanted = "1608e007cf9719192650dfe7a9ad0ba1"

    assert Redactor(Redaction.parse(["personal"], b"0123456789abcdef")).hashed("tel:+12025550123") == wanted


def test_ids_of_people_are_hashed_and_those_of_queues_are_kept() -> None:
    segment = {"queueId": "q", "wrapUpCode": "w", "wrapUpNote": "call Ann back", "requestedRoutingUserIds": ["u"]}
    found = redacted(participant(userId="u", sessions=[{"ani": "tel:1", "segments": [segment]}]))["participants"][0]
    user, (session,) = Redactor(PERSONAL).hashed("u"), found["sessions"]

    assert (found["userId"], session["ani"]) == (user, Redactor(PERSONAL).hashed("tel:1"))
    assert session["segments"] == [{"queueId": "q", "wrapUpCode": "w", "requestedRoutingUserIds": [user]}]


@pytest.mark.parametrize("purpose", ["customer", "external", "agent", "user", "voicemail", "new", None])
def test_names_of_participants_that_may_be_people_are_hashed(purpose: str | None) -> None:
    assert redacted(participant(purpose=purpose, participantName="Ann"))["participants"][0]["participantName"] != "Ann"


@pytest.mark.parametrize("purpose", sorted(NAMES_KEPT))
def test_names_of_queues_and_flows_are_kept(purpose: str) -> None:
    found = redacted(participant(participantName="Billing", purpose=purpose))

    assert found["participants"][0]["participantName"] == "Billing"


def test_names_of_attributes_are_kept_and_their_values_are_not() -> None:
    found = redacted(participant(attributes={"Customer": "Ann", "Tier": ""}))["participants"][0]["attributes"]

    assert found == {"Customer": Redactor(PERSONAL).hashed("Ann"), "Tier": ""}


@pytest.mark.parametrize(
    "body",
    [
        b'{"conversationId": "c", "newNumber": 1e400, "participants": [{"participantName": "Ann"}]}',
        b'{"conversationId": "c", "big": 123456789012345678901234567890, "participants": [{"participantName": "Ann"}]}',
        b'{"conversationId": "c", "participants": [{"participantName": "Ann \\ud83d"}]}',
        b'{"conversationId": "c", "participants": [{"participantName": "Ann \xff"}]}',
    ],
)
def test_odd_conversations_are_redacted_too(body: bytes) -> None:
    found = Redactor(PERSONAL).record(body)

    assert json.loads(found)["conversationId"] == "c"
    assert b"Ann" not in found


# Fields by name


def test_named_fields_alone_are_replaced() -> None:
    tree = participant(userId="u", participantName="Ann", sessions=[{"ani": "1", "newField": {"a": 1}}])
    found = redacted(tree, "ani", "userId=drop")["participants"][0]

    assert found == {
        "participantName": "Ann", "sessions": [{"ani": Redactor(PERSONAL).hashed("1"), "newField": {"a": 1}}],
    }  # fmt: skip


def test_a_field_can_be_kept_or_dropped_where_personal_would_hash_it() -> None:
    tree = participant(userId="u", participantName="Ann", externalContactId="e")
    found = redacted(tree, "personal", "userId=keep", "externalContactId=drop")["participants"][0]

    assert found == {"userId": "u", "participantName": Redactor(PERSONAL).hashed("Ann")}


def test_a_field_that_is_kept_by_default_can_be_hashed() -> None:
    assert redacted(participant(teamId="t"), "personal", "TEAMID")["participants"][0]["teamId"] != "t"


def test_names_of_users_follow_their_own_field() -> None:
    names = [
        Redactor(Redaction.parse([fields], KEY)).user_name("Ann") for fields in ("ani", "userName", "userName=drop")
    ]

    assert names == ["Ann", Redactor(PERSONAL).hashed("Ann"), None]
    assert Redactor(PERSONAL).user_name("Ann") == Redactor(PERSONAL).hashed("Ann")


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        (["anni"], "no field 'anni'", "ani"),
        (["ani=gone"], "'ani=gone' is not valid", "FIELD=drop"),
        (["personal=drop"], "is not valid", "FIELD"),
        (["userId=keep"], "keeps everything", "Leave out"),
    ],
)
def test_a_field_that_is_not_valid_is_refused(fields: list[str], message: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        Redaction.parse(fields, KEY)
    assert hint in refused.value.hint


@pytest.mark.parametrize("key", [b"", b"k" * (KEY_MIN - 1)])
def test_a_short_key_is_refused(key: bytes) -> None:
    with pytest.raises(SettingsError, match="at least 16 bytes"):
        Redaction.parse(["personal"], key)


def test_no_text_shows_the_key() -> None:
    assert KEY.decode() not in f"{PERSONAL!r} {PERSONAL.fingerprint}"
    assert PERSONAL.fingerprint != Redaction.parse(["personal"], OTHER_KEY).fingerprint


# Whole exports


@pytest.fixture(scope="module")
def where() -> Org:
    return org(conversations_per_day=40)


@pytest.fixture(scope="module")
def outputs(where: Org, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week in every format, without personal data, and as it is."""
    folder = tmp_path_factory.mktemp("redacted")
    names = ["a.csv", "a.jsonl", "a.parquet", "a.xlsx"]
    where.export([folder / name for name in names], WEEK, view="extended", redaction=PERSONAL)
    where.export([folder / "plain.jsonl", folder / "plain.csv"], WEEK, view="extended")
    return folder


def personal_texts(folder: Path) -> set[str]:
    """Names of users, addresses, notes and ids of people in the week as it is."""
    names = [json.loads(line) for line in (folder / "plain.jsonl.names.jsonl").read_text().splitlines()]
    found = {one["name"] for one in names if one["kind"] == "user"}
    for line in (folder / "plain.jsonl").read_text().splitlines():
        found |= set(
            texts_in(json.loads(line), ("ani", "dnis", "wrapUpNote", "userId", "externalContactId", "subject"))
        )
    harmless = {one["name"] for one in names if one["kind"] != "user"}  # a note can be the name of a code
    return {text for text in found - harmless if len(text) > 4}


def texts_in(tree: Any, fields: tuple[str, ...]) -> Iterator[str]:
    if isinstance(tree, list):
        for one in tree:
            yield from texts_in(one, fields)
    elif isinstance(tree, dict):
        yield from (tree[name] for name in fields if isinstance(tree.get(name), str))
        for one in tree.values():
            yield from texts_in(one, fields)


def texts_of(folder: Path) -> Iterator[str]:
    """Everything that the outputs and the files beside them hold, as text."""
    for name in ("a.csv", "a.jsonl", "a.jsonl.names.jsonl"):
        yield (folder / name).read_text()
    for path in folder.glob("a.*manifest.json"):
        yield path.read_text()
    for path in (folder / "a.parquet").rglob("*.parquet"):
        yield str(pq.read_table(path).to_pylist())
    for sheet in openpyxl.load_workbook(folder / "a.xlsx"):
        yield "\n".join(str(cell) for row in sheet.iter_rows(values_only=True) for cell in row)


def test_no_output_holds_a_name_an_address_or_a_note(outputs: Path) -> None:
    personal, written = personal_texts(outputs), "\n".join(texts_of(outputs))

    assert len(personal) > 200
    assert not [text for text in personal if text in written]


def test_queues_codes_and_numbers_are_those_of_the_plain_export(outputs: Path) -> None:
    same = (
        "conversationId",
        "channel",
        "startTime",
        "duration",
        "queueName",
        "disposition",
        "handleSeconds",
        "flowName",
    )
    found, wanted = read_csv(outputs / "a.csv"), read_csv(outputs / "plain.csv")

    assert [[row[name] for name in same] for row in found] == [[row[name] for name in same] for row in wanted]


def test_what_is_hashed_can_still_be_joined(outputs: Path) -> None:
    hashed = Redactor(PERSONAL).hashed
    for found, wanted in zip(read_csv(outputs / "a.csv"), read_csv(outputs / "plain.csv"), strict=True):
        assert found["agentId"] == hashed(wanted["agentId"])
        assert found["ani"] == hashed(wanted["ani"])
        assert found["agentName"] == found["agentId"]


def test_the_manifest_has_the_fields_and_the_fingerprint_of_the_key(outputs: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.xlsx"):
        query = manifest_of(outputs / name)["query"]
        assert (query["redacted"], query["redactionKey"]) == (["personal"], PERSONAL.fingerprint)


def test_converting_an_archive_redacts_as_an_export_does(outputs: Path, tmp_path: Path) -> None:
    options = ConvertOptions(redaction=PERSONAL)
    convert(outputs / "plain.jsonl", [tmp_path / "b.csv", tmp_path / "b.jsonl"], view="extended", options=options)

    assert (tmp_path / "b.csv").read_bytes() == (outputs / "a.csv").read_bytes()
    assert (tmp_path / "b.jsonl").read_bytes() == (outputs / "a.jsonl").read_bytes()


def test_workers_redact_too(outputs: Path, tmp_path: Path) -> None:
    convert(outputs / "plain.jsonl", tmp_path / "b.jsonl", options=ConvertOptions(workers=1, redaction=PERSONAL))

    assert (tmp_path / "b.jsonl").read_bytes() == (outputs / "a.jsonl").read_bytes()


def test_a_redacted_archive_is_not_redacted_again(outputs: Path, tmp_path: Path) -> None:
    for redaction in (None, PERSONAL):
        convert(outputs / "a.jsonl", tmp_path / "b.csv", view="extended", options=ConvertOptions(redaction=redaction))
        assert (tmp_path / "b.csv").read_bytes() == (outputs / "a.csv").read_bytes()
    assert manifest_of(tmp_path / "b.csv")["query"]["redactionKey"] == PERSONAL.fingerprint


def test_a_redacted_archive_with_another_key_is_refused(outputs: Path, tmp_path: Path) -> None:
    options = ConvertOptions(redaction=Redaction.parse(["personal"], OTHER_KEY))

    with pytest.raises(SettingsError, match="redacted already"):
        convert(outputs / "a.jsonl", tmp_path / "b.csv", options=options)


@pytest.mark.parametrize("redaction", [None, Redaction.parse(["personal"], OTHER_KEY), Redaction.parse(["ani"], KEY)])
def test_another_key_or_other_fields_at_the_same_place_are_refused(
    where: Org, tmp_path: Path, redaction: Redaction | None
) -> None:
    where.export(tmp_path / "a.csv", WEEK, redaction=PERSONAL)

    with pytest.raises(OutputRefused, match="contains another export"):
        where.export(tmp_path / "a.csv", WEEK, redaction=redaction)


def test_a_repair_needs_the_same_key(where: Org, tmp_path: Path) -> None:
    where.export(tmp_path / "a.csv", WEEK, redaction=PERSONAL)
    before = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(before[:-2] + b"\n\n")
    found = verify(where.client, tmp_path / "a.csv")

    with pytest.raises(OutputRefused, match="has to use the same"):
        repair(where.client, found)
    repair(where.client, found, options=options_with(PERSONAL))
    assert (tmp_path / "a.csv").read_bytes() == before


def options_with(redaction: Redaction) -> Any:
    from everycall import Options  # noqa: PLC0415

    return Options(redaction=redaction)


def test_oddities_and_unreadable_conversations_show_no_value(tmp_path: Path) -> None:
    odd = {
        "conversationId": "00000000-0000-4000-8000-000000000001", "conversationStart": "2026-01-05T08:00:00.000Z",
        "participants": [{"purpose": 5, "participantName": "Ann Alder", "newField": "Ann Alder"}],
    }  # fmt: skip
    org(world=Recorded([odd])).export(tmp_path / "a.csv", WEEK, redaction=PERSONAL)
    found = manifest_of(tmp_path / "a.csv")

    assert found["oddities"] != {}
    assert {one["value"] for one in found["oddityExamples"]} == {"(redacted)"}
    assert "Ann Alder" not in json.dumps(found)


# The command


def test_without_a_key_the_command_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EVERYCALL_REDACTION_KEY", raising=False)
    (tmp_path / "a.jsonl").write_text('{"conversationId": "c"}\n')

    assert run(["convert", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "a.csv"), "--redact", "personal"]) == 2
    assert "EVERYCALL_REDACTION_KEY is not set" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()


def test_with_a_key_in_the_environment_the_command_redacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCALL_REDACTION_KEY", KEY.decode())
    (tmp_path / "a.jsonl").write_text(json.dumps(participant(purpose="customer", sessions=[{"ani": "tel:123"}])) + "\n")
    arguments = ["convert", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "a.csv"), "--redact", "personal"]

    assert run([*arguments, "--columns", "ani", "--workers", "0", "--quiet"]) == 0
    with (tmp_path / "a.csv").open() as file:
        assert list(csv.reader(file)) == [["ani"], [Redactor(PERSONAL).hashed("tel:123")]]


def test_fields_are_known_by_their_name() -> None:
    assert FIELDS["queueId"] == ("evaluations", "surveys", "resolutions", "participants.sessions.segments")
