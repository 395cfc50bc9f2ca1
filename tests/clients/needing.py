"""What a test needs that pip does not install."""

import os

import pytest


def needs(found: object, what: str) -> None:
    """Skips the test where something is missing; fails it in the continuous integration, which installs everything."""
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"not tested: this needs {what}")
