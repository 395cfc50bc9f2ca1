"""Calls that go out: dialled by an agent, by the dialer, previewed; and callbacks."""

from collections.abc import Sequence

from everycall.sandbox.centre import CUSTOMER_FIRST_NAMES, CUSTOMER_LAST_NAMES, Campaign, Queue
from everycall.sandbox.stories.calls import QueuedCall, ending
from everycall.sandbox.stories.parts import (
    Json,
    Moment,
    Stage,
    connected,
    flow_json,
    flowed,
    handling,
    segment,
    session,
    stamp,
    waited,
    with_holds,
)
from everycall.sandbox.stories.story import Story

# Code that the dialer sets: how long the call rings at most, its SIP answer, what the analysis heard.
DISPOSITIONS = {
    "ININ-OUTBOUND-BUSY": ([486], "disposition.classification.callable.busy"),
    "ININ-OUTBOUND-NO-ANSWER": ([480], "disposition.classification.callable.noanswer"),
    "ININ-OUTBOUND-MACHINE": (None, "disposition.classification.callable.machine"),
    "ININ-OUTBOUND-SIT-UNCALLABLE": ([404], "disposition.classification.uncallable.sit"),
    "ININ-OUTBOUND-SIT-CALLABLE": ([503], "disposition.classification.callable.sit"),
    "ININ-OUTBOUND-FAX": (None, "disposition.classification.callable.fax"),
    "ININ-OUTBOUND-ABANDON": (None, "disposition.classification.callable.person"),
    "ININ-OUTBOUND-INVALID-PHONE-NUMBER": ([404], "disposition.classification.uncallable.notfound"),
}


class Dialled(QueuedCall):
    """A call that goes out to a customer."""

    def __init__(self, story: Story) -> None:
        super().__init__(story, "outbound")
        self.campaign: Campaign | None = None
        self.contact_id = self.rng.uuid().replace("-", "")
        self.caller, self.dialled = story.queues[0].number, self.caller

    def leg(self, **more: object) -> Json:
        """The scalars of a session of this call; those of a campaign say which contact it was for."""
        made = super().leg(**more)
        if self.campaign:
            made["outboundCampaignId"] = self.campaign.id
            made["outboundContactId"] = self.contact_id
            made["outboundContactListId"] = self.campaign.contact_list_id
        return made

    def reached(self, queue: Queue, rings: int, answer: int, end: int, disconnect: str) -> None:
        """The customer's leg: it rings, and unless `answer` is `end`, is answered."""
        segments = [
            segment(Stage("dialing", rings, answer), conference=False, disconnect=disconnect if answer == end else "")
        ]
        moments = []
        if answer < end:
            talked = Stage("interact", answer, end)
            segments.append(segment(talked, queue_id=queue.id, disconnect=disconnect, conference=False))
            moments = connected(answer, end)
        stats = self.stats(answer, end, 2) if answer < end else None
        made = session(self.leg(sessionId=self.session_id, recording=answer < end), segments, moments, stats=stats)
        self.story.add("customer", [made], name=self.name, contact_id=self.rng.uuid())


def by_agent(story: Story) -> None:
    """An agent dials on behalf of a queue; one in six is not answered."""
    call = Dialled(story)
    queue = story.queues[0]
    story.traits["conversationInitiator"] = "agent"
    talk_end, wrap_up = ending(story, 0)
    dials = story.start + story.stretch(30, 1_200, 20)
    answer = dials + story.stretch(4_000, 25_000, 250)
    stages = [Stage("contacting", story.start, dials), Stage("dialing", dials, answer)]
    moments = [Moment(dials, "nOutbound", 1), Moment(dials, "nOutboundAttempted", 1)]
    if story.rng.chance(830):
        stages += with_holds(story.rng, answer, talk_end, story.rng.pick((0, 0, 0, 1)))
        moments.append(Moment(answer, "nOutboundConnected", 1))
        call.agent(0, queue, [*stages, *wrap_up], disconnect="peer", moments=moments)
        call.reached(queue, dials, answer, talk_end, "endpoint")
    else:
        stages[1] = Stage("dialing", dials, talk_end)
        _unanswered(call, queue, [*stages, *wrap_up], moments)
        call.reached(queue, dials, talk_end, talk_end, "peer")
    call.finish()


