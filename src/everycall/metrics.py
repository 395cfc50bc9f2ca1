"""The metrics of one command in the text form of Prometheus, out of what is logged.

A file for the textfile collector of Prometheus's node exporter. It is replaced in one step when the command ends.
"""

import logging
from pathlib import Path
from typing import Any

from everycall.errors import OutputFailed, SettingsError
from everycall.logs import event_of, fields_of


class Metrics(logging.Handler):
    """Counts events, and writes them as metrics."""

    def __init__(self, path: Path, command: str, started_s: float) -> None:
        """`started_s` is in epoch seconds.

        Raises:
            SettingsError: prometheus-client is not installed, or the folder of the file does not exist.
        """
        super().__init__(logging.DEBUG)
        if not path.parent.is_dir():
            raise SettingsError(f"{path.parent} is not a folder.", hint="Choose another file with --metrics-file.")
        client = _library()
        client.disable_created_metrics()
        self._write = client.write_to_textfile
        self._path = path
        self._started_s = started_s
        self.registry = client.CollectorRegistry()

        def metric(kind: Any, name: str, about: str, *labels: str) -> Any:
            made = kind(f"everycall_{name}", about, ("command", *labels), registry=self.registry)
            return made if labels else made.labels(command)

        self._command = command
        self._requests = metric(client.Counter, "requests", "Requests sent.", "method", "path", "status")
        self._seconds = metric(client.Summary, "request_duration_seconds", "From request to answer.", "path")
        self._retries = metric(client.Counter, "retries", "Requests that were sent again, or waited after a 429.")
        self._logins = metric(client.Counter, "logins", "Tokens asked for.")
        self._windows = metric(client.Gauge, "windows", "Windows by verdict.", "verdict")
        self._rows = metric(client.Gauge, "rows", "Rows of the windows that were read.")
        self._exit_code = metric(client.Gauge, "exit_code", "Exit code of the last run.")
        self._took = metric(client.Gauge, "duration_seconds", "How long the last run took.")
        self._ended = metric(client.Gauge, "last_run_timestamp_seconds", "When the last run ended.")

    def emit(self, record: logging.LogRecord) -> None:
        """Count an event."""
        fields, event = fields_of(record), event_of(record)
        if event == "request":
            self._requests.labels(self._command, fields["method"], fields["path"], str(fields["status"])).inc()
            self._seconds.labels(self._command, fields["path"]).observe(fields["seconds"])
        elif event == "window":
            self._windows.labels(self._command, "proven" if fields["proven"] else "unproven").inc()
            self._rows.inc(fields["rows"])
        elif event == "retry":
            self._retries.inc()
        elif event == "login":
            self._logins.inc()

    def write(self, code: int, ended_s: float) -> None:
        """Write the file, as the command ends with this exit code.

        Raises:
            OutputFailed: it cannot be written.
        """
        self._exit_code.set(code)
        self._took.set(round(ended_s - self._started_s, 3))
        self._ended.set(round(ended_s, 3))
        try:
            self._write(str(self._path), self.registry)
        except OSError as error:
            raise OutputFailed(
                f"{self._path} cannot be written: {error.strerror}.", hint="Choose another file with --metrics-file."
            ) from error


def _library() -> Any:
    try:
        import prometheus_client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            "--metrics-file needs the package prometheus-client, which is not installed.",
            hint="Run pip install 'everycall[metrics]'.",
        ) from error
    return prometheus_client
