"""Plays exchanges against an org: holds the token, paces the requests, and retries failures.

    client = Client(Credentials(...))
    page = client.play(details_query.page(query, window, 1, 100))

Clock and rng are arguments. Threads can share a client, and then share its token and its rate budget. The client
removes the secret and all tokens from everything that it reports: errors, and the trouble in `Counts`. Retries:

- 429: after `Retry-After` (seconds or a date), else after the window; everybody waits.
- 408, 5xx other than 501, a broken or cut answer, a body that is not JSON: after a growing, jittered wait.
- 401: once, with a new token. Threads whose requests failed with the same token share the new one.
- 400, 403, 404 and the rest: never; the exchange handles them.

Sources: the vendor's Go SDK for the statuses to retry; developer.genesys.cloud forum thread 12028 for 429.
"""

import logging
import random
import threading
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Protocol, Self, TypedDict, TypeVar, Unpack
from urllib.parse import urlencode

import msgspec

from everycall.api.auth import Credentials, Hosts, Token, hosts, token
from everycall.api.exchange import Broken, BrokenAnswer, Exchange, Request, Response, TooSlow, problem, received
from everycall.api.limits import RETRY_AFTER_MAX_S, RateLimit
from everycall.api.names import Kind, ids_named
from everycall.api.stand_in import check_is_org
from everycall.connection import Connection, Timeouts
from everycall.errors import (
    CredentialsRefused,
    EverycallError,
    ServiceFailed,
    SettingsError,
    TimedOut,
    Unreachable,
)
from everycall.logs import log
from everycall.pacing import Pace
from everycall.printable import printable
from everycall.redaction import Redaction
from everycall.tracing import Traced
from everycall.version import VERSION

T = TypeVar("T")

USER_AGENT = f"everycall/{VERSION}"

RENEW_BEFORE_S = 300.0
"""A token is renewed this long before it expires."""

TOKEN_USED_S = 60.0
"""A token is used for at least this long, even if its stated life is shorter: a 401 shows when it has expired."""

PATIENCE_S = 900.0
"""How long one request is retried, once the org has answered any request."""

FIRST_PATIENCE_S = 20.0
"""How long the very first request is retried, so that a wrong address is reported soon."""

TRIES_MIN = 3
"""How often a request is tried at least, however long each try takes."""

LIMITED_MAX = 5
"""A request with its own limits on tries is not essential: it is given up after so many 429 answers in a row."""

WAIT_FIRST_S, WAIT_MAX_S = 1.0, 60.0
"""The waits between tries double from the first to the longest; each is shortened by up to half, at random."""


LATENCY_WEIGHT = 0.1
"""How much the last answer counts in the average of the latency."""

RETRY_AFTER_LENGTH_MAX = 60
"""An HTTP date has 29 characters."""


class Clock(Protocol):
    """The time, and waiting."""

    def monotonic(self) -> float:
        """Seconds of a clock that never runs backwards."""
        ...

    def utc(self) -> datetime:
        """The present time, aware."""
        ...

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait, with the condition held, until it is notified or the seconds (which can be infinite) are over."""
        ...


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        """Seconds of a clock that never runs backwards."""
        return time.monotonic()

    def utc(self) -> datetime:
        """The present time, aware."""
        return datetime.now(UTC)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait until the condition is notified or the seconds are over."""
        condition.wait(min(seconds, threading.TIMEOUT_MAX))


class Closed(Exception):
    """The client was closed while a thread was waiting in it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The client's counts so far, for the progress line and the summary."""

    requests: int = 0
    """Requests sent, including retries, without logins."""
    retried: int = 0
    """Requests sent again after a failure other than a 429."""
    rejected: int = 0
    """Requests answered 429."""
    tokens: int = 0
    """Logins."""
    allowed: float = 0.0
    """Requests a minute that the API allows this token."""
    waits_s: float = 0.0
    """Seconds until the next request may be sent; 0 for now."""
    trouble: str = ""
    """The last failure, and what the client does about it; empty after the next good answer."""
    in_flight: int = 0
    """Requests that are not answered yet."""
    latency_s: float = 0.0
    """Seconds from a request to its answer, averaged over the last ones; 0 before the first."""
    room: float = 0.0
    """Requests that may be sent at once, in the present window of the rate limit."""
    ends_s: float = 0.0
    """Seconds until that window ends, at the latest."""


