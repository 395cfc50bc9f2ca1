import html
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx2
import pytest
from made import MONDAY, Caller, Clock, caller, conversation, spread

from everycall.sandbox import KINDS, QUERY, Request, Sandbox, Wire, admin, server

TUESDAY = "2026-03-03T16:20:11Z"


@pytest.fixture(scope="module")
def centre() -> Sandbox:
    """A contact centre in the middle of a day, of which somebody has asked something."""
    sandbox = Sandbox(conversations_per_day=400, now=Clock(TUESDAY), url="http://127.0.0.1:8080")
    sandbox.faults.on(2, "429", path=QUERY)
    asking = Caller(sandbox)
    for number in (1, 2):
        asking.post(QUERY, {"interval": "2026-03-02T00:00:00Z/2026-03-03T00:00:00Z", "paging": {"pageNumber": number}})
    asking.get("/api/v2/users?pageSize=100&name=<b>")
    return sandbox


def got(sandbox: Sandbox, target: str = "/") -> str:
    """The page that somebody looks at."""
    wire = admin.respond(sandbox, Request.of("GET", target))
    assert wire.status == 200
    assert wire.headers["Content-Length"] == str(len(wire.body))
    return wire.body.decode()


def sent(sandbox: Sandbox, site: str = "none", **form: str) -> Wire:
    """What a button gets."""
    return admin.respond(sandbox, Request.of("POST", "/", {"Sec-Fetch-Site": site}, urlencode(form).encode()))


def fact(page: str, name: str) -> str:
    """The number above a name."""
    found = re.search(f"<dt>{re.escape(name)}</dt><dd>(.*?)</dd>", page)
    assert found is not None, name
    return found.group(1)


