"""Story: what all kinds of conversation have in common while they are built."""

from everycall.sandbox.centre import Centre, User
from everycall.sandbox.rng import Rng
from everycall.sandbox.stories.parts import Json, Stage, by_name, participant, segment, stamp
from everycall.sandbox.traffic import FOREVER_MS, Cast, Sketch, locate

NOTES = (
    "Customer asked for a copy of the invoice.",
    "Will call again on Friday, order number not at hand",
    "see ticket; line 1\nline 2",
    'Wants "everything, in writing"',
    "Straße und Hausnummer geändert",
    "=see ticket 4711",
    "お客様は折り返しを希望",
    "",
)


class Story:
    """A conversation in the making: its frame, its rng, and the participants so far."""

    __slots__ = (
        "centre",
        "codes",
        "end",
        "evaluations",
        "participants",
        "queues",
        "resolutions",
        "rng",
        "sketch",
        "start",
        "surveys",
        "traits",
        "users",
    )  # fmt: skip

    def __init__(self, centre: Centre, sketch: Sketch, cast: Cast) -> None:
        self.centre = centre
        self.sketch = sketch
        self.rng = Rng(sketch.conversation_id)
        self.queues, self.users, self.codes = cast
        # In a few the first segment starts a moment before or after the conversation, as in captures.
        slip = self.rng.below(300)
        self.start = sketch.start_ms + ((-2, 3, 5)[slip] if slip < 3 else 0)
        self.end = sketch.end_ms
        self.participants: list[Json] = []
        self.traits: Json = {}
        self.evaluations: list[Json] = []
        self.surveys: list[Json] = []
        self.resolutions: list[Json] = []

    def stretch(self, low: int, high: int, most: int) -> int:
        """A length between low and high ms, but at most so many thousandths of the whole conversation."""
        length, most = self.rng.between(low, high), (self.end - self.start) * most // 1000
        return length if length <= most else most - self.rng.below(most // 3 + 1)

    def add(
        self,
        purpose: str,
        sessions: list[Json],
        *,
        first: bool = False,
        name: str = "",
        user: User | None = None,
        contact_id: str = "",
        flagged: bool = False,
    ) -> None:
        """One more participant; of those who come in at the same instant, one that is `first` stands before others."""
        made = participant(self.rng, purpose, sessions, name=name, user=user, contact_id=contact_id, flagged=flagged)
        self.participants.insert(0 if first else len(self.participants), made)

    def wrap_up(self, at: int, end: int, number: int) -> Stage | None:
        """The after-call work of the user of that number, if any: it may be skipped, or last no time at all."""
        if self.rng.chance(120):
            return None
        code = self.codes[number]
        return Stage("wrapup", at, at if code == "ININ-WRAP-UP-SKIPPED" else end)

    def segments(
        self,
        stages: list[Stage],
        *,
        number: int = 0,
        queue_id: str = "",
        disconnect: str = "",
        conference: bool | None = None,
    ) -> list[Json]:
        """The segments of a user's stages: the last before the wrap-up says why it was disconnected."""
        made = []
        last = next(at for at in range(len(stages) - 1, -1, -1) if stages[at].type != "wrapup")
        for at, stage in enumerate(stages):
            if stage.type == "wrapup":
                made.append(self._wrap_up_segment(stage, number, queue_id, conference))
            else:
                why = disconnect if at == last else ""
                made.append(segment(stage, queue_id=queue_id, disconnect=why, conference=conference))
        return made

    def _wrap_up_segment(self, stage: Stage, number: int, queue_id: str, conference: bool | None) -> Json:
        draw = self.rng.below(1000)
        note = NOTES[draw % len(NOTES)] if draw < 150 else None
        tags = ["follow-up", "vip"][: draw % 2 + 1] if draw > 980 else None
        return segment(
            stage,
            queue_id=queue_id,
            disconnect="client",
            conference=conference,
            wrapUpCode=self.codes[number],
            wrapUpNote=note,
            wrapUpTags=tags,
        )

    def final(self) -> Json:
        """The final JSON, as of the end of the conversation."""
        sketch = self.sketch
        made: Json = {
            "conversationId": sketch.conversation_id,
            "conversationStart": stamp(sketch.start_ms),
            "divisionIds": list(sketch.division_ids),
            "originatingDirection": sketch.originating_direction,
            **self.traits,
        }
        if sketch.end_ms < FOREVER_MS:
            made["conversationEnd"] = stamp(sketch.end_ms)
        made = by_name(made)
        for name in ("evaluations", "surveys", "resolutions"):
            if found := getattr(self, name):
                made[name] = found
        made["participants"] = listed(sorted(self.participants, key=_began), locate(sketch.conversation_id)[2])
        return made


def listed(participants: list[Json], roll: int) -> list[Json]:
    """The participants in the order of the answer: most of the time that in which they came, but not always.

    Nobody promises an order of participants, nor of a participant's sessions, and so of their flows; production code
    sorts them. How often they come in another order is invented: one conversation in 16 has its participants, and one
    in 8 the sessions of each participant, in another one.
    """
    draw = roll * 0xBF58476D1CE4E5B9 >> 40 & 0xFFFF
    if draw & 7 == 0:
        participants = [{**participant, "sessions": participant["sessions"][::-1]} for participant in participants]
    if draw >> 4 & 15 == 0:
        turn = 1 + (draw >> 8) % max(1, len(participants) - 1)
        participants = participants[turn:] + participants[:turn] if draw >> 15 else participants[::-1]
    return participants


def _began(participant: Json) -> str:
    began: str = participant["sessions"][0]["segments"][0]["segmentStart"]
    return began
