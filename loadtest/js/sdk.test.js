// What each part of the SDK looks like to a stock client: the tour, on two gateways behind a balancer.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import { Balancer } from "./balancer.js";
import { Clients, ask, connected, modes, next, record, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({ program: "tour" });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await cluster?.stop(); // first: goodbyes of clients may still be on their way through the balancer
  await balancer?.stop();
});
afterEach(() => clients.close());

// A client that is told what becomes of others.
async function watcher() {
  const client = await clients.connect(balancer.url);
  await ask(client, "join", "watchers");
  return client;
}

/** The next occurrence of an event about a socket, given by its id. */
function about(watching, event, id) {
  return within(new Promise((resolve) => watching.on(event, (who, ...args) => { if (who === id) resolve(args); })), `"${event}" about it`);
}

// Clients in a room of their own, on whichever gateways.
const rooms = async (count) => {
  const all = await Promise.all(Array.from({ length: count }, () => clients.connect(balancer.url)));
  const room = `room of ${all[0].id}`;
  await Promise.all(all.map((client) => ask(client, "join", room)));
  return { room, all };
};

for (const [mode, transports] of Object.entries(modes)) {
  describe(`handlers by ${mode}`, () => {
    let client;
    beforeEach(async () => { client = await clients.connect(balancer.url, { transports }); });

    it("have middleware for events, which may refuse and change them", async () => {
      const failed = next(client, "failed");
      assert.equal(await ask(client, "admin:stop"), "refused");
      assert.deepEqual(await failed, ["admin:stop", "other"]);
      client.emit("admin:stop"); // without an acknowledgement the error handlers alone hear of it
      await next(client, "failed");
      const answer = await new Promise((resolve) => client.emit("doubled", 1, "two", (...args) => resolve(args)));
      assert.deepEqual(answer, [1, "two", 1, "two"]);
    });

    it("may be for every event, in both directions", async () => {
      await ask(client, "doubled", 1);
      client.emit("message", "x");
      await next(client, "message");
      const seen = await ask(client, "seen");
      assert.deepEqual(seen.in, ["before", "doubled", "before", "message", "before", "seen"]);
      assert.deepEqual(seen.out, ["welcome", "message"]);
    });

    it("may be called once, and be removed", async () => {
      assert.equal(await ask(client, "once"), "once");
      let again = false;
      client.emit("once", () => { again = true; });
      const counted = record(client, "counted");
      for (let i = 0; i < 4; i++) client.emit("twice");
      await ask(client, "doubled");
      assert.deepEqual(counted, [[1], [2]]);
      assert.equal(again, false);
    });

    it("send and hear messages", async () => {
      const back = next(client, "message");
      client.send("hello", { a: Buffer.from("b") });
      assert.deepEqual(await back, ["hello", { a: Buffer.from("b") }]);
    });

    it("lose the event over which they panic, and nothing else", async () => {
      const failed = record(client, "failed");
      const number = next(client, "number");
      client.emit("panic");
      client.emit("number", "seven");
      client.emit("number", 7);
      assert.deepEqual(await number, [7]);
      assert.deepEqual(failed, [["panic", "panic"], ["number", "argument"]]);
    });

    it("hold up their own socket alone, and end with it", async () => {
      const other = await clients.connect(balancer.url, { transports });
      const watching = await watcher();
      const cancelled = about(watching, "cancelled", client.id);
      const busy = next(client, "busy");
      client.emit("slow");
      await busy;
      const late = record(client, "number");
      client.emit("number", 1); // behind the slow one
      assert.deepEqual(await ask(other, "doubled", 1), 1);
      assert.deepEqual(late, []);
      client.disconnect();
      assert.deepEqual(await cancelled, [true]);
    });

    it("are told the rooms of a socket that goes, and why", async () => {
      const watching = await watcher();
      await ask(client, "join", "a room, with a comma");
      const { id } = client;
      const [leaving, left] = [about(watching, "leaving", id), about(watching, "left", id)];
      client.disconnect();
      const reason = "client namespace disconnect";
      assert.deepEqual(await leaving, [reason, ["a room, with a comma", id].sort(), true]);
      assert.deepEqual(await left, [reason]);
    });
  });

  describe(`acknowledgements by ${mode}`, () => {
    const answering = (client, answer) => client.on("question", (from, reply) => reply(answer, from));

    it("come from a client, or the timeout does", async () => {
      const client = await clients.connect(balancer.url, { transports });
      client.on("question", (a, b, reply) => reply({ a }, b));
      assert.deepEqual(await ask(client, "ask", 60_000, 1, Buffer.from("x")), { answer: [{ a: 1 }, Buffer.from("x")], late: false });
      client.off("question");
      assert.deepEqual(await ask(client, "ask", 100, 1), { answer: null, late: true });
    });

    it("come from a whole room, as soon as all have answered", async () => {
      const { room, all } = await rooms(6);
      all.forEach((client, i) => answering(client, i === 3 ? Buffer.from("three") : i));
      const { answers, early } = await ask(all[0], "ask-all", room, 60_000);
      assert.equal(early, true);
      assert.deepEqual(new Set(answers.map(String)), new Set(["0", "1", "2", "three", "4", "5"]));
    });

    it("come from those who answer, with the names of those who do not", async () => {
      const { room, all } = await rooms(4);
      all.slice(0, 3).forEach((client, i) => answering(client, i));
      const { answers, missing } = await ask(all[0], "ask-all", room, 3000);
      assert.deepEqual([...answers].sort(), [0, 1, 2]);
      assert.deepEqual(missing, [all[3].id]);
    });

    it("are not waited for from a client that goes meanwhile", async () => {
      const { room, all } = await rooms(3);
      answering(all[0], "stays");
      all[1].on("question", () => all[1].disconnect());
      all[2].on("question", () => all[2].io.engine.close());
      const { answers, early } = await ask(all[0], "ask-all", room, 60_000);
      assert.deepEqual(answers, ["stays"]);
      assert.equal(early, true);
      assert.deepEqual(await ask(all[0], "ask-all", "nobody's room", 60_000), { answers: [], early: true });
    });
  });
}

