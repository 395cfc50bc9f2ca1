"""The page at `/`: what the sandbox holds, what was asked of it, and the faults, with buttons to arm them.

    GET  /                            the page, for today
    GET  /?day=2026-01-05             another day's conversations per hour
    GET  /?conversation=ID, ?recent=N one conversation's JSON
    POST /  do=arm|disarm|clear|revoke   then back to the page

HTML with its style and script inside, so that it works offline; no part of the API, and not counted as a request.
The template is `admin.html`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from itertools import islice
from string import Template
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import msgspec

from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Served
from everycall.sandbox.faults import KINDS, QUERY, check_options
from everycall.sandbox.instants import DAY_MS, to_ms, to_text
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.traffic import FOREVER_MS, Sketch

PATH: Final = "/"

REQUESTS_SHOWN: Final = 50
NAMES_SHOWN: Final = 12
RECENT_MS: Final = 7 * DAY_MS
"""How far back a recent conversation is looked for."""

HOUR_MS: Final = 3_600_000

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}

BUTTONS: Final[Mapping[str, Mapping[str, str]]] = {
    "A 429 storm": {"kind": "429", "path": QUERY, "count": "5"},
    "One 503": {"kind": "503", "path": QUERY, "count": "1"},
    "A body cut short": {"kind": "cut", "path": QUERY, "count": "1"},
    "A hang": {"kind": "hang", "path": QUERY, "count": "1"},
}
"""Faults that one button arms: its label, and what the form would have sent."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The conversations of one UTC day, as far as they have started."""

    day: int
    counts: tuple[int, ...]
    """For each hour, of those that start in it."""
    alive: int

    @property
    def total(self) -> int:
        """The conversations of all hours."""
        return sum(self.counts)


def respond(sandbox: Sandbox, request: Request) -> Wire:
    """The answer to a request for the page."""
    if request.method == "GET":
        return html(200, page(sandbox, request))
    if request.method != "POST":
        return html(405, page(sandbox, request, f"The page takes GET and POST, not {request.method}."))
    # A page of another origin in the same browser could send the form, too.
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return html(403, page(sandbox, request, "That form did not come from this page."))
    form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    try:
        carry_out(sandbox, form)
    except (ValueError, TypeError) as error:
        return html(400, page(sandbox, request, str(error)))
    return Wire(303, {"Location": PATH, "Content-Length": "0"}, b"")


def html(status: int, text: str) -> Wire:
    """A page as bytes."""
    body = text.encode()
    return Wire(status, {**HEADERS, "Content-Length": str(len(body))}, body)


def carry_out(sandbox: Sandbox, form: Mapping[str, str]) -> None:
    """Does what the pressed button stands for.

    Raises:
        ValueError: there is no such button, kind or number.
        TypeError: the kind of fault needs what the form does not say.
    """
    action = form.get("do", "")
    if action in BUTTONS:
        arm(sandbox, BUTTONS[action])
    elif action == "arm":
        arm(sandbox, form)
    elif action == "disarm":
        sandbox.faults.disarm(whole(form, "fault", -1))
    elif action == "clear":
        sandbox.faults.clear()
    elif action == "revoke":
        sandbox.revoke_tokens()
    else:
        raise ValueError(f"There is no button {action!r}.")


def arm(sandbox: Sandbox, form: Mapping[str, str]) -> None:
    """Arms a fault for the next requests."""
    delay_s = float(form.get("delay_s") or 0)
    if not 0 <= delay_s <= 3600:
        raise ValueError(f"A wait of {delay_s:g} s is not between 0 and 3600.")
    count = whole(form, "count", 1)
    options: dict[str, Any] = {"delay_s": delay_s} if delay_s else {}
    sandbox.faults.on(range(1, count + 1), form.get("kind", ""), path=form.get("path", ""), **options)


def whole(form: Mapping[str, str], name: str, default: int) -> int:
    """A number that the form sent."""
    text = form.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is not a whole number.")
    return int(text)


