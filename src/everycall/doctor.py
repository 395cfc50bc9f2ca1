"""Examines the access to an org: what is right, what is not, and what to do next. Exports nothing.

    with Client(credentials) as client:
        for finding in examine(client):
            print(finding.state, finding.check, finding.message, finding.hint)

A login and about a dozen requests, none of which changes anything. Conversations are only counted. Permissions are
found out by asking: the API has no list of them for a client without a user. What cannot be seen is a warning that says
so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from everycall.api.auth import hosts, region_of
from everycall.api.details_query import DETAILS_QUERY, PageHead, hits
from everycall.api.exchange import Request, Response, reason, refusal
from everycall.api.interval import Interval
from everycall.api.jobs import ANALYTICS_LIMITS, JOB_LIMITS, JOBS
from everycall.api.limits import FRESHNESS, RATE_PER_MINUTE, RateLimit
from everycall.api.names import PATHS, Kind
from everycall.api.oddities import instant
from everycall.api.organization import (
    DIVISIONS,
    DIVISIONS_PAGE_SIZE,
    DIVISIONS_PERMITTED,
    ORGANIZATION,
    PLATFORM_LIMITS,
    REPORTING,
    TOKEN_RATE,
    divisions,
    limits,
    masked,
    organization_name,
)
from everycall.api.query import Query
from everycall.api.retention import RETENTION_PATH
from everycall.client import Client
from everycall.errors import AccessError, EverycallError, QueryError, ServiceError
from everycall.instants import text

State = Literal["ok", "warning", "wrong"]

SEES_DETAILS = ("analytics:conversationDetail:view", "analytics:agentConversationDetail:view")
SEES_RETENTION = "analytics:dataRetention:view"

TRIES, PATIENCE_S = 3, 5.0
"""Ours: how often and how long each request is tried. A person waits for the answers."""

CLOCK_OFF_MAX = timedelta(seconds=10)
"""Ours: a clock within this is right. The `Date` header itself has whole seconds."""

LAG_USUAL, LAG_MAX = timedelta(hours=24), timedelta(hours=48)
"""Jobs are usually about ten hours behind; 48 is the vendor's own bound. Sources: laggyzee/genesys-mcp; SDK 269,
RecordingJobsQuery."""

RETENTION_SHORT = timedelta(days=365)
"""Ours: with a shorter retention, a comparison with the year before needs exports that were made in time."""

SAMPLED = timedelta(days=1)
"""Ours: conversations of the last day are counted, to see whether the client sees any."""

NAMES_SHOWN = 8

NO_ANSWER = (
    "Check the network, the proxy settings (HTTPS_PROXY) and GENESYS_ENV. If they are right, try again in some minutes."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """What was checked: `login`, `clock`, `jobs` ..."""
    state: State
    """ok: as it should be. warning: exports work, with what the message says, or it could not be seen. wrong: exports
    fail, or lose conversations."""
    message: str
    hint: str = ""
    """The next step, as a sentence; empty if the state is ok."""
    error: EverycallError | None = field(default=None, compare=False, repr=False)
    """The error that an export would raise."""


def examine(client: Client) -> Iterator[Finding]:
    """Yield the findings about an org, in a fixed order. Nothing comes after a login or a connection that fails."""
    asking = _Asking(client)
    try:
        response = asking.ask(ORGANIZATION)
    except (EverycallError, OSError) as error:
        yield _cannot_begin(client, error)
        return
    if response.status >= 300 and response.status != 403:
        yield _cannot_begin(client, refusal(response))
        return
    yield Finding("login", "ok", _logged_in(client, response))
    checks: tuple[Callable[[_Asking], Iterator[Finding]], ...] = (
        _limits,
        _clock,
        _conversations,
        _names,
        _divisions,
        _jobs,
        _retention,
        _masking,
        _rate,
    )
    for check in checks:
        yield from check(asking)


def surroundings(client: Client, origin: str) -> Iterator[Finding]:
    """Yield the findings about the settings that need no request: address, proxy, certificates.

    Args:
        client: whose address is shown.
        origin: where its credentials come from, such as `the environment`.
    """
    from everycall.http_connection import certificate_source, proxy_shown  # noqa: PLC0415 - it is slow to import

    env = client.credentials.env
    where = hosts(env, allow_http=True)
    region = region_of(env)
    address = where.api if where.api == where.login else f"{where.api}, login at {where.login}"
    yield Finding("region", "ok", f"{region + ': ' if region else ''}{address}; credentials from {origin}.")
    proxy = proxy_shown(where.api)
    yield Finding("proxy", "ok", f"Requests go through the proxy {proxy}." if proxy else "Requests go direct.")
    yield Finding("certificates", "ok", f"Those of {certificate_source()} are trusted.")


class _Asking:
    """Sends requests, and measures this machine's clock against the `Date` of each answer."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.last: Response | None = None
        self._bounds = (timedelta.min, timedelta.max)

    def ask(self, path: str, params: dict[str, str] | None = None, **more: Any) -> Response:
        """The final answer to a GET, or to a POST if there is a body.

        Raises:
            EverycallError: as `Client.send`.
        """
        method: Literal["GET", "POST"] = "POST" if "json" in more else "GET"
        request = Request(method, path, params or {}, tries=TRIES, patience_s=PATIENCE_S, **more)
        before = self.client.clock.utc()
        response = self.client.send(request)
        self._learn(response, before, self.client.clock.utc())
        self.last = response
        return response

    def _learn(self, response: Response, before: datetime, after: datetime) -> None:
        """Narrow down how far the clock is ahead: `Date` is the server's second at some moment in between."""
        date = _date(response)
        if date is None:
            return
        low, high = self._bounds
        bounds = max(low, before - date - timedelta(seconds=1)), min(high, after - date)
        self._bounds = bounds if bounds[0] <= bounds[1] else (before - date - timedelta(seconds=1), after - date)

    @property
    def ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of the API's, at least; negative if it is behind; None if unknown."""
        low, high = self._bounds
        if low == timedelta.min:
            return None
        return low if low > timedelta() else min(high, timedelta())

    @property
    def now(self) -> datetime:
        """The present on the API's clock."""
        return self.client.clock.utc() - (self.ahead or timedelta())


