"""A window's conversations on disk, exactly as the API sent them: each once, in its newest version, in order.

    page | page | ... | index | trailer        OUT.everycall/WINDOW.part

Pages are appended as they come, still zipped where they came zipped, while an index of 36 bytes a conversation grows in
memory. `seal` keeps the newest version of each conversation out of the passes that count, orders the index by start and
id, and writes it behind the pages. Pages of the details query come nearly in that order, so reading a part back opens
each page about once. Where they do not, `seal` writes the conversations again in order.

A part knows nothing of columns, names or formats. Its checksum is that of the index, which holds one of each page.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from isal import isal_zlib

from everycall.api.oddities import without_lone_surrogates
from everycall.filesystem import File, Filesystem
from everycall.zipped import Damaged, unzipped

_FOUND = struct.Struct(">16sQIIHH")
"""One conversation while pages come: id, start in ms, page, position in the page, pass, flags."""

_ENTRY = struct.Struct(">Q16sIIB")
"""One conversation of a sealed part: start in ms, id, page, position, place. Bytes sort as start and id do."""

_PAGE = struct.Struct(">QIB32s")
"""One page: offset, length, whether it is zipped, SHA-256."""

_TRAILER = struct.Struct(">8sQII")
"""Magic, offset of the index, pages, entries."""

_MAGIC = b"everypt2"

_HAS_END, _HAS_START = 1, 2

DISORDER_MAX = 2.0
"""A part is put in order where reading it back would open each page more often than this on average."""

PAGES_HELD = 4
"""Unzipped pages in memory while a part is read back. Pages overlap where conversations shifted or start together."""

REWRITTEN_PAGE = 100
"""Conversations on a page of a part that was put in order."""

Place: TypeAlias = Literal["owned", "left", "foreign"]
"""owned: starts in the window. left: another window's, which the API may return here too. foreign: neither."""

PLACES: tuple[Place, ...] = ("owned", "left", "foreign")


@dataclass(frozen=True, slots=True)
class Found:
    """What acquiring reads of one conversation."""

    id: bytes
    """16 bytes; see `proof.id_bytes`."""
    start_ms: int | None
    """conversationStart in milliseconds since 1970; None where it is no readable instant."""
    has_end: bool
    position: int
    """In the answer, from 0."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One conversation of a sealed part."""

    id: bytes
    start_ms: int | None
    place: Place
    has_end: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """Conversations of one page, in order."""

    page: int
    """Number of the page in the part, from 0."""
    body: bytes
    """The whole answer, unzipped."""
    positions: Sequence[int]
    """Which of its conversations, by their position in the answer."""


