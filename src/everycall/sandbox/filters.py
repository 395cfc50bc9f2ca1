"""The filters of a details query: read from its body, then evaluated for real on full conversations.

    {"type": "and", "clauses": [{"type": "or", "predicates": [...]}], "predicates": [...]}

- The lists of a body, and the entries of a list, must all hold.
- What stands in one entry of `segmentFilters` must hold on one and the same segment (with its session and
  participant); another entry may be met by another segment. The same goes for evaluations, surveys,
  resolutions.
- An entry without a predicate holds always, and does not count as a filter.
- `glance` answers from a sketch where that is enough, so that few stories need to be built.

Source: SDK 269 (`ConversationDetailQueryFilter` and its kin). The rule of the same segment is confirmed on a
live org by XxMasterbeasTxX/genesys-admin-app. Guesses: `notExists` of a segment filter asks for *a segment*
without the field; a metric predicate of a conversation filter compares the sum over the conversation (a
switch); ranges on instants count epoch milliseconds; all names of enumerations in the refusals but
`QueryFilterType`.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from everycall.sandbox.answers import bad_request, invalid_property, invalid_value, malformed
from everycall.sandbox.instants import to_ms
from everycall.sandbox.traffic import Sketch
from everycall.sandbox.vocabulary import (
    ADDRESS_DIMENSIONS,
    AGGREGATES,
    CONVERSATIONS,
    INSTANT_DIMENSIONS,
    SEGMENTS,
    VOCABULARIES,
    Leaf,
    Vocabulary,
    values_at,
)

Conversation = Mapping[str, Any]

Verdict = bool | None
"""None: the sketch is not enough to decide."""

BOOLEANS = ("and", "or")
PREDICATE_TYPES = ("dimension", "property", "metric")
OPERATORS = ("matches", "exists", "notExists")
PROPERTY_TYPES = ("bool", "integer", "real", "date", "string", "uuid")

NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
"""A number as JSON writes it, but in quotes."""

BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison, e.g. `queueId matches 8c3...`."""

    of: Literal["dimension", "property", "metric"]
    name: str
    property_type: str | None
    operator: str
    value: str | None
    bounds: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A filter or a clause: members of which all (`and`) or one (`or`) must hold."""

    type: str
    members: tuple["Group | Predicate", ...]

    def is_empty(self) -> bool:
        """Whether there is no predicate anywhere in it."""
        return all(isinstance(member, Group) and member.is_empty() for member in self.members)


@dataclass(frozen=True, slots=True)
class Filters:
    """All filters of a body."""

    entries: tuple[tuple[Vocabulary, Group], ...]
    """Those with at least one predicate."""
    key: bytes
    """Equal for equal filters."""
    conversation_metric: str = "sum"
    has_partial_addresses: bool = False
    """Whether a part of an e-mail address matches, as in jobs."""

    def __bool__(self) -> bool:
        return bool(self.entries)

    def hold(self, conversation: Conversation) -> bool:
        """Whether the conversation, as it stands, passes."""
        return all(
            any(self._holds(group, vocabulary, leaf) for leaf in vocabulary.leaves(conversation))
            for vocabulary, group in self.entries
        )

    def conversation_ids(self) -> frozenset[str] | None:
        """The only conversations that can pass, where the filters name them; None where they do not."""
        groups = (group for vocabulary, group in self.entries if vocabulary is CONVERSATIONS)
        named = [ids for group in groups if (ids := ids_of(group)) is not None]
        return frozenset.intersection(*named) if named else None

    def hold_on(self, leaf: Leaf) -> bool:
        """Whether one leaf alone passes."""
        return all(self._holds(group, vocabulary, leaf) for vocabulary, group in self.entries)

    def glance(self, sketch: Sketch, now_ms: int | None = None) -> Verdict:
        """Whether it passes, from the sketch alone; without an instant, whether it does at any time."""
        return every(glance(group, vocabulary, sketch, now_ms) for vocabulary, group in self.entries)

    def _holds(self, node: Group | Predicate, vocabulary: Vocabulary, leaf: Leaf) -> bool:
        if isinstance(node, Predicate):
            values = self._values(node, vocabulary, leaf)
            return holds(node, values, is_partial=self.has_partial_addresses)
        quantifier = all if node.type == "and" else any
        members = [member for member in node.members if not _is_vacuous(member)]
        return quantifier(self._holds(member, vocabulary, leaf) for member in members)

    def _values(self, predicate: Predicate, vocabulary: Vocabulary, leaf: Leaf) -> list[Any]:
        if predicate.of == "dimension":
            return values_at(leaf, vocabulary.dimensions[predicate.name])
        if predicate.of == "property":
            return property_values(predicate, leaf)
        values = metric_values(predicate.name, vocabulary, leaf)
        is_summed = vocabulary is CONVERSATIONS and self.conversation_metric == "sum"
        return [sum(values)] if values and is_summed else values


def ids_of(node: Group | Predicate) -> frozenset[str] | None:
    """The conversations of which a filter wants one; None where it does not name them."""
    if isinstance(node, Predicate):
        names_one = node.name == "conversationId" and node.of == "dimension" and node.operator == "matches"
        return frozenset({node.value}) if names_one and node.value is not None else None
    found = [ids_of(member) for member in node.members if not _is_vacuous(member)]
    named = [ids for ids in found if ids is not None]
    if node.type == "and":
        return frozenset.intersection(*named) if named else None
    return frozenset().union(*named) if len(named) == len(found) else None


def read_filters(
    body: Mapping[str, Any], conversation_metric: str = "sum", *, has_partial_addresses: bool = False
) -> Filters:
    """The filters of a body, empty ones left out.

    Raises:
        ApiError: 400, naming what the API does not know.
    """
    entries = []
    for vocabulary in VOCABULARIES:
        for raw in objects(body.get(vocabulary.field)):
            group = read_group(raw, vocabulary, "Filter")
            if not group.is_empty():
                entries.append((vocabulary, group))
    key = msgspec.json.encode([(vocabulary.field, group) for vocabulary, group in entries])
    return Filters(tuple(entries), key, conversation_metric, has_partial_addresses)


def read_group(raw: Mapping[str, Any], vocabulary: Vocabulary, level: Literal["Filter", "Clause"]) -> Group:
    """A filter, which may hold clauses, or a clause, which may not."""
    fields = {"type", "predicates", "clauses"} if level == "Filter" else {"type", "predicates"}
    known_fields(raw, fields, vocabulary.name(level))
    kind = known(raw.get("type"), "QueryFilterType", BOOLEANS)
    clauses = [read_group(clause, vocabulary, "Clause") for clause in objects(raw.get("clauses"))]
    predicates = [read_predicate(predicate, vocabulary) for predicate in objects(raw.get("predicates"))]
    return Group(kind, (*clauses, *predicates))


def read_predicate(raw: Mapping[str, Any], vocabulary: Vocabulary) -> Predicate:
    """One predicate; its type may be left out, since its left-hand side implies it."""
    model = vocabulary.name("Predicate")
    fields = {"type", "operator", "value", "range"}
    fields |= {"metric"} if vocabulary.metrics else set()
    fields |= {"dimension"} if vocabulary.dimensions else set()
    fields |= {"property", "propertyType"} if vocabulary.properties else set()
    known_fields(raw, fields, model)
    given = {name: value for name, value in raw.items() if value is not None}
    of = predicate_type(given)
    predicate = Predicate(
        of=of,
        name=left_hand_side(of, given, vocabulary),
        property_type=optional(given.get("propertyType"), "PropertyType", PROPERTY_TYPES),
        operator=optional(given.get("operator"), "QueryOperator", OPERATORS) or "matches",
        value=scalar(given.get("value")),
        bounds=read_range(given.get("range")),
    )
    if predicate.operator == "matches" and predicate.value is None and not predicate.bounds:
        raise bad_request(f"Predicate on [{predicate.name}] must have a value or a range.")
    return predicate


def predicate_type(given: Mapping[str, Any]) -> Literal["dimension", "property", "metric"]:
    """What the predicate says it is about, or else what it names."""
    named = known(given["type"], "QueryPredicateType", PREDICATE_TYPES) if "type" in given else None
    for of in ("metric", "property", "dimension"):
        if named == of or (named is None and of in given):
            return of
    return "dimension"


def left_hand_side(of: str, given: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """The dimension, metric or property that is compared."""
    if of == "property":
        if not vocabulary.properties:
            raise invalid_value(of, "QueryPredicateType", ("dimension", "metric"))
        return str(given.get("property", ""))
    if of == "metric":
        return known(given.get("metric"), vocabulary.name("Metric"), vocabulary.metrics)
    dimensions = tuple(sorted(vocabulary.dimensions))
    return known(given.get("dimension"), vocabulary.name("Dimension"), dimensions)


def read_range(raw: object) -> tuple[tuple[str, float], ...]:
    """The bounds of a NumericRange that are given."""
    if raw is None:
        return ()
    bounds = only_object(raw)
    known_fields(bounds, set(BOUNDS), "NumericRange")
    given = ((name, numeric(bounds.get(name))) for name in BOUNDS)
    return tuple((name, bound) for name, bound in given if bound is not None)


def numeric(value: object) -> float | None:
    """A number, or the number that a text holds; a missing one is None.

    Source: an official blueprint sends `"pageSize": "100"` and shows what came back. Everything else is malformed.
    """
    if value is None:
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed()
    return value


def known_fields(raw: Mapping[str, Any], fields: set[str], model: str) -> None:
    """Refuses a field that the model does not have."""
    for name in raw:
        if name not in fields:
            raise invalid_property(name, model)


def known(value: object, field_type: str, allowed: tuple[str, ...]) -> str:
    """The value of an enumeration; a missing one is refused like a wrong one."""
    if not isinstance(value, str) or value not in allowed:
        raise invalid_value("" if value is None else value, field_type, allowed)
    return value


def optional(value: object, field_type: str, allowed: tuple[str, ...]) -> str | None:
    """The value of an enumeration, or None where it is left out."""
    return None if value is None else known(value, field_type, allowed)


def objects(raw: object) -> Sequence[Mapping[str, Any]]:
    """A list of JSON objects; a missing one is empty."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise malformed()
    return [only_object(item) for item in raw]


