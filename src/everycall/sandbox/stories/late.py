"""What happens to a conversation after its end: hours to weeks later, all of it known beforehand.

- A wrap-up code that is entered late, 2 hours to 3 days after the end: until then its segment has no code or,
  where it has no length, is missing. Some users correct it within six days more: the same segment has one code first,
  then another.
- A nightly rebuild, in the first night after 48 hours, that corrects metrics: after-call work and handle time,
  or else the time that the customer was connected. For some, a second rebuild some nights later corrects them again.
- An evaluation: assigned after hours or days, finished up to weeks later. Of some there is more to come: it is
  rescored, or deleted, or deleted and done anew, or calibrated by a second evaluator.
- A survey: sent within hours, then answered within nine days, or expired after ten.
- A resolution, some days later.

After 28 days nothing changes any more. When something does follows from the conversation's id alone
(`changes`), so that no story needs to be built to know that it is still the same.

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

AFTER_EVALUATION: Final = ("rescored", "deleted", "replaced", "calibrated")
"""What may become of an evaluation that is finished."""

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
    share = (draw & 0xFFFF) * 1000 >> 16
    if not 100 <= share < 350:
        return ()
    early, late = draw >> 16 & 0xFFFF, draw >> 32 & 0xFFFF
    found: list[Change] = []
    if sketch.queue_ids and sketch.user_ids:
        if share < 150:
            found += _evaluated(sketch.end_ms, early, late, draw >> 51 & 7)
        if 140 <= share < 200:
            found += _surveyed(sketch.end_ms, early, late if draw >> 48 & 7 < 5 else -1)
        if 190 <= share < 250:
            found.append(Change(sketch.end_ms + 30 * HOUR + (7 * DAY_MS * late >> 16), "resolution"))
        if 240 <= share < 300:
            found += _coded(sketch.end_ms, early, late if share < 265 else -1)
    if share >= 290:
        found += _rebuilt(sketch.end_ms, 1 + late % 9 if share >= 330 else 0)
    return tuple(sorted(found))


def _coded(end_ms: int, early: int, late: int) -> list[Change]:
    entered = end_ms + 2 * HOUR + (68 * HOUR * early >> 16)
    corrected = [Change(entered + MINUTE + (6 * DAY_MS * late >> 16), "corrected")] if late >= 0 else []
    return [Change(entered, "wrap-up"), *corrected]


def _rebuilt(end_ms: int, again_days: int) -> list[Change]:
    first = rebuilt_at(end_ms)
    again = [Change(first + again_days * DAY_MS, "second rebuild")] if again_days else []
    return [Change(first, "rebuild"), *again]


def rebuilt_at(end_ms: int) -> int:
    """The first four o'clock in the morning, UTC, at which what ended then is at least 48 hours old."""
    return -((_REBUILD_AT - end_ms - 48 * HOUR) // DAY_MS) * DAY_MS + _REBUILD_AT


def _evaluated(end_ms: int, early: int, late: int, draw: int) -> list[Change]:
    assigned = end_ms + 6 * HOUR + (4 * DAY_MS * early >> 16)
    finished = assigned + 12 * HOUR + (19 * DAY_MS * late >> 16)
    found = [Change(assigned, "evaluation"), Change(finished, "evaluated")]
    if draw < len(AFTER_EVALUATION):
        found.append(Change(finished + HOUR + (3 * DAY_MS * (early ^ late) >> 16), AFTER_EVALUATION[draw]))
    return found


def _surveyed(end_ms: int, early: int, late: int) -> list[Change]:
    sent = end_ms + MINUTE + (3 * HOUR * early >> 16)
    answered = Change(sent + 5 * MINUTE + (9 * DAY_MS * late >> 16), "surveyed")
    return [Change(sent, "survey"), answered if late >= 0 else Change(sent + 10 * DAY_MS, "expired")]


def _scrambled(roll: int) -> int:
    """64 bits that follow from a roll and look unlike it."""
    roll = (roll ^ roll >> 30) * 0xBF58476D1CE4E5B9 & _MASK_64
    roll = (roll ^ roll >> 27) * 0x94D049BB133111EB & _MASK_64
    return roll ^ roll >> 31


def apply_changes(story: Story, now_ms: int) -> None:
    """Makes a story, built to its end, what it is at an instant after or before it."""
    planned = changes(story.sketch)
    if not planned:
        return
    happened = {what: at for at, what in planned if at <= now_ms}
    rng = Rng(f"late/{story.sketch.conversation_id}")
    if "evaluation" in happened:
        story.evaluations += _evaluations(story, rng, happened)
    if "survey" in happened:
        story.surveys.append(_survey(story, rng, happened))
    if "resolution" in happened:
        story.resolutions.append(_resolution(story, rng, happened["resolution"]))
    for _, what in planned:
        if what not in happened:
            if what == "wrap-up":
                _withhold_wrap_up(story.participants)
            if what == "corrected" and "wrap-up" in happened:
                _put_earlier_code(story)
            if what.endswith("rebuild"):
                _spoil_metrics(story.participants)


def _evaluations(story: Story, rng: Rng, happened: dict[str, int]) -> list[Json]:
    """The evaluation, and what has become of it; a newer one stands first."""
    first = _evaluation(story, rng, happened)
    first["rescored"] = "rescored" in happened
    if "rescored" in happened:
        first["eventTime"] = stamp(happened["rescored"])
        first["oTotalScore"] = min(first["oTotalCriticalScore"], first["oTotalScore"] + rng.between(1, 9))
    if at_ms := happened.get("deleted") or happened.get("replaced"):
        first |= {"deleted": True, "eventTime": stamp(at_ms)}
    if what := next((what for what in ("replaced", "calibrated") if what in happened), ""):
        later = _evaluation(story, rng, {"evaluation": happened[what], "evaluated": happened[what]})
        later["evaluatorId"] = story.centre.switchboard[1].id
        if what == "calibrated":
            later["calibrationId"] = rng.uuid()
        return [_by_name(later), first]
    return [first]


def _by_name(evaluation: Json) -> Json:
    """The same fields in the API's order: those by the alphabet, then the scores."""
    scores = {name: evaluation[name] for name in ("oTotalCriticalScore", "oTotalScore") if name in evaluation}
    return by_name({name: value for name, value in evaluation.items() if name not in scores}) | scores


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
        "eventTime": stamp(happened.get("evaluated", happened["evaluation"])),
        "formId": rng.uuid(),
        "formName": rng.pick(FORMS),
        "queueId": story.queues[-1].id,
        "released": rng.chance(700) and is_finished,
        "rescored": False,
        "systemSubmitted": False,
        "userId": story.users[-1].id,
    }
    _vary(made, rng, is_finished=is_finished)
    if is_finished:
        made |= {"oTotalCriticalScore": min(100, score + bonus), "oTotalScore": score}
    return _by_name(made)


