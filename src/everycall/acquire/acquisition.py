"""Acquires windows: reads each window until it is proven, and accounts for all conversations that it returned.

    window -> reading -> pages spooled into a part -> verdict -> sealed part -> settled

Acquiring does not depend on columns, names or formats. `Storage` keeps parts and ids; the caller decides what happens
to a settled part.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from everycall.acquire.loop import Loop
from everycall.acquire.part import Kept, Part, PartWriter
from everycall.acquire.proof import ID_BYTES, Verdict, id_bytes
from everycall.acquire.route import FoundPage, Route, WindowReading
from everycall.acquire.settling import (
    STRAYS_MAX,
    Ownership,
    ReadWindow,
    StrayRow,
    owned_twice,
    with_ids,
    without_ids,
)
from everycall.api.oddities import Oddity
from everycall.api.query import Interval, Query
from everycall.client import Client, Closed
from everycall.errors import EverycallError, PermissionMissing, QueryRefused, ServiceFailed, TimedOut
from everycall.executor import Executor
from everycall.filesystem import Filesystem

UNREADABLE_MAX = 20
"""The most conversations without a readable id that are reported for each window."""

NOT_ASKED = "it holds a conversation that starts on another day, and that day could not be asked for it"

LEAVING_WAIT_MAX_S = 1.0
"""Ours: where the rate limit would make us wait for longer than this, jobs are left to end on their own."""

STOPPED = "not read to its end: --max-pages was reached"


class Storage(Protocol):
    """Where parts and ids are kept."""

    can_take_back: bool
    """Whether a window that is settled can be read again."""

    def path(self, window: Interval, suffix: str) -> Path:
        """Where the window's file of that kind belongs."""
        ...

    def write_ids(self, window: Interval, ids: bytes) -> None:
        """Keep the ids that the window owns."""
        ...

    def ids(self, window: Interval) -> bytes | None:
        """The ids that the window owns, sorted; None where they are not known."""
        ...

    def ids_in_output(self, window: Interval) -> bytes:
        """The ids that the output has of a window whose ids are not known, sorted."""
        ...

    def forget(self, windows: Sequence[Interval]) -> None:
        """These windows will be read again."""
        ...


@dataclass(frozen=True, slots=True)
class KeptStray:
    """A conversation that is kept in a window in which it does not start."""

    id: bytes
    conversation_id: str
    start: str | None
    has_end: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A window whose conversations are all accounted for."""

    window: Interval
    route: str
    """By which of the API's ways it was read."""
    part: Part
    verdict: Verdict
    counted_at: datetime
    owned: int
    """Conversations of this window in the output, its strays included."""
    open_ids: tuple[str, ...]
    """conversationIds of those without an end."""
    strays: tuple[KeptStray, ...]
    left_out: frozenset[bytes]
    """Ids of conversations that started in this window when it was read, and that a later reading gave to another."""
    unreadable: tuple[Oddity, ...]
    """The first conversations without a readable id; they are not kept."""
    late: int
    """Conversations that it returned, and that another window owns but did not return, since it was read before."""


@dataclass(slots=True)
class _Writing:
    """A window that is being read."""

    writer: PartWriter
    texts: dict[bytes, tuple[str, str | None]] = field(default_factory=dict)
    open_texts: dict[bytes, str] = field(default_factory=dict)
    unreadable: list[Oddity] = field(default_factory=list)


