"""What lies between client and org: a clock, an executor that interleaves, and a connection that loses things."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from everycall.api import exchange as asked
from everycall.api.details_query import PageHead
from everycall.api.exchange import Broken, Response, TooSlow, received
from everycall.api.query import Interval
from everycall.sandbox import QUERY, Faults, Sandbox
from everycall.sandbox.answers import Request
from everycall.sandbox.answers import Wire as Bytes
from everycall.sandbox.faults import Fault

from .org import Drifting

NESTED_MAX = 5
"""How many jobs are under way at once, at most: each of them stands on the one before."""

NAMES = ("/api/v2/routing", "/api/v2/users", "/api/v2/authorization")
"""Where names are looked up."""

DETAILS = asked.Request("POST", QUERY, decode=PageHead.decode, success=(200,))

UNKNOWN = (
    (200, b'{"results":[{"id":"1"}],"total":250}'), (200, b'{"data":null}'), (202, b"{}"), (200, b"[]"),
    (200, b'{"error":"login_required","loginUrl":"https://login.example"}'),
    (200, b'{"message":"no data","status":200}'),
)  # fmt: skip
"""Answers that say nothing about conversations: another API's, a queue's, a login page's."""

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""


class SimClock:
    """One clock for all; it moves where somebody waits, or where something takes its time."""

    def __init__(self) -> None:
        self._passed_s = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        """What others do while somebody waits."""

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed_s

    def utc(self) -> datetime:
        """The present."""
        return START + timedelta(seconds=self._passed_s)

    def now(self) -> float:
        """The present in epoch seconds, for the sandbox."""
        return START.timestamp() + self._passed_s

    @property
    def now_ms(self) -> int:
        """The present as the org sees it."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._passed_s += seconds

    def wait(self, condition: threading.Condition, seconds: float) -> None:  # noqa: ARG002
        """Others do something, and then the time has passed."""
        assert seconds < float("inf"), "nothing would end this wait"
        until = self._passed_s + seconds
        self.meanwhile()
        self._passed_s = max(self._passed_s, until)


class Interleaved:
    """An executor in one thread: jobs are begun in any order, others run while one waits, results come in any order."""

    def __init__(self, size: int, rng: random.Random, between: Callable[[], None]) -> None:
        self.size = size
        self._rng, self._between = rng, between
        self._waiting: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self._done: list[tuple[Any, Callable[[Any], None], Exception | None]] = []
        self._under_way = 0
        self.came: dict[int, Answered] = {}
        """Answers by the id of the headers that the client got."""
        self._taken = 0
        self._depth = 0
        self.is_busy: Callable[[], bool] = lambda: False
        """Whether whoever is under way holds something that others would wait for."""

    @property
    def outstanding(self) -> int:
        """See `Executor.outstanding`."""
        return len(self._waiting) + len(self._done) + self._under_way

    def submit(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """See `Executor.submit`."""
        self._waiting.append((work, then))

    def run_next(self) -> None:
        """See `Executor.run_next`."""
        self._between()
        while not self._done or (self._waiting and self._rng.random() < 0.5):
            self._run()
        result, then, error = self._done.pop(self._rng.randrange(len(self._done)))
        if error is not None:
            raise error
        self._taken += 1
        response = result[0] if isinstance(result, tuple) else result
        if (answered := self.came.get(id(getattr(response, "headers", None)))) is not None:
            answered.taken = self._taken
        then(result)

    def meanwhile(self) -> None:
        """Somebody waits for something: others go on."""
        if self._depth < NESTED_MAX and not self.is_busy():
            while self._waiting and self._rng.random() < 0.3:
                self._run()

    def close(self) -> None:
        """See `Executor.close`."""
        self._waiting.clear()

    def _run(self) -> None:
        work, then = self._waiting.pop(self._rng.randrange(len(self._waiting)))
        self._depth += 1
        self._under_way += 1
        try:
            self._done.append((work(), then, None))
        except Exception as error:  # noqa: BLE001 - it is raised again where the result is taken
            self._done.append((None, then, error))
        finally:
            self._depth -= 1
            self._under_way -= 1


@dataclass(slots=True)
class Answered:
    """One question of details that the org has answered."""

    number: int
    """In the order in which they were asked."""
    run: int
    interval: str
    page: int
    size: int
    versions: dict[str, int]
    """Of the conversations in it, by id."""
    total_hits: int | None
    is_true: bool = True
    """Whether the count is."""
    is_cached: bool = False
    """Whether it is that of another interval."""
    is_too_large: bool = False
    """Whether it was refused for its size, which ends a pass."""
    has_come: bool = False
    """Whether the client got it."""
    taken: int = 0
    """In the order in which answers were taken from the executor; 0 before."""
    response: Response | None = None
    correlation_id: str = ""
    at_ms: int = 0
    """When it was answered."""

    @property
    def is_count(self) -> bool:
        """Whether it was asked for the count only; the simulation's pages are larger."""
        return self.size == 1


