"""What is said to the API and what comes back, as frozen values.

An *exchange* is a generator that yields `Request`s, is sent a `Response` for each, and returns what it found.
It has no socket and no clock: `client.Client.play` sends what it asks for, and a test plays it with a list.

    def organization() -> Exchange[str]:
        response = yield Request("GET", "/api/v2/organizations/me")
        return response.json()["name"]

Rules of the house:

- An exchange is sent the final answer only. Waiting for the rate limit, a new token after a 401, trying again after
  a 408, 429, 5xx, a broken connection or a body that is not JSON happen below it, in the client. What it may
  see is 2xx, and 400, 403, 404 and their like, which `refusal` turns into an error.
- An exchange says *what* it asks, never *where*: hosts and tokens are the client's.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from everycall.errors import EverycallError, PermissionMissing, QueryRefused

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class Response:
    """One whole answer: the body is complete, unzipped, and JSON or empty."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    mended: bool = False
    """Whether half characters in the body (a text that a server cut in the middle of an emoji) became U+FFFD."""

    def json(self) -> Any:
        """The body as plain Python values; `{}` where it is empty."""
        return msgspec.json.decode(self.body) if self.body else {}

    @property
    def correlation_id(self) -> str:
        """What the vendor's support asks for; empty where the answer carried none."""
        return self.headers.get("inin-correlation-id", "")


Exchange: TypeAlias = Generator[Request, Response, T]
"""Yields requests, is sent responses, returns what it found."""


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """The API's error body, as far as we use it.

    Source: SDK 269, ErrorBody. Not every gateway in between writes one, so each field may be empty.
    """

    message: str = ""
    code: str = ""
    context_id: str = ""


def problem(response: Response) -> Problem:
    """What the error body says; empty fields where the body is not the API's error envelope."""
    try:
        return msgspec.json.decode(response.body, type=Problem)
    except msgspec.MsgspecError:
        return Problem()


def refusal(response: Response) -> EverycallError:
    """The error that a final answer other than 2xx stands for."""
    said = problem(response)
    correlation_id = response.correlation_id or said.context_id
    message = said.message or "no reason given"
    if response.status == 403:
        return PermissionMissing(
            f"The org refused (403 {said.code or 'forbidden'}): {message}",
            hint="Give one of the OAuth client's roles that permission, for the divisions that you export.",
            correlation_id=correlation_id,
        )
    return QueryRefused(
        f"The API refused the request ({response.status} {said.code or 'error'}): {message}",
        hint="Check GENESYS_ENV: the address may belong to something else."
        if response.status in (404, 405)
        else "Change the query; asking the same again will be refused again.",
        correlation_id=correlation_id,
    )
