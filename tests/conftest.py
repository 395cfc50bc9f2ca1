from pathlib import Path

import pytest


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where an export goes: in a folder of its own, so that what else is there can be looked at."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "conversations.csv"
