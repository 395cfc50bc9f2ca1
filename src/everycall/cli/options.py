"""What can be said on the command line, once for every command, and the query that it means."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cyclopts import Group, Parameter, Token

from everycall.acquire.windows import settled_until
from everycall.api.names import Kind, ids_named
from everycall.api.query import Filters, Interval, Match, Query
from everycall.client import Client
from everycall.errors import QueryError, SettingsError
from everycall.instants import text

WHEN = Group("When", sort_key=1)
WHICH = Group(
    "Which conversations", help="Each can be given several times: any of them. Different ones: all.", sort_key=2
)
WHERE = Group("From where", sort_key=4)

LAST_DEFAULT = "7d"


def _whole_number(_type: type, tokens: Sequence[Token]) -> int:
    word = tokens[0].value
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"'{word}' is not a whole number.") from None


Count = Annotated[int, Parameter(converter=_whole_number)]
"""A whole number; 1.5 is refused, not cut to 1."""


def check_said(option: str, words: str | None) -> None:
    """Refuse what says nothing: an empty word is most likely a variable of the shell that is not set.

    Raises:
        SettingsError: it is empty, or no text in UTF-8.
    """
    if words is None:
        return
    if not words.strip():
        raise SettingsError(f"--{option} is empty.", hint="Give it a value, or leave it out.")
    if not words.isprintable():
        shown = words.encode("utf-8", "backslashreplace").decode().__repr__()
        raise SettingsError(f"--{option} is {shown}: that is no plain text.", hint="Leave out what cannot be printed.")


def listed(option: str, words: str | None) -> list[str]:
    """What is separated by commas; nothing where nothing was said.

    Raises:
        SettingsError: one is empty, or comes twice.
    """
    said = [word.strip() for word in words.split(",")] if words is not None else []
    for word in said:
        check_said(option, word)
        if [one.casefold() for one in said].count(word.casefold()) > 1:
            raise SettingsError(f"--{option} has '{word}' twice.", hint="Name each once.")
    return said


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

    settled: Annotated[
        bool, Parameter(group=WHEN, help="Only what the vendor no longer rebuilds: up to midnight UTC four days ago.")
    ] = False

    def words(self, file: Mapping[str, Any]) -> dict[str, str]:
        """What was said, by option, in the filter file where nothing was; the default where nothing was there either.

        Raises:
            QueryError: the options contradict each other.
            SettingsError: one is empty.
        """
        said = {name: getattr(self, name) for name in ("last", "interval", "since", "until")}
        for name, words in {**said, "timezone": self.timezone}.items():
            check_said(name, words)
        said = {name: words for name, words in said.items() if words is not None}
        ways = [f"--{name}" for name in said if name != "until"]
        if len(ways) > 1 or ("until" in said and "since" not in said):
            wrong = f"{' and '.join(ways)} exclude each other" if len(ways) > 1 else "--until needs --since"
            raise QueryError(f"{wrong}.", hint="Say --last, or --interval, or --since with or without --until.")
        said = said or ({"interval": _interval(file)} if "interval" in file else {"last": LAST_DEFAULT})
        said = said if self.timezone == "UTC" else {**said, "timezone": self.timezone}
        return {**said, "settled": "only"} if self.settled else said

    def meant(self, now: datetime, file: Mapping[str, Any]) -> Interval:
        """The interval; that of the filter file where none was said and it has one.

        Raises:
            QueryError: too much was said, or it means no interval, or one in the future.
            SettingsError: an option is empty.
        """
        said = self.words(file)
        zone = _zone(self.timezone)
        if "since" in said:
            asked = Interval.between(said["since"], said.get("until"), now=now, zone=zone)
        elif "interval" in said:
            asked = Interval.parse(said["interval"], now=now, zone=zone)
        else:
            asked = Interval.last(said["last"], now=now, zone=zone)
        asked = asked.until_now(now)
        return _settled(asked, now) if self.settled else asked


def _settled(interval: Interval, now: datetime) -> Interval:
    """The part of the interval that the vendor no longer rebuilds."""
    border = settled_until(now)
    if interval.start >= border:
        raise QueryError(
            f"Nothing of {interval} is settled: the vendor still rebuilds what is younger than {text(border)}.",
            hint="Leave --settled out, or ask for earlier days.",
        )
    return Interval(interval.start, min(interval.end, border))


def _interval(file: Mapping[str, Any]) -> str:
    """The interval that a filter file brings along."""
    words = file["interval"]
    if not isinstance(words, str) or not words.strip():
        raise QueryError(
            f"The interval in the filter file is {json.dumps(words)}.",
            hint='Write "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z", or leave it out and say --interval.',
        )
    return words


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
        str | None,
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
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "match"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}

    def file(self) -> Mapping[str, Any]:
        """What the filter file holds; empty without one.

        Raises:
            QueryError: it cannot be read, or is no JSON object.
            SettingsError: its name is empty.
        """
        if self.filter is None:
            return {}
        check_said("filter", self.filter)
        where = f"--filter {self.filter}"
        try:
            body = json.loads(Path(self.filter).read_text(encoding="utf-8-sig"))
        except OSError as error:
            hint = "Name a file that holds a body of the details query, as JSON."
            raise QueryError(f"{where} cannot be read: {error.strerror}.", hint=hint) from error
        except (ValueError, RecursionError) as error:
            hint = "Check it with python3 -m json.tool."
            raise QueryError(f"{where} is not JSON: {error}.", hint=hint) from error
        if not isinstance(body, dict):
            raise QueryError(f"{where} is not a JSON object.", hint='Write {"segmentFilters": [...]}.')
        return body

    def meant(self, client: Client, file: Mapping[str, Any]) -> Filters:
        """The filters, with names looked up in the org.

        Raises:
            QueryError: something the API would refuse, or a name that the org does not have.
        """
        for option in ("queue", "user", "wrapup", "division", "media", "direction"):
            for words in getattr(self, option):
                check_said(option, words)
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
    timeout: Annotated[
        float,
        Parameter(
            group=WHERE,
            help="Seconds to wait for an answer to begin or to go on, before it is asked for again. [default: 60]",
        ),
    ] = 60.0


def query(when: When, which: Which, client: Client, now: datetime) -> tuple[Query, dict[str, Any]]:
    """The query that the words mean; and the words: two runs that say the same are the same export.

    Raises:
        QueryError: they mean none, or one that the API would refuse.
        SettingsError: an option is empty.
    """
    file = which.file()
    interval = when.meant(now, file)
    return Query(interval, which.meant(client, file), which.match), {**when.words(file), **which.words()}
