"""The records of an export as typed values: the lines of the ledger, and the manifest beside the output.

    ledger.jsonl       a `Header`, then a `WindowRead` for each window that is read, a `WindowLoaded` for each window
                       that is loaded, and a `Published` for each output that is complete
    OUT.manifest.json  a `Manifest`: the header, the verdict, and an `Entry` for each window, in the order of time

An `Entry` combines both lines of a window. Everything is written and read with the same types. Reading refuses
contradicting numbers, which come from an edited file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec

from everycall.acquire.proof import id_bytes
from everycall.acquire.windows import without
from everycall.api.asked import contradiction
from everycall.api.names import Kind
from everycall.api.oddities import Oddity
from everycall.api.query import Interval, Match
from everycall.errors import OutputRefused, QueryError

FORMAT_VERSION = 3
"""The format of ledger and manifest. Version 1 had one line per window, for its rows; version 2 had one output."""

Verdict = Literal["proven", "unproven", "unknown"]
"""unknown: nobody has counted, since the conversations come from an archive without a manifest."""


class _Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object with camelCase names."""


class Header(_Line, frozen=True, kw_only=True):
    """The query of an export, and what else has to be the same when it is resumed."""

    format_version: int = FORMAT_VERSION
    everycall: str
    """The version of everycall that wrote it."""
    source: str
    """The org's API host, or the built-in sandbox."""
    client_id: str
    """The OAuth client. Another one may belong to another org of the region, or see other divisions."""
    interval: str
    """`start/end`; that of the first run if `asked` moves with the clock."""
    begun_at: str
    """When the first run began."""
    asked: dict[str, Any]
    """The query in the caller's terms, such as `{"last": "7d"}`."""
    filters: dict[str, Any]
    """As they were sent."""
    match: Match
    """`start`, or `activity` where conversations count that started earlier on the first day and had not ended."""
    format: str
    """The kind of output: `csv`, `jsonl` ...; of a ledger, that of the first output."""
    columns: tuple[str, ...] = ()
    """Names of the columns of flat rows, in order; none where the output has no flat rows."""
    organization_id: str = ""
    """The id of the org, where the output has tables or is an archive: every row of the tables has it."""
    schema_version: int = 0
    """Of the tables; 0 where the output has none. Added columns and tables do not change it."""
    local_times: str = ""
    """The time zone of the times in flat rows; empty where they are UTC."""
    defuse_formulas: bool = False
    """Whether texts that a spreadsheet would take for a formula have an apostrophe before them."""
    redacted: tuple[str, ...] = ()
    """The fields that `--redact` names."""
    redaction_key: str = ""
    """The fingerprint of the key by which they are hashed: an export with another key is another export."""
    outputs: tuple[str, ...] = ()
    """Only in the ledger of an export to several outputs: their names."""

    def __post_init__(self) -> None:
        """Raise ValueError if the interval is not valid, or a CSV file has no columns."""
        interval_of(self.interval)
        if self.format in ("csv", "csv.gz", "csv-days") and not self.columns:
            raise ValueError("it has no columns")

    @property
    def window(self) -> Interval:
        """The interval as instants."""
        return Interval.read(self.interval)

    @property
    def timezone(self) -> str:
        """The time zone of the export's days: that of local times, else that of the query; UTC if none was named."""
        asked = self.asked.get("timezone")
        return self.local_times or (asked if isinstance(asked, str) else "") or "UTC"

    @property
    def named_instead(self) -> Interval | None:
        """The interval that `asked` named when the first run began, where that is another one."""
        try:
            begun_at = datetime.fromisoformat(self.begun_at)
        except ValueError:
            return None
        return contradiction(self.asked, self.window, begun_at.replace(tzinfo=begun_at.tzinfo or UTC))

    def differences(self, other: "Header") -> dict[str, tuple[Any, Any]]:
        """The fields in which two exports differ, except their times: name -> (this one's, the other's)."""
        ours, theirs = plain(self), plain(other)
        names = [name for name in ours if name not in ("interval", "begunAt")]
        return {name: (ours[name], theirs[name]) for name in names if ours[name] != theirs[name]}


class Stray(_Line, frozen=True, kw_only=True):
    """A conversation that a window returned although it belongs to no window of the export."""

    conversation_id: str
    """As the API sent it."""
    start: str | None
    """conversationStart as the API sent it; null if it was absent."""
    reason: str
    """Why no other window has it."""