def page(sandbox: Sandbox, request: Request, alert: str = "") -> str:
    """The page's HTML."""
    now_ms = sandbox.store.now_ms
    today = hours(sandbox, day_asked(sandbox, request, now_ms), now_ms)
    sketch, sought = conversation_asked(sandbox, request, now_ms)
    recent = request.parameter("recent")
    return template().substitute(
        name=escape(str(sandbox.store.world.organization().get("name", "Sandbox"))),
        about=f"A stand-in for the Genesys Cloud API at <code>{escape(sandbox.url)}</code>",
        alert=f'<p role="alert">{escape(alert)}</p>' if alert else "",
        facts=facts(sandbox, today, now_ms),
        day=day_text(today.day),
        chart=chart(today),
        days=day_links(today.day, now_ms),
        requests=requests_table(sandbox.requests),
        faults=faults_table(sandbox),
        kinds="".join(
            f'<option value="{escape(name)}">{escape(name)}: {escape(KINDS[name].about)}</option>' for name in armable()
        ),
        query=QUERY,
        buttons="".join(f'<button name="do" value="{escape(label)}">{escape(label)}</button>' for label in BUTTONS),
        conversation_id=escape(sketch.conversation_id if sketch else sought),
        conversation=conversation(sandbox, sketch, sought, now_ms),
        next=str(int(recent) + 1 if recent and recent.isdigit() else 1),
        org=org(sandbox),
        environ=escape("\n".join(f"export {name}={value}" for name, value in sandbox.environ.items())),
    )


@cache
def template() -> Template:
    """The HTML with `$names` to substitute."""
    return Template(files(__package__).joinpath("admin.html").read_text("utf-8"))


@cache
def armable() -> tuple[str, ...]:
    """The kinds of fault that need no more than a name."""
    return tuple(name for name, kind in KINDS.items() if takes_nothing(kind))


def takes_nothing(kind: Any) -> bool:
    """Whether a kind can be armed without options."""
    try:
        check_options(kind, {})
    except TypeError:
        return False
    return True


# --- what stands at the top, and the hours


def day_asked(sandbox: Sandbox, request: Request, now_ms: int) -> int:
    """The UTC day that is shown: the one asked for, or today; of a recording its last one."""
    asked = request.parameter("day") or ""
    try:
        return to_ms(f"{asked}T00:00:00Z") // DAY_MS
    except ValueError:
        pass
    today = now_ms // DAY_MS
    world = sandbox.store.world
    if isinstance(world, Recorded) and not len(world.day(today)):
        return max(world.days_reaching(today), default=today)
    return today


def hours(sandbox: Sandbox, day: int, now_ms: int) -> Hours:
    """How many conversations start in each hour of a day, and how many live now."""
    sketches = sandbox.store.world.day(day)
    counts = [0] * 24
    alive = 0
    for start_ms, end_ms in zip(sketches.starts, sketches.ends, strict=True):
        if start_ms <= now_ms:
            counts[(start_ms - day * DAY_MS) // HOUR_MS] += 1
            alive += end_ms > now_ms
    return Hours(day, tuple(counts), alive)


def facts(sandbox: Sandbox, today: Hours, now_ms: int) -> str:
    """The numbers at the top."""
    served = list(sandbox.requests)
    rejected = sum(request.status == 429 for request in served)
    numbers = {
        f"{to_text(now_ms)[:10]}, UTC": to_text(now_ms)[11:19],
        f"conversations on {day_text(today.day)}": f"{today.total:,}",
        "of them alive now": f"{today.alive:,}",
        "requests served": f"{served[-1].number if served else 0:,}",
        "of them 429": f"{rejected:,}",
        "requests a minute, per token": f"{sandbox.rate_limit.allowed:,}",
    }
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in numbers.items())


def day_text(day: int) -> str:
    """The day as 2026-01-05."""
    return to_text(day * DAY_MS)[:10]


def day_links(day: int, now_ms: int) -> str:
    """Links to the day before and the day after."""
    links = [f'<a href="/?day={day_text(day - 1)}">the day before</a>']
    if day < now_ms // DAY_MS:
        links += [f'<a href="/?day={day_text(day + 1)}">the day after</a>', '<a href="/">today</a>']
    return " &middot; ".join(links)


WIDTH, HEIGHT, LEFT, BELOW = 960, 190, 44, 22


