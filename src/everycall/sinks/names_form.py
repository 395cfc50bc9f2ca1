"""The names of a window: one JSON line for each id that its conversations refer to and that has a name.

    {"kind":"user","id":"...","name":"Ann","divisionId":"...","state":"active","lookedUpAt":"2026-01-05T08:00:00.000Z"}

The files of all windows together have each id as often as windows refer to it; `newest` takes the newest.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from everycall.api.names import Entity, Kind
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.manifest import Written
from everycall.sinks.interface import Batch, Damaged, Finished, Wanted
from everycall.sinks.window_files import WindowFileWriter, compressor
from everycall.store import Tally
from everycall.tables.reference import KINDS


class Name(msgspec.Struct, frozen=True, rename="camel"):
    """One id and its name."""

    kind: str
    """queue, user, wrapUpCode, division."""
    id: str
    name: str
    division_id: str | None = None
    state: str | None = None
    looked_up_at: str | None = None
    """UTC, ISO 8601."""
    settings: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """How a queue is set up, by the API's names; only queues have it."""

    @classmethod
    def of(cls, kind: Kind, entity: Entity) -> "Name":
        """The name that was looked up for an id."""
        state = entity.state if isinstance(entity.state, str) else None
        settings = (kind == "queues" and entity.settings) or msgspec.UNSET
        return cls(
            KINDS[kind], entity.id, entity.name or "", entity.division_id, state, entity.looked_up_at or None, settings
        )


class NamesForm:
    """Files of such lines."""

    name = "names"
    suffix = ".names"
    wants: Wanted = "records"

    def __init__(self, filesystem: Filesystem | None = None) -> None:
        """Write such files, by default to the disk of this machine."""
        self._filesystem: Filesystem = filesystem or SystemFilesystem()

    def writer(self, path: Path) -> WindowFileWriter:
        """Begin to write a window to a new file at `path`."""
        return WindowFileWriter(_EachOnce().data, path, self._filesystem, compressor(""))

    def is_complete(self, path: Path, written: Written) -> bool:
        """Whether the file has its full size."""
        return self._filesystem.size(path) == written.size_bytes

    def read(self, path: Path) -> list[Name]:
        """The names in a window's file.

        Raises:
            OSError: the file does not exist, for example.
            msgspec.DecodeError: it was changed.
        """
        return names_in_lines(self._filesystem.read(path))

    def take_over(self, path: Path) -> dict[str, Written]:
        """Write a file without names, for a window whose names are in the output; what is on disk, by form."""
        return {self.name: self.writer(path).close()}


class _EachOnce:
    """For one window: an id that several batches refer to is written once."""

    def __init__(self) -> None:
        self._written: set[tuple[Kind, str]] = set()

    def data(self, batch: Batch) -> Sequence[bytes]:
        """The names of ids that are new in this batch."""
        if batch.names is None:
            return ()
        found = []
        for kind, id_ in batch.mentioned:
            entity = batch.names.entity(kind, id_)
            if entity is not None and (kind, id_) not in self._written:
                self._written.add((kind, id_))
                found.append(Name.of(kind, entity))
        return (lines(found),)


def names_of(finished: Finished, form: NamesForm) -> Iterator[Name]:
    """Yield the names in the files of the windows.

    Raises:
        Damaged: a file was changed.
    """
    for loaded in finished.windows:
        if not loaded.is_taken_over:
            try:
                yield from form.read(loaded.path(form))
            except (OSError, msgspec.DecodeError) as error:
                raise Damaged([loaded.window]) from error


def newest(names: Iterable[Name]) -> list[Name]:
    """Each id once, as it was looked up last, in the order of kind and id; of equal times the last one given."""
    found: dict[tuple[str, str], Name] = {}
    for name in names:
        key = name.kind, name.id
        if key not in found or (name.looked_up_at or "") >= (found[key].looked_up_at or ""):
            found[key] = name
    return [found[key] for key in sorted(found)]


def with_known_times(names: Iterable[Name], before: Iterable[Name]) -> list[Name]:
    """The names, where one that differs in the time of the look-up only is the one before."""
    known = {_without_time(name): name for name in before}
    return [known.get(_without_time(name), name) for name in names]


def _without_time(name: Name) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(name, looked_up_at=None))


def write_names(names: Iterable[Name], path: Path, filesystem: Filesystem) -> Written:
    """Write a file of names, durably; what is on disk then."""
    with filesystem.open(path, "wb") as file:
        tally = Tally(file)
        tally.write(lines(names))
        filesystem.sync(file)
    return Written(size_bytes=tally.size, sha256=tally.whole.hexdigest())


def names_in_lines(body: bytes) -> list[Name]:
    """The names in JSON lines.

    Raises:
        msgspec.DecodeError: they are something else.
    """
    return msgspec.json.Decoder(Name).decode_lines(body)


def lines(names: Iterable[Name]) -> bytes:
    """The names as JSON lines."""
    return msgspec.json.Encoder().encode_lines(list(names))
