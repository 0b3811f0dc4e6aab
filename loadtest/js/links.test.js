import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Audit } from "./audit.js";
import { Clients, ask, connected, next, record } from "./client.js";
import { Cluster } from "./cluster.js";
import { Link } from "./link.js";

// Each part has a link of its own to NATS, which the tests cut and stall.
const links = {};
const lease = 5000; // ms
let cluster;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({
    gateways: 2, routers: 2, workers: 1, gatewayArgs: ["--recovery", "0"],
    reach: async (kind, i, server) => {
      links[kind + i] = await Link.start(server);
      return links[kind + i].address;
    },
  });
});
after(async () => {
  await cluster?.stop();
  for (const link of Object.values(links)) await link.stop();
});
afterEach(() => clients.close());

// A client on each gateway in a room, and the audit of what the second one sends.
async function pair(room) {
  const options = { transports: ["websocket"] };
  const [near, far] = await Promise.all(cluster.urls.map((url) => clients.connect(url, options)));
  await Promise.all([near, far].map((client) => ask(client, "join", room)));
  const audit = new Audit();
  for (const client of [near, far]) audit.member(client, room);
  return { near, far, audit, sender: audit.sender(far, room, room), lost: [near, far].map((client) => record(client, "disconnect")) };
}

const repaired = (gateway) => Cluster.counted([cluster.gateways[gateway]], 'patchbay_gateway_backplane_gaps_total{outcome="repaired"}');
const deaf = () => Cluster.counted(cluster.routers, "patchbay_router_leases_expired_total");

describe("a link to NATS", () => {
  it("of a gateway is cut for less than a lease: the gap is counted, and nothing is lost", async () => {
    const { sender, audit, lost } = await pair("cut");
    const before = await repaired(0);
    const traffic = sender.pace(400, 2500);
    await pause(300);
    links.gateway0.cut();
    await pause(1000); // much shorter than the lease
    links.gateway0.heal();
    await traffic;
    await audit.clean("cut");
    assert.deepEqual(lost.flat(), []);
    assert.equal(await repaired(0), before + 1);
  });

  it("of a gateway stands still, and what was in it is lost: it is said again", async () => {
    const { sender, audit, lost } = await pair("stalled");
    const traffic = sender.pace(400, 2500);
    await pause(300);
    links.gateway0.stall();
    await pause(1500);
    links.gateway0.heal({ drop: true });
    await traffic;
    await audit.clean("stalled");
    assert.deepEqual(lost.flat(), []);
  });

  it("of a router is cut, that of the other stands still: no client notices", async () => {
    const { sender, audit, lost } = await pair("routers");
    const expired = await deaf();
    links.router0.cut();
    links.router1.stall();
    await sender.pace(200, 1500);
    links.router0.heal();
    links.router1.heal();
    await audit.clean("routers");
    const newcomer = await clients.connect(cluster.urls[0], { transports: ["websocket"] });
    await ask(newcomer, "message-with-ack", 1);
    assert.deepEqual(lost.flat(), []);
    assert.equal(await deaf(), expired, "a router that could not hear declares nobody dead");
  });

  it("of a worker is cut for less than a lease: what it emits waits, and follows in order", async () => {
    const { far, sender, audit, lost } = await pair("worker");
    const burst = record(far, "tick");
    const asked = ask(far, "burst", "tick", 20_000);
    await next(far, "tick");
    links.worker0.cut();
    await pause(1000);
    links.worker0.heal();
    await asked;
    while (burst.length < 20_000) await next(far, "tick");
    assert.deepEqual(burst.map(([n]) => n), Array.from({ length: 20_000 }, (_, n) => n));
    await sender.pace(50, 100);
    await audit.clean("after the cut");
    assert.deepEqual(lost.flat(), []);
  });

  it("of a gateway is cut for longer than a lease: it lets its clients go, which come back", async () => {
    const { near, far, audit } = await pair("long");
    await ask(far, "join", "watchers");
    const left = record(far, "peer-left");
    const { id } = near;
    const gone = next(near, "disconnect", 30_000);
    const told = next(far, "peer-left", 30_000);
    links.gateway0.cut();
    await told; // the lease has run out
    links.gateway0.heal();
    await gone;
    await connected(near);
    assert.notEqual(near.id, id);
    assert.deepEqual(left, [[id, "transport close"]]);
    assert.deepEqual((await ask(far, "fetch-room", null)).map((one) => one.id), [near.id, far.id].sort());
    assert.equal(audit.report().repeated, 0);
  });
});

describe("a part is stopped for longer than a lease, and woken", () => {
  it("a router: it declares nobody dead", async () => {
    const { sender, audit, lost } = await pair("asleep");
    const sleep = Promise.all(cluster.routers.map((router) => router.freeze(lease + 1500))); // both
    await sender.pace(200, 1000);
    await sleep;
    const newcomer = await clients.connect(cluster.urls[1], { transports: ["websocket"] });
    await ask(newcomer, "message-with-ack", 1);
    await audit.clean("asleep");
    assert.deepEqual(lost.flat(), []);
  });

  it("both routers are killed and started again: connections stay, traffic flows, newcomers wait", async () => {
    const { near, far, sender, audit, lost } = await pair("no routers");
    await Promise.all(cluster.routers.map((router) => router.kill()));
    await sender.pace(100, 300);
    await audit.clean("without routers");
    const newcomer = clients.connect(cluster.urls[0], { transports: ["websocket"] });
    await Promise.all(cluster.routers.map((router) => router.start()));
    const { id } = await newcomer;
    const all = await ask(far, "fetch-room", null);
    assert.deepEqual(all.map((one) => one.id), [near.id, far.id, id].sort());
    assert.deepEqual(lost.flat(), []);
  });
});
