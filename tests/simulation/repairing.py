"""What becomes of a finished export: time passes, somebody damages it, and verify and repair are run until it holds."""

import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from everycall import Interval
from everycall.manifest import Entry
from everycall.progress import Event, WindowClosed
from everycall.setup import Options
from everycall.verification import Verification

from .disk import OUTPUT
from .oracle import check, check_whole, is_miscounted, overlap, table
from .wire import Answered

if TYPE_CHECKING:
    from .world import Life


class Repairing:
    """One finished export and what is done about it."""

    def __init__(self, life: "Life") -> None:
        self.life = life
        self.rng = life.rng
        self.is_settled = life.rng.random() < 0.5
        """Whether nothing changes any more, and no count lies."""
        self.repaired: list[Interval] = []
        """Proven by a repair that has not ended yet."""

    def report(self, event: Event) -> None:
        """See `Progress.report`."""
        if isinstance(event, WindowClosed) and event.proven and self.is_settled:
            self.repaired.append(event.window)

    def begin(self) -> None:
        """Time passes, and perhaps somebody does something to the output."""
        life = self.life
        life.is_other = life.is_refused = False
        life.clock.advance(3600 if self.is_settled else self.rng.choice([0, 60, 300]))
        before = life.filesystem.content(OUTPUT) or b""
        life.filesystem.damage(OUTPUT, damaged(before, self.rng))

    def step(self) -> bool:
        """Verify, and repair what does not hold; whether all holds."""
        life = self.life
        client = life.process()
        at = len(life.wire.answered)
        now_ms = life.clock.now_ms
        try:
            found = life.planted.verify(client, OUTPUT, environment=life.environment)
        finally:
            counts = life.wire.answered[at:]
            del life.wire.answered[at:]
        self.check(found, counts, now_ms)
        if found.holds:
            return True
        before = life.filesystem.inode(OUTPUT)
        holding = self.taken_over(found)
        repaired = {str(window): window for window in self.repaired}
        try:
            summary = life.planted.repair(
                client, found, options=Options(page_size=life.page_size), progress=self, environment=life.environment
            )
        finally:
            life.check_not_asked_again(holding, at)
            life.check_not_asked_again(repaired, at, but_counted=True)
            if life.filesystem.inode(OUTPUT) is not before:
                self.repaired.clear()
        life.judge(summary, life.filesystem.content(OUTPUT) or b"", is_repair=True)
        return False

    def taken_over(self, found: Verification) -> dict[str, Interval]:
        """The windows that hold, and of which no unfinished repair has read a part: that one is read to its end."""
        begun = [read.window for read, _ in self.life.lines()]
        holding = [one.window for one in found.findings if one.state == "holds"]
        return {str(window): window for window in holding if not any(overlap(window, other) for other in begun)}

    # What verify says

    def check(self, found: Verification, counts: Sequence[Answered], now_ms: int) -> None:
        """What is called damaged is, and nothing else; what is called whole is."""
        data = self.life.filesystem.content(OUTPUT)
        entries = [one.entry for one in found.findings if one.entry is not None]
        head = ",".join(found.manifest.query.columns).encode() + b"\n"
        sound = intact(data, head, entries)
        for finding in found.findings:
            entry = finding.entry
            if entry is None:
                check(finding.state == "unread", f"{finding.window} was never read and is called {finding.state}")
                continue
            part = sound[entry.interval]
            check((finding.state == "damaged") == (part is None), f"{finding.window} is called {finding.state}")
            if finding.state == "holds" and part is not None:
                self.check_holds(entry, table(head + part), counts, now_ms)

    def check_holds(self, entry: Entry, rows: list[dict[str, str]], counts: Sequence[Answered], now_ms: int) -> None:
        """A window that holds has all that the API knew of when it was verified, unless a count was a lie."""
        answers = self.life.answers([entry])
        asked = [one for one in counts if one.interval == entry.interval]
        lies = is_miscounted(answers[entry.interval]) or not all(one.is_true for one in asked)
        if not lies:
            check(asked, f"{entry.interval} is reported to hold, and was not counted")
            check_whole(entry, rows, self.life.world, now_ms)


def intact(data: bytes | None, head: bytes, entries: Sequence[Entry]) -> dict[str, bytes | None]:
    """Of each window, by its interval, the rows that were sealed; None where they are others.

    More than all rows is the last one's damage; another header is that of all.
    """
    if data is None or not data.startswith(head):
        return {entry.interval: None for entry in entries}
    found: dict[str, bytes | None] = {}
    at = len(head)
    for entry in entries:
        part = data[at : at + entry.size_bytes]
        at += entry.size_bytes
        found[entry.interval] = part if hashlib.sha256(part).hexdigest() == entry.sha256 else None
    if entries and len(data) > at:
        found[entries[-1].interval] = None
    return found


def damaged(data: bytes, rng: random.Random) -> bytes | None:
    """The output, or what is left of it; None where nothing is."""
    match rng.choice(["", "", "", "changed", "cut", "longer", "gone"]):
        case "changed":
            at = rng.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        case "cut":
            return data[: rng.randrange(len(data))]
        case "longer":
            return data + data[-rng.randint(1, 100) :]
        case "gone":
            return None
    return data
