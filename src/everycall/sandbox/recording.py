"""Recordings: what a real org answered, written down exchange by exchange; and raw exports, read in.

    {"at": "2026-01-05T09:00:00.000Z", "method": "POST", "target": "/api/v2/analytics/...", "sent": "{...}",
     "status": 200, "headers": {"content-type": "application/json"}, "body": "{...}"}

One exchange is one line of JSON, written as soon as it is over, so that a recording is whole up to its last line
whatever happens. `Recorder` forwards requests and writes them down; `replaying.py` gives the same answers to the same
requests; `load` takes what a recording or a raw export holds, to serve it as a `Recorded` world to other requests than
those that were made.

Never written: the Authorization header and any other that is not in `HEADERS_KEPT`, the id and secret in a login's
form, the tokens in its answer. Everything else is: a recording holds the conversations of real people.
"""

import gzip
import io
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qsl, quote, urlencode

import httpx2
import msgspec
import zstandard
from isal import igzip

from everycall.sandbox.answers import GZIP_FROM_BYTES, GZIP_LEVEL, NO_HEADERS, Request, Wire, takes_gzip
from everycall.sandbox.instants import to_text
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.server import HOST, Address, listening

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, not a token

HEADERS_KEPT = ("content-type", "retry-after", "date", "inin-correlation-id")
"""Of an answer's headers those that are written down, and all that begin with `inin-ratelimit-`."""

SENT_ON = ("authorization", "content-type", "accept")
"""The headers of a request that reach the org."""

KINDS = {"queue": "queues", "user": "users", "wrapUpCode": "wrapupcodes", "division": "divisions"}
"""What the names beside an archive are called, and the last part of the path that lists them."""

SECRET_FIELDS = ("access_token", "refresh_token")

FORWARD_S = 180.0
"""How long the org may take for one answer."""

NOT_SERVED = 0
"""The status of an exchange that ended without an answer."""


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request and its answer, as a line of a recording holds them."""

    at: str
    """When it arrived, by the recorder's clock."""
    method: str
    target: str
    """`/api/v2/users?pageSize=100`"""
    status: int
    """0 where the connection failed; then `body` names the failure."""
    sent: str = ""
    headers: dict[str, str] = {}
    body: str = ""

    @property
    def question(self) -> tuple[str, str, Any]:
        """What makes two requests the same: method, target, and the JSON body, whatever its spacing."""
        return self.method, self.target, canonical(self.sent)


def canonical(sent: str) -> str:
    """A JSON text without spaces and with sorted keys; any other text as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(sent), order="sorted").decode()
    except msgspec.DecodeError:
        return sent


class Recorder:
    """Stands between a client and a real org, and writes down what passes.

    Args:
        path: of the recording; what it holds already stays.
        api: base URL of the org's API, `https://api.mypurecloud.de`.
        login: base URL of its login host.
        now: epoch seconds.
    """

    url = ""
    _tls_environ: Mapping[str, str] = NO_HEADERS

    def __init__(self, path: Path, api: str, login: str, now: Callable[[], float]) -> None:
        self._hosts = {True: login, False: api}
        self._now = now
        # Conversations of real people are for the owner's eyes.
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
        self._writing = threading.Lock()
        self._http = httpx2.Client(timeout=FORWARD_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._file.close()

    def reached_at(self, address: Address) -> Self:
        """The recorder, with its address set."""
        self.url, self._tls_environ = address.url, address.tls_environ
        return self

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which a client gets there; it logs in with its own id and secret."""
        return {"GENESYS_ENV": self.url, **self._tls_environ}

    def respond(self, request: Request) -> Wire:
        """The org's own answer; a reset connection where there was none."""
        at, target = to_text(int(self._now() * 1000)), target_of(request)
        try:
            answer = self._http.request(
                request.method,
                self._hosts[request.path == TOKEN_PATH] + target,
                headers={name: request.headers[name] for name in SENT_ON if name in request.headers},
                content=request.body,
            )
        except httpx2.RequestError as error:
            self._write(Exchange(at, request.method, masked(target), NOT_SERVED, body=type(error).__name__))
            return RESET
        headers = kept(answer.headers)
        self._write(
            Exchange(
                at=at,
                method=request.method,
                target=masked(target),
                status=answer.status_code,
                sent=sent_of(request),
                headers=headers,
                body=without_secrets(answer.text) if request.path == TOKEN_PATH else answer.text,
            )
        )
        return wire(answer.status_code, headers, answer.content, request)

    def _write(self, exchange: Exchange) -> None:
        with self._writing:
            self._file.write(msgspec.json.encode(exchange) + b"\n")
            self._file.flush()


