"""The loop that reads windows: sends their requests concurrently, hands pages to the caller, and splits windows.

    windows -> readings of a route -> requests -> executor -> answers -> pages and verdicts

Export, plan and the library's iterators all read windows through it. All state belongs to the main thread; the executor
gets one request at a time.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from everycall import pacing
from everycall.acquire.route import OPEN_MAX, Ask, FoundPage, Reads, TooSlow, WindowReading
from everycall.api.query import Interval
from everycall.client import Client
from everycall.errors import TimedOut
from everycall.executor import Executor

R = TypeVar("R", bound=WindowReading)


class Loop(Generic[R]):
    """Reads windows in order, several at a time. It can be run once."""

    def __init__(
        self,
        client: Client,
        route: Reads[R],
        executor: Executor,
        windows: Iterable[Interval],
        *,
        on_page: Callable[[R, FoundPage], None],
        on_end: Callable[[R], None],
        max_pages: int | None = None,
        open_max: int = OPEN_MAX,
    ) -> None:
        """Prepare the loop; no request is sent yet.

        Args:
            client: the client of the org.
            route: makes the readings of windows.
            executor: sends the requests.
            windows: the windows to read, in order.
            on_page: is called with each page whose conversations count.
            on_end: is called with each reading that has its verdict, or other windows in its place, or neither if it
                was stopped before its first page.
            max_pages: how many pages to request at most.
            open_max: how many windows to read at once at most, where the route does not say less.
        """
        self.pages = 0
        """Pages with conversations that count, of all windows and passes."""
        self._client, self._route, self._executor = client, route, executor
        self._on_page, self._on_end = on_page, on_end
        self._todo = deque(windows)
        self._open: list[R] = []
        self._open_max = open_max
        self._pages_left = max_pages if max_pages is not None else float("inf")
        self._in_flight = 0

    @property
    def covered(self) -> timedelta:
        """How much is read of the windows that are open."""
        return sum((reading.window.length * reading.covered for reading in self._open), timedelta())

    @property
    def is_done(self) -> bool:
        """Whether no window is left to read."""
        return not self._open and not self._todo

    def add(self, windows: Iterable[Interval]) -> None:
        """Read these windows, too, before those that are not begun."""
        self._todo.extendleft(reversed(list(windows)))

    def step(self) -> bool:
        """Send what can be sent, and process one answer; False if there is none to wait for."""
        self._send_requests()
        if not self._executor.outstanding:
            return False
        self._executor.run_next()
        self._close_windows()
        return True

    def _send_requests(self) -> None:
        in_flight_max = pacing.in_flight(self._client.counts().latency_s)
        while self._in_flight < in_flight_max and self._executor.outstanding < self._executor.size:
            if not self._ask_next() and not self._open_next():
                return

    def _ask_next(self) -> bool:
        """Submit the next request of the earliest window that has one."""
        for reading in self._open:
            ask = reading.next_ask(may_page=self._pages_left > 0)
            if ask is not None:
                self._pages_left -= ask.is_page
                self._submit(reading, ask)
                return True
        return False

    def _open_next(self) -> bool:
        if not self._todo or self._pages_left <= 0:
            return False
        if len(self._open) >= min(self._open_max, self._route.open_max(self._todo[0])):
            return False
        first, *others = self._route.fitting(self._todo.popleft())
        self._todo.extendleft(reversed(others))
        self._open.append(self._route.read(first))
        return True

    def _submit(self, reading: R, ask: Ask) -> None:
        def work() -> tuple[object, datetime]:
            if ask.not_before is not None:
                self._client.wait_until(ask.not_before)
            asked_at = self._client.clock.utc()
            try:
                return self._client.play(ask.exchange()), asked_at
            except TimedOut as error:
                return TooSlow(str(error)), asked_at

        def then(answer: tuple[object, datetime]) -> None:
            self._in_flight -= 1
            page = reading.take(ask, *answer)
            self.pages += ask.is_page
            if page is not None:
                self._on_page(reading, page)

        self._in_flight += 1
        self._executor.submit(work, then)

    def _close_windows(self) -> None:
        for reading in [reading for reading in self._open if reading.is_done]:
            self._open.remove(reading)
            self._todo.extendleft(reversed(reading.instead or ()))
            self._on_end(reading)

    def stop(self, reason: str) -> list[Interval]:
        """Stop reading. Open windows keep their pages, and are unproven.

        Returns:
            The windows without any page, in order.
        """
        unread = [reading.window for reading in self._open if not reading.has_begun] + list(self._todo)
        self._todo.clear()
        begun, self._open = self._open, []
        for reading in begun:
            if reading.has_begun:
                reading.stop(reason)
            self._on_end(reading)
        return sorted(unread, key=lambda window: window.start)
