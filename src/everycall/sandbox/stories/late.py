"""What happens to a conversation after its end: hours to weeks later, all of it known beforehand.

- A wrap-up code that is entered late, 2 hours to 3 days after the end: until then its segment has no code or,
  where it has no length, is missing.
- A nightly rebuild, in the first night after 48 hours, that corrects metrics: after-call work and handle time,
  or else the time that the customer was connected.
- An evaluation: assigned after hours or days, finished up to weeks later.
- A survey: sent within hours, answered or not within ten days.
- A resolution, some days later.

After 28 days nothing changes any more. When something does follows from the conversation's id alone
(`changes`), so that nobody needs to tell a story to know that it is still the same.

Source: help.mypurecloud.com, "why can my data change" (a nightly pipeline reprocesses what is at least 48 hours
old); developer.genesys.cloud forum thread 1611 (wrap-ups two or three days later); captures of evaluations and
resolutions that are days younger than their conversation. How many and how late is invented.
"""

from typing import Final, NamedTuple

from everycall.sandbox.rng import Rng
from everycall.sandbox.stories.parts import Json, by_name, stamp
from everycall.sandbox.stories.story import Story
from everycall.sandbox.traffic import DAY_MS, FOREVER_MS, HOUR, MINUTE, Sketch, locate

SETTLED_DAYS: Final = 28
"""So many days after its end a conversation is what it will always be."""

FORMS = ("Greeting and Tone", "Compliance", "Call Quality 2")
SURVEY_FORMS = ("How did we do?", "After the call")

_MASK_64 = (1 << 64) - 1
_REBUILD_AT = 4 * HOUR


class Change(NamedTuple):
    """One thing that happens to a conversation after its end."""

    at_ms: int
    what: str


def changes(sketch: Sketch) -> tuple[Change, ...]:
    """All that will happen to a conversation after its end, in order."""
    if sketch.end_ms >= FOREVER_MS:
        return ()
    draw = _scrambled(locate(sketch.conversation_id)[2])
    luck = (draw & 0xFFFF) * 1000 >> 16
    if not 100 <= luck < 350:
        return ()
    early, late = draw >> 16 & 0xFFFF, draw >> 32 & 0xFFFF
    found: list[Change] = []
    if sketch.queue_ids and sketch.user_ids:
        if luck < 150:
            found += _evaluated(sketch.end_ms, early, late)
        if 140 <= luck < 200:
            found += _surveyed(sketch.end_ms, early, late if draw >> 48 & 7 < 5 else -1)
        if 190 <= luck < 250:
            found.append(Change(sketch.end_ms + 30 * HOUR + (7 * DAY_MS * late >> 16), "resolution"))
        if 240 <= luck < 300:
            found.append(Change(sketch.end_ms + 2 * HOUR + (68 * HOUR * early >> 16), "wrap-up"))
    if luck >= 290:
        found.append(Change(rebuilt_at(sketch.end_ms), "rebuild"))
    return tuple(sorted(found))