describe("acknowledgements of a room whose clients move between gateways", () => {
  it("come all the same", async () => {
    const { room, all } = await rooms(2);
    all[0].on("question", (from, reply) => reply(0));
    all[1].on("question", (from, reply) => reply(1));
    for (let round = 0; round < 5; round++) {
      // Its upgrade lands on whichever gateway is next, and takes the session along, while it is being asked.
      const mover = clients.socket(balancer.url);
      mover.on("question", (from, reply) => reply("moved"));
      await connected(mover);
      await ask(mover, "join", room);
      const { answers, early } = await ask(all[0], "ask-all", room, 60_000);
      assert.equal(early, true);
      assert.deepEqual(new Set(answers), new Set([0, 1, "moved"]));
      mover.disconnect();
    }
  });
});

describe("emits", () => {
  it("carry options, and reach whom they are for", async () => {
    const client = await clients.connect(balancer.url);
    const options = record(client, "option");
    assert.equal(await ask(client, "options", 5), true);
    // The volatile one is dropped if it would have to wait behind the first.
    assert.deepEqual(options.filter(([kind]) => kind !== "volatile"), [["plain", 5], ["to", 5]]);
  });

  it("have ten attachments, and no more", async () => {
    const client = await clients.connect(balancer.url);
    const ten = next(client, "buffers");
    client.emit("buffers", 10);
    assert.deepEqual(await ten, [Array.from({ length: 10 }, (_, i) => Buffer.from([i]))]);
    const failed = next(client, "failed");
    client.emit("buffers", 11);
    assert.deepEqual(await failed, ["buffers", "attachments"]);
    assert.equal(client.connected, true);
  });
});

describe("dynamic namespaces", () => {
  it("exist where a pattern says so, and are emitted to together", async () => {
    const main = await clients.connect(balancer.url);
    const news = await Promise.all(["/game-1", "/game-22", "/game-1", "/tenant-a"].map(async (nsp) => {
      const client = clients.socket(balancer.url + nsp, { auth: { tenant: "a" } });
      const welcome = next(client, "welcome");
      await connected(client);
      assert.deepEqual(await welcome, [nsp]);
      return { client, heard: record(client, "news") };
    }));
    await ask(news[1].client, "join", "red");
    await ask(main, "to-games", "hello");
    const all = ["hello"], red = ["hello, red"], one = ["hello, one"];
    const want = [[all, one], [all, red], [all, one]];
    for (const [i, expected] of want.entries()) {
      while (news[i].heard.length < 2) await next(news[i].client, "news");
      assert.deepEqual(news[i].heard, expected);
    }
    assert.deepEqual(news[3].heard, []);
    const [error] = await next(clients.socket(`${balancer.url}/game-x`), "connect_error");
    assert.equal(error.message, "Invalid namespace");
  });

  it("exist for whom a function says so", async () => {
    const client = clients.socket(`${balancer.url}/tenant-acme`, { auth: { tenant: "acme" } });
    await connected(client);
    for (const auth of [{ tenant: "other" }, {}]) {
      const [error] = await next(clients.socket(`${balancer.url}/tenant-acme`, { auth }), "connect_error");
      assert.equal(error.message, "Invalid namespace");
    }
  });
});
