"""A stand-in for the API: a seeded contact centre behind the API's own routes, limits, errors and faults.

    from everycall.sandbox import Faults, server

    with server(conversations_per_day=500, rate_limit=300) as sandbox:
        sandbox.environ            # GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET, GENESYS_ENV, for any client
        sandbox.faults.on(3, "503")
        ...
        sandbox.requests           # what was asked, and what became of it
        sandbox.store.conversations("2026-01-05T00:00:00Z/2026-01-06T00:00:00Z")   # the truth

The same sandbox works without a socket, on a clock of the caller's: `Sandbox(now=clock).handle(method, path,
...)`.

The way of a request, one module each: `server` (bytes) > `app` (routes) > `oauth`, `limits` (may it?) >
`details`, `lookups` (the answer) > `query`, `filters`, `vocabulary` (what is asked) > `store` (what matches)
> a world: `org`, or `recorded`. `faults` breaks in on the way; `switches` says how to behave where no source
tells. Nothing here imports the client side, and the other way round, so that one misunderstanding cannot
cancel another.

**What it does not do**

- Routes: only those that `app.ROUTES` lists. No jobs, no get by id, no notifications, no live conversations.
- OAuth: client credentials only; no scopes, no user grants, no refresh tokens. A role's divisions hide
conversations
  and queues, not users, wrap-up codes or flows.
- Limits: requests a minute for each token. Not those of an organization or a user, nor of token requests.
- No delay between a conversation and its showing up, no size limit of an answer, no slow deep pages; `faults`
and
  `latency_s` can stand in. `Recorded` does not cut a conversation at the instant that it is asked for.
- Look-ups know pageSize, pageNumber, id, name, divisionId, state and deleted; they do not know sortBy,
sortOrder,
  expand or type, and ignore whatever else is asked. Everything is sorted by name.
- `order: unordered` is ascending; sorting by segmentStart is sorting by conversationStart, and by segmentEnd
by
  conversationEnd.
- A filter over many conversations, or an aggregation, tells every story that a sketch cannot rule out: the
first
  page of a busy month takes its time.

**What is a guess** (each beside its code, with what is known; the first ones are `Switches`)

- An empty page is `{}`; a pageSize above 100 is a 400; a conversation must have been alive in the interval;
an end
  at midnight does not touch the next day; a 429 is not counted; ties stand by id; a metric is summed over the
  conversation.
- The texts for an interval above 7 days, missing, empty or reversed, for a pageSize above 100 and for numbers
below
  1; the code `bad.request` of these and of the 100,000 results; that an interval takes no durations and no
  bare days.
- Names of enumerations in refusals, but for `QueryFilterType`; that enumerations mind upper and lower case;
that a
  wrong JSON type is malformed syntax; that `null` is the same as left out.
- 405, 413's code, and what OAuth says to another grant type.
- A conversation with several divisions shows to who sees one of them. `notExists` of a segment filter asks
for a
  segment without the field. Ranges on instants are epoch milliseconds. What an aggregation counts.
- The rate limit is a fixed window of 60 s from a token's first request in it.
- The most of a page, where no documentation says: 100.
"""

from everycall.sandbox.answers import Request, Wire
from everycall.sandbox.app import Sandbox, Served, Settings
from everycall.sandbox.faults import JOBS, KINDS, QUERY, Faults
from everycall.sandbox.oauth import Client
from everycall.sandbox.org import Org
from everycall.sandbox.recorded import Recorded
from everycall.sandbox.server import serve, server
from everycall.sandbox.store import Store, World
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
    "Wire",
    "World",
    "serve",
    "server",
]
