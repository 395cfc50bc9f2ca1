"""All operations of an export on the filesystem, so that tests can replace it, for example by one that loses writes.

The export relies on three guarantees only. The content of a file survives a power cut once the file is synced; its
name, once its folder is synced. A `replace` happens completely or not at all.
"""

import errno
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol, Self, cast

from everycall.lock import Lock


class Writable(Protocol):
    """Something to which bytes can be written."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of the data."""
        ...


class File(Writable, Protocol):
    """An open file; as a context manager it closes itself."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of the data, possibly into a buffer."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Read `size` bytes, fewer at the end of the file; everything without a size."""
        ...

    def seek(self, offset: int, /) -> int:
        """Move to an offset in bytes from the beginning."""
        ...

    def flush(self) -> None:
        """Pass the buffer to the operating system, so that it survives the end of this process."""
        ...

    def close(self) -> None:
        """Flush and close the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Held(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Release the lock. Can be called more than once."""
        ...


class Filesystem(Protocol):
    """Files and folders. Everything may raise an `OSError`."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        """Open a file to read it, to overwrite it, or to append to it."""
        ...

    def read(self, path: Path) -> bytes:
        """Read a whole file."""
        ...

    def sync(self, file: File) -> None:
        """Make the content of a file durable: a power cut cannot lose it after this returns."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable: files created, renamed and removed."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file in one step, over an existing one if there is one, whose permissions it takes on."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file that has one name a second one, which nothing has.

        Not every disk can do that, and none for a file of another. A file that has two already would belong to two
        outputs: to change one would change the other.
        """
        ...

    def unlink(self, path: Path) -> None:
        """Remove the file, if it exists."""
        ...

    def make_folder(self, path: Path) -> None:
        """Create the folder, unless it exists."""
        ...

    def temporary_folder(self) -> Path:
        """Create a new folder that nobody else uses."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove the folder if it is empty."""
        ...

    def files(self, folder: Path) -> list[Path]:
        """The files in the folder, in no particular order."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether a file or a folder of that name exists."""
        ...

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder of that name."""
        ...

    def is_link(self, path: Path) -> bool:
        """Whether the name is a symbolic link."""
        ...

    def is_writable(self, folder: Path) -> bool:
        """Whether this process may create files in the folder."""
        ...

    def size(self, path: Path) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        ...

    def lock(self, path: Path, output: str) -> Held:
        """Lock the output, by a lock file at `path`.

        Raises:
            OutputRefused: another process holds the lock.
        """
        ...


class SystemFilesystem(Filesystem):
    """The filesystem of this machine."""

    def __init__(self, file_mode: int = 0o600) -> None:
        """New files get these permissions; a file that replaces another takes on the permissions of that one."""
        self._file_mode = file_mode

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        """Open the file; a new one gets the permissions of this object."""

        def opener(name: str, flags: int) -> int:
            return os.open(name, flags, self._file_mode)

        return cast("File", open(path, mode, opener=opener))

    def read(self, path: Path) -> bytes:
        """Read a whole file."""
        return path.read_bytes()

    def sync(self, file: File) -> None:
        """Return once the system has the file on disk."""
        file.flush()
        os.fsync(file.fileno())  # type: ignore[attr-defined]  # it comes from `open` above

    def sync_folder(self, folder: Path) -> None:
        """Return once the system has the folder on disk. Windows has no such call, and does not need it."""
        if sys.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(self, source: Path, target: Path) -> None:
        """Rename `source` to `target`, with the permissions of an existing `target`."""
        with suppress(FileNotFoundError):
            source.chmod(stat.S_IMODE(target.stat().st_mode))
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file that has one name a second one."""
        if source.stat().st_nlink > 1:
            raise OSError(errno.EMLINK, "It has two names already", str(source))
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        """Remove the file, if it exists."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Create the folder, readable by its owner only, unless it exists."""
        path.mkdir(mode=0o700, exist_ok=True)

    def temporary_folder(self) -> Path:
        """Create a folder where the system keeps temporary files."""
        return Path(tempfile.mkdtemp(prefix="everycall-"))

    def remove_folder(self, path: Path) -> None:
        """Remove the folder if it is empty."""
        with suppress(OSError):
            path.rmdir()

    def files(self, folder: Path) -> list[Path]:
        """The files in the folder."""
        return list(folder.iterdir())

    def exists(self, path: Path) -> bool:
        """Whether the name is taken, readable or not."""
        return path.exists()

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder of that name."""
        return path.is_dir()

    def is_link(self, path: Path) -> bool:
        """Whether the name is a symbolic link."""
        return path.is_symlink()

    def is_writable(self, folder: Path) -> bool:
        """Whether this process may create files in the folder."""
        return os.access(folder, os.W_OK | os.X_OK)

    def size(self, path: Path) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        try:
            return path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lock(self, path: Path, output: str) -> Lock:
        """Lock the output, by a lock file at `path`."""
        return Lock(path, output)


class FleetingFilesystem(SystemFilesystem):
    """The filesystem of this machine, for files that nobody needs after a power cut."""

    def sync(self, file: File) -> None:
        """Pass the content to the system, without waiting for the disk."""
        file.flush()