def _date(response: Response) -> datetime | None:
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


def _cannot_begin(client: Client, error: EverycallError | OSError) -> Finding:
    """The finding after which nothing else can be asked."""
    if not isinstance(error, EverycallError):
        return Finding("connection", "wrong", f"{type(error).__name__}: {error}.", "Check the network.")
    error.redacted(client.redact)
    check = "login" if isinstance(error, AccessError) else "connection"
    return Finding(check, "wrong", str(error), NO_ANSWER if isinstance(error, ServiceError) else error.hint, error)


def _logged_in(client: Client, response: Response) -> str:
    name = organization_name(response) if response.status < 300 else ""
    login = hosts(client.credentials.env, allow_http=True).login
    return f"{login} gave a token{f' for the org {name}' if name else ''}."


def _limits(asking: _Asking) -> Iterator[Finding]:
    """The limits in force, of requests and of jobs."""
    found: dict[str, float] = {}
    for path in (PLATFORM_LIMITS, ANALYTICS_LIMITS):
        response, failed = _tried(asking, path)
        if response is None or response.status >= 300:
            yield Finding(
                "limits",
                "warning",
                f"The org's limits cannot be seen ({failed or _reason(response)}).",
                f"Exports assume {RATE_PER_MINUTE} requests a minute until an answer says otherwise.",
            )
            return
        found.update(limits(response))
    rate = found.get(TOKEN_RATE)
    jobs = [f"{key} {value:.0f}" for key, value in sorted(found.items()) if key.startswith(JOB_LIMITS)]
    others = f"; {', '.join(jobs)}" if jobs else "; it names no limit of jobs"
    if rate is None:
        yield Finding(
            "limits",
            "warning",
            f"The org does not say how many requests a minute it allows{others}.",
            "Exports take the number from the answers.",
        )
    elif rate < RATE_PER_MINUTE:
        yield Finding(
            "limits",
            "warning",
            f"The org allows {rate:.0f} requests a minute with one token, fewer than the usual "
            f"{RATE_PER_MINUTE}{others}.",
            f"Exports take longer: see everycall plan. The vendor's support can raise {TOKEN_RATE}.",
        )
    else:
        yield Finding("limits", "ok", f"{rate:.0f} requests a minute with one token{others}.")