def rebuilt_at(end_ms: int) -> int:
    """The first four o'clock in the morning, UTC, at which what ended then is at least 48 hours old."""
    return -((_REBUILD_AT - end_ms - 48 * HOUR) // DAY_MS) * DAY_MS + _REBUILD_AT


def _evaluated(end_ms: int, early: int, late: int) -> list[Change]:
    assigned = end_ms + 6 * HOUR + (4 * DAY_MS * early >> 16)
    return [Change(assigned, "evaluation"), Change(assigned + 12 * HOUR + (19 * DAY_MS * late >> 16), "evaluated")]


def _surveyed(end_ms: int, early: int, late: int) -> list[Change]:
    sent = end_ms + MINUTE + (3 * HOUR * early >> 16)
    answered = [Change(sent + 5 * MINUTE + (9 * DAY_MS * late >> 16), "surveyed")] if late >= 0 else []
    return [Change(sent, "survey"), *answered]


def _scrambled(roll: int) -> int:
    """64 bits that follow from a roll and look unlike it."""
    roll = (roll ^ roll >> 30) * 0xBF58476D1CE4E5B9 & _MASK_64
    roll = (roll ^ roll >> 27) * 0x94D049BB133111EB & _MASK_64
    return roll ^ roll >> 31


def lay_on(story: Story, now_ms: int) -> None:
    """Makes a story, told to its end, what it is at an instant after or before it."""
    planned = changes(story.sketch)
    if not planned:
        return
    happened = {what: at for at, what in planned if at <= now_ms}
    rng = Rng(f"late/{story.sketch.conversation_id}")
    if "evaluation" in happened:
        story.evaluations.append(_evaluation(story, rng, happened))
    if "survey" in happened:
        story.surveys.append(_survey(story, rng, happened))
    if "resolution" in happened:
        story.resolutions.append(_resolution(story, rng, happened["resolution"]))
    for _, what in planned:
        if what == "wrap-up" and what not in happened:
            _withhold_wrap_up(story.participants)
        if what == "rebuild" and what not in happened:
            _spoil_metrics(story.participants)


def _evaluation(story: Story, rng: Rng, happened: dict[str, int]) -> Json:
    score, bonus = rng.between(40, 100), rng.below(10)
    is_finished = "evaluated" in happened
    made: Json = {
        "assigneeApplicable": False,
        "contextId": rng.uuid(),
        "deleted": False,
        "evaluationId": rng.uuid(),
        "evaluationStatus": "Finished" if is_finished else "Pending",
        "evaluatorId": story.centre.switchboard[0].id,
        "eventTime": stamp(max(happened[what] for what in ("evaluation", "evaluated") if what in happened)),
        "formId": rng.uuid(),
        "formName": rng.pick(FORMS),
        "queueId": story.queues[-1].id,
        "released": rng.chance(700) and is_finished,
        "rescored": rng.chance(100) and is_finished,
        "systemSubmitted": False,
        "userId": story.users[-1].id,
    }
    _vary(made, rng, is_finished=is_finished)
    return made | {"oTotalCriticalScore": min(100, score + bonus), "oTotalScore": score} if is_finished else made


def _vary(evaluation: Json, rng: Rng, *, is_finished: bool) -> None:
    """Makes some evaluations what they seldom are: in review, retracted, of a calibration, for the assignee to see."""
    luck = rng.below(1000)
    if is_finished:
        evaluation["evaluationStatus"] = "Retracted" if luck < 30 else "Finished"
    else:
        evaluation["evaluationStatus"] = "InProgress" if luck < 200 else "InReview" if luck < 300 else "Pending"
    if luck >= 900:
        evaluation |= {"assigneeApplicable": True, "assigneeId": rng.uuid()}
    if luck % 20 == 0:
        evaluation["calibrationId"] = rng.uuid()
    told = by_name(evaluation)
    evaluation.clear()
    evaluation.update(told)


def _survey(story: Story, rng: Rng, happened: dict[str, int]) -> Json:
    answered = stamp(happened["surveyed"]) if "surveyed" in happened else ""
    made: Json = {"eventTime": answered or stamp(happened["survey"]), "queueId": story.queues[-1].id}
    if answered:
        made["surveyCompletedDate"] = answered
    made |= {
        "surveyFormContextId": rng.uuid(),
        "surveyFormId": rng.uuid(),
        "surveyFormName": rng.pick(SURVEY_FORMS),
        "surveyId": rng.uuid(),
        "surveyPartialResponse": not rng.below(9) and bool(answered),
    }
    promoter, total = rng.between(0, 10), rng.between(20, 100)
    if answered:
        made["surveyPromoterScore"] = promoter
    made |= {
        "surveyStatus": "Finished" if answered else "Sent",
        "surveyType": "Voice" if "voice" in story.sketch.media_types else "Web",
        "userId": story.users[-1].id,
    }
    return made | {"oSurveyTotalScore": total} if answered else made


def _resolution(story: Story, rng: Rng, at_ms: int) -> Json:
    return {
        "eventTime": stamp(at_ms),
        "queueId": story.queues[-1].id,
        "userId": story.users[-1].id,
        "nNextContactAvoided": rng.below(2),
    }


def _withhold_wrap_up(participants: list[Json]) -> None:
    """Takes the last code of a user, and all of its segment where that has no length.

    A code of the system is there as soon as the time for another one is over.
    """
    for participant in reversed(participants):
        for session in participant["sessions"] if "userId" in participant else ():
            segments = session["segments"]
            for at in range(len(segments) - 1, 0, -1):
                if "wrapUpCode" in segments[at]:
                    _withhold(segments, at)
                    return


def _withhold(segments: list[Json], at: int) -> None:
    segment = segments[at]
    if segment["segmentStart"] == segment.get("segmentEnd"):
        del segments[at]
        return
    if segment["wrapUpCode"].startswith("ININ-"):
        return
    for name in ("wrapUpCode", "wrapUpNote", "wrapUpTags"):
        segment.pop(name, None)


def _spoil_metrics(participants: list[Json]) -> None:
    """Makes metrics what they are before the rebuild: too low, but adding up."""
    sessions = [session for participant in participants for session in participant["sessions"]]
    for session in sessions:
        by_name = {metric["name"]: metric for metric in session.get("metrics", ())}
        if "tAcw" in by_name and "tHandle" in by_name and by_name["tAcw"]["value"] > 2:
            lacking = by_name["tAcw"]["value"] // 3
            by_name["tAcw"]["value"] -= lacking
            by_name["tHandle"]["value"] -= lacking
            return
    for session in sessions:
        for metric in session.get("metrics", ()):
            if metric["name"] == "tConnected" and metric["value"] > 1:
                metric["value"] -= 1 + metric["value"] // 50
                return
