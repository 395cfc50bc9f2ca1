"""Names for the ids of a batch, looked up in bulk through a function that the caller passes in."""

import threading
from collections.abc import Callable, Iterable, Sequence

from everycall.api.limits import IDS_MAX
from everycall.api.names import Found, Kind, Names, Unavailable

AskNames = Callable[[Kind, Sequence[str]], Found | Unavailable]
"""Looks up names: users by id, at most `IDS_MAX`; the other kinds as a whole, whatever ids are given."""


class NameSource:
    """The names known so far, and the function that looks up more. Threads may share it; one at a time looks up."""

    def __init__(self, ask: AskNames, *, lists_kinds: bool = True) -> None:
        """Start without any names.

        Args:
            ask: looks up names.
            lists_kinds: whether the result for queues, codes or divisions is the whole kind.
        """
        self.names = Names()
        self._ask, self._lists_kinds = ask, lists_kinds
        self._lock = threading.Lock()

    def prepare(self, ids: Iterable[tuple[Kind, str]]) -> Names:
        """Look up the names of these ids that are not known yet, and return all names."""
        with self._lock:
            for kind, wanted in self.names.wanted(ids).items():
                if kind == "users" or not self._lists_kinds:
                    self._look_up(kind, wanted)
                else:
                    self.names.learn(self._ask(kind, wanted))
        return self.names

    def _look_up(self, kind: Kind, ids: Sequence[str]) -> None:
        for at in range(0, len(ids), IDS_MAX):
            if kind in self.names.unavailable:
                return
            batch = ids[at : at + IDS_MAX]
            self.names.learn(self._ask(kind, batch), batch)

    @property
    def unavailable(self) -> dict[Kind, str]:
        """Kinds whose names could not be looked up, with the reason."""
        return dict(self.names.unavailable)