class Replacement(_Line, frozen=True, kw_only=True):
    """A conversation that `everycall sync` replaced by its id, without reading its window again."""

    conversation_id: str
    as_of: str
    """When it was asked for."""


class WindowRead(_Line, frozen=True, kw_only=True, tag_field="line", tag="read"):
    """A window that is read: it has a verdict, and its part is on disk."""

    interval: str
    """`start/end`, as it was sent to the API."""
    route: str
    """The route by which it was read: query or jobs."""
    verdict: Verdict
    """`proven` or `unproven`; `unknown` if nobody has counted: the archive that was converted has no manifest."""
    reason: str = ""
    """Why it is unproven; empty if it is proven."""
    hits_before: int
    """The API's count on the first page of the last pass."""
    hits_after: int
    """The API's count after the last page of that pass."""
    unique_ids: int
    """Different conversations received; equal to both counts if the window is proven."""
    owned: int
    """Conversations that belong to this window, and are in the output."""
    carried_in: int
    """Conversations received that belong to another window, or to no window of this export."""
    strays: tuple[Stray, ...] = ()
    """Conversations in the output that do not start in this window, since no other window has them."""
    unreadable: tuple[Oddity, ...] = ()
    """The first conversations without a readable id; they are not in the output."""
    late: int = 0
    """Conversations received that belong to another window of this export, which was read before the API had them.
    They are not in the output; `verify --repair` adds them."""
    open: int
    """Owned conversations without an end: still going on, or never closed."""
    open_conversations: tuple[str, ...] = ()
    """The conversationIds of those, to export again later. Only the file has them: a summary leaves them out."""
    re_reads: int
    """How often the window was read again."""
    provisional: bool
    """Whether the vendor will still rebuild this window's data: it ended less than four days before the export."""
    counted_at: str
    """When the last count was requested: the proof holds as of then. Empty if the verdict is `unknown`."""
    correlation_ids: tuple[str, ...] = ()
    """Those of the counts, for the vendor's support."""
    left_out: tuple[str, ...] = ()
    """16 bytes in hex for each conversation that started in this window when it was read, and that a later reading of
    another window owns."""
    forgotten: tuple[str, ...] = ()
    """16 bytes in hex for each conversation that the window owns and that `everycall forget` took out: it never comes
    back. The ids alone are kept, for that."""
    is_forgotten: bool = False
    """Whether `everycall forget` took out all of its conversations, so that it is never read again."""
    replaced: tuple[Replacement, ...] = ()
    """Conversations that `sync` replaced by their ids since the window was read, each with `conversationId` and `asOf`,
    when it was asked for. The counts are still those of `countedAt`: what came or went is found by the next reading."""
    removed: tuple[str, ...] = ()
    """16 bytes in hex for each conversation that the destination of a `sync` had, and that no longer came when the last
    run read the window."""
    part_sha256: str = ""
    """The checksum of the index of the window's part, which contains a checksum of each page."""

    def __post_init__(self) -> None:
        """Raise ValueError if the numbers contradict each other."""
        interval_of(self.interval)
        if self.verdict == "proven" and not self.hits_before == self.hits_after == self.unique_ids:
            raise ValueError(f"{self.interval} is marked as proven, but its counts differ")
        if self.owned + self.carried_in != self.unique_ids or min(self.owned, self.carried_in) < 0:
            raise ValueError(f"the conversations of {self.interval} do not add up")
        if not 0 <= self.open <= self.owned:
            raise ValueError(f"{self.interval} has more open conversations than conversations")
        if len(self.forgotten) > self.owned:
            raise ValueError(f"{self.interval} has forgotten more conversations than it had")

    def redacted(self, redact: Callable[[str], str]) -> Self:
        """Without secrets in what the API sent. Ids stay as they are: a resumed run finds conversations by them."""
        return msgspec.structs.replace(
            self,
            reason=redact(self.reason),
            strays=tuple(
                msgspec.structs.replace(stray, start=stray.start and redact(stray.start)) for stray in self.strays
            ),
            unreadable=tuple(oddity.redacted(redact) for oddity in self.unreadable),
            correlation_ids=tuple(map(redact, self.correlation_ids)),
        )

    def without_values(self) -> Self:
        """Without the values of conversations."""
        return msgspec.structs.replace(self, unreadable=tuple(oddity.without_value() for oddity in self.unreadable))

    @property
    def window(self) -> Interval:
        """The interval as instants."""
        return Interval.read(self.interval)

    @property
    def kept_strays(self) -> frozenset[bytes]:
        """Ids, in 16 bytes each, of the conversations in the output that do not start in the window."""
        return frozenset(id_bytes(stray.conversation_id) for stray in self.strays)

    @property
    def without(self) -> frozenset[bytes]:
        """Ids, in 16 bytes each, of the conversations that started in the window and are not in the output."""
        return frozenset(map(bytes.fromhex, (*self.left_out, *self.forgotten)))

    @property
    def kept(self) -> int:
        """How many conversations of the window are in the output: those that it owns, without forgotten ones."""
        return 0 if self.is_forgotten else self.owned - len(self.forgotten)


