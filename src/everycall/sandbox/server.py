"""The sandbox behind a real port: `server()` for tests and programs, `serve()` for a terminal.

Starlette reads requests, uvicorn speaks HTTP; what is answered is decided in `app.py`, or by another `Responder`. What
a connection does that no answer can say (a reset, an end in the middle) is done here, on uvicorn's transport. With TLS,
`door.py` takes the connections, and hands them to uvicorn.
"""

import asyncio
import gc
import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, Unpack

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from everycall.sandbox import admin, cors
from everycall.sandbox.access import Access, read_body, too_large
from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Settings
from everycall.sandbox.door import Door, no_proxy
from everycall.sandbox.store import World

if TYPE_CHECKING:
    from everycall.sandbox.certificates import Certificate

HOST: Final = "127.0.0.1"

PORT_MAX: Final = 65_535

STANDS_IN: Final = "X-Everycall-Sandbox"
"""The header of every answer that no org gave, so that a client can recognize it."""

TRANSPORT: Final = "everycall.transport"
"""The ASGI extension by which a connection's transport reaches the application."""

DRIP_PIECES: Final = 10

GRACE_S: Final = 2
"""How long a stop waits for requests that are still coming in."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a sandbox is reached."""

    url: str
    """`http://127.0.0.1:8080`"""
    tls_environ: Mapping[str, str] = field(default_factory=dict)
    """The environment variables that lead clients there which have the vendor's hosts in their code; empty without
    TLS."""


