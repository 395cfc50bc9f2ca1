"""A window's conversations on disk, exactly as the API sent them: each once, in its newest version, in order.

    page | page | ... | index | trailer        OUT.everycall/WINDOW.part

Pages are appended as they come, zipped or not, while an index with 33 bytes for each conversation grows in memory.
`seal` keeps the newest version of each conversation from the passes that count, sorts the index by start and id, and
writes it after the pages. Pages of the details query come nearly in that order, so that reading a part opens each page
about once. If they do not, `seal` writes the conversations again in order.

A part does not depend on columns, names or formats. Its checksum is that of the index, which has one of each page.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import msgspec
from isal import isal_zlib

from everycall.acquire.packed import last_of_each, records, sort_by_start, sort_ids
from everycall.api.oddities import without_lone_surrogates
from everycall.filesystem import File, Filesystem
from everycall.zipped import Damaged, unzipped

_ENTRY = struct.Struct(">Q16sIIB")
"""One conversation: start in ms, id, page, position on the page, flags. Bytes sort as start and id do."""

_ID = slice(8, 24)
"""The position of the id in an entry."""

_PAGE = struct.Struct(">QIB32s")
"""One page: offset, length, whether it is zipped, SHA-256."""

_TRAILER = struct.Struct(">8sQII")
"""Magic, offset of the index, pages, entries."""

_MAGIC = b"everypt2"

_PLACE, _HAS_END, _HAS_START = 3, 4, 8
"""The flags of an entry: the place in the two lowest bits, and two more."""

DISORDER_MAX = 2.0
"""A part is put in order if reading it would open each page more often than this on average."""

PAGES_HELD = 4
"""Unzipped pages in memory while a part is read back. Pages overlap where conversations shifted or start together."""

HELD_BYTES = 8 << 20
"""Of them, all but the newest are let go where they are larger together: a page of a job's results has 9 MB."""

REWRITTEN_PAGE = 100
"""Conversations on a page of a part that was put in order."""

Place: TypeAlias = Literal["owned", "left", "foreign"]
"""owned: starts in the window. left: another window's, which the API may return here too. foreign: neither."""

PLACES: tuple[Place, ...] = ("owned", "left", "foreign")

_PLACE_FLAGS = {place: number for number, place in enumerate(PLACES)}


class Found(msgspec.Struct, frozen=True, gc=False):
    """One conversation of a page, with what acquiring needs of it."""

    id: bytes
    """16 bytes, made by `proof.id_bytes`."""
    start_ms: int | None
    """conversationStart in milliseconds since 1970; None if it is absent or unreadable."""
    has_end: bool
    position: int
    """The position in the answer, from 0."""
    place: Place
    """Whether the window owns it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One conversation of a sealed part."""

    id: bytes
    start_ms: int | None
    place: Place
    has_end: bool


class Slice(Protocol):
    """Conversations of one page, in order."""

    @property
    def page(self) -> int:
        """Number of the page in its source, from 0."""
        ...

    @property
    def body(self) -> bytes:
        """The whole answer, unzipped."""
        ...

    @property
    def positions(self) -> Sequence[int]:
        """The positions of these conversations in the answer."""
        ...

    @property
    def starts_ms(self) -> Sequence[int | None]:
        """For each of them, conversationStart in milliseconds since 1970; None if it is absent or unreadable."""
        ...

    def records(self) -> Sequence[bytes]:
        """The JSON of each of them, with lone surrogates replaced."""
        ...


@dataclass(frozen=True, slots=True)
class PageSlice:
    """Conversations of a page that the API sent; see `Slice`."""

    page: int
    body: bytes
    positions: Sequence[int]
    starts_ms: Sequence[int | None]

    def records(self) -> Sequence[bytes]:
        """The JSON of each of them, with lone surrogates replaced."""
        raws = raw_conversations(self.body)
        return [bytes(raws[position]) for position in self.positions]


