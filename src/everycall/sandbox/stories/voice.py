"""Inbound calls: menu, queue, missed alerts, agents, holds, transfers, conferences, voicemail."""

from everycall.sandbox.centre import Queue
from everycall.sandbox.stories.calls import Call, QueuedCall, ending
from everycall.sandbox.stories.parts import Stage, stamp, waited, with_holds
from everycall.sandbox.stories.story import Story


def answered(story: Story, misses: tuple[int, ...] = ()) -> None:
    """Menu, queue, alerts that those numbered `misses` let pass, an agent, after-call work."""
    call = QueuedCall(story)
    queue = story.queues[0]
    number = 1 if misses == (0,) else 0
    call.selected = story.users[number].id
    waiting = call.enqueue(queue, 4_000, 48_000, 150)
    at = waiting + story.stretch(300, 2_000, 10)
    for missed in misses:
        until = at + story.stretch(6_000, 15_000, 60)
        call.miss(missed, queue, at, until)
        at = until + story.stretch(200, 900, 5)
    at += story.stretch(0, 150_000, 120) if story.rng.chance(550) else 0
    answer = at + story.stretch(900, 9_000, 50)
    acd_end = answer + story.stretch(5, 60, 2)
    patience = call.wait(queue, waiting, acd_end)
    talk_end, wrap_up = ending(story, number)
    holds = story.rng.pick((0, 0, 0, 0, 0, 1, 1, 1, 2, 4)) if story.rng.chance(990) else story.rng.between(9, 20)
    stages = [Stage("alert", at, answer), *with_holds(story.rng, answer, talk_end, holds), *wrap_up]
    by_customer = story.rng.chance(600)
    call.agent(number, queue, stages, disconnect="peer" if by_customer else "client", answered_after=patience)
    call.caller_leg(min(talk_end, story.end), "endpoint" if by_customer else "peer", [(queue, 0)])
    call.finish()


def missed(story: Story) -> None:
    """The first user lets the alert pass, the second answers."""
    answered(story, (0,))


def missed_twice(story: Story) -> None:
    """Two users let it pass, and then the first of them answers: one user, two participants."""
    answered(story, (0, 1))


def abandoned(story: Story) -> None:
    """The caller gives up in the queue, many within the first seconds."""
    call = QueuedCall(story)
    queue = story.queues[0]
    waiting = call.enqueue(queue, 3_000, 40_000, 300)
    names = ("tAbandon", "tShortAbandon") if story.end - waiting < 5_000 else ("tAbandon",)
    call.wait(queue, waiting, story.end, "peer", waited(waiting, story.end, *names))
    call.caller_leg(story.end, "endpoint", [(queue, 0)])
    call.finish()


def abandoned_in_ivr(story: Story) -> None:
    """The caller hangs up in the menu."""
    call = Call(story)
    call.ivr(story.end, to=None, ending="peer")
    caller_only(call, "endpoint")


def self_served(story: Story) -> None:
    """The menu answers what the caller wanted to know, and ends the call."""
    call = Call(story)
    call.ivr(story.end, to=None, ending="client")
    story.traits["selfServed"] = True
    caller_only(call, "peer")


def caller_only(call: Call, disconnect: str) -> None:
    """The customer's leg of a call that comes to no queue."""
    call.caller_leg(call.story.end, disconnect)
    call.finish()


def blip(story: Story) -> None:
    """Connected and gone within a second, before any menu spoke."""
    call = Call(story)
    call.caller_leg(story.end, "endpoint")
    call.finish()


def flow_out(story: Story) -> None:
    """Nobody answers; the in-queue flow takes the call away and ends it."""
    call = QueuedCall(story)
    queue = story.queues[0]
    waiting = call.enqueue(queue, 3_000, 30_000, 200)
    leaves = story.end - story.stretch(1_000, 20_000, 150)
    call.flow_out(queue, waiting, leaves, "flow")
    call.ivr_after(leaves, story.end)
    call.caller_leg(story.end, "peer", [(queue, 0)])
    call.finish()


def voicemail(story: Story) -> None:
    """The caller leaves a message for the queue."""
    call = QueuedCall(story)
    queue = story.queues[0]
    waiting = call.enqueue(queue, 3_000, 30_000, 150)
    leaves = waiting + story.stretch(15_000, 200_000, 450)
    call.flow_out(queue, waiting, leaves, "voicemail")
    call.voicemail(queue, leaves, story.end)
    call.caller_leg(story.end, "endpoint", [(queue, 0)])
    call.finish()


def blind_transfer(story: Story) -> None:
    """The first user sends the customer to a second queue and is gone."""
    call = QueuedCall(story)
    first, second = story.queues
    moved = _blindly_moved(call, first)
    call.selected = story.users[1].id
    again, patience = call.ring(second, moved + story.stretch(20, 200, 2))
    call.last_agent(1, second, again, patience)
    call.caller_leg(call.talk_end, call.customer_end, [(first, 0), (second, moved)])
    call.finish()