class Responder(Protocol):
    """What can stand behind the port."""

    url: str

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which a client gets there."""
        ...

    def respond(self, request: Request) -> Wire:
        """What goes over the connection."""
        ...


Behind = TypeVar("Behind", bound=Responder)


@contextmanager
def server(
    world: World | None = None,
    *,
    host: str = HOST,
    port: int = 0,
    names: Collection[str] = (),
    tls: bool | Path = False,
    **settings: Unpack[Settings],
) -> Iterator[Sandbox]:
    """A sandbox that listens while the block runs.

        with server(conversations_per_day=500) as sandbox:
            subprocess.run([...], env=os.environ | sandbox.environ)

    Args:
        world: what is served, as `Sandbox` takes it.
        host: whose connections are taken: 127.0.0.1, those of this machine; 0.0.0.0, everybody's.
        port: 0 for a free one.
        names: host names by which it may be called as well; addresses, localhost and names without a dot always may.
        tls: whether to speak TLS, under the names of the vendor's hosts and of this machine; a folder to keep the
            certificates in, where it is not to be the user's own. `sandbox.environ` then has the variables that make
            a client trust them, and HTTPS_PROXY, which leads even a client that hard-codes its hosts to the sandbox.
        **settings: as `Sandbox` takes them.

    Raises:
        OSError: the port is in use, the host is not this machine's, or the certificates cannot be written.
        ValueError: there is no such port.
        ImportError: TLS needs a library that is not installed.
    """

    def made(address: Address) -> Sandbox:
        return Sandbox(world, **settings, url=address.url, tls_environ=address.tls_environ)

    with listening(made, host=host, port=port, names=names, tls=tls) as sandbox:
        yield sandbox


SETTINGS: Final = frozenset({"world", "host", "port", "names", "tls"} | Settings.__annotations__.keys())
"""The names that `server` takes."""


def serve(
    port: int = 8080,
    *,
    ready: Callable[[Sandbox], None],
    until: threading.Event | None = None,
    world: World | None = None,
    host: str = HOST,
    tls: bool | Path = False,
    **settings: Unpack[Settings],
) -> None:
    """Serves in the foreground until Ctrl-C, or until an event is set; prints nothing.

    Args:
        port: to listen on; 0 for a free one.
        ready: is called with the sandbox, its url, client id and secret set, once it listens.
        until: ends it from another thread.
        world: what is served, as `Sandbox` takes it.
        host: as `server` takes it.
        tls: as `server` takes it.
        **settings: as `Sandbox` takes them.

    Raises:
        OSError: the port is in use; its text names the port and says what to do.
        ValueError, ImportError: as `server`.
    """
    with suppress(KeyboardInterrupt), server(world, host=host, port=port, tls=tls, **settings) as sandbox:
        ready(sandbox)
        stay(until)


def stay(until: threading.Event | None = None) -> None:
    """Returns when the event is set; Ctrl-C gets through meanwhile."""
    over = until or threading.Event()
    # What is there by now stays: left out of collections, these take half of what they cost the slowest pages.
    gc.collect()
    gc.freeze()
    try:
        # A wait without end would not let Ctrl-C through on every platform.
        while not over.wait(1.0):
            pass
    finally:
        gc.unfreeze()


@contextmanager
def listening(
    make: Callable[[Address], Behind],
    *,
    host: str = HOST,
    port: int = 0,
    names: Collection[str] = (),
    tls: bool | Path = False,
    in_threads: bool = False,
    stands_in: bool = True,
) -> Iterator[Behind]:
    """Serves a responder behind a port while the block runs.

    Args:
        make: gets the address and gives what answers.
        host: as `server` takes it.
        port: 0 for a free one.
        names: as `server` takes them.
        tls: as `server` takes it.
        in_threads: it waits while it answers (it forwards, say), so that each request needs a thread of its own.
        stands_in: what it answers is invented, or of the past, and every answer says so in a header.

    Raises:
        OSError, ValueError, ImportError: as `server`.
    """
    certificate = certified(None if tls is True else tls) if tls else None
    listener = bound(port, host)
    try:
        context = certificate.context() if certificate is not None else None
        behind = make(address(host, listener.getsockname()[1], certificate))
    except BaseException:
        listener.close()
        raise
    is_loopback = ip_address(listener.getsockname()[0]).is_loopback
    access = Access(getattr(behind, "admin_token", ""), is_loopback, {host, *names})
    app = _App(front(behind), access, mark={STANDS_IN: "1"} if stands_in else {}, in_threads=in_threads)
    running = _Server(app, context)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="everycall sandbox", daemon=True)
    thread.start()
    running.is_up.wait()
    try:
        yield behind
    finally:
        running.stop()
        thread.join()


def certified(folder: Path | None) -> "Certificate":
    """The certificate in the folder, by default the one of this user; made where there is none.

    Raises:
        ImportError: the library that makes it is not installed.
        OSError: the folder cannot be written.
    """
    try:
        from everycall.sandbox.certificates import certificate  # noqa: PLC0415 - only TLS needs its library
    except ModuleNotFoundError as error:
        raise ImportError(f"TLS needs the library {error.name}. Install it: pip install 'everycall[tls]'") from error
    folder = folder or certificates_folder(os.environ, sys.platform)
    return certificate(folder.absolute(), datetime.now(UTC))


def certificates_folder(environ: Mapping[str, str], platform: str) -> Path:
    """Where programs of this user keep their data: `~/.local/share/everycall/sandbox-tls` on Linux."""
    if platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "everycall" / "sandbox-tls"


def address(host: str, port: int, certificate: "Certificate | None") -> Address:
    """How a port of this machine is reached from it."""
    reached_at = HOST if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    netloc = f"[{reached_at}]:{port}" if ":" in reached_at else f"{reached_at}:{port}"
    if certificate is None:
        return Address(f"http://{netloc}")
    authority = str(certificate.authority)
    trusting = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), authority)
    # Clients speak plain HTTP to a proxy until its CONNECT. Node heeds HTTPS_PROXY only with NODE_USE_ENV_PROXY.
    return Address(f"https://{netloc}", {"HTTPS_PROXY": f"http://{netloc}", "NODE_USE_ENV_PROXY": "1", **trusting})


def front(behind: Responder) -> Callable[[Request], Wire]:
    """What answers a request: a browser's preflights too and, of a sandbox, the page for people at `/`."""

    def respond(request: Request) -> Wire:
        if isinstance(behind, Sandbox) and request.path == admin.PATH:
            return admin.respond(behind, request)
        return cors.preflight(request) or behind.respond(request)

    return respond


def bound(port: int, host: str = HOST) -> socket.socket:
    """A socket that has the port.

    Raises:
        OSError: it is taken or forbidden, or the host is not this machine's.
        ValueError: it is outside 0 to 65535, which the system would take for another one.
    """
    if not 0 <= port <= PORT_MAX:
        raise ValueError(f"port {port} does not exist: a port is a number from 0 to {PORT_MAX}, and 0 takes a free one")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise OSError(error.errno, f"{host!r} is no address of this machine ({error.strerror})") from error
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        message = f"port {port} of {host} cannot be used ({reason}); choose another one, or 0 for a free one"
        raise OSError(error.errno, message) from error
    return listener


