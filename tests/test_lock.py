"""One process at a time."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from everycall import OutputRefused
from everycall.lock import Lock

HOLDER = """
import sys
from pathlib import Path
from everycall.lock import Lock
held = Lock(Path(sys.argv[1]), "rows.csv")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock", "rows.csv")

    with pytest.raises(OutputRefused, match=f"^rows.csv is being written by process {os.getpid()}[.]$"):
        Lock(tmp_path / "lock", "rows.csv")
    first.release()


def test_a_released_lock_can_be_taken(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock", "rows.csv")
    first.release()
    first.release()

    Lock(tmp_path / "lock", "rows.csv").release()


def test_a_lock_file_that_was_removed_is_created_again(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock", "rows.csv")
    (tmp_path / "lock").unlink()

    second = Lock(tmp_path / "lock", "rows.csv")

    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    first.release()
    second.release()


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputRefused, match=f"process {holder.pid}"):
            Lock(tmp_path / "lock", "rows.csv")
        holder.kill()
        holder.wait()

    Lock(tmp_path / "lock", "rows.csv").release()


def test_the_lock_names_its_present_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4194304000\n")
    first = Lock(tmp_path / "lock", "rows.csv")

    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    first.release()


def test_a_refused_process_leaves_no_open_file(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock", "rows.csv")
    with (tmp_path / "other").open("wb") as file:
        free = file.fileno()
    with pytest.raises(OutputRefused):
        Lock(tmp_path / "lock", "rows.csv")

    with (tmp_path / "other").open("wb") as file:
        assert file.fileno() == free
    first.release()


def test_the_holder_has_locked_the_file_that_is_in_the_folder(tmp_path: Path) -> None:
    """Though each who is done takes the file away, perhaps from under one who has just opened it."""
    path = tmp_path / "lock"
    astray: list[int] = []

    def work() -> None:
        for number in range(300):
            with suppress(OutputRefused):
                one = Lock(path, "rows.csv")
                if not path.exists():
                    astray.append(number)
                path.unlink(missing_ok=True)
                one.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not astray
