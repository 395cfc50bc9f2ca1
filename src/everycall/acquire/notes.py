"""Which jobs are under way, in small files beside the parts: a process that was killed leaves them to the next one.

A note is a hint and no more. One that is lost, cut short or of a job that has expired costs a submission.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from everycall.acquire.details_job import Noted
from everycall.api.query import Interval
from everycall.filesystem import Filesystem

SUFFIX = ".job"
"""Of the notes' names."""


class _Note(msgspec.Struct, rename="camel"):
    job_id: str
    complete_before: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class FileNotes:
    """One file for each window that has a job; see `details_job.Notes`."""

    def __init__(self, path: Callable[[Interval, str], Path], filesystem: Filesystem) -> None:
        """`path` says where the window's file of a kind belongs."""
        self._path, self._filesystem = path, filesystem

    def job(self, window: Interval) -> Noted | None:
        """The window's job, where one is noted."""
        try:
            note = msgspec.json.decode(self._filesystem.read(self._path(window, SUFFIX)), type=_Note)
        except (OSError, ValueError):
            return None
        return Noted(note.job_id, note.complete_before)

    def keep(self, window: Interval, job: Noted) -> None:
        """Note the job. Not synced: a crash of the machine may lose it.

        Raises:
            OSError: the disk is full, for example.
        """
        with self._filesystem.open(self._path(window, SUFFIX), "wb") as file:
            file.write(msgspec.json.encode(_Note(job.job_id, job.complete_before)))

    def drop(self, window: Interval) -> None:
        """The note is of no use any more."""
        with suppress(OSError):
            self._filesystem.unlink(self._path(window, SUFFIX))
