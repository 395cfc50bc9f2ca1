"""Bugs that others have had, or that we might: each planted through a seam, and each to be found by the judge."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from everycall import Client, EverycallError, Interval, Query, ServiceFailed, Summary, verification
from everycall.acquire.details_query import DetailsQuery
from everycall.acquire.part import _ENTRY, _ID, Part, PartWriter, Place
from everycall.acquire.proof import ID_BYTES, PageAsk, Reading, Verdict, distinct
from everycall.api.exchange import Broken, Exchange, Request, Response, received
from everycall.api.names import Unavailable
from everycall.filesystem import File, Filesystem
from everycall.instants import since_epoch_ms
from everycall.ledger import Ledger
from everycall.load.load import Loaded, Loader, Task
from everycall.load.names import NameSource
from everycall.manifest import Header, Written
from everycall.sinks.csv import CsvSink
from everycall.sinks.files import FileDestination
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Destination, FileSink
from everycall.sinks.window_files import WindowFileWriter
from everycall.verification import Verification

from .disk import SimDisk, SimFile
from .wire import UNKNOWN, Wire
from .world import Planted

T = TypeVar("T")


class NoRecount(Reading):
    """Trusts the count on the first page, and never asks again."""

    def page_read(self, ask: PageAsk, ids: bytes, total_hits: int | None, correlation_id: str = "") -> bool:
        """See `Reading.page_read`."""
        counts = super().page_read(ask, ids, total_hits, correlation_id)
        if self.wants_count:
            self.counted(PageAsk("count", 0, 1, ask.reading_pass), self.hits or 0)
            return True
        return counts


class ShortPageIsTheEnd(Reading):
    """Takes a page that is not full for the last one, and what came by then for all."""

    def page_read(self, ask: PageAsk, ids: bytes, total_hits: int | None, correlation_id: str = "") -> bool:
        """See `Reading.page_read`."""
        counts = super().page_read(ask, ids, total_hits, correlation_id)
        if counts and 0 < len(ids) // ID_BYTES < ask.size:
            unique = distinct(self._pass.ids)
            self.verdict = self._verdict(self._pass, unique, unique, (ask.reading_pass,))
        return counts


class EmptyPageIsAnError(Client):
    """Does not know `{}`."""

    def send(self, request: Request) -> Response:
        """See `Client.send`."""
        response = super().send(request)
        if response.body == b"{}":
            raise EverycallError("the answer has no conversations")
        return response


class MovedCountIsFine(Reading):
    """Is content where as many came as one of the counts says, whatever the other says."""

    def _judge(self, now: Any, hits_after: int) -> Verdict | None:
        unique = distinct(now.ids)
        if unique in (now.hits_before, hits_after):
            return self._verdict(now, hits_after, unique, (now.number,))
        return super()._judge(now, hits_after)


class ManyIsEnough(Reading):
    """Counts rows, not conversations."""

    def _judge(self, now: Any, hits_after: int) -> Verdict | None:
        if len(now.ids) // ID_BYTES >= hits_after:
            return self._verdict(now, hits_after, hits_after, (now.number,))
        return super()._judge(now, hits_after)


class OldVersionStays(PartWriter):
    """Keeps the version that came first."""

    def _newest(self, kept_passes: frozenset[int]) -> bytes:
        first: dict[bytes, bytes] = {}
        for entry in found(self):
            if part_pass(self, entry) in kept_passes:
                first.setdefault(entry[_ID], entry)
        return b"".join(first.values())


class DoublesStay(PartWriter):
    """Keeps each conversation as often as it came."""

    def _newest(self, kept_passes: frozenset[int]) -> bytes:
        return b"".join(entry for entry in found(self) if part_pass(self, entry) in kept_passes)


def found(part: PartWriter) -> Iterator[bytes]:
    """What came, in its order."""
    data = bytes(part._entries)
    return (data[at : at + _ENTRY.size] for at in range(0, len(data), _ENTRY.size))


def part_pass(part: PartWriter, entry: bytes) -> int:
    """The pass in which it came."""
    page: int = _ENTRY.unpack(entry)[2]
    return part._passes[page]


class CarriedInIsOwned(Query):
    """Takes what a window returns for what belongs to it."""

    def belongs_at(self, start_ms: int) -> int:
        """See `Query.belongs_at`."""
        return max(start_ms, since_epoch_ms(self.interval.start))


class PartIsNotSynced(SimDisk):
    """Notes a window as read before its part is durable."""

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        assert isinstance(file, SimFile)
        file.flush() if file.name.endswith(".part") else super().sync(file)


class RowsAreNotSynced(SimDisk):
    """Notes a window as loaded before its rows are durable."""

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        assert isinstance(file, SimFile)
        file.flush() if file.name.endswith(".rows") else super().sync(file)


class IdsAreNotSynced(SimDisk):
    """Notes a window as read before its ids are durable."""

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        assert isinstance(file, SimFile)
        file.flush() if file.name.endswith(".ids") else super().sync(file)


class LedgerIsNotSynced(SimDisk):
    """Goes on before the line in the ledger is durable."""

    def sync(self, file: File) -> None:
        """See `Filesystem.sync`."""
        assert isinstance(file, SimFile)
        file.flush() if file.name.endswith("ledger.jsonl") else super().sync(file)


class NoFolderIsSynced(SimDisk):
    """Believes that a name is there once the file is."""

    def sync_folder(self, folder: Path) -> None:
        """See `Filesystem.sync_folder`."""


class SpoolGoesOn(SimDisk):
    """On resume, writes on where an earlier run's leftovers end."""

    def open(self, path: Path, mode: Literal["rb", "wb", "ab"]) -> SimFile:
        """See `Filesystem.open`."""
        return super().open(path, "ab" if mode == "wb" and path.suffix == ".part" else mode)


