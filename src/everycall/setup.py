"""What a run is put together from: the caller's options, and what tests put in the place of the machine's."""

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
from everycall.manifest import Header
from everycall.progress import Progress, Silent
from everycall.sinks.csv import CsvSink
from everycall.sinks.interface import Sink
from everycall.tables.flat import FlatTable

IN_FLIGHT_DEFAULT = 40
"""Requests under way at once: enough to spend a minute's 300 in a few seconds at a latency of half a second."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to export; what to export is the query's business."""

    asked: Mapping[str, Any] | None = None
    """The query in the caller's terms (`{"last": "7d"}`), where the interval moves with the clock. A second run with
    the same terms continues with the first one's interval."""
    source: str = ""
    """What the manifest calls the org; the host unless given."""
    fresh: bool = False
    """Start over, whatever the output or an unfinished run of it holds."""
    page_size: int = PAGE_SIZE_MAX
    """Conversations on a page, at most 100."""
    max_pages: int | None = None
    """A safety stop. What was not read by then makes the export unproven."""
    workers: int = 0
    """Processes that load parts beside this one; 0 loads them in a thread of this one."""
    kept_from: datetime | None = None
    """When the org's retention begins, where that is known: windows before it are never called proven."""
    is_as_asked: Callable[[Header], bool] | None = None
    """Whether the interval of an unfinished export is the one that its `asked` meant when it began; None for who cannot
    tell. One that is not is not continued."""
    file_mode: int = 0o600
    """Permissions of new files. A file that is replaced keeps its own."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an export runs on. Tests replace these; the defaults are the machine's."""

    executor: Executor | None = None
    """Who asks: threads."""
    filesystem: Filesystem | None = None
    route: Callable[..., Route[WindowReading]] = DetailsQuery
    proof: Callable[..., Reading] = Reading
    part: Callable[[Path, Filesystem], PartWriter] = PartWriter
    sink: Callable[..., Sink] = CsvSink
    ledger: Callable[..., Ledger] = Ledger
    loader: Callable[..., Loader] = Loader


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run is put together from."""

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
        """Who loads parts: this process, or others beside it."""
        options = self.options
        if options.workers:
            return Workers([column.name for column in self.table.columns], options.file_mode, options.workers)
        return self.environment.loader(self.table, self.sink, self.filesystem)
