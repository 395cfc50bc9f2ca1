"""Names for the ids of a batch, asked for in bulk through a function that the loading is given."""

import threading
from collections.abc import Callable, Iterable, Sequence

from everycall.api.limits import IDS_MAX
from everycall.api.names import Found, Kind, Names, Unavailable

AskNames = Callable[[Kind, Sequence[str]], Found | Unavailable]
"""Looks up names: users by id, at most `IDS_MAX` of them; the other kinds whole, whatever ids are given."""


class NameSource:
    """What is known of names, and the way to learn more. Threads may share it; one at a time asks."""

    def __init__(self, ask: AskNames, *, lists_kinds: bool = True) -> None:
        """Nothing is known and nothing asked yet.

        Args:
            ask: looks up names.
            lists_kinds: whether an answer about queues, codes or divisions holds all that there are.
        """
        self.names = Names()
        self._ask, self._lists_kinds = ask, lists_kinds
        self._one_at_a_time = threading.Lock()

    def prepare(self, ids: Iterable[tuple[Kind, str]]) -> Names:
        """The names, once those of these ids are known as far as they can be."""
        with self._one_at_a_time:
            for kind, wanted in self.names.wanted(ids).items():
                if kind == "users" or not self._lists_kinds:
                    for at in range(0, len(wanted), IDS_MAX):
                        if kind in self.names.unavailable:
                            break
                        asked = wanted[at : at + IDS_MAX]
                        self.names.learn(self._ask(kind, asked), asked)
                else:
                    self.names.learn(self._ask(kind, wanted))
        return self.names

    @property
    def unavailable(self) -> dict[Kind, str]:
        """Kinds whose names could not be looked up, with the reason."""
        return dict(self.names.unavailable)
