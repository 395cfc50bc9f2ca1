"""What is loaded when, and Ctrl-C in the first moments."""

import json
import subprocess
import sys

import pytest

import everycall

HEAVY = {
    "httpcore2": "the HTTP client",
    "httpx2": "the recorder's HTTP client",
    "isal": "the decompressor",
    "msgspec": "the decoder",
    "starlette": "the sandbox's framework",
    "uvicorn": "the sandbox's server",
    "everycall.sandbox": "the sandbox",
    "everycall.client": "the client",
}
TERMINAL = {"rich": "the terminal's library"}

LOADS = """
import json, sys
from everycall.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def loaded(program: str) -> set[str]:
    """The modules that a program of its own has loaded by its end; it prints them in its last line."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--version"], {*HEAVY, *TERMINAL, "argparse", "typing", "everycall.errors"}),
        (["--help"], {*HEAVY, *TERMINAL}),
        (["export", "--help"], {*HEAVY, *TERMINAL}),
        ([], {*HEAVY, *TERMINAL}),
        (["export", "--bogus"], set(HEAVY)),
        (["export", "--page-size", "0"], set(HEAVY)),
        (["bogus"], set(HEAVY)),
        (["verify", "--json=1"], set(HEAVY)),
    ],
)
def test_a_command_loads_no_module_that_it_does_not_need(arguments: list[str], unneeded: set[str]) -> None:
    assert loaded(LOADS.format(arguments=arguments)) & unneeded == set()


SELDOM = {"shtab", "platformdirs", "keyring", "prometheus_client", "dotenv", "logging"}
"""What only some commands and options need."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--help"],
        ["profile", "--help"],
        ["queues", "--help"],
        ["completion", "--help"],
        ["doctor", "--bogus"],
    ],
)
def test_help_and_wrong_usage_load_nothing_that_only_some_commands_need(arguments: list[str]) -> None:
    unneeded = {*HEAVY, *SELDOM} - ({"logging"} if "--bogus" in arguments else set())  # rich uses it

    assert loaded(LOADS.format(arguments=arguments)) & unneeded == set()


def test_the_command_that_is_to_run_loads_what_it_needs() -> None:
    """Else the test above could not fail."""
    modules = "everycall.cli.exporting, everycall.cli.serving, everycall.http_connection"
    program = f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"

    assert {*HEAVY, *TERMINAL} <= loaded(program)


def test_an_export_loads_no_bar_and_no_worker_processes_unless_they_are_asked_for() -> None:
    program = "import json, sys, everycall.cli.exporting; print(json.dumps(sorted(sys.modules)))"

    assert loaded(program) & {"rich.progress", "multiprocessing", "pyarrow", "duckdb"} == set()


def test_a_process_of_its_own_does_without_pandas() -> None:
    arrays = "import pyarrow; pyarrow.array([1]); print(json.dumps([one for one in sys.modules if one == 'pandas']))"
    program = f"import json, sys; from everycall import memory; {{}}; {arrays}"

    assert loaded(program.format("memory.without_pandas()")) == set()
    assert loaded(program.format("pass")) == {"pandas"}


def test_importing_the_package_loads_nothing_else() -> None:
    program = "import json, sys, everycall; print(json.dumps([one for one in sys.modules if 'everycall' in one]))"

    assert loaded(program) <= {"everycall", "everycall.version", "__editable___everycall_finder"}


def test_every_public_name_is_there_when_it_is_used() -> None:
    for name in everycall.__all__:
        assert getattr(everycall, name) is getattr(everycall, name)
    assert set(everycall.__all__) <= set(dir(everycall))


def test_everycall_export_is_the_function() -> None:
    assert callable(everycall.export)
    assert everycall.export.__module__ == "everycall.exporting"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'everycall' has no attribute 'nonsense'"):
        _ = everycall.nonsense  # type: ignore[attr-defined]


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from everycall.cli import main
main(["plan", "--interval", "2026-01-05"])
"""


@pytest.mark.parametrize("module", ["everycall.cli.process", "everycall.cli.commands", "everycall.cli.failures"])
def test_ctrl_c_while_the_command_is_being_loaded_is_one_line_and_the_usual_exit_code(module: str) -> None:
    program = INTERRUPTED_WHILE_LOADING.format(module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: Interrupted.\n")


def test_ctrl_c_while_a_command_loads_what_it_needs_is_the_same() -> None:
    program = INTERRUPTED_WHILE_LOADING.format(module="everycall.cli.planning")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: Interrupted.\n")


def test_a_program_that_uses_the_library_handles_ctrl_c_itself() -> None:
    program = "import signal; before = signal.getsignal(2); import everycall; everycall.export; everycall.Client; "
    program += "import everycall.cli.exporting; print(signal.getsignal(2) is before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "True\n"
