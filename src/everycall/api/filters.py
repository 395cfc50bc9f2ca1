"""The filters of a query, checked for what the API would refuse, so that mistakes cost no request. Pure.

Values that the API may add in future (a new dimension, a new media type inside `--filter`) are accepted.

Source: SDK 269, ConversationQuery and its filter types.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from everycall.errors import QueryError

MEDIA_TYPES = (
    "callback", "chat", "cobrowse", "email", "internalmessage", "message", "screenmonitoring", "screenshare",
    "unknown", "video", "voice",
)  # fmt: skip
"""Source: SDK 269, SegmentDetailQueryPredicate, the values of mediaType."""

DIRECTIONS = ("inbound", "outbound")
"""Source: SDK 269, AnalyticsConversation.originating_direction."""

FILTER_LISTS = (
    "conversationFilters",
    "segmentFilters",
    "evaluationFilters",
    "surveyFilters",
    "resolutionFilters",
)
"""The five lists of a body that narrow it; their entries are AND-ed. Source: SDK 269, ConversationQuery."""

OPERATORS = ("matches", "exists", "notExists")

Filter = Mapping[str, Any]
"""One entry of a filter list, as the API takes it: {"type": "and"|"or", "predicates": [...], "clauses": [...]}."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a query, by the API's list names. A conversation has to match every entry of every list."""

    lists: Mapping[str, Sequence[Filter]] = field(default_factory=dict)
    """Keys are in `FILTER_LISTS`, and values are never empty."""

    def __bool__(self) -> bool:
        """Whether there is any filter: a query without one may span 7 days, a query with one 31 days."""
        return bool(self.lists)

    def __add__(self, other: "Filters") -> "Filters":
        """The combined filters: a conversation has to match the entries of both."""
        names = [name for name in FILTER_LISTS if name in self.lists or name in other.lists]
        return Filters({name: [*self.lists.get(name, ()), *other.lists.get(name, ())] for name in names})

    @classmethod
    def of(
        cls,
        *,
        queue_ids: Iterable[str] = (),
        user_ids: Iterable[str] = (),
        wrap_up_codes: Iterable[str] = (),
        media_types: Iterable[str] = (),
        division_ids: Iterable[str] = (),
        directions: Iterable[str] = (),
        conversation_ids: Iterable[str] = (),
    ) -> "Filters":
        """Filters for any of the queues, and any of the users, and any of the media types, and so on.

        Different segments of a conversation may match the entries: with a queue and a wrap-up code, the conversation
        passed through that queue, and somebody closed it with that code, perhaps after a transfer to another queue.

        Raises:
            QueryError: a media type or a direction is not valid.
        """
        media_types = [_known(name, MEDIA_TYPES, "media type") for name in media_types]
        directions = [_known(name, DIRECTIONS, "direction") for name in directions]
        segment = [
            ("queueId", queue_ids),
            ("userId", user_ids),
            ("wrapUpCode", wrap_up_codes),
            ("mediaType", media_types),
        ]
        conversation = [
            ("divisionId", division_ids),
            ("originatingDirection", directions),
            ("conversationId", conversation_ids),
        ]
        lists = {
            "conversationFilters": [_any_of(name, values) for name, values in conversation if values],
            "segmentFilters": [_any_of(name, values) for name, values in segment if values],
        }
        return cls({name: entries for name, entries in lists.items() if entries})

    @classmethod
    def read(cls, body: object) -> "Filters":
        """The filters of a body as the vendor's query builder writes it; they are sent unchanged.

        Raises:
            QueryError: the body is not an object, or it has an unknown key or a filter that the API would refuse.
        """
        if not isinstance(body, Mapping):
            raise QueryError("The filter is not a JSON object.", hint='Write {"segmentFilters": [...]}.')
        for key in body:
            _check_key(str(key))
        lists = {name: body[name] for name in FILTER_LISTS if body.get(name)}
        for name, entries in lists.items():
            _check_list(entries, name)
        return cls(lists)


_IGNORED_KEYS = (
    "interval",
    "order",
    "orderBy",
    "paging",
    "aggregations",
    "limit",
    "startOfDayIntervalMatching",
)
_TUTORIAL_KEYS = (
    "groupBy",
    "metrics",
    "view",
    "granularity",
    "filter",
    "pageSize",
    "pageNumber",
    "page_size",
    "page_number",
)


def _check_key(key: str) -> None:
    if key in FILTER_LISTS or key in _IGNORED_KEYS:
        return
    reason = "belongs to another API call" if key in _TUTORIAL_KEYS else "is unknown"
    raise QueryError(
        f"The key '{key}' {reason}: the conversation details query does not accept it.",
        hint=f"Use {', '.join(FILTER_LISTS)}.",
    )


def _check_list(entries: object, where: str) -> None:
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise QueryError(f"{where} is not a list.", hint='Write [{"type": "and", "predicates": [...]}].')
    for index, entry in enumerate(entries):
        _check_entry(entry, f"{where}[{index}]", nested=False)


def _check_entry(entry: object, where: str, *, nested: bool) -> None:
    if not isinstance(entry, Mapping):
        raise QueryError(f"{where} is not an object.", hint='Write {"type": "and", "predicates": [...]}.')
    unknown = set(entry) - ({"type", "predicates"} if nested else {"type", "predicates", "clauses"})
    if unknown:
        raise QueryError(
            f"{where} has {sorted(map(str, unknown))}, which the API does not accept there.",
            hint="A filter has type, predicates and clauses; a clause has type and predicates.",
        )
    if entry.get("type") not in ("and", "or"):
        raise QueryError(f"{where}.type is {entry.get('type')!r}.", hint='Write "and" or "or".')
    predicates, clauses = entry.get("predicates") or (), entry.get("clauses") or ()
    if not predicates and not clauses:
        raise QueryError(f"{where} is empty.", hint="Leave out an empty filter.")
    for name, items in (("predicates", predicates), ("clauses", clauses)):
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise QueryError(f"{where}.{name} is not a list.", hint=f'Write "{name}": [...].')
    for index, predicate in enumerate(predicates):
        _check_predicate(predicate, f"{where}.predicates[{index}]")
    for index, clause in enumerate(clauses):
        _check_entry(clause, f"{where}.clauses[{index}]", nested=True)


def _check_predicate(predicate: object, where: str) -> None:
    if not isinstance(predicate, Mapping):
        raise QueryError(f"{where} is not an object.", hint='Write {"dimension": "queueId", "value": "..."}.')
    if not any(predicate.get(subject) for subject in ("dimension", "metric", "property")):
        raise QueryError(
            f"{where} has no dimension, metric or property.", hint='Add "dimension": "queueId", for example.'
        )
    operator = predicate.get("operator", "matches")
    if operator not in OPERATORS:
        raise QueryError(f"{where}.operator is {operator!r}.", hint=f"Use {', '.join(OPERATORS)}.")
    if operator == "matches" and predicate.get("value") is None and predicate.get("range") is None:
        raise QueryError(
            f"{where} has neither a value nor a range.",
            hint='To match any value, use the operator "exists".',
        )


def _known(name: str, values: Sequence[str], kind: str) -> str:
    """The value of that name, in the API's case."""
    match = next((value for value in values if value.lower() == name.lower()), None)
    if match is None:
        raise QueryError(f"'{name}' is not a {kind}.", hint=f"Use {', '.join(values)}.")
    return match


def _any_of(dimension: str, values: Iterable[str]) -> Filter:
    predicates = [
        {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value} for value in values
    ]
    return {"type": "or", "predicates": predicates}
