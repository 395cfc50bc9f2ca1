"""The loop that reads windows: it asks what they want to know next, several questions at once, and splits them.

    windows -> readings of a route -> questions -> executor -> answers -> pages and verdicts

Export, plan and the library's iterators all read windows through it; what becomes of a page is the caller's business.
One thread decides and owns all that changes. What is handed to the executor is one question at a time.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from everycall.acquire.route import Ask, FoundPage, Reads, TooSlow, WindowReading
from everycall.api.query import Interval
from everycall.client import Client
from everycall.errors import TimedOut
from everycall.executor import Executor

R = TypeVar("R", bound=WindowReading)

OPEN_MAX = 8
"""Windows under way at once, at most: small ones need several to fill the time between question and answer."""


class Loop(Generic[R]):
    """Reads windows one after the other, several at a time. To be run once."""

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
        """Nothing is asked yet.

        Args:
            client: the way into the org.
            route: how to ask.
            executor: who asks.
            windows: what to read, the first first.
            on_page: is given each page whose conversations count.
            on_end: is given each reading that has its verdict, or other windows in its place, or neither where it was
                stopped before anything came.
            max_pages: how many pages to ask for at most.
            open_max: how many windows to read at once at most.
        """
        self.pages = 0
        """Pages with conversations that count, of all windows and passes."""
        self._client, self._route, self._executor = client, route, executor
        self._on_page, self._on_end = on_page, on_end
        self._todo = deque(windows)
        self._open: list[R] = []
        self._open_max = open_max
        self._pages_left = max_pages if max_pages is not None else float("inf")

    @property
    def covered(self) -> timedelta:
        """How much is read of the windows under way."""
        return sum((one.window.length * one.covered for one in self._open), timedelta())

    @property
    def is_done(self) -> bool:
        """Whether no window is left to read."""
        return not self._open and not self._todo

    def add(self, windows: Iterable[Interval]) -> None:
        """Read these too, before those that were not begun."""
        self._todo.extendleft(reversed(list(windows)))

    def step(self) -> bool:
        """Ask what can be asked, and take one answer; False where there is none to wait for."""
        self._hand_out()
        if not self._executor.outstanding:
            return False
        self._executor.run_next()
        self._close_windows()
        return True

    def _hand_out(self) -> None:
        while self._executor.outstanding < self._executor.size:
            if not self._ask_next() and not self._open_next():
                return

    def _ask_next(self) -> bool:
        """Hand out the next question of the earliest window that has one."""
        for reading in self._open:
            ask = reading.next_ask(may_page=self._pages_left > 0)
            if ask is not None:
                self._pages_left -= ask.is_page
                self._submit(reading, ask)
                return True
        return False

    def _open_next(self) -> bool:
        if not self._todo or len(self._open) >= self._open_max or self._pages_left <= 0:
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

        def then(came: tuple[object, datetime]) -> None:
            page = reading.take(ask, *came)
            self.pages += ask.is_page
            if page is not None:
                self._on_page(reading, page)

        self._executor.submit(work, then)

    def _close_windows(self) -> None:
        for reading in [reading for reading in self._open if reading.is_done]:
            self._open.remove(reading)
            self._todo.extendleft(reversed(reading.instead or ()))
            self._on_end(reading)

    def stop(self, reason: str) -> list[Interval]:
        """End here: windows under way keep what was read, unproven.

        Returns:
            The windows of which nothing was read, in order.
        """
        unread = [reading.window for reading in self._open if not reading.has_begun] + list(self._todo)
        self._todo.clear()
        begun, self._open = self._open, []
        for reading in begun:
            if reading.has_begun:
                reading.stop(reason)
            self._on_end(reading)
        return sorted(unread, key=lambda window: window.start)
