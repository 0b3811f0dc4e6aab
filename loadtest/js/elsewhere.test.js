import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Balancer } from "./balancer.js";
import { Clients, ask, connected, modes, next, record, upgraded, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({ gateways: 3, gatewayArgs: ["--recovery", "2m"] });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await balancer?.stop();
  await cluster?.stop();
});
afterEach(() => clients.close());

describe("a client that comes back through a balancer without affinity", () => {
  for (const [mode, transports] of Object.entries(modes)) {
    it(`has its socket and all that it missed on whatever gateway, by ${mode}`, async () => {
      const options = { transports, reconnection: false };
      const client = await clients.connect(balancer.url, options);
      const other = await clients.connect(balancer.url, options);
      const { id } = client;
      const room = `missed by ${id}`;
      await ask(client, "join", room);
      await ask(client, "set-data", "colour", "red");
      const seen = record(client, "tick");
      let sent = 0;
      for (let round = 0; round < 7; round++) { // not a multiple of the gateways
        const first = within(new Promise((resolve) => {
          client.on("tick", function listen(n) { if (n === 0) { client.off("tick", listen); resolve(); } });
        }), `the first of round ${round}`);
        await ask(other, "room-burst", room, "tick", 1);
        sent += 1;
        await first;
        const lost = next(client, "disconnect");
        client.io.engine.close();
        await lost;
        await ask(other, "room-burst", room, "tick", 100);
        sent += 100;
        client.connect();
        await connected(client);
        assert.equal(client.recovered, true, `round ${round}`);
        assert.equal(client.id, id);
        const me = await ask(client, "whoami");
        assert.deepEqual(me.rooms, [id, room].sort());
        assert.deepEqual(me.data, { colour: "red" });
      }
      await ask(other, "to-room", room, "tick", -1);
      while (seen.at(-1)[0] !== -1) await next(client, "tick");
      assert.equal(seen.length, sent + 1);
      const numbers = seen.map(([n]) => n);
      const round = [0, ...Array.from({ length: 100 }, (_, i) => i)];
      assert.deepEqual(numbers, [...Array.from({ length: 7 }, () => round).flat(), -1]);
    });
  }
});

describe("a client that upgrades through a balancer without affinity", () => {
  it("loses, repeats and reorders nothing, either way", async () => {
    const count = 300;
    const all = await Promise.all(Array.from({ length: 12 }, () => clients.connect(balancer.url, { reconnection: false })));
    await Promise.all(all.map(async (client) => {
      const back = record(client, "message-back");
      const done = within(new Promise((resolve) => client.on("message-back", (n) => { if (n === count - 1) resolve(); })), "the last event", 30_000);
      for (let i = 0; i < count; i++) { // before, during and after the upgrade
        client.emit("seq", i);
        client.emit("message", i);
        if (i % 10 === 0) await ask(client, "message-with-ack", i);
      }
      await done;
      assert.deepEqual(back.map(([n]) => n), Array.from({ length: count }, (_, i) => i));
      assert.deepEqual(await ask(client, "seq-report"), { seen: count, inOrder: true });
      await upgraded(client);
      await ask(client, "message-with-ack", -1);
    }));
    let taken = 0;
    for (const gateway of cluster.gateways) {
      const text = await (await fetch(`http://${gateway.internal}/metrics`)).text();
      taken += Number(text.match(/^patchbay_gateway_handoffs_total{cause="upgrade",outcome="taken"} (\d+)$/m)?.[1] ?? 0);
    }
    assert.ok(taken > 0, "sessions moved");
  });
});
