// The official JavaScript SDK, run by the commands of a test: see commands.py.

const readline = require("node:readline");
const { setTimeout } = require("node:timers/promises");
const genesys = require("purecloud-platform-client-v2");

// The sandbox's clock runs fast.
const POLL_MS = 20;

const api = genesys.ApiClient.instance;
api.config.live_reload_config = false;
api.setReturnExtendedResponses(true);

const LISTINGS = {
  queues: (page) => new genesys.RoutingApi().getRoutingQueues(page),
  users: (page) => new genesys.UsersApi().getUsers(page),
  wrapupcodes: (page) => new genesys.RoutingApi().getRoutingWrapupcodes(page),
  divisions: (page) => new genesys.AuthorizationApi().getAuthorizationDivisions(page),
  skills: (page) => new genesys.RoutingApi().getRoutingSkills(page),
  languages: (page) => new genesys.RoutingApi().getRoutingLanguages(page),
  groups: (page) => new genesys.GroupsApi().getGroups(page),
  campaigns: (page) => new genesys.OutboundApi().getOutboundCampaigns(page),
  flows: (page) => new genesys.ArchitectApi().getFlows(page),
};

const commands = {
  async log_in({ url, domain, client_id, client_secret }) {
    if (domain) {
      api.setEnvironment(domain);
    } else {
      const { protocol, hostname, port } = new URL(url);
      api.config.setGateway({ protocol: protocol.replace(":", ""), host: hostname, port: Number(port) });
    }
    await api.loginClientCredentialsGrant(client_id, client_secret);
    return null;
  },

  async query({ interval, page_size }) {
    const analytics = new genesys.AnalyticsApi();
    const found = [];
    for (let pageNumber = 1; ; pageNumber += 1) {
      const paging = { pageSize: page_size, pageNumber };
      const page = await analytics.postAnalyticsConversationsDetailsQuery({ interval, paging });
      if (!page.body.conversations) return found;
      found.push(...page.body.conversations);
    }
  },

  async job({ interval, page_size }) {
    const analytics = new genesys.AnalyticsApi();
    const asked = { interval, startOfDayIntervalMatching: true };
    const { jobId } = (await analytics.postAnalyticsConversationsDetailsJobs(asked)).body;
    while (["QUEUED", "PENDING"].includes((await analytics.getAnalyticsConversationsDetailsJob(jobId)).body.state)) {
      await setTimeout(POLL_MS);
    }
    const found = [];
    let cursor;
    do {
      const opts = { pageSize: page_size, ...(cursor && { cursor }) };
      const page = (await analytics.getAnalyticsConversationsDetailsJobResults(jobId, opts)).body;
      found.push(...page.conversations);
      cursor = page.cursor;
    } while (cursor);
    return found;
  },

  // Teams are paged by cursor.
  async teams({ page_size }) {
    const found = [];
    let after;
    do {
      const page = (await new genesys.TeamsApi().getTeams({ pageSize: page_size, ...(after && { after }) })).body;
      found.push(...page.entities);
      after = page.nextUri && new URL(page.nextUri, "http://localhost").searchParams.get("after");
    } while (after);
    return found;
  },

  async look_up({ kind, page_size }) {
    const found = [];
    for (let pageNumber = 1; ; pageNumber += 1) {
      const page = await LISTINGS[kind]({ pageSize: page_size, pageNumber });
      if (page.body.entities.length === 0) return found;
      found.push(...page.body.entities);
    }
  },
};

// What the client shows of an error of the API; any other error ends the process. A call rejects with an
// extended response, a login with the error of the HTTP library beneath.
function refusal(error) {
  const answer = error.response ?? error;
  if (answer.status === undefined) throw error;
  const body = JSON.stringify(answer.body ?? answer.data);
  return { status: answer.status, body, retryAfter: answer.headers["retry-after"] ?? null };
}

async function run_commands() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, arguments] = JSON.parse(line);
    const answer = await commands[command](arguments).then(
      (answer) => ({ answer }),
      (error) => ({ refused: refusal(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit();
}

run_commands();
