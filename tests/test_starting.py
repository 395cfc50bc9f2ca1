import subprocess
import sys

import pytest

from everycall.starting import is_command

LOADED = "import sys; sys.argv[0] = {program!r}; import everycall, os, signal; os.kill(os.getpid(), signal.SIGINT)"


def interrupted(program: str) -> tuple[int, str]:
    """Exit code and standard error of a process of that name that meets Ctrl-C before it does anything."""
    code = LOADED.format(program=program)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def test_ctrl_c_while_the_command_is_being_loaded_is_a_word_and_the_usual_exit_code() -> None:
    assert interrupted("/usr/bin/everycall") == (130, "error: Interrupted.\n")


def test_a_program_that_uses_the_library_heeds_ctrl_c_itself() -> None:
    code, said = interrupted("/usr/bin/report")

    assert code != 130
    assert said.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize(
    ("argv", "orig_argv", "is_it"),
    [
        (["/usr/bin/everycall", "plan"], ["python", "/usr/bin/everycall", "plan"], True),
        (["everycall.exe"], ["everycall.exe"], True),
        (["-m", "plan"], ["python", "-X", "dev", "-m", "everycall", "plan"], True),
        (["-m", "everycall"], ["python", "-m", "report", "everycall"], False),
        (["-m"], ["python", "-mreport"], False),
        (["-c"], ["python", "-c", "import everycall"], False),
        (["x.py"], ["python", "x.py", "everycall"], False),
        ([], [], False),
    ],
)
def test_the_command_is_known_by_its_name(argv: list[str], orig_argv: list[str], is_it: bool) -> None:
    assert is_command(argv, orig_argv) is is_it
