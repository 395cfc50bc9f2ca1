"""Makes the query from the options."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from everycall.api.asked import interval_asked
from everycall.api.filters import Filters
from everycall.api.interval import Interval
from everycall.api.limits import RETENTION
from everycall.api.names import Kind, ids_named
from everycall.api.query import Match, Query
from everycall.api.retention import RETENTION_MIN, retention
from everycall.cli.display import Display
from everycall.cli.options import When, Which
from everycall.client import Client
from everycall.errors import AccessError, QueryError, ServiceError

LAST_DEFAULT = "7d"


def query_of(when: When, which: Which, client: Client, now: datetime) -> tuple[Query, dict[str, Any]]:
    """The query, and the options that were given, by name.

    Two runs with the same options are the same export, although `--last 7d` is a different interval each time.

    Raises:
        QueryError: the options contradict each other, or the API would refuse the query.
    """
    file = filter_file(which)
    interval = interval_of(when, now, file)
    query = Query(interval, filters_of(which, client, file), cast("Match", which.match))
    return query, {**time_options(when, file), **filter_options(which)}


def check(when: When, which: Which, now: datetime) -> None:
    """Check everything that does not depend on the org, before credentials are needed and the first request is sent.

    Raises:
        QueryError: as `query_of`, except for names that the org does not have.
    """
    file = filter_file(which)
    interval_of(when, now, file)
    offline_filters(which, file)


def kept_from(query: Query, client: Client, now: datetime, display: Display) -> datetime | None:
    """When the org's retention begins, if the interval begins before that; otherwise None. Also prints a note.

    The retention is requested only if the interval is old enough that an org might not keep it.
    """
    start = query.interval.start
    kept = retention_of(client) if start < now - RETENTION_MIN else None
    if kept is not None and start < now - kept:
        display.notice(
            f"This org keeps conversations for {kept.days} days, since {now - kept:%Y-%m-%d}. Older ones may be "
            "deleted, so windows before that day cannot be proven complete."
        )
        return now - kept
    if kept is None and start < now - RETENTION:
        display.notice(
            "Part of this interval is older than 18 months: the org may answer slowly, or may have deleted it."
        )
    return None


def retention_of(client: Client) -> timedelta | None:
    """How long the org keeps conversations; None if the answer does not say, or fails.

    Raises:
        EverycallError: the login failed.
    """
    try:
        return client.play(retention())
    except (AccessError, ServiceError):
        if not client.counts().tokens:
            raise
        return None


# The interval


def time_options(when: When, file: Mapping[str, Any]) -> dict[str, str]:
    """The options that were given; without any, the interval of the filter file, or the default.

    Raises:
        QueryError: the options contradict each other.
    """
    given = {name: getattr(when, name) for name in ("last", "interval", "since", "until")}
    given = {name: value for name, value in given.items() if value is not None}
    alternatives = [f"--{name}" for name in given if name != "until"]
    if len(alternatives) > 1:
        raise _contradiction(f"{' and '.join(alternatives)} exclude each other.")
    if "until" in given and "since" not in given:
        raise _contradiction("--until needs --since.")
    given = given or ({"interval": _file_interval(file)} if "interval" in file else {"last": LAST_DEFAULT})
    if when.timezone != "UTC":
        given["timezone"] = when.timezone
    return {**given, "settled": "only"} if when.settled else given


def _contradiction(message: str) -> QueryError:
    return QueryError(message, hint="Use --last, or --interval, or --since with or without --until.")


def interval_of(when: When, now: datetime, file: Mapping[str, Any]) -> Interval:
    """The interval of the options, or of the filter file if no option names one.

    Raises:
        QueryError: the options contradict each other, or the interval is not valid or in the future.
    """
    return interval_asked(time_options(when, file), now)


def _file_interval(file: Mapping[str, Any]) -> str:
    written = file["interval"]
    if not isinstance(written, str) or not written.strip():
        raise QueryError(
            f"The interval in the filter file is {json.dumps(written)}.",
            hint='Write "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z", or leave it out and use --interval.',
        )
    return written


# The filters


def filter_options(which: Which) -> dict[str, Any]:
    """The options that were given."""
    given = {field.name: getattr(which, field.name) for field in fields(which) if field.name != "match"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}


def filter_file(which: Which) -> Mapping[str, Any]:
    """The content of the filter file; empty if the option was not given.

    Raises:
        QueryError: it cannot be read, or is not a JSON object.
    """
    if which.filter is None:
        return {}
    where = f"--filter {which.filter}"
    try:
        body = json.loads(Path(which.filter).read_text(encoding="utf-8-sig"))
    except OSError as error:
        hint = "Give a file with the JSON body of a details query."
        raise QueryError(f"{where} cannot be read: {error.strerror}.", hint=hint) from error
    except (ValueError, RecursionError) as error:
        hint = "Check it with python3 -m json.tool."
        raise QueryError(f"{where} is not JSON: {error}.", hint=hint) from error
    if not isinstance(body, dict):
        raise QueryError(f"{where} is not a JSON object.", hint='Write {"segmentFilters": [...]}.')
    return body


def filters_of(which: Which, client: Client, file: Mapping[str, Any]) -> Filters:
    """The filters, with names looked up in the org.

    Raises:
        QueryError: the API would refuse the filters, or a name that the org does not have.
    """
    offline = offline_filters(which, file)

    def ids(kind: Kind, names: tuple[str, ...]) -> list[str]:
        return client.play(ids_named(kind, names)) if names else []

    named = Filters.of(
        queue_ids=ids("queues", which.queue),
        user_ids=ids("users", which.user),
        wrap_up_codes=ids("wrapupcodes", which.wrapup),
        division_ids=ids("divisions", which.division),
    )
    return named + offline


def offline_filters(which: Which, file: Mapping[str, Any]) -> Filters:
    """The filters that can be checked without the org.

    Raises:
        QueryError: the API would refuse the filters.
    """
    return Filters.of(media_types=which.media, directions=which.direction) + Filters.read(file)