class Written(_Line, frozen=True, kw_only=True):
    """A window in one of the forms that outputs take, complete and durable on disk."""

    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    """The size of its file; of a form with several files, the sum of their sizes."""
    sha256: str
    """The checksum of those bytes, in hex."""


class WindowLoaded(_Line, frozen=True, kw_only=True, tag_field="line", tag="loaded"):
    """A window that is loaded; it is on disk in every form that the outputs take."""

    interval: str
    """`start/end`, as in the line of the window that is read."""
    rows: Annotated[int, msgspec.Meta(ge=0)]
    """Conversations of this window in the output: as many as it owns, without forgotten ones."""
    written: dict[str, Written]
    """What is on disk, by the name of the form."""
    outlasting: int = 0
    """Conversations that end more than a day after the last agent was done, because a leg was not closed."""
    pages: int = 0
    """Pages in the part."""
    pages_checked: int = 0
    """Pages that were checked for unknown fields."""
    oddities: dict[str, int] = {}
    """How often something did not fit the records, by kind and field."""
    oddity_examples: tuple[Oddity, ...] = ()
    """The first oddity of each kind and field."""
    names_unavailable: dict[Kind, str] = {}
    """The kinds of names that could not be looked up, with the reason; the rows have ids instead."""
    taken_over: bool = False
    """Whether a repair found that the window still holds, and took over its rows."""

    def __post_init__(self) -> None:
        """Raise ValueError if the interval is not valid."""
        interval_of(self.interval)

    def redacted(self, redact: Callable[[str], str]) -> Self:
        """Without secrets in what the API sent."""
        counts: Counter[str] = Counter()
        for name, count in self.oddities.items():
            counts[redact(name)] += count
        examples = tuple(oddity.redacted(redact) for oddity in self.oddity_examples)
        return msgspec.structs.replace(self, oddities=dict(counts), oddity_examples=examples)


class WindowPatched(WindowRead, frozen=True, kw_only=True, tag="patched"):
    """A window that the destination has, and of which some conversations are replaced; its part has only these."""

    ids: tuple[str, ...]
    """Their conversationIds."""
    was: WindowLoaded
    """The window as it was loaded before."""

    def loaded(self, patch: WindowLoaded) -> WindowLoaded:
        """The line of the window with its new conversations, where `patch` is what was loaded of them."""
        oddities = Counter(self.was.oddities)
        oddities.update(patch.oddities)
        return msgspec.structs.replace(
            patch,
            rows=self.kept,
            outlasting=min(self.kept, self.was.outlasting + patch.outlasting),
            pages=self.was.pages + patch.pages,
            pages_checked=self.was.pages_checked + patch.pages_checked,
            oddities=dict(oddities),
            oddity_examples=_first_of_each([*self.was.oddity_examples, *patch.oddity_examples]),
            names_unavailable={**self.was.names_unavailable, **patch.names_unavailable},
        )