class _Protocol(HttpToolsProtocol):
    """Lets the application reach the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}

    def data_received(self, data: bytes) -> None:
        if self.scope is None and data.startswith(b"CONNECT "):  # the door answers it where there is TLS
            self.transport.write(no_proxy())
            self.transport.close()
        else:
            super().data_received(data)


class _Server(uvicorn.Server):
    """Sets an event when it is up, and stops at once when it is asked to."""

    def __init__(self, app: "_App", context: ssl.SSLContext | None) -> None:
        self.app = app
        self.is_up = threading.Event()
        self._context = context
        self._door: Door | None = None
        super().__init__(
            uvicorn.Config(
                self.app,
                http=_Protocol,
                # The door waits for a first byte, which on Windows only this loop can.
                loop="asyncio" if context is None else "asyncio:SelectorEventLoop",
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_S,
                backlog=128,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.stopping = asyncio.Event()
        if self._context is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            for listener in sockets or ():
                self._door = Door(listener, self._context, self._protocol)
                self._door.open(self.config.backlog)
        self._loop = asyncio.get_running_loop()
        self.is_up.set()

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(self.config, self.server_state, self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._door is not None:
            await self._door.close()
        await super().shutdown(sockets)

    async def main_loop(self) -> None:
        await self.app.stopping.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.app.stopping.set)


class _App:
    """The ASGI application in front of a responder."""

    stopping: asyncio.Event

    def __init__(
        self, respond: Callable[[Request], Wire], access: Access, *, mark: Mapping[str, str], in_threads: bool
    ) -> None:
        self._respond = respond
        self._access = access
        self._mark = mark
        self._in_threads = in_threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["extensions"][TRANSPORT]["transport"]
        try:
            request = await arrived(HttpRequest(scope, receive))
        except ClientDisconnect:
            return
        wire = await self._answered(request)
        if wire.delivery == "drip":
            await self._drip(wire, send)
            return
        await self._pause(wire.delay_s)
        if wire.delivery == "whole":
            await self._send_whole(wire, send)
            return
        await self._break_off(wire, transport, send)
        await gone(receive)

    async def _answered(self, request: Request | None) -> Wire:
        """The answer, with the headers that every one has."""
        if request is None:
            return marked(too_large(), self._mark)
        wire = self._access.refusal(request)
        if wire is None:
            wire = await asyncio.to_thread(self._respond, request) if self._in_threads else self._respond(request)
        return marked(wire, {**self._mark, **cors.allowed(request)})

    async def _send_whole(self, wire: Wire, send: Send) -> None:
        await send_head(wire, send)
        await send({"type": "http.response.body", "body": wire.body})

    async def _drip(self, wire: Wire, send: Send) -> None:
        await send_head(wire, send)
        size = max(1, -(-len(wire.body) // DRIP_PIECES))
        for at in range(0, len(wire.body), size):
            await self._pause(wire.delay_s)
            await send({"type": "http.response.body", "body": wire.body[at : at + size], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _break_off(self, wire: Wire, transport: asyncio.Transport, send: Send) -> None:
        """Ends the connection without a whole answer."""
        if wire.delivery == "cut":
            await send_head(wire, send)
            await send({"type": "http.response.body", "body": wire.body, "more_body": True})
            transport.close()
        elif wire.delivery == "reset":
            reset(transport)
        else:
            await self._pause_until_gone(transport)

    async def _pause_until_gone(self, transport: asyncio.Transport) -> None:
        while not transport.is_closing() and not self.stopping.is_set():
            await self._pause(0.05)
        transport.abort()

    async def _pause(self, seconds: float) -> None:
        """Waits, unless the server is to stop."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)


def marked(wire: Wire, headers: Mapping[str, str]) -> Wire:
    """An answer with more headers."""
    return replace(wire, headers={**wire.headers, **headers})


async def arrived(http: HttpRequest) -> Request | None:
    """The whole request; None where its body is too large."""
    query = http.scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in http.scope["headers"]}
    target = http.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    body = await read_body(http)
    return None if body is None else Request.of(http.method, target, headers, body)


async def send_head(wire: Wire, send: Send) -> None:
    """Status and headers."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in wire.headers.items()]
    message: Message = {"type": "http.response.start", "status": wire.status, "headers": headers}
    await send(message)


async def gone(receive: Receive) -> None:
    """Returns when the connection is no more."""
    while (await receive())["type"] != "http.disconnect":
        pass


def reset(transport: asyncio.Transport) -> None:
    """Ends the connection with a TCP reset."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