@dataclass
class Trouble(Faults):
    """Everything that the org and the network do wrong, drawn for each request."""

    rng: random.Random
    clock: SimClock
    world: Drifting
    rate: float = 0.0
    content_rate: float = 0.0
    off: tuple[int, ...] = (0,)
    page_size_max: int = 100
    lost: float = 0.0
    odd_rate: float = 0.0
    """How often an answer is one that nobody knows."""
    cached_rate: float = 0.0
    """How often an answer is that of another day."""
    cached_share: float = 0.0
    """Of how many windows all answers are."""
    slow_above: timedelta | None = None
    """Questions about more time than this are hardly ever answered in time."""
    is_nameless: bool = False
    """Whether no name can be looked up, ever."""
    last: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.rate = self.content_rate = self.lost = self.odd_rate = self.cached_rate = self.cached_share = 0.0
        self.slow_above = None
        self.page_size_max = 100

    def striking(self, request: Request) -> list[Fault]:
        """The faults that strike this request."""
        struck = [Fault(*self._drawn())] if self.rng.random() < self.rate else []
        if request.path == QUERY:
            struck += self._of_query()
        elif self.is_nameless and request.path.startswith(NAMES):
            struck.append(Fault(self.rng.choice(["503", "500", "404", "html"])))
        self.last = struck
        return struck

    def _drawn(self) -> tuple[str, dict[str, Any]]:
        kind = self.rng.choice(["429", "429", "401", "revoked", "500", "502", "503", "504", "408", "html", "cut_json"])
        if kind == "429":
            return kind, {"retry_after_s": self.rng.choice([None, 1, 5]), "as_date": self.rng.random() < 0.2}
        return kind, {}

    def _of_query(self) -> list[Fault]:
        struck = [Fault("unseen", {"conversation_id": one}) for one in self.world.hidden(self.clock.now_ms)]
        if self.page_size_max < 100:
            struck.append(Fault("too_large", {"page_size": self.page_size_max}))
        if self.rng.random() < self.content_rate:
            kind = self.rng.choice(["short_page", "duplicates", "total_hits", "new_field", "null"])
            options: dict[str, Any] = {"rows": self.rng.randint(1, 3)} if kind in ("short_page", "duplicates") else {}
            options |= {"off": self.rng.choice(self.off)} if kind == "total_hits" else {}
            struck.append(Fault(kind, options))
        return struck

    def is_slow(self, interval: str) -> bool:
        """Whether this question about an interval is not answered in time."""
        if self.slow_above is None or Interval.read(interval).length <= self.slow_above:
            return False
        return self.rng.random() < 0.9

    def other_day(self, interval: str) -> str:
        """The interval that the answer is about: another one where a cache mixes them up."""
        is_cached = random.Random(interval).random() < self.cached_share or self.rng.random() < self.cached_rate
        if not is_cached:
            return interval
        window, by = Interval.read(interval), timedelta(days=random.Random(interval).randint(1, 9))
        return str(Interval(window.start - by, window.end - by))


