"""Takes conversations out of a destination, with all that belongs to them, so that they do not come back.

    ids, or an age -> what the destination has of them -> confirmed -> its tables, its windows, its manifest

Asks nothing of the API. The manifest and the table of windows say how many conversations of a window are forgotten; the
manifest keeps their ids, or that all of a window is forgotten. So `verify` knows why they are missing, and `sync` and
`verify --repair` leave them out when they read the window again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from everycall.errors import OutputRefused, SettingsError
from everycall.exporting import output_failed
from everycall.filesystem import Filesystem, SystemFilesystem
from everycall.instants import start_of_day
from everycall.sinks.files import ledger_folder
from everycall.sinks.forgetting import Forgets, Wanted, unknown, without
from everycall.sinks.forms import FormMaker
from everycall.sinks.interface import Destination
from everycall.sinks.places import STAGED
from everycall.sinks.targets import STREAMED, Target, target_of
from everycall.verification import destination_of, header_of


@dataclass(frozen=True, slots=True)
class Removal:
    """What is taken out of a destination."""

    output: str
    """The name of the destination."""
    conversations: int
    """How many it has of those that are wanted."""
    windows: int
    """Windows that are taken out as a whole."""
    unknown: tuple[str, ...]
    """Ids that the destination neither has nor has forgotten."""
    before: datetime | None
    """Where it takes out all that started earlier: that instant, a midnight UTC."""
    is_done: bool = False
    """Whether it was done; a dry run does nothing, and neither does a run that is not confirmed."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take out."""
        return not self.conversations and not self.windows


def forget(
    output: Path | str,
    ids: Sequence[str] = (),
    *,
    older_than: timedelta | None = None,
    now: datetime | None = None,
    confirm: Callable[[Removal], bool] = lambda _: True,
    vacuum: bool = False,
    filesystem: Filesystem | None = None,
) -> Removal:
    """Take conversations out of a destination, with all their children.

    Args:
        output: what can replace a window: Parquet, Delta, DuckDB, PostgreSQL, or a folder with a file for each day.
        ids: conversationIds.
        older_than: also all conversations that started on a UTC day so long before `now`; needs `now`.
        now: the present, aware.
        confirm: is asked before anything changes.
        vacuum: of Delta tables, also delete the files of old versions, which still have them.
        filesystem: by default that of this machine.

    Raises:
        OutputRefused: there is no finished export at `output`, it cannot replace a window, an unfinished run of it has
            to be finished first, or another process writes it.
        OutputFailed: writing failed; the same call continues from there.
        SettingsError: `vacuum` of an output that is no Delta table.
    """
    target = target_of(output)
    check_target(target, vacuum=vacuum)
    filesystem = filesystem or SystemFilesystem()
    before = None if older_than is None or now is None else start_of_day(now) - older_than
    wanted = Wanted(frozenset(ids), before)
    try:
        at = target.place if target.path is None else target.path
        place = forgets(destination_of(header_of(at, filesystem), at, FormMaker, filesystem))
        folder = ledger_folder(target.path, place.name)
        with _Locked(folder, place.name, filesystem):
            return _forget(place, wanted, tuple(ids), confirm, vacuum, folder)
    except OSError as error:
        raise output_failed(error) from error


def forgets(destination: Destination) -> Forgets:
    """The destination as one that conversations can be taken out of, which `check_target` has made sure."""
    return cast("Forgets", destination)


def check_target(target: Target, *, vacuum: bool = False) -> None:
    """Refuse an output that conversations cannot be taken out of.

    Raises:
        OutputRefused, SettingsError: the hint names what can be done.
    """
    if target.format in (*STREAMED, "xlsx"):
        raise OutputRefused(
            f"{target.place} is {target.format}, and a part of such a file cannot be replaced.",
            hint="Keep tables (.parquet, .delta, .duckdb, postgresql://...) or files by day (csv-days:FOLDER).",
        )
    if vacuum and target.format != "delta":
        raise SettingsError(
            f"{target.place} is {target.format}, and only Delta tables have old versions.", hint="Leave --vacuum out."
        )


def _forget(
    place: Forgets,
    wanted: Wanted,
    ids: Sequence[str],
    confirm: Callable[[Removal], bool],
    vacuum: bool,
    folder: Path,
) -> Removal:
    manifest = place.found()
    if manifest is None:
        raise OutputRefused(f"{place.name} has no manifest that can be read.", hint="Export again with --fresh.")
    found = place.matching(wanted, manifest)
    after = without(manifest, wanted, found)
    removal = Removal(
        place.name,
        len({one.conversation_id for one in found}),
        sum(
            new.is_forgotten and not old.is_forgotten for old, new in zip(manifest.windows, after.windows, strict=True)
        ),
        tuple(unknown(manifest, ids, found)),
        wanted.before,
    )
    if not confirm(removal):
        return removal
    if not removal.is_empty:
        place.remove(wanted, found, after, folder)
    if vacuum:
        place.vacuum()
    return replace(removal, is_done=True)


class _Locked:
    """The folder beside an output while it is changed, and the lock in it."""

    def __init__(self, folder: Path, output: str, filesystem: Filesystem) -> None:
        self._folder, self._output, self._filesystem = folder, output, filesystem

    def __enter__(self) -> None:
        if self._filesystem.exists(self._folder / "ledger.jsonl"):
            raise OutputRefused(
                f"An unfinished run of {self._output} is in {self._folder}.",
                hint="Run its command again to finish it; then nothing of it brings the conversations back.",
            )
        self._filesystem.make_folder(self._folder)
        self._lock = self._filesystem.lock(self._folder / "lock", self._output)

    def __exit__(self, *_: object) -> None:
        for path in self._filesystem.files(self._folder):
            if path.name.startswith(STAGED) or path.name in ("lock", "manifest"):
                self._filesystem.unlink(path)
        self._filesystem.remove_folder(self._folder)
        self._lock.release()