def only_object(raw: object) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(raw, dict):
        raise malformed()
    return raw


def scalar(value: object) -> str | None:
    """A value as text; the model says string, and other scalars are taken by their JSON text."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise malformed()
    return msgspec.json.encode(value).decode()


# --- on the full story
# ---------------------------------------------------------------------------------------


def metric_values(name: str, vocabulary: Vocabulary, leaf: Leaf) -> list[int]:
    """The values of a metric on a leaf."""
    if vocabulary is SEGMENTS:
        start, end = (instant(leaf[3].get(name, "")) for name in ("segmentStart", "segmentEnd"))
        return [] if start is None or end is None else [end - start]
    if vocabulary is not CONVERSATIONS:
        return [leaf[0][name]] if name in leaf[0] else []
    return conversation_metric_values(name, leaf[0])


def conversation_metric_values(name: str, conversation: Conversation) -> list[int]:
    """The values that the sessions of a conversation emitted under a name."""
    if name == "nConversations":
        return [1]
    if name == "tConversationDuration":
        if "conversationEnd" not in conversation:
            return []
        return [to_ms(conversation["conversationEnd"]) - to_ms(conversation["conversationStart"])]
    return [
        metric["value"]
        for participant in conversation.get("participants", ())
        for session in participant.get("sessions", ())
        for metric in session.get("metrics", ())
        if metric["name"] == name
    ]


def property_values(predicate: Predicate, leaf: Leaf) -> list[Any]:
    """The values of a segment's property."""
    return [
        entry["value"]
        for entry in leaf[3].get("properties", ())
        if entry.get("property") == predicate.name and predicate.property_type in {None, entry.get("propertyType")}
    ]


