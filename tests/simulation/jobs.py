"""The same life with the routes of jobs: lag, caps, expiry, lost cursors, kills at each step, two jobs at once.

What is promised of a window that a job has read is checked by the same judge, but for the versions of its rows, which
are those of the data lake. Beside that, a window is only called proven where the lake was complete up to its end, and
where nothing goes wrong any more, it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import msgspec

from everycall import Interval, Summary, export
from everycall.acquire.auto import AutoRoute
from everycall.acquire.costs import Cost
from everycall.acquire.details_job import DetailsJobs, JobAsk, JobReading
from everycall.acquire.details_query import DetailsQuery
from everycall.acquire.route import FoundPage
from everycall.api.exchange import Response
from everycall.manifest import Entry
from everycall.sandbox import JOBS, Sandbox, Switches
from everycall.sandbox.answers import Request
from everycall.sandbox.faults import Fault
from everycall.setup import Environment, Options

from .disk import MANIFEST
from .oracle import (
    check,
    check_numbers,
    check_rows,
    check_tiling,
    check_values,
    check_whole,
    is_miscounted,
    ms,
    parts,
)
from .wire import Trouble
from .world import COLUMNS, SOUND, Life, Outcome

READ_PAGES = (2, 4, 10, 1000)

UNPROVABLE = ("results of a job only", "let no job in")
"""Reasons that stay though nothing goes wrong any more: more start in one instant than a job may bring; a job of a
process that was killed, and that nobody knows of, runs for ever and takes the only place."""


@dataclass
class JobTrouble(Trouble):
    """What goes wrong with jobs beside all else."""

    job_rate: float = 0.0
    repeats_cursors: bool = False
    """Whether the results of each job repeat a cursor once, however calm it is."""
    repeated: set[str] = field(default_factory=set)
    """The results that have done so."""

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        super().calm()
        self.job_rate = 0.0

    def striking(self, request: Request) -> list[Fault]:
        """The faults that strike this request."""
        struck = super().striking(request)
        if request.path == JOBS and request.method == "POST":
            struck += self._hidden() + self._of_job()
        if request.path.endswith("/results"):
            struck += self._of_results() + self._repeated(request)
        self.last = struck
        return struck

    def _hidden(self) -> list[Fault]:
        return [Fault("unseen", {"conversation_id": one}) for one in self.world.hidden(self.clock.now_ms)]

    def _of_job(self) -> list[Fault]:
        if self.rng.random() >= self.job_rate:
            return []
        kinds = ["job_failed", "job_expired", "job_cancelled", "job_gone", "job_stuck", "job_slow", "unseen"]
        kind = self.rng.choice(kinds)
        if kind != "unseen":
            return [Fault(kind, {})]
        conversations = self.world.conversations
        return [Fault(kind, {"conversation_id": self.rng.choice(conversations).id})] if conversations else []

    def _repeated(self, request: Request) -> list[Fault]:
        if not self.repeats_cursors or request.path in self.repeated or not request.parameter("cursor"):
            return []
        self.repeated.add(request.path)
        return [Fault("repeated_cursor", {})]

    def _of_results(self) -> list[Fault]:
        if self.rng.random() >= self.content_rate:
            return []
        kind = self.rng.choice(["short_page", "duplicates", "repeated_cursor", "new_field"])
        return [Fault(kind, {"rows": self.rng.randint(1, 3)} if kind in ("short_page", "duplicates") else {})]


@dataclass
class JobsLife(Life):
    """One seed's world, whose export takes jobs."""

    reading: Callable[[DetailsJobs, Interval], JobReading] = field(default=JobReading, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        rng = self.rng
        self.trouble.__class__ = JobTrouble
        self.trouble.job_rate, self.trouble.repeated = 0.0, set()  # type: ignore[attr-defined]
        self.trouble.repeats_cursors = rng.random() < 0.2  # type: ignore[attr-defined]
        self.route: Literal["jobs", "auto"] = rng.choice(["jobs", "jobs", "auto"])
        self.read_page = rng.choice(READ_PAGES)
        self.is_eager = rng.random() < 0.7
        """Whether "auto" finds jobs worth it whatever they cost."""

    def _sandbox(self) -> Sandbox:
        rng = self.rng
        self.lag_s = rng.choice([0.0, 3600.0, 36_000.0, 172_800.0])
        switches = Switches(
            empty_answer=rng.choice(["{}", "totalHits", "empty list"]),
            data_lake_lag_s=self.lag_s,
            job_takes_s=rng.choice([0.0, 3.0, 3.0, 40.0]),
            job_expires_s=rng.choice([600.0, 86_400.0]),
            job_expired=rng.choice(["EXPIRED", "404"]),
            job_expiration_date=rng.choice(["always", "once expired"]),
            job_interval_days_max=rng.choice([31, 31, 7, 1]),
            jobs_at_a_time_max=rng.choice([0, 0, 1, 2]),
            jobs_per_second_max=rng.choice([0, 0, 1]),
            job_unknown_s=rng.choice([0.0, 0.0, 5.0]),
            job_results_late_s=rng.choice([0.0, 0.0, 5.0]),
            job_results_max=rng.choice([0, 0, 0, 30]),
            job_cursor=rng.choice(["again", "once"]),
            job_empty_pages=rng.random() < 0.3,
            job_status_unfinished=rng.choice([200, 202]),
            job_results_early=rng.choice(["404", "400", "empty"]),
            job_empty_results=rng.choice(["missing", "{}", "empty list"]),
            job_page_size_max=rng.choice([10_000, 3]),
            job_page_size_over_limit=rng.choice(["clamp", "refuse"]),
            job_finished_deleted=rng.choice(["stays", "results gone", "gone"]),
        )
        return Sandbox(
            self.world, now=self.clock.now, monotonic=self.clock.monotonic, faults=self.trouble, switches=switches,
            rate_limit=rng.choice([20, 300, 5000]),
        )  # fmt: skip

    def arm(self, *, is_calm: bool) -> None:
        """Draw what goes wrong in the next run."""
        super().arm(is_calm=is_calm)
        if not is_calm:
            self.trouble.job_rate = self.rng.choice([0.0, 0.1, 0.4])  # type: ignore[attr-defined]

    def begin_reading(self, route: DetailsJobs, window: Interval) -> JobReading:
        """Windows of other sizes, and smaller pages, than one would take in earnest."""
        route.hits_max = max(2, self.hits_max)
        route.page_size = route.page_size and min(route.page_size, self.read_page)
        return self.reading(route, window)

    def command(self, output: Sequence[Path] | BytesIO, *, fresh: bool, columns: Any = COLUMNS) -> Summary:
        """The same command, in a new process."""
        client = self.process()
        self.complete_until = self.lake()
        end = self.clock.utc() if self.is_moving else self.end
        query = self.planted.query(Interval(self.start, end), match=self.match)
        options = Options(
            asked={"since": "then"} if self.is_moving else None, fresh=fresh, page_size=self.page_size,
            max_pages=self.max_pages, route=self.route,
        )  # fmt: skip
        return export(
            client, query, output, columns=columns, options=options, progress=self, environment=self.environment
        )

    def are_jobs_worth_it(self, query: Cost, jobs: Cost, allowed: float) -> bool:  # noqa: ARG002
        """As in earnest, but without a look at the time, which a world so small never takes."""
        return self.is_eager or jobs.requests < query.requests

    def lake(self) -> datetime:
        """Until when the data lake is complete."""
        return (self.clock.utc() - timedelta(seconds=self.lag_s)).astimezone(UTC)

    @property
    def environment(self) -> Environment:
        """What the next run stands on."""
        planted = self.planted
        return Environment(
            executor=self.executor, filesystem=self.filesystem, route=partial(DetailsQuery, hits_max=self.hits_max),
            proof=planted.proof, part=planted.part, forms=planted.forms, ledger=planted.ledger, loader=planted.loader,
            job_reading=self.begin_reading, auto=partial(AutoRoute, are_worth_it=self.are_jobs_worth_it),
        )  # fmt: skip

    def mend(self) -> int:
        """A repair takes the query, and is tried elsewhere."""
        return 0

    def judge(self, summary: Summary, data: bytes, *, is_repair: bool = False) -> None:  # noqa: ARG002
        """What the export says of itself, against what the org knows."""
        manifest = self.filesystem.content(MANIFEST)
        described = msgspec.json.decode(manifest) if manifest and not self.is_stream else None
        named = described and {window["interval"]: window["openConversations"] for window in described["windows"]}
        answers = self.answers([entry for entry in summary.entries if entry.correlation_ids])
        check_tiling(summary)
        for entry, rows in zip(summary.entries, parts(data, summary.entries), strict=True):
            if not entry.strays:  # one that its own day was asked for, and whose answer lost it, stands elsewhere
                check_rows(entry, rows, self.world, ms(summary.finished_at))
            check_values(entry, rows, self.world)
            if entry.correlation_ids:
                check_numbers(entry, rows, answers[entry.interval], named)
            if entry.verdict == "proven" and not is_miscounted(answers[entry.interval]):
                check_whole(entry, rows, self.world, ms(datetime.fromisoformat(entry.counted_at)))
            self.check_lake(entry)

    def check_lake(self, entry: Entry) -> None:
        """A window that a job has read is proven only where the lake was complete by then."""
        if entry.route == "jobs" and entry.verdict == "proven":
            counted = datetime.fromisoformat(entry.counted_at)
            complete = counted - timedelta(seconds=self.lag_s)
            check(entry.window.end <= complete, f"{entry.interval} is called proven, and the lake ends at {complete}")

    def check_proven(self, summary: Summary, kept: set[str], *, is_calm: bool) -> None:
        """Where nothing went wrong and nothing changed, every window is proven that can be."""
        if self.world.misfiled:
            return
        for entry in summary.entries:
            is_provable = entry.route == "query" or entry.window.end <= self.complete_until
            is_provable &= not any(reason in entry.reason for reason in UNPROVABLE)
            if is_calm and entry.interval not in kept and is_provable:
                check(entry.verdict == "proven", f"{entry.interval} is not proven: {entry.reason}")


def live(seed: int, reading: Callable[[DetailsJobs, Interval], JobReading] = JobReading) -> Outcome:
    """How a seed goes.

    Raises:
        Wrong: the promise is broken.
    """
    return JobsLife(seed, SOUND, reading=reading).live()


# Bugs that others have had, or that we might


class EmptyPageIsTheEnd(JobReading):
    """Stops at a page without conversations."""

    def _take_page(self, ask: JobAsk, answer: Response) -> FoundPage | None:
        page = super()._take_page(ask, answer)
        if page is None and self._step == "results" and self._cursor:
            self._step = "recount"
        return page


class TrustsTheLake(JobReading):
    """Takes a job beyond the watermark for complete where the numbers agree."""

    def _incomplete(self) -> str:
        return ""


class DoesNotCompare(JobReading):
    """Takes a job that was read to its end for proven."""

    def _judge(self, hits_after: int) -> None:
        if self._incomplete():
            super()._judge(hits_after)
        else:
            self._end(hits_after, "")


class LosesThePageBetween(JobReading):
    """Goes on with the next cursor without having kept the page."""

    def _found(self, answer: Response, head: Any) -> FoundPage:
        page = super()._found(answer, head)
        if self._cursor and len(self._cursors) == 2:
            del self._ids[-16 * len(page.found) :]
        return page


class RepeatedCursorIsTheEnd(JobReading):
    """Takes a cursor that it has seen for that of the last page."""

    def _read_again(self, reason: str) -> None:
        if "used before" in reason:
            self._step = "recount" if self._complete_after is not None else "availability"
        else:
            super()._read_again(reason)


class BelievesThePartIsThere(JobReading):
    """After a crash, counts the pages that came before it, and does not put them into the new part."""

    def _take_page(self, ask: JobAsk, answer: Response) -> FoundPage | None:
        page = super()._take_page(ask, answer)
        return page if ask.noted is None else None


class TrustsTheCountBefore(JobReading):
    """Does not see that the count has moved while the job was read."""

    def _judge(self, hits_after: int) -> None:  # noqa: ARG002
        super()._judge(self._hits_before)


class EarlyIsNever(JobReading):
    """Takes a 404 soon after the submission for the end of the job."""

    def _take_status(self, answer: object, asked_at: datetime) -> None:
        if not hasattr(answer, "state"):
            self._give_up("not found")
        else:
            super()._take_status(answer, asked_at)


class CapIsTheEnd(JobReading):
    """Takes the refusal of what is beyond the cap for the end of the results."""

    def _take_refused(self, ask: JobAsk, answer: Any) -> None:
        if answer.results_max is not None:
            self._step = "recount" if self._complete_after is not None else "availability"
        else:
            super()._take_refused(ask, answer)


BUGS: Mapping[str, type[JobReading]] = {
    "stop at an empty page of a job's results": EmptyPageIsTheEnd,
    "trust a job beyond the date until which the data is complete": TrustsTheLake,
    "do not compare what a job brought with the counts": DoesNotCompare,
    "trust the count before a job": TrustsTheCountBefore,
    "lose a page between two cursors": LosesThePageBetween,
    "take a repeated cursor for the end": RepeatedCursorIsTheEnd,
    "take a cap on a job's results for their end": CapIsTheEnd,
    "take a 404 soon after the submission for the end of the job": EarlyIsNever,
    "go on at a cursor without the pages before it": BelievesThePartIsThere,
}
"""By what one would call them."""
