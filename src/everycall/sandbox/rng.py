"""Numbers and ids that look drawn at random and are the same on every machine, in every process, for ever.

They come out of SHAKE-128 (FIPS 202), which `hashlib` guarantees everywhere, by integer arithmetic alone:
neither `random`, whose methods may change between versions of Python, nor `hash()`, nor a logarithm has a say.
"""

from collections.abc import Iterator, Sequence
from hashlib import shake_128
from struct import Struct, unpack
from typing import TypeVar

T = TypeVar("T")

_BLOCK = Struct(">96I")
_IDS_IN_A_BLOCK = 12
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def wide(name: str, count: int) -> tuple[int, ...]:
    """`count` numbers of 64 bits each, in one go."""
    return unpack(f">{count}Q", shake_128(name.encode()).digest(8 * count))


def narrow(name: str, count: int) -> tuple[int, ...]:
    """`count` numbers of 32 bits each, in one go."""
    return unpack(f">{count}I", shake_128(name.encode()).digest(4 * count))


class Rng:
    """A random number generator seeded by a name: the same name gives the same draws in the same order."""

    __slots__ = ("_draw", "uuid")

    def __init__(self, name: str) -> None:
        seed = name.encode()
        self._draw = _numbers(seed).__next__
        self.uuid = _uuids(seed).__next__
        """The next id: a UUID of version 4 in lower case."""

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1."""
        return self._draw() * bound >> 32

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + (self._draw() * (high - low + 1) >> 32)

    def chance(self, per_mille: int) -> bool:
        """True with a probability of `per_mille` in 1,000."""
        return self._draw() * 1000 >> 32 < per_mille

    def pick(self, things: Sequence[T]) -> T:
        """One of several things, each as likely as the next."""
        return things[self._draw() * len(things) >> 32]

    def real(self, low: float, high: float) -> float:
        """A float from low to below high, with all the digits that a float has."""
        return low + (high - low) * (self._draw() / 4294967296)


def _numbers(seed: bytes) -> Iterator[int]:
    block = 0
    while True:
        yield from _BLOCK.unpack(shake_128(b"%b/%d" % (seed, block)).digest(_BLOCK.size))
        block += 1


def _uuids(seed: bytes) -> Iterator[str]:
    block = 0
    while True:
        digits = shake_128(b"%b#%d" % (seed, block)).hexdigest(16 * _IDS_IN_A_BLOCK)
        for at in range(0, 32 * _IDS_IN_A_BLOCK, 32):
            h = digits[at : at + 32]
            yield f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:]}"
        block += 1
