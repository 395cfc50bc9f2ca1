"""What `everycall forget` takes out of a destination, and what its manifest says afterwards.

The order in which a destination does it makes an interruption harmless: the manifest comes first, and the rows of
`conversations` go last. Until they are gone, the same command finds them again, and takes out what is left; meanwhile
the destination is not what its manifest says, and `verify` reports it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from everycall.acquire.proof import id_bytes
from everycall.api.query import Interval
from everycall.manifest import Entry, Manifest


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken out: these conversations, and those that started before an instant."""

    ids: frozenset[str] = frozenset()
    before: datetime | None = None
    """A midnight UTC."""

    def is_whole(self, window: Interval) -> bool:
        """Whether all of a window is to be taken out."""
        return self.before is not None and window.end <= self.before


class Owned(NamedTuple):
    """A conversation in the destination."""

    conversation_id: str
    at: datetime
    """An instant in the window that owns it."""


class Forgets(Protocol):
    """A destination that conversations can be taken out of."""

    @property
    def name(self) -> str:
        """As messages show it."""
        ...

    def found(self) -> Manifest | None:
        """The manifest that it has."""
        ...

    def matching(self, wanted: Wanted, manifest: Manifest) -> list[Owned]:
        """The conversations that it has of those that are wanted."""
        ...

    def remove(self, wanted: Wanted, found: Sequence[Owned], manifest: Manifest, folder: Path) -> Manifest:
        """Take conversations out, with all their children, and write the manifest.

        Args:
            wanted: what is to be taken out.
            found: what `matching` found.
            manifest: what `without` made: it says already that they are gone.
            folder: for files that are prepared.

        Raises:
            OutputFailed: the server is away, for example; the same again continues from there.
            OSError: the disk is full, for example.
        """
        ...

    def vacuum(self) -> None:
        """Delete what old versions still have; only Delta tables have such."""
        ...


def without(manifest: Manifest, wanted: Wanted, found: Iterable[Owned]) -> Manifest:
    """The manifest of a destination without these conversations; its `files` are still those before.

    Args:
        manifest: the one before.
        wanted: what is to be taken out.
        found: what the destination has of it.
    """
    ids: dict[str, set[str]] = {}
    windows = [entry.window for entry in manifest.windows]
    for one in found:
        owner = next((window for window in windows if window.start <= one.at < window.end), None)
        if owner is not None:
            ids.setdefault(str(owner), set()).add(one.conversation_id)
    entries = tuple(_without(entry, wanted, ids.get(str(entry.window), set())) for entry in manifest.windows)
    return msgspec.structs.replace(
        manifest,
        rows=sum(entry.rows for entry in entries),
        provisional_rows=sum(entry.rows for entry in entries if entry.provisional),
        open=sum(entry.open for entry in entries),
        strays=sum(len(entry.strays) for entry in entries),
        windows=entries,
    )


def _without(entry: Entry, wanted: Wanted, ids: set[str]) -> Entry:
    if entry.is_forgotten:
        return entry
    if wanted.is_whole(entry.window):
        return msgspec.structs.replace(
            entry, is_forgotten=True, forgotten=(), rows=0, open=0, open_conversations=(), strays=(), replaced=(),
            removed=(), sha256="", size_bytes=0,
        )  # fmt: skip
    gone = {id_bytes(one).hex() for one in ids} - set(entry.forgotten)
    if not gone:
        return entry
    still_open = tuple(one for one in entry.open_conversations if id_bytes(one).hex() not in gone)
    return msgspec.structs.replace(
        entry,
        forgotten=tuple(sorted({*entry.forgotten, *gone})),
        rows=entry.rows - len(gone),
        open=len(still_open),
        open_conversations=still_open,
        strays=tuple(one for one in entry.strays if id_bytes(one.conversation_id).hex() not in gone),
        replaced=tuple(one for one in entry.replaced if id_bytes(one.conversation_id).hex() not in gone),
        sha256="",  # of rows that are not there any more: the window is written again when it is read the next time
    )


def unknown(manifest: Manifest, ids: Sequence[str], found: Iterable[Owned]) -> list[str]:
    """The ids that the destination neither has nor has forgotten, in their order."""
    known = {one.conversation_id for one in found}
    gone = {id_ for entry in manifest.windows for id_ in entry.forgotten}
    return [one for one in ids if one not in known and id_bytes(one).hex() not in gone]
