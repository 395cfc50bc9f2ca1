"""A stand-in for the API: a seeded contact centre behind the API's own routes, limits, errors and faults.

    from everycall.sandbox import Faults, server

    with server(conversations_per_day=500, rate_limit=300, now="2026-01-05T08:00:00Z", speed=60) as sandbox:
        sandbox.environ            # GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET, GENESYS_ENV, for any client
        sandbox.faults.on(3, "503")
        sandbox.faults.arm("on job 1: job_failed")
        ...
        sandbox.requests           # what was asked, and what became of it
        sandbox.store.conversations("2026-01-05T00:00:00Z/2026-01-06T00:00:00Z")   # the truth

The same sandbox works without a socket, on a clock of the caller's: `Sandbox(now=clock).handle(method, path, ...)`.

The way of a request, one module each: `server` (bytes), `access` (who may reach it) > `app` > `routes` (which
endpoint) > `oauth`, `limits` (may it?) > `details`, `jobs`, `aggregates`, `observations`, `work`, `live`, `lookups`,
`people`, `organization` (the answer) > `query`, `filters`, `vocabulary` (what is asked) > `store` (what matches) > a
world: `org`, or `recorded`. `clock` says when it is. `faults`, which `plans` reads and `controls` arms over HTTP,
breaks in on the way; `switches` says how to behave where no source is known. Nothing here imports the client side, and
the other way round, so that one misunderstanding cannot cancel another.

Beside the way: with TLS, `door` takes the connections, as a proxy too, and `certificates` makes what clients trust;
`cors` lets pages in. `admin` is the page at `/`, `recording` records a real org and reads raw exports in, `replaying`
replays one, `plugin` is pytest's. In `stories`, `rare` sees to it that every field of the API's models occurs now and
then, and `scripts/sandbox_coverage.py` counts it; `template` makes a kind of conversation out of a captured one.

Everything that is served is a function of seed and clock. Kept are tokens, counts of the rate limit, which jobs were
submitted, and which faults are armed.

**What it does not do**

- Routes: only those that `routes.ROUTES` lists; `routes.NOT_SERVED` names what clients miss most. Nothing is
  written.
- OAuth: client credentials only; no scopes, no user grants, no refresh tokens. A role's divisions hide conversations,
  queues, teams and everything else that has a division.
- Limits: requests a minute for each token. Not those of an organization or a user, nor of token requests.
- No slow deep pages; `faults` and `latency_s` can stand in. `Recorded` does not cut a conversation at the instant that
  it is asked for, and nothing of it changes.
- Look-ups know pageSize, pageNumber (teams: after, before), id, name, divisionId, state, type and deleted; they do not
  know sortBy, sortOrder or expand, and ignore all other parameters. Everything is sorted by name.
- `order: unordered` is ascending; sorting by segmentStart is sorting by conversationStart, and by segmentEnd by
  conversationEnd.
- A filter over many conversations, or an aggregation, builds every story that a sketch cannot rule out: the first page
  of a busy month takes its time. So does the first page of a job, which looks for what is left of 31 earlier days: of
  a centre with 100,000 conversations a day about four seconds.
- An aggregate, an observation or a user's detail builds every conversation that was alive in its interval, about
  three thousand in a second.
- A job looks back 31 days for what was still alive, and so do aggregates. A conversation that never ends is found by
  them for so long only.
- After the end, wrap-up codes, metrics, evaluations, surveys and resolutions come late, and some of them change twice;
  no conversation moves to another start. Only e-mails are reopened, once each; while one is over in between, queries
  take it for alive. The nightly rebuild corrects after-call work, handle time and connected time only. Conversations
  are deleted where the switch `retention_days` says so, not one by one.
- At a `speed`, rate limits and the lives of tokens are in real time, jobs and all that the org does in the org's.

**What is a guess** (each beside its code, with what is known; the first ones are `Switches`)

- An empty page holds `totalHits` alone; a pageSize above 100 is a 400; a conversation must have been alive in the
  interval; an end at midnight does not touch the next day; a 429 is not counted; ties stand by id; a metric is summed
  over the conversation; how many ids a multi-get takes and what becomes of more, of repeated and of unknown ones.
- Of jobs: that they take three seconds and live for a day, that the lake is ten hours behind and what has started by
  then is in it as it was then, the sizes of pages, what comes before FULFILLED and after EXPIRED, the longest
  interval, that any number may run at a time, that another client's job is a 404, that a cursor can be asked for
  again, and that a DELETE changes nothing of a finished job.
- The texts for an interval above 7 days, missing, empty or reversed, for a pageSize above 100, for numbers below 1 and
  for a wrong cursor; the code `bad.request` of these and of the 100,000 results; that an interval takes no durations
  and no bare days.
- Names of enumerations in refusals, but for `QueryFilterType`; that enumerations mind upper and lower case; that a
  wrong JSON type is malformed syntax; that `null` is the same as left out.
- 405, 413's code, and what OAuth says to another grant type.
- Of aggregates: the longest interval, nConversations, views, which queue and wrap-up code a metric counts for where its
  session has several, and how the intervals of a time zone are written. Of queues: who has joined and who is idle, the
  kinds of flow-outs, and that only what is answered can be over the target (so the vendor's service level adds up). Of
  users: when their shifts are.
- A conversation with several divisions shows to who sees one of them. `notExists` of a segment filter asks for a
  segment without the field. Ranges on instants are epoch milliseconds. What an aggregation counts.
- The rate limit is a fixed window of 60 s from a token's first request in it.
- The largest page of a look-up, where no documentation names it: 100; what links between pages of teams look like.
- How many conversations change after their end (a fifth), how late (within four weeks), that a rebuild runs at
  04:00 UTC, and that retention counts from a conversation's start.
- How often participants and sessions are listed in another order than that of time, and how a reopened e-mail and a
  callback that was given up look.
"""

from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Served, Settings
from everycall.sandbox.faults import JOBS, KINDS, QUERY, Faults
from everycall.sandbox.oauth import Client
from everycall.sandbox.org import Org
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.server import serve, server
from everycall.sandbox.store import Store, World
from everycall.sandbox.stories.template import Template
from everycall.sandbox.switches import Switches

__all__ = [
    "JOBS",
    "KINDS",
    "QUERY",
    "Client",
    "Faults",
    "Org",
    "Recorded",
    "Request",
    "Sandbox",
    "Served",
    "Settings",
    "Store",
    "Switches",
    "Template",
    "Wire",
    "World",
    "serve",
    "server",
]
