"""The setup of a run: the caller's options, and the environment, which tests replace."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from everycall.acquire.details_query import DetailsQuery
from everycall.acquire.part import PartWriter
from everycall.acquire.proof import Reading
from everycall.acquire.route import Route, WindowReading
from everycall.api.limits import PAGE_SIZE_MAX
from everycall.client import Client
from everycall.executor import Executor, ThreadExecutor
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.ledger import Ledger
from everycall.load.load import Loader
from everycall.load.workers import Workers
from everycall.pacing import IN_FLIGHT_BEST
from everycall.progress import Progress, Silent
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Sink
from everycall.tables.flat import FlatTable

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
    file_mode: int = 0o600
    """Permissions of new files. A replaced file keeps its own."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an export runs on. Tests replace these parts."""

    executor: Executor | None = None
    """Sends requests concurrently; by default in threads."""
    filesystem: Filesystem | None = None
    route: Callable[..., Route[WindowReading]] = DetailsQuery
    proof: Callable[..., Reading] = Reading
    part: Callable[[Path, Filesystem], PartWriter] = PartWriter
    sink: Callable[..., Sink] = CsvSink
    ledger: Callable[..., Ledger] = Ledger
    loader: Callable[..., Loader] = Loader


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that a run needs beside its query and its store."""

    client: Client
    table: FlatTable
    sink: Sink
    options: Options
    progress: Progress
    environment: Environment
    executor: Executor
    filesystem: Filesystem
    started_at: datetime

    @classmethod
    def of(
        cls, client: Client, table: FlatTable, options: Options, progress: Progress | None, environment: Environment
    ) -> "Setup":
        """The setup of a run that starts now."""
        filesystem = environment.filesystem or SystemFilesystem(options.file_mode)
        return cls(
            client,
            table,
            environment.sink(table.columns, filesystem),
            options,
            progress or Silent(),
            environment,
            environment.executor or ThreadExecutor(IN_FLIGHT_DEFAULT),
            filesystem,
            client.clock.utc(),
        )

    def loader(self) -> Loader | Workers:
        """What loads parts: this process, or worker processes."""
        options = self.options
        if options.workers:
            return Workers([column.name for column in self.table.columns], options.file_mode, options.workers)
        return self.environment.loader(self.table, self.sink, self.filesystem)