def holds(predicate: Predicate, values: Iterable[Any], *, is_partial: bool = False) -> bool:
    """Whether the values of a leaf pass the predicate; a part of an address does where `is_partial`."""
    values = list(values)
    if predicate.operator == "exists":
        return bool(values)
    if predicate.operator == "notExists":
        return not values
    return any(equals(predicate, value, is_partial=is_partial) and within(predicate, value) for value in values)


def equals(predicate: Predicate, value: Any, *, is_partial: bool = False) -> bool:
    """Whether a value is the one asked for; instants compare as instants, numbers as numbers, addresses caseless."""
    asked = predicate.value
    if asked is None:
        return True
    if predicate.name in INSTANT_DIMENSIONS:
        return instant(asked) is not None and instant(asked) == instant(str(value))
    if predicate.name in ADDRESS_DIMENSIONS:
        whole = str(value).casefold()
        return asked.casefold() in (whole if is_partial else {whole, *whole.split("@")})
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(asked) == value
    return asked == scalar(value)


def within(predicate: Predicate, value: Any) -> bool:
    """Whether a value lies in the predicate's range."""
    if not predicate.bounds:
        return True
    measured = instant(str(value)) if predicate.name in INSTANT_DIMENSIONS else number(str(value))
    return measured is not None and all(BOUNDS[name](measured, bound) for name, bound in predicate.bounds)


