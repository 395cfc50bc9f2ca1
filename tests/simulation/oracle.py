"""The judge: what an export says of itself, against what the org knows.

What is promised, and checked after every run that ends:

- Each row is a conversation that started in its window, each is there once, in a version that it once had.
- A window that is called proven holds every conversation that the API knew of at its `countedAt`, and none that it did
  not know of by the end. Only where the final count itself was a lie may one be missing: no client can tell.
- A row is in the version that came last, of all passes that were not given up.
- In the whole export no conversation is there twice. One that a window returned although it starts elsewhere, and that
  no other window has, is kept once and named, unless so many came that the window is not proven.
- A window is not proven where an answer was about other days only. What is not recognised is no answer.
- What belongs to a window that was read too early is counted as late.
- A window that is not proven is called so, and so is the export.
- Lengths and checksums are those of the output; manifest and summary say the same.

And all the way: what stands under the output's name is whole, or it is what was there before; a finished window is not
asked for again, whatever happened since; what does not go wrong any more, ends well.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import msgspec

from everycall import Interval, Summary
from everycall.acquire.proof import id_bytes
from everycall.manifest import Entry
from everycall.sandbox.instants import DAY_MS, to_text

from .org import USERS, YEAR_ONE, Drifting, Simulated, queue_id, user_id
from .wire import START, Answered

STRAYS_MAX = 20
MANY = "conversations came that start on days that were not asked for"
"""The reason of a window with more strays than that."""

EPOCH = "1970-01-01T00:00:00.000Z"
"""What starts earlier, or at no time, stands first."""


class Wrong(AssertionError):
    """The promise is broken."""


def check(holds: object, message: str) -> None:
    """Raises `Wrong` unless it holds."""
    if not holds:
        raise Wrong(message)


def judge(
    summary: Summary,
    data: bytes,
    manifest: Any,
    world: Drifting,
    runs: Mapping[str, list[Answered]],
    *,
    is_repair: bool = False,
) -> None:
    """Check a finished export; `runs` holds the answers of the run that finished each window, by its interval.

    Where a repair took windows over, their answers are not known: what should be in them is not checked.
    """
    given = msgspec.json.decode(msgspec.json.encode(summary.manifest))
    open_by_window = open_conversations(manifest)
    check(manifest is None or manifest == given, "the manifest is not what the summary says")
    is_proven = not summary.unread and all(entry.verdict == "proven" for entry in summary.entries)
    check((summary.verdict == "proven") == is_proven, "the verdict is not that of the windows")
    check(given["output"]["sizeBytes"] == len(data), "the manifest's length is not the output's")
    check(given["output"]["sha256"] == hashlib.sha256(data).hexdigest(), "the manifest's checksum is not the output's")
    check(given["rows"] == sum(entry.rows for entry in summary.entries), "the rows do not add up")
    check(given["provenAsOf"] == min((one.counted_at for one in summary.entries), default=None), "not the first count")
    check(given["interval"] == given["query"]["interval"] == str(summary.interval), "the interval is another")
    check_tiling(summary)
    by_ms = ms(summary.finished_at)
    by_window = parts(data, summary.entries)
    there = {row["conversationId"] for rows in by_window for row in rows}
    check_once(summary, by_window)
    if not is_repair and not summary.unread:
        check_strays(summary, there, world, runs)
        check_late(summary, there, world, runs)
        check_later(summary, by_window, world, runs)
    for entry, rows in zip(summary.entries, by_window, strict=True):
        answers = runs[entry.interval]
        check_rows(entry, rows, world, by_ms)
        check_numbers(entry, rows, answers, open_by_window)
        check_provisional(entry, summary.finished_at)
        check_values(entry, rows, world)
        check_versions(entry, rows, world, answers)
        check_days(entry, world, answers)
        if entry.verdict == "proven" and not is_miscounted(answers):
            check_whole(entry, rows, world, ms(datetime.fromisoformat(entry.counted_at)))


def check_archive(archive: bytes, manifest: Any, data: bytes) -> None:
    """The second output has the conversations of the first one, in the same order and versions."""
    try:
        found = [msgspec.json.decode(line) for line in archive.splitlines()]
    except msgspec.DecodeError as error:
        raise Wrong(f"a line of the archive is no JSON: {error}") from error
    rows = [(row["conversationId"], row["endTime"]) for row in table(data)]
    check([(one["conversationId"], one.get("conversationEnd", "")) for one in found] == rows, "the archive has others")
    check(manifest["output"]["sizeBytes"] == len(archive), "the length of the archive is another")
    check(manifest["output"]["sha256"] == hashlib.sha256(archive).hexdigest(), "the checksum of the archive is another")


def open_conversations(manifest: Any) -> dict[str, list[str]] | None:
    """Of each window, the open conversations that only the manifest's file names; they are taken out of it."""
    if manifest is None:
        return None
    found = {window["interval"]: window["openConversations"] for window in manifest["windows"]}
    for window in manifest["windows"]:
        window["openConversations"] = []
    return found