class ClientOptions(TypedDict, total=False):
    """The arguments of `Client` other than the credentials."""

    connection: Connection | None
    clock: Clock | None
    rng: random.Random | None
    rate_share: float
    timeouts: Timeouts
    allow_http: bool
    patience_s: float


class Client:
    """Sends requests to one org with one OAuth client. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        connection: Connection | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        rate_share: float = 1.0,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        allow_http: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            credentials: the OAuth client, and the region of its org.
            connection: where requests go; by default sockets.
            clock: by default that of this machine.
            rng: for the jitter of the waits between tries.
            rate_share: the share of the API's rate limit to use, above 0 and at most 1.
            timeouts: how long an answer may take before a retry; used for the default connection only.
            allow_http: whether the org's address may be `http://` on another machine, so that others on the network
                can read the secret.
            patience_s: how long one request is retried, once the org has answered any request.

        Raises:
            SettingsError: the region, a proxy setting or the share is not valid.
        """
        if not 0 < rate_share <= 1:
            raise SettingsError(
                f"The share of the rate limit is {rate_share:g}.",
                hint="Give a number above 0 and at most 1: 0.5 is half of it.",
            )
        self.credentials = credentials
        self.clock: Clock = clock or SystemClock()
        self._hosts: Hosts = hosts(credentials.env, allow_http=allow_http)
        self.redact = Redaction()
        """Removes the secret and all tokens from a text. All texts for logs and manifests go through it."""
        self.redact.learn(credentials.client_secret)
        self._connection: Connection = Traced(connection or _http(timeouts, self.clock), self.clock.monotonic)
        self._rng = rng or random.Random()
        self._pace = Pace(share=rate_share)
        self._changed = threading.Condition()
        self._login = threading.Lock()
        self._decoding = threading.Lock()  # so that many answers at once are not many unzipped bodies at once
        self._token: Token | None = None
        self._renew_at = 0.0
        self._answered_once = False
        self._closed = False
        self._patience_after_answer_s = patience_s
        self._requests = self._retried = self._tokens = 0
        self._latency_s = 0.0
        self._trouble = ""

    @classmethod
    def from_env(cls, profile: str | None = None, **options: Unpack[ClientOptions]) -> Self:
        """A client with the credentials that a command would use.

        They come from the first of: the profile that is named, the environment, `.env` in the current folder, the
        default profile.

        Args:
            profile: the name of a profile (`everycall profile list`).
            **options: as for `Client`.

        Raises:
            CredentialsMissing: there are none, or not all three values in one place; the hint says how to set them.
            SettingsError: there is no such profile, or as for `Client`.
        """
        from everycall.credentials import find_credentials  # noqa: PLC0415 - others give their own credentials

        return cls(find_credentials(profile), **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wake up all waiting threads with `Closed`, and close the connections."""
        self._closed = True
        if self._changed.acquire(timeout=1.0):  # an interruption in the wrong moment may have left it locked
            self._changed.notify_all()
            self._changed.release()
        self._connection.close()

    def play(self, exchange: Exchange[T]) -> T:
        """Send the requests of an exchange, and return its result.

        Raises:
            EverycallError: the exchange's error for a refusal.
            CredentialsRefused: the login was refused, or the API refused a new token.
            Unreachable, ServiceFailed: no good answer came until the retries ended.
        """
        try:
            request = next(exchange)
            while True:
                try:
                    response = self.send(request)
                except EverycallError as error:
                    request = exchange.throw(error)
                else:
                    request = exchange.send(response)
        except StopIteration as found:
            value: T = found.value
            return value
        except EverycallError as error:
            raise error.redacted(self.redact) from error.__cause__

    def ids(self, kind: Kind, names: str | Sequence[str]) -> list[str]:
        """The ids of what has these names, for `Filters.of`; as the options of a command take them.

        Args:
            kind: `queues`, `users`, `wrapupcodes` or `divisions`.
            names: one name or several, in any case; users also by e-mail address. An id stands for itself.

        Raises:
            QueryError: the kind does not exist.
            UnknownName: the org does not have the name, or has it twice. The hint lists similar ones.
            EverycallError: as `play`.
        """
        return self.play(ids_named(kind, [names] if isinstance(names, str) else names))

    def send(self, request: Request) -> Response:
        """Send one request and return the final answer: 2xx, or a refusal that a retry would not change.

        Raises:
            CredentialsRefused, Unreachable, ServiceFailed: as `play`.
            TimedOut: no answer came in time, `attempts_on_timeout` times in a row.
        """
        try:
            return self._send(request)
        except EverycallError as error:
            raise error.redacted(self.redact) from error.__cause__

    def _send(self, request: Request) -> Response:
        tries = _Tries(self.clock.monotonic(), self._rng, request)
        dead: list[Token] = []
        while True:
            try:
                bearer = None if request.login else self._bearer(dead)
                response = self._send_once(request, bearer, tries)
            except Broken as broken:
                self._count_timeout(tries, str(broken), is_timeout=isinstance(broken, TooSlow))
                error = ServiceFailed if isinstance(broken, BrokenAnswer) else Unreachable
                self._try_again(tries, str(broken), None, error)
                continue
            if response.status == 401 and bearer is not None and len(dead) < 1:
                dead.append(bearer)
                self._note("the token was refused; asking for a new one")
            elif response.status == 429 and request.is_own_limit is not None and request.is_own_limit(response):
                self._note("")
                return response
            elif response.status == 429 and bearer is not None:
                self._step_back(tries, response)
            elif response.status in (408, 429) or (response.status >= 500 and response.status != 501):
                message = (problem(response).message or "no reason given").rstrip(".")
                reason = f"the service answered {response.status}: {message}"
                self._count_timeout(tries, reason, is_timeout=response.status == 504, response=response)
                self._try_again(tries, reason, _retry_after_s(response.headers, self.clock), ServiceFailed, response)
            elif response.status == 401 and bearer is not None:
                raise _token_refused(response)
            elif response.status == 501 or 300 <= response.status < 400:
                message = problem(response).message or "no reason given"
                raise ServiceFailed(
                    f"The service answered {response.status}, and a retry would not help: {message}",
                    hint="Check GENESYS_ENV: the address may belong to another service.",
                    correlation_id=response.correlation_id,
                )
            else:
                self._note("")
                return response

    def wait_until(self, instant: datetime) -> None:
        """Wait until that instant; return at once if it has passed."""
        with self._changed:
            while (left_s := (instant - self.clock.utc()).total_seconds()) > 0 and not self._closed:
                self.clock.wait(self._changed, left_s)
            self._check_open()

    def counts(self) -> Counts:
        """The counts so far."""
        with self._changed:
            now = self.clock.monotonic()
            free_at = self._pace.free_at(now)
            waits_s = max(0.0, free_at - now) if free_at is not None else 0.0
            pace = self._pace
            return Counts(
                self._requests,
                self._retried,
                pace.rejected,
                self._tokens,
                pace.allowed * pace.share,
                waits_s,
                self.redact(printable(self._trouble)),
                pace.in_flight,
                self._latency_s,
                pace.room(now),
                pace.ends_s(now),
            )

    def _send_once(self, request: Request, bearer: Token | None, tries: "_Tries") -> Response:
        url, headers, body = self._wire(request, bearer)
        if request.login:  # it has a rate limit of its own
            self._check_open()
            tries.sent(self.clock.monotonic())
            return self._received(request, self._connection.send(request.method, url, headers, body))
        with self._changed:
            while (wait_s := self._pace.wait_s(self.clock.monotonic())) > 0 and not self._closed:
                self.clock.wait(self._changed, wait_s)
            self._check_open()
            now = self.clock.monotonic()
            tries.sent(now)
            ticket = self._pace.sent(now)
            self._requests += 1
        response = None
        try:
            response = self._connection.send(request.method, url, headers, body)
        finally:
            with self._changed:
                if response is None:
                    self._pace.lost()
                else:
                    answered_at = self.clock.monotonic()
                    self._pace.answered(ticket, answered_at, RateLimit.read(response.headers))
                    took_s = answered_at - now
                    self._latency_s += (took_s - self._latency_s) * (LATENCY_WEIGHT if self._latency_s else 1.0)
                self._changed.notify_all()
        return self._received(request, response)

    def _received(self, request: Request, response: Response) -> Response:
        """The answer, checked and decoded."""
        with self._decoding:
            response = received(request, response)
        check_is_org(self._hosts, response)
        self._answered_once = True
        return response

    def _wire(self, request: Request, bearer: Token | None) -> tuple[str, Mapping[str, str], bytes | None]:
        headers = {"user-agent": USER_AGENT, "accept": "application/json"}
        if request.login:
            basic = b64encode(":".join(request.login).encode()).decode()
            headers |= {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
            return self._hosts.login + request.path, headers, b"grant_type=client_credentials"
        url = self._hosts.api + request.path + (f"?{urlencode(request.params)}" if request.params else "")
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer.access_token}"
        if request.json is None:
            return url, headers, None
        return url, headers | {"content-type": "application/json"}, msgspec.json.encode(request.json)

    def _bearer(self, dead: list[Token]) -> Token:
        """The token in use; a new one if there is none, or if it expires soon or is in `dead`."""
        with self._login:
            now = self.clock.monotonic()
            if self._token is None or self._token in dead or now >= self._renew_at:
                self._token = self.play(token(self.credentials))
                self.redact.learn(self._token.access_token)
                self._tokens += 1
                log(logging.INFO, "login", f"{self._hosts.login} gave a token")
                life_s = self._token.expires_in
                self._renew_at = now + max(life_s - RENEW_BEFORE_S, life_s * 0.9, TOKEN_USED_S)
            return self._token

    def _step_back(self, tries: "_Tries", response: Response) -> None:
        """Handle a 429: all threads wait for `Retry-After`, or until the window ends, or for a growing time.

        A 429 is not a failure of the request, so it does not count for the request's own limits. A request with such
        limits is given up nevertheless after `LIMITED_MAX` 429 answers in a row.
        """
        tries.count(self.clock.monotonic(), self._patience_s())
        tries.limited()
        wait_s = _retry_after_s(response.headers, self.clock)
        if wait_s is None:
            wait_s = RateLimit.read(response.headers).reset_s or tries.next_wait_s()
        wait_s = min(wait_s, RETRY_AFTER_MAX_S)
        if tries.over:
            raise ServiceFailed(
                f"The rate limit allowed no request for {tries.since(self.clock.monotonic()):.0f} s.",
                hint="Another program may use the same OAuth client: give each its own, or use --rate-share.",
                correlation_id=response.correlation_id,
            )
        with self._changed:
            self._pace.hold(self.clock.monotonic() + wait_s)
            self._note(f"the rate limit was reached (429); continuing in {wait_s:.0f} s")
            self._changed.notify_all()

    def _count_timeout(
        self, tries: "_Tries", reason: str, *, is_timeout: bool, response: Response | None = None
    ) -> None:
        """Raise TimedOut if a request has timed out `attempts_on_timeout` times in a row."""
        tries.timeouts = tries.timeouts + 1 if is_timeout else 0
        if tries.timeouts and tries.timeouts == tries.request.attempts_on_timeout:
            raise TimedOut(
                f"Not answered in time, {tries.timeouts} times in a row: {reason}.",
                hint="Ask for less at once: a shorter interval, or a narrower filter.",
                correlation_id=response.correlation_id if response else "",
            )

    def _try_again(
        self,
        tries: "_Tries",
        reason: str,
        wait_s: float | None,
        error: type[Unreachable] | type[ServiceFailed],
        response: Response | None = None,
    ) -> None:
        """Wait before the next try; raise the error if the tries are used up."""
        tries.count_failure(self.clock.monotonic(), self._patience_s())
        if tries.over:
            times = "1 try" if tries.number == 1 else f"{tries.number} tries"
            raise error(
                f"Gave up on {self._hosts.api} after {times}: {reason}.",
                hint="The same command continues from here, once the service can be reached."
                if self._answered_once
                else "Check the network, the proxy settings (HTTPS_PROXY) and GENESYS_ENV.",
                correlation_id=response.correlation_id if response else "",
            )
        left_s = tries.left_s(self.clock.monotonic(), self._patience_s())
        if wait_s is not None:
            wait_s = min(wait_s, RETRY_AFTER_MAX_S)
        else:  # so that the last try is not long after the time limit
            wait_s = min(tries.next_wait_s(), left_s if left_s > 0 else WAIT_MAX_S)
        with self._changed:
            self._retried += 1
            self._note(f"{reason}; trying again in {wait_s:.0f} s")
            until = self.clock.monotonic() + wait_s
            while (left_s := until - self.clock.monotonic()) > 0 and not self._closed:
                self.clock.wait(self._changed, left_s)
            self._check_open()

    def _patience_s(self) -> float:
        return (
            self._patience_after_answer_s
            if self._answered_once
            else min(FIRST_PATIENCE_S, self._patience_after_answer_s)
        )

    def _check_open(self) -> None:
        if self._closed:
            raise Closed

    def _note(self, trouble: str) -> None:
        self._trouble = trouble
        if trouble:
            log(logging.WARNING, "retry", self.redact(printable(trouble)))


def _http(timeouts: Timeouts, clock: Clock) -> Connection:
    from everycall.http_connection import HttpConnection  # noqa: PLC0415 - it takes a tenth of a second, and tests do not need it

    return HttpConnection(timeouts, monotonic=clock.monotonic)


class _Tries:
    """The tries of one request: their number and times, and the wait before the next."""

    def __init__(self, now: float, rng: random.Random, request: Request) -> None:
        self.request = request
        self._start = now
        self._first_sent: float | None = None
        self._rng = rng
        self.number = 0
        self.failures = 0
        self.timeouts = 0
        self.over = False
        self._limited = 0

    def sent(self, now: float) -> None:
        """Start the time limit of the request itself: waiting for the rate limit before does not count."""
        if self._first_sent is None:
            self._first_sent = now

    def limited(self) -> None:
        """Restart the time limit of the request itself with its next try, after a 429."""
        self._first_sent = None
        self._limited += 1
        self.over = self.over or (self.request.tries is not None and self._limited > LIMITED_MAX)

    def since(self, now: float) -> float:
        return now - self._start

    def count(self, now: float, patience_s: float) -> None:
        """Count a try without a good answer."""
        self.number += 1
        self.over = self.since(now) >= patience_s and self.number >= TRIES_MIN

    def count_failure(self, now: float, patience_s: float) -> None:
        """Count a try that also counts for the limits of the request itself."""
        self.count(now, patience_s)
        self.failures += 1
        self._limited = 0
        own_s = self.request.patience_s
        is_late = own_s is not None and self._since_sent(now) >= own_s
        self.over = self.over or is_late or self.failures == self.request.tries

    def left_s(self, now: float, patience_s: float) -> float:
        """Seconds to the time limit; 0 or less if only `TRIES_MIN` allows more tries."""
        left_s = patience_s - self.since(now)
        own_s = self.request.patience_s
        return left_s if own_s is None else min(left_s, own_s - self._since_sent(now))

    def _since_sent(self, now: float) -> float:
        return 0.0 if self._first_sent is None else now - self._first_sent

    def next_wait_s(self) -> float:
        longest = min(WAIT_MAX_S, WAIT_FIRST_S * 2 ** min(max(self.number - 1, 0), 10))
        return float(longest * (1 - self._rng.random() / 2))


def _retry_after_s(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Parse `Retry-After`, a number of seconds or an HTTP date, to seconds.

    None if it is absent or unreadable, or not above 0, since a retry without any wait would only be refused again.
    """
    text = headers.get("retry-after", "").strip()[:RETRY_AFTER_LENGTH_MAX]
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(text) - clock.utc()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return wait_s if wait_s > 0 else None


def _token_refused(response: Response) -> CredentialsRefused:
    found = problem(response)
    reason = f"401 {found.code or 'unauthorized'}: {found.message or 'no reason given'}"
    return CredentialsRefused(
        f"The API refused a token that was just issued ({reason})",
        hint="Check that GENESYS_ENV is the region of this OAuth client.",
        correlation_id=response.correlation_id,
    )