class Entry(WindowRead, frozen=True, kw_only=True, tag=False):
    """One finished window in the manifest: both of its lines in one."""

    rows: Annotated[int, msgspec.Meta(ge=0)]
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    """The size of this window in the output, which has the windows in the order of time; of tables, as loaded."""
    sha256: str
    """The checksum of those bytes, in hex."""
    outlasting: int = 0
    pages: int = 0
    pages_checked: int = 0
    oddities: dict[str, int] = {}
    oddity_examples: tuple[Oddity, ...] = ()
    names_unavailable: dict[Kind, str] = {}
    taken_over: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError if the numbers contradict each other."""
        super().__post_init__()
        if self.rows != self.kept:
            raise ValueError(f"{self.interval} has {self.rows} rows for {self.kept} conversations")

    @classmethod
    def of(cls, read: WindowRead, loaded: WindowLoaded, form: str) -> "Entry":
        """Combine the two lines of a window, for an output that takes this form."""
        written = loaded.written[form]
        if isinstance(read, WindowPatched):  # the destination knows better if it has a checksum of each window
            written = msgspec.structs.replace(read.was.written[form], sha256="")
        fields = {name: getattr(loaded, name) for name in _SHARED}
        return cls(**_read_fields(read), size_bytes=written.size_bytes, sha256=written.sha256, **fields)

    def lines(self, form: str) -> tuple[WindowRead, WindowLoaded]:
        """Split the entry into the two lines of the ledger."""
        loaded = {name: getattr(self, name) for name in _SHARED}
        written = {form: Written(size_bytes=self.size_bytes, sha256=self.sha256)}
        return WindowRead(**_read_fields(self)), WindowLoaded(interval=self.interval, written=written, **loaded)

    def patched(self, replaced: Mapping[str, bool], as_of: str, part_sha256: str, form: str) -> WindowPatched:
        """The line of the ledger where some conversations of the window are replaced by their ids.

        Args:
            replaced: for each of them, by conversationId, whether it has no end.
            as_of: when they were asked for.
            part_sha256: the checksum of the part that has them.
            form: that by which the manifest describes the windows of the destination.
        """
        read, was = self.lines(form)
        still_open = {one for one in self.open_conversations if one not in replaced}
        still_open |= {one for one, is_open in replaced.items() if is_open}
        known = {one.conversation_id: one for one in self.replaced}
        known |= {one: Replacement(conversation_id=one, as_of=as_of) for one in replaced}
        fields = {
            **_read_fields(read),
            "open": len(still_open),
            "open_conversations": tuple(sorted(still_open)),
            "replaced": tuple(known[one] for one in sorted(known)),
            "removed": (),
            "part_sha256": part_sha256,
        }
        return WindowPatched(**fields, ids=tuple(sorted(replaced)), was=was)


_SHARED = tuple(name for name in WindowLoaded.__struct_fields__ if name not in ("interval", "written"))
"""The fields of `WindowLoaded` that an entry has, too."""


class Published(_Line, frozen=True, kw_only=True, tag_field="line", tag="published"):
    """An output that is complete, while another one of the same export is not."""

    output: str
    """Its name."""


class Output(_Line, frozen=True, kw_only=True):
    """The output of an export."""

    format: str
    """The kind of output."""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    """The length of the file, or of all files; 0 for tables that are not files."""
    sha256: str
    """The checksum of the file, in hex; empty for tables. Those of a folder's files are in `files`."""


class WrittenFile(_Line, frozen=True, kw_only=True):
    """A file of an output that consists of several."""

    path: str
    """Below the output, with slashes: `conversations/2026-01-05.parquet`. Of a Delta table its name."""
    rows: Annotated[int, msgspec.Meta(ge=0)]
    """The rows in it."""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    """Its length; 0 for a Delta table."""
    sha256: str
    """Its checksum, in hex; empty for a Delta table."""