class PartWriter:
    """A part while its window is read."""

    def __init__(self, path: Path, filesystem: Filesystem) -> None:
        """The part will be at `path`; until it is sealed, it is no part."""
        self._path, self._filesystem = path, filesystem
        self._file: File = filesystem.open(path, "wb")
        self._offset = 0
        self._pages: list[bytes] = []
        self._found = bytearray()

    def add(self, reading_pass: int, content: bytes, found: Iterable[Found], *, is_zipped: bool) -> None:
        """Append a page and what was found on it.

        Raises:
            OSError: the disk is full, for example.
        """
        page = len(self._pages)
        self._file.write(content)
        self._pages.append(_PAGE.pack(self._offset, len(content), is_zipped, sha256(content).digest()))
        self._offset += len(content)
        for one in found:
            flags = (_HAS_END if one.has_end else 0) | (_HAS_START if one.start_ms is not None else 0)
            start_ms = min(max(0, one.start_ms or 0), 2**63)
            self._found += _FOUND.pack(one.id, start_ms, page, one.position, reading_pass, flags)
        self._file.flush()

    def seal(self, kept_passes: Sequence[int], place: Callable[[int | None], Place]) -> "Part":
        """The part, complete and durable on disk; `add` must not be called again.

        Args:
            kept_passes: the passes whose conversations count.
            place: to whom a conversation belongs that starts then.
        """
        newest = self._newest(frozenset(kept_passes))
        has_end = {entry[:16] for entry in newest if entry[-1] & _HAS_END}
        entries = sorted(self._entry(entry, place) for entry in newest)
        newest.clear()
        self._found.clear()
        if _is_disordered(entries, len(self._pages)):
            self._file.flush()
            entries = self._put_in_order(entries)
        index = b"".join(self._pages) + b"".join(entries)
        trailer = _TRAILER.pack(_MAGIC, self._offset, len(self._pages), len(entries))
        self._file.write(index + trailer)
        self._filesystem.sync(self._file)
        self._file.close()
        return Part(self._path, self._filesystem, self._pages, entries, has_end)

    def _newest(self, kept_passes: frozenset[int]) -> list[bytes]:
        """The last entry of each id: what came last is the newest version."""
        found = (bytes(self._found[at : at + _FOUND.size]) for at in range(0, len(self._found), _FOUND.size))
        kept = [entry for entry in found if _FOUND.unpack(entry)[4] in kept_passes]
        kept.sort(key=_id_of)  # stable, so the last of each id is the one that came last
        return [one for one, after in zip_longest(kept, kept[1:]) if after is None or one[:16] != after[:16]]

    def _entry(self, found: bytes, place: Callable[[int | None], Place]) -> bytes:
        id_, start_ms, page, position, _, flags = _FOUND.unpack(found)
        where = PLACES.index(place(start_ms if flags & _HAS_START else None))
        return _ENTRY.pack(start_ms, id_, page, position, where | (0 if flags & _HAS_START else 0x80))

    def _put_in_order(self, entries: list[bytes]) -> list[bytes]:
        """Write the conversations again, in the order of `entries`, through an unzipped copy on disk."""
        aside = self._path.with_suffix(".unzipped")
        with self._filesystem.open(aside, "wb") as copy:
            places = self._unzip_into(copy, entries)
        self._file.close()
        self._file, self._offset, self._pages = self._filesystem.open(self._path, "wb"), 0, []
        ordered: list[bytes] = []
        with self._filesystem.open(aside, "rb") as copy:
            for at in range(0, len(entries), REWRITTEN_PAGE):
                lot = entries[at : at + REWRITTEN_PAGE]
                ordered += self._rewrite_page(copy, lot, places)
        self._filesystem.unlink(aside)
        return ordered

    def _unzip_into(self, copy: File, entries: list[bytes]) -> dict[tuple[int, int], tuple[int, int]]:
        """Where in the copy each conversation stands, by page and position: offset and length."""
        places: dict[tuple[int, int], tuple[int, int]] = {}
        wanted = sorted(_ENTRY.unpack(entry)[2:4] for entry in entries)
        offset = 0
        with self._filesystem.open(self._path, "rb") as file:
            for page, positions in groupby(wanted, key=lambda pair: pair[0]):
                raws = raw_conversations(_page_body(file, self._pages[page], page, self._path))
                for _, position in positions:
                    raw = bytes(raws[position])
                    copy.write(raw)
                    places[page, position] = offset, len(raw)
                    offset += len(raw)
        return places

    def _rewrite_page(
        self, copy: File, entries: list[bytes], places: dict[tuple[int, int], tuple[int, int]]
    ) -> Iterator[bytes]:
        raws = []
        for position, entry in enumerate(entries):
            start_ms, id_, page, old, place = _ENTRY.unpack(entry)
            offset, length = places[page, old]
            copy.seek(offset)
            raws.append(copy.read(length))
            yield _ENTRY.pack(start_ms, id_, len(self._pages), position, place)
        content = isal_zlib.compress(b'{"conversations":[' + b",".join(raws) + b"]}", level=1, wbits=31)
        self._file.write(content)
        self._pages.append(_PAGE.pack(self._offset, len(content), 1, sha256(content).digest()))
        self._offset += len(content)

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):  # closing writes what is left, and fails again where the disk is full
            self._file.close()
        self._filesystem.unlink(self._path.with_suffix(".unzipped"))
        self._filesystem.unlink(self._path)


class DamagedPart(ValueError):
    """A part is not what was sealed: the disk is failing, or somebody has changed it. The window is read again."""


