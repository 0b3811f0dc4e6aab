import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Audit } from "./audit.js";
import { Balancer } from "./balancer.js";
import { Clients, ask, modes, next, record, upgraded, within } from "./client.js";
import { Cluster } from "./cluster.js";

// The whole: three NATS servers, three gateways, two routers, two workers, behind a balancer without affinity. What is killed is started again.
let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({ servers: 3, gateways: 3, routers: 2, workers: 2, gatewayArgs: ["--recovery", "2m"] });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await balancer?.stop();
  await cluster?.stop();
});
afterEach(() => clients.close());

// Clients in a room of their own, each of them a sender and a member, and the audit of what they send.
async function crowd(room, count, options) {
  const audit = new Audit();
  const all = await Promise.all(Array.from({ length: count }, () => clients.connect(balancer.url, options)));
  await Promise.all(all.map((client) => ask(client, "join", room)));
  const members = all.map((client) => audit.member(client, room));
  const senders = all.map((client, i) => audit.sender(client, room, `${room} ${i}`));
  return { audit, all, members, senders };
}

describe("every event is numbered, both ways, through a balancer without affinity", () => {
  for (const [mode, transports] of Object.entries(modes)) {
    it(`nothing is lost, repeated or out of order, by ${mode}`, async () => {
      const { audit, all, senders } = await crowd(`all by ${mode}`, 8, { transports });
      await Promise.all(senders.map((sender) => sender.pace(200, 800)));
      await audit.clean(mode);
      if (!transports) await Promise.all(all.map(upgraded));
    });
  }

  it("a router is killed", async () => {
    const { audit, all, senders } = await crowd("router", 8);
    const lost = all.map((client) => record(client, "disconnect"));
    const traffic = Promise.all(senders.map((sender) => sender.pace(300, 1500)));
    await cluster.routers[0].kill();
    await traffic;
    await audit.clean("a router killed");
    assert.deepEqual(lost.flat(), []);
    await cluster.routers[0].start();
  });

  it("one NATS server of three is killed: nobody notices", async () => {
    const { audit, all, senders } = await crowd("nats", 8, { transports: ["websocket"] });
    const lost = all.map((client) => record(client, "disconnect"));
    const traffic = Promise.all(senders.map((sender) => sender.pace(600, 2000)));
    await cluster.servers[1].kill();
    await traffic;
    await audit.clean("a NATS server killed");
    assert.deepEqual(lost.flat(), []);
    await cluster.servers[1].start();
  });

  it("connections are cut by the balancer, again and again: who comes back has all that it missed", async () => {
    const { audit, all, senders: [sender] } = await crowd("cut", 6, {});
    const others = await crowd("steady", 2, { transports: ["websocket"] });
    await sender.ask(); // gives everybody an offset to come back with
    await Promise.all(all.map((client) => (client.io.engine.transport.name === "websocket" ? null : upgraded(client))));
    const ids = all.map(({ id }) => id);
    for (let round = 0; round < 3; round++) {
      const back = all.map((client) => next(client, "connect", 20_000));
      await balancer.cut();
      // From a gateway itself, not through the balancer: the room's own clients are all away.
      const source = await clients.connect(cluster.urls[round], { transports: ["websocket"] });
      await ask(source, "join", "cut");
      const extra = audit.sender(source, "cut", `cut, round ${round}`);
      await extra.pace(50, 100);
      await Promise.all(back);
      assert.deepEqual(all.map(({ id }) => id), ids, "their sockets are the same");
      assert.ok(all.every(({ recovered }) => recovered));
      await extra.pace(20, 50);
    }
    const { lostUp, sent, heard, ...wrong } = await audit.settle();
    assert.deepEqual(wrong, { lostDown: 0, repeated: 0, reordered: 0 }, `${sent} sent, ${heard} heard`);
    assert.equal(lostUp, 0);
    others.all.forEach((client) => client.close());
  });

  it("a gateway is killed: its clients have new sockets elsewhere, the others notice nothing", async () => {
    const { audit, all, members, senders } = await crowd("gateway", 9, { transports: ["websocket"] });
    const nodes = await Promise.all(all.map(async (client) => (await ask(client, "whoami")).node));
    const [doomed] = nodes;
    const names = await Promise.all(cluster.urls.map(async (url) => {
      const client = await clients.connect(url, { transports: ["websocket"] });
      const { node } = await ask(client, "whoami");
      client.close();
      return node;
    }));
    const watcher = all[nodes.findIndex((node) => node !== doomed)];
    await ask(watcher, "join", "watchers");
    const left = record(watcher, "peer-left");
    const lost = new Map(all.filter((_, i) => nodes[i] === doomed).map((client) => [client, client.id]));
    const back = [...lost.keys()].map((client) => next(client, "connect", 20_000));
    const traffic = Promise.all(senders.filter((_, i) => nodes[i] !== doomed).map((sender) => sender.pace(300, 2000)));
    members.forEach((member, i) => { if (nodes[i] === doomed) all[i].once("disconnect", () => member.gone()); });
    await cluster.gateways[names.indexOf(doomed)].kill();
    await Promise.all([traffic, ...back]);
    const gone = [...lost.values()].sort();
    for (const [client, id] of lost) assert.notEqual(client.id, id);
    await audit.clean("the others");
    await within((async () => { while (left.length < gone.length) await next(watcher, "peer-left", 20_000); })(), "all to leave", 20_000);
    assert.deepEqual(left.map(([id]) => id).sort(), gone, "one disconnection for each lost socket");
    const known = (await ask(watcher, "fetch-room", "gateway")).map(({ id }) => id);
    assert.deepEqual(known, all.filter((client) => !lost.has(client)).map(({ id }) => id).sort(), "membership has forgotten them");
    await cluster.gateways[names.indexOf(doomed)].start();
  });
});