def _clock(asking: _Asking) -> Iterator[Finding]:
    """This machine's clock against the API's."""
    ahead = asking.ahead
    if ahead is None:
        yield Finding(
            "clock",
            "warning",
            "The answers have no Date header, so the clock cannot be checked.",
            "Check that this machine takes its time from a time server.",
        )
    elif ahead > FRESHNESS:
        yield Finding(
            "clock",
            "wrong",
            f"This machine's clock is {_length(ahead)} ahead of the API's: an export up to now would end in "
            "the future, and miss conversations that have not begun.",
            "Set the clock: let this machine take its time from a time server (NTP).",
        )
    elif abs(ahead) > CLOCK_OFF_MAX:
        side = "ahead of" if ahead > timedelta() else "behind"
        yield Finding(
            "clock",
            "warning",
            f"This machine's clock is {_length(abs(ahead))} {side} the API's.",
            "Set the clock: let this machine take its time from a time server (NTP).",
        )
    else:
        yield Finding("clock", "ok", "This machine's clock agrees with the API's.")


def _conversations(asking: _Asking) -> Iterator[Finding]:
    """Whether the client may count conversations, and sees any."""
    end = asking.now - FRESHNESS
    interval = Interval(end - SAMPLED, end)
    body = Query(interval).body(interval, 1, 1)
    response, failed = _tried(asking, DETAILS_QUERY, json=body, decode=PageHead.decode, success=(200,))
    if response is None:
        yield Finding(
            "conversations", "wrong", f"They cannot be counted: {failed}", failed.hint if failed else "", failed
        )
    elif response.status == 403:
        yield _missing("conversations", "wrong", SEES_DETAILS, "No conversation can be exported.", refusal(response))
    elif response.status >= 300:
        error = refusal(response)
        yield Finding("conversations", "wrong", f"They cannot be counted: {error}", error.hint, error)
    elif not (count := hits(response.decoded)):
        yield Finding(
            "conversations",
            "warning",
            "The details query is permitted, but the client sees no conversation of the last 24 hours.",
            "If there were any, add their divisions to the roles of the OAuth client.",
        )
    else:
        yield Finding("conversations", "ok", f"The client sees {max(count, 0):,} of the last 24 hours.")


_NAMED: tuple[tuple[Kind, str, str], ...] = (
    ("queues", "queues", "routing:queue:view"),
    ("wrapupcodes", "wrap-up codes", "routing:wrapupCode:view"),
    ("users", "users", ""),
)


def _names(asking: _Asking) -> Iterator[Finding]:
    """Whether names can be looked up, kind by kind."""
    for kind, plural, permission in _NAMED:
        check = f"names of {plural}"
        response, failed = _tried(asking, PATHS[kind], {"pageSize": "1"})
        if response is not None and response.status == 403 and permission:
            yield _missing(check, "warning", (permission,), "Rows have ids instead of these names.", refusal(response))
        elif response is None or response.status >= 300:
            yield Finding(
                check,
                "warning",
                f"They cannot be looked up ({failed or _reason(response)}), so rows have ids instead.",
                "Give ids instead of names in options, and try again later.",
                failed,
            )
        else:
            yield Finding(check, "ok", "They can be looked up.")


