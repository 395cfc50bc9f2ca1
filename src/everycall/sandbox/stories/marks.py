"""What is laid upon a conversation from outside: evaluation, survey, resolution, tags; and attributes.

In a real org these come hours to weeks after the end. Here they are there when the conversation ends (an
evaluation submitted by the system, a survey answered on the line), so that nothing changes after the end.
"""

from everycall.sandbox.dice import Dice
from everycall.sandbox.stories.parts import Json, stamp
from everycall.sandbox.stories.story import Story
from everycall.sandbox.traffic import FOREVER_MS

FORMS = ("Greeting and Tone", "Compliance", "Call Quality 2")
SURVEY_FORMS = ("How did we do?", "After the call")


def mark(story: Story) -> None:
    """Lays a few marks upon a story that has ended, and tags upon any."""
    luck = story.dice.below(1000)
    if luck < 30:
        story.traits["externalTag"] = f"CRM-{story.dice.below(1_000_000):06d}"
    if luck % 3 == 0 and story.sketch.originating_direction == "inbound":
        story.traits.setdefault("conversationInitiator", "customer")
        story.traits["customerParticipation"] = True
    if not story.users or not story.queues or story.end >= FOREVER_MS:
        return
    if 100 <= luck < 150:
        story.evaluations.append(_evaluation(story))
    if 140 <= luck < 200:
        story.surveys.append(_survey(story))
    if 190 <= luck < 250:
        story.resolutions.append(_resolution(story))


def _evaluation(story: Story) -> Json:
    dice = story.dice
    user = story.users[-1]
    score = dice.between(40, 100)
    return {
        "assigneeApplicable": False,
        "contextId": dice.uuid(),
        "deleted": False,
        "evaluationId": dice.uuid(),
        "evaluationStatus": "Finished",
        "evaluatorId": story.centre.switchboard[0].id,
        "eventTime": stamp(story.end),
        "formId": dice.uuid(),
        "formName": dice.pick(FORMS),
        "queueId": story.queues[-1].id,
        "released": dice.chance(700),
        "rescored": dice.chance(100),
        "systemSubmitted": True,
        "userId": user.id,
        "oTotalCriticalScore": min(100, score + dice.below(10)),
        "oTotalScore": score,
    }


def _survey(story: Story) -> Json:
    dice = story.dice
    answered = dice.chance(600)
    made: Json = {"eventTime": stamp(story.end), "queueId": story.queues[-1].id}
    if answered:
        made["surveyCompletedDate"] = stamp(story.end)
    made |= {
        "surveyFormContextId": dice.uuid(),
        "surveyFormId": dice.uuid(),
        "surveyFormName": dice.pick(SURVEY_FORMS),
        "surveyId": dice.uuid(),
        "surveyPartialResponse": not dice.below(9),
    }
    if answered:
        made["surveyPromoterScore"] = dice.between(0, 10)
    made |= {
        "surveyStatus": "Finished" if answered else "Sent",
        "surveyType": "Voice" if "voice" in story.sketch.media_types else "Web",
        "userId": story.users[-1].id,
    }
    if answered:
        made["oSurveyTotalScore"] = dice.between(20, 100)
    return made


def _resolution(story: Story) -> Json:
    return {
        "eventTime": stamp(story.end),
        "queueId": story.queues[-1].id,
        "userId": story.users[-1].id,
        "nNextContactAvoided": story.dice.below(2),
    }


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
    noted = attributes(conversation)
    participants = [
        {**one, "attributes": noted[one["participantId"]]} if one["participantId"] in noted else one
        for one in conversation.get("participants", ())
    ]
    return {**conversation, "participants": participants} if participants else conversation


def _noted(participant: Json) -> dict[str, str]:
    dice = Dice(participant["participantId"])
    if participant["purpose"] == "agent":
        return {"scriptId": dice.uuid()} if dice.chance(200) else {}
    customer = f"{dice.below(10_000_000):07d}"
    offered = {
        "Customer Number": customer,
        "customer.segment": dice.pick(("private", "business", "")),
        "Menu Choice ": dice.pick(("1", "2", "3", "0")),
        "crm:caseId": f"C-{customer}",
        "Last Answer": "first line\nsecond line",
        "context": f'{{"id": "{customer}", "verified": {dice.pick(("true", "false"))}}}',
        "transcript": "The customer said a great deal. " * dice.between(1, 32),
    }
    return {name: value[:1024] for name, value in offered.items() if dice.chance(550)}
