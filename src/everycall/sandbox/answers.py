"""What comes into the sandbox and what goes out: `Request`, `Answer`, `Wire`, and the API's error bodies.

An `Answer` holds a JSON value; a `Wire` holds the bytes that are put on the connection, and how. A handler
that refuses raises `ApiError`, which knows its own body.

Source: the error envelope is SDK 269, `ErrorBody`; its key order and the texts are verbatim captures (the
mock server of splunk/genesys_cloud_ta, developer.genesys.cloud forum thread 12028).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

import msgspec
from isal import igzip

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

GZIP_FROM_BYTES = 1024
"""Smaller bodies go out as they are. Ours; the API's own threshold is not known."""

GZIP_LEVEL = 1
"""isal's second-fastest level: about 7:1 on conversations."""

Delivery = Literal["whole", "cut", "drip", "hang", "reset"]
"""How a body reaches the client: all of it; a part of it and then the end of the connection; all of it in
small pieces; never anything; nothing but a reset connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    """Without the query string, percent-decoded: `/api/v2/users`."""
    parameters: tuple[tuple[str, str], ...]
    """The query string's pairs, in order: `(("pageSize", "25"),)`."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str] = NO_HEADERS, body: bytes = b"") -> "Request":
        """The request for a target such as `/api/v2/users?pageSize=25`."""
        path, _, query = target.partition("?")
        return cls(
            method=method.upper(),
            path=unquote(path),
            parameters=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
        )

    def parameter(self, name: str) -> str | None:
        """The value of a query parameter that is given once; the last one where it is repeated."""
        values = [value for key, value in self.parameters if key == name]
        return values[-1] if values else None

    def listed(self, name: str) -> list[str]:
        """The values of a list parameter, repeated (`id=a&id=b`) or separated by commas (`id=a,b`)."""
        given = (value for key, value in self.parameters if key == name)
        return [part for value in given for part in value.split(",") if part]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a handler: a status and a JSON value, not yet bytes."""

    status: int
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the connection: bytes, with the lengths and encodings named in the headers."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delivery: Delivery = "whole"
    delay_s: float = 0.0
    """To wait before the first byte; between two pieces where `delivery` is `drip`, too."""


class ApiError(Exception):
    """A refusal, with the body that the API gives it.

    `message`, `code`, `status` and `limit` (the limit that was exceeded) go into the body; `headers` (such as
    Retry-After) onto the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] = NO_HEADERS,
        limit: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"[{status}] {code} - {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.limit = limit

    def answer(self, correlation_id: str) -> Answer:
        """The error body, with the request's correlation id as its `contextId`."""
        content: dict[str, Any] = {
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "contextId": correlation_id,
            "details": [],
            "errors": [],
        }
        if self.limit is not None:
            content["limit"] = self.limit
        return Answer(self.status, content, self.headers)


def bad_request(message: str, code: str = "bad.request") -> ApiError:
    """A 400, with the general code by default."""
    return ApiError(400, code, message)


def malformed() -> ApiError:
    """The 400 for a body that is no JSON object, or holds a value of the wrong type.

    Source: the text is the vendor's, for `bad.request` (platform-client-sdk-cli, x-inin-error-codes); that
    the API uses it for a wrong type is a guess.
    """
    return bad_request("The request could not be understood by the server due to malformed syntax.")


def not_found() -> ApiError:
    """The 404 for an id that does not exist. Source: platform-client-sdk-cli, x-inin-error-codes."""
    return ApiError(404, "not.found", "The requested resource was not found.")


def invalid_value(value: object, field_type: str, allowed: tuple[str, ...]) -> ApiError:
    """The 400 for a value that an enumeration does not have.

    Source: verbatim capture, "Value [] is not valid for field type [QueryFilterType]. Allowable values are:
    and, or".
    """
    names = ", ".join(allowed)
    message = f"Value [{value}] is not valid for field type [{field_type}]. Allowable values are: {names}"
    return ApiError(400, "invalid.value", message)


def invalid_property(name: str, model: str) -> ApiError:
    """The 400 for a field that the request's model does not have.

    Source: platform-client-sdk-cli, x-inin-error-codes, `invalid.property`.
    """
    return ApiError(400, "invalid.property", f"Value [{name}] is not a valid property for object [{model}]")


def encoded(answer: Answer, accept_encoding: str = "") -> Wire:
    """The answer as bytes: compact JSON, gzip where the client takes it and it is worth it."""
    body = b"" if answer.content is None else msgspec.json.encode(answer.content)
    headers = dict(answer.headers)
    if answer.content is not None:
        headers["Content-Type"] = "application/json"
    if len(body) >= GZIP_FROM_BYTES and takes_gzip(accept_encoding):
        body = igzip.compress(body, compresslevel=GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    if answer.status != 204:
        headers["Content-Length"] = str(len(body))
    return Wire(answer.status, headers, body)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding allows gzip; `gzip;q=0` does not."""
    for part in accept_encoding.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
