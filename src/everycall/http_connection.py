"""The connection over sockets: sends one HTTP request and returns its complete answer, or raises `Broken`.

`exchange.received` checks the body. Proxies and certificates are those of the system: `HTTPS_PROXY`, `NO_PROXY`,
`SSL_CERT_FILE`, `SSL_CERT_DIR` and the certificate store are used.

Messages of the HTTP library are never passed on, since they quote headers, addresses and the server's data. All
messages are written here, except the operating system's names of its errors.
"""

import errno
import os
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from everycall.api.exchange import Broken, Response, TooSlow
from everycall.connection import Timeouts
from everycall.errors import SettingsError
from everycall.printable import printable
from everycall.zipped import UNZIPPED_MAX

KEEP_ALIVE_S = 5.0
"""How long an idle connection is kept, so that it is closed before the server closes it."""

DISTRUSTED = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its authority is self-signed and unknown to this machine",
    20: "the authority that signed it is unknown to this machine",
    21: "the authority that signed it is unknown to this machine",
    62: "it is for another host name",
}
"""Why a certificate is not trusted, by OpenSSL's error code. Source: its x509_vfy.h, X509_V_ERR_..."""

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


class HttpConnection:
    """HTTPS over kept-alive connections; safe to use from many threads.

    Each request in flight has a pool of one connection to itself. A pool that all requests share looks at each of its
    connections, under one lock, before and after each request: with a hundred of them, that took longer than the rest.
    """

    def __init__(self, timeouts: Timeouts, *, monotonic: Callable[[], float]) -> None:
        """Check the proxy settings; nothing is sent yet.

        Raises:
            SettingsError: a proxy address in the environment is not valid.
        """
        self._timeouts = timeouts
        self._monotonic = monotonic
        self._sockets = _Sockets(monotonic)
        self._opening = threading.Lock()
        self._pools: list[httpcore2.ConnectionPool] = []
        """All of them, idle or not."""
        self._idle: dict[tuple[str, str], list[httpcore2.ConnectionPool]] = {}
        """By scheme and host; the one that was used last is the last."""
        self._certificates: ssl.SSLContext | None = None
        self._is_closed = False
        for scheme, proxy in getproxies().items():
            if scheme in ("http", "https", "all"):
                _proxy_parts(proxy)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """Send a request and return the answer, with its body as it came over the wire.

        Raises:
            Broken: no complete answer came.
            SettingsError: the address is not valid, or its certificate is not trusted; a retry would not help.
        """
        parts = _address(url)
        if self._is_closed:
            raise Broken("the connection was closed")
        give_up_at = self._monotonic() + self._timeouts.total_s
        self._sockets.give_up_at(give_up_at)
        try:
            with self._pool(parts) as pool:
                return self._sent(pool, method, url, {**headers, "accept-encoding": "gzip"}, body)
        except httpcore2.TimeoutException as error:
            if self._monotonic() >= give_up_at:
                raise TooSlow(f"the answer was not complete after {self._timeouts.total_s:g} s") from error
            if isinstance(error, httpcore2.ConnectTimeout | httpcore2.PoolTimeout):
                raise Broken("no connection in time") from error
            raise TooSlow("no answer in time") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError, OSError) as error:
            _check_certificate(error, parts.hostname or "")
            raise Broken(_reason(error)) from error
        except UnicodeError as error:  # an invalid host name, such as a..b
            raise _no_address() from error
        except (RuntimeError, httpcore2.UnsupportedProtocol) as error:  # closed by another thread
            raise Broken("the connection was closed") from error

    def _sent(
        self, pool: httpcore2.ConnectionPool, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        timeouts = self._timeouts
        waits = {"connect": timeouts.connect_s, "read": timeouts.read_s, "write": timeouts.read_s, "pool": None}
        sent: list[tuple[bytes | str, bytes | str]] = [*headers.items()]
        with pool.stream(method, url, headers=sent, content=body, extensions={"timeout": waits}) as answer:
            content = b"".join(_bounded(answer.iter_stream()))
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Response(answer.status, found, content)

    def close(self) -> None:
        """Close all connections; requests in flight fail."""
        with self._opening:
            self._is_closed = True
            pools = list(self._pools)
        for pool in pools:
            pool.close()

    @contextmanager
    def _pool(self, parts: SplitResult) -> Iterator[httpcore2.ConnectionPool]:
        """A pool that no other request uses: through the proxy for the address, or direct."""
        idle = self._idle.setdefault((parts.scheme, parts.netloc), [])
        try:
            pool = idle.pop()
        except IndexError:
            pool = self._opened(parts)
        try:
            yield pool
        finally:
            idle.append(pool)

    def _opened(self, parts: SplitResult) -> httpcore2.ConnectionPool:
        with self._opening:
            if self._is_closed:
                raise Broken("the connection was closed")
            self._certificates = self._certificates or _certificates()
            pool = self._made(_proxy_of(parts), self._certificates)
            self._pools.append(pool)
            return pool

    def _made(self, proxy: str | None, certificates: ssl.SSLContext) -> httpcore2.ConnectionPool:
        options: dict[str, Any] = {
            "ssl_context": certificates,
            "max_connections": 1,
            "max_keepalive_connections": 1,
            "keepalive_expiry": KEEP_ALIVE_S,
            "network_backend": self._sockets,
        }
        if proxy is None:
            return httpcore2.ConnectionPool(**options)
        parts = _proxy_parts(proxy)
        url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        login = (unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
        if not parts.scheme.startswith("socks"):
            return httpcore2.HTTPProxy(url, proxy_auth=login, **options)
        try:
            return httpcore2.SOCKSProxy(proxy_url=url, proxy_auth=login, **options)
        except (ImportError, RuntimeError) as error:
            raise SettingsError(
                "The proxy in the environment is a SOCKS proxy, which needs a package that is not installed.",
                hint="Run pip install socksio, or use an http:// proxy.",
            ) from error


class _Sockets(httpcore2.NetworkBackend):
    """The library's sockets with a deadline for the whole answer.

    The library's time-outs start again with every byte received, so an answer that arrives byte by byte could take
    for ever. One thread sends a request and reads its answer, so each thread has its own deadline.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._plain = httpcore2.SyncBackend()
        self._monotonic = monotonic
        self._thread = threading.local()

    def give_up_at(self, at: float) -> None:
        """Set the deadline of this thread."""
        self._thread.at = at

    def left_s(self, timeout: float | None) -> float | None:
        """The time-out, or the time to the deadline if that is shorter."""
        at: float = getattr(self._thread, "at", float("inf"))
        left_s = at - self._monotonic()
        if left_s <= 0:
            raise httpcore2.ReadTimeout
        return left_s if timeout is None or left_s < timeout else timeout

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> "_Stream":
        left_s = self.left_s(timeout)
        return _Stream(self._plain.connect_tcp(host, port, left_s, local_address, socket_options), self)


class _Stream(httpcore2.NetworkStream):
    """One socket of `_Sockets`."""

    def __init__(self, plain: httpcore2.NetworkStream, sockets: _Sockets) -> None:
        self._plain, self._sockets = plain, sockets

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, self._sockets.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, self._sockets.left_s(timeout))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        return _Stream(
            self._plain.start_tls(ssl_context, server_hostname, self._sockets.left_s(timeout)), self._sockets
        )

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:  # of the port, or of an IPv6 address
        is_address = False
    if not is_address:
        raise _no_address()
    return parts


def _no_address() -> SettingsError:
    return SettingsError("The org's address is not a valid URL.", hint="Check GENESYS_ENV.")


def _proxy_of(parts: SplitResult) -> str | None:
    """The proxy for an address, from the environment or the system settings; None if there is none."""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy and not proxy_bypass(parts.netloc) else None


def proxy_shown(url: str) -> str:
    """Host and port of the proxy for an address, without its password; empty if there is none.

    Raises:
        SettingsError: a proxy address in the environment is not valid.
    """
    proxy = _proxy_of(urlsplit(url))
    return _proxy_parts(proxy).netloc.rpartition("@")[2] if proxy else ""


def certificate_source() -> str:
    """Where the trusted certificates come from, for people."""
    found = [f"{name} ({os.environ[name]})" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    return " and ".join(found) or "this machine"


def _proxy_parts(proxy: str) -> SplitResult:
    """Split the address of a proxy. The error does not show it, since it may contain a password."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        is_proxy = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0 and proxy.isascii()
    except ValueError:
        is_proxy = False
    if not is_proxy:
        raise SettingsError(
            "The proxy settings cannot be used: HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not the address of a proxy.",
            hint="Give scheme, host and port: http://proxy.example.com:3128. Percent-encode a password: %2F for /.",
        )
    return parts


def _certificates() -> ssl.SSLContext:
    try:
        return httpcore2.default_ssl_context()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise Broken(_reason(error)) from error  # other requests will release descriptors
        raise SettingsError(
            f"The certificates of this machine cannot be used: {_reason(error)}.",
            hint="Check SSL_CERT_FILE and SSL_CERT_DIR.",
        ) from error


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > UNZIPPED_MAX:
            raise Broken(f"the answer is larger than {UNZIPPED_MAX >> 20} MB")
        yield piece


def _check_certificate(error: BaseException, host: str) -> None:
    """Raise an error at once if the server's certificate is not trusted, since a retry would fail in the same way."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            code = getattr(cause, "verify_code", 0)
            reason = DISTRUSTED.get(code) or printable(
                str(cause.verify_message or "it cannot be verified").rstrip("."), 200
            )
            raise SettingsError(
                f"The certificate of {host} is not trusted: {reason}.",
                hint="If a proxy or a stand-in uses its own certificate, set SSL_CERT_FILE to the file of its "
                "authority. Otherwise another server answers in place of the API.",
            ) from error


def _reason(error: BaseException) -> str:
    kinds = {
        httpcore2.ConnectError: "no connection",
        httpcore2.ProxyError: "the proxy refused",
        httpcore2.RemoteProtocolError: "the answer broke off, or is not HTTP",
        httpcore2.LocalProtocolError: "the request cannot be sent",
        httpcore2.NetworkError: "the connection broke",
    }
    reason = next((reason for kind, reason in kinds.items() if isinstance(error, kind)), "")
    if isinstance(error, httpcore2.ProxyError):  # its text begins with the status code
        return f"{reason} ({str(error)[:3]})" if str(error)[:3].isdecimal() else reason
    system = next((cause for cause in _chain(error) if isinstance(cause, OSError)), None)
    detail = (system.strerror or getattr(system, "reason", "")) if system else ""
    return f"{reason} ({detail})" if reason and detail else reason or str(detail) or "the connection broke"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, and so on."""
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