def _divisions(asking: _Asking) -> Iterator[Finding]:
    """The divisions whose conversations the client sees."""
    page = {"pageSize": str(DIVISIONS_PAGE_SIZE)}
    response, failed = _tried(asking, DIVISIONS_PERMITTED, {"permission": SEES_DETAILS[0], **page})
    if response is None or response.status >= 300:
        yield Finding(
            "divisions",
            "warning",
            f"Which divisions the client sees cannot be seen ({failed or _reason(response)}).",
            "Look at the divisions of each role in Admin > Integrations > OAuth > the client > Roles. "
            "Conversations of other divisions are left out without a sign.",
        )
        return
    permitted = divisions(response)
    if permitted.all_divs_permitted:
        yield Finding("divisions", "ok", f"The client sees all divisions: {_named(permitted.names, permitted.count)}.")
        return
    every, _ = _tried(asking, DIVISIONS, {"pageSize": "1"})
    total = divisions(every).count if every is not None and every.status < 300 else 0
    if total and permitted.count >= total:
        yield Finding("divisions", "ok", f"The client sees all {total}: {_named(permitted.names, permitted.count)}.")
        return
    of = f" of {total}" if total else ""
    yield Finding(
        "divisions",
        "warning",
        f"The client sees {permitted.count}{of} divisions: {_named(permitted.names, permitted.count)}. "
        "Conversations of the others are left out without a sign.",
        "To export them too, add their divisions to the roles of the OAuth client.",
    )


def _jobs(asking: _Asking) -> Iterator[Finding]:
    """Whether details jobs can be used, and how far behind they are."""
    response, failed = _tried(asking, f"{JOBS}/availability")
    if response is not None and response.status == 403:
        yield _missing(
            "jobs",
            "warning",
            SEES_DETAILS[:1],
            "--route jobs, --attribute and --route auto beyond the query cannot be used.",
            refusal(response),
        )
        return
    if response is None or response.status >= 300:
        yield Finding(
            "jobs",
            "warning",
            f"Details jobs cannot be used ({failed or _reason(response)}).",
            "Use --route query, which needs no jobs.",
            failed,
        )
        return
    date = response.decoded.get("dataAvailabilityDate") if isinstance(response.decoded, dict) else None
    until = instant(date) if isinstance(date, str) else None
    if until is None:
        yield Finding(
            "jobs",
            "warning",
            "The API does not say until when the data of jobs is complete.",
            "Use --route query: without that date, no job can be proven.",
        )
        return
    yield _lag(until, asking.now - until)


def _lag(until: datetime, lag: timedelta) -> Finding:
    message = f"Jobs are complete until {text(until)}, {_length(lag)} ago"
    if lag > LAG_MAX:
        hint = "Use --route query or auto for younger days, and ask the vendor's support about the data lake."
        return Finding("jobs", "warning", f"{message}: more than the vendor's own bound of 48 hours.", hint)
    if lag > LAG_USUAL:
        hint = "Use --route query or auto for younger days; with --route jobs, export them later."
        return Finding("jobs", "warning", f"{message}: more than usual.", hint)
    return Finding("jobs", "ok", f"{message}.")


def _retention(asking: _Asking) -> Iterator[Finding]:
    """How long the org keeps conversations."""
    response, failed = _tried(asking, RETENTION_PATH)
    if response is not None and response.status == 403:
        yield _missing(
            "retention",
            "warning",
            (SEES_RETENTION,),
            "How long the org keeps conversations cannot be seen; exports work.",
            refusal(response),
        )
        return
    days = _retention_days(response)
    if days is None:
        why = failed or (_reason(response) if response is not None and response.status >= 300 else "no number of days")
        yield Finding(
            "retention",
            "warning",
            f"How long the org keeps conversations cannot be seen ({why}).",
            "Ask an administrator for the org's maximum interaction data retention.",
        )
    elif timedelta(days=days) < RETENTION_SHORT:
        yield Finding(
            "retention",
            "warning",
            f"The org deletes conversations after {days} days.",
            f"Export at least every {days} days, and keep the files: what is deleted cannot be exported again.",
        )
    else:
        yield Finding("retention", "ok", f"The org keeps conversations for {days} days.")


