"""The sandbox itself: requests in, answers out, synchronously and without a socket.

`Sandbox.respond` is a function of the request, the world, the clock and what was asked before (tokens, rate
limit, faults); the server in `server.py` only carries its bytes. A simulation that owns the clock drives it
directly.

    sandbox = Sandbox(conversations=[...], now=clock) status, headers, body = sandbox.handle("GET",
    "/api/v2/users?pageSize=100", {"authorization": "Bearer ..."})
"""

import hashlib
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any, TypedDict

import msgspec

from everycall.sandbox import controls
from everycall.sandbox.answers import (
    NO_HEADERS,
    Answer,
    ApiError,
    Delivery,
    Request,
    Wire,
    encoded,
)
from everycall.sandbox.clock import RunningClock
from everycall.sandbox.faults import (
    Fault,
    Faults,
    Situation,
    response_too_large,
    strike_before,
    strike_content,
    strike_wire,
)
from everycall.sandbox.jobs import Jobs
from everycall.sandbox.limits import RateLimit
from everycall.sandbox.oauth import Client, Tokens, require
from everycall.sandbox.org import Org
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.routes import LOGIN, Arrival, find_route
from everycall.sandbox.store import Store, World
from everycall.sandbox.switches import Switches

REQUEST_BYTES_MAX = 512_000
"""Source: the API's limit `request.bytes.max`."""

REQUESTS_KEPT = 20_000

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Served:
    """One request and what became of it; for assertions."""

    number: int
    """From 1, in order of arrival."""
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    body: Any
    """The JSON that was sent; None where it was none."""
    status: int
    delivery: Delivery
    arrived_s: float
    """Epoch seconds on the sandbox's clock."""
    faults: tuple[str, ...]
    """The kinds of fault that struck it."""


class Settings(TypedDict, total=False):
    """What `Sandbox` takes by name, for those who hand it on."""

    seed: int
    conversations_per_day: int
    flat: bool
    conversations: Sequence[Mapping[str, Any]] | None
    rate_limit: int
    now: Clock | str | None
    speed: float
    monotonic: Clock | None
    latency_s: float | Callable[[Request], float]
    faults: Faults | None
    clients: Iterable[Client] | None
    switches: Switches | None
    admin_token: str | None


