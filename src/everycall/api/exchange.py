"""Requests, responses and exchanges with the API, as frozen values.

An *exchange* is a generator that yields `Request`s, is sent a `Response` for each, and returns its result.
It has no socket and no clock: `client.Client.play` sends its requests, and a test plays it with a list of responses.

    def organization() -> Exchange[str]:
        response = yield Request("GET", "/api/v2/organizations/me")
        return response.decoded["name"]

Rules:

- An exchange is sent final answers only. The client waits for the rate limit, renews the token after a 401, and retries
  after a 408, 429, 5xx, a broken connection or a body that is not JSON. An exchange sees 2xx, and refusals such as 400,
  403 and 404, which `refusal` turns into an error. If there is no final answer, the client throws its error in at the
  `yield`; an exchange that can do without the answer catches it.
- A request has a path only. Hosts and tokens are the client's.
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
    """No complete answer came. `str(broken)` has the reason, without the address."""


class TooSlow(Broken):
    """The answer did not come, or was not complete, in time."""


class BrokenAnswer(Broken):
    """The answer is not the API's, or it is cut short or damaged."""


class NotAnAnswer(ValueError):
    """Raised by a `Request.decode` for JSON that is not an answer of the API. Its text is shown to the user."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """Path below the host, for example `/api/v2/analytics/conversations/details/query`."""
    params: Mapping[str, str] = field(default_factory=dict)
    """The query string, not encoded yet."""
    json: Mapping[str, Any] | None = None
    """The JSON body; None for a request without a body."""
    login: tuple[str, str] | None = field(default=None, repr=False)
    """Client id and secret; the request then goes to the login host, with `grant_type=client_credentials`."""
    decode: Callable[[bytes], Any] = field(default=msgspec.json.decode, repr=False, compare=False)
    """Makes `Response.decoded` from the unzipped body of a 2xx answer. If it raises a ValueError (such as msgspec's
    errors) or a RecursionError, the answer is broken, and the client tries again."""
    success: Container[int] = field(default=range(200, 300), repr=False, compare=False)
    """The statuses below 300 that answer this request; any other below 300 is a broken answer."""
    tries: int | None = field(default=None, repr=False, compare=False)
    """How often to try at most; None for as often as `patience_s` allows."""
    patience_s: float | None = field(default=None, repr=False, compare=False)
    """How long to try at most, in seconds; None for the client's own limit."""
    attempts_on_timeout: int | None = field(default=None, repr=False, compare=False)
    """After so many time-outs or 504 answers in a row the client raises `TimedOut`; None for never."""
    is_own_limit: Callable[["Response"], bool] | None = field(default=None, repr=False, compare=False)
    """Which answers 429 the exchange gets, because waiting for the token's budget would not help: those about a limit
    of what it asks for. None for none of them."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `received` checks that it is complete, and fills in `decoded`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    content: bytes = b""
    """The body as it came over the wire. It stays zipped, so that waiting pages need little memory."""
    decoded: Any = None
    """The result of `Request.decode`; None if the body is empty or the status is not 2xx."""

    @property
    def is_zipped(self) -> bool:
        """Whether `content` is a gzip."""
        return self.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")

    @property
    def body(self) -> bytes:
        """The body, unzipped again on each call: half a millisecond for a page of 900 kB.

        Raises:
            Damaged: it cannot be unzipped; never after `received`.
        """
        return unzipped(self.content) if self.is_zipped else self.content

    @property
    def correlation_id(self) -> str:
        """The id that the vendor's support asks for; empty if the answer has none."""
        return self.headers.get("inin-correlation-id", "")


def received(request: Request, response: Response) -> Response:
    """Check that an answer is complete, and decode its body.

    The body of an error may be HTML from a gateway, but one with a JSON content type has to be JSON.

    Raises:
        BrokenAnswer: the body is cut short, damaged, or not an answer to the request. An empty body with status 200,
            201 or 202 was lost on the way, since the API sends at least `{}`, except for a DELETE.
    """
    try:
        body = response.body
    except Damaged as error:
        raise BrokenAnswer(str(error)) from error
    if response.status < 300 and response.status not in request.success:
        raise BrokenAnswer(f"the status {response.status} does not answer this request")
    if not body and response.status in (200, 201, 202) and request.method != "DELETE":
        raise BrokenAnswer("the answer is empty")
    if response.status < 300 and body:
        return replace(response, decoded=_decoded(request.decode, body, is_checked=response.is_zipped))
    if body and "json" in response.headers.get("content-type", ""):
        _decoded(msgspec.json.Decoder(msgspec.Raw).decode, body)
    return response


def _decoded(decode: Callable[[bytes], Any], body: bytes, *, is_checked: bool = False) -> Any:
    """Decode a body. One that came without a checksum (that is, without gzip) has to be valid UTF-8."""
    try:
        if not is_checked and not body.isascii():
            body.decode()
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
"""Yields requests, is sent responses, and returns its result."""


REASON_MAX = 3000
"""The maximum length of an API message that is passed on: enough for a list of a hundred allowed values."""


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of the API's error body that we use, safe to print.

    Source: SDK 269, ErrorBody. Gateways may answer without such a body, so each field may be empty.
    """

    message: str = ""
    code: str = ""
    context_id: str = ""


def problem(response: Response) -> Problem:
    """The error body of an answer; its fields are empty if the body is not an error of the API."""
    try:
        found = msgspec.json.decode(without_lone_surrogates(response.body), type=Problem)
    except (ValueError, RecursionError):
        return Problem()
    return Problem(*(printable(text, REASON_MAX) for text in msgspec.structs.astuple(found)))


def reason(response: Response) -> str:
    """Status, code and message of a refusal in one line, as far as the answer has them."""
    found = problem(response)
    status = f"{response.status} {found.code}".rstrip()
    return f"{status}: {found.message}" if found.message else status


def refusal(response: Response) -> EverycallError:
    """The error for a final answer other than 2xx."""
    found = problem(response)
    correlation_id = response.correlation_id or found.context_id
    message = found.message or "no reason given"
    if response.status == 403:
        return PermissionMissing(
            f"The org refused the request (403 {found.code or 'forbidden'}): {message}",
            hint="Add that permission to a role of the OAuth client, for the divisions that you export.",
            correlation_id=correlation_id,
        )
    return QueryRefused(
        f"The API refused the request ({response.status} {found.code or 'error'}): {message}",
        hint="Check GENESYS_ENV: the address may belong to something else."
        if response.status in (404, 405)
        else "Change the query: the same query will be refused again.",
        correlation_id=correlation_id,
    )
