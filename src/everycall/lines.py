"""Texts that stand in lines of larger ones, as conversations do in an archive."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias, overload

Place: TypeAlias = tuple[bytes, int, int]
"""A larger text, and where a line of it begins and ends."""


class Lines(Sequence[bytes]):
    """Lines of some larger texts, which are cut out where one of them is wanted.

    To cut all of them out and join them again took a twentieth of the CPU of converting an archive to tables.
    """

    def __init__(self, places: list[Place]) -> None:
        """Give these lines. Those of one text that follow each other here do so there, too."""
        self._places = places

    @classmethod
    def of(cls, text: bytes) -> "Lines":
        """All lines of a text, whose last one may have no line feed."""
        places, begin = [], 0
        while (end := text.find(b"\n", begin)) >= 0:  # `find` jumps to it, where lines are long
            places.append((text, begin, end))
            begin = end + 1
        if begin < len(text):
            places.append((text, begin, len(text)))
        return cls(places)

    @property
    def places(self) -> Sequence[Place]:
        """Where the lines stand."""
        return self._places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[bytes]:
        return (text[begin:end] for text, begin, end in self._places)

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> "Lines": ...

    def __getitem__(self, at: int | slice) -> "bytes | Lines":
        if isinstance(at, slice):
            return Lines(self._places[at])
        text, begin, end = self._places[at]
        return text[begin:end]

    def joined(self) -> bytes:
        """The lines as one text, without a line feed at its end."""
        runs: list[memoryview] = []
        at = 0
        while at < len(self._places):
            text, begin, end = self._places[at]
            at += 1
            while at < len(self._places) and self._places[at][0] is text and self._places[at][1] == end + 1:
                end = self._places[at][2]
                at += 1
            runs.append(memoryview(text)[begin:end])
        return b"\n".join(runs)


def joined(texts: Sequence[bytes]) -> bytes:
    """Texts as the lines of one, without a line feed at its end."""
    return texts.joined() if isinstance(texts, Lines) else b"\n".join(texts)


def lengths(texts: Sequence[bytes]) -> Iterable[int]:
    """How many bytes each has."""
    return (end - begin for _, begin, end in texts.places) if isinstance(texts, Lines) else map(len, texts)


def chained(parts: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
    """All texts, one part after the other; still as lines if all parts are lines."""
    lines = [part for part in parts if isinstance(part, Lines)]
    if len(lines) == len(parts):
        return Lines(list(chain.from_iterable(part.places for part in lines)))
    return list(chain.from_iterable(parts))