class Sandbox:
    """A stand-in for the API: a world, its clients, a rate limit, and a plan of what goes wrong.

    Args:
        world: what is served; by default a seeded contact centre, an `Org`.
        seed: of the contact centre, of the default client's id and secret, of tokens and correlation ids.
        conversations_per_day: of the contact centre, on an average weekday.
        flat: the contact centre has exactly that many conversations on every UTC day.
        conversations: serve these instead, as `Recorded` does.
        rate_limit: requests a minute for each token.
        now: the org's clock: an ISO 8601 instant at which it begins, or a function that gives epoch seconds; by
            default the real one.
        speed: of that clock, where `now` is no function: 60 makes an hour of a minute, 0 stands still.
        monotonic: seconds as clients feel them: the clock of the rate limit, of tokens and of that start and
            speed. By default a real one or, where `now` is a function of the caller's, that.
        latency_s: seconds before each answer, or a function of the request.
        faults: what goes wrong; may be changed at any time.
        clients: who may log in; by default one that may see everything.
        switches: how to behave where no source is known.
        admin_token: of the controls, where other machines can reach them; by default one that nobody can guess.
        url: where a server makes it reachable.
        tls_environ: the variables that lead clients there which have the vendor's hosts in their code.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        seed: int = 1,
        conversations_per_day: int = 2000,
        flat: bool = False,
        conversations: Sequence[Mapping[str, Any]] | None = None,
        rate_limit: int = 300,
        now: Clock | str | None = None,
        speed: float = 1.0,
        monotonic: Clock | None = None,
        latency_s: float | Callable[[Request], float] = 0.0,
        faults: Faults | None = None,
        clients: Iterable[Client] | None = None,
        switches: Switches | None = None,
        admin_token: str | None = None,
        url: str = "http://127.0.0.1",
        tls_environ: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        if world is None:
            world = Org(seed, conversations_per_day, flat=flat) if conversations is None else Recorded(conversations)
        clients = tuple(clients) if clients is not None else (default_client(seed),)
        now, ticking = clocks(now, speed, monotonic)
        self.url = url
        self._tls_environ = tls_environ
        self.client_id = clients[0].client_id
        self.client_secret = clients[0].client_secret
        self.admin_token = admin_token or secrets.token_urlsafe(18)
        self.switches = switches or Switches()
        self.store = Store(world, now, self.switches)
        self.faults = faults or Faults()
        self.jobs = Jobs(self.store, seed, ticking)
        self.tokens = Tokens(clients, ticking if speed != 1 else now, seed, self.switches)
        self.rate_limit = RateLimit(rate_limit, ticking, count_rejected=self.switches.count_rejected)
        self.requests: deque[Served] = deque(maxlen=REQUESTS_KEPT)
        """What was served, oldest first; the last 20,000."""
        self._seed = seed
        self._now = now
        self._latency_s = latency_s
        self._arrived = 0

    @property
    def now_s(self) -> float:
        """Epoch seconds on the org's clock."""
        return self._now()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which a client finds the sandbox and logs in."""
        return {
            "GENESYS_CLIENT_ID": self.client_id,
            "GENESYS_CLIENT_SECRET": self.client_secret,
            "GENESYS_ENV": self.url,
            **self._tls_environ,
        }

    def revoke_tokens(self) -> None:
        """Ends every token issued so far."""
        self.tokens.revoke()

    def handle(
        self, method: str, target: str, headers: Mapping[str, str] = NO_HEADERS, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Returns (status, headers, body) of the answer to a request, without waiting.

        Raises:
            ConnectionResetError: a fault resets the connection.
            TimeoutError: a fault leaves the request without an answer for ever.
        """
        wire = self.respond(Request.of(method, target, headers, body))
        if wire.delivery == "reset":
            raise ConnectionResetError("a fault of the sandbox resets this connection")
        if wire.delivery == "hang":
            raise TimeoutError("a fault of the sandbox leaves this request unanswered")
        return wire.status, dict(wire.headers), wire.body

    def respond(self, request: Request) -> Wire:
        """Returns what goes over the connection, how, and after which delay; the caller does the waiting."""
        if request.path.startswith(controls.PREFIX):
            return controls.respond(self.faults, request)
        self._arrived += 1
        faults = self.faults.striking(request)
        situation = Situation(request, self._now(), self.tokens, decoded(request))
        answer = self._answer(self._arrived, situation, faults)
        answer = replace(answer, content=strike_content(faults, answer.content))
        wire = strike_wire(faults, self._encoded(answer, request.headers.get("accept-encoding", "")))
        self._log(self._arrived, situation, wire, tuple(fault.kind for fault in faults))
        latency_s = self._latency_s(request) if callable(self._latency_s) else self._latency_s
        return replace(wire, delay_s=wire.delay_s + latency_s)

    def _answer(self, number: int, situation: Situation, faults: Sequence[Fault]) -> Answer:
        correlation_id = self._correlation_id(number)
        headers = {
            "ININ-Correlation-Id": correlation_id,
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Date": formatdate(situation.now_s, usegmt=True),
        }
        try:
            strike_before(faults, situation)
            answer = self._routed(situation.request, number, faults, headers)
        except ApiError as refusal:
            answer = refusal.answer(correlation_id)
        return replace(answer, headers={**headers, **answer.headers})

    def _encoded(self, answer: Answer, accept_encoding: str) -> Wire:
        most = self.switches.answer_bytes_max
        if 0 < most < len(encoded(answer).body):
            refusal = response_too_large().answer(answer.headers["ININ-Correlation-Id"])
            answer = replace(refusal, headers=answer.headers)
        return encoded(answer, accept_encoding)

    def _routed(self, request: Request, number: int, faults: Sequence[Fault], headers: dict[str, str]) -> Answer:
        if len(request.body) > REQUEST_BYTES_MAX:
            raise body_too_large()
        route, last_part = find_route(request)
        if route is LOGIN:
            return self.tokens.grant(request)
        token = self.tokens.bearer(request)
        headers |= self.rate_limit.take(token.text)
        require(token.client, route.permissions)
        if request.method == "POST" and not is_json(request):
            raise unsupported_media_type()
        return route.handle(self, Arrival(request, token.client, number, faults), last_part)

    def _correlation_id(self, number: int) -> str:
        return str(seeded_uuid(f"{self._seed} correlation {number}"))

    def _log(self, number: int, situation: Situation, wire: Wire, faults: tuple[str, ...]) -> None:
        request = situation.request
        self.requests.append(
            Served(
                number=number,
                method=request.method,
                path=request.path,
                parameters=request.parameters,
                body=situation.body,
                status=wire.status,
                delivery=wire.delivery,
                arrived_s=situation.now_s,
                faults=faults,
            )
        )


def clocks(now: Clock | str | None, speed: float, monotonic: Clock | None) -> tuple[Clock, Clock]:
    """The org's clock and that of its clients.

    Raises:
        ValueError: a speed for a function, which has its own; a negative one; an instant that is none.
    """
    if isinstance(now, str):
        return RunningClock.at(now, speed, monotonic or time.monotonic), monotonic or time.monotonic
    if now is None and speed != 1:
        return RunningClock(time.time(), speed, monotonic or time.monotonic), monotonic or time.monotonic
    if speed != 1:
        raise ValueError("a clock that is given as a function has its own speed; give an instant instead")
    if now is None or now is time.time:
        return time.time, monotonic or time.monotonic
    return now, monotonic or now


def default_client(seed: int) -> Client:
    """The client that may see everything; the same for the same seed."""
    secret = hashlib.sha256(f"{seed} secret".encode()).hexdigest()[:43]
    return Client(str(seeded_uuid(f"{seed} client")), secret)


def seeded_uuid(text: str) -> uuid.UUID:
    """A UUID that is a function of a text."""
    return uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)


def decoded(request: Request) -> Any:
    """The request's JSON, or None; a login's form, which holds no JSON, is None."""
    if not is_json(request):
        return None
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return None


def is_json(request: Request) -> bool:
    """Whether the request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


def body_too_large() -> ApiError:
    """Source: platform-client-sdk-cli, for 413; the code is a guess."""
    message = f"The request is over the size limit. Maximum bytes: {REQUEST_BYTES_MAX}"
    return ApiError(413, "request.entity.too.large", message)


def unsupported_media_type() -> ApiError:
    """Source: platform-client-sdk-cli, for 415."""
    message = (
        "Unsupported Media Type - Unsupported or incorrect media type, "
        "such as an incorrect Content-Type value in the header."
    )
    return ApiError(415, "unsupported.media.type", message)