class Acquisition:
    """Acquires the windows of one export. It can be run once: call `step` until it returns False."""

    def __init__(
        self,
        client: Client,
        query: Query,
        route: Route[WindowReading],
        executor: Executor,
        storage: Storage,
        filesystem: Filesystem,
        *,
        todo: Iterable[Interval],
        done: Mapping[Interval, datetime],
        strays: Mapping[Interval, Iterable[str]],
        on_page: Callable[[int], None],
        on_settled: Callable[[Settled], None],
        is_fixed: Callable[[Interval], bool] = lambda _: False,
        max_pages: int | None = None,
        part: Callable[[Path, Filesystem], PartWriter] = PartWriter,
    ) -> None:
        """Nothing is asked yet.

        Args:
            client: the way into the org.
            query: what is exported; its interval is that of the whole export.
            route: how to ask.
            executor: who asks.
            storage: where parts and ids are kept.
            filesystem: what parts are written to.
            todo: windows to read; together with `done` they tile the interval.
            done: windows that are settled already, and when each was counted.
            strays: conversationIds that `done` windows keep as strays, by window.
            on_page: is given the number of owned conversations on each page that counts.
            on_settled: is given each settled window. Its part stays until the caller removes it.
            is_fixed: whether a window that the output has must not be read again: the API may not have all of it.
            max_pages: a safety stop.
            part: makes the part of a window.
        """
        self.unread: list[Interval] = []
        """Windows that the safety stop left unread."""
        self.kept_twice: set[Interval] = set()
        """Windows that must not be read again, although another one has some of their conversations, too."""
        self._client, self._query, self._route, self._executor = client, query, route, executor
        self._storage, self._filesystem = storage, filesystem
        self._on_page, self._on_settled, self._is_fixed = on_page, on_settled, is_fixed
        self._part = part
        self._loop = Loop(
            client, route, executor, todo, on_page=self._keep_page, on_end=self._end_reading, max_pages=max_pages
        )
        self._ownership = Ownership(query, storage.ids)
        self._settled: dict[Interval, datetime] = dict(done)
        for window in done:
            self._ownership.add(window)
        self._kept_strays = {window: frozenset(ids) for window, ids in strays.items() if ids}
        self._doubtful: set[Interval] = set()
        """Of them, those that are not proven."""
        self._writing: dict[WindowReading, _Writing] = {}
        self._unsettled: list[ReadWindow] = []
        self._left_out: dict[Interval, set[bytes]] = defaultdict(set)
        self._completed: set[Interval] = set()
        """Windows that were read again because many conversations were missing from them."""
        self._is_at_the_end = False

    @property
    def covered(self) -> timedelta:
        """How much is read of the windows under way."""
        return self._loop.covered

    @property
    def pages(self) -> int:
        """Pages that came, of all windows and passes."""
        return self._loop.pages

    def step(self) -> bool:
        """Ask what can be asked and take one answer; False once every window is settled or left unread."""
        if self._loop.step():
            self._settle()
            return True
        if not self._loop.is_done:
            self.unread += self._loop.stop(STOPPED)
        elif self._read_again_what_is_incomplete():
            pass
        elif self._unsettled:
            self._is_at_the_end = True
            self._settle()
        elif not self._read_again_what_is_owned_twice():
            return False
        return True

    def leave(self) -> None:
        """Ask the API to end what it still does for this export, unless that would take its time."""
        for exchange in self._route.leftovers():
            if self._client.counts().waits_s < LEAVING_WAIT_MAX_S:
                with suppress(EverycallError, Closed):
                    self._client.play(exchange)

    def discard(self) -> None:
        """Leave nothing behind of the windows under way."""
        for writing in self._writing.values():
            writing.writer.discard()
        self._writing.clear()

    def read_again(self, windows: Sequence[Interval]) -> None:
        """These settled windows are read again."""
        self._storage.forget(windows)
        for window in windows:
            self._ownership.remove(window)
            del self._settled[window]
            self._kept_strays.pop(window, None)
            self._doubtful.discard(window)
        self._loop.add(windows)

    # Reading

    def _keep_page(self, reading: WindowReading, page: FoundPage) -> None:
        writing = self._writing.get(reading)
        if writing is None:
            writing = self._writing[reading] = self._begin(reading.window)
        writing.writer.add(page.reading_pass, page.content, page.found, is_zipped=page.is_zipped)
        writing.unreadable += page.unreadable[: UNREADABLE_MAX - len(writing.unreadable)]
        writing.texts.update(page.others)
        writing.open_texts.update(page.open_ids)
        self._on_page(len(page.found) - len(page.others))

    def _begin(self, window: Interval) -> _Writing:
        return _Writing(self._part(self._storage.path(window, ".part"), self._filesystem))

    def _end_reading(self, reading: WindowReading) -> None:
        writing = self._writing.pop(reading, None)
        if reading.verdict is None:
            if writing is not None:
                writing.writer.discard()
            return
        if writing is None:
            writing = self._begin(reading.window)
        self._seal(reading, writing, reading.verdict, reading.counted_at or self._client.clock.utc())

    def _seal(self, reading: WindowReading, writing: _Writing, verdict: Verdict, counted_at: datetime) -> None:
        window = reading.window
        part = writing.writer.seal(verdict.kept_passes)
        left_out = frozenset(self._left_out[window])
        ids = without_ids(part.owned_ids(), left_out)
        open_ids = sorted(writing.open_texts[id_] for id_ in part.open_ids() if id_ not in left_out)
        others = part.others()
        if part.has_foreign_page():
            verdict = _unproven(verdict, "an answer held only conversations of days that were not asked for")
        texts = {one.id: writing.texts[one.id] for one in others}
        self._storage.write_ids(window, ids)
        self._ownership.add(window)
        read = ReadWindow(
            window,
            reading.route,
            part,
            verdict,
            counted_at,
            ids,
            tuple(open_ids),
            tuple(others),
            texts,
            tuple(writing.unreadable),
        )
        self._unsettled.append(read)
        self._settle()

    # Settling

    def _settle(self) -> None:
        for read in list(self._unsettled):
            if read.strays is None and not read.incomplete:
                self._find_strays(read)
            if read.strays is not None and not read.is_asking:
                self._finish(read)

    def _find_strays(self, read: ReadWindow) -> None:
        found = self._ownership.unaccounted(read.others, at_the_end=self._is_at_the_end)
        if found is None:
            return
        if len(found) > STRAYS_MAX:
            read.incomplete = self._incomplete(found)
            if read.incomplete:
                return
            reason = f"{len(found):,} conversations came that start on days that were not asked for"
            read.verdict, read.strays = _unproven(read.verdict, reason), []
            return
        read.strays = [self._stray(one, read) for one in found]
        self._ask_about(read)

    def _incomplete(self, missing: Iterable[Kept]) -> frozenset[Interval]:
        """The windows to which these conversations belong; none that was read again for that already."""
        if self._is_at_the_end or not self._storage.can_take_back:
            return frozenset()
        owners = {self._ownership.owner(one.start_ms) for one in missing if one.start_ms is not None}
        return frozenset(one for one in owners if isinstance(one, Interval)) - self._completed

    def _read_again_what_is_incomplete(self) -> bool:
        """Read windows again from which many conversations are missing. No window is being loaded now."""
        windows = {window for read in self._unsettled for window in read.incomplete}
        if not windows:
            return False
        for read in self._unsettled:
            read.incomplete = frozenset()
        self._completed |= windows
        again = windows & self._settled.keys()
        if again:
            self.read_again(sorted(again, key=lambda window: window.start))
        self._settle()
        return True

    def _stray(self, one: Kept, read: ReadWindow) -> StrayRow:
        conversation_id, start = read.texts[one.id]
        return StrayRow(one.id, conversation_id, start, one.start_ms, one.has_end)

    def _ask_about(self, read: ReadWindow) -> None:
        """Ask the day of each stray for it, once."""
        now = self._client.clock.utc()
        days = [(stray, stray.day(now)) for stray in read.strays or ()]
        waiting = {stray.id for stray, day in days if day is not None}

        def answered(stray: StrayRow, has_it: bool | None) -> None:
            if has_it is None:
                read.verdict = _unproven(read.verdict, NOT_ASKED)
            stray.day_has_it = bool(has_it)
            waiting.discard(stray.id)
            read.is_asking = bool(waiting)

        for stray, day in days:
            if day is not None:
                read.is_asking = True
                self._executor.submit(partial(self._day_has, day, stray.conversation_id), partial(answered, stray))

    def _day_has(self, day: Interval, conversation_id: str) -> bool | None:
        """Whether that day has it; None where the service does not answer that."""
        try:
            return self._client.play(self._route.find(day, conversation_id))
        except QueryRefused:  # an id that the API does not take for one
            return False
        except (PermissionMissing, ServiceFailed, TimedOut):
            return None

    def _finish(self, read: ReadWindow) -> None:
        """The window is settled."""
        self._unsettled.remove(read)
        left_out = frozenset(self._left_out[read.window])
        decided = (
            self._decided(stray, is_proven=read.verdict.proven)
            for stray in read.strays or ()
            if stray.id not in left_out
        )
        kept = tuple(one for one in decided if one is not None)
        late = sum(self._is_late(stray) for stray in read.strays or ())
        self._kept_strays[read.window] = frozenset(one.conversation_id for one in kept)
        if not read.verdict.proven:
            self._doubtful.add(read.window)
        ids = with_ids(read.owned, (one.id for one in kept))
        if not self._storage.can_take_back:
            left_out |= self._sent_out_already(read.window, ids)
        ids = without_ids(ids, left_out)
        kept = tuple(one for one in kept if one.id not in left_out)
        if ids != read.owned:
            self._storage.write_ids(read.window, ids)
        open_ids = sorted([*read.open_ids, *(one.conversation_id for one in kept if not one.has_end)])
        self._settled[read.window] = read.counted_at
        self._on_settled(
            Settled(
                read.window,
                read.route,
                read.part,
                read.verdict,
                read.counted_at,
                len(ids) // ID_BYTES,
                tuple(open_ids),
                kept,
                left_out,
                read.unreadable,
                late,
            )
        )

    def _decided(self, stray: StrayRow, *, is_proven: bool) -> KeptStray | None:
        """The stray to keep; None if another day or window has it.

        What an unproven window keeps does not count for a proven one: it is read again when the export resumes, and may
        not have it any more.
        """
        holders = (window for window, kept in self._kept_strays.items() if stray.conversation_id in kept)
        if any(not is_proven or window not in self._doubtful for window in holders):
            return None
        if stray.day_has_it:
            return None
        reason = (
            "its start is not a plausible date"
            if stray.day_has_it is None
            else "the day on which it starts does not have it"
        )
        return KeptStray(stray.id, stray.conversation_id, stray.start, stray.has_end, reason)

    def _is_late(self, stray: StrayRow) -> bool:
        """Whether the stray belongs to a window of this export that was read before the API knew of it."""
        is_elsewhere = bool(stray.day_has_it) and stray.start_ms is not None
        return is_elsewhere and self._ownership.owner(stray.start_ms or 0) != "outside"

    def _known_ids(self, window: Interval) -> bytes:
        """The ids that the window owns, sorted; of one that a repair took over, those that the output has of it."""
        ids = self._storage.ids(window)
        if ids is not None:
            return ids
        return with_ids(self._storage.ids_in_output(window), map(id_bytes, self._kept_strays.get(window, ())))

    # Conversations that two windows own, because their start changed between the readings

    def _sent_out_already(self, window: Interval, ids: bytes) -> frozenset[bytes]:
        """Ids that a window has sent to a stream before."""
        others = [other for other in self._settled if other != window]
        mine = {window: ids}
        twice = owned_twice([window, *others], lambda one: mine.get(one) or self._storage.ids(one))
        return frozenset(id_ for id_, owners in twice.items() if window in owners)

    def _read_again_what_is_owned_twice(self) -> bool:
        """Of two windows that own a conversation, one keeps it; the other is read again without it.

        The later reading keeps it, but for a stray of an unproven window: that one is read again when the export
        resumes, and may not have the stray by then.
        """
        if not self._storage.can_take_back or len(self._settled) < 2:
            return False
        if not any(self._storage.ids(window) for window in self._settled):
            return False  # the output has all of them, as an earlier run left it
        again: set[Interval] = set()
        for id_, owners in owned_twice(list(self._settled), self._known_ids).items():
            *others, _ = sorted(owners, key=partial(self._claim, id_))
            for window in others:
                if self._storage.ids(window) is None and self._is_fixed(window):
                    self.kept_twice.add(window)
                elif id_ not in self._left_out[window]:
                    self._left_out[window].add(id_)
                    again.add(window)
        if again:
            self.read_again(sorted(again, key=lambda window: window.start))
        return bool(again)

    def _claim(self, id_: bytes, window: Interval) -> tuple[bool, datetime, datetime]:
        """What the window that keeps a conversation has the most of."""
        is_doubtful = window in self._doubtful and id_ in map(id_bytes, self._kept_strays[window])
        return not is_doubtful, self._settled[window], window.start


def _unproven(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, proven=False, reason="; ".join(filter(None, (verdict.reason, reason))))