@contextmanager
def recorder(
    path: Path,
    api: str,
    login: str,
    *,
    host: str = HOST,
    port: int = 0,
    tls: bool | Path = False,
    now: Callable[[], float] = time.time,
) -> Iterator[Recorder]:
    """A `Recorder` that listens while the block runs; a client needs nothing but its `url` in place of the org's.

    Raises:
        OSError: the file cannot be written, or the port is in use.
        ValueError, ImportError: as `server`.
    """
    with (
        Recorder(path, api, login, now) as behind,
        listening(behind.reached_at, host=host, port=port, tls=tls, in_threads=True, stands_in=False) as recorder,
    ):
        yield recorder


RESET = Wire(502, {}, b"", delivery="reset")


def wire(status: int, headers: Mapping[str, str], body: bytes, request: Request) -> Wire:
    """The bytes of an answer, zipped where the client takes it."""
    sent = dict(headers)
    if len(body) >= GZIP_FROM_BYTES and takes_gzip(request.headers.get("accept-encoding", "")):
        body = igzip.compress(body, compresslevel=GZIP_LEVEL, mtime=0)
        sent["content-encoding"] = "gzip"
    return Wire(status, sent | {"content-length": str(len(body))}, body)


def target_of(request: Request) -> str:
    """Path and query string, encoded the same way whoever asks."""
    query = urlencode(request.parameters)
    return quote(request.path) + (f"?{query}" if query else "")


def masked(target: str) -> str:
    """A target without the token that some clients put there."""
    path, _, query = target.partition("?")
    pairs = [(key, "***" if key in SECRET_FIELDS else value) for key, value in parse_qsl(query, keep_blank_values=True)]
    return path + (f"?{urlencode(pairs)}" if pairs else "")


def sent_of(request: Request) -> str:
    """The body of a request; of a login nothing but the grant type."""
    text = request.body.decode("utf-8", "replace")
    if request.path != TOKEN_PATH:
        return text
    return urlencode([pair for pair in parse_qsl(text) if pair[0] == "grant_type"])


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are written down, in lower case."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lower.items() if name in HEADERS_KEPT or name.startswith("inin-ratelimit-")}


def without_secrets(body: str) -> str:
    """A login's answer without its tokens."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    if isinstance(answer, dict):
        answer |= {name: "recorded" for name in SECRET_FIELDS if name in answer}
    return msgspec.json.encode(answer).decode()


def load(path: Path) -> Recorded:
    """The world that a file holds, one JSON object a line (gzip and zstd are unpacked).

    A line is a conversation; a body with `conversations`, of a query or a job; a body with `entities`, of a look-up,
    whose `selfUri` says which; or an exchange of a recording that holds one of these. A conversation that comes more
    than once counts as it came last. Names are also taken from an archive's `PATH.names.jsonl`, with kind, id and name
    in each line. Where nothing named them, queues have the name that stands on their legs.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or a line is none of these; the line is named.
    """
    conversations: dict[str, dict[str, Any]] = {}
    entities: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for number, line in lines(path):
        where = f"line {number} of {path}"
        for body in bodies(line, where):
            try:
                conversations |= {
                    conversation["conversationId"]: conversation for conversation in body.get("conversations", ())
                }
                entities[kind_of(body)] |= {entity["id"]: entity for entity in body.get("entities", ())}
            except (KeyError, TypeError) as error:
                raise ValueError(f"{where} holds a conversation or an entity without an id") from error
    for kind, entity in names_beside(path):
        entities[kind].setdefault(entity["id"], entity)
    for queue in queues_of(conversations.values()):
        entities["queues"].setdefault(queue["id"], queue)
    return Recorded(list(conversations.values()), {kind: list(known.values()) for kind, known in entities.items()})


def names_beside(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, entity) of each name that stands beside an archive.

    Raises:
        ValueError: a line has no kind or id.
    """
    beside = path.with_name(f"{path.name}.names.jsonl")
    if not beside.exists():
        return
    for number, line in lines(beside):
        try:
            yield KINDS.get(line["kind"], line["kind"]), {"id": line["id"], "name": line.get("name")}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} of {beside} has no kind or no id") from error


def lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(number, JSON value) of each line that is not empty.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not JSON.
    """
    with path.open("rb") as raw:
        source = unpacked(raw)
        number = 0
        try:
            for number, line in enumerate(source, 1):
                if line.strip():
                    yield number, msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, EOFError, gzip.BadGzipFile) as error:
            raise ValueError(f"line {number} of {path} is not JSON ({error})") from error


def unpacked(raw: BinaryIO) -> Iterable[bytes]:
    """The lines of an open file, unpacked if it is a gzip or has frames of zstd.

    Raises:
        EOFError, gzip.BadGzipFile: while they are read, where it is cut short or damaged.
    """
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return io.BufferedReader(
            gzip.GzipFile(fileobj=raw)
        )  # the standard library's reader knows a file that was cut short
    return lines_of(frames(raw)) if magic == b"\x28\xb5\x2f\xfd" else raw


def frames(raw: BinaryIO) -> Iterator[bytes]:
    """The content of zstd frames, in pieces. A reader across frames would not notice that the last one is cut."""
    frame = None
    try:
        while rest := raw.read(1 << 16):
            while rest:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(rest)
                rest = frame.unused_data
                frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
    if frame is not None:
        raise EOFError("the last frame is cut short")


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of a text as its lines."""
    begun = b""
    for piece in pieces:
        *whole, begun = (begun + piece).split(b"\n")
        yield from whole
    if begun:
        yield begun


def bodies(line: Any, where: str) -> list[dict[str, Any]]:
    """What a line holds, each in the shape of a page or a listing.

    Raises:
        ValueError: the line is none that can be served.
    """
    if isinstance(line, dict):
        if "conversationId" in line and "conversationStart" in line:
            return [{"conversations": [line]}]
        if "conversations" in line or "entities" in line:
            return [line]
        if (exchange := exchange_of(line)) is not None:
            body = decoded(exchange.body)
            return [body] if isinstance(body, dict) and exchange.status == 200 else []
        if not line:
            return []
    raise ValueError(f"{where} is no conversation, no page of them, no listing and no exchange of a recording")


def exchange_of(line: Any) -> Exchange | None:
    """The exchange that a line holds, if it holds one."""
    try:
        return msgspec.convert(line, Exchange)
    except msgspec.ValidationError:
        return None


def decoded(text: str) -> Any:
    """JSON, or None."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def kind_of(listing: Mapping[str, Any]) -> str:
    """What a look-up lists, by the path in its links: `queues`, `users`, `wrapupcodes` ..."""
    path = str(listing.get("selfUri") or listing.get("firstUri") or "").partition("?")[0]
    return path.removesuffix("/divisionviews/all").rpartition("/")[2]


def queues_of(conversations: Any) -> Iterator[dict[str, Any]]:
    """The queues that conversations name, on the legs whose participant is the queue."""
    for conversation in conversations:
        for participant in conversation.get("participants", ()):
            name = participant.get("participantName")
            if participant.get("purpose") == "acd" and name:
                ids = {
                    segment["queueId"]
                    for session in participant.get("sessions", ())
                    for segment in session.get("segments", ())
                    if "queueId" in segment
                }
                yield from ({"id": queue_id, "name": name} for queue_id in sorted(ids))
