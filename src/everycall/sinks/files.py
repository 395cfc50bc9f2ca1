"""A file as an output: the windows' files put together, with its manifest beside it.

    OUT.names.jsonl           only beside JSON lines: the names of the ids in them
    OUT.manifest.json, OUT    appear at the end, one right after the other, each in one step

Until then an existing file stays as it is.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from everycall.api.query import Interval
from everycall.errors import OutputFailed, OutputRefused
from everycall.filesystem import Filesystem
from everycall.manifest import Header, Manifest, Written, check_interval, check_same, check_version, pretty_pieces
from everycall.sinks.interface import Damaged, FileSink, Finished, Form, placed
from everycall.sinks.names_form import Name, NamesForm, names_in_lines, names_of, newest, write_names
from everycall.store import Tally

MANIFEST_SUFFIX = ".manifest.json"

NAMES_SUFFIX = ".names.jsonl"

FOLDER_SUFFIX = ".everycall"
"""Of the folder beside an output that holds its ledger and what is not complete yet."""

NAME_MAX = 60
"""Ours: the most characters of an address in the name of a folder."""


def ledger_folder(path: Path | None, name: str) -> Path:
    """The folder of an output's ledger: beside the output, or in the working directory where it is elsewhere.

    Args:
        path: where the output is; None if it is a database or in an object store.
        name: as messages show it. It is in the name of a folder in the working directory, so that exports to several
            databases do not meet there: `everycall-db.example.com-warehouse-1a2b3c4d.everycall`.
    """
    if path is None:
        words = re.sub(r"[^A-Za-z0-9.]+", "-", name.rpartition("://")[2])[:NAME_MAX].strip("-.")
        path = Path(f"{words}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-"))
    return path.with_name(path.name + FOLDER_SUFFIX)


class FileDestination:
    """One file."""

    def __init__(
        self,
        path: Path,
        sink: FileSink,
        filesystem: Filesystem,
        names: NamesForm | None = None,
        organization_id: Callable[[], str] = str,
    ) -> None:
        """Put windows of this form together.

        Args:
            path: where to.
            sink: the form.
            filesystem: where `path` is.
            names: the form of the names, if they are to be beside the file.
            organization_id: asks for the id of the org, for the manifest of an archive: tables made of it have the id.
        """
        self._at = path
        self.name = str(path)
        self.format = sink.format
        self.forms: Sequence[Form] = (sink,) if names is None else (sink, names)
        self._sink, self._filesystem, self._names = sink, filesystem, names
        self._organization_id = organization_id
        self._names_path = path.with_name(path.name + NAMES_SUFFIX)
        self._manifest = path.with_name(path.name + MANIFEST_SUFFIX)

    @property
    def path(self) -> Path | None:
        """Where it is on this machine."""
        return self._at

    def check_place(self) -> None:
        """Refuse a folder that does not exist or is not writable, and a name that a folder has."""
        check_place((self._at, self._manifest, *([self._names_path] if self._names else [])), self._filesystem)

    def check_content(self, header: Header, *, is_repair: bool) -> None:
        """Refuse an existing file that belongs to another query, or was changed since it was exported."""
        if not self._filesystem.exists(self._at):
            self._organization_id()  # now, not at the end
            return
        try:
            body = self._filesystem.read(self._manifest)
            check_version(body, f"{self._at} was exported")
            manifest = msgspec.json.decode(body, type=Manifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raise OutputRefused(
                f"{self._at} exists, and everycall did not export it.",
                hint="Choose another output, or use --fresh to replace it.",
            ) from None
        check_interval(manifest.query, self._manifest)
        before = msgspec.structs.replace(header, organization_id=manifest.query.organization_id)
        check_same(manifest.query, before, self.name)  # what needs no question comes first
        now = self._with_org(header)
        if now.organization_id and manifest.query.organization_id:  # it cannot be compared if it was not to be read
            check_same(manifest.query, now, self.name)
        if not is_repair and sha256_of(self._at, self._filesystem) != manifest.output.sha256:
            raise OutputRefused(
                f"{self._at} was changed after it was exported.",
                hint="Move it away to keep it, or use --fresh to replace it.",
            )

    def found(self) -> Manifest | None:
        """The manifest beside the file."""
        try:
            return msgspec.json.decode(self._filesystem.read(self._manifest), type=Manifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def intact(self, manifest: Manifest) -> Sequence[bool]:
        """Whether the bytes of each window are unchanged.

        A changed file of names makes all windows damaged: it does not say whose they are.
        """
        length = self._filesystem.size(self._at)
        if length is None:
            intact = [False for _ in manifest.windows]
        else:
            with self._filesystem.open(self._at, "rb") as file:
                intact = list(self._sink.intact(file, length, placed(manifest.windows)))
        self._check_whole(manifest, is_whole=bool(intact) and all(intact))
        return intact if self._has_names(manifest) else [False] * len(intact)

    def changed(self, manifest: Manifest) -> list[str]:
        """The file itself, and the names beside it, if they are missing or changed."""
        is_there = self._filesystem.exists(self._at)
        is_same = is_there and sha256_of(self._at, self._filesystem) == manifest.output.sha256
        names = [] if self._has_names(manifest) else [f"{self.name}{NAMES_SUFFIX}"]
        return [*([] if is_same else [self.name]), *names]

    def _has_names(self, manifest: Manifest) -> bool:
        """Whether the file of names is as it was exported, as far as the manifest says."""
        wanted, path = manifest.names_file, self._names_path
        if self._names is None or wanted is None:
            return True
        is_there = self._filesystem.size(path) == wanted.size_bytes
        return is_there and sha256_of(path, self._filesystem) == wanted.sha256

    def _check_whole(self, manifest: Manifest, *, is_whole: bool) -> None:
        """Refuse a manifest whose size or checksum of the output does not match its windows."""
        length = len(self._sink.head()) + sum(entry.size_bytes for entry in manifest.windows)
        is_other = is_whole and sha256_of(self._at, self._filesystem) != manifest.output.sha256
        if manifest.output.size_bytes != length or is_other:
            raise OutputRefused(
                f"The manifest of {self._at} contradicts itself: the size or the checksum of the output does not "
                "match its windows.",
                hint="It was edited: export again with --fresh.",
            )

    def ids(self, windows: Sequence[Interval]) -> Iterator[tuple[Interval, list[str]]]:
        """The conversationIds that the file has of some windows."""
        manifest = self.found()
        if windows and manifest is not None:
            with self._filesystem.open(self._at, "rb") as file:
                yield from self._sink.ids(file, placed(manifest.windows), set(windows))

    def take_over(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> dict[str, Written]:
        """Copy the window out of the file, durably. Its names stay in the file of names."""
        with self._filesystem.open(self._at, "rb") as output:
            self._sink.extract(output, placed(manifest.windows), number, path(self._sink))
        entry = manifest.windows[number]
        written = {self._sink.name: Written(size_bytes=entry.size_bytes, sha256=entry.sha256)}
        return written if self._names is None else {**written, **self._names.take_over(path(self._names))}

    def set_aside(self, manifest: Manifest, number: int, path: Callable[[Form], Path]) -> bool:  # noqa: ARG002
        """A part of such a file is never replaced."""
        return False

    def publish(self, finished: Finished) -> Manifest:
        """Put the file together, and write the manifest."""
        folder = self._scratch(finished.folder)
        whole, described = folder / "output", folder / "manifest"
        size_bytes, sha256 = self._put_together(whole, finished)
        staged = self._staged_names(finished, self._names, folder) if self._names is not None else None
        found = self._described(finished, size_bytes, sha256)
        found = msgspec.structs.replace(found, names_file=staged[1] if staged is not None else None)
        with self._filesystem.open(described, "wb") as file:
            for piece in pretty_pieces(found, finished.entries(found.windows)):
                file.write(piece)
            self._filesystem.sync(file)
        if staged is not None:
            self._filesystem.replace(staged[0], self._names_path)
        self._filesystem.sync_folder(folder)  # so that a power cut cannot leave a file under both of its names
        self._filesystem.replace(described, self._manifest)
        # Sync before the output appears: the next run would refuse an output without a manifest.
        self._filesystem.sync_folder(self._at.parent)
        self._filesystem.replace(whole, self._at)
        self._filesystem.sync_folder(self._at.parent)
        if folder != finished.folder:
            self._filesystem.remove_folder(folder)
        return found

    def _staged_names(self, finished: Finished, form: NamesForm, folder: Path) -> tuple[Path, Written]:
        """Prepare the file of names: each id once. A repair takes over windows with those of the present file."""
        is_partial = any(loaded.is_partial for loaded in finished.windows)
        before = self._names_before() if is_partial and self._filesystem.exists(self._names_path) else []
        staged = folder / f"staged{form.suffix}"  # the ledger removes files that end so, whatever happens here
        return staged, write_names(newest([*before, *names_of(finished, form)]), staged, self._filesystem)

    def _names_before(self) -> list[Name]:
        try:
            return names_in_lines(self._filesystem.read(self._names_path))
        except msgspec.DecodeError as error:
            raise OutputFailed(
                f"{self._names_path} was changed and cannot be read: {error}.",
                hint="Export again with --fresh: the names are looked up anew.",
            ) from error

    def _described(self, finished: Finished, size_bytes: int, sha256: str) -> Manifest:
        """The manifest, once the file has this size and checksum."""
        found = finished.manifest(self._sink.name, size_bytes, sha256)
        return msgspec.structs.replace(found, query=self._with_org(found.query))

    def _with_org(self, header: Header) -> Header:
        return msgspec.structs.replace(header, organization_id=self._organization_id())

    def _scratch(self, folder: Path) -> Path:
        return scratch(folder, self._at, self._filesystem)

    def _put_together(self, whole: Path, finished: Finished) -> tuple[int, str]:
        damaged = []
        with self._filesystem.open(whole, "wb") as output:
            tally = Tally(output)
            tally.write(self._sink.head())
            for loaded in finished.windows:
                tally.begin_window()
                self._sink.append(loaded.path(self._sink), tally)
                if tally.window.hexdigest() != loaded.written(self._sink).sha256:
                    damaged.append(loaded.window)
            self._filesystem.sync(output)
        if damaged:
            raise Damaged(damaged)
        return tally.size, tally.whole.hexdigest()


def check_place(paths: Sequence[Path], filesystem: Filesystem) -> None:
    """Refuse files of one folder if it does not exist or is not writable, or if a name is that of a folder.

    Raises:
        OutputRefused: the hint says what to do.
    """
    folder = paths[0].parent
    if not filesystem.is_folder(folder):
        raise OutputRefused(f"The folder {folder} does not exist.", hint="Create it, or choose another output with -o.")
    for path in paths:
        if filesystem.is_folder(path):
            raise OutputRefused(f"{path} is a folder.", hint="Name a file with -o, or move the folder away.")
    if not filesystem.is_writable(folder):
        raise OutputRefused(f"The folder {folder} is not writable.", hint="Choose another output with -o.")


def scratch(folder: Path, path: Path, filesystem: Filesystem) -> Path:
    """A folder of files that are not complete yet: on the same disk as the output, since they are renamed.

    Args:
        folder: that of the ledger, which may be elsewhere.
        path: the output.
        filesystem: where a folder is made; whoever takes it removes it in the end.
    """
    if folder.parent == path.parent:
        return folder
    own = path.with_name(path.name + FOLDER_SUFFIX)
    filesystem.make_folder(own)
    return own


def sha256_of(path: Path, filesystem: Filesystem) -> str:
    """The checksum of a file, in hex."""
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
