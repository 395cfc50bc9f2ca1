"""What is said to the API and what comes back, as frozen values.

An *exchange* is a generator that yields `Request`s, is sent a `Response` for each, and returns what it found.
It has no socket and no clock: `client.Client.play` sends what it asks for, and a test plays it with a list.

    def organization() -> Exchange[str]:
        response = yield Request("GET", "/api/v2/organizations/me")
        return response.decoded["name"]

Rules of the house:

- An exchange is sent the final answer only. Waiting for the rate limit, a new token after a 401, trying again after
  a 408, 429, 5xx, a broken connection or a body that is not JSON happen below it, in the client. What it may
  see is 2xx, and 400, 403, 404 and their like, which `refusal` turns into an error. Where there is no final answer,
  the client's error is thrown in at the `yield`: an exchange that can do without the answer catches it.
- An exchange says *what* it asks, never *where*: hosts and tokens are the client's.
"""

from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from everycall.api.oddities import without_lone_surrogates
from everycall.errors import EverycallError, PermissionMissing, QueryRefused
from everycall.printable import printable
from everycall.zipped import Damaged, unzipped

T = TypeVar("T")


class Broken(Exception):
    """No whole answer came. `str(broken)` says what happened, without the address."""


class TooSlow(Broken):
    """The answer did not come, or was not complete, in time."""


class BrokenAnswer(Broken):
    """Something came, but it is not an answer of the API: cut short, damaged, or somebody else's."""


class NotAnAnswer(ValueError):
    """What a `Request.decode` raises for JSON that the API would not answer with. Its text is ours, for a reader."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the API."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """Path below the host, for example `/api/v2/analytics/conversations/details/query`."""
    params: Mapping[str, str] = field(default_factory=dict)
    """The query string, not yet encoded."""
    json: Mapping[str, Any] | None = None
    """The JSON body; None where there is none."""
    login: tuple[str, str] | None = field(default=None, repr=False)
    """Client id and secret, which send this to the login host with the body `grant_type=client_credentials`."""
    decode: Callable[[bytes], Any] = field(default=msgspec.json.decode, repr=False, compare=False)
    """Makes `Response.decoded` of the unzipped body of a 2xx answer. Where it raises a ValueError or RecursionError
    (msgspec's errors are ValueErrors), the answer is broken, and the client asks again."""
    success: Container[int] = field(default=range(200, 300), repr=False, compare=False)
    """The statuses below 300 that answer this request; any other below 300 is a broken answer."""
    tries: int | None = field(default=None, repr=False, compare=False)
    """How often to ask at most, where failures could be outlived; None for as often as patience allows."""
    patience_s: float | None = field(default=None, repr=False, compare=False)
    """How long to go on asking at most; None for the client's own patience."""
    attempts_on_timeout: int | None = field(default=None, repr=False, compare=False)
    """After so many time-outs and answers 504 in a row the client raises `TimedOut`; None for never."""
    is_own_limit: Callable[["Response"], bool] | None = field(default=None, repr=False, compare=False)
    """Which answers 429 are for the exchange, since waiting for the token's budget would not help: those about a limit
    of what it asks for. None for none of them."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `received` makes sure that it is whole, and fills in `decoded`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    content: bytes = b""
    """The body as it came over the wire: zipped, where the content-encoding says so. So a page that waits is small."""
    decoded: Any = None
    """What `Request.decode` made of the body; None where the body is empty or the status is not 2xx."""

    @property
    def is_zipped(self) -> bool:
        """Whether `content` is a gzip."""
        return self.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")

    @property
    def body(self) -> bytes:
        """The body, unzipped anew each time: half a millisecond for a page of 900 kB.

        Raises:
            Damaged: it cannot be unzipped; never once `received` has been through it.
        """
        return unzipped(self.content) if self.is_zipped else self.content

    @property
    def correlation_id(self) -> str:
        """What the vendor's support asks for; empty where the answer carried none."""
        return self.headers.get("inin-correlation-id", "")


def received(request: Request, response: Response) -> Response:
    """The answer with its body decoded, once it is certain that none of it is missing.

    The body of an error may be a gateway's, in HTML; but one that calls itself JSON has to be.

    Raises:
        BrokenAnswer: the body is cut short, damaged, or not what the request is answered with. The API says `{}` where
            it has nothing to say, so an answer 200, 201 or 202 without a body got lost, unless it is that of a DELETE.
    """
    try:
        body = response.body
    except Damaged as error:
        raise BrokenAnswer(str(error)) from error
    if response.status < 300 and response.status not in request.success:
        raise BrokenAnswer(f"the status {response.status} answers something else")
    if not body and response.status in (200, 201, 202) and request.method != "DELETE":
        raise BrokenAnswer("the answer is empty")
    if response.status < 300 and body:
        return replace(response, decoded=_decoded(request.decode, body, is_checked=response.is_zipped))
    if body and "json" in response.headers.get("content-type", ""):
        _decoded(msgspec.json.Decoder(msgspec.Raw).decode, body)
    return response


def _decoded(decode: Callable[[bytes], Any], body: bytes, *, is_checked: bool = False) -> Any:
    """What `decode` makes of the body. A gzip has a checksum; what came without one has to be UTF-8 at least."""
    try:
        _ = is_checked or body.isascii() or str(body, "utf-8")
        try:
            return decode(body)
        except msgspec.DecodeError:
            repaired = without_lone_surrogates(body)
            if repaired == body:
                raise
            return decode(repaired)
    except NotAnAnswer as error:
        raise BrokenAnswer(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise BrokenAnswer("the answer is not JSON, or it is cut short") from error


Exchange: TypeAlias = Generator[Request, Response, T]
"""Yields requests, is sent responses, returns what it found."""


REASON_MAX = 3000
"""The longest reason of the API that is passed on: one that lists a hundred allowed values has room in it."""


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """The API's error body, as far as we use it, fit to be shown.

    Source: SDK 269, ErrorBody. Not every gateway in between writes one, so each field may be empty.
    """

    message: str = ""
    code: str = ""
    context_id: str = ""


def problem(response: Response) -> Problem:
    """What the error body says; empty fields where the body is not the API's error envelope."""
    try:
        found = msgspec.json.decode(without_lone_surrogates(response.body), type=Problem)
    except (ValueError, RecursionError):
        return Problem()
    return Problem(*(printable(text, REASON_MAX) for text in msgspec.structs.astuple(found)))


def reason(response: Response) -> str:
    """Status, code and message of a refusal, as far as the answer has them, in one line for a reader."""
    found = problem(response)
    status = f"{response.status} {found.code}".rstrip()
    return f"{status}: {found.message}" if found.message else status


def refusal(response: Response) -> EverycallError:
    """The error that a final answer other than 2xx stands for."""
    found = problem(response)
    correlation_id = response.correlation_id or found.context_id
    message = found.message or "no reason given"
    if response.status == 403:
        return PermissionMissing(
            f"The org refused (403 {found.code or 'forbidden'}): {message}",
            hint="Give one of the OAuth client's roles that permission, for the divisions that you export.",
            correlation_id=correlation_id,
        )
    return QueryRefused(
        f"The API refused the request ({response.status} {found.code or 'error'}): {message}",
        hint="Check GENESYS_ENV: the address may belong to something else."
        if response.status in (404, 405)
        else "Change the query; asking the same again will be refused again.",
        correlation_id=correlation_id,
    )