class Manifest(_Line, frozen=True, kw_only=True):
    """The manifest of an output: the query, the verdict, and the numbers behind it."""

    format_version: int = FORMAT_VERSION
    """Of the manifest. A version of everycall that writes another format refuses it. Added fields do not change it."""
    everycall: str
    """The version that began the export."""
    verdict: Verdict
    """`proven` only if every window is, none is unread, and the org still keeps all of them; `unknown` if the
    conversations come from an archive without a manifest."""
    rows: int
    """Rows in the output."""
    query: Header
    """What was asked: see below."""
    interval: str
    """What was exported: `start/end`, without the end itself."""
    started_at: str
    """When the last run began."""
    finished_at: str
    """When the last run ended."""
    proven_as_of: str | None
    """The earliest of the windows' last counts; null if no window was read."""
    unproven: tuple[str, ...]
    """Windows that were read and are not proven."""
    unread: tuple[str, ...]
    """Windows that `--max-pages` left unread."""
    not_kept: tuple[str, ...] = ()
    """Windows that begin before the org's retention: the org may have deleted conversations of them."""
    provisional_from: str | None
    """Where the provisional windows begin; null where there are none."""
    provisional_rows: int
    """Rows of the provisional windows."""
    open: int
    """Rows without an end."""
    carried_in: int
    """Sum of the windows' `carriedIn`."""
    strays: int
    """Conversations that a window keeps although they do not start in it."""
    late: int
    """Sum of the windows' `late`: where it is not 0, `verify --repair` adds them."""
    outlasting: int
    """Sum of the windows' `outlasting`."""
    names_unavailable: dict[Kind, str]
    """Kinds of names that could not be looked up, with the reason."""
    oddities: dict[str, int]
    """What did not fit the records, by kind and field, as often as it came."""
    oddity_examples: tuple[Oddity, ...]
    """The first of each kind and field, at most 20."""
    removed: int = 0
    """Conversations that the last run of a `sync` has removed: the number of the windows' `removed`."""
    pages: int
    """Sum of the windows' `pages`."""
    pages_checked: int
    """Sum of the windows' `pagesChecked`."""
    swept_until: str | None = None
    """Of a destination of `sync`: conversations that ended before that are in it with their end, whatever day they
    began; null where jobs have not looked for them."""
    windows: tuple[Entry, ...]
    """One entry for each window that was read, in the order of time: see below."""
    output: Output
    """The file: see below."""
    names_file: Written | None = None
    """Size and checksum of `OUT.names.jsonl`, the names beside an archive; null for other outputs. Manifests that were
    written before there was such a checksum have none, and `verify` does not look at the names then."""
    files: tuple[WrittenFile, ...] = ()
    """The files or Delta tables of an output that is a folder: see below. Other outputs have none."""

    def __post_init__(self) -> None:
        """Raise ValueError if it contradicts itself, so that it was edited."""
        if self.query.interval != self.interval:
            raise ValueError("its interval is not that of its query")
        whole, read = interval_of(self.interval), [entry.window for entry in self.windows]
        pieces = [*read, *(interval_of(text) for text in self.unread)]
        if without(whole, pieces) or sum((piece.length for piece in pieces), timedelta()) != whole.length:
            raise ValueError("its windows have gaps or overlaps")
        if read != sorted(read, key=lambda window: window.start):
            raise ValueError("its windows are not in the order of time")
        if self.rows != sum(entry.rows for entry in self.windows):
            raise ValueError("the rows of its windows do not add up")
        if self.unproven != tuple(entry.interval for entry in self.windows if entry.verdict != "proven"):
            raise ValueError("its list of unproven windows is not that of its windows")
        if (self.verdict == "proven") != (not self.unproven and not self.unread and not self.not_kept):
            raise ValueError("its verdict is not that of its windows")

    @classmethod
    def of(
        cls,
        header: Header,
        entries: Sequence[Entry],
        *,
        unread: Sequence[Interval],
        not_kept: Sequence[Interval],
        started_at: str,
        finished_at: str,
        output: Output,
    ) -> "Manifest":
        """The manifest of these windows, which have to be in the order of time."""
        unproven = tuple(entry.interval for entry in entries if entry.verdict != "proven")
        provisional = [entry for entry in entries if entry.provisional]
        return cls(
            everycall=header.everycall,
            verdict=_verdict(entries, is_whole=not unread and not not_kept),
            rows=sum(entry.rows for entry in entries),
            query=header,
            interval=header.interval,
            started_at=started_at,
            finished_at=finished_at,
            proven_as_of=min((entry.counted_at for entry in entries if entry.counted_at), default=None),
            unproven=unproven,
            unread=tuple(map(str, unread)),
            not_kept=tuple(map(str, not_kept)),
            provisional_from=provisional[0].interval.partition("/")[0] if provisional else None,
            provisional_rows=sum(entry.rows for entry in provisional),
            open=sum(entry.open for entry in entries),
            carried_in=sum(entry.carried_in for entry in entries),
            strays=sum(len(entry.strays) for entry in entries),
            late=sum(entry.late for entry in entries),
            outlasting=sum(entry.outlasting for entry in entries),
            names_unavailable=_joined(entry.names_unavailable for entry in entries),
            oddities=dict(sum(map(_counted, entries), Counter())),
            oddity_examples=_first_of_each(
                oddity for entry in entries for oddity in (*entry.unreadable, *entry.oddity_examples)
            ),
            removed=sum(len(entry.removed) for entry in entries),
            pages=sum(entry.pages for entry in entries),
            pages_checked=sum(entry.pages_checked for entry in entries),
            windows=tuple(entries),
            output=output,
        )


def _verdict(entries: Sequence[Entry], *, is_whole: bool) -> Verdict:
    """The verdict of these windows; `is_whole` if there are no others, and the org keeps all of them."""
    verdicts = {entry.verdict for entry in entries}
    if not is_whole or "unproven" in verdicts:
        return "unproven"
    return "unknown" if "unknown" in verdicts else "proven"


EXAMPLES_MAX = 20
"""Oddities that the manifest lists in full."""


