import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# What a shell starts in the background ignores Ctrl-C, and the commands that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever runs the tests may have profiles, which must not be used.
os.environ["EVERYCALL_CONFIG_DIR"] = str(Path(__file__).with_name("no-profiles"))

settings.register_profile("everycall", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("everycall")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where an export goes: in a folder of its own, so that what else is there can be looked at."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "conversations.csv"