class CopiedInPlace(SimDisk):
    """Puts the output in its place piece by piece."""

    def replace(self, source: Path, target: Path) -> None:
        """See `Filesystem.replace`."""
        if target.suffix != ".csv":
            return super().replace(source, target)
        with self.open(target, "wb") as output:
            data = self.read(source)
            for at in range(0, len(data), 100):
                output.write(data[at : at + 100])
                output.flush()
            self.sync(output)
        return self.unlink(source)


class ResumedTwice(Ledger):
    """On resume, takes what was done for new as well."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for interval, loaded in list(self.loaded.items())[:1]:
            self.loaded[interval + " again"] = loaded


class NotedIsDone(Ledger):
    """Interrupted, believes that nothing was done where nothing was noted in memory yet."""

    def _has_lines(self) -> bool:
        return False


class SmallerPagesNeverCome(Reading):
    """Where an answer would be too large, waits for it all the same."""

    def too_large(self, ask: PageAsk) -> None:
        """See `Reading.too_large`."""


class AnyWordsWill(Ledger):
    """Goes on with whatever is there."""

    def __init__(self, destinations: Sequence[Destination], header: Header, **options: Any) -> None:
        super().__init__(destinations, msgspec.structs.replace(header, columns=("a",), asked={}), **options)


class CutIsTheEnd(Wire):
    """Takes an answer that breaks off for one without conversations."""

    def whole(self, status: int, headers: Mapping[str, str], data: bytes) -> Response:
        """See `Wire.whole`."""
        answer = super().whole(status, headers, data)
        try:
            return received(Request("GET", ""), answer)
        except Broken:
            return Response(status, {name: headers[name] for name in headers if name != "content-encoding"}, b"{}")


class UnknownIsEmpty(Wire):
    """Takes an answer that it does not recognise for one without conversations."""

    def whole(self, status: int, headers: Mapping[str, str], data: bytes) -> Response:
        """See `Wire.whole`."""
        answer = super().whole(status, headers, data)
        if answer.status >= 300 or (answer.status, answer.content) not in UNKNOWN:
            return answer
        return Response(200, answer.headers, b"{}")


class LoadedTwice(Loader):
    """Loads a part a second time, behind what the first time has written."""

    def load(self, task: Task, names: NameSource) -> Loaded:
        """See `Loader.load`."""
        loaded = super().load(task, names)
        path = task.path(self._forms[0])
        rows = self._filesystem.read(path) * 2
        write(self._filesystem, path, rows)
        written = Written(size_bytes=len(rows), sha256=sha256(rows).hexdigest())
        return replace(loaded, rows=loaded.rows * 2, written={self._forms[0].name: written})


class AppendsOnResume(CsvSink):
    """Writes a window behind what is left of an earlier time."""

    def writer(self, path: Path) -> WindowFileWriter:
        """See `CsvSink.writer`."""
        left = self._filesystem.read(path) if self._filesystem.exists(path) else b""
        writer = super().writer(path)
        writer._file.write(left)
        return writer


class MakerThatAppends(FormMaker):
    """Makes CSV files of that kind."""

    def file(self, name: str) -> FileSink:  # noqa: ARG002
        """See `FormMaker.file`."""
        return AppendsOnResume(self.columns, self.filesystem)


class LoadedBeforeTheVerdict(PartWriter):
    """Loads what came first, whatever becomes of it."""

    def seal(self, kept_passes: Sequence[int]) -> Part:  # noqa: ARG002
        """See `PartWriter.seal`."""
        return super().seal(self._passes[:1])


class HalfIsLoaded(Loader):
    """Does not see that whoever wrote the rows died over it."""

    def load(self, task: Task, names: NameSource) -> Loaded:
        """See `Loader.load`."""
        loaded = super().load(task, names)
        path = task.path(self._forms[0])
        rows = self._filesystem.read(path)
        write(self._filesystem, path, rows[: len(rows) // 2])
        return loaded


def write(filesystem: Filesystem, path: Path, data: bytes) -> None:
    """The file anew, durably."""
    with filesystem.open(path, "wb") as file:
        file.write(data)
        filesystem.sync(file)


class NamesAreNeeded(Client):
    """Ends the export where names cannot be looked up."""

    def play(self, exchange: Exchange[T]) -> T:
        """See `Client.play`."""
        found = super().play(exchange)
        if isinstance(found, Unavailable):
            raise ServiceFailed(found.reason)
        return found


class StraysAreDropped(DetailsQuery):
    """Leaves what starts on no day that was asked for to whom it may concern."""

    def place(self, window: Interval, start_ms: int | None) -> Place:
        """See `DetailsQuery.place`."""
        place = super().place(window, start_ms)
        return "left" if place == "foreign" else place


class AllIsOwned(DetailsQuery):
    """Owns whatever a window returns that starts on no day that was asked for."""

    def place(self, window: Interval, start_ms: int | None) -> Place:
        """See `DetailsQuery.place`."""
        place = super().place(window, start_ms)
        return "owned" if place == "foreign" else place


class NobodyIsAsked(Ledger):
    """Does not look among the ids of other windows."""

    def ids(self, window: Interval) -> bytes | None:  # noqa: ARG002
        """See `Ledger.ids`."""
        return None


class FirstReadingStands(Ledger):
    """Takes nothing back."""

    can_take_back = False


def blind_to(state: str) -> Callable[..., Verification]:
    """A verify that takes such windows for whole."""

    def verify(*arguments: Any, **options: Any) -> Verification:
        found = verification.verify(*arguments, **options)
        seen = (replace(one, state="holds") if one.state == state else one for one in found.findings)
        return replace(found, findings=tuple(seen))

    return verify


def repair_from_the_start(client: Client, found: Verification, **options: Any) -> Summary:
    """Forgets what a repair that was cut short had repaired."""
    filesystem = options["environment"].filesystem
    destination = FileDestination(Path(found.output), CsvSink((), filesystem), filesystem)
    Ledger([destination], found.manifest.query, fresh=True, filesystem=filesystem).abandon()
    return verification.repair(client, found, **options)


BUGS: Mapping[str, Planted] = {
    "skip the re-count": Planted(proof=NoRecount),
    "stop on a short page": Planted(proof=ShortPageIsTheEnd),
    "treat {} as an error": Planted(client=EmptyPageIsAnError),
    "ignore a moved count": Planted(proof=MovedCountIsFine),
    "count rows instead of conversations": Planted(proof=ManyIsEnough),
    "keep the old version": Planted(part=OldVersionStays),
    "keep what came twice": Planted(part=DoublesStay),
    "count carried-in as owned": Planted(query=CarriedInIsOwned),
    "note a window as read before its part is durable": Planted(filesystem=PartIsNotSynced),
    "note a window as loaded before its rows are durable": Planted(filesystem=RowsAreNotSynced),
    "note a window as read before its ids are durable": Planted(filesystem=IdsAreNotSynced),
    "take a line in the ledger for durable": Planted(filesystem=LedgerIsNotSynced),
    "believe in names": Planted(filesystem=NoFolderIsSynced),
    "go on in an old spool": Planted(filesystem=SpoolGoesOn),
    "write the output in place": Planted(filesystem=CopiedInPlace),
    "write a window twice on resume": Planted(ledger=ResumedTwice),
    "forget a window that an interruption came upon": Planted(ledger=NotedIsDone),
    "wait for an answer that is too large": Planted(proof=SmallerPagesNeverCome),
    "mix two queries": Planted(ledger=AnyWordsWill),
    "accept a cut body": Planted(wire=CutIsTheEnd),
    "take an answer that is not recognised for an empty one": Planted(wire=UnknownIsEmpty),
    "load a part twice": Planted(loader=LoadedTwice),
    "load a part behind what is left of the last time": Planted(forms=MakerThatAppends),
    "load before the verdict": Planted(part=LoadedBeforeTheVerdict),
    "take a part for loaded whose worker died": Planted(loader=HalfIsLoaded),
    "end the export where a name cannot be looked up": Planted(client=NamesAreNeeded),
    "drop what starts on no day that was asked for": Planted(route=StraysAreDropped),
    "keep a stray in every window that returned it": Planted(route=AllIsOwned, ledger=NobodyIsAsked),
    "own what starts on no day that was asked for": Planted(route=AllIsOwned),
    "do not look up what is left to another window": Planted(ledger=NobodyIsAsked),
    "let the first reading stand where a start has changed": Planted(ledger=FirstReadingStands),
    "verify counts and no checksums": Planted(verify=blind_to("damaged")),
    "verify checksums and no counts": Planted(verify=blind_to("changed")),
    "start a repair over": Planted(repair=repair_from_the_start),
}
"""By what one would call them."""
