"""The routes that give conversations at once: the details query, several by id, one by id.

    POST /api/v2/analytics/conversations/details/query   -> {"conversations": [...], "totalHits": 1234}
    GET  /api/v2/analytics/conversations/details?id=a,b  -> {"conversations": [...]}
    GET  /api/v2/analytics/conversations/{id}/details    -> the conversation

A page of a query past the end, and a query that matches nothing, holds `totalHits` alone; a switch has other forms.

Source: SDK 269, `AnalyticsConversationQueryResponse`, `AnalyticsConversationWithoutAttributesMultiGetResponse`. The
count of an aggregation, that a termFrequency without a size gives every term, that a multi-get of nothing known is
`{}`, and the text for too many ids are guesses.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from everycall.sandbox.answers import Answer, Request, bad_request, not_found
from everycall.sandbox.filters import Conversation, conversation_metric_values, scalar
from everycall.sandbox.oauth import Client
from everycall.sandbox.query import Aggregation, read_query
from everycall.sandbox.store import Scope, Selection, Store
from everycall.sandbox.vocabulary import CONVERSATIONS, SEGMENTS, values_at


def answer_query(store: Store, request: Request, client: Client, unseen: Collection[str] = (), salt: int = 0) -> Answer:
    """The page that is asked for.

    Args:
        store: what there is.
        request: its body is the query.
        client: sees the conversations of its divisions only.
        unseen: conversations that have not reached the index yet.
        salt: another one in each answer, for ties that shift.
    """
    asked = read_query(request.body, store.switches)
    now_ms = store.now_ms
    selection = store.select(asked, now_ms, Scope(client.division_ids, unseen))
    is_shifting = store.switches.tie_order == "shifting"
    sketches = selection.shifting_ties(asked.page(), salt) if is_shifting else selection[asked.page()]
    if not sketches:
        return Answer(200, empty_page(store.switches.empty_answer, len(selection)))
    content: dict[str, Any] = {"conversations": [store.world.conversation(sketch, now_ms) for sketch in sketches]}
    if asked.aggregations:
        everything = list(stories(store, selection, now_ms))
        content["aggregations"] = [aggregated(aggregation, everything) for aggregation in asked.aggregations]
    content["totalHits"] = len(selection)
    return Answer(200, content)


def several(store: Store, request: Request, client: Client, unseen: Collection[str] = ()) -> Answer:
    """The conversations of the ids that are asked for, in that order."""
    switches, now_ms = store.switches, store.now_ms
    asked = request.listed("id")
    if not asked:
        raise bad_request("id must name at least one conversation.")
    if len(asked) > switches.ids_max and switches.ids_over_limit == "refuse":
        raise bad_request(f"No more than {switches.ids_max} ids may be asked for at a time.")
    asked = asked[: switches.ids_max]
    if switches.repeated_ids == "once":
        asked = list(dict.fromkeys(asked))
    scope = Scope(client.division_ids, unseen)
    found = [sketch for conversation_id in asked if (sketch := store.find(conversation_id, now_ms, scope)) is not None]
    if len(found) < len(asked) and switches.unknown_ids == "404":
        raise not_found()
    conversations = [store.world.conversation(sketch, now_ms) for sketch in found]
    return Answer(200, {"conversations": conversations} if conversations else {})


def one(store: Store, conversation_id: str, client: Client, unseen: Collection[str] = ()) -> Answer:
    """The conversation of an id."""
    now_ms = store.now_ms
    sketch = store.find(conversation_id, now_ms, Scope(client.division_ids, unseen))
    if sketch is None:
        raise not_found()
    return Answer(200, store.world.conversation(sketch, now_ms))


def empty_page(form: str, total_hits: int) -> dict[str, Any]:
    """A page that holds nothing, in the form that the switch says."""
    if form == "totalHits":
        return {"totalHits": total_hits}
    return {} if form == "{}" else {"conversations": [], "totalHits": total_hits}


def stories(store: Store, selection: Selection, now_ms: int) -> Iterable[Conversation]:
    """Every conversation that matches, in full."""
    return (store.world.conversation(sketch, now_ms) for sketch in selection[:])


def aggregated(asked: Aggregation, conversations: Iterable[Conversation]) -> dict[str, Any]:
    """One facet over all conversations that match."""
    if asked.dimension is not None:
        terms = Counter(term for conversation in conversations for term in terms_of(conversation, asked.dimension))
        frequent = sorted(terms.items(), key=lambda item: (-item[1], item[0]))[: asked.size]
        results: list[Mapping[str, Any]] = [{"count": count, "value": term} for term, count in frequent]
        return {"count": len(results), "dimension": asked.dimension, "type": asked.type, "results": results}
    metric = asked.metric or ""
    sums = [
        sum(values) for conversation in conversations if (values := conversation_metric_values(metric, conversation))
    ]
    results = [bucket(sums, gte, lt) for gte, lt in asked.ranges]
    return {"count": len(results), "metric": metric, "type": asked.type, "results": results}


def terms_of(conversation: Conversation, dimension: str) -> set[str]:
    """The values of a dimension in a conversation, each once."""
    vocabulary = CONVERSATIONS if dimension in CONVERSATIONS.dimensions else SEGMENTS
    place = vocabulary.dimensions[dimension]
    values = (value for leaf in vocabulary.leaves(conversation) for value in values_at(leaf, place))
    return {term for value in values if (term := scalar(value)) is not None}


def bucket(values: Iterable[float], gte: float | None, lt: float | None) -> dict[str, Any]:
    """How many values lie in a range, and the range."""
    count = sum((gte is None or value >= gte) and (lt is None or value < lt) for value in values)
    bounds = {"gte": gte, "lt": lt}
    return {"count": count} | {name: bound for name, bound in bounds.items() if bound is not None}
