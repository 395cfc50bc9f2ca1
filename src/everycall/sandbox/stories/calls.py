"""The legs of telephone calls: customer, menu, queue, agents, voicemail."""

from collections.abc import Sequence

from everycall.sandbox.centre import Flow, Queue
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
    unanswered,
    waited,
    with_holds,
)
from everycall.sandbox.stories.story import Story
from everycall.sandbox.traffic import FOREVER_MS

REGIONS = (
    "National", "Washington, DC", "Mobile", "Anonymous", "Fairweather, Ada", "+1 202-555-0148", "Zürich (CH)",
    "Weißmüller, Jörg", 'Joe "Mac" Núñez', "=Unknown", "東京",
)  # fmt: skip
ROUTINGS = (
    *("Standard",) * 52, *("Preferred",) * 3, *("Bullseye",) * 3, *("Predictive",) * 2, *("Last",) * 2, "Direct", "Vip",
)  # fmt: skip
"""How conversations are routed, by weight: most of them in the standard way, as in captures of real orgs."""


class Call:
    """One telephone call in a story: what all its legs share."""

    def __init__(self, story: Story, direction: str = "inbound") -> None:
        self.story = story
        rng = story.rng
        self.rng = rng
        self.direction = direction
        self.caller = f"tel:+1202555{rng.below(10_000):04d}"
        self.dialled = story.queues[0].number if story.queues else "tel:+12025550100"
        self.name = rng.pick(REGIONS)
        self.session_id = rng.uuid()
        self.call_id = rng.uuid()
        self.edge_id = story.centre.edge_ids[rng.below(6)]
        self.routing = rng.pick(ROUTINGS)
        self.selected: str | None = None
        self.mos: list[tuple[float, float]] = []
        # The telephone network needs a moment before anyone hears anything.
        self.connected = story.start + story.stretch(40, 320, 20)

    def leg(self, **more: object) -> Json:
        """The scalars of a session of this call."""
        made: Json = {
            "ani": self.caller,
            "direction": self.direction,
            "dnis": self.dialled,
            "edgeId": self.edge_id,
            "mediaType": "voice",
            "protocolCallId": f"{self.call_id}@192.0.2.{self.rng.between(1, 254)}",
            "provider": "Edge",
            "remoteNameDisplayable": self.name,
            "sessionDnis": self.dialled,
        }
        for name, value in more.items():
            if value:
                made[name] = value
        return made

    def inner(self, **more: object) -> Json:
        """The scalars of a session other than the customer's."""
        return self.leg(peerId=self.session_id, remote=self.name, sessionId=self.rng.uuid(), **more)

    def routed(self, selected: str | None = None) -> Json:
        """What routing leaves on the legs that it is about; who was selected only where one was."""
        made: Json = {"requestedRoutings": [self.routing] if self.routing == "Standard" else [self.routing, "Standard"]}
        if selected or self.selected:
            made["selectedAgentId"] = selected or self.selected
            made["usedRouting"] = self.routing
        return made

    def stats(self, start: int, end: int, count: int) -> list[Json]:
        """Media statistics of a leg; nothing for one that never ends."""
        if end >= FOREVER_MS:
            return []
        spans = [(start + (end - start) * (n + 1) // count, (end - start) // count) for n in range(count)]
        return [self._stat(at, length, n) for n, (at, length) in enumerate(spans)]

    def _stat(self, at: int, length: int, number: int) -> Json:
        rng = self.rng
        quality = rng.real(89.5, 93.2) if rng.below(40) else rng.real(55.0, 89.5)
        wide = number % 3 < 2
        # Fits the pairs of MOS and R factor in the captures for wide-band opus; the formula of ITU-T G.107 for PCMU.
        mos = 4.8987 - (93.175 - quality) * 0.0238 if wide else _narrow_band_mos(quality)
        self.mos.append((mos, quality))
        made: Json = {"codecs": ["audio/opus" if wide else "audio/PCMU"]}
        if not rng.below(4):
            made["discardedPackets"] = rng.between(1, 40)
        made["eventTime"] = stamp(at)
        made["maxLatencyMs"] = rng.between(20, 90)
        made["minMos"] = mos
        made["minRFactor"] = quality
        made["receivedPackets"] = length // 20
        return made

    def caller_leg(self, end: int, disconnect: str, stays: Sequence[tuple[Queue | None, int]] = ()) -> None:
        """The customer's leg, first in the story: connected until `end`, in the care of one queue after another.

        `stays` gives each queue with the instant at which the customer comes into its care.
        """
        story, rng = self.story, self.rng
        turns = [(queue, max(at, self.connected)) for queue, at in stays] or [(None, self.connected)]
        turns[0] = (turns[0][0], self.connected)
        segments = [segment(Stage("system", story.start, self.connected), conference=False)]
        for (queue, at), (_, until) in zip(turns, [*turns[1:], (None, end)], strict=True):
            last = until == end
            segments.append(
                segment(
                    Stage("interact", at, until),
                    queue_id=queue.id if queue else "",
                    disconnect=disconnect if last else "",
                    conference=False,
                    q850ResponseCodes=[16] if last and rng.chance(150) else None,
                )
            )
        moments = connected(self.connected, end)
        fields = self.leg(sessionId=self.session_id, recording=rng.chance(900), **self.routed())
        made = session(fields, segments, moments, stats=self.stats(self.connected, end, rng.between(2, 3)))
        story.add(
            "customer",
            [made],
            first=True,
            name=self.name,
            contact_id=rng.uuid() if rng.chance(600) else "",
        )

    def finish(self) -> None:
        """What the whole conversation takes from the call."""
        if self.mos:
            self.story.traits["mediaStatsMinConversationMos"] = min(m for m, _ in self.mos)
            self.story.traits["mediaStatsMinConversationRFactor"] = min(r for _, r in self.mos)

    def ivr(self, until: int, *, to: Queue | None, ending: str = "", flow: Flow | None = None) -> int:
        """The menu: from the connection to `until`, and on to a queue or to an `ending`; returns `until`."""
        rng = self.rng
        flow = flow or rng.pick(self.story.centre.flows["INBOUNDCALL"])
        begin = self.connected - (self.connected - self.story.start) * 3 // 4
        stages = [Stage("system", self.story.start, begin), Stage("ivr", begin, until)]
        moments = flowed(min(self.connected, until), until, is_left=bool(to))
        moments.append(Moment(until, "tIvr", until - begin))
        flow_fields = flow_json(
            flow,
            reason=self.dialled,
            language=rng.pick(("en-us", "en-us", "de-de", "es-us")),
            to=to,
            outcomes=None if rng.below(3) else self._outcomes(flow, begin, until, moments),
        )
        segments = [
            segment(stages[0], conference=False),
            segment(stages[1], conference=False, disconnect=ending or "transfer"),
        ]
        made = session(self.inner(), segments, moments, stats=self.stats(begin, until, 1), flow=flow_fields)
        self.story.add("ivr", [made], name=flow.name)
        return until

    def _outcomes(self, flow: Flow, begin: int, until: int, moments: list[Moment]) -> list[Json]:
        value = self.rng.pick(("SUCCESS", "SUCCESS", "SUCCESS", "FAILURE"))
        moments.append(Moment(until, "nFlowOutcome", 1))
        moments.append(Moment(until, "tFlowOutcome", until - begin))
        if value == "FAILURE":
            moments.append(Moment(until, "nFlowOutcomeFailed", 1))
        return [
            {
                "flowOutcome": self.rng.pick(("Menu used", "Identified", "Balance given")),
                "flowOutcomeEndTimestamp": stamp(until),
                "flowOutcomeId": self.rng.pick(flow.outcome_ids),
                "flowOutcomeStartTimestamp": stamp(begin),
                "flowOutcomeValue": value,
            }
        ]


def _narrow_band_mos(r: float) -> float:
    return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6


class QueuedCall(Call):
    """A call that comes to a queue: waits, alerts, agents."""

    rang = 0
    talk_end = 0
    customer_end = "peer"

    def flow_out(self, queue: Queue, start: int, end: int, kind: str) -> int:
        """The acd leg of who leaves the queue unanswered, and how long the wait was. The kinds are guesses."""
        return self.wait(queue, start, end, "transfer", waited(start, end, "tFlowOut"), kind)

    def wait(
        self,
        queue: Queue,
        start: int,
        end: int,
        ending: str = "transfer",
        moments: Sequence[Moment] = (),
        flow_out_type: str = "",
    ) -> int:
        """The acd leg from start to end, and how long the wait was; without other `moments` it was answered."""
        offered = start + min(self.rng.between(12, 60), (end - start) // 3)
        stages = [Stage("delay", start, offered), Stage("interact", offered, end)]
        if not self.rng.below(12):
            stages = [Stage("interact", start, end)]
            offered = start
        emitted = [Moment(offered, "nOffered", 1), *(moments or waited(offered, end))]
        # Only what is answered is over the target: the vendor's service level subtracts it from the answered ones.
        if not moments and end - offered > queue.service_levels["call"][1]:
            emitted.append(Moment(end, "nOverSla", 1))
        asked: Json = {}
        if queue.skill_ids and not self.rng.below(2):
            asked["requestedRoutingSkillIds"] = list(queue.skill_ids)
        if queue.language_id and not self.rng.below(2):
            asked["requestedLanguageId"] = queue.language_id
        if self.routing == "Predictive":
            users = self.story.users[:2]
            asked["scoredAgents"] = [
                {"agentScore": self.rng.between(20, 99), "scoredAgentId": u.id} for u in dict.fromkeys(users)
            ]
        last = segment(
            stages[-1],
            queue_id=queue.id,
            disconnect=ending,
            conference=False,
            sipResponseCodes=[410] if ending == "transfer" and self.rng.below(20) else None,
            **asked,
        )
        segments = [*(segment(s, queue_id=queue.id, conference=False) for s in stages[:-1]), last]
        fields = self.inner(
            flowInType="ivr",
            flowOutType=flow_out_type,
            destinationAddresses=[f"sip:{queue.mailbox.replace('@', '%40')}@localhost"],
            **self.routed(),
        )
        if self.routing == "Bullseye":
            fields["routingRing"] = self.rng.between(1, 3)
        stats = self.stats(offered, end, 1) if end - offered > 5000 else None
        made = session(fields, segments, emitted, stats=stats)
        self.story.add("acd", [made], name=queue.name)
        return end - offered

    def miss(self, number: int, queue: Queue, start: int, end: int) -> None:
        """An alert that the user of that number did not answer."""
        user = self.story.users[number]
        stages = [Stage("alert", start, end)]
        moments = unanswered(start, end)
        broken = not self.rng.below(8)
        segments = [
            segment(
                stages[0],
                queue_id=queue.id,
                disconnect="error" if broken else "client",
                conference=False,
                errorCode="error.ininedgecontrol.connection.protocol" if broken else None,
                sipResponseCodes=[480] if broken else None,
            )
        ]
        code = self.story.codes[number]
        if not broken and code and not self.rng.below(4):
            stages.append(Stage("wrapup", end, end + self.story.stretch(400, 6000, 40)))
            segments += self.story.segments([stages[0], stages[1]], number=number, queue_id=queue.id, conference=False)[
                1:
            ]
            moments += handling(stages)
        fields = self.inner(**self.routed(user.id))
        self.story.add("agent", [session(fields, segments, moments)], user=user)

    def agent(
        self,
        number: int,
        queue: Queue | None,
        stages: list[Stage],
        *,
        disconnect: str,
        moments: Sequence[Moment] = (),
        answered_after: int = -1,
        purpose: str = "agent",
        segments: list[Json] | None = None,
    ) -> None:
        """The leg of a user who was alerted (the first stage) and talked."""
        user = self.story.users[number]
        emitted = [*handling(stages), *moments]
        if stages[0].type == "alert":
            emitted.append(Moment(stages[0].end, "tAlert", stages[0].end - stages[0].start))
        if answered_after >= 0:
            emitted.append(Moment(stages[0].end, "tAnswered", answered_after))
        fields = self.inner(**self.routed())
        fields["sessionDnis"] = user.station
        if stages[-1].type != "wrapup":
            fields["acwSkipped"] = True
        if self.rng.chance(300):
            fields["scriptId"] = self.story.centre.campaigns[0].script_id
        segments = segments or self.story.segments(
            stages, number=number, queue_id=queue.id if queue else "", disconnect=disconnect, conference=False
        )
        talked = [s for s in stages if s.type == "interact"]
        stats = self.stats(talked[0].start, talked[-1].end, 2)
        made = session(fields, segments, emitted, stats=stats)
        self.story.add(purpose, [made], user=user, flagged=self.rng.chance(5))

    def ivr_after(self, start: int, end: int, *, issued_callback: bool = False) -> None:
        """The flow that takes a call out of a queue."""
        flow = self.rng.pick(self.story.centre.flows["INQUEUECALL"])
        moments = [*flowed(start, end, is_left=False), Moment(end, "tIvr", end - start)]
        flow_fields = flow_json(flow, reason=self.dialled, entry="flow", issued_callback=issued_callback)
        stage = segment(Stage("ivr", start, end), conference=False, disconnect="client")
        made = session(self.inner(flowInType="acd"), [stage], moments, flow=flow_fields)
        self.story.add("ivr", [made], name=flow.name)

    def voicemail(self, queue: Queue, start: int, end: int) -> None:
        """The leg of the voicemail box that takes the message."""
        flow = self.rng.pick(self.story.centre.flows["VOICEMAIL"])
        greeted = start + (end - start) // 6
        moments = [Moment(end, "tVoicemail", end - greeted)]
        flow_fields = flow_json(flow, reason=queue.id, entry="flow", transfer_type="ACD_VOICEMAIL")
        fields = self.inner(flowInType="acd")
        fields["dnis"] = f"sip:{queue.id}@127.0.0.1;language=en-US;user=voicemail"
        segments = [
            segment(Stage("system", start, greeted), conference=False),
            segment(Stage("voicemail", greeted, end), queue_id=queue.id, disconnect="peer", conference=False),
        ]
        made = session(fields, segments, moments, flow=flow_fields)
        self.story.add("voicemail", [made], name=queue.name)

    def enqueue(self, queue: Queue, low: int, high: int, most: int) -> int:
        """The leg of the menu, which leads on to a queue; returns when the wait begins."""
        menu = self.ivr(self.connected + self.story.stretch(low, high, most), to=queue)
        return menu + self.story.stretch(20, 90, 5)

    def answered(self, queue: Queue) -> tuple[int, int]:
        """Menu and queue up to the first user; returns the instant of the answer and how long the wait was."""
        self.selected = self.story.users[0].id
        return self.ring(queue, self.ivr(self.connected + self.story.stretch(4_000, 40_000, 100), to=queue))

    def consulting(self, queue: Queue, answer: int, asks: int, back: int, *, waited: int) -> None:
        """The leg of a user who asks somebody else while the customer holds, and goes on with the customer."""
        self.talk_end, wrap_up = ending(self.story, 0, 100)
        stages = [
            Stage("alert", answer - self.rang, answer),
            Stage("interact", answer, asks),
            Stage("hold", asks, back),
            Stage("interact", back, self.talk_end),
            *wrap_up,
        ]
        by_customer = self.rng.chance(600)
        self.customer_end = "endpoint" if by_customer else "peer"
        moments = [Moment(asks, "nConsult", 1)]
        disconnect = "peer" if by_customer else "client"
        self.agent(0, queue, stages, disconnect=disconnect, moments=moments, answered_after=waited)

    def consulted(self, queue: Queue, asks: int, moved: int) -> None:
        """The legs of a queue that is consulted from `asks` on, and of its user, who takes the customer at `moved`."""
        self.selected = self.story.users[1].id
        span = moved - asks
        offered, answer = asks + span // 20, asks + span * self.rng.between(300, 600) // 1000
        self.rang = (answer - offered) // 2
        patience = self.wait(queue, offered, answer + self.story.stretch(5, 60, 1))
        self.last_agent(1, queue, answer, patience)

    def third_party(self, queue: Queue, dials: int, answers: int, end: int, disconnect: str) -> None:
        """The leg of somebody outside whom a user called: purpose external, as that of a customer by e-mail is."""
        number = f"tel:+1202555{self.rng.below(10_000):04d}"
        segments = [
            segment(Stage("dialing", dials, answers), conference=False),
            segment(Stage("interact", answers, end), conference=False, disconnect=disconnect),
        ]
        fields = {**self.inner(), "ani": queue.number, "direction": "outbound", "dnis": number, "sessionDnis": number}
        fields["remoteNameDisplayable"] = name = self.rng.pick(REGIONS)
        made = session(fields, segments, connected(answers, end), stats=self.stats(answers, end, 1))
        self.story.add("external", [made], name=name)

    def ring(self, queue: Queue, start: int) -> tuple[int, int]:
        """The acd leg of a queue up to an answer; returns the instant of the answer and how long the wait was.

        The user's alert is the stretch of `self.rang` before the answer.
        """
        story = self.story
        waiting = start + story.stretch(20, 90, 2)
        rings = waiting + story.stretch(300, 60_000, 60)
        answer = rings + story.stretch(900, 9_000, 30)
        self.rang = answer - rings
        return answer, self.wait(queue, waiting, answer + story.stretch(5, 60, 1))

    def first_agent(
        self,
        queue: Queue,
        answer: int,
        moved: int,
        *,
        waited: int,
        disconnect: str,
        counted: tuple[str, ...],
        hold_from: int = 0,
    ) -> None:
        """The leg of the user who hands over at `moved`; on hold from `hold_from` on, if given."""
        story = self.story
        stages = [Stage("alert", answer - self.rang, answer)]
        if hold_from:
            stages += [Stage("interact", answer, hold_from), Stage("hold", hold_from, moved)]
        else:
            stages += with_holds(story.rng, answer, moved, story.rng.below(2))
        wrap_up = story.wrap_up(moved, moved + story.stretch(2_000, 60_000, 60), 0)
        stages += [wrap_up] if wrap_up else []
        moments = [Moment(moved, name, 1) for name in counted]
        self.agent(0, queue, stages, disconnect=disconnect, moments=moments, answered_after=waited)

    def last_agent(self, number: int, queue: Queue | None, answer: int, waited: int, *, alert_from: int = 0) -> None:
        """The leg of the user who has the customer at the end, with the wrap-up that ends the conversation."""
        story = self.story
        self.talk_end, wrap_up = ending(story, number, 100)
        by_customer = story.rng.chance(600)
        self.customer_end = "endpoint" if by_customer else "peer"
        alert = Stage("alert", alert_from or answer - self.rang, answer)
        talked = with_holds(story.rng, answer, self.talk_end, story.rng.pick((0, 0, 0, 1, 2)))
        disconnect = "peer" if by_customer else "client"
        self.agent(number, queue, [alert, *talked, *wrap_up], disconnect=disconnect, answered_after=waited)

    def conference(self, queue: Queue, answer: int, asks: int, together: int, *, waited: int) -> None:
        """Two users and the customer; the conference is linked to a conversation of its own.

        Where the conversation never ends, it is the second user's leg that stays connected.
        """
        story, rng = self.story, self.rng
        endless = story.end >= FOREVER_MS
        self.talk_end, wrap_up = ending(story, 0, 100)
        if endless:
            self.talk_end = together + rng.between(60_000, 1_200_000)
        apart = {"destinationConversationId": rng.uuid(), "destinationSessionId": rng.uuid()} if rng.chance(500) else {}
        first = [
            Stage("alert", answer - self.rang, answer),
            Stage("interact", answer, asks),
            Stage("hold", asks, together),
            Stage("interact", together, self.talk_end),
            *wrap_up,
        ]
        leaves = FOREVER_MS if endless else min(self.talk_end, together + story.stretch(10_000, 600_000, 300))
        second = [
            Stage("alert", asks, asks + (together - asks) // 4),
            Stage("interact", asks + (together - asks) // 4, leaves),
        ]
        moments = [Moment(asks, "nConsult", 1)]
        parts = self._conference_segments(first, 0, queue, together, apart)
        self.agent(0, queue, first, disconnect="client", moments=moments, answered_after=waited, segments=parts)
        # A colleague who is called directly, without a queue, has none on any segment.
        parts = self._conference_segments(second, 1, queue if rng.chance(500) else None, together, {})
        self.agent(1, queue, second, disconnect="client", segments=parts)
        self.caller_leg(self.talk_end, "peer", [(queue, 0)])

    def _conference_segments(
        self, stages: list[Stage], number: int, queue: Queue | None, together: int, apart: Json
    ) -> list[Json]:
        queue_id = queue.id if queue else ""
        parts = self.story.segments(stages, number=number, queue_id=queue_id, disconnect="client", conference=False)
        for at, stage in enumerate(stages):
            if stage.type == "interact" and stage.end > together:
                parts[at] = segment(stage, queue_id=queue_id, disconnect="client", conference=True, **apart)
        return parts


def ending(story: Story, number: int, most: int = 150, until: int = 0) -> tuple[int, list[Stage]]:
    """When the talking ends, and the wrap-up of the user of that number that lasts until the conversation's end.

    `until` is another end: the first one of a conversation that is reopened.
    """
    at = until or story.end
    if at >= FOREVER_MS:
        return FOREVER_MS, []
    work = story.stretch(1_500, 75_000, most)
    wrap_up = story.wrap_up(at - work, at, number)
    if wrap_up is None or wrap_up.start == wrap_up.end:
        return at, [] if wrap_up is None else [Stage("wrapup", at, at)]
    return wrap_up.start, [wrap_up]