def _unanswered(call: Dialled, queue: Queue, stages: list[Stage], moments: list[Moment]) -> None:
    user = call.story.users[0]
    segments = call.story.segments(stages, queue_id=queue.id, disconnect="client", conference=False)
    made = session(call.inner(), segments, [*handling(stages), *moments])
    call.story.add("agent", [made], user=user)


def _campaign(story: Story) -> Campaign:
    queue = story.queues[0]
    served = [c for c in story.centre.campaigns if c.queue is queue]
    return story.rng.pick(served or list(story.centre.campaigns))


def _dialer(call: Dialled, start: int, end: int, analysed: str, codes: list[Json]) -> None:
    assert call.campaign
    stage = segment(Stage("dialing", start, end), conference=False, disconnect="transfer" if not codes else "system")
    moments = [Moment(start, "nOutboundAttempted", 1), Moment(end, "tDialing", end - start)]
    fields = call.inner(dispositionAnalyzer="default", dispositionName=analysed)
    call.story.add("dialer", [session(fields, [stage, *codes], moments)], name=call.campaign.name)


def by_dialer(story: Story) -> None:
    """The dialer reaches a person, who is put through to an agent."""
    call = Dialled(story)
    call.campaign = _campaign(story)
    story.traits["conversationInitiator"] = "dialer"
    queue = story.queues[0]
    call.selected = story.users[0].id
    answer = story.start + story.stretch(4_000, 22_000, 250)
    _dialer(call, story.start, answer, "disposition.classification.callable.person", [])
    left = answer + story.stretch(1_000, 6_000, 60)
    flow = story.centre.flows["OUTBOUNDCALL"][0]
    flow_fields = flow_json(flow, reason=call.campaign.id, entry="outbound", to=queue)
    stage = segment(Stage("ivr", answer, left), conference=False, disconnect="transfer")
    made = session(call.inner(), [stage], flowed(answer, left, is_left=True), flow=flow_fields)
    story.add("outbound", [made], name=flow.name)
    call.last_agent(0, queue, *call.ring(queue, left))
    call.reached(queue, story.start, answer, call.talk_end, call.customer_end)
    call.finish()


def no_contact(story: Story) -> None:
    """The dialer reaches nobody, or somebody for whom nobody is free; a code of the system says what it was."""
    call = Dialled(story)
    call.campaign = _campaign(story)
    story.traits["conversationInitiator"] = "dialer"
    queue = story.queues[0]
    code = story.codes[0] or "ININ-OUTBOUND-NO-ANSWER"
    answers, analysed = DISPOSITIONS[code]
    end = story.end
    wrap_up = segment(
        Stage("wrapup", end, end), conference=False, disconnect="system", wrapUpCode=code, queue_id=queue.id
    )
    abandoned = code == "ININ-OUTBOUND-ABANDON"
    heard = answers is None
    answer = story.start + (end - story.start) // 2 if heard else end
    _dialer(call, story.start, answer, analysed, [wrap_up])
    call.reached(queue, story.start, answer, end, "endpoint" if abandoned else "system")
    if abandoned:
        leg = story.participants[-1]["sessions"][0]
        leg["metrics"].append({"emitDate": stamp(end), "name": "nOutboundAbandoned", "value": 1})
        leg["metrics"].sort(key=lambda m: (m["emitDate"], m["name"]))
    if answers:
        leg = story.participants[-1]["sessions"][0]
        leg["segments"][-1]["sipResponseCodes"] = answers
    call.finish()


