"""One seed: an org, a filesystem, a network, and someone who runs the same command until it ends; then the judge.

Everything - the real line from `export` down, the sandbox, the clock, the disk - runs in one thread, and everything
that is drawn is drawn from the seed. So the same seed goes the same way, to the byte.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from everycall import Client, Credentials, EverycallError, Interval, OutputFailed, OutputRefused, Query, Summary, export
from everycall.acquire.details_query import DetailsQuery
from everycall.acquire.part import DamagedPart, Part, PartWriter
from everycall.acquire.proof import Reading
from everycall.api.query import Match
from everycall.ledger import Ledger
from everycall.load.load import Loaded, Loader, Task
from everycall.load.names import NameSource
from everycall.manifest import Entry, Published, WindowLoaded, WindowRead
from everycall.progress import Event, WindowClosed
from everycall.sandbox import Sandbox, Switches
from everycall.setup import Environment, Options
from everycall.sinks.forms import FormMaker
from everycall.store import window_name
from everycall.verification import Verification, repair, verify

from .disk import ARCHIVE, ARCHIVE_MANIFEST, FOLDER, LEDGER, LEDGER_FOLDER, MANIFEST, OUTPUT, Crash, Inode, SimDisk
from .oracle import STRAYS_MAX, Wrong, check, check_archive, judge, ms, overlap
from .org import drawn
from .repairing import Repairing, damaged
from .wire import START, Answered, Interleaved, SimClock, Trouble, Wire

T = TypeVar("T")

RUNS_MAX = (4, 4, 12)
CALM_RUNS = 3
"""The last of them, which meet no trouble and have to end."""

COLUMNS = ("conversationId", "startTime", "endTime", "disposition", "queueName", "agentName")
OTHER_COLUMNS = ("conversationId", "startTime", "disposition")

SUFFIXES = {"csv": ".rows", "jsonl": ".jsonl", "names": ".names"}
"""Of a window's file in each form."""

