"""A connection that logs each request: method, path template, status, duration, correlation id, and nothing else."""

import logging
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from everycall.api.exchange import Response
from everycall.connection import Connection
from everycall.logs import LOG, log, path_template
from everycall.printable import printable

CORRELATION_ID_MAX = 100
"""It is a UUID of 36 characters."""


class Traced:
    """Passes requests on, and logs them."""

    def __init__(self, connection: Connection, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._monotonic = monotonic

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        if not LOG.isEnabledFor(logging.DEBUG):
            return self._connection.send(method, url, headers, body)
        started = self._monotonic()
        response = None
        try:
            response = self._connection.send(method, url, headers, body)
        finally:
            self._log(method, url, response, self._monotonic() - started)
        return response

    def _log(self, method: str, url: str, response: Response | None, seconds: float) -> None:
        path = path_template(urlsplit(url).path)
        status = response.status if response is not None else 0
        correlation_id = printable(response.correlation_id, CORRELATION_ID_MAX) if response is not None else ""
        outcome = str(status) if status else "no answer"
        message = f"{method} {path} {outcome} {seconds:.3f} s {correlation_id}".rstrip()
        log(
            logging.DEBUG,
            "request",
            message,
            method=method,
            path=path,
            status=status,
            seconds=round(seconds, 3),
            correlation_id=correlation_id,
        )

    def close(self) -> None:
        """See `Connection.close`."""
        self._connection.close()