def preview(story: Story) -> None:
    """A contact that the campaign shows to an agent first, who may skip it."""
    rng = story.rng
    campaign = _campaign(story)
    queue, user = story.queues[0], story.users[0]
    name = f"{rng.pick(CUSTOMER_FIRST_NAMES)} {rng.pick(CUSTOMER_LAST_NAMES)}"
    shared: Json = {
        "callbackNumbers": [f"+1202555{rng.below(10_000):04d}"],
        "callbackScheduledTime": stamp(story.start + 3_600_000),
        "callbackUserName": name,
        "direction": "outbound",
        "mediaType": "callback",
        "outboundCampaignId": campaign.id,
        "outboundContactId": rng.uuid().replace("-", ""),
        "outboundContactListId": campaign.contact_list_id,
        "provider": "PureCloud Callback",
        "scriptId": campaign.script_id,
        "skipEnabled": True,
        "timeoutSeconds": 0,
    }
    story.traits["conversationInitiator"] = "campaign"
    answer = story.start + story.stretch(300, 9_000, 100)
    talk_end, wrap_up = ending(story, 0)
    acd = [segment(Stage("interact", story.start, answer), queue_id=queue.id, disconnect="transfer")]
    whole = [segment(Stage("interact", story.start, talk_end), disconnect="peer")]
    stages = [Stage("alert", story.start, answer), Stage("interact", answer, talk_end), *wrap_up]
    alerted = Moment(answer, "tAlert", answer - story.start)
    parts = story.segments(stages, queue_id=queue.id, disconnect="client")
    offered = [Moment(story.start, "nOffered", 1), *waited(story.start, answer)]
    story.add("campaign", [session({**shared, "sessionId": rng.uuid()}, acd, offered)], name=campaign.name)
    story.add("customer", [session({**shared, "sessionId": rng.uuid()}, whole, [])], name=name)
    made = session({**shared, "sessionId": rng.uuid()}, parts, [*handling(stages), alerted])
    story.add("agent", [made], user=user)


