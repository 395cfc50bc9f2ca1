"""Reads archives: JSON lines with one conversation each, as `everycall export -o OUT.jsonl` writes them.

An archive with its manifest has its windows one after the other, each with a size and a checksum, so that each can be
loaded by itself (`ArchiveTask`), and where nothing is compressed, in pieces of whole lines (`ArchivePiece`). Other
JSON lines are first put in order and freed of repetitions: `spool` makes a part of them, whose sections are loaded
(`SectionTask`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import msgspec
from isal import isal_zlib

from everycall.acquire.details_query import found_of, start_ms_of
from everycall.acquire.part import DamagedPart, Found, Part, PartWriter, Place, Slice
from everycall.api.details_query import PageHead
from everycall.api.oddities import without_lone_surrogates
from everycall.filesystem import File, Filesystem
from everycall.lines import Lines
from everycall.load.load import Source, Task
from everycall.load.unpacking import BOM, PIECE_BYTES, Compression, Unpacked, whole_lines
from everycall.sinks.interface import Form
from everycall.sinks.window_files import pieces

BAD_LINES_MAX = 100
"""Bad lines that are kept with their reasons; the others are counted."""

LOADED_BYTES = 12 << 20
"""Of a piece of an archive that is loaded by itself: a thousand conversations and more, in a thirtieth of a second."""

SOUGHT_BYTES = 1 << 16
"""That are read at a time to find the end of a line."""

NOT_JSON, NO_CONVERSATION = "it is not JSON, or cut", "it is not a conversation: it has no conversationId"


# An archive with its manifest


@dataclass(frozen=True, slots=True)
class ArchiveTask(Task):
    """A window of an archive to load; `part` is the archive, `part_sha256` the checksum of the window's bytes."""

    offset: int = 0
    size_bytes: int = 0
    rows: int = 0
    """How many lines it has; whoever loads it compares them."""
    compression: Compression = ""

    def open(self, filesystem: Filesystem) -> Source:
        """Compare the window's bytes with its checksum, and open it.

        Raises:
            DamagedPart: they have changed.
            OSError: the archive cannot be read.
        """
        self.check(filesystem)
        return _Lines(self, filesystem)

    def check(self, filesystem: Filesystem) -> None:
        """Compare the window's bytes with its checksum.

        Raises:
            DamagedPart, OSError: as `open`.
        """
        digest = sha256()
        with filesystem.open(self.part, "rb") as file:
            for piece in pieces(file, self.offset, self.size_bytes, piece_bytes=PIECE_BYTES):
                digest.update(piece)
        if digest.hexdigest() != self.part_sha256:
            raise DamagedPart(f"{self.part} was changed: {self.window} is not as it was exported")

    def in_pieces(self, filesystem: Filesystem, piece_bytes: int = LOADED_BYTES) -> list["ArchivePiece"]:
        """The window in pieces of whole lines, in their order; nobody has checked them. It must not be compressed.

        Args:
            filesystem: where the archive is.
            piece_bytes: a piece ends with the first line behind so many bytes.

        Raises:
            OSError: the archive cannot be read.
        """
        with filesystem.open(self.part, "rb") as file:
            ends = list(_ends_of_pieces(file, self.offset, self.offset + self.size_bytes, piece_bytes))
        return [
            ArchivePiece(
                self.window, self.part, "", self.kept_strays, self.left_out, self.stem,
                offset=begin, size_bytes=end - begin, number=number,
            )
            for number, (begin, end) in enumerate(pairwise([self.offset, *ends]))
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArchivePiece(ArchiveTask):
    """Some lines of a window, which are loaded to files of their own."""

    number: int = 0

    def open(self, filesystem: Filesystem) -> Source:
        """Open the lines, without looking at their checksum, which is that of the whole window."""
        return _Lines(self, filesystem)

    def path(self, form: Form) -> Path:
        """The path of the window's file in this form, and the number of the piece."""
        whole = ArchiveTask.path(self, form)
        return whole.with_name(f"{whole.name}.{self.number:06}")


def _ends_of_pieces(file: File, begin: int, end: int, piece_bytes: int) -> Iterator[int]:
    """The offsets at which the pieces of a window end."""
    while begin < end:
        begin = _end_of_line(file, begin + piece_bytes, end)
        yield begin


def _end_of_line(file: File, at: int, end: int) -> int:
    """The offset behind the line that goes on at an offset."""
    while at < end:
        file.seek(at)
        found = file.read(SOUGHT_BYTES)
        if not found:
            break
        if (line_end := found.find(b"\n")) >= 0:
            return min(at + line_end + 1, end)
        at += len(found)
    return end


class _Lines:
    """Lines of an archive, which come in blocks; a block is what a page is in a part."""

    def __init__(self, task: ArchiveTask, filesystem: Filesystem) -> None:
        self.pages = 0
        self._task, self._filesystem = task, filesystem

    def slices(self, is_wanted: Callable[[bytes, Place], bool] | None = None) -> Iterator[Slice]:  # noqa: ARG002
        """Yield all conversations; an archive has only those that its window owns, and the strays that it keeps."""
        task = self._task
        with self._filesystem.open(task.part, "rb") as file:
            packed = pieces(file, task.offset, task.size_bytes, piece_bytes=PIECE_BYTES)
            for block in whole_lines(Unpacked(packed, task.compression)):
                yield _Block(self.pages, block)
                self.pages += 1


class _Block:
    """Some lines of an archive; implements `Slice`. Only what is wanted of them is done."""

    def __init__(self, page: int, text: bytes) -> None:
        self.page, self._text = page, text
        self._lines = Lines.of(text)
        self.positions: Sequence[int] = range(len(self._lines))

    @cached_property
    def body(self) -> bytes:
        return page_of(self._text)

    @property
    def starts_ms(self) -> Sequence[int | None]:
        return _Starts(self)

    def records(self) -> Lines:
        return self._lines


class _Start(msgspec.Struct, rename="camel", gc=False):
    conversation_start: str | None = None


class _Page(msgspec.Struct):
    conversations: list[_Start]


_STARTS = msgspec.json.Decoder(_Page)

_STARTS_EARLY = re.compile(
    rb"""\{(?:"(?!conversationStart")\w++":(?:%(text)s|\[(?:%(text)s,?+)*+\]),)*+"conversationStart":"([^"\\]*+)\""""
    % {b"text": rb'"[^"\\]*+"'},
    re.ASCII,
)
"""A conversation that begins with ids, times and lists of them, as the API writes them: to look no further takes a
tenth of the time."""


class _Starts(Sequence[int | None]):
    """The starts of the conversations in a block, which are only decoded if some output needs them."""

    def __init__(self, block: _Block) -> None:
        self._block = block

    @cached_property
    def _starts_ms(self) -> list[int | None]:
        matches = [_STARTS_EARLY.match(*place) for place in self._block.records().places]
        with suppress(ValueError):
            if all(matches):
                return [start_ms_of(match[1].decode()) for match in matches if match]
            return [start_ms_of(one.conversation_start) for one in _STARTS.decode(self._block.body).conversations]
        starts: list[int | None] = [None] * len(self)
        body = without_lone_surrogates(self._block.body)
        for found in found_of(PageHead.decode(body), lambda _: "owned"):
            starts[found.position] = found.start_ms
        return starts

    def __len__(self) -> int:
        return len(self._block.positions)

    @overload
    def __getitem__(self, at: int) -> int | None: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[int | None]: ...

    def __getitem__(self, at: int | slice) -> int | Sequence[int | None] | None:
        return self._starts_ms[at]


def page_of(block: bytes) -> bytes:
    """Whole lines as the body of a page."""
    return b'{"conversations":[' + block.removesuffix(b"\n").replace(b"\n", b",") + b"]}"


# Other JSON lines


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no conversation."""

    number: int
    """From 1."""
    reason: str


@dataclass(slots=True)
class Spooled:
    """Some JSON lines as a sealed part."""

    part: Part
    lines: int
    """Lines with a conversation."""
    bad: list[BadLine] = field(default_factory=list)
    """The first of them."""
    bad_count: int = 0

    @property
    def repeated(self) -> int:
        """Lines that a later one with the same conversation replaces."""
        return self.lines - self.part.size


@dataclass(frozen=True, slots=True)
class SectionTask(Task):
    """Some conversations of a part to load: from position `first` in its order up to `end`."""

    first: int = 0
    end: int = 0

    def open(self, filesystem: Filesystem) -> Source:
        """Open the part, which stays open for the next section."""
        key: Any = filesystem  # hashed by its identity
        return _opened(self.part, key, self.part_sha256).section(self.first, self.end)


@lru_cache(maxsize=1)
def _opened(path: Path, filesystem: Filesystem, checksum: str) -> Part:
    return Part.open(path, filesystem, checksum)


def spool(packed: Iterable[bytes], compression: Compression, path: Path, filesystem: Filesystem) -> Spooled:
    """Put JSON lines in order of start and id, and keep the last line of each conversation.

    Args:
        packed: the file, in pieces.
        compression: how it is compressed.
        path: of the new part.
        filesystem: where the part is.

    Raises:
        LineTooLong: the file has no lines.
        OSError: the disk is full, for example.
    """
    writer = PartWriter(path, filesystem)
    try:
        reader = _LineReader(writer)
        unpacked = Unpacked(packed, compression)
        for block in whole_lines(_without_bom(unpacked)):
            reader.add(block, unpacked.damage)
        if unpacked.damage and not reader.is_cut:
            reader.note(reader.number + 1, unpacked.damage)
        return Spooled(writer.seal((1,)), reader.lines, reader.bad, reader.bad_count)
    except BaseException:
        writer.discard()
        raise


def _without_bom(unpacked: Iterable[bytes]) -> Iterator[bytes]:
    first = True
    for piece in unpacked:
        yield piece.removeprefix(BOM) if first else piece
        first = False


class _LineReader:
    """Adds blocks of lines to a part, and notes the lines that are no conversations."""

    def __init__(self, writer: PartWriter) -> None:
        self.number = self.lines = self.bad_count = 0
        """`number`: the lines so far. `lines`: those with a conversation."""
        self.bad: list[BadLine] = []
        self.is_cut = False
        """Whether the damage of the file is noted with the line that it cuts."""
        self._writer = writer

    def add(self, block: bytes, damage: str) -> None:
        """Add the next lines; `damage` is why the file ends behind them."""
        body, count = page_of(block), len(Lines.of(block))
        found = _found(body)
        if found is None or len(found) != count:
            self._add_one_by_one(block, damage)
            return
        self._write(body, found)
        self.number += count

    def _add_one_by_one(self, block: bytes, damage: str) -> None:
        good: list[bytes] = []
        for line in block.removesuffix(b"\n").split(b"\n"):
            self.number += 1
            if not line.strip():
                continue
            found = _found(page_of(line))
            if found is not None and len(found) == 1:
                good.append(line)
                continue
            self.is_cut = bool(damage) and not block.endswith(b"\n")
            reason = NO_CONVERSATION if found == [] or _is_json(line) else NOT_JSON
            self.note(self.number, damage if self.is_cut else reason)
        if good:
            body = page_of(b"\n".join(good))
            self._write(body, _found(body) or [])

    def _write(self, body: bytes, found: list[Found]) -> None:
        self._writer.add(1, isal_zlib.compress(body, level=1, wbits=31), found, is_zipped=True)
        self.lines += len(found)

    def note(self, number: int, reason: str) -> None:
        """Note a bad line."""
        self.bad_count += 1
        if len(self.bad) < BAD_LINES_MAX:
            self.bad.append(BadLine(number, reason))


def _found(body: bytes) -> list[Found] | None:
    """The conversations of a page; None if it is not JSON, or not UTF-8."""
    try:
        if not body.isascii():
            body.decode()
        return found_of(PageHead.decode(body), lambda _: "owned")
    except (ValueError, RecursionError):  # NotAnAnswer, DecodeError and UnicodeDecodeError are ValueErrors
        return None


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return False
    return True
