"""What is logged, through Python's `logging`, under the logger `everycall`. Nothing is printed without a handler.

    request    DEBUG    method, path template, status, seconds, correlation id of one request
    login      INFO     a new token
    retry      WARNING  a request that is sent again, or that waits because of a 429
    started, window, notice, finished    INFO, or WARNING for a window that is not proven

Each record has the attribute `event`, and the fields of the event as attributes; `fields_of` returns them. No record
has a query string, a body, a secret or personal data: paths come without ids, and errors of queries without their text.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

LOG = logging.getLogger("everycall")
LOG.addHandler(logging.NullHandler())

STATIC = re.compile(r"[a-z.]+|v2")
"""The fixed parts of the API's paths; everything else in a path is an id."""


def path_template(path: str) -> str:
    """A path without ids: `/api/v2/analytics/conversations/details/jobs/{id}/results`."""
    parts = path.split("/")
    return "/".join(
        part if not part or (STATIC.fullmatch(part) and not _is_job(parts, at)) else "{id}"
        for at, part in enumerate(parts)
    )


def _is_job(parts: list[str], at: int) -> bool:
    return at > 0 and parts[at - 1] == "jobs" and parts[at] != "availability"


def log(level: int, event: str, message: str, **fields: Any) -> None:
    """Log an event with its fields."""
    if LOG.isEnabledFor(level):
        LOG.log(level, "%s", message, extra={"event": event, "event_fields": fields})


def event_of(record: logging.LogRecord) -> str:
    """The event of a record; `message` for one that is not ours."""
    event: str = getattr(record, "event", "message")
    return event


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """The fields of the event."""
    fields: Mapping[str, Any] = getattr(record, "event_fields", {})
    return fields
