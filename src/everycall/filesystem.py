"""What an export does to a filesystem: few effects, all of them here, so that a test can hand in a disk that forgets.

The promises that it rests on are few, too. What a file held is there after a power cut once the file was synced; what
it is called, once its folder was. A `replace` is done whole or not at all. Nothing else is believed in.
"""

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol, Self, cast

from everycall.lock import Lock


class File(Protocol):
    """An open file; as a context manager it closes itself."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take in all of the data, perhaps into a buffer."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end; all without a number."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to so many bytes from the beginning."""
        ...

    def flush(self) -> None:
        """Hand what is buffered to the system: the end of this process cannot lose it any more."""
        ...

    def close(self) -> None:
        """Flush, and let go."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Held(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Let it go; once is enough, and twice does no harm."""
        ...


class Filesystem(Protocol):
    """Files and folders. Everything may raise an `OSError`."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        """The file, to read it, to write it anew, or to write on at its end."""
        ...

    def read(self, path: Path) -> bytes:
        """All that the file holds."""
        ...

    def sync(self, file: File) -> None:
        """Return once a power cut cannot lose what was written to the file."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return once a power cut cannot lose what was made, renamed and removed in the folder."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give the file another name, in one step; whatever had that name is gone, but for its permissions."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove the file, if it is there."""
        ...

    def make_folder(self, path: Path) -> None:
        """Make the folder, if it is not there."""
        ...

    def temporary_folder(self) -> Path:
        """A new folder that nobody else uses."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove the folder if it is empty."""
        ...

    def files(self, folder: Path) -> list[Path]:
        """What is in the folder, in no particular order."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether there is a file or a folder of that name."""
        ...

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder of that name."""
        ...

    def is_link(self, path: Path) -> bool:
        """Whether the name is a symbolic link."""
        ...

    def is_writable(self, folder: Path) -> bool:
        """Whether files can be made in the folder."""
        ...

    def size(self, path: Path) -> int | None:
        """Of the file in bytes; None where there is none."""
        ...

    def lock(self, path: Path, what: Path) -> Held:
        """Take the lock that this file is; see `lock.Lock`."""
        ...


class SystemFilesystem(Filesystem):
    """The machine's file system."""

    def __init__(self, file_mode: int = 0o600) -> None:
        """New files get these permissions; a file that replaces another keeps that one's."""
        self._file_mode = file_mode

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> File:
        """Open the file; see `Filesystem.open`."""

        def opener(name: str, flags: int) -> int:
            return os.open(name, flags, self._file_mode)

        return cast("File", open(path, mode, opener=opener))

    def read(self, path: Path) -> bytes:
        """All that the file holds."""
        return path.read_bytes()

    def sync(self, file: File) -> None:
        """Return once the system has the file on disk."""
        file.flush()
        os.fsync(file.fileno())  # type: ignore[attr-defined]  # it is one of ours, from `open`

    def sync_folder(self, folder: Path) -> None:
        """Return once the system has the folder on disk. Windows cannot do that, and need not."""
        if sys.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(self, source: Path, target: Path) -> None:
        """Rename the file over the other, after giving it the other's permissions."""
        with suppress(FileNotFoundError):
            source.chmod(stat.S_IMODE(target.stat().st_mode))
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove the file, if it is there."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Make the folder for its owner alone, if it is not there."""
        path.mkdir(mode=0o700, exist_ok=True)

    def temporary_folder(self) -> Path:
        """A new folder where the system keeps temporary files."""
        return Path(tempfile.mkdtemp(prefix="everycall-"))

    def remove_folder(self, path: Path) -> None:
        """Remove the folder if it is empty."""
        with suppress(OSError):
            path.rmdir()

    def files(self, folder: Path) -> list[Path]:
        """What is in the folder."""
        return list(folder.iterdir())

    def exists(self, path: Path) -> bool:
        """Whether the name is taken, by what can be read or not."""
        return path.exists()

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder of that name."""
        return path.is_dir()

    def is_link(self, path: Path) -> bool:
        """Whether the name is a symbolic link."""
        return path.is_symlink()

    def is_writable(self, folder: Path) -> bool:
        """Whether this process may make files in the folder."""
        return os.access(folder, os.W_OK | os.X_OK)

    def size(self, path: Path) -> int | None:
        """Of the file in bytes; None where there is none."""
        return path.stat().st_size if path.exists() else None

    def lock(self, path: Path, what: Path) -> Lock:
        """Take the lock; see `lock.Lock`."""
        return Lock(path, what)
