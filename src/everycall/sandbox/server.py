"""The sandbox behind a real port: `server()` for tests and programs, `serve()` for a terminal.

Starlette reads requests, uvicorn speaks HTTP; what is answered is decided in `app.py`. What a connection does
that no answer can say (a reset, an end in the middle) is done here, on uvicorn's transport.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Unpack

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Settings
from everycall.sandbox.store import World

HOST: Final = "127.0.0.1"

TRANSPORT: Final = "everycall.transport"
"""The ASGI extension by which a connection's transport reaches the application."""

DRIP_PIECES: Final = 10

GRACE_S: Final = 2
"""How long a stop waits for requests that are still coming in."""


@contextmanager
def server(world: World | None = None, *, port: int = 0, **settings: Unpack[Settings]) -> Iterator[Sandbox]:
    """A sandbox that listens on 127.0.0.1 while the block runs.

        with server(conversations_per_day=500) as sandbox:
            subprocess.run([...], env=os.environ | sandbox.environ)

    Args:
        world: what is served, as `Sandbox` takes it.
        port: 0 for a free one.
        **settings: as `Sandbox` takes them.

    Raises:
        OSError: the port is in use.
    """
    listener = bound(port)
    sandbox = Sandbox(world, **settings, url=f"http://{HOST}:{listener.getsockname()[1]}")
    running = _Server(sandbox)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="everycall sandbox", daemon=True)
    thread.start()
    running.is_up.wait()
    try:
        yield sandbox
    finally:
        running.stop()
        thread.join()


def serve(
    port: int = 8080,
    *,
    ready: Callable[[Sandbox], None],
    until: threading.Event | None = None,
    **settings: Unpack[Settings],
) -> None:
    """Serves in the foreground until Ctrl-C, or until an event is set; prints nothing.

    Args:
        port: to listen on; 0 for a free one.
        ready: is told the sandbox, with its url, client id and secret, once it listens.
        until: ends it from another thread.
        **settings: as `Sandbox` takes them.

    Raises:
        OSError: the port is in use; its text names the port and says what to do.
    """
    over = until or threading.Event()
    with suppress(KeyboardInterrupt), server(port=port, **settings) as sandbox:
        ready(sandbox)
        # A wait without end would not let Ctrl-C through on every platform.
        while not over.wait(1.0):
            pass


def bound(port: int) -> socket.socket:
    """A socket that has the port.

    Raises:
        OSError: it is taken or forbidden.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        message = f"port {port} of {HOST} cannot be used ({reason}); choose another with --port, or 0 for a free one"
        raise OSError(error.errno, message) from error
    return listener


class _Protocol(HttpToolsProtocol):
    """Lets the application reach the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """Says when it is up, and stops at once when it is told to."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.app = _App(sandbox)
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
    """Carries bytes between ASGI and the sandbox."""

    stopping: asyncio.Event

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["extensions"][TRANSPORT]["transport"]
        try:
            request = await arrived(HttpRequest(scope, receive))
        except ClientDisconnect:
            return
        wire = self._sandbox.respond(request)
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


async def arrived(http: HttpRequest) -> Request:
    """The whole request."""
    query = http.scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in http.scope["headers"]}
    target = http.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    return Request.of(http.method, target, headers, await http.body())


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