def check_tiling(summary: Summary) -> None:
    """The windows tile the interval."""
    windows = sorted([*(entry.window for entry in summary.entries), *summary.unread], key=lambda window: window.start)
    at = summary.interval.start
    for window in windows:
        check(window.start == at, f"{window} does not begin where the one before ends")
        at = window.end
    check(at == summary.interval.end, "the windows end before the interval does")


def parts(data: bytes, entries: Sequence[Entry]) -> list[list[dict[str, str]]]:
    """The rows of each window, by the lengths that its entry says; each part's checksum is checked."""
    at = data.index(b"\n") + 1
    header, found = data[:at], []
    for entry in entries:
        part = data[at : at + entry.size_bytes]
        check(hashlib.sha256(part).hexdigest() == entry.sha256, f"the rows of {entry.interval} are not what was sealed")
        found.append(table(header + part))
        at += entry.size_bytes
    check(at == len(data), "the output is longer than its windows")
    return found


def table(data: bytes) -> list[dict[str, str]]:
    """The rows of a CSV by column."""
    return list(csv.DictReader(StringIO(data.decode(), newline="")))


def check_rows(entry: Entry, rows: list[dict[str, str]], world: Drifting, by_ms: int) -> None:
    """Each row is a conversation of that window, and there once."""
    ids = [row["conversationId"] for row in rows]
    owned = world.owned(ms(entry.window.start), ms(entry.window.end), by_ms)
    check(len(rows) == entry.rows, f"{entry.interval} does not have the rows that it says")
    check(len(set(ids)) == len(ids), f"{doubles(ids)} came twice in {entry.interval}")
    strays = {one.conversation_id for one in entry.strays}
    check(set(ids) <= owned | strays, f"{set(ids) - owned - strays} are no conversations of {entry.interval}")
    check(strays <= set(ids), f"{strays - set(ids)} are named as strays of {entry.interval}, and are not there")
    in_order = [(max(EPOCH, row["startTime"]), row["conversationId"]) for row in rows]
    check(in_order == sorted(in_order), f"{entry.interval} is not sorted")


def check_once(summary: Summary, by_window: Sequence[list[dict[str, str]]]) -> None:
    """No conversation is in two windows."""
    twice = set(doubles([row["conversationId"] for rows in by_window for row in rows]))
    check(not twice, f"{twice} are in two windows of {summary.interval}")


def check_strays(summary: Summary, there: set[str], world: Drifting, runs: Mapping[str, list[Answered]]) -> None:
    """What is misfiled is there, where a window returned it and it could be known to be no other's."""
    for one in world.misfiled:
        entries = [entry for entry in summary.entries if one.id in newest_pages(runs[entry.interval])]
        if not entries or one.id in there or any(MANY in entry.reason for entry in entries):
            continue
        (start_ms,) = one.starts
        whole = ms(summary.interval.start), ms(summary.interval.end)
        is_ours = start_ms is None or one.start_text == YEAR_ONE or world.belongs(start_ms, whole)
        is_late = start_ms is not None and world.are_days_closed  # the day that it shows has it, too
        is_others = any(touches(entry, start_ms) for entry in entries) and not is_ours
        check(
            is_late or is_others or is_read_later(start_ms, entries, summary, world, runs),
            f"{one.id}, which starts at {one.start_text}, is nowhere",
        )


def is_read_later(
    start_ms: int | None, entries: list[Entry], summary: Summary, world: Drifting, runs: Mapping[str, list[Answered]]
) -> bool:
    """Whether the window to which a start belongs was read by a later run than those that returned the conversation.

    What an earlier, unproven reading of it had is not looked for again.
    """
    run = min(runs[entry.interval][0].run for entry in entries)
    owners = [one for one in summary.entries if world.belongs(start_ms, (ms(one.window.start), ms(one.window.end)))]
    return any(runs[owner.interval][0].run > run for owner in owners)


