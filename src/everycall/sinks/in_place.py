"""What outputs that are folders have in common: a place for their content, and a manifest beside it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from everycall.errors import OutputRefused
from everycall.filesystem import Filesystem
from everycall.manifest import Entry, Header, Manifest, WrittenFile, decoded_or_none, pretty_pieces
from everycall.sinks.interface import Finished, Form
from everycall.sinks.places import STAGED, Place, sha256_in


class InPlace(ABC):
    """An output that is a folder."""

    name: str
    forms: Sequence[Form]

    def __init__(self, place: Place, filesystem: Filesystem) -> None:
        """Write to this place, and prepare files in this filesystem."""
        self.place, self._filesystem = place, filesystem

    @property
    def path(self) -> Path | None:
        """Where it is on this machine."""
        return self.place.path

    @abstractmethod
    def others(self) -> list[str]:
        """What is in the place and does not have a name that this output gives, sorted."""

    @abstractmethod
    def changed(self, manifest: Manifest) -> list[str]:
        """What is not as it was exported, by names that a user recognizes."""

    @abstractmethod
    def check_same(self, before: Manifest, now: Header) -> None:
        """Refuse to replace another export.

        Args:
            before: the manifest that the place has.
            now: the header of this export, as `check_content` gets it.

        Raises:
            OutputRefused: with the differences.
        """

    def check_place(self) -> None:
        """Refuse a place that cannot be written, or that has files of others."""
        self.place.check()
        if others := self.others():
            raise OutputRefused(
                f"{self.name} has files that everycall did not export, such as {others[0]}.",
                hint="Choose another output with -o, or move the folder away.",
            )

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse content that belongs to another query, or was changed since it was exported."""
        if not self.place.names():
            return
        manifest = self.found()
        if manifest is None:
            raise OutputRefused(
                f"{self.name} has no manifest, so it is not known what it contains.",
                hint="Choose another output with -o, or use --fresh to replace it.",
            )
        self.check_same(manifest, header)
        if not is_repair and (changed := self.changed(manifest)):
            raise OutputRefused(
                f"{self.name} was changed after it was exported: {changed[0]}.",
                hint="Move it away to keep it, or use --fresh to replace it.",
            )

    def found(self) -> Manifest | None:
        """The manifest beside the folder; None if there is none, or it cannot be read."""
        return decoded_or_none(self.place.manifest(), self.name)

    def put_manifest(self, manifest: Manifest, finished: Finished, scratch: Path) -> None:
        """Replace the manifest, in one step, and remove what was needed meanwhile."""
        self.replace_manifest(manifest, finished.entries(manifest.windows), scratch)
        self.place.clear(scratch, finished.folder)

    def replace_manifest(self, manifest: Manifest, entries: Iterable[Entry], scratch: Path) -> None:
        """Replace the manifest, in one step."""
        path = scratch / f"{STAGED}{self.forms[0].suffix}.manifest"
        with self._filesystem.open(path, "wb") as file:
            for piece in pretty_pieces(manifest, entries):
                file.write(piece)
            self._filesystem.sync(file)
        self.place.put_manifest(path)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that is prepared."""

    path: Path
    """On this machine."""
    described: WrittenFile


class FilesInPlace(InPlace):
    """An output that is a folder of files, whose manifest has a checksum of each."""

    @abstractmethod
    def is_ours(self, path: str) -> bool:
        """Whether a file below the place has a name that this output gives."""

    def others(self) -> list[str]:
        """Files of others."""
        return sorted(path for path in self.place.files() if not self.is_ours(path))

    def changed(self, manifest: Manifest) -> list[str]:
        """The files that are missing, changed, or not in the manifest."""
        there, files = self.place.files(), {file.path: file for file in manifest.files}
        wrong = [path for path in there if path not in files]
        return sorted([*wrong, *(path for path, file in files.items() if not self._is_same(file, there))])

    def put(self, staged: Iterable[Staged]) -> None:
        """Put files in place, except those that are there already, to the byte."""
        there = self.place.files()
        new = [one for one in staged if not self._is_same(one.described, there)]
        if new:
            self.place.put((one.path, one.described.path) for one in new)

    def remove_all_but(self, wanted: Iterable[WrittenFile]) -> None:
        """Remove the other files."""
        kept = {file.path for file in wanted}
        self.place.remove(path for path in sorted(self.place.files()) if path not in kept)

    def _is_same(self, file: WrittenFile, there: Mapping[str, int]) -> bool:
        return there.get(file.path) == file.size_bytes and sha256_in(self.place, file.path) == file.sha256


def with_files(manifest: Manifest, files: Iterable[WrittenFile]) -> Manifest:
    """The manifest of an output that has these files now, and their size in all."""
    files = tuple(files)
    output = msgspec.structs.replace(manifest.output, size_bytes=sum(file.size_bytes for file in files))
    return msgspec.structs.replace(manifest, files=files, output=output)