class Callback:
    """The callback side of a conversation: customer, queue and agent, each with a session of media callback."""

    def __init__(self, story: Story, number: str, due: int) -> None:
        self.story = story
        self.name = f"{story.rng.pick(CUSTOMER_FIRST_NAMES)} {story.rng.pick(CUSTOMER_LAST_NAMES)}"
        self.shared: Json = {
            "callbackNumbers": [number.removeprefix("tel:")],
            "callbackScheduledTime": stamp(due),
            "callbackUserName": self.name,
            "direction": "inbound",
            "mediaType": "callback",
            "provider": "PureCloud Callback",
            "requestedRoutings": ["Standard"],
            "skipEnabled": False,
            "timeoutSeconds": 0,
        }

    def session(self, segments: list[Json], moments: list[Moment], **more: object) -> Json:
        """A session of this callback."""
        return session({**self.shared, "sessionId": self.story.rng.uuid(), **more}, segments, moments)

    def called_back(self, call: QueuedCall, asked: int, due: int) -> tuple[Json, Json]:
        """Queue and agent from `asked` to the end; returns the customer's two sessions, callback and voice."""
        story = self.story
        queue, user = story.queues[0], story.users[0]
        # What is left is shared out from the end: the wrap-up, the call, the ringing, the alert.
        talk_end, wrap_up = ending(story, 0, 20)
        left = talk_end - due
        answer = talk_end - min(story.rng.between(90_000, 900_000), left * 6 // 10)
        dials = answer + min(story.rng.between(4_000, 20_000), (talk_end - answer) // 10)
        talks = dials + min(story.rng.between(4_000, 25_000), (talk_end - answer) // 5)
        alert = answer - min(story.rng.between(1_500, 12_000), left // 10)
        self._queue(queue, asked, due, answer)
        stages = [Stage("alert", alert, answer), Stage("interact", answer, talk_end), *wrap_up]
        moments = [
            *handling(stages),
            Moment(answer, "tAlert", answer - alert),
            Moment(answer, "tAnswered", answer - due),
            Moment(dials, "nCallbackAttempts", 1),
        ]
        parts = story.segments(stages, queue_id=queue.id, disconnect="client")
        shown = self.session(parts, moments, selectedAgentId=user.id, usedRouting="Standard")
        voice = [Stage("dialing", dials, talks), *with_holds(story.rng, talks, talk_end, 0)]
        outgoing = [Moment(dials, "nOutbound", 1), Moment(talks, "nOutboundConnected", 1), *handling(voice)]
        parts = story.segments(voice, queue_id=queue.id, disconnect="client", conference=False)
        fields = dialled_back(call.inner())
        stats = call.stats(talks, talk_end, 2)
        story.add("agent", [shown, session(fields, parts, outgoing, stats=stats)], user=user)
        return self._customer(call, queue, asked, dials=dials, talks=talks, end=talk_end)

    def given_up(self, asked: int, due: int, end: int) -> Json:
        """Queue and customer of a callback that nobody takes before it is given up; returns the customer's session."""
        rng, queue = self.story.rng, self.story.queues[0]
        why = rng.pick(("client", "client", "timeout", "system", "endpoint"))
        # The metrics of 2026 count it; until then no metric counted a callback that was abandoned.
        moments = [Moment(end, "tCallbackAbandon", end - due)] if rng.chance(500) else []
        self._queue(queue, asked, due, end, why, moments)
        return self.session(
            [segment(Stage("interact", asked, end), queue_id=queue.id, disconnect=why)],
            connected(asked, end),
        )

    def _queue(
        self, queue: Queue, asked: int, due: int, end: int, why: str = "transfer", more: Sequence[Moment] = ()
    ) -> None:
        stages = [Stage("scheduled", asked, due), Stage("interact", due, end)]
        segments = [
            segment(stages[0], queue_id=queue.id),
            segment(stages[1], queue_id=queue.id, disconnect=why),
        ]
        moments = [
            Moment(asked, "nCallbackScheduled", 1),
            Moment(due, "nOffered", 1),
            *waited(due, end),
            *more,
        ]
        self.story.add("acd", [self.session(segments, moments)], name=queue.name)

    def _customer(
        self, call: QueuedCall, queue: Queue, asked: int, *, dials: int, talks: int, end: int
    ) -> tuple[Json, Json]:
        waits = self.session(
            [segment(Stage("interact", asked, end), queue_id=queue.id, disconnect="peer")],
            connected(asked, end),
        )
        segments = [
            segment(Stage("dialing", dials, talks), conference=False),
            segment(Stage("interact", talks, end), queue_id=queue.id, disconnect="endpoint", conference=False),
        ]
        fields = dialled_back({**call.leg(), "sessionId": self.story.rng.uuid()})
        return waits, session(fields, segments, connected(talks, end), stats=call.stats(talks, end, 2))


def dialled_back(leg: Json) -> Json:
    """A leg of the call back: it goes out, so the org's number is the `ani` and the caller's the `dnis`."""
    return {**leg, "ani": leg["dnis"], "direction": "outbound", "dnis": leg["ani"], "sessionDnis": leg["ani"]}


def callback_requested(story: Story) -> None:
    """A caller in the queue asks to be called back, and is, minutes or hours later."""
    call, asked = _asked_for_callback(story)
    due = asked + story.stretch(1_000, 60_000, 50)
    story.participants[0]["sessions"] += Callback(story, call.caller, asked).called_back(call, asked, due)
    call.finish()


def callback_abandoned(story: Story) -> None:
    """A caller in the queue asks to be called back; before anyone does, it is given up."""
    call, asked = _asked_for_callback(story)
    due = asked + story.stretch(1_000, 60_000, 50)
    story.participants[0]["sessions"].append(Callback(story, call.caller, asked).given_up(asked, due, story.end))
    call.finish()


def _asked_for_callback(story: Story) -> tuple[QueuedCall, int]:
    """The call in which the caller leaves the queue for a callback; returns when."""
    call = QueuedCall(story)
    queue = story.queues[0]
    waiting = call.enqueue(queue, 4_000, 30_000, 60)
    asked = waiting + story.stretch(20_000, 120_000, 60)
    call.flow_out(queue, waiting, asked, "callback")
    left = asked + story.stretch(4_000, 30_000, 30)
    call.ivr_after(asked, left, issued_callback=True)
    call.caller_leg(left, "peer", [(queue, 0)])
    return call, asked


def callback_scheduled(story: Story) -> None:
    """A callback that was scheduled beforehand, for later today or another day."""
    call = QueuedCall(story)
    story.traits["conversationInitiator"] = story.rng.pick(("api", "agent", "customer"))
    due = story.start + (story.end - story.start) * story.rng.between(500, 900) // 1000
    callback = Callback(story, call.caller, due)
    waits, talks = callback.called_back(call, story.start, due)
    story.add("customer", [waits, talks], first=True, name=callback.name)
    call.finish()
