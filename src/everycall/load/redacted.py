"""Conversations without personal data: a source between a part and what is made of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from everycall.acquire.part import PageSlice, Place, Slice
from everycall.api.names import Found, Kind, Unavailable
from everycall.load.names import AskNames
from everycall.privacy import Redactor

if TYPE_CHECKING:
    from everycall.load.load import Source


class RedactedSource:
    """The conversations of another source, each as the redactor leaves it."""

    def __init__(self, source: "Source", redactor: Redactor) -> None:
        """Redact what this source yields."""
        self._source, self._redactor = source, redactor

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return self._source.pages

    def slices(self, is_wanted: Callable[[bytes, Place], bool] | None = None) -> Iterator[Slice]:
        """Yield the wanted conversations alone, in pages of their own."""
        for piece in self._source.slices(is_wanted):
            found = list(map(self._redactor.record, piece.records()))
            body = b'{"conversations":[' + b",".join(found) + b"]}"
            yield PageSlice(piece.page, body, range(len(found)), piece.starts_ms)


def redacted(ask: AskNames, redactor: Redactor) -> AskNames:
    """The function that looks up names, with the names of users as the redactor leaves them."""

    def ask_redacted(kind: Kind, ids: Sequence[str]) -> Found | Unavailable:
        found = ask(kind, ids)
        if kind != "users" or isinstance(found, Unavailable):
            return found
        return replace(
            found,
            entities=tuple(
                msgspec.structs.replace(one, name=redactor.user_name(one.name), email=None) for one in found.entities
            ),
        )

    return ask_redacted