def _joined(maps: Iterable[Mapping[Kind, str]]) -> dict[Kind, str]:
    return {kind: reason for reasons in maps for kind, reason in reasons.items()}


def _counted(entry: Entry) -> Counter[str]:
    """The oddities of a window, by kind and field."""
    return Counter(entry.oddities) + Counter(f"{oddity.kind}: {oddity.field}" for oddity in entry.unreadable)


def _first_of_each(oddities: Iterable[Oddity]) -> tuple[Oddity, ...]:
    found: dict[tuple[str, str], Oddity] = {}
    for oddity in oddities:
        found.setdefault((oddity.kind, oddity.field), oddity)
    return tuple(found.values())[:EXAMPLES_MAX]


def _read_fields(line: WindowRead) -> dict[str, Any]:
    return {name: getattr(line, name) for name in WindowRead.__struct_fields__}


def plain(line: msgspec.Struct) -> dict[str, Any]:
    """The line as plain data for `json.dumps`, with the names of the JSON."""
    value: dict[str, Any] = msgspec.to_builtins(line)
    return value


def interval_of(text: str) -> Interval:
    """Parse the interval of a ledger or a manifest, which may have been edited.

    Raises:
        ValueError: it is not a valid interval.
    """
    try:
        return Interval.read(text)
    except (QueryError, OverflowError) as error:
        raise ValueError(str(error)) from error


def pretty(value: Any) -> bytes:
    """Indented JSON with a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def pretty_pieces(manifest: Manifest, windows: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the manifest as indented JSON, window by window, with `windows` in place of its own."""
    head = plain(manifest)
    if not head.pop("windows"):
        yield pretty({**head, "windows": []})
        return
    yield pretty(head).removesuffix(b"\n}\n") + b',\n  "windows": ['
    separator = b"\n    "
    for entry in windows:
        yield separator + pretty(entry).rstrip().replace(b"\n", b"\n    ")
        separator = b",\n    "
    yield b"\n  ]\n}\n"


# What a ledger or a manifest on disk may be


class _Version(msgspec.Struct, rename="camel"):
    everycall: str = ""
    format_version: int = 1


def check_version(body: bytes, what: str) -> None:
    """Refuse a ledger or a manifest in the format of another version of everycall.

    Args:
        body: its JSON, or its first line.
        what: the beginning of the message, such as "The unfinished export was started".

    Raises:
        OutputRefused: another version wrote it.
        msgspec.MsgspecError: it is not JSON.
    """
    found = msgspec.json.decode(body, type=_Version)
    if found.everycall and found.format_version != FORMAT_VERSION:
        raise OutputRefused(
            f"{what} by another version of everycall ({found.everycall}, format {found.format_version}).",
            hint="Use that version, choose another output with -o, or start over with --fresh.",
        )


def decoded(body: bytes, output: str) -> Manifest:
    """The manifest that an output has.

    Args:
        body: its JSON.
        output: its name, for messages.

    Raises:
        OutputRefused: another version of everycall wrote it.
        msgspec.MsgspecError, UnicodeDecodeError: it is no manifest.
    """
    check_version(body, f"{output} was exported")
    return msgspec.json.decode(body, type=Manifest)


def decoded_or_none(body: bytes | None, output: str) -> Manifest | None:
    """The same; None where there is none, or it cannot be read."""
    try:
        return None if body is None else decoded(body, output)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def check_interval(header: Header, path: Path) -> None:
    """Refuse the header of the file at `path` if its interval is not the one that its terms name."""
    named = header.named_instead
    if named is not None:
        raise OutputRefused(
            f"{path} was edited: its interval is {header.interval}, but its terms ({_shown(header.asked)}) were "
            f"{named} when it was started.",
            hint="Export again with --fresh.",
        )


def check_same(before: Header, now: Header, output: str) -> None:
    """Refuse to mix two queries in one output, and show their differences."""
    differing = before.differences(as_written(now))
    if differing:
        shown = "; ".join(f"{name}: {_shown(old)} there, {_shown(new)} now" for name, (old, new) in differing.items())
        raise OutputRefused(
            f"{output} contains another export ({shown}).",
            hint="Choose another output with -o, run the first command again, or start over with --fresh.",
        )


def as_written(header: Header) -> Header:
    """The header as it is after a round trip through JSON: a tuple in `asked` becomes a list."""
    return msgspec.json.decode(msgspec.json.encode(header), type=Header)


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode() if value not in (None, "", [], {}) else "nothing"
