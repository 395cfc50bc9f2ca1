"""What some outputs need beyond the main job, and the error that says how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager

from everycall.errors import SettingsError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import libraries of an extra.

    Raises:
        SettingsError: one of them is not installed; the hint has the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "everycall":
            raise
        raise SettingsError(
            f"This output needs {error.name}, which is not installed.", hint=f"Run pip install 'everycall[{name}]'."
        ) from error
