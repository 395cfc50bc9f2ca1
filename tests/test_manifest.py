from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycall import Interval
from everycall.acquire.proof import id_bytes
from everycall.api.oddities import Oddity
from everycall.manifest import (
    EXAMPLES_MAX,
    Entry,
    Header,
    Manifest,
    Output,
    Stray,
    WindowLoaded,
    WindowRead,
    Written,
    plain,
    pretty,
    pretty_pieces,
)

DAYS = [f"2026-01-{day:02}T00:00:00.000Z/2026-01-{day + 1:02}T00:00:00.000Z" for day in range(5, 9)]
WHOLE = "2026-01-05T00:00:00.000Z/2026-01-09T00:00:00.000Z"
HEADER = Header(
    everycall="1", source="org", client_id="c", interval=WHOLE, begun_at="", asked={"last": "4d"}, filters={},
    match="start", format="csv", columns=("conversationId",),
)  # fmt: skip


def window_read(interval: str = DAYS[0], **changes: Any) -> WindowRead:
    """Three conversations came, two of which are the window's own."""
    fields = {
        "interval": interval, "route": "query", "verdict": "proven", "hits_before": 3, "hits_after": 3,
        "unique_ids": 3, "owned": 2, "carried_in": 1, "open": 1, "re_reads": 0, "provisional": False,
        "counted_at": "2026-03-02T12:00:00.000Z", **changes,
    }  # fmt: skip
    return WindowRead(**fields)


def window_loaded(interval: str = DAYS[0], **changes: Any) -> WindowLoaded:
    written = {"csv": Written(size_bytes=80, sha256="ab")}
    return WindowLoaded(**{"interval": interval, "rows": 2, "written": written, **changes})


def entry(interval: str = DAYS[0], **changes: Any) -> Entry:
    """Both lines in one; changes go to the one that has the field."""
    read = {name: value for name, value in changes.items() if name in WindowRead.__struct_fields__}
    loaded = {name: value for name, value in changes.items() if name not in read}
    return Entry.of(window_read(interval, **read), window_loaded(interval, **loaded), "csv")


def manifest(entries: list[Entry] | None = None, *, unread: int = 0, not_kept: int = 0) -> Manifest:
    """Of four days, the last ones of which may be unread."""
    entries = entries if entries is not None else [entry(day) for day in DAYS[: 4 - unread]]
    return Manifest.of(
        HEADER, entries, unread=[Interval.read(day) for day in DAYS[4 - unread :]],
        not_kept=[one.window for one in entries[:not_kept]], started_at="a", finished_at="b",
        output=Output(format="csv", size_bytes=320, sha256="cd"),
    )  # fmt: skip


# A window's lines


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hits_before": 4}, "is marked as proven, but its counts differ"),
        ({"hits_after": 4}, "is marked as proven, but its counts differ"),
        ({"unique_ids": 2, "carried_in": 0}, "is marked as proven, but its counts differ"),
        ({"owned": 3}, "do not add up"),
        ({"owned": 4, "carried_in": -1}, "do not add up"),
        ({"open": 3}, "more open conversations than conversations"),
        ({"open": -1}, "more open conversations than conversations"),
        ({"interval": "2026"}, "2026"),
    ],
)
def test_a_window_whose_numbers_contradict_each_other_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        window_read(**changes)


def test_an_unproven_window_may_have_other_counts() -> None:
    assert window_read(verdict="unproven", hits_before=5, hits_after=7).unique_ids == 3


def test_a_line_that_was_edited_is_refused_where_it_is_read() -> None:
    edited = msgspec.json.encode(window_read()).replace(b'"hitsAfter":3', b'"hitsAfter":300')

    with pytest.raises(msgspec.ValidationError, match="its counts differ"):
        msgspec.json.decode(edited, type=WindowRead)


@pytest.mark.parametrize(
    "changes", [{"rows": -1}, {"written": {"csv": Written(size_bytes=-1, sha256="")}}, {"interval": "soon"}]
)
def test_a_loaded_window_of_impossible_numbers_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError)):
        msgspec.json.decode(msgspec.json.encode(window_loaded(**changes)), type=WindowLoaded)


def test_ledger_lines_are_distinguished_by_their_tag() -> None:
    lines = [window_read(), window_loaded()]

    assert [msgspec.json.decode(msgspec.json.encode(one), type=WindowRead | WindowLoaded) for one in lines] == lines


def test_strays_and_what_was_left_out_are_known_by_their_sixteen_bytes() -> None:
    uuid = "00000000-0000-4000-8000-0000000000ff"
    stray = Stray(conversation_id=uuid, start=None, reason="its start is not a plausible date")
    line = window_read(strays=(stray,), left_out=("ab" * 16,))

    assert line.kept_strays == {id_bytes(uuid)}
    assert line.without == {b"\xab" * 16}


# Entries


def test_an_entry_has_the_rows_of_its_own_conversations() -> None:
    with pytest.raises(ValueError, match="has 3 rows for 2 conversations"):
        entry(rows=3)


@given(
    st.builds(lambda owned, more: {"owned": owned, "carried_in": more}, st.integers(0, 9), st.integers(0, 9)),
    st.text(), st.booleans(), st.dictionaries(st.text(), st.integers(0, 99)),
)  # fmt: skip
def test_an_entry_is_both_lines_and_gives_them_back(
    numbers: dict[str, Any], reason: str, taken_over: bool, oddities: dict[str, int]
) -> None:
    total = sum(numbers.values())
    read = window_read(
        **numbers, hits_before=total, hits_after=total, unique_ids=total, open=0, reason=reason, part_sha256="ef",
        open_conversations=("c",),
    )  # fmt: skip
    loaded = window_loaded(rows=numbers["owned"], taken_over=taken_over, oddities=oddities, pages=7, pages_checked=1)

    assert Entry.of(read, loaded, "csv").lines("csv") == (read, loaded)