def check_late(summary: Summary, there: set[str], world: Drifting, runs: Mapping[str, list[Answered]]) -> None:
    """What a window returned, and the one to which it belongs, read before, did not have by then, is counted."""
    for entry in summary.entries:
        returned = (world.by_id[each] for each in newest_pages(runs[entry.interval]) if each not in there)
        run = runs[entry.interval][0].run
        others = [
            other for other in summary.entries
            if other is not entry and runs[other.interval][0].run <= run and other.counted_at <= entry.counted_at
        ]  # fmt: skip
        late = {
            one.id for one in returned
            if not one.is_misfiled and not one.moves
            and any(world.belongs(one.start_ms, (ms(other.window.start), ms(other.window.end))) for other in others)
        }  # fmt: skip
        check(len(late) <= entry.late or MANY in entry.reason, f"{late} are late, {entry.interval} counts {entry.late}")


def check_later(
    summary: Summary, by_window: Sequence[list[dict[str, str]]], world: Drifting, runs: Mapping[str, list[Answered]]
) -> None:
    """Where two windows had a conversation whose start changed, it stands in the one that was counted last.

    What went to a stream cannot be taken back. An unproven window keeps what any of its passes had, also where its last
    one did not have it any more, and is counted after that: it may hold the earlier start.
    """
    if summary.output is None:
        return
    for one in world.moving:
        owners = [entry for entry in summary.entries if owned_as_read(one, entry, world, runs[entry.interval])]
        holders = [
            entry for entry, rows in zip(summary.entries, by_window, strict=True)
            if one.id in {row["conversationId"] for row in rows}
        ]  # fmt: skip
        last = max((claimed_at(one, entry, runs[entry.interval]) for entry in owners), default="")
        stands = not holders or holders[0].verdict == "unproven" or holders[0].counted_at >= last
        check(stands, f"{one.id} stands in {holders} and not in its later reading")


def claimed_at(one: Simulated, entry: Entry, answers: list[Answered]) -> str:
    """When a window was counted with the conversation: before its last reading, if that one was to leave it out."""
    counts = sorted(answer.at_ms for answer in answers if answer.is_count and answer.has_come)
    if id_bytes(one.id).hex() in entry.left_out and len(counts) > 1:
        return to_text(counts[-2])
    return entry.counted_at


def owned_as_read(one: Simulated, entry: Entry, world: Drifting, answers: list[Answered]) -> bool:
    """Whether the window's last pass has the conversation with a start in the window."""
    number = newest_pages(answers).get(one.id)
    if number is None or not one.moves:
        return False
    at_ms = next(answer.at_ms for answer in answers if answer.number == number)
    start_ms = one.moves[1] if at_ms >= one.moves[0] else one.start_ms
    return world.belongs(start_ms, (ms(entry.window.start), ms(entry.window.end)))


def check_days(entry: Entry, world: Drifting, answers: list[Answered]) -> None:
    """Each page of a proven window has something of a day that the window touches; no window has too many strays."""
    if entry.verdict != "proven":
        return
    pages, window = newest_pages(answers), (ms(entry.window.start), ms(entry.window.end))
    touched = {
        page for each, page in pages.items()
        if any(touches(entry, start) or world.belongs(start, window) for start in world.by_id[each].starts)
    }  # fmt: skip
    check(set(pages.values()) <= touched, f"{entry.interval} is called proven with an answer about other days")
    check(len(entry.strays) <= STRAYS_MAX, f"{entry.interval} is called proven with {len(entry.strays)} strays")


def newest_pages(answers: list[Answered]) -> dict[str, int]:
    """Of each conversation in the last pass, the number of the answer that brought it last."""
    found: dict[str, int] = {}
    for answer in sorted(passes(answers)[-1], key=lambda answer: answer.taken):
        found |= dict.fromkeys(answer.versions, answer.number)
    return found


