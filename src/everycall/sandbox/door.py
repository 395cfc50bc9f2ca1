"""One port for TLS, for plain HTTP, and for a proxy's `CONNECT`.

The first byte of a connection shows which of them it is. After a `CONNECT` to one of the vendor's hosts, the connection
goes on as if it had just been made, so that `HTTPS_PROXY` alone leads a client to the sandbox even where it hard-codes
the vendor's hosts. Nothing is passed on: a `CONNECT` to any other name is refused.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

from everycall.sandbox.names import ADDRESSES, VENDOR_HOSTS

TLS_HANDSHAKE: Final = b"\x16"
"""The first byte of TLS: the record type "handshake". No HTTP method begins with it."""

PATIENCE_S: Final = 75.0
"""How long a connection may be silent before its first byte, and how long a handshake may take."""

HEAD_BYTES_MAX: Final = 16_384
CLOSING_S: Final = 0.2
"""How long the server waits for the client's own end of TLS."""

RETRY_S: Final = 0.1
"""How long no connection is taken after one could not be (too many open files)."""

OPEN: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Door:
    """Takes connections, and hands each to what speaks HTTP.

    Args:
        listener: the bound port.
        context: of the server's side of TLS.
        protocol: makes what speaks HTTP on a connection.
    """

    def __init__(
        self, listener: socket.socket, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listener = listener
        self._context = context
        self._protocol = protocol
        self._targets = targets(listener.getsockname()[1])
        """Where a `CONNECT` may lead."""
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, backlog: int) -> None:
        """Begins to take connections, in the running loop."""
        self._listener.setblocking(False)
        self._listener.listen(backlog)
        self._start(self._take())

    async def close(self) -> None:
        """Takes no more connections; those that were handed over stay."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self) -> None:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            connection.setblocking(False)
            self._start(self._admit(connection))

    async def _admit(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                first = await first_byte(connection)
                if first == b"C":
                    first = await first_byte(connection) if await self._tunnelled(connection) else b""
            if first:
                await self._hand_over(connection, is_tls=first == TLS_HANDSHAKE)
            else:
                connection.close()
        except (OSError, TimeoutError):  # it went away, was too slow, or does not trust the certificate
            connection.close()
        except BaseException:
            connection.close()
            raise

    async def _hand_over(self, connection: socket.socket, *, is_tls: bool) -> None:
        loop = asyncio.get_running_loop()
        if is_tls:
            await loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=PATIENCE_S,
                ssl_shutdown_timeout=CLOSING_S,
            )
        else:
            await loop.connect_accepted_socket(self._protocol, connection)

    async def _tunnelled(self, connection: socket.socket) -> bool:
        """Answers a `CONNECT`; whether the connection goes on."""
        loop = asyncio.get_running_loop()
        request_line = (await head(connection)).split(b" ")
        target = request_line[1].decode("latin-1").lower() if len(request_line) > 1 else ""
        is_open = request_line[0] == b"CONNECT" and target in self._targets
        await loop.sock_sendall(connection, OPEN if is_open else refusal(target))
        return is_open


def targets(port: int) -> frozenset[str]:
    """The places that a proxy of the sandbox leads to, as HOST:PORT.

    They are the vendor's hosts, and the sandbox's own port, which some clients ask the proxy for, too.
    """
    own = ("localhost", *(f"[{address}]" if ":" in address else address for address in ADDRESSES))
    return frozenset((*(f"{host}:443" for host in VENDOR_HOSTS), *(f"{name}:{port}" for name in own)))


def refusal(target: str) -> bytes:
    """The answer to a `CONNECT` to another place."""
    shown = target if target.isprintable() else "this"
    return plain(
        "403 Forbidden",
        f"The sandbox of everycall passes nothing on. It stands in for api. and login. of the vendor's regions, "
        f"and {shown} is none of them. Unset HTTPS_PROXY, or name the host in NO_PROXY.\n",
    )


def no_proxy() -> bytes:
    """The answer to a `CONNECT` where there is no TLS."""
    return plain("501 Not Implemented", "This sandbox is no proxy. It is one if it is started with --tls.\n")


def plain(status: str, text: str) -> bytes:
    """A whole answer, after which the connection ends."""
    body = text.encode()
    lines = (
        f"HTTP/1.1 {status}",
        "X-Everycall-Sandbox: 1",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + body


async def first_byte(connection: socket.socket) -> bytes:
    """The first byte, which stays to be read; none where the client went away."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)


async def head(connection: socket.socket) -> bytes:
    """The head of a request, and not one byte more: what follows is the client's TLS.

    Raises:
        OSError: the client went away in the middle, or its head is too long.
    """
    loop = asyncio.get_running_loop()
    found = bytearray()
    while not found.endswith(b"\r\n\r\n"):
        byte = await loop.sock_recv(connection, 1)
        if not byte or len(found) > HEAD_BYTES_MAX:
            raise ConnectionError("no whole head")
        found += byte
    return bytes(found)
