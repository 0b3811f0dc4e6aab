import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Balancer } from "./balancer.js";
import { Clients, ask, next, record, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({ gateways: 3 });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await balancer?.stop();
  await cluster?.stop();
});
afterEach(() => clients.close());

const counted = (prefix) => Cluster.counted(cluster.gateways, prefix);

describe("polling through a balancer without affinity", () => {
  const polling = { transports: ["polling"], reconnection: false };

  // First: nothing else is relayed yet.
  it("refuses ids that no gateway has made, by themselves", async () => {
    const relayed = await counted("patchbay_gateway_relay_seconds_count");
    for (const sid of ["forged", "A".repeat(36) + "_gabcdefghi", ""]) {
      const response = await fetch(`${balancer.url}/socket.io/?EIO=4&transport=polling&sid=${sid}x`);
      assert.equal(response.status, 400);
      assert.deepEqual(await response.json(), { code: 1, message: "Session ID unknown" });
    }
    assert.equal(await counted("patchbay_gateway_relay_seconds_count"), relayed);
  });

  it("loses, repeats and reorders nothing, either way", async () => {
    const count = 500;
    const refused = 'patchbay_gateway_requests_refused_total{kind="polling"}';
    const [before, refusedBefore] = [await counted("patchbay_gateway_relay_seconds_count"), await counted(refused)];
    const all = await Promise.all(Array.from({ length: 8 }, () => clients.connect(balancer.url, polling)));
    await Promise.all(all.map(async (client) => {
      const back = record(client, "message-back");
      const done = within(new Promise((resolve) => client.on("message-back", (n) => { if (n === count - 1) resolve(); })), "the last event", 30_000);
      for (let i = 0; i < count; i++) {
        client.emit("seq", i);
        client.emit("message", i);
        if (i % 10 === 0) await ask(client, "message-with-ack", i); // so that it takes many requests
      }
      await done;
      assert.deepEqual(back.map(([n]) => n), Array.from({ length: count }, (_, i) => i));
      assert.deepEqual(await ask(client, "seq-report"), { seen: count, inOrder: true });
    }));
    assert.ok(await counted("patchbay_gateway_relay_seconds_count") - before > 100, "requests were relayed");
    assert.equal(await counted(refused), refusedBefore);
  });

  it("carries large messages and binary", async () => {
    const client = await clients.connect(balancer.url, polling);
    for (const size of [10, 70_000, 700_000]) {
      const blob = Buffer.alloc(size, 7);
      const back = next(client, "message-back");
      client.emit("message", blob, { size });
      assert.deepEqual(await back, [blob, { size }]);
    }
    const burst = record(client, "big");
    await ask(client, "burst", "big", 20, 200_000); // more than one message of the backplane can carry
    while (burst.length < 20) await next(client, "big");
    assert.deepEqual(burst.map(([n]) => n), Array.from({ length: 20 }, (_, i) => i));
  });

  it("ends the session of a client that goes away from a relayed GET", async () => {
    const watcher = await clients.connect(balancer.url, polling);
    await ask(watcher, "join", "watchers");
    const client = await clients.connect(balancer.url, polling);
    const { id } = client;
    const left = within(new Promise((resolve) => watcher.on("peer-left", (who, reason) => { if (who === id) resolve(reason); })), "peer-left", 20_000);
    client.io.engine.transport.pollXhr?.abort?.();
    client.io.engine.close();
    assert.match(await left, /^transport (close|error)$/);
  });
});
