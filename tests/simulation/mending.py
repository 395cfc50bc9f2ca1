"""What becomes of a finished export: time passes, somebody damages it, and verify and repair are run until it holds."""

import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from everycall import Interval
from everycall.ledger import Entry
from everycall.progress import Event, WindowClosed
from everycall.verification import Verification

from .oracle import check, check_whole, is_miscounted, parts
from .wire import Answered

if TYPE_CHECKING:
    from .world import Life


class Mending:
    """One finished export and what is done about it."""

    def __init__(self, life: "Life") -> None:
        self.life = life
        self.dice = life.dice
        self.is_settled = life.dice.random() < 0.5
        """Whether nothing changes any more, and no count lies."""
        self.mended: list[Interval] = []
        """Proven by a repair that has not ended yet."""

    def tell(self, event: Event) -> None:
        """See `Progress.tell`."""
        if isinstance(event, WindowClosed) and event.proven and self.is_settled:
            self.mended.append(event.window)

    def begin(self) -> None:
        """Time passes, and perhaps somebody does something to the output."""
        life = self.life
        life.is_other = life.is_refused = False
        life.clock.advance(3600 if self.is_settled else self.dice.choice([0, 60, 300]))
        before = life.disk.content(life.output) or b""
        life.disk.damage(life.output, damaged(before, self.dice))

    def step(self) -> bool:
        """Verify, and repair what does not hold; whether all holds."""
        life = self.life
        client = life.process()
        at = len(life.wire.answered)
        now_ms = life.clock.now_ms
        try:
            found = life.planted.verify(client, life.output, crew=life.crew, disk=life.disk)
        finally:
            counts = life.wire.answered[at:]
            del life.wire.answered[at:]
        self.check(found, counts, now_ms)
        if found.holds:
            return True
        before = life.disk.inode(life.output)
        finished = [one.window for one in found.findings if one.state == "holds"] + self.mended
        try:
            summary = life.planted.repair(
                client, found, page_size=life.page_size, progress=self, crew=life.crew, disk=life.disk,
                pieces=life.pieces,
            )  # fmt: skip
        finally:
            life.check_not_asked_again({str(window): window for window in finished}, at)
            if life.disk.inode(life.output) is not before:
                self.mended.clear()
        life.judge(summary, life.disk.content(life.output) or b"")
        return False

    # What verify says

    def check(self, found: Verification, counts: Sequence[Answered], now_ms: int) -> None:
        """What is called damaged is, and nothing else; what is called whole is."""
        data = self.life.disk.content(self.life.output)
        entries = [one.entry for one in found.findings if one.entry is not None]
        head = ",".join(found.header["columns"]).encode() + b"\n"
        sound = intact(data, head, entries)
        for finding in found.findings:
            if finding.entry is None:
                check(finding.state == "unread", f"{finding.window} was never read and is called {finding.state}")
                continue
            is_damaged = not sound[finding.entry.interval]
            check((finding.state == "damaged") == is_damaged, f"{finding.window} is called {finding.state}")
        if data is not None and entries and all(sound.values()):
            states = [one.state for one in found.findings if one.entry is not None]
            for entry, state, rows in zip(entries, states, parts(data, entries), strict=True):
                if state == "holds":
                    self.check_holds(entry, rows, counts, now_ms)

    def check_holds(self, entry: Entry, rows: list[dict[str, str]], counts: Sequence[Answered], now_ms: int) -> None:
        """A window that holds has all that the API knew of when it was verified, unless a count was a lie."""
        answers = self.life.answers([entry])
        asked = [one for one in counts if one.interval == entry.interval]
        lies = is_miscounted(answers[entry.interval]) or not all(one.is_true for one in asked)
        if not lies:
            check(asked, f"{entry.interval} is said to hold, and was not counted")
            check_whole(entry, rows, self.life.world, now_ms)


def intact(data: bytes | None, head: bytes, entries: Sequence[Entry]) -> dict[str, bool]:
    """Of each window, by its interval, whether its rows are what was sealed; more than all rows is the last one's."""
    if data is None or not data.startswith(head):
        return {entry.interval: False for entry in entries}
    found, at = {}, len(head)
    for entry in entries:
        part = data[at : at + entry.size_bytes]
        at += entry.size_bytes
        found[entry.interval] = hashlib.sha256(part).hexdigest() == entry.sha256
    if entries and len(data) > at:
        found[entries[-1].interval] = False
    return found


def damaged(data: bytes, dice: random.Random) -> bytes | None:
    """The output, or what is left of it; None where nothing is."""
    match dice.choice(["", "", "", "changed", "cut", "longer", "gone"]):
        case "changed":
            at = dice.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        case "cut":
            return data[: dice.randrange(len(data))]
        case "longer":
            return data + data[-dice.randint(1, 100) :]
        case "gone":
            return None
    return data