class PartWriter:
    """Writes a part while its window is read."""

    def __init__(self, path: Path, filesystem: Filesystem) -> None:
        """Begin a part at `path`; it can be read once it is sealed."""
        self._path, self._filesystem = path, filesystem
        self._file: File = filesystem.open(path, "wb")
        self._offset = 0
        self._pages: list[bytes] = []
        self._passes: list[int] = []
        """The pass of each page."""
        self._entries = bytearray()

    def add(self, reading_pass: int, content: bytes, found: Iterable[Found], *, is_zipped: bool) -> None:
        """Append a page and its conversations.

        Raises:
            OSError: the disk is full, for example.
        """
        page = len(self._pages)
        self._file.write(content)
        self._pages.append(_PAGE.pack(self._offset, len(content), is_zipped, sha256(content).digest()))
        self._passes.append(reading_pass)
        self._offset += len(content)
        for one in found:
            flags = _PLACE_FLAGS[one.place] | (_HAS_END if one.has_end else 0)
            start_ms = one.start_ms
            if start_ms is not None:
                flags |= _HAS_START
            self._entries += _ENTRY.pack(max(0, start_ms or 0), one.id, page, one.position, flags)
        self._file.flush()

    def seal(self, kept_passes: Sequence[int]) -> "Part":
        """Complete the part and make it durable. `add` must not be called again.

        Args:
            kept_passes: the passes whose conversations count.
        """
        index = sort_by_start(self._newest(frozenset(kept_passes)), _ENTRY.size)
        self._entries.clear()
        if _is_disordered(index, len(self._pages)):
            self._file.flush()
            index = self._put_in_order(index)
        trailer = _TRAILER.pack(_MAGIC, self._offset, len(self._pages), len(index) // _ENTRY.size)
        for piece in (*self._pages, index, trailer):
            self._file.write(piece)
        self._filesystem.sync(self._file)
        self._file.close()
        return Part(self._path, self._filesystem, self._pages, index)

    def _newest(self, kept_passes: frozenset[int]) -> bytes:
        """The last entry of each id, in no order: the last version that came is the newest."""
        entries: bytes | bytearray = self._entries
        if not kept_passes.issuperset(self._passes):
            each = records(entries, _ENTRY.size)
            entries = b"".join(entry for entry in each if self._passes[_ENTRY.unpack(entry)[2]] in kept_passes)
        return last_of_each(entries, _ENTRY.size, _ID)

    def _put_in_order(self, index: bytes) -> bytes:
        """Write the conversations again in the order of the index, by an unzipped copy; return the new index."""
        entries = list(records(index, _ENTRY.size))
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
        return b"".join(ordered)

    def _unzip_into(self, copy: File, entries: list[bytes]) -> dict[tuple[int, int], tuple[int, int]]:
        """Copy the conversations unzipped; return offset and length of each in the copy, by page and position."""
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
            start_ms, id_, page, old, flags = _ENTRY.unpack(entry)
            offset, length = places[page, old]
            copy.seek(offset)
            raws.append(copy.read(length))
            yield _ENTRY.pack(start_ms, id_, len(self._pages), position, flags)
        content = isal_zlib.compress(b'{"conversations":[' + b",".join(raws) + b"]}", level=1, wbits=31)
        self._file.write(content)
        self._pages.append(_PAGE.pack(self._offset, len(content), 1, sha256(content).digest()))
        self._offset += len(content)

    def discard(self) -> None:
        """Remove the files."""
        with suppress(OSError):  # closing writes the buffer, which fails again if the disk is full
            self._file.close()
        self._filesystem.unlink(self._path.with_suffix(".unzipped"))
        self._filesystem.unlink(self._path)


class DamagedPart(ValueError):
    """A part has changed since it was sealed, or the disk is failing. The window is read again."""


class Part:
    """A sealed part."""

    def __init__(self, path: Path, filesystem: Filesystem, pages: Sequence[bytes], index: bytes) -> None:
        """Use `open`, or `PartWriter.seal`."""
        self.path = path
        self._filesystem, self._pages, self._index = filesystem, pages, index
        digest = sha256(b"".join(pages))
        digest.update(index)
        self.checksum = digest.hexdigest()
        """SHA-256 of the index, in hex."""

    @classmethod
    def open(cls, path: Path, filesystem: Filesystem, checksum: str = "") -> "Part":
        """Open the part at `path`.

        Raises:
            DamagedPart: it is not complete, or does not have that checksum.
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
                raise DamagedPart(f"{path} has a length that does not match its index")
            file.seek(offset)
            found = _cut(file.read(pages * _PAGE.size), _PAGE.size)
            part = cls(path, filesystem, found, file.read(entries * _ENTRY.size))
        if checksum and part.checksum != checksum:
            raise DamagedPart(f"{path} has changed since it was written")
        return part

    @property
    def size(self) -> int:
        """How many conversations it has."""
        return len(self._index) // _ENTRY.size

    def section(self, first: int, end: int) -> "Part":
        """Some of its conversations, by their positions in order, from `first` up to `end`, as a part of their own."""
        return Part(self.path, self._filesystem, self._pages, self._index[first * _ENTRY.size : end * _ENTRY.size])

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return len(self._pages)

    def owned_ids(self) -> bytes:
        """Ids of the conversations that the window owns, 16 bytes each, sorted."""
        return sort_ids(b"".join(id_ for _, id_, _, _, flags in self._entries() if not flags & _PLACE), 16)

    def open_ids(self) -> list[bytes]:
        """Ids of the conversations that the window owns and that have no end."""
        return [id_ for _, id_, _, _, flags in self._entries() if not flags & (_PLACE | _HAS_END)]

    def conversations(self) -> Iterator[Kept]:
        """Every conversation, in order of start and id."""
        return (_kept(start_ms, id_, flags) for start_ms, id_, _, _, flags in self._entries())

    def others(self) -> list[Kept]:
        """The conversations that the window returned and does not own, in that order."""
        return [_kept(start_ms, id_, flags) for start_ms, id_, _, _, flags in self._entries() if flags & _PLACE]

    def _entries(self) -> Iterator[tuple[int, bytes, int, int, int]]:
        """Start in ms, id, page, position and flags of every conversation, in order."""
        return _ENTRY.iter_unpack(self._index)

    def has_foreign_page(self) -> bool:
        """Whether a page has conversations, and only foreign ones."""
        foreign = PLACES.index("foreign")
        pages: dict[int, bool] = {}
        if not any(flags & _PLACE == foreign for *_, flags in self._entries()):
            return False
        for _, _, page, _, flags in self._entries():
            pages[page] = pages.get(page, True) and flags & _PLACE == foreign
        return any(pages.values())

    def slices(self, is_wanted: Callable[[bytes, Place], bool] | None = None) -> Iterator[Slice]:
        """Yield the wanted conversations in order, page by page; `PAGES_HELD` unzipped pages stay in memory.

        Args:
            is_wanted: whether a conversation is wanted, by its id and its place; by default, owned ones are.

        Raises:
            DamagedPart: a page has changed since it was written.
        """
        with self._filesystem.open(self.path, "rb") as file:
            held: OrderedDict[int, bytes] = OrderedDict()
            for page, positions, starts_ms in self._wanted(is_wanted):
                if page not in held:
                    while len(held) >= PAGES_HELD or sum(map(len, held.values())) > HELD_BYTES:
                        held.popitem(last=False)
                    held[page] = _page_body(file, self._pages[page], page, self.path)
                held.move_to_end(page)
                yield PageSlice(page, held[page], positions, starts_ms)

    def _wanted(
        self, is_wanted: Callable[[bytes, Place], bool] | None
    ) -> Iterator[tuple[int, list[int], list[int | None]]]:
        """Pages with positions and starts of their wanted conversations, in order; a page can come more than once."""
        page, positions, starts_ms = -1, list[int](), list[int | None]()
        for start_ms, id_, number, position, flags in self._entries():
            if flags & _PLACE if is_wanted is None else not is_wanted(id_, PLACES[flags & _PLACE]):
                continue
            if number != page:
                if positions:
                    yield page, positions, starts_ms
                page, positions, starts_ms = number, [], []
            positions.append(position)
            starts_ms.append(start_ms if flags & _HAS_START else None)
        if positions:
            yield page, positions, starts_ms


class _Raws(msgspec.Struct):
    conversations: list[msgspec.Raw] = []


_RAWS = msgspec.json.Decoder(_Raws)


def raw_conversations(body: bytes) -> list[msgspec.Raw]:
    """The conversations of an answer, each as its own JSON, with lone surrogates replaced."""
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


def _is_disordered(index: bytes, pages: int) -> bool:
    """Whether reading in order would open pages much more often than there are pages."""
    held: OrderedDict[int, None] = OrderedDict()
    opened = 0
    for page, _ in groupby(entry[2] for entry in _ENTRY.iter_unpack(index)):
        if page not in held:
            opened += 1
            if len(held) >= PAGES_HELD:
                held.popitem(last=False)
            held[page] = None
        held.move_to_end(page)
    return opened > DISORDER_MAX * pages + PAGES_HELD


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _kept(start_ms: int, id_: bytes, flags: int) -> Kept:
    has_start, has_end = bool(flags & _HAS_START), bool(flags & _HAS_END)
    return Kept(id_, start_ms if has_start else None, PLACES[flags & _PLACE], has_end)
