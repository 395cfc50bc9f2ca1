"""What a test needs that pip does not install."""

import os
from typing import TypeVar

import pytest

T = TypeVar("T")


def needs(found: T | None, what: str) -> T:
    """What was found. Where nothing was, skip the test; fail it in the continuous integration, which installs all."""
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"not tested: this needs {what}")
    return found
