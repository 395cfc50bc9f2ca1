"""Options with several values, separated by commas."""

from everycall.errors import SettingsError


def separated(option: str, written: str | None) -> list[str]:
    """Split the value of an option at its commas; an empty list if the option was not given.

    Raises:
        SettingsError: a value is empty or comes twice.
    """
    values = [value.strip() for value in written.split(",")] if written is not None else []
    if not all(values):
        raise SettingsError(f"{option} has an empty name.", hint="Separate the names by single commas.")
    for value in values:
        if [other.casefold() for other in values].count(value.casefold()) > 1:
            raise SettingsError(f"{option} has '{value}' twice.", hint="Give each name once.")
    return values
