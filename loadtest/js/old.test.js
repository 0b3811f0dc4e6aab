// Socket.IO 2's own client, which speaks Engine.IO 3, through a balancer without affinity, beside clients of today.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";

import io2 from "socket.io-client-v2";

import { Balancer } from "./balancer.js";
import { Clients, ask, modes, next, record, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster, balancer;
const clients = new Clients();
const old = [];
before(async () => {
  cluster = await Cluster.start({ gateways: 3, gatewayArgs: ["--recovery", "0", "--allow-eio3", "--ping-interval", "1s", "--ping-timeout", "5s"] });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await balancer?.stop();
  await cluster?.stop();
});
afterEach(() => {
  clients.close();
  for (const socket of old.splice(0)) { socket.io.engine?.close(); socket.close(); }
});

const filled = (size, value) => Buffer.alloc(size, value);

/** A socket of the old client on its own connection, connecting. */
function open(path = "", options = {}) {
  const socket = io2(balancer.url + path, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  old.push(socket);
  return socket;
}

/** The same, connected. */
async function join(path = "", options = {}) {
  const socket = open(path, options);
  await next(socket, "connect");
  return socket;
}

const ask2 = (socket, event, ...args) => within(new Promise((resolve) => socket.emit(event, ...args, resolve)), `the answer to "${event}"`);

async function upgraded2(socket) {
  const { engine } = socket.io;
  if (engine.transport.name !== "websocket") await next(engine, "upgrade");
}

for (const [mode, transports] of Object.entries(modes)) {
  const options = transports ? { transports } : {};
  describe(`a Socket.IO 2 client by ${mode}`, () => {
    it("sends and receives events, text and binary", async () => {
      const client = await join("", options);
      const args = [1, -0.5, "héllo \u2028 \ud83d\ude00 \"\\", null, true, [], { a: [{ b: "c" }] }, "",
        filled(3, 1), { list: [filled(0, 0), { deep: filled(70_000, 9) }] }];
      for (let round = 0; round < 4; round++) { // more than the gateways
        const back = next(client, "message-back");
        client.emit("message", ...args);
        assert.deepEqual(await back, args);
      }
    });

    it("asks and answers", async () => {
      const client = await join("", options);
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask2(client, "message-with-ack", { i })));
      assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => ({ i })));
      client.on("blob", (blob, answer) => answer({ again: blob }));
      assert.deepEqual(await ask2(client, "server-emit-with-ack", 5000, "blob", filled(4, 3)), { values: [{ again: filled(4, 3) }] });
    });

    it("shares rooms with clients of today", async () => {
      const [client, other] = await Promise.all([join("", options), clients.connect(balancer.url)]);
      await ask2(client, "join", "both");
      await ask(other, "join", "both");
      const all = [next(client, "news"), next(other, "news")];
      other.emit("in-room", "both", "news", "é", { blob: filled(3, 7) });
      for (const news of await Promise.all(all)) assert.deepEqual(news, ["é", { blob: filled(3, 7) }]);
      const back = next(other, "news");
      client.emit("to-room", "both", "news", filled(2, 1));
      assert.deepEqual(await back, [filled(2, 1)]);
      await ask2(client, "leave", "both");
    });

    it("keeps the order of its events, both ways", async () => {
      const client = await join("", options);
      const seen = record(client, "tick");
      for (let n = 0; n < 500; n++) client.emit("seq", n); // before, during and after an upgrade
      await ask2(client, "burst", "tick", 2000, 20);
      assert.deepEqual(seen.map(([n]) => n), Array.from({ length: 2000 }, (_, i) => i));
      if (!transports) await upgraded2(client);
      assert.deepEqual(await ask2(client, "seq-report"), { seen: 500, inOrder: true });
    });

    it("is let into namespaces, by the query, or refused", async () => {
      const client = await join("/auth", { ...options, query: { token: "secret" } });
      const me = await ask2(client, "whoami");
      assert.deepEqual([me.nsp, me.auth], ["/auth", { token: "secret" }]);
      const [error] = await next(open("/auth", { ...options, query: { token: "wrong" } }), "error");
      assert.deepEqual(error, { code: "E_AUTH", retry: false });
      assert.deepEqual(await next(open("/nowhere", options), "error"), ["Invalid namespace"]);
    });

    it("leaves, and is sent away", async () => {
      const watcher = await clients.connect(balancer.url);
      await ask(watcher, "join", "watchers");
      const client = await join("", options);
      if (!transports) await upgraded2(client);
      const { id } = await ask2(client, "whoami");
      let left = next(watcher, "peer-left");
      client.disconnect();
      assert.deepEqual(await left, [id, "client namespace disconnect"]);
      const other = await join("", options);
      if (!transports) await upgraded2(other);
      left = next(watcher, "peer-left");
      const gone = next(other, "disconnect");
      other.emit("disconnect-me", true);
      assert.deepEqual(await gone, ["io server disconnect"]);
      assert.equal((await left)[1], "server namespace disconnect");
    });

    it("comes back with a new socket after its connection was cut", async () => {
      const client = await join("", options);
      const { id } = await ask2(client, "whoami");
      const again = next(client, "reconnect");
      client.io.engine.close();
      await again;
      const me = await ask2(client, "whoami");
      assert.notEqual(me.id, id);
      assert.equal(me.recovered, false);
    });
  });
}

