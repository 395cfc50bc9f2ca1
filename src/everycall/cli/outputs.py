"""The outputs of a command: where rows and JSON are written."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO

from everycall.cli.options import Cells, Outputs, Rows
from everycall.errors import OutputRefused, SettingsError
from everycall.manifest import pretty
from everycall.privacy import KEY_VARIABLE, Redaction
from everycall.sinks.files import FOLDER_SUFFIX, MANIFEST_SUFFIX
from everycall.sinks.style import Style
from everycall.sinks.targets import STREAMED, Target, target_of

STANDARD_OUTPUT = "-"


DEFAULT = "conversations.csv"


def is_stream(rows: Outputs) -> bool:
    """Whether the conversations go to standard output."""
    return rows.output == (STANDARD_OUTPUT,)


def style(cells: Cells, timezone: str) -> Style:
    """How values look in rows.

    Raises:
        QueryError: there is no such time zone.
    """
    chosen = Style(cells.times, timezone, cells.defuse_formulas)
    return replace(chosen, timezone="UTC") if chosen.zone is UTC else chosen


def redaction(fields: Sequence[str]) -> Redaction | None:
    """What is redacted, by the key in the environment; None if no field is named.

    Raises:
        SettingsError: there is no such field, or no key of enough bytes.
    """
    if not fields:
        return None
    return Redaction.parse(fields, os.environ.get(KEY_VARIABLE, "").encode("utf-8", "surrogateescape"))


def targets(rows: Outputs) -> BinaryIO | list[Path | str]:
    """The outputs of an export: standard output, or the places, with their formats."""
    if is_stream(rows):
        return sys.stdout.buffer
    return [_followed(target_of(output, rows.format)) for output in rows.output or (DEFAULT,)]


def workers(rows: Rows) -> int:
    """How many processes make rows: as many as the option says, else as many as speed the outputs up."""
    if rows.workers is not None:
        return rows.workers
    from everycall.load.workers import worth_it  # noqa: PLC0415 - it loads multiprocessing

    return worth_it()


def _followed(target: Target) -> str:
    path = target.path
    return f"{target.format}:{followed(path) if path is not None else target.place}"


def followed(path: Path) -> Path:
    """The target of a link, which is written and verified, so that the link itself is not replaced."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def write_json(value: Mapping[str, Any], *, to_standard_error: bool = False) -> None:
    """Print JSON on standard output, or on standard error if standard output has the rows.

    Raises:
        OSError: the stream is closed or full.
    """
    stream = sys.stderr.buffer if to_standard_error else sys.stdout.buffer
    stream.write(pretty(value))
    stream.flush()


def check(rows: Outputs) -> None:
    """Refuse an output that cannot be written, before the first request.

    Raises:
        SettingsError, OutputRefused: an output is not valid; the hint says what to choose instead.
    """
    if is_stream(rows):
        if rows.format not in (None, *STREAMED):
            raise SettingsError(
                f"Standard output cannot be {rows.format}.", hint=f"It can be {', '.join(STREAMED)}, with --format."
            )
        return
    for output in rows.output or (DEFAULT,):
        if output == STANDARD_OUTPUT:
            raise SettingsError(
                "Standard output does not go together with other outputs.", hint="Name files only, or only -o -."
            )
        if not output.strip():
            raise SettingsError("--output is empty.", hint=f"Name the file, or leave it out: {DEFAULT}.")
        target = target_of(output, rows.format)
        if target.path is not None and not target.is_folder:  # a folder is checked by its destination
            _check_path(str(target.path) if not output.endswith(("/", os.sep)) else output)


def _check_path(output: str) -> None:
    path = Path(output)
    if output.endswith(("/", os.sep)) or not path.name:
        raise _is_folder(output)
    exists = _exists(path)
    manifest = path.with_name(path.name + MANIFEST_SUFFIX)
    _exists(path.with_name(path.name + FOLDER_SUFFIX))
    if path.is_dir():
        raise _is_folder(output)
    if _exists(manifest) and manifest.is_dir():
        raise OutputRefused(
            f"{manifest} is a folder, and the manifest of the export has to be a file of that name.",
            hint="Move the folder away, or choose another output with -o.",
        )
    if path.parent.exists() and not path.parent.is_dir():
        raise OutputRefused(f"{path.parent} is not a folder.", hint="Choose another output with -o.")
    if (exists and not path.is_file()) or output.startswith(("/dev/fd/", "/dev/std", "/proc/")):
        raise OutputRefused(
            f"{output} is a device or a pipe, and an export needs a file.",
            hint=f"Export to standard output and redirect it: everycall export -o - > {output}",
        )


def _is_folder(output: str) -> OutputRefused:
    return OutputRefused(f"{output} is a folder.", hint="Name a file in it with -o.")


def _exists(path: Path) -> bool:
    """Whether the path exists.

    Raises:
        OutputRefused: the name is too long, or the folder cannot be read.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputRefused(f"{path} cannot be used: {reason}.", hint="Choose another output with -o.") from error
    return True