def chart(shown: Hours) -> str:
    """A bar for each hour."""
    most = scale(max(shown.counts))
    slot, tall = (WIDTH - LEFT) / 24, HEIGHT - BELOW - 10
    lines, bars = [], []
    for part in range(3):
        y = 10 + tall - tall * part / 2
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{most * part // 2:,}</text>'
        )
    for hour, count in enumerate(shown.counts):
        height, x = tall * count / most, LEFT + hour * slot
        bars.append(
            f'<rect class="bar" x="{x + 3:.1f}" y="{10 + tall - height:.1f}" width="{slot - 6:.1f}" '
            f'height="{height:.1f}" rx="2"><title>{hour:02}:00 UTC: {count:,}</title></rect>'
            f'<text x="{x + slot / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{hour:02}</text>'
        )
    label = f"{shown.total:,} conversations on {day_text(shown.day)}, most of them, {max(shown.counts):,}, in one hour"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(lines)}{"".join(bars)}'
        f"</svg>{hours_table(shown)}"
    )


def scale(most: int) -> int:
    """The next number of 2, 4, 6, 8, 10, 20, 30, 40, 50 ... that the bars stay below."""
    step = 1
    while most > 10 * step:
        step *= 10
    return next(top for top in range(2 * step, 11 * step, step) if most <= top and top % 2 == 0)


def hours_table(shown: Hours) -> str:
    """The numbers of the chart as a table, for screen readers."""
    cells = [(f"{hour:02}:00", f"{count:,}") for hour, count in enumerate(shown.counts)]
    return f"<details><summary>the numbers</summary>{table(('hour', 'conversations'), cells, numbers={1})}</details>"


# --- tables


def table(
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[int] = (),
    wide: int | None = None,
    html_in: int | None = None,
) -> str:
    """Rows of texts: columns in `numbers` stand to the right, `wide` takes what room is left, `html_in` is HTML."""

    def cell(at: int, text: str, tag: str) -> str:
        kind = ' class="number"' if at in numbers else ' class="grow"' if at == wide else ""
        return f"<{tag}{kind}>{text if at == html_in and tag == 'td' else escape(text)}</{tag}>"

    def row(texts: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(cell(at, text, tag) for at, text in enumerate(texts))}</tr>"

    return (
        f"<table><thead>{row(names, 'th')}</thead><tbody>{''.join(row(texts, 'td') for texts in rows)}</tbody></table>"
    )


def requests_table(served: Sequence[Served] | Any) -> str:
    """The last requests, the newest first."""
    latest = list(islice(reversed(served), REQUESTS_SHOWN))
    if not latest:
        return '<p class="soft">None yet.</p>'
    rows = [
        (
            str(request.number),
            to_text(int(request.arrived_s * 1000))[11:19],
            outcome(request),
            request.method,
            asked_for(request),
        )
        for request in latest
    ]
    return table(("no.", "time", "status", "method", "what"), rows, numbers={0}, wide=4, html_in=2)


def outcome(served: Served) -> str:
    """The status, or what became of the connection, with a colour, and the faults that struck."""
    colour = "good" if served.status < 400 else "warn" if served.status == 429 else "bad"
    how = str(served.status) if served.delivery in {"whole", "drip"} else served.delivery
    if how != str(served.status):
        colour = "bad"
    struck = f" ({escape(', '.join(served.faults))})" if served.faults else ""
    return f'<span class="{colour}">{escape(how)}</span>{struck}'


def asked_for(served: Served) -> str:
    """The path with its parameters; of a query the page."""
    query = f"?{urlencode(served.parameters)}" if served.parameters else ""
    paging = served.body.get("paging") if isinstance(served.body, dict) else None
    page_number = f", page {paging.get('pageNumber', 1)}" if isinstance(paging, dict) else ""
    return f"{served.path}{query}{page_number}"


