"""A disk that forgets: what a crash leaves of it is drawn from the rng, and is no better than what a disk promises.

It believes in nothing but `Filesystem.sync`, `Filesystem.sync_folder` and that a `replace` is done whole or not at all:

- `killed`: the process is gone. What it handed to the system stays; what it had in its buffers does not.
- `power_cut`: of each file, what was synced stays, and any beginning of the rest. Of what was made, renamed and removed
  in a folder since that was synced, any of it stays, each by itself.
"""

import errno
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from everycall.errors import OutputRefused
from everycall.filesystem import File, Held
from everycall.sinks.files import FOLDER_SUFFIX, MANIFEST_SUFFIX

FOLDER = Path("/out")
OUTPUT = FOLDER / "conversations.csv"
MANIFEST = OUTPUT.with_name(OUTPUT.name + MANIFEST_SUFFIX)
ARCHIVE = FOLDER / "conversations.jsonl"
"""A second output of the same export."""
ARCHIVE_MANIFEST = ARCHIVE.with_name(ARCHIVE.name + MANIFEST_SUFFIX)
LEDGER_FOLDER = OUTPUT.with_name(OUTPUT.name + FOLDER_SUFFIX)
LEDGER = LEDGER_FOLDER / "ledger.jsonl"

BUFFER_BYTES = 8192


class Crash(BaseException):
    """The process is gone, or the power is. Nothing may catch it; whatever tries to clean up meets it again."""


@dataclass(eq=False)
class Inode:
    """A file without its name."""

    data: bytes = b""
    """What the system knows of."""
    synced: bytes = b""
    """What a power cut cannot take away."""


@dataclass(eq=False)
class Change:
    """Something was made, renamed or removed, and its folder is not synced yet."""

    kind: Literal["link", "unlink", "rename", "folder", "no folder"]
    path: str
    inode: Inode | None = None
    source: str = ""

    def is_in(self, folder: str) -> bool:
        """Whether that folder holds the name, or the new one."""
        return folder_of(self.path) == folder


@dataclass
class Names:
    """What files and folders are called."""

    files: dict[str, Inode] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def apply(self, change: Change) -> None:
        """As if it were done now; what it builds upon may have been lost."""
        match change.kind:
            case "folder":
                self.folders.add(change.path)
            case "no folder":
                self.folders.discard(change.path)
            case "unlink":
                self.files.pop(change.path, None)
            case "link" | "rename":
                assert change.inode is not None
                self.files[change.path] = change.inode
                if change.kind == "rename" and self.files.get(change.source) is change.inode:
                    del self.files[change.source]

    def prune(self) -> None:
        """What is in a folder that is not there cannot be there either."""
        self.files = {path: inode for path, inode in self.files.items() if folder_of(path) in self.folders}


def folder_of(path: str) -> str:
    """The folder that the name stands in."""
    return path.rpartition("/")[0]


class SimFile:
    """A file with a buffer, as Python has them; see `File`."""

    def __init__(self, filesystem: "SimDisk", inode: Inode, name: str) -> None:
        self._filesystem, self.inode, self.name = filesystem, inode, name
        self._buffer = bytearray()
        self._at = 0
        self.is_closed = False

    def write(self, data: bytes | memoryview, /) -> int:
        """See `File.write`."""
        assert not self.is_closed
        self._buffer += data
        if len(self._buffer) > BUFFER_BYTES:
            self.flush()
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """See `File.read`."""
        data = self.inode.data[self._at :] if size < 0 else self.inode.data[self._at : self._at + size]
        self._at += len(data)
        return data

    def seek(self, offset: int, /) -> int:
        """See `File.seek`."""
        self._at = offset
        return offset

    def flush(self) -> None:
        """See `File.flush`."""
        if self._buffer:
            self._filesystem.take(self.inode, self._buffer)

    def close(self) -> None:
        """See `File.close`."""
        if not self.is_closed:
            self.is_closed = True
            self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class SimLock:
    """A lock on a disk; see `Held`."""

    def __init__(self, filesystem: "SimDisk", path: str) -> None:
        self._filesystem, self._path = filesystem, path

    def release(self) -> None:
        """See `Held.release`."""
        self._filesystem.locked.discard(self._path)


