"""The only socket: one HTTP question and its answer as it came, as long as its headers say, or `Broken`.

What the body holds is looked at in `exchange.received`. Proxies and certificates are the system's: `HTTPS_PROXY`,
`NO_PROXY`, `SSL_CERT_FILE` and the certificate store are honoured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from everycall.api.exchange import Broken, Response
from everycall.errors import SettingsError

IN_FLIGHT_MAX = 64
"""Connections kept open at most; the exporter has fewer requests under way."""


class Connection(Protocol):
    """Where requests go: a socket, or a sandbox in the same process."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """The answer, its body as it came over the wire.

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
        import httpx2  # noqa: PLC0415 - a tenth of a second, which nobody waits for who only imports the client

        self._timeouts = timeouts
        self._monotonic = monotonic
        timeout = httpx2.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=None)
        limits = httpx2.Limits(max_connections=IN_FLIGHT_MAX, max_keepalive_connections=IN_FLIGHT_MAX)
        try:
            self._http = httpx2.Client(timeout=timeout, limits=limits, follow_redirects=False)
        except (ValueError, ImportError, OSError) as error:
            raise SettingsError(f"The proxy or certificate settings cannot be used: {error}") from error

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        import httpx2  # noqa: PLC0415 - as above

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
                return Response(answer.status_code, found, b"".join(pieces))
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise SettingsError(f"'{url}' cannot be reached: {error}", hint="Check GENESYS_ENV.") from error
        except httpx2.HTTPError as error:
            raise Broken(_reason(error)) from error
        except RuntimeError as error:  # closed by another thread
            raise Broken(f"the connection was closed ({error})") from error

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._http.close()


def _reason(error: Exception) -> str:
    import httpx2  # noqa: PLC0415 - as above

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
