"""Which jobs are under way, in small files beside the parts: a process that was killed leaves them to the next one.

A note is a line about the job, and a line for each page of its results that came. A page stands in the window's part as
it came, so its line says where, and its SHA-256; a page without conversations stands in the line itself. Neither is
synced: the checksum shows whether a page is whole, and reading goes on after the last one that is.

A note is a hint and no more. One that is lost, cut short or of a job that has expired costs requests.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec

from everycall.acquire.details_job import Noted, NotedPage
from everycall.api.query import Interval
from everycall.filesystem import Filesystem

SUFFIX = ".job"
"""Of the notes' names."""

PART, OLD_PART = ".part", ".part.old"
"""Of a window's part; and of the one that an earlier process has left unfinished."""


class _Note(msgspec.Struct, rename="camel"):
    job_id: str
    complete_before: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Page(msgspec.Struct, rename="camel", omit_defaults=True):
    is_zipped: bool
    sha256: str
    offset: int = 0
    length: int = 0
    """In the part; 0 where `content` has the page."""
    content: bytes = b""

    @classmethod
    def of(cls, page: NotedPage, offset: int | None) -> "_Page":
        """The line of a page that stands in the part at `offset`, or nowhere else."""
        digest = sha256(page.content).hexdigest()
        if offset is None:
            return cls(page.is_zipped, digest, content=page.content)
        return cls(page.is_zipped, digest, offset, len(page.content))


class FileNotes:
    """One file for each window that has a job; see `details_job.Notes`."""

    def __init__(self, path: Callable[[Interval, str], Path], filesystem: Filesystem) -> None:
        """`path` says where the window's file of a kind belongs."""
        self._path, self._filesystem = path, filesystem
        self._written: dict[Interval, int] = {}
        """Bytes in the part of each window that is being read, by jobs that are read in this process."""
        self._left: dict[Interval, list[_Page]] = {}
        """Pages that an earlier process has left."""

    def job(self, window: Interval) -> Noted | None:
        """The window's job, where one is noted. An unfinished part of an earlier process is put aside."""
        self._written[window] = 0
        try:
            first, *others = self._filesystem.read(self._path(window, SUFFIX)).split(b"\n")
            note = msgspec.json.decode(first, type=_Note)
        except (OSError, ValueError):
            return None
        self._left[window] = list(_pages(others))
        with suppress(OSError):
            self._filesystem.unlink(self._path(window, OLD_PART))
            self._filesystem.replace(self._path(window, PART), self._path(window, OLD_PART))
        return Noted(note.job_id, note.complete_before)

    def keep(self, window: Interval, job: Noted) -> None:
        """Note the job, and no page of it.

        Raises:
            OSError: the disk is full, for example.
        """
        with self._filesystem.open(self._path(window, SUFFIX), "wb") as file:
            file.write(msgspec.json.encode(_Note(job.job_id, job.complete_before)) + b"\n")

    def add_page(self, window: Interval, page: NotedPage, *, is_in_part: bool) -> None:
        """Note that the job's next page came. The part need not have it yet.

        Raises:
            OSError: the disk is full, for example.
        """
        offset = self._written.get(window, 0)
        line = _Page.of(page, offset if is_in_part else None)
        if is_in_part:
            self._written[window] = offset + len(page.content)
        with self._filesystem.open(self._path(window, SUFFIX), "ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    def pages(self, window: Interval) -> Iterator[NotedPage]:
        """The pages that an earlier process has noted, in order, up to the first that is not whole."""
        path = self._path(window, OLD_PART)
        for line in self._left.pop(window, []):
            page = self._read(line, path)
            if page is None:
                break
            yield page
        with suppress(OSError):
            self._filesystem.unlink(path)

    def _read(self, line: _Page, path: Path) -> NotedPage | None:
        """The page of a line; None where it is not whole."""
        content = line.content
        if line.length:
            try:
                with self._filesystem.open(path, "rb") as part:
                    part.seek(line.offset)
                    content = part.read(line.length)
            except OSError:
                return None
        return NotedPage(content, line.is_zipped) if sha256(content).hexdigest() == line.sha256 else None

    def drop(self, window: Interval) -> None:
        """The note is of no use any more."""
        self._left.pop(window, None)
        for suffix in (SUFFIX, OLD_PART):
            with suppress(OSError):
                self._filesystem.unlink(self._path(window, suffix))


def _pages(lines: Sequence[bytes]) -> Iterator[_Page]:
    """The lines of pages, up to the first that was not written to its end."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=_Page)
        except ValueError:
            return
