// The contract app, row by row, with the stock client: two gateways behind a balancer without affinity, two workers.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import { Balancer } from "./balancer.js";
import { Clients, ask, connected, modes, next, record, upgraded } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start();
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  await cluster?.stop(); // first: goodbyes of clients may still be on their way through the balancer
  await balancer?.stop();
});
afterEach(() => clients.close());

const sorted = (list) => [...list].sort();
const numbers = (count) => Array.from({ length: count }, (_, i) => i);

for (const [mode, transports] of Object.entries(modes)) {
  describe(`the contract by ${mode}`, () => {
    let a, b, c; // wherever the balancer put them
    let room, other; // new for each test
    let heard; // "news" by client
    const connect = (path = "", options = {}) => clients.connect(balancer.url + path, { transports, ...options });

    beforeEach(async () => {
      [a, b, c] = await Promise.all([connect(), connect(), connect()]);
      [room, other] = [`room of ${a.id}`, `other of ${a.id}`];
      heard = new Map([["a", a], ["b", b], ["c", c]].map(([name, socket]) => [name, record(socket, "news")]));
    });

    // Emits from a, and returns who heard the news; what the acknowledgement was is given too. What a's worker emits after
    // it comes after it, so once all have the fence, whoever was to hear has heard.
    async function hears(event, ...args) {
      const fences = [a, b, c].map((socket) => next(socket, "fence"));
      const answer = await new Promise((resolve) => a.emit(event, ...args, (...list) => resolve(list)));
      assert.deepEqual(answer, [], "it is acknowledged without arguments");
      await ask(a, "broadcast-all", "fence");
      await Promise.all(fences);
      const names = [...heard].filter(([, events]) => events.length > 0).map(([name, events]) => {
        assert.deepEqual(events, [["hello", 1]], `${name} heard it wrongly or twice`);
        events.length = 0;
        return name;
      });
      return names.join("");
    }

    it("On connection", async () => {
      for (const auth of [{ user: "ada", n: [1, { a: null }] }, undefined]) {
        const socket = clients.socket(balancer.url, { transports, auth });
        assert.deepEqual(await next(socket, "auth"), [auth ?? {}]);
      }
    });

    it("Namespaces", async () => {
      for (const path of ["/custom", "/dynamic-101"]) {
        assert.equal((await ask(await connect(path), "whoami")).nsp, path);
      }
      assert.equal((await ask(await connect("/auth", { auth: { token: "secret" } }), "whoami")).nsp, "/auth");
      const refused = async (path, auth) => {
        const [error] = await next(clients.socket(balancer.url + path, { transports, auth, reconnection: false }), "connect_error");
        return [error.message, error.data];
      };
      assert.deepEqual(await refused("/auth", { token: "x" }), ["not authorized", { code: "E_AUTH", retry: false }]);
      for (const path of ["/none", "/dynamic-", "/dynamic-1x", "/x/dynamic-1"]) {
        assert.deepEqual(await refused(path), ["Invalid namespace", undefined]);
      }
    });

    it("message", async () => {
      const back = next(a, "message-back");
      a.emit("message", 1, "two", { three: Buffer.from([3]) }, null);
      assert.deepEqual(await back, [1, "two", { three: Buffer.from([3]) }, null]);
    });

    it("message-with-ack", async () => {
      const answer = await new Promise((resolve) => a.emit("message-with-ack", 1, [Buffer.from("x")], (...args) => resolve(args)));
      assert.deepEqual(answer, [1, [Buffer.from("x")]]);
    });

    it("whoami", async () => {
      const me = await connect("/custom", { auth: { k: 1 }, query: { from: "test" } });
      await ask(me, "join", room);
      const who = await ask(me, "whoami");
      assert.deepEqual(sorted(Object.keys(who)), ["auth", "data", "id", "node", "nsp", "query", "recovered", "rooms", "transport"]);
      assert.equal(who.id, me.id);
      assert.equal(who.nsp, "/custom");
      assert.deepEqual(who.rooms, sorted([me.id, room]));
      assert.equal(who.recovered, false);
      assert.ok(["polling", "websocket"].includes(who.transport));
      assert.equal(who.query.from, "test");
      assert.equal(who.query.EIO, "4");
      assert.deepEqual(who.auth, { k: 1 });
      assert.deepEqual(who.data, {});
      assert.match(who.node, /./);
    });

    it("set-data", async () => {
      assert.deepEqual(await ask(a, "set-data", "colour", "red"), { colour: "red" });
      assert.deepEqual(await ask(a, "set-data", "size", { x: [1] }), { colour: "red", size: { x: [1] } });
      assert.deepEqual((await ask(a, "whoami")).data, { colour: "red", size: { x: [1] } });
    });

    it("join", async () => {
      assert.deepEqual(await ask(a, "join", room), sorted([a.id, room]));
      assert.deepEqual(await ask(a, "join", [other, room, "\ud800\udc00", "\uff5a"]), sorted([a.id, room, other, "\ud800\udc00", "\uff5a"]));
    });

    it("leave", async () => {
      await ask(a, "join", [room, other]);
      assert.deepEqual(await ask(a, "leave", room), sorted([a.id, other]));
      assert.deepEqual(await ask(a, "leave", "no such room"), sorted([a.id, other]));
    });

    it("to-room", async () => {
      await Promise.all([ask(a, "join", room), ask(b, "join", [room, other]), ask(c, "join", other)]);
      assert.equal(await hears("to-room", room, "news", "hello", 1), "b");
      assert.equal(await hears("to-room", [room, other], "news", "hello", 1), "bc");
    });

    it("in-room", async () => {
      await Promise.all([ask(a, "join", room), ask(b, "join", [room, other])]);
      assert.equal(await hears("in-room", [room, other], "news", "hello", 1), "ab");
      assert.equal(await hears("in-room", c.id, "news", "hello", 1), "c");
    });

    it("to-room-except", async () => {
      await Promise.all([ask(a, "join", room), ask(b, "join", [room, other]), ask(c, "join", room)]);
      assert.equal(await hears("to-room-except", room, other, "news", "hello", 1), "ac");
      assert.equal(await hears("to-room-except", [room, other], [other, a.id], "news", "hello", 1), "c");
    });

    it("broadcast", async () => assert.equal(await hears("broadcast", "news", "hello", 1), "bc"));

    it("broadcast-all", async () => assert.equal(await hears("broadcast-all", "news", "hello", 1), "abc"));

    it("broadcast-local", async () => {
      if (!transports) await Promise.all([a, b, c].map(upgraded)); // which may take them to another node
      const nodes = await Promise.all([a, b, c].map(async (client) => (await ask(client, "whoami")).node));
      const here = ["a", "b", "c"].filter((_, i) => nodes[i] === nodes[0]).join("");
      assert.equal(await hears("broadcast-local", "news", "hello", 1), here);
    });

    it("broadcast-except", async () => {
      await ask(b, "join", room);
      assert.equal(await hears("broadcast-except", room, "news", "hello", 1), "ac");
      assert.equal(await hears("broadcast-except", [room, a.id], "news", "hello", 1), "c");
    });

    it("broadcast-with-ack", async () => {
      await Promise.all([a, b, c].map((client) => ask(client, "join", room)));
      a.on("q", (x, y, reply) => reply([x, y]));
      b.on("q", (x, y, reply) => reply(Buffer.from("b"), "beyond the first"));
      c.on("q", (x, y, reply) => reply());
      const all = await ask(a, "broadcast-with-ack", room, 60_000, "q", 1, 2);
      assert.equal(all.error, false);
      assert.equal(all.responses.length, 3);
      for (const one of [[1, 2], Buffer.from("b"), null]) {
        assert.ok(all.responses.some((got) => JSON.stringify(got) === JSON.stringify(one)), `${one} is among ${all.responses}`);
      }
      c.off("q");
      const some = await ask(a, "broadcast-with-ack", [room, other], 3000, "q", 1, 2);
      assert.equal(some.error, true);
      assert.equal(some.responses.length, 2);
      assert.deepEqual(await ask(a, "broadcast-with-ack", other, 60_000, "q"), { error: false, responses: [] });
    });

    it("room-burst", async () => {
      await ask(b, "join", room);
      const got = record(b, "tick");
      await ask(a, "room-burst", room, "tick", 300);
      while (got.length < 300) await next(b, "tick");
      assert.deepEqual(got.map(([n]) => n), numbers(300));
    });

    it("fetch-room", async () => {
      await Promise.all([ask(a, "join", room), ask(b, "join", [room, other]), ask(a, "set-data", "k", 1)]);
      const want = [{ id: a.id, rooms: sorted([a.id, room]), data: { k: 1 } }, { id: b.id, rooms: sorted([b.id, room, other]), data: {} }];
      want.sort((x, y) => (x.id < y.id ? -1 : 1));
      assert.deepEqual(await ask(c, "fetch-room", room), want);
      const ids = (await ask(c, "fetch-room", null)).map(({ id }) => id);
      assert.deepEqual(ids, sorted(ids));
      for (const client of [a, b, c]) assert.ok(ids.includes(client.id));
    });

    it("room-join", async () => {
      await Promise.all([ask(a, "join", room), ask(b, "join", room)]);
      await ask(c, "room-join", room, [other, "more"]);
      assert.deepEqual((await ask(b, "whoami")).rooms, sorted([b.id, room, other, "more"]));
      assert.equal(await hears("in-room", other, "news", "hello", 1), "ab");
    });

    it("room-leave", async () => {
      await Promise.all([ask(a, "join", [room, other]), ask(b, "join", [room, other])]);
      await ask(c, "room-leave", room, [other]);
      assert.deepEqual((await ask(b, "whoami")).rooms, sorted([b.id, room]));
      assert.equal(await hears("in-room", other, "news", "hello", 1), "");
    });

    for (const close of [false, true]) {
      it(`kick, close ${close}`, async () => {
        const manager = clients.manager(balancer.url, { transports });
        const [one, two] = [manager.socket("/"), manager.socket("/custom")];
        await Promise.all([connected(one), connected(two)]);
        await ask(one, "join", room);
        const [gone, ended] = [next(one, "disconnect"), close ? next(two, "disconnect") : undefined];
        await ask(a, "kick", room, close);
        assert.equal((await gone)[0], "io server disconnect");
        if (close) assert.equal((await ended)[0], "io server disconnect");
        else assert.equal(await ask(two, "message-with-ack", "still here"), "still here");
      });

      it(`disconnect-me, close ${close}`, async () => {
        const manager = clients.manager(balancer.url, { transports });
        const [one, two] = [manager.socket("/"), manager.socket("/custom")];
        await Promise.all([connected(one), connected(two)]);
        const [gone, ended] = [next(one, "disconnect"), close ? next(two, "disconnect") : undefined];
        one.emit("disconnect-me", close ? true : "yes");
        assert.equal((await gone)[0], "io server disconnect");
        if (close) assert.equal((await ended)[0], "io server disconnect");
        else assert.equal(await ask(two, "message-with-ack", "still here"), "still here");
      });
    }

    it("server-side-emit", async () => {
      for (const client of [a, await connect("/custom")]) {
        const { replies } = await ask(client, "server-side-emit", "hi");
        assert.equal(replies.length, 1);
        assert.match(replies[0], /^.+:hi$/);
      }
    });

    it("server-emit-with-ack", async () => {
      a.on("q", (x, reply) => reply(x, Buffer.from("y")));
      assert.deepEqual(await ask(a, "server-emit-with-ack", 60_000, "q", 1), { values: [1, Buffer.from("y")] });
      assert.deepEqual(await ask(a, "server-emit-with-ack", 100, "nobody listens"), { error: true });
    });

    it("burst", async () => {
      const got = record(a, "tick");
      await ask(a, "burst", "tick", 200, 3);
      assert.deepEqual(got, numbers(200).map((n) => [n, "xxx"]));
      got.length = 0;
      await ask(a, "burst", "tick", 2, 0);
      assert.deepEqual(got, [[0], [1]]);
    });

    it("volatile-burst", async () => {
      const got = record(a, "tick");
      const end = next(a, "tick-end");
      await ask(a, "volatile-burst", "tick", 500, 1000);
      assert.deepEqual(await end, [500]);
      const heardOf = got.map(([n]) => n);
      assert.ok(heardOf.length < 500, `${heardOf.length} of 500 volatile events came: none was dropped`);
      assert.deepEqual(heardOf, [...heardOf].sort((x, y) => x - y));
      for (const [, text] of got) assert.equal(text, "x".repeat(1000));
    });

    it("binary", async () => {
      for (const sizes of [[], [3], [0, 70_000, 1]]) {
        const list = sizes.map((size, i) => Buffer.alloc(size, i));
        const back = next(a, "binary-back");
        a.emit("binary", sizes);
        assert.deepEqual(await back, [{ list, first: list[0] ?? null, nested: { deep: [{ last: list.at(-1) ?? null }] } }, sizes.length]);
      }
    });

    it("seq", async () => {
      for (const n of numbers(100)) a.emit("seq", n);
      const report = await ask(a, "seq-report");
      assert.equal(JSON.stringify(report), '{"seen":100,"inOrder":true}');
      a.emit("seq", 7);
      assert.deepEqual(await ask(a, "seq-report"), { seen: 101, inOrder: false });
    });

    it("On disconnection", async () => {
      await ask(a, "join", "watchers");
      const { id } = b;
      const left = new Promise((resolve) => a.on("peer-left", (who, why) => { if (who === id) resolve(why); }));
      b.disconnect();
      assert.equal(await left, "client namespace disconnect");
    });

    it("Any other event", async () => {
      let answered = false;
      a.emit("no such event", 1, () => { answered = true; });
      a.emit("seq-report"); // nobody waits for its acknowledgement
      await ask(a, "message-with-ack");
      assert.equal(answered, false);
    });

    it("publish", async () => {
      await Promise.all([ask(a, "join", room), ask(b, "join", room)]);
      const both = [a, b].map((client) => next(client, "msg"));
      a.emit("publish", room, { x: Buffer.from("y") });
      for (const one of await Promise.all(both)) assert.deepEqual(one, [{ x: Buffer.from("y") }]);
    });

    it("echo", async () => assert.deepEqual(await ask(a, "echo", { x: [Buffer.from("y"), null] }), { x: [Buffer.from("y"), null] }));
  });
}