def touches(entry: Entry, start_ms: int | None) -> bool:
    """Whether a start lies on a day that the window touches, that of its end included."""
    first, last = (ms(instant) // DAY_MS for instant in (entry.window.start, entry.window.end))
    return start_ms is not None and first <= start_ms // DAY_MS <= last


def check_numbers(
    entry: Entry, rows: list[dict[str, str]], answers: list[Answered], named: dict[str, list[str]] | None
) -> None:
    """What the entry says beside its rows is what came."""
    last = next(one for one in answers if one.correlation_id == entry.correlation_ids[-1])
    is_open = sorted(row["conversationId"] for row in rows if not row["endTime"])
    check(named is None or named[entry.interval] == is_open, f"{entry.interval} calls others open than are")
    check(entry.open == len(is_open), f"{entry.interval} miscounts what is open")
    check(entry.unique_ids - entry.rows == entry.carried_in, f"{entry.interval} miscounts what was carried in")
    if last.is_count:
        check(ms(datetime.fromisoformat(entry.counted_at)) <= last.at_ms, f"{entry.interval} was counted before")
        check(entry.hits_after == (last.total_hits or 0), f"{entry.interval} was counted otherwise")


def check_provisional(entry: Entry, finished_at: datetime) -> None:
    """A window is provisional until the vendor rebuilds it no more: midnight may pass while an export runs."""
    at_first, at_last = (midnight(at) - timedelta(days=4) for at in (START, finished_at))
    check(entry.provisional or entry.window.end <= at_last, f"{entry.interval} is not settled yet")
    check(not entry.provisional or entry.window.end > at_first, f"{entry.interval} is settled")


def midnight(at: datetime) -> datetime:
    """The start of a UTC day."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def check_values(entry: Entry, rows: list[dict[str, str]], world: Drifting) -> None:
    """Instants and names are those of the version that the row is in; columns that were not asked for are not there.

    Where the entry says that names could not be looked up, an id may stand for one.
    """
    kinds = {"queueName": "queues", "agentName": "users"}
    nameless = {column for column, kind in kinds.items() if kind in entry.names_unavailable}
    for row in rows:
        one, version = world.by_id[row["conversationId"]], int(row["disposition"][1:])
        names = {"queueName": one.queue_name, "agentName": one.user_name(version)}
        ids = {"queueName": queue_id(one.queue), "agentName": user_id((one.user + version) % USERS)}
        right = {column: {names[column], ids[column]} if column in nameless else {names[column]} for column in names}
        shown = {"" if start is None else one.text(has_moved=at > 0) for at, start in enumerate(one.starts)}
        check(row["startTime"] in shown, f"{one.id} says that it started {row['startTime']}")
        wrong = {column: row[column] for column in names if column in row and row[column] not in right[column]}
        check(not wrong, f"{one.id} says {wrong} instead of {names}")
        end = row.get("endTime", "")
        check(not end or end == to_text(one.end_ms), f"{one.id} says that it ended {end}")


def check_whole(entry: Entry, rows: list[dict[str, str]], world: Drifting, by_ms: int) -> None:
    """What the API knew of by then is all there. Nobody can see that one left the answers while another came."""
    left = [one for one in world.moving if one.moves and one.moves[0] <= by_ms and touches(entry, one.start_ms)]
    known = world.owned(ms(entry.window.start), ms(entry.window.end), by_ms, surely=True)
    missing = known - {row["conversationId"] for row in rows}
    check(len(missing) <= len(left), f"{missing} are missing from {entry.interval}, which is called proven")


def check_versions(entry: Entry, rows: list[dict[str, str]], world: Drifting, answers: list[Answered]) -> None:
    """A row is what came last of its conversation."""
    newest: dict[str, int] = {}
    for one in passes(answers):
        for answer in sorted(one, key=lambda answer: answer.taken):
            newest |= answer.versions
    for row in rows:
        each, version = row["conversationId"], int(row["disposition"][1:])
        check(version <= len(world.by_id[each].changes_ms), f"{each} never had the version {version}")
        check(
            version == newest.get(each),
            f"{each} stands in version {version} in {entry.interval}; {newest.get(each)} came last",
        )


def passes(answers: Iterable[Answered]) -> list[list[Answered]]:
    """The pages of a window's reading that came, pass by pass; without those passes that were given up."""
    found: list[list[Answered]] = [[]]
    given_up = [False]
    was_counted = False
    for answer in sorted(answers, key=lambda answer: answer.number):
        is_first = not answer.is_count and answer.page == 1 and (was_counted or given_up[-1])
        if is_first:
            found.append([])
            given_up.append(False)
        was_counted = answer.is_count or (was_counted and not is_first)
        if answer.has_come and not answer.is_count:
            found[-1].append(answer)
            given_up[-1] |= answer.is_too_large
    return [pages for pages, is_over in zip(found, given_up, strict=True) if not is_over]


def is_miscounted(answers: Iterable[Answered]) -> bool:
    """Whether the count that a proof rests on was a lie: the final one, or any where none was asked for.

    So it is where a page was another interval's, though not about other days only, and the count agreed by chance.
    """
    came = [answer for answer in answers if answer.has_come]
    if any(answer.is_cached for answer in came):
        return True
    counts = [answer for answer in came if answer.is_count]
    return not counts[-1].is_true if counts else not all(answer.is_true for answer in came)


def doubles(ids: Iterable[str]) -> list[str]:
    """What is there more than once."""
    return [each for each, count in Counter(ids).items() if count > 1]


def ms(instant: datetime) -> int:
    """Epoch milliseconds."""
    return round(instant.timestamp() * 1000)


def overlap(one: Interval, other: Interval) -> bool:
    """Whether two windows share an instant."""
    return one.start < other.end and other.start < one.end
