"""Measures whole commands: time, CPU and peak memory of a process and all that it starts. Linux only."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_S = 0.05
"""How often memory is looked at. A lone process's peak is never missed: the kernel keeps it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run of a command took."""

    seconds: float
    """From its start to its end."""
    cpu_s: float
    """User and system, of the process and of the children that it waited for."""
    peak_mb: float
    """The larger of two: the proportional set sizes (each shared page counted once) of its processes together, at the
    worst moment that was sampled; and the resident memory of its largest process."""
    output: str
    """Standard output."""


class CommandFailed(Exception):
    """A command that was to be measured ended with an exit code other than 0."""


def run(command: Sequence[str], environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Usage:
    """Run a command to its end.

    Args:
        command: program and arguments.
        environ: what is added to the environment.
        cwd: the working directory, if another one.

    Raises:
        CommandFailed: it did not exit with 0; the message has its standard error.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env={**os.environ, **(environ or {})},
            cwd=cwd,
        )  # fmt: skip
        with _Sampler(process.pid) as sampler:
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read().decode()}")
        output.seek(0)
        peak_mb = max(sampler.peak_kb, used.ru_maxrss) / 1024
        return Usage(seconds, used.ru_utime + used.ru_stime, peak_mb, output.read().decode())


class _Sampler(threading.Thread):
    """Looks at the memory of a process and its descendants until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self.peak_kb = 0

    def __enter__(self) -> "_Sampler":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_S):
            self.peak_kb = max(self.peak_kb, sum(map(_proportional_kb, family(self._pid))))


def family(pid: int) -> Iterator[int]:
    """The process, and its descendants as far as they can be seen now."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            yield from family(int(child))


def _proportional_kb(pid: int) -> int:
    """The proportional set size; 0 of a process that has ended meanwhile."""
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