def _blindly_moved(call: QueuedCall, first: Queue) -> int:
    """Up to the blind transfer by the first user; returns its instant."""
    answer, patience = call.answered(first)
    moved = answer + call.story.stretch(20_000, 300_000, 300)
    counted = ("nBlindTransferred", "nTransferred")
    call.first_agent(first, answer, moved, waited=patience, disconnect="transfer", counted=counted)
    return moved


def transfer_abandoned(story: Story) -> None:
    """The first user sends the customer to a second queue, where the customer gives up."""
    call = QueuedCall(story)
    first, second = story.queues
    moved = _blindly_moved(call, first)
    call.selected = None
    again = moved + story.stretch(20, 200, 2)
    call.wait(second, again, story.end, "peer", waited(again, story.end, "tAbandon"))
    call.caller_leg(story.end, "endpoint", [(first, 0), (second, moved)])
    call.finish()


def _asking(story: Story) -> tuple[QueuedCall, int, int, int]:
    """A call up to a question to somebody else; returns it, when it was answered, the wait, and when the user asks."""
    call = QueuedCall(story)
    answer, patience = call.answered(story.queues[0])
    return call, answer, patience, answer + story.stretch(20_000, 240_000, 200)


def consult_cancelled(story: Story) -> None:
    """The user asks for somebody of a second queue, waits in vain, and takes the consultation back."""
    queue, second = story.queues
    call, answer, patience, asks = _asking(story)
    back = asks + story.stretch(8_000, 120_000, 150)
    call.consulting(queue, answer, asks, back, waited=patience)
    call.selected = None
    offered, left = asks + (back - asks) // 20, back - (back - asks) // 20
    call.wait(second, offered, left, "client", waited(offered, left, "tAbandon"))
    call.caller_leg(call.talk_end, call.customer_end, [(queue, 0)])
    call.finish()


def third_party(story: Story) -> None:
    """The user calls somebody outside while the customer holds; now and then the customer is handed over to them."""
    queue = story.queues[0]
    call, answer, patience, asks = _asking(story)
    dials = asks + story.stretch(300, 2_000, 5)
    answers = dials + story.stretch(3_000, 25_000, 60)
    back = answers + story.stretch(10_000, 120_000, 150)
    if story.rng.chance(350):
        counted = ("nConsult", "nConsultTransferred", "nTransferred")
        call.first_agent(
            queue, answer, back, waited=patience, disconnect="consultTransfer", counted=counted, hold_from=asks
        )
        call.talk_end, call.customer_end = story.end, "endpoint"
        call.third_party(queue, dials, answers, story.end, "peer")
    else:
        call.consulting(queue, answer, asks, back, waited=patience)
        call.third_party(queue, dials, answers, back, story.rng.pick(("client", "endpoint", "transfer")))
    call.caller_leg(call.talk_end, call.customer_end, [(queue, 0)])
    call.finish()


def consult_transfer(story: Story) -> None:
    """The first user asks a second one, directly or through a queue, while the customer holds, and hands over."""
    queue, second = story.queues
    call, answer, patience, asks = _asking(story)
    moved = asks + story.stretch(15_000, 120_000, 200)
    counted = ("nConsult", "nConsultTransferred", "nTransferred")
    call.first_agent(
        queue, answer, moved, waited=patience, disconnect="consultTransfer", counted=counted, hold_from=asks
    )
    if story.rng.chance(500):
        call.consulted(second, asks, moved)
        turns = [(queue, 0), (second, moved)]
    else:
        # A colleague who is called directly has no queue on any segment.
        call.last_agent(1, None, asks + story.stretch(2_000, 9_000, 20), -1, alert_from=asks)
        turns = [(queue, 0)]
    if story.rng.chance(500):
        story.traits["consultationConversationIds"] = [story.rng.uuid()]
    call.caller_leg(call.talk_end, call.customer_end, turns)
    call.finish()


def conference(story: Story) -> None:
    """The first user brings a second one in, and all three speak until the end."""
    queue = story.queues[0]
    call, answer, patience, asks = _asking(story)
    together = asks + story.stretch(10_000, 60_000, 100)
    story.traits["conferenceStart"] = stamp(together)
    call.conference(queue, answer, asks, together, waited=patience)
    call.finish()


def stuck(story: Story) -> None:
    """A conference leg that stays connected for ever."""
    conference(story)


def to_user(story: Story) -> None:
    """A caller who dials a user's own number."""
    call = QueuedCall(story)
    rings = call.connected + story.stretch(20, 200, 5)
    answer = rings + story.stretch(1_500, 16_000, 200)
    stages = [Stage("alert", rings, answer), *with_holds(story.rng, answer, story.end, story.rng.pick((0, 0, 0, 1)))]
    call.routing = "Direct"
    call.agent(0, None, stages, disconnect="peer", purpose="user")
    call.caller_leg(story.end, "endpoint")
    call.finish()
