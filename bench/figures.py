"""What was measured, as values."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.processes import Usage


@dataclass(frozen=True, slots=True)
class Run:
    """One command in one round."""

    conversations: int
    usage: Usage

    @property
    def per_second(self) -> float:
        """Conversations a second of wall time, the start of the process included."""
        return self.conversations / self.usage.seconds

    @property
    def cpu_s(self) -> float:
        """CPU seconds for 100,000 conversations."""
        return self.usage.cpu_s * 100_000 / self.conversations


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what it lies between."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of the values of all rounds."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Line:
    """What one command took, over all rounds."""

    name: str
    conversations: int
    per_second: Spread
    cpu_s: Spread
    """For 100,000 conversations."""
    peak_mb: Spread
    speedup: float
    """How many times the baseline's conversations a second: the median of the rounds' ratios."""
    cpu_ratio: float
    """How many times the baseline's CPU: the median of the rounds' ratios."""

    @classmethod
    def of(cls, name: str, runs: Sequence[Run], baseline: Sequence[Run]) -> "Line":
        """Of a command's runs, and the baseline's of the same rounds."""
        pairs = list(zip(runs, baseline, strict=True))
        return cls(
            name,
            runs[0].conversations,
            Spread.of([run.per_second for run in runs]),
            Spread.of([run.cpu_s for run in runs]),
            Spread.of([run.usage.peak_mb for run in runs]),
            statistics.median(mine.per_second / theirs.per_second for mine, theirs in pairs),
            statistics.median(mine.cpu_s / theirs.cpu_s for mine, theirs in pairs),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """All commands, and what bounds them."""

    conversations: int
    rounds: int
    lines: tuple[Line, ...]
    ceiling_per_second: float
    """Conversations a second that the page server gave to a client that does nothing with them."""
    page_bytes: float
    """A zipped page of 100 with its head."""
