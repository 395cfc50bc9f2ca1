"""Where the rows and the JSON go."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from everycall.cli.options import Rows
from everycall.errors import OutputRefused, SettingsError
from everycall.ledger import FOLDER_SUFFIX, MANIFEST_SUFFIX
from everycall.manifest import pretty
from everycall.version import VERSION

STANDARD_OUTPUT = "-"


def target(output: str) -> Path | BinaryIO:
    """Where the rows go."""
    return sys.stdout.buffer if output == STANDARD_OUTPUT else followed(Path(output))


def followed(path: Path) -> Path:
    """What a link points to: that is written and verified, and nothing is put in the link's place."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def write_json(value: Mapping[str, Any], *, rows_are_there: bool = False) -> None:
    """JSON on standard output, or on standard error where standard output holds rows.

    Raises:
        OSError: nobody reads it any more, or it is full.
    """
    stream = sys.stderr.buffer if rows_are_there else sys.stdout.buffer
    stream.write(pretty(value))
    stream.flush()


def check(rows: Rows) -> None:
    """Refuse what is no place for an export, before anything is asked of the API.

    Raises:
        SettingsError, OutputRefused: with another place to choose.
    """
    output = rows.output
    if output == STANDARD_OUTPUT:
        return
    if not output.strip():
        raise SettingsError("--output is empty.", hint="Name the file, or leave it out: conversations.csv.")
    _check_place(output)
    if rows.format is None and Path(output).suffix.lower() not in (".csv", ".txt", ""):
        raise SettingsError(
            f"'{output}' does not look like CSV, and everycall {VERSION} writes CSV only.",
            hint="Name the file .csv, or add --format csv to write CSV under that name.",
        )


def _check_place(output: str) -> None:
    path = Path(output)
    if output.endswith(("/", os.sep)) or not path.name:
        raise _is_folder(output)
    is_there = _exists(path)
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
    if (is_there and not path.is_file()) or output.startswith(("/dev/fd/", "/dev/std", "/proc/")):
        raise OutputRefused(
            f"{output} is a device or a pipe, and an export is a file that appears when it is finished.",
            hint=f"Write to standard output, and send that there: everycall export -o - > {output}",
        )


def _is_folder(output: str) -> OutputRefused:
    return OutputRefused(f"{output} is a folder.", hint="Name a file in it with -o.")


def _exists(path: Path) -> bool:
    """Whether there is something.

    Raises:
        OutputRefused: the name is too long, or the folder may not be looked into.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputRefused(f"{path} cannot be used: {reason}.", hint="Choose another output with -o.") from error
    return True
