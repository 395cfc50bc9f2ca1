"""Writes the log and the metrics of a command, as its options say."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from everycall.cli import INTERRUPTED
from everycall.cli.display import Display
from everycall.cli.exit_codes import EXIT_CODES, FAILED_HERE
from everycall.cli.options import Logs
from everycall.errors import EverycallError, OutputRefused, QueryError
from everycall.logs import LOG, event_of, fields_of, log
from everycall.metrics import Metrics
from everycall.printable import printable
from everycall.version import VERSION


def run_logged(logs: Logs, command: str, display: Display, run: Callable[[], int]) -> int:
    """Run a command with its log and metrics, and return its exit code.

    Raises:
        SettingsError, OutputRefused: the log or the metrics cannot be written.
    """
    with _handlers(logs, command, display) as metrics:
        log(logging.INFO, "command", f"everycall {VERSION} {command}", command=command, version=VERSION)
        code = FAILED_HERE
        try:
            code = run()
        except BaseException as error:
            code = _failed(error)
            raise
        finally:
            level = logging.INFO if code == 0 else logging.ERROR
            log(level, "exit", f"everycall {command} ends with exit code {code}", command=command, exit_code=code)
            if metrics is not None:
                metrics.write(code, time.time())
    return code


@contextmanager
def _handlers(logs: Logs, command: str, display: Display) -> Iterator[Metrics | None]:
    """The handlers of the options, while the block runs."""
    formatter = _Json() if logs.log_format == "json" else _Text()
    handlers: list[logging.Handler] = []
    if logs.log_file:
        handlers.append(_LogFile(Path(logs.log_file), logging.DEBUG if logs.trace else logging.INFO))
    if logs.verbose or (logs.trace and not logs.log_file):
        is_trace = logs.trace and not logs.log_file
        handlers.append(_StandardError(display, logging.DEBUG if is_trace else logging.INFO))
    metrics = Metrics(Path(logs.metrics_file), command, time.time()) if logs.metrics_file else None
    for handler in handlers:
        handler.setFormatter(formatter)
    every = [*handlers, metrics] if metrics is not None else handlers
    before = LOG.level, LOG.propagate
    LOG.propagate = False
    LOG.setLevel(min((handler.level for handler in every), default=logging.CRITICAL))
    for handler in every:
        LOG.addHandler(handler)
    try:
        yield metrics
    finally:
        for handler in every:
            LOG.removeHandler(handler)
            handler.close()
        LOG.setLevel(before[0])
        LOG.propagate = before[1]


def _failed(error: BaseException) -> int:
    """Log an error, and return the exit code that it leads to. What a query error quotes may be personal data."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    name = type(error).__name__
    text = "" if isinstance(error, QueryError) or not isinstance(error, EverycallError) else f": {error}"
    correlation_id = error.correlation_id if isinstance(error, EverycallError) else ""
    log(logging.ERROR, "error", f"{name}{text}", error=name, correlation_id=correlation_id)
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED_HERE)


class _LogFile(logging.StreamHandler):  # type: ignore[type-arg]
    """Appends to a file that only its owner can read. A disk that is full costs log lines, and no export."""

    def __init__(self, path: Path, level: int) -> None:
        try:
            stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
        except OSError as error:
            raise OutputRefused(
                f"{path} cannot be written: {error.strerror}.", hint="Choose another file with --log-file."
            ) from error
        super().__init__(stream)
        self.setLevel(level)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore the error."""

    def close(self) -> None:
        """Close the file."""
        super().close()
        try:
            self.stream.close()
        except OSError:
            self.handleError(logging.makeLogRecord({}))


class _StandardError(logging.Handler):
    """Prints above the progress bar."""

    def __init__(self, display: Display, level: int) -> None:
        super().__init__(level)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        self._display.print(self.format(record))


class _Text(logging.Formatter):
    """`2026-01-05T08:00:00.000Z INFO    message`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return f"{_time(record)} {record.levelname:<7} {printable(record.getMessage())}"


class _Json(logging.Formatter):
    """One JSON object: time, level, event, message, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": event_of(record),
            "message": printable(record.getMessage()),
            **{name: value for name, value in fields_of(record).items() if value != ""},
        }
        return json.dumps(line, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
