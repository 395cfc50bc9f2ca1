"""Ctrl-C while the command is still being loaded, which takes some tenths of a second: a word, not a traceback.

The package imports this before all else. A library leaves signals alone, so nothing is done in a process that is not
the command. Once it is loaded, the command heeds its interruptions itself.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

INTERRUPTED = 130


def heed_interruptions() -> None:
    """From here on Ctrl-C ends the process with a word, if it is the command and nothing else heeds Ctrl-C."""
    if is_command(sys.argv[:1], sys.orig_argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def is_command(argv: Sequence[str], orig_argv: Sequence[str]) -> bool:
    """Whether these are the words of `everycall`, or of `python -m everycall` while Python looks for the package."""
    if list(argv[:1]) == ["-m"]:
        module = list(orig_argv).index("-m") + 1 if "-m" in orig_argv else 0
        return module > 0 and list(orig_argv[module : module + 1]) == ["everycall"]
    return any(os.path.basename(word).removesuffix(".exe") == "everycall" for word in argv[:1])  # noqa: PTH119


def _stop(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"error: Interrupted.\n")
    os._exit(INTERRUPTED)
