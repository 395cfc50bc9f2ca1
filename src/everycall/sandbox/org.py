"""Org: the seeded contact centre as a world that the sandbox can serve."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from everycall.sandbox.centre import centre
from everycall.sandbox.stories import attributes, build, changes, fill, with_attributes
from everycall.sandbox.stories.template import Template
from everycall.sandbox.traffic import DAY_MS, REACH_DAYS, Day, Sketch, Traffic, is_id, locate

CONVERSATIONS_KEPT = 3_500_000
"""Of so many the columns are kept, day by day, the last asked for; 25 bytes for each."""


class Org:
    """A contact centre of a seed: everything about it is a function of seed, day and clock; nothing is stored.

    Raises:
        ValueError: the templates leave no room for other conversations.

    Args:
        seed: another seed, another org: people, ids, traffic.
        conversations_per_day: the average of a UTC weekday; there are fewer at weekends.
        flat: every UTC day has exactly that many instead.
        templates: captured conversations that some of this org's are to look like.

    Instants are whole milliseconds since the epoch, UTC; days are counted from 1970-01-01, UTC.
    """

    def __init__(
        self,
        seed: int = 1,
        conversations_per_day: int = 2000,
        *,
        flat: bool = False,
        templates: Sequence[Template] = (),
    ) -> None:
        self._centre = centre(seed, size=min(120, 60 + conversations_per_day // 100))
        kinds = [template.kind(number) for number, template in enumerate(templates)]
        self._templates = {kind.name: template for kind, template in zip(kinds, templates, strict=True)}
        self._traffic = Traffic(self._centre, conversations_per_day, flat=flat, captured=kinds)
        days_kept = max(2, CONVERSATIONS_KEPT // max(1000, conversations_per_day))
        self._day = lru_cache(days_kept)(self._traffic.day)

    def day(self, day: int) -> Day:
        """The conversations that start on a UTC day, sorted by (start_ms, conversation_id)."""
        return self._day(day)

    def conversation(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The complete JSON object of a conversation as of an instant, key order as the API's.

        While it lives (now_ms < sketch.end_ms) it has no conversationEnd, and what happens later is absent. It
        goes on changing after its end, for four weeks at most.
        """
        if template := self._templates.get(sketch.kind):
            return fill(template, self._centre, self._traffic, sketch, now_ms)
        return build(self._centre, self._traffic, sketch, now_ms)

    def changes(self, sketch: Sketch) -> tuple[int, ...]:
        """The instants after its end at which a conversation changes, in order."""
        if template := self._templates.get(sketch.kind):
            return tuple([sketch.start_ms + at for at in template.later_ms])
        return tuple([change.at_ms for change in changes(sketch)])

    def with_attributes(self, sketch: Sketch, now_ms: int) -> dict[str, Any]:
        """The same with the attributes of its participants, as the results of jobs have it."""
        return with_attributes(self.conversation(sketch, now_ms))

    def locate(self, conversation_id: str, now_ms: int) -> Sketch | None:
        """The conversation of an id; None for one of another org, or one that starts after `now_ms`."""
        if not is_id(conversation_id):
            return None
        day, index, _ = locate(conversation_id)
        # Any UUID is some day; without the look at the clock, ids of other orgs would make days of far futures.
        sketch = self._day(day).find(index) if day <= now_ms // DAY_MS else None
        is_it = sketch is not None and sketch.conversation_id == conversation_id and sketch.start_ms <= now_ms
        return sketch if is_it else None

    def days_reaching(self, day: int) -> range:
        """The days before `day` on which something may have started that still lives then.

        What never ends is lost sight of after 31 days: a simplification, or each look would go through all days.
        """
        return range(day - REACH_DAYS, day)

    def attributes(self, sketch: Sketch, now_ms: int) -> dict[str, dict[str, str]]:
        """The attributes of each participant that there is as of an instant, by participantId."""
        return attributes(self.conversation(sketch, now_ms))

    def entities(self, kind: str) -> Sequence[dict[str, Any]]:
        """The JSON objects of a look-up, those that are gone included.

        An unknown kind has none.
        Kinds: divisions, queues, users, wrapupcodes, flows, skills, languages, groups, teams, campaigns.
        Gone is what has `"state": "deleted"` (users, queues) or `"deleted": true` (flows).
        """
        return self._centre.entities.get(kind, ())

    def members(self, queue_id: str) -> Sequence[str]:
        """The ids of those who answer a queue's conversations."""
        return [user.id for queue in self._centre.queues if queue.id == queue_id for user in queue.members]

    def queue_codes(self, queue_id: str) -> Sequence[str]:
        """The wrap-up codes that a queue's conversations end with, and names such as ININ-WRAP-UP-TIMEOUT."""
        codes = (code for queue in self._centre.queues if queue.id == queue_id for code in queue.codes)
        return list(dict.fromkeys(code for code in codes if code))

    def organization(self) -> dict[str, Any]:
        """The organization itself, as /api/v2/organizations/me gives it."""
        return self._centre.organization