class Wire:
    """A connection to the org that loses, repeats, delays and cuts; see `Connection`."""

    def __init__(
        self,
        sandbox: Sandbox,
        trouble: Trouble,
        rng: random.Random,
        effect: Callable[[str], None],
        executor: Interleaved,
    ) -> None:
        self._sandbox, self._trouble, self._rng, self._effect, self.executor = sandbox, trouble, rng, effect, executor
        self.answered: list[Answered] = []
        self.run = 0
        self.has_looked_up = False
        """Whether a day was asked for a conversation."""
        self._asked = 0

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """See `Connection.send`."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        request = Request.of(method, target, headers, body or b"")
        self._asked += 1
        number, fate = self._asked, self._fate()
        self._effect("request")
        self._pass()
        if fate == "lost":
            raise Broken("the request got lost")
        window = self._window(request)
        if window and self._trouble.is_slow(window):
            return self._too_slow()
        about = self._trouble.other_day(window) if window else window
        for _ in range(2 if fate == "twice" else 1):
            wire = self._sandbox.respond(about_another(request, about) if about != window else request)
            answered = self._noted(number, request, wire, is_cached=about != window)
        self._effect("answer")
        self._pass()
        data = wire.body
        if fate == "answer lost":
            raise Broken("the answer got lost")
        if fate == "cut":
            data = self.cut(data)
        if fate == "garbled" and data:
            at = self._rng.randrange(len(data))
            data = data[:at] + b"\xff" + data[at + 1 :]
        status, headers = wire.status, {name.lower(): value for name, value in wire.headers.items()}
        if window and status == 200 and self._rng.random() < self._trouble.odd_rate:
            status, data = self._rng.choice(UNKNOWN)
            headers = {name: value for name, value in headers.items() if name != "content-encoding"}
        response = self.whole(status, headers, data)
        if answered is not None:
            received(DETAILS, response)  # what is broken has not come
            answered.has_come, answered.response = True, response
            self.executor.came[id(response.headers)] = answered
        return response

    def _window(self, request: Request) -> str:
        """The window that is asked for; empty where something else is."""
        if request.path != QUERY:
            return ""
        body = msgspec.json.decode(request.body)
        if "conversationId" in str(body.get("conversationFilters")):
            self.has_looked_up = True
            return ""
        return str(body["interval"])

    def _too_slow(self) -> Response:
        self._trouble.clock.advance(60)
        if self._rng.random() < 0.5:
            raise TooSlow("no answer in time")
        return self.whole(504, {}, b"")

    def whole(self, status: int, headers: Mapping[str, str], data: bytes) -> Response:
        """The answer that the client gets."""
        return Response(status, headers, data)

    def cut(self, data: bytes) -> bytes:
        """A beginning of it."""
        return data[: self._rng.randrange(len(data))] if data else data

    def close(self) -> None:
        """See `Connection.close`."""

    def _fate(self) -> str:
        if self._rng.random() >= self._trouble.lost:
            return ""
        return self._rng.choice(["lost", "answer lost", "twice", "cut", "garbled"])

    def _pass(self) -> None:
        self._trouble.clock.advance(self._rng.choice([0.01, 0.1, 0.5]))
        self.executor.meanwhile()

    def _noted(self, number: int, request: Request, wire: Bytes, *, is_cached: bool) -> Answered | None:
        if not self._window(request):
            return None  # asks for one conversation, and for no page of a window
        asked = msgspec.json.decode(request.body)
        paging, kinds = asked["paging"], {fault.kind for fault in self._trouble.last}
        try:
            answer = msgspec.json.decode(wire.body) if wire.status == 200 else {}
        except msgspec.DecodeError:
            answer = {}
        versions = {one["conversationId"]: version_of(one) for one in answer.get("conversations", ())}
        noted = Answered(
            number, self.run, asked["interval"], paging["pageNumber"], paging["pageSize"], versions,
            answer.get("totalHits"), is_true="total_hits" not in kinds and not is_cached,
            is_cached=is_cached, is_too_large=wire.status == 400,
            correlation_id=wire.headers["ININ-Correlation-Id"], at_ms=self._trouble.clock.now_ms,
        )  # fmt: skip
        self.answered.append(noted)
        return noted


def about_another(request: Request, interval: str) -> Request:
    """The same question about another interval."""
    body = {**msgspec.json.decode(request.body), "interval": interval}
    return replace(request, body=msgspec.json.encode(body))


def version_of(conversation: Mapping[str, Any]) -> int:
    """Which version of it was served."""
    return int(conversation["participants"][0]["sessions"][0]["dispositionName"][1:])
