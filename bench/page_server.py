"""Serves a details query from memory, fast enough that it is never what is measured.

    python -m bench.page_server --days 5 --per-day 10000

It prints one line of JSON once it listens: the environment that leads a client to it (`GENESYS_ENV` and so on) and the
midnights between its days, which lie in the past; and another one when its standard input ends: how many requests it
answered in each minute, and how many of all with 429. The pages are the sandbox's conversations, zipped once, before
the first request. What it leaves out: filters, orders, page sizes other than 100 and 1, intervals that are not whole
UTC days, permissions. `bench/clients/ceiling.py` measures how fast it is.
"""

import argparse
import asyncio
import json
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from urllib.parse import parse_qs, urlsplit

from bench.conversations import PAGE_SIZE, Centre, conversations

QUERY = "/api/v2/analytics/conversations/details/query"
LISTINGS = {
    "/api/v2/routing/queues": "queues",
    "/api/v2/users": "users",
    "/api/v2/routing/wrapupcodes": "wrapupcodes",
    "/api/v2/authorization/divisions": "divisions",
}
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
UNLIMITED = 10**8
WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page's body up to its totalHits, which depends on the interval that is asked for."""

    deflated: bytes
    """A whole number of deflate blocks and bytes, so that more can follow."""
    crc: int
    size: int

    @classmethod
    def of(cls, items: Sequence[bytes]) -> "Page":
        """A page of these conversations, zipped at the level that servers use."""
        text = b'{"conversations":[' + b",".join(items) + b'],"totalHits":'
        zipper = zlib.compressobj(6, wbits=-zlib.MAX_WBITS)
        return cls(zipper.compress(text) + zipper.flush(zlib.Z_SYNC_FLUSH), zlib.crc32(text), len(text))

    def zipped(self, total_hits: int) -> bytes:
        """The whole body as one gzip member; the end is a stored block."""
        end = b"%d}" % total_hits
        length = len(end).to_bytes(2, "little")
        block = b"\x01" + length + bytes(byte ^ 0xFF for byte in length) + end
        checks = zlib.crc32(end, self.crc).to_bytes(4, "little") + (self.size + len(end)).to_bytes(4, "little")
        return GZIP_HEAD + self.deflated + block + checks

    def plain(self, total_hits: int) -> bytes:
        """The whole body as JSON."""
        return zlib.decompress(self.zipped(total_hits), wbits=zlib.MAX_WBITS | 16)

    def first(self) -> bytes:
        """Its first conversation."""
        found = json.loads(self.plain(0))["conversations"][0]
        return json.dumps(found, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; the body is zipped already where `zipped` says so."""

    status: int
    body: bytes
    zipped: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Window:
    """A minute in which requests are counted."""

    start: float
    count: int = 0


@dataclass
class Limit:
    """Requests counted in windows of a minute, one after the other; the first one begins with the first request."""

    allowed: int
    clock: Callable[[], float] = time.monotonic
    windows: list[Window] = field(default_factory=list)
    """Those in which there were requests."""
    rejected: int = 0

    def arrive(self) -> tuple[bool, Mapping[str, str]]:
        """Count a request: whether it is let through, and the headers that say so."""
        now = self.clock()
        first = self.windows[0].start if self.windows else now
        start = now - (now - first) % WINDOW_S
        if not self.windows or start > self.windows[-1].start + WINDOW_S / 2:
            self.windows.append(Window(start))
        window = self.windows[-1]
        window.count += 1
        headers = {"count": window.count, "allowed": self.allowed, "reset": round(window.start + WINDOW_S - now)}
        through = window.count <= self.allowed
        self.rejected += not through
        return through, {f"inin-ratelimit-{name}": str(value) for name, value in headers.items()}


class Pages:
    """What is asked for, and what is answered."""

    def __init__(self, first_day: date, days: int, centre: Centre) -> None:
        self.first_day, self.days, self.per_day = first_day, days, centre.per_day
        self.entities = centre.entities
        self.pages = [Page.of(items) for items in _in_pages(conversations(centre, days))]

    @property
    def midnights(self) -> list[str]:
        """Where each day begins, and where the last one ends."""
        return [f"{self.first_day + timedelta(day)}T00:00:00.000Z" for day in range(self.days + 1)]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request."""
        parts = urlsplit(target)
        if parts.path == "/oauth/token":
            return _json({"access_token": "of-the-page-server", "token_type": "bearer", "expires_in": 86400})
        if parts.path == QUERY and method == "POST":
            return self._query(json.loads(body), "gzip" in headers.get("accept-encoding", ""))
        if parts.path == "/api/v2/organizations/me":
            return _json({"id": "00000000-0000-4000-8000-000000000000", "name": "Bench"})
        if parts.path in LISTINGS and method == "GET":
            return self._listing(LISTINGS[parts.path], parse_qs(parts.query))
        return _refusal(404, "not.found", f"This server has no {method} {parts.path}.")

    def _query(self, query: Mapping[str, str | Mapping[str, int]], gzip: bool) -> Answer:
        paging = query.get("paging", {})
        assert isinstance(paging, Mapping)
        size, number = paging.get("pageSize", 25), paging.get("pageNumber", 1)
        days = self._asked_days(str(query["interval"]))
        if days is None or size not in {1, PAGE_SIZE}:
            return _refusal(
                400, "bad.request", f"This server knows whole UTC days and page sizes of 1 and {PAGE_SIZE}."
            )
        hits = len(days) * self.per_day
        if (number - 1) * size >= hits:
            return Answer(200, b"{}")
        page = self.pages[days.start * self.per_day // PAGE_SIZE + (number - 1) * size // PAGE_SIZE]
        if size == 1:
            return Answer(200, b'{"conversations":[%b],"totalHits":%d}' % (page.first(), hits))
        return Answer(200, page.zipped(hits), zipped=True) if gzip else Answer(200, page.plain(hits))

    def _asked_days(self, interval: str) -> range | None:
        """Which of the days; None where the interval does not begin and end at midnight."""
        start, end = (datetime.fromisoformat(instant) for instant in interval.split("/"))
        midnight = datetime.combine(self.first_day, datetime.min.time(), UTC)
        first, rest = divmod(start - midnight, timedelta(1))
        last, more = divmod(end - midnight, timedelta(1))
        return None if rest or more else range(max(0, first), max(0, min(last, self.days)))

    def _listing(self, kind: str, asked: Mapping[str, list[str]]) -> Answer:
        ids = set(",".join(asked.get("id", [])).split(",")) - {""}
        found = [entity for entity in self.entities[kind] if not ids or entity["id"] in ids]
        size, number = int(asked.get("pageSize", ["25"])[0]), int(asked.get("pageNumber", ["1"])[0])
        page = found[(number - 1) * size : number * size]
        counts = {"pageSize": size, "pageNumber": number, "total": len(found), "pageCount": -(-len(found) // size)}
        return _json({"entities": page, **counts})


def _in_pages(items: Iterator[bytes]) -> Iterator[list[bytes]]:
    while page := list(islice(items, PAGE_SIZE)):
        yield page


def _json(content: object) -> Answer:
    return Answer(200, json.dumps(content).encode())


def _refusal(status: int, code: str, message: str) -> Answer:
    return Answer(status, json.dumps({"status": status, "code": code, "message": message}).encode())


class Connection(asyncio.Protocol):
    """One client's connection, kept alive; requests are answered in order, one at a time."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer the request once it is there as a whole."""
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, target, _ = first.split(" ")
        self._server.respond(method, target, headers, rest[:length], self._send)

    def _send(self, answer: Answer) -> None:
        headers = {
            "content-type": "application/json",
            "content-length": str(len(answer.body)),
            **({"content-encoding": "gzip"} if answer.zipped else {}),
            **answer.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._transport.write(f"HTTP/1.1 {answer.status} -\r\n{lines}\r\n".encode() + answer.body)


@dataclass
class Server:
    """Counts, waits as long as an API would, and answers."""

    pages: Pages
    limit: Limit
    latency_s: tuple[float, float] = (0.0, 0.0)
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def respond(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, send: Callable[[Answer], None]
    ) -> None:
        """Answer, at once or after the latency; half of it passes before the request is counted."""
        latency_s = self.rng.uniform(*self.latency_s)

        def arrive() -> None:
            answer = self.counted(method, target, headers, body)
            later(latency_s / 2, lambda: send(answer))

        later(latency_s / 2, arrive)

    def counted(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer, a 429 where the limit is spent, with the headers that every answer has."""
        extra: dict[str, str] = {"inin-correlation-id": f"{self.rng.getrandbits(128):032x}"}
        through = True
        if not target.startswith("/oauth/"):
            through, counts = self.limit.arrive()
            extra |= counts
        if not through:
            refused = _refusal(429, "too.many.requests.retry.after", "Rate limit exceeded the maximum.")
            return Answer(429, refused.body, headers={**extra, "retry-after": extra["inin-ratelimit-reset"]})
        answer = self.pages.answer(method, target, headers, body)
        return Answer(answer.status, answer.body, answer.zipped, extra)


def later(seconds: float, work: Callable[[], None]) -> None:
    """Do it then; at once where there is nothing to wait for."""
    if seconds > 0:
        asyncio.get_running_loop().call_later(seconds, work)
    else:
        work()


def settled_monday(today: date) -> date:
    """A Monday that lies so far back that nothing of its week changes any more."""
    day = today - timedelta(21)
    return day - timedelta(day.weekday())


async def serve(server: Server, port: int) -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=512)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    environ = {"GENESYS_CLIENT_ID": "bench", "GENESYS_CLIENT_SECRET": "bench", "GENESYS_ENV": url}
    print(json.dumps({"environ": environ, "midnights": server.pages.midnights}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listening.close()
    windows = [window.count for window in server.limit.windows]
    print(json.dumps({"requests": windows, "rejected": server.limit.rejected}), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--days", type=int, default=5)
    arguments.add_argument("--per-day", type=int, default=10_000, help=f"conversations, a multiple of {4 * PAGE_SIZE}")
    arguments.add_argument("--rate-limit", type=int, default=UNLIMITED, help="requests a minute")
    arguments.add_argument("--latency", type=float, nargs=2, default=(0.0, 0.0), metavar=("LEAST", "MOST"))
    arguments.add_argument("--port", type=int, default=0)
    options = arguments.parse_args()
    monday = settled_monday(datetime.now(UTC).date())
    pages = Pages(monday, options.days, Centre.of(monday, options.per_day))
    asyncio.run(serve(Server(pages, Limit(options.rate_limit), tuple(options.latency)), options.port))


if __name__ == "__main__":
    main()
