"""What is added to a conversation from outside while it lives: tags, and attributes."""

from collections.abc import Mapping

from everycall.sandbox.rng import Rng
from everycall.sandbox.stories.parts import Json
from everycall.sandbox.stories.story import Story


def mark(story: Story) -> None:
    """Adds tags to a few stories."""
    draw = story.rng.below(1000)
    if draw < 30:
        story.traits["externalTag"] = f"CRM-{story.rng.below(1_000_000):06d}"
    if draw % 3 == 0 and story.sketch.originating_direction == "inbound":
        story.traits.setdefault("conversationInitiator", "customer")
        story.traits["customerParticipation"] = True


_HOLDERS = ("customer", "external", "ivr", "workflow", "botflow", "agent")


def attributes(conversation: Json) -> dict[str, dict[str, str]]:
    """Participant ids with their attributes: what flows and scripts noted down, in all the forms it comes in.

    Source: captured job results have keys with spaces (at the end too), dots and colons, and values that are
    empty, hold line breaks or JSON, and are at most 1,024 characters long.
    """
    noted = {p["participantId"]: _noted(p) for p in conversation.get("participants", ()) if p["purpose"] in _HOLDERS}
    return {participant_id: pairs for participant_id, pairs in noted.items() if pairs}


def with_attributes(conversation: Json) -> Json:
    """The conversation as the results of jobs have it: attributes come last in a participant."""
    return put_attributes(conversation, attributes(conversation))


def put_attributes(conversation: Json, noted: Mapping[str, Mapping[str, str]]) -> Json:
    """The conversation with these attributes, given by participantId."""
    if not noted:
        return conversation
    participants = [
        {**participant, "attributes": noted[participant["participantId"]]}
        if participant.get("participantId") in noted
        else participant
        for participant in conversation["participants"]
    ]
    return {**conversation, "participants": participants}


def _noted(participant: Json) -> dict[str, str]:
    rng = Rng(participant["participantId"])
    if participant["purpose"] == "agent":
        return {"scriptId": rng.uuid()} if rng.chance(200) else {}
    customer = f"{rng.below(10_000_000):07d}"
    offered = {
        "Customer Number": customer,
        "customer.segment": rng.pick(("private", "business", "")),
        "Menu Choice ": rng.pick(("1", "2", "3", "0")),
        "crm:caseId": f"C-{customer}",
        "Last Answer": "first line\nsecond line",
        "context": f'{{"id": "{customer}", "verified": {rng.pick(("true", "false"))}}}',
        "transcript": "The customer said a great deal. " * rng.between(1, 32),
    }
    return {name: value[:1024] for name, value in offered.items() if rng.chance(550)}
