"""How values look in flat rows, where that can be chosen."""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from everycall.api.asked import zone_of

Times = Literal["utc", "local"]
"""utc: `2026-01-05T08:00:00.000Z`. local: on the clocks of a zone, with the offset: `2026-01-05T09:00:00.000+01:00`."""


@dataclass(frozen=True, slots=True)
class Style:
    """The choices."""

    times: Times = "utc"
    """Of CSV. Spreadsheets always have local times."""
    timezone: str = "UTC"
    """The zone of local times."""
    defuse_formulas: bool = False
    """Whether CSV has an apostrophe before texts that a spreadsheet would take for a formula."""

    @property
    def zone(self) -> tzinfo:
        """The zone of local times.

        Raises:
            QueryError: it does not exist; the hint names similar ones.
        """
        return zone_of(self.timezone)


PLAIN = Style()
"""The default."""
