"""`everycall plan`."""

from collections.abc import Iterator

from everycall.attributes import Seen, seen_attributes
from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import write_lines
from everycall.cli.formats import counted, counted_hits, duration, span
from everycall.cli.options import Paging, PlanFormat, Source, Way, When, Which
from everycall.cli.org import connected
from everycall.cli.parser import Arguments
from everycall.cli.queries import check, kept_from, query_of
from everycall.client import SystemClock
from everycall.plan import Plan, plan
from everycall.printable import printable

SHOWN_MAX = 40

ATTRIBUTES_SHOWN = 100


def run(arguments: Arguments, context: Context) -> int:
    """Count, show the plan, and return the exit code."""
    check(arguments.of(When), arguments.of(Which), SystemClock().utc())
    with connected(arguments.of(Source)) as org:
        now = org.client.clock.utc()
        query, _ = query_of(arguments.of(When), arguments.of(Which), org.client, now)
        kept_from(query, org.client, now, context.display)
        found = plan(
            org.client, query, page_size=arguments.of(Paging).page_size, route=arguments.of(Way).route or "auto"
        )
        seen = seen_attributes(org.client, query) if arguments.of(PlanFormat).attributes else None
        if arguments.of(PlanFormat).json:
            outputs.write_json({**found.as_json(), **({"attributes": seen.as_json()} if seen else {})})
        else:
            write_lines([*lines(found, org.label), *(attribute_lines(seen) if seen else ())])
    return 0


def attribute_lines(seen: Seen) -> Iterator[str]:
    """The attributes for people: a table of names."""
    yield ""
    yield f"Attributes of {counted(seen.conversations, 'conversation')}, {span(seen.window)}:"
    rows = [("name", "conversations", "participants by purpose")]
    for one in seen.attributes[:ATTRIBUTES_SHOWN]:
        purposes = ", ".join(f"{count:,} {printable(purpose) or '?'}" for purpose, count in one.purposes.items())
        rows.append((repr(printable(one.name, 80)), f"{one.conversations:,}", purposes))
    name, conversations = (max(len(row[at]) for row in rows) for at in (0, 1))
    for row in rows:
        yield f"{row[0]:<{name}}  {row[1]:>{conversations}}  {row[2]}".rstrip()
    if len(seen.attributes) > ATTRIBUTES_SHOWN:
        yield f"... and {len(seen.attributes) - ATTRIBUTES_SHOWN:,} more; --json lists them all"


def lines(found: Plan, source: str) -> Iterator[str]:
    """The plan as text: a table of windows, and their totals."""
    rows = [("window (UTC)", "hits", "requests", "")]
    for step in found.steps[:SHOWN_MAX]:
        notes = (["by a job"] if step.route == "jobs" else []) + (["provisional"] if step.provisional else [])
        note = ", ".join(notes)
        rows.append((span(step.window), f"{step.hits:,}", f"{step.requests:,}", note))
    window, hits, requests, _ = (max(len(cell) for cell in column) for column in zip(*rows, strict=True))
    for row in rows:
        yield f"{row[0]:<{window}}  {row[1]:>{hits}}  {row[2]:>{requests}}  {row[3]}".rstrip()
    if len(found.steps) > SHOWN_MAX:
        yield f"... and {len(found.steps) - SHOWN_MAX} more; --json lists them all"
    yield ""
    yield f"{counted(found.conversations, 'conversation')} in {counted(len(found.steps), 'window')} from {source}"
    if found.carried_in:
        yield counted_hits(found.hits, found.carried_in)
    yield (
        f"{found.requests:,} requests, {found.allowed:.0f} a minute allowed: about {duration(found.length)}, "
        f"by {_ways(found)}"
    )
    yield from _choice(found)


def _ways(found: Plan) -> str:
    if not found.jobs:
        return "the details query"
    return "jobs" if found.jobs == len(found.steps) else "jobs and the details query"


def _choice(found: Plan) -> Iterator[str]:
    """Why these ways, with the figures of both."""
    if found.route == "query":
        return
    if found.unusable:
        yield f"Jobs cannot be used ({printable(found.unusable)})."
    elif found.complete_until is None:
        if found.route == "jobs":
            yield "The API does not say until when jobs are complete."
        elif found.by_jobs is not None and found.length_by_jobs is not None:
            requests, length = counted(found.by_jobs.requests, "request"), duration(found.length_by_jobs)
            yield f"Jobs would take {requests}, about {length}"
    else:
        yield (
            f"Jobs are complete until {found.complete_until:%Y-%m-%d %H:%M}Z; "
            f"the details query alone would take {found.requests_by_query:,} requests, "
            f"about {duration(found.length_by_query)}"
        )
    late = sum(step.route == "jobs" and step.by_jobs is None for step in found.steps)
    if late:
        yield f"{counted(late, 'window')} after that cannot be proven by jobs: use --route auto or --route query"
