"""What can be said on the command line, once for every command, and the query that it means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cyclopts import Group, Parameter

from everycall.client import Client
from everycall.errors import QueryError
from everycall.names import Kind, ids_named
from everycall.query import Filters, Interval, Match, Query

WHEN = Group("When", sort_key=1)
WHICH = Group(
    "Which conversations", help="Each can be given several times: any of them. Different ones: all.", sort_key=2
)
WHERE = Group("From where", sort_key=4)

LAST_DEFAULT = "7d"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class When:
    """The interval, in the reader's words."""

    last: Annotated[
        str | None, Parameter(group=WHEN, help="The time up to now: 7d, 36h, 90m, 2w or ISO 8601 (P1M). [default: 7d]")
    ] = None
    interval: Annotated[
        str | None,
        Parameter(
            group=WHEN,
            help="ISO 8601: START/END, START/P1D, P1D/END, P7D (ends now), or a date, week, month. The end is outside.",
        ),
    ] = None
    since: Annotated[str | None, Parameter(group=WHEN, help="From this date or instant.")] = None
    until: Annotated[
        str | None, Parameter(group=WHEN, help="Up to this date or instant, which is outside. [default: now]")
    ] = None
    timezone: Annotated[
        str, Parameter(group=WHEN, help="Whose midnights and days are meant: Europe/Berlin. [default: UTC]")
    ] = "UTC"

    def words(self) -> dict[str, str]:
        """What was said, by option; the default where nothing was."""
        said = {name: value for name in ("last", "interval", "since", "until") if (value := getattr(self, name))}
        said = said or {"last": LAST_DEFAULT}
        return said if self.timezone == "UTC" else {**said, "timezone": self.timezone}

    def meant(self, now: datetime, file: Mapping[str, Any]) -> Interval:
        """The interval; that of the filter file where none was said and it has one.

        Raises:
            QueryError: too much was said, or it means no interval, or one in the future.
        """
        ways = [name for name in ("last", "interval", "since") if getattr(self, name)]
        if len(ways) > 1 or (self.until and not self.since):
            wrong = " and ".join(f"--{name}" for name in ways) if len(ways) > 1 else "--until"
            raise QueryError(
                f"{wrong} {'exclude each other' if len(ways) > 1 else 'needs --since'}.",
                hint="Say --last, or --interval, or --since with or without --until.",
            )
        zone = _zone(self.timezone)
        if self.since:
            asked = Interval.between(self.since, self.until, now=now, zone=zone)
        elif self.interval or (not self.last and isinstance(file.get("interval"), str)):
            asked = Interval.parse(self.interval or file["interval"], now=now, zone=zone)
        else:
            asked = Interval.last(self.last or LAST_DEFAULT, now=now, zone=zone)
        return asked.settled_before(now)


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name.upper() in ("UTC", "Z") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = {one.casefold(): one for one in available_timezones()}
        cities = {one.rpartition("/")[2]: known[one] for one in known}
        near = get_close_matches(name.casefold(), known, n=3, cutoff=0.6)
        found = [known[one] for one in near] + [cities[one] for one in get_close_matches(name.casefold(), cities, n=2)]
        raise QueryError(
            f"'{name}' is not a time zone.",
            hint=f"Near: {', '.join(dict.fromkeys(found))}." if found else "Write one such as Europe/Berlin.",
        ) from error


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Which:
    """The filters, in the reader's words."""

    queue: Annotated[tuple[str, ...], Parameter(group=WHICH, help="Passed through this queue: name or id.")] = ()
    user: Annotated[
        tuple[str, ...], Parameter(group=WHICH, help="This user took part: name, e-mail address or id.")
    ] = ()
    wrapup: Annotated[
        tuple[str, ...], Parameter(group=WHICH, help="Was closed with this wrap-up code: name or id.")
    ] = ()
    division: Annotated[tuple[str, ...], Parameter(group=WHICH, help="Belongs to this division: name or id.")] = ()
    media: Annotated[tuple[str, ...], Parameter(group=WHICH, help="voice, chat, email, message, callback ...")] = ()
    direction: Annotated[tuple[str, ...], Parameter(group=WHICH, help="inbound or outbound.")] = ()
    filter: Annotated[
        Path | None,
        Parameter(
            group=WHICH, help="JSON: a body as the vendor's query builder writes it. Its filters are sent as they are."
        ),
    ] = None
    match: Annotated[
        Match,
        Parameter(
            group=WHICH,
            help="start: what started in the interval, so that adjacent exports add up; activity: also what was alive "
            "at its beginning, having started earlier that UTC day. [default: start]",
        ),
    ] = "start"

    def words(self) -> dict[str, Any]:
        """What was said, by option."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        said |= {"filter": str(self.filter) if self.filter else None, "match": None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}

    def file(self) -> Mapping[str, Any]:
        """What the filter file holds; empty without one.

        Raises:
            QueryError: it cannot be read, or is no JSON object.
        """
        if self.filter is None:
            return {}
        try:
            body = json.loads(self.filter.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise QueryError(f"--filter {self.filter} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise QueryError(
                f"--filter {self.filter} is not JSON: {error}.", hint="Check it with python3 -m json.tool."
            ) from error
        if not isinstance(body, dict):
            raise QueryError(f"--filter {self.filter} is not a JSON object.", hint='Write {"segmentFilters": [...]}.')
        return body

    def meant(self, client: Client, file: Mapping[str, Any]) -> Filters:
        """The filters, with names looked up in the org.

        Raises:
            QueryError: something the API would refuse, or a name that the org does not have.
        """
        from_file = Filters.read(file)
        said = Filters.of(media_types=self.media, directions=self.direction)  # before anything is asked of the org

        def ids(kind: Kind, words: tuple[str, ...]) -> list[str]:
            return client.play(ids_named(kind, words)) if words else []

        named = Filters.of(
            queue_ids=ids("queues", self.queue),
            user_ids=ids("users", self.user),
            wrap_up_codes=ids("wrapupcodes", self.wrapup),
            division_ids=ids("divisions", self.division),
        )
        return named + said + from_file


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Where:
    """The org, and how hard to pull."""

    sandbox: Annotated[
        bool, Parameter(group=WHERE, help="From the built-in sandbox, whatever the environment says: invented data.")
    ] = False
    rate_share: Annotated[
        float, Parameter(group=WHERE, help="How much of the API's rate limit to use: above 0, up to 1. [default: 1]")
    ] = 1.0


def query(when: When, which: Which, client: Client, now: datetime) -> Query:
    """The query that the words mean.

    Raises:
        QueryError: they mean none, or one that the API would refuse.
    """
    file = which.file()
    interval = when.meant(now, file)
    return Query(interval, which.meant(client, file), which.match)


def words(when: When, which: Which) -> dict[str, Any]:
    """The query as it was said: two runs that say the same are the same export."""
    return {**when.words(), **which.words()}