def _vary(evaluation: Json, rng: Rng, *, is_finished: bool) -> None:
    """Makes some evaluations what they seldom are: in review, retracted, for the assignee to see."""
    draw = rng.below(1000)
    if is_finished:
        evaluation["evaluationStatus"] = "Retracted" if draw < 30 else "Finished"
    else:
        evaluation["evaluationStatus"] = "InProgress" if draw < 200 else "InReview" if draw < 300 else "Pending"
    if draw >= 900:
        evaluation |= {"assigneeApplicable": True, "assigneeId": rng.uuid()}


def _survey(story: Story, rng: Rng, happened: dict[str, int]) -> Json:
    answered = stamp(happened["surveyed"]) if "surveyed" in happened else ""
    status = "Finished" if answered else "Expired" if "expired" in happened else "Sent"
    changed = answered or stamp(happened.get("expired", happened["survey"]))
    made: Json = {"eventTime": changed, "queueId": story.queues[-1].id}
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
        "surveyStatus": status,
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


def _last_code(participants: list[Json]) -> tuple[list[Json], int] | None:
    """The segments of the last user who set a code, and which of them has it."""
    for participant in reversed(participants):
        for session in participant["sessions"] if "userId" in participant else ():
            segments = session["segments"]
            for at in range(len(segments) - 1, 0, -1):
                if "wrapUpCode" in segments[at]:
                    return segments, at
    return None


def _put_earlier_code(story: Story) -> None:
    """Gives the last segment with a code the one that its user set before; a code of the system stays."""
    if found := _last_code(story.participants):
        segment = found[0][found[1]]
        others = [code for code in story.codes if code and code != segment["wrapUpCode"] and code[:5] != "ININ-"]
        if others and not segment["wrapUpCode"].startswith("ININ-"):
            segment["wrapUpCode"] = others[-1]


def _withhold_wrap_up(participants: list[Json]) -> None:
    """Takes the last code of a user, and all of its segment where that has no length.

    A code of the system is there as soon as the time for another one is over.
    """
    found = _last_code(participants)
    if not found:
        return
    segments, at = found
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