class SimDisk:
    """See `Filesystem`. `effect` is called before each effect, and may raise."""

    def __init__(self, rng: random.Random, effect: Callable[[str], None], folders: Iterable[Path]) -> None:
        self._rng, self._effect = rng, effect
        self.names = Names(folders={str(folder) for folder in folders})
        self._durable = Names(folders=set(self.names.folders))
        self._pending: list[Change] = []
        self._temporary = 0
        self.locked: set[str] = set()
        self.room_bytes = 1 << 40
        """How much more can be written."""

    # What is done to it

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> SimFile:
        """See `Filesystem.open`."""
        name = str(path)
        if mode == "rb":
            return SimFile(self, self._found(name), name)
        self._effect(f"open {name}")
        if folder_of(name) not in self.names.folders:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        inode = self.names.files.get(name)
        if inode is None:
            inode = Inode()
            self._do(Change("link", name, inode))
        if mode == "wb":
            inode.data = b""
        return SimFile(self, inode, name)

    def take(self, inode: Inode, buffer: bytearray) -> None:
        """Bytes come out of a process's buffer; a crash may let any beginning of them through."""
        try:
            self._effect("write")
        except Crash:
            inode.data += bytes(buffer[: self._rng.randint(0, len(buffer))])
            buffer.clear()  # it is gone with the process, which writes no more where its files are closed
            raise
        taken = bytes(buffer[: self.room_bytes])
        inode.data += taken
        self.room_bytes -= len(taken)
        del buffer[: len(taken)]
        if buffer:
            raise OSError(errno.ENOSPC, "No space left on device")

    def read(self, path: Path) -> bytes:
        """See `Filesystem.read`."""
        return self._found(str(path)).data

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        assert isinstance(file, SimFile)
        file.flush()
        self._effect("sync")
        file.inode.synced = file.inode.data

    def sync_folder(self, folder: Path) -> None:
        """See `Filesystem.sync_folder`."""
        name = str(folder)
        self._effect(f"sync {name}")
        for change in [one for one in self._pending if one.is_in(name)]:
            self._pending.remove(change)
            self._durable.apply(change)

    def replace(self, source: Path, target: Path) -> None:
        """See `Filesystem.replace`."""
        self._effect(f"rename {source}")
        inode = self._found(str(source))
        if self.names.files.get(str(target)) is not inode:  # or rename(2) does nothing
            self._do(Change("rename", str(target), inode, str(source)))

    def link(self, source: Path, target: Path) -> None:
        """See `Filesystem.link`."""
        self._effect(f"link {target}")
        if self.exists(target):
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        inode = self._found(str(source))
        if sum(one is inode for one in self.names.files.values()) > 1:
            raise OSError(errno.EMLINK, "It has two names already", str(source))
        self._do(Change("link", str(target), inode))

    def unlink(self, path: Path) -> None:
        """See `Filesystem.unlink`."""
        self._effect(f"unlink {path}")
        if str(path) in self.names.files:
            self._do(Change("unlink", str(path)))

    def make_folder(self, path: Path) -> None:
        """See `Filesystem.make_folder`."""
        self._effect(f"folder {path}")
        if str(path) not in self.names.folders:
            self._do(Change("folder", str(path)))

    def temporary_folder(self) -> Path:
        """See `Filesystem.temporary_folder`."""
        self._temporary += 1
        folder = Path(f"/tmp-{self._temporary}")
        self.make_folder(folder)
        return folder

    def remove_folder(self, path: Path) -> None:
        """See `Filesystem.remove_folder`."""
        self._effect(f"no folder {path}")
        if not self.files(path):
            self._do(Change("no folder", str(path)))

    def files(self, folder: Path) -> list[Path]:
        """See `Filesystem.files`."""
        there = [*self.names.files, *self.names.folders]
        return [Path(path) for path in there if folder_of(path) == str(folder)]

    def exists(self, path: Path) -> bool:
        """See `Filesystem.exists`."""
        return str(path) in self.names.files or self.is_folder(path)

    def is_folder(self, path: Path) -> bool:
        """See `Filesystem.is_folder`."""
        return str(path) in self.names.folders

    def is_link(self, path: Path) -> bool:  # noqa: ARG002
        """See `Filesystem.is_link`."""
        return False

    def is_writable(self, folder: Path) -> bool:
        """See `Filesystem.is_writable`."""
        return self.is_folder(folder)

    def size(self, path: Path) -> int | None:
        """See `Filesystem.size`."""
        inode = self.names.files.get(str(path))
        return None if inode is None else len(inode.data)

    def lock(self, path: Path, what: str) -> Held:
        """See `Filesystem.lock`."""
        if str(path) in self.locked:
            raise OutputRefused(f"{what} is being written by another process.")
        with self.open(path, "wb"):
            self.locked.add(str(path))
        return SimLock(self, str(path))

    def _found(self, name: str) -> Inode:
        inode = self.names.files.get(name)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        return inode

    def _do(self, change: Change) -> None:
        self.names.apply(change)
        self.names.prune()
        self._pending.append(change)

    # What becomes of it

    def inode(self, path: Path) -> Inode | None:
        """The file that has the name."""
        return self.names.files.get(str(path))

    def content(self, path: Path) -> bytes | None:
        """What the file holds; None where there is none."""
        inode = self.names.files.get(str(path))
        return None if inode is None else inode.data

    def damage(self, path: Path, data: bytes | None) -> None:
        """Somebody else has put this in the file's place, or taken it away: durably."""
        if data is None:
            del self.names.files[str(path)], self._durable.files[str(path)]
        else:
            inode = self.names.files[str(path)]
            inode.data = inode.synced = data

    def killed(self) -> None:
        """The process is gone."""
        self.locked.clear()

    def power_cut(self) -> None:
        """The power is gone, and comes back."""
        self.locked.clear()
        survival = self._rng.choice([0.0, 0.5, 0.5, 1.0])
        for change in self._pending:
            if self._rng.random() < survival:
                self._durable.apply(change)
        self._pending.clear()
        self._durable.prune()
        self.names = Names(dict(self._durable.files), set(self._durable.folders))
        for inode in dict.fromkeys(self.names.files.values()):
            inode.data = inode.synced = self._torn(inode)

    def _torn(self, inode: Inode) -> bytes:
        known = inode.synced if inode.data.startswith(inode.synced) else b""
        if not known and inode.synced and self._rng.random() < 0.5:
            return inode.synced  # it was written anew, and nothing of that has arrived
        return known + inode.data[len(known) : self._rng.randint(len(known), len(inode.data))]
