"""Chats, e-mails and messages: flows and bots, queue, agents who may come back to it for days."""

from collections.abc import Sequence

from everycall.sandbox.centre import CUSTOMER_FIRST_NAMES, CUSTOMER_LAST_NAMES, FIRST_NAMES, LAST_NAMES, Flow, Queue
from everycall.sandbox.stories.calls import ROUTINGS, ending
from everycall.sandbox.stories.parts import (
    Json,
    Moment,
    Stage,
    by_name,
    connected,
    flow_json,
    flowed,
    handling,
    segment,
    session,
    stamp,
    unanswered,
    waited,
    with_holds,
)
from everycall.sandbox.stories.story import Story
from everycall.sandbox.traffic import FOREVER_MS

SUBJECTS = (
    "Your invoice of last month",
    "Re: order 48213",
    "Fwd: Router keeps restarting",
    "Complaint",
    "Address change",
    'Re: Re: Return of the blue one, "size M"',
    "Änderung meiner Bankverbindung",
    "=IMPORTANT= please read",
    "ご注文について",
)
_HOUR = 3_600_000


class Thread:
    """One written conversation in a story: what all its legs share."""

    def __init__(self, story: Story, media: str, fields: Json) -> None:
        self.story = story
        self.rng = story.rng
        self.media = media
        self.fields = fields
        self.name = f"{self.rng.pick(CUSTOMER_FIRST_NAMES)} {self.rng.pick(CUSTOMER_LAST_NAMES)}"
        self.session_id = self.rng.uuid()
        self.routing = self.rng.pick(ROUTINGS)
        self.selected: str | None = None
        self.on_segments: Json = {}

    def leg(self, **more: object) -> Json:
        """The scalars of a session of this thread."""
        given = {name: value for name, value in more.items() if value}
        return {"direction": self.story.sketch.originating_direction, "mediaType": self.media, **self.fields, **given}

    def inner(self, **more: object) -> Json:
        """The scalars of a session other than the customer's: the two addresses change sides."""
        made = self.leg(peerId=self.session_id, remote=self.name, sessionId=self.rng.uuid(), **more)
        if "addressSelf" in made:
            made["addressSelf"], made["addressOther"] = made["addressOther"], made["addressSelf"]
        return made

    def routed(self, selected: str | None = None) -> Json:
        """What routing leaves on the legs that it is about."""
        made: Json = {"requestedRoutings": [self.routing]}
        if selected or self.selected:
            made["selectedAgentId"] = selected or self.selected
            made["usedRouting"] = self.routing
        return made

    def part(self, stage: Stage, queue: Queue | None, disconnect: str) -> Json:
        """A segment of this thread; there is no `conference` on written ones."""
        return segment(stage, queue_id=queue.id if queue else "", disconnect=disconnect, **self.on_segments)

    def customer(
        self, purpose: str, stays: Sequence[tuple[Queue | None, int, int]], disconnect: str, **more: object
    ) -> None:
        """The customer's leg, first in the story; `stays` gives queue, start and end of each stretch."""
        segments = [
            self.part(Stage("interact", start, end), queue, disconnect if at == len(stays) - 1 else "")
            for at, (queue, start, end) in enumerate(stays)
        ]
        moments = connected(stays[0][1], stays[-1][2])
        fields = self.leg(sessionId=self.session_id, **self.routed(), **more)
        self.story.add(
            purpose,
            [session(fields, segments, moments)],
            first=True,
            name=self.name,
            contact_id=self.rng.uuid() if self.rng.chance(400) else "",
        )

    def customer_again(self, queue: Queue, start: int, end: int, disconnect: str) -> None:
        """One more session of the customer, who is the first participant already."""
        part = self.part(Stage("interact", start, end), queue, disconnect)
        made = session(self.leg(sessionId=self.rng.uuid()), [part], connected(start, end))
        self.story.participants[0]["sessions"].append(made)

    def flow(self, flow: Flow, start: int, end: int, to: Queue | Flow | None, purpose: str = "workflow") -> None:
        """A flow's leg, on to a queue or another flow, or to the end."""
        moments = flowed(start, end, is_left=bool(to))
        if purpose == "botflow":
            moments.append(Moment(end, "nBotInteractions", 1 + (end - start) // 20_000))
        flow_fields = flow_json(
            flow,
            reason=self.fields.get("addressTo", "web"),
            entry="flow" if purpose == "botflow" else "direct",
            to=to,
            outcomes=[self._intent(flow, start, end, "FAILURE" if to else "SUCCESS")] if purpose == "botflow" else None,
        )
        stage = self.part(Stage("interact", start, end), None, "transfer" if to else "client")
        made = session(self.inner(flowOutType="acd" if to else ""), [stage], moments, flow=flow_fields)
        self.story.add(purpose, [made], name=flow.name)

    def _intent(self, bot: Flow, start: int, end: int, value: str) -> Json:
        return {
            "flowOutcome": "Intent found",
            "flowOutcomeEndTimestamp": stamp(end),
            "flowOutcomeId": self.rng.pick(bot.outcome_ids),
            "flowOutcomeStartTimestamp": stamp(start),
            "flowOutcomeValue": value,
        }

    def wait(self, queue: Queue, start: int, end: int, disconnect: str = "transfer", *, abandoned: bool = False) -> int:
        """The acd leg: one interact segment and no delay. Returns how long the wait was."""
        moments = [Moment(start, "nOffered", 1), *waited(start, end, *["tAbandon"] * abandoned)]
        if not abandoned and queue.service_levels[self.media][1] < end - start < FOREVER_MS // 2:
            moments.append(Moment(end, "nOverSla", 1))
        stage = segment(
            Stage("interact", start, end),
            queue_id=queue.id,
            disconnect=disconnect,
            requestedRoutingSkillIds=list(queue.skill_ids) or None,
            **self.on_segments,
        )
        proposed, groups = None, None
        if self.routing == "Preferred" and self.story.users:
            users = dict.fromkeys(self.story.users)
            proposed = [{"agentRank": n + 1, "proposedAgentId": u.id} for n, u in enumerate(users)]
            groups = [{"agentGroupId": self.story.centre.group_ids[0], "agentGroupType": "Group"}]
        fields = self.inner(flowInType="workflow", **self.routed())
        made = session(fields, [stage], moments, proposed=proposed, groups=groups)
        self.story.add("acd", [made], name=queue.name)
        return end - start

    def miss(self, number: int, queue: Queue, start: int, end: int) -> None:
        """An alert that the user of that number let pass."""
        user = self.story.users[number]
        part = self.part(Stage("alert", start, end), queue, "client")
        made = session(self.inner(**self.routed(user.id)), [part], unanswered(start, end))
        self.story.add("agent", [made], user=user)

    def visit(
        self, number: int, queue: Queue, stages: list[Stage], disconnect: str, *, waited: int = -1, replies: int = 0
    ) -> Json:
        """A session of the user of that number."""
        moments = handling(stages)
        if stages[0].type == "alert":
            moments.append(Moment(stages[0].end, "tAlert", stages[0].end - stages[0].start))
            moments.append(Moment(stages[0].end, "tAnswered", max(waited, 0)))
        moments += self._replies(stages, replies)
        segments = [
            by_name({**s, **self.on_segments})
            for s in self.story.segments(stages, number=number, queue_id=queue.id, disconnect=disconnect)
        ]
        fields = self.inner(**self.routed(), mediaCount=self.rng.below(3))
        if stages[-1].type != "wrapup":
            fields["acwSkipped"] = True
        return session(fields, segments, moments)

    def _replies(self, stages: list[Stage], replies: int) -> list[Moment]:
        talked = [s for s in stages if s.type == "interact"]
        parked = [s for s in stages if s.type == "parked"]
        moments = [Moment(s.end, "tPark", s.end - s.start) for s in parked]
        if parked:
            moments.append(Moment(parked[-1].end, "tParkComplete", sum(s.end - s.start for s in parked)))
        start, end = talked[0].start, talked[-1].end
        if not replies or end >= FOREVER_MS or end - start < 10 * replies:
            return moments
        width = (end - start) // replies
        for n in range(replies):
            length = 1 + self.rng.below(min(width, 240_000))
            at = start + n * width + length
            moments += [Moment(at, "oMessageTurn", 1), Moment(at, "tAgentResponseTime", length)]
        return [*moments, Moment(end, "oMediaCount", 1), Moment(end, "oMessageCount", 2 * replies)]

    def agent(self, number: int, sessions: list[Json]) -> None:
        """The participant of the user of that number."""
        user = self.story.users[number]
        self.story.add("agent", sessions, user=user)


def _chat(story: Story) -> Thread:
    room = f"acd-{story.rng.uuid()}@conference.example.org"
    fields: Json = {"provider": "PureCloud Webchat v2", "roomId": room}
    if story.rng.chance(300):
        fields.update(
            journeyCustomerId=story.rng.uuid(),
            journeyCustomerIdType="cookie",
            journeyCustomerSessionId=story.rng.uuid(),
            journeyCustomerSessionIdType="web",
        )
    return Thread(story, "chat", fields)


def chat(story: Story, misses: tuple[int, ...] = ()) -> None:
    """A web chat that an agent answers."""
    thread = _chat(story)
    queue = story.queues[0]
    number = len(misses)
    thread.selected = story.users[number].id
    entry = story.start + story.stretch(2, 900, 5)
    at = entry + story.stretch(100, 900, 5)
    for missed in misses:
        until = at + story.stretch(9_000, 30_000, 80)
        thread.miss(missed, queue, at, until)
        at = until + story.stretch(50, 500, 3)
    answer = at + story.stretch(1_500, 90_000, 150)
    patience = thread.wait(queue, entry, answer)
    talk_end, wrap_up = ending(story, number)
    talked = with_holds(story.rng, answer, talk_end, story.rng.pick((0, 0, 0, 1)))
    stages = [Stage("alert", at, answer), *talked, *wrap_up]
    thread.agent(
        number, [thread.visit(number, queue, stages, "peer", waited=patience, replies=story.rng.between(1, 4))]
    )
    if story.rng.chance(50):
        thread.on_segments = {
            "properties": [{"property": "recordingId", "propertyType": "uuid", "value": story.rng.uuid()}]
        }
    thread.customer("customer", [(queue, story.start, talk_end)], story.rng.pick(("timeout", "client", "client")))


def chat_missed(story: Story) -> None:
    """The first user lets the chat pass."""
    chat(story, (0,))


def chat_abandoned(story: Story) -> None:
    """The customer closes the window while waiting."""
    thread = _chat(story)
    entry = story.start + story.stretch(2, 900, 50)
    thread.wait(story.queues[0], entry, story.end, "peer", abandoned=True)
    thread.customer("customer", [(story.queues[0], story.start, story.end)], "client")


def _mail(story: Story) -> Thread:
    rng = story.rng
    who = f"{rng.pick(FIRST_NAMES)}.{rng.pick(LAST_NAMES)}".lower() + "@example.org"
    box = story.queues[0].mailbox
    sender, receiver = (who, box) if story.sketch.originating_direction == "inbound" else (box, who)
    fields: Json = {"addressFrom": sender, "addressTo": receiver, "addressSelf": who, "addressOther": box}
    if rng.chance(120):
        fields["cc"] = [f"{rng.pick(FIRST_NAMES).lower()}@example.org"]
    thread = Thread(story, "email", fields)
    thread.on_segments = {"subject": rng.pick(SUBJECTS)}
    return thread


def email(story: Story) -> None:
    """An e-mail sorted by a flow, answered by an agent; most of the time it waits."""
    talked = story.stretch(90_000, 1_800_000, 400)
    _answered_mail(story, (story.end - story.start) * 9 // 10 - talked, parks=0)


def email_for_days(story: Story) -> None:
    """An e-mail that an agent parks overnight, more than once."""
    _answered_mail(story, story.stretch(60_000, 20 * _HOUR, 500), parks=story.rng.between(1, 3))


def _answered_mail(story: Story, waits: int, parks: int) -> None:
    thread = _mail(story)
    queue = story.queues[0]
    thread.selected = story.users[0].id
    sorted_at = _sorted(story, thread)
    answer = sorted_at + waits
    alert = max(sorted_at, answer - story.stretch(2_000, 25_000, 30))
    patience = thread.wait(queue, sorted_at, answer)
    talk_end, wrap_up = ending(story, 0, 80)
    stages = [Stage("alert", alert, answer), *_with_parks(story, answer, talk_end, parks), *wrap_up]
    thread.agent(0, [thread.visit(0, queue, stages, "client", waited=patience, replies=story.rng.below(3))])
    thread.customer("external", [(queue, story.start, talk_end)], "peer")


def email_reopened(story: Story) -> None:
    """An e-mail that is answered and over, and that the agent opens again hours or days later."""
    assert story.sketch.rest
    thread = _mail(story)
    queue = story.queues[0]
    over, again = story.sketch.rest
    thread.selected = story.users[0].id
    sorted_at = _sorted(story, thread)
    answer = sorted_at + story.stretch(60_000, 20 * _HOUR, 40)
    patience = thread.wait(queue, sorted_at, answer)
    visits, stays = [], []
    for number, start, end in ((1, answer, over), (0, again, story.end)):
        talk_end, wrap_up = ending(story, number, 20, end)
        stages = [Stage("interact", start, talk_end), *wrap_up]
        stages = [Stage("alert", sorted_at, answer), *stages] if start == answer else stages
        visits.append(thread.visit(number, queue, stages, "client", waited=patience, replies=1))
        stays.append((queue, story.start if start == answer else start, talk_end))
    thread.agent(0, visits)
    thread.customer("external", stays[:1], "peer")
    thread.customer_again(queue, again, stays[1][2], "peer")


def _sorted(story: Story, thread: Thread) -> int:
    """The flow that sorts mails; returns when the queue has it."""
    sorted_at = story.start + story.stretch(200, 9_000, 20)
    thread.flow(story.rng.pick(story.centre.flows["INBOUNDEMAIL"]), story.start, sorted_at, story.queues[0])
    return sorted_at


def _with_parks(story: Story, start: int, end: int, parks: int) -> list[Stage]:
    """Short work with long parks in between."""
    if not parks:
        return [Stage("interact", start, end)]
    stages, at, width = [], start, (end - start) // parks
    for n in range(1, parks + 1):
        stops = at + min(story.rng.between(40_000, 1_500_000), width // 4)
        resumes = start + width * n - min(story.rng.between(40_000, 1_500_000), width // 4)
        stages += [Stage("interact", at, stops), Stage("parked", stops, resumes)]
        at = resumes
    return [*stages, Stage("interact", at, end)]


def email_transferred(story: Story) -> None:
    """An e-mail that a first agent sends on to another queue."""
    thread = _mail(story)
    first, second = story.queues
    thread.selected = story.users[0].id
    sorted_at = _sorted(story, thread)
    answer = sorted_at + story.stretch(60_000, 4 * _HOUR, 300)
    patience = thread.wait(first, sorted_at, answer)
    moved = answer + story.stretch(30_000, _HOUR, 200)
    stages = [Stage("alert", sorted_at, answer), Stage("interact", answer, moved)]
    made = thread.visit(0, first, stages, "transfer", waited=patience)
    made["metrics"] = _with_transfer(made["metrics"], stamp(moved))
    thread.agent(0, [made])
    thread.selected = story.users[1].id
    again = moved + story.stretch(60_000, 4 * _HOUR, 300)
    patience = thread.wait(second, moved, again)
    talk_end, wrap_up = ending(story, 1, 80)
    stages = [Stage("alert", moved, again), Stage("interact", again, talk_end), *wrap_up]
    thread.agent(1, [thread.visit(1, second, stages, "client", waited=patience, replies=1)])
    thread.customer("external", [(first, story.start, moved), (second, moved, talk_end)], "peer")


def _with_transfer(metrics: list[Json], at: str) -> list[Json]:
    more = [{"emitDate": at, "name": name, "value": 1} for name in ("nBlindTransferred", "nTransferred")]
    return sorted([*metrics, *more], key=lambda m: (m["emitDate"], m["name"]))


def email_stuck(story: Story) -> None:
    """An e-mail that nobody ever takes out of the queue."""
    thread = _mail(story)
    queue = story.queues[0]
    sorted_at = _sorted(story, thread)
    thread.wait(queue, sorted_at, FOREVER_MS)
    thread.customer("external", [(queue, story.start, FOREVER_MS)], "")


def email_by_agent(story: Story) -> None:
    """An e-mail that an agent writes of their own accord."""
    thread = _mail(story)
    queue = story.queues[0]
    talk_end, wrap_up = ending(story, 0)
    writes = story.start + story.stretch(50, 900, 20)
    stages = [Stage("contacting", story.start, writes), Stage("interact", writes, talk_end), *wrap_up]
    made = thread.visit(0, queue, stages, "client")
    thread.customer("external", [(queue, writes, talk_end)], "peer")
    thread.agent(0, [made])


def _web(story: Story) -> Thread:
    rng = story.rng
    fields: Json = {
        "addressFrom": rng.uuid(),
        "addressTo": story.centre.flows["INBOUNDSHORTMESSAGE"][0].id,
        "authenticated": rng.chance(300),
        "engagementSource": "WebChat",
        "journeyCustomerId": rng.uuid(),
        "journeyCustomerIdType": "cookie",
        "messageType": "webmessaging",
        "provider": "PureCloud Messaging",
    }
    if rng.chance(200):
        story.traits["inactivityTimeout"] = stamp(story.sketch.start_ms + 72 * _HOUR)
    return Thread(story, "message", fields)


def _mobile(story: Story, message_type: str) -> Thread:
    number = f"+1202555{story.rng.below(10_000):04d}"
    own = "+12025550177" if message_type == "sms" else "+12025550188"
    fields: Json = {
        "addressFrom": number,
        "addressTo": own,
        "addressSelf": number,
        "addressOther": own,
        "engagementSource": "SMS" if message_type == "sms" else "WhatsApp",
        "messageType": message_type,
        "provider": "PureCloud Messaging",
    }
    return Thread(story, "message", fields)


def message_web(story: Story) -> None:
    """A web message: entry flow, bot, queue, agent; the customer leaves and comes back."""
    thread = _web(story)
    queue = story.queues[0]
    entered = _entry(story, thread, 300)
    _handled_message(story, thread, queue, entered)


def _entry(story: Story, thread: Thread, per_mille: int) -> int:
    """The entry flow and, so many times in a thousand, no bot after it; returns when the queue takes over."""
    flow = story.centre.flows["INBOUNDSHORTMESSAGE"][0]
    bot = story.rng.pick(story.centre.flows["DIGITALBOT"] + story.centre.flows["BOT"])
    greeted = story.start + story.stretch(30, 900, 10)
    if story.rng.chance(per_mille):
        thread.flow(flow, story.start, greeted, story.queues[0])
        return greeted
    left = greeted + story.stretch(8_000, 120_000, 150)
    thread.flow(flow, story.start, greeted, bot)
    thread.flow(bot, greeted, left, story.queues[0], "botflow")
    return left


def _handled_message(story: Story, thread: Thread, queue: Queue, entered: int) -> None:
    rng = story.rng
    thread.selected = story.users[0].id
    answer = entered + story.stretch(3_000, 400_000, 150)
    alert = answer - min(answer - entered, rng.between(1_000, 20_000))
    patience = thread.wait(queue, entered, answer)
    talk_end, wrap_up = ending(story, 0, 60)
    visits = rng.pick((1, 1, 1, 2, 3, 5)) if talk_end - answer > 1_200_000 else 1
    stretches = with_holds(rng, answer, talk_end, visits - 1)
    sessions, stays = [], []
    for at, stage in enumerate(s for s in stretches if s.type == "interact"):
        stages = [Stage("alert", alert, answer), stage] if at == 0 else [stage]
        last = at == visits - 1
        stages += wrap_up if last else []
        why = "client" if last else "inactivity"
        sessions.append(thread.visit(0, queue, stages, why, waited=patience, replies=rng.between(1, 3)))
        stays.append((queue, stage.start, stage.end))
    thread.agent(0, sessions)
    delivery: dict[str, object] = {}
    if thread.fields["messageType"] != "webmessaging":
        delivery = {
            "deliveryStatus": rng.pick(("Sent", "Received", "Read", "DeliverySuccess", "DeliveryFailed")),
            "deliveryStatusChangeDate": stamp(min(answer + 2_000, talk_end)),
        }
    thread.customer("customer", [(queue, story.start, talk_end)], "peer", **delivery)
    for _, start, end in stays[1:]:
        thread.customer_again(queue, start, end, "client")


def message_bot(story: Story) -> None:
    """A web message that the bot settles by itself."""
    thread = _web(story)
    bot = story.rng.pick(story.centre.flows["DIGITALBOT"])
    greeted = story.start + story.stretch(30, 900, 50)
    thread.flow(story.centre.flows["INBOUNDSHORTMESSAGE"][0], story.start, greeted, bot)
    thread.flow(bot, greeted, story.end, None, "botflow")
    story.traits["selfServed"] = True
    if story.rng.chance(400):
        story.traits["knowledgeBaseIds"] = [story.rng.uuid()]
    thread.customer("customer", [(None, story.start, story.end)], "client")


def message_sms(story: Story) -> None:
    """A text message that an agent answers."""
    thread = _mobile(story, "sms")
    _handled_message(story, thread, story.queues[0], _entry(story, thread, 900))


def message_whatsapp(story: Story) -> None:
    """A WhatsApp message that an agent answers."""
    thread = _mobile(story, "whatsapp")
    _handled_message(story, thread, story.queues[0], _entry(story, thread, 500))
