import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Audit } from "./audit.js";
import { Balancer } from "./balancer.js";
import { Clients, ask, modes, record, upgraded } from "./client.js";
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

  it("one NATS server of three is killed: nothing is lost on its way to the clients", async () => {
    const { audit, all, senders } = await crowd("nats", 8, { transports: ["websocket"] });
    const lost = all.map((client) => record(client, "disconnect"));
    const traffic = Promise.all(senders.map((sender) => sender.pace(600, 2000)));
    await cluster.servers[1].kill();
    await traffic;
    const { lostUp, sent, heard, ...wrong } = await audit.settle(2000);
    assert.deepEqual(wrong, { lostDown: 0, repeated: 0, reordered: 0 });
    assert.ok(lostUp < sent / 10, `${lostUp} of ${sent} never reached a worker`);
    assert.deepEqual(lost.flat(), []);
    await cluster.servers[1].start();
  });
});