def instant(text: str) -> int | None:
    """The instant in epoch milliseconds, or None where the text is not an instant."""
    try:
        return to_ms(text)
    except ValueError:
        return None


def number(text: str) -> float | None:
    """The number, or None where the text is not a number."""
    try:
        return float(text)
    except ValueError:
        return None


def _is_vacuous(node: Group | Predicate) -> bool:
    return isinstance(node, Group) and node.is_empty()


# --- on a sketch
# ---------------------------------------------------------------------------------------------

CERTAIN: Mapping[str, Callable[[Sketch], list[str]]] = {
    "conversationId": lambda sketch: [sketch.conversation_id],
    "originatingDirection": lambda sketch: [sketch.originating_direction],
}
"""Conversation dimensions of which the sketch knows what the story will say."""

POSSIBLE: Mapping[tuple[str, str], Callable[[Sketch], tuple[str, ...]]] = {
    (CONVERSATIONS.field, "divisionId"): lambda sketch: sketch.division_ids,
    (SEGMENTS.field, "mediaType"): lambda sketch: sketch.media_types,
    (SEGMENTS.field, "queueId"): lambda sketch: sketch.queue_ids,
    (SEGMENTS.field, "userId"): lambda sketch: sketch.user_ids,
    (SEGMENTS.field, "wrapUpCode"): lambda sketch: sketch.wrap_up_codes,
    (AGGREGATES.field, "conversationId"): lambda sketch: (sketch.conversation_id,),
    (AGGREGATES.field, "divisionId"): lambda sketch: sketch.division_ids,
    (AGGREGATES.field, "mediaType"): lambda sketch: sketch.media_types,
    (AGGREGATES.field, "queueId"): lambda sketch: sketch.queue_ids,
    (AGGREGATES.field, "userId"): lambda sketch: sketch.user_ids,
}
"""Dimensions of which the sketch knows every value that the story can hold."""


def glance(node: Group | Predicate, vocabulary: Vocabulary, sketch: Sketch, now_ms: int | None) -> Verdict:
    """What the sketch says about a filter, a clause or a predicate."""
    if isinstance(node, Predicate):
        return glance_at(node, vocabulary, sketch, now_ms)
    members = [member for member in node.members if not _is_vacuous(member)]
    verdicts = (glance(member, vocabulary, sketch, now_ms) for member in members)
    return every(verdicts) if node.type == "and" else some(verdicts)


def glance_at(predicate: Predicate, vocabulary: Vocabulary, sketch: Sketch, now_ms: int | None) -> Verdict:
    """What the sketch says about one comparison; True means on every segment, False on none."""
    if predicate.of != "dimension":
        return None
    if vocabulary is CONVERSATIONS and predicate.name == "conversationEnd" and predicate.operator != "matches":
        return None if now_ms is None else sketch.has_end(now_ms) == (predicate.operator == "exists")
    if vocabulary is CONVERSATIONS and predicate.name in CERTAIN:
        return holds(predicate, CERTAIN[predicate.name](sketch))
    possible = POSSIBLE.get((vocabulary.field, predicate.name))
    if possible is None or predicate.operator == "notExists":
        return None
    values = possible(sketch)
    if not holds(predicate, values):
        return False
    # All media of an ended conversation were on some segment; where there is but one medium, it was on each.
    has_ended = now_ms is not None and sketch.end_ms <= now_ms
    return True if has_ended and predicate.name == "mediaType" and len(values) == 1 else None


def every(verdicts: Iterable[Verdict]) -> Verdict:
    """True if all hold, False if one does not, else None."""
    verdict_of_all: Verdict = True
    for verdict in verdicts:
        if verdict is False:
            return False
        verdict_of_all = verdict_of_all and verdict
    return verdict_of_all


def some(verdicts: Iterable[Verdict]) -> Verdict:
    """True if one holds, False if none does, else None."""
    verdict_of_any: Verdict = False
    for verdict in verdicts:
        if verdict is True:
            return True
        if verdict is None:
            verdict_of_any = None
    return verdict_of_any
