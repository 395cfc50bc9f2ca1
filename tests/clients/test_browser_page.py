"""Somebody else's page in a real browser, which uses the sandbox from another origin."""

import html
import json
import re
from pathlib import Path
from string import Template
from typing import Any

from browsing import browse

from everycall.sandbox import QUERY, Sandbox, server

DAY = "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"
PAGE = Template("""<!doctype html><pre id="found">nothing</pre><script>
(async () => {
    const url = $url, found = {};
    const form = {method: "POST", body: "grant_type=client_credentials", headers: {
        "Authorization": "Basic " + btoa($login), "Content-Type": "application/x-www-form-urlencoded"}};
    const token = (await (await fetch(url + "/oauth/token", form)).json()).access_token;
    const headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"};
    const answer = await fetch(url + $query, {method: "POST", headers, body: JSON.stringify({interval: $day})});
    found.totalHits = (await answer.json()).totalHits;
    found.allowed = answer.headers.get("inin-ratelimit-allowed");
    found.admin = await fetch(url + "/__admin/faults").then((answer) => answer.status, () => "not readable");
    document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>""")


def found_by_page(sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """What the script of a page found, which the browser opens from a file, so from another origin."""
    values = {
        "url": sandbox.url,
        "login": f"{sandbox.client_id}:{sandbox.client_secret}",
        "query": QUERY,
        "day": DAY,
    }
    page = folder / "page.html"
    page.write_text(PAGE.substitute({name: json.dumps(value) for name, value in values.items()}), "utf-8")
    shown = re.search(r'<pre id="found">(.*?)</pre>', browse(page.as_uri(), folder, "--dump-dom"))
    assert shown is not None
    found: dict[str, Any] = json.loads(html.unescape(shown[1]))
    return found


def test_a_page_of_another_origin_logs_in_queries_and_reads_the_rate_limit(tmp_path: Path) -> None:
    """Both requests need a preflight; the faults are closed to the page."""
    with server(conversations_per_day=50, rate_limit=300) as sandbox:
        found = found_by_page(sandbox, tmp_path)

        assert found == {
            "totalHits": len(sandbox.store.conversations(DAY)),
            "allowed": "300",
            "admin": "not readable",
        }
