"""The only socket: one HTTP question and its whole answer, or `Broken`.

Whole means: as long as its headers say, its gzip complete, its body JSON (or empty). Anything less is `Broken`, so
that half an answer can never be taken for an answer. Proxies and certificates are the system's: `HTTPS_PROXY`,
`NO_PROXY`, `SSL_CERT_FILE` and the certificate store are honoured.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx2
import msgspec
from isal import isal_zlib
from isal.igzip_lib import IsalError

from everycall.api.exchange import Response
from everycall.errors import SettingsError

IN_FLIGHT_MAX = 64
"""Connections kept open at most; the exporter has fewer requests under way."""


LARGE_BYTES = 1 << 16
"""A body above this is kept zipped while it waits."""


class Broken(Exception):
    """No whole answer came. `str(broken)` says what happened, without the address."""


class Connection(Protocol):
    """Where requests go: a socket, or a sandbox in the same process."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """The whole answer, its body unzipped.

        Raises:
            Broken: there is none.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an answer may take, in seconds."""

    connect_s: float = 10.0
    read_s: float = 60.0
    """Between two pieces of an answer; a deep page of a large org takes tens of seconds."""
    total_s: float = 180.0
    """For a whole answer, so that one that drips is given up too."""

    @classmethod
    def of(cls, read_s: float) -> "Timeouts":
        """Of somebody who waits so long for each piece of an answer, and three times as long for all of it."""
        return cls(read_s=read_s, total_s=3 * read_s)


class HttpConnection:
    """HTTPS over kept-alive connections; safe to use from many threads."""

    def __init__(self, timeouts: Timeouts = Timeouts(), *, monotonic: Callable[[], float]) -> None:
        self._timeouts = timeouts
        self._monotonic = monotonic
        self._one_body = threading.Lock()  # so that many answers at once are not many unzipped bodies at once
        timeout = httpx2.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=None)
        limits = httpx2.Limits(max_connections=IN_FLIGHT_MAX, max_keepalive_connections=IN_FLIGHT_MAX)
        try:
            self._http = httpx2.Client(timeout=timeout, limits=limits, follow_redirects=False)
        except (ValueError, ImportError, OSError) as error:
            raise SettingsError(f"The proxy or certificate settings cannot be used: {error}") from error

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        give_up_at = self._monotonic() + self._timeouts.total_s
        sent = {**headers, "accept-encoding": "gzip"}
        try:
            with self._http.stream(method, url, headers=sent, content=body) as answer:
                pieces = []
                for piece in answer.iter_raw():
                    pieces.append(piece)
                    if self._monotonic() > give_up_at:
                        raise Broken(f"the answer was not complete after {self._timeouts.total_s:g} s")
                found = {name.lower(): value for name, value in answer.headers.items()}
                with self._one_body:
                    return whole(answer.status_code, found, b"".join(pieces), may_be_empty=method == "DELETE")
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise SettingsError(f"'{url}' cannot be reached: {error}", hint="Check GENESYS_ENV.") from error
        except httpx2.HTTPError as error:
            raise Broken(_reason(error)) from error
        except RuntimeError as error:  # closed by another thread
            raise Broken(f"the connection was closed ({error})") from error

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._http.close()


def _reason(error: httpx2.HTTPError) -> str:
    kinds = {
        httpx2.ConnectTimeout: "no connection in time",
        httpx2.ReadTimeout: "no answer in time",
        httpx2.ConnectError: "no connection",
        httpx2.ProxyError: "the proxy refused",
        httpx2.RemoteProtocolError: "the answer broke off",
        httpx2.ReadError: "the connection broke",
    }
    words = next((words for kind, words in kinds.items() if isinstance(error, kind)), type(error).__name__)
    return f"{words} ({error})" if str(error) else words


def whole(status: int, headers: Mapping[str, str], body: bytes, *, may_be_empty: bool = False) -> Response:
    """The answer with its body unzipped, once it is certain that none of it is missing.

    Raises:
        Broken: some of it is, or it is not JSON. The API says `{}` where it has nothing to say, so a body of no bytes
            is an answer that got lost, unless it is said that it `may_be_empty`. An error may be a gateway's, in HTML;
            but one that calls itself JSON has to be.
    """
    zipped = body if headers.get("content-encoding", "").lower() in ("gzip", "x-gzip") else b""
    body = _unzipped(zipped) if zipped else body
    if not body and status == 200 and not may_be_empty:
        raise Broken("the answer is empty")
    may_be_anything = status >= 300 and "json" not in headers.get("content-type", "")
    if may_be_anything or not body or is_json(body):
        is_large = zipped and len(body) > LARGE_BYTES
        return Zipped(status, headers, zipped) if is_large else Response(status, headers, body)
    mended = _ESCAPE.sub(_whole_escape, body)
    if not is_json(mended):
        raise Broken("the answer is not JSON, or it is cut short")
    return Response(status, headers, mended, mended=True)


class Zipped(Response):
    """A large answer that waits for its turn: its body is unzipped anew each time that it is asked for.

    A page is 900 kB, or 120 kB zipped, and some forty may wait. Unzipping takes half a millisecond.
    """

    __slots__ = ("_zipped",)
    _zipped: bytes

    def __init__(self, status: int, headers: Mapping[str, str], zipped: bytes) -> None:
        for name, value in (("status", status), ("headers", headers), ("mended", False), ("_zipped", zipped)):
            object.__setattr__(self, name, value)

    @property
    def body(self) -> bytes:
        """The body, unzipped."""
        return _unzipped(self._zipped)


def is_json(body: bytes) -> bool:
    """Whether the body is one complete JSON value; it is not where it is cut short or a gateway's page of HTML."""
    try:
        str(body, "utf-8")
        msgspec.json.decode(body, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError):
        return False
    return True


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _whole_escape(match: re.Match[bytes]) -> bytes:
    """Half a character, left where a server cut a text in the middle of an emoji, becomes a replacement character."""
    return rb"\ufffd" if match["half"] else match[0]


def _unzipped(body: bytes) -> bytes:
    """What the gzip members hold, one after the other; a server may send several."""
    plain = []
    while body:
        unzip = isal_zlib.decompressobj(wbits=31)
        try:
            plain.append(unzip.decompress(body))
        except IsalError as error:  # type: ignore[misc]  # its stub calls the class an instance
            raise Broken(f"the answer's gzip is damaged ({error})") from error
        if not unzip.eof:
            raise Broken("the answer's gzip is cut short")
        body = unzip.unused_data
    return b"".join(plain)
