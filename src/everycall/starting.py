"""Ctrl-C while the command is still being loaded, which takes some tenths of a second: a word, not a traceback.

The package imports this before all else. A library leaves signals alone, so nothing is done in a process that is not
the command. Once it is loaded, the command heeds its interruptions itself.
"""

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def heed_interruptions() -> None:
    """From here on Ctrl-C ends the process with a word, if it is the command and nothing else heeds Ctrl-C."""
    if is_command(*sys.argv[:1]) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def is_command(program: str = "") -> bool:
    """Whether that is the first word of `everycall`, or of `python -m everycall` while it looks for the package."""
    return program == "-m" or os.path.basename(program).removesuffix(".exe") == "everycall"  # noqa: PTH119 - to be fast


def _stop(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"error: Interrupted.\n")
    os._exit(INTERRUPTED)
