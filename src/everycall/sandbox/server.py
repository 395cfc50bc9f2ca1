"""The sandbox behind a real port: `server()` for tests and programs, `serve()` for a terminal.

Starlette reads requests, uvicorn speaks HTTP; what is answered is decided in `app.py`, or by another `Responder`. What
a connection does that no answer can say (a reset, an end in the middle) is done here, on uvicorn's transport.
"""

import asyncio
import gc
import socket
import struct
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Final, Protocol, TypeVar, Unpack

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from everycall.sandbox import admin
from everycall.sandbox.access import Access, read_body, too_large
from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Settings
from everycall.sandbox.store import World

HOST: Final = "127.0.0.1"

TRANSPORT: Final = "everycall.transport"
"""The ASGI extension by which a connection's transport reaches the application."""

DRIP_PIECES: Final = 10

GRACE_S: Final = 2
"""How long a stop waits for requests that are still coming in."""


class Responder(Protocol):
    """What can stand behind the port."""

    url: str

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
        **settings: as `Sandbox` takes them.

    Raises:
        OSError: the port is in use, or the host is not this machine's.
    """
    with listening(lambda url: Sandbox(world, **settings, url=url), host=host, port=port, names=names) as sandbox:
        yield sandbox


def serve(
    port: int = 8080,
    *,
    ready: Callable[[Sandbox], None],
    until: threading.Event | None = None,
    world: World | None = None,
    host: str = HOST,
    **settings: Unpack[Settings],
) -> None:
    """Serves in the foreground until Ctrl-C, or until an event is set; prints nothing.

    Args:
        port: to listen on; 0 for a free one.
        ready: is told the sandbox, with its url, client id and secret, once it listens.
        until: ends it from another thread.
        world: what is served, as `Sandbox` takes it.
        host: as `server` takes it.
        **settings: as `Sandbox` takes them.

    Raises:
        OSError: the port is in use; its text names the port and says what to do.
    """
    with suppress(KeyboardInterrupt), server(world, host=host, port=port, **settings) as sandbox:
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
    make: Callable[[str], Behind],
    *,
    host: str = HOST,
    port: int = 0,
    names: Collection[str] = (),
    in_threads: bool = False,
) -> Iterator[Behind]:
    """Whatever answers requests, behind a port while the block runs.

    Args:
        make: gets the url and gives what answers.
        host: as `server` takes it.
        port: 0 for a free one.
        names: as `server` takes them.
        in_threads: it waits while it answers (it forwards, say), so that each request needs a thread of its own.

    Raises:
        OSError: as `server`.
    """
    listener = bound(port, host)
    reached_at = HOST if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    netloc = f"[{reached_at}]" if ":" in reached_at else reached_at
    try:
        behind = make(f"http://{netloc}:{listener.getsockname()[1]}")
    except BaseException:
        listener.close()
        raise
    is_loopback = ip_address(listener.getsockname()[0]).is_loopback
    access = Access(getattr(behind, "admin_token", ""), is_loopback, {host, *names})
    running = _Server(_App(front(behind), access, in_threads=in_threads))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="everycall sandbox", daemon=True)
    thread.start()
    running.is_up.wait()
    try:
        yield behind
    finally:
        running.stop()
        thread.join()


def front(behind: Responder) -> Callable[[Request], Wire]:
    """What answers a request: of a sandbox, the page for people at `/`, too."""
    if not isinstance(behind, Sandbox):
        return behind.respond
    sandbox = behind
    return lambda request: admin.respond(sandbox, request) if request.path == admin.PATH else sandbox.respond(request)


def bound(port: int, host: str = HOST) -> socket.socket:
    """A socket that has the port.

    Raises:
        OSError: it is taken or forbidden, or the host is not this machine's.
    """
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
        message = f"port {port} of {host} cannot be used ({reason}); choose another with --port, or 0 for a free one"
        raise OSError(error.errno, message) from error
    return listener


class _Protocol(HttpToolsProtocol):
    """Lets the application reach the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """Says when it is up, and stops at once when it is told to."""

    def __init__(self, app: "_App") -> None:
        self.app = app
        self.is_up = threading.Event()
        super().__init__(
            uvicorn.Config(
                self.app,
                http=_Protocol,
                loop="asyncio",
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
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.app.stopping = asyncio.Event()
        self.is_up.set()

    async def main_loop(self) -> None:
        await self.app.stopping.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.app.stopping.set)


class _App:
    """Carries bytes between ASGI and what answers."""

    stopping: asyncio.Event

    def __init__(self, respond: Callable[[Request], Wire], access: Access, *, in_threads: bool) -> None:
        self._respond = respond
        self._access = access
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
            await send_head(wire, send)
            await send({"type": "http.response.body", "body": wire.body})
            return
        await self._break_off(wire, transport, send)
        await gone(receive)

    async def _answered(self, request: Request | None) -> Wire:
        if request is None:
            return too_large()
        refusal = self._access.refusal(request)
        if refusal is not None:
            return refusal
        return await asyncio.to_thread(self._respond, request) if self._in_threads else self._respond(request)

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
        """Waits, unless the server is told to stop."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)


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
