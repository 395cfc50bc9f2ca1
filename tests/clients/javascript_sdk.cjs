// The official JavaScript SDK at the orders of a test: see orders.py.

const readline = require("node:readline");
const genesys = require("purecloud-platform-client-v2");

const api = genesys.ApiClient.instance;
api.config.live_reload_config = false;
api.setReturnExtendedResponses(true);

const LISTINGS = {
  queues: (page) => new genesys.RoutingApi().getRoutingQueues(page),
  users: (page) => new genesys.UsersApi().getUsers(page),
  wrapupcodes: (page) => new genesys.RoutingApi().getRoutingWrapupcodes(page),
  divisions: (page) => new genesys.AuthorizationApi().getAuthorizationDivisions(page),
  flows: (page) => new genesys.ArchitectApi().getFlows(page),
};

const orders = {
  async log_in({ url, client_id, client_secret }) {
    const { protocol, hostname, port } = new URL(url);
    api.config.setGateway({ protocol: protocol.replace(":", ""), host: hostname, port: Number(port) });
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

  async look_up({ kind, page_size }) {
    const found = [];
    for (let pageNumber = 1; ; pageNumber += 1) {
      const page = await LISTINGS[kind]({ pageSize: page_size, pageNumber });
      if (page.body.entities.length === 0) return found;
      found.push(...page.body.entities);
    }
  },
};

// What the client shows of an error of the API; whatever else it throws ends the process. A call rejects with an
// extended response, a login with the error of the HTTP library beneath.
function refusal(error) {
  const answer = error.response ?? error;
  if (answer.status === undefined) throw error;
  const body = JSON.stringify(answer.body ?? answer.data);
  return { status: answer.status, body, retryAfter: answer.headers["retry-after"] ?? null };
}

async function obey() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [order, words] = JSON.parse(line);
    const answer = await orders[order](words).then(
      (answer) => ({ answer }),
      (error) => ({ refused: refusal(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit();
}

obey();