INTERVALS = (  # days before the start, to the hour
    (7, 6), (7, 5.5), (8.3, 7.1), (9, 2), (30, 10), (20, 1), (12.4, 12.3), (1.5, -1), (3, 0.5), (6, 0),
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """What stands in the place of what: a planted bug hands in its own."""

    route: Callable[..., DetailsQuery] = DetailsQuery
    proof: Callable[..., Reading] = Reading
    part: Callable[..., PartWriter] = PartWriter
    forms: Callable[..., FormMaker] = FormMaker
    ledger: Callable[..., Ledger] = Ledger
    loader: Callable[..., Loader] = Loader
    filesystem: type[SimDisk] = SimDisk
    wire: type[Wire] = Wire
    query: type[Query] = Query
    client: type[Client] = Client
    verify: Callable[..., Verification] = verify
    repair: Callable[..., Summary] = repair


SOUND = Planted()


@dataclass(frozen=True)
class Outcome:
    """How a seed went."""

    seed: int
    runs: int
    requests: int
    verdict: str
    rows: int
    proven: int
    windows: int
    repairs: int = 0
    """How often verify and repair were run on what had been finished."""


@dataclass
class Life:
    """One seed's world, and what is known of its export so far."""

    seed: int
    planted: Planted = SOUND
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(self.seed)
        self.clock = SimClock()
        self.filesystem = self.planted.filesystem(random.Random(rng.random()), self.effect, [FOLDER])
        first, last = rng.choice(INTERVALS)
        self.start, self.end = START - timedelta(days=first), START - timedelta(days=last)
        self.is_moving = rng.random() < 0.15
        """Whether the query asks for all until now, whenever it is run."""
        self.world = drawn(rng, ms(self.start), ms(self.end), self.clock.now_ms)
        self.match: Match = "activity" if rng.random() < 0.15 else "start"
        self._match()
        self.trouble = Trouble(rng=random.Random(rng.random()), clock=self.clock, world=self.world)
        self.trouble.is_nameless = rng.random() < 0.07
        self.sandbox = self._sandbox()
        self.world.are_days_closed = self.sandbox.switches.end_at_midnight_touches_next_day
        self.page_size = rng.choice([2, 4, 5, 10, 10])
        self.hits_max = rng.choice([10, 50, 20_000, 20_000])
        self.is_stream = rng.random() < 0.1
        self.has_archive = not self.is_stream and random.Random(f"{self.seed}, outputs").random() < 0.2
        """Whether the same export goes to a second output."""
        self.executor = Interleaved(1, rng, self._between)
        self.wire = self.planted.wire(self.sandbox, self.trouble, rng, self.effect, self.executor)
        self.closed: dict[str, Interval] = {}
        self.runs_max = rng.choice(RUNS_MAX)
        self.effects_left: float = float("inf")
        self.signal_in: float = float("inf")
        """So many effects of a kind until somebody presses Ctrl-C."""
        self.signal_at = ""
        self.kept: set[str] = set()
        """What was finished by then."""
        self.jobs_left: float = float("inf")
        self.loads_left: float = float("inf")
        self.max_pages: int | None = None
        self.is_dead = self.is_meddled = self.is_repairing = False
        self.is_fresh = self.is_other = self.is_refused = False
        """Whether it was started over, whether with another query, and whether the last run was refused for that."""

    def _match(self) -> None:
        self.world.activity_from_ms = ms(self.start) if self.match == "activity" else None

    def _sandbox(self) -> Sandbox:
        rng = self.rng
        switches = Switches(
            empty_answer=rng.choice(["{}", "totalHits", "empty list"]),
            match=rng.choice(["overlap", "day"]),
            end_at_midnight_touches_next_day=rng.random() < 0.3,
            tie_order=rng.choice(["stable", "stable", "shifting"]),
        )
        limit = rng.choice([20, 300, 300, 5000])
        return Sandbox(
            self.world, now=self.clock.now, monotonic=self.clock.monotonic, faults=self.trouble,
            switches=switches, rate_limit=limit,
        )  # fmt: skip

    # What the process meets

    def effect(self, what: str) -> None:
        """Something is about to be done that others can see; perhaps it never is."""
        if self.is_dead:
            raise Crash
        self.effects_left -= 1
        self.signal_in -= what.startswith(self.signal_at)
        if self.effects_left <= 0:
            self.is_dead = True
            raise Crash
        if self.signal_in == 0:
            self.signal_in = float("inf")
            self.kept = set(self.written_down())
            raise KeyboardInterrupt
        self.clock.advance(0.001)

    def _between(self) -> None:
        """A result is about to be taken; perhaps somebody says Ctrl-C first."""
        self.jobs_left -= 1
        if self.jobs_left <= 0:
            self.jobs_left = float("inf")
            raise KeyboardInterrupt

    def report(self, event: Event) -> None:
        """See `Progress.tell`."""
        if isinstance(event, WindowClosed) and event.proven:
            self.closed[str(event.window)] = event.window

    def answers(self, entries: Iterable[Entry]) -> dict[str, list[Answered]]:
        """Of each window, by its interval, the answers of the run that finished it."""
        runs = {one.correlation_id: one.run for one in self.wire.answered}
        finished = {entry.interval: runs[entry.correlation_ids[-1]] for entry in entries}
        found: dict[str, list[Answered]] = {interval: [] for interval in finished}
        for one in self.wire.answered:
            if finished.get(one.interval) == one.run:
                found[one.interval].append(one)
        return found

    def written_down(self) -> dict[str, Interval]:
        """The windows that are done by the ledger on the filesystem, if the next run is an export of the same words."""
        return {read.interval: read.window for read, loaded in self.lines() if self._is_whole(read, loaded)}

    def lines(self) -> list[tuple[WindowRead, WindowLoaded | None]]:
        """The lines of proven windows in the ledger on the filesystem."""
        lines = (self.filesystem.content(LEDGER) or b"").splitlines(keepends=True)[1:]
        found = [
            msgspec.json.decode(line, type=WindowRead | WindowLoaded | Published)
            for line in lines
            if line.endswith(b"\n")
        ]
        loaded = {one.interval: one for one in found if isinstance(one, WindowLoaded)}
        reads = [one for one in found if isinstance(one, WindowRead) and one.verdict == "proven"]
        return [(read, loaded.get(read.interval)) for read in reads]

    def _is_whole(self, read: WindowRead, loaded: WindowLoaded | None) -> bool:
        """Whether the window's rows are there, or its part, from which they can be made."""
        if loaded is not None and loaded.taken_over:
            return False
        if loaded is not None and self._are_forms_whole(loaded):
            return True
        try:
            path = LEDGER_FOLDER / (window_name(read.window) + ".part")
            part = Part.open(path, self.filesystem, read.part_sha256)
            for _ in part.slices(lambda *_: True):
                pass
        except (DamagedPart, OSError):
            return False
        return True

    def _are_forms_whole(self, loaded: WindowLoaded) -> bool:
        window = Interval.read(loaded.interval)
        found = {name: self.filesystem.content(form_path(window, name)) for name in loaded.written}
        return all(sha256(found[name] or b"").hexdigest() == one.sha256 for name, one in loaded.written.items())

    # One run

    def arm(self, *, is_calm: bool) -> None:
        """Draw what goes wrong in the next run."""
        rng, trouble = self.rng, self.trouble
        trouble.calm()
        self.effects_left = self.signal_in = self.jobs_left = self.loads_left = float("inf")
        self.filesystem.room_bytes, self.max_pages = 1 << 40, None
        if is_calm:
            return
        if rng.random() < 0.04:
            self.max_pages = rng.choice([1, 2, 6])
        trouble.rate = rng.choice([0.0, 0.02, 0.1, 0.25])
        trouble.lost = rng.choice([0.0, 0.02, 0.1])
        trouble.content_rate = rng.choice([0.0, 0.03, 0.15])
        trouble.odd_rate = rng.choice([0.0, 0.0, 0.03, 0.15])
        trouble.cached_rate = rng.choice([0.0] * 8 + [0.03, 0.2])
        trouble.cached_share = rng.choice([0.0] * 9 + [0.5])
        trouble.slow_above = rng.choice([None] * 9 + [timedelta(hours=hours) for hours in (72, 20, 3)])
        trouble.off = rng.choice([(-1, 1, 2), (-3, 5), (40, 300, 1)])
        trouble.page_size_max = rng.choice([100, 100, 100, 4])
        if rng.random() < 0.7:
            self.effects_left = rng.choice([rng.randint(1, 30), rng.randint(1, 120), rng.randint(1, 500)])
        if rng.random() < 0.1:
            self.loads_left = rng.randint(1, 4)
        if rng.random() < 0.15:
            self.jobs_left = rng.randint(1, 60)
        if rng.random() < 0.15:
            self.signal_at, most = rng.choice([("", 200), ("sync", 10)])
            self.signal_in = rng.randint(1, most)
        if rng.random() < 0.15:
            self.filesystem.room_bytes = rng.randint(0, 20_000)

    def process(self) -> Client:
        """A new process, with an executor and a client of its own."""
        self.is_dead = False
        self.wire.run += 1
        self.executor = Interleaved(self.rng.choice([1, 2, 5, 12]), self.rng, self._between)
        self.wire.executor = self.executor
        credentials = Credentials(self.sandbox.client_id, self.sandbox.client_secret, self.sandbox.url)
        client = self.planted.client(
            credentials, connection=self.wire, clock=self.clock, rng=random.Random(self.rng.random())
        )
        self.executor.is_busy = lambda: client._login.locked() or client._pace.wait_s(self.clock.monotonic()) > 0
        self.clock.meanwhile = self.executor.meanwhile
        return client

    @property
    def outputs(self) -> list[Path]:
        """Where the export goes, unless it goes to a stream."""
        return [OUTPUT, ARCHIVE] if self.has_archive else [OUTPUT]

    def command(self, output: Sequence[Path] | BytesIO, *, fresh: bool, columns: Sequence[str] = COLUMNS) -> Summary:
        """The same command, in a new process."""
        client = self.process()
        end = self.clock.utc() if self.is_moving else self.end
        query = self.planted.query(Interval(self.start, end), match=self.match)
        options = Options(
            asked={"since": "then"} if self.is_moving else None, fresh=fresh, page_size=self.page_size,
            max_pages=self.max_pages, route="query",
        )  # fmt: skip
        return export(
            client, query, output, columns=columns, options=options, progress=self, environment=self.environment
        )

    def loader(self, *arguments: Any) -> Loader:
        """Loads parts, until it dies over one of them and leaves half a file."""
        return Dying(self, self.planted.loader(*arguments))

    @property
    def environment(self) -> Environment:
        """What the next run stands on."""
        planted = self.planted
        return Environment(
            executor=self.executor, filesystem=self.filesystem, route=partial(planted.route, hits_max=self.hits_max),
            proof=planted.proof, part=planted.part, forms=planted.forms, ledger=planted.ledger, loader=self.loader,
        )  # fmt: skip

    def attempt(self, *, is_calm: bool, fresh: bool) -> tuple[Summary | None, bytes]:
        """One run of the command, and what the disk holds after it: the summary, if it ended, and its output."""
        before = self.filesystem.inode(OUTPUT)
        finished = dict(self.closed) if fresh else {**self.written_down(), **self.closed}
        asked_before = len(self.wire.answered)
        output = BytesIO() if self.is_stream else self.outputs
        summary = self.survive(partial(self.command, output, fresh=fresh), is_calm=is_calm)
        self.check_not_asked_again(finished, asked_before)
        if isinstance(output, BytesIO):
            self.closed.clear()
            return summary, output.getvalue()
        self.check_output(before)
        return summary, self.filesystem.content(OUTPUT) or b""

    def survive(self, run: Callable[[], T], *, is_calm: bool) -> T | None:
        """What a process comes to; None where it does not end by itself."""
        try:
            return run()
        except Crash:
            self.after_crash()
        except KeyboardInterrupt:
            self.filesystem.killed()
            check(self.kept <= set(self.written_down()), "an interruption lost what was finished")
        except EverycallError as error:
            self.meet(error, is_calm=is_calm)
        except Wrong:
            raise
        except Exception as error:
            raise Wrong(f"the command has failed: {error!r}") from error
        finally:
            self.kept.clear()
        return None

    def meet(self, error: EverycallError, *, is_calm: bool) -> None:
        """The command says that it cannot go on; perhaps it is right."""
        self.is_refused = isinstance(error, OutputRefused) and self.is_other
        may_refuse = self.is_refused or not self.filesystem.room_bytes
        check(may_refuse or not isinstance(error, OutputRefused), f"the same command is refused: {error}")
        is_known = self.is_refused or (self.is_meddled and "changed since" in str(error))
        check(is_known or not is_calm, f"nothing goes wrong, and yet: {error}")
        self.filesystem.killed()

    def after_crash(self) -> None:
        """The machine comes up again."""
        if self.rng.random() < 0.5:
            self.filesystem.power_cut()
            self.check_noted()
        else:
            self.filesystem.killed()

    def check_noted(self) -> None:
        """What the ledger calls read is on disk, whole, unless somebody has damaged it.

        A repair takes windows over by two lines, and needs no part between them.
        """
        if not self.is_meddled and not self.is_repairing:
            missing = {read.interval for read, loaded in self.lines() if loaded is None} - set(self.written_down())
            check(not missing, f"the ledger has {missing}, and their parts are not whole")

    def start_over(self) -> None:
        """The next run is one with --fresh, perhaps with another query from now on."""
        self.closed.clear()
        self.is_fresh, self.is_refused = True, False
        if not self.is_moving and self.rng.random() < 0.5:
            self.is_other = True
            self.start += timedelta(minutes=7)
            self._match()

    def check_not_asked_again(
        self, finished: Mapping[str, Interval], asked_before: int, *, but_counted: bool = False
    ) -> None:
        """What was finished before this run was not asked for in it; perhaps it may be counted.

        A window may be read again where a later reading of another one has what it keeps, or much of what it lacks.
        """
        if self.world.moving or self.wire.has_looked_up:
            return
        answered = self.wire.answered[asked_before:]
        for interval in {one.interval for one in answered if not (but_counted and one.is_count)}:
            window = Interval.read(interval)
            again = [done for done, other in finished.items() if overlap(window, other)]
            lacking = [done for done in again if self.may_lack(finished[done], answered)]
            check(again == lacking, f"{interval} was asked for again, though {again} was finished")

    def may_lack(self, window: Interval, answered: Iterable[Answered]) -> bool:
        """Whether another window returned more conversations than strays may be, some of which belong to this one."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for one in answered:
            found[one.interval] |= set(one.versions)
        owned = self.world.owned(ms(window.start), ms(window.end), self.clock.now_ms)
        others = (ids for interval, ids in found.items() if interval != str(window))
        return any(len(ids) > STRAYS_MAX and not owned.isdisjoint(ids) for ids in others)

    def check_output(self, before: Inode | None) -> None:
        """What stands under the output's name is what was there before, or whole."""
        data = self.filesystem.content(OUTPUT)
        if data is None or self.filesystem.inode(OUTPUT) is before:
            return
        self.closed.clear()  # the output is there: whoever runs the command again begins again
        manifests = [self.filesystem.content(path) for path in (MANIFEST, LEDGER_FOLDER / "manifest")]
        check(len(data) in map(described_size, manifests), "a file looks finished and is not")

    def meddle(self) -> None:
        """Somebody damages a finished part, or takes it away: that window is to be read again, and no other."""
        finished = {form_path(window, name): interval for interval, window in self.closed.items() for name in SUFFIXES}
        if parts := [path for path in finished if self.filesystem.content(path)]:
            path = self.rng.choice(parts)
            self.filesystem.damage(path, damaged(self.filesystem.content(path) or b"", self.rng))
            del self.closed[finished[path]]
            self.is_meddled = True

    def another_query(self) -> None:
        """The command with other columns: refused where something is there, and nothing is touched.

        A manifest alone is nothing: it is written before the output, which a crash may have kept from appearing.
        """
        if self.is_stream or not (self.filesystem.exists(LEDGER) or self.filesystem.exists(OUTPUT)):
            return
        before = {path: inode.data for path, inode in self.filesystem.names.files.items() if not path.endswith("/lock")}
        try:
            self.command(self.outputs, fresh=False, columns=OTHER_COLUMNS)
        except OutputRefused:
            after = {
                path: inode.data for path, inode in self.filesystem.names.files.items() if not path.endswith("/lock")
            }
            check(before == after, "a command that was refused has changed something")
            self.filesystem.killed()
        else:
            raise Wrong("a command with another query was not refused")

    # From the first run to the last

    def live(self) -> Outcome:
        """Run the command until it ends, and judge what it made."""
        for number in range(1, self.runs_max + 1):
            is_calm = number > self.runs_max - CALM_RUNS
            if is_calm:
                self.clock.advance(3600)  # by now nothing changes any more
            self.arm(is_calm=is_calm)
            fresh = self.is_refused or (number > 1 and self.rng.random() < 0.07)
            if fresh:
                self.start_over()
            kept = set(self.closed)
            summary, data = self.attempt(is_calm=is_calm, fresh=fresh)
            if summary is not None:
                check(not summary.unread or self.max_pages is not None, "windows are unread for no reason")
                self.judge(summary, data)
                self.check_proven(summary, kept, is_calm=is_calm)
                if not is_calm and self.rng.random() < 0.05:
                    self.closed.clear()
                    continue  # the same command again, on what it made
                repairs = self.repair() if not self.is_stream and self.rng.random() < 0.3 else 0
                proven = sum(entry.verdict == "proven" for entry in summary.entries)
                return Outcome(
                    self.seed, number, len(self.wire.answered), summary.verdict, summary.rows, proven,
                    len(summary.entries), repairs,
                )  # fmt: skip
            self.clock.advance(self.rng.choice([0, 1, 60, 4000]))
            if self.rng.random() < 0.1:
                self.arm(is_calm=True)
                self.another_query()
            if number < self.runs_max - CALM_RUNS and self.rng.random() < 0.1:
                self.meddle()
        raise Wrong(f"it has not ended after {self.runs_max} runs")

    def repair(self) -> int:
        """Verify and repair what was finished until it holds; how many runs it took."""
        repairing, self.is_repairing = Repairing(self), True
        repairing.begin()
        for number in range(1, self.runs_max + 1):
            is_calm = number > self.runs_max - CALM_RUNS
            if is_calm:
                self.clock.advance(3600)
            self.arm(is_calm=is_calm)
            if repairing.is_settled:
                self.trouble.content_rate = self.trouble.cached_rate = self.trouble.cached_share = 0.0
            holds = self.survive(repairing.step, is_calm=is_calm)
            is_never_sure = self.sandbox.switches.tie_order == "shifting" or bool(self.world.misfiled)
            if holds or (is_calm and holds is not None and is_never_sure):
                return number
            self.clock.advance(self.rng.choice([0, 1, 60, 4000]))
        raise Wrong(f"it does not hold after {self.runs_max} repairs")

    def judge(self, summary: Summary, data: bytes, *, is_repair: bool = False) -> None:
        """Ask the judge; and see whether what is finished outlives a power cut."""
        manifest = self.filesystem.content(MANIFEST)
        described = msgspec.json.decode(manifest) if manifest and not self.is_stream else None
        check(self.is_stream or described is not None, "there is no manifest")
        judge(summary, data, described, self.world, self.answers(summary.entries), is_repair=is_repair)
        if self.has_archive and not is_repair:
            archive, described = self.filesystem.content(ARCHIVE), self.filesystem.content(ARCHIVE_MANIFEST)
            check(archive is not None and described is not None, "there is no archive, or no manifest of it")
            check_archive(archive or b"", msgspec.json.decode(described or b""), data)
        if not self.is_stream:
            self.filesystem.power_cut()
            check(self.filesystem.content(OUTPUT) == data, "a power cut took the finished output away")
            check(self.filesystem.content(MANIFEST) == manifest, "a power cut took the manifest away")

    def check_proven(self, summary: Summary, kept: set[str], *, is_calm: bool) -> None:
        """Where nothing went wrong and nothing changed, every window is proven, unless equal starts have no order."""
        if self.sandbox.switches.tie_order == "shifting" or self.world.misfiled:
            return
        for entry in summary.entries:
            if is_calm and entry.interval not in kept:
                check(entry.verdict == "proven", f"{entry.interval} is not proven, though nothing went wrong")


def described_size(manifest: bytes | None) -> int | None:
    """The size of the output by its manifest; None if there is none, or if it is cut (that of the next output)."""
    try:
        size: int = msgspec.json.decode(manifest or b"")["output"]["sizeBytes"]
    except msgspec.DecodeError:
        return None
    return size


def form_path(window: Interval, form: str) -> Path:
    """A window's file in this form."""
    return LEDGER_FOLDER / (window_name(window) + SUFFIXES[form])


class Dying(Loader):
    """A loader that dies once over a part, as a worker process does that the system has killed."""

    def __init__(self, life: Life, loader: Loader) -> None:
        self._life, self._inner = life, loader

    def load(self, task: Task, names: NameSource) -> Loaded:
        """See `Loader.load`."""
        life, loaded = self._life, self._inner.load(task, names)
        life.loads_left -= 1
        if life.loads_left == 0:
            rows = task.stem.with_suffix(".rows")
            whole = life.filesystem.content(rows) or b""
            life.filesystem.damage(rows, whole[: life.rng.randint(0, len(whole))])
            raise OutputFailed("A worker process died.")
        return loaded

    def close(self) -> None:
        """See `Loader.close`."""
        self._inner.close()


def live(seed: int, planted: Planted = SOUND) -> Outcome:
    """How a seed goes.

    Raises:
        Wrong: the promise is broken.
    """
    return Life(seed, planted).live()
