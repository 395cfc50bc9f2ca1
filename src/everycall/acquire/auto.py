"""The route that chooses: jobs where they are complete and cheaper, the details query for the rest. Pure.

The *seam* is the last midnight UTC before which the jobs' data is complete. A window before it begins as one for jobs:
it is counted, and a job reads it where that takes fewer requests. What starts after the seam is read by the query, and
so is every window for which jobs did not do. A window belongs to one of the two, whole.
"""

from datetime import datetime
from typing import TypeAlias

from everycall.acquire.details_job import DetailsJobs, JobReading
from everycall.acquire.details_query import DetailsQuery, DetailsReading
from everycall.api.exchange import Exchange
from everycall.api.query import Interval
from everycall.instants import start_of_day

EitherReading: TypeAlias = DetailsReading | JobReading


def cut_at(seam: datetime | None, window: Interval) -> list[Interval]:
    """The window, in two where the seam lies within."""
    if seam is None or not window.start < seam < window.end:
        return [window]
    return [Interval(window.start, seam), Interval(seam, window.end)]


class AutoRoute:
    """Both routes as one; see `route.Route`."""

    def __init__(self, by_query: DetailsQuery, by_jobs: DetailsJobs, complete_until: datetime) -> None:
        """Stitched at the last midnight UTC at or before `complete_until`; `by_jobs` has to fall back."""
        self.seam = start_of_day(complete_until)
        self._query, self._jobs = by_query, by_jobs

    def fitting(self, window: Interval) -> list[Interval]:
        """The window cut at the seam, and each piece as its route takes it."""
        pieces = cut_at(self.seam, window)
        if len(pieces) > 1:
            return [one for piece in pieces for one in self.fitting(piece)]
        return [window] if self._is_for_jobs(window) else self._query.fitting(window)

    def read(self, window: Interval) -> EitherReading:
        """Begin to read a window."""
        return self._jobs.read(window) if self._is_for_jobs(window) else self._query.read(window)

    def _is_for_jobs(self, window: Interval) -> bool:
        left = self._jobs.by_query
        return window.end <= self.seam and not any(one.start <= window.start and window.end <= one.end for one in left)

    def find(self, day: Interval, conversation_id: str) -> Exchange[bool]:
        """Whether the details query has the conversation on that UTC day."""
        return self._query.find(day, conversation_id)

    def leftovers(self) -> list[Exchange[None]]:
        """What cancels the jobs that still run."""
        return self._jobs.leftovers()
