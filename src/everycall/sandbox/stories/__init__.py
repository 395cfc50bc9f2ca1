"""Stories: a sketch filled in, from the first ring to the wrap-up, as the JSON that the API would give.

One file per family of kinds. Every story is built to its end first, then reduced to what there is of it at an instant:
what comes later is withheld (`late`), and what lives is cut (`cut`), so that what one sees of a living conversation is
always the beginning of what one will see later.

A kind is a function of a dozen lines that says who takes part, from when to when, with what chance, and leaves the
legs to the builders of its family. It is code on purpose: as rows of steps that one filler takes, chats, e-mails and
messages needed more lines (550 instead of 482), since most steps serve one or two kinds. What does come as data, a
captured conversation, is filled in by `template`.
"""

from collections.abc import Callable

from everycall.sandbox.centre import Centre
from everycall.sandbox.stories import digital, outbound, voice
from everycall.sandbox.stories.cut import cut, until
from everycall.sandbox.stories.late import apply_changes, changes
from everycall.sandbox.stories.marks import attributes, mark, with_attributes
from everycall.sandbox.stories.parts import Json, stamp
from everycall.sandbox.stories.rare import add_rarity
from everycall.sandbox.stories.story import Story
from everycall.sandbox.stories.template import Template
from everycall.sandbox.traffic import Cast, Sketch, Traffic, locate

BUILDERS: dict[str, Callable[[Story], None]] = {
    "voice_answered": voice.answered,
    "voice_missed": voice.missed,
    "voice_missed_twice": voice.missed_twice,
    "voice_abandoned": voice.abandoned,
    "voice_abandoned_in_ivr": voice.abandoned_in_ivr,
    "voice_self_served": voice.self_served,
    "voice_flow_out": voice.flow_out,
    "voicemail": voice.voicemail,
    "voice_blind_transfer": voice.blind_transfer,
    "voice_consult_transfer": voice.consult_transfer,
    "voice_consult_cancelled": voice.consult_cancelled,
    "voice_transfer_abandoned": voice.transfer_abandoned,
    "voice_third_party": voice.third_party,
    "voice_conference": voice.conference,
    "voice_stuck": voice.stuck,
    "voice_to_user": voice.to_user,
    "voice_blip": voice.blip,
    "callback_requested": outbound.callback_requested,
    "callback_scheduled": outbound.callback_scheduled,
    "callback_abandoned": outbound.callback_abandoned,
    "chat_answered": digital.chat,
    "chat_missed": digital.chat_missed,
    "chat_abandoned": digital.chat_abandoned,
    "outbound_by_agent": outbound.by_agent,
    "outbound_by_dialer": outbound.by_dialer,
    "outbound_no_contact": outbound.no_contact,
    "outbound_preview": outbound.preview,
    "email_answered": digital.email,
    "email_transferred": digital.email_transferred,
    "email_for_days": digital.email_for_days,
    "email_reopened": digital.email_reopened,
    "email_stuck": digital.email_stuck,
    "email_by_agent": digital.email_by_agent,
    "message_web": digital.message_web,
    "message_bot": digital.message_bot,
    "message_sms": digital.message_sms,
    "message_whatsapp": digital.message_whatsapp,
}


def fill(template: Template, centre: Centre, traffic: Traffic, sketch: Sketch, now_ms: int) -> Json:
    """The JSON of a conversation in the shape of a captured one, as of an instant."""
    filled = template.fill(centre, sketch, _cast(traffic, sketch))
    now = stamp(now_ms)
    return until(filled, now) if now_ms >= sketch.end_ms else cut(filled, now)


def _cast(traffic: Traffic, sketch: Sketch) -> Cast:
    day, _, roll = locate(sketch.conversation_id)
    return traffic.cast(traffic.kind(sketch.kind), day, roll)


def build(centre: Centre, traffic: Traffic, sketch: Sketch, now_ms: int) -> Json:
    """The JSON of a conversation as of an instant."""
    story = Story(centre, sketch, _cast(traffic, sketch))
    BUILDERS[sketch.kind](story)
    mark(story)
    add_rarity(story)
    apply_changes(story, now_ms)
    final = story.final()
    if now_ms >= sketch.end_ms:
        return final
    return cut(final, stamp(now_ms), stamp(sketch.rest[0]) if sketch.rest and sketch.has_end(now_ms) else "")


__all__ = ["BUILDERS", "attributes", "build", "changes", "fill", "with_attributes"]
