import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Balancer } from "./balancer.js";
import { Clients, ask, connected, next, record, within } from "./client.js";
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
  for (const transport of ["websocket", "polling"]) {
    it(`has its socket and all that it missed on whatever gateway, by ${transport}`, async () => {
      const options = { transports: [transport], reconnection: false };
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
