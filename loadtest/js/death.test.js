import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Clients, ask, connected, next, record, within } from "./client.js";
import { Cluster } from "./cluster.js";

const clients = new Clients();
let cluster;
afterEach(async () => {
  clients.close();
  await cluster?.stop();
});

// Asks until there is an answer: what a client does whose event met a worker that is dying.
async function eventually(client, event, ...args) {
  const end = Date.now() + 20_000;
  for (;;) {
    const answer = await client.timeout(1000).emitWithAck(event, ...args).catch(() => null);
    if (answer !== null) return answer;
    assert.ok(Date.now() < end, `no answer to ${event}`);
  }
}

// Has clients send numbered events, some of which ask for an acknowledgement, in rounds. Tells what came of them.
class Numbered {
  #sent = 0;

  constructor(all) {
    this.senders = all.map((client) => {
      const sender = { client, backs: [], ran: new Set(), acked: new Set(), asked: new Set(), lateRuns: [] };
      client.on("numbered-back", (n, number, redelivered) => {
        sender.backs.push({ n, number, redelivered });
        sender.ran.add(n);
        if (sender.acked.has(n)) sender.lateRuns.push(n);
      });
      return sender;
    });
    this.lost = all.map((client) => record(client, "disconnect"));
  }

  /** Sends until it has sent so many, or until a promise is settled; a round trip of nobody's worker is awaited between rounds. */
  async send(until) {
    const more = () => (typeof until === "number" ? this.#sent < until : !until.settled);
    while (more()) {
      for (let i = 0; i < 10; i++, this.#sent++) {
        const n = this.#sent;
        for (const sender of this.senders) {
          if (n % 7 !== 3) { sender.client.emit("numbered", n); continue; }
          sender.asked.add(n);
          sender.client.emit("numbered", n, () => sender.acked.add(n));
        }
      }
      await pause(typeof until === "number" ? 1 : 20);
    }
  }

  /** Waits until all that was sent has come back. */
  async done() {
    const end = Date.now() + 30_000;
    const complete = ({ ran, acked, asked }) => ran.size === this.#sent && acked.size === asked.size;
    while (!this.senders.every(complete)) {
      assert.ok(Date.now() < end, `of ${this.#sent} events came back: ${this.senders.map(({ ran, acked, asked }) => `${ran.size} (${acked.size} of ${asked.size} acknowledged)`)}`);
      await pause(20);
    }
  }

  /** None lost, none out of order; none repeated but those that say so, none of those after it was acknowledged. */
  check({ zombie = false } = {}) {
    for (const { backs, lateRuns } of this.senders) {
      const seen = new Map();
      const order = [];
      for (const back of backs) {
        assert.equal(back.number, back.n + 1);
        if (!seen.has(back.n)) {
          order.push(back.n);
          seen.set(back.n, back);
          continue;
        }
        assert.ok(back.redelivered || (zombie && seen.get(back.n).redelivered), `event ${back.n} was repeated without a word`);
      }
      assert.deepEqual(order, Array.from({ length: this.#sent }, (_, n) => n));
      if (!zombie) assert.deepEqual(lateRuns, []);
    }
    assert.deepEqual(this.lost.flat(), []);
  }
}

// A promise that says whether it is settled.
function watched(promise) {
  const state = { settled: false, promise };
  promise.finally(() => { state.settled = true; });
  return state;
}

describe("when a part is killed", () => {
  it("a worker of two, while its clients send: no event is lost, out of order, or repeated without saying so", async () => {
    cluster = await Cluster.start({ workers: 2 });
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => clients.connect(cluster.urls[i % 2], { transports: ["websocket"] })));
    const numbered = new Numbered(all);
    await numbered.send(500);
    const killed = cluster.workers[0].kill();
    await numbered.send(1500);
    await killed;
    await numbered.done();
    numbered.check();
  });

  it("a worker that was stopped for longer than a lease, and goes on: it leaves alone what is another's by then", async () => {
    cluster = await Cluster.start({ workers: 2 });
    const all = await Promise.all(Array.from({ length: 6 }, (_, i) => clients.connect(cluster.urls[i % 2], { transports: ["websocket"] })));
    const numbered = new Numbered(all);
    await numbered.send(300);
    const frozen = watched(cluster.workers[0].freeze(7000)); // the lease is 5 s
    await numbered.send(frozen);
    await frozen.promise;
    await numbered.send(watched(pause(1000)));
    await numbered.done();
    numbered.check({ zombie: true });
  });

  it("a worker: its sockets get a new home, with their rooms and data, and no client is disconnected", async () => {
    cluster = await Cluster.start({ workers: 2 });
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => clients.connect(cluster.urls[i % 2], { transports: ["websocket"] })));
    const lost = all.map((client) => record(client, "disconnect"));
    await Promise.all(all.map(async (client, i) => {
      await ask(client, "join", `room ${i}`);
      await ask(client, "set-data", "number", i);
    }));
    await cluster.workers[0].kill();
    await Promise.all(all.map(async (client, i) => {
      const me = await eventually(client, "whoami");
      assert.deepEqual(me.rooms, [client.id, `room ${i}`].sort());
      assert.deepEqual(me.data, { number: i });
    }));
    // From here on nothing is lost: there is one worker, and it is alive.
    await Promise.all(all.map(async (client) => {
      const back = record(client, "message-back");
      const done = within(new Promise((resolve) => client.on("message-back", (n) => { if (n === 199) resolve(); })), "the last event");
      for (let n = 0; n < 200; n++) client.emit("message", n);
      await done;
      assert.deepEqual(back.map(([n]) => n), Array.from({ length: 200 }, (_, n) => n));
    }));
    assert.deepEqual(lost.flat(), []);
  });

  it("a router of two: no client notices", async () => {
    cluster = await Cluster.start({ routers: 2 });
    const [a, b] = await Promise.all(cluster.urls.map((url) => clients.connect(url, { transports: ["websocket"] })));
    const lost = [record(a, "disconnect"), record(b, "disconnect")];
    await ask(a, "join", "room");
    await cluster.routers[0].kill();
    const heard = next(a, "news");
    await ask(b, "to-room", "room", "news", 1);
    assert.deepEqual(await heard, [1]);
    const newcomers = await Promise.all(Array.from({ length: 10 }, (_, i) => clients.connect(cluster.urls[i % 2], { transports: ["websocket"] })));
    await ask(newcomers[0], "join", "room");
    const members = await eventually(b, "fetch-room", "room");
    assert.deepEqual(members.map(({ id }) => id), [a.id, newcomers[0].id].sort());
    assert.deepEqual(lost.flat(), []);
  });

  it("a gateway: its sockets are gone for everybody, once each, and its clients come back elsewhere", async () => {
    cluster = await Cluster.start();
    const watcher = await clients.connect(cluster.urls[1], { transports: ["websocket"] });
    await ask(watcher, "join", "watchers");
    const left = record(watcher, "peer-left");
    const doomed = await Promise.all(Array.from({ length: 5 }, () => clients.connect(cluster.urls[0], { transports: ["websocket"], reconnection: false })));
    // A gateway can die before its word that a socket is open has left it; then its worker never had the socket,
    // and has no disconnection to tell. An answer shows that it has.
    await Promise.all(doomed.map((client) => ask(client, "whoami")));
    const ids = doomed.map(({ id }) => id).sort();
    const gone = within(new Promise((resolve) => watcher.on("peer-left", () => { if (left.length === ids.length) resolve(); })), "all to leave", 20_000);
    await cluster.gateways[0].kill();
    await gone;
    assert.deepEqual(left.map(([id]) => id).sort(), ids);
    assert.deepEqual((await ask(watcher, "fetch-room", null)).map(({ id }) => id), [watcher.id]);
    await clients.connect(cluster.urls[1], { transports: ["websocket"] });
    assert.equal(left.length, ids.length);
  });

  it("a gateway that left, and then the routers anew: answers are whole", async () => {
    cluster = await Cluster.start({ workers: 1 });
    const [a, b] = await Promise.all(cluster.urls.map((url) => clients.connect(url, { transports: ["websocket"], reconnection: false })));
    await Promise.all([a, b].map((client) => ask(client, "join", "room")));
    assert.equal((await ask(b, "fetch-room", "room")).length, 2);
    await cluster.gateways[0].stop();
    await cluster.routers[0].stop();
    await cluster.routers[0].start();
    assert.deepEqual((await eventually(b, "fetch-room", "room")).map(({ id }) => id), [b.id]);
  });

  it("a gateway that is not dead but was stopped for longer than a lease: it lets its clients go, and they come back", async () => {
    cluster = await Cluster.start();
    const watcher = await clients.connect(cluster.urls[1], { transports: ["websocket"] });
    await ask(watcher, "join", "watchers");
    const left = record(watcher, "peer-left");
    const client = await clients.connect(cluster.urls[0], { transports: ["websocket"] });
    const { id } = client;
    await ask(client, "whoami"); // its worker has it: the gateway's word of that does not go to sleep with the gateway
    const lost = next(client, "disconnect", 20_000);
    const back = lost.then(() => connected(client));
    await cluster.gateways[0].freeze(7000); // the lease is 5 s
    await lost;
    await back;
    if (left.length === 0) await next(watcher, "peer-left"); // the client may hear sooner that it is back
    assert.deepEqual(left, [[id, "transport close"]]);
    assert.notEqual(client.id, id);
    assert.equal(await ask(client, "message-with-ack", "back"), "back");
    assert.deepEqual((await eventually(watcher, "fetch-room", null)).map((one) => one.id), [watcher.id, client.id].sort());
  });

  it("a worker that stops as it should hands its sockets over without losing an event", async () => {
    cluster = await Cluster.start({ workers: 2 });
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => clients.connect(cluster.urls[i % 2], { transports: ["websocket"] })));
    const backs = all.map((client) => record(client, "message-back"));
    const count = 2000;
    const done = all.map((client) => within(new Promise((resolve) => client.on("message-back", (n) => { if (n === count - 1) resolve(); })), "the last event", 30_000));
    let sent = 0;
    const stop = cluster.workers[0].stop();
    while (sent < count) {
      for (let n = 0; n < 20 && sent < count; n++, sent++) for (const client of all) client.emit("message", sent);
      await ask(all[0], "message-with-ack", sent); // a round trip: the worker stops meanwhile
    }
    await Promise.all([...done, stop]);
    for (const back of backs) assert.deepEqual(back.map(([n]) => n), Array.from({ length: count }, (_, n) => n));
  });

  it("NATS, and started again: connections stay, traffic resumes, and what a worker emitted meanwhile arrives", async () => {
    cluster = await Cluster.start({ gateways: 1, workers: 1 });
    const client = await clients.connect(cluster.urls[0], { transports: ["websocket"] });
    const lost = record(client, "disconnect");
    await ask(client, "join", "room");
    const burst = record(client, "tick");
    client.emit("room-burst", "room", "tick", 20_000);
    await next(client, "tick");
    await cluster.nats.kill();
    await cluster.nats.start();
    while (burst.length < 20_000) await next(client, "tick", 20_000);
    assert.deepEqual(burst.map(([n]) => n), Array.from({ length: 20_000 }, (_, n) => n));
    for (const part of [...cluster.gateways, ...cluster.workers]) {
      assert.equal(await Cluster.counted([part], "patchbay_backplane_disconnects_total"), 1, "the gap is counted");
    }
    assert.deepEqual(await eventually(client, "message-with-ack", "still here"), "still here");
    const heard = next(client, "news", 20_000);
    await eventually(client, "in-room", "room", "news", 2);
    assert.deepEqual(await heard, [2]);
    await connected(client);
    assert.deepEqual(lost, []);
    assert.equal(await Cluster.counted(cluster.gateways, 'patchbay_gateway_backplane_gaps_total{outcome="repaired"}'), 1);
  });
});
