"""Options that hold several values, separated by commas."""

from everycall.errors import SettingsError


def separated(option: str, written: str | None) -> list[str]:
    """The values, without the blanks around them; none where the option was not given.

    Raises:
        SettingsError: one is empty, or comes twice.
    """
    values = [value.strip() for value in written.split(",")] if written is not None else []
    if not all(values):
        raise SettingsError(f"{option} is empty.", hint="Separate the names by commas, and leave none out.")
    for value in values:
        if [other.casefold() for other in values].count(value.casefold()) > 1:
            raise SettingsError(f"{option} has '{value}' twice.", hint="Name each once.")
    return values
