"""A list of conversations that is asked for page by page while it changes, and the reading of it to its verdict."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from everycall.acquire.proof import ID_BYTES, PageAsk, Reading


@dataclass
class Listed:
    """What the API would page through: numbers in place of conversations."""

    rows: list[int]
    rng: random.Random = field(default_factory=random.Random)
    arriving: float = 0.0
    """How likely one arrives before an answer."""
    leaving: float = 0.0
    """How likely one leaves before an answer."""
    withholding: float = 0.0
    """How likely an answer lacks one of its rows."""
    shuffling: float = 0.0
    """How likely an answer pages in another order than the last, as ties may."""
    count_off: int = 0
    """How far its count is from the truth."""
    changes: int = 0
    """How often the list changed so far."""

    def move(self) -> None:
        """Let time pass before an answer."""
        if self.rng.random() < self.arriving:
            self.rows.insert(self.rng.randint(0, len(self.rows)), self.rng.getrandbits(100))
            self.changes += 1
        if self.rows and self.rng.random() < self.leaving:
            self.rows.pop(self.rng.randrange(len(self.rows)))
            self.changes += 1
        if self.rng.random() < self.shuffling:
            self.rng.shuffle(self.rows)

    @property
    def count(self) -> int:
        """What it says of its length."""
        return max(0, len(self.rows) + self.count_off)

    def page(self, number: int, size: int) -> tuple[list[int], int | None]:
        """The rows of a page, and the count on it; None past the end."""
        rows = self.rows[(number - 1) * size : number * size]
        total_hits = self.count if rows else None
        if rows and self.rng.random() < self.withholding:
            rows.pop(self.rng.randrange(len(rows)))
        return rows, total_hits


@dataclass
class Outcome:
    """How a reading ended."""

    asked: list[PageAsk]
    kept: list[int]
    """What is left of all rows, by the kept passes."""
    listed: list[int]
    """The list at the final count."""
    stood_still: bool
    """Whether the list stayed as it was from the last pass's first page to its count."""


def packed(rows: list[int]) -> bytes:
    """Ids as a reading wants them."""
    return b"".join(row.to_bytes(ID_BYTES, "big") for row in rows)


def read(reading: Reading, api: Listed, *, in_flight: int = 1, too_large_above: int = 100) -> Outcome:
    """PageAsk and answer to the end, so many asks at a time, their answers in any order."""
    asked: list[PageAsk] = []
    out: list[PageAsk] = []
    passes: dict[int, list[int]] = {}
    changes_at_start: dict[int, int] = {}
    counted: list[int] = []
    while not reading.is_done:
        while len(out) < in_flight and (ask := reading.next_ask()):
            out.append(ask)
            asked.append(ask)
            assert len(asked) < 10_000, "it never ends"
        api.move()
        ask = out.pop(api.rng.randrange(len(out)))
        changes_at_start.setdefault(ask.reading_pass, api.changes)
        if ask.kind == "count":
            counted = list(api.rows)
            reading.counted(ask, api.count)
        elif ask.size > too_large_above:
            reading.too_large(ask)
        else:
            rows, total_hits = api.page(ask.number, ask.size)
            if reading.page_read(ask, packed(rows), total_hits):
                passes.setdefault(ask.reading_pass, []).extend(rows)
    verdict = reading.verdict
    assert verdict is not None
    kept = {row for number in verdict.kept_passes for row in passes.get(number, [])}
    return Outcome(asked, sorted(kept), sorted(counted), api.changes == changes_at_start[max(changes_at_start)])


Scripted = Callable[[PageAsk], tuple[list[int], int | None]]
"""What is on a page, by the ask; a count is the second of the pair."""


def scripted(reading: Reading, answers: Scripted) -> list[PageAsk]:
    """Everything asked, one at a time, each answered by the script."""
    asked: list[PageAsk] = []
    while ask := reading.next_ask():
        asked.append(ask)
        rows, hits = answers(ask)
        if ask.kind == "count":
            reading.counted(ask, hits or 0)
        else:
            reading.page_read(ask, packed(rows), hits)
    return asked