def faults_table(sandbox: Sandbox) -> str:
    """What is armed, each with a button to disarm it."""
    armed = sandbox.faults.armed()
    if not armed:
        return '<p class="soft">Nothing is armed: every request is answered as the API would.</p>'
    rows = [
        (
            rule.text.replace(f" to POST {QUERY}", " to details queries").replace(
                f" to {QUERY}", " to details queries"
            ),
            str(rule.seen),
            str(rule.struck),
            disarm_button(rule.number, rule.text),
        )
        for rule in armed
    ]
    return table(("armed", "seen", "struck", ""), rows, numbers={1, 2}, wide=0, html_in=3)


def disarm_button(number: int, text: str) -> str:
    """A form of its own, so that it works without a script."""
    return (
        '<form method="post" action="/" style="margin: 0"><input type="hidden" name="do" value="disarm">'
        f'<button name="fault" value="{number}" aria-label="Disarm {escape(text)}">Disarm</button></form>'
    )


# --- one conversation, and the org


def conversation_asked(sandbox: Sandbox, request: Request, now_ms: int) -> tuple[Sketch | None, str]:
    """The conversation that is asked for, by id or as a recent one, and the id that was given."""
    recent = request.parameter("recent")
    if recent is not None and recent.isascii() and recent.isdigit():
        return recent_one(sandbox, int(recent), now_ms), ""
    sought = (request.parameter("conversation") or "").strip()
    return (sandbox.store.world.locate(sought, now_ms) if sought else None), sought


def recent_one(sandbox: Sandbox, number: int, now_ms: int) -> Sketch | None:
    """A conversation of the last week that has ended; each number gives another."""
    day = now_ms // DAY_MS
    world = sandbox.store.world
    days: Iterable[int] = range(day, day - RECENT_MS // DAY_MS, -1)
    if isinstance(world, Recorded):
        days = sorted(world.days_reaching(day + 1), reverse=True)
    for day in days:
        sketches = world.day(day)
        ended = [at for at, end_ms in enumerate(sketches.ends) if end_ms <= now_ms]
        if ended:
            # A step that shares no factor with small counts goes through them all, in no order that one sees.
            return sketches[ended[number * 7919 % len(ended)]]
    return None


def conversation(sandbox: Sandbox, sketch: Sketch | None, sought: str, now_ms: int) -> str:
    """Its JSON, as a job would show it."""
    if sketch is None:
        missing = f"There is no conversation {sought}, or it has yet to start."
        return f'<p class="soft">{escape(missing if sought else "Give an id, or take a recent one.")}</p>'
    shown = sandbox.store.world.with_attributes(sketch, now_ms)
    text = msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
    ended = "ended" if sketch.end_ms <= now_ms else "lives" if sketch.end_ms < FOREVER_MS else "lives, and never ends"
    about = (
        f"{shown.get('originatingDirection', '')} {', '.join(sketch.media_types)}, started {to_text(sketch.start_ms)}, "
        f"{ended}; {len(text.encode()):,} bytes as shown"
    )
    return f'<p class="soft">{escape(about)}</p><pre tabindex="0" id="json">{escape(text)}</pre>'


def org(sandbox: Sandbox) -> str:
    """Its people, queues and divisions."""
    world = sandbox.store.world
    counts = []
    for kind in ("users", "queues", "divisions", "wrapupcodes", "flows", "skills", "groups", "teams", "campaigns"):
        entities = world.entities(kind)
        gone = sum(entity.get("state") == "deleted" or entity.get("deleted") is True for entity in entities)
        counts.append((kind, f"{len(entities) - gone:,}", f"{gone:,}" if gone else ""))
    folded = "".join(names(kind, world.entities(kind)) for kind in ("divisions", "queues", "users"))
    return f"{table(('kind', 'there', 'deleted'), counts, numbers={1, 2})}<div>{folded}</div>"


def names(kind: str, entities: Sequence[Mapping[str, Any]]) -> str:
    """The names of some entities, folded away."""
    live = sorted(str(entity.get("name", entity["id"])) for entity in entities if entity.get("state") != "deleted")
    if not live:
        return ""
    items = "".join(f"<li>{escape(name)}</li>" for name in live)
    is_open = " open" if len(live) <= NAMES_SHOWN else ""
    return f'<details{is_open}><summary>{kind}: {len(live):,} names</summary><ul class="names">{items}</ul></details>'
