import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import { Clients, ask, modes, next, record } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster;
const clients = new Clients();
before(async () => { cluster = await Cluster.start(); });
after(() => cluster?.stop());
afterEach(() => clients.close());

for (const [mode, transports] of Object.entries(modes)) {
  describe(`rooms over two gateways by ${mode}`, () => {
    let a, b, c; // a on the first gateway, b and c on the second
    let heard;
    const room = () => `room of ${a.id} / ü.*>`; // new for each test, and awkward on purpose

    beforeEach(async () => {
      const [first, second] = cluster.urls;
      [a, b, c] = await Promise.all([first, second, second].map((url) => clients.connect(url, { transports })));
      heard = new Map([["a", a], ["b", b], ["c", c]].map(([name, socket]) => [name, record(socket, "news")]));
    });

    // Emits from a, and returns who heard it. What a's worker emits later reaches each client later, so once
    // all three have the fence, whoever was to hear has heard.
    async function hears(event, ...args) {
      const fences = [a, b, c].map((socket) => next(socket, "fence"));
      await ask(a, event, ...args);
      await ask(a, "broadcast-all", "fence");
      await Promise.all(fences);
      return [...heard].filter(([, events]) => events.length > 0).map(([name, events]) => {
        assert.deepEqual(events, [["hello", 1]], `${name} heard it wrongly or twice`);
        return name;
      }).join("");
    }

    it("tell their members", async () => {
      assert.deepEqual(await ask(a, "join", ["x", "y"]), [a.id, "x", "y"].sort());
      assert.deepEqual(await ask(a, "leave", "x"), [a.id, "y"].sort());
      assert.deepEqual((await ask(a, "whoami")).rooms, [a.id, "y"].sort());
    });

    it("reach members on the other gateway, without the sender", async () => {
      await Promise.all([a, b].map((s) => ask(s, "join", room())));
      assert.equal(await hears("to-room", room(), "news", "hello", 1), "b");
    });

    it("reach all members, the sender too", async () => {
      await Promise.all([a, b, c].map((s) => ask(s, "join", room())));
      assert.equal(await hears("in-room", room(), "news", "hello", 1), "abc");
    });

    it("reach those in several rooms once", async () => {
      await ask(b, "join", ["1", "2", "3"].map((n) => room() + n));
      await ask(c, "join", room() + "3");
      assert.equal(await hears("to-room", ["1", "2", "3"].map((n) => room() + n), "news", "hello", 1), "bc");
    });

    it("leave out the members of another", async () => {
      await Promise.all([a, b, c].map((s) => ask(s, "join", room())));
      await ask(b, "join", `${room()} not`);
      assert.equal(await hears("to-room-except", room(), `${room()} not`, "news", "hello", 1), "ac");
    });

    it("fall silent for those who leave", async () => {
      await Promise.all([b, c].map((s) => ask(s, "join", room())));
      await ask(c, "leave", room());
      assert.equal(await hears("to-room", room(), "news", "hello", 1), "b");
    });

    it("reach one socket by its id", async () => {
      assert.equal(await hears("to-room", c.id, "news", "hello", 1), "c");
    });

    it("are not needed to reach everyone", async () => {
      assert.equal(await hears("broadcast", "news", "hello", 1), "bc");
      for (const events of heard.values()) events.length = 0;
      assert.equal(await hears("broadcast-all", "news", "hello", 1), "abc");
      for (const events of heard.values()) events.length = 0;
      assert.equal(await hears("broadcast-local", "news", "hello", 1), "a");
    });

    it("carry binary", async () => {
      await ask(b, "join", room());
      const news = next(b, "news");
      a.emit("to-room", room(), "news", { blob: Buffer.from([1, 2, 3]) }, Buffer.from([4]));
      assert.deepEqual(await news, [{ blob: Buffer.from([1, 2, 3]) }, Buffer.from([4])]);
    });

    it("collect acknowledgements", async () => {
      for (const [name, socket] of [["b", b], ["c", c]]) {
        await ask(socket, "join", room());
        socket.on("question", (answer) => answer(name));
      }
      const { error, responses } = await ask(a, "broadcast-with-ack", room(), 5000, "question");
      assert.equal(error, false);
      assert.deepEqual(responses.sort(), ["b", "c"]);
    });

    it("can be managed from afar", async () => {
      await Promise.all([b, c].map((s) => ask(s, "join", room())));
      const found = await ask(a, "fetch-room", room());
      assert.deepEqual(found.map((s) => s.id), [b.id, c.id].sort());
      await ask(a, "room-join", room(), `${room()} 2`);
      await ask(a, "room-leave", b.id, room());
      assert.equal(await hears("to-room", room(), "news", "hello", 1), "c");
      for (const events of heard.values()) events.length = 0;
      assert.equal(await hears("to-room", `${room()} 2`, "news", "hello", 1), "bc");
      const gone = next(c, "disconnect");
      await ask(a, "kick", room(), true);
      assert.equal((await gone)[0], "io server disconnect");
    });
  });
}

describe("workers", () => {
  it("ask each other", async () => {
    const client = await clients.connect(cluster.urls[0]);
    const { replies } = await ask(client, "server-side-emit", "hi");
    assert.equal(replies.length, 1);
    assert.match(replies[0], /^.+:hi$/);
  });
});

describe("nodes", () => {
  it("have names of their own", async () => {
    const nodes = await Promise.all(cluster.urls.map(async (url) =>
      (await ask(await clients.connect(url), "whoami")).node));
    assert.notEqual(nodes[0], nodes[1]);
  });
});