def test_an_entry_is_read_back_as_it_was_written() -> None:
    one = entry(oddity_examples=(Oddity("unknown field", "c", "a[0].b", "1"),), names_unavailable={"users": "403"})

    assert msgspec.json.decode(msgspec.json.encode(one), type=Entry) == one


# The manifest


def test_the_manifest_has_the_sums_of_its_windows() -> None:
    found = manifest(
        [
            entry(DAYS[0], oddities={"a": 1}, pages=2, pages_checked=1, counted_at="2026-03-02T12:00:05.000Z"),
            entry(DAYS[1], oddities={"a": 2, "b": 1}, outlasting=1, names_unavailable={"users": "403"}),
            entry(DAYS[2], provisional=True),
            entry(DAYS[3], provisional=True, strays=(Stray(conversation_id="c", start=None, reason="r"),)),
        ]
    )

    assert (found.verdict, found.rows, found.carried_in, found.open, found.strays) == ("proven", 8, 4, 4, 1)
    assert (found.oddities, found.pages, found.pages_checked, found.outlasting) == ({"a": 3, "b": 1}, 2, 1, 1)
    assert (found.provisional_from, found.provisional_rows) == ("2026-01-07T00:00:00.000Z", 4)
    assert found.proven_as_of == "2026-03-02T12:00:00.000Z"
    assert found.names_unavailable == {"users": "403"}


def test_the_manifest_shows_the_first_oddity_of_each_kind_and_field_and_not_all() -> None:
    def odd(field: int, value: str) -> Oddity:
        return Oddity("unknown field", "c", f"f{field}", value)

    examples = tuple(odd(number, "first") for number in range(EXAMPLES_MAX + 5))
    later = tuple(odd(number, "later") for number in range(5))
    found = manifest([entry(DAYS[0], oddity_examples=examples), entry(DAYS[1], oddity_examples=later),
                      entry(DAYS[2]), entry(DAYS[3])])  # fmt: skip

    assert len(found.oddity_examples) == EXAMPLES_MAX
    assert {one.value for one in found.oddity_examples} == {"first"}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (manifest(), "proven"),
        (manifest(unread=1), "unproven"),
        (manifest(not_kept=1), "unproven"),
        (manifest([entry(DAYS[0], verdict="unproven"), *(entry(day) for day in DAYS[1:])]), "unproven"),
    ],
)
def test_a_manifest_is_proven_where_every_window_is_read_kept_and_proven(found: Manifest, verdict: str) -> None:
    assert found.verdict == verdict
    assert msgspec.json.decode(pretty(found), type=Manifest) == found


EDITS: list[tuple[dict[str, Any], str]] = [
    ({"rows": 9}, "the rows of its windows do not add up"),
    ({"verdict": "unproven"}, "its verdict is not that of its windows"),
    ({"unproven": [DAYS[0]]}, "its list of unproven windows"),
    ({"unread": [DAYS[0]]}, "have gaps or overlaps"),
    ({"unread": ["soon"]}, "soon"),
    ({"windows": []}, "have gaps or overlaps"),
    ({"windows": [plain(entry(day)) for day in DAYS[:3]]}, "have gaps or overlaps"),
    ({"windows": [plain(entry(day)) for day in DAYS[::-1]]}, "not in the order of time"),
    ({"windows": [plain(entry(day)) for day in (DAYS[0], DAYS[0], *DAYS[2:])]}, "have gaps or overlaps"),
    ({"interval": DAYS[0]}, "its interval is not that of its query"),
    ({"query": {**plain(HEADER), "interval": DAYS[0]}}, "its interval is not that of its query"),
    ({"query": {**plain(HEADER), "columns": []}}, "it has no columns"),
    ({"output": {"format": 5, "sizeBytes": 1, "sha256": ""}}, "`str`"),
    ({"output": {"format": "csv", "sizeBytes": -1, "sha256": ""}}, ">= 0"),
]


@pytest.mark.parametrize(("changes", "reason"), EDITS)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict[str, Any], reason: str) -> None:
    edited = msgspec.json.encode({**plain(manifest()), **changes})

    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.json.decode(edited, type=Manifest)


@pytest.mark.parametrize("read", range(5))
def test_the_manifest_in_pieces_is_the_manifest_in_one(read: int) -> None:
    found = manifest(unread=4 - read)
    fields = plain(found)
    whole = pretty({**{name: fields[name] for name in fields if name != "windows"}, "windows": fields["windows"]})
    pieces = b"".join(pretty_pieces(found, found.windows))

    assert msgspec.json.decode(pieces) == msgspec.json.decode(whole)
    assert pieces.replace(b"[\n  ]", b"[]") == whole


def test_the_manifest_in_pieces_can_have_more_details_of_its_windows() -> None:
    found = manifest()
    fuller = [msgspec.structs.replace(one, open_conversations=("c1",)) for one in found.windows]
    windows = msgspec.json.decode(b"".join(pretty_pieces(found, fuller)))["windows"]

    assert [window["openConversations"] for window in windows] == [["c1"]] * 4


# The header


def test_two_exports_differ_by_what_they_ask_and_not_by_their_times() -> None:
    another = msgspec.structs.replace(HEADER, interval=DAYS[0], begun_at="later", match="activity")

    assert HEADER.differences(another) == {"match": ("start", "activity")}
    assert HEADER.differences(HEADER) == {}


def test_a_header_with_an_invalid_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="2026"):
        Header(**{**msgspec.structs.asdict(HEADER), "interval": "2026"})