class Part:
    """A sealed part."""

    def __init__(
        self, path: Path, filesystem: Filesystem, pages: Sequence[bytes], entries: Sequence[bytes], has_end: set[bytes]
    ) -> None:
        """Use `open`, or `PartWriter.seal`."""
        self.path = path
        self._filesystem, self._pages, self._entries, self._has_end = filesystem, pages, entries, has_end

    @classmethod
    def open(cls, path: Path, filesystem: Filesystem, checksum: str = "") -> "Part":
        """The part at `path`.

        Raises:
            DamagedPart: it is not complete, or not the one with that checksum.
            OSError: it cannot be read.
        """
        size = filesystem.size(path) or 0
        with filesystem.open(path, "rb") as file:
            file.seek(max(0, size - _TRAILER.size))
            trailer = file.read(_TRAILER.size)
            if len(trailer) < _TRAILER.size or trailer[:8] != _MAGIC:
                raise DamagedPart(f"{path} is not complete")
            _, offset, pages, entries = _TRAILER.unpack(trailer)
            if offset + pages * _PAGE.size + entries * _ENTRY.size + _TRAILER.size != size:
                raise DamagedPart(f"{path} has another length than it says")
            file.seek(offset)
            index = file.read(pages * _PAGE.size + entries * _ENTRY.size)
        at = pages * _PAGE.size
        part = cls(path, filesystem, _cut(index[:at], _PAGE.size), _cut(index[at:], _ENTRY.size), set())
        if checksum and part.checksum != checksum:
            raise DamagedPart(f"{path} has changed since it was written")
        return part

    @property
    def checksum(self) -> str:
        """SHA-256 of the index, in hex."""
        return sha256(b"".join(self._pages) + b"".join(self._entries)).hexdigest()

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return len(self._pages)

    def conversations(self) -> Iterator[Kept]:
        """Every conversation, in order of start and id."""
        for entry in self._entries:
            start_ms, id_, _, _, place = _ENTRY.unpack(entry)
            has_no_start = place & 0x80
            yield Kept(id_, None if has_no_start else start_ms, PLACES[place & 0x7F], id_ in self._has_end)

    def all_foreign_pages(self) -> int:
        """How many pages have conversations, and only foreign ones."""
        foreign: dict[int, bool] = {}
        for entry in self._entries:
            _, _, page, _, place = _ENTRY.unpack(entry)
            foreign[page] = foreign.get(page, True) and PLACES[place & 0x7F] == "foreign"
        return sum(foreign.values())

    def slices(self, is_wanted: Callable[[bytes, Place], bool]) -> Iterator[Slice]:
        """The wanted conversations in order, page by page; an unzipped page is held as long as it may be needed.

        Raises:
            DamagedPart: a page is not what it was.
        """
        with self._filesystem.open(self.path, "rb") as file:
            held: OrderedDict[int, bytes] = OrderedDict()
            for page, positions in groupby(self._wanted(is_wanted), key=lambda pair: pair[0]):
                if page not in held:
                    if len(held) >= PAGES_HELD:
                        held.popitem(last=False)
                    held[page] = _page_body(file, self._pages[page], page, self.path)
                held.move_to_end(page)
                yield Slice(page, held[page], [position for _, position in positions])

    def _wanted(self, is_wanted: Callable[[bytes, Place], bool]) -> Iterator[tuple[int, int]]:
        for entry in self._entries:
            _, id_, page, position, place = _ENTRY.unpack(entry)
            if is_wanted(id_, PLACES[place & 0x7F]):
                yield page, position


class _Raws(msgspec.Struct):
    conversations: list[msgspec.Raw] = []


_RAWS = msgspec.json.Decoder(_Raws)


def raw_conversations(body: bytes) -> list[msgspec.Raw]:
    """The conversations of an answer, each as the JSON that it came as, but for half characters."""
    try:
        return _RAWS.decode(body).conversations
    except msgspec.DecodeError:
        return _RAWS.decode(without_lone_surrogates(body)).conversations


def _page_body(file: File, page: bytes, number: int, path: Path) -> bytes:
    offset, length, is_zipped, digest = _PAGE.unpack(page)
    file.seek(offset)
    content = file.read(length)
    if sha256(content).digest() != digest:
        raise DamagedPart(f"page {number} of {path} has changed since it was written")
    try:
        return unzipped(content) if is_zipped else content
    except Damaged as error:
        raise DamagedPart(f"page {number} of {path} cannot be unzipped: {error}") from error


def _is_disordered(entries: Sequence[bytes], pages: int) -> bool:
    """Whether reading in order would open pages much more often than there are pages."""
    held: OrderedDict[int, None] = OrderedDict()
    opened = 0
    for page, _ in groupby(_ENTRY.unpack(entry)[2] for entry in entries):
        if page not in held:
            opened += 1
            if len(held) >= PAGES_HELD:
                held.popitem(last=False)
            held[page] = None
        held.move_to_end(page)
    return opened > DISORDER_MAX * pages + PAGES_HELD


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _id_of(entry: bytes) -> bytes:
    return entry[:16]
