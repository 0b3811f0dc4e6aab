// The stock client with socket.io-msgpack-parser, through a balancer without affinity, beside clients that speak JSON.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import parser from "socket.io-msgpack-parser";
import io2 from "socket.io-client-v2";

import { Balancer } from "./balancer.js";
import { Clients, ask, connected, modes, next, record, upgraded, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({ gateways: 3, gatewayArgs: ["--recovery", "2m", "--allow-eio3"] });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await balancer?.stop();
  await cluster?.stop();
});
afterEach(() => clients.close());

const filled = (size, value) => Buffer.alloc(size, value);

/** The arguments of the next event, without the offset that recovery adds to it. */
const nextOf = async (socket, event) => (await next(socket, event)).slice(0, -1);

for (const [mode, transports] of Object.entries(modes)) {
  describe(`a client with msgpack by ${mode}`, () => {
    const join = (path = "", options = {}) => clients.connect(balancer.url + path, { parser, transports, ...options });

    it("sends and receives what JSON clients do, and binary at any depth", async () => {
      const client = await join();
      const args = [1, -0.5, 70_000, -70_000, 4_294_967_296, -9_007_199_254_740_991, 1e-9, "héllo \u0000\u2028 \ud83d\ude00 \"\\", null, true, [], {}, { a: [{ b: "c" }] }, "",
        filled(3, 1), { list: [filled(0, 0), { deep: filled(70_000, 9) }], text: "x".repeat(300) }, Array.from({ length: 300 }, (_, i) => i)];
      for (let round = 0; round < 4; round++) { // more than the gateways
        const back = nextOf(client, "message-back");
        client.emit("message", ...args);
        assert.deepEqual(await back, args);
      }
    });

    it("sends what JSON has not as JSON would", async () => {
      const client = await join();
      assert.deepEqual(await ask(client, "message-with-ack", { when: new Date(1234567890123), none: undefined, nan: NaN }),
        { when: "2009-02-13T23:31:30.123Z", none: null, nan: null });
    });

    it("asks and answers", async () => {
      const client = await join();
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(client, "message-with-ack", { i })));
      assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => ({ i })));
      client.on("blob", (blob, answer) => answer({ again: blob }));
      assert.deepEqual(await ask(client, "server-emit-with-ack", 5000, "blob", filled(4, 3)), { values: [{ again: filled(4, 3) }] });
    });

    it("shares rooms with clients of all kinds", async () => {
      const client = await join();
      const today = await clients.connect(balancer.url);
      const old = io2(balancer.url, { forceNew: true });
      try {
        await next(old, "connect");
        for (const socket of [client, today, old]) await within(new Promise((resolve) => socket.emit("join", `all ${client.id}`, resolve)), "the join");
        for (const from of [client, today, old]) {
          const all = [client, today, old].map((socket) => nextOf(socket, "news"));
          from.emit("in-room", `all ${client.id}`, "news", "é", { blob: filled(3, 7) });
          for (const news of await Promise.all(all)) assert.deepEqual(news, ["é", { blob: filled(3, 7) }]);
        }
      } finally {
        old.close();
      }
    });

    it("is let into namespaces, or refused", async () => {
      const client = await join("/auth", { auth: { token: "secret" } });
      assert.equal((await ask(client, "whoami")).nsp, "/auth");
      const [error] = await next(clients.socket(`${balancer.url}/auth`, { parser, transports, auth: { token: "wrong" } }), "connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { code: "E_AUTH", retry: false });
    });

    it("is sent away", async () => {
      const client = await join();
      if (!transports) await upgraded(client);
      const gone = next(client, "disconnect");
      client.emit("disconnect-me", false);
      assert.equal((await gone)[0], "io server disconnect");
    });

    it("gets volatile events, or not, and those after them", async () => {
      const client = await join();
      if (!transports) await upgraded(client);
      const seen = record(client, "tick");
      const end = next(client, "tick-end");
      await ask(client, "volatile-burst", "tick", 200, 1000);
      assert.equal((await end)[0], 200);
      const numbers = seen.map(([n]) => n);
      assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
      assert.ok(seen.every(([, text]) => text === "x".repeat(1000)));
    });

    it("comes back to its socket, on whatever gateway, and has what it missed", async () => {
      const client = await join("", { reconnection: false });
      const other = await clients.connect(balancer.url);
      const { id } = client;
      const seen = record(client, "tick");
      await ask(client, "join", `missed by ${id}`);
      for (let round = 0; round < 4; round++) {
        const first = next(client, "tick");
        await ask(other, "to-room", `missed by ${id}`, "tick", round * 100, filled(2, round));
        await first;
        const lost = next(client, "disconnect");
        client.io.engine.close();
        await lost;
        for (let i = 1; i < 20; i++) other.emit("to-room", `missed by ${id}`, "tick", round * 100 + i, filled(2, i));
        await ask(other, "message-with-ack", 0);
        client.connect();
        await connected(client);
        assert.equal(client.recovered, true, `round ${round}`);
        assert.equal(client.id, id);
      }
      const last = next(client, "tick");
      await ask(other, "to-room", `missed by ${id}`, "tick", -1);
      await last;
      while (seen.at(-1)[0] !== -1) await next(client, "tick");
      assert.deepEqual(seen.map(([n]) => n), [...Array.from({ length: 4 }, (_, round) => Array.from({ length: 20 }, (_, i) => round * 100 + i)).flat(), -1]);
      assert.deepEqual(seen[25][1], filled(2, 5));
    });
  });
}

it("sessions with msgpack move to the gateway of their WebSocket and lose, repeat and reorder nothing", async () => {
  const count = 200;
  const cause = 'patchbay_gateway_handoffs_total{cause="upgrade",outcome="taken"}';
  const before = await Cluster.counted(cluster.gateways, cause);
  await Promise.all(Array.from({ length: 6 }, async () => {
    const client = await clients.connect(balancer.url, { parser, reconnection: false });
    const back = record(client, "message-back");
    const done = within(new Promise((resolve) => client.on("message-back", (n) => { if (n === count - 1) resolve(); })), "the last event", 30_000);
    for (let i = 0; i < count; i++) { // before, during and after the upgrade
      client.emit("message", i, filled(10, i));
      if (i % 10 === 0) await ask(client, "message-with-ack", i);
    }
    await done;
    assert.deepEqual(back.map(([n]) => n), Array.from({ length: count }, (_, i) => i));
    await upgraded(client);
  }));
  assert.ok(await Cluster.counted(cluster.gateways, cause) > before, "sessions moved");
});
