"""What a test needs that pip does not install."""

import os

import pytest


def needs(found: object, what: str) -> None:
    """Skips where something is missing, but not where the continuous integration says that all is checked."""
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"not tried, for want of {what}")
