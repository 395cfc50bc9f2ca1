"""What nobody outside the vendor knows for sure, each as a switch whose default is the careful reading."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Switches:
    """How the sandbox behaves where no source says how the API does.

    A client that is right works with every combination.
    """

    empty_answer: Literal["{}", "totalHits", "empty list"] = "{}"
    """The body where a page holds nothing: neither key (seen in production code that compares the text with
    `{}`), only `totalHits`, or both keys with an empty list."""

    page_size_over_limit: Literal["refuse", "clamp"] = "refuse"
    """A pageSize above 100: a 400, or silently 100 as the entity listings do."""

    match: Literal["overlap", "day"] = "overlap"
    """Which conversations an interval finds beside the rule of the start day: those alive in the interval
    (older wording of the SDK, and a capture of 2016), or every one of a touched day (the literal wording of
    developer.genesys.cloud's analytics detail page)."""

    end_at_midnight_touches_next_day: bool = False
    """Whether an interval that ends at 00:00:00.000Z touches the day that begins there. With
    `match="overlap"` it then finds the conversations that start in that very millisecond; with `match="day"`
    the whole day."""

    count_rejected: bool = False
    """Whether a 429 goes up in `inin-ratelimit-count`, too."""

    tie_order: Literal["stable", "shifting"] = "stable"
    """The order of conversations that start in the same millisecond: by id, or another one in each answer, so
    that a tie across a page's border shows one twice and another never."""

    conversation_metric: Literal["sum", "any"] = "sum"
    """What a metric predicate of a conversation filter compares: the sum of that metric over the
    conversation, or each of its values."""