def _retention_days(response: Response | None) -> int | None:
    if response is None or response.status != 200 or not isinstance(response.decoded, dict):
        return None
    days = response.decoded.get("retentionDays")
    return days if isinstance(days, int) and days > 0 else None


def _masking(asking: _Asking) -> Iterator[Finding]:
    """Whether the org masks personal data in its reports."""
    response, failed = _tried(asking, REPORTING)
    if response is None or response.status >= 300:
        yield Finding(
            "masking",
            "warning",
            f"Whether the org masks personal data cannot be seen ({failed or _reason(response)}).",
            "Ask an administrator, if exported addresses or names look masked.",
        )
    elif hidden := masked(response):
        yield Finding(
            "masking",
            "warning",
            f"The org's reports mask {' and '.join(hidden)}.",
            "Look at a small export first: whether the API masks them as well is not documented.",
        )
    else:
        yield Finding("masking", "ok", "The org's reports mask nothing.")


def _rate(asking: _Asking) -> Iterator[Finding]:
    """How much of the rate limit is used, and whether only by this command."""
    counts = asking.client.counts()
    used = RateLimit.read(asking.last.headers if asking.last is not None else {})
    shared = "Another program may use the same OAuth client: give each its own, or use --rate-share."
    if counts.rejected:
        yield Finding(
            "rate",
            "warning",
            f"{counts.rejected} of {counts.requests} requests were refused because the rate limit was used up.",
            shared,
        )
    elif used.count is None or used.allowed is None:
        yield Finding(
            "rate",
            "warning",
            "The answers do not say how much of the rate limit is used.",
            f"Exports assume {RATE_PER_MINUTE} requests a minute.",
        )
    elif used.count > counts.requests:
        yield Finding(
            "rate",
            "warning",
            f"{used.count:.0f} of {used.allowed:.0f} requests of this minute are used, "
            f"but only {counts.requests} by this command.",
            shared,
        )
    else:
        yield Finding("rate", "ok", f"{used.count:.0f} of {used.allowed:.0f} requests of this minute are used.")


def _tried(
    asking: _Asking, path: str, params: dict[str, str] | None = None, **more: Any
) -> tuple[Response | None, EverycallError | None]:
    """The final answer, or the error after which there was none."""
    try:
        return asking.ask(path, params, **more), None
    except (AccessError, ServiceError, QueryError, msgspec.MsgspecError) as error:
        if isinstance(error, EverycallError):
            return None, error.redacted(asking.client.redact)
        return None, ServiceError(f"An answer cannot be read: {error}")


def _reason(response: Response | None) -> str:
    return reason(response) if response is not None else "no answer"


def _missing(check: str, state: State, permissions: tuple[str, ...], follows: str, error: EverycallError) -> Finding:
    """The finding of a missing permission, of which any one would do."""
    names = " or ".join(permissions)
    shown = " or ".join(in_role(permission) for permission in permissions)
    hint = f"Add the permission {shown} to a role of the OAuth client, for the divisions that you export."
    return Finding(check, state, f"The client lacks {names}. {follows}", hint, error)


def in_role(permission: str) -> str:
    """A permission as the vendor's page of a role shows it: `Analytics > Conversation Detail > View`."""
    return " > ".join(_title(part) for part in permission.split(":"))


def _title(part: str) -> str:
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in part)
    return spaced[:1].upper() + spaced[1:]


def _named(names: list[str], count: int) -> str:
    shown = ", ".join(names[:NAMES_SHOWN]) or "none"
    return shown + (f" and {count - NAMES_SHOWN} more" if count > NAMES_SHOWN else "")


def _length(length: timedelta) -> str:
    """`40 h`, `10 min`, `12 s`."""
    seconds = length.total_seconds()
    if seconds >= 5400:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
