"""Measures whole commands: time, CPU and peak memory of a process and all that it starts. Linux only."""

import compileall
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import everycall

SAMPLE_S = 0.1
"""How often memory is looked at. The kernel keeps the peak of each process, so a short one is seen at the next look."""

ADDING_SHARE = 0.01
"""The most of the time that is spent adding up pages, during which a process cannot get memory: 3 ms of one with
250 MB. Every 50 ms, that made three such processes on two cores a tenth slower."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run of a command took."""

    seconds: float
    """From its start to its end."""
    cpu_s: float
    """User and system, of the process and of the children that it waited for."""
    peak_mb: float
    """The larger of two: the proportional set sizes (each shared page counted once) of its processes together, at the
    worst moment that was sampled; and the highest resident memory of one of them. Not `ru_maxrss`, which begins with
    the memory of the process that starts the command."""
    output: str
    """Standard output."""


def compile_everycall() -> None:
    """Write the bytecode of everycall, as pip does when it installs a package.

    Otherwise, where PYTHONDONTWRITEBYTECODE is set, every run of everycall compiles all of its own modules, while those
    of installed packages are compiled already: a tenth of a second.
    """
    compileall.compile_dir(Path(everycall.__file__).parent, quiet=1)


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
        return Usage(seconds, used.ru_utime + used.ru_stime, sampler.peak_kb / 1024, output.read().decode())


class _Sampler(threading.Thread):
    """Looks at the memory of a process and its descendants until it is stopped."""

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
        is_over, adding_at = False, 0.0
        while not is_over:
            pids = list(family(self._pid))
            self.peak_kb = max(self.peak_kb, *map(_highest_kb, pids))
            began = time.perf_counter()
            if began >= adding_at:
                self.peak_kb = max(self.peak_kb, sum(map(_proportional_kb, pids)))
                ended = time.perf_counter()
                adding_at = ended + (ended - began) / ADDING_SHARE
            is_over = self._stopped.wait(SAMPLE_S)


def family(pid: int) -> Iterator[int]:
    """The process, and its descendants as far as they can be seen now."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended meanwhile
        return
    for task in tasks:
        for child in _read(task / "children").split():
            yield from family(int(child))


def _proportional_kb(pid: int) -> int:
    """The proportional set size now."""
    return _field_kb(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _highest_kb(pid: int) -> int:
    """The highest resident memory since it began."""
    return _field_kb(Path(f"/proc/{pid}/status"), "VmHWM:")


def _field_kb(path: Path, name: str) -> int:
    """A field of a file that the kernel writes; 0 where the process has ended meanwhile."""
    for line in _read(path).splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