it("a Socket.IO 2 client pings and stays", async () => {
  const client = await join("", { transports: ["websocket"] });
  const lost = record(client, "disconnect");
  for (let i = 0; i < 3; i++) await next(client, "pong");
  assert.equal(await ask2(client, "message-with-ack", "here"), "here");
  assert.deepEqual(lost, []);
});

it("sessions of Socket.IO 2 clients move to the gateway of their WebSocket", async () => {
  const before = await Cluster.counted(cluster.gateways, 'patchbay_gateway_handoffs_total{cause="upgrade",outcome="taken"}');
  await Promise.all(Array.from({ length: 6 }, async () => {
    const client = await join();
    await upgraded2(client);
    assert.deepEqual(await ask2(client, "message-with-ack", filled(3, 3)), filled(3, 3));
  }));
  const taken = await Cluster.counted(cluster.gateways, 'patchbay_gateway_handoffs_total{cause="upgrade",outcome="taken"}') - before;
  assert.ok(taken > 0, "sessions moved");
});

// What browsers send and get, who can tell bytes from text in a response: payloads in binary, by the parser of the old client.
it("polling payloads in binary are served, whatever gateway they meet", async () => {
  const require = createRequire(createRequire(import.meta.url).resolve("socket.io-client-v2"));
  const parser = createRequire(require.resolve("engine.io-client"))("engine.io-parser");
  const url = `${balancer.url}/socket.io/?EIO=3&transport=polling`;
  const packets = [];
  const poll = async (sid) => {
    const response = await fetch(sid ? `${url}&sid=${sid}` : url);
    assert.equal(response.status, 200);
    const binary = response.headers.get("content-type") === "application/octet-stream";
    const body = binary ? Buffer.from(await response.arrayBuffer()) : await response.text();
    parser.decodePayload(body, (packet) => { packets.push(packet); });
  };
  await poll();
  const { sid } = JSON.parse(packets[0].data);
  while (!packets.some(({ data }) => String(data).includes('"auth"'))) await poll(sid);
  const text = { type: "message", data: '51-1["message-with-ack",{"_placeholder":true,"num":0}]' };
  const sent = await new Promise((resolve) => parser.encodePayload([text, { type: "message", data: filled(300, 5) }], true, resolve));
  assert.ok(Buffer.isBuffer(sent), "encoded in binary");
  const posted = await fetch(`${url}&sid=${sid}`, { method: "POST", body: sent, headers: { "content-type": "application/octet-stream" } });
  assert.equal(await posted.text(), "ok");
  packets.length = 0;
  while (packets.length < 2) await poll(sid);
  assert.equal(packets[0].data, '61-1[{"_placeholder":true,"num":0}]');
  assert.deepEqual(packets[1].data, filled(300, 5));
});