class Balanced(HTMLParser):
    """Raises where an element is not closed in order."""

    VOID = ("meta", "link", "input", "line", "rect")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def read(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    return parser


def test_the_page_shows_what_the_sandbox_knows(centre: Sandbox) -> None:
    page = got(centre)
    started = centre.store.conversations("2026-03-03T00:00:00Z/2026-03-04T00:00:00Z")

    assert f"<h1>{html.escape(centre.store.world.organization()['name'])}</h1>" in page
    assert fact(page, "2026-03-03, UTC") == "16:20:11"
    assert fact(page, "conversations on 2026-03-03") == str(len(started))
    assert fact(page, "of them alive now") == str(
        sum("conversationEnd" not in conversation for conversation in started)
    )
    assert fact(page, "requests served") == "4"
    assert fact(page, "of them 429") == "1"


def test_each_hour_has_a_bar_with_its_number(centre: Sandbox) -> None:
    page = got(centre)
    at_noon = centre.store.conversations("2026-03-03T12:00:00Z/2026-03-03T13:00:00Z")

    assert page.count('<rect class="bar"') == 24
    assert f"<title>12:00 UTC: {len(at_noon)}</title>" in page
    assert "<title>23:00 UTC: 0</title>" in page


def test_another_day_can_be_looked_at(centre: Sandbox) -> None:
    yesterday = centre.store.conversations("2026-03-02T00:00:00Z/2026-03-03T00:00:00Z")

    assert fact(got(centre, "/?day=2026-03-02"), "conversations on 2026-03-02") == f"{len(yesterday):,}"
    assert 'href="/?day=2026-03-02"' in got(centre)


@pytest.mark.parametrize("day", ["nonsense", "2026-13-01", "9999-99-99", ""])
def test_an_invalid_day_is_taken_for_today(centre: Sandbox, day: str) -> None:
    assert "Conversations per hour, 2026-03-03" in got(centre, f"/?day={day}")


def test_requests_stand_there_newest_first_and_escaped(centre: Sandbox) -> None:
    rows = re.findall(r"<tr><td class=\"number\">(\d+)</td>.*?</tr>", got(centre))

    assert rows == ["4", "3", "2", "1"]
    assert "name=%3Cb%3E" in got(centre)
    assert '<span class="warn">429</span> (429)' in got(centre)


def test_a_conversation_is_shown_as_the_store_has_it(centre: Sandbox) -> None:
    held = centre.store.conversations("2026-03-02T00:00:00Z/2026-03-03T00:00:00Z")[7]
    page = got(centre, f"/?conversation={held['conversationId']}")

    shown = re.search(r'<pre tabindex="0" id="json">(.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    assert f'"conversationStart": "{held["conversationStart"]}"' in html.unescape(shown.group(1))


def test_each_recent_conversation_is_another(centre: Sandbox) -> None:
    ids = {re.search(r'name="conversation" value="(.*?)"', got(centre, f"/?recent={n}"))[1] for n in range(5)}  # type: ignore[index]

    assert len(ids) == 5


def test_an_unknown_conversation_is_named_and_escaped(centre: Sandbox) -> None:
    page = got(centre, "/?conversation=<script>alert(1)</script>")

    assert "There is no conversation &lt;script&gt;" in page
    assert "<script>alert" not in page


def test_the_page_is_sound_html_that_asks_nobody_else_for_anything(centre: Sandbox) -> None:
    for target in ("/", "/?recent=1", "/?conversation=x"):
        read_page = read(got(centre, target))

        assert read_page.open == []
        assert all(link.startswith("/") or link == "data:," for link in read_page.links)
        assert len(set(read_page.ids)) == len(read_page.ids)


def test_a_button_arms_a_fault_that_then_strikes() -> None:
    asking = caller(spread(3))

    assert sent(asking.sandbox, do="arm", kind="503", path=QUERY, count="2").status == 303
    statuses = [asking.post(QUERY, {"interval": MONDAY})[0] for _ in range(3)]

    assert statuses == [503, 503, 200]
    assert "503 on requests 1 to 2 to details queries" in got(asking.sandbox)


@pytest.mark.parametrize("label", list(admin.BUTTONS))
def test_every_quick_button_arms_something(label: str) -> None:
    sandbox = Sandbox(conversations=[], now=Clock())

    assert sent(sandbox, do=label).status == 303
    assert len(sandbox.faults.armed()) == 1
    assert html.escape(label) in got(sandbox)


def test_faults_are_disarmed_one_by_one_or_all() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())
    for kind in ("500", "503", "504"):
        sandbox.faults.on(None, kind)

    sent(sandbox, do="disarm", fault="2")
    assert [rule.text for rule in sandbox.faults.armed()] == ["500 on every request", "504 on every request"]

    sent(sandbox, do="clear")
    assert sandbox.faults.armed() == []


def test_tokens_are_revoked() -> None:
    asking = caller([])

    sent(asking.sandbox, do="revoke")

    assert asking.get("/api/v2/users")[0] == 401


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"do": "arm", "kind": "nonsense"}, "&#x27;nonsense&#x27; is no kind of fault"),
        ({"do": "arm", "kind": "unseen"}, "missing a required argument"),
        ({"do": "arm", "kind": "503", "count": "-1"}, "&#x27;-1&#x27; is not a whole number."),
        ({"do": "arm", "kind": "503", "delay_s": "nan"}, "A wait of nan s is not between 0 and 3600."),
        ({"do": "disarm", "fault": "9"}, "no fault 9 is armed"),
        ({"do": "dance"}, "There is no button &#x27;dance&#x27;."),
        ({}, "There is no button"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused_with_the_reason(form: dict[str, str], message: str) -> None:
    wire = sent(Sandbox(conversations=[], now=Clock()), **form)

    assert wire.status == 400
    assert f'<p role="alert">{message}' in wire.body.decode()


def test_a_form_from_another_site_is_refused() -> None:
    sandbox = Sandbox(conversations=[], now=Clock())

    assert sent(sandbox, "cross-site", do="One 503").status == 403
    assert sandbox.faults.armed() == []
    assert sent(sandbox, "same-origin", do="One 503").status == 303


def test_every_kind_that_needs_nothing_is_offered(centre: Sandbox) -> None:
    offered = set(re.findall(r'<option value="([a-z_0-9]+)">', got(centre)))

    assert offered < set(KINDS)
    assert "unseen" not in offered
    for kind in offered:
        assert sent(Sandbox(conversations=[], now=Clock()), do="arm", kind=kind).status == 303


def test_a_recording_shows_its_last_day() -> None:
    sandbox = Sandbox(conversations=spread(9), now=Clock())

    assert fact(got(sandbox), "conversations on 2026-01-05") == "9"
    assert "GENESYS_ENV" in got(sandbox, "/?recent=1")


def test_an_empty_sandbox_has_a_page_too() -> None:
    page = got(Sandbox(conversations=[], now=Clock()))

    assert "None yet." in page
    assert "Nothing is armed" in page


def test_the_page_says_that_a_conversation_never_ends() -> None:
    sandbox = Sandbox(conversations=[conversation(1, seconds=None)], now=Clock())

    assert "lives, and never ends" in got(sandbox, "/?conversation=00000000-0000-4000-8000-000000000001")


def test_the_page_is_served_at_the_root_and_counts_as_no_request() -> None:
    with server(conversations=spread(2), now=Clock()) as sandbox, httpx2.Client(base_url=sandbox.url) as http:
        answer = http.get("/")

        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert http.post("/", data={"do": "One 503"}).headers["location"] == "/"
        assert http.put("/").status_code == 405
        assert list(sandbox.requests) == []
        assert len(sandbox.faults.armed()) == 1
        assert http.get("/api/v2/users").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (9, 10), (11, 20), (21, 30), (204, 300), (1001, 2000), (10_000, 10_000)]
)
def test_the_bars_stay_below_a_round_number(most: int, top: int) -> None:
    assert admin.scale(most) == top
