"""The setup of a run: the caller's options, and the environment, which tests replace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from everycall.acquire.auto import AutoRoute
from everycall.acquire.costs import JOBS_AT_A_TIME_DEFAULT
from everycall.acquire.details_job import DetailsJobs, JobReading
from everycall.acquire.details_query import DetailsQuery
from everycall.acquire.notes import FileNotes
from everycall.acquire.part import PartWriter
from everycall.acquire.proof import Reading
from everycall.acquire.route import Route, WindowReading
from everycall.api import jobs
from everycall.api.limits import PAGE_SIZE_MAX, RATE_PER_MINUTE
from everycall.api.organization import organization_id
from everycall.api.query import Interval, Query
from everycall.client import Client
from everycall.executor import Executor, ThreadExecutor
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.ledger import Ledger
from everycall.load.load import Loader
from everycall.pacing import IN_FLIGHT_BEST
from everycall.privacy import Redaction, Redactor
from everycall.progress import Noticed, Progress, Silent
from everycall.sinks.forms import TABLES, FormMaker
from everycall.sinks.interface import Form
from everycall.sinks.style import PLAIN, Style
from everycall.tables.flat import FlatTable

if TYPE_CHECKING:
    from everycall.load.workers import Workers

RouteName = Literal["query", "jobs", "auto"]
"""query: the details query, fresh, 100 conversations a request. jobs: details jobs, 1,000 a request, hours behind.
auto: the query where it reads all within a minute of the rate limit; else jobs where they are complete and take fewer
requests, and the query for the rest."""

IN_FLIGHT_DEFAULT = IN_FLIGHT_BEST
"""Concurrent requests: enough to use up a minute's 300 in a few seconds, also at a latency of two seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to export; the query says what."""

    asked: Mapping[str, Any] | None = None
    """The query in the caller's terms, such as `{"last": "7d"}`, if its interval moves with the clock. A second run
    with the same terms continues with the interval of the first. Terms of the command line (`interval`, `last`,
    `since`, `until`, `timezone`, `settled`) have to name the query's interval; others are the caller's own."""
    source: str = ""
    """The name of the org in the manifest; by default its host."""
    fresh: bool = False
    """Start over, and replace the output and any unfinished run of it."""
    page_size: int = PAGE_SIZE_MAX
    """Conversations on a page, at most 100."""
    max_pages: int | None = None
    """A safety stop: windows that it leaves unread make the export unproven."""
    workers: int = 0
    """Processes that load parts; 0 loads them in a thread of this process."""
    kept_from: datetime | None = None
    """When the org's retention begins, if known: windows before that are never proven."""
    route: RouteName = "auto"
    """By which of the API's ways. Rows are the same, so an unfinished export may be continued by another one. Where a
    column is an attribute, it is always "jobs": nothing else brings those."""
    by_day: bool = False
    """Read each UTC day as a window of its own, so that it can be replaced without the others."""
    file_mode: int = 0o600
    """Permissions of new files. A replaced file keeps its own."""
    style: Style = PLAIN
    """How values look in flat rows: the times, and texts that a spreadsheet would take for formulas."""
    redaction: Redaction | None = None
    """Which personal data every output is without."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an export runs on. Tests replace these parts."""

    executor: Executor | None = None
    """Sends requests concurrently; by default in threads."""
    filesystem: Filesystem | None = None
    route: Callable[..., Route[WindowReading]] = DetailsQuery
    proof: Callable[..., Reading] = Reading
    job_reading: Callable[[DetailsJobs, Interval], JobReading] = JobReading
    auto: Callable[..., AutoRoute] = AutoRoute
    part: Callable[[Path, Filesystem], PartWriter] = PartWriter
    forms: Callable[..., FormMaker] = FormMaker
    ledger: Callable[..., Ledger] = Ledger
    loader: Callable[..., Loader] = Loader


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that a run needs beside its query and its store."""

    client: Client
    table: FlatTable
    maker: FormMaker
    options: Options
    progress: Progress
    environment: Environment
    executor: Executor
    filesystem: Filesystem
    started_at: datetime

    @classmethod
    def of(
        cls,
        client: Client,
        table: FlatTable,
        options: Options,
        progress: Progress | None,
        environment: Environment,
    ) -> "Setup":
        """The setup of a run that starts now."""
        filesystem = environment.filesystem or SystemFilesystem(options.file_mode)
        return cls(
            client,
            table,
            environment.forms(table.columns, filesystem, cache(lambda: client.play(organization_id())), options.style),
            options,
            progress or Silent(),
            environment,
            environment.executor or ThreadExecutor(IN_FLIGHT_DEFAULT),
            filesystem,
            client.clock.utc(),
        )

    @property
    def redactor(self) -> Redactor | None:
        """What replaces personal data; None if nothing is replaced."""
        return Redactor(self.options.redaction) if self.options.redaction else None

    def loader(self, forms: Sequence[Form]) -> "Loader | Workers":
        """What loads parts into these forms: this process, or worker processes."""
        options = self.options
        if options.workers:
            from everycall.load.workers import Work, Workers  # noqa: PLC0415 - it loads multiprocessing

            columns = tuple(column.name for column in self.table.columns)
            names = tuple(form.name for form in forms)
            org = self.maker.organization_id() if TABLES in names else ""
            work = Work(columns, names, options.file_mode, org, options.style, options.redaction)
            return Workers(work, options.workers)
        return self.environment.loader(self.table, forms, self.filesystem, self.redactor)

    def route(self, query: Query, path: Callable[[Interval, str], Path]) -> Route[WindowReading]:
        """The way that the options ask for; for jobs alone, the API is asked until when their data is complete.

        Args:
            query: what is exported.
            path: where a window's file of a kind belongs.

        Raises:
            AccessError, QueryError: the org has no jobs, or not for this client; with "auto" that is only noticed,
                once jobs would be worth it.
            ServiceError: as the client.
        """
        options, environment = self.options, self.environment
        by_query = environment.route(query, page_size=options.page_size, proof=environment.proof)
        if self.table.attributes or options.route == "jobs":
            complete_until = self.client.play(jobs.availability())
            return self._jobs(query, path, complete_until, self.client.play(jobs.jobs_at_a_time()))
        if options.route == "query":
            return by_query
        return environment.auto(
            by_query,
            lambda usable: self._jobs(query, path, usable.complete_until, usable.at_a_time, falls_back=True),
            allowed=lambda: self.client.counts().allowed or RATE_PER_MINUTE,
            notice=self._notice_unusable,
        )

    def _jobs(
        self,
        query: Query,
        path: Callable[[Interval, str], Path],
        complete_until: datetime | None,
        at_a_time: int | None,
        *,
        falls_back: bool = False,
    ) -> DetailsJobs:
        """The route of jobs: as many at the same time as ours, or fewer where the org says so."""
        return DetailsJobs(
            query,
            complete_until=complete_until,
            jobs_max=min(JOBS_AT_A_TIME_DEFAULT, at_a_time or JOBS_AT_A_TIME_DEFAULT),
            falls_back=falls_back,
            query_page_size=self.options.page_size,
            notice=self._notice_unusable,
            notes=FileNotes(path, self.filesystem),
            reading=self.environment.job_reading,
        )

    def _notice_unusable(self, reason: str) -> None:
        self.progress.report(Noticed(f"Jobs cannot be used ({reason}); the details query reads all."))
