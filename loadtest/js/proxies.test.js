// The balancers' configurations that deploy/ ships, with stock clients: what passes through, and what a client
// notices when a gateway behind them goes.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Balancer, Nginx } from "./balancer.js";
import { Clients, ask, next, record, within } from "./client.js";
import { Cluster } from "./cluster.js";

for (const [name, kind] of [["HAProxy", Balancer], ["nginx", Nginx]]) {
  describe(`${name} as shipped`, () => {
    let cluster, balancer;
    const clients = new Clients();
    before(async () => {
      cluster = await Cluster.start({ gateways: 3 });
      balancer = await kind.start(cluster.urls);
    });
    after(async () => {
      await balancer?.stop();
      await cluster?.stop();
    });
    afterEach(() => clients.close());

    for (const [how, transports] of [["polling", ["polling"]], ["websocket", ["websocket"]], ["polling, then websocket", ["polling", "websocket"]]]) {
      it(`carries events in order, and large ones, by ${how}`, async () => {
        const client = await clients.connect(balancer.url, { transports });
        const count = 300;
        const back = record(client, "message-back");
        const done = within(new Promise((resolve) => client.on("message-back", (n) => { if (n === count - 1) resolve(); })), "the last event", 30_000);
        for (let n = 0; n < count; n++) {
          client.emit("message", n);
          if (n % 20 === 0) await ask(client, "message-with-ack", n);
        }
        await done;
        assert.deepEqual(back.map(([n]) => n), Array.from({ length: count }, (_, i) => i));
        const blob = Buffer.alloc(700_000, 3);
        assert.deepEqual(await ask(client, "message-with-ack", blob), blob);
        const { transport } = await ask(client, "whoami");
        assert.equal(transport, transports.at(-1));
      });
    }

    // Last: it ends two of the three.
    it("leads clients on when gateways are stopped or killed", async () => {
      const all = await Promise.all(Array.from({ length: 6 }, (_, i) => clients.connect(balancer.url, { transports: i % 2 ? ["websocket"] : ["polling"] })));
      const settled = async () => Promise.all(all.map(async (client) => {
        while (true) {
          if (!client.connected) await next(client, "connect", 30_000); // a try may meet the gateway that is gone
          const answer = await ask(client, "message-with-ack", "there").catch(() => null); // cut off meanwhile
          if (answer === "there") return;
        }
      }));
      await cluster.gateways[0].kill();
      await settled();
      await cluster.gateways[1].stop();
      await settled();
      const newcomer = await clients.connect(balancer.url, { transports: ["polling"] });
      assert.equal(await ask(newcomer, "message-with-ack", 1), 1);
    });
  });
}
